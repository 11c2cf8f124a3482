#include "work.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"
#include "checker.h"
#include "node.h"
#include "shim.h"

void work_done(struct runtime *runtime)
{
	free(runtime->sandboxes);
	free(runtime->shims);
	free(runtime->gone);
}

/* ---- sandboxes */

static struct sandbox *sandbox_by_id(struct node *node, uint32_t id)
{
	for (size_t i = 0; i < node->runtime.n_sandboxes; i++)
		if (node->runtime.sandboxes[i].id == id)
			return &node->runtime.sandboxes[i];
	return NULL;
}

static struct sandbox *sandbox_by_container(const struct node *node, const char *container_id)
{
	for (size_t i = 0; i < node->runtime.n_sandboxes; i++)
		if (strcmp(node->runtime.sandboxes[i].container_id, container_id) == 0)
			return &node->runtime.sandboxes[i];
	return NULL;
}

const struct sandbox *work_find(const struct node *node, const char *container_id)
{
	return sandbox_by_container(node, container_id);
}

static void sandbox_remove(struct node *node, struct sandbox *sandbox)
{
	struct runtime *runtime = &node->runtime;

	vec_close_gap(runtime->sandboxes, runtime->n_sandboxes--,
		      (size_t)(sandbox - runtime->sandboxes), sizeof(*sandbox));
}

static void container_id_make(struct world *world, char ret[static CONTAINER_ID_MAX + 1])
{
	size_t len = world_chance(world, RNG_WORK, 5) ? CONTAINER_ID_MAX : 64;

	for (size_t i = 0; i < len; i++)
		ret[i] = "0123456789abcdef"[world_choose(world, RNG_WORK, 16)];
	ret[len] = '\0';
}

static struct sandbox *sandbox_new(struct world *world, struct node *node, const char *container_id)
{
	struct runtime *runtime = &node->runtime;
	struct sandbox sandbox = { .id = ++runtime->next_sandbox, .since_ms = world->now_ms };

	if (container_id)
		snprintf(sandbox.container_id, sizeof(sandbox.container_id), "%s", container_id);
	else
		container_id_make(world, sandbox.container_id);
	snprintf(sandbox.ifname, sizeof(sandbox.ifname), "eth0");
	sandbox.again = true;
	runtime->sandboxes = vec_reserve(runtime->sandboxes, &runtime->cap_sandboxes,
					 runtime->n_sandboxes + 1, sizeof(sandbox));
	runtime->sandboxes[runtime->n_sandboxes] = sandbox;
	return &runtime->sandboxes[runtime->n_sandboxes++];
}

static void start_add(struct world *world, struct node *node, struct sandbox *sandbox)
{
	sandbox->state = SANDBOX_ADDING;
	sandbox->since_ms = world->now_ms;
	sandbox->number = prng_u64(&world->rng[RNG_WORK]);
	sandbox->ip = 0;
	sandbox->deleted = sandbox->vanished = false;
	shim_start(world, node, REQUEST_ADD, sandbox, sandbox->number);
}

static void start_del(struct world *world, struct node *node, struct sandbox *sandbox)
{
	sandbox->state = SANDBOX_DELETING;
	sandbox->since_ms = world->now_ms;
	shims_overtake(node, sandbox->id);
	shim_start(world, node, REQUEST_DEL, sandbox, prng_u64(&world->rng[RNG_WORK]));
}

bool work_settled(const struct node *node)
{
	return node->runtime.n_shims == 0 && work_pending(node) == 0;
}

uint32_t work_pending(const struct node *node)
{
	uint32_t n = 0;

	for (size_t i = 0; i < node->runtime.n_sandboxes; i++)
		n += node->runtime.sandboxes[i].state != SANDBOX_UP;
	return n;
}

/* ---- how requests end */

static void retry_later(struct world *world, struct node *node, const struct sandbox *sandbox,
			int64_t most_ms)
{
	int64_t delay_ms = world->options.story ? 500
						: 100 + (int64_t)world_choose(world, RNG_WORK,
									      (uint64_t)most_ms);

	world_push(world, delay_ms,
		   (struct task){ .kind = TASK_WORK,
				  .node = node->index,
				  .life = node->boot,
				  .a = sandbox->id });
}

static void add_ended(struct world *world, struct node *node, struct sandbox *sandbox,
		      const struct shim *shim)
{
	if (!shim->first || sandbox->state != SANDBOX_ADDING || sandbox->number != shim->number)
		return;
	if (shim->code == ANSWER_OK) {
		world->counters.adds_ok++;
		sandbox->state = SANDBOX_UP;
		sandbox->ip = shim->ip;
		return;
	}
	world->counters.adds_failed++;
	start_del(world, node, sandbox);
}

