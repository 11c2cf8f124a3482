#include "selftest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "chosen.h"
#include "core/inspect.h"
#include "core/ledger_rows.h"
#include "node.h"
#include "watch.h"

/* One world, one history of the ledger, and what will be written to it next. */
struct bench {
	struct world *world;
	struct chosen chosen;
	struct ledger_config config;
	struct peer_row peer;
	struct block_change block;
	struct record_keeper record;
};

static void bench_init(struct bench *bench)
{
	struct world_options options = { .seed = 1, .nodes = 2, .story = true };

	*bench = (struct bench){ .world = world_new(&options) };
	chosen_init(&bench->chosen);
	bench->config = (struct ledger_config){ .number = 1,
						.range = bench->world->range,
						.block_len = 26 };
	bench->peer = (struct peer_row){
		.uid = bench->world->nodes[0].uid, .name = "n1", .epoch = 5, .status = PEER_ATTACHED
	};
	bench->block = (struct block_change){ .block = 3 };
	bench->record = (struct record_keeper){ .accepted = { .n = 1 },
						.whole = true,
						.last = true,
						.version = 1,
						.rows = { .config = &bench->config,
							  .n_peers = 1,
							  .peers = &bench->peer,
							  .n_blocks = 1,
							  .blocks = &bench->block } };
}

static void bench_done(struct bench *bench)
{
	chosen_done(&bench->chosen);
	world_free(bench->world);
}

static void choose(struct bench *bench)
{
	bench->record.accepted.n++;
	(void)chosen_durable(bench->world, &bench->chosen, &bench->record);
}

/* The next version, as a change of whatever was altered. */
static void choose_next(struct bench *bench)
{
	bench->record.whole = false;
	bench->record.base_version = bench->record.version++;
	choose(bench);
}

static void own(struct bench *bench, bool owned)
{
	bench->block.row.state = owned ? BLOCK_OWNED : BLOCK_COOLING;
	bench->block.row.owner = owned ? bench->peer.uid : (struct uid){ 0 };
}

/* ---- what must be noticed */

static void two_values(struct bench *bench)
{
	choose(bench);
	bench->peer.epoch++;
	choose(bench);
}

static void wrong_base(struct bench *bench)
{
	choose(bench);
	bench->record.whole = false;
	bench->record.version = 5;
	bench->record.base_version = 4;
	choose(bench);
}

static void epoch_falls(struct bench *bench)
{
	choose(bench);
	bench->peer.epoch--;
	choose_next(bench);
}

static void session_changes(struct bench *bench)
{
	choose(bench);
	bench->peer.nonce++;
	choose_next(bench);
}

static void owner_is_nobody(struct bench *bench)
{
	own(bench, true);
	bench->block.row.owner.b[0] ^= 1;
	choose(bench);
}

static void cools_shortly(struct bench *bench)
{
	own(bench, true);
	choose(bench);
	own(bench, false);
	choose_next(bench);
	bench->world->now_ms += 1000;
	own(bench, true);
	choose_next(bench);
}

static void view_of_nothing(struct bench *bench)
{
	struct ledger view;

	choose(bench);
	ledger_init(&view);
	view.version = 7;
	chosen_check_view(bench->world, &bench->chosen, &view, "n1");
	ledger_done(&view);
}

static void view_differs(struct bench *bench)
{
	struct ledger view;

	choose(bench);
	ledger_init(&view);
	ledger_found(&view, &bench->config);
	chosen_check_view(bench->world, &bench->chosen, &view, "n1");
	ledger_done(&view);
}

/* The starting point is not what the feed takes it for. */
static void feed_differs(struct bench *bench)
{
	struct ledger from, to;
	struct command attach = { .op = COMMAND_ATTACH, .uid = bench->peer.uid };
	struct reply reply;

	memcpy(attach.attach.name, "n1", 3);
	ledger_init(&from);
	ledger_init(&to);
	ledger_found(&to, &bench->config);
	ledger_copy(&from, &to);
	from.blocks[9].state = BLOCK_HELD;
	(void)ledger_apply(&to, &attach, &reply);
	for (int i = 0; i < 64; i++)
		chosen_replay(bench->world, &bench->chosen, i < 32 ? &from : &to);
	ledger_done(&from);
	ledger_done(&to);
}

