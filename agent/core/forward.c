#include "core/forward.h"

#include <assert.h>
#include <stdlib.h>

#include "base/bitmap.h"
#include "base/siphash.h"
#include "core/state.h"

enum { METRIC_LAST = 0xffffffff };

/* To one row of the ledger. */
struct way {
	const struct member *member; /* NULL: not reachable */
	uint32_t via;
	bool unheard; /* the kernel may know more of it than we do */
};

struct building {
	struct core *core;
	struct forward *forward;
	struct want_fdb *fdb;
	struct want_neigh *neigh;
	struct want_route *routes;
	struct keep_way *keep;
	struct way *ways; /* by position in the ledger's peers */
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

static struct prefix prefix_of_run(const struct building *b, uint32_t block, uint32_t run)
{
	return (struct prefix){ .ip = b->forward->range.ip + block * BLOCK_SIZE,
				.len = (uint8_t)(BLOCK_LEN - __builtin_ctz(run)) };
}

static void route_run(struct building *b, uint32_t block, uint32_t run, uint32_t via)
{
	struct prefix dst = prefix_of_run(b, block, run);

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

struct claim {
	const struct mac *mac;
	size_t rank; /* of its uid */
	struct way *way;
};

static int claim_cmp(const void *a, const void *b)
{
	const struct claim *left = a, *right = b;
	int order = memcmp(left->mac->b, right->mac->b, sizeof(left->mac->b));

	return order ? order : left->rank < right->rank ? -1 : 1;
}

/* The kernel has one entry for one VTEP MAC. Of several nodes that claim it the one with the
 * smallest uid has it, on every node alike; to the others there is no way until they take another:
 * their pods' packets must not go to the wrong node. */
static void settle_claims(struct claim *claims, size_t n)
{
	qsort(claims, n, sizeof(*claims), claim_cmp);
	for (size_t i = 1; i < n; i++)
		if (memcmp(claims[i - 1].mac->b, claims[i].mac->b, sizeof(claims[i].mac->b)) == 0)
			claims[i].way->member = NULL;
}

static void find_ways(struct building *b)
{
	struct core *core = b->core;
	const struct ledger *view = &core->view;
	struct claim *claims = out_alloc(&core->out, (view->n_peers + 1) * sizeof(*claims));
	size_t n = 0;

	for (size_t i = 0; i < view->n_peers; i++) {
		const struct peer_row *row = &view->peers[view->by_uid[i]];
		const struct member *member = members_by_uid(&core->members, &row->uid);
		struct way *way = &b->ways[view->by_uid[i]];

		way->via = free_next_hop(b, &row->uid);
		way->unheard = !reachable(core, row, member);
		if (way->unheard)
			continue;
		way->member = member;
		claims[n++] =
			(struct claim){ .mac = &member->body.vtep_mac, .rank = i, .way = way };
	}
	settle_claims(claims, n);
}

static void add_peers(struct building *b)
{
	for (size_t i = 0; i < b->core->view.n_peers; i++)
		if (b->ways[i].member)
			add_peer(b, b->ways[i].member, b->ways[i].via);
}

static void add_run(struct building *b, uint32_t block, uint32_t run, const struct way *way)
{
	if (way->member)
		route_run(b, block, run, way->via);
	else if (way->unheard)
		b->keep[b->forward->n_keep++] =
			(struct keep_way){ .dst = prefix_of_run(b, block, run), .via = way->via };
}

static void add_routes(struct building *b)
{
	struct core *core = b->core;
	const struct ledger *view = &core->view;

	for (uint32_t block = 0; block < view->n_blocks;) {
		const struct uid *owner = &view->blocks[block].owner;
		const struct peer_row *row = NULL;
		uint32_t run = 1;

		if (view->blocks[block].state == BLOCK_OWNED && !uid_eq(owner, &core->settings.uid))
			row = ledger_peer_by_uid(view, owner);
		if (row) {
			run = run_at(view, block, owner);
			add_run(b, block, run, &b->ways[row - view->peers]);
		}
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

/* Two wants with one key would be put right in turn, for ever. */
static void check_keys(const struct building *b)
{
	for (size_t i = 1; i < b->forward->n_fdb; i++)
		assert(fdb_cmp(&b->fdb[i - 1], &b->fdb[i]) < 0);
	for (size_t i = 1; i < b->forward->n_neigh; i++)
		assert(neigh_cmp(&b->neigh[i - 1], &b->neigh[i]) < 0);
	for (size_t i = 1; i < b->forward->n_routes; i++)
		assert(route_cmp(&b->routes[i - 1], &b->routes[i]) < 0);
}

static void finish(struct building *b)
{
	struct forward *forward = b->forward;

	qsort(b->fdb, forward->n_fdb, sizeof(*b->fdb), fdb_cmp);
	qsort(b->neigh, forward->n_neigh, sizeof(*b->neigh), neigh_cmp);
	qsort(b->routes, forward->n_routes, sizeof(*b->routes), route_cmp);
	qsort(b->members, forward->n_members, sizeof(*b->members), u32_cmp);
	check_keys(b);
	forward->fdb = b->fdb;
	forward->neigh = b->neigh;
	forward->routes = b->routes;
	forward->keep = b->keep; /* in order: made in the order of blocks */
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
	size_t n = core->view.n_peers + 1, owned = owned_blocks(&core->view);
	struct building b = {
		.core = core,
		.forward = forward,
		.fdb = out_alloc(out, n * sizeof(*b.fdb)),
		.neigh = out_alloc(out, n * sizeof(*b.neigh)),
		.members = out_alloc(out, n * sizeof(*b.members)),
		.routes = out_alloc(out, (owned + core->blocks.n + 1) * sizeof(*b.routes)),
		.keep = out_alloc(out, (owned + 1) * sizeof(*b.keep)),
		.ways = out_alloc(out, n * sizeof(*b.ways)),
		.node_ip = blocks_node_ip(&core->blocks),
	};

	forward->peers_known = core->view.version > 0;
	forward->node_ip = b.node_ip;
	forward->range = core->settings.range;
	forward->masquerade = core->settings.masquerade;
	forward->masquerade_nodes = core->settings.masquerade_nodes;
	want_tunnel(core, forward);
	bitmap_init(&b.hops);
	find_ways(&b);
	bitmap_done(&b.hops);
	add_peers(&b);
	add_routes(&b);
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
