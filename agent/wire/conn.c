/* Preamble, 48 bytes, numbers big-endian:
 *
 *	magic 8 | lowest version 4 | highest version 4 | key id 8 | cluster tag 8 | random 16
 *
 * Then frames, one message each: u32 length of the rest, at most WIRE_FRAME_MAX | u8 type |
 * u8 flags | protobuf. Flag 1 is "critical"; the others are sent as 0 and ignored. */
#include "wire/conn.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/vec.h"
#include "wire/peer_codec.h"

enum {
	MAGIC_LEN = 8,
	TAG_LEN = 8,
	LENGTH_LEN = 4,
	FRAME_HEAD_LEN = 2, /* type and flags */
	FLAG_CRITICAL = 1,
	IN_KEPT = 8192, /* memory worth keeping from one frame to the next */
};

/* A first byte that no text protocol and no TLS begins with; line ends that a link which
 * "translates" them would break. */
static const uint8_t magic[MAGIC_LEN] = { 0x8b, 'w', 'e', 'f', 't', '\r', '\n', '\0' };

/* Keyed with the cluster's secret, of which there is none yet. */
static void cluster_tag(const char *name, uint8_t tag[static TAG_LEN])
{
	int failed = crypto_generichash(tag, TAG_LEN, (const uint8_t *)name, strlen(name), NULL, 0);

	assert(!failed);
}

void wire_conn_init(struct wire_conn *conn, const struct wire_conn_settings *settings)
{
	struct writer w = writer_to(conn->preamble, sizeof(conn->preamble));
	uint8_t tag[TAG_LEN];

	*conn = (struct wire_conn){ .state = WIRE_PREAMBLE };
	arena_init(&conn->arena, WIRE_FRAME_ARENA_MAX);
	cluster_tag(settings->cluster_name, tag);
	writer_put(&w, magic, sizeof(magic));
	writer_be32(&w, WIRE_PROTOCOL_MIN);
	writer_be32(&w, WIRE_PROTOCOL_MAX);
	writer_be64(&w, 0);
	writer_put(&w, tag, sizeof(tag));
	writer_put(&w, settings->random, sizeof(settings->random));
	assert(!w.broken && w.len == WIRE_PREAMBLE_LEN);
}

void wire_conn_done(struct wire_conn *conn)
{
	free(conn->in);
	conn->in = NULL;
	conn->in_len = conn->in_cap = 0;
	arena_done(&conn->arena);
}

struct bytes wire_conn_preamble(const struct wire_conn *conn)
{
	return (struct bytes){ conn->preamble, sizeof(conn->preamble) };
}

/* ---- bytes in */

static size_t frame_len(const struct wire_conn *conn)
{
	struct reader r = reader_of((struct bytes){ conn->in, LENGTH_LEN });

	return reader_be32(&r);
}

static bool frame_len_is_good(size_t len)
{
	return len >= FRAME_HEAD_LEN && len <= WIRE_FRAME_MAX;
}

/* Up to which length `in` may fill: the preamble or one frame, as far as its length is known. */
static size_t in_wanted(const struct wire_conn *conn)
{
	if (conn->state == WIRE_PREAMBLE)
		return WIRE_PREAMBLE_LEN;
	if (conn->in_len < LENGTH_LEN || !frame_len_is_good(frame_len(conn)))
		return LENGTH_LEN;
	return LENGTH_LEN + frame_len(conn);
}

size_t wire_conn_feed(struct wire_conn *conn, struct bytes bytes)
{
	size_t taken = 0;

	if (conn->state == WIRE_FAILED)
		return bytes.len;
	while (taken < bytes.len) {
		size_t room = in_wanted(conn) - conn->in_len;
		size_t n = bytes.len - taken < room ? bytes.len - taken : room;

		if (n == 0)
			break;
		/* Memory follows what has arrived, never what a length promises. */
		conn->in = vec_reserve(conn->in, &conn->in_cap, conn->in_len + n, 1);
		memcpy(conn->in + conn->in_len, bytes.data + taken, n);
		conn->in_len += n;
		taken += n;
	}
	return taken;
}

static void drop_in(struct wire_conn *conn)
{
	conn->in_len = 0;
	if (conn->in_cap <= IN_KEPT)
		return;
	free(conn->in);
	conn->in = NULL;
	conn->in_cap = 0;
}

static enum wire_conn_result fail(struct wire_conn *conn)
{
	assert(conn->err.code);
	conn->state = WIRE_FAILED;
	drop_in(conn);
	arena_reset(&conn->arena);
	return WIRE_CONN_BROKEN;
}

/* ---- preamble */

/* Asked as soon as a byte is there, so that whoever speaks something else need not say 48 of them
 * before it is told. */
static bool magic_is_good(struct wire_conn *conn)
{
	size_t n = conn->in_len < MAGIC_LEN ? conn->in_len : MAGIC_LEN;
	char hex[2 * MAGIC_LEN + 1];

	if (n == 0 || memcmp(conn->in, magic, n) == 0)
		return true;
	err_set(&conn->err, EPROTO, "not a Weft peer: it begins with 0x%s",
		text_hex(hex, conn->in, n));
	return false;
}

