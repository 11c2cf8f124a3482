#include <inttypes.h>

#include "core/inspect.h"
#include "watch.h"

/* The rule "ways" is held against the node's own view: it must act on what it knows. A want
 * without a ledger removes nothing, so it is not judged. */

static const struct peer_row *attached_with(const struct ledger *view, const struct mac *mac)
{
	for (size_t i = 0; i < view->n_peers; i++) {
		struct mac theirs = node_vtep_mac(&view->peers[i].uid);

		if (view->peers[i].status == PEER_ATTACHED &&
		    memcmp(theirs.b, mac->b, sizeof(mac->b)) == 0)
			return &view->peers[i];
	}
	return NULL;
}

static bool is_tunnel_end(const struct kernel *kernel, uint32_t underlay_ip)
{
	for (size_t i = 0; i < kernel->n_fdb; i++)
		if (kernel->fdb[i].dst == underlay_ip)
			return true;
	return false;
}

static const struct peer_row *behind(const struct kernel *kernel, const struct ledger *view,
				     uint32_t via)
{
	for (size_t i = 0; i < kernel->n_neigh; i++)
		if (kernel->neigh[i].ip == via)
			return attached_with(view, &kernel->neigh[i].mac);
	return NULL;
}

static void check_route(struct world *world, const struct node *node,
			const struct want_route *route)
{
	const struct ledger *view = core_inspect_view(node->core);
	const struct peer_row *peer = behind(&node->kernel, view, route->via);
	uint32_t first = (route->dst.ip - world->range.ip) / BLOCK_ADDRESSES;
	uint32_t n = UINT32_C(1) << (26 - route->dst.len);
	char ip[16];

	for (uint32_t i = first; i < first + n; i++)
		if (!peer || i >= view->n_blocks || view->blocks[i].state != BLOCK_OWNED ||
		    !uid_eq(&view->blocks[i].owner, &peer->uid))
			world_violation(world, "ways",
					"n%u wants a route to %s/%u, and in version %" PRIu64
					" block %u does not belong to who is behind it",
					node->index + 1, watch_dotted(route->dst.ip, ip),
					route->dst.len, view->version, i);
}

void ways_check(struct world *world, struct node *node)
{
	const struct ledger *view = core_inspect_view(node->core);
	struct kernel *kernel = &node->kernel;
	char ip[16];

	if (!kernel->want_moved)
		return;
	kernel->want_moved = false;
	for (size_t i = 0; kernel->want_whole && i < kernel->n_fdb; i++)
		if (!attached_with(view, &kernel->fdb[i].mac))
			world_violation(world, "ways",
					"n%u wants the tunnel to lead to %s, where nobody is "
					"attached in version %" PRIu64,
					node->index + 1, watch_dotted(kernel->fdb[i].dst, ip),
					view->version);
	for (size_t i = 0; kernel->want_whole && i < kernel->n_members; i++)
		if (!is_tunnel_end(kernel, kernel->members[i]))
			world_violation(world, "ways",
					"n%u takes tunnel packets from %s, where nobody is "
					"attached in version %" PRIu64,
					node->index + 1, watch_dotted(kernel->members[i], ip),
					view->version);
	for (size_t i = 0; kernel->want_whole && i < kernel->n_routes; i++)
		if (kernel->routes[i].via)
			check_route(world, node, &kernel->routes[i]);
}
