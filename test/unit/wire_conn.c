/* One connection as bytes: preambles, frames in any pieces, and every way to be turned away. */
#include "wire/conn.h"

#include "check.h"
#include "wire_messages.h"

static const uint64_t seed = 424242;

static struct wire_conn_settings settings_of(const char *cluster)
{
	struct wire_conn_settings settings = { .random = { 1, 2, 3 } };

	strcpy(settings.cluster_name, cluster);
	return settings;
}

static void begin(struct wire_conn *conn)
{
	struct wire_conn_settings settings = settings_of("weft");

	wire_conn_init(conn, &settings);
}

static enum wire_conn_result feed_all(struct wire_conn *conn, const void *data, size_t len)
{
	struct message message;
	size_t taken = wire_conn_feed(conn, (struct bytes){ data, len });

	CHECK(taken == len);
	return wire_conn_next(conn, &message);
}

/* Past the preambles. */
static void begin_open(struct wire_conn *conn)
{
	struct wire_conn other;

	begin(conn);
	begin(&other);
	CHECK_INT(feed_all(conn, wire_conn_preamble(&other).data, WIRE_PREAMBLE_LEN),
		  WIRE_CONN_SECURED);
	wire_conn_done(&other);
}

static void broken(struct wire_conn *conn, const void *data, size_t len, const char *why)
{
	struct message message;
	struct wire_conn good;

	CHECK_INT(feed_all(conn, data, len), WIRE_CONN_BROKEN);
	CHECK_STR(conn->err.text, why);
	/* and it stays so, though all that comes is in order */
	begin(&good);
	CHECK_INT(feed_all(conn, wire_conn_preamble(&good).data, WIRE_PREAMBLE_LEN),
		  WIRE_CONN_BROKEN);
	wire_conn_done(&good);
	CHECK_INT(feed_all(conn, "\0\0\0\2\3\0", 6), WIRE_CONN_BROKEN);
	CHECK_INT(wire_conn_next(conn, &message), WIRE_CONN_BROKEN);
	CHECK_STR(conn->err.text, why);
	CHECK_UINT(conn->in_len, 0);
	wire_conn_done(conn);
}

static void preamble_is_the_protocol(void)
{
	static const uint8_t head[] = { 0x8b, 'w', 'e', 'f', 't', 13, 10, 0, 0, 0, 0, 1,
					0,    0,   0,   1,   0,   0,  0,  0, 0, 0, 0, 0 };
	/* BLAKE2b-64 of "weft", by another implementation (Python's hashlib) */
	static const uint8_t tag[8] = { 0x94, 0x35, 0x35, 0x4a, 0x6d, 0x7e, 0xbd, 0xbd };
	static const uint8_t random[16] = { 1, 2, 3 };
	struct wire_conn conn;
	struct bytes preamble;

	begin(&conn);
	preamble = wire_conn_preamble(&conn);
	CHECK_UINT(preamble.len, 48);
	CHECK_MEM(preamble.data, head, 24);
	CHECK_MEM(preamble.data + 24, tag, 8);
	CHECK_MEM(preamble.data + 32, random, 16);
	wire_conn_done(&conn);
}

static void preamble_byte_by_byte(void)
{
	struct wire_conn conn, other;
	struct message message;

	begin(&conn);
	begin(&other);
	for (size_t i = 0; i < WIRE_PREAMBLE_LEN; i++)
		CHECK_INT(feed_all(&conn, wire_conn_preamble(&other).data + i, 1),
			  i < WIRE_PREAMBLE_LEN - 1 ? WIRE_CONN_MORE : WIRE_CONN_SECURED);
	CHECK_INT(wire_conn_next(&conn, &message), WIRE_CONN_MORE);
	wire_conn_done(&conn);
	wire_conn_done(&other);
}

static void strangers_are_turned_away(void)
{
	struct wire_conn conn;
	uint8_t zero[64] = { 0 };

	begin(&conn);
	broken(&conn, "G", 1, "not a Weft peer: it begins with 0x47");
	begin(&conn);
	broken(&conn, "GET / HTTP/1.1\r\n\r\n", 18,
	       "not a Weft peer: it begins with 0x474554202f204854");
	begin(&conn);
	/* Weave's handshake says its name first */
	broken(&conn, "\0\0\0\5weave", 9, "not a Weft peer: it begins with 0x0000000577656176");
	begin(&conn);
	broken(&conn, "\x16\x03\x01\x02\x00\x01", 6,
	       "not a Weft peer: it begins with 0x160301020001");
	begin(&conn);
	broken(&conn, "\x8bwefu", 5, "not a Weft peer: it begins with 0x8b77656675");
	begin(&conn);
	broken(&conn, zero, 48, "not a Weft peer: it begins with 0x0000000000000000");
}

