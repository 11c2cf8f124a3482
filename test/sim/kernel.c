#include "kernel.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"
#include "base/xalloc.h"
#include "checker.h"
#include "node.h"
#include "work.h"

enum { KERNEL_PASS_MS = 60000 };

void kernel_done(struct kernel *kernel)
{
	free(kernel->ends);
	free(kernel->ops);
	free(kernel->fdb);
	free(kernel->neigh);
	free(kernel->routes);
	free(kernel->members);
}

/* ---- host ends */

static struct kernel_end *by_name(struct kernel *kernel, const char *host_if)
{
	for (size_t i = 0; i < kernel->n_ends; i++)
		if (strcmp(kernel->ends[i].seen.host_if, host_if) == 0)
			return &kernel->ends[i];
	return NULL;
}

struct kernel_end *kernel_find(struct node *node, const char *container_id, const char *ifname)
{
	for (size_t i = 0; i < node->kernel.n_ends; i++) {
		struct host_end *seen = &node->kernel.ends[i].seen;

		if (strcmp(seen->container_id, container_id) == 0 &&
		    strcmp(seen->ifname, ifname) == 0)
			return &node->kernel.ends[i];
	}
	return NULL;
}

static void end_remove(struct kernel *kernel, const char *host_if)
{
	struct kernel_end *end = by_name(kernel, host_if);

	if (end)
		vec_close_gap(kernel->ends, kernel->n_ends--, (size_t)(end - kernel->ends),
			      sizeof(*end));
}

static struct kernel_end *end_add(struct kernel *kernel, const struct wire_pod *wire)
{
	struct kernel_end end = { .seen.ip = wire->ip, .seen.mtu = wire->mtu };
	const char *slash = strchr(wire->alias, '/');

	assert(slash);
	memcpy(end.seen.host_if, wire->host_if, sizeof(end.seen.host_if));
	snprintf(end.seen.container_id, sizeof(end.seen.container_id), "%.*s",
		 (int)(slash - wire->alias), wire->alias);
	snprintf(end.seen.ifname, sizeof(end.seen.ifname), "%s", slash + 1);
	kernel->ends =
		vec_reserve(kernel->ends, &kernel->cap_ends, kernel->n_ends + 1, sizeof(end));
	kernel->ends[kernel->n_ends] = end;
	return &kernel->ends[kernel->n_ends++];
}

void kernel_pod_vanished(struct world *world, struct node *node, const char *container_id,
			 const char *ifname)
{
	struct kernel_end *end = kernel_find(node, container_id, ifname);

	if (!end)
		return;
	world_line(world, node->index, false, "!",
		   "a pod's namespace is gone, its host end with it");
	end_remove(&node->kernel, end->seen.host_if);
	checker_use_changed(world, node);
}

struct host_ends kernel_dump(const struct node *node)
{
	struct host_ends ret = { .n = node->kernel.n_ends };
	struct host_end *ends = xcalloc(ret.n + 1, sizeof(*ends));

	for (size_t i = 0; i < ret.n; i++)
		ends[i] = node->kernel.ends[i].seen;
	ret.ends = ends;
	return ret;
}

/* ---- wiring */

static int wire_error(struct world *world, struct node *node, const struct kernel_op *op,
		      const char **ret_text)
{
	*ret_text = "";
	if (!op->unwire && !work_client_here(world, node, op->wire.client)) {
		*ret_text = "the client is gone and its namespace with it";
		return EBADF;
	}
	if (!op->unwire && !op->wire.replace && by_name(&node->kernel, op->wire.host_if)) {
		*ret_text = "the interface exists";
		return EEXIST;
	}
	if (!world->quiet && world_chance(world, RNG_KERNEL, world->faults.kernel_percent)) {
		*ret_text = "no buffer space";
		return ENOBUFS;
	}
	return 0;
}

static void carry_out(struct world *world, struct node *node, struct kernel_op *op)
{
	op->done = true;
	op->error = wire_error(world, node, op, &op->text);
	if (op->error)
		return;
	end_remove(&node->kernel, op->wire.host_if);
	if (!op->unwire)
		end_add(&node->kernel, &op->wire);
	checker_use_changed(world, node);
}

static void submit(struct world *world, struct node *node, struct kernel_op op)
{
	struct kernel *kernel = &node->kernel;

	op.id = ++kernel->next_op;
	if (world->options.story || world_chance(world, RNG_KERNEL, 60))
		carry_out(world, node, &op);
	kernel->ops = vec_reserve(kernel->ops, &kernel->cap_ops, kernel->n_ops + 1, sizeof(op));
	kernel->ops[kernel->n_ops++] = op;
	world_push(world, world->options.story ? 1 : (int64_t)world_choose(world, RNG_KERNEL, 6),
		   (struct task){ .kind = TASK_KERNEL_POD,
				  .node = node->index,
				  .life = node->life,
				  .a = op.id });
}

