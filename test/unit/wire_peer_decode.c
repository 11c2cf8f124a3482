/* What a peer may not say, and what it may say although this agent does not understand it. */
#include "wire/peer_codec.h"

#include "check.h"
#include "protobuf.h"

static const uint8_t some_uid[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

struct probe {
	uint8_t room[70000];
	struct writer w;
	struct arena arena;
	struct message message;
	struct err err;
};

static void probe_begin(struct probe *p)
{
	p->w = writer_to(p->room, sizeof(p->room));
	p->err = (struct err){ 0 };
	arena_init(&p->arena, 1 << 20);
}

static bool probe_decode(struct probe *p, enum message_type type)
{
	REQUIRE(!p->w.broken);
	return peer_decode(type, writer_bytes(&p->w), &p->arena, &p->message, &p->err);
}

static void refused(struct probe *p, enum message_type type, const char *why)
{
	CHECK(!probe_decode(p, type));
	CHECK_STR(p->err.text, why);
	arena_done(&p->arena);
}

/* The caller looks at p->message, then ends the arena. */
static void accepted(struct probe *p, enum message_type type)
{
	if (!CHECK(probe_decode(p, type)))
		printf("  %s\n", p->err.text);
}

static void hello_begin(struct probe *p)
{
	probe_begin(p);
	pb_bytes(&p->w, 2, some_uid, 16);
	pb_string(&p->w, 3, "node-1");
}

static void put_endpoint(struct writer *w, uint32_t field, size_t ip_len, uint32_t port)
{
	uint8_t room[64];
	struct writer inner = writer_to(room, sizeof(room));
	static const uint8_t ip[32] = { 10 };

	pb_bytes(&inner, 1, ip, ip_len);
	pb_number(&inner, 2, port);
	pb_message(w, field, &inner);
}

static void hello_needs_uid_and_name(void)
{
	static const uint8_t zero[16];
	struct probe p;

	hello_begin(&p);
	accepted(&p, MESSAGE_HELLO);
	CHECK_STR(p.message.hello.name, "node-1");
	CHECK_MEM(p.message.hello.uid.b, some_uid, 16);
	arena_done(&p.arena);

	probe_begin(&p);
	refused(&p, MESSAGE_HELLO, "Hello.uid has 0 bytes, expected 16");
	probe_begin(&p);
	pb_bytes(&p.w, 2, some_uid, 15);
	refused(&p, MESSAGE_HELLO, "Hello.uid has 15 bytes, expected 16");
	probe_begin(&p);
	pb_bytes(&p.w, 2, zero, 16);
	refused(&p, MESSAGE_HELLO, "Hello.uid is all zeroes");
	probe_begin(&p);
	pb_bytes(&p.w, 2, some_uid, 16);
	refused(&p, MESSAGE_HELLO,
		"Hello.name is not 1 to 253 printable characters without a blank");
	probe_begin(&p);
	pb_bytes(&p.w, 2, some_uid, 16);
	pb_string(&p.w, 3, "node 1");
	refused(&p, MESSAGE_HELLO,
		"Hello.name is not 1 to 253 printable characters without a blank");
}

static void hello_is_bounded(void)
{
	struct probe p;

	hello_begin(&p);
	pb_bytes(&p.w, 1, some_uid, 8);
	refused(&p, MESSAGE_HELLO, "Hello.cluster_uuid has 8 bytes, expected 16");
	hello_begin(&p);
	put_endpoint(&p.w, 8, 5, 1);
	refused(&p, MESSAGE_HELLO, "Hello.listen.ip has 5 bytes, expected 4 or 16");
	hello_begin(&p);
	put_endpoint(&p.w, 8, 4, 0);
	refused(&p, MESSAGE_HELLO, "Hello.listen.port is 0, expected 1 to 65535");
	hello_begin(&p);
	put_endpoint(&p.w, 8, 16, 65536);
	refused(&p, MESSAGE_HELLO, "Hello.listen.port is 65536, expected 1 to 65535");
	hello_begin(&p);
	pb_number(&p.w, 10, 33);
	refused(&p, MESSAGE_HELLO,
		"Hello.range is no range: its length is 33, its last bits are 0x0");
	hello_begin(&p);
	pb_number(&p.w, 9, 0x0a200001);
	pb_number(&p.w, 10, 12);
	refused(&p, MESSAGE_HELLO,
		"Hello.range is no range: its length is 12, its last bits are 0xa200001");
	hello_begin(&p);
	pb_number(&p.w, 11, 33);
	refused(&p, MESSAGE_HELLO, "Hello.block_len is 33, at most 32 is allowed");
	hello_begin(&p);
	pb_string(&p.w, 13, "12345678901234567890123456789012");
	refused(&p, MESSAGE_HELLO, "Hello.agent_version has 32 characters, at most 31 are allowed");
}

/* Wants and reasons from the future are unknown ones, not errors. */
static void unknown_enums_are_unknown(void)
{
	struct probe p;

	hello_begin(&p);
	pb_number(&p.w, 12, 77);
	accepted(&p, MESSAGE_HELLO);
	CHECK_INT(p.message.hello.want, LINK_WANT_UNKNOWN);
	arena_done(&p.arena);

	for (uint64_t reason = 11; reason != 0; reason = reason == 11 ? UINT64_MAX : 0) {
		probe_begin(&p);
		pb_number(&p.w, 1, reason);
		accepted(&p, MESSAGE_BYE);
		CHECK_INT(p.message.bye.reason, BYE_UNKNOWN);
		arena_done(&p.arena);
	}
	probe_begin(&p);
	pb_number(&p.w, 2, 9);
	accepted(&p, MESSAGE_REPLY);
	CHECK_INT(p.message.reply.outcome, OUTCOME_UNKNOWN);
	arena_done(&p.arena);
}

static void unknown_commands_are_unknown(void)
{
	static const uint32_t ops[] = { 13, 15, 17, 18, 19, 29 };
	struct probe p;

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		probe_begin(&p);
		pb_bytes(&p.w, 1, some_uid, 16);
		pb_bytes(&p.w, ops[i], NULL, 0);
		accepted(&p, MESSAGE_COMMAND);
		CHECK_INT(p.message.command.op, COMMAND_UNKNOWN);
		arena_done(&p.arena);
	}
	probe_begin(&p);
	pb_bytes(&p.w, 1, some_uid, 16);
	pb_number(&p.w, 14, 0);
	accepted(&p, MESSAGE_COMMAND);
	CHECK_INT(p.message.command.op, COMMAND_UNKNOWN);
	arena_done(&p.arena);
}

