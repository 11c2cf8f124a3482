#pragma once
/*
 * What `weftctl` shows, as facts: the core fills it into the step's arena, wire/status.c turns it
 * into local.proto. Pointers live until the next step.
 */
#include "core/message.h"

struct status_counter {
	const char *name;
	uint64_t value;
};

struct status_peer {
	struct uid uid;
	const char *name, *state, *link, *agent_version, *why;
	struct endpoint endpoint;
	uint32_t vtep_ip, node_ip, mtu, epoch, n_blocks;
	struct mac vtep_mac;
	uint64_t since_ms, incarnation;
};

struct status_block { /* a run of blocks alike */
	struct prefix prefix;
	const char *state, *owner;
	bool own, confirmed;
	uint32_t used, resting, free, count;
};

struct status_pod {
	const char *container_id, *ifname, *pod, *netns, *state;
	char host_if[IFNAME_LEN_MAX + 1];
	uint32_t ip, mtu;
	struct mac mac;
	uint64_t since_ms;
};

struct status_report {
	const char *agent_version, *name, *cluster_name, *state, *detail, *underlay_dev,
		*underlay_reason, *keeper_path;
	struct uid uid;
	bool auth_none, is_keeper;
	uint32_t pid;
	uint16_t port; /* TCP, of the peers' links */
	struct uuid cluster;
	uint64_t uptime_ms;
	struct prefix range;
	uint8_t block_len;
	uint32_t epoch, node_ip, underlay_ip, mtu;
	uint64_t ledger_version;
	size_t n_keepers, n_warnings, n_counters, n_peers, n_blocks, n_pods;
	const char **keepers, **warnings;
	const struct status_counter *counters;
	const struct status_peer *peers;
	const struct status_block *blocks;
	const struct status_pod *pods;
	uint32_t members, links_up, pods_up, blocks_own, addresses_free, addresses_resting,
		blocks_free, blocks_total;
	uint64_t kernel_passes, kernel_repaired, spoofed_packets;
	uint32_t kernel_wanted, kernel_failed;
	const char *kernel_text;
};
