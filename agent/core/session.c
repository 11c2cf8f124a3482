#include "core/session.h"

#include <assert.h>

#include "base/text.h"
#include "core/gossip.h"
#include "core/orders.h"
#include "core/state.h"

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

const struct peer_row *session_my_row(const struct core *core)
{
	return ledger_peer(&core->view, core->settings.name);
}

/* ---- start */

/* Which blocks are ours shows in the kernel, and the node address in what we say of ourselves. */
static void blocks_changed(struct core *core)
{
	forward_changed(core, FORWARD_ALL);
	gossip_self_changed(core);
}

static void own(struct core *core, uint32_t index)
{
	struct own_block *block;

	if (blocks_find(&core->blocks, index) || core->blocks.n >= OWN_BLOCKS_MAX)
		return;
	block = blocks_add(&core->blocks, index, &core->prng, core->out.now);
	for (size_t i = 0; i < core->pods.n; i++)
		if (blocks_of_ip(&core->blocks, core->pods.items[i]->ip) == block)
			blocks_use(&core->blocks, core->pods.items[i]->ip);
	blocks_changed(core);
}

static bool continues(const struct core *core)
{
	const struct record_node *node = &core->durable.node;
	const struct record_token *token = &core->durable.token;

	if (token->epoch == 0 || node->epoch != token->epoch || node->seq != token->seq)
		return false;
	if (!uid_eq(&token->uid, &core->settings.uid))
		return false;
	return boot_eq(&token->boot, &core->settings.boot) ||
	       MUTANT(&core->settings, MUTANT_CONTBOOT);
}

void session_start(struct core *core)
{
	struct session *session = &core->session;
	const struct record_node *node = &core->durable.node;
	bool go_on = continues(core);

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
bool session_is_shown(const struct core *core)
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

bool session_may_own(const struct core *core, uint32_t ip)
{
	return !session_is_shown(core) || !prefix_has(core->settings.range, ip) ||
	       owns(core, (ip - core->settings.range.ip) / BLOCK_SIZE);
}

static void say_foreign(struct core *core)
{
	for (size_t i = 0; i < core->pods.n; i++) {
		const struct pod *pod = core->pods.items[i];
		char ip[TEXT_IP4_MAX];

		if (pod->state != POD_UP || session_may_own(core, pod->ip))
			continue;
		text_ip4(ip, pod->ip);
		out_trace(
			&core->out, TRACE_WARN,
			"pod %s has %s, of a block that is not this node's -> kept, no other node "
			"reaches it: make it anew (weftctl pods lists all such)",
			pod->container_id, ip);
		return;
	}
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
		blocks_changed(core);
		lost = true;
	}
	before = core->blocks.n;
	for (size_t i = 0; i < core->durable.node.n_blocks; i++)
		if (owns(core, core->durable.node.blocks[i]))
			own(core, core->durable.node.blocks[i]);
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
	static const char *const now[] = {
		[PEER_ATTACHED] = "attached", [PEER_LEFT] = "left", [PEER_FENCED] = "fenced"
	};

	out_trace(&core->out, TRACE_WARN,
		  "the ledger calls %s %s in session %u, this one is %u -> attaching anew",
		  row->name, row->status <= PEER_FENCED && now[row->status] ? now[row->status] : "",
		  row->epoch, core->session.epoch);
	for (size_t i = 0; i < core->blocks.n; i++)
		core->blocks.own[i]->confirmed = false;
	orders_end(core);
	core->session.epoch = 0;
	core->session.continued = false;
	core->session.nonce = prng_u64(&core->prng) ^ core->settings.nonce;
	session_become(&core->session, SESSION_NONE);
	gossip_self_changed(core);
}

static void attached(struct core *core, const struct peer_row *row)
{
	struct session *session = &core->session;

	session_become(session, SESSION_ATTACHED);
	session->epoch = row->epoch;
	session->seq = 0;
	session->continued = false;
	orders_end(core);
	session->why[0] = '\0';
	gossip_self_changed(core);
	out_trace(&core->out, TRACE_INFO, "attached as %s in session %u (ledger version %llu)",
		  row->name, row->epoch, (unsigned long long)core->view.version);
}

