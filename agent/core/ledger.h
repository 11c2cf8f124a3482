#pragma once
/*
 * The ledger: one value that says who is in the cluster and who owns which block (protocol.md 3). Pure value: every
 * change is ledger_apply(), every copy is brought up to date by the change feed, and both give the same bytes on
 * every agent. Who may change it is the keeper's business (keeper.h); what we do about it is blocks.h's.
 */
#include "base/arena.h"
#include "core/message.h"

struct ledger {
	uint64_t version; /* 0: nothing known, everything below is empty */
	uint64_t
		digest; /* sum of the hashes of all rows ever changed: order does not matter, updated row by row */
	struct ledger_config config;
	struct uid
		proposer; /* of the newest version: the acting keeper; told by the feed, not part of the value */
	size_t n_peers, cap_peers;
	struct peer_row *peers; /* owned; in order of name */
	uint32_t n_blocks;
	struct block_row *blocks; /* owned; n_blocks of them, dense; NULL until there is a config */
};

void ledger_init(struct ledger *ledger);
void ledger_done(struct ledger *ledger);
void ledger_copy(struct ledger *to,
		 const struct ledger *from); /* `to` is initialised; its content is replaced */

/* The first value: version 1, one keeper, everything FREE. */
void ledger_found(struct ledger *ledger, const struct ledger_config *config);

/* The law. Reads the ledger and the command with its stamp, nothing else. True: a new version exists.
 * *reply is always filled; reply->text says in a sentence why not. */
bool ledger_apply(struct ledger *ledger, const struct command *command, struct reply *reply);

const struct peer_row *ledger_peer(const struct ledger *ledger, const char *name);
const struct peer_row *ledger_peer_by_uid(const struct ledger *ledger, const struct uid *uid);
bool ledger_is_keeper(const struct ledger *ledger, const struct uid *uid);
struct prefix ledger_block_prefix(const struct ledger *ledger, uint32_t block);
uint32_t ledger_block_count(const struct ledger_config *config);
/* First and last address of the range and offset 1 of each block are never given to pods (protocol.md 3.4). */

/* ---- the change feed */

/* The next frame for a neighbour that has everything with changed <= cursor: rows in ascending order of `changed`,
 * at most about max_bytes on the wire; complete when it reaches ledger->version. Rows live in the arena. */
void ledger_feed_next(const struct ledger *ledger, uint64_t after, uint64_t cursor,
		      size_t max_bytes, struct arena *arena, struct feed *ret);

/* Rows arriving over one link, held back until complete: a view never shows half a version. */
struct ledger_intake {
	uint64_t after, cursor; /* resume from cursor */
	bool have_config;
	struct ledger_config config;
	size_t n_peers, cap_peers, n_blocks, cap_blocks;
	struct peer_row *peers;
	struct block_change *blocks;
};

enum intake_result {
	INTAKE_MORE,  /* kept; not complete yet */
	INTAKE_SHOWN, /* the ledger is now at feed->upto */
	INTAKE_OLD,   /* nothing newer than what we show */
	INTAKE_GAP,   /* does not continue what we have: ask again from our version */
	INTAKE_FALSE, /* complete, but the digest is not what the rows give: nothing was taken; ask for a full copy from 0 */
	INTAKE_REFUSED, /* breaks a rule (order, version jump over 2^20, other cluster): blame the peer */
};

void intake_init(struct ledger_intake *intake);
void intake_done(struct ledger_intake *intake);
void intake_restart(struct ledger_intake *intake, uint64_t after);
enum intake_result intake_feed(struct ledger_intake *intake, struct ledger *ledger,
			       const struct feed *feed);
/* Rows of a trusted log (keeper.log): the same law of order, no digest. */
void ledger_overlay(struct ledger *ledger, uint64_t version, const struct rows *rows, bool whole);
