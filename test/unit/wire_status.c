/* Every fact of the report arrives where weftctl looks for it, the long lists only when asked for.
 * */
#include "wire/status.h"

#include "check.h"

static const char *const keepers[] = { "node-1", "node-2" };
static const char *const warnings[] = { "a warning" };
static const struct status_counter counters[] = { { "frames", 7 } };
static const struct status_peer peers[] = {
	{ .uid = { { 1 } },
	  .name = "node-2",
	  .state = "linked",
	  .link = "dialled",
	  .agent_version = "0.1.0",
	  .why = "because",
	  .endpoint = { .ip = { 192, 0, 2, 2 }, .ip_len = 4, .port = 6785 },
	  .vtep_ip = 0xc0000202,
	  .node_ip = 0x0a200041,
	  .mtu = 1450,
	  .epoch = 3,
	  .n_blocks = 2,
	  .vtep_mac = { { 2, 0, 0, 0, 0, 9 } },
	  .since_ms = 5000,
	  .incarnation = 4 },
	{ .uid = { { 2 } } },
};
static const struct status_block blocks[] = { { .prefix = { 0x0a200000, 25 },
						.state = "owned",
						.owner = "node-1",
						.own = true,
						.confirmed = true,
						.used = 1,
						.resting = 2,
						.free = 3,
						.count = 2 } };
static const struct status_pod pods[] = { { .container_id = "abc",
					    .ifname = "eth0",
					    .pod = "default/web",
					    .netns = "/run/netns/x",
					    .state = "up",
					    .host_if = "wf1",
					    .ip = 0x0a200002,
					    .mtu = 1450,
					    .mac = { { 2, 0, 0, 0, 0, 3 } },
					    .since_ms = 77 } };

static struct status_report full_report(void)
{
	return (struct status_report){
		.agent_version = "0.1.0",
		.name = "node-1",
		.state = "ready",
		.detail = "fine",
		.underlay_dev = "eth0",
		.underlay_reason = "default route",
		.keeper_path = "linked",
		.uid = { { 9 } },
		.auth_none = true,
		.is_keeper = true,
		.pid = 4711,
		.port = 6785,
		.cluster = { { 8 } },
		.cluster_name = "weft",
		.uptime_ms = 100,
		.range = { 0x0a200000, 12 },
		.block_len = 26,
		.epoch = 2,
		.node_ip = 0x0a200001,
		.underlay_ip = 0xc0000201,
		.mtu = 1450,
		.ledger_version = 12,
		.n_keepers = 2,
		.keepers = (const char **)(uintptr_t)keepers,
		.n_warnings = 1,
		.warnings = (const char **)(uintptr_t)warnings,
		.n_counters = 1,
		.counters = counters,
		.n_peers = 2,
		.peers = peers,
		.n_blocks = 1,
		.blocks = blocks,
		.n_pods = 1,
		.pods = pods,
		.members = 21,
		.links_up = 22,
		.pods_up = 23,
		.blocks_own = 24,
		.addresses_free = 25,
		.addresses_resting = 26,
		.blocks_free = 27,
		.blocks_total = 28,
		.kernel_passes = 31,
		.kernel_repaired = 32,
		.spoofed_packets = 33,
		.kernel_wanted = 34,
		.kernel_failed = 35,
		.kernel_text = "refused",
	};
}

/* As the client gets it: packed and unpacked. */
static Weft__Local__Status *over_the_wire(const struct status_report *report,
					  struct status_asked asked)
{
	struct arena arena;
	Weft__Local__Status *given, *read;
	uint8_t *packed;
	size_t len;

	arena_init(&arena, ARENA_UNLIMITED);
	given = status_give(report, &asked, &arena);
	packed = malloc(weft__local__status__get_packed_size(given));
	len = weft__local__status__pack(given, packed);
	arena_done(&arena);
	read = weft__local__status__unpack(NULL, len, packed);
	free(packed);
	REQUIRE(read);
	return read;
}

static void the_node_is_told(void)
{
	struct status_report report = full_report();
	Weft__Local__Status *status = over_the_wire(&report, (struct status_asked){ 0 });

	CHECK_STR(status->agent_version, "0.1.0");
	CHECK_STR(status->name, "node-1");
	CHECK_UINT(status->uid.len, 16);
	CHECK_UINT(status->uid.data[0], 9);
	CHECK(status->auth_none);
	CHECK_UINT(status->cluster_uuid.len, 16);
	CHECK_STR(status->cluster_name, "weft");
	CHECK_STR(status->state, "ready");
	CHECK_STR(status->detail, "fine");
	CHECK_UINT(status->uptime_ms, 100);
	CHECK_UINT(status->pid, 4711);
	CHECK_UINT(status->port, 6785);
	CHECK_STR(status->range, "10.32.0.0/12");
	CHECK_UINT(status->block_len, 26);
	CHECK_UINT(status->epoch, 2);
	CHECK_STR(status->node_ip, "10.32.0.1");
	CHECK_STR(status->underlay, "192.0.2.1");
	CHECK_STR(status->underlay_dev, "eth0");
	CHECK_STR(status->underlay_reason, "default route");
	CHECK_UINT(status->mtu, 1450);
	CHECK_UINT(status->ledger_version, 12);
	CHECK_UINT(status->n_keepers, 2);
	CHECK_STR(status->keepers[1], "node-2");
	CHECK(status->is_keeper);
	CHECK_STR(status->keeper_path, "linked");
	CHECK_UINT(status->n_warnings, 1);
	CHECK_STR(status->warnings[0], "a warning");
	CHECK_UINT(status->n_counters, 1);
	CHECK_STR(status->counters[0]->name, "frames");
	CHECK_UINT(status->counters[0]->value, 7);
	weft__local__status__free_unpacked(status, NULL);
}

