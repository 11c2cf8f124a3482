/*
 * In this order, with blocks that were reclaimed on weak evidence only when no other is left:
 *   near   beside an own block: the smallest aligned run around it that holds nobody else's
 *   home   the first aligned super-block, from a slot given by the hash of the uid on, that nobody
 *          uses: there is room to grow, and two peers that join at once do not interleave
 *   fit    the smallest aligned free run that is large enough, else the largest
 * Every keeper computes the same, so nothing here may depend on anything but the arguments.
 */
#include "core/ledger_choose.h"

#include <assert.h>

#include "base/siphash.h"
#include "base/vec.h"
#include "core/ledger_rows.h"

enum {
	HOME_BLOCKS_MAX = GRANT_BLOCKS_MAX,
	NEAR_LEVEL_MAX = 8, /* runs of 2^8 = OWN_BLOCKS_MAX blocks */
};

static const uint8_t home_key[16] = "weft home blocks";

void ledger_chooser_init(struct ledger_chooser *chooser, const struct ledger *ledger,
			 const struct uid *uid, uint32_t members)
{
	*chooser = (struct ledger_chooser){ .ledger = ledger, .uid = uid, .members = members };
	for (uint32_t i = 0; i < ledger->n_blocks && chooser->n_own < OWN_BLOCKS_MAX; i++)
		if (ledger_block_is_of(&ledger->blocks[i], uid))
			chooser->own[chooser->n_own++] = i;
}

uint32_t ledger_fair_share(const struct ledger *ledger, uint32_t members)
{
	uint64_t share = (uint64_t)ledger->n_blocks * 2 / (3 * (uint64_t)(members ? members : 1));

	return share ? (uint32_t)share : 1;
}

static bool is_free(const struct ledger_chooser *chooser, uint32_t block, bool weak)
{
	const struct block_row *row = &chooser->ledger->blocks[block];

	return row->state == BLOCK_FREE && (weak || !row->weak);
}

/* The first free block of a run that holds free and own blocks alone. */
static bool first_beside_own(const struct ledger_chooser *chooser, uint32_t base, uint32_t len,
			     bool weak, uint32_t *ret)
{
	bool found = false;

	for (uint32_t i = base; i < base + len; i++) {
		if (is_free(chooser, i, weak)) {
			if (!found)
				*ret = i;
			found = true;
		} else if (!ledger_block_is_of(&chooser->ledger->blocks[i], chooser->uid)) {
			return false;
		}
	}
	return found;
}

static bool choose_near(const struct ledger_chooser *chooser, bool weak, uint32_t *ret)
{
	for (uint32_t level = 1; level <= NEAR_LEVEL_MAX; level++) {
		uint32_t len = UINT32_C(1) << level, before = UINT32_MAX;

		if (len > chooser->ledger->n_blocks)
			return false;
		for (size_t i = 0; i < chooser->n_own; i++) {
			uint32_t base = chooser->own[i] & ~(len - 1);

			if (base != before && first_beside_own(chooser, base, len, weak, ret))
				return true;
			before = base;
		}
	}
	return false;
}

static bool run_is_free(const struct ledger_chooser *chooser, uint32_t base, uint32_t len,
			bool weak)
{
	for (uint32_t i = base; i < base + len; i++)
		if (!is_free(chooser, i, weak))
			return false;
	return true;
}

static uint32_t power_of_two_up(uint32_t n)
{
	uint32_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

/* As large as a fair share allows, so that every peer finds a super-block of its own, but never too
 * small for what is wanted now. */
static uint32_t home_len(const struct ledger_chooser *chooser, uint32_t need)
{
	uint32_t share = ledger_fair_share(chooser->ledger, chooser->members);
	uint32_t len = need;

	while (len * 2 <= share && len * 2 <= HOME_BLOCKS_MAX)
		len *= 2;
	return len;
}

static bool choose_home(const struct ledger_chooser *chooser, uint32_t need, bool weak,
			uint32_t *ret)
{
	uint32_t len = home_len(chooser, need);
	uint32_t slots = chooser->ledger->n_blocks / len;
	uint32_t first;

	if (slots == 0)
		return false;
	first = (uint32_t)(siphash24(home_key, chooser->uid->b, sizeof(chooser->uid->b)) % slots);
	for (uint32_t i = 0; i < slots; i++) {
		*ret = (first + i) % slots * len;
		if (run_is_free(chooser, *ret, len, weak))
			return true;
	}
	return false;
}

/* The largest aligned free run that begins at this free block. */
static uint32_t free_run_len(const struct ledger_chooser *chooser, uint32_t base, bool weak)
{
	uint32_t len = 1;

	while (base % (len * 2) == 0 && base + len * 2 <= chooser->ledger->n_blocks &&
	       run_is_free(chooser, base + len, len, weak))
		len *= 2;
	return len;
}

static bool fits_better(uint32_t len, uint32_t best, uint32_t need)
{
	if (best < need)
		return len > best;
	return len >= need && len < best;
}

static bool choose_fit(const struct ledger_chooser *chooser, uint32_t need, bool weak,
		       uint32_t *ret)
{
	uint32_t best = 0, len;

	for (uint32_t base = 0; base < chooser->ledger->n_blocks; base += len) {
		len = 1;
		if (!is_free(chooser, base, weak))
			continue;
		len = free_run_len(chooser, base, weak);
		if (fits_better(len, best, need)) {
			best = len;
			*ret = base;
		}
	}
	return best > 0;
}

static bool choose(const struct ledger_chooser *chooser, uint32_t need, bool weak, uint32_t *ret)
{
	return choose_near(chooser, weak, ret) || choose_home(chooser, need, weak, ret) ||
	       choose_fit(chooser, need, weak, ret);
}

static void remember(struct ledger_chooser *chooser, uint32_t block)
{
	size_t at = chooser->n_own;

	for (; at > 0 && chooser->own[at - 1] > block; at--)
		chooser->own[at] = chooser->own[at - 1];
	chooser->own[at] = block;
	chooser->n_own++;
}

bool ledger_choose(struct ledger_chooser *chooser, size_t wanted, uint32_t *ret_block)
{
	uint32_t need = power_of_two_up((uint32_t)wanted);

	assert(wanted > 0 && wanted <= GRANT_BLOCKS_MAX);
	if (chooser->n_own == OWN_BLOCKS_MAX)
		return false;
	if (!choose(chooser, need, false, ret_block) && !choose(chooser, need, true, ret_block))
		return false;
	remember(chooser, *ret_block);
	return true;
}
