#pragma once
/*
 * One connection between two agents as bytes: preambles, frames, messages. Pure: bytes go in,
 * messages and bytes to send come out. The agent feeds it from a socket, the simulator from its
 * network, the fuzzers from anything. The Noise handshake will live here too; today both sides must
 * say auth=none (key id 0 in the preamble).
 *
 * Life: wire_conn_init -> (feed, next)* -> wire_conn_done. After an error every further next()
 * returns it again.
 */
#include "base/arena.h"
#include "base/err.h"
#include "core/message.h"

enum {
	WIRE_PREAMBLE_LEN = 48,
	WIRE_FRAME_MAX = 65536,
	WIRE_FRAME_ARENA_MAX = 1 << 20, /* a frame's decoded form never takes more */
	WIRE_PROTOCOL_MIN = 1,
	WIRE_PROTOCOL_MAX = 1,
};

struct wire_conn_settings {
	char cluster_name[64];
	uint8_t random[16]; /* from the system's generator, per connection */
};

enum wire_conn_result {
	WIRE_CONN_MORE,    /* feed me */
	WIRE_CONN_SECURED, /* once: preambles agree; messages may be sent */
	WIRE_CONN_MESSAGE,
	WIRE_CONN_BROKEN, /* the other side broke a rule: err says which; hang up */
};

struct wire_conn {
	enum { WIRE_PREAMBLE, WIRE_OPEN, WIRE_FAILED } state;
	uint8_t preamble[WIRE_PREAMBLE_LEN]; /* ours */
	uint8_t *in; /* owned: a frame on its way at most; grows as its bytes arrive */
	size_t in_len, in_cap;
	struct arena arena; /* of the message last returned */
	struct err err;
};

void wire_conn_init(struct wire_conn *conn, const struct wire_conn_settings *settings);
void wire_conn_done(struct wire_conn *conn);

/* Our preamble: to be sent first, by both sides, as soon as TCP is there. Borrowed,
 * WIRE_PREAMBLE_LEN bytes. */
struct bytes wire_conn_preamble(const struct wire_conn *conn);

/* Take as many of these bytes as fit (a frame at most is held); returns how many. Call next() until
 * MORE, then feed again. A broken connection swallows everything. */
size_t wire_conn_feed(struct wire_conn *conn, struct bytes bytes);

/* On MESSAGE *ret is valid until the next call of next(). On BROKEN conn->err says why, in one
 * clause for a log line. */
enum wire_conn_result wire_conn_next(struct wire_conn *conn, struct message *ret);

/* Encode one message as one frame into buf (WIRE_FRAME_MAX + 4 bytes are always enough). Returns
 * its length. The core keeps messages below the frame limit; a larger one is a broken program
 * (assert). */
size_t wire_conn_encode(const struct message *message, uint8_t *buf, size_t cap);

/* The body of our own member record as it will travel (wire decodes what it encodes). Returns
 * length, at most MEMBER_BODY_MAX. */
size_t wire_member_body_encode(const struct member_body *body, uint8_t *buf, size_t cap);
