#include "core/durable.h"

#include <assert.h>

#include "core/orders.h"
#include "core/state.h"

enum { NODE_LOG_REWRITE = 256, DURABLE_RETRY_MS = 5000 };

static const struct {
	bool to_token; /* else to node.log */
	enum durable_step next;
} chain[DURABLE_STEP_COUNT] = {
	[DURABLE_IDLE] = { .next = DURABLE_IDLE },
	[DURABLE_END] = { .to_token = true, .next = DURABLE_ATTACH },
	[DURABLE_ATTACH] = { .next = DURABLE_IDLE },
	[DURABLE_SEQ] = { .next = DURABLE_SEQ_TOKEN },
	[DURABLE_SEQ_TOKEN] = { .to_token = true, .next = DURABLE_IDLE },
	[DURABLE_BLOCKS] = { .next = DURABLE_BLOCKS_TOKEN },
	[DURABLE_BLOCKS_TOKEN] = { .to_token = true, .next = DURABLE_IDLE },
};

void durable_init(struct durable *durable)
{
	*durable = (struct durable){ .after = { .ms = INT64_MIN } };
}

bool durable_may_begin(const struct core *core)
{
	return core->durable.step == DURABLE_IDLE &&
	       instant_reached(core->out.now, core->durable.after);
}

static void write_token(struct core *core)
{
	struct durable *durable = &core->durable;

	durable->token =
		(struct record_token){ .boot = core->settings.boot, .uid = core->settings.uid };
	if (durable->step != DURABLE_END) {
		durable->token.epoch = core->session.epoch;
		durable->token.seq = core->session.seq;
	}
	pods_log_token(core, &durable->token, durable->tag);
}

static void note_session(struct core *core)
{
	struct record_node *node = &core->durable.node;

	node->cluster = core->cluster;
	node->range = core->settings.range;
	node->block_len = core->settings.block_len;
	node->epoch = core->session.epoch;
	node->seq = core->session.seq;
}

/* The blocks that are ours and stay ours. */
static void note_blocks(struct core *core)
{
	struct record_node *node = &core->durable.node;

	node->n_blocks = 0;
	for (size_t i = 0; i < core->blocks.n; i++)
		if (!core->blocks.own[i]->leaving)
			node->blocks[node->n_blocks++] = core->blocks.own[i]->index;
}

static void write_node(struct core *core)
{
	struct durable *durable = &core->durable;
	struct action *action = out_add(&core->out, ACTION_STORE);
	struct record *record = out_alloc(&core->out, sizeof(*record));

	note_session(core);
	/* Before an ATTACH they stay as they were: the order in which they were granted outlives
	 * the session, the node address hangs on it. */
	if (durable->step != DURABLE_ATTACH)
		note_blocks(core);
	record->type = RECORD_NODE;
	record->node = durable->node;
	action->store.file = STORE_NODE;
	action->store.tag = durable->tag;
	action->store.replace = durable->rewrite || durable->n_stores % NODE_LOG_REWRITE == 0;
	action->store.n = 1;
	action->store.records = record;
}

static void write_step(struct core *core, enum durable_step step)
{
	struct durable *durable = &core->durable;

	durable->step = step;
	durable->tag = DURABLE_TAG | ++durable->n_stores;
	if (chain[step].to_token)
		write_token(core);
	else
		write_node(core);
}

void durable_begin(struct core *core, enum durable_step first)
{
	assert(core->durable.step == DURABLE_IDLE);
	assert(first == DURABLE_END || first == DURABLE_SEQ || first == DURABLE_BLOCKS);
	write_step(core, first);
}

static void failed(struct core *core, const char *text)
{
	struct durable *durable = &core->durable;

	core->trouble_of = STORE_NODE;
	text_line(core->trouble, "%s", text);
	out_trace(&core->out, TRACE_ERR,
		  "%s -> no new block until it can be written; tried again in %d s", text,
		  DURABLE_RETRY_MS / 1000);
	durable->step = DURABLE_IDLE;
	durable->after = instant_add_ms(core->out.now, DURABLE_RETRY_MS);
	durable->rewrite = true;
	durable->token.epoch = 0; /* whatever it says in /run, this life has not proven it */
	orders_not_saved(core);
	session_not_durable(core);
}

void durable_stored(struct core *core, uint64_t tag, int error, const char *text)
{
	struct durable *durable = &core->durable;
	enum durable_step done = durable->step;

	if (tag != durable->tag || done == DURABLE_IDLE)
		return;
	if (error) {
		failed(core, text);
		return;
	}
	core_trouble_over(core, STORE_NODE);
	durable->rewrite = false;
	durable->step = DURABLE_IDLE;
	session_durable(core, done);
	if (chain[done].next != DURABLE_IDLE)
		write_step(core, chain[done].next);
}
