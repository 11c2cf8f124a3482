#pragma once
/*
 * The ledger: one value that says who is in the cluster and who owns which block.
 * Pure value: every change is ledger_apply(), every copy is brought up to date by the change feed,
 * and both give the same rows and the same digest on every agent. Who may change it is the keeper's
 * business (keeper.h); what we do about it is blocks.h's.
 *
 *   ledger.c         the value: rows, their index and their digest
 *   ledger_apply.c   the law: what each command does
 *   ledger_choose.c  which blocks an ACQUIRE gets
 *   ledger_feed.c    rows in order of change, out of one copy
 *   ledger_intake.c  ... and into another
 */
#include "base/arena.h"
#include "core/message.h"

enum {
	LEDGER_DENIED_RETRY_MS = 30000,
	LEDGER_NO_SPACE_RETRY_MS = 5000,
	LEDGER_REPLACE_AFTER_S =
		15, /* a session not ALIVE for so long may be continued elsewhere */
};

struct ledger {
	uint64_t version; /* 0: nothing known, everything below is empty */
	/* Sum of the hashes of all rows ever changed, modulo 2^64: the order of changes does not
	 * matter, and one row's change costs two hashes. */
	uint64_t digest;
	struct ledger_config config;
	/* Of the newest version: the acting keeper. Told by the feed, not part of the value. */
	struct uid proposer;
	size_t n_peers, cap_peers;
	struct peer_row *peers; /* owned; in order of name */
	size_t cap_by_uid;
	uint32_t *by_uid; /* owned; n_peers positions in `peers`, in order of uid */
	uint32_t n_blocks;
	struct block_row *blocks; /* owned; n_blocks of them, dense; NULL until there is a config */
};

void ledger_init(struct ledger *ledger);
void ledger_done(struct ledger *ledger);
/* `to` is initialised; its content is replaced, its memory used again where it is large enough. */
void ledger_copy(struct ledger *to, const struct ledger *from);

/* The first value: version 1, one keeper, everything FREE. The ledger is empty before. */
void ledger_found(struct ledger *ledger, const struct ledger_config *config);

/* The law. Reads the ledger and the command with its stamp, nothing else. True: a new version
 * exists. *reply is always filled; reply->text says in a sentence why not. A reply to ATTACH names
 * the first GRANT_BLOCKS_MAX own blocks; all of them are in the view, which alone confirms.
 * observed.endpoint is where the sender *listens* (its address as seen, the port of its HELLO):
 * "same endpoint, other boot" counts as a reboot only because two agents cannot listen there at
 * once, and a port that TCP chose would make every reboot look like a clone. */
bool ledger_apply(struct ledger *ledger, const struct command *command, struct reply *reply);

const struct peer_row *ledger_peer(const struct ledger *ledger, const char *name);
const struct peer_row *ledger_peer_by_uid(const struct ledger *ledger, const struct uid *uid);
bool ledger_is_keeper(const struct ledger *ledger, const struct uid *uid);
struct prefix ledger_block_prefix(const struct ledger *ledger, uint32_t block);
uint32_t ledger_block_count(const struct ledger_config *config);
/* The digest from scratch. Differs from ledger->digest only if this program is broken. */
uint64_t ledger_digest_recompute(const struct ledger *ledger);

/* ---- the change feed */

/* The next frame for a neighbour that has every row with changed <= max(after, cursor): a frame
 * stands for itself and brings exactly the rows with ret->after < changed <= ret->cursor, as they
 * are in version ret->upto. About max_bytes on the wire, but always the whole of one version's
 * changes. Complete when it reaches ledger->version; continue from ret->cursor otherwise. Rows
 * live in the arena. */
void ledger_feed_next(const struct ledger *ledger, uint64_t after, uint64_t cursor,
		      size_t max_bytes, struct arena *arena, struct feed *ret);

/* What a config must agree with before it is shown. */
struct ledger_only {
	struct uuid cluster; /* zero: any */
	struct prefix range;
	uint8_t block_len; /* 0: any range and length */
};

bool ledger_config_agrees(const struct ledger_config *config, const struct ledger_only *only);

/* Rows arriving over one link, held back until complete: a view never shows half a version. */
struct ledger_intake {
	struct ledger_only only; /* set by the owner; forgotten by intake_done() alone */
	bool full;               /* a copy from 0: replaces the view instead of adding to it */
	uint64_t cursor;         /* every row with changed <= cursor is in the view or held here */
	uint64_t upto;           /* the newest version that rows held here come from */
	bool have_config;
	struct ledger_config config;
	size_t n_peers, cap_peers, cap_by_name, n_blocks, cap_blocks, cap_by_index;
	struct peer_row *peers;      /* owned; in order of arrival */
	uint32_t *by_name;           /* owned; positions in `peers`, in order of name */
	struct block_change *blocks; /* owned; in order of arrival */
	uint32_t *by_index;          /* owned; positions in `blocks`, in order of block */
};

enum intake_result {
	INTAKE_MORE,    /* kept; not complete yet */
	INTAKE_SHOWN,   /* the ledger is now at feed->upto */
	INTAKE_OLD,     /* nothing newer than what we show */
	INTAKE_GAP,     /* does not continue what we have: ask again from intake_wants() */
	INTAKE_FALSE,   /* complete, but the digest is not what the rows give: nothing was taken;
			   ask for a full copy from 0 */
	INTAKE_REFUSED, /* breaks a rule (order, version jump over 2^20, another cluster or range):
			   blame the peer */
};

void intake_init(struct ledger_intake *intake);
void intake_done(struct ledger_intake *intake);
/* Forget what is held. after: the version that the ledger shows, never intake_wants(), which counts
 * what is forgotten here; or 0: a full copy is wanted, to replace what the ledger shows. */
void intake_restart(struct ledger_intake *intake, uint64_t after);
/* From where to ask for rows: what is held already need not come again. */
uint64_t intake_wants(const struct ledger_intake *intake, const struct ledger *ledger);
/* Take a frame, in whatever order, however often, from whomever. The ledger never goes back. */
enum intake_result intake_feed(struct ledger_intake *intake, struct ledger *ledger,
			       const struct feed *feed);

/* Rows of a trusted log (keeper.log) with after < changed <= version, where everything up to
 * `after` is there already: the feed's law of order, no digest; the ledger is then at `version`.
 * False: they break the law, and nothing was taken. */
bool ledger_overlay(struct ledger *ledger, uint64_t after, uint64_t version,
		    const struct rows *rows);
