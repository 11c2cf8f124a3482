#include <stdlib.h>

#include "base/vec.h"
#include "base/xalloc.h"
#include "net_conn.h"
#include "node.h"

enum { STORY_LATENCY_MS = 5 };

/* ---- the whole */

struct net *net_new(struct world *world)
{
	struct net *net = xcalloc(1, sizeof(*net));
	uint32_t n = world->n_nodes;

	net->latency_ms = xcalloc((size_t)n * n, sizeof(uint32_t));
	net->cut = xcalloc((size_t)n * n, sizeof(bool));
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = 0; j <= i; j++) {
			uint32_t ms = (uint32_t)world_choose(world, RNG_NET,
							     world->faults.latency_max_ms);

			if (world->options.story)
				ms = STORY_LATENCY_MS;
			net->latency_ms[i * n + j] = net->latency_ms[j * n + i] = ms;
		}
	return net;
}

static void conn_free(struct net *net, struct net_conn *conn)
{
	for (int side = 0; side < 2; side++) {
		if (conn->end[side].state == END_OPEN)
			wire_conn_done(&conn->end[side].wire);
		flow_drop(&conn->end[side].out);
	}
	net->conns[conn->slot] = NULL;
	free(conn);
}

void net_free(struct net *net)
{
	for (size_t i = 0; i < net->n; i++)
		if (net->conns[i])
			conn_free(net, net->conns[i]);
	free(net->conns);
	free(net->latency_ms);
	free(net->cut);
	free(net);
}

void net_endpoint(uint32_t node, struct endpoint *ret)
{
	*ret = (struct endpoint){ .ip = { 192, 168, 50, (uint8_t)(node + 11) },
				  .ip_len = 4,
				  .port = NET_PORT };
}

bool net_node_at(const struct world *world, const struct endpoint *at, uint32_t *ret)
{
	struct endpoint own;

	for (uint32_t i = 0; i < world->n_nodes; i++) {
		net_endpoint(i, &own);
		if (endpoint_eq(at, &own)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

void net_cut(struct world *world, uint32_t from, uint32_t to, bool cut)
{
	if (from != to)
		world->net->cut[from * world->n_nodes + to] = cut;
}

bool net_is_cut(const struct world *world, uint32_t from, uint32_t to)
{
	return world->net->cut[from * world->n_nodes + to];
}

void net_mend_all(struct world *world)
{
	memset(world->net->cut, 0, (size_t)world->n_nodes * world->n_nodes * sizeof(bool));
}

bool net_passes(const struct world *world, uint32_t from, uint32_t to)
{
	return !net_is_cut(world, from, to) && world->nodes[to].host_up;
}

/* ---- connections */

struct net_conn *conn_new(struct world *world, uint32_t from, uint32_t to)
{
	struct net *net = world->net;
	struct net_conn *conn = xcalloc(1, sizeof(*conn));
	size_t slot = 0;

	while (slot < net->n && net->conns[slot])
		slot++;
	if (slot == net->n) {
		net->conns =
			vec_reserve(net->conns, &net->cap, net->n + 1, sizeof(struct net_conn *));
		net->n++;
	}
	net->conns[slot] = conn;
	conn->slot = (uint32_t)slot;
	conn->serial = ++net->next_serial;
	conn->latency_ms = net->latency_ms[from * world->n_nodes + to];
	conn->split = world_chance(world, RNG_NET, world->faults.split_percent);
	conn->tiny = conn->split && world_chance(world, RNG_NET, 30);
	conn->end[0].out.blocked_since_ms = conn->end[1].out.blocked_since_ms = -1;
	return conn;
}

void conn_push(struct world *world, int64_t delay_ms, enum task_kind kind,
	       const struct net_conn *conn, int side, const char *text)
{
	world_push(world, delay_ms,
		   (struct task){ .kind = kind,
				  .a = conn->slot,
				  .b = conn->serial << 1 | (unsigned)side,
				  .text = text });
}

struct net_conn *conn_of(const struct world *world, const struct task *task)
{
	struct net_conn *conn = task->a < world->net->n ? world->net->conns[task->a] : NULL;

	return conn && conn->serial == task->b >> 1 ? conn : NULL;
}

struct net_conn *conn_by_link(const struct world *world, const struct node *node, uint32_t link,
			      int *ret_side)
{
	for (size_t i = 0; i < world->net->n; i++) {
		struct net_conn *conn = world->net->conns[i];

		for (int side = 0; conn && side < 2; side++) {
			const struct net_end *end = &conn->end[side];

			if (end->link == link && end->node == node->index &&
			    end->life == node->life &&
			    (end->state == END_OPEN || end->state == END_CONNECTING)) {
				*ret_side = side;
				return conn;
			}
		}
	}
	return NULL;
}

bool net_has_link(const struct world *world, const struct node *node, uint32_t link)
{
	int side;

	return conn_by_link(world, node, link, &side) != NULL;
}

uint32_t net_receiver(const struct world *world, const struct task *task)
{
	const struct net_conn *conn = conn_of(world, task);

	return conn ? conn->end[!(task->b & 1)].node : WORLD_NODES_MAX;
}

void conn_tell_closed(struct world *world, const struct net_end *end, int64_t delay_ms,
		      const char *reason)
{
	world_push(world, delay_ms,
		   (struct task){ .kind = TASK_LINK_CLOSED,
				  .node = end->node,
				  .life = end->life,
				  .a = end->link,
				  .text = reason });
}

/* The process at this end has no socket any more. Its agent hears of it, unless it is the one that
 * died. */
void conn_end_close(struct world *world, struct net_end *end, const char *reason)
{
	if (end->state == END_OPEN)
		wire_conn_done(&end->wire);
	if (reason && (end->state == END_OPEN || end->state == END_CONNECTING))
		conn_tell_closed(world, end, 0, reason);
	end->state = END_GONE;
}

static bool flow_idle(const struct net_flow *flow)
{
	return flow->n_chunks == 0 && !flow->armed;
}

void conn_reap(struct world *world, struct net_conn *conn)
{
	if (conn->end[0].state == END_GONE &&
	    (conn->end[1].state == END_GONE || conn->end[1].state == END_NONE) &&
	    flow_idle(&conn->end[0].out) && flow_idle(&conn->end[1].out))
		conn_free(world->net, conn);
}

void conn_reset(struct world *world, struct net_conn *conn)
{
	for (int side = 0; side < 2; side++) {
		flow_drop(&conn->end[side].out);
		conn_end_close(world, &conn->end[side], "connection reset by peer");
	}
	conn_reap(world, conn);
}
