#pragma once
/*
 * Our right to command: the session (uid, epoch) that the ledger issues at ATTACH, and what the
 * view says of us: attached, lost, left, which blocks are ours and when each is confirmed. orders.h
 * is what we command by that right, durable.h what must be on disk first. What is promised: the
 * last seq is durable before the command leaves; the continuity token is gone before an ATTACH
 * leaves; a reply alone confirms nothing.
 *
 *   NONE ------> PREPARING ------> ATTACHING ------> ATTACHED ------> LEFT
 *    |  view       |  token gone,     |   |  row shows   |  LEAVE shown
 *    |  known      |  node.log synced |   |  my nonce    |
 *    |             +-> NONE (no disk) |   +-> NONE (row moved: read it again)
 *    |                                +-> DENIED --(wait)--> NONE
 *    +--- start with continuity ------------------> ATTACHED --(row is another's)--> NONE
 */
#include "core/durable.h"
#include "core/ledger.h"

enum session_state {
	SESSION_NONE,
	SESSION_PREPARING,
	SESSION_ATTACHING,
	SESSION_ATTACHED,
	SESSION_DENIED,
	SESSION_LEFT,
	SESSION_STATE_COUNT
};

struct session {
	enum session_state state;
	uint32_t epoch;
	uint64_t seq;   /* the last one sent, or about to be and durable */
	uint64_t nonce; /* of the ATTACH under way or the one that began this session */
	bool continued; /* began by continuity in this process: the row's nonce is an earlier life's
			 */
	bool look_again; /* the view changed while a store was under way */
	bool leave_wanted;
	char why[TEXT_LEN_MAX + 1]; /* what the keeper said last, or what we wait for */
};

struct core;

/* From what durable.h read back; decides on continuity. */
void session_start(struct core *core);
void session_run(struct core *core); /* what is due: attach, ask for blocks, give back */
void session_view_changed(struct core *core);
void session_durable(struct core *core, enum durable_step done);
void session_not_durable(struct core *core);
/* Ask to leave the cluster for good; false with a sentence while that is not possible. */
bool session_leave(struct core *core, char text[static TEXT_LEN_MAX + 1]);
struct instant session_deadline(const struct core *core);

/* For orders.c. */
void session_become(struct session *session, enum session_state next);
const struct peer_row *session_my_row(const struct core *core);
/* The view shows this session, with every command that we sent. */
bool session_is_shown(const struct core *core);
/* False: the view shows that the block of this address is not ours. */
bool session_may_own(const struct core *core, uint32_t ip);
