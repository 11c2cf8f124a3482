#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/vec.h"
#include "base/xalloc.h"
#include "io/netlink.h"

/* ---- the table */

static size_t position(const struct agent *agent, uint32_t id)
{
	size_t i = 0;

	while (i < agent->n_clients && agent->clients[i]->id != id)
		i++;
	return i;
}

static void add(struct agent *agent, const struct agent_client *asked)
{
	struct agent_client *client = xmemdup(asked, sizeof(*asked));

	agent->clients = vec_reserve(agent->clients, &agent->cap_clients, agent->n_clients + 1,
				     sizeof(struct agent_client *));
	agent->clients[agent->n_clients++] = client;
}

static void drop(struct agent *agent, size_t i)
{
	free(agent->clients[i]);
	vec_close_gap(agent->clients, agent->n_clients--, i, sizeof(struct agent_client *));
}

void agent_clients_free(struct agent *agent)
{
	for (size_t i = 0; i < agent->n_clients; i++)
		free(agent->clients[i]);
	free(agent->clients);
	agent->n_clients = 0;
}

/* ---- doors */

/* Each server numbers its clients by itself; the core knows them all by one number. */
static uint32_t number_of(const struct agent_door *door, uint32_t id)
{
	return id * DOOR_COUNT + door->type;
}

static struct agent_door *door_of(struct agent *agent, uint32_t number)
{
	return &agent->doors[number % DOOR_COUNT];
}

static void reply(struct agent *agent, uint32_t number, struct bytes answer)
{
	local_server_answer(&door_of(agent, number)->server, number / DOOR_COUNT, answer);
}

/* ---- questions */

static struct bytes http_answer(const struct agent_client *client, const struct answer *what,
				struct arena *arena)
{
	bool good = what->code == ANSWER_OK;

	return http_encode(client->http, good, good ? "ok" : what->text, client->http_body, arena);
}

static void answer(struct agent *agent, const struct agent_client *client,
		   const struct answer *what)
{
	bool http = door_of(agent, client->id)->type == DOOR_HTTP;
	struct arena arena;

	arena_init(&arena, ARENA_UNLIMITED); /* of our own making */
	reply(agent, client->id,
	      http ? http_answer(client, what, &arena)
		   : local_answer_encode(&client->request, what, &arena));
	arena_done(&arena);
}

/* What the core cannot see: a pod is wired with the descriptors that came along. */
static bool has_fds(struct agent *agent, const struct agent_client *client)
{
	struct answer no = { .code = ANSWER_BAD_ENV };
	int fds[LOCAL_FDS_MAX];
	size_t n;

	if (!client->request.wants_fds)
		return true;
	/* Told here, before an address is taken for what can never be wired. */
	if (agent_client_fds(agent, client->id, fds, &n) && n == LOCAL_FDS_MAX &&
	    netlink_is_route(fds[1]))
		return true;
	snprintf(no.text, sizeof(no.text),
		 "the network namespace and a route socket of it did not come along");
	snprintf(no.details, sizeof(no.details), "the CNI binary and the agent must fit together");
	answer(agent, client, &no);
	return false;
}

static void ask_core(struct agent *agent, struct agent_client *client)
{
	struct event event = { .type = EVENT_REQUEST, .request = &client->request.request };

	if (!has_fds(agent, client))
		return;
	client->request.request.client = client->id;
	client->request.request.pod.wall_s = (uint64_t)time(NULL);
	add(agent, client);
	if (client->request.request.type == REQUEST_STATUS)
		agent_kernel_refresh(agent);
	agent_event(agent, &event);
}

static void on_asked(void *arg, uint32_t id, struct bytes question)
{
	struct agent_door *door = arg;
	struct agent *agent = door->agent;
	struct agent_client *client = xcalloc(1, sizeof(*client));
	struct bytes answer = { 0 };
	struct err err = { 0 };
	struct arena arena;

	client->id = number_of(door, id);
	arena_init(&arena, LOCAL_REQUEST_MAX * (size_t)4);
	if (local_request_decode(door->type == DOOR_KUBE ? LOCAL_DOOR_KUBE : LOCAL_DOOR_ROOT,
				 question, &arena, &client->request, &answer, &err) == 0) {
		ask_core(agent, client);
	} else {
		if (err.code) /* else its answer is simply known already */
			log_limited(agent->log, LOG_OUTSIDER, LOG_PEER,
				    "a local client: %s -> refused", err.text);
		reply(agent, client->id, answer);
	}
	arena_done(&arena);
	free(client);
}

