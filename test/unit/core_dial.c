/* Whom a core dials and when, seen through its door. */
#include "core/dial.h"

#include "doors.h"

static size_t dials_at(const struct door *door, struct endpoint to)
{
	size_t n = 0;

	for (size_t i = 0; i < door->n_dials; i++)
		n += endpoint_eq(&door->dials[i].to, &to);
	return n;
}

static size_t dials_to(const struct door *door, unsigned number)
{
	return dials_at(door, endpoint_of(number));
}

/* The network answers at once that nobody is there. */
static void refuse_all(struct door *door)
{
	for (size_t i = 0; i < door->n_dials; i++)
		door_close(door, door->dials[i].link);
}

static void start_with_peer(struct door *door, unsigned number)
{
	struct endpoint peer = endpoint_of(number);

	door_init(door);
	door->settings.peers = &peer;
	door->settings.n_peers = 1;
	door_start(door);
}

static void waits_longer_each_time_and_never_long(void)
{
	struct door door;
	int64_t waited_ms = 0, least_ms = DIAL_BACKOFF_FIRST_MS / 2;
	int dials = 0;

	start_with_peer(&door, 1);
	CHECK_UINT(dials_to(&door, 1), 1);
	for (; dials < 20; dials++) {
		refuse_all(&door);
		door_forget(&door);
		for (waited_ms = 0; door.n_dials == 0 && waited_ms < 60000; waited_ms += 10)
			door_wait(&door, 10);
		CHECK_UINT(dials_to(&door, 1), 1);
		CHECK(waited_ms >= least_ms - 10);
		CHECK(waited_ms <= DIAL_BACKOFF_MAX_MS * 3 / 2);
		least_ms = least_ms * 3 / 2 < DIAL_BACKOFF_MAX_MS / 2 ? least_ms * 3 / 2
								      : DIAL_BACKOFF_MAX_MS / 2;
	}
	CHECK(waited_ms >= DIAL_BACKOFF_MAX_MS / 2);
	door_done(&door);
}

static void another_underlay_begins_anew(void)
{
	struct underlay underlay = { .have = true, .ip = 0xc0000232, .mtu = 1500 };
	struct door door;

	start_with_peer(&door, 1);
	for (int i = 0; i < 6; i++) {
		refuse_all(&door);
		door_forget(&door);
		door_wait(&door, 8000);
	}
	refuse_all(&door);
	door_forget(&door);
	door_step(&door, (struct event){ .type = EVENT_UNDERLAY, .underlay = &underlay });
	CHECK_UINT(dials_to(&door, 1), 1);
	door_done(&door);
}

/* Members and their rows, told over one link that is then lost: from here on only dials help. */
static void know_members(struct door *door, unsigned from, unsigned to)
{
	uint32_t link;

	for (unsigned number = from; number <= to; number++) {
		char name[16];

		if (number == DOOR_SELF)
			continue;
		snprintf(name, sizeof(name), "node-%u", number);
		must(&door->ledger, attach_of(number, name, 0, number, number));
	}
	link = door_accept(door, door_hello_of(door, from));
	door_show(door, link, 0);
	for (unsigned number = from; number <= to; number++)
		if (number != DOOR_SELF)
			door_tell(door, link, door_member_of(number, 1, 1));
	door_close(door, link);
}

static int after_self(const void *a, const void *b)
{
	struct uid self = uid_of(DOOR_SELF), left = uid_of(*(const unsigned *)a),
		   right = uid_of(*(const unsigned *)b);
	bool left_wraps = uid_cmp(&left, &self) < 0, right_wraps = uid_cmp(&right, &self) < 0;

	return left_wraps != right_wraps ? left_wraps - right_wraps : uid_cmp(&left, &right);
}

/* Nobody is being dialled, and everybody may be at once. */
static void may_dial_all(struct door *door)
{
	struct underlay underlay = { .have = true, .ip = 0xc0000205, .mtu = 1500 };

	refuse_all(door);
	door_forget(door);
	door_step(door, (struct event){ .type = EVENT_UNDERLAY, .underlay = &underlay });
}

static void the_successor_comes_first(void)
{
	unsigned ring[20];
	struct door door;
	size_t at = 1;

	for (unsigned i = 0; i < 20; i++)
		ring[i] = 10 + i;
	qsort(ring, 20, sizeof(ring[0]), after_self);
	door_init(&door);
	door_start(&door);
	know_members(&door, 10, 29);
	may_dial_all(&door);
	CHECK_UINT(door.n_dials, LINK_DIALLED_WANTED);
	CHECK_UINT(dials_to(&door, ring[0]), 1);
	CHECK_UINT(door.dials[0].to.ip[3], ring[0]);
	/* It is dead: the next one after it that is not being dialled already. */
	while (dials_to(&door, ring[at]))
		at++;
	door_close(&door, door.dials[0].link);
	CHECK_UINT(door.n_dials, LINK_DIALLED_WANTED + 1);
	CHECK_UINT(door.dials[LINK_DIALLED_WANTED].to.ip[3], ring[at]);
	door_done(&door);
}

