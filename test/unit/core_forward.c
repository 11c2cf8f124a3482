/* The kernel state that is wanted, seen through the door of a core that is number 5. */
#include "core/forward.h"

#include "doors.h"

enum { PEER_A = 10, PEER_B = 11, PEER_GONE = 12 };

static const struct want_fdb *fdb_of(const struct door *door, unsigned number)
{
	for (size_t i = 0; i < door->forward.n_fdb; i++)
		if (door->forward.fdb[i].dst == 0xc0000200 + number)
			return &door->forward.fdb[i];
	return NULL;
}

static bool tunnel_takes_from(const struct door *door, unsigned number)
{
	for (size_t i = 0; i < door->forward.n_members; i++)
		if (door->forward.members[i] == 0xc0000200 + number)
			return true;
	return false;
}

static uint32_t first_block_of(const struct door *door, unsigned number)
{
	struct uid uid = uid_of(number);
	uint32_t block = 0;

	/* Its owner is zero unless it is owned. */
	while (block < door->ledger.n_blocks && !uid_eq(&door->ledger.blocks[block].owner, &uid))
		block++;
	REQUIRE(block < door->ledger.n_blocks);
	return block;
}

/* The route that a packet to this block takes: the longest prefix, the smallest metric. */
static const struct want_route *route_to(const struct door *door, uint32_t block)
{
	const struct want_route *best = NULL;
	uint32_t ip = 0x0a200000 + 64 * block + 9;

	for (size_t i = 0; i < door->forward.n_routes; i++) {
		const struct want_route *route = &door->forward.routes[i];

		if (prefix_has(route->dst, ip) &&
		    (!best || route->dst.len > best->dst.len ||
		     (route->dst.len == best->dst.len && route->metric < best->metric)))
			best = route;
	}
	return best;
}

static const struct want_neigh *neigh_of(const struct door *door, uint32_t ip)
{
	for (size_t i = 0; i < door->forward.n_neigh; i++)
		if (door->forward.neigh[i].ip == ip)
			return &door->forward.neigh[i];
	return NULL;
}

/* A packet to this peer's block goes over the tunnel to where the peer is. */
static void check_way_to(const struct door *door, unsigned number)
{
	const struct want_route *route = route_to(door, first_block_of(door, number));
	const struct want_fdb *fdb = fdb_of(door, number);
	const struct want_neigh *neigh = route ? neigh_of(door, route->via) : NULL;

	REQUIRE(route && fdb && neigh);
	CHECK(route->via >> 16 == 0xa9fe);
	CHECK_MEM(neigh->mac.b, fdb->mac.b, 6);
	CHECK(tunnel_takes_from(door, number));
}

static void join(struct door *door, unsigned number, uint32_t blocks)
{
	char name[16];

	snprintf(name, sizeof(name), "node-%u", number);
	must(&door->ledger, attach_of(number, name, 0, number, number));
	must(&door->ledger, acquire_of(number, 1, 1, blocks));
}

/* Number 1 keeps the ledger; A and B own blocks; all have been heard of. Returns the link. */
static uint32_t start_among(struct door *door)
{
	uint32_t link;

	door_init(door);
	must(&door->ledger, attach_of(1, "node-1", 0, 1, 1));
	join(door, PEER_A, 3);
	join(door, PEER_B, 1);
	join(door, PEER_GONE, 2);
	door_start(door);
	link = door_accept(door, door_hello_of(door, 1));
	door_show(door, link, 0);
	for (unsigned number = PEER_A; number <= PEER_GONE; number++)
		door_tell(door, link, door_member_of(number, 1, 1));
	return link;
}

static void each_peer_has_its_way(void)
{
	struct door door;

	(void)start_among(&door);
	for (unsigned number = PEER_A; number <= PEER_GONE; number++)
		check_way_to(&door, number);
	CHECK_UINT(door.forward.n_fdb, 3);
	CHECK(door.forward.peers_known);
	CHECK(fdb_of(&door, DOOR_SELF) == NULL);
	/* What nobody owns leads nowhere, and not out of the node. */
	for (uint32_t i = 0; i < door.ledger.n_blocks; i++)
		if (door.ledger.blocks[i].state == BLOCK_FREE)
			CHECK(route_to(&door, i) && route_to(&door, i)->via == 0);
	door_done(&door);
}