static void put_body(struct writer *w)
{
	pb_string(w, 1, "node-2");
	pb_number(w, 2, 1);
	pb_bytes(w, 6, "\x0a\x00\x00\x02", 4);
	pb_bytes(w, 8, "\x02\x00\x00\x00\x00\x09", 6);
	pb_number(w, 9, 1450);
}

static void delta_of(struct probe *p, const struct writer *body)
{
	uint8_t room[4096];
	struct writer member = writer_to(room, sizeof(room));

	probe_begin(p);
	pb_bytes(&member, 1, some_uid, 16);
	pb_number(&member, 2, 3);
	pb_number(&member, 3, 4);
	pb_message(&member, 4, body);
	pb_message(&p->w, 1, &member);
}

/* A relay that knows less passes on all it was told. */
static void unknown_fields_survive_a_relay(void)
{
	uint8_t room[512];
	struct writer body = writer_to(room, sizeof(room));
	struct message relayed;
	struct probe p;
	struct bytes out;
	struct err err = { 0 };

	put_body(&body);
	pb_string(&body, 200, "from the future");
	pb_number(&body, 201, 42);
	delta_of(&p, &body);
	accepted(&p, MESSAGE_DELTA);
	REQUIRE(p.message.delta.n_members == 1);
	CHECK_STR(p.message.delta.members[0].body.name, "node-2");
	CHECK_UINT(p.message.delta.members[0].body.vtep_ip, 0x0a000002);
	CHECK_INT(p.message.delta.members[0].body.state, MEMBER_STATE_ALIVE);

	out = peer_encode(&p.message, &p.arena);
	REQUIRE(peer_decode(MESSAGE_DELTA, out, &p.arena, &relayed, &err));
	CHECK_UINT(relayed.delta.members[0].raw.len, body.len);
	CHECK_MEM(relayed.delta.members[0].raw.data, room, body.len);
	arena_done(&p.arena);
}

static void a_state_from_the_future_stays_opaque(void)
{
	uint8_t room[512];
	struct writer body = writer_to(room, sizeof(room));
	struct probe p;

	pb_string(&body, 1, "node-2");
	pb_number(&body, 2, 9);
	delta_of(&p, &body);
	accepted(&p, MESSAGE_DELTA);
	CHECK_INT(p.message.delta.members[0].body.state, MEMBER_STATE_UNKNOWN);
	CHECK_MEM(p.message.delta.members[0].raw.data, room, body.len);
	arena_done(&p.arena);
}

static void refuse_body(uint32_t field, const void *data, size_t len, const char *why)
{
	uint8_t room[4096];
	struct writer body = writer_to(room, sizeof(room));
	struct probe p;

	pb_string(&body, 1, "node-2");
	pb_bytes(&body, field, data, len);
	delta_of(&p, &body);
	refused(&p, MESSAGE_DELTA, why);
}

