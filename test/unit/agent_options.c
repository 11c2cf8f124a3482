#include "options.h"

#include <errno.h>

#include "base/text.h"
#include "check.h"

enum { ARGUMENTS_MAX = 20 };

/* Split at blanks; "" is nothing. The arrays point into `room`. */
static void split(const char *text, char *room, char **ret)
{
	int n = 0;

	strcpy(room, text);
	for (char *word = strtok(room, " "); word && n < ARGUMENTS_MAX; word = strtok(NULL, " "))
		ret[n++] = word;
	ret[n] = NULL;
}

static int parse(const char *arguments, const char *environment, struct options *ret,
		 struct err *err)
{
	char *argv[ARGUMENTS_MAX + 2] = { (char[]){ "weftd" } }, *env[ARGUMENTS_MAX + 1];
	char room[1000], env_room[1000];

	split(arguments, room, argv + 1);
	split(environment, env_room, env);
	return options_parse(ret, argv, env, "host.example", err);
}

/* The sentence that refuses it. */
static void refused(const char *arguments, const char *environment, const char *expected)
{
	struct options options;
	struct err err = { 0 };

	if (CHECK_INT(parse(arguments, environment, &options, &err), -EINVAL))
		CHECK_STR(err.text, expected);
}

static struct options accepted(const char *arguments, const char *environment)
{
	struct options options = { 0 };
	struct err err = { 0 };

	if (!CHECK_INT(parse(arguments, environment, &options, &err), 0))
		printf("  refused: %s\n", err.text);
	return options;
}

static void defaults(void)
{
	struct options o = accepted("--auth=none", "");

	CHECK_STR(o.name, "host.example");
	CHECK_STR(o.cluster, "weft");
	CHECK(o.range.ip == 0x0a200000 && o.range.len == 12);
	CHECK_UINT(o.port, 6785);
	CHECK_UINT(o.vxlan_port, 6785);
	CHECK_UINT(o.vni, 6785);
	CHECK_STR(o.state, "/var/lib/weft");
	CHECK_STR(o.run, "/run/weft");
	CHECK(o.masquerade && o.masquerade_nodes && !o.allow_overlap && !o.init && o.auth_none);
	CHECK_UINT(o.n_peers, 0);
	CHECK_INT(o.log_level, LOG_INFO);
	options_done(&o);
}

static void every_flag(void)
{
	struct options o = accepted(
		"--auth none --name n1 --cluster=c --init=alone --range 10.64.0.0/16 --blocks 3 "
		"--port=7000 --vxlan-port 7001 --vni 7002",
		"");

	CHECK_STR(o.name, "n1");
	CHECK_STR(o.cluster, "c");
	CHECK(o.init && o.init_alone);
	CHECK(o.range.ip == 0x0a400000 && o.range.len == 16);
	CHECK_UINT(o.blocks, 3);
	CHECK_UINT(o.port, 7000);
	CHECK_UINT(o.vxlan_port, 7001);
	CHECK_UINT(o.vni, 7002);
	options_done(&o);
	o = accepted("--auth=none --node-ip 192.0.2.9 --iface eth1 --masquerade=off "
		     "--no-masquerade-nodes --allow-overlap --node-ref uid:1 --state /a/b/ "
		     "--run=/c --log-level debug --log-time off",
		     "");
	CHECK_UINT(o.node_ip, 0xc0000209);
	CHECK_STR(o.iface, "eth1");
	CHECK(!o.masquerade && !o.masquerade_nodes && o.allow_overlap);
	CHECK_STR(o.node_ref, "uid:1");
	CHECK_STR(o.state, "/a/b");
	CHECK_STR(o.run, "/c");
	CHECK_INT(o.log_level, LOG_DEBUG);
	CHECK_INT(o.log_time, LOG_TIME_OFF);
	options_done(&o);
}

