#include "core/report.h"

#include <assert.h>

#include "base/err.h"
#include "core/greet.h"
#include "core/state.h"
#include "core/status.h"

enum { WARNINGS_MAX = 16 }; /* more than there are kinds */

static const char *state_word(const struct core *core)
{
	struct answer why;
	static const char *const words[SESSION_STATE_COUNT] = {
		[SESSION_NONE] = "waiting",        [SESSION_PREPARING] = "attaching",
		[SESSION_ATTACHING] = "attaching", [SESSION_ATTACHED] = "attaching",
		[SESSION_DENIED] = "denied",       [SESSION_LEFT] = "left",
	};

	if (core->stopping)
		return "stopping";
	if (core->session.leave_wanted && core->session.state == SESSION_ATTACHED)
		return "leaving";
	if (!core_in_cluster(core))
		return "searching";
	if (pod_requests_ready(core, &why))
		return "ready";
	if (core->session.state == SESSION_ATTACHED && blocks_count(&core->blocks).confirmed)
		return "waiting";
	return words[core->session.state];
}

static const char *state_detail(struct core *core)
{
	char waiting[TEXT_LEN_MAX + 1];
	struct answer why;

	if (clone_alarm(core))
		return "another agent runs with this node's identity: give each node a disk and "
		       "machine-id of its own";
	if (core->trouble[0])
		return core->trouble;
	if (!core_in_cluster(core)) {
		greet_waiting_for(core, waiting);
		return out_text(&core->out, "%s", waiting);
	}
	if (core->view.version == 0 && core->session.state != SESSION_ATTACHED)
		return "the cluster's ledger has not arrived yet: no linked peer has it";
	if (core->session.state == SESSION_ATTACHED && !pod_requests_ready(core, &why))
		return out_text(&core->out, "%s", why.text);
	return core->session.why;
}

static void peer_of(struct core *core, const struct member *member, struct status_peer *ret)
{
	const struct link *link = links_with(&core->links, &member->uid);
	const struct link *up = links_up_with(&core->links, &member->uid);
	bool self = uid_eq(&member->uid, &core->settings.uid);

	*ret = (struct status_peer){
		.uid = member->uid,
		.name = member->body.name,
		.agent_version = member->body.agent_version,
		.endpoint = member->body.control,
		.vtep_ip = member->body.vtep_ip,
		.node_ip = member->body.node_ip,
		.vtep_mac = member->body.vtep_mac,
		.mtu = member->body.mtu,
		.epoch = member->body.epoch,
		.incarnation = member->incarnation,
		.link = self          ? "self"
			: !up         ? "none"
			: up->dialled ? "dialled"
				      : "accepted",
		.why = "",
	};
	ret->state = self ? "this node" : up ? "linked" : link ? "greeting" : "known";
	if (member->body.state == MEMBER_STATE_LEAVING)
		ret->state = "left";
	else if (!up && !self && links_count(&core->links, LINK_UP, true) < LINK_DIALLED_WANTED)
		ret->why = "no link: dialled again every few seconds; its routes stay";
	ret->since_ms = (uint64_t)instant_diff_ms(core->out.now, up ? up->since : member->heard);
}

/* Blocks owned by each member, by slot; one walk, and neighbours mostly have one owner. */
static uint32_t *count_blocks(struct core *core)
{
	uint32_t *counts = out_alloc(&core->out, (core->members.n + 1) * sizeof(*counts));
	const struct uid *last = NULL;
	uint32_t slot = MEMBER_NONE;

	for (uint32_t block = 0; block < core->view.n_blocks; block++) {
		const struct block_row *row = &core->view.blocks[block];

		if (row->state != BLOCK_OWNED)
			continue;
		if (!last || !uid_eq(last, &row->owner))
			slot = members_find(&core->members, &row->owner);
		last = &row->owner;
		if (slot != MEMBER_NONE)
			counts[slot]++;
	}
	return counts;
}

/* Of each row; one walk, and neighbours mostly have one owner. */
static uint32_t *count_blocks_of_rows(struct core *core)
{
	uint32_t *counts = out_alloc(&core->out, (core->view.n_peers + 1) * sizeof(*counts));
	const struct peer_row *row = NULL;

	for (uint32_t block = 0; block < core->view.n_blocks; block++) {
		const struct block_row *of = &core->view.blocks[block];

		if (of->state != BLOCK_OWNED)
			continue;
		if (!row || !uid_eq(&row->uid, &of->owner))
			row = ledger_peer_by_uid(&core->view, &of->owner);
		if (row)
			counts[row - core->view.peers]++;
	}
	return counts;
}