static void good_preamble(uint8_t ret[static WIRE_PREAMBLE_LEN])
{
	struct wire_conn other;

	begin(&other);
	memcpy(ret, wire_conn_preamble(&other).data, WIRE_PREAMBLE_LEN);
	wire_conn_done(&other);
}

static void refuse_preamble(size_t at, uint8_t value, const char *why)
{
	uint8_t preamble[WIRE_PREAMBLE_LEN];
	struct wire_conn conn;

	begin(&conn);
	good_preamble(preamble);
	preamble[at] = value;
	broken(&conn, preamble, sizeof(preamble), why);
}

static void refuse_versions(uint8_t lowest, uint8_t highest)
{
	uint8_t preamble[WIRE_PREAMBLE_LEN];
	struct wire_conn conn;
	char why[128];

	begin(&conn);
	good_preamble(preamble);
	preamble[11] = lowest;
	preamble[15] = highest;
	snprintf(why, sizeof(why),
		 "the other side speaks protocol %u to %u, this one 1 to 1: upgrade the older",
		 lowest, highest);
	broken(&conn, preamble, sizeof(preamble), why);
}

static void versions_must_meet(void)
{
	refuse_versions(2, 3);
	refuse_versions(0, 0);
	refuse_versions(2, 1);
	refuse_versions(1, 0);
}

static void other_settings_are_told(void)
{
	struct wire_conn_settings settings = settings_of("other");
	struct wire_conn conn, other;

	refuse_preamble(23, 1, "the other side demands a secret, this one runs auth=none");
	refuse_preamble(16, 1, "the other side demands a secret, this one runs auth=none");

	begin(&conn);
	wire_conn_init(&other, &settings);
	broken(&conn, wire_conn_preamble(&other).data, WIRE_PREAMBLE_LEN,
	       "it belongs to another cluster: the tag of its name is d650ce50380593af there and "
	       "9435354a6d7ebdbd here");
	wire_conn_done(&other);
}

/* A range of versions that meets ours. */
static void newer_versions_may_reach_down(void)
{
	uint8_t preamble[WIRE_PREAMBLE_LEN];
	struct wire_conn conn;

	begin(&conn);
	good_preamble(preamble);
	preamble[15] = 9;
	CHECK_INT(feed_all(&conn, preamble, sizeof(preamble)), WIRE_CONN_SECURED);
	wire_conn_done(&conn);
}

static void bad_lengths_break(void)
{
	struct wire_conn conn;

	begin_open(&conn);
	broken(&conn, "\0\0\0\1", 4, "a frame of 1 bytes, expected 2 to 65536");
	begin_open(&conn);
	broken(&conn, "\0\1\0\1", 4, "a frame of 65537 bytes, expected 2 to 65536");
	begin_open(&conn);
	broken(&conn, "\xff\xff\xff\xff", 4, "a frame of 4294967295 bytes, expected 2 to 65536");
}

static void only_critical_strangers_break(void)
{
	static const uint8_t frames[] = { 0, 0, 0, 5, 200, 0, 1, 2, 3, 0, 0, 0, 2, 0, 0xfe };
	struct wire_conn conn;
	struct message message;
	size_t at = 0;

	begin_open(&conn);
	while (at < sizeof(frames)) {
		at += wire_conn_feed(&conn, (struct bytes){ frames + at, sizeof(frames) - at });
		CHECK_INT(wire_conn_next(&conn, &message), WIRE_CONN_MORE);
	}
	CHECK_UINT(conn.in_len, 0);
	broken(&conn, "\0\0\0\2\xc8\1", 6,
	       "a critical message of type 200, which this agent does not know");
}

static void bad_bodies_break(void)
{
	struct wire_conn conn;

	begin_open(&conn);
	broken(&conn, "\0\0\0\4\1\1\x1a\x05", 8, "Hello.name reaches beyond the end");
}