static void look(struct core *core)
{
	struct session *session = &core->session;
	const struct peer_row *row = session_my_row(core);
	bool mine = row && uid_eq(&row->uid, &core->settings.uid);
	bool changed;

	session->look_again = false;
	if (session->state == SESSION_ATTACHING && mine && row->nonce == session->nonce &&
	    row->status == PEER_ATTACHED)
		attached(core, row);
	if (session->state == SESSION_ATTACHED && mine && row->status == PEER_LEFT &&
	    session->leave_wanted) {
		session_become(session, SESSION_LEFT);
		while (core->blocks.n)
			blocks_remove(&core->blocks, core->blocks.own[0]->index);
		blocks_changed(core);
		orders_end(core);
		text_line(session->why,
			  "this node has left the cluster; restart weftd to join again");
		out_trace(&core->out, TRACE_INFO,
			  "left the cluster -> its blocks cool and become free");
		return;
	}
	if (session->state == SESSION_ATTACHED && row &&
	    (!mine || row->epoch > session->epoch ||
	     (row->epoch == session->epoch && row->status != PEER_ATTACHED)))
		lose_session(core, row);
	if (session->state == SESSION_ATTACHING && row &&
	    row->epoch != core->orders.command.attach.epoch_read) {
		/* Somebody else's ATTACH was first: read the row again. */
		session_become(session, SESSION_NONE);
		orders_end(core);
	}
	orders_settle(core);
	if (!session_is_shown(core) || core->orders.state != ORDERS_NONE)
		return;
	changed = adopt_blocks(core);
	if (changed)
		say_foreign(core);
	if (!changed && all_confirmed(core) && core->durable.node.epoch == session->epoch &&
	    core->durable.token.epoch == session->epoch && core->durable.token.seq == session->seq)
		return;
	durable_begin(core, DURABLE_BLOCKS);
}

void session_view_changed(struct core *core)
{
	core->session.look_again = true;
	session_run(core);
}

void session_run(struct core *core)
{
	struct session *session = &core->session;

	if (core->stopping)
		return;
	if (session->look_again && durable_may_begin(core))
		look(core);
	if (session->state == SESSION_DENIED &&
	    instant_reached(core->out.now, core->orders.not_before))
		session_become(session, SESSION_NONE);
	orders_run(core);
}

/* ---- what became durable */

static void confirm(struct core *core)
{
	for (size_t i = 0; i < core->durable.node.n_blocks; i++) {
		struct own_block *block = blocks_find(&core->blocks, core->durable.node.blocks[i]);
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

void session_durable(struct core *core, enum durable_step done)
{
	struct session *session = &core->session;

	switch (done) {
	case DURABLE_END:
		session->epoch = 0;
		session->seq = 0;
		break;
	case DURABLE_ATTACH:
		session_become(session, SESSION_ATTACHING);
		orders_saved(core);
		break;
	case DURABLE_SEQ_TOKEN:
		orders_saved(core);
		break;
	case DURABLE_BLOCKS:
		if (session->state == SESSION_ATTACHED &&
		    core->durable.node.epoch == session->epoch)
			confirm(core);
		break;
	case DURABLE_IDLE:
	case DURABLE_SEQ:
	case DURABLE_BLOCKS_TOKEN:
	case DURABLE_STEP_COUNT:
		break;
	}
}

void session_not_durable(struct core *core)
{
	core->session.look_again = true;
	if (core->session.state == SESSION_PREPARING)
		session_become(&core->session, SESSION_NONE);
	for (size_t i = 0; i < core->blocks.n; i++)
		core->blocks.own[i]->leaving = false;
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
	struct instant surplus = blocks_surplus_at(&core->blocks, core->settings.first_blocks);

	if (core->stopping || core->durable.step != DURABLE_IDLE)
		return instant_never();
	if (core->orders.state == ORDERS_OUT)
		return core->orders.send_at;
	if (instant_after(core->durable.after, core->out.now))
		return core->durable.after;
	if (instant_after(core->orders.not_before, core->out.now))
		return core->orders.not_before;
	return core->session.state == SESSION_ATTACHED && core->view.version > 0 ? surplus
										 : instant_never();
}
