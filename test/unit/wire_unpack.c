/* The walk before protobuf-c: each limit is met exactly, and refused one beyond. */
#include "wire/unpack.h"

#include "core/types.h"
#include "proto/peer.pb-c.h"
#include "wire/peer_codec.h"

#include "check.h"
#include "protobuf.h"

struct probe {
	uint8_t room[70000];
	struct writer w;
	struct arena arena;
	struct err err;
};

static void probe_begin(struct probe *p)
{
	p->w = writer_to(p->room, sizeof(p->room));
	p->err = (struct err){ 0 };
	arena_init(&p->arena, 1 << 20);
}

/* NULL when refused. What comes back dies with the next probe_begin. */
static const void *probe_unpack(struct probe *p, const ProtobufCMessageDescriptor *message)
{
	REQUIRE(!p->w.broken);
	return unpack(message, &peer_limits, writer_bytes(&p->w), &p->arena, &p->err);
}

static void refused(struct probe *p, const ProtobufCMessageDescriptor *message, const char *why)
{
	CHECK(!probe_unpack(p, message));
	CHECK_STR(p->err.text, why);
	CHECK_UINT(p->arena.used, 0); /* nothing was allocated for it */
	arena_done(&p->arena);
}

static void accepted(struct probe *p, const ProtobufCMessageDescriptor *message)
{
	if (!CHECK(probe_unpack(p, message)))
		printf("  %s\n", p->err.text);
	arena_done(&p->arena);
}

/* Everything that can be reached from the messages we take is bounded on purpose. */
static void every_repeated_field_has_a_limit(void)
{
	static const ProtobufCMessageDescriptor *const roots[] = {
		&weft__peer__hello__descriptor,        &weft__peer__bye__descriptor,
		&weft__peer__ping__descriptor,         &weft__peer__delta__descriptor,
		&weft__peer__want_members__descriptor, &weft__peer__feed__descriptor,
		&weft__peer__command__descriptor,      &weft__peer__reply__descriptor,
		&weft__peer__member_body__descriptor,
	};
	const ProtobufCMessageDescriptor *queue[64];
	size_t n = 0, n_repeated = 0;

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		queue[n++] = roots[i];
	for (size_t at = 0; at < n; at++) {
		CHECK(queue[at]->n_fields <= UNPACK_FIELDS_MAX);
		for (unsigned f = 0; f < queue[at]->n_fields; f++) {
			const ProtobufCFieldDescriptor *field = &queue[at]->fields[f];
			bool listed = false;

			if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
				REQUIRE(n < 64);
				queue[n++] = field->descriptor;
			}
			if (field->label != PROTOBUF_C_LABEL_REPEATED)
				continue;
			n_repeated++;
			for (size_t i = 0; i < peer_limits.n_counts; i++)
				listed |= peer_limits.counts[i].message == queue[at] &&
					  peer_limits.counts[i].field == field->id;
			if (!CHECK(listed))
				printf("  %s.%s\n", queue[at]->short_name, field->name);
		}
	}
	CHECK(n_repeated >= peer_limits.n_counts);
}

static void bounds_counts(void)
{
	struct probe p;

	probe_begin(&p);
	for (int i = 0; i < KEY_IDS_MAX; i++)
		pb_fixed64(&p.w, 14, 7);
	accepted(&p, &weft__peer__hello__descriptor);

	probe_begin(&p);
	for (int i = 0; i <= KEY_IDS_MAX; i++)
		pb_fixed64(&p.w, 14, 7);
	refused(&p, &weft__peer__hello__descriptor, "Hello.key_ids is there more often than 4");
}

static void bounds_packed_counts(void)
{
	uint8_t many[FEED_BLOCKS_MAX + 1] = { 0 };
	struct probe p;

	probe_begin(&p);
	pb_bytes(&p.w, 2, many, FEED_BLOCKS_MAX);
	accepted(&p, &weft__peer__block_rows__descriptor);

	probe_begin(&p);
	pb_bytes(&p.w, 2, many, FEED_BLOCKS_MAX + 1);
	refused(&p, &weft__peer__block_rows__descriptor,
		"BlockRows.block is there more often than 1024");

	/* packed and unpacked, added up */
	probe_begin(&p);
	pb_bytes(&p.w, 2, many, FEED_BLOCKS_MAX);
	pb_number(&p.w, 2, 1);
	refused(&p, &weft__peer__block_rows__descriptor,
		"BlockRows.block is there more often than 1024");
}

