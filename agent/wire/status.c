#include "wire/status.h"

#include "base/text.h"
#include "wire/fields.h"

/* Addresses as people write them; "" for what is not known. Every text is in the arena. */

static char *give(const char *text)
{
	return give_string(text ? text : "");
}

static char *room_for(struct arena *arena, size_t size)
{
	return give_room(arena, size, 1);
}

static char *give_ip(uint32_t ip, struct arena *arena)
{
	return ip ? give(text_ip4(room_for(arena, TEXT_IP4_MAX), ip)) : give("");
}

static char *give_prefix(struct prefix prefix, struct arena *arena)
{
	return give(text_prefix(room_for(arena, TEXT_PREFIX_MAX), prefix.ip, prefix.len));
}

static char *give_mac(const struct mac *mac, struct arena *arena)
{
	return give(text_mac(room_for(arena, TEXT_MAC_MAX), mac->b));
}

static char *give_endpoint_text(const struct endpoint *endpoint, struct arena *arena)
{
	if (endpoint->ip_len == 0)
		return give("");
	return give(text_endpoint(room_for(arena, TEXT_ENDPOINT_MAX), endpoint->ip,
				  endpoint->ip_len, endpoint->port));
}

static ProtobufCBinaryData give_uid(const struct uid *uid)
{
	return give_bytes(uid->b, sizeof(uid->b));
}

static char **give_strings(const char *const *texts, size_t n, struct arena *arena)
{
	char **given = give_room(arena, n, sizeof(char *));

	for (size_t i = 0; i < n; i++)
		given[i] = give(texts[i]);
	return given;
}

static void give_peer(const struct status_peer *peer, Weft__Local__Peer *to, struct arena *arena)
{
	weft__local__peer__init(to);
	to->name = give(peer->name);
	to->uid = give_uid(&peer->uid);
	to->state = give(peer->state);
	to->endpoint = give_endpoint_text(&peer->endpoint, arena);
	to->underlay = give_ip(peer->vtep_ip, arena);
	to->vtep_mac = give_mac(&peer->vtep_mac, arena);
	to->mtu = peer->mtu;
	to->link = give(peer->link);
	to->since_ms = peer->since_ms;
	to->epoch = peer->epoch;
	to->blocks = peer->n_blocks;
	to->incarnation = peer->incarnation;
	to->agent_version = give(peer->agent_version);
	to->node_ip = give_ip(peer->node_ip, arena);
	to->why = give(peer->why);
}

static void give_block(const struct status_block *block, Weft__Local__Block *to,
		       struct arena *arena)
{
	weft__local__block__init(to);
	to->prefix = give_prefix(block->prefix, arena);
	to->state = give(block->state);
	to->owner = give(block->owner);
	to->own = block->own;
	to->confirmed = block->confirmed;
	to->used = block->used;
	to->resting = block->resting;
	to->free = block->free;
	to->count = block->count;
}

static void give_pod(const struct status_pod *pod, Weft__Local__Pod *to, struct arena *arena)
{
	weft__local__pod__init(to);
	to->container_id = give(pod->container_id);
	to->ifname = give(pod->ifname);
	to->ip = give_ip(pod->ip, arena);
	to->host_if = give_string(pod->host_if);
	to->pod = give(pod->pod);
	to->state = give(pod->state);
	to->since_ms = pod->since_ms;
	to->mac = give_mac(&pod->mac, arena);
	to->mtu = pod->mtu;
	to->netns = give(pod->netns);
}

static void give_peers(const struct status_report *report, Weft__Local__Status *to,
		       struct arena *arena)
{
	Weft__Local__Peer *peers = give_room(arena, report->n_peers, sizeof(*peers));

	to->n_peers = report->n_peers;
	to->peers = give_room(arena, report->n_peers, sizeof(Weft__Local__Peer *));
	for (size_t i = 0; i < report->n_peers; i++) {
		give_peer(&report->peers[i], &peers[i], arena);
		to->peers[i] = &peers[i];
	}
}

static void give_blocks(const struct status_report *report, Weft__Local__Status *to,
			struct arena *arena)
{
	Weft__Local__Block *blocks = give_room(arena, report->n_blocks, sizeof(*blocks));