/* A node that is down is looked for just when it is: what the ledger has of it is shown. */
static void add_not_heard_of(struct core *core, struct status_report *report,
			     struct status_peer *peers)
{
	const uint32_t *counts = count_blocks_of_rows(core);

	for (size_t i = 0; i < core->view.n_peers; i++) {
		const struct peer_row *row = &core->view.peers[i];
		const struct member *member = members_by_uid(&core->members, &row->uid);

		if (row->status != PEER_ATTACHED || (member && member->version))
			continue;
		peers[report->n_peers++] = (struct status_peer){
			.uid = row->uid,
			.name = row->name,
			.state = "not heard of",
			.link = "none",
			.agent_version = "",
			.why = "in the ledger, and nobody has told of it since this agent started",
			.epoch = row->epoch,
			.n_blocks = counts[i],
			.since_ms = (uint64_t)instant_diff_ms(core->out.now, core->started_at),
		};
	}
}

static void fill_peers(struct core *core, struct status_report *report)
{
	struct status_peer *peers =
		out_alloc(&core->out, (core->members.n + core->view.n_peers + 1) * sizeof(*peers));
	const uint32_t *counts = count_blocks(core);

	for (size_t i = 0; i < core->members.n; i++) {
		uint32_t slot = core->members.ring[i];

		if (core->members.slots[slot]->version == 0)
			continue;
		peer_of(core, core->members.slots[slot], &peers[report->n_peers]);
		peers[report->n_peers++].n_blocks = counts[slot];
	}
	add_not_heard_of(core, report, peers);
	report->peers = peers;
}

static const char *owner_name(struct core *core, const struct uid *uid)
{
	const struct peer_row *row = ledger_peer_by_uid(&core->view, uid);

	return row ? row->name : "(unknown)";
}

static bool same_run(const struct core *core, uint32_t a, uint32_t b)
{
	const struct block_row *left = &core->view.blocks[a], *right = &core->view.blocks[b];

	return left->state == right->state && uid_eq(&left->owner, &right->owner);
}

/* The largest aligned piece that starts here and does not pass `end`. */
static uint32_t aligned_piece(uint32_t block, uint32_t end)
{
	uint32_t piece = 1;

	while (block % (piece * 2) == 0 && block + piece * 2 <= end)
		piece *= 2;
	return piece;
}

static void fill_own(const struct own_block *own, struct status_block *ret)
{
	ret->own = true;
	ret->confirmed = own->confirmed;
	ret->used = (uint32_t)__builtin_popcountll(own->used);
	ret->resting = (uint32_t)__builtin_popcountll(own->resting);
	ret->free = (uint32_t)__builtin_popcountll(~(own->used | own->resting | own->reserved));
}

static void add_block(struct core *core, struct status_report *report, struct status_block *blocks,
		      uint32_t block, uint32_t piece)
{
	static const char *const words[] = { [BLOCK_FREE] = "free",
					     [BLOCK_OWNED] = "owned",
					     [BLOCK_COOLING] = "cooling",
					     [BLOCK_HELD] = "held" };
	const struct block_row *row = &core->view.blocks[block];
	const struct own_block *own = blocks_find(&core->blocks, block);
	struct status_block *ret = &blocks[report->n_blocks++];

	*ret = (struct status_block){
		.prefix = { .ip = core->view.config.range.ip + block * BLOCK_SIZE,
			    .len = (uint8_t)(BLOCK_LEN - __builtin_ctz(piece)) },
		.state = words[row->state],
		.owner = row->state == BLOCK_OWNED || row->state == BLOCK_HELD
				 ? owner_name(core, &row->owner)
				 : "",
		.count = piece,
	};
	if (own)
		fill_own(own, ret);
}

/* The piece that starts here: a block of ours, or the largest aligned part of a run of blocks
 * alike. */
static uint32_t piece_at(const struct core *core, uint32_t block)
{
	uint32_t end = block + 1;

	if (blocks_find(&core->blocks, block))
		return 1;
	while (end < core->view.n_blocks && same_run(core, block, end))
		end++;
	return aligned_piece(block, end);
}