static void refuses_twice(void)
{
	struct probe p;

	probe_begin(&p);
	pb_number(&p.w, 6, 1);
	pb_number(&p.w, 6, 2);
	refused(&p, &weft__peer__hello__descriptor, "Hello.epoch is there more often than 1");
}

static void bounds_strings(void)
{
	char text[255];
	struct probe p;

	memset(text, 'a', sizeof(text));
	probe_begin(&p);
	pb_bytes(&p.w, 3, text, 253);
	accepted(&p, &weft__peer__hello__descriptor);
	probe_begin(&p);
	pb_bytes(&p.w, 3, text, 254);
	refused(&p, &weft__peer__hello__descriptor, "Hello.name is longer than 253");

	for (int c = 0; c < 256; c++) {
		text[10] = (char)c;
		probe_begin(&p);
		pb_bytes(&p.w, 3, text, 20);
		if (c >= 0x20 && c != 0x7f)
			accepted(&p, &weft__peer__hello__descriptor);
		else
			refused(&p, &weft__peer__hello__descriptor,
				"Hello.name has a control character in it");
	}
}

static void bounds_nesting(void)
{
	struct unpack_limits limits = peer_limits;
	uint8_t a[16], b[32], c[64];
	struct writer endpoint = writer_to(a, sizeof(a)), row = writer_to(b, sizeof(b)),
		      rows = writer_to(c, sizeof(c));
	struct probe p;

	pb_number(&endpoint, 2, 1);
	pb_message(&row, 12, &endpoint);
	pb_message(&rows, 2, &row);
	probe_begin(&p);
	pb_message(&p.w, 3, &rows);
	accepted(&p, &weft__peer__feed__descriptor); /* Feed, Rows, PeerRow, Endpoint */

	limits.nesting = 3;
	probe_begin(&p);
	pb_message(&p.w, 3, &rows);
	CHECK(!unpack(&weft__peer__feed__descriptor, &limits, writer_bytes(&p.w), &p.arena,
		      &p.err));
	CHECK_STR(p.err.text, "Endpoint is nested too deep");
	arena_done(&p.arena);
}

static void bounds_unknown_fields(void)
{
	struct probe p;

	probe_begin(&p);
	for (uint32_t i = 0; i < 64; i++)
		pb_number(&p.w, 1000 + i, 1);
	accepted(&p, &weft__peer__ping__descriptor);

	probe_begin(&p);
	for (uint32_t i = 0; i < 65; i++)
		pb_number(&p.w, 1000 + i, 1);
	refused(&p, &weft__peer__ping__descriptor, "Ping has too many unknown fields");

	probe_begin(&p);
	pb_number(&p.w, 1000, 1);
	pb_fixed64(&p.w, 1001, 1);
	pb_string(&p.w, 1002, "anything\n");
	pb_tag(&p.w, (1u << 29) - 1, 5);
	writer_le32(&p.w, 1);
	accepted(&p, &weft__peer__ping__descriptor);
}

static void refuses_wrong_types(void)
{
	struct probe p;

	probe_begin(&p);
	pb_string(&p.w, 1, "seq is a number");
	refused(&p, &weft__peer__ping__descriptor, "Ping.seq has another type here");
	probe_begin(&p);
	pb_number(&p.w, 3, 1);
	refused(&p, &weft__peer__hello__descriptor, "Hello.name has another type here");
	probe_begin(&p);
	pb_number(&p.w, 2, 1);
	refused(&p, &weft__peer__ping__descriptor, "Ping.members has another type here");
	for (unsigned type = 3; type < 8; type += type == 4 ? 2 : 1) {
		probe_begin(&p);
		pb_tag(&p.w, 1, type);
		refused(&p, &weft__peer__ping__descriptor,
			"Ping has a field of a type that nobody uses");
	}
	probe_begin(&p);
	pb_tag(&p.w, 0, 0);
	refused(&p, &weft__peer__ping__descriptor, "Ping has a broken field number");
	probe_begin(&p);
	pb_varint(&p.w, UINT64_C(1) << 32 | 1 << 3);
	refused(&p, &weft__peer__ping__descriptor, "Ping has a broken field number");
}

