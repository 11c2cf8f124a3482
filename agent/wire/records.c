#include "wire/records.h"

#include <assert.h>
#include <errno.h>

#include "base/crc32c.h"
#include "wire/ledger_codec.h"
#include "wire/peer_codec.h"

enum {
	FORMAT = 1,
	HEAD_LEN = 5, /* length and type */
	CRC_LEN = 4,
	FRAME_LEN = HEAD_LEN + CRC_LEN,
	KEEPER_WHOLE = 1,
	KEEPER_LAST = 2,
	ARENA_MAX = 1 << 20,
	/* What looking for a good record after a bad one may cost, in bytes under a CRC. Garbage
	 * that needs more is no torn tail. */
	SEARCH_MAX = 64 << 20,
};

static const char *const file_names[STORE_FILE_COUNT] = {
	[STORE_NODE] = "node.log",
	[STORE_KEEPER] = "keeper.log",
	[STORE_PODS] = "pods.log",
};

static const char file_letters[STORE_FILE_COUNT] = {
	[STORE_NODE] = 'n',
	[STORE_KEEPER] = 'k',
	[STORE_PODS] = 'p',
};

static bool belongs(enum store_file file, uint8_t type)
{
	switch (type) {
	case RECORD_NODE:
		return file == STORE_NODE;
	case RECORD_KEEPER:
		return file == STORE_KEEPER;
	case RECORD_ALLOC:
	case RECORD_FREE:
	case RECORD_TOKEN:
		return file == STORE_PODS;
	default: /* a byte of a file, not yet our enum */
		return false;
	}
}

/* ---- bodies, numbers big-endian */

static void put_string(struct writer *w, const char *text)
{
	size_t len = strlen(text);

	writer_be16(w, (uint16_t)len);
	writer_put(w, text, len);
}

/* Shorter than the room, and nothing in it that would end it early. */
static void get_string(struct reader *r, char *ret, size_t room)
{
	size_t len = reader_be16(r);
	struct bytes text = reader_bytes(r, len);

	if (text.len >= room || (text.len > 0 && memchr(text.data, '\0', text.len))) {
		r->broken = true;
		return;
	}
	if (text.len > 0)
		memcpy(ret, text.data, text.len);
	ret[text.len] = '\0';
}

static void put_node(struct writer *w, const struct record_node *node)
{
	assert(node->n_blocks <= OWN_BLOCKS_MAX);
	writer_put(w, node->cluster.b, sizeof(node->cluster.b));
	writer_be32(w, node->range.ip);
	writer_u8(w, node->range.len);
	writer_u8(w, node->block_len);
	writer_be32(w, node->epoch);
	writer_be64(w, node->seq);
	writer_be16(w, (uint16_t)node->n_blocks);
	for (size_t i = 0; i < node->n_blocks; i++)
		writer_be32(w, node->blocks[i]);
}

static bool get_node(struct reader *r, struct record_node *ret)
{
	reader_copy(r, ret->cluster.b, sizeof(ret->cluster.b));
	ret->range.ip = reader_be32(r);
	ret->range.len = reader_u8(r);
	ret->block_len = reader_u8(r);
	ret->epoch = reader_be32(r);
	ret->seq = reader_be64(r);
	ret->n_blocks = reader_be16(r);
	if (ret->n_blocks > OWN_BLOCKS_MAX || ret->range.len > 32 || ret->block_len > 32 ||
	    (ret->range.ip & ~prefix_mask(ret->range.len)) != 0)
		return false;
	for (size_t i = 0; i < ret->n_blocks; i++) {
		ret->blocks[i] = reader_be32(r);
		if (ret->blocks[i] >= BLOCKS_MAX)
			return false;
	}
	return true;
}

static void put_ballot(struct writer *w, const struct ballot *ballot)
{
	writer_be64(w, ballot->n);
	writer_be64(w, ballot->keeper);
}

static struct ballot get_ballot(struct reader *r)
{
	uint64_t n = reader_be64(r);

	return (struct ballot){ .n = n, .keeper = reader_be64(r) };
}

static void put_keeper(struct writer *w, const struct record_keeper *keeper)
{
	struct arena arena;
	const Weft__Peer__Rows *rows;
	uint8_t *at;

	writer_be64(w, keeper->keeper_id);
	put_ballot(w, &keeper->promised);
	put_ballot(w, &keeper->accepted);
	writer_u8(w,
		  (uint8_t)((keeper->whole ? KEEPER_WHOLE : 0) | (keeper->last ? KEEPER_LAST : 0)));
	writer_be64(w, keeper->base_version);
	writer_be64(w, keeper->version);
	arena_init(&arena, ARENA_UNLIMITED);
	rows = rows_give(&keeper->rows, &arena);
	at = writer_reserve(w, weft__peer__rows__get_packed_size(rows));
	if (at)
		weft__peer__rows__pack(rows, at);
	arena_done(&arena);
}

