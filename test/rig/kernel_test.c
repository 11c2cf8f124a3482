/*
 * The kernel side of io/ as a program of its own, for test_kernel.py: one command in, one answer
 * out, as datagrams of the socket that is its standard input. It runs as confined as an agent; the
 * descriptors of a pod come with the command "wire", as they come to an agent from the shim.
 *
 * A want is said line by line and holds from "want" on. Logs go to standard error.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "base/vec.h"
#include "base/xalloc.h"
#include "io/host.h"
#include "io/kernel.h"
#include "io/pods.h"
#include "log/log.h"

enum { MESSAGE_MAX = 65536, WORDS_MAX = 300, CHANNEL = STDIN_FILENO };

#define RANGE UINT32_C(0x0a200000)

/* A command on its way: its words, its descriptors, and the answer. */
struct order {
	size_t n;
	char *words[WORDS_MAX];
	int fds[2];
	char answer[MESSAGE_MAX];
};

struct want {
	struct forward forward;
	size_t cap_fdb, cap_neigh, cap_routes, cap_pods, cap_members, cap_keep;
	struct want_fdb *fdb;
	struct want_neigh *neigh;
	struct want_route *routes;
	struct want_pod *pods;
	uint32_t *members;
	struct keep_way *keep;
};

struct test {
	struct log log;
	struct kernel *kernel;
	struct want want;
};

static void answer(struct order *order, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void answer(struct order *order, const char *format, ...)
{
	size_t used = strlen(order->answer);
	va_list args;

	va_start(args, format);
	vsnprintf(order->answer + used, sizeof(order->answer) - used, format, args);
	va_end(args);
}

static void answer_error(struct order *order, const struct err *err)
{
	answer(order, "error %d %s", err->code, err->text);
}

/* ---- words; the script's mistakes end the program */

static const char *word(const struct order *order, size_t i)
{
	assert(i < order->n);
	return order->words[i];
}

static uint32_t number(const struct order *order, size_t i)
{
	return (uint32_t)strtoul(word(order, i), NULL, 0);
}

static uint32_t ip(const struct order *order, size_t i)
{
	struct err err = { 0 };
	uint32_t value = 0;

	if (strcmp(word(order, i), "-") != 0 && text_parse_ip4(word(order, i), &value, &err) < 0)
		abort();
	return value;
}

static struct prefix prefix(const struct order *order, size_t i)
{
	struct err err = { 0 };
	struct prefix value = { 0 };

	if (text_parse_prefix(word(order, i), &value.ip, &value.len, &err) < 0)
		abort();
	return value;
}

static struct mac mac(const struct order *order, size_t i)
{
	struct err err = { 0 };
	struct mac value = { 0 };

	if (text_parse_mac(word(order, i), value.b, &err) < 0)
		abort();
	return value;
}

static void name(const struct order *order, size_t i, char *out, size_t size)
{
	snprintf(out, size, "%s", word(order, i));
}

/* ---- the want */

static void run_clear(struct test *test, struct order *order)
{
	struct want *want = &test->want;

	(void)order;
	want->forward = (struct forward){ .peers_known = true };
}

static void run_tunnel(struct test *test, struct order *order)
{
	struct want_tunnel *tunnel = &test->want.forward.tunnel;

	test->want.forward.have_tunnel = true;
	name(order, 1, tunnel->name, sizeof(tunnel->name));
	tunnel->vni = number(order, 2);
	tunnel->port = (uint16_t)number(order, 3);
	tunnel->mac = mac(order, 4);
	tunnel->mtu = number(order, 5);
	tunnel->local_ip = ip(order, 6);
	tunnel->dev_ifindex = number(order, 7);
}

static void run_range(struct test *test, struct order *order)
{
	struct forward *forward = &test->want.forward;

	forward->range = prefix(order, 1);
	forward->node_ip = ip(order, 2);
	forward->masquerade = number(order, 3);
	forward->masquerade_nodes = number(order, 4);
	forward->peers_known = number(order, 5);
}

static void add_fdb(struct want *want, struct want_fdb fdb)
{
	want->fdb = vec_reserve(want->fdb, &want->cap_fdb, want->forward.n_fdb + 1, sizeof(fdb));
	want->fdb[want->forward.n_fdb++] = fdb;
}

static void add_neigh(struct want *want, struct want_neigh neigh)
{
	want->neigh = vec_reserve(want->neigh, &want->cap_neigh, want->forward.n_neigh + 1,
				  sizeof(neigh));
	want->neigh[want->forward.n_neigh++] = neigh;
}

static void add_route(struct want *want, struct want_route route)
{
	want->routes = vec_reserve(want->routes, &want->cap_routes, want->forward.n_routes + 1,
				   sizeof(route));
	want->routes[want->forward.n_routes++] = route;
}

static void add_member(struct want *want, uint32_t member)
{
	want->members = vec_reserve(want->members, &want->cap_members, want->forward.n_members + 1,
				    sizeof(member));
	want->members[want->forward.n_members++] = member;
}

/* peer MAC UNDERLAY NEXTHOP */
static void run_peer(struct test *test, struct order *order)
{
	add_fdb(&test->want, (struct want_fdb){ .mac = mac(order, 1), .dst = ip(order, 2) });
	add_neigh(&test->want, (struct want_neigh){ .ip = ip(order, 3), .mac = mac(order, 1) });
	add_member(&test->want, ip(order, 2));
}

/* route PREFIX METRIC NEXTHOP SOURCE */
static void run_route(struct test *test, struct order *order)
{
	add_route(&test->want, (struct want_route){ .dst = prefix(order, 1),
						    .metric = number(order, 2),
						    .via = ip(order, 3),
						    .src = ip(order, 4) });
}

/* keep PREFIX NEXTHOP */
static void run_keep(struct test *test, struct order *order)
{
	struct want *want = &test->want;
	struct keep_way way = { .dst = prefix(order, 1), .via = ip(order, 2) };

	want->keep =
		vec_reserve(want->keep, &want->cap_keep, want->forward.n_keep + 1, sizeof(way));
	want->keep[want->forward.n_keep++] = way;
}

/* peers N: that many with one /26 each, from the second block of the range on. */
static void run_peers(struct test *test, struct order *order)
{
	uint32_t n = number(order, 1);

	for (uint32_t i = 1; i <= n; i++) {
		struct mac vtep = { { 2, 0x99, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8),
				      (uint8_t)i } };
		struct want_route route = { .dst = { .ip = RANGE + i * 64, .len = 26 },
					    .metric = (i + 1) * 32 + 26,
					    .via = UINT32_C(0xa9fe0000) + 0x0200 + i };

		add_fdb(&test->want, (struct want_fdb){ vtep, UINT32_C(0xac100000) + i });
		add_neigh(&test->want, (struct want_neigh){ route.via, vtep });
		add_route(&test->want, route);
		add_member(&test->want, UINT32_C(0xac100000) + i);
	}
}

