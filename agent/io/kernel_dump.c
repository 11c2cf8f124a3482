#include "io/kernel_state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/vec.h"

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct rtnl_link *)a)->name, ((const struct rtnl_link *)b)->name);
}

static int compare_indices(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

const struct rtnl_link *kernel_link_named(const struct kernel_have *have, const char *name)
{
	struct rtnl_link key;

	if (have->n == 0)
		return NULL;
	memset(key.name, 0, sizeof(key.name));
	memcpy(key.name, name, strnlen(name, IFNAME_LEN_MAX));
	return bsearch(&key, have->links, have->n, sizeof(key), compare_names);
}

const struct rtnl_link *kernel_link_indexed(const struct kernel_have *have, uint32_t ifindex)
{
	for (size_t i = 0; i < have->n; i++)
		if (have->links[i].ifindex == ifindex)
			return &have->links[i];
	return NULL;
}

bool kernel_is_ours(const struct kernel_have *have, uint32_t ifindex)
{
	return have->n_ours > 0 &&
	       bsearch(&ifindex, have->ours, have->n_ours, sizeof(ifindex), compare_indices);
}

static void take_link(void *arg, const struct nlmsghdr *message)
{
	struct kernel_have *have = arg;

	have->links = vec_reserve(have->links, &have->cap, have->n + 1, sizeof(*have->links));
	if (rtnl_read_link(message, &have->links[have->n]))
		have->n++;
}

static void forget_links(void *arg)
{
	((struct kernel_have *)arg)->n = 0;
}

int kernel_dump_links(struct netlink *nl, const char *tunnel, struct kernel_have *have,
		      struct err *err)
{
	struct rtnl_route out;
	struct err no_route = { 0 };
	const struct rtnl_link *link;
	int result;

	have->n = have->n_ours = 0;
	result = rtnl_dump_links(nl, take_link, forget_links, have, err);
	if (result < 0)
		return result;
	if (have->n > 0)
		qsort(have->links, have->n, sizeof(*have->links), compare_names);
	have->ours = vec_reserve(have->ours, &have->cap_ours, have->n + 1, sizeof(*have->ours));
	link = kernel_link_named(have, tunnel);
	have->tunnel = link && strcmp(link->kind, "vxlan") == 0 ? link->ifindex : 0;
	for (size_t i = 0; i < have->n; i++)
		if (have->links[i].ifindex == have->tunnel || rtnl_is_host_end(have->links[i].name))
			have->ours[have->n_ours++] = have->links[i].ifindex;
	if (have->n_ours > 0)
		qsort(have->ours, have->n_ours, sizeof(*have->ours), compare_indices);
	/* Cheaper than to read a table of unknown size. */
	have->way_out = rtnl_find_route(nl, RTNL_SOMEWHERE_OUTSIDE, &out, &no_route) == 0 ? out.oif
											  : 0;
	return 0;
}

static void take_address(void *arg, const struct nlmsghdr *message)
{
	struct kernel_have *have = arg;
	struct rtnl_address address;

	if (rtnl_read_address(message, &address) && kernel_is_ours(have, address.ifindex))
		kernel_state_add(&have->state, KERNEL_ADDRESSES, &address);
}

static void take_route(void *arg, const struct nlmsghdr *message)
{
	struct kernel_have *have = arg;
	struct rtnl_route route;

	if (rtnl_read_route(message, &route) && route.protocol == RTNL_PROTOCOL_WEFT &&
	    route.table == RT_TABLE_MAIN)
		kernel_state_add(&have->state, KERNEL_ROUTES, &route);
}

/* Entries that come and go by themselves are no business of ours: a wanted one is made
 * permanent, in place. */
static void take_neigh(void *arg, const struct nlmsghdr *message)
{
	struct kernel_have *have = arg;
	struct rtnl_neigh neigh;

	if (rtnl_read_neigh(message, &neigh) && neigh.family == AF_INET &&
	    (neigh.state & NUD_PERMANENT) && kernel_is_ours(have, neigh.ifindex))
		kernel_state_add(&have->state, KERNEL_NEIGHS, &neigh);
}

static void take_fdb(void *arg, const struct nlmsghdr *message)
{
	struct kernel_have *have = arg;
	struct rtnl_neigh neigh;

	if (rtnl_read_neigh(message, &neigh) && neigh.family == AF_BRIDGE &&
	    neigh.ifindex == have->tunnel)
		kernel_state_add(&have->state, KERNEL_FDB, &neigh);
}

static void forget_addresses(void *arg)
{
	((struct kernel_have *)arg)->state.arrays[KERNEL_ADDRESSES].n = 0;
}

static void forget_routes(void *arg)
{
	((struct kernel_have *)arg)->state.arrays[KERNEL_ROUTES].n = 0;
}

static void forget_neighs(void *arg)
{
	((struct kernel_have *)arg)->state.arrays[KERNEL_NEIGHS].n = 0;
}

static void forget_fdb(void *arg)
{
	((struct kernel_have *)arg)->state.arrays[KERNEL_FDB].n = 0;
}

int kernel_dump_state(struct netlink *nl, struct kernel_have *have, struct err *err)
{
	int result;

	for (int kind = 0; kind < KERNEL_KINDS; kind++)
		have->state.arrays[kind].n = 0;
	result = rtnl_dump_addresses(nl, take_address, forget_addresses, have, err);
	if (result == 0)
		result = rtnl_dump_routes(nl, RTNL_PROTOCOL_WEFT, take_route, forget_routes, have,
					  err);
	if (result == 0)
		result = rtnl_dump_neighs(nl, AF_INET, 0, take_neigh, forget_neighs, have, err);
	if (result == 0 && have->tunnel != 0)
		result = rtnl_dump_neighs(nl, AF_BRIDGE, have->tunnel, take_fdb, forget_fdb, have,
					  err);
	kernel_state_sort(&have->state);
	return result;
}

void kernel_have_done(struct kernel_have *have)
{
	free(have->links);
	free(have->ours);
	kernel_state_done(&have->state);
	*have = (struct kernel_have){ 0 };
}
