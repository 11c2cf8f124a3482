#include "io/kernel.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_compat.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/vec.h"
#include "base/xalloc.h"
#include "io/kernel_state.h"

enum { REPAIRS_LOGGED = 10 }; /* in one pass; the rest are counted in one line */

/* ---- making and ending */

static int open_monitors(struct kernel *kernel, struct err *err)
{
	static const int route[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE,
				     RTNLGRP_NEIGH, RTNLGRP_IPV4_NETCONF };
	static const int filter[] = { NFNLGRP_NFTABLES };
	int result = netlink_open(&kernel->route_monitor, NETLINK_ROUTE, err);

	if (result == 0)
		result = netlink_subscribe(&kernel->route_monitor, 5, route, err);
	if (result == 0)
		result = netlink_open(&kernel->filter_monitor, NETLINK_NETFILTER, err);
	if (result == 0)
		result = netlink_subscribe(&kernel->filter_monitor, 1, filter, err);
	return result;
}

static int poll_monitors(struct kernel *kernel, struct err *err)
{
	struct epoll_event route = { .events = EPOLLIN }, filter = { .events = EPOLLIN };

	kernel->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (kernel->epoll < 0 ||
	    epoll_ctl(kernel->epoll, EPOLL_CTL_ADD, kernel->route_monitor.fd, &route) < 0 ||
	    epoll_ctl(kernel->epoll, EPOLL_CTL_ADD, kernel->filter_monitor.fd, &filter) < 0)
		return err_set(err, errno, "watch netlink sockets");
	return 0;
}

int kernel_new(struct log *log, struct kernel **ret, struct err *err)
{
	struct kernel *kernel = xcalloc(1, sizeof(*kernel));
	int result;

	kernel->log = log;
	kernel->epoll = -1;
	kernel->route = kernel->filter = NETLINK_CLOSED;
	kernel->route_monitor = kernel->filter_monitor = NETLINK_CLOSED;
	kernel->nft = nft_new(log);
	result = netlink_open(&kernel->route, NETLINK_ROUTE, err);
	if (result == 0)
		result = netlink_open(&kernel->filter, NETLINK_NETFILTER, err);
	if (result == 0)
		result = open_monitors(kernel, err);
	if (result == 0)
		result = poll_monitors(kernel, err);
	if (result < 0) {
		kernel_free(kernel);
		return result;
	}
	*ret = kernel;
	return 0;
}

void kernel_free(struct kernel *kernel)
{
	if (!kernel)
		return;
	if (kernel->epoll >= 0)
		close(kernel->epoll);
	netlink_close(&kernel->route);
	netlink_close(&kernel->filter);
	netlink_close(&kernel->route_monitor);
	netlink_close(&kernel->filter_monitor);
	nft_free(kernel->nft);
	for (int i = 0; i < KERNEL_WANTS; i++)
		free(kernel->want_items[i].items);
	kernel_have_done(&kernel->have);
	kernel_state_done(&kernel->wanted);
	kernel_state_done(&kernel->settled);
	free(kernel->opened);
	free(kernel->pods);
	free(kernel->gone);
	free(kernel->gone_ifindex);
	free(kernel->suspects);
	free(kernel);
}

/* ---- the want */

/* Memory is kept from want to want: on a large cluster each is half a megabyte, and a new pod is a
 * new want. */
static const void *keep(struct kernel *kernel, int which, const void *items, size_t n, size_t size)
{
	struct kernel_array *array = &kernel->want_items[which];

	array->items = vec_reserve(array->items, &array->cap, n, size);
	if (n > 0)
		memcpy(array->items, items, n * size);
	return array->items;
}

void kernel_want(struct kernel *kernel, const struct forward *forward)
{
	struct forward *want = &kernel->want;

	if (forward->pods_only) {
		want->pods = keep(kernel, 3, forward->pods, forward->n_pods, sizeof(*want->pods));
		want->n_pods = forward->n_pods;
		return;
	}
	*want = *forward;
	want->fdb = keep(kernel, 0, forward->fdb, forward->n_fdb, sizeof(*want->fdb));
	want->neigh = keep(kernel, 1, forward->neigh, forward->n_neigh, sizeof(*want->neigh));
	want->routes = keep(kernel, 2, forward->routes, forward->n_routes, sizeof(*want->routes));
	want->pods = keep(kernel, 3, forward->pods, forward->n_pods, sizeof(*want->pods));
	want->members =
		keep(kernel, 4, forward->members, forward->n_members, sizeof(*want->members));
	want->keep = keep(kernel, 5, forward->keep, forward->n_keep, sizeof(*want->keep));
	kernel->wanting = true;
}