static void del_ended(struct world *world, struct node *node, struct sandbox *sandbox,
		      const struct shim *shim)
{
	if (sandbox->state != SANDBOX_DELETING)
		return;
	if (shim->code != ANSWER_OK) {
		retry_later(world, node, sandbox, 1000);
		return;
	}
	world->counters.dels++;
	if (!sandbox->again) {
		sandbox_remove(node, sandbox);
		return;
	}
	sandbox->state = SANDBOX_WAITING;
	/* A kubelet makes a new sandbox; a person tries the same name again. */
	if (!world->options.story && world_chance(world, RNG_WORK, 60))
		container_id_make(world, sandbox->container_id);
	sandbox->failures++;
	retry_later(world, node, sandbox,
		    sandbox->failures < 5 ? INT64_C(1000) << sandbox->failures : 30000);
}

static bool is_wanted(const struct sandbox *sandbox, const struct shim *shim)
{
	return sandbox && sandbox->number == shim->number &&
	       strcmp(sandbox->container_id, shim->container_id) == 0;
}

/* An ADD that nobody waits for any more went well: a runtime detaches what it does not want. */
static void undo(struct world *world, struct node *node, const struct shim *shim)
{
	struct sandbox unwanted = { 0 };

	memcpy(unwanted.container_id, shim->container_id, sizeof(unwanted.container_id));
	memcpy(unwanted.ifname, shim->ifname, sizeof(unwanted.ifname));
	shim_start(world, node, REQUEST_DEL, &unwanted, prng_u64(&world->rng[RNG_WORK]));
}

void work_shim_ended(struct world *world, struct node *node, const struct shim *shim)
{
	struct sandbox *sandbox = shim->sandbox ? sandbox_by_id(node, shim->sandbox) : NULL;

	if (shim->type == REQUEST_LEAVE && shim->code == ANSWER_OK) {
		node->left = true;
		world->counters.leaves++;
	}
	if (shim->type == REQUEST_ADD && shim->code == ANSWER_OK && !is_wanted(sandbox, shim)) {
		undo(world, node, shim);
		return;
	}
	if (!sandbox)
		return;
	if (shim->type == REQUEST_ADD)
		add_ended(world, node, sandbox, shim);
	else if (shim->type == REQUEST_DEL)
		del_ended(world, node, sandbox, shim);
}

/* ---- ideas */

static struct sandbox *any(struct world *world, struct node *node, enum sandbox_state state)
{
	struct runtime *runtime = &node->runtime;
	size_t at = world_choose(world, RNG_WORK, runtime->n_sandboxes);

	for (size_t i = 0; i < runtime->n_sandboxes; i++) {
		struct sandbox *sandbox = &runtime->sandboxes[(at + i) % runtime->n_sandboxes];

		if (sandbox->state == state)
			return sandbox;
	}
	return NULL;
}

/* The runtime loses patience with an ADD: its shim is killed, or only overtaken. */
static void del_early(struct world *world, struct node *node)
{
	struct sandbox *sandbox = any(world, node, SANDBOX_ADDING);

	uint32_t id = sandbox ? sandbox->id : 0;

	if (sandbox && world_chance(world, RNG_WORK, 50))
		shims_kill(world, node, id);
	sandbox = sandbox_by_id(node, id);
	if (sandbox && sandbox->state == SANDBOX_ADDING)
		start_del(world, node, sandbox);
}

static void vanish(struct world *world, struct node *node)
{
	struct sandbox *sandbox = any(world, node, SANDBOX_UP);

	if (!sandbox)
		return;
	sandbox->vanished = true;
	kernel_pod_vanished(world, node, sandbox->container_id, sandbox->ifname);
	sandbox->again = world_chance(world, RNG_WORK, 50);
	if (world_chance(world, RNG_WORK, 80))
		start_del(world, node, sandbox);
}

static void oddity(struct world *world, struct node *node)
{
	struct sandbox unknown = { .ifname = "eth0" };
	struct sandbox *sandbox;

	switch (world_choose(world, RNG_WORK, 6)) {
	case 0: /* the same request twice in flight */
		sandbox = any(world, node, SANDBOX_ADDING);
		if (sandbox)
			shim_start(world, node, REQUEST_ADD, sandbox, sandbox->number);
		return;
	case 1: /* another ADD of a live pod: must be refused */
		sandbox = any(world, node, SANDBOX_UP);
		if (sandbox)
			shim_start(world, node, REQUEST_ADD, sandbox,
				   prng_u64(&world->rng[RNG_WORK]));
		return;
	case 2:
		del_early(world, node);
		return;
	case 3:
		container_id_make(world, unknown.container_id);
		shim_start(world, node, REQUEST_DEL, &unknown, prng_u64(&world->rng[RNG_WORK]));
		return;
	case 4:
		vanish(world, node);
		return;
	default:
		work_ask(world, node, REQUEST_STATUS);
		return;
	}
}

