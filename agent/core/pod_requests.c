#include "core/pod_requests.h"

#include <stdlib.h>

#include "base/text.h"
#include "base/vec.h"
#include "core/answers.h"
#include "core/pod_steps.h"
#include "core/state.h"

void pod_requests_done(struct pod_requests *requests)
{
	free(requests->hungry);
	free(requests->waiting);
	*requests = (struct pod_requests){ 0 };
}

/* ---- requests for a busy pod */

static bool is_for(const struct request *request, const struct pod *pod)
{
	return strcmp(request->pod.container_id, pod->container_id) == 0 &&
	       strcmp(request->pod.ifname, pod->ifname) == 0;
}

static void wait_on(struct core *core, const struct pod *pod, const struct request *request)
{
	struct pod_requests *all = &core->pod_requests;
	size_t n = 0;

	for (size_t i = 0; i < all->n_waiting; i++)
		n += is_for(&all->waiting[i], pod);
	if (n == POD_WAITERS_MAX) {
		answer_refuse(core, request->client, ANSWER_TRY_LATER,
			      "one request at a time is enough",
			      "%d requests for this pod wait already", POD_WAITERS_MAX);
		return;
	}
	all->waiting = vec_reserve(all->waiting, &all->cap_waiting, all->n_waiting + 1,
				   sizeof(*all->waiting));
	all->waiting[all->n_waiting++] = *request;
}

void pod_requests_wake(struct core *core, struct pod *pod, bool gone)
{
	struct pod_requests *all = &core->pod_requests;
	struct request awake[POD_WAITERS_MAX];
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < all->n_waiting; i++) {
		if (is_for(&all->waiting[i], pod))
			awake[n++] = all->waiting[i];
		else
			all->waiting[kept++] = all->waiting[i];
	}
	all->n_waiting = kept;
	if (gone)
		pods_remove(&core->pods, pod);
	for (size_t i = 0; i < n; i++) {
		if (awake[i].type == REQUEST_ADD)
			pod_requests_add(core, &awake[i]);
		else
			pod_requests_del(core, &awake[i]);
	}
}

/* ---- ADD */

static const char *no_further_block(const struct core *core)
{
	if (core->blocks.n >= OWN_BLOCKS_WANTED_MAX)
		return "one node asks for no more";
	return core->session.why[0] ? core->session.why : "the keeper has not given one yet";
}

static void say_no_address(const struct core *core, struct answer *ret)
{
	struct blocks_counts counts = blocks_count(&core->blocks);
	const char *why = no_further_block(core);

	if (clone_alarm(core))
		answer_say(ret, ANSWER_TRY_LATER,
			   "give each node a disk and a machine-id of its own",
			   "another agent runs with this node's identity: no further block is "
			   "asked for");
	else if (core->session.state == SESSION_LEFT)
		answer_say(ret, ANSWER_TRY_LATER, "weftctl status shows this node", "%s", why);
	else if (counts.confirmed == 0)
		answer_say(ret, ANSWER_TRY_LATER,
			   "weftctl status on this node says what it waits for",
			   "this node has no block of addresses yet: %s", why);
	else
		answer_say(ret, ANSWER_TRY_LATER, "weftctl ipam shows who has which block",
			   "no free address: %u in use and %u resting of %u in %u block%s; no "
			   "further block: %s",
			   counts.used, counts.resting, counts.size, counts.confirmed,
			   counts.confirmed == 1 ? "" : "s", why);
}

static void say_another_cluster(struct answer *ret)
{
	answer_say(ret, ANSWER_TRY_LATER, "weftctl status on this node says more",
		   "the ConfigMap names another cluster than this node's, and its addresses may be "
		   "in use there");
}