/* ---- a pass */

void kernel_repair(struct kernel_pass *pass, const char *format, ...)
{
	char text[256];
	va_list args;

	pass->repaired++;
	if (pass->told++ >= REPAIRS_LOGGED)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_line(pass->kernel->log, LOG_WARN, "%s", text);
}

void kernel_fail(struct kernel_pass *pass, const struct err *err)
{
	if (pass->failed++ == 0)
		pass->first = *err;
}

void kernel_send(struct kernel_pass *pass)
{
	struct err err = { 0 };
	uint32_t failed;

	pass->kernel->sent += (uint32_t)pass->batch.n;
	if (pass->batch.n == 0 || netlink_batch_run(&pass->batch, &err) == 0)
		return;
	failed = pass->batch.failed;
	kernel_fail(pass, &err);
	pass->failed += failed - 1;
}

/* Who is wanted, and at whose address a peer is that is spared. The caller frees it. */
static uint32_t *list_members(const struct kernel_pass *pass, size_t *ret_n)
{
	const struct forward *want = &pass->kernel->want;
	const struct kernel_array *spared = &pass->spared.arrays[KERNEL_FDB];
	uint32_t *members = xcalloc(want->n_members + spared->n + 1, sizeof(*members));

	*ret_n = want->n_members + spared->n;
	if (want->n_members > 0)
		memcpy(members, want->members, want->n_members * sizeof(*members));
	for (size_t i = 0; i < spared->n; i++)
		members[want->n_members + i] = ((const struct rtnl_neigh *)spared->items)[i].dst;
	return members;
}

static void pass_nft(struct kernel_pass *pass, struct nft_report *nft)
{
	struct kernel *kernel = pass->kernel;
	struct forward want = kernel->want;
	struct err err = { 0 };
	uint32_t *members = list_members(pass, &want.n_members);

	want.members = members;
	if (nft_pass(kernel->nft, &kernel->filter, &want, nft, &err) < 0)
		kernel_fail(pass, &err);
	free(members);
	kernel->sent += nft->sent;
	pass->wanted += nft->wanted;
	pass->repaired += nft->repaired;
	pass->added += nft->added;
}

/* Links first: everything else hangs on their numbers. The table is told which devices we are about
 * to switch forwarding on for before it is done. */
static int pass_links(struct kernel_pass *pass, struct nft_report *nft, struct err *err)
{
	struct kernel *kernel = pass->kernel;
	const char *tunnel = kernel->want.tunnel.name;
	bool another;
	int result = kernel_dump_links(&kernel->route, tunnel, &kernel->have, err);

	if (result == 0 && kernel->want.n_keep > 0)
		result = kernel_dump_state(&kernel->route, &kernel->have, err);
	if (result < 0)
		return result;
	kernel_spare(pass);
	another = kernel_mend_tunnel(pass);
	pass->judging = kernel->is_settled && !another;
	kernel_mend_ends(pass);
	kernel_mend_devices(pass);
	pass_nft(pass, nft);
	kernel_send(pass);
	return another ? kernel_dump_links(&kernel->route, tunnel, &kernel->have, err) : 0;
}

static void settle(struct kernel_pass *pass)
{
	struct kernel *kernel = pass->kernel;

	if (pass->failed > 0)
		return;
	kernel_state_copy(&kernel->settled, &kernel->wanted);
	kernel_state_append(&kernel->settled, &pass->kept);
	if (!kernel->is_settled)
		log_line(kernel->log, LOG_INFO,
			 "%u things are wanted of the kernel -> %u added, %u changed, %u others "
			 "removed",
			 pass->wanted, pass->added, pass->changed, pass->removed);
	kernel->is_settled = true;
	if (kernel->want.have_tunnel)
		kernel->settled_tunnel = kernel->want.tunnel;
}

/* A failure is said when it begins, when it changes and when it is over; the pass comes again. */
static void say_trouble(struct kernel_pass *pass, struct kernel_report *ret)
{
	struct kernel *kernel = pass->kernel;
	char words[LOG_WORDS_MAX];

	if (pass->failed > 0)
		snprintf(ret->text, sizeof(ret->text), "%.*s", TEXT_LEN_MAX,
			 log_words(words, &pass->first));
	if (strcmp(ret->text, kernel->trouble) == 0)
		return;
	memcpy(kernel->trouble, ret->text, sizeof(kernel->trouble));
	if (pass->failed > 0)
		log_line(kernel->log, LOG_ERR,
			 "the kernel refused %u of %u things: %s -> tried again at each pass",
			 pass->failed, pass->wanted, ret->text);
	else
		log_line(kernel->log, LOG_INFO,
			 "the kernel takes everything again -> all %u things are set",
			 pass->wanted);
}