static void member_bodies_are_bounded(void)
{
	uint8_t room[4096], filler[2000] = { 0 };
	struct writer body = writer_to(room, sizeof(room));
	struct probe p;

	refuse_body(6, "\xe0\x00\x00\x01", 4, "MemberBody.vtep_ip4 is no host's address");
	refuse_body(6, "\x7f\x00\x00\x01", 4, "MemberBody.vtep_ip4 is no host's address");
	refuse_body(6, "\x00\x00\x00\x00", 4, "MemberBody.vtep_ip4 is no host's address");
	refuse_body(6, "\xff\xff\xff\xff", 4, "MemberBody.vtep_ip4 is no host's address");
	refuse_body(19, "\xe0\x00\x00\x01", 4, "MemberBody.node_ip4 is no host's address");
	refuse_body(6, "\x0a\x00\x00", 3, "MemberBody.vtep_ip4 has 3 bytes, expected 4");
	refuse_body(8, "\x01\x00\x5e\x00\x00\x01", 6, "MemberBody.vtep_mac is a group's address");
	refuse_body(8, "\x02", 1, "MemberBody.vtep_mac has 1 bytes, expected 6");
	refuse_body(16, filler, 31, "MemberBody.static_pk has 31 bytes, expected 32");
	refuse_body(17, filler, 17, "MemberBody.boot has 17 bytes, expected 16");
	refuse_body(1000, filler, 1100, "Member.body has 1112 bytes, at most 1024 are allowed");

	put_body(&body);
	pb_bytes(&body, 1000, filler, MEMBER_BODY_MAX - body.len - 4);
	CHECK_UINT(body.len, MEMBER_BODY_MAX);
	delta_of(&p, &body);
	accepted(&p, MESSAGE_DELTA);
	arena_done(&p.arena);

	body = writer_to(room, sizeof(room));
	pb_string(&body, 1, "node-2");
	pb_number(&body, 9, 65536);
	delta_of(&p, &body);
	refused(&p, MESSAGE_DELTA, "MemberBody.mtu is 65536, at most 65535 is allowed");

	body = writer_to(room, sizeof(room));
	delta_of(&p, &body);
	refused(&p, MESSAGE_DELTA,
		"MemberBody.name is not 1 to 253 printable characters without a blank");
}

static void delta_counts_are_bounded(void)
{
	uint8_t room[64], bodies[16];
	struct writer body = writer_to(bodies, sizeof(bodies)),
		      member = writer_to(room, sizeof(room));
	struct probe p;

	pb_string(&body, 1, "n");
	pb_bytes(&member, 1, some_uid, 16);
	pb_message(&member, 4, &body);
	probe_begin(&p);
	for (int i = 0; i < DELTA_MEMBERS_MAX; i++)
		pb_message(&p.w, 1, &member);
	accepted(&p, MESSAGE_DELTA);
	CHECK_UINT(p.message.delta.n_members, DELTA_MEMBERS_MAX);
	arena_done(&p.arena);
	probe_begin(&p);
	for (int i = 0; i <= DELTA_MEMBERS_MAX; i++)
		pb_message(&p.w, 1, &member);
	refused(&p, MESSAGE_DELTA, "Delta.members is there more often than 256");
}

static void blocks_are_bounded(void)
{
	uint8_t room[256];
	struct writer list = writer_to(room, sizeof(room));
	struct probe p;

	probe_begin(&p);
	pb_number(&p.w, 5, BLOCKS_MAX);
	refused(&p, MESSAGE_REPLY, "Reply.block is 16384, expected below 16384");
	probe_begin(&p);
	for (int i = 0; i <= GRANT_BLOCKS_MAX; i++)
		pb_number(&p.w, 5, 1);
	refused(&p, MESSAGE_REPLY, "Reply.block is there more often than 16");

	for (int i = 0; i <= COMMAND_BLOCKS_MAX; i++)
		pb_number(&list, 1, 1);
	probe_begin(&p);
	pb_bytes(&p.w, 1, some_uid, 16);
	pb_message(&p.w, 12, &list);
	refused(&p, MESSAGE_COMMAND, "Blocks.block is there more often than 64");
}

static void knows_its_types(void)
{
	unsigned n = 0;

	for (unsigned type = 0; type < 256; type++)
		n += peer_knows((uint8_t)type);
	CHECK_UINT(n, 8);
	CHECK(!peer_knows(0) && !peer_knows(4) && peer_knows(MESSAGE_REPLY) && !peer_knows(12));
	CHECK(peer_is_critical(MESSAGE_COMMAND) && !peer_is_critical(MESSAGE_PING));
}

int main(void)
{
	RUN(hello_needs_uid_and_name);
	RUN(hello_is_bounded);
	RUN(unknown_enums_are_unknown);
	RUN(unknown_commands_are_unknown);
	RUN(unknown_fields_survive_a_relay);
	RUN(a_state_from_the_future_stays_opaque);
	RUN(member_bodies_are_bounded);
	RUN(delta_counts_are_bounded);
	RUN(blocks_are_bounded);
	RUN(knows_its_types);
	return check_report();
}
