#include "core/pod_steps.h"

#include <assert.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "core/answers.h"
#include "core/forward.h"
#include "core/pod_requests.h"
#include "core/state.h"

static void become(struct core *core, struct pod *pod, enum pod_state next)
{
	bool was = pod_is_wanted(pod);

	pod_become(pod, next, core->out.now);
	if (pod_is_wanted(pod) != was)
		forward_changed(core, FORWARD_PODS);
}

void pod_steps_record(struct core *core, const struct record_pod *record, uint32_t client)
{
	struct pod *pod = pods_insert(&core->pods, record, POD_RECORDING, core->out.now);

	pod->client = client;
	pod->tag = pods_log(core, RECORD_ALLOC, pod);
	if (MUTANT(&core->settings, MUTANT_ANSWER_FIRST))
		answer_pod(core, pod, client);
}

void pod_steps_wire(struct core *core, struct pod *pod)
{
	struct wire_pod *wire = out_alloc(&core->out, sizeof(*wire));
	struct action *action;

	become(core, pod, POD_WIRING);
	pod->job = wire->job = core->pods.next_job++;
	wire->client = pod->client;
	memcpy(wire->host_if, pod->host_if, sizeof(wire->host_if));
	memcpy(wire->pod_if, pod->ifname, strlen(pod->ifname)); /* the rest is zero */
	pod_alias(pod, wire->alias);
	wire->ip = pod->ip;
	wire->node_ip = blocks_node_ip(&core->blocks);
	wire->mtu = pod->mtu;
	wire->host_mac = pod_host_mac();
	wire->pod_mac = pod_mac_of(pod->ip);
	wire->replace = pod->earlier;
	forward_emit(
		core); /* wanted before it exists: no pass in between takes it for a stranger's */
	action = out_add(&core->out, ACTION_WIRE);
	action->wire = wire;
}

static void unwire(struct core *core, uint32_t job, const char *host_if)
{
	struct action *action;

	forward_emit(core); /* unwanted before it goes: no pass in between puts it back */
	action = out_add(&core->out, ACTION_UNWIRE);
	action->unwire.job = job;
	memcpy(action->unwire.host_if, host_if, sizeof(action->unwire.host_if));
}

/* All are unwanted before the first goes: one want for all of them, however many. */
static void unwire_all(struct core *core, struct pod **pods, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		become(core, pods[i], POD_UNWIRING);
		pods[i]->job = core->pods.next_job++;
	}
	for (size_t i = 0; i < n; i++)
		unwire(core, pods[i]->job, pods[i]->host_if);
}

void pod_steps_unwire(struct core *core, struct pod *pod)
{
	unwire_all(core, &pod, 1);
}

static void unwire_stray(struct core *core, const char *host_if)
{
	out_trace(&core->out, TRACE_WARN, "%s has neither a record nor a name we know -> removed",
		  host_if);
	unwire(core, core->pods.next_job++, host_if);
}

static void pod_free(struct core *core, struct pod *pod)
{
	become(core, pod, POD_FREEING);
	pod->tag = pods_log(core, RECORD_FREE, pod);
}

static void freed(struct core *core, struct pod *pod, int error, const char *text)
{
	char ip[TEXT_IP4_MAX];

	text_ip4(ip, pod->ip);
	/* Not a reason to keep the address: the next record of it implies this one. */
	if (error)
		out_trace(&core->out, TRACE_WARN, "%s -> %s freed without a record of it", text,
			  ip);
	blocks_free(&core->blocks, pod->ip, core->out.now);
	core->pods.deleted++;
	out_trace(&core->out, TRACE_INFO, "ipalloc: %s of %s freed -> rests %d s", ip,
		  pod->container_id, REST_MS / 1000);
	if (pod->failure)
		answer_refuse(core, pod->client, ANSWER_FAILED, "", "%s", pod->failure);
	else
		answer_done(core, pod->client);
	pod_requests_wake(core, pod, true);
}

static void unrecorded(struct core *core, struct pod *pod, const char *text)
{
	core->trouble_of = STORE_PODS;
	text_line(core->trouble, "%s", text);
	blocks_untake(&core->blocks, pod->ip);
	answer_refuse(core, pod->client, ANSWER_IO,
		      "free some memory of the file system that holds the agent's --run directory",
		      "the pod's address cannot be recorded: %s", text);
	pod_requests_wake(core, pod, true);
}

void pod_steps_stored(struct core *core, uint64_t tag, int error, const char *text)
{
	/* A record, a FREE, an adoption, the whole log: whatever failed, the log says too little or
	 * too much now. */
	if (error)
		core->pods.rewrite_at = instant_add_ms(core->out.now, POD_REWRITE_MS);
	else
		core_trouble_over(core, STORE_PODS);
	for (size_t i = 0; i < core->pods.n; i++) {
		struct pod *pod = core->pods.items[i];

		if (pod->tag != tag)
			continue;
		pod->tag = 0;
		if (pod->state == POD_FREEING)
			freed(core, pod, error, text);
		else if (error)
			unrecorded(core, pod, text);
		else
			pod_steps_wire(core, pod);
		return;
	}
}

static void fail(struct core *core, struct pod *pod, const char *text)
{
	pod->failure = xstrdup(out_text(&core->out, "cannot attach %s: %s", pod->ifname, text));
	/* The kernel's own undoing may have failed, or an earlier life have made something: be
	 * sure. */
	pod_steps_unwire(core, pod);
}

