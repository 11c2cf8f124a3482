#include "wire/unpack.h"

#include <assert.h>
#include <errno.h>

enum wire_type { VARINT = 0, FIXED64 = 1, DELIMITED = 2, FIXED32 = 5 };

enum { VARINT_BYTES_MAX = 10 };

struct scan {
	const struct unpack_limits *limits;
	struct err *err;
	const ProtobufCMessageDescriptor *message; /* the one being walked */
	unsigned depth;
	uint32_t n_unknown;
	uint32_t counts[UNPACK_FIELDS_MAX]; /* by index of the field in the descriptor */
};

static bool scan_message(const struct unpack_limits *limits,
			 const ProtobufCMessageDescriptor *message, struct bytes body,
			 unsigned depth, struct err *err);

static bool read_varint(struct reader *r, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
		uint8_t byte = reader_u8(r);

		if (r->broken || (i == VARINT_BYTES_MAX - 1 && byte > 1))
			return false;
		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

static bool refuse(const struct scan *scan, const ProtobufCFieldDescriptor *field, const char *why)
{
	err_set(scan->err, EBADMSG, "%s%s%s %s", scan->message->short_name, field ? "." : "",
		field ? field->name : "", why);
	return false;
}

static bool refuse_limit(const struct scan *scan, const ProtobufCFieldDescriptor *field,
			 const char *what, size_t limit)
{
	err_set(scan->err, EBADMSG, "%s.%s %s %zu", scan->message->short_name, field->name, what,
		limit);
	return false;
}

static enum wire_type type_on_wire(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		return VARINT;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return FIXED64;
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return FIXED32;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
	return DELIMITED;
}

static bool scan_varint(const struct scan *scan, const ProtobufCFieldDescriptor *field,
			struct reader *r)
{
	uint64_t value;

	if (!read_varint(r, &value))
		return refuse(scan, field, "ends inside a number");
	/* protobuf-c would drop the upper half, and 2^32 would pass for 0. */
	if (field && field->type == PROTOBUF_C_TYPE_UINT32 && value > UINT32_MAX)
		return refuse_limit(scan, field, "is above", UINT32_MAX);
	return true;
}

static bool scan_scalar(const struct scan *scan, const ProtobufCFieldDescriptor *field,
			enum wire_type type, struct reader *r)
{
	if (type == VARINT)
		return scan_varint(scan, field, r);
	reader_bytes(r, type == FIXED64 ? 8 : 4);
	return !r->broken || refuse(scan, field, "ends inside a number");
}

static bool scan_packed(const struct scan *scan, const ProtobufCFieldDescriptor *field,
			struct bytes body, uint32_t *ret_count)
{
	struct reader r = reader_of(body);

	*ret_count = 0;
	while (r.left > 0) {
		if (!scan_scalar(scan, field, type_on_wire(field->type), &r))
			return false;
		++*ret_count;
	}
	return true;
}

static bool scan_string(const struct scan *scan, const ProtobufCFieldDescriptor *field,
			struct bytes text)
{
	if (text.len > scan->limits->string_len)
		return refuse_limit(scan, field, "is longer than", scan->limits->string_len);
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (c == 0 || (!scan->limits->controls && (c < 0x20 || c == 0x7f)))
			return refuse(scan, field, "has a control character in it");
	}
	return true;
}

static uint32_t count_max(const struct scan *scan, const ProtobufCFieldDescriptor *field)
{
	const struct unpack_limits *limits = scan->limits;

	if (field->label != PROTOBUF_C_LABEL_REPEATED)
		return 1;
	for (size_t i = 0; i < limits->n_counts; i++)
		if (limits->counts[i].message == scan->message &&
		    limits->counts[i].field == field->id)
			return limits->counts[i].max;
	return 0;
}

static bool count(struct scan *scan, const ProtobufCFieldDescriptor *field, uint32_t more)
{
	uint32_t *n = &scan->counts[field - scan->message->fields];

	/* A body has fewer than 2^31 items, so this cannot wrap. */
	*n += more;
	if (*n <= count_max(scan, field))
		return true;
	return refuse_limit(scan, field, "is there more often than", count_max(scan, field));
}