static void in_a_platform(void)
{
	struct options o = accepted("--auth=none", "WEFT_KUBE=on WEFT_KUBE_GROUP=6786 "
						   "WEFT_CNI_BIN_DIR=/opt/cni/bin "
						   "WEFT_CNI_CONF_DIR=/etc/cni/net.d/");

	CHECK(o.kube && o.kube_group == 6786);
	CHECK_STR(o.cni_bin_dir, "/opt/cni/bin");
	CHECK_STR(o.cni_conf_dir, "/etc/cni/net.d");
	CHECK_STR(o.cni_shim, "/usr/lib/weft/weft");
	CHECK(o.metrics.ip_len == 4 && o.metrics.ip[0] == 127 && o.metrics.port == 6786);
	CHECK_INT(o.reset, RESET_NO);
	options_done(&o);
	o = accepted("--auth=none --metrics-address off --cni-shim /x", "");
	CHECK(!o.kube && o.metrics.ip_len == 0 && !o.cni_bin_dir[0]);
	CHECK_STR(o.cni_shim, "/x");
	options_done(&o);
	o = accepted("--auth=none --metrics-address [::1]:99", "");
	CHECK(o.metrics.ip_len == 16 && o.metrics.port == 99);
	options_done(&o);
	CHECK_INT(accepted("--reset", "").reset, RESET_ALL);
	CHECK_INT(accepted("--reset=watch", "").reset, RESET_WATCH);
}

static void environment_counts_less(void)
{
	struct options o = accepted("--port 1 --peer 192.0.2.1",
				    "WEFT_PORT=2 WEFT_AUTH=none WEFT_PEER=192.0.2.2,n3:99 "
				    "WEFT_INIT=1 WEFT_NO_MASQUERADE_NODES=true WEFT_NAME=");

	CHECK_UINT(o.port, 1);
	CHECK_UINT(o.n_peers, 1);
	CHECK_STR(o.peers[0].host, "192.0.2.1");
	CHECK(o.init && !o.init_alone && !o.masquerade_nodes);
	CHECK_STR(o.name, "host.example"); /* empty is not given */
	options_done(&o);
	o = accepted("", "WEFT_AUTH=none WEFT_INIT=no WEFT_SOCKET=/x WEFT_SERVICE_HOST=10.0.0.1");
	CHECK(!o.init);
	options_done(&o);
}

static void peers(void)
{
	struct options o = accepted(
		"--auth=none --peer 192.0.2.1 --peer=192.0.2.2:7,n3 --peer node-4.example:65535",
		"");

	CHECK_UINT(o.n_peers, 4);
	CHECK_STR(o.peers[0].host, "192.0.2.1");
	CHECK_UINT(o.peers[0].port, 0);
	CHECK_STR(o.peers[1].host, "192.0.2.2");
	CHECK_UINT(o.peers[1].port, 7);
	CHECK_STR(o.peers[2].host, "n3");
	CHECK_STR(o.peers[3].host, "node-4.example");
	CHECK_UINT(o.peers[3].port, 65535);
	options_done(&o);
}

static void wrong_values(void)
{
	refused("--port 0", "", "--port: expected a number from 1 to 65535, got '0'");
	refused("", "WEFT_PORT=tcp://10.0.0.1:80",
		"WEFT_PORT: expected a number from 1 to 65535, got 'tcp://10.0.0.1:80'");
	refused("--vni 16777216", "",
		"--vni: expected a number from 1 to 16777215, got '16777216'");
	refused("--blocks=17", "", "--blocks: expected a number from 1 to 16, got '17'");
	refused("--range 10.33.0.0/12", "",
		"--range: expected the first address of the range, 10.32.0.0/12, got "
		"'10.33.0.0/12'");
	refused("--range 10.0.0.0/8", "",
		"--range: expected a range between a /12 and a /24, got '10.0.0.0/8'");
	refused("--range 127.16.0.0/16", "",
		"--range: expected addresses that pods can have, got '127.16.0.0/16'");
	refused("--node-ip n1", "", "--node-ip: expected an IPv4 address like 192.0.2.7, got 'n1'");
	refused("--masquerade maybe", "", "--masquerade: expected on or off, got 'maybe'");
	refused("--auth=psk", "", "--auth: expected 'none', which is all there is yet, got 'psk'");
	refused("--init=two", "", "--init: expected nothing, or 'alone', got 'two'");
	refused("--state var", "",
		"--state: expected an absolute path of at most 200 bytes, got 'var'");
	refused("--metrics-address x", "",
		"--metrics-address: expected off, or an address with or without a port, like "
		"127.0.0.1:6786, got 'x'");
	refused("--kube-group none", "",
		"--kube-group: expected a number from 0 to 2147483647, got 'none'");
	refused("--reset=now", "", "--reset: expected nothing, or 'watch', got 'now'");
	refused("--auth=none --kube --init", "",
		"--init and --kube: with --kube a ConfigMap says who founds the cluster; leave "
		"--init away");
	refused("--name a/b", "",
		"--name: expected a node name of letters, digits, '-', '_' and '.', got 'a/b'");
	refused("--iface a/b", "", "--iface: expected a network interface like eth0, got 'a/b'");
	refused("--peer 192.0.2.1:99999", "",
		"--peer: expected an address or a name, with or without a port, like 192.0.2.7 or "
		"node1:6785, got '192.0.2.1:99999'");
	refused("--peer [2001:DB8::1]:8", "",
		"--peer: expected an IPv4 address (IPv6 is not carried yet), got "
		"'[2001:DB8::1]:8'");
	refused("", "WEFT_PEER=192.0.2.1,2001:db8::2",
		"WEFT_PEER: expected an IPv4 address (IPv6 is not carried yet), got "
		"'2001:db8::2'");
	refused("", "WEFT_PEER=n1,n2:x",
		"WEFT_PEER: expected an address or a name, with or without a port, like 192.0.2.7 "
		"or node1:6785, got 'n2:x'");
	refused("--log-level=loud", "",
		"--log-level: expected err, warn, info or debug, got 'loud'");
}