void pod_steps_wired(struct core *core, uint32_t job, int error, const char *text)
{
	struct pod *pod = pods_by_job(&core->pods, job);
	char ip[TEXT_IP4_MAX];

	if (!pod || pod->state != POD_WIRING)
		return;
	if (error) {
		out_trace(&core->out, TRACE_WARN, "attaching %s failed: %s -> undone, ADD refused",
			  pod->container_id, text);
		fail(core, pod, text);
		return;
	}
	if (!pod->client) { /* the asker left: nobody would ever use it */
		pod_steps_unwire(core, pod);
		return;
	}
	pod->has_end = true;
	become(core, pod, POD_UP);
	pod->earlier = false;
	core->pods.added++;
	text_ip4(ip, pod->ip);
	out_trace(&core->out, TRACE_INFO, "ipalloc: %s given to %s%s%s on %s", ip,
		  pod->container_id, pod->name[0] ? " " : "", pod->name, pod->host_if);
	if (!MUTANT(&core->settings, MUTANT_ANSWER_FIRST))
		answer_pod(core, pod, pod->client);
	pod->client = 0;
	pod_requests_wake(core, pod, false);
}

void pod_steps_unwired(struct core *core, uint32_t job, int error, const char *text)
{
	struct pod *pod = pods_by_job(&core->pods, job);

	if (!pod || pod->state != POD_UNWIRING)
		return;
	if (!error) {
		pod_free(core, pod);
		return;
	}
	out_trace(&core->out, TRACE_ERR, "%s cannot be removed: %s -> its address stays taken",
		  pod->host_if, text);
	if (pod->client)
		answer_refuse(core, pod->client, ANSWER_FAILED, "the runtime will ask again",
			      "cannot remove %s: %s", pod->host_if, text);
	pod->client = 0;
	free(pod->failure);
	pod->failure = NULL;
	become(core, pod, POD_UP);
	pod_requests_wake(core, pod, false);
}

static void watch_no_end(struct core *core)
{
	for (size_t i = 0; i < core->pods.n; i++) {
		struct pod *pod = core->pods.items[i];

		if (pod->state != POD_UP || pod->has_end)
			pod->no_end_since = instant_never();
		else if (instant_is_never(pod->no_end_since))
			pod->no_end_since = core->out.now;
	}
}

static bool adoptable(const struct core *core, const struct host_end *end)
{
	char expected[IFNAME_LEN_MAX + 1];

	if (!end->container_id[0] || !end->ip || !prefix_has(core->settings.range, end->ip))
		return false;
	pod_host_if(end->container_id, end->ifname, expected);
	return strcmp(expected, end->host_if) == 0 && !pods_by_ip(&core->pods, end->ip);
}

static void adopt(struct core *core, const struct host_end *end)
{
	struct record_pod record = { .ip = end->ip, .mtu = end->mtu };
	struct pod *pod;
	char ip[TEXT_IP4_MAX];

	memcpy(record.container_id, end->container_id, sizeof(record.container_id));
	memcpy(record.ifname, end->ifname, sizeof(record.ifname));
	pod = pods_insert(&core->pods, &record, POD_UP, core->out.now);
	pod->earlier = pod->has_end = true;
	forward_changed(core, FORWARD_PODS);
	blocks_use(&core->blocks, end->ip);
	(void)pods_log(core, RECORD_ALLOC, pod);
	text_ip4(ip, end->ip);
	out_trace(&core->out, TRACE_WARN, "pod %s on %s has %s but no record -> adopted",
		  end->container_id, end->host_if, ip);
}

/* Both what exists and what is recorded are true: records without a host end wait for their DEL,
 * host ends without a record are adopted when they say whose they are, and removed when they do
 * not. */
void pod_steps_host_ends(struct core *core, const struct host_ends *found)
{
	for (size_t i = 0; i < core->pods.n; i++)
		if (core->pods.items[i]->state == POD_UP)
			core->pods.items[i]->has_end = false;
	for (size_t i = 0; i < found->n; i++) {
		const struct host_end *end = &found->ends[i];
		struct pod *pod = pods_by_host_if(&core->pods, end->host_if);

		/* By its name, the hash of both: an alias may be lost, and a running pod must not
		 * be. */
		if (pod) {
			if (pod->state == POD_UP)
				pod->has_end = true;
		} else if (adoptable(core, end)) {
			adopt(core, end);
		} else {
			unwire_stray(core, end->host_if);
		}
	}
	watch_no_end(core);
}

void pod_steps_start(struct core *core, const struct host_ends *found)
{
	pods_take_addresses(&core->pods, &core->blocks, core->out.now);
	pod_steps_host_ends(core, found);
	if (core->pods.n || core->pods.log_records)
		out_trace(&core->out, TRACE_INFO,
			  "%zu pod%s of an earlier life of this agent -> kept", core->pods.n,
			  core->pods.n == 1 ? "" : "s");
}

/* ---- what time brings */

static void drop_no_end(struct core *core)
{
	struct pod **due = NULL;
	size_t n = 0;

	for (size_t i = 0; i < core->pods.n; i++) {
		struct pod *pod = core->pods.items[i];

		if (pod->state != POD_UP ||
		    !instant_reached(core->out.now,
				     instant_add_ms(pod->no_end_since, POD_NO_END_MS)))
			continue;
		out_trace(&core->out, TRACE_WARN,
			  "%s has had no interface for %d min and no DEL came -> its address is "
			  "freed",
			  pod->container_id, POD_NO_END_MS / 60000);
		pod->client = 0;
		if (!due)
			due = out_alloc(&core->out, core->pods.n * sizeof(struct pod *));
		due[n++] = pod;
	}
	unwire_all(core, due, n);
}

void pod_steps_run(struct core *core)
{
	drop_no_end(core);
}

struct instant pod_steps_deadline(const struct core *core)
{
	struct instant at = instant_never();

	for (size_t i = 0; i < core->pods.n; i++)
		at = instant_min(at,
				 instant_add_ms(core->pods.items[i]->no_end_since, POD_NO_END_MS));
	return at;
}
