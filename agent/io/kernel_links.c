#include "io/kernel_state.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <string.h>

#include "base/text.h"
#include "base/vec.h"
#include "io/attr.h"
#include "io/host.h"

enum {
	STRICT = 1, /* host ends: only what has a route back through the very link */
	/* The tunnel: only what has a route back at all, so nothing in the range that nobody
	 * owns. Not 1, since a peer may begin to use another way a moment before we do; and not 0,
	 * since the larger of this and the host's value for all devices counts, and 2 stays 2. */
	LOOSE = 2,
};

/* ---- the tunnel */

static void name_tunnel(const void *object, char *text, size_t size)
{
	netlink_name_text(((const struct want_tunnel *)object)->name, text, size);
}

static void put_vxlan(struct nlmsghdr *message, const struct want_tunnel *want, bool create)
{
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(message, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put_u32(message, IFLA_VXLAN_ID, want->vni);
	attr_put_be32(message, IFLA_VXLAN_LOCAL, want->local_ip);
	mnl_attr_put_u32(message, IFLA_VXLAN_LINK, want->dev_ifindex);
	mnl_attr_put_u8(message, IFLA_VXLAN_LEARNING, 0);
	if (create)
		attr_put_be16(message, IFLA_VXLAN_PORT, want->port);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
}

/* Down at first: up, it would make up an IPv6 address before it is told not to. */
static void create_tunnel(struct kernel_pass *pass)
{
	const struct want_tunnel *want = &pass->kernel->want.tunnel;
	struct nlmsghdr *message = netlink_batch_add(&pass->batch, RTM_NEWLINK,
						     NLM_F_CREATE | NLM_F_EXCL,
						     sizeof(struct ifinfomsg), name_tunnel, want);

	mnl_attr_put_strz(message, IFLA_IFNAME, want->name);
	mnl_attr_put(message, IFLA_ADDRESS, sizeof(want->mac.b), want->mac.b);
	mnl_attr_put_u32(message, IFLA_MTU, want->mtu);
	put_vxlan(message, want, true);
	message = rtnl_put_link(&pass->batch, RTM_SETLINK, 0, want->name, 0, 0, name_tunnel, want);
	rtnl_put_settings(message, true, LOOSE, want->mtu >= RTNL_MTU_OF_IPV6 && host_has_ipv6());
	rtnl_put_link(&pass->batch, RTM_SETLINK, 0, want->name, IFF_UP, IFF_UP, name_tunnel, want);
}

static void delete_tunnel(struct kernel_pass *pass, const struct rtnl_link *have)
{
	rtnl_put_link(&pass->batch, RTM_DELLINK, have->ifindex, NULL, 0, 0, name_tunnel,
		      &pass->kernel->want.tunnel);
}

/* It was just so after an earlier pass: what differs now was changed by another program. */
static bool is_tunnel_settled(const struct kernel *kernel)
{
	const struct want_tunnel *want = &kernel->want.tunnel, *settled = &kernel->settled_tunnel;

	return strcmp(want->name, settled->name) == 0 && want->vni == settled->vni &&
	       want->port == settled->port && want->mtu == settled->mtu &&
	       memcmp(want->mac.b, settled->mac.b, sizeof(want->mac.b)) == 0 &&
	       want->local_ip == settled->local_ip && want->dev_ifindex == settled->dev_ifindex;
}

/* One thing about an existing link differs: change it in place. */
static struct nlmsghdr *change(struct kernel_pass *pass, const struct rtnl_link *have,
			       uint32_t flags, const char *what)
{
	const struct kernel *kernel = pass->kernel;

	if (is_tunnel_settled(kernel))
		kernel_repair(pass, "%s of %s changed (by another program) -> set back", what,
			      have->name);
	else
		pass->changed++;
	return rtnl_put_link(&pass->batch, RTM_NEWLINK, have->ifindex, NULL, flags, flags,
			     name_tunnel, &kernel->want.tunnel);
}

static bool settings_differ(const struct rtnl_link *link, uint32_t rp_filter)
{
	return !link->forwarding || link->rp_filter != rp_filter ||
	       (link->has_inet6 && link->addr_gen_mode != IN6_ADDR_GEN_MODE_NONE);
}

static void change_tunnel(struct kernel_pass *pass, const struct rtnl_link *have)
{
	const struct want_tunnel *want = &pass->kernel->want.tunnel;
	struct nlmsghdr *message;

	if (have->vxlan.local != want->local_ip || have->vxlan.link != want->dev_ifindex ||
	    have->vxlan.learning)
		put_vxlan(change(pass, have, 0, "underlay"), want, false);
	if (memcmp(have->mac.b, want->mac.b, sizeof(have->mac.b)) != 0) {
		message = change(pass, have, 0, "MAC");
		mnl_attr_put(message, IFLA_ADDRESS, sizeof(want->mac.b), want->mac.b);
	}
	if (have->mtu != want->mtu) {
		message = change(pass, have, 0, "MTU");
		mnl_attr_put_u32(message, IFLA_MTU, want->mtu);
	}
	if (settings_differ(have, LOOSE))
		rtnl_put_settings(change(pass, have, 0, "forwarding or source check"), true, LOOSE,
				  have->has_inet6);
	if (!(have->flags & IFF_UP))
		change(pass, have, IFF_UP, "state 'up'");
}

static bool must_be_another(const struct rtnl_link *have, const struct want_tunnel *want)
{
	return have->vxlan.vni != want->vni || have->vxlan.port != want->port ||
	       have->vxlan.foreign;
}

bool kernel_mend_tunnel(struct kernel_pass *pass)
{
	struct kernel *kernel = pass->kernel;
	const struct want_tunnel *want = &kernel->want.tunnel;
	const struct rtnl_link *have = kernel_link_named(&kernel->have, want->name);

	if (!kernel->want.have_tunnel)
		return false;
	pass->wanted++;
	if (have && strcmp(have->kind, "vxlan") != 0) {
		struct err err = { 0 };

		err_set(&err, EEXIST,
			"a link called %s exists and is no tunnel (it is of kind "
			"'%s'); it is not ours to remove",
			want->name, have->kind);
		kernel_fail(pass, &err);
		return false;
	}
	if (have && !must_be_another(have, want)) {
		change_tunnel(pass, have);
		return false;
	}
	if (have) {
		log_line(kernel->log, LOG_WARN,
			 "tunnel %s has VNI %u and port %u, not VNI %u and port %u, or modes that "
			 "Weft does not use -> made anew",
			 want->name, have->vxlan.vni, have->vxlan.port, want->vni, want->port);
		delete_tunnel(pass, have);
		pass->changed++;
	} else if (is_tunnel_settled(kernel)) {
		kernel_repair(pass, "tunnel %s gone (deleted by another program) -> made anew",
			      want->name);
	} else {
		log_line(kernel->log, LOG_INFO,
			 "there is no tunnel %s -> made: VNI %u, UDP port %u, from %s", want->name,
			 want->vni, want->port, text_ip4(TEXT_BUF(IP4), want->local_ip));
		pass->added++;
	}
	create_tunnel(pass);
	return true;
}

/* ---- host ends */

static void name_end(const void *object, char *text, size_t size)
{
	netlink_name_text(((const struct want_pod *)object)->host_if, text, size);
}

static void mend_end(struct kernel_pass *pass, const struct want_pod *pod,
		     const struct rtnl_link *end)
{
	bool alias = pod->alias[0] && strcmp(pod->alias, end->alias) != 0;
	bool settings = settings_differ(end, STRICT);
	bool down = !(end->flags & IFF_UP);
	struct nlmsghdr *message;

	pass->wanted++;
	if (!alias && !settings && !down)
		return;
	kernel_repair(pass, "host end %s: %s changed (by another program) -> set back", end->name,
		      down       ? "state 'up'"
		      : settings ? "forwarding or source check"
				 : "alias");
	message = rtnl_put_link(&pass->batch, RTM_SETLINK, end->ifindex, NULL, down ? IFF_UP : 0,
				down ? IFF_UP : 0, name_end, pod);
	if (alias)
		mnl_attr_put_strz(message, IFLA_IFALIAS, pod->alias);
	if (settings)
		rtnl_put_settings(message, true, STRICT, end->has_inet6);
}

void kernel_mend_ends(struct kernel_pass *pass)
{
	const struct forward *want = &pass->kernel->want;

	for (size_t i = 0; i < want->n_pods; i++) {
		const struct rtnl_link *end =
			kernel_link_named(&pass->kernel->have, want->pods[i].host_if);

		if (end && strcmp(end->kind, "veth") == 0)
			mend_end(pass, &want->pods[i], end);
	}
}

/* ---- devices of the host */

static void name_link(const void *object, char *text, size_t size)
{
	netlink_name_text(((const struct rtnl_link *)object)->name, text, size);
}

static bool was_opened(struct kernel *kernel, uint32_t ifindex)
{
	for (size_t i = 0; i < kernel->n_opened; i++)
		if (kernel->opened[i] == ifindex)
			return true;
	return false;
}

static void note_opened(struct kernel *kernel, uint32_t ifindex)
{
	if (was_opened(kernel, ifindex))
		return;
	kernel->opened = vec_reserve(kernel->opened, &kernel->cap_opened, kernel->n_opened + 1,
				     sizeof(*kernel->opened));
	kernel->opened[kernel->n_opened++] = ifindex;
}

/* What answers a pod from outside comes in here. Forwarding is asked of the device that a packet
 * comes in by, so the host's other devices stay as they are. */
static void mend_device(struct kernel_pass *pass, uint32_t ifindex)
{
	struct kernel *kernel = pass->kernel;
	const struct rtnl_link *link = kernel_link_indexed(&kernel->have, ifindex);
	struct nlmsghdr *message;

	if (!link || !link->has_inet || (link->flags & IFF_LOOPBACK) ||
	    kernel_is_ours(&kernel->have, ifindex))
		return;
	pass->wanted++;
	if (!link->forwarding) {
		if (was_opened(kernel, ifindex)) {
			kernel_repair(pass,
				      "forwarding of %s switched off (by another program) "
				      "-> switched on again",
				      link->name);
		} else {
			log_line(kernel->log, LOG_INFO,
				 "forwarding of %s is off, and answers to pods come in there "
				 "-> switched on",
				 link->name);
			pass->changed++;
		}
		nft_remember_opened(kernel->nft, link->name);
		message = rtnl_put_link(&pass->batch, RTM_SETLINK, ifindex, NULL, 0, 0, name_link,
					link);
		rtnl_put_settings(message, true, -1, false);
	}
	note_opened(kernel, ifindex);
}

void kernel_mend_devices(struct kernel_pass *pass)
{
	const struct kernel *kernel = pass->kernel;
	uint32_t underlay = kernel->want.have_tunnel ? kernel->want.tunnel.dev_ifindex : 0;
	uint32_t way_out = kernel->have.way_out;

	if (underlay != 0)
		mend_device(pass, underlay);
	if (way_out != 0 && way_out != underlay)
		mend_device(pass, way_out);
}
