#include "io/kernel_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "base/vec.h"

/* ---- what differs between kinds */

static int order(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_addresses(const void *a, const void *b)
{
	const struct rtnl_address *x = a, *y = b;
	int result = order(x->ifindex, y->ifindex);

	if (result == 0)
		result = order(x->ip, y->ip);
	return result ? result : order(x->len, y->len);
}

static bool same_address(const void *a, const void *b)
{
	return compare_addresses(a, b) == 0;
}

static int compare_fdb(const void *a, const void *b)
{
	const struct rtnl_neigh *x = a, *y = b;

	return memcmp(x->mac.b, y->mac.b, sizeof(x->mac.b));
}

static bool same_fdb(const void *a, const void *b)
{
	const struct rtnl_neigh *x = a, *y = b;

	return compare_fdb(a, b) == 0 && x->dst == y->dst && x->ifindex == y->ifindex &&
	       (x->state & NUD_PERMANENT) == (y->state & NUD_PERMANENT);
}

static int compare_neighs(const void *a, const void *b)
{
	const struct rtnl_neigh *x = a, *y = b;
	int result = order(x->ifindex, y->ifindex);

	return result ? result : order(x->ip, y->ip);
}

static bool same_neigh(const void *a, const void *b)
{
	const struct rtnl_neigh *x = a, *y = b;

	return compare_neighs(a, b) == 0 && memcmp(x->mac.b, y->mac.b, sizeof(x->mac.b)) == 0;
}

static int compare_routes(const void *a, const void *b)
{
	const struct rtnl_route *x = a, *y = b;
	int result = order(x->dst.ip, y->dst.ip);

	if (result == 0)
		result = order(x->dst.len, y->dst.len);
	return result ? result : order(x->metric, y->metric);
}

static bool same_route(const void *a, const void *b)
{
	const struct rtnl_route *x = a, *y = b;

	return compare_routes(a, b) == 0 && x->type == y->type && x->oif == y->oif &&
	       x->via == y->via && x->src == y->src && x->onlink == y->onlink && x->more == y->more;
}

static void name_address(const void *item, char *text, size_t size)
{
	const struct rtnl_address *address = item;

	snprintf(text, size, "address %s",
		 text_prefix(TEXT_BUF(PREFIX), address->ip, address->len));
}

static void name_fdb(const void *item, char *text, size_t size)
{
	const struct rtnl_neigh *neigh = item;

	snprintf(text, size, "forwarding entry %s to node %s",
		 text_mac(TEXT_BUF(MAC), neigh->mac.b), text_ip4(TEXT_BUF(IP4), neigh->dst));
}

static void name_neigh(const void *item, char *text, size_t size)
{
	const struct rtnl_neigh *neigh = item;

	snprintf(text, size, "neighbour %s at %s", text_ip4(TEXT_BUF(IP4), neigh->ip),
		 text_mac(TEXT_BUF(MAC), neigh->mac.b));
}

static void name_route(const void *item, char *text, size_t size)
{
	const struct rtnl_route *route = item;

	snprintf(text, size, "%s %s",
		 route->type == RTN_UNREACHABLE ? "unreachable route" : "route to",
		 text_prefix(TEXT_BUF(PREFIX), route->dst.ip, route->dst.len));
}

static void put_address(struct netlink_batch *batch, bool add, const void *item)
{
	rtnl_put_address(batch, add ? RTM_NEWADDR : RTM_DELADDR, item, name_address, item);
}

static void put_fdb(struct netlink_batch *batch, bool add, const void *item)
{
	rtnl_put_neigh(batch, add ? RTM_NEWNEIGH : RTM_DELNEIGH, item, name_fdb, item);
}

static void put_neigh(struct netlink_batch *batch, bool add, const void *item)
{
	rtnl_put_neigh(batch, add ? RTM_NEWNEIGH : RTM_DELNEIGH, item, name_neigh, item);
}

static void put_route(struct netlink_batch *batch, bool add, const void *item)
{
	rtnl_put_route(batch, add ? RTM_NEWROUTE : RTM_DELROUTE,
		       add ? NLM_F_CREATE | NLM_F_REPLACE : 0, item, name_route, item);
}

static uint32_t link_of_address(const void *item)
{
	return ((const struct rtnl_address *)item)->ifindex;
}

static uint32_t link_of_neigh(const void *item)
{
	return ((const struct rtnl_neigh *)item)->ifindex;
}

static uint32_t link_of_route(const void *item)
{
	return ((const struct rtnl_route *)item)->oif;
}

static const struct {
	size_t size;
	int (*compare)(const void *a, const void *b); /* of keys */
	bool (*same)(const void *a, const void *b);
	netlink_name name;
	void (*put)(struct netlink_batch *batch, bool add, const void *item);
	uint32_t (*link_of)(const void *item);
	int gone; /* the errno of removing what is not there */
} kinds[KERNEL_KINDS] = {
	[KERNEL_ADDRESSES] = { sizeof(struct rtnl_address), compare_addresses, same_address,
			       name_address, put_address, link_of_address, EADDRNOTAVAIL },
	[KERNEL_FDB] = { sizeof(struct rtnl_neigh), compare_fdb, same_fdb, name_fdb, put_fdb,
			 link_of_neigh, ENOENT },
	[KERNEL_NEIGHS] = { sizeof(struct rtnl_neigh), compare_neighs, same_neigh, name_neigh,
			    put_neigh, link_of_neigh, ENOENT },
	[KERNEL_ROUTES] = { sizeof(struct rtnl_route), compare_routes, same_route, name_route,
			    put_route, link_of_route, ESRCH },
};

/* ---- arrays */

static const void *at(const struct kernel_state *state, enum kernel_kind kind, size_t i)
{
	return (const char *)state->arrays[kind].items + i * kinds[kind].size;
}

void kernel_state_add(struct kernel_state *state, enum kernel_kind kind, const void *item)
{
	struct kernel_array *array = &state->arrays[kind];
	size_t size = kinds[kind].size;

	array->items = vec_reserve(array->items, &array->cap, array->n + 1, size);
	memcpy((char *)array->items + array->n++ * size, item, size);
}

/* The same input sorts the same way: which of two stays does not change from pass to pass. */
static void sort_array(struct kernel_array *array, enum kernel_kind kind)
{
	size_t size = kinds[kind].size, kept = 0;
	char *items = array->items;

	if (array->n == 0)
		return;
	qsort(items, array->n, size, kinds[kind].compare);
	for (size_t i = 1; i < array->n; i++)
		if (kinds[kind].compare(items + kept * size, items + i * size) != 0 && ++kept != i)
			memcpy(items + kept * size, items + i * size, size);
	array->n = kept + 1;
}

void kernel_state_sort(struct kernel_state *state)
{
	for (int kind = 0; kind < KERNEL_KINDS; kind++)
		sort_array(&state->arrays[kind], (enum kernel_kind)kind);
}

void kernel_state_append(struct kernel_state *to, const struct kernel_state *from)
{
	bool any = false;

	for (int kind = 0; kind < KERNEL_KINDS; kind++) {
		const struct kernel_array *source = &from->arrays[kind];
		struct kernel_array *array = &to->arrays[kind];
		size_t size = kinds[kind].size;

		if (source->n == 0)
			continue;
		any = true;
		array->items = vec_reserve(array->items, &array->cap, array->n + source->n, size);
		memcpy((char *)array->items + array->n * size, source->items, source->n * size);
		array->n += source->n;
	}
	if (any)
		kernel_state_sort(to);
}

void kernel_state_copy(struct kernel_state *to, const struct kernel_state *from)
{
	for (int kind = 0; kind < KERNEL_KINDS; kind++)
		to->arrays[kind].n = 0;
	kernel_state_append(to, from);
}

void kernel_state_done(struct kernel_state *state)
{
	for (int kind = 0; kind < KERNEL_KINDS; kind++)
		free(state->arrays[kind].items);
	*state = (struct kernel_state){ 0 };
}

const void *kernel_state_find(const struct kernel_state *state, enum kernel_kind kind,
			      const void *item)
{
	const struct kernel_array *array = &state->arrays[kind];

	if (array->n == 0)
		return NULL;
	return bsearch(item, array->items, array->n, kinds[kind].size, kinds[kind].compare);
}

bool kernel_item_same(enum kernel_kind kind, const void *a, const void *b)
{
	return kinds[kind].same(a, b);
}

/* ---- the want, with link numbers */

static void add_neigh(struct kernel_state *state, uint32_t ifindex, uint32_t ip,
		      const struct mac *mac)
{
	struct rtnl_neigh neigh = {
		.family = AF_INET, .state = NUD_PERMANENT, .ifindex = ifindex, .ip = ip, .mac = *mac
	};

	kernel_state_add(state, KERNEL_NEIGHS, &neigh);
}

static void add_tunnel(struct kernel_state *state, const struct forward *want, uint32_t tunnel)
{
	for (size_t i = 0; i < want->n_fdb; i++) {
		struct rtnl_neigh neigh = { .family = AF_BRIDGE,
					    .state = NUD_PERMANENT,
					    .flags = NTF_SELF,
					    .ifindex = tunnel,
					    .dst = want->fdb[i].dst,
					    .mac = want->fdb[i].mac };

		kernel_state_add(state, KERNEL_FDB, &neigh);
	}
	for (size_t i = 0; i < want->n_neigh; i++)
		add_neigh(state, tunnel, want->neigh[i].ip, &want->neigh[i].mac);
	if (want->node_ip != 0) {
		struct rtnl_address address = { .ifindex = tunnel,
						.ip = want->node_ip,
						.len = 32,
						.scope = RT_SCOPE_UNIVERSE };

		kernel_state_add(state, KERNEL_ADDRESSES, &address);
	}
}

static void add_routes(struct kernel_state *state, const struct forward *want, uint32_t tunnel)
{
	for (size_t i = 0; i < want->n_routes; i++) {
		const struct want_route *wish = &want->routes[i];
		struct rtnl_route route = { .dst = wish->dst,
					    .metric = wish->metric,
					    .type = RTN_UNREACHABLE,
					    .scope = RT_SCOPE_UNIVERSE,
					    .protocol = RTNL_PROTOCOL_WEFT,
					    .table = RT_TABLE_MAIN };

		if (wish->via != 0) {
			if (tunnel == 0)
				continue;
			route.type = RTN_UNICAST;
			route.oif = tunnel;
			route.via = wish->via;
			route.src = wish->src;
			route.onlink = true;
		}
		kernel_state_add(state, KERNEL_ROUTES, &route);
	}
}

static void add_pods(struct kernel_state *state, const struct forward *want,
		     const struct kernel_have *have)
{
	for (size_t i = 0; i < want->n_pods; i++) {
		const struct want_pod *pod = &want->pods[i];
		const struct rtnl_link *end = kernel_link_named(have, pod->host_if);
		struct rtnl_route route = { .dst = { .ip = pod->ip, .len = 32 },
					    .type = RTN_UNICAST,
					    .scope = RT_SCOPE_LINK,
					    .protocol = RTNL_PROTOCOL_WEFT,
					    .table = RT_TABLE_MAIN,
					    /* an address that is not there yet is refused */
					    .src = have->tunnel != 0 ? want->node_ip : 0 };

		if (!end)
			continue;
		route.oif = end->ifindex;
		kernel_state_add(state, KERNEL_ROUTES, &route);
		add_neigh(state, end->ifindex, pod->ip, &pod->pod_mac);
	}
}

void kernel_flatten(struct kernel *kernel)
{
	struct kernel_state *state = &kernel->wanted;

	for (int kind = 0; kind < KERNEL_KINDS; kind++)
		state->arrays[kind].n = 0;
	if (kernel->have.tunnel != 0)
		add_tunnel(state, &kernel->want, kernel->have.tunnel);
	add_routes(state, &kernel->want, kernel->have.tunnel);
	add_pods(state, &kernel->want, &kernel->have);
	kernel_state_sort(state);
}

/* ---- the difference */

static bool was_settled(const struct kernel_pass *pass, enum kernel_kind kind, const void *item)
{
	const void *settled = kernel_state_find(&pass->kernel->settled, kind, item);

	return pass->judging && settled && kinds[kind].same(settled, item);
}

static void mend_item(struct kernel_pass *pass, enum kernel_kind kind, const void *want,
		      const void *have)
{
	char name[128];

	kinds[kind].put(&pass->batch, true, want);
	if (was_settled(pass, kind, want)) {
		kinds[kind].name(want, name, sizeof(name));
		if (have)
			kernel_repair(pass, "%s changed (by another program) -> set back", name);
		else
			kernel_repair(pass, "%s gone (deleted by another program) -> put back",
				      name);
	} else if (have) {
		pass->changed++;
	} else {
		pass->added++;
	}
}

/* The one way to keep that this address may be in, or NULL. */
static const struct keep_way *way_at(const struct forward *want, uint32_t ip)
{
	size_t low = 0, high = want->n_keep;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (want->keep[middle].dst.ip <= ip)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? &want->keep[low - 1] : NULL;
}

static bool is_kept(const struct kernel *kernel, const struct rtnl_route *route)
{
	const struct keep_way *way = way_at(&kernel->want, route->dst.ip);

	return way && route->oif == kernel->have.tunnel && route->via == way->via &&
	       route->dst.len >= way->dst.len && prefix_has(way->dst, route->dst.ip);
}

/* Routes, the neighbours that these lead over, and the forwarding entries of these. */
void kernel_spare(struct kernel_pass *pass)
{
	const struct kernel_state *have = &pass->kernel->have.state;
	const struct kernel_array *routes = &have->arrays[KERNEL_ROUTES];

	if (pass->kernel->have.tunnel == 0 || pass->kernel->want.n_keep == 0)
		return;
	for (size_t i = 0; i < routes->n; i++) {
		const struct rtnl_route *route = at(have, KERNEL_ROUTES, i);
		const struct rtnl_neigh key = { .ifindex = route->oif, .ip = route->via };
		const struct rtnl_neigh *neigh, *entry;

		if (!is_kept(pass->kernel, route))
			continue;
		kernel_state_add(&pass->spared, KERNEL_ROUTES, route);
		neigh = kernel_state_find(have, KERNEL_NEIGHS, &key);
		entry = neigh ? kernel_state_find(have, KERNEL_FDB, neigh) : NULL;
		if (neigh)
			kernel_state_add(&pass->spared, KERNEL_NEIGHS, neigh);
		if (entry)
			kernel_state_add(&pass->spared, KERNEL_FDB, entry);
	}
	kernel_state_sort(&pass->spared);
}

/* Nothing of peers goes while there is no ledger, nor the node's address while it is not known. */
static bool removable(const struct kernel_pass *pass, enum kernel_kind kind, const void *item)
{
	const struct kernel *kernel = pass->kernel;
	bool on_tunnel = kernel->have.tunnel != 0 &&
			 kinds[kind].link_of(item) == kernel->have.tunnel;

	if (!on_tunnel)
		return true;
	if (kind == KERNEL_ADDRESSES)
		return kernel->want.node_ip != 0;
	return kernel->want.peers_known && !kernel_state_find(&pass->spared, kind, item);
}

/* With its last address a link loses its routes and neighbours (the kernel's fib_disable_ip). */
static void put_again(struct kernel_pass *pass, uint32_t ifindex)
{
	static const enum kernel_kind lost[] = { KERNEL_NEIGHS, KERNEL_ROUTES };
	const struct kernel_state *want = &pass->kernel->wanted;

	for (size_t k = 0; k < sizeof(lost) / sizeof(lost[0]); k++)
		for (size_t i = 0; i < want->arrays[lost[k]].n; i++)
			if (kinds[lost[k]].link_of(at(want, lost[k], i)) == ifindex)
				kinds[lost[k]].put(&pass->batch, true, at(want, lost[k], i));
}

static void remove_item(struct kernel_pass *pass, enum kernel_kind kind, const void *item)
{
	const struct kernel *kernel = pass->kernel;
	bool on_pod = kinds[kind].link_of(item) != 0 &&
		      kinds[kind].link_of(item) != kernel->have.tunnel;
	char name[128];

	if (!removable(pass, kind, item)) {
		kernel_state_add(&pass->kept, kind, item);
		return;
	}
	kinds[kind].put(&pass->batch, false, item);
	netlink_batch_forgive(&pass->batch, kinds[kind].gone);
	if (on_pod && kind == KERNEL_ADDRESSES)
		put_again(pass, kinds[kind].link_of(item));
	/* A host end never has an address; its other things come and go with its pod. */
	if ((on_pod && kind != KERNEL_ADDRESSES) || !pass->judging ||
	    kernel_state_find(&kernel->settled, kind, item)) {
		pass->removed++;
		return;
	}
	kinds[kind].name(item, name, sizeof(name));
	kernel_repair(pass, "%s added (by another program) -> removed", name);
}

/* Walk both arrays together. add: what is wanted and not there, or not so; else: what is there and
 * not wanted. */
static void mend(struct kernel_pass *pass, enum kernel_kind kind, bool add)
{
	const struct kernel_state *want = &pass->kernel->wanted, *have = &pass->kernel->have.state;
	size_t n_want = want->arrays[kind].n, n_have = have->arrays[kind].n;
	size_t w = 0, h = 0;

	while (w < n_want || h < n_have) {
		int order = w == n_want ? 1
			    : h == n_have
				    ? -1
				    : kinds[kind].compare(at(want, kind, w), at(have, kind, h));

		if (add && order < 0)
			mend_item(pass, kind, at(want, kind, w), NULL);
		else if (add && order == 0 &&
			 !kinds[kind].same(at(want, kind, w), at(have, kind, h)))
			mend_item(pass, kind, at(want, kind, w), at(have, kind, h));
		else if (!add && order > 0)
			remove_item(pass, kind, at(have, kind, h));
		w += order <= 0;
		h += order >= 0;
	}
}

/* New before old: a new address before the routes that prefer it, what a route needs before the
 * route, every route before the ones it replaces go, and the old address last, since with it go the
 * routes that still prefer it. */
void kernel_mend_state(struct kernel_pass *pass)
{
	static const enum kernel_kind additions[] = { KERNEL_ADDRESSES, KERNEL_FDB, KERNEL_NEIGHS,
						      KERNEL_ROUTES };

	for (int i = 0; i < KERNEL_KINDS; i++) {
		mend(pass, additions[i], true);
		pass->wanted += (uint32_t)pass->kernel->wanted.arrays[i].n;
	}
	for (int i = KERNEL_KINDS - 1; i >= 0; i--)
		mend(pass, additions[i], false);
}
