#include "io/kernel_state.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/netconf.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/vec.h"
#include "io/attr.h"

/* At most so many datagrams in one call: whoever floods the monitors must not hold the loop. */
enum { DATAGRAMS_MAX = 512 };

struct listening {
	struct kernel *kernel;
	struct kernel_news *news;
};

int kernel_events_fd(const struct kernel *kernel)
{
	return kernel->epoll;
}

/* ---- links */

static void note_gone(struct kernel *kernel, struct kernel_news *news, const struct rtnl_link *link)
{
	size_t n = kernel->n_gone++;

	kernel->gone = vec_reserve(kernel->gone, &kernel->cap_gone, n + 1, sizeof(*kernel->gone));
	kernel->gone_ifindex = vec_reserve(kernel->gone_ifindex, &kernel->cap_gone_ifindex, n + 1,
					   sizeof(*kernel->gone_ifindex));
	memcpy(kernel->gone[n], link->name, sizeof(*kernel->gone));
	kernel->gone_ifindex[n] = link->ifindex;
	news->pods = true;
}

static bool tunnel_differs(const struct kernel *kernel, const struct rtnl_link *link)
{
	const struct want_tunnel *want = &kernel->want.tunnel;

	return kernel->want.have_tunnel &&
	       (link->mtu != want->mtu || !(link->flags & IFF_UP) ||
		strcmp(link->name, want->name) != 0 ||
		memcmp(link->mac.b, want->mac.b, sizeof(link->mac.b)) != 0);
}

/* What is heard of one link may be on its way to something else: a link goes through states while
 * it is made, and its routes and neighbours go before it goes itself. So judge at the end. */
static struct kernel_suspect *suspect(struct kernel *kernel, uint32_t ifindex)
{
	size_t i = 0;

	while (i < kernel->n_suspects && kernel->suspects[i].ifindex != ifindex)
		i++;
	if (i == kernel->n_suspects) {
		kernel->suspects = vec_reserve(kernel->suspects, &kernel->cap_suspects, i + 1,
					       sizeof(*kernel->suspects));
		kernel->suspects[kernel->n_suspects++] = (struct kernel_suspect){ ifindex };
	}
	return &kernel->suspects[i];
}

static bool any_suspect(const struct kernel *kernel)
{
	for (size_t i = 0; i < kernel->n_suspects; i++)
		if (kernel->suspects[i].link || kernel->suspects[i].other)
			return true;
	return false;
}

static void heard_link(struct kernel *kernel, const struct nlmsghdr *message,
		       struct kernel_news *news)
{
	uint32_t underlay = kernel->want.have_tunnel ? kernel->want.tunnel.dev_ifindex : 0;
	bool gone = message->nlmsg_type == RTM_DELLINK;
	struct rtnl_link link;

	if (!rtnl_read_link(message, &link))
		return;
	if (rtnl_is_host_end(link.name) && gone) {
		*suspect(kernel, link.ifindex) = (struct kernel_suspect){ link.ifindex };
		note_gone(kernel, news, &link);
	} else if (rtnl_is_host_end(link.name)) {
		suspect(kernel, link.ifindex)->link = !(link.flags & IFF_UP);
	} else if (link.ifindex == kernel->have.tunnel) {
		suspect(kernel, link.ifindex)->link = gone || tunnel_differs(kernel, &link);
	} else if (underlay == 0 || link.ifindex == underlay ||
		   link.ifindex == kernel->have.way_out) {
		news->underlay = true;
	}
}

/* ---- addresses, routes, neighbours */

/* Of ours: it should be there and is not, or is there and should not be so. */
static bool is_drift(const struct kernel *kernel, enum kernel_kind kind, const void *item,
		     bool gone)
{
	const void *wanted = kernel_state_find(&kernel->wanted, kind, item);

	if (gone)
		return wanted;
	return !wanted || !kernel_item_same(kind, wanted, item);
}

static void heard_address(struct kernel *kernel, const struct nlmsghdr *message,
			  struct kernel_news *news)
{
	struct rtnl_address address;

	if (!rtnl_read_address(message, &address))
		return;
	if (!kernel_is_ours(&kernel->have, address.ifindex))
		news->underlay = true;
	else if (is_drift(kernel, KERNEL_ADDRESSES, &address, message->nlmsg_type == RTM_DELADDR))
		suspect(kernel, address.ifindex)->other = true;
}

static void heard_route(struct kernel *kernel, const struct nlmsghdr *message,
			struct kernel_news *news)
{
	bool gone = message->nlmsg_type == RTM_DELROUTE;
	struct rtnl_route route;

	if (!rtnl_read_route(message, &route) || route.table != RT_TABLE_MAIN)
		return;
	if (route.dst.len == 0) {
		news->underlay = news->drift = true;
		return;
	}
	/* One of another program in the place of ours replaced it. */
	if ((route.protocol == RTNL_PROTOCOL_WEFT ||
	     kernel_state_find(&kernel->wanted, KERNEL_ROUTES, &route)) &&
	    is_drift(kernel, KERNEL_ROUTES, &route, gone))
		suspect(kernel, route.oif)->other = true;
}

