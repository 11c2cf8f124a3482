#include "node.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "checker.h"
#include "network.h"

enum { NODE_SPINS_MAX = 1000, NODE_CLOCK_START_MS = 20000 };

struct instant node_now(const struct world *world, const struct node *node)
{
	return (struct instant){ .ms = world->now_ms - node->booted_ms + NODE_CLOCK_START_MS };
}

struct node *node_by_uid(struct world *world, const struct uid *uid)
{
	for (uint32_t i = 0; i < world->n_nodes; i++)
		if (uid_eq(&world->nodes[i].uid, uid))
			return &world->nodes[i];
	return NULL;
}

/* ---- the host's life */

static void new_kernel(struct world *world, struct node *node)
{
	node->boot++;
	node->booted_ms = world->now_ms;
	world_random_bytes(world, RNG_IDS, &node->boot_id, sizeof(node->boot_id));
}

void nodes_init(struct world *world)
{
	world->nodes = xcalloc(world->n_nodes, sizeof(*world->nodes));
	for (uint32_t i = 0; i < world->n_nodes; i++) {
		struct node *node = &world->nodes[i];

		node->index = i;
		snprintf(node->name, sizeof(node->name), "n%" PRIu32, i + 1);
		world_random_bytes(world, RNG_IDS, &node->uid, sizeof(node->uid));
		world_random_bytes(world, RNG_IDS, node->static_pk, sizeof(node->static_pk));
		new_kernel(world, node);
		node->host_up = true;
		node->mtu = 1500;
		node->armed = instant_never();
	}
}

void nodes_done(struct world *world)
{
	for (uint32_t i = 0; i < world->n_nodes; i++) {
		struct node *node = &world->nodes[i];

		core_free(node->core);
		disk_done(&node->disk);
		kernel_done(&node->kernel);
		work_done(&node->runtime);
	}
	free(world->nodes);
}

/* The process has ended, however; its host goes on. */
static void process_gone(struct world *world, struct node *node)
{
	if (!node->core)
		return;
	core_free(node->core);
	node->core = NULL;
	kernel_process_died(world, node);
	disk_process_died(world, node);
	node->life++;
	node->kill_after = 0;
	node->dying = false;
	node->armed = instant_never();
}

static void supervise(struct world *world, struct node *node)
{
	uint64_t most_ms = world->quiet ? 500 : world_chance(world, RNG_HOST, 20) ? 40000 : 3000;

	if (!world->options.story)
		node_start_later(world, node, 20 + (int64_t)world_choose(world, RNG_HOST, most_ms));
}

void node_kill(struct world *world, struct node *node, const char *why)
{
	if (!node->core)
		return;
	world_say(world, node->index, "agent %s", why);
	net_process_died(world, node);
	process_gone(world, node);
	work_process_died(world, node);
	checker_use_changed(world, node);
	supervise(world, node);
}

void node_stop(struct world *world, struct node *node)
{
	struct event event = { .type = EVENT_STOP };

	if (!node->core || node->frozen_until_ms > world->now_ms)
		return;
	world_say(world, node->index, "agent is told to stop");
	node_feed(world, node, &event);
	node_kill(world, node, "stopped");
}

void node_crash(struct world *world, struct node *node, bool keep_run)
{
	world_say(world, node->index,
		  keep_run ? "network namespace is made anew" : "host loses power");
	net_host_died(world, node);
	process_gone(world, node);
	if (!keep_run) {
		disk_host_died(world, node);
		disk_run_lost(node);
	}
	kernel_host_died(node);
	work_host_died(node);
	new_kernel(world, node); /* what was meant for the old one is void from here on */
	node->host_up = false;
	checker_host_died(world, node);
}

void node_boot(struct world *world, struct node *node)
{
	if (node->host_up)
		return;
	node->host_up = true;
	world_say(world, node->index, "host boots");
	new_kernel(world, node);
	work_begin(world, node);
	if (!world->options.story)
		node_start_later(world, node, (int64_t)world_choose(world, RNG_HOST, 2000));
}

/* ---- the process: start */

struct mac node_vtep_mac(const struct uid *uid)
{
	struct mac mac = { .b = { 0x02 } };

	memcpy(mac.b + 1, uid->b, 5);
	return mac;
}

static void settings_fill(struct world *world, const struct node *node, struct settings *settings)
{
	*settings = (struct settings){
		.uid = node->uid,
		.incarnation = node->incarnation,
		.nonce = node->nonce,
		.seed = prng_u64(&world->rng[RNG_IDS]),
		.keeper_id = prng_u64(&world->rng[RNG_IDS]),
		.boot = node->boot_id,
		.vtep_mac = node_vtep_mac(&node->uid),
		.agent_version = "sim",
		.range = world->range,
		.block_len = BLOCK_LEN,
		.port = NET_PORT,
		.vxlan_port = NET_PORT,
		.vni = NET_PORT,
		.first_blocks = world->first_blocks,
		.auth_none = true,
		.init = node->index == 0,
		.masquerade = true,
		.masquerade_nodes = true,
		.mutants = world->options.mutants,
	};
	memcpy(settings->static_pk, node->static_pk, sizeof(settings->static_pk));
	memcpy(settings->name, node->name, sizeof(node->name));
	memcpy(settings->binding.part, node->static_pk, sizeof(settings->binding.part));
	world_random_bytes(world, RNG_IDS, &settings->new_cluster, sizeof(settings->new_cluster));
}

