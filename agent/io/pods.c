#include "io/pods.h"

#include <assert.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/text.h"
#include "io/attr.h"
#include "io/host.h"
#include "io/nft.h"
#include "io/pod_routes.h"
#include "io/rtnl.h"
#include "weft/net.h"

/* One request, from its descriptors to its end. */
struct wiring {
	const struct pods_sockets *host;
	const struct wire_pod *pod;
	int netns_fd;
	struct netlink inside; /* borrowed from the shim: the pod's rtnetlink */
	uint32_t host_ifindex, pod_ifindex;
	char ip[TEXT_IP4_MAX];
	bool free_name; /* from here on a link called pod->host_if is of our making */
};

static uint32_t ifindex_of(int fd, const char *name)
{
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(fd, SIOCGIFINDEX, &request) < 0 ? 0 : (uint32_t)request.ifr_ifindex;
}

/* The descriptors are a namespace and a route socket inside the same one, and it is not ours:
 * a pod's default route must not become the node's. */
static int check_descriptors(struct wiring *wiring, struct err *err)
{
	uint64_t ours, theirs;
	struct stat netns;
	int result = netlink_namespace(wiring->host->route, &ours, err);

	if (result == 0)
		result = netlink_namespace(&wiring->inside, &theirs, err);
	if (result < 0)
		return result;
	if (fstat(wiring->netns_fd, &netns) < 0)
		return err_set(err, errno, "look at the pod's network namespace");
	if (netns.st_ino != theirs)
		return err_set(err, EINVAL,
			       "the route socket is not of the pod's network namespace");
	if (ours == theirs)
		return err_set(err, EINVAL, "the pod's network namespace is the node's own");
	return 0;
}

static void put_queues(struct nlmsghdr *message)
{
	/* Else one of each for every possible CPU, which triples the time this takes. */
	mnl_attr_put_u32(message, IFLA_NUM_TX_QUEUES, 1);
	mnl_attr_put_u32(message, IFLA_NUM_RX_QUEUES, 1);
}

/* Both ends at once, the host's up already: without its peer it has no carrier. (The peer cannot be
 * brought up by this message.) */
static void put_pair(struct netlink_batch *batch, const struct wiring *wiring)
{
	const struct wire_pod *pod = wiring->pod;
	struct nlmsghdr *message = netlink_batch_add(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
						     sizeof(struct ifinfomsg), netlink_name_text,
						     "the pair of links");
	struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct nlattr *info, *data, *peer;

	header->ifi_flags = header->ifi_change = IFF_UP;
	mnl_attr_put_strz(message, IFLA_IFNAME, pod->host_if);
	mnl_attr_put(message, IFLA_ADDRESS, sizeof(pod->host_mac.b), pod->host_mac.b);
	mnl_attr_put_u32(message, IFLA_MTU, pod->mtu);
	put_queues(message);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(message, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(message, IFLA_IFNAME, pod->pod_if);
	mnl_attr_put(message, IFLA_ADDRESS, sizeof(pod->pod_mac.b), pod->pod_mac.b);
	mnl_attr_put_u32(message, IFLA_MTU, pod->mtu);
	mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)wiring->netns_fd);
	put_queues(message);
	mnl_attr_nest_end(message, peer);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
}

/* What the create message would ignore. */
static void put_host_settings(struct netlink_batch *batch, const struct wiring *wiring)
{
	const struct wire_pod *pod = wiring->pod;
	struct nlmsghdr *message = rtnl_put_link(batch, RTM_SETLINK, 0, pod->host_if, 0, 0,
						 netlink_name_text, "settings of the host end");

	if (pod->alias[0])
		mnl_attr_put_strz(message, IFLA_IFALIAS, pod->alias);
	rtnl_put_settings(message, true, 1, pod->mtu >= RTNL_MTU_OF_IPV6 && host_has_ipv6());
}

static int make_pair(struct wiring *wiring, struct err *err)
{
	const struct wire_pod *pod = wiring->pod;
	struct netlink_batch batch;
	struct err refused = { 0 };
	int result;

	if (ifindex_of(wiring->host->route->fd, pod->host_if) != 0) {
		if (!pod->replace)
			return err_set(err, EEXIST, "%s exists already on the node", pod->host_if);
		result = pods_unwire(pod->host_if, err);
		if (result < 0)
			return result;
	}
	wiring->free_name = true;
	netlink_batch_init(&batch, wiring->host->route);
	put_pair(&batch, wiring);
	put_host_settings(&batch, wiring);
	result = netlink_batch_run(&batch, &refused);
	netlink_batch_done(&batch);
	if (result == -EEXIST)
		return err_set(err, EEXIST, "%s exists already in the pod's network namespace",
			       pod->pod_if);
	if (result < 0)
		return err_set(err, -result, "make %s and the pod's %s: %s", pod->host_if,
			       pod->pod_if, refused.text);
	return 0;
}

