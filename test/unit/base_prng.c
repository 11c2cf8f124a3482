#include "base/prng.h"
#include "check.h"

/* splitmix64 of seed 0 is published with the algorithm (prng.di.unimi.it/splitmix64.c); the
 * first words of its stream are our state. */
static void seeds_by_splitmix(void)
{
	struct prng prng;

	prng_seed(&prng, 0);
	CHECK_UINT(prng.s[0], UINT64_C(0xe220a8397b1dcdaf));
	CHECK_UINT(prng.s[1], UINT64_C(0x6e789e6aa1b965f4));
	CHECK_UINT(prng.s[2], UINT64_C(0x06c45d188009454f));
	CHECK_UINT(prng.s[3], UINT64_C(0xf88bb8a8724c81ec));
}

/* Known answers for the state 1, 2, 3, 4, as the Rust crate rand_xoshiro tests them against the
 * reference implementation. */
static void follows_the_reference(void)
{
	static const uint64_t expected[] = {
		11520,
		0,
		1509978240,
		UINT64_C(1215971899390074240),
		UINT64_C(1216172134540287360),
		UINT64_C(607988272756665600),
		UINT64_C(16172922978634559625),
		UINT64_C(8476171486693032832),
		UINT64_C(10595114339597558777),
		UINT64_C(2904607092377533576),
	};
	struct prng prng = { .s = { 1, 2, 3, 4 } };

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		CHECK_UINT(prng_u64(&prng), expected[i]);
}

static void equal_seeds_equal_runs(void)
{
	struct prng a, b, other;

	prng_seed(&a, 42);
	prng_seed(&b, 42);
	prng_seed(&other, 43);
	for (int i = 0; i < 100; i++)
		CHECK_UINT(prng_u64(&a), prng_u64(&b));
	CHECK(prng_u64(&a) != prng_u64(&other));
}

static void below_is_below_and_even(void)
{
	unsigned counts[7] = { 0 };
	struct prng prng;
	unsigned lower = 0;

	prng_seed(&prng, 7);
	for (int i = 0; i < 70000; i++) {
		uint64_t value = prng_below(&prng, 7);

		REQUIRE(value < 7);
		counts[value]++;
	}
	/* 10000 expected, standard deviation 93: six of them. */
	for (int i = 0; i < 7; i++)
		CHECK(counts[i] > 9440 && counts[i] < 10560);
	CHECK_UINT(prng_below(&prng, 1), 0);

	/* Two thirds of all numbers: a plain remainder would give the lower half of them in two
	 * of three throws. 5000 expected, standard deviation 50. */
	for (int i = 0; i < 10000; i++)
		lower += prng_below(&prng, UINT64_MAX / 3 * 2) < UINT64_MAX / 3;
	CHECK(lower > 4700 && lower < 5300);
}

static void jitter_stays_inside(void)
{
	struct prng prng;
	bool low = false, high = false;

	prng_seed(&prng, 3);
	for (int i = 0; i < 10000; i++) {
		int64_t ms = prng_jitter_ms(&prng, 100, 10);

		REQUIRE(ms >= 90 && ms <= 110);
		low |= ms == 90;
		high |= ms == 110;
	}
	CHECK(low && high);
	CHECK_INT(prng_jitter_ms(&prng, 0, 100), 0);
	CHECK_INT(prng_jitter_ms(&prng, 5000, 0), 5000);
}

int main(void)
{
	RUN(seeds_by_splitmix);
	RUN(follows_the_reference);
	RUN(equal_seeds_equal_runs);
	RUN(below_is_below_and_even);
	RUN(jitter_stays_inside);
	return check_report();
}
