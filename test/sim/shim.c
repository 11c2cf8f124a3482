#include "shim.h"

#include <stdio.h>

#include "base/vec.h"
#include "checker.h"
#include "node.h"

enum {
	SHIM_REACH_MS = 10000, /* so long it looks for the agent */
	SHIM_WAIT_MS = 20000,  /* so long it waits for an answer */
};

static struct shim *by_serial(struct node *node, uint64_t serial)
{
	for (size_t i = 0; i < node->runtime.n_shims; i++)
		if (node->runtime.shims[i].serial == serial)
			return &node->runtime.shims[i];
	return NULL;
}

static struct shim *by_client(const struct node *node, uint32_t client)
{
	for (size_t i = 0; i < node->runtime.n_shims; i++)
		if (node->runtime.shims[i].client == client)
			return &node->runtime.shims[i];
	return NULL;
}

static void wake(struct world *world, const struct node *node, const struct shim *shim,
		 int64_t delay_ms, enum task_kind kind)
{
	world_push(
		world, delay_ms,
		(struct task){
			.kind = kind, .node = node->index, .life = node->boot, .b = shim->serial });
}

void shim_start(struct world *world, struct node *node, enum request_type type,
		const struct sandbox *sandbox, uint64_t number)
{
	struct runtime *runtime = &node->runtime;
	struct shim shim = {
		.serial = ++runtime->next_shim, .type = type, .number = number, .patient = true
	};

	shim.since_ms = world->now_ms;
	if (sandbox) {
		shim.sandbox = sandbox->id;
		snprintf(shim.container_id, sizeof(shim.container_id), "%s", sandbox->container_id);
		snprintf(shim.ifname, sizeof(shim.ifname), "%s", sandbox->ifname);
	}
	shim.first = true;
	for (size_t i = 0; i < runtime->n_shims; i++)
		if (type == REQUEST_ADD && runtime->shims[i].number == number)
			shim.first = false;
	if (type == REQUEST_ADD && sandbox && number != sandbox->number)
		shim.first = false;
	runtime->shims = vec_reserve(runtime->shims, &runtime->cap_shims, runtime->n_shims + 1,
				     sizeof(shim));
	runtime->shims[runtime->n_shims++] = shim;
	wake(world, node, &shim,
	     world->options.story ? 0 : (int64_t)world_choose(world, RNG_WORK, 4), TASK_SHIM);
}

static const char *request_name(enum request_type type)
{
	static const char *const names[] = {
		[REQUEST_ADD] = "ADD of ",
		[REQUEST_DEL] = "DEL of ",
		[REQUEST_STATUS] = "STATUS",
		[REQUEST_LEAVE] = "LEAVE",
	};

	return names[type];
}

/* Its process ends, with or without an answer. */
static void end(struct world *world, struct node *node, struct shim *shim)
{
	struct shim ended = *shim;

	if (ended.code != ANSWER_OK)
		world_say(world, node->index, "%s%.16s refused: %s", request_name(ended.type),
			  ended.container_id, ended.text);
	vec_close_gap(node->runtime.shims, node->runtime.n_shims--,
		      (size_t)(shim - node->runtime.shims), sizeof(ended));
	work_shim_ended(world, node, &ended);
}

static void ask(struct world *world, struct node *node, struct shim *shim)
{
	struct request request = { .type = shim->type };
	struct event event = { .type = EVENT_REQUEST, .request = &request };

	shim->client = ++node->runtime.next_client;
	request.client = shim->client;
	if (shim->type == REQUEST_ADD || shim->type == REQUEST_DEL) {
		snprintf(request.pod.container_id, sizeof(request.pod.container_id), "%s",
			 shim->container_id);
		snprintf(request.pod.ifname, sizeof(request.pod.ifname), "%s", shim->ifname);
		snprintf(request.pod.netns, sizeof(request.pod.netns), "/run/netns/%.32s",
			 shim->container_id);
		snprintf(request.pod.pod, sizeof(request.pod.pod), "default/%.8s",
			 shim->container_id);
		request.pod.number = shim->number;
		request.pod.wall_s = 1700000000 + (uint64_t)(world->now_ms / 1000);
	}
	wake(world, node, shim, SHIM_WAIT_MS, TASK_SHIM);
	node_feed(world, node, &event);
}

static void hang_up(struct world *world, struct node *node, uint32_t client)
{
	struct runtime *runtime = &node->runtime;

	if (!client || !node->core)
		return;
	runtime->gone =
		vec_reserve(runtime->gone, &runtime->cap_gone, runtime->n_gone + 1, sizeof(client));
	runtime->gone[runtime->n_gone++] = client;
	world_push(world, 0,
		   (struct task){ .kind = TASK_CLIENT_GONE,
				  .node = node->index,
				  .life = node->life,
				  .a = client });
}

