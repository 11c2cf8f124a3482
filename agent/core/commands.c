#include "core/commands.h"

#include "base/err.h"
#include "core/state.h"

static void reply_to(struct core *core, struct link *link, const struct reply *reply)
{
	struct message *message = out_alloc(&core->out, sizeof(*message));

	message->type = MESSAGE_REPLY;
	message->reply = *reply;
	link_send(link, message, &core->out);
}

static uint64_t number_of(const struct command *command)
{
	return command->op == COMMAND_ATTACH ? command->attach.nonce : command->seq;
}

static void refuse(struct core *core, struct link *link, const struct command *command,
		   enum outcome outcome, const char *text)
{
	struct reply reply = { .seq = number_of(command), .outcome = outcome, .retry_ms = 1000 };

	text_line(reply.text, "%s", text);
	if (outcome == OUTCOME_REDIRECT) {
		reply.has_redirect = true;
		reply.redirect = core->view.proposer;
	}
	reply_to(core, link, &reply);
}

/* What this keeper sees of the world, in place of whatever the sender put there. How long an old
 * session has not been alive is not measured before there is a failure detector: 0, "may be alive",
 * is the careful answer. */
static void stamp(struct core *core, const struct link *link, struct command *command)
{
	command->observed = (struct observed){ .endpoint = link->listens,
					       .members = (uint32_t)core->members.n };
}

void commands_take(struct core *core, struct link *link, const struct command *command)
{
	struct command stamped = *command;

	link->commanded_at = core->out.now;
	if (!uid_eq(&command->uid, &link->uid) || command->op == COMMAND_THAW) {
		out_trace(&core->out, TRACE_PEER, "%s commands in another's name -> hang up",
			  link->name);
		link_bye(&core->links, link, BYE_PROTOCOL, "a command in another's name",
			 &core->out);
		return;
	}
	if (!keeper_votes(core->keeper)) {
		if (core->keeper_doubted)
			refuse(core, link, command, OUTCOME_NO_MAJORITY,
			       "the keeper's log was rolled back: it may not vote");
		else if (uid_eq(&core->view.proposer, &core->settings.uid) ||
			 core->view.version == 0)
			refuse(core, link, command, OUTCOME_NO_MAJORITY,
			       "this node knows no keeper");
		else
			refuse(core, link, command, OUTCOME_REDIRECT, "another node is the keeper");
		return;
	}
	stamp(core, link, &stamped);
	if (!keeper_submit(core->keeper, link->id, &stamped, &core->out))
		refuse(core, link, command, OUTCOME_BUSY,
		       "the keeper has too many commands waiting");
}

void commands_reply(struct core *core, const struct keeper_chosen *chosen)
{
	for (size_t i = 0; i < chosen->n_replies; i++) {
		const struct keeper_reply *reply = &chosen->replies[i];
		struct link *link;

		if (reply->link == 0) {
			orders_reply(core, &core->settings.uid, &reply->reply);
			continue;
		}
		link = links_find(&core->links, reply->link);
		if (link && link->state == LINK_UP && uid_eq(&link->uid, &reply->uid))
			reply_to(core, link, &reply->reply);
	}
}
