/* What is told to whom, seen through the door of a core that is number 5. */
#include "core/gossip.h"

#include "doors.h"

static uint32_t linked(struct door *door, unsigned number)
{
	return door_accept(door, door_hello_of(door, number));
}

/* Two neighbours, and nothing left to say to either. */
static void between_two(struct door *door, uint32_t *ret_a, uint32_t *ret_b)
{
	door_init(door);
	door_start(door);
	*ret_a = linked(door, 2);
	*ret_b = linked(door, 3);
	door_wait(door, 100);
	door_forget(door);
}

/* What was said of this member over this link since door_forget(). */
static const struct member_update *said_of(const struct door *door, uint32_t link, unsigned number)
{
	const struct member_update *last = NULL;
	struct uid uid = uid_of(number);

	for (size_t i = 0; i < door->n_sent; i++)
		for (size_t m = 0; m < door->sent[i].n_members; m++)
			if (door->sent[i].link == link &&
			    uid_eq(&door->sent[i].members[m].uid, &uid))
				last = &door->sent[i].members[m];
	return last;
}

static void a_neighbour_hears_all_of_us(void)
{
	const struct member_update *self;
	uint32_t a, b;
	struct door door;

	between_two(&door, &a, &b);
	door_tell(&door, a, door_member_of(9, 1, 1));
	door_forget(&door);
	a = linked(&door, 4);
	self = said_of(&door, a, DOOR_SELF);
	REQUIRE(self != NULL);
	CHECK_STR(self->body.name, "node-5");
	CHECK_UINT(self->body.vtep_ip, 0xc0000200 + DOOR_SELF);
	CHECK(said_of(&door, a, 9) != NULL);
	door_done(&door);
}

static void news_go_to_all_but_who_brought_them(void)
{
	uint32_t a, b;
	struct door door;

	between_two(&door, &a, &b);
	door_tell(&door, a, door_member_of(9, 1, 1));
	door_wait(&door, 100);
	REQUIRE(said_of(&door, b, 9) != NULL);
	CHECK_UINT(said_of(&door, b, 9)->version, 1);
	CHECK(said_of(&door, a, 9) == NULL);
	/* From the other one it is no news: nothing is said again. */
	door_forget(&door);
	door_tell(&door, b, door_member_of(9, 1, 1));
	door_wait(&door, 100);
	CHECK_UINT(door_count_sent(&door, MESSAGE_DELTA), 0);
	door_done(&door);
}

static void the_newer_statement_wins(void)
{
	uint32_t a, b;
	struct door door;

	between_two(&door, &a, &b);
	door_tell(&door, a, door_member_of(9, 2, 5));
	door_tell(&door, a, door_member_of(9, 3, 1)); /* a later life says less and counts more */
	door_wait(&door, 100);
	CHECK_UINT(said_of(&door, b, 9)->incarnation, 3);
	/* Who is behind is told, and nobody else. */
	door_forget(&door);
	door_tell(&door, b, door_member_of(9, 2, 99));
	door_wait(&door, 100);
	REQUIRE(said_of(&door, b, 9) != NULL);
	CHECK_UINT(said_of(&door, b, 9)->incarnation, 3);
	CHECK_UINT(said_of(&door, b, 9)->version, 1);
	CHECK(said_of(&door, a, 9) == NULL);
	door_done(&door);
}

/* A mark means "the newest", not one statement: what changes often is said once. */
static void a_burst_travels_as_its_last(void)
{
	uint32_t a, b;
	struct door door;

	between_two(&door, &a, &b);
	for (uint64_t version = 1; version <= 50; version++)
		door_tell(&door, a, door_member_of(9, 1, version));
	door_wait(&door, 100);
	CHECK_UINT(said_of(&door, b, 9)->version, 50);
	CHECK(door_count_sent(&door, MESSAGE_DELTA) <= 3);
	door_done(&door);
}

