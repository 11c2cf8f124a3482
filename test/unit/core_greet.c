/* What a greeting is worth, seen through the door of a core that is number 5. */
#include "core/greet.h"

#include "core/dial.h"
#include "doors.h"

static void start(struct door *door)
{
	door_init(door);
	door_start(door);
}

static bool is_up(const struct door *door, uint32_t link)
{
	return door_sent(door, link, MESSAGE_PING) != NULL;
}

static enum bye_reason bye_on(const struct door *door, uint32_t link)
{
	const struct door_sent *bye = door_sent(door, link, MESSAGE_BYE);

	return bye ? bye->message.bye.reason : BYE_UNKNOWN;
}

static void a_peer_is_welcome(void)
{
	const struct door_sent *hello;
	struct door door;
	uint32_t link;

	start(&door);
	link = door_accept(&door, door_hello_of(&door, 2));
	hello = door_sent(&door, link, MESSAGE_HELLO);
	REQUIRE(hello != NULL);
	CHECK(uid_eq(&hello->message.hello.uid, &door.settings.uid));
	CHECK_UINT(hello->message.hello.incarnation, 3);
	CHECK_UINT(hello->message.hello.listen.ip[3], DOOR_SELF);
	CHECK(is_up(&door, link));
	CHECK(door_said(&door, "link to node-2 up (it dialled)"));
	CHECK_INT(bye_on(&door, link), BYE_UNKNOWN);
	door_done(&door);
}

static void who_cannot_be_one_of_us_is_told_why(void)
{
	struct door door;
	struct hello other;
	uint32_t link;

	start(&door);
	other = door_hello_of(&door, 2);
	other.range.len = 12;
	link = door_accept(&door, other);
	CHECK_INT(bye_on(&door, link), BYE_CLUSTER_MISMATCH);
	CHECK_STR(door_bye_text(&door, link),
		  "its --range is 10.32.0.0/12 in /26 blocks, ours 10.32.0.0/20 in /26: start both "
		  "with the same");
	CHECK(!is_up(&door, link));
	other = door_hello_of(&door, 3);
	other.block_len = 25;
	CHECK_INT(bye_on(&door, door_accept(&door, other)), BYE_CLUSTER_MISMATCH);
	/* Of a cluster, while we are of none: we join it. */
	other = door_hello_of(&door, 4);
	other.cluster.b[0] = 0xc1;
	link = door_accept(&door, other);
	CHECK(is_up(&door, link));
	must(&door.ledger, attach_of(4, "node-4", 0, 1, 1));
	door_show(&door, link, 0);
	/* Of another than ours now. */
	other = door_hello_of(&door, 6);
	other.cluster.b[0] = 0xc2;
	link = door_accept(&door, other);
	CHECK_INT(bye_on(&door, link), BYE_CLUSTER_MISMATCH);
	CHECK(!is_up(&door, link));
	door_done(&door);
}

static void a_dial_that_meets_itself_is_the_last_of_its_kind(void)
{
	struct endpoint own = endpoint_of(DOOR_SELF);
	struct door door;
	struct hello self;

	door_init(&door);
	door.settings.peers = &own; /* a list made for all nodes names every one */
	door.settings.n_peers = 1;
	door_start(&door);
	REQUIRE(door.n_dials == 1);
	self = door_hello_of(&door, DOOR_SELF);
	self.nonce = door.settings.nonce;
	door_reach(&door, door.dials[0].link, self);
	CHECK_INT(bye_on(&door, door.dials[0].link), BYE_SELF);
	door_close(&door, door.dials[0].link);
	door_forget(&door);
	door_wait(&door, 600000);
	CHECK_UINT(door.n_dials, 0);
	door_done(&door);
}

static void a_clone_is_believed_at_its_second_greeting(void)
{
	struct door door;
	struct hello clone;

	start(&door);
	clone = door_hello_of(&door, DOOR_SELF);
	CHECK_INT(bye_on(&door, door_accept(&door, clone)), BYE_SELF);
	CHECK(!door_said(&door, "another agent runs with this node's identity"));
	door_wait(&door, 10000);
	(void)door_accept(&door, clone);
	CHECK(door_said(&door, "another agent runs with this node's identity"));
	door_done(&door);
}

/* Both dialled each other. The link that the smaller uid dialled stays, whoever greets last. */
static void of_two_links_the_smaller_dialled_stays(unsigned number, bool dial_first)
{
	struct uid self = uid_of(DOOR_SELF), other = uid_of(number);
	bool ours_stays = uid_cmp(&self, &other) < 0;
	struct endpoint peer = endpoint_of(number);
	uint32_t dialled, accepted, stays, goes;
	struct door door;

	door_init(&door);
	door.settings.peers = &peer;
	door.settings.n_peers = 1;
	door_start(&door);
	dialled = door.dials[0].link;
	if (dial_first)
		door_reach(&door, dialled, door_hello_of(&door, number));
	accepted = door_accept(&door, door_hello_of(&door, number));
	if (!dial_first)
		door_reach(&door, dialled, door_hello_of(&door, number));
	stays = ours_stays ? dialled : accepted;
	goes = ours_stays ? accepted : dialled;
	CHECK_INT(bye_on(&door, goes), BYE_DUPLICATE);
	CHECK_INT(bye_on(&door, stays), BYE_UNKNOWN);
	CHECK(is_up(&door, stays));
	door_done(&door);
}

