#pragma once
/*
 * Untrusted protobuf -> generated struct. Before protobuf-c sees a byte, a walk over tags and
 * lengths holds them against limits: how often a field repeats, how deep messages nest, how long a
 * string is and what is in it. So what gets allocated is bounded by the limits, not by the sender.
 * Every codec of this room begins here; nothing else may call protobuf_c_message_unpack.
 */
#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

/* How often a repeated field may come, packed or not; one that is not listed may not. */
struct unpack_count {
	const ProtobufCMessageDescriptor *message;
	uint32_t field;
	uint32_t max;
};

struct unpack_limits {
	unsigned nesting; /* messages inside each other, the outermost counted */
	size_t string_len;
	bool controls;    /* control characters may stand in strings (never a 0) */
	uint32_t unknown; /* fields that a newer sender may have added, per message */
	size_t n_counts;
	const struct unpack_count *counts;
};

enum { UNPACK_FIELDS_MAX = 32 }; /* that one of our messages may know */

/* The message, in the arena whole (unpacked, with copies of all strings); NULL with err naming
 * field and limit. A field that is not `repeated` may come once. */
void *unpack(const ProtobufCMessageDescriptor *message, const struct unpack_limits *limits,
	     struct bytes body, struct arena *arena, struct err *err);
