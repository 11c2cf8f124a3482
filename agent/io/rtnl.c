#include "io/rtnl.h"

#include <ctype.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <string.h>
#include <sys/socket.h>

#include "io/attr.h"

/* ---- links */

bool rtnl_is_host_end(const char *name)
{
	if (strlen(name) != 14 || strncmp(name, "wf", 2) != 0)
		return false;
	for (const char *c = name + 2; *c; c++)
		if (!isdigit((unsigned char)*c) && (*c < 'a' || *c > 'f'))
			return false;
	return true;
}

static void read_vxlan(const struct nlattr *data, struct rtnl_vxlan *ret)
{
	const struct nlattr *at[IFLA_VXLAN_GPE + 1];

	attr_nested(data, at, IFLA_VXLAN_GPE + 1);
	ret->vni = attr_u32(at[IFLA_VXLAN_ID], 0);
	ret->local = attr_be32(at[IFLA_VXLAN_LOCAL], 0);
	ret->link = attr_u32(at[IFLA_VXLAN_LINK], 0);
	ret->port = attr_be16(at[IFLA_VXLAN_PORT], 0);
	ret->learning = attr_u8(at[IFLA_VXLAN_LEARNING], 0);
	ret->foreign = attr_u8(at[IFLA_VXLAN_COLLECT_METADATA], 0) || at[IFLA_VXLAN_GBP] ||
		       at[IFLA_VXLAN_GPE] || at[IFLA_VXLAN_GROUP] || at[IFLA_VXLAN_GROUP6] ||
		       at[IFLA_VXLAN_LOCAL6];
}

/* The kernel gives a device's IPv4 settings as an array that starts with number 1. */
static uint32_t inet_setting(const struct nlattr *conf, unsigned int number)
{
	uint32_t value = 0;

	if (conf && mnl_attr_get_payload_len(conf) >= number * sizeof(value))
		memcpy(&value,
		       (const char *)mnl_attr_get_payload(conf) + (number - 1) * sizeof(value),
		       sizeof(value));
	return value;
}

static void read_settings(const struct nlattr *spec, struct rtnl_link *ret)
{
	const struct nlattr *family[AF_INET6 + 1], *inet[IFLA_INET_CONF + 1],
		*inet6[IFLA_INET6_ADDR_GEN_MODE + 1];

	attr_nested(spec, family, AF_INET6 + 1);
	attr_nested(family[AF_INET], inet, IFLA_INET_CONF + 1);
	attr_nested(family[AF_INET6], inet6, IFLA_INET6_ADDR_GEN_MODE + 1);
	ret->has_inet = inet[IFLA_INET_CONF];
	ret->forwarding = inet_setting(inet[IFLA_INET_CONF], IPV4_DEVCONF_FORWARDING);
	ret->rp_filter = inet_setting(inet[IFLA_INET_CONF], IPV4_DEVCONF_RP_FILTER);
	ret->has_inet6 = inet6[IFLA_INET6_ADDR_GEN_MODE];
	ret->addr_gen_mode = attr_u8(inet6[IFLA_INET6_ADDR_GEN_MODE], 0);
}

bool rtnl_read_link(const struct nlmsghdr *message, struct rtnl_link *ret)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *at[IFLA_EXT_MASK + 1], *info[IFLA_INFO_DATA + 1];

	if ((message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK) ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
	    header->ifi_family != AF_UNSPEC) /* a bridge speaks of its ports likewise */
		return false;
	attr_table(message, sizeof(*header), at, IFLA_EXT_MASK + 1);
	attr_nested(at[IFLA_LINKINFO], info, IFLA_INFO_DATA + 1);
	*ret = (struct rtnl_link){
		.ifindex = (uint32_t)header->ifi_index,
		.flags = header->ifi_flags,
		.hardware = header->ifi_type,
		.mtu = attr_u32(at[IFLA_MTU], 0),
	};
	attr_copy(at[IFLA_ADDRESS], ret->mac.b, sizeof(ret->mac.b));
	attr_text(at[IFLA_IFNAME], ret->name, sizeof(ret->name));
	attr_text(at[IFLA_IFALIAS], ret->alias, sizeof(ret->alias));
	attr_text(info[IFLA_INFO_KIND], ret->kind, sizeof(ret->kind));
	read_settings(at[IFLA_AF_SPEC], ret);
	if (strcmp(ret->kind, "vxlan") == 0)
		read_vxlan(info[IFLA_INFO_DATA], &ret->vxlan);
	return true;
}