/* A length alone costs no memory; a frame's memory goes when it is done. */
static void memory_follows_bytes(void)
{
	static const uint8_t head[] = { 0, 1, 0, 0, 200, 0 };
	static const uint8_t kilobyte[1024];
	struct wire_conn conn;
	struct message message;
	size_t left = 65536 - 2;

	begin_open(&conn);
	CHECK_INT(feed_all(&conn, head, sizeof(head)), WIRE_CONN_MORE);
	CHECK(conn.in_cap < 128);
	while (left > 0) {
		size_t n = left < sizeof(kilobyte) ? left : sizeof(kilobyte);

		CHECK_INT(feed_all(&conn, kilobyte, n), WIRE_CONN_MORE);
		CHECK(conn.in_cap <= 2 * 65540);
		left -= n;
	}
	CHECK_INT(wire_conn_next(&conn, &message), WIRE_CONN_MORE);
	CHECK_UINT(conn.in_cap, 0);
	wire_conn_done(&conn);
}

/* Preamble and messages, all kinds, in pieces of any size. */
static void any_segmentation(void)
{
	enum { N = 60, STREAM = 2 << 20 };
	struct message *sent = calloc(N, sizeof(*sent)), message;
	uint8_t *stream = malloc(STREAM);
	struct wire_conn conn, other;
	struct arena arena;
	struct prng prng;
	size_t len = WIRE_PREAMBLE_LEN;

	prng_seed(&prng, seed);
	arena_init(&arena, ARENA_UNLIMITED);
	begin(&other);
	memcpy(stream, wire_conn_preamble(&other).data, WIRE_PREAMBLE_LEN);
	wire_conn_done(&other);
	for (size_t i = 0; i < N; i++) {
		random_message(&prng, &arena, all_types[prng_below(&prng, N_TYPES)], &sent[i]);
		REQUIRE(len + WIRE_FRAME_MAX + 4 < STREAM);
		len += wire_conn_encode(&sent[i], stream + len, WIRE_FRAME_MAX + 4);
	}
	printf("seed %" PRIu64 ", %zu bytes\n", seed, len);
	for (int run = 0; run < 40; run++) {
		size_t at = 0, got = 0, piece_max = (size_t)1 << prng_below(&prng, 18);
		bool secured = false;

		begin(&conn);
		while (at < len) {
			size_t piece = run == 0 ? 1 : 1 + prng_below(&prng, piece_max);
			enum wire_conn_result result;

			if (piece > len - at)
				piece = len - at;
			at += wire_conn_feed(&conn, (struct bytes){ stream + at, piece });
			while ((result = wire_conn_next(&conn, &message)) != WIRE_CONN_MORE) {
				REQUIRE(result != WIRE_CONN_BROKEN);
				if (result == WIRE_CONN_SECURED) {
					CHECK(!secured && got == 0);
					secured = true;
					continue;
				}
				REQUIRE(got < N);
				CHECK(same_message(&sent[got++], &message));
			}
		}
		CHECK(secured);
		CHECK_UINT(got, N);
		wire_conn_done(&conn);
	}
	arena_done(&arena);
	free(stream);
	free(sent);
}

static void member_bodies_are_what_a_delta_carries(void)
{
	struct message message = { .type = MESSAGE_DELTA }, back;
	struct member_update update = { .uid.b = { 1 } };
	uint8_t raw[MEMBER_BODY_MAX], frame[WIRE_FRAME_MAX + 4];
	struct wire_conn conn;
	struct prng prng;
	size_t len;

	prng_seed(&prng, seed);
	random_member_body(&prng, &update.body);
	update.raw = (struct bytes){ raw, wire_member_body_encode(&update.body, raw, sizeof(raw)) };
	message.delta = (struct delta){ 1, &update };
	len = wire_conn_encode(&message, frame, sizeof(frame));
	begin_open(&conn);
	CHECK_UINT(wire_conn_feed(&conn, (struct bytes){ frame, len }), len);
	REQUIRE(wire_conn_next(&conn, &back) == WIRE_CONN_MESSAGE);
	CHECK(same_message(&message, &back));
	wire_conn_done(&conn);
}

int main(void)
{
	RUN(preamble_is_the_protocol);
	RUN(preamble_byte_by_byte);
	RUN(strangers_are_turned_away);
	RUN(other_settings_are_told);
	RUN(versions_must_meet);
	RUN(newer_versions_may_reach_down);
	RUN(bad_lengths_break);
	RUN(only_critical_strangers_break);
	RUN(bad_bodies_break);
	RUN(memory_follows_bytes);
	RUN(any_segmentation);
	RUN(member_bodies_are_what_a_delta_carries);
	return check_report();
}
