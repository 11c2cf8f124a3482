#include "core/members.h"

#include "base/prng.h"
#include "check.h"

static const struct instant now = { .ms = 1 };

static struct member_update said(uint8_t who, uint64_t incarnation, uint64_t version)
{
	struct member_update update = { .incarnation = incarnation, .version = version };

	memset(update.uid.b, who, sizeof(update.uid.b));
	update.body.name[0] = (char)('a' + who % 26);
	update.raw = (struct bytes){ .data = (const uint8_t *)"body", .len = 4 };
	return update;
}

static void order_of_statements(void)
{
	struct members members;
	struct member_update update = said(7, 2, 5);
	uint32_t slot;

	members_init(&members);
	CHECK_INT(members_merge(&members, &update, now, &slot), MERGE_NEWER);
	CHECK_INT(members_merge(&members, &update, now, &slot), MERGE_EQUAL);
	update = said(7, 2, 4);
	CHECK_INT(members_merge(&members, &update, now, &slot), MERGE_OLDER);
	update = said(7, 1, 99);
	CHECK_INT(members_merge(&members, &update, now, &slot), MERGE_OLDER);
	update = said(7, 3, 1);
	CHECK_INT(members_merge(&members, &update, now, &slot), MERGE_NEWER);
	CHECK_UINT(members.slots[slot]->incarnation, 3);
	CHECK_MEM(members.slots[slot]->raw, "body", 4);
	members_done(&members);
}

/* Whatever is said of a node, of the two orders of two statements one is newer, the next number is
 * newer than any, and a node that was not heard of is taken with any numbers. */
static void numbers_go_round(void)
{
	static const uint64_t numbers[] = { 0,
					    1,
					    5,
					    (UINT64_C(1) << 63) - 1,
					    UINT64_C(1) << 63,
					    (UINT64_C(1) << 63) + 5,
					    UINT64_MAX - 1,
					    UINT64_MAX };
	size_t n = sizeof(numbers) / sizeof(numbers[0]);
	uint32_t slot;

	for (size_t i = 0; i < 2 * n * n; i++) {
		uint64_t a = numbers[i % n], b = numbers[i / n % n];
		bool lives = i / n / n;
		struct member_update one = lives ? said(7, a, 3) : said(7, 3, a);
		struct member_update two = lives ? said(7, b, 3) : said(7, 3, b);
		struct member_update next = said(7, b + lives, b + !lives);
		struct members forth, back;

		members_init(&forth);
		members_init(&back);
		CHECK_INT(members_merge(&forth, &one, now, &slot), MERGE_NEWER);
		CHECK_INT(members_merge(&back, &two, now, &slot), MERGE_NEWER);
		members_merge(&forth, &two, now, &slot);
		members_merge(&back, &one, now, &slot);
		CHECK_UINT(forth.digest, back.digest);
		members_done(&back);
		members_init(&back);
		two = said(7, b, b);
		CHECK_INT(members_merge(&back, &two, now, &slot), MERGE_NEWER);
		CHECK_INT(members_merge(&back, &next, now, &slot), MERGE_NEWER);
		CHECK_INT(members_merge(&back, &two, now, &slot), MERGE_OLDER);
		members_done(&forth);
		members_done(&back);
	}
}

static void nobody_speaks_for_us(void)
{
	struct members members;
	struct member_update update = said(7, 2, 6);
	struct uid self = update.uid;
	uint32_t slot;

	members_init(&members);
	members_say(&members, &self, 2, 5, &update.body, now);
	CHECK_INT(members_merge(&members, &update, now, &slot), MERGE_OURS);
	CHECK_UINT(members.slots[slot]->version, 5);
	members_done(&members);
}

/* The same statements in any order give the same ring and the same digest. */
static void order_does_not_matter(void)
{
	struct members one, two;
	struct prng prng;
	uint32_t slot;

	prng_seed(&prng, 11);
	members_init(&one);
	members_init(&two);
	for (int i = 0; i < 2000; i++) {
		struct member_update update = said((uint8_t)prng_below(&prng, 200),
						   prng_below(&prng, 3), prng_below(&prng, 9));

		members_merge(&one, &update, now, &slot);
	}
	for (size_t i = one.n; i-- > 0;) {
		struct member_update update;

		members_update_of(one.slots[i], &update);
		members_merge(&two, &update, now, &slot);
	}
	REQUIRE(one.n == two.n);
	CHECK_UINT(one.digest, two.digest);
	CHECK_UINT(one.digest, members_digest_recompute(&one));
	for (size_t i = 0; i < one.n; i++)
		CHECK(uid_eq(&one.slots[one.ring[i]]->uid, &two.slots[two.ring[i]]->uid));
	members_done(&one);
	members_done(&two);
}

static void ring_wraps(void)
{
	struct members members;
	struct member_update low = said(1, 1, 1), high = said(9, 1, 1);
	struct uid absent = said(5, 0, 0).uid;
	uint32_t slot;

	members_init(&members);
	CHECK_UINT(members_ring_after(&members, &absent), MEMBER_NONE);
	members_merge(&members, &high, now, &slot);
	members_merge(&members, &low, now, &slot);
	CHECK_UINT(members_ring_after(&members, &low.uid), 1);
	CHECK_UINT(members_ring_after(&members, &high.uid), 0);
	CHECK_UINT(members_ring_after(&members, &absent), 1);
	CHECK(members_by_uid(&members, &absent) == NULL);
	members_done(&members);
}

int main(void)
{
	RUN(order_of_statements);
	RUN(numbers_go_round);
	RUN(nobody_speaks_for_us);
	RUN(order_does_not_matter);
	RUN(ring_wraps);
	return check_report();
}