/* Where somebody claims to listen is no reason to connect there: without a row, nobody is dialled.
 */
static void strangers_are_not_dialled(void)
{
	struct door door;
	uint32_t link;

	door_init(&door);
	door_start(&door);
	know_members(&door, 10, 11);
	link = door_accept(&door, door_hello_of(&door, 10));
	door_tell(&door, link, door_member_of(77, 1, 1));
	may_dial_all(&door);
	door_wait(&door, 20000);
	CHECK(dials_to(&door, 11) > 0);
	CHECK_UINT(dials_to(&door, 77), 0);
	CHECK_UINT(dials_to(&door, DOOR_SELF), 0);
	door_done(&door);
}

static void few_at_a_time_while_nobody_answers(void)
{
	struct door door;

	door_init(&door);
	door_start(&door);
	know_members(&door, 10, 29);
	may_dial_all(&door);
	door_wait(&door, LINK_CONNECT_MS - 1);
	CHECK(door.n_dials >= LINK_DIALLED_WANTED && door.n_dials <= DIAL_IN_FLIGHT_MAX);
	CHECK_UINT(door.n_hung_up, 0);
	door_wait(&door, 2);
	CHECK(door.n_hung_up >= LINK_DIALLED_WANTED);
	door_done(&door);
}

static struct endpoint offered_as(unsigned number)
{
	struct endpoint endpoint = endpoint_of(9);

	endpoint.ip[0] = 77;
	endpoint.ip[1] = (uint8_t)(number >> 8);
	endpoint.ip[2] = (uint8_t)number;
	return endpoint;
}

/* Whoever is dialled has no room and names so many others, from number `first` on. */
static void all_are_full(struct door *door, unsigned first, size_t n)
{
	struct message full = { .type = MESSAGE_BYE,
				.bye = { .reason = BYE_FULL, .n_try_instead = n } };
	size_t dials = door->n_dials;

	for (size_t i = 0; i < n; i++)
		full.bye.try_instead[i] = offered_as(first + (unsigned)i);
	door->n_dials = 0;
	for (size_t i = 0; i < dials; i++) {
		uint32_t link = door->dials[i].link;

		door_step(door, (struct event){ .type = EVENT_LINK_CONNECTED, .link.link = link });
		door_step(door, (struct event){ .type = EVENT_LINK_SECURED, .link.link = link });
		door_hear(door, link, &full);
		door_close(door, link);
	}
}

static size_t dials_to_offered(const struct door *door, unsigned number)
{
	return dials_at(door, offered_as(number));
}

static void whom_a_full_peer_names_is_dialled_once(void)
{
	struct door door;

	start_with_peer(&door, 1);
	REQUIRE(door.n_dials == 1);
	all_are_full(&door, 0, 2);
	CHECK_UINT(dials_to_offered(&door, 0), 1);
	CHECK_UINT(dials_to_offered(&door, 1), 1);
	for (int i = 0; i < DIAL_FORGET_MS / 1000; i++) {
		refuse_all(&door);
		door_forget(&door);
		door_wait(&door, 1500);
		CHECK_UINT(dials_to_offered(&door, 0) + dials_to_offered(&door, 1), 0);
	}
	/* Forgotten by now: named again, it is news. */
	refuse_all(&door);
	door_forget(&door);
	for (int i = 0; door.n_dials == 0 && i < DIAL_BACKOFF_MAX_MS * 2; i++)
		door_wait(&door, 1);
	all_are_full(&door, 0, 1);
	CHECK_UINT(dials_to_offered(&door, 0), 1);
	door_done(&door);
}

static void what_peers_name_is_bounded(void)
{
	struct dial dial;
	struct endpoint peer = endpoint_of(1);

	dial_init(&dial);
	dial_configured(&dial, &peer);
	for (unsigned i = 0; i < 3 * DIAL_LEARNT_MAX; i++) {
		struct endpoint endpoint = offered_as(i);

		dial_target(&dial, &endpoint)->next_at.ms = i;
		CHECK(dial_target(&dial, &endpoint)->next_at.ms == i); /* found again */
	}
	CHECK_UINT(dial.n, DIAL_LEARNT_MAX + 1);
	CHECK(dial_target(&dial, &peer)->configured);
	CHECK_UINT(dial.n, DIAL_LEARNT_MAX + 1);
	for (size_t i = 1; i < dial.n; i++)
		CHECK(dial.targets[i].next_at.ms >= 2 * DIAL_LEARNT_MAX);
	dial_done(&dial);
}

int main(void)
{
	RUN(whom_a_full_peer_names_is_dialled_once);
	RUN(what_peers_name_is_bounded);
	RUN(waits_longer_each_time_and_never_long);
	RUN(another_underlay_begins_anew);
	RUN(the_successor_comes_first);
	RUN(strangers_are_not_dialled);
	RUN(few_at_a_time_while_nobody_answers);
	return check_report();
}
