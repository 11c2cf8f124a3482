#include "agent.h"

#include <assert.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/vec.h"
#include "base/xalloc.h"
#include "io/host.h"

/* ---- the table */

static struct agent_link *find(const struct agent *agent, uint32_t id)
{
	for (size_t i = 0; i < agent->n_links; i++)
		if (agent->links[i]->id == id)
			return agent->links[i];
	return NULL;
}

static struct agent_link *add(struct agent *agent, uint32_t id, const struct endpoint *remote)
{
	struct agent_link *link = xcalloc(1, sizeof(*link));
	struct wire_conn_settings settings = { 0 };

	assert(!find(agent, id));
	link->id = id;
	link->remote = *remote;
	strcpy(settings.cluster_name, agent->options->cluster);
	agent_random(settings.random, sizeof(settings.random));
	wire_conn_init(&link->wire, &settings);
	agent->links = vec_reserve(agent->links, &agent->cap_links, agent->n_links + 1,
				   sizeof(struct agent_link *));
	agent->links[agent->n_links++] = link;
	return link;
}

static void link_free(struct agent_link *link)
{
	wire_conn_done(&link->wire);
	free(link);
}

static void drop(struct agent *agent, struct agent_link *link)
{
	size_t i = 0;

	while (agent->links[i] != link)
		i++;
	vec_close_gap(agent->links, agent->n_links--, i, sizeof(struct agent_link *));
	link_free(link);
}

void agent_links_free(struct agent *agent)
{
	for (size_t i = 0; i < agent->n_links; i++)
		link_free(agent->links[i]);
	free(agent->links);
	agent->n_links = 0;
}

/* ---- what happens to connections */

static void link_event(struct agent *agent, const struct agent_link *link, enum event_type type)
{
	struct event event = { .type = type };

	event.link.link = link->id;
	event.link.from = link->remote;
	agent_event(agent, &event);
}

static void on_accepted(void *arg, struct tcp_conn *conn, const struct endpoint *from)
{
	struct agent *agent = arg;
	uint32_t id = LINK_ACCEPTED_BIT | ++agent->next_link;
	struct agent_link *link = add(agent, id, from);

	link->conn = conn;
	tcp_set_user(conn, link);
	tcp_send(conn, wire_conn_preamble(&link->wire));
	link_event(agent, link, EVENT_LINK_ACCEPTED);
}

static void on_connected(void *arg, struct tcp_conn *conn)
{
	struct agent *agent = arg;
	struct agent_link *link = tcp_user(conn);

	tcp_send(conn, wire_conn_preamble(&link->wire));
	link_event(agent, link, EVENT_LINK_CONNECTED);
}

static void on_message(struct agent *agent, struct agent_link *link, const struct message *message)
{
	struct event event = { .type = EVENT_LINK_MESSAGE };

	/* Until then it may be anybody who knows the preamble. */
	if (message->type == MESSAGE_HELLO)
		tcp_greeted(link->conn);
	event.link.link = link->id;
	event.link.message = message;
	agent_event(agent, &event);
}

static void on_broken(struct agent *agent, struct agent_link *link)
{
	char from[TEXT_ENDPOINT_MAX];

	text_endpoint(from, link->remote.ip, link->remote.ip_len, link->remote.port);
	log_limited(agent->log, LOG_OUTSIDER, LOG_PEER, "%s: %s -> hung up", from,
		    link->wire.err.text);
	tcp_hangup(link->conn, 0, link->wire.err.text);
}

/* Everything that is whole, until the link is hung up. */
static void take_messages(struct agent *agent, struct agent_link *link)
{
	struct message message;

	while (tcp_is_open(link->conn)) {
		switch (wire_conn_next(&link->wire, &message)) {
		case WIRE_CONN_MORE:
			return;
		case WIRE_CONN_SECURED:
			link_event(agent, link, EVENT_LINK_SECURED);
			break;
		case WIRE_CONN_MESSAGE:
			on_message(agent, link, &message);
			break;
		case WIRE_CONN_BROKEN:
			on_broken(agent, link);
			break;
		}
	}
}

static void on_received(void *arg, struct tcp_conn *conn, struct bytes bytes)
{
	struct agent *agent = arg;
	struct agent_link *link = tcp_user(conn);

	while (bytes.len > 0 && tcp_is_open(conn)) {
		size_t taken = wire_conn_feed(&link->wire, bytes);

		bytes.data += taken;
		bytes.len -= taken;
		take_messages(agent, link);
	}
}

static void on_writable(void *arg, struct tcp_conn *conn)
{
	link_event(arg, tcp_user(conn), EVENT_LINK_WRITABLE);
}

static void on_closed(void *arg, struct tcp_conn *conn, const char *reason)
{
	struct agent *agent = arg;
	struct agent_link *link = tcp_user(conn);
	struct event event = { .type = EVENT_LINK_CLOSED };

	event.link.link = link->id;
	event.link.reason = reason;
	drop(agent, link);
	agent_event(agent, &event);
}

static void on_refused(void *arg, const struct endpoint *from, const char *why)
{
	struct agent *agent = arg;
	char name[TEXT_ENDPOINT_MAX];

	text_endpoint(name, from->ip, from->ip_len, from->port);
	log_limited(agent->log, LOG_OUTSIDER, LOG_PEER, "%s connects: %s -> turned away", name,
		    why);
}

const struct tcp_owner agent_tcp_owner = {
	.accepted = on_accepted,
	.connected = on_connected,
	.received = on_received,
	.writable = on_writable,
	.closed = on_closed,
	.refused = on_refused,
};

/* ---- what the core asks for */

void agent_dial(struct agent *agent, uint32_t id, const struct endpoint *to)
{
	struct agent_link *link = add(agent, id, to);

	link->conn = tcp_dial(&agent->tcp, to, link);
}

void agent_send(struct agent *agent, uint32_t id, const struct message *message)
{
	struct agent_link *link = find(agent, id);
	size_t len;

	if (!link || !tcp_is_open(link->conn))
		return; /* it closed, and the core hears of it next */
	len = wire_conn_encode(message, agent->frame, WIRE_FRAME_MAX + 4);
	tcp_send(link->conn, (struct bytes){ .data = agent->frame, .len = len });
}

void agent_hangup(struct agent *agent, uint32_t id, uint32_t drain_ms, const char *reason)
{
	struct agent_link *link = find(agent, id);

	if (link)
		tcp_hangup(link->conn, drain_ms, reason);
}
