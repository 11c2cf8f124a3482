#include "core/forward.h"

#include <stdlib.h>

#include "base/bitmap.h"
#include "base/siphash.h"
#include "core/state.h"

enum { METRIC_LAST = 0xffffffff };

struct building {
	struct core *core;
	struct forward *forward;
	struct want_fdb *fdb;
	struct want_neigh *neigh;
	struct want_route *routes;
	size_t cap_routes;
	uint32_t *members;
	uint32_t node_ip;
	struct bitmap hops; /* given in this building, by their last 16 bits */
};

/* The next hop stands for a peer inside this node only. It comes from the uid, not from a table:
 * after a restart the same peer has the same next hop, so no route ever points, even for a moment,
 * at another's neighbour entry. */
static uint32_t next_hop(const struct uid *uid, uint32_t attempt)
{
	static const uint8_t key[16] = "weft next hop 1";
	struct siphash hash;
	uint32_t host;

	siphash_init(&hash, key);
	siphash_update(&hash, uid->b, sizeof(uid->b));
	siphash_u64(&hash, attempt);
	host = (uint32_t)siphash_final(&hash) & 0xffff;
	/* Not a network or broadcast address of a /24, not the pods' gateway's net, not a cloud's
	 * metadata service. */
	if ((host & 0xff) == 0 || (host & 0xff) == 0xff || (host >> 8) == 1 || host == 0xa9fe)
		return next_hop(uid, attempt + 0x100);
	return 0xa9fe0000U | host;
}

/* Collisions are settled over everybody in the ledger, heard of or not, in order of uid: who is
 * heard first after a restart must not take the hop that the kernel still uses for another. */
static uint32_t free_next_hop(struct building *b, const struct uid *uid)
{
	for (uint32_t attempt = 0;; attempt++) {
		uint32_t ip = next_hop(uid, attempt);

		if (bitmap_test(&b->hops, ip & 0xffff))
			continue;
		bitmap_set(&b->hops, ip & 0xffff);
		return ip;
	}
}

static void add_route(struct building *b, struct prefix dst, uint32_t metric, uint32_t via,
		      uint32_t src)
{
	b->routes[b->forward->n_routes++] =
		(struct want_route){ .dst = dst, .metric = metric, .via = via, .src = src };
}

static bool owned_by(const struct ledger *view, uint32_t block, const struct uid *uid)
{
	return view->blocks[block].state == BLOCK_OWNED && uid_eq(&view->blocks[block].owner, uid);
}

/* Deterministic per prefix, since REPLACE matches (prefix, metric); the prefix keeps the kernel's
 * hash chains short. */
static uint32_t metric_of(const struct building *b, struct prefix dst)
{
	return ((dst.ip - b->forward->range.ip) / BLOCK_SIZE + 1) * 32 + dst.len;
}

/* The largest aligned run of this owner's blocks that starts here. */
static uint32_t run_at(const struct ledger *view, uint32_t block, const struct uid *owner)
{
	uint32_t run = 1;

	while (block % (run * 2) == 0 && block + run * 2 <= view->n_blocks) {
		for (uint32_t i = run; i < run * 2; i++)
			if (!owned_by(view, block + i, owner))
				return run;
		run *= 2;
	}
	return run;
}

static void route_run(struct building *b, uint32_t block, uint32_t run, uint32_t via)
{
	struct prefix dst = { .ip = b->forward->range.ip + block * BLOCK_SIZE,
			      .len = (uint8_t)(BLOCK_LEN - __builtin_ctz(run)) };

	add_route(b, dst, via ? metric_of(b, dst) : METRIC_LAST, via, via ? b->node_ip : 0);
}

/* Only who is attached in the ledger: a stranger's word opens no way into the tunnel, and of two
 * that claim one name the ledger has one. */
static bool reachable(const struct core *core, const struct peer_row *row,
		      const struct member *member)
{
	return member && member->body.vtep_ip && row->status == PEER_ATTACHED &&
	       !uid_eq(&member->uid, &core->settings.uid);
}

static void add_peer(struct building *b, const struct member *member, uint32_t via)
{
	struct forward *forward = b->forward;

	b->fdb[forward->n_fdb++] =
		(struct want_fdb){ .mac = member->body.vtep_mac, .dst = member->body.vtep_ip };
	b->neigh[forward->n_neigh++] =
		(struct want_neigh){ .ip = via, .mac = member->body.vtep_mac };
	b->members[forward->n_members++] = member->body.vtep_ip;
}

/* Every peer in order of uid, so that equal states give equal arrays. */
static void add_peers(struct building *b, uint32_t *via_of_slot)
{
	const struct core *core = b->core;
	const struct ledger *view = &core->view;

	for (size_t i = 0; i < view->n_peers; i++) {
		const struct peer_row *row = &view->peers[view->by_uid[i]];
		uint32_t via = free_next_hop(b, &row->uid);
		uint32_t slot = members_find(&core->members, &row->uid);

		if (slot == MEMBER_NONE || !reachable(core, row, core->members.slots[slot]))
			continue;
		via_of_slot[slot] = via;
		add_peer(b, core->members.slots[slot], via);
	}
}

static void add_routes(struct building *b, const uint32_t *via_of_slot)
{
	struct core *core = b->core;
	const struct ledger *view = &core->view;

	for (uint32_t block = 0; block < view->n_blocks;) {
		const struct uid *owner = &view->blocks[block].owner;
		uint32_t slot, run;

		if (view->blocks[block].state != BLOCK_OWNED ||
		    uid_eq(owner, &core->settings.uid)) {
			block++;
			continue;
		}
		run = run_at(view, block, owner);
		slot = members_find(&core->members, owner);
		if (slot == MEMBER_NONE || !via_of_slot[slot])
			b->forward->peers_known =
				false; /* the kernel may know more than we do just now */
		else
			route_run(b, block, run, via_of_slot[slot]);
		block += run;
	}
}