static void the_sums_are_told(void)
{
	struct status_report report = full_report();
	Weft__Local__Status *status = over_the_wire(&report, (struct status_asked){ 0 });

	CHECK_UINT(status->members, 21);
	CHECK_UINT(status->links_up, 22);
	CHECK_UINT(status->pods_up, 23);
	CHECK_UINT(status->blocks_own, 24);
	CHECK_UINT(status->addresses_free, 25);
	CHECK_UINT(status->addresses_resting, 26);
	CHECK_UINT(status->blocks_free, 27);
	CHECK_UINT(status->blocks_total, 28);
	REQUIRE(status->kernel);
	CHECK_UINT(status->kernel->passes, 31);
	CHECK_UINT(status->kernel->repaired, 32);
	CHECK_UINT(status->kernel->spoofed_packets, 33);
	CHECK_UINT(status->kernel->wanted, 34);
	CHECK_UINT(status->kernel->failed, 35);
	CHECK_STR(status->kernel->last_error, "refused");
	CHECK(status->n_peers == 0 && status->n_blocks == 0 && status->n_pods == 0);
	weft__local__status__free_unpacked(status, NULL);
}

static void lists_are_told_when_asked(void)
{
	struct status_report report = full_report();
	Weft__Local__Status *status =
		over_the_wire(&report, (struct status_asked){ true, true, true });
	const Weft__Local__Peer *peer;
	const Weft__Local__Block *block;
	const Weft__Local__Pod *pod;

	REQUIRE(status->n_peers == 2 && status->n_blocks == 1 && status->n_pods == 1);
	peer = status->peers[0];
	CHECK_STR(peer->name, "node-2");
	CHECK_STR(peer->state, "linked");
	CHECK_STR(peer->endpoint, "192.0.2.2:6785");
	CHECK_STR(peer->underlay, "192.0.2.2");
	CHECK_STR(peer->vtep_mac, "02:00:00:00:00:09");
	CHECK_UINT(peer->mtu, 1450);
	CHECK_STR(peer->link, "dialled");
	CHECK_UINT(peer->since_ms, 5000);
	CHECK_UINT(peer->epoch, 3);
	CHECK_UINT(peer->blocks, 2);
	CHECK_UINT(peer->incarnation, 4);
	CHECK_STR(peer->agent_version, "0.1.0");
	CHECK_STR(peer->node_ip, "10.32.0.65");
	CHECK_STR(peer->why, "because");
	block = status->blocks[0];
	CHECK_STR(block->prefix, "10.32.0.0/25");
	CHECK_STR(block->state, "owned");
	CHECK_STR(block->owner, "node-1");
	CHECK(block->own && block->confirmed);
	CHECK_UINT(block->used, 1);
	CHECK_UINT(block->resting, 2);
	CHECK_UINT(block->free, 3);
	CHECK_UINT(block->count, 2);
	pod = status->pods[0];
	CHECK_STR(pod->container_id, "abc");
	CHECK_STR(pod->ifname, "eth0");
	CHECK_STR(pod->ip, "10.32.0.2");
	CHECK_STR(pod->host_if, "wf1");
	CHECK_STR(pod->pod, "default/web");
	CHECK_STR(pod->state, "up");
	CHECK_UINT(pod->since_ms, 77);
	CHECK_STR(pod->mac, "02:00:00:00:00:03");
	CHECK_UINT(pod->mtu, 1450);
	CHECK_STR(pod->netns, "/run/netns/x");
	weft__local__status__free_unpacked(status, NULL);
}

static void each_list_has_its_own_question(void)
{
	struct status_report report = full_report();

	for (unsigned bits = 0; bits < 8; bits++) {
		struct status_asked asked = { bits & 1, bits & 2, bits & 4 };
		Weft__Local__Status *status = over_the_wire(&report, asked);

		CHECK_UINT(status->n_peers, bits & 1 ? 2 : 0);
		CHECK_UINT(status->n_blocks, bits & 2 ? 1 : 0);
		CHECK_UINT(status->n_pods, bits & 4 ? 1 : 0);
		weft__local__status__free_unpacked(status, NULL);
	}
}

/* A fresh agent knows little: nothing is NULL to whoever reads it. */
static void the_unknown_is_empty(void)
{
	struct status_report report = { 0 };
	Weft__Local__Status *status =
		over_the_wire(&report, (struct status_asked){ true, true, true });

	CHECK_STR(status->node_ip, "");
	CHECK_STR(status->underlay, "");
	CHECK_STR(status->name, "");
	CHECK_STR(status->kernel->last_error, "");
	CHECK_UINT(status->cluster_uuid.len, 0);
	weft__local__status__free_unpacked(status, NULL);

	report.n_peers = 1;
	report.peers = &peers[1];
	status = over_the_wire(&report, (struct status_asked){ true, true, true });
	CHECK_STR(status->peers[0]->endpoint, "");
	CHECK_STR(status->peers[0]->name, "");
	weft__local__status__free_unpacked(status, NULL);
}

int main(void)
{
	RUN(the_node_is_told);
	RUN(the_sums_are_told);
	RUN(lists_are_told_when_asked);
	RUN(each_list_has_its_own_question);
	RUN(the_unknown_is_empty);
	return check_report();
}