static void nobody_speaks_for_us(void)
{
	struct member_update lie = door_member_of(DOOR_SELF, 4, 70);
	const struct member_update *ours;
	uint32_t a, b;
	struct door door;

	between_two(&door, &a, &b);
	lie.body.vtep_ip = 0x01020304;
	door_tell(&door, a, lie);
	door_wait(&door, 100);
	for (int i = 0; i < 2; i++) {
		ours = said_of(&door, i ? a : b, DOOR_SELF);
		REQUIRE(ours != NULL);
		CHECK_UINT(ours->incarnation, 4);
		CHECK_UINT(ours->version, 71);
		CHECK_UINT(ours->body.vtep_ip, 0xc0000200 + DOOR_SELF);
	}
	CHECK(door_said(&door, "node-2 has a newer statement about this node than it made itself"));
	door_done(&door);
}

/* No number is the last word about us: neither that of a life that cannot be, nor the next that is
 * said in its place. */
static void no_number_is_too_high_to_be_outdone(void)
{
	static const struct {
		uint64_t incarnation, version;
	} lies[] = { { UINT64_C(1) << 40, UINT64_MAX },
		     { UINT64_C(1) << 63, UINT64_MAX },
		     { UINT64_MAX, UINT64_MAX } };
	const struct member_update *ours;
	uint32_t a, b;
	struct door door;

	between_two(&door, &a, &b);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct member_update lie =
			door_member_of(DOOR_SELF, lies[i].incarnation, lies[i].version);

		lie.body.vtep_ip = 0x01020304;
		door_forget(&door);
		door_tell(&door, a, lie);
		door_wait(&door, 100);
		ours = said_of(&door, a, DOOR_SELF);
		REQUIRE(ours != NULL);
		CHECK_UINT(ours->incarnation, lies[i].incarnation);
		CHECK_UINT(ours->version, 0); /* one more than the highest */
		CHECK_UINT(ours->body.vtep_ip, 0xc0000200 + DOOR_SELF);
	}
	door_done(&door);
}

/* One statement of a stranger with the highest numbers does not stay: the node's own is newer. */
static void a_lie_about_another_does_not_last(void)
{
	struct member_update lie = door_member_of(9, UINT64_MAX, UINT64_MAX);
	uint32_t a, b;
	struct door door;

	between_two(&door, &a, &b);
	lie.body.vtep_ip = 0x01020304;
	door_tell(&door, a, door_member_of(9, 1, 1));
	door_tell(&door, b, lie);
	door_tell(&door, a, door_member_of(9, 1, 2));
	door_wait(&door, 100);
	REQUIRE(said_of(&door, b, 9) != NULL);
	CHECK_UINT(said_of(&door, b, 9)->incarnation, 1);
	CHECK_UINT(said_of(&door, b, 9)->body.vtep_ip, 0xc0000200 + 9);
	door_done(&door);
}

static void strangers_are_few(void)
{
	uint32_t a, b;
	struct door door;
	size_t n = 0;

	between_two(&door, &a, &b);
	for (unsigned number = 100; number < 100 + STRANGERS_MAX + 50; number++) {
		door_forget(&door);
		door_tell(&door, a, door_member_of(number, 1, 1));
		door_wait(&door, LINK_FLUSH_MS);
		n += said_of(&door, b, number) != NULL;
	}
	/* Our two neighbours said nothing of themselves; we are not counted. */
	CHECK_UINT(n, STRANGERS_MAX);
	door_done(&door);
}

static void digests_that_differ_for_long_are_asked_about(void)
{
	struct message ping = { .type = MESSAGE_PING, .ping.members_digest = 12345 };
	uint32_t a, b;
	struct door door;

	between_two(&door, &a, &b);
	door_hear(&door, a, &ping);
	CHECK(door_sent(&door, a, MESSAGE_WANT_MEMBERS) == NULL); /* news may be on their way */
	door_wait(&door, GOSSIP_DIFFER_MS);
	door_hear(&door, a, &ping);
	CHECK(door_sent(&door, a, MESSAGE_WANT_MEMBERS) != NULL);
	CHECK(door_sent(&door, b, MESSAGE_WANT_MEMBERS) == NULL);
	door_done(&door);
}