static void two_links_with_one_peer(void)
{
	unsigned larger = 0, smaller = 0;
	struct uid self = uid_of(DOOR_SELF);

	for (unsigned number = 10; number < 30; number++) {
		struct uid uid = uid_of(number);

		if (uid_cmp(&uid, &self) < 0)
			smaller = number;
		else
			larger = number;
	}
	REQUIRE(smaller && larger);
	of_two_links_the_smaller_dialled_stays(smaller, true);
	of_two_links_the_smaller_dialled_stays(smaller, false);
	of_two_links_the_smaller_dialled_stays(larger, true);
	of_two_links_the_smaller_dialled_stays(larger, false);
}

/* A peer that was killed dials again before its old connection is noticed dead. */
static void takes_the_place(uint64_t earlier, uint64_t later)
{
	struct door door;
	struct hello hello;
	uint32_t old, again, late;

	start(&door);
	hello = door_hello_of(&door, 2);
	hello.incarnation = earlier;
	old = door_accept(&door, hello);
	hello.incarnation = later;
	again = door_accept(&door, hello);
	CHECK_INT(bye_on(&door, old), BYE_SUPERSEDED);
	CHECK(is_up(&door, again));
	hello.incarnation = earlier;
	late = door_accept(&door, hello);
	CHECK_INT(bye_on(&door, late), BYE_SUPERSEDED);
	CHECK_INT(bye_on(&door, again), BYE_UNKNOWN);
	door_done(&door);
}

static void a_later_life_takes_the_place(void)
{
	takes_the_place(1, 2);
	takes_the_place(UINT64_MAX, 3); /* numbers go round */
}

static void nothing_is_said_before_the_greeting(void)
{
	struct message ping = { .type = MESSAGE_PING };
	struct message hello = { .type = MESSAGE_HELLO };
	struct door door;
	uint32_t link = LINK_ACCEPTED_BIT | 99;

	start(&door);
	door_step(&door, (struct event){ .type = EVENT_LINK_ACCEPTED,
					 .link = { .link = link, .from = endpoint_of(2) } });
	door_step(&door, (struct event){ .type = EVENT_LINK_SECURED, .link.link = link });
	door_hear(&door, link, &ping);
	CHECK_INT(bye_on(&door, link), BYE_PROTOCOL);
	door_close(&door, link);
	/* Nor a greeting twice. */
	link = door_accept(&door, door_hello_of(&door, 3));
	hello.hello = door_hello_of(&door, 3);
	CHECK(is_up(&door, link));
	door_hear(&door, link, &hello);
	CHECK_INT(bye_on(&door, link), BYE_PROTOCOL);
	door_close(&door, link);
	/* Nor nothing at all, for long. */
	link = LINK_ACCEPTED_BIT | 100;
	door_step(&door, (struct event){ .type = EVENT_LINK_ACCEPTED,
					 .link = { .link = link, .from = endpoint_of(4) } });
	door_forget(&door);
	door_wait(&door, LINK_GREET_MS);
	REQUIRE(door.n_hung_up > 0);
	CHECK_UINT(door.hung_up[0], link);
	door_done(&door);
}

static void the_table_is_full_for_some_before_others(void)
{
	const struct door_sent *bye;
	struct door door;
	struct hello hello;
	uint32_t link;
	unsigned number = 10;

	start(&door);
	for (; number < 10 + LINK_ACCEPTED_SOFT; number++)
		CHECK(is_up(&door, door_accept(&door, door_hello_of(&door, number))));
	door_tell(&door, LINK_ACCEPTED_BIT | 1, door_member_of(10, 1, 1));
	link = door_accept(&door, door_hello_of(&door, number++));
	bye = door_sent(&door, link, MESSAGE_BYE);
	REQUIRE(bye != NULL);
	CHECK_INT(bye->message.bye.reason, BYE_FULL);
	/* Whom it may ask instead: members whose address is known, here us and number 10. */
	CHECK_UINT(bye->message.bye.n_try_instead, 2);
	/* Who has nowhere else to go is taken in, and beyond that in the place of another. */
	door_forget(&door);
	for (; number < 11 + LINK_ACCEPTED_HARD; number++) {
		hello = door_hello_of(&door, number);
		hello.want = LINK_WANT_HIGH;
		CHECK(is_up(&door, door_accept(&door, hello)));
		CHECK_UINT(door.n_hung_up, 0);
	}
	hello = door_hello_of(&door, number);
	hello.want = LINK_WANT_HIGH;
	CHECK(is_up(&door, door_accept(&door, hello)));
	REQUIRE(door.n_hung_up == 1);
	CHECK_INT(bye_on(&door, door.hung_up[0]), BYE_REBALANCE);
	door_done(&door);
}

