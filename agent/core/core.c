#include "core/core.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "core/answers.h"
#include "core/commands.h"
#include "core/forward.h"
#include "core/gossip.h"
#include "core/greet.h"
#include "core/pod_requests.h"
#include "core/pod_steps.h"
#include "core/report.h"
#include "core/state.h"

struct core *core_new(void)
{
	struct core *core = xcalloc(1, sizeof(*core));

	out_init(&core->out);
	members_init(&core->members);
	links_init(&core->links);
	dial_init(&core->dial);
	platform_init(&core->platform);
	ledger_init(&core->view);
	core->keeper = keeper_new();
	durable_init(&core->durable);
	orders_init(&core->orders);
	core->clone.until = instant_never();
	pods_init(&core->pods);
	return core;
}

void core_free(struct core *core)
{
	if (!core)
		return;
	pod_requests_done(&core->pod_requests);
	pods_done(&core->pods);
	blocks_done(&core->blocks);
	keeper_free(core->keeper);
	ledger_done(&core->view);
	platform_done(&core->platform);
	dial_done(&core->dial);
	links_done(&core->links);
	members_done(&core->members);
	out_done(&core->out);
	free(core);
}

bool core_in_cluster(const struct core *core)
{
	return !uuid_is_zero(&core->cluster);
}

void core_trouble_over(struct core *core, enum store_file file)
{
	if (core->trouble_of == file)
		core->trouble[0] = '\0';
}

struct endpoint core_listen(const struct core *core)
{
	struct endpoint listen = { .port = core->settings.port };
	uint32_t ip = core->underlay.ip;

	if (!core->underlay.have)
		return listen;
	listen.ip_len = 4;
	for (int i = 0; i < 4; i++)
		listen.ip[i] = (uint8_t)(ip >> (24 - 8 * i));
	return listen;
}

static void die(struct core *core, const char *text)
{
	out_add(&core->out, ACTION_DIE)->die = text;
	core->stopping = true;
}

/* ---- start and stop */

static void saved(struct core *core, const struct record *record)
{
	assert(!core->started);
	switch (record->type) {
	case RECORD_NODE:
		core->durable.node = record->node;
		break;
	case RECORD_KEEPER:
		if (!keeper_saved(core->keeper, &record->keeper))
			die(core, "keeper.log contradicts itself: move it away; without it this "
				  "node votes no more");
		break;
	case RECORD_ALLOC:
	case RECORD_FREE:
		pods_saved(&core->pods, record, core->out.now);
		break;
	case RECORD_TOKEN:
		core->durable.token = record->token;
		break;
	}
}

static bool range_fits(struct core *core)
{
	const struct record_node *node = &core->durable.node;
	char was[TEXT_PREFIX_MAX], is[TEXT_PREFIX_MAX];

	if (uuid_is_zero(&node->cluster))
		return true;
	if (node->block_len != BLOCK_LEN) {
		die(core, out_text(&core->out,
				   "this node's disk belongs to a cluster in /%u blocks, this "
				   "agent knows /%u: use the agent that wrote it, or an empty "
				   "--state",
				   node->block_len, BLOCK_LEN));
		return false;
	}
	if (node->range.ip == core->settings.range.ip &&
	    node->range.len == core->settings.range.len)
		return true;
	text_prefix(was, node->range.ip, node->range.len);
	text_prefix(is, core->settings.range.ip, core->settings.range.len);
	die(core, out_text(&core->out,
			   "this node's disk belongs to a cluster with --range %s, started with "
			   "%s: use %s, or an empty --state",
			   was, is, was));
	return false;
}

/* A keeper shows the newest value of its own log; everybody else learns it from gossip. */
static void show_keeper_value(struct core *core)
{
	ledger_copy(&core->view, keeper_value(core->keeper));
	core->view.proposer = core->settings.uid;
	core_view_changed(core);
}