static void fill_blocks(struct core *core, struct status_report *report)
{
	struct status_block *blocks;
	size_t n = core->blocks.n;

	for (uint32_t block = 0; block < core->view.n_blocks; block += piece_at(core, block))
		n++;
	blocks = out_alloc(&core->out, n * sizeof(*blocks));
	for (uint32_t block = 0; block < core->view.n_blocks;) {
		uint32_t piece = piece_at(core, block);

		add_block(core, report, blocks, block, piece);
		block += piece;
	}
	for (size_t i = 0; core->view.n_blocks == 0 && i < core->blocks.n;
	     i++) { /* continuity: the ledger comes later */
		struct status_block *ret = &blocks[report->n_blocks++];

		*ret = (struct status_block){ .prefix = { core->blocks.own[i]->base, BLOCK_LEN },
					      .state = "owned",
					      .owner = core->settings.name,
					      .count = 1 };
		fill_own(core->blocks.own[i], ret);
	}
	report->blocks = blocks;
}

/* A pod is older than this process; its record's wall clock is good enough for people. */
static uint64_t pod_age_ms(const struct core *core, const struct pod *pod, uint64_t wall_s)
{
	uint64_t made_at_s = pod->made_at_s;

	if (made_at_s && wall_s >= made_at_s)
		return (wall_s - made_at_s) * 1000;
	return (uint64_t)instant_diff_ms(core->out.now, pod->since);
}

static void warn(struct core *core, struct status_report *report, const char *text)
{
	assert(report->n_warnings < WARNINGS_MAX);
	report->warnings[report->n_warnings++] = out_text(&core->out, "%s", text);
}

/* Kept because it runs, but no other node reaches it: they send to who owns the block. */
static bool is_foreign(const struct core *core, const struct pod *pod)
{
	return pod->state == POD_UP && !session_may_own(core, pod->ip);
}

static void warn_of_foreign(struct core *core, struct status_report *report)
{
	unsigned n = 0;

	for (size_t i = 0; i < core->pods.n; i++)
		n += is_foreign(core, core->pods.items[i]);
	if (n)
		warn(core, report,
		     out_text(
			     &core->out,
			     "%u pod%s here with an address of a block that is not this node's: no "
			     "other node reaches %s; make them anew (weftctl pods)",
			     n, n == 1 ? "" : "s", n == 1 ? "it" : "them"));
}

static void fill_pods(struct core *core, struct status_report *report, uint64_t wall_s)
{
	struct status_pod *pods = out_alloc(&core->out, (core->pods.n + 1) * sizeof(*pods));

	for (size_t i = 0; i < core->pods.n; i++) {
		const struct pod *pod = core->pods.items[i];
		struct status_pod *ret = &pods[report->n_pods++];

		*ret = (struct status_pod){
			.container_id = pod->container_id,
			.ifname = pod->ifname,
			.pod = pod->name,
			.netns = pod->netns,
			.state = is_foreign(core, pod) ? "foreign block" : pod_state_name(pod),
			.ip = pod->ip,
			.mtu = pod->mtu,
			.mac = pod_mac_of(pod->ip),
			.since_ms = pod_age_ms(core, pod, wall_s),
		};
		memcpy(ret->host_if, pod->host_if, sizeof(ret->host_if));
		report->pods_up += pod->state == POD_UP && pod->has_end;
	}
	report->pods = pods;
}

static void warn_of_platform(struct core *core, struct status_report *report)
{
	const char *texts[PLATFORM_WARNINGS_MAX];
	size_t n = platform_warnings(core, texts);

	for (size_t i = 0; i < n; i++)
		warn(core, report, texts[i]);
}

static void fill_warnings(struct core *core, struct status_report *report)
{
	report->warnings = out_alloc(&core->out, WARNINGS_MAX * sizeof(*report->warnings));
	if (clone_alarm(core))
		warn(core, report,
		     "another agent runs with this node's identity: new addresses are held back "
		     "here");
	if (core->trouble[0])
		warn(core, report, core->trouble);
	if (core->runtime_trouble[0])
		warn(core, report, core->runtime_trouble);
	if (core->runtime_warning[0])
		warn(core, report, core->runtime_warning);
	if (platform_is_another(core))
		warn(core, report,
		     "the ConfigMap names another cluster than this node's: no new pod here until "
		     "one of the two is given up");
	warn_of_platform(core, report);
	if (core->keeper_doubted)
		warn(core, report,
		     "this keeper's log was rolled back: it does not vote; no node gets a new "
		     "block");
	warn_of_foreign(core, report);
	if (core->kernel.failed)
		warn(core, report, core->kernel.text);
	if (core->feeds_false)
		warn(core, report, "a peer sent a false copy of the ledger; it was not taken");
	if (core->kernel.spoofed_packets)
		warn(core, report,
		     "pods sent packets that are not theirs to send; they were dropped");
	if (core->view.version && core->view.config.n_keepers == 1 && core->members.n > 2)
		warn(core, report,
		     "one keeper only: if its disk is lost, no node gets a new block");
}