static int set_up_inside(struct wiring *wiring, struct err *err)
{
	const struct wire_pod *pod = wiring->pod;
	struct rtnl_address address = { .ip = pod->ip, .len = 32, .scope = RT_SCOPE_UNIVERSE };
	struct rtnl_neigh gateway = {
		.family = AF_INET,
		.state = NUD_PERMANENT,
		.ip = WEFT_POD_GATEWAY,
		.mac = pod->host_mac,
	};
	struct netlink_batch batch;
	struct pod_routes there;
	int result;

	wiring->pod_ifindex = ifindex_of(wiring->inside.fd, pod->pod_if);
	if (wiring->pod_ifindex == 0)
		return err_set(err, ENODEV, "%s vanished from the pod's network namespace",
			       pod->pod_if);
	result = pod_routes_read(&wiring->inside, &there, err);
	if (result < 0)
		return result;
	address.ifindex = gateway.ifindex = wiring->pod_ifindex;
	netlink_batch_init(&batch, &wiring->inside);
	rtnl_put_link(&batch, RTM_SETLINK, wiring->pod_ifindex, pod->pod_if, IFF_UP, IFF_UP,
		      netlink_name_text, "the link");
	rtnl_put_address(&batch, RTM_NEWADDR, &address, netlink_name_text, wiring->ip);
	rtnl_put_neigh(&batch, RTM_NEWNEIGH, &gateway, netlink_name_text,
		       "the gateway's neighbour");
	pod_routes_put(&batch, &there, wiring->pod_ifindex, pod->ip, wiring->host->range);
	result = netlink_batch_run(&batch, err);
	netlink_batch_done(&batch);
	if (result < 0)
		err_wrap(err, "set up %s in the pod's network namespace", pod->pod_if);
	return result;
}

static int put_host(const struct wiring *wiring, const struct rtnl_neigh *neigh,
		    const struct rtnl_route *route, struct err *err)
{
	struct netlink_batch batch;
	int result;

	netlink_batch_init(&batch, wiring->host->route);
	rtnl_put_neigh(&batch, RTM_NEWNEIGH, neigh, netlink_name_text, "the pod's neighbour");
	rtnl_put_route(&batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route, netlink_name_text,
		       "the pod's route");
	result = netlink_batch_run(&batch, err);
	netlink_batch_done(&batch);
	return result;
}

/* No address on the host end, ever: without one, strict and loose source checks both refuse what
 * has no route back through this very link. */
static int set_up_host(struct wiring *wiring, struct err *err)
{
	const struct wire_pod *pod = wiring->pod;
	struct rtnl_route route = {
		.dst = { .ip = pod->ip, .len = 32 },
		.type = RTN_UNICAST,
		.scope = RT_SCOPE_LINK,
		.protocol = RTNL_PROTOCOL_WEFT,
		.src = pod->node_ip,
	};
	struct rtnl_neigh neigh = {
		.family = AF_INET,
		.state = NUD_PERMANENT,
		.ip = pod->ip,
		.mac = pod->pod_mac,
	};
	struct err refused = { 0 };
	int result;

	wiring->host_ifindex = ifindex_of(wiring->host->route->fd, pod->host_if);
	if (wiring->host_ifindex == 0)
		return err_set(err, ENODEV, "%s vanished from the node", pod->host_if);
	route.oif = neigh.ifindex = wiring->host_ifindex;
	result = put_host(wiring, &neigh, &route, &refused);
	if (result == -EINVAL && route.src != 0) {
		/* The node's address is about to be another one: the next pass prefers it. */
		route.src = 0;
		result = put_host(wiring, &neigh, &route, &refused);
	}
	if (result < 0)
		err_set(err, -result, "%s", refused.text);
	if (result < 0)
		err_wrap(err, "lead the node's traffic for %s to %s", wiring->ip, pod->host_if);
	return result;
}

static int wire(struct wiring *wiring, struct err *err)
{
	const struct wire_pod *pod = wiring->pod;
	struct err ignored = { 0 };
	int result = check_descriptors(wiring, err);

	if (result == 0)
		result = make_pair(wiring, err);
	if (result == 0)
		result = set_up_inside(wiring, err);
	if (result == 0)
		result = set_up_host(wiring, err);
	if (result == 0)
		result = nft_allow_pod(wiring->host->nft, pod->host_if, pod->ip, err);
	if (result < 0 && wiring->free_name && pods_unwire(pod->host_if, &ignored) < 0)
		err_wrap(err, "%s stays behind (%s)", pod->host_if, ignored.text);
	return result;
}

int pods_wire(const struct pods_sockets *sockets, const struct wire_pod *pod, int netns_fd,
	      int route_fd, struct err *err)
{
	struct wiring wiring = { .host = sockets, .pod = pod, .netns_fd = netns_fd };
	int result = netlink_borrow(&wiring.inside, route_fd, err);

	text_ip4(wiring.ip, pod->ip);
	if (result == 0)
		result = wire(&wiring, err);
	netlink_close(&wiring.inside);
	return result;
}

uint32_t pods_ifindex(const struct netlink *route, const char *host_if)
{
	return ifindex_of(route->fd, host_if);
}

/* By name if the number is 0. */
static int unwire(uint32_t ifindex, const char *host_if, struct err *err)
{
	struct netlink nl;
	struct netlink_batch batch;
	int result = netlink_open(&nl, NETLINK_ROUTE, err);

	if (result < 0)
		return result;
	netlink_batch_init(&batch, &nl);
	rtnl_put_link(&batch, RTM_DELLINK, ifindex, host_if, 0, 0, netlink_name_text, host_if);
	netlink_batch_forgive(&batch, ENODEV);
	result = netlink_batch_run(&batch, err);
	netlink_batch_done(&batch);
	netlink_close(&nl);
	if (result < 0)
		err_wrap(err, "remove the host end");
	return result;
}

int pods_unwire(const char *host_if, struct err *err)
{
	return unwire(0, host_if, err);
}

int pods_unwire_link(uint32_t ifindex, const char *host_if, struct err *err)
{
	assert(ifindex != 0);
	return unwire(ifindex, host_if, err);
}
