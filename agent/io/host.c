#include "io/host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/text.h"
#include "base/vec.h"
#include "io/rtnl.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14 */
#endif

/* ---- links and addresses as they are now */

struct host {
	size_t n_links, cap_links, n_addresses, cap_addresses;
	struct rtnl_link *links;
	struct rtnl_address *addresses;
};

static void take_link(void *arg, const struct nlmsghdr *message)
{
	struct host *host = arg;

	host->links =
		vec_reserve(host->links, &host->cap_links, host->n_links + 1, sizeof(*host->links));
	if (rtnl_read_link(message, &host->links[host->n_links]))
		host->n_links++;
}

static void forget_links(void *arg)
{
	((struct host *)arg)->n_links = 0;
}

static void take_address(void *arg, const struct nlmsghdr *message)
{
	struct host *host = arg;

	host->addresses = vec_reserve(host->addresses, &host->cap_addresses, host->n_addresses + 1,
				      sizeof(*host->addresses));
	if (rtnl_read_address(message, &host->addresses[host->n_addresses]))
		host->n_addresses++;
}

static void forget_addresses(void *arg)
{
	((struct host *)arg)->n_addresses = 0;
}

static int host_read(struct netlink *nl, struct host *host, struct err *err)
{
	int result = rtnl_dump_links(nl, take_link, forget_links, host, err);

	if (result == 0)
		result = rtnl_dump_addresses(nl, take_address, forget_addresses, host, err);
	return result;
}

static void host_done(struct host *host)
{
	free(host->links);
	free(host->addresses);
}

static const struct rtnl_link *link_indexed(const struct host *host, uint32_t ifindex)
{
	for (size_t i = 0; i < host->n_links; i++)
		if (host->links[i].ifindex == ifindex)
			return &host->links[i];
	return NULL;
}

static const struct rtnl_link *link_named(const struct host *host, const char *name)
{
	for (size_t i = 0; i < host->n_links; i++)
		if (strcmp(host->links[i].name, name) == 0)
			return &host->links[i];
	return NULL;
}

static const struct rtnl_address *address_of(const struct host *host, uint32_t ip)
{
	for (size_t i = 0; i < host->n_addresses; i++)
		if (host->addresses[i].ip == ip)
			return &host->addresses[i];
	return NULL;
}

static bool is_tunnel(const struct rtnl_link *link)
{
	return strncmp(link->name, "weft-vx", 7) == 0;
}

/* ---- the underlay */

struct choice {
	const struct host_wish *wish;
	struct host host;
	struct underlay *ret;
};