/* pod HOST_IF IP MAC ALIAS */
static void run_pod(struct test *test, struct order *order)
{
	struct want *want = &test->want;
	struct want_pod pod = { .ip = ip(order, 2), .pod_mac = mac(order, 3) };

	name(order, 1, pod.host_if, sizeof(pod.host_if));
	name(order, 4, pod.alias, sizeof(pod.alias));
	want->pods =
		vec_reserve(want->pods, &want->cap_pods, want->forward.n_pods + 1, sizeof(pod));
	want->pods[want->forward.n_pods++] = pod;
}

static void run_want(struct test *test, struct order *order)
{
	struct want *want = &test->want;

	want->forward.fdb = want->fdb;
	want->forward.neigh = want->neigh;
	want->forward.routes = want->routes;
	want->forward.pods = want->pods;
	want->forward.members = want->members;
	want->forward.keep = want->keep;
	kernel_want(test->kernel, &want->forward);
	answer(order, "ok");
}

/* ---- what the kernel side does */

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void run_pass(struct test *test, struct order *order)
{
	struct kernel_report report;
	int64_t begin = now_us();

	kernel_pass(test->kernel, &report);
	answer(order,
	       "{\"wanted\":%u,\"repaired\":%u,\"failed\":%u,\"sent\":%u,\"spoofed\":%llu,"
	       "\"us\":%lld,\"text\":\"%s\"}",
	       report.wanted, report.repaired, report.failed, kernel_sent(test->kernel),
	       (unsigned long long)report.spoofed_packets, (long long)(now_us() - begin),
	       report.text);
}