static void a_ledger_is_passed_on_and_only_forward(void)
{
	struct message old = { .type = MESSAGE_FEED };
	const struct door_sent *feed;
	struct arena arena;
	uint32_t a, b;
	struct door door;

	between_two(&door, &a, &b);
	must(&door.ledger, attach_of(2, "node-2", 0, 1, 1));
	arena_init(&arena, ARENA_UNLIMITED);
	ledger_feed_next(&door.ledger, 0, 0, 16384, &arena, &old.feed);
	must(&door.ledger, attach_of(3, "node-3", 0, 1, 1));
	door_show(&door, a, 0);
	door_wait(&door, 100);
	CHECK_UINT(core_inspect_view(door.core)->version, 3);
	CHECK_UINT(core_inspect_view(door.core)->digest, door.ledger.digest);
	feed = door_sent(&door, b, MESSAGE_FEED);
	REQUIRE(feed != NULL);
	CHECK_UINT(feed->message.feed.upto, 3);
	CHECK(door_sent(&door, a, MESSAGE_FEED) == NULL);
	door_hear(&door, b, &old);
	CHECK_UINT(core_inspect_view(door.core)->version, 3);
	arena_done(&arena);
	door_done(&door);
}

static void a_ledger_that_cannot_be_ours_ends_the_link(void)
{
	struct message feed = { .type = MESSAGE_FEED };
	struct ledger_config config = config_of(20);
	uint32_t a, b;
	struct door door;

	between_two(&door, &a, &b);
	config.block_len = 25;
	config.changed = 1;
	feed.feed =
		(struct feed){ .upto = 1, .cursor = 1, .complete = true, .rows.config = &config };
	door_hear(&door, a, &feed);
	CHECK_STR(door_bye_text(&door, a), "its ledger has /25 blocks, this agent knows /26");
	CHECK_UINT(core_inspect_view(door.core)->version, 0);
	door_show(&door, b, 0);
	CHECK_UINT(core_inspect_view(door.core)->version, 1);
	/* Now we have a cluster. */
	b = linked(&door, 8);
	config = config_of(20);
	config.cluster.b[0] = 0xc2;
	config.changed = 2;
	feed.feed = (struct feed){
		.after = 1, .upto = 2, .cursor = 2, .complete = true, .rows.config = &config
	};
	door_hear(&door, b, &feed);
	CHECK_STR(door_bye_text(&door, b), "its ledger is another cluster's");
	door_done(&door);
}

/* It greets with our range, and its ledger owns blocks far outside it. */
static void a_ledger_of_another_range_leads_nowhere(void)
{
	uint32_t a, b;
	struct door door;

	between_two(&door, &a, &b);
	ledger_done(&door.ledger);
	door.ledger = ledger_of(12);
	must(&door.ledger, attach_of(2, "node-2", 0, 1, 1));
	door_tell(&door, a, door_member_of(2, 1, 1));
	door_show(&door, a, 0);
	CHECK_STR(
		door_bye_text(&door, a),
		"its ledger is of --range 10.32.0.0/12, ours is 10.32.0.0/20: start both with the "
		"same");
	CHECK_UINT(core_inspect_view(door.core)->version, 0);
	CHECK_UINT(door.forward.n_routes, 1); /* our own range */
	door_done(&door);
}

static void frame_of(struct door *door, const struct ledger *ledger, uint64_t after, uint32_t link)
{
	struct message message = { .type = MESSAGE_FEED };
	struct arena arena;

	arena_init(&arena, ARENA_UNLIMITED);
	ledger_feed_next(ledger, after, after, 1, &arena, &message.feed);
	door_hear(door, link, &message);
	arena_done(&arena);
}

/* Its config came while any cluster would have done, its last frame comes when one is ours. */
static void a_transfer_under_way_does_not_change_the_cluster(void)
{
	struct ledger_config config = config_of(20);
	struct ledger other;
	uint32_t a, b;
	struct door door;

	between_two(&door, &a, &b);
	config.cluster.b[0] = 0xc2;
	ledger_init(&other);
	ledger_found(&other, &config);
	must(&other, attach_of(2, "node-2", 0, 1, 1));
	frame_of(&door, &other, 0, a);
	CHECK_UINT(core_inspect_view(door.core)->version, 0);
	door_show(&door, b, 0);
	CHECK_UINT(core_inspect_view(door.core)->version, 1);
	frame_of(&door, &other, 1, a);
	CHECK_UINT(core_inspect_view(door.core)->version, 1);
	CHECK_UINT(core_inspect_view(door.core)->config.cluster.b[0], 0xc1);
	CHECK_STR(door_bye_text(&door, a), "ledger rows that break the rules");
	ledger_done(&other);
	door_done(&door);
}

