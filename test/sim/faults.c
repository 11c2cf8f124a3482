#include "faults.h"

#include <assert.h>
#include <stdlib.h>

#include "checker.h"
#include "network.h"
#include "node.h"

/* ---- what kind of world this is */

static void draw_range(struct world *world)
{
	uint32_t n = world->n_nodes, blocks = 4;
	uint64_t shape = world_choose(world, RNG_HOST, 10);
	uint8_t len = 24;

	world->first_blocks = 1 + (uint32_t)world_choose(world, RNG_HOST, 2);
	/* Tight: about as many blocks as nodes; usual: some for everybody; wide. */
	n *= shape < 2 ? 1 : shape < 8 ? 4 : 12;
	for (; blocks < n && len > 17; len--)
		blocks *= 2;
	world->range = (struct prefix){ .ip = UINT32_C(10) << 24 | UINT32_C(32) << 16, .len = len };
}

static uint32_t sometimes(struct world *world, uint32_t percent, uint32_t most)
{
	return world_chance(world, RNG_HOST, percent)
		       ? 1 + (uint32_t)world_choose(world, RNG_HOST, most)
		       : 0;
}

static void draw_weights(struct world *world)
{
	static const uint8_t percent[FAULT_COUNT] = {
		[FAULT_KILL] = 80,       [FAULT_KILL_MID_STEP] = 80, [FAULT_STOP] = 40,
		[FAULT_CRASH] = 70,      [FAULT_REBORN] = 40,        [FAULT_FREEZE] = 40,
		[FAULT_PARTITION] = 60,  [FAULT_ISOLATE] = 60,       [FAULT_ONE_WAY] = 40,
		[FAULT_RESET] = 50,      [FAULT_DISK_FULL] = 40,     [FAULT_RUN_FULL] = 30,
		[FAULT_DISK_STALL] = 50, [FAULT_SYNC_FAILS] = 40,    [FAULT_LEAVE] = 40,
		[FAULT_UNDERLAY] = 40,
	};

	for (size_t i = 0; i < FAULT_COUNT; i++)
		world->faults.weight[i] = sometimes(world, percent[i], 10);
}

void faults_draw(struct world *world)
{
	struct faults *faults = &world->faults;

	if (world->options.story) {
		world->range =
			(struct prefix){ .ip = UINT32_C(10) << 24 | UINT32_C(32) << 16, .len = 22 };
		world->first_blocks = 1;
		faults->window = 1 << 20;
		return;
	}
	draw_range(world);
	faults->latency_max_ms =
		1 + (uint32_t)world_choose(world, RNG_HOST,
					   world_chance(world, RNG_HOST, 20) ? 300 : 40);
	faults->reset_per_million = sometimes(world, 50, 3000);
	faults->refuse_percent = sometimes(world, 40, 20);
	faults->split_percent = sometimes(world, 80, 100);
	faults->window = UINT32_C(1) << (10 + world_choose(world, RNG_HOST, 10));
	faults->late_ms = sometimes(world, 70, 30);
	faults->kernel_percent = sometimes(world, 50, 10);
	faults->disk_slow_percent = sometimes(world, 40, 5);
	faults->every_ms = 1000 + (uint32_t)world_choose(world, RNG_HOST, 40000);
	draw_weights(world);
}

/* ---- breaking */

static struct node *any_node(struct world *world)
{
	return &world->nodes[world_choose(world, RNG_HOST, world->n_nodes)];
}

static int64_t duration_ms(struct world *world)
{
	uint64_t most_ms = world_chance(world, RNG_HOST, 20)   ? 180000
			   : world_chance(world, RNG_HOST, 50) ? 30000
							       : 3000;

	return 50 + (int64_t)world_choose(world, RNG_HOST, most_ms);
}

static void heal_later(struct world *world, enum fault fault, uint32_t node, uint32_t other)
{
	world_push(
		world, duration_ms(world),
		(struct task){ .kind = TASK_HEAL, .node = node, .a = (uint32_t)fault, .b = other });
}

