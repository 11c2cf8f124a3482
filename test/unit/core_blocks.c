#include "core/blocks.h"

#include "base/prng.h"
#include "check.h"

static const struct prefix range = { .ip = 0x0a200000, .len = 12 };
static const struct instant start = { .ms = 1000 };

static void with_block(struct blocks *blocks, uint32_t index, bool random)
{
	struct prng prng;

	prng_seed(&prng, 1);
	blocks_init(blocks, range, random);
	blocks_add(blocks, index, &prng, start)->confirmed = true;
}

static void unconfirmed_gives_nothing(void)
{
	struct blocks blocks;
	uint32_t ip;

	with_block(&blocks, 3, false);
	blocks.own[0]->confirmed = false;
	CHECK(!blocks_take(&blocks, start, &ip));
	blocks.own[0]->confirmed = true;
	blocks.own[0]->leaving = true;
	CHECK(!blocks_take(&blocks, start, &ip));
	blocks_done(&blocks);
}

static void reserved_are_never_given(void)
{
	struct blocks first, last;
	uint32_t ip, given = 0;

	with_block(&first, 0, false);
	while (blocks_take(&first, start, &ip)) {
		CHECK(ip != range.ip && ip != range.ip + 1);
		given++;
	}
	CHECK_UINT(given, BLOCK_SIZE - 2);
	with_block(&last, BLOCKS_MAX - 1, false);
	for (given = 0; blocks_take(&last, start, &ip); given++)
		CHECK(ip != prefix_last(range) && (ip & 0x3f) != 1);
	CHECK_UINT(given, BLOCK_SIZE - 2);
	blocks_done(&first);
	blocks_done(&last);
}

static void freed_rests(void)
{
	struct blocks blocks;
	struct instant later = instant_add_ms(start, REST_MS);
	uint32_t ip, other;

	with_block(&blocks, 1, false);
	REQUIRE(blocks_take(&blocks, start, &ip));
	blocks_free(&blocks, ip, start);
	for (int i = 0; i < BLOCK_SIZE - 2; i++) {
		REQUIRE(blocks_take(&blocks, start, &other));
		CHECK(other != ip);
	}
	CHECK(!blocks_take(&blocks, instant_add_ms(start, REST_PRESSED_MS - 1), &other));
	CHECK(blocks_take(&blocks, instant_add_ms(start, REST_PRESSED_MS), &other));
	CHECK_UINT(other, ip);
	blocks_free(&blocks, ip, start);
	blocks_rested(&blocks, instant_add_ms(later, -1));
	CHECK_UINT(blocks_count(&blocks).resting, 1);
	blocks_rested(&blocks, later);
	CHECK_UINT(blocks_count(&blocks).free, 1);
	blocks_done(&blocks);
}

/* Next-fit: an address comes back only after all the others were tried. */
static void comes_back_late(void)
{
	struct blocks blocks;
	struct instant now = start;
	uint32_t first, ip;
	int between = 0;

	with_block(&blocks, 1, false);
	REQUIRE(blocks_take(&blocks, now, &first));
	blocks_free(&blocks, first, now);
	do {
		now = instant_add_ms(now, REST_MS);
		blocks_rested(&blocks, now);
		REQUIRE(blocks_take(&blocks, now, &ip));
		blocks_free(&blocks, ip, now);
		between++;
	} while (ip != first);
	CHECK_INT(between, BLOCK_SIZE - 1);
	blocks_done(&blocks);
}

static void surplus_is_never_the_first(void)
{
	struct blocks blocks;
	struct prng prng;
	struct instant late = instant_add_ms(start, SURPLUS_MS);
	uint32_t ip;

	prng_seed(&prng, 1);
	with_block(&blocks, 1, false);
	blocks_add(&blocks, 2, &prng, start)->confirmed = true;
	CHECK(blocks_surplus(&blocks, 1, instant_add_ms(late, -1)) == NULL);
	CHECK(blocks_surplus(&blocks, 2, late) == NULL);
	REQUIRE(blocks_surplus(&blocks, 1, late) != NULL);
	CHECK_UINT(blocks_surplus(&blocks, 1, late)->index, 2);
	ip = blocks.own[1]->base + 5;
	blocks_use(&blocks, ip);
	CHECK(blocks_surplus(&blocks, 1, late) == NULL);
	blocks_free(&blocks, ip, late);
	blocks_rested(&blocks, late);
	CHECK(blocks_surplus(&blocks, 1, instant_add_ms(late, SURPLUS_MS)) == NULL);
	blocks_done(&blocks);
}

static void node_address_is_of_the_earliest(void)
{
	struct blocks blocks;
	struct prng prng;

	prng_seed(&prng, 1);
	blocks_init(&blocks, range, false);
	CHECK_UINT(blocks_node_ip(&blocks), 0);
	blocks_add(&blocks, 9, &prng, start);
	blocks_add(&blocks, 2, &prng, start);
	CHECK_UINT(blocks_node_ip(&blocks), range.ip + 9 * BLOCK_SIZE + 1);
	blocks_remove(&blocks, 9);
	CHECK_UINT(blocks_node_ip(&blocks), range.ip + 2 * BLOCK_SIZE + 1);
	blocks_done(&blocks);
}

/* Against two plain arrays: used, and when freed. */
static void random_history(void)
{
	struct blocks blocks;
	struct prng prng;
	bool used[2 * BLOCK_SIZE] = { false };
	int64_t freed_ms[2 * BLOCK_SIZE];
	struct instant now = start;

	prng_seed(&prng, 20260711);
	with_block(&blocks, 4, true);
	blocks_add(&blocks, 5, &prng, start)->confirmed = true;
	for (int i = 0; i < 2 * BLOCK_SIZE; i++)
		freed_ms[i] = INT64_MIN / 2;
	for (int step = 0; step < 20000; step++) {
		uint32_t base = range.ip + 4 * BLOCK_SIZE, ip, at;

		now = instant_add_ms(now, (int64_t)prng_below(&prng, 3000));
		blocks_rested(&blocks, now);
		if (prng_below(&prng, 2) && blocks_take(&blocks, now, &ip)) {
			at = ip - base;
			REQUIRE(at < 2 * BLOCK_SIZE && !used[at] && at % BLOCK_SIZE != 1);
			CHECK(now.ms - freed_ms[at] >= REST_PRESSED_MS);
			used[at] = true;
		} else {
			at = (uint32_t)prng_below(&prng, 2 * BLOCK_SIZE);
			if (!used[at])
				continue;
			used[at] = false;
			freed_ms[at] = now.ms;
			blocks_free(&blocks, base + at, now);
		}
	}
	blocks_done(&blocks);
}

int main(void)
{
	RUN(unconfirmed_gives_nothing);
	RUN(reserved_are_never_given);
	RUN(freed_rests);
	RUN(comes_back_late);
	RUN(surplus_is_never_the_first);
	RUN(node_address_is_of_the_earliest);
	RUN(random_history);
	return check_report();
}