static void found(struct door *door)
{
	door_init(door);
	door->settings.init = door->settings.init_alone = true;
	door->settings.new_cluster.b[0] = 0xc1;
	door->settings.keeper_id = 77;
	door_start(door);
	door_wait(door, 3000);
	CHECK(door_said(door, "founding a cluster here"));
	CHECK(core_inspect_view(door->core)->version > 0);
}

/* What the keeper shows and one row more, with the digest that belongs to it. */
static void forge(struct door *door, unsigned who)
{
	struct command attach = attach_of(who, "nobody", 0, 1, 1);

	ledger_done(&door->ledger);
	ledger_init(&door->ledger);
	ledger_copy(&door->ledger, core_inspect_view(door->core));
	must(&door->ledger, attach);
}

static bool voter_says_no(struct door *door)
{
	return door_said(door, "no more votes from here");
}

/* Rows that fit their digest can be made by anybody; a log is doubted on a member's word. */
static void a_stranger_does_not_silence_the_keeper(void)
{
	struct message attach = { .type = MESSAGE_COMMAND };
	struct door door;
	uint32_t link;

	found(&door);
	link = linked(&door, 20);
	forge(&door, 30);
	door_show(&door, link, 0);
	CHECK(!voter_says_no(&door));
	CHECK(door_said(&door, "is not attached -> not believed"));
	/* It attaches, in our own log: now its word counts. */
	attach.command = attach_of(20, "node-20", 0, 1, 1);
	door_hear(&door, link, &attach);
	CHECK(ledger_peer(core_inspect_view(door.core), "node-20") != NULL);
	forge(&door, 31);
	door_show(&door, link, 0);
	CHECK(voter_says_no(&door));
	door_done(&door);
}

/* What a slow neighbour has not read yet is not sent after: it gets the newest when it reads. */
static void nothing_queues_behind_a_slow_reader(void)
{
	uint32_t a, b;
	struct door door;

	between_two(&door, &a, &b);
	door.slow = b;
	door_tell(&door, a, door_member_of(9, 1, 1));
	door_wait(&door, 100);
	CHECK_UINT(said_of(&door, b, 9)->version, 1);
	door_forget(&door);
	door_tell(&door, a, door_member_of(9, 1, 2));
	door_tell(&door, a, door_member_of(9, 1, 3));
	door_wait(&door, 1000);
	CHECK(said_of(&door, b, 9) == NULL);
	door_step(&door, (struct event){ .type = EVENT_LINK_WRITABLE, .link.link = b });
	REQUIRE(said_of(&door, b, 9) != NULL);
	CHECK_UINT(said_of(&door, b, 9)->version, 3);
	door_done(&door);
}

int main(void)
{
	RUN(a_neighbour_hears_all_of_us);
	RUN(news_go_to_all_but_who_brought_them);
	RUN(the_newer_statement_wins);
	RUN(a_burst_travels_as_its_last);
	RUN(nobody_speaks_for_us);
	RUN(no_number_is_too_high_to_be_outdone);
	RUN(a_lie_about_another_does_not_last);
	RUN(strangers_are_few);
	RUN(digests_that_differ_for_long_are_asked_about);
	RUN(a_ledger_is_passed_on_and_only_forward);
	RUN(a_ledger_that_cannot_be_ours_ends_the_link);
	RUN(a_ledger_of_another_range_leads_nowhere);
	RUN(a_transfer_under_way_does_not_change_the_cluster);
	RUN(a_stranger_does_not_silence_the_keeper);
	RUN(nothing_queues_behind_a_slow_reader);
	return check_report();
}