static void sorted_whatever_came_first(void)
{
	struct door door;

	(void)start_among(&door);
	for (size_t i = 1; i < door.forward.n_fdb; i++)
		CHECK(memcmp(&door.forward.fdb[i - 1], &door.forward.fdb[i], 6) < 0);
	for (size_t i = 1; i < door.forward.n_neigh; i++)
		CHECK(door.forward.neigh[i - 1].ip < door.forward.neigh[i].ip);
	for (size_t i = 1; i < door.forward.n_members; i++)
		CHECK(door.forward.members[i - 1] < door.forward.members[i]);
	for (size_t i = 1; i < door.forward.n_routes; i++)
		CHECK(door.forward.routes[i - 1].dst.ip <= door.forward.routes[i].dst.ip);
	door_done(&door);
}

static void who_left_has_no_way(void)
{
	struct command leave = command_of(PEER_GONE, 1, 2, COMMAND_LEAVE);
	struct door door;
	uint32_t link = start_among(&door), block = first_block_of(&door, PEER_GONE);

	door_forget(&door);
	must(&door.ledger, leave);
	door_show(&door, link, 0);
	CHECK(door.n_forwards > 0);
	CHECK(fdb_of(&door, PEER_GONE) == NULL);
	CHECK(!tunnel_takes_from(&door, PEER_GONE));
	CHECK(route_to(&door, block) && route_to(&door, block)->via == 0);
	CHECK_UINT(door.forward.n_fdb, 2);
	CHECK_UINT(door.forward.n_neigh, 2);
	check_way_to(&door, PEER_A);
	check_way_to(&door, PEER_B);
	/* It may say that it lives as often as it likes. */
	door_tell(&door, link, door_member_of(PEER_GONE, 1, 2));
	CHECK(fdb_of(&door, PEER_GONE) == NULL);
	door_done(&door);
}

/* A member without a row opens no way into the tunnel, whatever it says of itself. */
static void strangers_have_no_way(void)
{
	struct door door;
	uint32_t link = start_among(&door);

	door_tell(&door, link, door_member_of(77, 1, 1));
	CHECK(fdb_of(&door, 77) == NULL);
	CHECK(!tunnel_takes_from(&door, 77));
	CHECK_UINT(door.forward.n_fdb, 3);
	door_done(&door);
}

static bool keeps_way_to(const struct door *door, unsigned number)
{
	uint32_t ip = 0x0a200000 + 64 * first_block_of(door, number);

	for (size_t i = 0; i < door->forward.n_keep; i++)
		if (prefix_has(door->forward.keep[i].dst, ip))
			return true;
	return false;
}

/* Just started: of who owns blocks and was not heard of yet the kernel may know more than we do.
 * That goes for them alone: one node that is dead for ever keeps nobody else's ways. */
static void who_is_not_heard_of_yet_keeps_its_way(void)
{
	struct door door;
	uint32_t link, via;

	door_init(&door);
	must(&door.ledger, attach_of(1, "node-1", 0, 1, 1));
	join(&door, PEER_A, 1);
	join(&door, PEER_B, 4);
	door_start(&door);
	CHECK(!door.forward.peers_known);
	link = door_accept(&door, door_hello_of(&door, 1));
	door_show(&door, link, 0);
	door_tell(&door, link, door_member_of(PEER_A, 1, 1));
	CHECK(door.forward.peers_known);
	check_way_to(&door, PEER_A);
	CHECK(!keeps_way_to(&door, PEER_A));
	CHECK(keeps_way_to(&door, PEER_B));
	CHECK(route_to(&door, first_block_of(&door, PEER_B))->via == 0);
	CHECK_UINT(door.forward.n_fdb, 1);
	for (size_t i = 1; i < door.forward.n_keep; i++)
		CHECK(door.forward.keep[i - 1].dst.ip < door.forward.keep[i].dst.ip);
	via = door.forward.keep[0].via;
	door_tell(&door, link, door_member_of(PEER_B, 1, 1));
	CHECK_UINT(door.forward.n_keep, 0);
	check_way_to(&door, PEER_B);
	CHECK_UINT(route_to(&door, first_block_of(&door, PEER_B))->via, via);
	door_done(&door);
}

/* The dead one's blocks are given up in the ledger: what is there of them goes. */
static void who_left_unheard_keeps_nothing(void)
{
	struct door door;
	uint32_t link;

	door_init(&door);
	must(&door.ledger, attach_of(1, "node-1", 0, 1, 1));
	join(&door, PEER_A, 1);
	join(&door, PEER_GONE, 1);
	door_start(&door);
	link = door_accept(&door, door_hello_of(&door, 1));
	door_show(&door, link, 0);
	CHECK(keeps_way_to(&door, PEER_A));
	CHECK(keeps_way_to(&door, PEER_GONE));
	must(&door.ledger, command_of(PEER_GONE, 1, 2, COMMAND_LEAVE));
	door_show(&door, link, 0);
	CHECK_UINT(door.forward.n_keep, 1);
	CHECK(keeps_way_to(&door, PEER_A));
	CHECK(door.forward.peers_known);
	door_done(&door);
}