static void fill_ledger(struct core *core, struct status_report *report)
{
	const struct ledger *view = &core->view;

	report->cluster = core->cluster;
	report->cluster_name = core->settings.cluster_name;
	report->ledger_version = view->version;
	report->keepers = out_alloc(&core->out, KEEPERS_MAX * sizeof(*report->keepers));
	for (size_t i = 0; i < view->config.n_keepers; i++)
		report->keepers[report->n_keepers++] =
			owner_name(core, &view->config.keeper_uid[i]);
	report->is_keeper = keeper_votes(core->keeper);
	report->keeper_path = report->is_keeper    ? "this node"
			      : view->version == 0 ? "not known yet"
			      : links_up_with(&core->links, &view->proposer)
				      ? "linked"
				      : "no link now; it is dialled when needed";
	report->blocks_total = view->version ? ledger_block_count(&view->config) : 0;
	for (uint32_t block = 0; block < view->n_blocks; block++)
		report->blocks_free += view->blocks[block].state == BLOCK_FREE;
}

static void fill_counters(struct core *core, struct status_report *report)
{
	const struct status_counter counters[] = {
		{ "pods attached", core->pods.added },
		{ "pods detached", core->pods.deleted },
		{ "requests refused", core->pods.refused },
		{ "links opened", core->links.opened },
		{ "links closed", core->links.closed },
		{ "links refused", core->links.refused },
		{ "messages received", core->frames_in },
		{ "false ledger copies", core->feeds_false },
		{ "ledger rows refused", core->feeds_refused },
		{ "other agents with this identity met", core->clones_seen },
	};
	struct status_counter *copy = out_alloc(&core->out, sizeof(counters));

	memcpy(copy, counters, sizeof(counters));
	report->counters = copy;
	report->n_counters = sizeof(counters) / sizeof(counters[0]);
}

static void fill_node(struct core *core, struct status_report *report)
{
	struct blocks_counts counts = blocks_count(&core->blocks);

	report->agent_version = core->settings.agent_version;
	report->name = core->settings.name;
	report->uid = core->settings.uid;
	report->auth_none = core->settings.auth_none;
	report->port = core->settings.port;
	report->pid = core->settings.pid;
	report->state = state_word(core);
	report->detail = state_detail(core);
	report->uptime_ms = (uint64_t)instant_diff_ms(core->out.now, core->started_at);
	report->range = core->settings.range;
	report->block_len = core->settings.block_len;
	report->epoch = core->session.epoch;
	report->node_ip = blocks_node_ip(&core->blocks);
	report->underlay_dev = core->underlay.dev;
	report->underlay_reason = core->underlay.text;
	report->underlay_ip = core->underlay.have ? core->underlay.ip : 0;
	report->mtu = core->underlay.mtu > 50 ? core->underlay.mtu - 50 : 0;
	report->members = (uint32_t)core->members.n;
	report->links_up = (uint32_t)(links_count(&core->links, LINK_UP, true) +
				      links_count(&core->links, LINK_UP, false));
	report->blocks_own = (uint32_t)core->blocks.n;
	report->addresses_free = counts.free;
	report->addresses_resting = counts.resting;
	report->kernel_passes = core->kernel_passes;
	report->kernel_repaired = core->kernel_repaired;
	report->spoofed_packets = core->kernel.spoofed_packets;
	report->kernel_wanted = core->kernel.wanted;
	report->kernel_failed = core->kernel.failed;
	report->kernel_text = core->kernel.text;
}

void report_status(struct core *core, const struct request *request)
{
	struct status_report *report = out_alloc(&core->out, sizeof(*report));
	struct answer *answer = out_alloc(&core->out, sizeof(*answer));

	fill_node(core, report);
	fill_ledger(core, report);
	fill_warnings(core, report);
	fill_counters(core, report);
	fill_peers(core, report);
	fill_blocks(core, report);
	fill_pods(core, report, request->pod.wall_s);
	answer->client = request->client;
	answer->status = report;
	out_add(&core->out, ACTION_ANSWER)->answer = answer;
}