static void new_target(struct world *world, struct node *node)
{
	uint64_t shape = world_choose(world, RNG_WORK, 10);
	uint64_t most = shape < 5 ? 12 : shape < 8 ? 70 : 180;

	node->runtime.target = (uint32_t)world_choose(world, RNG_WORK, most);
	node->runtime.target_until_ms =
		world->now_ms + 30000 + (int64_t)world_choose(world, RNG_WORK, 600000);
}

static void toward_target(struct world *world, struct node *node)
{
	uint64_t burst =
		1 + world_choose(world, RNG_WORK, world_chance(world, RNG_WORK, 10) ? 24 : 4);
	uint32_t n = (uint32_t)node->runtime.n_sandboxes;

	if (world->now_ms >= node->runtime.target_until_ms)
		new_target(world, node);
	for (; burst > 0; burst--) {
		struct sandbox *sandbox = any(world, node, SANDBOX_UP);
		bool grow = n < node->runtime.target ||
			    (n == node->runtime.target && world_chance(world, RNG_WORK, 50));

		if (grow) {
			start_add(world, node, sandbox_new(world, node, NULL));
			n++;
		} else if (!grow && sandbox) {
			sandbox->again = false;
			start_del(world, node, sandbox);
			n--;
		}
	}
}

/* Its pods first, then the node; now and then an operator forgets the pods, and is refused. */
static void leave(struct world *world, struct node *node)
{
	bool hasty = world_chance(world, RNG_WORK, 5);

	if (node->left && node->core && world_chance(world, RNG_WORK, 20))
		node_stop(world, node);
	else if (!node->left && (hasty || node->runtime.n_sandboxes == 0) &&
		 node->runtime.n_shims == 0)
		work_ask(world, node, REQUEST_LEAVE);
	for (size_t i = 0; i < node->runtime.n_sandboxes; i++) {
		struct sandbox *sandbox = &node->runtime.sandboxes[i];

		sandbox->again = false;
		if (sandbox->state == SANDBOX_UP)
			start_del(world, node, sandbox);
	}
}

static void idea(struct world *world, struct node *node)
{
	uint64_t pause_ms = 100 + world_choose(world, RNG_WORK, 3000);

	world_push(world, (int64_t)pause_ms,
		   (struct task){ .kind = TASK_WORK, .node = node->index, .life = node->boot });
	if (world->quiet)
		return;
	if (node->wants_leave) {
		leave(world, node);
		return;
	}
	if (world_chance(world, RNG_WORK, 20))
		oddity(world, node);
	else
		toward_target(world, node);
}

void work_begin(struct world *world, struct node *node)
{
	if (world->options.story)
		return;
	world_push(world, (int64_t)world_choose(world, RNG_WORK, 3000),
		   (struct task){ .kind = TASK_WORK, .node = node->index, .life = node->boot });
}

static void take_up_again(struct world *world, struct node *node, struct sandbox *sandbox)
{
	if (sandbox->state == SANDBOX_WAITING && (node->left || node->wants_leave))
		sandbox_remove(node, sandbox);
	else if (sandbox->state == SANDBOX_WAITING)
		start_add(world, node, sandbox);
	else if (sandbox->state == SANDBOX_DELETING)
		start_del(world, node, sandbox);
}

void work_task(struct world *world, const struct task *task)
{
	struct node *node = &world->nodes[task->node];
	struct sandbox *sandbox;

	if (task->kind != TASK_CLIENT_GONE && task->life != node->boot)
		return;
	if (task->kind != TASK_WORK) {
		shim_task(world, node, task);
		return;
	}
	sandbox = task->a ? sandbox_by_id(node, task->a) : NULL;
	if (sandbox)
		take_up_again(world, node, sandbox);
	else if (!task->a)
		idea(world, node);
}

/* ---- for stories and faults */

void work_add(struct world *world, struct node *node, const char *container_id)
{
	start_add(world, node, sandbox_new(world, node, container_id));
}

void work_del(struct world *world, struct node *node, const char *container_id)
{
	struct sandbox *sandbox = sandbox_by_container(node, container_id);

	assert(sandbox);
	sandbox->again = false;
	start_del(world, node, sandbox);
}

void work_ask(struct world *world, struct node *node, enum request_type type)
{
	shim_start(world, node, type, NULL, prng_u64(&world->rng[RNG_WORK]));
}

void work_host_died(struct node *node)
{
	node->runtime.n_sandboxes = node->runtime.n_shims = node->runtime.n_gone = 0;
}
