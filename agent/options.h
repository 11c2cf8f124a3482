#pragma once
/*
 * What the operator asked for: flags, and for each an environment variable of the same name
 * (--node-ip, WEFT_NODE_IP); the flag wins. Pure: arguments and environment come in, a struct or a
 * sentence that names the culprit comes out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/flags.h"
#include "core/types.h"
#include "log/log.h"

enum {
	OPTIONS_PEERS_MAX = 256,
	OPTIONS_CLUSTER_MAX = 63,
	OPTIONS_PATH_MAX = 200,
	OPTIONS_METRICS_PORT = 6786,
	OPTIONS_BLOCKS_DEFAULT = 1, /* plain Linux; a kubelet with 110 pods wants 2 */
};

/* As given: an address or a name still to be resolved. */
struct peer_name {
	char host[NAME_LEN_MAX + 1];
	uint16_t port; /* 0: the same as ours */
};

struct options {
	char name[NAME_LEN_MAX + 1];
	char cluster[OPTIONS_CLUSTER_MAX + 1];
	bool init, init_alone;
	bool auth_none;
	size_t n_peers, cap_peers;
	struct peer_name *peers; /* owned */
	struct prefix range;
	uint32_t blocks; /* of the first grant */
	uint16_t port, vxlan_port;
	uint32_t vni;
	uint32_t node_ip; /* 0: not given */
	char iface[IFNAME_LEN_MAX + 1];
	bool masquerade, masquerade_nodes;
	bool allow_overlap;
	char node_ref[NODE_REF_MAX + 1];
	bool kube;               /* weft-kube tells who founds and where nodes are */
	uint32_t kube_group;     /* whose it is; 0: root's */
	struct endpoint metrics; /* ip_len 0: nothing is served over HTTP */
	/* What a container runtime reads; empty: left alone. */
	char cni_bin_dir[OPTIONS_PATH_MAX + 1], cni_conf_dir[OPTIONS_PATH_MAX + 1];
	char cni_shim[OPTIONS_PATH_MAX + 1]; /* the program that goes to cni_bin_dir */
	enum { RESET_NO, RESET_ALL, RESET_WATCH } reset;
	char state[OPTIONS_PATH_MAX + 1], run[OPTIONS_PATH_MAX + 1];
	enum log_level log_level;
	enum { LOG_TIME_AUTO, LOG_TIME_ON, LOG_TIME_OFF } log_time;
	bool help, version; /* only these are wanted */
};

/* hostname: the name if none is given. On failure nothing is left to free. */
int options_parse(struct options *ret, char *const *argv, char *const *environment,
		  const char *hostname, struct err *err);
void options_done(struct options *options);

extern const struct flags options_flags;
