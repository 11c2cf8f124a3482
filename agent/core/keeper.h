#pragma once
/*
 * The register that agrees on the ledger, seen from one agent that votes. Today
 * the first config has one keeper and stays so: then a round is this agent's own promise and own
 * acceptance, made durable in keeper.log before anything is answered. need(), the ballots and the
 * acceptor's state have the shape that 3 and 5 keepers want.
 *
 *   IDLE -commands wait-> STORING -durable-> (chosen) IDLE
 *                         STORING -ENOSPC...-> IDLE, commands answered BUSY with the reason
 *                         STORING -any other error-> DIE: what a failed sync left on disk is
 *                                                    unknown, and a keeper may not guess
 *
 * A store that fails with ENOSPC or EDQUOT must leave the file readable; the keeper writes the
 * whole file anew after one. `replace` stores are atomic.
 */
#include "core/ledger.h"
#include "core/out.h"

enum {
	KEEPER_WAITING_MAX = 256,
	KEEPER_COOL_MS = 30000,    /* a block, after RELEASE or LEAVE */
	KEEPER_RETRY_MS = 5000,    /* after a disk that was full */
	KEEPER_LOG_MIN = 64 << 10, /* bytes of changes below which keeper.log is never rewritten */
	KEEPER_LOG_FACTOR = 4,     /* of the whole value: more changes than this, and it is */
};

struct keeper_chosen { /* what finished: for core.c to carry out */
	bool chosen;   /* keeper_value() is newer than before */
	size_t n_replies;
	struct keeper_reply {
		uint32_t link; /* 0: from this agent itself */
		struct uid uid;
		struct reply reply;
	} * replies; /* in the step's arena */
};

struct keeper;

struct keeper *keeper_new(void);
void keeper_free(struct keeper *keeper);

/* Records of keeper.log, oldest first, before keeper_start. Returns false if they contradict each
 * other; then this log is not trusted any more, whatever follows. */
bool keeper_saved(struct keeper *keeper, const struct record_keeper *record);
/* True if this agent may vote: keeper.log held an id, a value and that value's config names
 * (uid, id). log_lost: the file was there and could not be read. The trace says why not. */
bool keeper_start(struct keeper *keeper, const struct uid *uid, bool log_lost, struct out *out);
/* Found a cluster: version 1 with this one keeper, on its way to disk; chosen when stored. Tried
 * again by keeper_thaw if the disk is full. Nothing was saved before. */
void keeper_found(struct keeper *keeper, const struct ledger_config *config, const struct uid *uid,
		  struct out *out);
/* Never vote again in this process: something shows that keeper.log is not what it was. */
void keeper_distrust(struct keeper *keeper, struct out *out);

bool keeper_votes(const struct keeper *keeper);
uint64_t keeper_id(const struct keeper *keeper); /* 0 before it votes */
/* The newest value that is chosen and durable here; version 0 before. */
const struct ledger *keeper_value(const struct keeper *keeper);

/* A command, already stamped with what this keeper observed (`cooled` is the keeper's own to say).
 * False: the queue is full (answer BUSY). Starts a round if none runs. Call keeper_answered()
 * after: what changes nothing, a repeat or a refusal, is answered without a store. */
bool keeper_submit(struct keeper *keeper, uint32_t link, const struct command *command,
		   struct out *out);
/* Replies that wait for nobody's disk. */
void keeper_answered(struct keeper *keeper, struct out *out, struct keeper_chosen *ret);
/* THAW what has cooled by this keeper's own clock since it saw the change (after a restart: since
 * the start); call from time to time, at the latest at keeper_deadline(). */
void keeper_thaw(struct keeper *keeper, struct out *out);
/* A link that had commands waiting is gone: their replies have nowhere to go (the commands still
 * act). */
void keeper_link_closed(struct keeper *keeper, uint32_t link);
/* Finished store; tag as given in the action. True if the tag was the keeper's. */
bool keeper_stored(struct keeper *keeper, uint64_t tag, int error, const char *text,
		   struct out *out, struct keeper_chosen *ret);
struct instant keeper_deadline(const struct keeper *keeper);

/* Who has accepted a ballot. A vote counts under the keeper id of the config alone: who lost its
 * log comes back under another. */
struct keeper_votes {
	size_t n;
	struct keeper_vote {
		struct uid uid;
		uint64_t id;
	} by[2 * KEEPERS_MAX];
};

/* When a value is chosen: a majority of the keepers and, while they change, a majority of the
 * next ones too. */
bool keeper_need(const struct ledger_config *config, const struct keeper_votes *votes);

/* Store tags: the top byte says whose; keeper's are these. */
#define KEEPER_TAG (UINT64_C(1) << 56)
