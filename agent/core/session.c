#include "core/session.h"

#include <assert.h>

#include "base/text.h"
#include "core/gossip.h"
#include "core/orders.h"
#include "core/state.h"

enum { NODE_LOG_REWRITE = 256, STORE_RETRY_MS = 5000 };

static const unsigned may_become[SESSION_STATE_COUNT] = {
	[SESSION_NONE] = 1U << SESSION_PREPARING | 1U << SESSION_ATTACHED,
	[SESSION_PREPARING] = 1U << SESSION_ATTACHING | 1U << SESSION_NONE,
	[SESSION_ATTACHING] = 1U << SESSION_ATTACHED | 1U << SESSION_DENIED | 1U << SESSION_NONE,
	[SESSION_ATTACHED] = 1U << SESSION_NONE | 1U << SESSION_LEFT,
	[SESSION_DENIED] = 1U << SESSION_NONE,
	[SESSION_LEFT] = 0,
};

void session_become(struct session *session, enum session_state next)
{
	assert(may_become[session->state] & 1U << next);
	session->state = next;
}

void session_init(struct session *session)
{
	*session = (struct session){
		.send_at = instant_never(),
		.not_before = { .ms = INT64_MIN },
		.store_after = { .ms = INT64_MIN },
	};
}

const struct peer_row *session_my_row(const struct core *core)
{
	return ledger_peer(&core->view, core->settings.name);
}

/* ---- durable steps */

void session_store(struct core *core, enum session_store what)
{
	struct session *session = &core->session;
	struct action *action;

	session->storing = what;
	session->tag = SESSION_TAG | ++session->n_stores;
	if (what == STORE_TOKEN_GONE || what == STORE_COMMAND_TOKEN || what == STORE_OWN_TOKEN) {
		core->token = (struct record_token){ .boot = core->settings.boot,
						     .uid = core->settings.uid };
		if (what != STORE_TOKEN_GONE) {
			core->token.epoch = session->epoch;
			core->token.seq = session->seq;
		}
		pods_log_token(core, &core->token, session->tag);
		return;
	}
	action = out_add(&core->out, ACTION_STORE);
	action->store.file = STORE_NODE;
	action->store.tag = session->tag;
	action->store.replace = session->rewrite || session->n_stores % NODE_LOG_REWRITE == 0;
	action->store.n = 1;
	struct record *record = out_alloc(&core->out, sizeof(*record));
	record->type = RECORD_NODE;
	record->node = core->node;
	action->store.records = record;
}

static void note_session(struct core *core)
{
	struct record_node *node = &core->node;

	node->cluster = core->cluster;
	node->range = core->settings.range;
	node->block_len = core->settings.block_len;
	node->epoch = core->session.epoch;
	node->seq = core->session.seq;
}

/* node.log's next content: the session, and the blocks that are ours and stay ours. */
void session_note_node(struct core *core)
{
	struct record_node *node = &core->node;

	note_session(core);
	node->n_blocks = 0;
	for (size_t i = 0; i < core->blocks.n; i++)
		if (!core->blocks.own[i]->leaving)
			node->blocks[node->n_blocks++] = core->blocks.own[i]->index;
}

/* ---- start */

static void own(struct core *core, uint32_t index)
{
	struct own_block *block;

	if (blocks_find(&core->blocks, index) || core->blocks.n >= OWN_BLOCKS_MAX)
		return;
	block = blocks_add(&core->blocks, index, &core->prng, core->out.now);
	for (size_t i = 0; i < core->pods.n; i++)
		if (blocks_of_ip(&core->blocks, core->pods.items[i]->record.ip) == block)
			blocks_use(&core->blocks, core->pods.items[i]->record.ip);
	core->forward_dirty = core->forward_urgent = core->say_again = true;
}

static bool continues(const struct core *core, const struct record_node *node,
		      const struct record_token *token)
{
	if (token->epoch == 0 || node->epoch != token->epoch || node->seq != token->seq)
		return false;
	if (!uid_eq(&token->uid, &core->settings.uid))
		return false;
	return boot_eq(&token->boot, &core->settings.boot) ||
	       MUTANT(&core->settings, MUTANT_CONTBOOT);
}

