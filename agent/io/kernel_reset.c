#include <netinet/in.h> /* before the kernel's own */

#include "io/kernel_reset.h"

#include <errno.h>
#include <linux/netconf.h>
#include <linux/netfilter.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "io/attr.h"
#include "io/kernel_state.h"
#include "io/nft_read.h"
#include "log/log.h"

/* The second does not exist yet: a later agent may have made it. */
static const char *const tunnels[] = { "weft-vx", "weft-vx6" };

enum { TUNNELS = sizeof(tunnels) / sizeof(tunnels[0]), PARTS_MAX = 600 };

/* How much of what is there. */
struct census {
	uint32_t pods, routes;
	bool tunnel[TUNNELS];
	bool table;
};

struct reset {
	struct log *log;
	struct kernel_reset *ret;
	struct netlink route, filter;
	struct kernel_have have;
	struct nft_have nft;
};

/* ---- words */

/* One more of a list with commas. */
static void part(char list[static PARTS_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void part(char list[static PARTS_MAX], const char *format, ...)
{
	size_t len = strlen(list);
	va_list args;

	if (len > 0 && len < PARTS_MAX - 3)
		len += (size_t)snprintf(list + len, PARTS_MAX - len, ", ");
	va_start(args, format);
	vsnprintf(list + len, PARTS_MAX - len, format, args);
	va_end(args);
}

static const char *describe(char list[static PARTS_MAX], const struct census *census)
{
	list[0] = '\0';
	if (census->pods > 0)
		part(list, "%u pod%s", census->pods,
		     census->pods == 1 ? "'s interface" : "s' interfaces");
	for (size_t i = 0; i < TUNNELS; i++)
		if (census->tunnel[i])
			part(list, "tunnel %s", tunnels[i]);
	if (census->routes > 0)
		part(list, "%u route%s", census->routes, census->routes == 1 ? "" : "s");
	if (census->table)
		part(list, "nftables table inet weft");
	return list;
}

static void fail(struct reset *reset, const char *what, const struct err *err)
{
	char words[LOG_WORDS_MAX];
	bool not_allowed = err->code == EPERM || err->code == EACCES;

	reset->ret->failed = true;
	log_line(reset->log, LOG_ERR, "%s: %s -> %s", what, log_words(words, err),
		 not_allowed ? "a reset needs CAP_NET_ADMIN in the host's network: give it that, "
			       "and reset again"
			     : "reset again");
}

static void name_link(const void *object, char *text, size_t size)
{
	netlink_name_text(((const struct rtnl_link *)object)->name, text, size);
}

static void name_route(const void *object, char *text, size_t size)
{
	const struct rtnl_route *route = object;

	snprintf(text, size, "route to %s",
		 text_prefix(TEXT_BUF(PREFIX), route->dst.ip, route->dst.len));
}

/* ---- links and routes */

static const struct rtnl_route *routes_of(const struct kernel_have *have, size_t *ret_n)
{
	const struct kernel_array *array = &have->state.arrays[KERNEL_ROUTES];

	*ret_n = array->n;
	return array->items;
}

static bool has_route(const struct kernel_have *have, uint32_t ifindex)
{
	size_t n;
	const struct rtnl_route *routes = routes_of(have, &n);

	for (size_t i = 0; i < n; i++)
		if (routes[i].oif == ifindex)
			return true;
	return false;
}

/* Container id and interface name, as every host end gets them when it is made. */
static bool has_mark(const struct rtnl_link *link)
{
	const char *slash = strrchr(link->alias, '/');

	return slash && slash > link->alias && slash[1];
}

/* A name alone could be somebody else's; the mark can be lost. */
static bool is_pods(const struct kernel_have *have, const struct rtnl_link *link)
{
	return rtnl_is_host_end(link->name) && strcmp(link->kind, "veth") == 0 &&
	       (has_mark(link) || has_route(have, link->ifindex));
}

static bool *tunnel_of(struct census *census, const struct rtnl_link *link)
{
	for (size_t i = 0; i < TUNNELS; i++)
		if (strcmp(link->name, tunnels[i]) == 0 && strcmp(link->kind, "vxlan") == 0)
			return &census->tunnel[i];
	return NULL;
}

static void put_link(struct netlink_batch *batch, const struct rtnl_link *link)
{
	rtnl_put_link(batch, RTM_DELLINK, link->ifindex, NULL, 0, 0, name_link, link);
	/* Its pod may end at this moment, and it with the pod. */
	netlink_batch_forgive(batch, ENODEV);
}

static void put_route(struct netlink_batch *batch, const struct rtnl_route *route)
{
	rtnl_put_route(batch, RTM_DELROUTE, 0, route, name_route, route);
	/* With their links most of them are gone. */
	netlink_batch_forgive(batch, ESRCH);
}

/* What is ours: counted, and its removal put into the batch if there is one. */
static struct census take(const struct kernel_have *have, struct netlink_batch *batch)
{
	struct census census = { 0 };
	size_t n;
	const struct rtnl_route *routes = routes_of(have, &n);

	for (size_t i = 0; i < have->n; i++) {
		bool *tunnel = tunnel_of(&census, &have->links[i]);
		bool pods = is_pods(have, &have->links[i]);

		if (tunnel)
			*tunnel = true;
		census.pods += pods;
		if (batch && (tunnel || pods))
			put_link(batch, &have->links[i]);
	}
	for (size_t i = 0; i < n && batch; i++)
		put_route(batch, &routes[i]);
	census.routes = (uint32_t)n;
	return census;
}

static int look(struct reset *reset, struct err *err)
{
	int result = kernel_dump_links(&reset->route, tunnels[0], &reset->have, err);

	return result < 0 ? result : kernel_dump_state(&reset->route, &reset->have, err);
}

static int run(struct netlink_batch *batch, struct err *err)
{
	int result = batch->n > 0 ? netlink_batch_run(batch, err) : 0;

	netlink_batch_done(batch);
	return result;
}

/* What is left when all was asked to go is what counts, whatever was answered meanwhile. */
static void remove_links_and_routes(struct reset *reset, struct census *removed)
{
	struct err refused = { 0 }, err = { 0 };
	struct netlink_batch batch;
	struct census left;
	char list[PARTS_MAX];

	if (look(reset, &err) < 0) {
		fail(reset, "the host's links and routes", &err);
		return;
	}
	netlink_batch_init(&batch, &reset->route);
	*removed = take(&reset->have, &batch);
	reset->ret->found = describe(list, removed)[0] != '\0';
	(void)run(&batch, &refused);
	if (look(reset, &err) < 0) {
		fail(reset, "the host's links and routes, looked at again", &err);
		return;
	}
	left = take(&reset->have, NULL);
	for (size_t i = 0; i < TUNNELS; i++)
		removed->tunnel[i] = removed->tunnel[i] && !left.tunnel[i];
	removed->pods -= left.pods < removed->pods ? left.pods : removed->pods;
	removed->routes -= left.routes < removed->routes ? left.routes : removed->routes;
	if (!describe(list, &left)[0])
		return;
	if (refused.code == 0)
		err_set(&refused, EBUSY, "there again after they were removed");
	fail(reset, list, &refused);
}

/* Said, since a person may wonder; not touched. */
static void say_strangers(const struct reset *reset)
{
	char list[PARTS_MAX] = "";

	for (size_t i = 0; i < reset->have.n; i++) {
		const struct rtnl_link *link = &reset->have.links[i];

		if (rtnl_is_host_end(link->name) && !is_pods(&reset->have, link))
			part(list, "%s", link->name);
	}
	if (list[0])
		log_line(reset->log, LOG_WARN,
			 "%s: called like a pod's interface, without Weft's mark and route -> not "
			 "Weft's, left alone",
			 list);
}

/* ---- forwarding */

static void take_forwarding(void *arg, const struct nlmsghdr *message)
{
	const struct nlattr *at[NETCONFA_FORWARDING + 1];

	if (message->nlmsg_type != RTM_NEWNETCONF)
		return;
	attr_table(message, sizeof(struct netconfmsg), at, NETCONFA_FORWARDING + 1);
	*(bool *)arg = attr_u32(at[NETCONFA_FORWARDING], 0) != 0;
}

/* Is net.ipv4.ip_forward on? Then somebody else wants this host to forward: Weft never touches it,
 * and containers of another kind may live by it. */
static int host_forwards(struct reset *reset, bool *ret, struct err *err)
{
	char buffer[64];
	struct nlmsghdr *request =
		netlink_request(buffer, RTM_GETNETCONF, sizeof(struct netconfmsg));
	struct netconfmsg *header = mnl_nlmsg_get_payload(request);

	header->ncm_family = AF_INET;
	mnl_attr_put_u32(request, NETCONFA_IFINDEX, (uint32_t)NETCONFA_IFINDEX_ALL);
	*ret = false;
	return netlink_ask(&reset->route, request, take_forwarding, ret, err);
}

static const struct nft_keys *opened(const struct reset *reset)
{
	size_t i = 0;

	while (strcmp(nft_sets[i].name, NFT_SET_OPENED) != 0)
		i++;
	return &reset->nft.sets[i];
}

/* Devices that Weft switched on and that are on still; their names to `list`. */
static void take_opened(const struct reset *reset, struct netlink_batch *batch,
			char list[static PARTS_MAX])
{
	const struct nft_keys *keys = opened(reset);

	list[0] = '\0';
	for (size_t i = 0; i < keys->n; i++) {
		const struct rtnl_link *link =
			kernel_link_named(&reset->have, (const char *)keys->key[i]);

		if (!link || !link->forwarding)
			continue;
		rtnl_put_settings(rtnl_put_link(batch, RTM_SETLINK, link->ifindex, NULL, 0, 0,
						name_link, link),
				  false, -1, false);
		netlink_batch_forgive(batch, ENODEV);
		part(list, "%s", link->name);
	}
}

/* False: what the table remembers is not done. */
static bool switch_forwarding_off(struct reset *reset)
{
	struct netlink_batch batch;
	char list[PARTS_MAX];
	struct err err = { 0 };
	bool wanted = false;
	int result = 0;

	netlink_batch_init(&batch, &reset->route);
	take_opened(reset, &batch, list);
	if (list[0])
		result = host_forwards(reset, &wanted, &err);
	if (result == 0 && !wanted)
		result = run(&batch, &err);
	else
		netlink_batch_done(&batch);
	if (result < 0) {
		fail(reset, "forwarding, which Weft had switched on", &err);
		return false;
	}
	if (list[0])
		log_line(reset->log, LOG_INFO, "forwarding of %s, which Weft had switched on -> %s",
			 list,
			 wanted ? "left on, since net.ipv4.ip_forward is on"
				: "switched off again");
	return true;
}

/* ---- the table */

static struct nlmsghdr *put(struct netlink_batch *batch, uint16_t type, uint8_t family,
			    uint16_t resource)
{
	struct nlmsghdr *message = netlink_batch_add(batch, type, 0, sizeof(struct nfgenmsg),
						     netlink_name_text, "its removal");

	nft_put_header(message, family, resource);
	return message;
}

static int delete_table(struct reset *reset, struct err *err)
{
	struct netlink_batch batch;

	netlink_batch_init(&batch, &reset->filter);
	batch.whole = true;
	put(&batch, NFNL_MSG_BATCH_BEGIN, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);
	mnl_attr_put_strz(put(&batch, NFT_TYPE(NFT_MSG_DELTABLE), NFPROTO_INET, 0), NFTA_TABLE_NAME,
			  NFT_TABLE);
	netlink_batch_forgive(&batch, ENOENT);
	put(&batch, NFNL_MSG_BATCH_END, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);
	return run(&batch, err);
}

static void remove_table(struct reset *reset, struct census *removed)
{
	struct err err = { 0 };

	if (nft_read(&reset->filter, &reset->nft, &err) < 0) {
		fail(reset, "nftables", &err);
		return;
	}
	if (!reset->nft.exists)
		return;
	reset->ret->found = true;
	if (!switch_forwarding_off(reset))
		log_line(reset->log, LOG_ERR,
			 "nftables table inet weft -> stays, since it remembers which devices "
			 "these are");
	else if (delete_table(reset, &err) < 0)
		fail(reset, "nftables table inet weft", &err);
	else
		removed->table = true;
}

/* ---- the whole */

static int open_sockets(struct reset *reset, struct err *err)
{
	int result = netlink_open(&reset->route, NETLINK_ROUTE, err);

	return result < 0 ? result : netlink_open(&reset->filter, NETLINK_NETFILTER, err);
}

void kernel_reset(struct log *log, struct kernel_reset *ret)
{
	struct reset reset = {
		.log = log, .ret = ret, .route = NETLINK_CLOSED, .filter = NETLINK_CLOSED
	};
	struct census removed = { 0 };
	struct err err = { 0 };
	char list[PARTS_MAX];

	*ret = (struct kernel_reset){ 0 };
	if (open_sockets(&reset, &err) < 0) {
		fail(&reset, "the kernel", &err);
	} else {
		remove_links_and_routes(&reset, &removed);
		say_strangers(&reset);
		remove_table(&reset, &removed);
	}
	ret->pods = removed.pods;
	if (describe(list, &removed)[0])
		log_line(log, LOG_INFO, "%s -> removed", list);
	kernel_have_done(&reset.have);
	nft_have_done(&reset.nft);
	netlink_close(&reset.route);
	netlink_close(&reset.filter);
}