void kernel_pass(struct kernel *kernel, struct kernel_report *ret)
{
	struct kernel_pass pass = { .kernel = kernel };
	struct nft_report nft = { 0 };
	struct err err = { 0 };
	int result;

	*ret = (struct kernel_report){ 0 };
	kernel->sent = 0;
	if (!kernel->wanting)
		return;
	netlink_batch_init(&pass.batch, &kernel->route);
	result = pass_links(&pass, &nft, &err);
	if (result == 0)
		result = kernel_dump_state(&kernel->route, &kernel->have, &err);
	if (result == 0) {
		kernel_flatten(kernel);
		kernel_mend_state(&pass);
		kernel_send(&pass);
	} else {
		kernel_fail(&pass, &err);
	}
	if (pass.told > REPAIRS_LOGGED)
		log_line(kernel->log, LOG_WARN, "and %u more like these -> mended",
			 pass.told - REPAIRS_LOGGED);
	netlink_batch_done(&pass.batch);
	ret->wanted = pass.wanted;
	ret->repaired = pass.repaired;
	ret->failed = pass.failed;
	ret->spoofed_packets = nft.spoofed_packets;
	settle(&pass);
	kernel_state_done(&pass.spared);
	kernel_state_done(&pass.kept);
	say_trouble(&pass, ret);
}

uint32_t kernel_sent(const struct kernel *kernel)
{
	return kernel->sent;
}

/* ---- pods */

/* "container id/ifname"; what does not look like it leaves both empty. */
static void split_alias(const char *alias, struct host_end *pod)
{
	const char *slash = strrchr(alias, '/');
	size_t id_len = slash ? (size_t)(slash - alias) : 0;

	if (id_len == 0 || id_len > CONTAINER_ID_MAX || strlen(slash + 1) == 0 ||
	    strlen(slash + 1) > IFNAME_LEN_MAX)
		return;
	memcpy(pod->container_id, alias, id_len);
	snprintf(pod->ifname, sizeof(pod->ifname), "%s", slash + 1);
}

/* Which address is behind which link, sorted by link. */
struct behind {
	uint32_t ifindex, ip;
};

static int compare_behind(const void *a, const void *b)
{
	const struct behind *x = a, *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

/* The caller frees it. */
static struct behind *list_behind(const struct kernel_have *have, size_t *ret_n)
{
	const struct kernel_array *array = &have->state.arrays[KERNEL_ROUTES];
	const struct rtnl_route *routes = array->items;
	struct behind *list = xcalloc(array->n + 1, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < array->n; i++)
		if (routes[i].oif != 0 && routes[i].dst.len == 32)
			list[n++] = (struct behind){ routes[i].oif, routes[i].dst.ip };
	qsort(list, n, sizeof(*list), compare_behind);
	*ret_n = n;
	return list;
}

static void fill_pod(struct host_end *pod, const struct rtnl_link *link,
		     const struct behind *behind, size_t n_behind)
{
	struct behind key = { .ifindex = link->ifindex };
	const struct behind *found = bsearch(&key, behind, n_behind, sizeof(key), compare_behind);

	*pod = (struct host_end){ .ip = found ? found->ip : 0, .mtu = link->mtu };
	memcpy(pod->host_if, link->name, sizeof(pod->host_if));
	split_alias(link->alias, pod);
}

int kernel_pods(struct kernel *kernel, struct host_ends *ret, struct err *err)
{
	struct kernel_have *have = &kernel->have;
	const char *tunnel = kernel->want.tunnel.name;
	struct behind *behind;
	size_t n = 0, n_behind;
	int result = kernel_dump_links(&kernel->route, tunnel, have, err);

	if (result == 0)
		result = kernel_dump_state(&kernel->route, have, err);
	if (result < 0)
		return err_wrap(err, "look for pods");
	behind = list_behind(have, &n_behind);
	kernel->pods =
		vec_reserve(kernel->pods, &kernel->cap_pods, have->n + 1, sizeof(*kernel->pods));
	for (size_t i = 0; i < have->n; i++)
		if (rtnl_is_host_end(have->links[i].name))
			fill_pod(&kernel->pods[n++], &have->links[i], behind, n_behind);
	free(behind);
	*ret = (struct host_ends){ .n = n, .ends = kernel->pods };
	return 0;
}

struct netlink *kernel_route_socket(struct kernel *kernel)
{
	return &kernel->route;
}

struct netlink *kernel_nft_socket(struct kernel *kernel)
{
	return &kernel->filter;
}