static void add_unreachable(struct building *b)
{
	struct core *core = b->core;

	if (!core->settings.allow_overlap)
		add_route(b, b->forward->range, METRIC_LAST, 0, 0);
	for (size_t i = 0; i < core->blocks.n; i++)
		route_run(b, core->blocks.own[i]->index, 1, 0);
}

static int pod_cmp(const void *a, const void *b)
{
	return strcmp(((const struct want_pod *)a)->host_if, ((const struct want_pod *)b)->host_if);
}

static void add_pods(struct core *core, struct forward *forward)
{
	struct want_pod *pods = out_alloc(&core->out, (core->pods.n + 1) * sizeof(*pods));

	for (size_t i = 0; i < core->pods.n; i++) {
		const struct pod *pod = core->pods.items[i];
		struct want_pod *want = &pods[forward->n_pods];

		if (!pod_is_wanted(pod))
			continue;
		memcpy(want->host_if, pod->host_if, sizeof(want->host_if));
		want->ip = pod->ip;
		want->pod_mac = pod_mac_of(pod->ip);
		pod_alias(pod, want->alias);
		forward->n_pods++;
	}
	qsort(pods, forward->n_pods, sizeof(*pods), pod_cmp);
	forward->pods = pods;
}

static int fdb_cmp(const void *a, const void *b)
{
	return memcmp(((const struct want_fdb *)a)->mac.b, ((const struct want_fdb *)b)->mac.b,
		      sizeof(struct mac));
}

static int u32_cmp(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static int neigh_cmp(const void *a, const void *b)
{
	return u32_cmp(&((const struct want_neigh *)a)->ip, &((const struct want_neigh *)b)->ip);
}

static int route_cmp(const void *a, const void *b)
{
	const struct want_route *left = a, *right = b;

	if (left->dst.ip != right->dst.ip)
		return left->dst.ip < right->dst.ip ? -1 : 1;
	if (left->dst.len != right->dst.len)
		return left->dst.len < right->dst.len ? -1 : 1;
	return u32_cmp(&left->metric, &right->metric);
}

static void finish(struct building *b)
{
	struct forward *forward = b->forward;

	qsort(b->fdb, forward->n_fdb, sizeof(*b->fdb), fdb_cmp);
	qsort(b->neigh, forward->n_neigh, sizeof(*b->neigh), neigh_cmp);
	qsort(b->routes, forward->n_routes, sizeof(*b->routes), route_cmp);
	qsort(b->members, forward->n_members, sizeof(*b->members), u32_cmp);
	forward->fdb = b->fdb;
	forward->neigh = b->neigh;
	forward->routes = b->routes;
	forward->members = b->members;
}

static void want_tunnel(const struct core *core, struct forward *forward)
{
	const struct underlay *underlay = &core->underlay;

	forward->have_tunnel = underlay->have;
	forward->tunnel = (struct want_tunnel){
		.name = "weft-vx",
		.vni = core->settings.vni,
		.port = core->settings.vxlan_port,
		.mac = core->settings.vtep_mac,
		.mtu = underlay->mtu > 50 ? underlay->mtu - 50 : 0,
		.local_ip = underlay->ip,
		.dev_ifindex = underlay->ifindex,
	};
}

static size_t owned_blocks(const struct ledger *view)
{
	size_t n = 0;

	for (uint32_t block = 0; block < view->n_blocks; block++)
		n += view->blocks[block].state == BLOCK_OWNED;
	return n;
}

static void build_all(struct core *core, struct forward *forward)
{
	struct out *out = &core->out;
	size_t n = core->members.n + 1;
	uint32_t *via_of_slot = out_alloc(out, n * sizeof(*via_of_slot));
	struct building b = {
		.core = core,
		.forward = forward,
		.fdb = out_alloc(out, n * sizeof(*b.fdb)),
		.neigh = out_alloc(out, n * sizeof(*b.neigh)),
		.members = out_alloc(out, n * sizeof(*b.members)),
		.node_ip = blocks_node_ip(&core->blocks),
	};

	b.routes = out_alloc(out,
			     (owned_blocks(&core->view) + core->blocks.n + 1) * sizeof(*b.routes));
	forward->peers_known = core->view.version > 0;
	forward->node_ip = b.node_ip;
	forward->range = core->settings.range;
	forward->masquerade = core->settings.masquerade;
	forward->masquerade_nodes = core->settings.masquerade_nodes;
	want_tunnel(core, forward);
	bitmap_init(&b.hops);
	add_peers(&b, via_of_slot);
	bitmap_done(&b.hops);
	add_routes(&b, via_of_slot);
	add_unreachable(&b);
	finish(&b);
}

void forward_changed(struct core *core, enum forward_change what)
{
	if (what > core->forwarding.changed)
		core->forwarding.changed = what;
}

/* The first one is whole: START asks for it, and before that nothing is wanted of the kernel. */
void forward_emit(struct core *core)
{
	struct forwarding *forwarding = &core->forwarding;
	struct forward *forward;

	if (forwarding->changed == FORWARD_NOTHING ||
	    (forwarding->changed == FORWARD_PODS && !forwarding->begun))
		return;
	forward = out_alloc(&core->out, sizeof(*forward));
	forward->pods_only = forwarding->changed == FORWARD_PODS;
	if (!forward->pods_only)
		build_all(core, forward);
	add_pods(core, forward);
	forwarding->changed = FORWARD_NOTHING;
	forwarding->begun = true;
	out_add(&core->out, ACTION_FORWARD)->forward = forward;
}
