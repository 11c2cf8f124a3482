#pragma once
/*
 * rtnetlink's messages as plain structs, both ways: links, addresses, routes, neighbours and
 * forwarding entries, as far as Weft uses them. Addresses are in host order. Used by everything
 * that asks or tells the kernel about them, so that each format is written and read in one
 * place.
 */
#include <linux/rtnetlink.h>

#include "core/action.h"
#include "io/netlink.h"

#define RTNL_PROTOCOL_WEFT 87 /* routes with it are ours */
/* An address for documentation (RFC 5737): asked for, it leads where the default route does. */
#define RTNL_SOMEWHERE_OUTSIDE 0xc6336401u /* 198.51.100.1 */
#define RTNL_MTU_OF_IPV6       1280 /* RFC 8200 section 5; below it a link has no IPv6 at all */

struct rtnl_vxlan {
	uint32_t vni, local, link;
	uint16_t port;
	bool learning;
	bool foreign; /* modes that we never set and that cannot be changed */
};

struct rtnl_link {
	uint32_t ifindex, flags, mtu;
	uint16_t hardware; /* ARPHRD_... */
	struct mac mac;
	char name[IFNAME_LEN_MAX + 1];
	char kind[IFNAME_LEN_MAX + 1]; /* "vxlan", "veth"; "" for hardware */
	char alias[256];
	bool has_inet, forwarding;
	uint32_t rp_filter;
	bool has_inet6;
	uint8_t addr_gen_mode;
	struct rtnl_vxlan vxlan;
};

struct rtnl_address {
	uint32_t ifindex, ip;
	uint8_t len, scope;
	char label[IFNAME_LEN_MAX + 1];
};

struct rtnl_route {
	struct prefix dst;
	uint32_t metric;
	uint8_t type, scope, protocol;
	uint32_t table; /* written: 0 is the main one */
	uint32_t oif;
	uint32_t via, src; /* 0: none */
	bool onlink;
	bool more; /* read from the kernel only: has what we never set */
};

/* A neighbour (family AF_INET: ip) or a forwarding entry (AF_BRIDGE: dst). */
struct rtnl_neigh {
	uint8_t family, flags;
	uint16_t state;
	uint32_t ifindex;
	uint32_t ip, dst;
	struct mac mac;
};

/* Each reads one message; false: not of this kind, or not IPv4. */
bool rtnl_read_link(const struct nlmsghdr *message, struct rtnl_link *ret);
bool rtnl_read_address(const struct nlmsghdr *message, struct rtnl_address *ret);
bool rtnl_read_route(const struct nlmsghdr *message, struct rtnl_route *ret);
bool rtnl_read_neigh(const struct nlmsghdr *message, struct rtnl_neigh *ret);

/* Is it the name of a host end: "wf" and 12 hex digits? */
bool rtnl_is_host_end(const char *name);

/* Each appends one message. type: RTM_NEW... or RTM_DEL... */
void rtnl_put_address(struct netlink_batch *batch, uint16_t type,
		      const struct rtnl_address *address, netlink_name name, const void *object);
void rtnl_put_route(struct netlink_batch *batch, uint16_t type, uint16_t flags,
		    const struct rtnl_route *route, netlink_name name, const void *object);
void rtnl_put_neigh(struct netlink_batch *batch, uint16_t type, const struct rtnl_neigh *neigh,
		    netlink_name name, const void *object);

/* A change to an existing link, to be filled by the caller. By name if ifindex is 0. change: the
 * flags (IFF_UP) to set to those in `flags`. */
struct nlmsghdr *rtnl_put_link(struct netlink_batch *batch, uint16_t type, uint32_t ifindex,
			       const char *name, uint32_t flags, uint32_t change, netlink_name say,
			       const void *object);

/* Per-device settings without /proc/sys, which is read-only in a container. rp_filter: below 0
 * leaves it. quiet: no IPv6 address is made up on the link. */
void rtnl_put_settings(struct nlmsghdr *message, bool forwarding, int rp_filter, bool quiet);

/* The link with this name or index (name NULL). -ENODEV: none. */
int rtnl_find_link(struct netlink *nl, uint32_t ifindex, const char *name, struct rtnl_link *ret,
		   struct err *err);

/* How the host would send to ip. -ENETUNREACH, -EHOSTUNREACH: not at all. */
int rtnl_find_route(struct netlink *nl, uint32_t ip, struct rtnl_route *ret, struct err *err);

int rtnl_dump_links(struct netlink *nl, netlink_visit visit, void (*restart)(void *), void *arg,
		    struct err *err);
int rtnl_dump_addresses(struct netlink *nl, netlink_visit visit, void (*restart)(void *), void *arg,
			struct err *err);
/* protocol 0: of all. */
int rtnl_dump_routes(struct netlink *nl, uint8_t protocol, netlink_visit visit,
		     void (*restart)(void *), void *arg, struct err *err);
/* family AF_INET: all neighbours; AF_BRIDGE: the forwarding entries of ifindex. */
int rtnl_dump_neighs(struct netlink *nl, uint8_t family, uint32_t ifindex, netlink_visit visit,
		     void (*restart)(void *), void *arg, struct err *err);