void session_start(struct core *core, const struct record_node *node,
		   const struct record_token *token)
{
	struct session *session = &core->session;
	bool go_on = continues(core, node, token);

	session->nonce = core->settings.nonce;
	if (go_on) {
		session_become(session, SESSION_ATTACHED);
		session->epoch = node->epoch;
		session->continued = true;
		out_trace(&core->out, TRACE_INFO,
			  "same boot, same session (epoch %u) -> going on with %zu block%s, asking "
			  "nobody",
			  node->epoch, node->n_blocks, node->n_blocks == 1 ? "" : "s");
	}
	session->seq = node->seq;
	if (!go_on && !MUTANT(&core->settings, MUTANT_TRUSTDISK))
		return;
	for (size_t i = 0; i < node->n_blocks; i++) {
		own(core, node->blocks[i]);
		blocks_find(&core->blocks, node->blocks[i])->confirmed = true;
	}
}

/* ---- what the view says about us */

/* Confirmed means: seen in a chosen version in which owner = me, the row's epoch = mine, its last
 * seq = the last I sent, and in a new session its nonce = mine. Anything less may be overtaken by a
 * command still in flight. */
static bool view_confirms(const struct core *core)
{
	const struct session *session = &core->session;
	const struct peer_row *row = session_my_row(core);

	return session->state == SESSION_ATTACHED && row &&
	       uid_eq(&row->uid, &core->settings.uid) && row->status == PEER_ATTACHED &&
	       row->epoch == session->epoch && row->last_seq == session->seq &&
	       (session->continued || row->nonce == session->nonce);
}

static bool owns(const struct core *core, uint32_t index)
{
	return index < core->view.n_blocks && core->view.blocks[index].state == BLOCK_OWNED &&
	       uid_eq(&core->view.blocks[index].owner, &core->settings.uid);
}

/* Take over what the view says is ours: known order first (the node address is in the earliest),
 * then by index. */
static bool adopt_blocks(struct core *core)
{
	size_t before = core->blocks.n;
	bool lost = false;

	for (size_t i = core->blocks.n; i-- > 0;) {
		uint32_t index = core->blocks.own[i]->index;

		if (owns(core, index))
			continue;
		if (!core->blocks.own[i]->leaving)
			out_trace(&core->out, TRACE_ERR,
				  "block %u is no longer ours in ledger version %llu -> no new "
				  "address from it",
				  index, (unsigned long long)core->view.version);
		blocks_remove(&core->blocks, index);
		core->forward_dirty = core->forward_urgent = core->say_again = lost = true;
	}
	before = core->blocks.n;
	for (size_t i = 0; i < core->node.n_blocks; i++)
		if (owns(core, core->node.blocks[i]))
			own(core, core->node.blocks[i]);
	for (uint32_t index = 0; index < core->view.n_blocks; index++)
		if (owns(core, index))
			own(core, index);
	for (size_t i = 0; i < core->blocks.n; i++)
		core->blocks.own[i]->leaving = false;
	return lost || core->blocks.n != before;
}

static bool all_confirmed(const struct core *core)
{
	for (size_t i = 0; i < core->blocks.n; i++)
		if (!core->blocks.own[i]->confirmed)
			return false;
	return true;
}

static void lose_session(struct core *core, const struct peer_row *row)
{
	out_trace(&core->out, TRACE_WARN,
		  "the ledger has session %u of %s, we have %u -> attaching anew", row->epoch,
		  row->name, core->session.epoch);
	for (size_t i = 0; i < core->blocks.n; i++)
		core->blocks.own[i]->confirmed = false;
	core->session.commanding = core->session.durable = false;
	core->session.epoch = 0;
	core->session.continued = false;
	core->session.nonce = prng_u64(&core->prng) ^ core->settings.nonce;
	session_become(&core->session, SESSION_NONE);
	core->say_again = true;
}