/* A host end on the first node; nobody owns its block. */
static void use(struct world *world, uint32_t at)
{
	struct kernel *kernel = &world->nodes[0].kernel;
	struct kernel_end end = { .seen.ip = world->range.ip + at };

	kernel->ends =
		vec_reserve(kernel->ends, &kernel->cap_ends, kernel->n_ends + 1, sizeof(end));
	kernel->ends[kernel->n_ends++] = end;
	checker_use_changed(world, &world->nodes[0]);
}

static void two_users(struct bench *bench)
{
	bench->world->checker->user[199] = 1;
	use(bench->world, 199);
}

static void foreign_block(struct bench *bench)
{
	use(bench->world, 199);
}

/* The first node's core shows no ledger, so nobody is attached. */
static void way_to_nobody(struct bench *bench)
{
	struct node *node = &bench->world->nodes[0];
	struct want_fdb fdb = { .mac = node_vtep_mac(&bench->world->nodes[1].uid), .dst = 1 };
	struct forward forward = { .peers_known = true, .n_fdb = 1, .fdb = &fdb };

	node->core = core_new();
	kernel_forward(bench->world, node, &forward);
	ways_check(bench->world, node);
}

/* Attached and heard of, and the block of the route is nobody's. */
static void way_to_no_owner(struct bench *bench)
{
	struct node *node = &bench->world->nodes[0];
	struct mac mac = node_vtep_mac(&bench->world->nodes[1].uid);
	struct want_fdb fdb = { .mac = mac, .dst = 1 };
	struct want_neigh neigh = { .mac = mac, .ip = 2 };
	struct want_route route = { .dst = { bench->world->range.ip, 26 }, .via = 2 };
	struct forward forward = { .peers_known = true,
				   .n_fdb = 1,
				   .fdb = &fdb,
				   .n_neigh = 1,
				   .neigh = &neigh,
				   .n_routes = 1,
				   .routes = &route };
	struct ledger *view;

	node->core = core_new();
	view = (struct ledger *)(uintptr_t)core_inspect_view(node->core);
	ledger_found(view, &bench->config);
	bench->peer.uid = bench->world->nodes[1].uid;
	bench->peer.changed = 1;
	ledger_put_peer(view, &bench->peer);
	kernel_forward(bench->world, node, &forward);
	ways_check(bench->world, node);
}

static const struct {
	const char *what, *rule;
	void (*commit)(struct bench *bench);
} crimes[] = {
	{ "one version has two values", "V1", two_values },
	{ "a version is not built on the one before", "V1", wrong_base },
	{ "an address is in use on two nodes", "V3", two_users },
	{ "an address of a block that is not its node's is in use", "V2", foreign_block },
	{ "a view shows a version that was never chosen", "V6", view_of_nothing },
	{ "a view shows other content", "V6", view_differs },
	{ "the feed leads to another ledger", "V7", feed_differs },
	{ "an epoch falls", "V8", epoch_falls },
	{ "a session changes without a new epoch", "V8", session_changes },
	{ "a block belongs to nobody who is attached", "V9", owner_is_nobody },
	{ "a block is owned again before it has cooled", "V11", cools_shortly },
	{ "the tunnel leads to who is not attached", "ways", way_to_nobody },
	{ "a route leads to who does not own the block", "ways", way_to_no_owner },
};

bool selftest_run(void)
{
	bool good = true;

	for (size_t i = 0; i < sizeof(crimes) / sizeof(crimes[0]); i++) {
		struct bench bench;
		size_t len = strlen(crimes[i].rule);
		bool noticed;

		bench_init(&bench);
		crimes[i].commit(&bench);
		noticed = bench.world->failed &&
			  strncmp(bench.world->violation, crimes[i].rule, len) == 0 &&
			  bench.world->violation[len] == ' ';
		printf("%s %s: %s (%s)\n", noticed ? "ok  " : "FAIL", crimes[i].rule,
		       crimes[i].what, bench.world->violation);
		good = good && noticed;
		bench_done(&bench);
	}
	return good;
}
