/*
 * What the kernel alone takes to attach a pod and to detach it: the agent's own messages
 * (io/pods.h), sent by one process, without the shim, the local socket and the core. test/bench/cni
 * starts this in a network namespace that is no agent's, so that nobody else answers for its links.
 *
 *   floor <LIST
 *
 * A line of LIST is "CONTAINERID NETNS". All pods are wired, then all are unwired; out come as many
 * lines for the one as for the other, in the form of spawn.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/vec.h"
#include "base/xalloc.h"
#include "io/nft.h"
#include "io/pods.h"
#include "log/log.h"

#define RANGE UINT32_C(0x0a200000) /* 10.32.0.0 */

enum { WORD_MAX = 255, RANGE_LEN = 12, MTU = 1450 };

struct pod {
	struct wire_pod wire;
	char netns[WORD_MAX + 1];
	int netns_fd, route_fd; /* as the shim would pass them */
};

struct cost {
	int64_t begin_ns, wall_ns, cpu_ns;
};

struct pods {
	struct pod *items;
	size_t n, cap;
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static struct cost begin(void)
{
	return (struct cost){ .begin_ns = clock_ns(CLOCK_MONOTONIC),
			      .cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) };
}

static void end(struct cost *cost)
{
	cost->wall_ns = clock_ns(CLOCK_MONOTONIC) - cost->begin_ns;
	cost->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cost->cpu_ns;
}

static void print_costs(const struct cost *costs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf("%" PRId64 " %" PRId64 " %" PRId64 "\n",
		       costs[i].begin_ns - costs[0].begin_ns, costs[i].wall_ns, costs[i].cpu_ns);
}

static int must(int result, const char *what)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void must_do(int result, const struct err *err)
{
	if (result == 0)
		return;
	fprintf(stderr, "floor: %s: %s\n", err->text, strerror(-result));
	exit(EXIT_FAILURE);
}

static struct pod make_pod(size_t number, const char *id, const char *netns)
{
	struct pod pod = { .netns_fd = -1, .route_fd = -1 };
	struct wire_pod *wire = &pod.wire;
	uint8_t high = (uint8_t)(number >> 8), low = (uint8_t)number;

	snprintf(pod.netns, sizeof(pod.netns), "%s", netns);
	snprintf(wire->host_if, sizeof(wire->host_if), "wf%012zx", number);
	snprintf(wire->pod_if, sizeof(wire->pod_if), "eth0");
	snprintf(wire->alias, sizeof(wire->alias), "%.200s/eth0", id);
	wire->ip = RANGE + 1 + (uint32_t)number;
	wire->mtu = MTU;
	wire->host_mac = (struct mac){ { 0x02, 0, 0, 1, high, low } };
	wire->pod_mac = (struct mac){ { 0x02, 0, 0, 2, high, low } };
	return pod;
}

static void read_list(struct pods *pods)
{
	char id[WORD_MAX + 1], netns[WORD_MAX + 1];

	while (scanf("%255s %255s", id, netns) == 2) {
		pods->items =
			vec_reserve(pods->items, &pods->cap, pods->n + 1, sizeof(*pods->items));
		pods->items[pods->n] = make_pod(pods->n, id, netns);
		pods->n++;
	}
}

/* The shim's part. */
static void open_pod(struct pod *pod, int own_netns)
{
	pod->netns_fd = must(open(pod->netns, O_RDONLY | O_CLOEXEC), pod->netns);
	must(setns(pod->netns_fd, CLONE_NEWNET), pod->netns);
	pod->route_fd =
		must(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "a route socket");
	must(setns(own_netns, CLONE_NEWNET), "come back");
}

static void wire_all(const struct pods *pods, const struct pods_sockets *sockets)
{
	struct cost *costs = xcalloc(pods->n, sizeof(*costs));
	int own_netns = must(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "our namespace");
	struct err err = { 0 };

	for (size_t i = 0; i < pods->n; i++) {
		struct pod *pod = &pods->items[i];
		int result;

		open_pod(pod, own_netns);
		costs[i] = begin();
		result = pods_wire(sockets, &pod->wire, pod->netns_fd, pod->route_fd, &err);
		end(&costs[i]);
		must_do(result, &err);
		close(pod->route_fd);
		close(pod->netns_fd);
	}
	print_costs(costs, pods->n);
	free(costs);
	close(own_netns);
}

static void unwire_all(const struct pods *pods)
{
	struct cost *costs = xcalloc(pods->n, sizeof(*costs));
	struct err err = { 0 };

	for (size_t i = 0; i < pods->n; i++) {
		int result;

		costs[i] = begin();
		result = pods_unwire(pods->items[i].wire.host_if, &err);
		end(&costs[i]);
		must_do(result, &err);
	}
	print_costs(costs, pods->n);
	free(costs);
}

/* With the table there, a pod's address goes into its set as on a node. */
static void make_table(struct netlink *nl)
{
	struct forward forward = { .range = { RANGE, RANGE_LEN }, .masquerade = true };
	struct nft_report report;
	struct err err = { 0 };
	struct log log;
	struct nft *nft;

	log_init(&log, STDERR_FILENO, LOG_WARN, LOG_PLAIN);
	nft = nft_new(&log);
	must_do(nft_pass(nft, nl, &forward, &report, &err), &err);
	nft_free(nft);
}

int main(void)
{
	struct pods pods = { 0 };
	struct netlink route, nft;
	struct pods_sockets sockets = { .route = &route, .nft = &nft };
	struct err err = { 0 };

	read_list(&pods);
	must_do(netlink_open(&route, NETLINK_ROUTE, &err), &err);
	must_do(netlink_open(&nft, NETLINK_NETFILTER, &err), &err);
	make_table(&nft);
	wire_all(&pods, &sockets);
	unwire_all(&pods);
	netlink_close(&nft);
	netlink_close(&route);
	free(pods.items);
	return EXIT_SUCCESS;
}
