#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "base/vec.h"
#include "core/pod_steps.h"
#include "core/state.h"

/*
 * What local clients ask of pods: ADD and DEL, when they must wait and what they are told. Every
 * request gets one answer, soon: an ADD without an address waits only while a block is on its way,
 * and at most POD_WAIT_MS.
 */

enum { LOG_SLACK = 1024 };

static struct answer *answer(struct core *core, uint32_t client)
{
	struct answer *answer = out_alloc(&core->out, sizeof(*answer));

	answer->client = client;
	out_add(&core->out, ACTION_ANSWER)->answer = answer;
	return answer;
}

void answer_pod(struct core *core, const struct pod *pod, uint32_t client)
{
	struct answer *ok = answer(core, client);

	memcpy(ok->host_if, pod->host_if, sizeof(ok->host_if));
	ok->ip = pod->record.ip;
	ok->mtu = pod->record.mtu;
	ok->host_mac = pod_host_mac();
	ok->pod_mac = pod->pod_mac;
}

void answer_done(struct core *core, uint32_t client)
{
	if (client)
		(void)answer(core, client);
}

void answer_refuse(struct core *core, uint32_t client, enum answer_code code, const char *details,
		   const char *fmt, ...)
{
	struct answer *no;
	va_list args;

	if (!client)
		return;
	no = answer(core, client);
	no->code = code;
	va_start(args, fmt);
	(void)vsnprintf(no->text, sizeof(no->text), fmt, args);
	va_end(args);
	text_line(no->details, "%s", details);
	core->pods.refused++;
}

static void wait_on(struct core *core, struct pod *pod, const struct request *request)
{
	if (pod->n_waiting == POD_WAITERS_MAX) {
		answer_refuse(core, request->client, ANSWER_TRY_LATER,
			      "one request at a time is enough",
			      "%d requests for this pod wait already", POD_WAITERS_MAX);
		return;
	}
	pod->waiting[pod->n_waiting++] = *request;
}

/* ---- ADD */

static void refuse_no_address(struct core *core, uint32_t client)
{
	struct blocks_counts counts = blocks_count(&core->blocks);
	const char *why = core->session.why[0] ? core->session.why
					       : "the keeper has not given one yet";

	if (clone_alarm(core))
		answer_refuse(core, client, ANSWER_TRY_LATER,
			      "give each node a disk and a machine-id of its own",
			      "another agent runs with this node's identity: no further block "
			      "is asked for");
	else if (counts.confirmed == 0)
		answer_refuse(core, client, ANSWER_TRY_LATER,
			      "weftctl status on this node says what it waits for",
			      "this node has no block of addresses yet: %s", why);
	else
		answer_refuse(core, client, ANSWER_TRY_LATER,
			      "weftctl ipam shows who has which block",
			      "no free address: %u in use and %u resting of %u in %u block%s; no "
			      "further block: %s",
			      counts.used, counts.resting, counts.size, counts.confirmed,
			      counts.confirmed == 1 ? "" : "s", why);
}

/* Is a block likely to come within the wait? */
static bool block_may_come(const struct core *core)
{
	return !clone_alarm(core) && !core->stopping && core->session.state != SESSION_DENIED &&
	       core->session.state != SESSION_LEFT && !core->session.leave_wanted &&
	       core->blocks.n < BLOCKS_OWN_WANTED_MAX;
}

static void wait_for_block(struct core *core, const struct request *request)
{
	struct pods *pods = &core->pods;

	if (!block_may_come(core) || pods->n_hungry >= PODS_MAX) {
		refuse_no_address(core, request->client);
		return;
	}
	pods->hungry = vec_reserve(pods->hungry, &pods->cap_hungry, pods->n_hungry + 1,
				   sizeof(*pods->hungry));
	pods->hungry[pods->n_hungry++] =
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
	if (pod->record.number != request->pod.number || pod->record.number == 0) {
		text_ip4(ip, pod->record.ip);
		answer_refuse(core, request->client, ANSWER_DUPLICATE,
			      "a runtime sends DEL before it adds again",
			      "%s of this container has an address already: %s on %s",
			      request->pod.ifname, ip, pod->host_if);
		return;
	}
	if (!pod->earlier && pod->linked) {
		answer_pod(core, pod, request->client);
		return;
	}
	/* The same request, and the agent that took it died before it answered: how far it came is
	 * unknown, so once more. */
	pod->earlier = true;
	pod->client = request->client;
	pod_wire(core, pod);
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
	pod_record(core, pods_insert(&core->pods, &record), request->client);
}

void pods_add(struct core *core, const struct request *request)
{
	struct pod *pod = pods_find(&core->pods, request->pod.container_id, request->pod.ifname);
	uint32_t ip;

	if (core->stopping)
		answer_refuse(core, request->client, ANSWER_TRY_LATER, "it will be back",
			      "the agent is stopping");
	else if (pod)
		add_again(core, pod, request);
	else if (core->pods.n >= PODS_MAX)
		answer_refuse(core, request->client, ANSWER_TRY_LATER, "detach some",
			      "%d pods are attached here", PODS_MAX);
	else if (core->session.leave_wanted || !blocks_take(&core->blocks, core->out.now, &ip))
		wait_for_block(core, request);
	else
		add_new(core, request, ip);
}