static size_t gone_at(const struct runtime *runtime, uint32_t client)
{
	size_t at = 0;

	while (at < runtime->n_gone && runtime->gone[at] != client)
		at++;
	return at;
}

static void notice(struct world *world, struct node *node, const struct task *task)
{
	struct event event = { .type = EVENT_REQUEST_GONE, .client = task->a };
	struct runtime *runtime = &node->runtime;
	size_t at = gone_at(runtime, task->a);

	if (task->life != node->life || at == runtime->n_gone)
		return;
	vec_close_gap(runtime->gone, runtime->n_gone--, at, sizeof(task->a));
	node_feed(world, node, &event);
}

static void give_up(struct world *world, struct node *node, uint32_t serial)
{
	struct shim *shim = by_serial(node, serial);

	hang_up(world, node, shim->client);
	shim->code = ANSWER_TRY_LATER;
	snprintf(shim->text, sizeof(shim->text), "no answer, its shim gives up");
	end(world, node, shim);
}

static void try(struct world *world, struct node *node, struct shim *shim)
{
	if (shim->client) {
		if (world->now_ms - shim->since_ms >= SHIM_WAIT_MS && !shim->answered)
			give_up(world, node, shim->serial);
		return;
	}
	if (node->core && node->frozen_until_ms <= world->now_ms) {
		ask(world, node, shim);
		return;
	}
	if (world->now_ms - shim->since_ms >= SHIM_REACH_MS || !shim->patient)
		give_up(world, node, shim->serial);
	else
		wake(world, node, shim,
		     world->options.story ? 100 : 50 + (int64_t)world_choose(world, RNG_WORK, 250),
		     TASK_SHIM);
}

void shim_task(struct world *world, struct node *node, const struct task *task)
{
	struct shim *shim = by_serial(node, task->b);

	if (task->kind == TASK_CLIENT_GONE)
		notice(world, node, task);
	if (!shim)
		return;
	if (task->kind == TASK_ANSWER)
		end(world, node, shim);
	else
		try(world, node, shim);
}

void shims_kill(struct world *world, struct node *node, uint32_t sandbox)
{
	struct runtime *runtime = &node->runtime;

	for (size_t i = 0; i < runtime->n_shims; i++) {
		struct shim *shim = &runtime->shims[i];

		if (shim->sandbox != sandbox || shim->answered)
			continue;
		hang_up(world, node, shim->client);
		vec_close_gap(runtime->shims, runtime->n_shims--, i--, sizeof(*shim));
	}
}

void shims_overtake(struct node *node, uint32_t sandbox)
{
	struct runtime *runtime = &node->runtime;

	for (size_t i = 0; i < runtime->n_shims; i++) {
		struct shim *shim = &runtime->shims[i];

		if (shim->sandbox != sandbox || shim->type != REQUEST_ADD)
			continue;
		shim->patient = false;
		if (!shim->client)
			vec_close_gap(runtime->shims, runtime->n_shims--, i--, sizeof(*shim));
	}
}

/* ---- from the twin */

void work_answered(struct world *world, struct node *node, const struct answer *answer)
{
	struct shim *shim = answer->client ? by_client(node, answer->client) : NULL;

	if (!shim && gone_at(&node->runtime, answer->client) < node->runtime.n_gone)
		return; /* said into a closed connection, which is no mistake */
	if (!shim || shim->answered) {
		world_violation(world, "answers", "n%u answers client %u, who %s", node->index + 1,
				answer->client, shim ? "has its answer already" : "is not there");
		return;
	}
	checker_answers(world, node, shim, answer);
	shim->answered = true;
	shim->code = answer->code;
	shim->ip = answer->ip;
	memcpy(shim->text, answer->text, sizeof(shim->text));
	wake(world, node, shim,
	     world->options.story ? 0 : (int64_t)world_choose(world, RNG_WORK, 3), TASK_ANSWER);
}

bool work_client_here(struct world *world, const struct node *node, uint32_t client)
{
	(void)world;
	return client && by_client(node, client) != NULL;
}

/* Who waited finds its connection closed, and asks again under the same number. */
void work_process_died(struct world *world, struct node *node)
{
	node->runtime.n_gone = 0;
	for (size_t i = 0; i < node->runtime.n_shims; i++) {
		struct shim *shim = &node->runtime.shims[i];

		if (!shim->client || shim->answered)
			continue;
		shim->client = 0;
		wake(world, node, shim,
		     world->options.story ? 100 : 50 + (int64_t)world_choose(world, RNG_WORK, 250),
		     TASK_SHIM);
	}
}
