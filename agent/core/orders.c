#include "core/orders.h"

#include <assert.h>

#include "core/state.h"

enum {
	SEND_AGAIN_MS = 1000,
	NO_SPACE_MS = 5000,
	REPLY_WAIT_MS = 5000,
	DENIED_RETRY_MS = 30000,
	WAIT_MAX_MS = 300000,
};

static const unsigned may_become[ORDERS_STATE_COUNT] = {
	[ORDERS_NONE] = 1U << ORDERS_SAVING,
	[ORDERS_SAVING] = 1U << ORDERS_OUT | 1U << ORDERS_NONE,
	[ORDERS_OUT] = 1U << ORDERS_NONE,
};

static void become(struct orders *orders, enum orders_state next)
{
	assert(may_become[orders->state] & 1U << next);
	orders->state = next;
}

void orders_init(struct orders *orders)
{
	*orders = (struct orders){ .not_before = { .ms = INT64_MIN } };
}

void orders_end(struct core *core)
{
	if (core->orders.state != ORDERS_NONE)
		become(&core->orders, ORDERS_NONE);
}

void orders_saved(struct core *core)
{
	become(&core->orders, ORDERS_OUT);
	core->orders.send_at = core->out.now;
}

/* A number that no command went out with would never show in our row, and the session never be what
 * the view shows. An ATTACH has none: it has its nonce. */
void orders_not_saved(struct core *core)
{
	struct orders *orders = &core->orders;

	if (orders->state == ORDERS_SAVING && orders->command.op != COMMAND_ATTACH)
		core->session.seq--;
	orders_end(core);
}

/* The command has taken effect when the row's last seq is its own. */
void orders_settle(struct core *core)
{
	struct orders *orders = &core->orders;

	if (orders->state != ORDERS_OUT || !session_is_shown(core))
		return;
	orders_end(core);
	orders->has_redirect = false;
	if (session_my_row(core)->last_reply.outcome == OUTCOME_NO_SPACE)
		orders->not_before = instant_add_ms(core->out.now, NO_SPACE_MS);
	else
		core->session.why[0] = '\0';
}

/* ---- to begin one */

static void begin(struct core *core, const struct command *command)
{
	struct orders *orders = &core->orders;

	orders->command = *command;
	orders->command.uid = core->settings.uid;
	orders->command.epoch = core->session.epoch;
	orders->command.seq = ++core->session.seq;
	orders->has_redirect = false;
	become(orders, ORDERS_SAVING);
	durable_begin(core, DURABLE_SEQ);
}

static void attach(struct core *core)
{
	struct orders *orders = &core->orders;
	const struct peer_row *row = session_my_row(core);
	struct attach *attach = &orders->command.attach;

	session_become(&core->session, SESSION_PREPARING);
	orders->command = (struct command){ .uid = core->settings.uid, .op = COMMAND_ATTACH };
	*attach = (struct attach){
		.epoch_read = row ? row->epoch : 0,
		.nonce = core->session.nonce,
		.binding = core->settings.binding,
		.boot = core->settings.boot,
	};
	memcpy(attach->name, core->settings.name, sizeof(attach->name));
	memcpy(attach->node_ref, platform_node_ref(core), sizeof(attach->node_ref));
	become(orders, ORDERS_SAVING);
	durable_begin(core, DURABLE_END);
}

/* How many blocks to ask for now: the first grant, or one more at low water. */
static uint32_t hunger(const struct core *core)
{
	struct blocks_counts counts = blocks_count(&core->blocks);

	if (clone_alarm(core))
		return 0;
	if (core->blocks.n < core->settings.first_blocks)
		return core->settings.first_blocks - (uint32_t)core->blocks.n;
	if (core->blocks.n >= OWN_BLOCKS_WANTED_MAX)
		return 0;
	return counts.free < blocks_low_water(counts.size) || core->pod_requests.n_hungry ? 1 : 0;
}

static struct own_block *surplus(const struct core *core)
{
	if (MUTANT(&core->settings, MUTANT_REUSE))
		return core->blocks.n > 1 ? core->blocks.own[core->blocks.n - 1] : NULL;
	return blocks_surplus(&core->blocks, core->settings.first_blocks, core->out.now);
}

/* Asked once, and still so: to ask again would be a new version of the ledger, synced by the keeper
 * and told to everybody, to say the same. */
static bool nothing_is_free(const struct core *core)
{
	const struct peer_row *row = session_my_row(core);

	if (!row || row->last_reply.outcome != OUTCOME_NO_SPACE)
		return false;
	for (uint32_t block = 0; block < core->view.n_blocks; block++)
		if (core->view.blocks[block].state == BLOCK_FREE)
			return false;
	return true;
}

static void begin_due(struct core *core)
{
	struct command command = { 0 };
	struct own_block *back;
	uint32_t count = hunger(core);

	if (core->session.leave_wanted && core->pods.n) {
		out_trace(&core->out, TRACE_WARN,
			  "a pod was attached meanwhile -> this node does not leave");
		core->session.leave_wanted = false;
	}
	if (core->session.leave_wanted) {
		command.op = COMMAND_LEAVE;
		for (size_t i = 0; i < core->blocks.n; i++)
			core->blocks.own[i]->leaving = true;
		begin(core, &command);
		return;
	}
	back = surplus(core);
	if (count && nothing_is_free(core)) {
		core->orders.not_before = instant_add_ms(core->out.now, NO_SPACE_MS);
	} else if (count) {
		command.op = COMMAND_ACQUIRE;
		command.acquire.count = count;
		begin(core, &command);
	} else if (back) {
		back->leaving = !MUTANT(&core->settings, MUTANT_REUSE);
		command.op = COMMAND_RELEASE;
		command.blocks = (struct block_list){ .n = 1, .block = { back->index } };
		out_trace(&core->out, TRACE_INFO, "block %u is wholly free for long -> given back",
			  back->index);
		begin(core, &command);
	}
}