/* ---- DEL */

void pods_del(struct core *core, const struct request *request)
{
	struct pods *pods = &core->pods;
	struct pod *pod = pods_find(pods, request->pod.container_id, request->pod.ifname);

	for (size_t i = 0; i < pods->n_hungry;
	     i++) { /* DEL overtakes an ADD that waits: that one must not come true later */
		const struct pod_request *waiting = &pods->hungry[i].request.pod;

		if (strcmp(waiting->container_id, request->pod.container_id) == 0 &&
		    strcmp(waiting->ifname, request->pod.ifname) == 0)
			pods->hungry[i].until = core->out.now;
	}
	if (!pod) {
		answer_done(core, request->client);
	} else if (pod->state != POD_UP) {
		wait_on(core, pod, request);
	} else {
		pod->client = request->client;
		pod_unwire(core, pod);
	}
}

/* ---- clients that leave */

static void forget_waiting(struct pod *pod, uint32_t client)
{
	for (size_t i = 0; i < pod->n_waiting; i++) {
		if (pod->waiting[i].client != client)
			continue;
		/* A DEL is carried out even if its asker left: what it asked for stays true. */
		pod->waiting[i].client = 0;
		if (pod->waiting[i].type == REQUEST_DEL)
			continue;
		vec_close_gap(pod->waiting, pod->n_waiting, i, sizeof(pod->waiting[0]));
		pod->n_waiting--;
		i--;
	}
}

void pods_client_gone(struct core *core, uint32_t client)
{
	struct pods *pods = &core->pods;

	for (size_t i = 0; i < pods->n; i++) {
		if (pods->items[i]->client == client)
			pods->items[i]->client = 0;
		forget_waiting(pods->items[i], client);
	}
	for (size_t i = 0; i < pods->n_hungry; i++)
		if (pods->hungry[i].request.client == client)
			vec_close_gap(pods->hungry, pods->n_hungry--, i--, sizeof(*pods->hungry));
}

/* ---- what time brings */

static void feed_hungry(struct core *core)
{
	struct pods *pods = &core->pods;

	for (size_t i = 0; i < pods->n_hungry; i++) {
		struct request request = pods->hungry[i].request;
		bool late = core->session.leave_wanted ||
			    instant_reached(core->out.now, pods->hungry[i].until);
		struct pod *known = pods_find(pods, request.pod.container_id, request.pod.ifname);
		uint32_t ip;

		if (!late && !known && !blocks_take(&core->blocks, core->out.now, &ip))
			continue;
		vec_close_gap(pods->hungry, pods->n_hungry--, i--, sizeof(*pods->hungry));
		if (late)
			refuse_no_address(core, request.client);
		else if (known)
			pods_add(core, &request);
		else
			add_new(core, &request, ip);
	}
}

static void drop_unlinked(struct core *core)
{
	struct pod **due = NULL;
	size_t n = 0;

	for (size_t i = 0; i < core->pods.n; i++) {
		struct pod *pod = core->pods.items[i];

		if (pod->state != POD_UP ||
		    !instant_reached(core->out.now,
				     instant_add_ms(pod->unlinked_since, POD_UNLINKED_MS)))
			continue;
		out_trace(&core->out, TRACE_WARN,
			  "%s has had no interface for %d min and no DEL came -> its address is "
			  "freed",
			  pod->record.container_id, POD_UNLINKED_MS / 60000);
		pod->client = 0;
		if (!due)
			due = out_alloc(&core->out, core->pods.n * sizeof(struct pod *));
		due[n++] = pod;
	}
	pods_unwire_all(core, due, n);
}

void pods_run(struct core *core)
{
	blocks_rested(&core->blocks, core->out.now);
	feed_hungry(core);
	drop_unlinked(core);
	if (core->pods.log_records > 4 * core->pods.n + LOG_SLACK ||
	    instant_reached(core->out.now, core->pods.rewrite_at))
		pods_rewrite_log(core);
}

struct instant pods_deadline(const struct core *core)
{
	const struct pods *pods = &core->pods;
	struct instant at = instant_min(pods->rewrite_at, blocks_rest_deadline(&core->blocks));

	for (size_t i = 0; i < pods->n_hungry; i++)
		at = instant_min(at, pods->hungry[i].until);
	for (size_t i = 0; i < pods->n; i++)
		at = instant_min(at,
				 instant_add_ms(pods->items[i]->unlinked_since, POD_UNLINKED_MS));
	/* Under pressure a resting address is usable before its rest is over. */
	if (pods->n_hungry)
		at = instant_min(at, instant_add_ms(core->out.now, 500));
	return at;
}