void kernel_wire(struct world *world, struct node *node, const struct wire_pod *wire)
{
	submit(world, node, (struct kernel_op){ .job = wire->job, .wire = *wire });
}

void kernel_unwire(struct world *world, struct node *node, uint32_t job, const char *host_if)
{
	struct kernel_op op = { .job = job, .unwire = true };

	snprintf(op.wire.host_if, sizeof(op.wire.host_if), "%s", host_if);
	submit(world, node, op);
}

static void op_task(struct world *world, struct node *node, uint32_t id)
{
	struct kernel *kernel = &node->kernel;
	struct event event = { .type = EVENT_POD_WIRED };
	size_t at = 0;
	struct kernel_op op;

	while (at < kernel->n_ops && kernel->ops[at].id != id)
		at++;
	assert(at < kernel->n_ops);
	if (!kernel->ops[at].done)
		carry_out(world, node, &kernel->ops[at]);
	op = kernel->ops[at];
	vec_close_gap(kernel->ops, kernel->n_ops--, at, sizeof(op));
	if (op.unwire)
		event.type = EVENT_POD_UNWIRED;
	event.pod.job = op.job;
	event.pod.error = op.error;
	event.pod.text = op.text;
	node_feed(world, node, &event);
}

/* ---- want against have */

static void pass_task(struct world *world, struct node *node, bool own_accord)
{
	struct kernel_report report = { .wanted = (uint32_t)node->kernel.n_routes };
	struct event event = { .type = EVENT_KERNEL };
	uint32_t life = node->life;

	node->kernel.pass_wanted = false;
	event.kernel = &report;
	node_feed(world, node, &event);
	if (!own_accord || node->life != life || !node->core)
		return;
	event = (struct event){ .type = EVENT_HOST_ENDS };
	event.host_ends = kernel_dump(node);
	node_feed(world, node, &event);
	free((void *)(uintptr_t)event.host_ends.ends);
	if (node->life == life && node->core)
		kernel_pass_later(world, node, KERNEL_PASS_MS);
}

void kernel_task(struct world *world, const struct task *task)
{
	struct node *node = &world->nodes[task->node];

	if (task->life != node->life || !node->core)
		return;
	if (task->kind == TASK_KERNEL_POD)
		op_task(world, node, task->a);
	else
		pass_task(world, node, task->a != 0);
}

void kernel_pass_later(struct world *world, struct node *node, int64_t delay_ms)
{
	world_push(world, delay_ms,
		   (struct task){ .kind = TASK_KERNEL_PASS,
				  .node = node->index,
				  .life = node->life,
				  .a = 1 });
}

/* ---- entries, told apart as the kernel does */

static bool same_fdb(const void *a, const void *b)
{
	return memcmp(&((const struct want_fdb *)a)->mac, &((const struct want_fdb *)b)->mac,
		      sizeof(struct mac)) == 0;
}

static bool same_neigh(const void *a, const void *b)
{
	return ((const struct want_neigh *)a)->ip == ((const struct want_neigh *)b)->ip;
}

static bool same_route(const void *a, const void *b)
{
	const struct want_route *left = a, *right = b;

	return left->dst.ip == right->dst.ip && left->dst.len == right->dst.len &&
	       left->metric == right->metric;
}

static bool same_member(const void *a, const void *b)
{
	return *(const uint32_t *)a == *(const uint32_t *)b;
}

/* ---- what belongs to peers not heard of yet: the rest goes before a want is merged in */

static bool route_is_kept(const struct want_route *route, const struct forward *forward)
{
	for (size_t i = 0; i < forward->n_keep; i++)
		if (route->via && route->via == forward->keep[i].via &&
		    route->dst.len >= forward->keep[i].dst.len &&
		    prefix_has(forward->keep[i].dst, route->dst.ip))
			return true;
	return false;
}

static bool hop_is_used(const struct kernel *kernel, uint32_t ip)
{
	for (size_t i = 0; i < kernel->n_routes; i++)
		if (kernel->routes[i].via == ip)
			return true;
	return false;
}

static bool mac_is_used(const struct kernel *kernel, const struct mac *mac)
{
	for (size_t i = 0; i < kernel->n_neigh; i++)
		if (memcmp(kernel->neigh[i].mac.b, mac->b, sizeof(mac->b)) == 0)
			return true;
	return false;
}

