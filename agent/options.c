#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/vec.h"
#include "weft/paths.h"

enum { RANGE_LEN_MIN = 12, RANGE_LEN_MAX = 24 };

#define NAME_LETTERS TEXT_ALNUM "-_."

/* In --help, where the second column begins. */
#define NEXT_LINE "\n                           "

/* ---- values */

static int parse_u32(const char *text, uint64_t min, uint64_t max, uint32_t *ret, struct err *err)
{
	uint64_t value;
	int result = text_parse_number(text, min, max, &value, err);

	if (result == 0)
		*ret = (uint32_t)value;
	return result;
}

static int parse_port(const char *text, uint16_t *ret, struct err *err)
{
	uint32_t port;
	int result = parse_u32(text, 1, 65535, &port, err);

	if (result == 0)
		*ret = (uint16_t)port;
	return result;
}

/* ---- one function per flag */

static int set_name(struct options *o, const char *text, struct err *err)
{
	return text_parse_word(text, o->name, NAME_LEN_MAX, NAME_LETTERS,
			       "a node name of letters, digits, '-', '_' and '.'", err);
}

static int set_cluster(struct options *o, const char *text, struct err *err)
{
	return text_parse_word(text, o->cluster, OPTIONS_CLUSTER_MAX, NAME_LETTERS,
			       "at most 63 letters, digits, '-', '_' and '.'", err);
}

static int set_init(struct options *o, const char *text, struct err *err)
{
	o->init_alone = strcmp(text, "alone") == 0;
	o->init = true;
	if (o->init_alone || text_parse_switch(text, &o->init, NULL) == 0)
		return 0;
	return text_refuse(err, "nothing, or 'alone'", text);
}

static int set_auth(struct options *o, const char *text, struct err *err)
{
	if (strcmp(text, "none") != 0)
		return text_refuse(err, "'none', which is all there is yet", text);
	o->auth_none = true;
	return 0;
}

/* NAME or NAME:PORT; addresses are told apart before. */
static bool split_name(char *text, struct peer_name *ret)
{
	char *colon = strchr(text, ':');

	if (colon) {
		*colon = '\0';
		if (parse_port(colon + 1, &ret->port, NULL) < 0)
			return false;
	}
	return text_parse_word(text, ret->host, NAME_LEN_MAX, NAME_LETTERS, "", NULL) == 0;
}

