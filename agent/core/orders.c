#include "core/orders.h"

#include "core/state.h"

enum { REPLY_WAIT_MS = 5000, DENIED_RETRY_MS = 30000, WAIT_MAX_MS = 300000 };

static void begin(struct core *core, const struct command *command)
{
	struct session *session = &core->session;

	session->command = *command;
	session->command.uid = core->settings.uid;
	session->command.epoch = session->epoch;
	session->command.seq = ++session->seq;
	session->commanding = true;
	session->durable = false;
	session->has_redirect = false;
	session_note_node(core);
	session_store(core, STORE_COMMAND);
}

void orders_attach(struct core *core)
{
	struct session *session = &core->session;
	const struct peer_row *row = session_my_row(core);
	struct attach *attach = &session->command.attach;

	session_become(session, SESSION_PREPARING);
	session->command = (struct command){ .uid = core->settings.uid, .op = COMMAND_ATTACH };
	*attach = (struct attach){
		.epoch_read = row ? row->epoch : 0,
		.nonce = session->nonce,
		.binding = core->settings.binding,
		.boot = core->settings.boot,
	};
	memcpy(attach->name, core->settings.name, sizeof(attach->name));
	memcpy(attach->node_ref, core->settings.node_ref, sizeof(attach->node_ref));
	session->commanding = true;
	session->durable = false;
	session_store(core, STORE_TOKEN_GONE);
}

static const char *reach_keeper(struct core *core, struct link **ret_link)
{
	struct session *session = &core->session;
	const struct uid *keeper = session->has_redirect ? &session->redirect
							 : &core->view.proposer;
	const struct member *member = members_by_uid(&core->members, keeper);

	*ret_link = NULL;
	session->asked = *keeper;
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

void orders_send(struct core *core)
{
	struct session *session = &core->session;
	struct link *link;
	const char *why = reach_keeper(core, &link);
	struct message *message;

	session->send_at =
		instant_add_ms(core->out.now, prng_jitter_ms(&core->prng, SESSION_COMMAND_MS, 10));
	if (why) {
		text_line(session->why, "%s", why);
		return;
	}
	if (!link) {
		struct command command = session->command;

		command.observed = (struct observed){ .endpoint = core_listen(core),
						      .members = (uint32_t)core->members.n };
		if (!keeper_submit(core->keeper, 0, &command, &core->out))
			text_line(session->why, "%s", "this keeper has too much to do");
		return;
	}
	message = out_alloc(&core->out, sizeof(*message));
	message->type = MESSAGE_COMMAND;
	message->command = session->command;
	link->commanded_at = core->out.now;
	link_send(link, message, &core->out);
}

/* How many blocks to ask for now: the first grant, or one more at low water. */
static uint32_t hunger(const struct core *core)
{
	struct blocks_counts counts = blocks_count(&core->blocks);

	if (clone_alarm(core))
		return 0;
	if (core->blocks.n < core->settings.first_blocks)
		return core->settings.first_blocks - (uint32_t)core->blocks.n;
	if (core->blocks.n >= BLOCKS_OWN_WANTED_MAX)
		return 0;
	return counts.free < blocks_low_water(counts.size) || core->pod_requests.n_hungry ? 1 : 0;
}

static struct own_block *surplus(const struct core *core)
{
	if (MUTANT(&core->settings, MUTANT_REUSE))
		return core->blocks.n > 1 ? core->blocks.own[core->blocks.n - 1] : NULL;
	return blocks_surplus(&core->blocks, core->settings.first_blocks, core->out.now);
}

void orders_due(struct core *core)
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
	if (count) {
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

/* As long as the keeper says, within reason: it may be wrong, and this node must not sleep for
 * weeks. */
static uint32_t wait_of(const struct reply *reply, uint32_t otherwise_ms)
{
	uint32_t wait_ms = reply->retry_ms ? reply->retry_ms : otherwise_ms;

	return wait_ms < WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS;
}

static void refused(struct core *core, const struct reply *reply)
{
	struct session *session = &core->session;
	uint32_t wait_ms = wait_of(reply, DENIED_RETRY_MS);

	out_trace(&core->out, TRACE_ERR, "the keeper refuses: %s -> asked again in %u s",
		  reply->text, wait_ms / 1000);
	session->not_before = instant_add_ms(core->out.now, wait_ms);
	session->commanding = session->durable = false;
	session->send_at = instant_never();
	if (session->state == SESSION_ATTACHING)
		session_become(session, SESSION_DENIED);
}

void session_reply(struct core *core, const struct uid *from, const struct reply *reply)
{
	struct session *session = &core->session;
	uint64_t awaited = session->command.op == COMMAND_ATTACH ? session->command.attach.nonce
								 : session->command.seq;

	/* From the keeper that was asked, or it is nobody's business. */
	if (!session->commanding || !session->durable || reply->seq != awaited ||
	    !uid_eq(from, &session->asked))
		return;
	memcpy(session->why, reply->text, sizeof(session->why));
	switch (reply->outcome) {
	case OUTCOME_OK: /* a reply confirms nothing: the view will show it */
	case OUTCOME_NO_SPACE:
	case OUTCOME_OLD:
	case OUTCOME_FENCED:
		session->send_at = instant_add_ms(core->out.now, REPLY_WAIT_MS);
		break;
	case OUTCOME_DENIED:
		refused(core, reply);
		break;
	case OUTCOME_REDIRECT:
		session->has_redirect = reply->has_redirect;
		session->redirect = reply->redirect;
		session->send_at = instant_add_ms(core->out.now, 200);
		break;
	case OUTCOME_NO_MAJORITY:
	case OUTCOME_BUSY:
	case OUTCOME_UNKNOWN:
		session->send_at = instant_add_ms(
			core->out.now, prng_jitter_ms(&core->prng, wait_of(reply, 200), 50));
		break;
	case OUTCOME_COUNT:
		break;
	}
}