struct nlmsghdr *rtnl_put_link(struct netlink_batch *batch, uint16_t type, uint32_t ifindex,
			       const char *name, uint32_t flags, uint32_t change, netlink_name say,
			       const void *object)
{
	struct nlmsghdr *message =
		netlink_batch_add(batch, type, 0, sizeof(struct ifinfomsg), say, object);
	struct ifinfomsg *header = mnl_nlmsg_get_payload(message);

	header->ifi_index = (int)ifindex;
	header->ifi_flags = flags;
	header->ifi_change = change;
	if (ifindex == 0)
		mnl_attr_put_strz(message, IFLA_IFNAME, name);
	return message;
}

void rtnl_put_settings(struct nlmsghdr *message, bool forwarding, int rp_filter, bool quiet)
{
	struct nlattr *spec = mnl_attr_nest_start(message, IFLA_AF_SPEC);
	struct nlattr *inet = mnl_attr_nest_start(message, AF_INET);
	struct nlattr *conf = mnl_attr_nest_start(message, IFLA_INET_CONF);

	mnl_attr_put_u32(message, IPV4_DEVCONF_FORWARDING, forwarding);
	if (rp_filter >= 0)
		mnl_attr_put_u32(message, IPV4_DEVCONF_RP_FILTER, (uint32_t)rp_filter);
	mnl_attr_nest_end(message, conf);
	mnl_attr_nest_end(message, inet);
	if (quiet) {
		struct nlattr *inet6 = mnl_attr_nest_start(message, AF_INET6);

		mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
		mnl_attr_nest_end(message, inet6);
	}
	mnl_attr_nest_end(message, spec);
}

struct found_link {
	bool found;
	struct rtnl_link *link;
};

static void take_link(void *arg, const struct nlmsghdr *message)
{
	struct found_link *found = arg;

	found->found = rtnl_read_link(message, found->link);
}

int rtnl_find_link(struct netlink *nl, uint32_t ifindex, const char *name, struct rtnl_link *ret,
		   struct err *err)
{
	char buffer[256];
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETLINK, sizeof(struct ifinfomsg));
	struct ifinfomsg *header = mnl_nlmsg_get_payload(request);
	struct found_link found = { .link = ret };
	int result;

	header->ifi_index = name ? 0 : (int)ifindex;
	if (name)
		mnl_attr_put_strz(request, IFLA_IFNAME, name);
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	result = netlink_ask(nl, request, take_link, &found, err);
	if (result == 0 && !found.found)
		result = err_set(err, ENODEV, "no answer about a link");
	return result;
}

int rtnl_dump_links(struct netlink *nl, netlink_visit visit, void (*restart)(void *), void *arg,
		    struct err *err)
{
	char buffer[64];
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETLINK, sizeof(struct ifinfomsg));
	int result;

	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	result = netlink_dump(nl, request, visit, restart, arg, err);
	if (result < 0)
		err_wrap(err, "read links");
	return result;
}

/* ---- addresses */

bool rtnl_read_address(const struct nlmsghdr *message, struct rtnl_address *ret)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *at[IFA_LABEL + 1];

	if ((message->nlmsg_type != RTM_NEWADDR && message->nlmsg_type != RTM_DELADDR) ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header) || header->ifa_family != AF_INET)
		return false;
	attr_table(message, sizeof(*header), at, IFA_LABEL + 1);
	*ret = (struct rtnl_address){
		.ifindex = header->ifa_index,
		/* On a point-to-point link IFA_ADDRESS is the other side's. */
		.ip = attr_be32(at[IFA_LOCAL], attr_be32(at[IFA_ADDRESS], 0)),
		.len = header->ifa_prefixlen,
		.scope = header->ifa_scope,
	};
	attr_text(at[IFA_LABEL], ret->label, sizeof(ret->label));
	return true;
}

