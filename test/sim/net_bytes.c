#include <assert.h>
#include <stdlib.h>

#include "base/vec.h"
#include "base/xalloc.h"
#include "net_conn.h"
#include "node.h"

enum {
	NET_WRITABLE_BELOW = 64 << 10,
	NET_USER_TIMEOUT_MS = 10000,
	NET_RETRY_MS = 200,
};

/* ---- bytes on their way */

void flow_drop(struct net_flow *flow)
{
	free(flow->data);
	free(flow->chunks);
	*flow = (struct net_flow){ .blocked_since_ms = -1, .armed = flow->armed };
}

static void arm(struct world *world, struct net_conn *conn, int side)
{
	struct net_flow *flow = &conn->end[side].out;

	if (flow->armed || flow->n_chunks == 0)
		return;
	flow->armed = true;
	conn_push(world, flow->chunks[0].at_ms - world->now_ms, TASK_NET_CHUNK, conn, side, NULL);
}

void flow_chunk_add(struct world *world, struct net_conn *conn, int side, struct net_chunk chunk)
{
	struct net_flow *flow = &conn->end[side].out;

	chunk.at_ms = world->now_ms + conn->latency_ms;
	if (!world->options.story)
		chunk.at_ms += (int64_t)world_choose(world, RNG_NET, 2 + conn->latency_ms / 4);
	if (flow->n_chunks && flow->chunks[flow->n_chunks - 1].at_ms > chunk.at_ms)
		chunk.at_ms = flow->chunks[flow->n_chunks - 1].at_ms;
	flow->chunks =
		vec_reserve(flow->chunks, &flow->cap_chunks, flow->n_chunks + 1, sizeof(chunk));
	flow->chunks[flow->n_chunks++] = chunk;
	arm(world, conn, side);
}

static size_t piece(struct world *world, const struct net_conn *conn, size_t left)
{
	size_t most = 1460;

	if (!conn->split)
		return left;
	if (conn->tiny && conn->seen < 600)
		most = 1;
	else if (conn->seen < 20000)
		most = 200;
	most = 1 + world_choose(world, RNG_NET, most);
	return most < left ? most : left;
}

void flow_launch(struct world *world, struct net_conn *conn, int side)
{
	struct net_flow *flow = &conn->end[side].out;

	while (flow->launched < flow->tail - flow->head && flow->launched < world->faults.window) {
		size_t left = flow->tail - flow->head - flow->launched;
		size_t len = piece(world, conn, left);

		flow->launched += len;
		flow_chunk_add(world, conn, side, (struct net_chunk){ .len = len });
	}
	if (flow->fin && flow->launched == flow->tail - flow->head) {
		flow->fin = false;
		flow_chunk_add(world, conn, side, (struct net_chunk){ .fin = true });
	}
}

void flow_write(struct net_flow *flow, const uint8_t *bytes, size_t len)
{
	if (flow->head > flow->tail / 2) {
		memmove(flow->data, flow->data + flow->head, flow->tail - flow->head);
		flow->tail -= flow->head;
		flow->head = 0;
	}
	flow->data = vec_reserve(flow->data, &flow->cap, flow->tail + len, 1);
	memcpy(flow->data + flow->tail, bytes, len);
	flow->tail += len;
}

void flow_maybe_writable(struct world *world, struct net_end *end)
{
	struct net_flow *flow = &end->out;

	if (!flow->want_writable || end->state != END_OPEN ||
	    flow->tail - flow->head - flow->launched >= NET_WRITABLE_BELOW)
		return;
	flow->want_writable = false;
	world_push(world, world->options.story ? 0 : (int64_t)world_choose(world, RNG_NET, 2),
		   (struct task){ .kind = TASK_LINK_WRITABLE,
				  .node = end->node,
				  .life = end->life,
				  .a = end->link });
}

/* ---- arriving */

static void feed_link(struct world *world, struct node *node, enum event_type type, uint32_t link,
		      const struct message *message)
{
	struct event event = { .type = type };

	event.link.link = link;
	event.link.message = message;
	node_feed(world, node, &event);
}

static bool still(const struct world *world, uint32_t slot, uint64_t serial, int side)
{
	const struct net_conn *conn = world->net->conns[slot];

	return conn && conn->serial == serial && conn->end[side].state == END_OPEN;
}