/* What waiting for an address would not help against. */
static bool serves(const struct core *core, struct answer *ret_why)
{
	if (core->stopping)
		answer_say(ret_why, ANSWER_TRY_LATER, "it will be back", "the agent is stopping");
	else if (!core->underlay.have)
		answer_say(ret_why, ANSWER_TRY_LATER,
			   "a pod would reach this node alone; it is tried again by itself",
			   "this node has no address that other nodes reach: %s",
			   core->underlay.text);
	else if (platform_is_another(core))
		say_another_cluster(ret_why);
	else if (core->pods.n >= PODS_MAX)
		answer_say(ret_why, ANSWER_TRY_LATER, "detach some", "%d pods are attached here",
			   PODS_MAX);
	else
		return true;
	return false;
}

bool pod_requests_ready(const struct core *core, struct answer *ret_why)
{
	if (!serves(core, ret_why))
		return false;
	if (core->runtime_trouble[0]) {
		answer_say(ret_why, ANSWER_TRY_LATER, "no ADD comes before that", "%s",
			   core->runtime_trouble);
		return false;
	}
	/* An ADD is tried nevertheless; this is over when a record could be written. */
	if (core->trouble[0] && core->trouble_of == STORE_PODS) {
		answer_say(ret_why, ANSWER_IO, "see the directory of --run", "%s", core->trouble);
		return false;
	}
	if (!core->session.leave_wanted && blocks_count(&core->blocks).free > 0)
		return true;
	say_no_address(core, ret_why);
	return false;
}

static void refuse_no_address(struct core *core, uint32_t client)
{
	struct answer why;

	say_no_address(core, &why);
	answer_refuse_as(core, client, &why);
}

/* Is a block likely to come within the wait? */
static bool block_may_come(const struct core *core)
{
	return !clone_alarm(core) && !core->stopping && core->session.state != SESSION_DENIED &&
	       core->session.state != SESSION_LEFT && !core->session.leave_wanted &&
	       core->blocks.n < OWN_BLOCKS_WANTED_MAX;
}

static void wait_for_block(struct core *core, const struct request *request)
{
	struct pod_requests *all = &core->pod_requests;

	if (!block_may_come(core) || all->n_hungry >= PODS_MAX) {
		refuse_no_address(core, request->client);
		return;
	}
	all->hungry =
		vec_reserve(all->hungry, &all->cap_hungry, all->n_hungry + 1, sizeof(*all->hungry));
	all->hungry[all->n_hungry++] =
		(struct hungry){ .request = *request,
				 .until = instant_add_ms(core->out.now, POD_WAIT_MS) };
}

static void add_again(struct core *core, struct pod *pod, const struct request *request)
{
	char ip[TEXT_IP4_MAX];

	if (pod->state != POD_UP) {
		wait_on(core, pod, request);
		return;
	}
	if (pod->number != request->pod.number || pod->number == 0) {
		text_ip4(ip, pod->ip);
		answer_refuse(core, request->client, ANSWER_DUPLICATE,
			      "a runtime sends DEL before it adds again",
			      "%s of this pod has an address already: %s on %s",
			      request->pod.ifname, ip, pod->host_if);
		return;
	}
	if (!pod->earlier && pod->has_end) {
		answer_pod(core, pod, request->client);
		return;
	}
	/* The same request, and the agent that took it died before it answered: how far it came is
	 * unknown, so once more. */
	pod->earlier = true;
	pod->client = request->client;
	pod_steps_wire(core, pod);
}

static void add_new(struct core *core, const struct request *request, uint32_t ip)
{
	const struct pod_request *asked = &request->pod;
	struct record_pod record = {
		.ip = ip,
		.number = asked->number,
		.mtu = core->underlay.mtu > 50 ? core->underlay.mtu - 50 : 1450,
		.made_at_s = asked->wall_s,
	};

	memcpy(record.container_id, asked->container_id, sizeof(record.container_id));
	memcpy(record.ifname, asked->ifname, sizeof(record.ifname));
	memcpy(record.pod, asked->pod, sizeof(record.pod));
	memcpy(record.netns, asked->netns, sizeof(record.netns));
	pod_steps_record(core, &record, request->client);
}