void rtnl_put_address(struct netlink_batch *batch, uint16_t type,
		      const struct rtnl_address *address, netlink_name name, const void *object)
{
	uint16_t flags = type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0;
	struct nlmsghdr *message =
		netlink_batch_add(batch, type, flags, sizeof(struct ifaddrmsg), name, object);
	struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);

	*header = (struct ifaddrmsg){
		.ifa_family = AF_INET,
		.ifa_prefixlen = address->len,
		.ifa_scope = address->scope,
		.ifa_index = address->ifindex,
	};
	attr_put_be32(message, IFA_LOCAL, address->ip);
	attr_put_be32(message, IFA_ADDRESS, address->ip);
}

int rtnl_dump_addresses(struct netlink *nl, netlink_visit visit, void (*restart)(void *), void *arg,
			struct err *err)
{
	char buffer[64];
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETADDR, sizeof(struct ifaddrmsg));
	struct ifaddrmsg *header = mnl_nlmsg_get_payload(request);
	int result;

	header->ifa_family = AF_INET;
	result = netlink_dump(nl, request, visit, restart, arg, err);
	if (result < 0)
		err_wrap(err, "read addresses");
	return result;
}

/* ---- routes */

bool rtnl_read_route(const struct nlmsghdr *message, struct rtnl_route *ret)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *at[RTA_ENCAP + 1];

	if ((message->nlmsg_type != RTM_NEWROUTE && message->nlmsg_type != RTM_DELROUTE) ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header) || header->rtm_family != AF_INET)
		return false;
	attr_table(message, sizeof(*header), at, RTA_ENCAP + 1);
	*ret = (struct rtnl_route){
		.dst = { .ip = attr_be32(at[RTA_DST], 0), .len = header->rtm_dst_len },
		.metric = attr_u32(at[RTA_PRIORITY], 0),
		.type = header->rtm_type,
		.scope = header->rtm_scope,
		.protocol = header->rtm_protocol,
		.table = attr_u32(at[RTA_TABLE], header->rtm_table),
		.oif = attr_u32(at[RTA_OIF], 0),
		.via = attr_be32(at[RTA_GATEWAY], 0),
		.src = attr_be32(at[RTA_PREFSRC], 0),
		.onlink = header->rtm_flags & RTNH_F_ONLINK,
		.more = header->rtm_tos != 0 || at[RTA_METRICS] || at[RTA_MULTIPATH] ||
			at[RTA_ENCAP] || at[RTA_VIA],
	};
	return true;
}

void rtnl_put_route(struct netlink_batch *batch, uint16_t type, uint16_t flags,
		    const struct rtnl_route *route, netlink_name name, const void *object)
{
	struct nlmsghdr *message =
		netlink_batch_add(batch, type, flags, sizeof(struct rtmsg), name, object);
	struct rtmsg *header = mnl_nlmsg_get_payload(message);

	*header = (struct rtmsg){
		.rtm_family = AF_INET,
		.rtm_dst_len = route->dst.len,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = route->protocol,
		.rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE : route->scope,
		.rtm_type = route->type,
		.rtm_flags = route->onlink ? RTNH_F_ONLINK : 0,
	};
	if (route->dst.len > 0)
		attr_put_be32(message, RTA_DST, route->dst.ip);
	if (route->table != 0 && route->table != RT_TABLE_MAIN)
		mnl_attr_put_u32(message, RTA_TABLE, route->table);
	if (route->metric != 0)
		mnl_attr_put_u32(message, RTA_PRIORITY, route->metric);
	if (route->oif != 0)
		mnl_attr_put_u32(message, RTA_OIF, route->oif);
	if (route->via != 0)
		attr_put_be32(message, RTA_GATEWAY, route->via);
	if (route->src != 0)
		attr_put_be32(message, RTA_PREFSRC, route->src);
}