/* False: a name, or nothing that could be a peer. ret->host stays empty for what is IPv6. */
static bool split_address(const char *text, struct peer_name *ret)
{
	uint8_t ip[16], ip_len;

	if (text_parse_endpoint(text, 0, ip, &ip_len, &ret->port, NULL) < 0)
		return false;
	if (ip_len == 4)
		snprintf(ret->host, sizeof(ret->host), "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
	return true;
}

static int add_peer(struct options *o, const char *text, size_t len, struct err *err)
{
	struct peer_name peer = { 0 };
	char one[NAME_LEN_MAX + sizeof(":65535")], shown[sizeof(one)];

	if (o->n_peers == OPTIONS_PEERS_MAX)
		return err_set(err, EINVAL, "at most %d peers: some are enough to find the others",
			       OPTIONS_PEERS_MAX);
	snprintf(one, sizeof(one), "%.*s", (int)len, text);
	memcpy(shown, one, sizeof(shown));
	if (len >= sizeof(one) || (!split_address(one, &peer) && !split_name(one, &peer)))
		return text_refuse(
			err,
			"an address or a name, with or without a port, like 192.0.2.7 or "
			"node1:6785",
			shown);
	if (!peer.host[0])
		return text_refuse(err, "an IPv4 address (IPv6 is not carried yet)", shown);
	o->peers = vec_reserve(o->peers, &o->cap_peers, o->n_peers + 1, sizeof(*o->peers));
	o->peers[o->n_peers++] = peer;
	return 0;
}

static int set_peer(struct options *o, const char *text, struct err *err)
{
	int result = 0;

	while (result == 0 && *text) {
		size_t len = strcspn(text, ",");

		if (len > 0)
			result = add_peer(o, text, len, err);
		text += len + strspn(text + len, ",");
	}
	return result;
}

static int set_range(struct options *o, const char *text, struct err *err)
{
	struct prefix range;
	int result = text_parse_prefix(text, &range.ip, &range.len, err);

	if (result < 0)
		return result;
	if (range.len < RANGE_LEN_MIN || range.len > RANGE_LEN_MAX)
		return text_refuse(err, "a range between a /12 and a /24", text);
	if (range.ip >> 24 == 0 || range.ip >> 24 == 127 || range.ip >> 28 >= 14)
		return text_refuse(err, "addresses that pods can have", text);
	o->range = range;
	return 0;
}

static int set_blocks(struct options *o, const char *text, struct err *err)
{
	return parse_u32(text, 1, GRANT_BLOCKS_MAX, &o->blocks, err);
}

static int set_port(struct options *o, const char *text, struct err *err)
{
	return parse_port(text, &o->port, err);
}

static int set_vxlan_port(struct options *o, const char *text, struct err *err)
{
	return parse_port(text, &o->vxlan_port, err);
}

static int set_vni(struct options *o, const char *text, struct err *err)
{
	return parse_u32(text, 1, (1U << 24) - 1, &o->vni, err);
}

static int set_node_ip(struct options *o, const char *text, struct err *err)
{
	return text_parse_ip4(text, &o->node_ip, err);
}

static int set_iface(struct options *o, const char *text, struct err *err)
{
	size_t len = strlen(text);

	if (len == 0 || len > IFNAME_LEN_MAX || strpbrk(text, "/ \t\n"))
		return text_refuse(err, "a network interface like eth0", text);
	memcpy(o->iface, text, len + 1);
	return 0;
}

static int set_masquerade(struct options *o, const char *text, struct err *err)
{
	return text_parse_switch(text, &o->masquerade, err);
}

static int set_no_masquerade_nodes(struct options *o, const char *text, struct err *err)
{
	bool no = false;
	int result = text_parse_switch(text, &no, err);

	if (result == 0)
		o->masquerade_nodes = !no;
	return result;
}

static int set_allow_overlap(struct options *o, const char *text, struct err *err)
{
	return text_parse_switch(text, &o->allow_overlap, err);
}

static int set_node_ref(struct options *o, const char *text, struct err *err)
{
	return text_parse_word(text, o->node_ref, NODE_REF_MAX, NAME_LETTERS ":/",
			       "at most 64 letters, digits and '-', '_', '.', ':', '/'", err);
}

static int set_kube(struct options *o, const char *text, struct err *err)
{
	return text_parse_switch(text, &o->kube, err);
}

static int set_kube_group(struct options *o, const char *text, struct err *err)
{
	return parse_u32(text, 0, INT32_MAX, &o->kube_group, err);
}

static int set_metrics_address(struct options *o, const char *text, struct err *err)
{
	struct endpoint *at = &o->metrics;

	*at = (struct endpoint){ 0 };
	if (strcmp(text, "off") == 0)
		return 0;
	if (text_parse_endpoint(text, OPTIONS_METRICS_PORT, at->ip, &at->ip_len, &at->port, NULL) ==
	    0)
		return 0;
	return text_refuse(err, "off, or an address with or without a port, like 127.0.0.1:6786",
			   text);
}

static int set_cni_bin_dir(struct options *o, const char *text, struct err *err)
{
	return text_parse_path(text, o->cni_bin_dir, OPTIONS_PATH_MAX, err);
}

static int set_cni_conf_dir(struct options *o, const char *text, struct err *err)
{
	return text_parse_path(text, o->cni_conf_dir, OPTIONS_PATH_MAX, err);
}

static int set_cni_shim(struct options *o, const char *text, struct err *err)
{
	return text_parse_path(text, o->cni_shim, OPTIONS_PATH_MAX, err);
}

static int set_reset(struct options *o, const char *text, struct err *err)
{
	bool yes;

	if (strcmp(text, "watch") == 0)
		o->reset = RESET_WATCH;
	else if (text_parse_switch(text, &yes, NULL) == 0)
		o->reset = yes ? RESET_ALL : RESET_NO;
	else
		return text_refuse(err, "nothing, or 'watch'", text);
	return 0;
}

static int set_state(struct options *o, const char *text, struct err *err)
{
	return text_parse_path(text, o->state, OPTIONS_PATH_MAX, err);
}

static int set_run(struct options *o, const char *text, struct err *err)
{
	return text_parse_path(text, o->run, OPTIONS_PATH_MAX, err);
}

static int set_log_level(struct options *o, const char *text, struct err *err)
{
	return log_parse_level(text, &o->log_level, err);
}

static int set_log_time(struct options *o, const char *text, struct err *err)
{
	bool on = false;
	int result = text_parse_switch(text, &on, err);

	if (result == 0)
		o->log_time = on ? LOG_TIME_ON : LOG_TIME_OFF;
	return result;
}

static int set_help(struct options *o, const char *text, struct err *err)
{
	return text_parse_switch(text, &o->help, err) < 0 ? -EINVAL : o->help;
}

static int set_version(struct options *o, const char *text, struct err *err)
{
	return text_parse_switch(text, &o->version, err) < 0 ? -EINVAL : o->version;
}

/* ---- the flags */

static const struct flag all_flags[] = {
	{ "name", "NAME", set_name, "this node's own name in the cluster (the host name)" },
	{ "cluster", "NAME", set_cluster, "agents of other clusters are turned away (weft)" },
	{ "peer", "ADDR[:PORT]", set_peer,
	  "where other agents are; again or with commas for more" },
	{ "init", "[alone]", set_init,
	  "found the cluster once every --peer says there is" NEXT_LINE
	  "none; on one node. 'alone': without asking" },
	{ "auth", "none", set_auth, "required: whoever reaches the peers' port can join" },
	{ "range", "PREFIX", set_range, "addresses of all pods (10.32.0.0/12)" },
	{ "blocks", "N", set_blocks, "blocks of 64 addresses this node asks for first (1)" },
	{ "port", "PORT", set_port, "TCP port of peers (6785)" },
	{ "vxlan-port", "PORT", set_vxlan_port, "UDP port of the tunnel (6785)" },
	{ "vni", "N", set_vni, "the tunnel's network identifier (6785)" },
	{ "node-ip", "ADDR", set_node_ip, "the underlay address that other nodes reach" },
	{ "iface", "NAME", set_iface, "the underlay interface, instead of an address" },
	{ "masquerade", "on|off", set_masquerade,
	  "what leaves the range takes the node's address (on)" },
	{ "no-masquerade-nodes", "[]", set_no_masquerade_nodes, "except what goes to other nodes" },
	{ "allow-overlap", "[]", set_allow_overlap,
	  "start although the host has routes in the range" },
	{ "node-ref", "TEXT", set_node_ref, "what the platform calls this node" },
	{ "kube", "[]", set_kube, "in Kubernetes: weft-kube tells of nodes and founder" },
	{ "kube-group", "GID", set_kube_group, "weft-kube's group, which may tell so (root's)" },
	{ "metrics-address", "ADDR|off", set_metrics_address,
	  "serves HTTP /healthz, /readyz (127.0.0.1:6786)" },
	{ "cni-bin-dir", "DIR", set_cni_bin_dir, "put the CNI program there, as 'weft'" },
	{ "cni-shim", "FILE", set_cni_shim, "the CNI program (" WEFT_SHIM_PATH ")" },
	{ "cni-conf-dir", "DIR", set_cni_conf_dir,
	  "put 10-weft.conflist there once pods can be attached" },
	{ "reset", "[watch]", set_reset,
	  "remove from this node all that Weft made, and end;" NEXT_LINE
	  "'watch': nothing, but fail once Weft is here" },
	{ "state", "DIR", set_state, "on disk: identity and logs (/var/lib/weft)" },
	{ "run", "DIR", set_run, "in memory: socket and pods' records (/run/weft)" },
	{ "log-level", "LEVEL", set_log_level, "err, warn, info or debug (info)" },
	{ "log-time", "on|off", set_log_time, "time in each line (on, unless journald reads it)" },
	{ "help", "[]", set_help, "print this", "" },
	{ "version", "[]", set_version, "print the version", "" },
};

const struct flags options_flags = {
	.program = "weftd",
	.all = all_flags,
	.n = sizeof(all_flags) / sizeof(all_flags[0]),
	.usage_width = 24,
};

/* What no flag alone can tell. */
static int check_whole(struct options *o, const char *hostname, struct err *err)
{
	if (o->reset)
		return 0;
	if (o->kube && o->init)
		return err_set(err, EINVAL,
			       "--init and --kube: with --kube a ConfigMap says who "
			       "founds the cluster; leave --init away");
	if (!o->auth_none)
		return err_set(err, EINVAL,
			       "agents cannot prove yet who they are, so whoever reaches TCP port "
			       "%u could join: if that is all right here, say --auth=none",
			       o->port);
	if (!o->name[0] && set_name(o, hostname, NULL) < 0)
		return err_set(err, EINVAL,
			       "--name: the host name '%.80s' cannot be a node's: give one",
			       hostname);
	return 0;
}

int options_parse(struct options *ret, char *const *argv, char *const *environment,
		  const char *hostname, struct err *err)
{
	struct options o = {
		.cluster = "weft",
		.range = { .ip = 0x0a200000, .len = 12 },
		.blocks = OPTIONS_BLOCKS_DEFAULT,
		.port = 6785,
		.vxlan_port = 6785,
		.vni = 6785,
		.masquerade = true,
		.masquerade_nodes = true,
		.state = "/var/lib/weft",
		.run = "/run/weft",
		.log_level = LOG_INFO,
		.metrics = { .ip = { 127, 0, 0, 1 }, .ip_len = 4, .port = OPTIONS_METRICS_PORT },
		.cni_shim = WEFT_SHIM_PATH,
	};
	int result = flags_parse(&options_flags, &o, argv, environment, err);

	if (result == 0)
		result = check_whole(&o, hostname, err);
	if (result < 0) {
		free(o.peers);
		return result;
	}
	*ret = o;
	return 0;
}

void options_done(struct options *options)
{
	free(options->peers);
	options->peers = NULL;
	options->n_peers = options->cap_peers = 0;
}
