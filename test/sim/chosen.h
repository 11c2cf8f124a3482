#pragma once
/*
 * The history of the ledger as an outsider learns it: a value counts as chosen when the bytes of
 * its record are durable on the (one) keeper's disk. Kept with its own code, so that a mistake in
 * core/ledger is not repeated here. V1, V8, V9 and V11 are judged here; the checker compares every
 * view with it (V6) and replays feeds (V7).
 */
#include "core/ledger.h"
#include "core/record.h"
#include "world.h"

struct chosen_version {
	uint64_t version, hash;
};

struct chosen_value {
	uint64_t version;
	struct ledger_config config;
	size_t n_peers, cap_peers;
	struct peer_row *peers; /* owned; in order of name */
	uint32_t n_blocks;
	struct block_row *blocks; /* owned */
};

struct chosen {
	struct chosen_value value;   /* the newest */
	int64_t *cooling_since_ms;   /* owned; per block */
	struct chosen_value reading; /* the log's newest: the same, except while it is read back */
	struct chosen_value parts;   /* a value whose last record has not come */
	struct ballot ballot;        /* of the parts */
	size_t n_history, cap_history;
	struct chosen_version *history; /* owned; ascending */
	struct ledger *old[4]; /* owned; earlier values, to replay the feed from; NULL: not yet */
};

void chosen_init(struct chosen *chosen);
void chosen_done(struct chosen *chosen);

/* Records that became durable, in order; and those found in the log at a start, after
 * chosen_reread. True: the newest value is another now. */
bool chosen_durable(struct world *world, struct chosen *chosen, const struct record_keeper *record);
void chosen_reread(struct chosen *chosen);

/* V6: what an agent shows. */
void chosen_check_view(struct world *world, const struct chosen *chosen, const struct ledger *view,
		       const char *who);
/* V7: from earlier values to this one by random splits, repetitions and resumptions of the feed. */
void chosen_replay(struct world *world, struct chosen *chosen, const struct ledger *newest);

const struct peer_row *chosen_peer(const struct chosen *chosen, const char *name);
uint32_t chosen_count(const struct chosen *chosen, enum block_state state);
