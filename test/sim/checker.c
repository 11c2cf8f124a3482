#include "checker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "core/inspect.h"
#include "watch.h"
#include "wire/records.h"

struct checker *checker_new(struct world *world)
{
	struct checker *checker = xcalloc(1, sizeof(*checker));
	uint32_t n = UINT32_C(1) << (26 - world->range.len);

	chosen_init(&checker->chosen);
	checker->n_blocks = n;
	checker->user = xcalloc((size_t)n * BLOCK_ADDRESSES, sizeof(*checker->user));
	for (uint32_t i = 0; i < n * BLOCK_ADDRESSES; i++)
		checker->user[i] = NOBODY;
	checker->watch = xcalloc(world->n_nodes + 1, sizeof(*checker->watch));
	for (uint32_t i = 0; i < world->n_nodes; i++) {
		checker->watch[i].use = xcalloc(n, sizeof(uint64_t));
		checker->watch[i].resting = xcalloc(n, sizeof(uint64_t));
		checker->watch[i].taken = xcalloc(n, sizeof(uint64_t));
		checker->watch[i].proven = xcalloc(n, sizeof(bool));
	}
	return checker;
}

void checker_free(struct checker *checker)
{
	for (uint32_t i = 0; checker->watch[i].use; i++) {
		free(checker->watch[i].use);
		free(checker->watch[i].resting);
		free(checker->watch[i].taken);
		free(checker->watch[i].proven);
		free(checker->watch[i].records);
	}
	free(checker->watch);
	free(checker->user);
	chosen_done(&checker->chosen);
	free(checker);
}

const struct chosen *checker_chosen(const struct checker *checker)
{
	return &checker->chosen;
}

bool watch_owns(const struct world *world, const struct node *node, uint32_t block)
{
	const struct chosen_value *value = &world->checker->chosen.value;

	return block < value->n_blocks && value->blocks[block].state == BLOCK_OWNED &&
	       uid_eq(&value->blocks[block].owner, &node->uid);
}

