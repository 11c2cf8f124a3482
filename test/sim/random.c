#include "random.h"

#include <inttypes.h>
#include <stdio.h>

#include "checker.h"
#include "core/inspect.h"
#include "faults.h"
#include "kernel.h"
#include "network.h"
#include "node.h"

enum {
	ROUND_MS = 150000,
	POLL_MS = 250,
	AGREE_MS = 180000, /* two forced digests of 60 s +-50 % */
	DIAL_MS = 18000,   /* the longest wait between two dials, and the dial */
	BLOCK_MS = 6000,   /* 5 s, and a little for the messages under way */
	LOW_WATER = 8,
	FULL_MS = 60000, /* so long a full range stays full before we believe it */
};

/* ---- L1: everybody shows the newest version and everything asked for is done */

static bool in_session(const struct node *node)
{
	return node->core && core_inspect_epoch(node->core) != 0;
}

static const char *missing(const struct world *world, const struct node *node)
{
	const struct chosen *chosen = checker_chosen(world->checker);

	if (!node->core)
		return "does not run";
	if (core_inspect_view(node->core)->version != chosen->value.version)
		return "shows an old version of the ledger";
	if (!in_session(node))
		return "has no session";
	if (!work_settled(node))
		return "has pods that are wanted and not up";
	return NULL;
}

static bool has_block(const struct world *world, const struct node *node)
{
	const struct chosen_value *value = &checker_chosen(world->checker)->value;

	for (uint32_t i = 0; i < value->n_blocks; i++)
		if (value->blocks[i].state == BLOCK_OWNED &&
		    uid_eq(&value->blocks[i].owner, &node->uid))
			return true;
	return false;
}

static bool range_full(const struct world *world)
{
	const struct chosen *chosen = checker_chosen(world->checker);

	return chosen_count(chosen, BLOCK_FREE) == 0 && chosen_count(chosen, BLOCK_COOLING) == 0;
}

/* A pod may stay without address where there is none to give. */
static bool only_hungry(const struct world *world, const struct node *node)
{
	return node->core && in_session(node) && range_full(world) &&
	       core_inspect_view(node->core)->version ==
		       checker_chosen(world->checker)->value.version;
}

static uint32_t waiting_nodes(const struct world *world, bool excuse_hungry,
			      const struct node **ret)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < world->n_nodes; i++) {
		const struct node *node = &world->nodes[i];

		if (!missing(world, node) || (excuse_hungry && only_hungry(world, node)))
			continue;
		*ret = node;
		n++;
	}
	return n;
}

static void everybody_agrees(struct world *world)
{
	int64_t from_ms = world->now_ms;
	const struct node *late = NULL;

	while (!world->failed &&
	       waiting_nodes(world, world->now_ms - from_ms > FULL_MS, &late) > 0) {
		if (world->now_ms - from_ms > AGREE_MS) {
			world_violation(world, "L1", "%" PRId64 " s after all is well n%u %s",
					(world->now_ms - from_ms) / 1000, late->index + 1,
					missing(world, late));
			return;
		}
		world_run_until(world, world->now_ms + POLL_MS);
	}
	if ((uint64_t)(world->now_ms - from_ms) > world->counters.slowest_ms)
		world->counters.slowest_ms = (uint64_t)(world->now_ms - from_ms);
}

/* ---- L3: below low water, with something free, a block comes */

static bool thirsty(const struct world *world, const struct node *node)
{
	const struct ledger *view = core_inspect_view(node->core);
	uint32_t size = 0, used = 0, blocks = 0;
	struct inspect_block block;

	for (uint32_t i = 0; i < view->n_blocks; i++) {
		if (!core_inspect_block(node->core, i, &block))
			continue;
		blocks++;
		/* Not for pods: offset 1 of each, the range's first and last. */
		size += 63U - (i == 0) - (i == view->n_blocks - 1);
		used += (uint32_t)__builtin_popcountll(block.used | block.resting);
	}
	return blocks < OWN_BLOCKS_WANTED_MAX &&
	       chosen_count(checker_chosen(world->checker), BLOCK_FREE) > 0 &&
	       (blocks == 0 || size - used < (size / 8 > LOW_WATER ? size / 8 : LOW_WATER));
}

