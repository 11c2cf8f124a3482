#include "agent.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "io/names.h"

enum { MISSING_AGAIN_MS = 5000, NAMES_AGAIN_MS = 30000 };

static struct endpoint endpoint_of(const struct agent *agent, uint32_t ip, uint16_t port)
{
	return (struct endpoint){
		.ip = { (uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip },
		.ip_len = 4,
		.port = port ? port : agent->options->port,
	};
}

/* True: it is new. */
static bool add(struct agent *agent, const struct endpoint *peer)
{
	for (size_t i = 0; i < agent->n_peers; i++)
		if (endpoint_eq(&agent->peers[i], peer))
			return false;
	if (agent->n_peers == AGENT_PEERS_MAX)
		return false;
	agent->peers[agent->n_peers++] = *peer;
	return true;
}

/* A name is told of once when it is not found, and once when it is. */
static void tell(struct agent *agent, struct agent_name *name, bool is_new)
{
	const struct names_asked *asked = &name->asked;

	if (asked->n == 0 && !name->missing)
		log_line(agent->log, LOG_WARN,
			 "--peer %s: %s -> asked again every %d s, going on without it",
			 asked->host, asked->why, MISSING_AGAIN_MS / 1000);
	else if (asked->n > 0 && (name->missing || is_new))
		log_line(agent->log, LOG_INFO, "--peer %s is at %s%s", asked->host,
			 text_ip4(TEXT_BUF(IP4), asked->ip[0]), asked->n > 1 ? " and others" : "");
	name->missing = asked->n == 0;
}

static bool take(struct agent *agent, struct agent_name *name)
{
	bool any = false;

	for (size_t i = 0; i < name->asked.n; i++) {
		struct endpoint peer = endpoint_of(agent, name->asked.ip[i], name->port);

		any = add(agent, &peer) || any;
	}
	tell(agent, name, any);
	return any;
}

static const char *first_missing(const struct agent *agent)
{
	for (size_t i = 0; i < agent->n_names; i++)
		if (agent->names[i].asked.n == 0)
			return agent->names[i].asked.host;
	return "";
}

static void on_told(void *arg)
{
	struct agent *agent = arg;
	struct event event = { .type = EVENT_PEERS };
	bool missing, news = false;

	if (agent->end != AGENT_GOES_ON)
		return;
	for (size_t i = 0; i < agent->n_names; i++)
		news = take(agent, &agent->names[i]) || news;
	event.peers.n = agent->n_peers;
	event.peers.peers = agent->peers;
	event.peers.missing = first_missing(agent);
	missing = event.peers.missing[0] != '\0';
	agent_event(agent, &event);
	if (news)
		agent_kernel_look_at_underlay(agent);
	loop_timer_start(&agent->names_timer, missing ? MISSING_AGAIN_MS : NAMES_AGAIN_MS);
}

static void resolve(struct agent *agent)
{
	for (size_t i = 0; i < agent->n_names; i++)
		agent->asked[i] = &agent->names[i].asked;
	names_resolve(&agent->loop, agent->asked, agent->n_names, on_told, agent);
}

static void on_timer(void *arg)
{
	resolve(arg);
}

void agent_peers_read(struct agent *agent)
{
	const struct options *options = agent->options;

	agent->peers = xcalloc(AGENT_PEERS_MAX, sizeof(*agent->peers));
	agent->names = xcalloc(options->n_peers + 1, sizeof(*agent->names));
	agent->asked = xcalloc(options->n_peers + 1, sizeof(struct names_asked *));
	for (size_t i = 0; i < options->n_peers; i++) {
		const struct peer_name *given = &options->peers[i];
		struct endpoint peer;
		uint32_t ip;

		if (names_is_address(given->host, &ip)) {
			peer = endpoint_of(agent, ip, given->port);
			(void)add(agent, &peer);
			continue;
		}
		agent->names[agent->n_names++] = (struct agent_name){
			.asked = { .host = given->host },
			.port = given->port,
		};
	}
}

const char *agent_peers_missing(const struct agent *agent)
{
	return first_missing(agent);
}

void agent_peers_open(struct agent *agent)
{
	loop_timer_init(&agent->loop, &agent->names_timer, on_timer, agent);
}

void agent_peers_start(struct agent *agent)
{
	if (agent->n_names)
		resolve(agent);
}

void agent_peers_free(struct agent *agent)
{
	free(agent->peers);
	free(agent->names);
	free(agent->asked);
}
