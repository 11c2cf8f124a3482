/* Bytes that somebody else owns, and how to read and write them without a bare pointer.
 *
 * A reader that ran past the end is broken for good: it answers zero for ever and is asked once,
 * at the end (reader_done). A writer that ran out of room is broken likewise and writes nothing
 * more. So callers have one check, and cannot forget the fifth of six. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *data; /* may be NULL when len is 0 */
	size_t len;
};

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool bytes_are(struct bytes bytes, const char *text)
{
	return bytes_equal(bytes, (struct bytes){ (const uint8_t *)text, strlen(text) });
}

struct reader {
	const uint8_t *at;
	size_t left;
	bool broken;
};

static inline struct reader reader_of(struct bytes bytes)
{
	return (struct reader){ .at = bytes.data, .left = bytes.len };
}

/* Everything was there, and nothing is left over. */
static inline bool reader_done(const struct reader *r)
{
	return !r->broken && r->left == 0;
}

/* The next len bytes, borrowed from what is read; empty once broken. */
static inline struct bytes reader_bytes(struct reader *r, size_t len)
{
	struct bytes taken;

	if (r->broken || len > r->left) {
		r->broken = true;
		r->left = 0;
		return (struct bytes){ 0 };
	}
	taken = (struct bytes){ .data = r->at, .len = len };
	if (len > 0)
		r->at += len;
	r->left -= len;
	return taken;
}

static inline uint64_t reader_be(struct reader *r, size_t width)
{
	struct bytes raw = reader_bytes(r, width);
	uint64_t value = 0;

	for (size_t i = 0; i < raw.len; i++)
		value = value << 8 | raw.data[i];
	return value;
}

static inline uint64_t reader_le(struct reader *r, size_t width)
{
	struct bytes raw = reader_bytes(r, width);
	uint64_t value = 0;

	for (size_t i = raw.len; i-- > 0;)
		value = value << 8 | raw.data[i];
	return value;
}

static inline uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)reader_be(r, 1);
}

static inline uint16_t reader_be16(struct reader *r)
{
	return (uint16_t)reader_be(r, 2);
}

static inline uint32_t reader_be32(struct reader *r)
{
	return (uint32_t)reader_be(r, 4);
}

static inline uint64_t reader_be64(struct reader *r)
{
	return reader_be(r, 8);
}

static inline uint16_t reader_le16(struct reader *r)
{
	return (uint16_t)reader_le(r, 2);
}

static inline uint32_t reader_le32(struct reader *r)
{
	return (uint32_t)reader_le(r, 4);
}

static inline uint64_t reader_le64(struct reader *r)
{
	return reader_le(r, 8);
}

/* Copy exactly len bytes out; zeroes once broken, so that `out` is never left undefined. */
static inline void reader_copy(struct reader *r, void *out, size_t len)
{
	struct bytes raw = reader_bytes(r, len);

	if (raw.len > 0)
		memcpy(out, raw.data, raw.len);
	else if (len > 0)
		memset(out, 0, len);
}

/* Writes into the caller's buffer. `len` is what was written so far; it stays when the writer
 * breaks, but then the result is not to be used. */
struct writer {
	uint8_t *data;
	size_t len;
	size_t room; /* of the whole buffer */
	bool broken;
};

static inline struct writer writer_to(void *buffer, size_t room)
{
	return (struct writer){ .data = buffer, .room = room };
}

static inline struct bytes writer_bytes(const struct writer *w)
{
	return (struct bytes){ .data = w->data, .len = w->len };
}

static inline bool writer_has(struct writer *w, size_t len)
{
	if (len > w->room - w->len)
		w->broken = true;
	return !w->broken;
}

/* Room for the next len bytes, to be filled by the caller at once; NULL once broken. */
static inline uint8_t *writer_reserve(struct writer *w, size_t len)
{
	if (!writer_has(w, len))
		return NULL;
	w->len += len;
	return w->data + w->len - len;
}

static inline void writer_put(struct writer *w, const void *data, size_t len)
{
	if (len == 0 || !writer_has(w, len))
		return;
	memcpy(w->data + w->len, data, len);
	w->len += len;
}

static inline void writer_be(struct writer *w, uint64_t value, size_t width)
{
	if (!writer_has(w, width))
		return;
	for (size_t i = width; i-- > 0;)
		w->data[w->len++] = (uint8_t)(value >> (8 * i));
}

static inline void writer_le(struct writer *w, uint64_t value, size_t width)
{
	if (!writer_has(w, width))
		return;
	for (size_t i = 0; i < width; i++)
		w->data[w->len++] = (uint8_t)(value >> (8 * i));
}

static inline void writer_u8(struct writer *w, uint8_t value)
{
	writer_be(w, value, 1);
}

static inline void writer_be16(struct writer *w, uint16_t value)
{
	writer_be(w, value, 2);
}

static inline void writer_be32(struct writer *w, uint32_t value)
{
	writer_be(w, value, 4);
}

static inline void writer_be64(struct writer *w, uint64_t value)
{
	writer_be(w, value, 8);
}

static inline void writer_le16(struct writer *w, uint16_t value)
{
	writer_le(w, value, 2);
}

static inline void writer_le32(struct writer *w, uint32_t value)
{
	writer_le(w, value, 4);
}

static inline void writer_le64(struct writer *w, uint64_t value)
{
	writer_le(w, value, 8);
}