static void say_underlay(struct core *core, const struct underlay *underlay)
{
	if (underlay->have)
		out_trace(&core->out, TRACE_INFO, "underlay: %s -> pods get MTU %u", underlay->text,
			  underlay->mtu > 50 ? underlay->mtu - 50 : 0);
	else
		out_trace(&core->out, TRACE_WARN,
			  "no underlay address: %s -> the tunnel stays as it is", underlay->text);
}

static void say_range(struct core *core)
{
	char range[TEXT_PREFIX_MAX];

	text_prefix(range, core->settings.range.ip, core->settings.range.len);
	out_trace(&core->out, TRACE_INFO, "ipalloc: pods of all nodes get addresses of %s", range);
}

static void tell_losses(struct core *core, const struct start *start)
{
	static const char *const lost[STORE_FILE_COUNT] = {
		[STORE_NODE] =
			"node.log cannot be read -> attaching anew, blocks come from the ledger",
		[STORE_KEEPER] = "keeper.log cannot be read -> this node votes no more",
		[STORE_PODS] = "pods.log cannot be read -> pods are adopted from their interfaces",
	};

	for (int i = 0; i < STORE_FILE_COUNT; i++)
		if (start->store_lost[i])
			out_trace(&core->out, TRACE_ERR, "%s", lost[i]);
}

static void peers_known(struct core *core, size_t n, const struct endpoint *peers,
			const char *missing)
{
	for (size_t i = 0; i < n; i++)
		dial_configured(&core->dial, &peers[i]);
	core->missing_peer[0] = '\0';
	if (missing && strlen(missing) < sizeof(core->missing_peer))
		memcpy(core->missing_peer, missing, strlen(missing) + 1);
}

static void started(struct core *core, const struct start *start)
{
	bool same_boot;

	assert(start->settings->block_len == BLOCK_LEN);
	core->settings = *start->settings;
	core->settings.peers = NULL;
	core->settings.missing_peer = NULL;
	core->said.incarnation = core->settings.incarnation;
	core->started = true;
	core->started_at = core->out.now;
	core->underlay = start->underlay;
	prng_seed(&core->prng, core->settings.seed);
	tell_losses(core, start);
	say_range(core);
	say_underlay(core, &start->underlay);
	if (!range_fits(core))
		return;
	peers_known(core, start->settings->n_peers, start->settings->peers,
		    start->settings->missing_peer);
	core->cluster = core->durable.node.cluster;
	same_boot = boot_eq(&core->durable.token.boot, &core->settings.boot);
	blocks_init(&core->blocks, core->settings.range,
		    core->durable.node.n_blocks > 0 && !same_boot);
	gossip_self_changed(core);
	gossip_say(core);
	session_start(core);
	pod_steps_start(core, &start->host_ends);
	forward_changed(core, FORWARD_ALL);
	if (keeper_start(core->keeper, &core->settings.uid, start->store_lost[STORE_KEEPER],
			 &core->out)) {
		core->cluster = keeper_value(core->keeper)->config.cluster;
		show_keeper_value(core);
	}
	core->logs_lost = start->store_lost[STORE_NODE] || start->store_lost[STORE_KEEPER];
	greet_found(core);
}

static void stop(struct core *core)
{
	core->stopping = true;
	for (size_t i = 0; i < core->links.n; i++)
		link_bye(&core->links, core->links.items[i], BYE_LEAVING,
			 "the agent stops; its pods go on", &core->out);
}

/* ---- the view */

void core_view_changed(struct core *core)
{
	if (!core_in_cluster(core)) {
		core->cluster = core->view.config.cluster;
		if (!keeper_votes(core->keeper))
			out_trace(&core->out, TRACE_INFO,
				  "found a cluster (ledger version %llu) -> joining it",
				  (unsigned long long)core->view.version);
	}
	forward_changed(core, FORWARD_ALL);
	session_view_changed(core);
	gossip_view_changed(core);
}

/* ---- links */