static void heard_neigh(struct kernel *kernel, const struct nlmsghdr *message)
{
	bool gone = message->nlmsg_type == RTM_DELNEIGH;
	struct rtnl_neigh neigh;
	enum kernel_kind kind;

	if (!rtnl_read_neigh(message, &neigh))
		return;
	kind = neigh.family == AF_BRIDGE ? KERNEL_FDB : KERNEL_NEIGHS;
	/* What comes and goes by itself is nobody's doing, unless it is in the place of ours. */
	if (!kernel_is_ours(&kernel->have, neigh.ifindex) ||
	    (!gone && !(neigh.state & NUD_PERMANENT) &&
	     !kernel_state_find(&kernel->wanted, kind, &neigh)))
		return;
	if (is_drift(kernel, kind, &neigh, gone))
		suspect(kernel, neigh.ifindex)->other = true;
}

/* ---- settings of devices */

static void heard_setting(struct kernel *kernel, const struct nlmsghdr *message,
			  struct kernel_news *news)
{
	const struct nlattr *at[NETCONFA_RP_FILTER + 1];
	uint32_t ifindex;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct netconfmsg))
		return;
	attr_table(message, sizeof(struct netconfmsg), at, NETCONFA_RP_FILTER + 1);
	if (at[NETCONFA_FORWARDING] && at[NETCONFA_RP_FILTER])
		return; /* all at once: a device has come, nobody has changed it */
	ifindex = attr_u32(at[NETCONFA_IFINDEX], 0);
	if (attr_u32(at[NETCONFA_FORWARDING], 1) == 0 &&
	    (kernel_is_ours(&kernel->have, ifindex) || ifindex == kernel->have.way_out ||
	     (kernel->want.have_tunnel && ifindex == kernel->want.tunnel.dev_ifindex)))
		news->drift = true;
	if (at[NETCONFA_RP_FILTER] && kernel_is_ours(&kernel->have, ifindex))
		news->drift = true;
}

/* ---- both monitors */

static void heard_rtnetlink(struct listening *listening, const struct nlmsghdr *message)
{
	struct kernel *kernel = listening->kernel;

	if (message->nlmsg_pid == kernel->route.portid && message->nlmsg_type != RTM_DELLINK)
		return;
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		heard_link(kernel, message, listening->news);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		heard_address(kernel, message, listening->news);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		heard_route(kernel, message, listening->news);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		heard_neigh(kernel, message);
		break;
	case RTM_NEWNETCONF:
		heard_setting(kernel, message, listening->news);
		break;
	default: /* the kernel's numbers, not an enum of ours */
		break;
	}
}

/* Every message about a table names it in its first attribute, except those that tell of a new
 * generation. */
static void heard_nftables(struct listening *listening, const struct nlmsghdr *message)
{
	const struct nlattr *at[NFTA_TABLE_NAME + 1];
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	char name[16];

	if (message->nlmsg_pid == listening->kernel->filter.portid ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
	    NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWGEN)
		return;
	attr_table(message, sizeof(*header), at, NFTA_TABLE_NAME + 1);
	attr_text(at[NFTA_TABLE_NAME], name, sizeof(name));
	if (strcmp(name, NFT_TABLE) == 0)
		listening->news->drift = true;
}

static void listen_to(struct listening *listening, struct netlink *nl,
		      void (*heard)(struct listening *listening, const struct nlmsghdr *message))
{
	for (int i = 0; i < DATAGRAMS_MAX; i++) {
		const struct nlmsghdr *message = (const void *)nl->buffer;
		ssize_t got = netlink_receive(nl);
		int left = (int)got;

		if (got == 0)
			return;
		if (got < 0) { /* told too much at once: anything may have happened */
			listening->news->drift = true;
			if (nl == &listening->kernel->route_monitor)
				listening->news->underlay = listening->news->pods = true;
			if (got != -ENOBUFS)
				return;
			continue;
		}
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
			heard(listening, message);
	}
}

void kernel_events(struct kernel *kernel, struct kernel_news *ret)
{
	struct listening listening = { .kernel = kernel, .news = ret };

	*ret = (struct kernel_news){ 0 };
	kernel->n_gone = kernel->n_suspects = 0;
	listen_to(&listening, &kernel->route_monitor, heard_rtnetlink);
	listen_to(&listening, &kernel->filter_monitor, heard_nftables);
	ret->drift = ret->drift || any_suspect(kernel);
	ret->n_gone = kernel->n_gone;
	ret->gone = (const char(*)[IFNAME_LEN_MAX + 1]) kernel->gone;
	ret->gone_ifindex = kernel->gone_ifindex;
}