static void attached(struct core *core, const struct peer_row *row)
{
	struct session *session = &core->session;

	session_become(session, SESSION_ATTACHED);
	session->epoch = row->epoch;
	session->seq = 0;
	session->continued = false;
	session->commanding = session->durable = false;
	session->send_at = instant_never();
	session->why[0] = '\0';
	core->say_again = true;
	out_trace(&core->out, TRACE_INFO, "attached as %s in session %u (ledger version %llu)",
		  row->name, row->epoch, (unsigned long long)core->view.version);
}

/* The command in flight has taken effect when the row's last seq is its own. */
static void settle(struct core *core)
{
	struct session *session = &core->session;

	if (!session->commanding || !view_confirms(core))
		return;
	if (!session->durable)
		return;
	session->commanding = session->durable = false;
	session->send_at = instant_never();
	session->has_redirect = false;
	if (session_my_row(core)->last_reply.outcome == OUTCOME_NO_SPACE)
		session->not_before = instant_add_ms(core->out.now, SESSION_NO_SPACE_MS);
	else
		session->why[0] = '\0';
}

static void look(struct core *core)
{
	struct session *session = &core->session;
	const struct peer_row *row = session_my_row(core);
	bool mine = row && uid_eq(&row->uid, &core->settings.uid);

	session->look_again = false;
	if (session->state == SESSION_ATTACHING && mine && row->nonce == session->nonce &&
	    row->status == PEER_ATTACHED)
		attached(core, row);
	if (session->state == SESSION_ATTACHED && mine && row->status == PEER_LEFT &&
	    session->leave_wanted) {
		session_become(session, SESSION_LEFT);
		while (core->blocks.n)
			blocks_remove(&core->blocks, core->blocks.own[0]->index);
		core->forward_dirty = core->forward_urgent = true;
		session->commanding = false;
		core->say_again = true;
		out_trace(&core->out, TRACE_INFO,
			  "left the cluster -> its blocks cool and become free");
		return;
	}
	if (session->state == SESSION_ATTACHED && row &&
	    (!mine || row->epoch > session->epoch ||
	     (row->epoch == session->epoch && row->status != PEER_ATTACHED)))
		lose_session(core, row);
	if (session->state == SESSION_ATTACHING && row &&
	    row->epoch != session->command.attach.epoch_read)
		session_become(
			session,
			SESSION_NONE); /* somebody else's ATTACH was first: read the row again */
	settle(core);
	if (!view_confirms(core) || session->commanding)
		return;
	if (!adopt_blocks(core) && all_confirmed(core) && core->node.epoch == session->epoch &&
	    core->token.epoch == session->epoch && core->token.seq == session->seq)
		return;
	session_note_node(core);
	session_store(core, STORE_OWN);
}

void session_view_changed(struct core *core)
{
	core->session.look_again = true;
	session_run(core);
}

static bool may_store(const struct session *session, struct instant now)
{
	return session->storing == STORE_IDLE && instant_reached(now, session->store_after);
}

static bool may_begin(const struct core *core)
{
	const struct session *session = &core->session;

	return core->view.version > 0 && may_store(session, core->out.now) &&
	       !session->commanding && instant_reached(core->out.now, session->not_before);
}

void session_run(struct core *core)
{
	struct session *session = &core->session;

	if (core->stopping)
		return;
	if (session->look_again && may_store(session, core->out.now))
		look(core);
	if (session->state == SESSION_DENIED && instant_reached(core->out.now, session->not_before))
		session_become(session, SESSION_NONE);
	if (session->state == SESSION_NONE)
		session->commanding = session->durable = false;
	if (session->state == SESSION_NONE && may_begin(core))
		orders_attach(core);
	else if (session->state == SESSION_ATTACHED && may_begin(core))
		orders_due(core);
	if (session->commanding && session->durable &&
	    instant_reached(core->out.now, session->send_at))
		orders_send(core);
}

