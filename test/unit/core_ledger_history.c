/* Random histories of the law, in which every command may come again at any time: after
 * each of them epochs have risen and blocks belong to who is attached, and each acts at most once.
 */
#include "ledgers.h"

enum { COMMANDS = 3000, SEEDS = 12 };

struct sent {
	struct command command;
	unsigned acted;
};

struct watch { /* what was seen of a history so far */
	struct history history;
	size_t n;
	struct sent sent[COMMANDS];
	size_t n_sessions;
	struct {
		struct uid uid;
		uint32_t epoch;
	} sessions[COMMANDS];
	unsigned acted, repeated, refused;
};

static bool same_command(const struct command *a, const struct command *b)
{
	if (!uid_eq(&a->uid, &b->uid) || (a->op == COMMAND_ATTACH) != (b->op == COMMAND_ATTACH))
		return false;
	if (a->op == COMMAND_ATTACH)
		return a->attach.nonce == b->attach.nonce;
	return a->epoch == b->epoch && a->seq == b->seq;
}

/* THAW is the keeper's and made anew each time; whoever owns a block sends the others. */
static void note_act(struct watch *watch, const struct command *command)
{
	if (command->op == COMMAND_THAW)
		return;
	for (size_t i = 0; i < watch->n; i++)
		if (same_command(&watch->sent[i].command, command))
			CHECK_UINT(++watch->sent[i].acted, 1);
}

/* An epoch rises by its name, and (uid, epoch) never names a second session. */
static void check_sessions(struct watch *watch, const struct ledger *before,
			   const struct command *command)
{
	const struct ledger *after = &watch->history.ledger;
	const struct peer_row *now = ledger_peer_by_uid(after, &command->uid);
	const struct peer_row *was;

	REQUIRE(now);
	was = ledger_peer(before, now->name);
	if (command->op != COMMAND_ATTACH) {
		CHECK(was && was->epoch == now->epoch && was->last_seq < now->last_seq);
		CHECK_UINT(now->last_seq, command->seq);
		return;
	}
	CHECK(!was || now->epoch > was->epoch);
	CHECK_UINT(now->last_seq, 0);
	for (size_t i = 0; i < watch->n_sessions; i++)
		CHECK(!uid_eq(&watch->sessions[i].uid, &now->uid) ||
		      watch->sessions[i].epoch != now->epoch);
	watch->sessions[watch->n_sessions].uid = now->uid;
	watch->sessions[watch->n_sessions++].epoch = now->epoch;
}

/* FREE -> OWNED by the sender -> COOLING by its owner -> FREE by THAW, and no other way. */
static bool lawful_move(const struct block_row *was, const struct block_row *now,
			const struct command *command)
{
	switch (was->state) {
	case BLOCK_FREE:
		return now->state == BLOCK_OWNED && command->op == COMMAND_ACQUIRE &&
		       uid_eq(&now->owner, &command->uid);
	case BLOCK_OWNED:
		return now->state == BLOCK_COOLING && uid_eq(&was->owner, &command->uid) &&
		       (command->op == COMMAND_RELEASE || command->op == COMMAND_LEAVE);
	case BLOCK_COOLING:
		return now->state == BLOCK_FREE && command->op == COMMAND_THAW;
	case BLOCK_HELD:
		break;
	}
	return false;
}

static void check_change(struct watch *watch, const struct ledger *before,
			 const struct command *command)
{
	const struct ledger *after = &watch->history.ledger;

	for (uint32_t i = 0; i < after->n_blocks; i++) {
		if (same_block(&before->blocks[i], &after->blocks[i]))
			continue;
		CHECK(lawful_move(&before->blocks[i], &after->blocks[i], command));
		CHECK_UINT(after->blocks[i].changed, after->version);
	}
	for (size_t i = 0; i < after->n_peers; i++) {
		const struct peer_row *was = ledger_peer(before, after->peers[i].name);

		if (was && same_peer(was, &after->peers[i]))
			continue;
		CHECK(uid_eq(&after->peers[i].uid, &command->uid));
		CHECK_UINT(after->peers[i].changed, after->version);
	}
	if (command->op != COMMAND_THAW)
		check_sessions(watch, before, command);
}

static void send(struct watch *watch, const struct command *command)
{
	struct ledger before;
	struct reply reply;
	bool acted;

	ledger_init(&before);
	ledger_copy(&before, &watch->history.ledger);
	acted = ledger_apply(&watch->history.ledger, command, &reply);
	if (acted) {
		watch->acted++;
		CHECK_UINT(watch->history.ledger.version, before.version + 1);
		note_act(watch, command);
		check_change(watch, &before, command);
		check_ledger(&watch->history.ledger);
	} else {
		watch->refused++;
		CHECK(same_ledger(&before, &watch->history.ledger));
	}
	ledger_done(&before);
}

/* The network kept some command, and the keeper stamps it with what it sees now. */
static void send_again(struct watch *watch)
{
	struct command command =
		watch->sent[history_below(&watch->history, (unsigned)watch->n)].command;

	if (command.op == COMMAND_THAW)
		return;
	command.observed.not_alive_s = history_below(&watch->history, 30);
	watch->repeated++;
	send(watch, &command);
}

static void commands_act_once_in_any_order(void)
{
	static struct watch watch;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		memset(&watch, 0, sizeof(watch));
		history_init(&watch.history, seed, seed % 3 ? 22 : 20);
		while (watch.n < COMMANDS) {
			struct sent *sent = &watch.sent[watch.n++];

			sent->command = history_next(&watch.history);
			/* Some are late: they come first as a repeat, or never. */
			if (history_below(&watch.history, 10) > 0)
				send(&watch, &sent->command);
			for (unsigned i = history_below(&watch.history, 3); i > 0; i--)
				send_again(&watch);
		}
		/* A history in which nothing happens proves nothing. */
		printf("seed %" PRIu64 ": %u acted, %u refused, %u sent again, %zu sessions\n",
		       seed, watch.acted, watch.refused, watch.repeated, watch.n_sessions);
		CHECK(watch.acted > COMMANDS / 4 && watch.repeated > COMMANDS / 4);
		CHECK(watch.n_sessions > 50);
		ledger_done(&watch.history.ledger);
	}
}

int main(void)
{
	RUN(commands_act_once_in_any_order);
	return check_report();
}