static void take_route(void *arg, const struct nlmsghdr *message)
{
	(void)rtnl_read_route(message, arg);
}

int rtnl_find_route(struct netlink *nl, uint32_t ip, struct rtnl_route *ret, struct err *err)
{
	char buffer[64];
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETROUTE, sizeof(struct rtmsg));
	struct rtmsg *header = mnl_nlmsg_get_payload(request);

	header->rtm_family = AF_INET;
	header->rtm_dst_len = 32;
	attr_put_be32(request, RTA_DST, ip);
	*ret = (struct rtnl_route){ 0 };
	return netlink_ask(nl, request, take_route, ret, err);
}

int rtnl_dump_routes(struct netlink *nl, uint8_t protocol, netlink_visit visit,
		     void (*restart)(void *), void *arg, struct err *err)
{
	char buffer[64];
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETROUTE, sizeof(struct rtmsg));
	struct rtmsg *header = mnl_nlmsg_get_payload(request);
	int result;

	header->rtm_family = AF_INET;
	header->rtm_protocol = protocol;
	result = netlink_dump(nl, request, visit, restart, arg, err);
	if (result < 0)
		err_wrap(err, "read routes");
	return result;
}

/* ---- neighbours and forwarding entries */

bool rtnl_read_neigh(const struct nlmsghdr *message, struct rtnl_neigh *ret)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *at[NDA_LLADDR + 1];
	uint32_t dst;

	if ((message->nlmsg_type != RTM_NEWNEIGH && message->nlmsg_type != RTM_DELNEIGH) ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
	    (header->ndm_family != AF_INET && header->ndm_family != AF_BRIDGE))
		return false;
	attr_table(message, sizeof(*header), at, NDA_LLADDR + 1);
	dst = attr_be32(at[NDA_DST], 0);
	*ret = (struct rtnl_neigh){
		.family = header->ndm_family,
		.flags = header->ndm_flags,
		.state = header->ndm_state,
		.ifindex = (uint32_t)header->ndm_ifindex,
		.ip = header->ndm_family == AF_INET ? dst : 0,
		.dst = header->ndm_family == AF_BRIDGE ? dst : 0,
	};
	attr_copy(at[NDA_LLADDR], ret->mac.b, sizeof(ret->mac.b));
	return true;
}

void rtnl_put_neigh(struct netlink_batch *batch, uint16_t type, const struct rtnl_neigh *neigh,
		    netlink_name name, const void *object)
{
	uint16_t flags = type == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0;
	struct nlmsghdr *message =
		netlink_batch_add(batch, type, flags, sizeof(struct ndmsg), name, object);
	struct ndmsg *header = mnl_nlmsg_get_payload(message);
	bool bridge = neigh->family == AF_BRIDGE;

	*header = (struct ndmsg){
		.ndm_family = neigh->family,
		.ndm_ifindex = (int)neigh->ifindex,
		.ndm_state = neigh->state,
		.ndm_flags = neigh->flags,
	};
	if (neigh->ip != 0 || neigh->dst != 0)
		attr_put_be32(message, NDA_DST, bridge ? neigh->dst : neigh->ip);
	if (bridge || type == RTM_NEWNEIGH)
		mnl_attr_put(message, NDA_LLADDR, sizeof(neigh->mac.b), neigh->mac.b);
}

int rtnl_dump_neighs(struct netlink *nl, uint8_t family, uint32_t ifindex, netlink_visit visit,
		     void (*restart)(void *), void *arg, struct err *err)
{
	char buffer[64];
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETNEIGH, sizeof(struct ndmsg));
	struct ndmsg *header = mnl_nlmsg_get_payload(request);
	int result;

	header->ndm_family = family;
	if (family == AF_BRIDGE)
		header->ndm_ifindex = (int)ifindex;
	result = netlink_dump(nl, request, visit, restart, arg, err);
	if (result < 0)
		err_wrap(err, family == AF_BRIDGE ? "read forwarding entries" : "read neighbours");
	return result;
}