/* A full table, and a second link with a peer that has one. */
static void a_link_goes_when_the_next_has_its_place(void)
{
	struct uid self = uid_of(DOOR_SELF), other;
	unsigned number = 40;
	struct endpoint peer;
	uint32_t dialled, again, first;
	struct door door;

	/* If both dialled, the other's link is the one that stays. */
	do
		other = uid_of(++number);
	while (uid_cmp(&other, &self) > 0);
	peer = endpoint_of(number);
	door_init(&door);
	door.settings.peers = &peer;
	door.settings.n_peers = 1;
	door_start(&door);
	dialled = door.dials[0].link;
	door_reach(&door, dialled, door_hello_of(&door, number));
	REQUIRE(is_up(&door, dialled));
	first = door_accept(&door, door_hello_of(&door, 100));
	for (unsigned i = 1; i < LINK_ACCEPTED_SOFT; i++)
		CHECK(is_up(&door, door_accept(&door, door_hello_of(&door, 100 + i))));
	again = door_accept(&door, door_hello_of(&door, number));
	CHECK_INT(bye_on(&door, again), BYE_FULL);
	CHECK_INT(bye_on(&door, dialled), BYE_UNKNOWN);
	/* The old one's own place is enough. */
	again = door_accept(&door, door_hello_of(&door, 100));
	CHECK(is_up(&door, again));
	CHECK_INT(bye_on(&door, again), BYE_UNKNOWN);
	CHECK_INT(bye_on(&door, first), BYE_SUPERSEDED);
	door_done(&door);
}

static void start_to_found(struct door *door, size_t n, const struct endpoint *peers)
{
	door_init(door);
	door->settings.init = true;
	door->settings.new_cluster.b[0] = 0xc1;
	door->settings.keeper_id = 77;
	door->settings.peers = peers;
	door->settings.n_peers = n;
	door_start(door);
}

static uint32_t dial_to(const struct door *door, const struct endpoint *to)
{
	for (size_t i = door->n_dials; i-- > 0;)
		if (endpoint_eq(&door->dials[i].to, to))
			return door->dials[i].link;
	return 0;
}

/* Strangers dial and say that they listen where the peers should be: what they say of themselves
 * founds no second cluster, and keeps nobody from asking the peers. */
static void only_who_answers_at_a_peer_speaks_for_it(void)
{
	struct endpoint peers[] = { endpoint_of(7), endpoint_of(8) };
	struct door door;
	struct hello liar;

	start_to_found(&door, 2, peers);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t link = LINK_ACCEPTED_BIT | ++door.accepted;

		door_close(&door, dial_to(&door, &peers[i]));
		liar = door_hello_of(&door, 20 + i);
		liar.listen = peers[i];
		door_step(&door,
			  (struct event){ .type = EVENT_LINK_ACCEPTED,
					  .link = { .link = link, .from = endpoint_of(99) } });
		door_greet(&door, link, liar);
		CHECK(is_up(&door, link));
	}
	door.n_dials = 0;
	door_wait(&door, 3000);
	CHECK(!door_said(&door, "founding a cluster here"));
	for (unsigned i = 0; i < 2; i++) {
		REQUIRE(dial_to(&door, &peers[i]) != 0);
		door_reach(&door, dial_to(&door, &peers[i]), door_hello_of(&door, 7 + i));
	}
	CHECK(door_said(&door, "no --peer knows a cluster -> founding a cluster here"));
	door_done(&door);
}

/* It dialled us first: it is asked all the same, and at once. */
static void a_peer_that_dials_us_is_asked_as_well(void)
{
	struct endpoint peer = endpoint_of(7);
	struct door door;
	uint32_t dialled;

	start_to_found(&door, 1, &peer);
	door_close(&door, dial_to(&door, &peer));
	door_forget(&door);
	(void)door_accept(&door, door_hello_of(&door, 7));
	CHECK(!door_said(&door, "founding a cluster here"));
	dialled = dial_to(&door, &peer);
	REQUIRE(dialled != 0);
	door_reach(&door, dialled, door_hello_of(&door, 7));
	CHECK(door_said(&door, "founding a cluster here"));
	door_done(&door);
}

int main(void)
{
	RUN(only_who_answers_at_a_peer_speaks_for_it);
	RUN(a_peer_that_dials_us_is_asked_as_well);
	RUN(a_peer_is_welcome);
	RUN(who_cannot_be_one_of_us_is_told_why);
	RUN(a_dial_that_meets_itself_is_the_last_of_its_kind);
	RUN(a_clone_is_believed_at_its_second_greeting);
	RUN(two_links_with_one_peer);
	RUN(a_later_life_takes_the_place);
	RUN(nothing_is_said_before_the_greeting);
	RUN(the_table_is_full_for_some_before_others);
	RUN(a_link_goes_when_the_next_has_its_place);
	return check_report();
}
