#include "core/blocks.h"

#include <assert.h>
#include <stdlib.h>

#include "base/xalloc.h"

_Static_assert(BLOCK_SIZE == 1 << (32 - BLOCK_LEN) && BLOCK_SIZE == 64, "maps are uint64_t");
_Static_assert(OWN_BLOCKS_WANTED_MAX <= OWN_BLOCKS_MAX, "what is asked for may be owned");

void blocks_init(struct blocks *blocks, struct prefix range, bool start_random)
{
	*blocks = (struct blocks){ .range = range, .start_random = start_random };
}

void blocks_done(struct blocks *blocks)
{
	for (size_t i = 0; i < blocks->n; i++)
		free(blocks->own[i]);
	blocks->n = 0;
}

struct own_block *blocks_find(const struct blocks *blocks, uint32_t index)
{
	for (size_t i = 0; i < blocks->n; i++)
		if (blocks->own[i]->index == index)
			return blocks->own[i];
	return NULL;
}

struct own_block *blocks_of_ip(const struct blocks *blocks, uint32_t ip)
{
	if (!prefix_has(blocks->range, ip))
		return NULL;
	return blocks_find(blocks, (ip - blocks->range.ip) / BLOCK_SIZE);
}

static uint64_t bit(uint32_t offset)
{
	return UINT64_C(1) << offset;
}

struct own_block *blocks_add(struct blocks *blocks, uint32_t index, struct prng *prng,
			     struct instant now)
{
	struct own_block *block = xcalloc(1, sizeof(*block));

	assert(blocks->n < OWN_BLOCKS_MAX);
	block->index = index;
	block->base = blocks->range.ip + index * BLOCK_SIZE;
	block->reserved = bit(1);
	if (block->base == blocks->range.ip)
		block->reserved |= bit(0);
	if (block->base + BLOCK_SIZE - 1 == prefix_last(blocks->range))
		block->reserved |= bit(BLOCK_SIZE - 1);
	block->next = blocks->start_random ? (uint8_t)prng_below(prng, BLOCK_SIZE) : 2;
	block->empty_since = now;
	blocks->own[blocks->n++] = block;
	return block;
}

void blocks_remove(struct blocks *blocks, uint32_t index)
{
	for (size_t i = 0; i < blocks->n; i++) {
		if (blocks->own[i]->index != index)
			continue;
		free(blocks->own[i]);
		blocks->n--;
		memmove(&blocks->own[i], &blocks->own[i + 1],
			(blocks->n - i) * sizeof(blocks->own[0]));
		return;
	}
}

static bool gives(const struct own_block *block)
{
	return block->confirmed && !block->leaving;
}

static uint64_t free_map(const struct own_block *block)
{
	return ~(block->reserved | block->used | block->resting);
}

/* The first free offset at or after `next`, wrapping: an address comes back as late as the block
 * allows. */
static uint32_t next_free(const struct own_block *block)
{
	uint64_t map = free_map(block);
	uint64_t after = map & (~UINT64_C(0) << block->next);

	return (uint32_t)__builtin_ctzll(after ? after : map);
}

static uint32_t take(struct own_block *block, uint32_t offset)
{
	block->used |= bit(offset);
	block->resting &= ~bit(offset);
	block->next = (uint8_t)((offset + 1) % BLOCK_SIZE);
	block->empty_since = instant_never();
	return block->base + offset;
}

/* Under pressure the address that has rested longest goes first, but never before REST_PRESSED_MS.
 */
static bool take_rested(struct blocks *blocks, struct instant now, uint32_t *ret_ip)
{
	struct own_block *best = NULL;
	uint32_t best_offset = 0;

	for (size_t i = 0; i < blocks->n; i++) {
		struct own_block *block = blocks->own[i];

		for (uint64_t map = gives(block) ? block->resting : 0; map; map &= map - 1) {
			uint32_t offset = (uint32_t)__builtin_ctzll(map);

			if (instant_after(instant_add_ms(block->freed_at[offset], REST_PRESSED_MS),
					  now))
				continue;
			if (best &&
			    !instant_after(best->freed_at[best_offset], block->freed_at[offset]))
				continue;
			best = block;
			best_offset = offset;
		}
	}
	if (!best)
		return false;
	*ret_ip = take(best, best_offset);
	return true;
}

