/* Protobuf by hand, for tests that need what an encoder would never write. */
#pragma once

#include "base/bytes.h"

static inline void pb_varint(struct writer *w, uint64_t value)
{
	while (value >= 0x80) {
		writer_u8(w, (uint8_t)(value | 0x80));
		value >>= 7;
	}
	writer_u8(w, (uint8_t)value);
}

static inline void pb_tag(struct writer *w, uint32_t field, unsigned type)
{
	pb_varint(w, (uint64_t)field << 3 | type);
}

static inline void pb_number(struct writer *w, uint32_t field, uint64_t value)
{
	pb_tag(w, field, 0);
	pb_varint(w, value);
}

static inline void pb_fixed64(struct writer *w, uint32_t field, uint64_t value)
{
	pb_tag(w, field, 1);
	writer_le64(w, value);
}

static inline void pb_bytes(struct writer *w, uint32_t field, const void *data, size_t len)
{
	pb_tag(w, field, 2);
	pb_varint(w, len);
	writer_put(w, data, len);
}

static inline void pb_string(struct writer *w, uint32_t field, const char *text)
{
	pb_bytes(w, field, text, strlen(text));
}

/* What `inner` holds, as a message inside. */
static inline void pb_message(struct writer *w, uint32_t field, const struct writer *inner)
{
	pb_bytes(w, field, inner->data, inner->len);
}