static bool scan_delimited(struct scan *scan, const ProtobufCFieldDescriptor *field,
			   struct bytes content)
{
	uint32_t n = 1;

	if (type_on_wire(field->type) != DELIMITED) /* packed */
		return scan_packed(scan, field, content, &n) && count(scan, field, n);
	if (!count(scan, field, 1))
		return false;
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return scan_string(scan, field, content);
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return scan_message(scan->limits, field->descriptor, content, scan->depth + 1,
				    scan->err);
	return true;
}

/* Empty content when the length leads beyond the end: then r is broken. */
static struct bytes read_delimited(struct reader *r)
{
	uint64_t len;

	if (!read_varint(r, &len) || len > r->left)
		len = SIZE_MAX;
	return reader_bytes(r, (size_t)len);
}

static bool scan_known(struct scan *scan, const ProtobufCFieldDescriptor *field,
		       enum wire_type type, struct reader *r)
{
	enum wire_type expected = type_on_wire(field->type);

	if (type == DELIMITED &&
	    (expected == DELIMITED || field->label == PROTOBUF_C_LABEL_REPEATED)) {
		struct bytes content = read_delimited(r);

		if (r->broken)
			return refuse(scan, field, "reaches beyond the end");
		return scan_delimited(scan, field, content);
	}
	if (type != expected)
		return refuse(scan, field, "has another type here");
	return scan_scalar(scan, field, type, r) && count(scan, field, 1);
}

static bool scan_unknown(struct scan *scan, enum wire_type type, struct reader *r)
{
	if (++scan->n_unknown > scan->limits->unknown)
		return refuse(scan, NULL, "has too many unknown fields");
	if (type != DELIMITED)
		return scan_scalar(scan, NULL, type, r);
	read_delimited(r);
	return !r->broken || refuse(scan, NULL, "has an unknown field that reaches beyond the end");
}

static bool scan_field(struct scan *scan, struct reader *r)
{
	const ProtobufCFieldDescriptor *field;
	uint64_t tag;
	enum wire_type type;

	if (!read_varint(r, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
		return refuse(scan, NULL, "has a broken field number");
	type = tag & 7;
	if (type != VARINT && type != FIXED64 && type != DELIMITED && type != FIXED32)
		return refuse(scan, NULL, "has a field of a type that nobody uses");
	field = protobuf_c_message_descriptor_get_field(scan->message, (unsigned)(tag >> 3));
	return field ? scan_known(scan, field, type, r) : scan_unknown(scan, type, r);
}

static bool scan_message(const struct unpack_limits *limits,
			 const ProtobufCMessageDescriptor *message, struct bytes body,
			 unsigned depth, struct err *err)
{
	struct scan scan = { .limits = limits, .err = err, .message = message, .depth = depth };
	struct reader r = reader_of(body);

	assert(message->n_fields <= UNPACK_FIELDS_MAX);
	if (depth > limits->nesting)
		return refuse(&scan, NULL, "is nested too deep");
	while (r.left > 0)
		if (!scan_field(&scan, &r))
			return false;
	return true;
}

static void *arena_give(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void arena_keep(void *arena, void *memory)
{
	(void)arena;
	(void)memory;
}

void *unpack(const ProtobufCMessageDescriptor *message, const struct unpack_limits *limits,
	     struct bytes body, struct arena *arena, struct err *err)
{
	ProtobufCAllocator allocator = {
		.alloc = arena_give,
		.free = arena_keep,
		.allocator_data = arena,
	};
	void *unpacked;

	if (!scan_message(limits, message, body, 1, err))
		return NULL;
	unpacked = protobuf_c_message_unpack(message, &allocator, body.len, body.data);
	if (!unpacked)
		err_set(err, EBADMSG, "%s does not fit into %zu bytes of memory",
			message->short_name, arena->limit);
	return unpacked;
}