static bool address_is_used(const struct kernel *kernel, uint32_t ip)
{
	for (size_t i = 0; i < kernel->n_fdb; i++)
		if (kernel->fdb[i].dst == ip)
			return true;
	return false;
}

static void keep_only(struct kernel *kernel, const struct forward *forward)
{
	size_t n = kernel->n_routes;

	kernel->n_routes = 0;
	for (size_t i = 0; i < n; i++)
		if (route_is_kept(&kernel->routes[i], forward))
			kernel->routes[kernel->n_routes++] = kernel->routes[i];
	n = kernel->n_neigh;
	kernel->n_neigh = 0;
	for (size_t i = 0; i < n; i++)
		if (hop_is_used(kernel, kernel->neigh[i].ip))
			kernel->neigh[kernel->n_neigh++] = kernel->neigh[i];
	n = kernel->n_fdb;
	kernel->n_fdb = 0;
	for (size_t i = 0; i < n; i++)
		if (mac_is_used(kernel, &kernel->fdb[i].mac))
			kernel->fdb[kernel->n_fdb++] = kernel->fdb[i];
	n = kernel->n_members;
	kernel->n_members = 0;
	for (size_t i = 0; i < n; i++)
		if (address_is_used(kernel, kernel->members[i]))
			kernel->members[kernel->n_members++] = kernel->members[i];
}

/* What the kernel holds after a pass: what is wanted, and what was left there. */
static void *merge(void *have, size_t *cap, size_t *n, const void *want, size_t n_want,
		   size_t item_size, bool (*same)(const void *a, const void *b))
{
	uint8_t *items = vec_reserve(have, cap, *n + n_want + 1, item_size);
	const uint8_t *from = want;

	for (size_t i = 0; i < n_want; i++) {
		size_t at = 0;

		while (at < *n && !same(items + at * item_size, from + i * item_size))
			at++;
		memcpy(items + at * item_size, from + i * item_size, item_size);
		*n += at == *n;
	}
	return items;
}

void kernel_forward(struct world *world, struct node *node, const struct forward *forward)
{
	struct kernel *kernel = &node->kernel;

	if (forward->pods_only) /* pods' own rows are not kept here */
		return;
	if (forward->node_ip)
		kernel->node_ip = forward->node_ip;
	if (forward->peers_known)
		keep_only(kernel, forward);
	kernel->fdb = merge(kernel->fdb, &kernel->cap_fdb, &kernel->n_fdb, forward->fdb,
			    forward->n_fdb, sizeof(*kernel->fdb), same_fdb);
	kernel->neigh = merge(kernel->neigh, &kernel->cap_neigh, &kernel->n_neigh, forward->neigh,
			      forward->n_neigh, sizeof(*kernel->neigh), same_neigh);
	kernel->routes = merge(kernel->routes, &kernel->cap_routes, &kernel->n_routes,
			       forward->routes, forward->n_routes, sizeof(*kernel->routes),
			       same_route);
	kernel->members = merge(kernel->members, &kernel->cap_members, &kernel->n_members,
				forward->members, forward->n_members, sizeof(*kernel->members),
				same_member);
	kernel->want_moved = true;
	kernel->want_whole = forward->peers_known;
	checker_use_changed(world, node);
	if (kernel->pass_wanted)
		return;
	kernel->pass_wanted = true;
	world_push(
		world, world->options.story ? 1 : (int64_t)world_choose(world, RNG_KERNEL, 20),
		(struct task){ .kind = TASK_KERNEL_PASS, .node = node->index, .life = node->life });
}

/* ---- deaths */

/* A wiring that was under way may have stopped between making the interface and naming it. */
void kernel_process_died(struct world *world, struct node *node)
{
	struct kernel *kernel = &node->kernel;

	for (size_t i = 0; i < kernel->n_ops; i++) {
		struct kernel_op *op = &kernel->ops[i];
		struct kernel_end *end;

		if (op->done || op->unwire || by_name(kernel, op->wire.host_if) ||
		    !world_chance(world, RNG_KERNEL, 30))
			continue;
		end = end_add(kernel, &op->wire);
		end->torn = true;
		end->seen.container_id[0] = end->seen.ifname[0] = '\0';
		end->seen.ip = 0;
	}
	kernel->n_ops = 0;
	kernel->pass_wanted = kernel->want_moved = false;
}

void kernel_host_died(struct node *node)
{
	struct kernel *kernel = &node->kernel;

	kernel->n_ends = kernel->n_ops = kernel->n_fdb = kernel->n_neigh = kernel->n_routes =
		kernel->n_members = 0;
	kernel->node_ip = 0;
	kernel->pass_wanted = false;
}
