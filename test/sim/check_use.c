#include <assert.h>
#include <inttypes.h>

#include "core/inspect.h"
#include "watch.h"

static void use_add(struct world *world, const struct node *node, uint32_t at)
{
	struct checker *checker = world->checker;
	char ip[16];

	watch_dotted(world->range.ip + at, ip);
	if (checker->user[at] != NOBODY && checker->user[at] != (int16_t)node->index)
		world_violation(world, "V3", "%s is in use on n%u and on n%d", ip, node->index + 1,
				checker->user[at] + 1);
	if (!watch_owns(world, node, at / BLOCK_ADDRESSES))
		world_violation(world, "V2", "%s is in use on n%u, which does not own block %u", ip,
				node->index + 1, at / BLOCK_ADDRESSES);
	checker->user[at] = (int16_t)node->index;
}

static void use_set(struct world *world, const struct node *node, uint32_t block, uint64_t use)
{
	struct watch *watch = watch_of(world, node);
	uint64_t differs = watch->use[block] ^ use;

	watch->use[block] = use;
	for (; differs; differs &= differs - 1) {
		uint32_t bit = (uint32_t)__builtin_ctzll(differs);

		if (use >> bit & 1)
			use_add(world, node, block * BLOCK_ADDRESSES + bit);
		else
			world->checker->user[block * BLOCK_ADDRESSES + bit] = NOBODY;
	}
}

static void mark(const struct world *world, uint64_t *map, uint32_t ip)
{
	uint32_t at = ip - world->range.ip;

	if (prefix_has(world->range, ip))
		map[at / BLOCK_ADDRESSES] |= UINT64_C(1) << at % BLOCK_ADDRESSES;
}

/* Who has left waits for nothing any more: the cooling of its blocks takes the place of the rest of
 * its addresses. */
static bool has_left(const struct world *world, const struct node *node)
{
	const struct peer_row *row = chosen_peer(&world->checker->chosen, node->name);

	return row && row->status == PEER_LEFT;
}

/* What only the core's memory knows; a dead one's is as it was last seen, until another begins. */
void use_look_inside(struct world *world, struct node *node)
{
	struct watch *watch = watch_of(world, node);
	bool left = has_left(world, node);
	struct inspect_block block;

	for (uint32_t i = 0; i < world->checker->n_blocks; i++) {
		if (!core_inspect_block(node->core, i, &block) && !watch->taken[i] &&
		    !watch->resting[i])
			continue;
		watch->taken[i] = block.used;
		watch->resting[i] = left ? 0 : block.resting;
		if (block.confirmed && !watch->proven[i])
			world_violation(
				world, "V4",
				"block %u serves new addresses on n%u, and nothing in this life "
				"confirms it",
				i, node->index + 1);
	}
}

void use_recount(struct world *world, struct node *node)
{
	struct watch *watch = watch_of(world, node);
	uint32_t n = world->checker->n_blocks;
	uint64_t use[4096];

	assert(n <= 4096);
	if (watch->reading)
		return;
	for (uint32_t i = 0; i < n; i++)
		use[i] = watch->taken[i] | watch->resting[i];
	for (size_t i = 0; i < node->kernel.n_ends; i++)
		mark(world, use, node->kernel.ends[i].seen.ip);
	for (uint32_t i = 0; i < n; i++)
		if (use[i] != watch->use[i])
			use_set(world, node, i, use[i]);
}

void checker_use_changed(struct world *world, struct node *node)
{
	use_recount(world, node);
}

static void rest_ends(struct world *world, struct node *node)
{
	struct watch *watch = watch_of(world, node);

	memset(watch->resting, 0, world->checker->n_blocks * sizeof(*watch->resting));
	use_recount(world, node);
}

static void still_used(struct world *world, const struct node *node, uint32_t block)
{
	const struct watch *watch = watch_of(world, node);
	uint64_t map = watch->use[block];
	uint32_t at = world->range.ip + block * BLOCK_ADDRESSES + (uint32_t)__builtin_ctzll(map);
	char ip[16];

	map &= -map;
	watch_dotted(at, ip);
	world_violation(world, "V2", "%s %s on n%u, which has lost block %u in version %" PRIu64,
			ip,
			map & watch->taken[block]     ? "is given"
			: map & watch->resting[block] ? "rests"
						      : "has a host end",
			node->index + 1, block, world->checker->chosen.value.version);
}

/* The newest chosen value is another: whoever uses an address must still own its block. */
void use_ledger_moved(struct world *world)
{
	for (uint32_t i = 0; i < world->n_nodes; i++) {
		struct node *node = &world->nodes[i];
		struct watch *watch = watch_of(world, node);

		if (has_left(world, node))
			rest_ends(world, node);
		for (uint32_t block = 0; block < world->checker->n_blocks; block++) {
			if (watch_owns(world, node, block))
				continue;
			watch->proven[block] = false;
			if (watch->use[block])
				still_used(world, node, block);
		}
	}
}