static void refuses_wide_numbers(void)
{
	static const uint8_t eleven[] = { 0x18, 0xff, 0xff, 0xff, 0xff, 0xff,
					  0xff, 0xff, 0xff, 0xff, 0xff, 1 };
	static const uint8_t too_big[] = { 0x18, 0xff, 0xff, 0xff, 0xff, 0xff,
					   0xff, 0xff, 0xff, 0xff, 2 };
	struct probe p;

	probe_begin(&p);
	pb_number(&p.w, 1, UINT64_C(1) << 32);
	refused(&p, &weft__peer__ping__descriptor, "Ping.seq is above 4294967295");
	probe_begin(&p);
	pb_number(&p.w, 3, UINT64_MAX);
	accepted(&p, &weft__peer__ping__descriptor);
	probe_begin(&p);
	writer_put(&p.w, eleven, sizeof(eleven));
	refused(&p, &weft__peer__ping__descriptor, "Ping.ledger_version ends inside a number");
	probe_begin(&p);
	writer_put(&p.w, too_big, sizeof(too_big));
	refused(&p, &weft__peer__ping__descriptor, "Ping.ledger_version ends inside a number");
}

/* Every cut of a good message is good or refused, and read without a byte beyond it (the sanitizer
 * sees to that: the copy has exactly its length). */
static void survives_every_cut(void)
{
	uint8_t a[64];
	struct writer inner = writer_to(a, sizeof(a));
	size_t n_refused = 0;
	struct probe p;

	pb_bytes(&inner, 1, "\x0a\x00\x00\x01", 4);
	pb_number(&inner, 2, 6785);
	probe_begin(&p);
	pb_string(&p.w, 3, "node-1");
	pb_fixed64(&p.w, 5, 77);
	pb_message(&p.w, 8, &inner);
	pb_fixed64(&p.w, 14, 1);
	pb_bytes(&p.w, 14, "12345678abcdefgh", 16);
	pb_number(&p.w, 15, 300);
	arena_done(&p.arena);
	for (size_t len = 0; len <= p.w.len; len++) {
		uint8_t *copy = malloc(len ? len : 1);
		struct bytes cut = { copy, len };

		memcpy(copy, p.room, len);
		arena_init(&p.arena, 1 << 20);
		n_refused += !unpack(&weft__peer__hello__descriptor, &peer_limits, cut, &p.arena,
				     &p.err);
		arena_done(&p.arena);
		free(copy);
	}
	CHECK(n_refused > p.w.len / 2 && n_refused < p.w.len);
}

/* The arena's limit holds for protobuf-c too. */
static void stays_within_memory(void)
{
	uint8_t body[1000] = { 0 };
	struct arena arena;
	struct err err = { 0 };
	struct probe p;

	probe_begin(&p);
	arena_done(&p.arena);
	pb_bytes(&p.w, 4, body, sizeof(body));
	arena_init(&arena, 512);
	CHECK(!unpack(&weft__peer__member__descriptor, &peer_limits, writer_bytes(&p.w), &arena,
		      &err));
	CHECK_STR(err.text, "Member does not fit into 512 bytes of memory");
	CHECK(arena.used <= 512);
	arena_done(&arena);
}

int main(void)
{
	RUN(every_repeated_field_has_a_limit);
	RUN(bounds_counts);
	RUN(bounds_packed_counts);
	RUN(refuses_twice);
	RUN(bounds_strings);
	RUN(bounds_nesting);
	RUN(bounds_unknown_fields);
	RUN(refuses_wrong_types);
	RUN(refuses_wide_numbers);
	RUN(survives_every_cut);
	RUN(stays_within_memory);
	return check_report();
}