	to->n_blocks = report->n_blocks;
	to->blocks = give_room(arena, report->n_blocks, sizeof(Weft__Local__Block *));
	for (size_t i = 0; i < report->n_blocks; i++) {
		give_block(&report->blocks[i], &blocks[i], arena);
		to->blocks[i] = &blocks[i];
	}
}

static void give_pods(const struct status_report *report, Weft__Local__Status *to,
		      struct arena *arena)
{
	Weft__Local__Pod *pods = give_room(arena, report->n_pods, sizeof(*pods));

	to->n_pods = report->n_pods;
	to->pods = give_room(arena, report->n_pods, sizeof(Weft__Local__Pod *));
	for (size_t i = 0; i < report->n_pods; i++) {
		give_pod(&report->pods[i], &pods[i], arena);
		to->pods[i] = &pods[i];
	}
}

static void give_counters(const struct status_report *report, Weft__Local__Status *to,
			  struct arena *arena)
{
	Weft__Local__Counter *counters = give_room(arena, report->n_counters, sizeof(*counters));

	to->n_counters = report->n_counters;
	to->counters = give_room(arena, report->n_counters, sizeof(Weft__Local__Counter *));
	for (size_t i = 0; i < report->n_counters; i++) {
		weft__local__counter__init(&counters[i]);
		counters[i].name = give(report->counters[i].name);
		counters[i].value = report->counters[i].value;
		to->counters[i] = &counters[i];
	}
}

static Weft__Local__Kernel *give_kernel(const struct status_report *report, struct arena *arena)
{
	Weft__Local__Kernel *to = give_room(arena, 1, sizeof(*to));

	weft__local__kernel__init(to);
	to->passes = report->kernel_passes;
	to->repaired = report->kernel_repaired;
	to->wanted = report->kernel_wanted;
	to->failed = report->kernel_failed;
	to->last_error = give(report->kernel_text);
	to->spoofed_packets = report->spoofed_packets;
	return to;
}

static void give_node(const struct status_report *report, Weft__Local__Status *to,
		      struct arena *arena)
{
	to->agent_version = give(report->agent_version);
	to->name = give(report->name);
	to->uid = give_uid(&report->uid);
	to->auth_none = report->auth_none;
	to->state = give(report->state);
	to->detail = give(report->detail);
	to->uptime_ms = report->uptime_ms;
	to->pid = report->pid;
	to->port = report->port;
	to->node_ip = give_ip(report->node_ip, arena);
	to->underlay = give_ip(report->underlay_ip, arena);
	to->underlay_dev = give(report->underlay_dev);
	to->underlay_reason = give(report->underlay_reason);
	to->mtu = report->mtu;
	to->kernel = give_kernel(report, arena);
}

static void give_cluster(const struct status_report *report, Weft__Local__Status *to,
			 struct arena *arena)
{
	to->cluster_name = give(report->cluster_name);
	to->cluster_uuid = give_bytes_or_none(report->cluster.b, sizeof(report->cluster.b));
	to->range = give_prefix(report->range, arena);
	to->block_len = report->block_len;
	to->epoch = report->epoch;
	to->ledger_version = report->ledger_version;
	to->n_keepers = report->n_keepers;
	to->keepers = give_strings(report->keepers, report->n_keepers, arena);
	to->is_keeper = report->is_keeper;
	to->keeper_path = give(report->keeper_path);
	to->members = report->members;
	to->links_up = report->links_up;
	to->pods_up = report->pods_up;
	to->blocks_own = report->blocks_own;
	to->addresses_free = report->addresses_free;
	to->addresses_resting = report->addresses_resting;
	to->blocks_free = report->blocks_free;
	to->blocks_total = report->blocks_total;
}

Weft__Local__Status *status_give(const struct status_report *report,
				 const struct status_asked *asked, struct arena *arena)
{
	Weft__Local__Status *to = give_room(arena, 1, sizeof(*to));

	weft__local__status__init(to);
	give_node(report, to, arena);
	give_cluster(report, to, arena);
	to->n_warnings = report->n_warnings;
	to->warnings = give_strings(report->warnings, report->n_warnings, arena);
	give_counters(report, to, arena);
	if (asked->peers)
		give_peers(report, to, arena);
	if (asked->blocks)
		give_blocks(report, to, arena);
	if (asked->pods)
		give_pods(report, to, arena);
	return to;
}