static void nobody_thirsts(struct world *world, int64_t healed_ms)
{
	int64_t since_ms[WORLD_NODES_MAX];

	for (uint32_t i = 0; i < world->n_nodes; i++)
		since_ms[i] = -1;
	/* Who was cut off for long may not have dialled its keeper again. */
	if (world->now_ms < healed_ms + DIAL_MS)
		world_run_until(world, healed_ms + DIAL_MS);
	for (int64_t until_ms = world->now_ms + 2 * BLOCK_MS;
	     world->now_ms < until_ms && !world->failed;) {
		world_run_until(world, world->now_ms + POLL_MS);
		for (uint32_t i = 0; i < world->n_nodes && !world->failed; i++) {
			const struct node *node = &world->nodes[i];

			if (!in_session(node) || !thirsty(world, node))
				since_ms[i] = -1;
			else if (since_ms[i] < 0)
				since_ms[i] = world->now_ms;
			else if (world->now_ms - since_ms[i] > BLOCK_MS)
				world_violation(
					world, "L3",
					"n%u is below low water for %d ms, and blocks are free",
					i + 1, BLOCK_MS);
		}
	}
}

/* ---- the path of a route: what each node wants of its kernel leads to everybody's blocks */

static bool better(const struct want_route *a, const struct want_route *b)
{
	return !b || a->dst.len > b->dst.len || (a->dst.len == b->dst.len && a->metric < b->metric);
}

static bool leads_to(const struct kernel *kernel, uint32_t ip, uint32_t underlay)
{
	const struct want_route *best = NULL;

	for (size_t i = 0; i < kernel->n_routes; i++)
		if (prefix_has(kernel->routes[i].dst, ip) && better(&kernel->routes[i], best))
			best = &kernel->routes[i];
	if (!best || !best->via)
		return false;
	for (size_t n = 0; n < kernel->n_neigh; n++)
		for (size_t f = 0; kernel->neigh[n].ip == best->via && f < kernel->n_fdb; f++)
			if (memcmp(&kernel->neigh[n].mac, &kernel->fdb[f].mac,
				   sizeof(struct mac)) == 0)
				return kernel->fdb[f].dst == underlay;
	return false;
}

static uint32_t underlay_of(uint32_t node)
{
	struct endpoint at;

	net_endpoint(node, &at);
	return (uint32_t)at.ip[0] << 24 | (uint32_t)at.ip[1] << 16 | (uint32_t)at.ip[2] << 8 |
	       at.ip[3];
}

static void check_routes(struct world *world, const struct node *node)
{
	const struct chosen_value *value = &checker_chosen(world->checker)->value;

	for (uint32_t i = 0; i < value->n_blocks; i++) {
		const struct node *owner = value->blocks[i].state == BLOCK_OWNED
						   ? node_by_uid(world, &value->blocks[i].owner)
						   : NULL;
		uint32_t ip = world->range.ip + i * 64 + 5;

		if (owner && owner != node &&
		    !leads_to(&node->kernel, ip, underlay_of(owner->index)))
			world_violation(world, "routes", "n%u has no way to block %u of n%u",
					node->index + 1, i, owner->index + 1);
	}
}

static void check_node_address(struct world *world, const struct node *node)
{
	uint32_t at = node->kernel.node_ip - world->range.ip;
	const struct chosen_value *value = &checker_chosen(world->checker)->value;

	if (!has_block(world, node))
		return;
	if (at % 64 != 1 || at / 64 >= value->n_blocks ||
	    value->blocks[at / 64].state != BLOCK_OWNED ||
	    !uid_eq(&value->blocks[at / 64].owner, &node->uid))
		world_violation(
			world, "node address",
			"n%u has an address of its own that is not offset 1 of a block of its own",
			node->index + 1);
}

/* What the gossip brought may be a moment younger than what it has led to. */
static void check_all_is_well(struct world *world)
{
	world_run_until(world, world->now_ms + 2000);
	for (uint32_t i = 0; i < world->n_nodes && !world->failed; i++) {
		check_routes(world, &world->nodes[i]);
		check_node_address(world, &world->nodes[i]);
		checker_settled(world, &world->nodes[i]);
	}
}

void random_run(struct world *world)
{
	int64_t end_ms = (int64_t)world->options.minutes * 60000, healed_ms;

	for (uint32_t i = 0; i < world->n_nodes; i++) {
		work_begin(world, &world->nodes[i]);
		node_start_later(world, &world->nodes[i],
				 (int64_t)world_choose(world, RNG_HOST, 3000));
	}
	while (world->now_ms < end_ms && !world->failed) {
		int64_t round_ms = ROUND_MS + (int64_t)world_choose(world, RNG_HOST, 3 * ROUND_MS);

		faults_begin(world);
		world_run_until(world, world->now_ms + round_ms < end_ms ? world->now_ms + round_ms
									 : end_ms);
		if (world->failed)
			return;
		faults_end(world);
		healed_ms = world->now_ms;
		everybody_agrees(world);
		nobody_thirsts(world, healed_ms);
		if (!world->failed)
			check_all_is_well(world);
	}
}