void pod_requests_add(struct core *core, const struct request *request)
{
	struct pod *pod = pods_find(&core->pods, request->pod.container_id, request->pod.ifname);
	struct answer why;
	uint32_t ip;

	if (pod && !core->stopping)
		add_again(core, pod, request);
	else if (!serves(core, &why))
		answer_refuse_as(core, request->client, &why);
	else if (core->session.leave_wanted || !blocks_take(&core->blocks, core->out.now, &ip))
		wait_for_block(core, request);
	else
		add_new(core, request, ip);
}

/* ---- DEL */

void pod_requests_del(struct core *core, const struct request *request)
{
	struct pod_requests *all = &core->pod_requests;
	struct pod *pod = pods_find(&core->pods, request->pod.container_id, request->pod.ifname);

	/* DEL overtakes an ADD that waits: that one must not come true later. */
	for (size_t i = 0; i < all->n_hungry; i++) {
		const struct pod_request *waiting = &all->hungry[i].request.pod;

		if (strcmp(waiting->container_id, request->pod.container_id) == 0 &&
		    strcmp(waiting->ifname, request->pod.ifname) == 0)
			all->hungry[i].until = core->out.now;
	}
	if (!pod) {
		answer_done(core, request->client);
	} else if (pod->state != POD_UP) {
		wait_on(core, pod, request);
	} else {
		pod->client = request->client;
		pod_steps_unwire(core, pod);
	}
}

/* ---- clients that leave */

/* A DEL is carried out even if its asker left: what it asked for stays true. */
static void forget_waiting(struct pod_requests *all, uint32_t client)
{
	for (size_t i = 0; i < all->n_waiting; i++) {
		if (all->waiting[i].client != client)
			continue;
		all->waiting[i].client = 0;
		if (all->waiting[i].type != REQUEST_DEL)
			vec_close_gap(all->waiting, all->n_waiting--, i--, sizeof(*all->waiting));
	}
}

void pod_requests_client_gone(struct core *core, uint32_t client)
{
	struct pod_requests *all = &core->pod_requests;
	struct pods *pods = &core->pods;

	for (size_t i = 0; i < pods->n; i++)
		if (pods->items[i]->client == client)
			pods->items[i]->client = 0;
	forget_waiting(all, client);
	for (size_t i = 0; i < all->n_hungry; i++)
		if (all->hungry[i].request.client == client)
			vec_close_gap(all->hungry, all->n_hungry--, i--, sizeof(*all->hungry));
}

/* ---- what time brings */

static void feed_hungry(struct core *core)
{
	struct pod_requests *all = &core->pod_requests;

	for (size_t i = 0; i < all->n_hungry; i++) {
		struct request request = all->hungry[i].request;
		bool late = core->session.leave_wanted ||
			    instant_reached(core->out.now, all->hungry[i].until);
		struct pod *known =
			pods_find(&core->pods, request.pod.container_id, request.pod.ifname);
		uint32_t ip;

		if (!late && !known &&
		    (!core->underlay.have || !blocks_take(&core->blocks, core->out.now, &ip)))
			continue;
		vec_close_gap(all->hungry, all->n_hungry--, i--, sizeof(*all->hungry));
		if (late)
			refuse_no_address(core, request.client);
		else if (known)
			pod_requests_add(core, &request);
		else
			add_new(core, &request, ip);
	}
}

void pod_requests_run(struct core *core)
{
	blocks_rested(&core->blocks, core->out.now);
	feed_hungry(core);
}

struct instant pod_requests_deadline(const struct core *core)
{
	const struct pod_requests *requests = &core->pod_requests;
	struct instant at = blocks_rest_deadline(&core->blocks);

	for (size_t i = 0; i < requests->n_hungry; i++)
		at = instant_min(at, requests->hungry[i].until);
	/* Under pressure a resting address is usable before its rest is over. */
	if (requests->n_hungry)
		at = instant_min(at, instant_add_ms(core->out.now, 500));
	return at;
}