static void link_closed(struct core *core, struct link *link, const char *reason)
{
	if (link->state == LINK_UP)
		out_trace(&core->out, TRACE_WARN, "link to %s lost (%s) -> dialling again",
			  link->name, reason);
	else if (link->state != LINK_DRAIN && link->dialled)
		out_trace(&core->out, TRACE_DEBUG, "%s: %s -> later again",
			  link_label(link, &core->out), reason);
	if (link->dialled)
		dial_ended(core, &link->remote);
	keeper_link_closed(core->keeper, link->id);
	links_remove(&core->links, link);
}

static void message(struct core *core, struct link *link, const struct message *message)
{
	link->heard = core->out.now;
	core->frames_in++;
	if (link->state == LINK_DRAIN)
		return;
	if (message->type == MESSAGE_HELLO) {
		greet_hello(core, link, &message->hello);
		return;
	}
	if (message->type == MESSAGE_BYE) {
		greet_bye(core, link, &message->bye);
		return;
	}
	if (link->state != LINK_UP) {
		link_bye(&core->links, link, BYE_PROTOCOL, "a message before the greeting",
			 &core->out);
		return;
	}
	switch (message->type) {
	case MESSAGE_HELLO:
	case MESSAGE_BYE:
		break;
	case MESSAGE_PING:
		gossip_ping(core, link, &message->ping);
		break;
	case MESSAGE_DELTA:
		gossip_delta(core, link, &message->delta);
		break;
	case MESSAGE_WANT_MEMBERS:
		gossip_want_members(core, link);
		break;
	case MESSAGE_FEED:
		gossip_feed(core, link, &message->feed);
		break;
	case MESSAGE_COMMAND:
		commands_take(core, link, &message->command);
		break;
	case MESSAGE_REPLY:
		orders_reply(core, &link->uid, &message->reply);
		break;
	}
}

static void link_event(struct core *core, const struct event *event)
{
	struct link *link = links_find(&core->links, event->link.link);

	if (event->type == EVENT_LINK_ACCEPTED) {
		(void)links_add(&core->links, event->link.link, false, &event->link.from,
				core->out.now);
		return;
	}
	if (!link)
		return;
	if (event->type == EVENT_LINK_CLOSED) {
		link_closed(core, link, event->link.reason);
	} else if (event->type == EVENT_LINK_WRITABLE) {
		link->blocked_since = instant_never();
	} else if (event->type == EVENT_LINK_MESSAGE) {
		message(core, link, event->link.message);
	} else if (event->type == EVENT_LINK_CONNECTED && link->state == LINK_CONNECT) {
		link_move(link, LINK_HANDSHAKE, core->out.now);
	} else if (event->type == EVENT_LINK_SECURED && link->state == LINK_HANDSHAKE) {
		link->heard = core->out.now;
		greet_secured(core, link);
	}
}

/* ---- what was asked of io/ */

static void stored(struct core *core, uint64_t tag, int error, const char *text)
{
	struct keeper_chosen chosen = { 0 };

	switch (TAG_OWNER(tag)) {
	case DURABLE_TAG:
		durable_stored(core, tag, error, text);
		break;
	case PODS_TAG:
		pod_steps_stored(core, tag, error, text);
		break;
	case KEEPER_TAG:
		(void)keeper_stored(core->keeper, tag, error, text, &core->out, &chosen);
		if (chosen.chosen) {
			core->founding = false;
			gossip_self_changed(core);
			show_keeper_value(core);
		}
		commands_reply(core, &chosen);
		break;
	}
}

static void underlay_changed(struct core *core, const struct underlay *underlay)
{
	say_underlay(core, underlay);
	core->underlay = *underlay;
	dial_at_once(core);
	gossip_self_changed(core);
	forward_changed(core, FORWARD_ALL);
}

static void kernel_reported(struct core *core, const struct kernel_report *report)
{
	core->kernel = *report;
	core->kernel_passes++;
	core->kernel_repaired += report->repaired;
}