static bool get_keeper(struct reader *r, struct arena *arena, struct record_keeper *ret,
		       struct err *err)
{
	const Weft__Peer__Rows *rows;
	uint8_t flags;

	ret->keeper_id = reader_be64(r);
	ret->promised = get_ballot(r);
	ret->accepted = get_ballot(r);
	flags = reader_u8(r);
	ret->whole = flags & KEEPER_WHOLE;
	ret->last = flags & KEEPER_LAST;
	ret->base_version = reader_be64(r);
	ret->version = reader_be64(r);
	if (r->broken || flags > (KEEPER_WHOLE | KEEPER_LAST))
		return false;
	rows = unpack(&weft__peer__rows__descriptor, &peer_limits, reader_bytes(r, r->left), arena,
		      err);
	return rows && rows_take(rows, arena, &ret->rows, err);
}

static void put_pod(struct writer *w, const struct record_pod *pod, bool whole)
{
	put_string(w, pod->container_id);
	put_string(w, pod->ifname);
	writer_be32(w, pod->ip);
	if (!whole)
		return;
	writer_be64(w, pod->number);
	put_string(w, pod->pod);
	put_string(w, pod->netns);
	writer_be32(w, pod->mtu);
	writer_be64(w, pod->made_at_s);
}

static void get_pod(struct reader *r, struct record_pod *ret, bool whole)
{
	get_string(r, ret->container_id, sizeof(ret->container_id));
	get_string(r, ret->ifname, sizeof(ret->ifname));
	ret->ip = reader_be32(r);
	if (!whole)
		return;
	ret->number = reader_be64(r);
	get_string(r, ret->pod, sizeof(ret->pod));
	get_string(r, ret->netns, sizeof(ret->netns));
	ret->mtu = reader_be32(r);
	ret->made_at_s = reader_be64(r);
}

static void put_token(struct writer *w, const struct record_token *token)
{
	writer_put(w, token->boot.b, sizeof(token->boot.b));
	writer_put(w, token->uid.b, sizeof(token->uid.b));
	writer_be32(w, token->epoch);
	writer_be64(w, token->seq);
}

static void get_token(struct reader *r, struct record_token *ret)
{
	reader_copy(r, ret->boot.b, sizeof(ret->boot.b));
	reader_copy(r, ret->uid.b, sizeof(ret->uid.b));
	ret->epoch = reader_be32(r);
	ret->seq = reader_be64(r);
}

static void put_body(struct writer *w, const struct record *record)
{
	switch (record->type) {
	case RECORD_NODE:
		put_node(w, &record->node);
		break;
	case RECORD_KEEPER:
		put_keeper(w, &record->keeper);
		break;
	case RECORD_ALLOC:
		put_pod(w, &record->pod, true);
		break;
	case RECORD_FREE:
		put_pod(w, &record->pod, false);
		break;
	case RECORD_TOKEN:
		put_token(w, &record->token);
		break;
	}
}

/* `r` holds the body, whose CRC was good. False: it makes no sense, err may say why. */
static bool get_body(struct reader *r, struct arena *arena, struct record *ret, struct err *err)
{
	switch (ret->type) {
	case RECORD_NODE:
		return get_node(r, &ret->node);
	case RECORD_KEEPER:
		return get_keeper(r, arena, &ret->keeper, err);
	case RECORD_ALLOC:
		get_pod(r, &ret->pod, true);
		return true;
	case RECORD_FREE:
		get_pod(r, &ret->pod, false);
		return true;
	case RECORD_TOKEN:
		get_token(r, &ret->token);
		return true;
	}
	return false;
}

/* ---- writing */

size_t wire_records_header(enum store_file file, uint8_t *buf, size_t cap)
{
	struct writer w = writer_to(buf, cap);

	writer_put(&w, "weft", 4);
	writer_u8(&w, (uint8_t)file_letters[file]);
	writer_put(&w, "lg", 2);
	writer_u8(&w, FORMAT);
	assert(!w.broken && w.len == WIRE_RECORDS_HEADER_LEN);
	return w.len;
}

size_t wire_record_encode(const struct record *record, uint8_t *buf, size_t cap)
{
	struct writer w = writer_to(buf, cap), head = writer_to(buf, HEAD_LEN);

	writer_reserve(&w, HEAD_LEN);
	put_body(&w, record);
	assert(!w.broken);
	writer_be32(&head, (uint32_t)(w.len - HEAD_LEN));
	writer_u8(&head, (uint8_t)record->type);
	writer_be32(&w, crc32c(0, buf, w.len));
	assert(!w.broken && w.len <= WIRE_RECORD_MAX);
	return w.len;
}

