#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"
#include "base/xalloc.h"
#include "checker.h"
#include "faults.h"
#include "network.h"
#include "node.h"
#include "work.h"

static const uint8_t trace_key[16] = "weft simulator ";

struct world *world_new(const struct world_options *options)
{
	struct world *world = xcalloc(1, sizeof(*world));

	world->options = *options;
	world->n_nodes = options->nodes;
	siphash_init(&world->hash, trace_key);
	for (uint64_t i = 0; i < RNG_COUNT; i++)
		prng_seed(&world->rng[i], options->seed * RNG_COUNT + i);
	faults_draw(world);
	world->net = net_new(world);
	world->checker = checker_new(world);
	nodes_init(world);
	return world;
}

void world_free(struct world *world)
{
	if (!world)
		return;
	nodes_done(world);
	checker_free(world->checker);
	net_free(world->net);
	free(world->heap);
	free(world->story);
	free(world->scratch);
	free(world);
}

uint64_t world_choose(struct world *world, enum rng rng, uint64_t n)
{
	return n ? prng_below(&world->rng[rng], n) : 0;
}

bool world_chance(struct world *world, enum rng rng, uint32_t percent)
{
	return percent && world_choose(world, rng, 100) < percent;
}

void world_random_bytes(struct world *world, enum rng rng, void *ret, size_t len)
{
	uint8_t *to = ret;

	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)prng_u64(&world->rng[rng]);
}

/* ---- the heap */

static bool task_before(const struct task *a, const struct task *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}

static void task_swap(struct task *a, struct task *b)
{
	struct task kept = *a;

	*a = *b;
	*b = kept;
}

void world_push(struct world *world, int64_t delay_ms, struct task task)
{
	size_t at = world->n_tasks++;

	task.at_ms = world->now_ms + (delay_ms > 0 ? delay_ms : 0);
	task.seq = world->next_seq++;
	world->heap = vec_reserve(world->heap, &world->cap_tasks, world->n_tasks, sizeof(task));
	world->heap[at] = task;
	for (; at > 0 && task_before(&world->heap[at], &world->heap[(at - 1) / 2]);
	     at = (at - 1) / 2)
		task_swap(&world->heap[at], &world->heap[(at - 1) / 2]);
}

static struct task task_pop(struct world *world)
{
	struct task first = world->heap[0];
	size_t at = 0;

	world->heap[0] = world->heap[--world->n_tasks];
	for (;;) {
		size_t least = at, left = 2 * at + 1;

		if (left < world->n_tasks && task_before(&world->heap[left], &world->heap[least]))
			least = left;
		if (left + 1 < world->n_tasks &&
		    task_before(&world->heap[left + 1], &world->heap[least]))
			least = left + 1;
		if (least == at)
			return first;
		task_swap(&world->heap[at], &world->heap[least]);
		at = least;
	}
}

static void dispatch(struct world *world, const struct task *task)
{
	switch (task->kind) {
	case TASK_DEADLINE:
	case TASK_START:
	case TASK_LINK_CLOSED:
	case TASK_LINK_WRITABLE:
	case TASK_UNDERLAY:
		node_task(world, task);
		return;
	case TASK_NET_DIAL:
	case TASK_NET_DIALLED:
	case TASK_NET_CHUNK:
	case TASK_NET_UNACKED:
		net_task(world, task);
		return;
	case TASK_DISK:
		disk_task(world, task);
		return;
	case TASK_KERNEL_POD:
	case TASK_KERNEL_PASS:
		kernel_task(world, task);
		return;
	case TASK_SHIM:
	case TASK_CLIENT_GONE:
	case TASK_ANSWER:
	case TASK_WORK:
		work_task(world, task);
		return;
	case TASK_FAULT:
	case TASK_HEAL:
		faults_task(world, task);
		return;
	case TASK_KIND_COUNT:
		break;
	}
	abort();
}

void world_run_until(struct world *world, int64_t at_ms)
{
	while (!world->failed && world->n_tasks && world->heap[0].at_ms <= at_ms) {
		struct task task = task_pop(world);

		world->now_ms = task.at_ms;
		if (!node_postpones(world, &task))
			dispatch(world, &task);
	}
	if (!world->failed && world->now_ms < at_ms)
		world->now_ms = at_ms;
}

/* ---- what is said */

static void story_append(struct world *world, const char *line)
{
	size_t len = strlen(line);

	world->story = vec_reserve(world->story, &world->story_cap, world->story_len + len + 2, 1);
	memcpy(world->story + world->story_len, line, len);
	world->story_len += len;
	world->story[world->story_len++] = '\n';
	world->story[world->story_len] = '\0';
}

void world_line(struct world *world, uint32_t node, bool shown, const char *mark, const char *text)
{
	char *line = world->ring[world->n_lines++ % WORLD_RING_LINES];

	snprintf(line, WORLD_LINE_MAX, "[%7" PRId64 "] n%" PRIu32 " %s %s", world->now_ms, node + 1,
		 mark, text);
	world_hash_bytes(world, line, strlen(line));
	if (world->options.verbose)
		fprintf(stderr, "%s\n", line);
	if (world->options.story && shown)
		story_append(world, line);
}

void world_say(struct world *world, uint32_t node, const char *format, ...)
{
	char text[WORLD_LINE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	world_line(world, node, true, "!", text);
}

void world_hash_u64(struct world *world, uint64_t value)
{
	siphash_u64(&world->hash, value);
}

void world_hash_bytes(struct world *world, const void *data, size_t len)
{
	siphash_u64(&world->hash, len);
	siphash_update(&world->hash, data, len);
}

void world_violation(struct world *world, const char *rule, const char *format, ...)
{
	char text[WORLD_LINE_MAX / 2];
	va_list args;

	if (world->failed)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	world->failed = true;
	snprintf(world->violation, sizeof(world->violation), "%s broken at %" PRId64 " ms: %s",
		 rule, world->now_ms, text);
}

void world_print_ring(const struct world *world)
{
	uint64_t from = world->n_lines > WORLD_RING_LINES ? world->n_lines - WORLD_RING_LINES : 0;

	for (uint64_t i = from; i < world->n_lines; i++)
		fprintf(stderr, "%s\n", world->ring[i % WORLD_RING_LINES]);
}