static void cut_both(struct world *world, uint32_t a, uint32_t b)
{
	net_cut(world, a, b, true);
	net_cut(world, b, a, true);
}

static void partition(struct world *world)
{
	uint64_t side = prng_u64(&world->rng[RNG_HOST]);

	world_say(world, 0, "the network falls into two sides, n1 in one of them");
	for (uint32_t i = 0; i < world->n_nodes; i++)
		for (uint32_t j = 0; j < i; j++)
			if ((side >> i & 1) != (side >> j & 1))
				cut_both(world, i, j);
	world->counters.partitions++;
	heal_later(world, FAULT_PARTITION, 0, 0);
}

static void isolate(struct world *world, const struct node *node)
{
	world_say(world, node->index, "is cut off from all others");
	for (uint32_t i = 0; i < world->n_nodes; i++)
		if (i != node->index)
			cut_both(world, i, node->index);
	world->counters.partitions++;
	heal_later(world, FAULT_ISOLATE, node->index, 0);
}

static void one_way(struct world *world, const struct node *node, const struct node *other)
{
	world_say(world, node->index, "nothing it sends reaches n%u", other->index + 1);
	net_cut(world, node->index, other->index, true);
	world->counters.partitions++;
	heal_later(world, FAULT_ONE_WAY, node->index, other->index);
}

static void crash(struct world *world, struct node *node, bool keep_run)
{
	if (!node->host_up)
		return;
	if (keep_run)
		world->counters.reborn++;
	else
		world->counters.crashes++;
	node_crash(world, node, keep_run);
	heal_later(world, FAULT_CRASH, node->index, 0);
}

/* The first node votes on the ledger; who votes hands over before it leaves, and that is not
 * written yet. */
static void leave(struct world *world, struct node *node)
{
	if (node->index == 0 || !node->core || node->wants_leave)
		return;
	world_say(world, node->index, "its operator wants it to leave");
	node->wants_leave = node->away = true;
	world_push(world, 60000 + duration_ms(world),
		   (struct task){ .kind = TASK_HEAL, .node = node->index, .a = FAULT_LEAVE });
}

static void disk_trouble(struct world *world, struct node *node, enum fault fault)
{
	int64_t until_ms = world->now_ms + duration_ms(world);

	if (fault == FAULT_DISK_FULL) {
		world_say(world, node->index, "disk is full");
		node->disk.full_until_ms = until_ms;
	} else if (fault == FAULT_RUN_FULL) {
		world_say(world, node->index, "/run is full");
		node->disk.run_full_until_ms = until_ms;
	} else if (fault == FAULT_DISK_STALL) {
		world_say(world, node->index, "disk answers nobody");
		node->disk.stalled_until_ms =
			world->now_ms + 100 + (int64_t)world_choose(world, RNG_HOST, 5000);
	} else {
		world_say(world, node->index, "the next sync will fail");
		node->disk.fail_next_sync = true;
	}
}

static void underlay(struct world *world, struct node *node)
{
	if (world_chance(world, RNG_HOST, 50)) {
		node->mtu = 1280 + (uint32_t)world_choose(world, RNG_HOST, 8000);
		world_say(world, node->index, "the underlay's MTU is %u now", node->mtu);
	} else {
		node->no_underlay = true;
		world_say(world, node->index, "the underlay's address is taken away");
		heal_later(world, FAULT_UNDERLAY, node->index, 0);
	}
	node_underlay_changed(world, node);
}

static void kill_node(struct world *world, struct node *node, bool mid_step)
{
	if (!node->core)
		return;
	world->counters.kills++;
	if (mid_step)
		node->kill_after = 1 + (uint32_t)world_choose(world, RNG_HOST, 20);
	else
		node_kill(world, node, "killed with -9");
}

