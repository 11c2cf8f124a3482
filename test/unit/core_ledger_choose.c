#include "core/ledger_choose.h"

#include "core/ledger_rows.h"
#include "ledgers.h"

static void own(struct ledger *ledger, uint32_t block, unsigned number)
{
	struct block_row row = { .state = BLOCK_OWNED, .owner = uid_of(number) };

	row.changed = ++ledger->version;
	ledger_put_block(ledger, block, &row);
}

static void weaken(struct ledger *ledger, uint32_t block)
{
	struct block_row row = { .state = BLOCK_FREE, .weak = true };

	row.changed = ++ledger->version;
	ledger_put_block(ledger, block, &row);
}

/* What `number` would get, without taking it; UINT32_MAX: nothing. */
static uint32_t would_get(const struct ledger *ledger, unsigned number, size_t wanted)
{
	struct ledger_chooser chooser;
	struct uid uid = uid_of(number);
	uint32_t block;

	ledger_chooser_init(&chooser, ledger, &uid, 3);
	return ledger_choose(&chooser, wanted, &block) ? block : UINT32_MAX;
}

static size_t grant(struct ledger *ledger, unsigned number, uint32_t members, size_t count,
		    uint32_t *blocks)
{
	struct ledger_chooser chooser;
	struct uid uid = uid_of(number);
	size_t n = 0;

	ledger_chooser_init(&chooser, ledger, &uid, members);
	while (n < count && ledger_choose(&chooser, count - n, &blocks[n]))
		own(ledger, blocks[n++], number);
	return n;
}

/* Maximal aligned runs of one owner: the routes that everybody else has for it. */
static unsigned routes_to(const struct ledger *ledger, unsigned number)
{
	struct uid uid = uid_of(number);
	unsigned routes = 0;
	uint32_t len;

	for (uint32_t base = 0; base < ledger->n_blocks; base += len) {
		bool all = true;

		len = 1;
		if (!ledger_block_is_of(&ledger->blocks[base], &uid))
			continue;
		while (all && base % (2 * len) == 0 && base + 2 * len <= ledger->n_blocks) {
			for (uint32_t i = base + len; i < base + 2 * len; i++)
				all = all && ledger_block_is_of(&ledger->blocks[i], &uid);
			len *= all ? 2 : 1;
		}
		routes++;
	}
	return routes;
}

static void beside_an_own_block_first(void)
{
	struct ledger ledger = ledger_of(20);

	own(&ledger, 21, 1);
	CHECK_UINT(would_get(&ledger, 1, 1), 20); /* the buddy */
	own(&ledger, 20, 2);
	CHECK(would_get(&ledger, 1, 1) / 4 != 5); /* that run is spoilt: one of its own */
	own(&ledger, 40, 3);
	own(&ledger, 41, 3);
	CHECK_UINT(would_get(&ledger, 3, 1), 42); /* the buddy of the pair */
	own(&ledger, 42, 3);
	CHECK_UINT(would_get(&ledger, 3, 1), 43);
	own(&ledger, 43, 3);
	CHECK_UINT(would_get(&ledger, 3, 1), 44);
	ledger_done(&ledger);
}

/* Joining one after the other, growing one by one in turn: still one run each. */
static void growing_keeps_one_route(void)
{
	struct ledger ledger = ledger_of(12);
	uint32_t blocks[2];

	for (unsigned number = 1; number <= 100; number++)
		CHECK_UINT(grant(&ledger, number, 100, 2, blocks), 2);
	for (unsigned round = 3; round <= 16; round++) {
		for (unsigned number = 1; number <= 100; number++)
			CHECK_UINT(grant(&ledger, number, 100, 1, blocks), 1);
		for (unsigned number = 1; number <= 100; number++)
			CHECK(routes_to(&ledger, number) <= 4); /* 15 = 8 + 4 + 2 + 1 */
	}
	for (unsigned number = 1; number <= 100; number++)
		CHECK_UINT(routes_to(&ledger, number), 1);
	ledger_done(&ledger);
}

static void a_first_grant_is_aligned(void)
{
	struct ledger ledger = ledger_of(12);
	uint32_t blocks[16];

	for (unsigned number = 1; number <= 60; number++) {
		size_t count = 1 + number % 16;

		CHECK_UINT(grant(&ledger, number, 60, count, blocks), count);
		for (size_t i = 0; i < count; i++)
			CHECK_UINT(blocks[i], blocks[0] + i);
		CHECK_UINT(blocks[0] % 16, 0);
	}
	ledger_done(&ledger);
}

/* Ten thousand peers with one block each and no room to spare. */
static void a_crowd_fits(void)
{
	struct ledger ledger = ledger_of(12);
	uint32_t block;

	for (unsigned number = 1; number <= 10000; number++)
		CHECK_UINT(grant(&ledger, number, 10000, 1, &block), 1);
	for (unsigned number = 1; number <= 6384; number++)
		CHECK_UINT(grant(&ledger, number, 10000, 1, &block), 1);
	CHECK_UINT(grant(&ledger, 1, 10000, 1, &block), 0);
	ledger_done(&ledger);
}