static void requested(struct core *core, const struct request *request)
{
	char why[TEXT_LEN_MAX + 1];

	switch (request->type) {
	case REQUEST_ADD:
		pod_requests_add(core, request);
		break;
	case REQUEST_DEL:
		pod_requests_del(core, request);
		break;
	case REQUEST_STATUS:
		report_status(core, request);
		break;
	case REQUEST_LEAVE:
		if (session_leave(core, why))
			answer_done(core, request->client);
		else
			answer_refuse(core, request->client, ANSWER_FAILED, "", "%s", why);
		break;
	case REQUEST_READY:
		answer_ready(core, request->client);
		break;
	case REQUEST_PLATFORM:
		platform_told(core, request);
		break;
	}
}

static void fold(struct core *core, const struct event *event)
{
	switch (event->type) {
	case EVENT_SAVED:
		saved(core, event->saved);
		break;
	case EVENT_START:
		started(core, event->start);
		break;
	case EVENT_TIME:
		break;
	case EVENT_LINK_ACCEPTED:
	case EVENT_LINK_CONNECTED:
	case EVENT_LINK_SECURED:
	case EVENT_LINK_MESSAGE:
	case EVENT_LINK_WRITABLE:
	case EVENT_LINK_CLOSED:
		link_event(core, event);
		break;
	case EVENT_STORED:
		stored(core, event->stored.tag, event->stored.error, event->stored.text);
		break;
	case EVENT_REQUEST:
		requested(core, event->request);
		break;
	case EVENT_REQUEST_GONE:
		pod_requests_client_gone(core, event->client);
		break;
	case EVENT_POD_WIRED:
		pod_steps_wired(core, event->pod.job, event->pod.error, event->pod.text);
		break;
	case EVENT_POD_UNWIRED:
		pod_steps_unwired(core, event->pod.job, event->pod.error, event->pod.text);
		break;
	case EVENT_PEERS:
		peers_known(core, event->peers.n, event->peers.peers, event->peers.missing);
		greet_found(core);
		break;
	case EVENT_RUNTIME:
		text_line(core->runtime_trouble, "%s", event->runtime.trouble);
		text_line(core->runtime_warning, "%s", event->runtime.warning);
		break;
	case EVENT_UNDERLAY:
		underlay_changed(core, event->underlay);
		break;
	case EVENT_KERNEL:
		kernel_reported(core, event->kernel);
		break;
	case EVENT_HOST_ENDS:
		pod_steps_host_ends(core, &event->host_ends);
		break;
	case EVENT_STOP:
		stop(core);
		break;
	case EVENT_TYPE_COUNT:
		assert(false && "not an event");
	}
}

static void answer_commands(struct core *core)
{
	struct keeper_chosen answered = { 0 };

	keeper_answered(core->keeper, &core->out, &answered);
	commands_reply(core, &answered);
}

/* What every step ends with: whatever became due, in the order in which one thing feeds the next.
 */
static void settle(struct core *core)
{
	if (!core->started || core->stopping)
		return;
	links_expire(&core->links, &core->out);
	keeper_thaw(core->keeper, &core->out);
	session_run(core);
	answer_commands(core);
	pod_requests_run(core);
	pod_steps_run(core);
	pods_run(core);
	dial_run(core);
	gossip_say(core);
	gossip_flush(core);
	forward_emit(core);
}

const struct actions *core_step(struct core *core, const struct event *event)
{
	out_begin(&core->out, event->now);
	fold(core, event);
	settle(core);
	return &core->out.actions;
}

struct instant core_deadline(const struct core *core)
{
	struct instant at = instant_never();

	if (!core->started)
		return at;
	at = instant_min(at, links_deadline(&core->links));
	if (core->stopping)
		return at;
	at = instant_min(at, dial_deadline(core));
	at = instant_min(at, session_deadline(core));
	at = instant_min(at, pod_requests_deadline(core));
	at = instant_min(at, pod_steps_deadline(core));
	at = instant_min(at, pods_deadline(core));
	return instant_min(at, keeper_deadline(core->keeper));
}

bool core_ready(const struct core *core)
{
	struct answer why;

	return core->started && pod_requests_ready(core, &why);
}
