#include "io/pod_routes.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <sys/socket.h>

#include "io/attr.h"
#include "io/rtnl.h"
#include "weft/net.h"

enum {
	RULE_PRIORITY = 8700,
	/* The table of the interface whose routes have metric 1 is the one behind this. Far from
	 * the kernel's own, 253 to 255, whatever the metric. */
	TABLES = 8700,
	N_TABLES = 1000000,
};

static void take_route(void *arg, const struct nlmsghdr *message)
{
	struct pod_routes *there = arg;
	struct rtnl_route route;

	if (!rtnl_read_route(message, &route) || route.table != RT_TABLE_MAIN ||
	    route.dst.len != 0 || route.type != RTN_UNICAST)
		return;
	if (!there->any || route.metric < there->best) {
		there->best = route.metric;
		there->ours = route.protocol == RTNL_PROTOCOL_WEFT;
	}
	if (route.metric > there->worst)
		there->worst = route.metric;
	there->any = true;
}

static void forget_routes(void *arg)
{
	*(struct pod_routes *)arg = (struct pod_routes){ 0 };
}

int pod_routes_read(struct netlink *inside, struct pod_routes *ret, struct err *err)
{
	*ret = (struct pod_routes){ 0 };
	return rtnl_dump_routes(inside, 0, take_route, forget_routes, ret, err);
}

static void put_route(struct netlink_batch *batch, const struct rtnl_route *route, const char *name)
{
	rtnl_put_route(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route, netlink_name_text,
		       name);
}

/* ip 0: of whatever address. */
static void put_rule(struct netlink_batch *batch, uint16_t type, uint32_t ip, uint32_t table)
{
	struct nlmsghdr *message = netlink_batch_add(
		batch, type, type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0,
		sizeof(struct fib_rule_hdr), netlink_name_text, "the rule for its address");
	struct fib_rule_hdr *header = mnl_nlmsg_get_payload(message);

	header->family = AF_INET;
	header->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(message, FRA_TABLE, table);
	mnl_attr_put_u32(message, FRA_PRIORITY, RULE_PRIORITY);
	mnl_attr_put_u8(message, FRA_PROTOCOL, RTNL_PROTOCOL_WEFT);
	if (ip == 0)
		return;
	header->src_len = 32;
	attr_put_be32(message, FRA_SRC, ip);
}

/* What is sent from ip goes by `all`, in a table of its own. */
static void put_way_back(struct netlink_batch *batch, uint32_t ip, struct rtnl_route all)
{
	all.table = TABLES + all.metric % N_TABLES;
	put_route(batch, &all, "the default route of its address");
	put_rule(batch, RTM_DELRULE, 0, all.table);
	netlink_batch_forgive(batch, ENOENT);
	put_rule(batch, RTM_NEWRULE, ip, all.table);
}

void pod_routes_put(struct netlink_batch *batch, const struct pod_routes *there, uint32_t ifindex,
		    uint32_t ip, struct prefix range)
{
	struct rtnl_route gateway = {
		.dst = { .ip = WEFT_POD_GATEWAY, .len = 32 },
		/* Each metric is one interface's. The last there is leads to a refusal. */
		.metric = there->any ? there->worst + (there->worst < UINT32_MAX) : 0,
		.type = RTN_UNICAST,
		.scope = RT_SCOPE_LINK,
		.protocol = RTNL_PROTOCOL_WEFT,
		.oif = ifindex,
	};
	struct rtnl_route all = {
		.metric = gateway.metric,
		.type = RTN_UNICAST,
		.scope = RT_SCOPE_UNIVERSE,
		.protocol = RTNL_PROTOCOL_WEFT,
		.oif = ifindex,
		.via = WEFT_POD_GATEWAY,
		.onlink = true,
	};
	struct rtnl_route pods = all;

	pods.dst = range;
	put_route(batch, &gateway, "the route to the gateway");
	put_route(batch, &all, "the default route");
	if (!there->any)
		return;
	if (!there->ours && range.len > 0)
		put_route(batch, &pods, "the route to all pods");
	put_way_back(batch, ip, all);
}