/* Everything that can be read now; any step may close this very connection, or end its process. */
static void read_all(struct world *world, struct net_conn *conn, int side, struct bytes bytes)
{
	struct net_end *end = &conn->end[side];
	struct node *node = &world->nodes[end->node];
	uint32_t slot = conn->slot, link = end->link;
	uint64_t serial = conn->serial;
	struct message message;

	while (bytes.len > 0) {
		enum wire_conn_result result;
		size_t took = wire_conn_feed(&end->wire, bytes);

		bytes.data += took;
		bytes.len -= took;
		while ((result = wire_conn_next(&end->wire, &message)) != WIRE_CONN_MORE) {
			if (result == WIRE_CONN_BROKEN) {
				world_violation(world, "wire",
						"n%u refuses what an honest peer said: %s",
						node->index + 1, end->wire.err.text);
				return;
			}
			feed_link(world, node,
				  result == WIRE_CONN_SECURED ? EVENT_LINK_SECURED
							      : EVENT_LINK_MESSAGE,
				  link, result == WIRE_CONN_SECURED ? NULL : &message);
			if (world->failed || !still(world, slot, serial, side))
				return;
		}
		assert(took > 0);
	}
}

static void deliver(struct world *world, struct net_conn *conn, int from, size_t len)
{
	struct net_flow *flow = &conn->end[from].out;
	uint8_t *bytes = len ? xmemdup(flow->data + flow->head, len) : NULL;

	flow->head += len;
	flow->launched -= len;
	conn->seen += len;
	if (len)
		read_all(world, conn, !from, (struct bytes){ bytes, len });
	free(bytes);
}

/* The other end is no more: its kernel says so, if that can be heard. */
static void refuse_bytes(struct world *world, struct net_conn *conn, int from)
{
	flow_drop(&conn->end[from].out);
	if (!net_is_cut(world, conn->end[!from].node, conn->end[from].node))
		conn_end_close(world, &conn->end[from], "connection reset by peer");
	else if (conn->end[from].state == END_OPEN)
		conn_push(world, NET_USER_TIMEOUT_MS, TASK_NET_UNACKED, conn, from, NULL);
}

static bool blocked(struct world *world, struct net_conn *conn, int from)
{
	struct net_flow *flow = &conn->end[from].out;

	if (net_passes(world, conn->end[from].node, conn->end[!from].node)) {
		flow->blocked_since_ms = -1;
		return false;
	}
	if (flow->blocked_since_ms < 0)
		flow->blocked_since_ms = world->now_ms;
	if (world->now_ms - flow->blocked_since_ms < NET_USER_TIMEOUT_MS) {
		flow->armed = true;
		conn_push(world, NET_RETRY_MS, TASK_NET_CHUNK, conn, from, NULL);
		return true;
	}
	flow_drop(flow);
	conn_end_close(world, &conn->end[from], "timed out");
	conn_reap(world, conn);
	return true;
}

static bool injected_reset(struct world *world)
{
	uint32_t per_million = world->quiet ? 0 : world->faults.reset_per_million;

	return per_million && world_choose(world, RNG_NET, 1000000) < per_million;
}

void flow_chunk_arrives(struct world *world, struct net_conn *conn, int from)
{
	struct net_flow *flow = &conn->end[from].out;
	uint32_t slot = conn->slot;
	uint64_t serial = conn->serial;
	struct net_chunk chunk;
	bool reset;

	flow->armed = false;
	if (flow->n_chunks == 0) { /* dropped meanwhile */
		conn_reap(world, conn);
		return;
	}
	if (blocked(world, conn, from))
		return;
	chunk = flow->chunks[0];
	vec_close_gap(flow->chunks, flow->n_chunks--, 0, sizeof(chunk));
	if (conn->end[!from].state != END_OPEN) {
		if (conn->end[!from].state == END_GONE)
			refuse_bytes(world, conn, from);
	} else if (chunk.rst || chunk.fin) {
		conn_end_close(world, &conn->end[!from],
			       chunk.rst ? "connection reset by peer" : "closed by peer");
		flow_drop(&conn->end[!from].out);
	} else {
		reset = injected_reset(world);
		if (net_is_cut(world, conn->end[!from].node, conn->end[from].node))
			conn_push(world, NET_USER_TIMEOUT_MS, TASK_NET_UNACKED, conn, from, NULL);
		deliver(world, conn, from,
			reset ? world_choose(world, RNG_NET, chunk.len) : chunk.len);
		conn = world->net->conns[slot];
		if (!conn || conn->serial != serial)
			return;
		if (reset) {
			world->counters.resets++;
			conn_reset(world, conn);
			return;
		}
		flow_launch(world, conn, from);
		flow_maybe_writable(world, &conn->end[from]);
	}
	arm(world, conn, from);
	conn_reap(world, conn);
}

void flow_unacked(struct world *world, struct net_conn *conn, int side)
{
	if (!net_is_cut(world, conn->end[!side].node, conn->end[side].node))
		return;
	flow_drop(&conn->end[side].out);
	conn_end_close(world, &conn->end[side], "timed out");
	conn_reap(world, conn);
}