bool blocks_take(struct blocks *blocks, struct instant now, uint32_t *ret_ip)
{
	for (size_t i = 0; i < blocks->n; i++) {
		struct own_block *block = blocks->own[i];

		if (!gives(block) || free_map(block) == 0)
			continue;
		*ret_ip = take(block, next_free(block));
		return true;
	}
	return take_rested(blocks, now, ret_ip);
}

void blocks_use(struct blocks *blocks, uint32_t ip)
{
	struct own_block *block = blocks_of_ip(blocks, ip);

	if (!block)
		return;
	block->used |= bit(ip - block->base);
	block->resting &= ~bit(ip - block->base);
	block->empty_since = instant_never();
}

void blocks_free(struct blocks *blocks, uint32_t ip, struct instant now)
{
	struct own_block *block = blocks_of_ip(blocks, ip);
	uint32_t offset;

	if (!block)
		return;
	offset = ip - block->base;
	block->used &= ~bit(offset);
	block->resting |= bit(offset);
	block->freed_at[offset] = now;
}

void blocks_untake(struct blocks *blocks, uint32_t ip)
{
	struct own_block *block = blocks_of_ip(blocks, ip);

	if (block)
		block->used &= ~bit(ip - block->base);
}

void blocks_rested(struct blocks *blocks, struct instant now)
{
	for (size_t i = 0; i < blocks->n; i++) {
		struct own_block *block = blocks->own[i];

		for (uint64_t map = block->resting; map; map &= map - 1) {
			uint32_t offset = (uint32_t)__builtin_ctzll(map);

			if (instant_reached(now, instant_add_ms(block->freed_at[offset], REST_MS)))
				block->resting &= ~bit(offset);
		}
		if (!block->used && !block->resting && instant_is_never(block->empty_since))
			block->empty_since = now;
	}
}

struct blocks_counts blocks_count(const struct blocks *blocks)
{
	struct blocks_counts counts = { 0 };

	for (size_t i = 0; i < blocks->n; i++) {
		const struct own_block *block = blocks->own[i];

		if (!gives(block))
			continue;
		counts.confirmed++;
		counts.size += BLOCK_SIZE - (uint32_t)__builtin_popcountll(block->reserved);
		counts.used += (uint32_t)__builtin_popcountll(block->used);
		counts.resting += (uint32_t)__builtin_popcountll(block->resting);
		counts.free += (uint32_t)__builtin_popcountll(free_map(block));
	}
	return counts;
}

uint32_t blocks_low_water(uint32_t size)
{
	return size / 8 > 8 ? size / 8 : 8;
}

uint32_t blocks_node_ip(const struct blocks *blocks)
{
	return blocks->n ? blocks->own[0]->base + 1 : 0;
}

/* Without this block there must be room well above low water, or it would be asked for again at
 * once. */
static bool may_leave(const struct blocks *blocks, const struct own_block *block)
{
	struct blocks_counts counts = blocks_count(blocks);
	uint32_t here = BLOCK_SIZE - (uint32_t)__builtin_popcountll(block->reserved);

	return gives(block) && !block->used && !block->resting &&
	       !instant_is_never(block->empty_since) &&
	       counts.free - here >= 2 * blocks_low_water(counts.size - here);
}

/* Never own[0]: the node's own address is in it. */
struct own_block *blocks_surplus(const struct blocks *blocks, uint32_t first_grant,
				 struct instant now)
{
	if (blocks->n <= first_grant)
		return NULL;
	for (size_t i = blocks->n; i-- > 1;) {
		struct own_block *block = blocks->own[i];

		if (may_leave(blocks, block) &&
		    instant_reached(now, instant_add_ms(block->empty_since, SURPLUS_MS)))
			return block;
	}
	return NULL;
}

struct instant blocks_rest_deadline(const struct blocks *blocks)
{
	struct instant at = instant_never();

	for (size_t i = 0; i < blocks->n; i++) {
		const struct own_block *block = blocks->own[i];

		for (uint64_t map = block->resting; map; map &= map - 1)
			at = instant_min(at, instant_add_ms(block->freed_at[__builtin_ctzll(map)],
							    REST_MS));
	}
	return at;
}

struct instant blocks_surplus_at(const struct blocks *blocks, uint32_t first_grant)
{
	struct instant at = instant_never();

	for (size_t i = 1; blocks->n > first_grant && i < blocks->n; i++)
		if (may_leave(blocks, blocks->own[i]))
			at = instant_min(at,
					 instant_add_ms(blocks->own[i]->empty_since, SURPLUS_MS));
	return at;
}