/* No super-block is free as a whole: the smallest run that is large enough, else the largest. */
static void the_best_fit(void)
{
	struct ledger ledger = ledger_of(20);

	for (uint32_t i = 0; i < ledger.n_blocks; i++)
		if (i != 5 && i != 10 && i != 11 && (i < 24 || i > 27))
			own(&ledger, i, 9);
	CHECK_UINT(would_get(&ledger, 1, 1), 5);
	CHECK_UINT(would_get(&ledger, 1, 2), 10);
	CHECK_UINT(would_get(&ledger, 1, 3), 24);
	CHECK_UINT(would_get(&ledger, 1, 4), 24);
	CHECK_UINT(would_get(&ledger, 1, 16), 24);
	ledger_done(&ledger);
}

static void weak_blocks_last(void)
{
	struct ledger ledger = ledger_of(22); /* 16 blocks */
	uint32_t blocks[16];

	own(&ledger, 4, 1);
	weaken(&ledger, 5);
	CHECK(would_get(&ledger, 1, 1) != 5);
	for (uint32_t i = 0; i < 16; i++)
		if (i != 4 && i != 11)
			weaken(&ledger, i);
	CHECK_UINT(would_get(&ledger, 1, 1), 11);
	CHECK_UINT(grant(&ledger, 1, 3, 16, blocks), 15);
	CHECK_UINT(blocks[0], 11);
	CHECK_UINT(would_get(&ledger, 1, 1), UINT32_MAX);
	ledger_done(&ledger);
}

/* FREE alone is given: not what cools, is held or is another's. */
static void only_what_is_free(void)
{
	struct ledger ledger = ledger_of(24); /* 4 blocks */
	struct block_row cooling = { .state = BLOCK_COOLING }, held = { .state = BLOCK_HELD };

	held.owner = uid_of(1);
	own(&ledger, 0, 2);
	cooling.changed = ++ledger.version;
	ledger_put_block(&ledger, 1, &cooling);
	held.changed = ++ledger.version;
	ledger_put_block(&ledger, 2, &held);
	CHECK_UINT(would_get(&ledger, 1, 4), 3);
	own(&ledger, 3, 1);
	CHECK_UINT(would_get(&ledger, 1, 1), UINT32_MAX);
	ledger_done(&ledger);
}

static void nobody_gets_more_than_one_may_own(void)
{
	struct ledger ledger = ledger_of(12);

	for (uint32_t i = 0; i < OWN_BLOCKS_MAX; i++)
		own(&ledger, 2 * i, 1);
	CHECK_UINT(would_get(&ledger, 1, 1), UINT32_MAX);
	CHECK(would_get(&ledger, 2, 1) != UINT32_MAX);
	ledger_done(&ledger);
}

static void random_use_gives_everything_once(void)
{
	struct prng prng;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct ledger ledger = ledger_of(18); /* 256 blocks */
		uint32_t blocks[16];
		size_t given = 0;

		prng_seed(&prng, seed);
		for (int idle = 0; idle < 200; idle++) {
			unsigned number = 1 + (unsigned)prng_below(&prng, 30);
			size_t n = grant(&ledger, number, 1 + (uint32_t)prng_below(&prng, 400),
					 1 + prng_below(&prng, 16), blocks);

			given += n;
			if (n > 0)
				idle = 0;
			for (size_t i = 0; i < n; i++)
				CHECK_UINT(ledger.blocks[blocks[i]].changed,
					   ledger.version - n + 1 + i);
		}
		CHECK_UINT(given, 256);
		ledger_done(&ledger);
	}
}

static void a_fair_share(void)
{
	struct ledger ledger = ledger_of(12);

	CHECK_UINT(ledger_fair_share(&ledger, 1), 10922);
	CHECK_UINT(ledger_fair_share(&ledger, 5000), 2);
	CHECK_UINT(ledger_fair_share(&ledger, 10000), 1);
	CHECK_UINT(ledger_fair_share(&ledger, UINT32_MAX), 1);
	CHECK_UINT(ledger_fair_share(&ledger, 0), 10922);
	ledger_done(&ledger);
}

int main(void)
{
	RUN(beside_an_own_block_first);
	RUN(growing_keeps_one_route);
	RUN(a_first_grant_is_aligned);
	RUN(a_crowd_fits);
	RUN(the_best_fit);
	RUN(weak_blocks_last);
	RUN(only_what_is_free);
	RUN(nobody_gets_more_than_one_may_own);
	RUN(random_use_gives_everything_once);
	RUN(a_fair_share);
	return check_report();
}
