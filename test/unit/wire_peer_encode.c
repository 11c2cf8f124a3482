/* Messages survive the way there and back, and the bytes are what peer.proto says. */
#include "wire/peer_codec.h"

#include "check.h"
#include "wire_messages.h"

static const uint64_t seed = 20240611;

static void round_trip(const struct message *message, uint64_t run)
{
	struct arena arena;
	struct message back;
	struct err err = { 0 };
	struct bytes packed;

	arena_init(&arena, ARENA_UNLIMITED);
	packed = peer_encode(message, &arena);
	if (!CHECK(peer_decode(message->type, packed, &arena, &back, &err)))
		printf("  seed %" PRIu64 " run %" PRIu64 " type %d: %s\n", seed, run, message->type,
		       err.text);
	else if (!CHECK(same_message(message, &back)))
		printf("  seed %" PRIu64 " run %" PRIu64 " type %d differs\n", seed, run,
		       message->type);
	CHECK(packed.len <= 65534);
	arena_done(&arena);
}

static void every_type_comes_back(void)
{
	struct prng prng;
	struct arena arena;
	struct message message;

	printf("seed %" PRIu64 "\n", seed);
	prng_seed(&prng, seed);
	for (uint64_t run = 0; run < 400; run++)
		for (size_t i = 0; i < N_TYPES; i++) {
			arena_init(&arena, ARENA_UNLIMITED);
			random_message(&prng, &arena, all_types[i], &message);
			round_trip(&message, run);
			arena_done(&arena);
		}
}

/* Nothing but defaults, as far as the rules allow. */
static void the_smallest_come_back(void)
{
	struct message message;

	for (size_t i = 0; i < N_TYPES; i++) {
		memset(&message, 0, sizeof(message));
		message.type = all_types[i];
		if (message.type == MESSAGE_HELLO) {
			message.hello.uid.b[15] = 1;
			strcpy(message.hello.name, "a");
		}
		if (message.type == MESSAGE_COMMAND)
			message.command.uid.b[15] = 1;
		round_trip(&message, 0);
	}
}

/* Counts at their limit and every string full: inside a frame, inside its memory. */
static void the_largest_fit(void)
{
	struct arena arena, frame;
	struct message message = { .type = MESSAGE_DELTA }, back;
	struct member_update *members;
	struct err err = { 0 };
	struct bytes packed;
	struct prng prng;

	prng_seed(&prng, seed);
	arena_init(&arena, ARENA_UNLIMITED);
	arena_init(&frame, 1 << 20);
	members = arena_array(&arena, DELTA_MEMBERS_MAX, sizeof(*members));
	for (size_t i = 0; i < DELTA_MEMBERS_MAX; i++) {
		random_uid(&prng, &members[i].uid);
		random_member_body(&prng, &members[i].body);
		strcpy(members[i].body.name, "node");
		strcpy(members[i].body.zone, "");
	}
	message.delta = (struct delta){ DELTA_MEMBERS_MAX, members };
	packed = peer_encode(&message, &arena);
	CHECK(packed.len < 65534);
	if (!CHECK(peer_decode(message.type, packed, &frame, &back, &err)))
		printf("  %s\n", err.text);
	else
		CHECK(same_message(&message, &back));
	arena_done(&frame);
	arena_done(&arena);
}

/* Written down by hand: a change here is a change of the protocol. */
static void bytes_are_the_protocol(void)
{
	static const uint8_t ping[] = {
		0x08, 0x07,                                           /* seq 7 */
		0x11, 8,    7,    6,    5,    4,    3,    2,    1,    /* members */
		0x18, 0xac, 0x02,                                     /* version 300 */
		0x21, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, /* digest */
	};
	struct message message = { .type = MESSAGE_PING };
	struct arena arena;
	struct bytes packed;

	message.ping = (struct ping){ .seq = 7,
				      .members_digest = 0x0102030405060708,
				      .ledger_version = 300,
				      .ledger_digest = 0x1112131415161718 };
	arena_init(&arena, ARENA_UNLIMITED);
	packed = peer_encode(&message, &arena);
	CHECK_UINT(packed.len, sizeof(ping));
	CHECK_MEM(packed.data, ping, sizeof(ping));
	arena_done(&arena);
}

/* What we say never gets a link closed: sentences are cut and cleaned on the way out. */
static void cleans_sentences(void)
{
	struct message message = { .type = MESSAGE_BYE }, back;
	struct arena arena;
	struct err err = { 0 };

	memset(message.bye.text, 'x', TEXT_LEN_MAX);
	message.bye.text[3] = '\n';
	message.bye.text[4] = (char)0xc3;
	arena_init(&arena, ARENA_UNLIMITED);
	CHECK(peer_decode(MESSAGE_BYE, peer_encode(&message, &arena), &arena, &back, &err));
	CHECK_UINT(strlen(back.bye.text), 253);
	CHECK(strncmp(back.bye.text, "xxx??xxx", 8) == 0);
	arena_done(&arena);
}

int main(void)
{
	RUN(every_type_comes_back);
	RUN(the_smallest_come_back);
	RUN(the_largest_fit);
	RUN(bytes_are_the_protocol);
	RUN(cleans_sentences);
	return check_report();
}
