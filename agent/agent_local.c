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

static void add(struct agent *agent, uint32_t id, const struct local_request *request)
{
	struct agent_client *client = xcalloc(1, sizeof(*client));

	client->id = id;
	client->request = *request;
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

/* ---- questions */

static void answer(struct agent *agent, uint32_t id, const struct local_request *request,
		   const struct answer *answer)
{
	struct arena arena;

	arena_init(&arena, ARENA_UNLIMITED); /* of our own making */
	local_server_answer(&agent->local, id, local_answer_encode(request, answer, &arena));
	arena_done(&arena);
}

/* What the core cannot see: a pod is wired with the descriptors that came along. */
static bool has_fds(struct agent *agent, uint32_t id, const struct local_request *request)
{
	struct answer no = { .client = id, .code = ANSWER_BAD_ENV };
	int fds[LOCAL_FDS_MAX];
	size_t n;

	if (!request->wants_fds)
		return true;
	/* Told here, before an address is taken for what can never be wired. */
	if (local_server_fds(&agent->local, id, fds, &n) && n == LOCAL_FDS_MAX &&
	    netlink_is_route(fds[1]))
		return true;
	snprintf(no.text, sizeof(no.text),
		 "the network namespace and a route socket of it did not come along");
	snprintf(no.details, sizeof(no.details), "the CNI binary and the agent must fit together");
	answer(agent, id, request, &no);
	return false;
}

static void on_question(struct agent *agent, uint32_t id, struct local_request *request)
{
	struct event event = { .type = EVENT_REQUEST };

	if (!has_fds(agent, id, request))
		return;
	request->request.client = id;
	request->request.pod.wall_s = (uint64_t)time(NULL);
	add(agent, id, request);
	event.request = &request->request;
	if (request->request.type == REQUEST_STATUS)
		agent_kernel_refresh(agent);
	agent_event(agent, &event);
}

static void on_asked(void *arg, uint32_t id, struct bytes question)
{
	struct agent *agent = arg;
	struct local_request *request = xcalloc(1, sizeof(*request));
	struct bytes answer = { 0 };
	struct err err = { 0 };
	struct arena arena;

	arena_init(&arena, LOCAL_REQUEST_MAX * (size_t)4);
	if (local_request_decode(question, &arena, request, &answer, &err) == 0) {
		on_question(agent, id, request);
	} else {
		if (err.code) /* else its answer is simply known already */
			log_limited(agent->log, LOG_OUTSIDER, LOG_PEER,
				    "a local client: %s -> refused", err.text);
		local_server_answer(&agent->local, id, answer);
	}
	arena_done(&arena);
	free(request);
}

static void on_gone(void *arg, uint32_t id)
{
	struct agent *agent = arg;
	size_t i = position(agent, id);

	if (i == agent->n_clients)
		return;
	drop(agent, i);
	agent_event(agent, &(struct event){ .type = EVENT_REQUEST_GONE, .client = id });
}

static void on_refused(void *arg, const char *why)
{
	struct agent *agent = arg;

	log_limited(agent->log, LOG_OUTSIDER, LOG_PEER, "a local client: %s -> hung up", why);
}

const struct local_owner agent_local_owner = {
	.asked = on_asked,
	.gone = on_gone,
	.refused = on_refused,
};

/* ---- answers */

void agent_answer(struct agent *agent, const struct answer *what)
{
	size_t i = position(agent, what->client);

	if (i == agent->n_clients)
		return; /* gone meanwhile */
	answer(agent, what->client, &agent->clients[i]->request, what);
	drop(agent, i);
}