/* events MS: what the monitors say once they say anything, at most MS later. */
static void run_events(struct test *test, struct order *order)
{
	struct pollfd ready = { .fd = kernel_events_fd(test->kernel), .events = POLLIN };
	struct kernel_news news;
	int n = poll(&ready, 1, (int)number(order, 1));

	kernel_events(test->kernel, &news);
	answer(order, "{\"any\":%s,\"drift\":%s,\"underlay\":%s,\"pods\":%s,\"gone\":[",
	       n > 0 ? "true" : "false", news.drift ? "true" : "false",
	       news.underlay ? "true" : "false", news.pods ? "true" : "false");
	for (size_t i = 0; i < news.n_gone; i++)
		answer(order, "%s\"%s\"", i ? "," : "", news.gone[i]);
	answer(order, "]}");
}

/* wire HOST_IF POD_IF ALIAS IP NODE_IP MTU HOST_MAC POD_MAC REPLACE, and two descriptors */
static void run_wire(struct test *test, struct order *order)
{
	struct pods_sockets sockets = { kernel_route_socket(test->kernel),
					kernel_nft_socket(test->kernel) };
	struct wire_pod pod = { .ip = ip(order, 4),
				.node_ip = ip(order, 5),
				.mtu = number(order, 6),
				.host_mac = mac(order, 7),
				.pod_mac = mac(order, 8),
				.replace = number(order, 9) };
	struct err err = { 0 };
	int64_t begin;

	name(order, 1, pod.host_if, sizeof(pod.host_if));
	name(order, 2, pod.pod_if, sizeof(pod.pod_if));
	name(order, 3, pod.alias, sizeof(pod.alias));
	begin = now_us();
	if (pods_wire(&sockets, &pod, order->fds[0], order->fds[1], &err) < 0)
		answer_error(order, &err);
	else
		answer(order, "ok %lld", (long long)(now_us() - begin));
}

struct unwiring {
	pthread_t thread;
	const char *host_if;
	struct err err;
	int result;
};

static void *unwire(void *arg)
{
	struct unwiring *unwiring = arg;

	unwiring->result = pods_unwire(unwiring->host_if, &unwiring->err);
	return NULL;
}

/* unwire HOST_IF...: all at once, each by a worker of its own. */
static void run_unwire(struct test *test, struct order *order)
{
	struct unwiring *all = xcalloc(order->n, sizeof(*all));
	int64_t begin = now_us();
	size_t failed = 0;

	(void)test;
	for (size_t i = 1; i < order->n; i++) {
		all[i].host_if = order->words[i];
		if (pthread_create(&all[i].thread, NULL, unwire, &all[i]) != 0)
			abort();
	}
	for (size_t i = 1; i < order->n; i++) {
		pthread_join(all[i].thread, NULL);
		if (all[i].result < 0 && failed++ == 0)
			answer_error(order, &all[i].err);
	}
	if (failed == 0)
		answer(order, "ok %lld", (long long)(now_us() - begin));
	free(all);
}

static void run_pods(struct test *test, struct order *order)
{
	struct host_ends pods;
	struct err err = { 0 };

	if (kernel_pods(test->kernel, &pods, &err) < 0) {
		answer_error(order, &err);
		return;
	}
	answer(order, "[");
	for (size_t i = 0; i < pods.n; i++) {
		const struct host_end *pod = &pods.ends[i];

		answer(order, "%s[\"%s\",\"%s\",\"%s\",\"%s\",%u]", i ? "," : "", pod->host_if,
		       pod->container_id, pod->ifname, text_ip4(TEXT_BUF(IP4), pod->ip), pod->mtu);
	}
	answer(order, "]");
}

/* ---- the host */

/* underlay NODE_IP IFACE RANGE PEER... */
static void run_underlay(struct test *test, struct order *order)
{
	uint32_t peers[WORDS_MAX];
	struct host_wish wish = { .node_ip = ip(order, 1),
				  .iface = strcmp(word(order, 2), "-") ? word(order, 2) : "",
				  .range = prefix(order, 3),
				  .n_peers = order->n - 4,
				  .peers = peers };
	struct underlay underlay;

	for (size_t i = 4; i < order->n; i++)
		peers[i - 4] = ip(order, i);
	host_underlay(kernel_route_socket(test->kernel), &wish, &underlay);
	answer(order,
	       "{\"have\":%s,\"ip\":\"%s\",\"dev\":\"%s\",\"mtu\":%u,\"index\":%u,"
	       "\"text\":\"%s\"}",
	       underlay.have ? "true" : "false", text_ip4(TEXT_BUF(IP4), underlay.ip), underlay.dev,
	       underlay.mtu, underlay.ifindex, underlay.text);
}

