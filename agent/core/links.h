#pragma once
/*
 * Connections between agents, from dial to close. links.c holds the table and the state machine,
 * dial.c decides whom to dial, greet.c what a HELLO is worth, gossip.c what to say over a link that
 * is UP. io/tcp does the rest.
 *
 *   CONNECT --connected--> HANDSHAKE --secured--> HELLO --both said--> UP
 *      |                      |                     |                  |
 *      +----------------------+--- any error -------+------------------+--> (closed: freed)
 *                                                   +---- our BYE -----+--> DRAIN --> (closed:
 * freed)
 *
 * An accepted link begins in HANDSHAKE. Limits: 2 s for CONNECT, 5 s in all until UP, 2 s of DRAIN,
 * 12 s of silence.
 */
#include "base/bitmap.h"
#include "base/instant.h"
#include "core/ledger.h"
#include "core/out.h"

enum link_state { LINK_CONNECT, LINK_HANDSHAKE, LINK_HELLO, LINK_UP, LINK_DRAIN, LINK_STATE_COUNT };

enum {
	LINK_CONNECT_MS = 2000,
	LINK_GREET_MS = 5000,
	LINK_DRAIN_MS = 2000,
	LINK_PING_MS = 3000,
	LINK_DEAD_MS = 12000,
	LINK_SLOW_MS = 15000,
	LINK_FLUSH_MS = 20,
	LINK_DIALLED_WANTED = 3, /* one successor, two at random */
	LINK_ACCEPTED_SOFT = 12,
	LINK_ACCEPTED_HARD = 16,
	LINK_COMMAND_PLACES = 64, /* a keeper's, for short command links */
	LINK_COMMAND_IDLE_MS = 10000,
};

struct link {
	uint32_t id;
	enum link_state state;
	bool dialled;
	bool greeted;        /* the other side's HELLO was good: uid and the like are known */
	enum link_want want; /* the dialler's */
	struct endpoint remote;
	struct endpoint listens; /* where the other side can be dialled, once greeted */
	struct uid uid;
	char name[NAME_LEN_MAX + 1];
	uint64_t incarnation;
	struct instant since, heard, deadline, ping_at;

	/* spreading */
	struct bitmap dirty;     /* member slots whose newest record the neighbour may lack */
	struct instant flush_at; /* when dirty things go out; never: nothing to say */
	struct instant flushed_at;
	struct instant blocked_since;     /* a SEND is not written out yet; never: writable */
	uint64_t has_version;             /* of the ledger, as far as we know */
	uint64_t feed_after, feed_cursor; /* of the transfer under way to the neighbour */
	struct ledger_intake intake;      /* of the transfer under way from it */
	struct instant members_differ_since, ledger_behind_since; /* never: they agree */
	struct instant commanded_at;                              /* COMMAND links: last use */
	uint32_t ping_seq;
};

struct links {
	size_t n, cap;
	struct link **items; /* owned; in order of creation */
	uint32_t next_id;
	uint64_t opened, closed, refused;
};

void links_init(struct links *links);
void links_done(struct links *links);

struct link *links_add(struct links *links, uint32_t id, bool dialled,
		       const struct endpoint *remote, struct instant now);
struct link *links_find(const struct links *links, uint32_t id);
void links_remove(struct links *links, struct link *link); /* frees it */

/* The UP link with this peer, or NULL. */
struct link *links_up_with(const struct links *links, const struct uid *uid);
/* Any link with it that is greeted and not draining. */
struct link *links_with(const struct links *links, const struct uid *uid);
struct link *links_to(const struct links *links,
		      const struct endpoint *remote); /* dialled, not draining */
size_t links_count(const struct links *links, enum link_state state, bool dialled);

void link_move(struct link *link, enum link_state next, struct instant now);
const char *link_label(const struct link *link,
		       struct out *out); /* the peer's name, or its address */

/* Say BYE (when the other side can understand it) and close. The link drains; it is freed when
 * EVENT_LINK_CLOSED comes. */
void link_bye(struct links *links, struct link *link, enum bye_reason reason, const char *text,
	      struct out *out);
/* Close when what was sent is written out: the goodbye was said already. */
void link_drain(struct link *link, const char *reason, struct out *out);
/* Close without a word: nothing the other side could read is left to say. */
void link_close(struct link *link, const char *reason, struct out *out);
/* Send one message; the pointer must live in the step's arena. */
void link_send(struct link *link, const struct message *message, struct out *out);

/* Close what took too long; the earliest time at which something will have. */
void links_expire(struct links *links, struct out *out);
struct instant links_deadline(const struct links *links);