/* --peer: the one before it, the first, and sometimes itself: a list made for all nodes names every
 * one. */
static size_t peers_fill(const struct world *world, const struct node *node,
			 struct endpoint peers[3])
{
	size_t n = 0;

	if (node->index > 0)
		net_endpoint(node->index - 1, &peers[n++]);
	else
		net_endpoint(world->n_nodes - 1, &peers[n++]);
	if (node->index % 3 == 0)
		net_endpoint(node->index, &peers[n++]);
	if (node->index > 1 && node->index % 2 == 0)
		net_endpoint(0, &peers[n++]);
	return n;
}

static void underlay_fill(const struct node *node, struct underlay *underlay)
{
	struct endpoint own;

	net_endpoint(node->index, &own);
	if (node->no_underlay) {
		snprintf(underlay->text, sizeof(underlay->text), "its address was taken away");
		return;
	}
	underlay->have = true;
	underlay->ip = (uint32_t)own.ip[0] << 24 | (uint32_t)own.ip[1] << 16 |
		       (uint32_t)own.ip[2] << 8 | own.ip[3];
	underlay->ifindex = 2;
	underlay->mtu = node->mtu;
	snprintf(underlay->dev, sizeof(underlay->dev), "eth1");
	snprintf(underlay->text, sizeof(underlay->text), "it reaches the peers");
}

void node_underlay_changed(struct world *world, struct node *node)
{
	world_push(world, 0,
		   (struct task){ .kind = TASK_UNDERLAY, .node = node->index, .life = node->life });
}

static void feed_underlay(struct world *world, struct node *node)
{
	struct underlay underlay = { 0 };
	struct event event = { .type = EVENT_UNDERLAY, .underlay = &underlay };

	underlay_fill(node, &underlay);
	node_feed(world, node, &event);
}

static void feed_saved(struct world *world, struct node *node, enum store_file file,
		       const struct record *record)
{
	struct event event = { .type = EVENT_SAVED, .saved = record };

	checker_saved(world, node, file, record);
	node_feed(world, node, &event);
}

static void feed_start(struct world *world, struct node *node, uint32_t lost)
{
	struct settings settings;
	struct endpoint peers[3];
	struct start start = { .settings = &settings };
	struct event event = { .type = EVENT_START, .start = &start };

	settings_fill(world, node, &settings);
	settings.n_peers = peers_fill(world, node, peers);
	settings.peers = peers;
	underlay_fill(node, &start.underlay);
	for (size_t i = 0; i < STORE_FILE_COUNT; i++)
		start.store_lost[i] = (lost >> i & 1) != 0;
	start.host_ends = kernel_dump(node);
	node_feed(world, node, &event);
	free((void *)(uintptr_t)start.host_ends.ends);
}

void node_start(struct world *world, struct node *node)
{
	uint32_t lost;

	assert(node->host_up && !node->core);
	world_say(world, node->index, "agent starts");
	node->incarnation++; /* synced before the first packet: always durable */
	node->nonce = prng_u64(&world->rng[RNG_IDS]);
	node->accepted = 0;
	node->left = node->wants_leave = false;
	node->core = core_new();
	checker_process_begins(world, node);
	lost = disk_read_all(world, node, feed_saved);
	if (!node->core)
		return;
	checker_process_read(world, node);
	kernel_pass_later(world, node, 5000);
	feed_start(world, node, lost);
}

void node_start_later(struct world *world, struct node *node, int64_t delay_ms)
{
	world_push(world, delay_ms,
		   (struct task){ .kind = TASK_START,
				  .node = node->index,
				  .life = node->life,
				  .b = node->boot });
}

/* ---- the process: one step */

static const char *mark(enum trace_level level)
{
	switch (level) {
	case TRACE_DEBUG:
		return ".";
	case TRACE_INFO:
	case TRACE_WARN:
	case TRACE_ERR:
	case TRACE_PEER:
		break;
	}
	return ">";
}

static void act(struct world *world, struct node *node, const struct action *action)
{
	switch (action->type) {
	case ACTION_DIAL:
		net_dial(world, node, action->dial.link, &action->dial.to);
		return;
	case ACTION_SEND:
		checker_sends(world, node, action->send.message);
		net_send(world, node, action->send.link, action->send.message);
		return;
	case ACTION_HANGUP:
		net_hangup(world, node, action->hangup.link, action->hangup.drain_ms,
			   action->hangup.reason);
		return;
	case ACTION_STORE:
		checker_stores(world, node, action);
		disk_submit(world, node, action);
		return;
	case ACTION_WIRE:
		kernel_wire(world, node, action->wire);
		return;
	case ACTION_UNWIRE:
		kernel_unwire(world, node, action->unwire.job, action->unwire.host_if);
		return;
	case ACTION_ANSWER:
		work_answered(world, node, action->answer);
		return;
	case ACTION_FORWARD:
		kernel_forward(world, node, action->forward);
		return;
	case ACTION_TRACE:
		world_line(world, node->index, action->trace.level != TRACE_DEBUG,
			   mark(action->trace.level), action->trace.text);
		return;
	case ACTION_DIE:
		world_line(world, node->index, true, "> dies:", action->die);
		node->dying = true;
		return;
	case ACTION_TYPE_COUNT:
		break;
	}
	abort();
}