static bool refuse(struct choice *choice, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool refuse(struct choice *choice, const char *format, ...)
{
	va_list args;

	*choice->ret = (struct underlay){ 0 };
	va_start(args, format);
	vsnprintf(choice->ret->text, sizeof(choice->ret->text), format, args);
	va_end(args);
	return false;
}

static bool in_range(const struct choice *choice, uint32_t ip)
{
	return choice->wish->range.len > 0 && prefix_has(choice->wish->range, ip);
}

/* Not the loopback's, a pod's, the tunnel's or one that only this link knows. */
static bool is_usable(const struct choice *choice, const struct rtnl_address *address)
{
	const struct rtnl_link *link = link_indexed(&choice->host, address->ifindex);

	return link && !(link->flags & IFF_LOOPBACK) && (link->flags & IFF_UP) &&
	       address->scope == RT_SCOPE_UNIVERSE && !is_tunnel(link) &&
	       !in_range(choice, address->ip);
}

static bool choose(struct choice *choice, const struct rtnl_address *address, const char *reason)
{
	struct underlay *ret = choice->ret;
	const struct rtnl_link *link = link_indexed(&choice->host, address->ifindex);

	if (!link)
		return refuse(choice, "the device of %s vanished",
			      text_ip4(TEXT_BUF(IP4), address->ip));
	*ret = (struct underlay){
		.have = true, .ip = address->ip, .ifindex = link->ifindex, .mtu = link->mtu
	};
	memcpy(ret->dev, link->name, sizeof(ret->dev));
	snprintf(ret->text, sizeof(ret->text), "%s on %s: %s", text_ip4(TEXT_BUF(IP4), ret->ip),
		 ret->dev, reason);
	return true;
}

static bool choose_node_ip(struct choice *choice)
{
	uint32_t ip = choice->wish->node_ip;
	const struct rtnl_address *address = address_of(&choice->host, ip);

	if (!address)
		return refuse(choice, "no device of this host has the address %s of --node-ip",
			      text_ip4(TEXT_BUF(IP4), ip));
	if (in_range(choice, ip))
		return refuse(choice, "--node-ip %s lies inside the range %s of the pods",
			      text_ip4(TEXT_BUF(IP4), ip),
			      text_prefix(TEXT_BUF(PREFIX), choice->wish->range.ip,
					  choice->wish->range.len));
	return choose(choice, address, "given with --node-ip");
}

static bool choose_iface(struct choice *choice)
{
	const char *name = choice->wish->iface;
	const struct rtnl_link *link = link_named(&choice->host, name);

	if (!link)
		return refuse(choice, "there is no device called %s (--iface)", name);
	for (size_t i = 0; i < choice->host.n_addresses; i++) {
		const struct rtnl_address *address = &choice->host.addresses[i];

		if (address->ifindex == link->ifindex && is_usable(choice, address))
			return choose(choice, address,
				      "the first address of the device given with "
				      "--iface");
	}
	return refuse(choice, "%s (--iface) is %s", name,
		      link->flags & IFF_UP ? "without a usable IPv4 address" : "down");
}

/* How the kernel would send to `to`: which device, and from which of our addresses. */
static const struct rtnl_address *way_to(struct choice *choice, struct netlink *nl, uint32_t to)
{
	struct rtnl_route route;
	struct err err = { 0 };
	const struct rtnl_address *address;

	if (rtnl_find_route(nl, to, &route, &err) < 0 || route.src == 0 || route.type == RTN_LOCAL)
		return NULL;
	address = address_of(&choice->host, route.src);
	return address && is_usable(choice, address) ? address : NULL;
}

/* All nodes may have one address in common, as Vagrant's machines do on their first device: if the
 * peers are not behind it, say that it was seen and not taken. */
static void say_passed_over(struct choice *choice, const struct rtnl_address *out)
{
	struct underlay *ret = choice->ret;
	size_t len = strlen(ret->text);
	const struct rtnl_link *link = out ? link_indexed(&choice->host, out->ifindex) : NULL;

	if (link && out->ip != ret->ip)
		snprintf(ret->text + len, sizeof(ret->text) - len,
			 "; %s on %s, where the default route leads, was passed over",
			 text_ip4(TEXT_BUF(IP4), out->ip), link->name);
}

static bool choose_by_routes(struct choice *choice, struct netlink *nl)
{
	const struct rtnl_address *out = way_to(choice, nl, RTNL_SOMEWHERE_OUTSIDE);

	for (size_t i = 0; i < choice->wish->n_peers; i++) {
		uint32_t peer = choice->wish->peers[i];
		const struct rtnl_address *address = way_to(choice, nl, peer);
		char reason[64];

		if (!address)
			continue;
		snprintf(reason, sizeof(reason), "the way to peer %s",
			 text_ip4(TEXT_BUF(IP4), peer));
		if (!choose(choice, address, reason))
			return false;
		say_passed_over(choice, out);
		return true;
	}
	if (out)
		return choose(choice, out,
			      choice->wish->n_peers > 0
				      ? "no peer can be reached, so the default route's"
				      : "no peers are given, so the default route's");
	for (size_t i = 0; i < choice->host.n_addresses; i++)
		if (is_usable(choice, &choice->host.addresses[i]))
			return choose(choice, &choice->host.addresses[i],
				      "no peers are given and there is no default route, so the "
				      "first address of the host");
	return refuse(choice, "this host has no usable IPv4 address yet");
}

void host_underlay(struct netlink *nl, const struct host_wish *wish, struct underlay *ret)
{
	struct choice choice = { .wish = wish, .ret = ret };
	struct err err = { 0 };

	*ret = (struct underlay){ 0 };
	if (host_read(nl, &choice.host, &err) < 0)
		refuse(&choice, "%.200s", err.text);
	else if (wish->node_ip != 0)
		choose_node_ip(&choice);
	else if (wish->iface && wish->iface[0])
		choose_iface(&choice);
	else
		choose_by_routes(&choice, nl);
	host_done(&choice.host);
}

/* ---- routes in the way */

struct overlap {
	struct prefix range;
	const struct host *host;
	bool found;
	struct rtnl_route route;
};

static void look_for_overlap(void *arg, const struct nlmsghdr *message)
{
	struct overlap *overlap = arg;
	const struct rtnl_link *link;
	struct rtnl_route route;

	if (overlap->found || !rtnl_read_route(message, &route) || route.dst.len == 0 ||
	    route.protocol == RTNL_PROTOCOL_WEFT || route.type == RTN_BROADCAST ||
	    route.type == RTN_MULTICAST || route.type == RTN_ANYCAST)
		return;
	if (!prefix_has(overlap->range, route.dst.ip) && !prefix_has(route.dst, overlap->range.ip))
		return;
	link = link_indexed(overlap->host, route.oif);
	if (link && (is_tunnel(link) || rtnl_is_host_end(link->name)))
		return;
	overlap->found = true;
	overlap->route = route;
}

static void forget_overlap(void *arg)
{
	((struct overlap *)arg)->found = false;
}

int host_range_overlap(struct netlink *nl, struct prefix range, struct err *err)
{
	struct host host = { 0 };
	struct overlap overlap = { .range = range, .host = &host };
	const struct rtnl_link *link;
	int result = host_read(nl, &host, err);

	if (result == 0)
		result = rtnl_dump_routes(nl, 0, look_for_overlap, forget_overlap, &overlap, err);
	if (result == 0 && overlap.found) {
		link = link_indexed(&host, overlap.route.oif);
		result = err_set(err, EEXIST,
				 "the range %s overlaps the route %s%s%s of this host: choose "
				 "another --range, the same on all nodes, or share it with "
				 "--allow-overlap",
				 text_prefix(TEXT_BUF(PREFIX), range.ip, range.len),
				 text_prefix(TEXT_BUF(PREFIX), overlap.route.dst.ip,
					     overlap.route.dst.len),
				 link ? " on " : "", link ? link->name : "");
	}
	host_done(&host);
	return result;
}

/* ---- who it is */

/* The first line of a small file, or "" */
static void read_line(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	memset(out, 0, size);
	if (fd < 0)
		return;
	got = read(fd, out, size - 1);
	close(fd);
	out[got > 0 ? strcspn(out, "\n") : 0] = 0;
}

static bool is_hardware(const struct rtnl_link *link)
{
	static const struct mac none;

	return link->hardware == ARPHRD_ETHER && !is_tunnel(link) &&
	       !rtnl_is_host_end(link->name) && memcmp(link->mac.b, none.b, sizeof(none.b)) != 0;
}

static void find_mac(const struct host *host, uint32_t underlay, struct host_facts *ret)
{
	const struct rtnl_link *best = NULL;

	for (size_t i = 0; i < host->n_links; i++) {
		const struct rtnl_link *link = &host->links[i];

		if (!is_hardware(link))
			continue;
		if (!best || link->ifindex == underlay ||
		    (best->ifindex != underlay && link->ifindex < best->ifindex))
			best = link;
	}
	ret->have_mac = best;
	if (best)
		ret->mac = best->mac;
}

void host_facts(struct netlink *nl, uint32_t underlay_ifindex, struct host_facts *ret)
{
	struct host host = { 0 };
	struct err err = { 0 };
	socklen_t size = sizeof(ret->netns_cookie);

	*ret = (struct host_facts){ 0 };
	if (host_read(nl, &host, &err) == 0)
		find_mac(&host, underlay_ifindex, ret);
	host_done(&host);
	if (getsockopt(nl->fd, SOL_SOCKET, SO_NETNS_COOKIE, &ret->netns_cookie, &size) < 0)
		ret->netns_cookie = 0;
	read_line("/proc/sys/kernel/random/boot_id", ret->boot_id, sizeof(ret->boot_id));
	read_line("/etc/machine-id", ret->machine_id, sizeof(ret->machine_id));
	read_line("/sys/class/dmi/id/product_uuid", ret->product_uuid, sizeof(ret->product_uuid));
}

/* The directory that `path` is in. False: there is none above it. */
static bool go_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == path)
		slash++; /* "/" itself is where it ends */
	if (!slash || *slash == '\0')
		return false;
	*slash = '\0';
	return true;
}

int host_is_memory(const char *path, bool *ret, struct err *err)
{
	char where[PATH_MAX];
	struct statfs about;
	int result;

	snprintf(where, sizeof(where), "%s", path);
	while ((result = statfs(where, &about)) < 0 && errno == ENOENT && go_up(where))
		;
	if (result < 0)
		return err_set(err, errno, "look at the file system of %s", path);
	*ret = about.f_type == TMPFS_MAGIC || about.f_type == RAMFS_MAGIC;
	return 0;
}

bool host_has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}
