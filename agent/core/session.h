#pragma once
/*
 * Our right to command: the session (uid, epoch) that the ledger issues at ATTACH, one command in
 * flight, and the rule by which a block becomes confirmed (protocol.md 3.3, 3.4, 3.6). What is
 * promised: the last seq is durable before the command leaves; the continuity token is gone before
 * an ATTACH leaves; a reply alone confirms nothing.
 *
 *   NONE ------> PREPARING ------> ATTACHING ------> ATTACHED ------> LEFT
 *    |  view       |  token gone,     |   |  row shows   |  LEAVE shown
 *    |  known      |  node.log synced |   |  my nonce    |
 *    |             +-> NONE (no disk) |   +-> NONE (row moved: read it again)
 *    |                                +-> DENIED --(wait)--> NONE
 *    +--- start with continuity ------------------> ATTACHED --(row is another's)--> NONE
 */
#include "core/blocks.h"
#include "core/ledger.h"
#include "core/out.h"

enum session_state {
	SESSION_NONE,
	SESSION_PREPARING,
	SESSION_ATTACHING,
	SESSION_ATTACHED,
	SESSION_DENIED,
	SESSION_LEFT,
	SESSION_STATE_COUNT
};

enum { SESSION_COMMAND_MS = 1000, SESSION_NO_SPACE_MS = 5000 };

struct session {
	enum session_state state;
	uint32_t epoch;
	uint64_t seq;   /* the last one sent, or about to be and durable */
	uint64_t nonce; /* of the ATTACH under way or the one that began this session */
	bool continued; /* began by continuity in this process: the row's nonce is an earlier life's
			 */

	/* One store at a time; what is done when it has finished. */
	enum session_store {
		STORE_IDLE,
		STORE_TOKEN_GONE,    /* before ATTACH: continuity ends here */
		STORE_ATTACH,        /* node.log without a session, then ATTACH may leave */
		STORE_COMMAND,       /* node.log with the new seq ... */
		STORE_COMMAND_TOKEN, /* ... then the token with it, then the command may leave */
		STORE_OWN, /* node.log with what the view gave us: then these blocks are confirmed
			      ... */
		STORE_OWN_TOKEN, /* ... and the token says that this life may go on */
	} storing;
	uint64_t tag;
	uint64_t n_stores;
	bool look_again; /* the view changed while a store was under way */
	bool leave_wanted;
	struct uid asked; /* the keeper that the command went to last */
	bool rewrite;     /* node.log met an error: the next store replaces it */

	bool commanding; /* `command` waits for its effect to be seen */
	bool durable;    /* its seq is synced: it may be sent */
	struct command command;
	struct instant send_at;     /* (again), when durable */
	struct instant not_before;  /* no new command before this */
	struct instant store_after; /* a store failed: none of ours before this */
	char why[TEXT_LEN_MAX + 1]; /* what the keeper said last, or what we wait for */
	struct uid redirect;        /* somebody other than the view's proposer was named */
	bool has_redirect;
};

struct core;

void session_init(struct session *session);
/* From the records of node.log and the token; decides on continuity. */
void session_start(struct core *core, const struct record_node *node,
		   const struct record_token *token);
void session_run(
	struct core *core); /* what is due: attach, send, send again, ask for blocks, give back */
void session_view_changed(struct core *core);
void session_reply(struct core *core, const struct uid *from, const struct reply *reply);
void session_stored(struct core *core, uint64_t tag, int error, const char *text);
/* Ask to leave the cluster for good; false with a sentence while that is not possible. */
bool session_leave(struct core *core, char text[static TEXT_LEN_MAX + 1]);
struct instant session_deadline(const struct core *core);

#define SESSION_TAG (UINT64_C(2) << 56)