static void arm(struct world *world, struct node *node)
{
	struct instant deadline = core_deadline(node->core), now = node_now(world, node);
	int64_t late_ms;

	if (instant_is_never(deadline) || !instant_after(node->armed, deadline))
		return;
	late_ms = world->options.story
			  ? 0
			  : (int64_t)world_choose(world, RNG_HOST, world->faults.late_ms);
	node->armed = deadline;
	world_push(world, instant_diff_ms(deadline, now) + late_ms,
		   (struct task){ .kind = TASK_DEADLINE,
				  .node = node->index,
				  .life = node->life,
				  .b = ++node->alarms });
}

static void hash_event(struct world *world, const struct node *node, const struct event *event)
{
	world_hash_u64(world, (uint64_t)event->type << 32 | node->index);
	world_hash_u64(world, (uint64_t)event->now.ms);
	if (event->type >= EVENT_LINK_ACCEPTED && event->type <= EVENT_LINK_CLOSED)
		world_hash_u64(world, event->link.link);
	else if (event->type == EVENT_STORED)
		world_hash_u64(world, event->stored.tag ^ (uint64_t)event->stored.error);
}

void node_feed(struct world *world, struct node *node, struct event *event)
{
	const struct actions *actions;

	if (!node->core || world->failed)
		return;
	event->now = node_now(world, node);
	hash_event(world, node, event);
	world->counters.events++;
	actions = core_step(node->core, event);
	for (size_t i = 0; i < actions->n && !world->failed; i++) {
		if (node->kill_after && --node->kill_after == 0) {
			node_kill(world, node, "killed with -9 in the middle of a step");
			return;
		}
		act(world, node, &actions->items[i]);
	}
	checker_step(world, node);
	if (node->dying)
		node_kill(world, node, "ended by itself");
	else
		arm(world, node);
}

static void deadline(struct world *world, struct node *node)
{
	struct event event = { .type = EVENT_TIME };
	struct instant now = node_now(world, node);

	node->armed = instant_never();
	if (instant_reached(now, core_deadline(node->core)))
		node_feed(world, node, &event);
	else
		arm(world, node);
	if (!node->core || !instant_reached(now, core_deadline(node->core)))
		node->spins = 0;
	else if (++node->spins > NODE_SPINS_MAX)
		world_violation(world, "deadline", "n%u asks again and again at the same time",
				node->index + 1);
}

static void start_task(struct world *world, struct node *node, const struct task *task)
{
	if (task->life == node->life && task->b == node->boot && node->host_up && !node->core &&
	    !node->away)
		node_start(world, node);
}

void node_task(struct world *world, const struct task *task)
{
	struct node *node = &world->nodes[task->node];
	struct event event = { .type = task->kind == TASK_LINK_CLOSED ? EVENT_LINK_CLOSED
								      : EVENT_LINK_WRITABLE };

	if (task->kind == TASK_START) {
		start_task(world, node, task);
		return;
	}
	if (task->life != node->life || !node->core)
		return;
	if (task->kind == TASK_DEADLINE) {
		if (task->b == node->alarms) /* else an earlier one was set since */
			deadline(world, node);
		return;
	}
	if (task->kind == TASK_UNDERLAY) {
		feed_underlay(world, node);
		return;
	}
	event.link.link = task->a;
	event.link.reason = task->text;
	if (task->kind == TASK_LINK_WRITABLE && !net_has_link(world, node, task->a))
		return;
	node_feed(world, node, &event);
}

bool node_postpones(struct world *world, const struct task *task)
{
	uint32_t index = task->node;
	int64_t until_ms;

	switch (task->kind) {
	case TASK_NET_CHUNK:
		index = net_receiver(world, task);
		break;
	case TASK_DEADLINE:
	case TASK_LINK_CLOSED:
	case TASK_LINK_WRITABLE:
	case TASK_DISK:
	case TASK_KERNEL_POD:
	case TASK_KERNEL_PASS:
	case TASK_CLIENT_GONE:
	case TASK_UNDERLAY:
		break;
	case TASK_START:
	case TASK_NET_DIAL:
	case TASK_NET_DIALLED:
	case TASK_NET_UNACKED:
	case TASK_SHIM:
	case TASK_ANSWER:
	case TASK_WORK:
	case TASK_FAULT:
	case TASK_HEAL:
	case TASK_KIND_COUNT:
		return false;
	}
	if (index >= world->n_nodes || !world->nodes[index].core)
		return false;
	until_ms = world->nodes[index].frozen_until_ms;
	if (until_ms <= world->now_ms)
		return false;
	world_push(world, until_ms - world->now_ms, *task);
	return true;
}