static bool versions_meet(struct wire_conn *conn, uint32_t lowest, uint32_t highest)
{
	if (lowest <= highest && lowest <= WIRE_PROTOCOL_MAX && highest >= WIRE_PROTOCOL_MIN)
		return true;
	err_set(&conn->err, EPROTO,
		"the other side speaks protocol %u to %u, this one %d to %d: upgrade the older",
		lowest, highest, WIRE_PROTOCOL_MIN, WIRE_PROTOCOL_MAX);
	return false;
}

static bool preamble_is_good(struct wire_conn *conn)
{
	struct reader r = reader_of((struct bytes){ conn->in, WIRE_PREAMBLE_LEN });
	size_t tag_at = MAGIC_LEN + 4 + 4 + 8;
	char ours[2 * TAG_LEN + 1], theirs[2 * TAG_LEN + 1];
	uint32_t lowest, highest;

	reader_bytes(&r, MAGIC_LEN);
	lowest = reader_be32(&r);
	highest = reader_be32(&r);
	if (!versions_meet(conn, lowest, highest))
		return false;
	if (reader_be64(&r) != 0) {
		err_set(&conn->err, EPROTO,
			"the other side demands a secret, this one runs auth=none");
		return false;
	}
	if (memcmp(conn->in + tag_at, conn->preamble + tag_at, TAG_LEN) == 0)
		return true;
	err_set(&conn->err, EPROTO,
		"it belongs to another cluster: the tag of its name is %s there and %s here",
		text_hex(theirs, conn->in + tag_at, TAG_LEN),
		text_hex(ours, conn->preamble + tag_at, TAG_LEN));
	return false;
}

static enum wire_conn_result next_preamble(struct wire_conn *conn)
{
	if (!magic_is_good(conn))
		return fail(conn);
	if (conn->in_len < WIRE_PREAMBLE_LEN)
		return WIRE_CONN_MORE;
	if (!preamble_is_good(conn))
		return fail(conn);
	conn->state = WIRE_OPEN;
	drop_in(conn);
	return WIRE_CONN_SECURED;
}

/* ---- frames */

/* A type that is not known: skipped, unless its sender cannot do without. */
static enum wire_conn_result skip(struct wire_conn *conn, uint8_t type, uint8_t flags)
{
	if (flags & FLAG_CRITICAL) {
		err_set(&conn->err, EPROTO,
			"a critical message of type %u, which this agent does not know", type);
		return fail(conn);
	}
	drop_in(conn);
	return WIRE_CONN_MORE;
}

static enum wire_conn_result next_frame(struct wire_conn *conn, struct message *ret)
{
	struct bytes body;
	uint8_t type;

	if (conn->in_len < LENGTH_LEN)
		return WIRE_CONN_MORE;
	if (!frame_len_is_good(frame_len(conn))) {
		err_set(&conn->err, EMSGSIZE, "a frame of %zu bytes, expected %d to %d",
			frame_len(conn), FRAME_HEAD_LEN, WIRE_FRAME_MAX);
		return fail(conn);
	}
	if (conn->in_len < LENGTH_LEN + frame_len(conn))
		return WIRE_CONN_MORE;

	type = conn->in[LENGTH_LEN];
	if (!peer_knows(type))
		return skip(conn, type, conn->in[LENGTH_LEN + 1]);
	body.data = conn->in + LENGTH_LEN + FRAME_HEAD_LEN;
	body.len = frame_len(conn) - FRAME_HEAD_LEN;
	if (!peer_decode((enum message_type)type, body, &conn->arena, ret, &conn->err))
		return fail(conn);
	drop_in(conn);
	return WIRE_CONN_MESSAGE;
}

enum wire_conn_result wire_conn_next(struct wire_conn *conn, struct message *ret)
{
	arena_reset(&conn->arena);
	switch (conn->state) {
	case WIRE_PREAMBLE:
		return next_preamble(conn);
	case WIRE_OPEN:
		return next_frame(conn, ret);
	case WIRE_FAILED:
		break;
	}
	return WIRE_CONN_BROKEN;
}

/* ---- bytes out */

size_t wire_conn_encode(const struct message *message, uint8_t *buf, size_t cap)
{
	struct writer w = writer_to(buf, cap);
	struct arena arena;
	struct bytes body;

	arena_init(&arena, ARENA_UNLIMITED);
	body = peer_encode(message, &arena);
	assert(body.len <= WIRE_FRAME_MAX - FRAME_HEAD_LEN);
	writer_be32(&w, (uint32_t)(FRAME_HEAD_LEN + body.len));
	writer_u8(&w, (uint8_t)message->type);
	writer_u8(&w, peer_is_critical(message->type) ? FLAG_CRITICAL : 0);
	writer_put(&w, body.data, body.len);
	assert(!w.broken);
	arena_done(&arena);
	return w.len;
}

size_t wire_member_body_encode(const struct member_body *body, uint8_t *buf, size_t cap)
{
	struct arena arena;
	struct bytes packed;

	arena_init(&arena, ARENA_UNLIMITED);
	packed = peer_encode_member_body(body, &arena);
	assert(packed.len <= MEMBER_BODY_MAX && packed.len <= cap);
	memcpy(buf, packed.data, packed.len);
	arena_done(&arena);
	return packed.len;
}