static void on_http_asked(void *arg, uint32_t id, struct bytes head)
{
	struct agent_door *door = arg;
	struct agent_client client = { .id = number_of(door, id) };

	client.http = http_decode(head, &client.http_body);
	client.request.request.type = REQUEST_READY;
	if (client.http == HTTP_READYZ)
		ask_core(door->agent, &client);
	else
		answer(door->agent, &client, &(struct answer){ .code = ANSWER_OK });
}

static void on_gone(void *arg, uint32_t id)
{
	struct agent_door *door = arg;
	uint32_t number = number_of(door, id);
	size_t i = position(door->agent, number);

	if (i == door->agent->n_clients)
		return;
	drop(door->agent, i);
	agent_event(door->agent, &(struct event){ .type = EVENT_REQUEST_GONE, .client = number });
}

static void on_refused(void *arg, const char *why)
{
	struct agent_door *door = arg;

	log_limited(door->agent->log, LOG_OUTSIDER, LOG_PEER, "a local client: %s -> hung up", why);
}

static const struct local_owner asked_framed = {
	.asked = on_asked,
	.gone = on_gone,
	.refused = on_refused,
};
static const struct local_owner asked_over_http = {
	.asked = on_http_asked,
	.gone = on_gone,
	.refused = on_refused,
};

/* ---- answers */

void agent_answer(struct agent *agent, const struct answer *what)
{
	size_t i = position(agent, what->client);

	if (i == agent->n_clients)
		return; /* gone meanwhile */
	answer(agent, agent->clients[i], what);
	drop(agent, i);
}

bool agent_client_fds(struct agent *agent, uint32_t client, int fds[LOCAL_FDS_MAX], size_t *ret_n)
{
	return local_server_fds(&door_of(agent, client)->server, client / DOOR_COUNT, fds, ret_n);
}

/* ---- all doors together */

static int open_door(struct agent *agent, enum agent_door_type type,
		     const struct local_place *place, struct err *err)
{
	struct agent_door *door = &agent->doors[type];
	bool http = type == DOOR_HTTP;
	int result;

	*door = (struct agent_door){ .agent = agent, .type = type };
	result = local_server_open(&door->server, &agent->loop, place,
				   http ? HTTP_HEAD_MAX : LOCAL_REQUEST_MAX,
				   http ? &asked_over_http : &asked_framed, door, err);
	door->open = result == 0;
	return result;
}

static int open_socket(struct agent *agent, enum agent_door_type type, const char *name,
		       uint32_t group, struct err *err)
{
	char path[FILES_PATH_MAX + FILES_NAME_MAX];

	snprintf(path, sizeof(path), "%s/%s", agent->run.path, name);
	return open_door(agent, type, &(struct local_place){ .path = path, .group = group }, err);
}

/* Pods need no probe: what takes its port is no reason to leave them without an agent. In a
 * platform a probe would ask whoever listens there, and end the agent again and again: better now,
 * with a sentence. */
static int open_http(struct agent *agent, struct err *err)
{
	struct local_place http = { .http = agent->options->metrics };
	char words[LOG_WORDS_MAX];
	struct err why = { 0 };
	int result = open_door(agent, DOOR_HTTP, &http, &why);

	if (result == 0)
		return 0;
	(void)log_words(words, &why);
	if (agent->options->kube)
		return err_set(
			err, EINVAL,
			"%s, and a probe would ask whoever is there: set WEFT_METRICS_ADDRESS "
			"and the port of the two probes to another",
			words);
	log_line(agent->log, LOG_WARN,
		 "%s -> going on without; --metrics-address names another address, or 'off'",
		 words);
	return 0;
}

int agent_local_open(struct agent *agent, struct err *err)
{
	const struct options *options = agent->options;
	int result = open_socket(agent, DOOR_ROOT, "weft.sock", 0, err);

	if (result == 0 && options->kube && options->kube_group)
		result = directory_let_pass(&agent->run, err);
	if (result == 0 && options->kube)
		result = open_socket(agent, DOOR_KUBE, "kube.sock", options->kube_group, err);
	if (result == 0 && options->metrics.ip_len)
		result = open_http(agent, err);
	return result;
}

void agent_local_close_listeners(struct agent *agent)
{
	for (int i = 0; i < DOOR_COUNT; i++)
		if (agent->doors[i].open)
			local_server_close_listener(&agent->doors[i].server);
}

void agent_local_done(struct agent *agent)
{
	for (int i = 0; i < DOOR_COUNT; i++)
		if (agent->doors[i].open)
			local_server_done(&agent->doors[i].server);
}