static void store_failed(struct core *core, const char *text)
{
	struct session *session = &core->session;

	core->trouble_of = STORE_NODE;
	text_line(core->trouble, "%s", text);
	out_trace(&core->out, TRACE_ERR,
		  "%s -> no new block until it can be written; tried again in %d s", text,
		  STORE_RETRY_MS / 1000);
	session->store_after = instant_add_ms(core->out.now, STORE_RETRY_MS);
	session->commanding = session->durable = false;
	session->look_again = session->rewrite = true;
	core->token.epoch = 0; /* whatever it says in /run, this life has not proven it */
	if (session->state == SESSION_PREPARING)
		session_become(session, SESSION_NONE);
	for (size_t i = 0; i < core->blocks.n; i++)
		core->blocks.own[i]->leaving = false;
}

static void confirm_stored(struct core *core)
{
	for (size_t i = 0; i < core->node.n_blocks; i++) {
		struct own_block *block = blocks_find(&core->blocks, core->node.blocks[i]);
		char prefix[TEXT_PREFIX_MAX];

		if (!block || block->confirmed)
			continue;
		block->confirmed = true;
		text_prefix(prefix, block->base, BLOCK_LEN);
		out_trace(&core->out, TRACE_INFO,
			  "ipalloc: block %s is ours in ledger version %llu -> its addresses may "
			  "be given",
			  prefix, (unsigned long long)core->view.version);
	}
}

void session_stored(struct core *core, uint64_t tag, int error, const char *text)
{
	struct session *session = &core->session;
	enum session_store done = session->storing;

	if (tag != session->tag || done == STORE_IDLE)
		return;
	session->storing = STORE_IDLE;
	if (error) {
		store_failed(core, text);
		return;
	}
	core_trouble_over(core, STORE_NODE);
	session->rewrite = false;
	switch (done) {
	case STORE_IDLE:
		break;
	case STORE_TOKEN_GONE:
		session->epoch = 0;
		session->seq = 0;
		/* Not the blocks: the order in which they were granted outlives the session, the
		 * node address hangs on it. */
		note_session(core);
		session_store(core, STORE_ATTACH);
		break;
	case STORE_ATTACH:
		session_become(session, SESSION_ATTACHING);
		session->durable = true;
		session->send_at = core->out.now;
		break;
	case STORE_COMMAND:
		session_store(core, STORE_COMMAND_TOKEN);
		break;
	case STORE_COMMAND_TOKEN:
		session->durable = true;
		session->send_at = core->out.now;
		break;
	case STORE_OWN:
		if (session->state == SESSION_ATTACHED && core->node.epoch == session->epoch)
			confirm_stored(core);
		session_store(core, STORE_OWN_TOKEN);
		break;
	case STORE_OWN_TOKEN:
		break;
	}
}

bool session_leave(struct core *core, char text[static TEXT_LEN_MAX + 1])
{
	text[0] = '\0';
	if (core->pod_requests.n_hungry)
		text_line(text, "%zu pod%s being attached here: try again when that is over",
			  core->pod_requests.n_hungry,
			  core->pod_requests.n_hungry == 1 ? " is" : "s are");
	else if (core->pods.n)
		text_line(text,
			  "%zu pod%s still attached here: detach them first (weftctl pods lists "
			  "them)",
			  core->pods.n, core->pods.n == 1 ? " is" : "s are");
	else if (core->session.state != SESSION_ATTACHED)
		text_line(text,
			  "not attached to a cluster now: nothing to leave (weftctl status says "
			  "why)");
	else if (keeper_votes(core->keeper))
		text_line(text,
			  "this node is the cluster's only keeper: without it nobody gets a new "
			  "block");
	else
		core->session.leave_wanted = true;
	return core->session.leave_wanted;
}

/* The earliest time at which session_run may do something that nothing else wakes it for. */
struct instant session_deadline(const struct core *core)
{
	const struct session *session = &core->session;
	struct instant surplus = blocks_surplus_at(&core->blocks, core->settings.first_blocks);

	if (core->stopping || session->storing != STORE_IDLE)
		return instant_never();
	if (session->commanding && session->durable)
		return session->send_at;
	if (instant_after(session->store_after, core->out.now))
		return session->store_after;
	if (instant_after(session->not_before, core->out.now))
		return session->not_before;
	return session->state == SESSION_ATTACHED && core->view.version > 0 ? surplus
									    : instant_never();
}