static void wrong_flags(void)
{
	refused("--pear 192.0.2.1", "", "there is no --pear; did you mean --peer?");
	refused("--nodeip=192.0.2.1", "", "there is no --nodeip; did you mean --node-ip?");
	refused("--no-masquarade-nodes", "",
		"there is no --no-masquarade-nodes; did you mean --no-masquerade-nodes?");
	refused("--frobnicate", "", "there is no --frobnicate; 'weftd --help' tells what there is");
	refused("--bogus=1", "", "there is no --bogus; 'weftd --help' tells what there is");
	refused("--port", "", "--port: expected PORT behind it");
	refused("n1", "", "expected flags that begin with --, got 'n1'");
	refused("-p", "", "expected flags that begin with --, got '-p'");
	refused("--", "", "expected flags that begin with --, got '--'");
}

static void no_authentication_must_be_asked_for(void)
{
	refused("--port 7", "",
		"agents cannot prove yet who they are, so whoever reaches TCP port 7 could join: "
		"if that is all right here, say --auth=none");
}

static void too_many_peers(void)
{
	char list[9 * (OPTIONS_PEERS_MAX + 1) + 1] = "", *argv[4];
	struct options options;
	struct err err = { 0 };

	for (int i = 0; i <= OPTIONS_PEERS_MAX; i++)
		strcat(list, "10.1.1.1,");
	argv[0] = (char[]){ "weftd" };
	argv[1] = (char[]){ "--peer" };
	argv[2] = list;
	argv[3] = NULL;
	CHECK_INT(options_parse(&options, argv, NULL, "h", &err), -EINVAL);
	CHECK(strstr(err.text, "at most 256 peers") != NULL);
}

static void host_name_may_not_do(void)
{
	char *argv[] = { (char[]){ "weftd" }, (char[]){ "--auth=none" }, NULL };
	struct options options;
	struct err err = { 0 };

	CHECK_INT(options_parse(&options, argv, NULL, "(none)", &err), -EINVAL);
	CHECK_STR(err.text, "--name: the host name '(none)' cannot be a node's: give one");
}

static void fits_a_terminal(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		CHECK(len > 0 && len <= 80);
		text += len + (text[len] == '\n');
	}
}

static void help_names_every_flag(void)
{
	struct options o = accepted("--help", "WEFT_PORT=nonsense");
	char line[200];
	size_t n = 0;

	CHECK(o.help);
	options_done(&o);
	for (; flags_help(&options_flags, n, line, sizeof(line)); n++) {
		CHECK(strncmp(line, "  --", 4) == 0);
		fits_a_terminal(line);
	}
	CHECK_UINT(n, 29);
	CHECK(accepted("--version", "").version);
}

int main(void)
{
	RUN(defaults);
	RUN(every_flag);
	RUN(in_a_platform);
	RUN(environment_counts_less);
	RUN(peers);
	RUN(wrong_values);
	RUN(wrong_flags);
	RUN(no_authentication_must_be_asked_for);
	RUN(too_many_peers);
	RUN(host_name_may_not_do);
	RUN(help_names_every_flag);
	return check_report();
}