/* Two claim one VTEP MAC: the kernel has one entry for it, that of the smaller uid, and nothing of
 * the other's is routed there, nor kept. */
static void one_mac_leads_to_one_node(void)
{
	struct uid a = uid_of(PEER_A), b = uid_of(PEER_B);
	unsigned first = uid_cmp(&a, &b) < 0 ? PEER_A : PEER_B, second = PEER_A + PEER_B - first;
	struct door door;
	uint32_t link = start_among(&door);
	struct member_update twin = door_member_of(PEER_B, 1, 2);

	twin.body.vtep_mac = door_member_of(PEER_A, 1, 1).body.vtep_mac;
	door_tell(&door, link, twin);
	check_way_to(&door, first);
	CHECK(fdb_of(&door, second) == NULL);
	CHECK(!tunnel_takes_from(&door, second));
	CHECK(route_to(&door, first_block_of(&door, second))->via == 0);
	CHECK_UINT(door.forward.n_fdb, 2);
	CHECK_UINT(door.forward.n_neigh, 2);
	CHECK_UINT(door.forward.n_keep, 0);
	door_tell(&door, link, door_member_of(PEER_B, 1, 3));
	check_way_to(&door, PEER_A);
	check_way_to(&door, PEER_B);
	door_done(&door);
}

static void a_peer_that_moves_is_followed(void)
{
	struct door door;
	uint32_t link = start_among(&door);
	struct member_update moved = door_member_of(PEER_A, 1, 2);
	uint32_t via = route_to(&door, first_block_of(&door, PEER_A))->via;

	moved.body.vtep_ip = 0xc6336401;
	door_tell(&door, link, moved);
	CHECK(fdb_of(&door, PEER_A) == NULL);
	CHECK_UINT(door.forward.n_fdb, 3);
	/* The next hop stands for the peer, not for where it is. */
	CHECK_UINT(route_to(&door, first_block_of(&door, PEER_A))->via, via);
	door_done(&door);
}

/* 192.0.2.5 founds a cluster and has a block. */
static void start_alone(struct door *door)
{
	door_init_alone(door);
	door_start(door);
	REQUIRE(core_inspect_epoch(door->core) == 1);
	door_forget(door);
}

static void a_pod_changes_the_pods_alone(void)
{
	static const char *const ids[] = { "pod-c", "pod-a", "pod-e", "pod-b", "pod-d" };
	struct door door;

	start_alone(&door);
	for (size_t i = 0; i < 5; i++) {
		door_forget(&door);
		CHECK_INT(door_ask(&door, REQUEST_ADD, ids[i]).code, ANSWER_OK);
		CHECK_UINT(door.n_forwards, 1); /* before it is wired; then nothing changes */
		CHECK_UINT(door.n_pods_only, 1);
		CHECK_UINT(door.pods.n_pods, i + 1);
	}
	for (size_t i = 1; i < 5; i++)
		CHECK(strcmp(door.pods.pods[i - 1].host_if, door.pods.pods[i].host_if) < 0);
	door_forget(&door);
	CHECK_INT(door_ask(&door, REQUEST_DEL, "pod-e").code, ANSWER_OK);
	CHECK_UINT(door.n_forwards, 1);
	CHECK_UINT(door.pods.n_pods, 4);
	for (size_t i = 0; i < 4; i++)
		CHECK(strcmp(door.pods.pods[i].alias, "pod-e/eth0") != 0);
	door_done(&door);
}

static void masquerades_as_it_is_told(void)
{
	for (int on = 0; on < 2; on++) {
		struct door door;

		door_init_alone(&door);
		door.settings.masquerade = on;
		door.settings.masquerade_nodes = !on;
		door_start(&door);
		CHECK(door.n_forwards > 0);
		CHECK_INT(door.forward.masquerade, on);
		CHECK_INT(door.forward.masquerade_nodes, !on);
		door_done(&door);
	}
}

int main(void)
{
	RUN(each_peer_has_its_way);
	RUN(sorted_whatever_came_first);
	RUN(who_left_has_no_way);
	RUN(strangers_have_no_way);
	RUN(who_is_not_heard_of_yet_keeps_its_way);
	RUN(who_left_unheard_keeps_nothing);
	RUN(one_mac_leads_to_one_node);
	RUN(a_peer_that_moves_is_followed);
	RUN(a_pod_changes_the_pods_alone);
	RUN(masquerades_as_it_is_told);
	return check_report();
}
