#pragma once
/*
 * Connections between agents, as bytes. Accepts within limits, dials, queues what does not fit into
 * the socket, and reports one level up; what the bytes mean is none of its business.
 *
 *   DIALLING --connected--> OPEN --hangup, to be flushed--> DRAINING
 *      |                     |                                 |
 *      +---------------------+------------ (any end) ----------+--> CLOSING --> (freed)
 *
 * DRAINING: what is queued goes out, then our side is shut; what still comes in is thrown away, for
 * closing with unread bytes would make the kernel send a reset that overtakes our last words.
 *
 * A conn belongs to this module and lives until owner->closed() has returned, which is called
 * exactly once for each, and never from within another call.
 */
#include "base/bytes.h"
#include "base/err.h"
#include "core/types.h"
#include "io/loop.h"

enum {
	TCP_HALF_OPEN_MAX = 64, /* accepted and not tcp_greeted() yet */
	TCP_ACCEPTED_MAX = 160, /* the core's places and the half-open ones */
	TCP_ACCEPT_PER_S = 50,
	TCP_ACCEPT_BURST = 200,
	TCP_USER_TIMEOUT_MS = 10000,
	TCP_WRITABLE_MAX = 64 << 10, /* queued bytes below which a conn is writable */
	TCP_QUEUE_MAX = 4 << 20,     /* more than this and the other side is given up */
	TCP_TURN_MAX = 256 << 10,    /* bytes taken from one conn before others have their turn */
};

struct tcp_conn;

struct tcp_owner {
	void (*accepted)(void *arg, struct tcp_conn *conn, const struct endpoint *from);
	void (*connected)(void *arg, struct tcp_conn *conn);
	/* Valid during the call. */
	void (*received)(void *arg, struct tcp_conn *conn, struct bytes bytes);
	/* Once after one or more tcp_send(), when less than TCP_WRITABLE_MAX is queued. */
	void (*writable)(void *arg, struct tcp_conn *conn);
	/* reason: one clause, never NULL. */
	void (*closed)(void *arg, struct tcp_conn *conn, const char *reason);
	/* Somebody came and was sent away at once. */
	void (*refused)(void *arg, const struct endpoint *from, const char *why);
};

struct tcp {
	struct loop *loop;
	const struct tcp_owner *owner;
	void *arg;
	uv_tcp_t listener;
	struct tcp_conn *conns; /* owned, each until it is closed */
	uint8_t *buffer;        /* owned; what was just read, of whichever conn */
	uint32_t n_flagged;     /* conns for which tcp_turn() has something to do */
	uint32_t n_accepted, n_half_open;
	int64_t accept_tokens, accept_at_ms; /* in thousandths of a connection */
	uint32_t accepts_turn, accepts;      /* newcomers in that turn of the loop */
	bool newcomer_waits;                 /* libuv holds one that tcp_turn() will take */
	bool listening;                      /* the listener's handle is not closed */
	bool done;
};

/* Takes the port at once, on all addresses, but listens only later: what is wrong with it is known
 * before anybody can come in. */
int tcp_init(struct tcp *tcp, struct loop *loop, uint16_t port, const struct tcp_owner *owner,
	     void *arg, struct err *err);
int tcp_listen(struct tcp *tcp, struct err *err);
/* Which port, should it have been 0. */
uint16_t tcp_port(const struct tcp *tcp);
/* No more newcomers; conns stay. */
void tcp_close_listener(struct tcp *tcp);
/* Begins to close everything; owner->closed() is not called any more. The struct must live until
 * loop_done() has returned, then tcp_free(). */
void tcp_done(struct tcp *tcp);
void tcp_free(struct tcp *tcp);

/* Once per turn of the loop. */
void tcp_turn(struct tcp *tcp);

/* Never NULL: what fails at once ends in closed(), like what fails later. */
struct tcp_conn *tcp_dial(struct tcp *tcp, const struct endpoint *to, void *user);

/* The owner's, untouched. */
void tcp_set_user(struct tcp_conn *conn, void *user);
void *tcp_user(const struct tcp_conn *conn);
/* The other side is known: it no longer counts as half-open. */
void tcp_greeted(struct tcp_conn *conn);
/* Neither draining nor closing. */
bool tcp_is_open(const struct tcp_conn *conn);

/* Copies what the socket does not take at once. Nothing is said on a conn that is not open. */
void tcp_send(struct tcp_conn *conn, struct bytes bytes);
/* Flush for at most drain_ms, then close; 0: close. May be said again, with less. The reason,
 * copied, is what closed() will hear. */
void tcp_hangup(struct tcp_conn *conn, uint32_t drain_ms, const char *reason);