const char *watch_dotted(uint32_t ip, char buf[static 16])
{
	snprintf(buf, 16, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
	return buf;
}

/* ---- V4: what may serve new addresses */

static void prove_by_view(struct world *world, struct node *node, const struct ledger *view)
{
	struct watch *watch = watch_of(world, node);
	const struct peer_row *row = ledger_peer(view, node->name);
	uint32_t epoch = core_inspect_epoch(node->core);
	bool mine;

	if (!row || !epoch || row->epoch != epoch || row->status != PEER_ATTACHED ||
	    !uid_eq(&row->uid, &node->uid))
		return;
	if (watch->sent_epoch == epoch && row->last_seq < watch->sent_seq)
		return;
	/* The keeper's own ATTACH is never on the wire. */
	mine = watch->continuity || row->nonce == node->nonce ||
	       row->nonce == watch->attach_nonce || ledger_is_keeper(view, &node->uid);
	for (uint32_t i = 0; mine && i < view->n_blocks; i++)
		if (view->blocks[i].state == BLOCK_OWNED &&
		    uid_eq(&view->blocks[i].owner, &node->uid))
			watch->proven[i] = true;
}

/* ---- bytes of stores */

/* Whatever an agent stores it must be able to read back. */
static void each_record(struct world *world, enum store_file file, struct bytes bytes,
			bool has_header, void *context,
			void (*each)(void *context, const struct record *record))
{
	size_t header = 0;
	uint8_t *whole = xmalloc(bytes.len + 16);
	struct wire_records reader;
	struct record record;

	if (!has_header)
		header = wire_records_header(file, whole, 16);
	memcpy(whole + header, bytes.data, bytes.len);
	wire_records_init(&reader, file, (struct bytes){ whole, header + bytes.len });
	while (wire_records_next(&reader, &record) == WIRE_RECORDS_ONE)
		each(context, &record);
	if (reader.good_len != header + bytes.len)
		world_violation(world, "records", "what is stored cannot be read back: %s",
				reader.err.text);
	wire_records_done(&reader);
	free(whole);
}

struct durable_context {
	struct world *world;
	struct watch *watch;
	bool moved;
};

static void each_written(void *context, const struct record *record)
{
	pods_read_run(context, record);
}

static void each_durable(void *context, const struct record *record)
{
	struct durable_context *durable = context;

	if (record->type == RECORD_NODE)
		durable->watch->node = record->node;
	else if (record->type == RECORD_KEEPER &&
		 chosen_durable(durable->world, &durable->world->checker->chosen, &record->keeper))
		durable->moved = true;
}

void checker_written(struct world *world, struct node *node, enum store_file file,
		     struct bytes bytes, bool replace)
{
	struct watch *watch = watch_of(world, node);

	if (file != STORE_PODS)
		return;
	if (replace)
		watch->n_records = 0;
	each_record(world, file, bytes, replace, watch, each_written);
	use_recount(world, node);
}

void checker_durable(struct world *world, struct node *node, enum store_file file,
		     struct bytes bytes, bool replace)
{
	struct durable_context context = { .world = world, .watch = watch_of(world, node) };

	if (file != STORE_NODE && file != STORE_KEEPER)
		return;
	if (file == STORE_KEEPER && replace)
		chosen_reread(&world->checker->chosen);
	each_record(world, file, bytes, replace, &context, each_durable);
	if (context.moved)
		use_ledger_moved(world);
}

/* ---- a process begins */

void checker_process_begins(struct world *world, struct node *node)
{
	struct watch *watch = watch_of(world, node);

	watch->n_records = 0;
	watch->token = (struct record_token){ 0 };
	watch->node = (struct record_node){ 0 };
	watch->sent_epoch = 0;
	watch->attach_nonce = 0;
	watch->continuity = false;
	watch->reading = true;
	watch->shown = 0;
	watch->epoch = 0;
	memset(watch->proven, 0, world->checker->n_blocks * sizeof(bool));
	if (node->index == 0)
		chosen_reread(&world->checker->chosen);
}

void checker_saved(struct world *world, struct node *node, enum store_file file,
		   const struct record *record)
{
	struct durable_context context = { .world = world, .watch = watch_of(world, node) };

	if (file == STORE_PODS)
		pods_read_run(context.watch, record);
	else
		each_durable(&context, record);
	if (context.moved)
		use_ledger_moved(world);
}

/* Continuity by the letter: same boot, /run intact, its uid, epoch and last seq equal to
 * node.log's. */
void checker_process_read(struct world *world, struct node *node)
{
	struct watch *watch = watch_of(world, node);
	const struct record_token *token = &watch->token;

	watch->reading = false;
	watch->continuity = token->epoch && token->epoch == watch->node.epoch &&
			    token->seq == watch->node.seq &&
			    boot_eq(&token->boot, &node->boot_id) &&
			    uid_eq(&token->uid, &node->uid);
	for (size_t i = 0; watch->continuity && i < watch->node.n_blocks; i++)
		if (watch->node.blocks[i] < world->checker->n_blocks)
			watch->proven[watch->node.blocks[i]] = true;
	use_recount(world, node);
}

void checker_host_died(struct world *world, struct node *node)
{
	struct watch *watch = watch_of(world, node);

	watch->reading = false;
	watch->n_records = 0;
	memset(watch->resting, 0, world->checker->n_blocks * sizeof(*watch->resting));
	memset(watch->taken, 0, world->checker->n_blocks * sizeof(*watch->taken));
	use_recount(world, node);
}

/* ---- after each step */

static void check_view(struct world *world, struct node *node)
{
	struct watch *watch = watch_of(world, node);
	const struct ledger *view = core_inspect_view(node->core);
	uint32_t epoch = core_inspect_epoch(node->core);

	if (view->version < watch->shown)
		world_violation(world, "V6",
				"n%u's view goes back from version %" PRIu64 " to %" PRIu64,
				node->index + 1, watch->shown, view->version);
	if (view->version == watch->shown && epoch == watch->epoch)
		return;
	chosen_check_view(world, &world->checker->chosen, view, node->name);
	watch->shown = view->version;
	watch->epoch = epoch;
	prove_by_view(world, node, view);
	if (!world->failed && view->version == world->checker->chosen.value.version &&
	    world_chance(world, RNG_CHECK, 10))
		chosen_replay(world, &world->checker->chosen, view);
}

void checker_step(struct world *world, struct node *node)
{
	char text[256];

	if (world->failed || watch_of(world, node)->reading)
		return;
	check_view(world, node);
	use_look_inside(world, node);
	use_recount(world, node);
	ways_check(world, node);
	if (++world->checker->steps % 16 == 0 && !core_inspect_sound(node->core, text))
		world_violation(world, "sound", "n%u: %s", node->index + 1, text);
}
