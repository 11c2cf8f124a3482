#pragma once
/*
 * What this life must have on disk, or in /run, before it acts: node.log (own session and blocks,
 * synced) and the continuity token (in /run). One store at a time, in one of three chains:
 *
 *              +-> END ---------> ATTACH -------> (ATTACH may leave) ----------+
 *              |   token gone     node.log without a session                   |
 *   IDLE ------+-> SEQ ---------> SEQ_TOKEN ----> (the command may leave) -----+--> IDLE
 *              |   node.log       token with its seq                            |
 *              +-> BLOCKS ------> BLOCKS_TOKEN -> (the next life may go on) ---+
 *                  node.log; stored: what it names is confirmed
 *
 *   from everywhere: IDLE when a store fails; session.c and orders.c then begin anew, not before
 *   DURABLE_RETRY_MS.
 *
 * A life that dies within a chain leaves a token that does not match node.log, or none: the next
 * one attaches anew. Called by session.c and orders.c, which are told when a step is done.
 */
#include "base/instant.h"
#include "core/record.h"

enum durable_step {
	DURABLE_IDLE,
	DURABLE_END,
	DURABLE_ATTACH,
	DURABLE_SEQ,
	DURABLE_SEQ_TOKEN,
	DURABLE_BLOCKS,
	DURABLE_BLOCKS_TOKEN,
	DURABLE_STEP_COUNT,
};

struct durable {
	enum durable_step step; /* whose store is under way */
	uint64_t tag;           /* of that store */
	uint64_t n_stores;
	bool rewrite;            /* node.log met an error: the next store replaces it */
	struct instant after;    /* a store failed: none before this */
	struct record_node node; /* the newest content of node.log */
	struct record_token token;
};

struct core;

void durable_init(struct durable *durable);
bool durable_may_begin(const struct core *core);
/* END, SEQ or BLOCKS: begin its chain, with what the session and the blocks are now. */
void durable_begin(struct core *core, enum durable_step first);
/* A store has finished, perhaps not one of ours. */
void durable_stored(struct core *core, uint64_t tag, int error, const char *text);

#define DURABLE_TAG (UINT64_C(2) << 56)
