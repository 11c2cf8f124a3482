#pragma once
/*
 * The register that agrees on the ledger (protocol.md 3.2), seen from one agent that votes. Today the first
 * config has one keeper and stays so: then a round is this agent's own promise and own acceptance, made durable in
 * keeper.log before anything is answered. need(), the ballots and the acceptor's state have the shape that 3 and 5
 * keepers want.
 *
 *   IDLE -commands wait-> STORING -durable-> (chosen) IDLE
 *                         STORING -ENOSPC...-> IDLE, commands answered BUSY with the reason; a failed fsync: DIE
 */
#include "core/ledger.h"
#include "core/out.h"

enum { KEEPER_WAITING_MAX = 256 };

struct keeper_chosen { /* what a finished round gives back to core.c */
	bool chosen;
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

/* Records of keeper.log, oldest first, before keeper_start. Returns false if they contradict each other. */
bool keeper_saved(struct keeper *keeper, const struct record_keeper *record);
/* True if this agent may vote: keeper.log held an id, a value and that value's config names (uid, id). */
bool keeper_start(struct keeper *keeper, const struct uid *uid);
/* Found a cluster: version 1 with this one keeper, on its way to disk; chosen when stored. */
void keeper_found(struct keeper *keeper, const struct ledger_config *config, const struct uid *uid,
		  struct out *out);

bool keeper_votes(const struct keeper *keeper);
/* The newest value that is chosen and durable here; version 0 before. */
const struct ledger *keeper_value(const struct keeper *keeper);

/* A command, already stamped with what this keeper observed. False: the queue is full (answer BUSY). Starts a round if none runs. */
bool keeper_submit(struct keeper *keeper, uint32_t link, const struct command *command,
		   struct out *out);
/* THAW what has cooled by this keeper's own clock since it saw the change; call from time to time. */
void keeper_thaw(struct keeper *keeper, struct out *out);
/* A link that had commands waiting is gone: their replies have nowhere to go (the commands still act). */
void keeper_link_closed(struct keeper *keeper, uint32_t link);
/* Finished store; tag as given in the action. True if the tag was the keeper's. */
bool keeper_stored(struct keeper *keeper, uint64_t tag, int error, const char *text,
		   struct out *out, struct keeper_chosen *ret);
struct instant keeper_deadline(const struct keeper *keeper);

/* Store tags: the top byte says whose; keeper's are these. */
#define KEEPER_TAG (UINT64_C(1) << 56)
