#include "network.h"

#include "base/vec.h"
#include "checker.h"
#include "net_conn.h"
#include "node.h"

/* ---- dialling */

void net_dial(struct world *world, struct node *node, uint32_t link, const struct endpoint *to)
{
	struct net_end end = {
		.state = END_CONNECTING, .node = node->index, .life = node->life, .link = link
	};
	struct net_conn *conn;
	uint32_t target;

	end.out.blocked_since_ms = -1;
	if (!net_node_at(world, to, &target)) {
		conn_tell_closed(world, &end, 3000, "nobody answers");
		return;
	}
	conn = conn_new(world, node->index, target);
	conn->end[0] = end;
	conn->end[1].node = target;
	conn_push(world, conn->latency_ms, TASK_NET_DIAL, conn, 0, NULL);
}

static void end_open(struct world *world, struct net_end *end)
{
	struct wire_conn_settings settings = { .cluster_name = "sim" };

	world_random_bytes(world, RNG_IDS, settings.random, sizeof(settings.random));
	wire_conn_init(&end->wire, &settings);
	end->state = END_OPEN;
}

static void say_preamble(struct world *world, struct net_conn *conn, int side)
{
	struct bytes preamble = wire_conn_preamble(&conn->end[side].wire);

	flow_write(&conn->end[side].out, preamble.data, preamble.len);
	flow_launch(world, conn, side);
}

static void syn_arrives(struct world *world, struct net_conn *conn)
{
	struct node *target = &world->nodes[conn->end[1].node];
	struct net_end *end = &conn->end[1];
	struct event event = { .type = EVENT_LINK_ACCEPTED };
	uint64_t serial = conn->serial;
	uint32_t slot = conn->slot;

	if (!net_passes(world, conn->end[0].node, target->index)) {
		conn_push(world, 2000 + (int64_t)world_choose(world, RNG_NET, 4000),
			  TASK_NET_DIALLED, conn, 0, "timed out");
		return;
	}
	if (!target->core ||
	    (!world->quiet && world_chance(world, RNG_NET, world->faults.refuse_percent))) {
		conn_push(world, conn->latency_ms, TASK_NET_DIALLED, conn, 0, "connection refused");
		return;
	}
	end->life = target->life;
	end->link = LINK_ACCEPTED_BIT | ++target->accepted;
	end_open(world, end);
	conn_push(world, conn->latency_ms, TASK_NET_DIALLED, conn, 0, NULL);
	event.link.link = end->link;
	net_endpoint(conn->end[0].node, &event.link.from);
	event.link.from.port = (uint16_t)(32768 + serial % 28000);
	node_feed(world, target, &event);
	conn = world->net->conns[slot];
	if (conn && conn->serial == serial && conn->end[1].state == END_OPEN)
		say_preamble(world, conn, 1);
}

static void dial_answered(struct world *world, struct net_conn *conn, const char *failure)
{
	struct net_end *end = &conn->end[0];
	struct node *node = &world->nodes[end->node];
	struct event event = { .type = EVENT_LINK_CONNECTED };
	uint64_t serial = conn->serial;
	uint32_t slot = conn->slot;

	if (!failure && net_is_cut(world, conn->end[1].node, end->node)) {
		conn_push(world, 2000, TASK_NET_DIALLED, conn, 0,
			  "timed out"); /* no SYN+ACK comes back */
		return;
	}
	if (failure || end->state != END_CONNECTING) {
		if (end->state == END_CONNECTING)
			conn_end_close(world, end, failure);
		if (conn->end[1].state == END_OPEN &&
		    !net_is_cut(world, end->node, conn->end[1].node))
			conn_end_close(world, &conn->end[1], "connection reset by peer");
		conn_reap(world, conn);
		return;
	}
	end_open(world, end);
	event.link.link = end->link;
	node_feed(world, node, &event);
	conn = world->net->conns[slot];
	if (conn && conn->serial == serial && conn->end[0].state == END_OPEN)
		say_preamble(world, conn, 0);
}

/* ---- sending and closing */

void net_send(struct world *world, struct node *node, uint32_t link, const struct message *message)
{
	int side;
	struct net_conn *conn = conn_by_link(world, node, link, &side);
	size_t len;

	if (!conn || conn->end[side].state != END_OPEN)
		return; /* it broke a moment ago and the core has not been told yet */
	world->scratch = vec_reserve(world->scratch, &world->scratch_cap, WIRE_FRAME_MAX + 4, 1);
	len = wire_conn_encode(message, world->scratch, world->scratch_cap);
	world_hash_bytes(world, world->scratch, len);
	flow_write(&conn->end[side].out, world->scratch, len);
	conn->end[side].out.want_writable = true;
	flow_launch(world, conn, side);
	flow_maybe_writable(world, &conn->end[side]);
}

void net_hangup(struct world *world, struct node *node, uint32_t link, uint32_t drain_ms,
		const char *reason)
{
	int side;
	struct net_conn *conn = conn_by_link(world, node, link, &side);
	struct net_end *end;

	if (!conn)
		return;
	end = &conn->end[side];
	if (end->state == END_OPEN) {
		if (!drain_ms)
			flow_drop(&end->out);
		end->out.fin = true;
		flow_launch(world, conn, side);
	}
	conn_end_close(world, end, reason ? reason : "hung up");
	conn_reap(world, conn);
}

static void end_died(struct world *world, struct net_conn *conn, int side, bool host)
{
	struct net_end *end = &conn->end[side];

	if (host)
		flow_drop(&end->out);
	if (end->state != END_OPEN && end->state != END_CONNECTING)
		return;
	if (end->state == END_OPEN && !host) {
		if (world_chance(world, RNG_NET, 30)) {
			flow_drop(&end->out);
			flow_chunk_add(world, conn, side, (struct net_chunk){ .rst = true });
		} else {
			end->out.fin = true;
			flow_launch(world, conn, side);
		}
	}
	conn_end_close(world, end, NULL);
}

static void died(struct world *world, struct node *node, bool host)
{
	for (size_t i = 0; i < world->net->n; i++) {
		struct net_conn *conn = world->net->conns[i];

		for (int side = 0; conn && side < 2; side++)
			if (conn->end[side].node == node->index &&
			    conn->end[side].state != END_NONE)
				end_died(world, conn, side, host);
		if (conn)
			conn_reap(world, conn);
	}
}

void net_process_died(struct world *world, struct node *node)
{
	died(world, node, false);
}

void net_host_died(struct world *world, struct node *node)
{
	died(world, node, true);
}

void net_reset_between(struct world *world, uint32_t a, uint32_t b)
{
	for (size_t i = 0; i < world->net->n; i++) {
		struct net_conn *conn = world->net->conns[i];

		if (!conn || conn->end[0].state != END_OPEN || conn->end[1].state != END_OPEN)
			continue;
		if ((conn->end[0].node == a && conn->end[1].node == b) ||
		    (conn->end[0].node == b && conn->end[1].node == a))
			conn_reset(world, conn);
	}
}

void net_task(struct world *world, const struct task *task)
{
	struct net_conn *conn = conn_of(world, task);

	if (!conn)
		return;
	if (task->kind == TASK_NET_DIAL)
		syn_arrives(world, conn);
	else if (task->kind == TASK_NET_DIALLED)
		dial_answered(world, conn, task->text);
	else if (task->kind == TASK_NET_CHUNK)
		flow_chunk_arrives(world, conn, (int)(task->b & 1));
	else
		flow_unacked(world, conn, (int)(task->b & 1));
}