static void run_overlap(struct test *test, struct order *order)
{
	struct err err = { 0 };

	if (host_range_overlap(kernel_route_socket(test->kernel), prefix(order, 1), &err) < 0)
		answer_error(order, &err);
	else
		answer(order, "ok");
}

static void run_facts(struct test *test, struct order *order)
{
	struct host_facts facts;

	host_facts(kernel_route_socket(test->kernel), number(order, 1), &facts);
	answer(order,
	       "{\"mac\":\"%s\",\"cookie\":%llu,\"boot\":\"%s\",\"machine\":\"%s\","
	       "\"ipv6\":%s}",
	       facts.have_mac ? text_mac(TEXT_BUF(MAC), facts.mac.b) : "",
	       (unsigned long long)facts.netns_cookie, facts.boot_id, facts.machine_id,
	       host_has_ipv6() ? "true" : "false");
}

static void run_memory(struct test *test, struct order *order)
{
	struct err err = { 0 };
	bool memory = false;

	(void)test;
	if (host_is_memory(word(order, 1), &memory, &err) < 0)
		answer_error(order, &err);
	else
		answer(order, memory ? "memory" : "disk");
}

/* ---- commands */

static const struct {
	const char *verb;
	void (*run)(struct test *test, struct order *order);
} verbs[] = {
	{ "clear", run_clear },     { "tunnel", run_tunnel }, { "range", run_range },
	{ "keep", run_keep },       { "peer", run_peer },     { "peers", run_peers },
	{ "route", run_route },     { "pod", run_pod },       { "want", run_want },
	{ "pass", run_pass },       { "events", run_events }, { "wire", run_wire },
	{ "unwire", run_unwire },   { "pods", run_pods },     { "underlay", run_underlay },
	{ "overlap", run_overlap }, { "facts", run_facts },   { "memory", run_memory },
};

static void run(struct test *test, struct order *order)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].verb, word(order, 0)) == 0) {
			verbs[i].run(test, order);
			return;
		}
	fprintf(stderr, "no verb '%s'\n", word(order, 0));
	abort();
}

/* A datagram may hold several commands, one a line; it gets one answer. */
static void run_lines(struct test *test, char *lines, struct order *order)
{
	char *line, *rest = lines;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char *at;

		order->n = 0;
		while ((at = strsep(&line, " ")) != NULL)
			if (*at && order->n < WORDS_MAX)
				order->words[order->n++] = at;
		if (order->n > 0)
			run(test, order);
	}
}

static ssize_t receive(char *lines, size_t size, struct order *order)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(order->fds))];
	} control = { 0 };
	struct iovec data = { lines, size - 1 };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(CHANNEL, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	order->fds[0] = order->fds[1] = -1;
	if (header && header->cmsg_len == CMSG_LEN(sizeof(order->fds)))
		memcpy(order->fds, CMSG_DATA(header), sizeof(order->fds));
	lines[got > 0 ? got : 0] = 0;
	return got;
}

int main(void)
{
	static char lines[MESSAGE_MAX];
	struct order *order = xcalloc(1, sizeof(*order));
	struct test test = { 0 };
	struct err err = { 0 };
	struct want *want = &test.want;

	log_init(&test.log, STDERR_FILENO, LOG_DEBUG, LOG_PLAIN);
	if (kernel_new(&test.log, &test.kernel, &err) < 0) {
		log_line(&test.log, LOG_ERR, "%s: %s", err.text, strerror(err.code));
		return EXIT_FAILURE;
	}
	while (receive(lines, sizeof(lines), order) > 0) {
		order->answer[0] = 0;
		run_lines(&test, lines, order);
		for (int i = 0; i < 2; i++)
			if (order->fds[i] >= 0)
				close(order->fds[i]);
		if (!order->answer[0])
			answer(order, "ok");
		send(CHANNEL, order->answer, strlen(order->answer), MSG_NOSIGNAL);
	}
	kernel_free(test.kernel);
	free(want->fdb);
	free(want->neigh);
	free(want->routes);
	free(want->pods);
	free(want->members);
	free(want->keep);
	free(order);
	return EXIT_SUCCESS;
}