static void strike(struct world *world, enum fault fault)
{
	struct node *node = any_node(world), *other = any_node(world);

	switch (fault) {
	case FAULT_KILL:
	case FAULT_KILL_MID_STEP:
		kill_node(world, node, fault == FAULT_KILL_MID_STEP);
		return;
	case FAULT_STOP:
		node_stop(world, node);
		return;
	case FAULT_CRASH:
	case FAULT_REBORN:
		crash(world, node, fault == FAULT_REBORN);
		return;
	case FAULT_FREEZE:
		world_say(world, node->index, "agent is frozen");
		node->frozen_until_ms = world->now_ms + duration_ms(world);
		return;
	case FAULT_PARTITION:
		partition(world);
		return;
	case FAULT_ISOLATE:
		isolate(world, node);
		return;
	case FAULT_ONE_WAY:
		one_way(world, node, other);
		return;
	case FAULT_RESET:
		world_say(world, node->index, "its connections with n%u are reset",
			  other->index + 1);
		net_reset_between(world, node->index, other->index);
		return;
	case FAULT_DISK_FULL:
	case FAULT_RUN_FULL:
	case FAULT_DISK_STALL:
	case FAULT_SYNC_FAILS:
		disk_trouble(world, node, fault);
		return;
	case FAULT_UNDERLAY:
		underlay(world, node);
		return;
	case FAULT_LEAVE:
		leave(world, node);
		return;
	case FAULT_COUNT:
		break;
	}
	abort();
}

static void next_fault(struct world *world)
{
	uint32_t sum = 0, at = 0;
	uint64_t drawn;

	for (size_t i = 0; i < FAULT_COUNT; i++)
		sum += world->faults.weight[i];
	if (!sum || !world->faults.every_ms)
		return;
	world_push(world, (int64_t)world_choose(world, RNG_HOST, 2 * world->faults.every_ms),
		   (struct task){ .kind = TASK_FAULT, .life = world->rounds });
	drawn = world_choose(world, RNG_HOST, sum);
	while (drawn >= world->faults.weight[at])
		drawn -= world->faults.weight[at++];
	strike(world, (enum fault)at);
}

/* ---- mending */

static void come_back(struct world *world, struct node *node)
{
	bool left = node->left;

	node->away = node->wants_leave = false;
	if (left && node->core)
		node_stop(world, node); /* a new start is the way back in */
	else if (!node->core && node->host_up)
		node_start_later(world, node, 100);
}

static void underlay_back(struct world *world, struct node *node)
{
	if (!node->no_underlay)
		return;
	node->no_underlay = false;
	world_say(world, node->index, "the underlay's address is back");
	node_underlay_changed(world, node);
}

static void heal(struct world *world, const struct task *task)
{
	struct node *node = &world->nodes[task->node];

	if (task->a == FAULT_CRASH) {
		node_boot(world, node);
	} else if (task->a == FAULT_LEAVE) {
		come_back(world, node);
	} else if (task->a == FAULT_UNDERLAY) {
		underlay_back(world, node);
	} else if (task->a == FAULT_ONE_WAY) {
		net_cut(world, task->node, (uint32_t)task->b, false);
	} else {
		world_say(world, task->node, "the network is whole again");
		net_mend_all(world);
	}
}

void faults_task(struct world *world, const struct task *task)
{
	if (task->kind == TASK_HEAL)
		heal(world, task);
	else if (!world->quiet && task->life == world->rounds)
		next_fault(world);
}

void faults_begin(struct world *world)
{
	world->quiet = false;
	world->rounds++;
	world_push(world, (int64_t)world_choose(world, RNG_HOST, 2 * world->faults.every_ms + 1),
		   (struct task){ .kind = TASK_FAULT, .life = world->rounds });
}

void faults_end(struct world *world)
{
	world->quiet = true;
	net_mend_all(world);
	world_say(world, 0, "nothing breaks any more, everybody comes back");
	for (uint32_t i = 0; i < world->n_nodes; i++) {
		struct node *node = &world->nodes[i];

		node->frozen_until_ms = 0;
		node->kill_after = 0;
		node->disk.full_until_ms = node->disk.run_full_until_ms =
			node->disk.stalled_until_ms = 0;
		node->disk.fail_next_sync = false;
		underlay_back(world, node);
		node_boot(world, node);
		come_back(world, node);
	}
}
