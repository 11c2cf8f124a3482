#include "core/keeper_words.h"

#include "base/text.h"

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static const char *name_of(const struct ledger *ledger, const struct command *command)
{
	const struct peer_row *row = ledger_peer_by_uid(ledger, &command->uid);

	if (command->op == COMMAND_ATTACH)
		return command->attach.name;
	return row ? row->name : "a node unknown to the ledger";
}

static void tell_attach(struct out *out, const struct command *command, const struct reply *reply)
{
	char at[TEXT_ENDPOINT_MAX];

	text_endpoint(at, command->observed.endpoint.ip, command->observed.endpoint.ip_len,
		      command->observed.endpoint.port);
	if (reply->outcome == OUTCOME_OK)
		out_trace(out, TRACE_INFO, "%s at %s wants to join -> attached, session %u",
			  command->attach.name, at, reply->epoch);
	else
		out_trace(out, TRACE_PEER, "%s at %s wants to join -> denied: %s",
			  command->attach.name, at, reply->text);
}

static void tell_acquire(struct out *out, const struct ledger *ledger, const char *name,
			 const struct command *command, const struct reply *reply)
{
	uint32_t count = command->acquire.count;
	char first[TEXT_PREFIX_MAX];
	struct prefix prefix;

	if (reply->n_blocks == 0) {
		out_trace(out, TRACE_WARN, "%s wants %u block%s -> none: %s", name, count,
			  plural(count), reply->text);
		return;
	}
	prefix = ledger_block_prefix(ledger, reply->blocks[0]);
	text_prefix(first, prefix.ip, prefix.len);
	if (reply->n_blocks == 1)
		out_trace(out, TRACE_INFO, "%s wants %u block%s -> %s", name, count, plural(count),
			  first);
	else
		out_trace(out, TRACE_INFO, "%s wants %u blocks -> %s and %zu more", name, count,
			  first, reply->n_blocks - 1);
}

void keeper_tell(struct out *out, const struct ledger *ledger, const struct command *command,
		 const struct reply *reply)
{
	const char *name = name_of(ledger, command);

	switch (command->op) {
	case COMMAND_ATTACH:
		tell_attach(out, command, reply);
		break;
	case COMMAND_ACQUIRE:
		tell_acquire(out, ledger, name, command, reply);
		break;
	case COMMAND_RELEASE:
		out_trace(out, TRACE_INFO, "%s gives back %zu block%s -> cooling", name,
			  command->blocks.n, plural(command->blocks.n));
		break;
	case COMMAND_LEAVE:
		out_trace(out, TRACE_INFO, "%s leaves -> its blocks cool", name);
		break;
	case COMMAND_THAW:
	case COMMAND_UNKNOWN:
		break;
	}
}

void keeper_tell_thawed(struct out *out, const struct ledger *ledger, uint32_t first, size_t n)
{
	struct prefix prefix = ledger_block_prefix(ledger, first);
	char text[TEXT_PREFIX_MAX];

	text_prefix(text, prefix.ip, prefix.len);
	if (n == 1)
		out_trace(out, TRACE_INFO, "%s has cooled -> free", text);
	else
		out_trace(out, TRACE_INFO, "%s and %zu more have cooled -> free", text, n - 1);
}