/* ---- reading */

void wire_records_init(struct wire_records *reader, enum store_file file, struct bytes content)
{
	*reader = (struct wire_records){ .file = file, .rest = content };
	arena_init(&reader->arena, ARENA_MAX);
}

void wire_records_done(struct wire_records *reader)
{
	arena_done(&reader->arena);
}

static enum wire_records_result lose(struct wire_records *reader)
{
	assert(reader->err.code);
	reader->rest.len = 0;
	return WIRE_RECORDS_LOST;
}

static void advance(struct wire_records *reader, size_t len)
{
	reader->good_len += len;
	reader->rest.data += len;
	reader->rest.len -= len;
}

/* False with err, or with nothing left when even the header is torn. */
static bool read_header(struct wire_records *reader)
{
	uint8_t header[WIRE_RECORDS_HEADER_LEN];
	size_t len = wire_records_header(reader->file, header, sizeof(header));
	size_t same = reader->rest.len < len ? reader->rest.len : len;
	bool is_ours = same == 0 || memcmp(reader->rest.data, header, same) == 0;

	if (is_ours && same < len) {
		reader->rest.len = 0;
		return false;
	}
	if (is_ours) {
		advance(reader, len);
		return true;
	}
	if (same == len && memcmp(reader->rest.data, header, len - 1) == 0)
		err_set(&reader->err, EBADMSG, "%s has format %u, this agent reads %d",
			file_names[reader->file], reader->rest.data[len - 1], FORMAT);
	else
		err_set(&reader->err, EBADMSG, "%s does not begin like one",
			file_names[reader->file]);
	return false;
}

/* The length of the record that these bytes begin with, if it is whole and its CRC good; else 0. */
static size_t whole_record(struct bytes bytes)
{
	struct reader r = reader_of(bytes);
	uint32_t len = reader_be32(&r);

	reader_u8(&r);
	if (r.broken || len > WIRE_RECORD_MAX - FRAME_LEN || len + CRC_LEN > r.left)
		return 0;
	reader_bytes(&r, len);
	return reader_be32(&r) == crc32c(0, bytes.data, HEAD_LEN + len) ? FRAME_LEN + len : 0;
}

/* Is there a good record anywhere behind the first byte? The bad one's length may be what is bad,
 * so every place is asked. */
static bool good_one_follows(const struct wire_records *reader)
{
	size_t cost = 0;

	for (size_t at = 1; at + FRAME_LEN <= reader->rest.len; at++) {
		struct bytes here = { reader->rest.data + at, reader->rest.len - at };
		struct reader r = reader_of(here);
		uint32_t len = reader_be32(&r);

		if (!belongs(reader->file, reader_u8(&r)) || len + CRC_LEN > r.left)
			continue;
		cost += len;
		if (cost > SEARCH_MAX || whole_record(here) > 0)
			return true;
	}
	return false;
}

static enum wire_records_result end(struct wire_records *reader)
{
	if (reader->rest.len > 0 && good_one_follows(reader)) {
		err_set(&reader->err, EBADMSG, "%s is broken at byte %zu and goes on after it",
			file_names[reader->file], reader->good_len);
		return lose(reader);
	}
	reader->rest.len = 0;
	return WIRE_RECORDS_END;
}

static enum wire_records_result read_record(struct wire_records *reader, size_t len,
					    struct record *ret)
{
	struct bytes body = { reader->rest.data + HEAD_LEN, len - FRAME_LEN };
	uint8_t type = reader->rest.data[HEAD_LEN - 1];
	struct reader r = reader_of(body);
	struct err why = { 0 };

	memset(ret, 0, sizeof(*ret));
	if (!belongs(reader->file, type)) {
		err_set(&reader->err, EBADMSG, "%s has a record of type %u at byte %zu",
			file_names[reader->file], type, reader->good_len);
		return lose(reader);
	}
	ret->type = (enum record_type)type;
	if (!get_body(&r, &reader->arena, ret, &why) || !reader_done(&r)) {
		err_set(&reader->err, EBADMSG,
			"%s has a record at byte %zu that makes no sense%s%s",
			file_names[reader->file], reader->good_len, why.code ? ": " : "", why.text);
		return lose(reader);
	}
	advance(reader, len);
	return WIRE_RECORDS_ONE;
}

enum wire_records_result wire_records_next(struct wire_records *reader, struct record *ret)
{
	size_t len;

	if (reader->err.code)
		return WIRE_RECORDS_LOST;
	arena_reset(&reader->arena);
	if (reader->good_len == 0 && !read_header(reader))
		return reader->err.code ? lose(reader) : WIRE_RECORDS_END;
	len = whole_record(reader->rest);
	return len > 0 ? read_record(reader, len, ret) : end(reader);
}