/* ---- to send it */

static const char *reach_keeper(struct core *core, struct link **ret_link)
{
	struct orders *orders = &core->orders;
	const struct uid *keeper = orders->has_redirect ? &orders->redirect : &core->view.proposer;
	const struct member *member = members_by_uid(&core->members, keeper);

	*ret_link = NULL;
	orders->asked = *keeper;
	if (uid_eq(keeper, &core->settings.uid))
		return keeper_votes(core->keeper) ? NULL
						  : "this node was the keeper and votes no more "
						    "(its log was lost or rolled back)";
	*ret_link = links_up_with(&core->links, keeper);
	if (*ret_link)
		return NULL;
	return out_text(&core->out,
			"no link to the keeper %s: new blocks must wait, owned ones go on serving",
			member ? member->body.name : "(not heard of yet)");
}

static void send(struct core *core)
{
	struct orders *orders = &core->orders;
	struct link *link;
	const char *why = reach_keeper(core, &link);
	struct message *message;

	orders->send_at =
		instant_add_ms(core->out.now, prng_jitter_ms(&core->prng, SEND_AGAIN_MS, 10));
	if (why) {
		text_line(core->session.why, "%s", why);
		return;
	}
	if (!link) {
		struct command command = orders->command;

		command.observed = (struct observed){ .endpoint = core_listen(core),
						      .members = (uint32_t)core->members.n };
		if (!keeper_submit(core->keeper, 0, &command, &core->out))
			text_line(core->session.why, "%s", "this keeper has too much to do");
		return;
	}
	message = out_alloc(&core->out, sizeof(*message));
	message->type = MESSAGE_COMMAND;
	message->command = orders->command;
	link->commanded_at = core->out.now;
	link_send(link, message, &core->out);
}

static bool may_begin(const struct core *core)
{
	return core->view.version > 0 && durable_may_begin(core) &&
	       core->orders.state == ORDERS_NONE &&
	       instant_reached(core->out.now, core->orders.not_before);
}

void orders_run(struct core *core)
{
	if (core->session.state == SESSION_NONE && may_begin(core))
		attach(core);
	else if (core->session.state == SESSION_ATTACHED && may_begin(core))
		begin_due(core);
	if (core->orders.state == ORDERS_OUT &&
	    instant_reached(core->out.now, core->orders.send_at))
		send(core);
}

/* ---- replies */

/* As long as the keeper says, within reason: it may be wrong, and this node must not sleep for
 * weeks. */
static uint32_t wait_of(const struct reply *reply, uint32_t otherwise_ms)
{
	uint32_t wait_ms = reply->retry_ms ? reply->retry_ms : otherwise_ms;

	return wait_ms < WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS;
}

static void refused(struct core *core, const struct reply *reply)
{
	uint32_t wait_ms = wait_of(reply, DENIED_RETRY_MS);

	out_trace(&core->out, TRACE_ERR, "the keeper refuses: %s -> asked again in %u s",
		  reply->text, wait_ms / 1000);
	core->orders.not_before = instant_add_ms(core->out.now, wait_ms);
	orders_end(core);
	if (core->session.state == SESSION_ATTACHING)
		session_become(&core->session, SESSION_DENIED);
}

void orders_reply(struct core *core, const struct uid *from, const struct reply *reply)
{
	struct orders *orders = &core->orders;
	uint64_t awaited = orders->command.op == COMMAND_ATTACH ? orders->command.attach.nonce
								: orders->command.seq;

	/* From the keeper that was asked, or it is nobody's business. */
	if (orders->state != ORDERS_OUT || reply->seq != awaited || !uid_eq(from, &orders->asked))
		return;
	/* Whoever asks for an address meanwhile reads it. */
	memcpy(core->session.why, reply->text, sizeof(core->session.why));
	switch (reply->outcome) {
	case OUTCOME_OK: /* a reply confirms nothing: the view will show it */
	case OUTCOME_OLD:
		text_line(core->session.why, "%s",
			  "the keeper has answered, its ledger is on its way to this node");
		orders->send_at = instant_add_ms(core->out.now, REPLY_WAIT_MS);
		break;
	case OUTCOME_NO_SPACE:
	case OUTCOME_FENCED:
		orders->send_at = instant_add_ms(core->out.now, REPLY_WAIT_MS);
		break;
	case OUTCOME_DENIED:
		refused(core, reply);
		break;
	case OUTCOME_REDIRECT:
		orders->has_redirect = reply->has_redirect;
		orders->redirect = reply->redirect;
		orders->send_at = instant_add_ms(core->out.now, 200);
		break;
	case OUTCOME_NO_MAJORITY:
	case OUTCOME_BUSY:
	case OUTCOME_UNKNOWN:
		orders->send_at = instant_add_ms(
			core->out.now, prng_jitter_ms(&core->prng, wait_of(reply, 200), 50));
		break;
	case OUTCOME_COUNT:
		break;
	}
}
