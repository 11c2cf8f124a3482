/* The law, row by row. Random histories of it are in core_ledger_history.c. */
#include "core/ledger_rows.h"
#include "ledgers.h"

static bool says(const struct reply *reply, const char *words)
{
	if (strstr(reply->text, words))
		return true;
	printf("\"%s\" does not say \"%s\"\n", reply->text, words);
	return false;
}

/* node-a is number 1, epoch 1, on boot 1, and owns blocks. */
static struct ledger with_a(void)
{
	struct ledger ledger = ledger_of(20);

	must(&ledger, attach_of(1, "node-a", 0, 11, 1));
	must(&ledger, acquire_of(1, 1, 1, 2));
	return ledger;
}

static void set_status(struct ledger *ledger, const char *name, enum peer_status status)
{
	struct peer_row row = *ledger_peer(ledger, name);

	row.status = status;
	row.changed = ++ledger->version;
	ledger_put_peer(ledger, &row);
}

static struct reply refused(struct ledger *ledger, struct command command, enum outcome outcome)
{
	struct reply reply = apply(ledger, command, false);

	CHECK_INT(reply.outcome, outcome);
	return reply;
}

/* ---- ATTACH by what the name's row says */

static void attach_none(void)
{
	struct ledger ledger = ledger_of(20);
	struct command command = attach_of(1, "node-a", 0, 11, 1);
	const struct peer_row *row;
	struct reply reply;

	memcpy(command.attach.node_ref, "ref", 4);
	reply = must(&ledger, command);
	CHECK_UINT(reply.epoch, 1);
	CHECK_UINT(reply.n_blocks, 0);
	row = ledger_peer(&ledger, "node-a");
	REQUIRE(row);
	CHECK(row->status == PEER_ATTACHED && row->nonce == 11 && row->last_seq == 0);
	CHECK(boot_eq(&row->boot, &command.attach.boot));
	CHECK(endpoint_eq(&row->endpoint, &command.observed.endpoint));
	CHECK_MEM(&row->binding, &command.attach.binding, sizeof(row->binding));
	CHECK_STR(row->node_ref, "ref");
	check_ledger(&ledger);
	ledger_done(&ledger);
}

static void attach_same_uid_same_boot(void)
{
	struct ledger ledger = with_a();
	struct command command = attach_of(1, "node-a", 1, 12, 1);
	struct reply reply;

	command.observed.endpoint = endpoint_of(77); /* may have moved */
	reply = must(&ledger, command);
	CHECK_UINT(reply.epoch, 2);
	CHECK_UINT(reply.n_blocks, 2);
	CHECK_UINT(owned_by(&ledger, 1), 2);
	CHECK_UINT(ledger_peer(&ledger, "node-a")->last_seq, 0);
	check_ledger(&ledger);
	ledger_done(&ledger);
}

static void attach_reboot_at_the_same_endpoint(void)
{
	struct ledger ledger = with_a();
	struct reply reply = must(&ledger, attach_of(1, "node-a", 1, 12, 2));
	struct boot_id now = boot_of(2);

	CHECK_UINT(reply.epoch, 2);
	CHECK_UINT(owned_by(&ledger, 1), 2);
	CHECK(boot_eq(&ledger_peer(&ledger, "node-a")->boot, &now));
	ledger_done(&ledger);
}

static void attach_reboot_elsewhere_or_a_clone(void)
{
	struct ledger ledger = with_a();
	struct command command = attach_of(1, "node-a", 1, 12, 2);
	struct reply reply;

	command.observed.endpoint = endpoint_of(9);
	command.observed.not_alive_s = 14;
	reply = refused(&ledger, command, OUTCOME_DENIED);
	CHECK(says(&reply, "node-a is already running at 192.0.2.1:6785"));
	CHECK(says(&reply, " -> "));
	CHECK_UINT(reply.retry_ms, 30000);
	CHECK_UINT(reply.epoch, 1);
	command.observed.not_alive_s = 15;
	reply = must(&ledger, command);
	CHECK_UINT(reply.epoch, 2);
	CHECK_UINT(owned_by(&ledger, 1), 2);
	ledger_done(&ledger);
}

/* Same address, another port: two agents behind one address may be two machines. */
static void attach_same_host_other_port_is_elsewhere(void)
{
	struct ledger ledger = with_a();
	struct command command = attach_of(1, "node-a", 1, 12, 2);

	command.observed.endpoint.port++;
	refused(&ledger, command, OUTCOME_DENIED);
	ledger_done(&ledger);
}

static void attach_unknown_endpoints_are_not_the_same(void)
{
	struct ledger ledger = ledger_of(20);
	struct command command = attach_of(1, "node-a", 0, 11, 1);

	command.observed.endpoint = (struct endpoint){ 0 };
	must(&ledger, command);
	command.attach.boot = boot_of(2);
	command.attach.nonce = 12;
	command.attach.epoch_read = 1;
	refused(&ledger, command, OUTCOME_DENIED);
	ledger_done(&ledger);
}

static void attach_after_leaving(void)
{
	struct ledger ledger = with_a();
	struct command command = attach_of(1, "node-a", 1, 12, 2);

	must(&ledger, command_of(1, 1, 2, COMMAND_LEAVE));
	command.observed.endpoint = endpoint_of(9); /* nobody runs under it: no clone to fear */
	CHECK_UINT(must(&ledger, command).epoch, 2);
	CHECK_UINT(owned_by(&ledger, 1), 0);
	ledger_done(&ledger);
}

static void attach_fenced_same_uid(void)
{
	struct ledger ledger = with_a();
	struct command command = attach_of(1, "node-a", 1, 12, 2);

	set_status(&ledger, "node-a", PEER_FENCED);
	command.observed.endpoint = endpoint_of(9);
	refused(&ledger, command, OUTCOME_DENIED);
	CHECK_UINT(must(&ledger, attach_of(1, "node-a", 1, 13, 1)).epoch, 2);
	CHECK_INT(ledger_peer(&ledger, "node-a")->status, PEER_ATTACHED);
	ledger_done(&ledger);
}

static void attach_other_uid_left(void)
{
	struct ledger ledger = with_a();
	struct reply reply;

	must(&ledger, command_of(1, 1, 2, COMMAND_LEAVE));
	reply = must(&ledger, attach_of(2, "node-a", 1, 21, 1));
	CHECK_UINT(reply.epoch, 2);
	CHECK_UINT(reply.n_blocks, 0);
	CHECK(!row_by_number(&ledger, 1));
	CHECK(row_by_number(&ledger, 2) == ledger_peer(&ledger, "node-a"));
	check_ledger(&ledger);
	ledger_done(&ledger);
}

static void attach_other_uid_attached(void)
{
	struct ledger ledger = with_a();
	struct command command = attach_of(2, "node-a", 1, 21, 1);
	struct reply reply;

	command.observed.not_alive_s = 100000;
	reply = refused(&ledger, command, OUTCOME_DENIED);
	CHECK(says(&reply, "the name node-a is in use by the node at 192.0.2.1:6785"));
	CHECK(says(&reply, "ee970001")); /* the beginning of uid_of(1) */
	CHECK(says(&reply, "--name"));
	CHECK_UINT(reply.retry_ms, 30000);
	set_status(&ledger, "node-a", PEER_FENCED);
	refused(&ledger, command, OUTCOME_DENIED);
	CHECK_UINT(owned_by(&ledger, 1), 2);
	ledger_done(&ledger);
}

static void attach_other_uid_same_machine(void)
{
	struct ledger ledger = with_a();
	struct command command = attach_of(2, "node-a", 1, 21, 1);
	struct reply reply;

	command.attach.binding = binding_of(1);
	command.attach.binding.part[1][0] ^= 0xff; /* one may be a replaced NIC */
	command.observed.not_alive_s = 100;
	reply = refused(&ledger, command, OUTCOME_DENIED);
	CHECK(says(&reply, "is this machine with an earlier identity"));
	command.attach.binding.part[2][0] ^= 0xff;
	reply = refused(&ledger, command, OUTCOME_DENIED);
	CHECK(says(&reply, "in use by the node"));
	ledger_done(&ledger);
}

static void attach_compares_the_epoch(void)
{
	struct ledger ledger = with_a();
	struct reply reply;

	reply = refused(&ledger, attach_of(1, "node-a", 0, 12, 1), OUTCOME_OLD);
	CHECK_UINT(reply.epoch, 1);
	reply = refused(&ledger, attach_of(1, "node-a", 2, 12, 1), OUTCOME_OLD);
	CHECK_UINT(reply.epoch, 1);
	reply = refused(&ledger, attach_of(2, "node-b", 3, 12, 1), OUTCOME_OLD);
	CHECK_UINT(reply.epoch, 0);
	/* The late ATTACH of a dead boot must not retake the row. */
	must(&ledger, attach_of(1, "node-a", 1, 13, 2));
	refused(&ledger, attach_of(1, "node-a", 1, 12, 1), OUTCOME_OLD);
	ledger_done(&ledger);
}

static void attach_again_is_answered_again(void)
{
	struct ledger ledger = with_a();
	struct reply reply = refused(&ledger, attach_of(1, "node-a", 0, 11, 1), OUTCOME_OK);

	CHECK_UINT(reply.epoch, 1);
	CHECK_UINT(reply.n_blocks, 2);
	must(&ledger, command_of(1, 1, 2, COMMAND_LEAVE));
	refused(&ledger, attach_of(1, "node-a", 0, 11, 1), OUTCOME_OLD);
	ledger_done(&ledger);
}

static void attach_under_a_second_name(void)
{
	struct ledger ledger = with_a();
	struct reply reply = refused(&ledger, attach_of(1, "node-b", 0, 12, 1), OUTCOME_DENIED);

	CHECK(says(&reply, "belongs to the name node-a"));
	must(&ledger, command_of(1, 1, 2, COMMAND_LEAVE));
	refused(&ledger, attach_of(1, "node-b", 0, 12, 1), OUTCOME_DENIED);
	CHECK_UINT(ledger.n_peers, 1);
	ledger_done(&ledger);
}

static void attach_needs_a_name_and_an_identity(void)
{
	struct ledger ledger = ledger_of(20);
	struct command command = attach_of(1, "", 0, 11, 1);

	refused(&ledger, command, OUTCOME_DENIED);
	command = attach_of(1, "node-a", 0, 11, 1);
	command.uid = (struct uid){ 0 };
	refused(&ledger, command, OUTCOME_DENIED);
	ledger_done(&ledger);
}

/* Number 1 leaves, 2 takes its name and with it the only trace of its sessions. If 1 could come
 * back with epoch 1, the RELEASE that was under way since then would free a block in use. */
static void no_session_comes_twice(void)
{
	struct ledger ledger = with_a();
	struct command late = release_of(1, 1, 7, 0);
	struct reply reply;

	must(&ledger, command_of(1, 1, 2, COMMAND_LEAVE));
	must(&ledger, attach_of(2, "node-a", 1, 21, 1));
	reply = must(&ledger, attach_of(1, "node-b", 0, 12, 1));
	CHECK_UINT(reply.epoch, 3);
	late.blocks.block[0] = must(&ledger, acquire_of(1, 3, 1, 1)).blocks[0];
	refused(&ledger, late, OUTCOME_OLD);
	CHECK_UINT(owned_by(&ledger, 1), 1);
	ledger_done(&ledger);
}

/* The same, but it comes back by taking a name whose own epoch is low. */
static void no_session_comes_twice_by_taking_a_name(void)
{
	struct ledger ledger = with_a();
	struct reply reply;

	must(&ledger, attach_of(3, "node-b", 0, 31, 1));
	must(&ledger, command_of(3, 1, 1, COMMAND_LEAVE));
	must(&ledger, attach_of(1, "node-a", 1, 12, 1));
	must(&ledger, command_of(1, 2, 1, COMMAND_LEAVE));
	must(&ledger, attach_of(2, "node-a", 2, 21, 1));
	reply = must(&ledger, attach_of(1, "node-b", 1, 13, 1)); /* not 2 */
	CHECK_UINT(reply.epoch, 4);
	ledger_done(&ledger);
}

static void epochs_do_not_wrap(void)
{
	struct ledger ledger = with_a();
	struct peer_row row = *ledger_peer(&ledger, "node-a");

	row.epoch = UINT32_MAX;
	row.changed = ++ledger.version;
	ledger_put_peer(&ledger, &row);
	refused(&ledger, attach_of(1, "node-a", UINT32_MAX, 12, 1), OUTCOME_DENIED);
	refused(&ledger, attach_of(2, "node-b", 0, 21, 1), OUTCOME_DENIED);
	ledger_done(&ledger);
}

static void the_cluster_is_bounded(void)
{
	struct ledger ledger = ledger_of(20);
	struct peer_row row = { .epoch = 1, .status = PEER_ATTACHED, .boot = boot_of(0) };
	struct reply reply;

	for (unsigned i = 0; i < MEMBERS_MAX; i++) {
		snprintf(row.name, sizeof(row.name), "node-%05u", i);
		row.uid = uid_of(i);
		row.changed = ++ledger.version;
		ledger_put_peer(&ledger, &row);
	}
	reply = refused(&ledger, attach_of(20000, "one-more", 0, 1, 1), OUTCOME_DENIED);
	CHECK(says(&reply, "10240"));
	must(&ledger, attach_of(7, "node-00007", 1, 1, 0));
	CHECK_UINT(ledger.n_peers, MEMBERS_MAX);
	ledger_done(&ledger);
}

/* ---- sessions */

static void a_session_is_needed(void)
{
	struct ledger ledger = with_a();
	struct reply reply = refused(&ledger, acquire_of(2, 1, 1, 1), OUTCOME_DENIED);

	CHECK(says(&reply, "attach first"));
	must(&ledger, attach_of(1, "node-a", 1, 12, 1));
	reply = refused(&ledger, acquire_of(1, 1, 2, 1), OUTCOME_OLD);
	CHECK_UINT(reply.epoch, 2);
	refused(&ledger, acquire_of(1, 3, 2, 1), OUTCOME_OLD);
	refused(&ledger, acquire_of(1, 2, 0, 1), OUTCOME_OLD);
	must(&ledger, acquire_of(1, 2, 5, 1));
	refused(&ledger, acquire_of(1, 2, 4, 1), OUTCOME_OLD);
	ledger_done(&ledger);
}

static void a_repeat_gets_the_same_answer(void)
{
	struct ledger ledger = with_a();
	struct reply first = must(&ledger, acquire_of(1, 1, 2, 3));
	struct reply again = refused(&ledger, acquire_of(1, 1, 2, 3), OUTCOME_OK);

	CHECK_UINT(again.n_blocks, 3);
	CHECK_MEM(again.blocks, first.blocks, sizeof(first.blocks));
	CHECK_UINT(again.epoch, 1);
	CHECK(says(&again, "done already"));
	CHECK_UINT(owned_by(&ledger, 1), 5);
	/* Also another command under the same seq: the seq names it. */
	refused(&ledger, release_of(1, 1, 2, first.blocks[0]), OUTCOME_OK);
	CHECK_UINT(owned_by(&ledger, 1), 5);
	ledger_done(&ledger);
}

static void who_left_or_was_fenced_commands_no_more(void)
{
	struct ledger ledger = with_a();
	struct reply reply;

	must(&ledger, command_of(1, 1, 2, COMMAND_LEAVE));
	reply = refused(&ledger, command_of(1, 1, 2, COMMAND_LEAVE), OUTCOME_OK);
	reply = refused(&ledger, acquire_of(1, 1, 3, 1), OUTCOME_FENCED);
	CHECK(says(&reply, "has left"));
	set_status(&ledger, "node-a", PEER_FENCED);
	reply = refused(&ledger, acquire_of(1, 1, 3, 1), OUTCOME_FENCED);
	CHECK(says(&reply, "declared dead"));
	ledger_done(&ledger);
}

static void an_unknown_command_is_denied(void)
{
	struct ledger ledger = with_a();

	refused(&ledger, command_of(1, 1, 2, COMMAND_UNKNOWN), OUTCOME_DENIED);
	ledger_done(&ledger);
}

/* ---- ACQUIRE */

static void acquire_when_nothing_is_left(void)
{
	struct ledger ledger = ledger_of(24);
	struct reply reply;

	must(&ledger, attach_of(1, "node-a", 0, 11, 1));
	must(&ledger, attach_of(2, "node-b", 0, 21, 1));
	must(&ledger, acquire_of(1, 1, 1, 1));
	reply = must(&ledger, acquire_of(1, 1, 2, 8));
	CHECK_UINT(reply.n_blocks, 3);
	CHECK(says(&reply, "no more are free"));
	reply = apply(&ledger, acquire_of(2, 1, 1, 1), true); /* it acts: the seq is spent */
	CHECK_INT(reply.outcome, OUTCOME_NO_SPACE);
	CHECK_UINT(reply.retry_ms, 5000);
	CHECK(says(&reply, "4 of 4 are owned"));
	must(&ledger, release_of(1, 1, 3, 0));
	must(&ledger, thaw_of(1, 0));
	reply = refused(&ledger, acquire_of(2, 1, 1, 1), OUTCOME_NO_SPACE);
	CHECK_UINT(reply.n_blocks, 0);
	CHECK(says(&reply, "no block was free when it was asked for"));
	CHECK_UINT(reply.retry_ms, 5000);
	must(&ledger, acquire_of(2, 1, 2, 1));
	check_ledger(&ledger);
	ledger_done(&ledger);
}

static void acquire_is_bounded(void)
{
	struct ledger ledger = ledger_of(14);
	uint64_t seq = 0;
	struct reply reply;

	must(&ledger, attach_of(1, "node-a", 0, 11, 1));
	reply = apply(&ledger, acquire_of(1, 1, ++seq, 0), true);
	CHECK_INT(reply.outcome, OUTCOME_DENIED);
	for (int i = 0; i < 15; i++)
		CHECK_UINT(must(&ledger, acquire_of(1, 1, ++seq, 99)).n_blocks, GRANT_BLOCKS_MAX);
	CHECK_UINT(must(&ledger, acquire_of(1, 1, ++seq, 15)).n_blocks, 15);
	reply = must(&ledger, acquire_of(1, 1, ++seq, 16));
	CHECK_UINT(reply.n_blocks, 1);
	CHECK(says(&reply, "one node may own 256"));
	reply = apply(&ledger, acquire_of(1, 1, ++seq, 1), true);
	CHECK_INT(reply.outcome, OUTCOME_DENIED);
	CHECK_UINT(owned_by(&ledger, 1), OWN_BLOCKS_MAX);
	ledger_done(&ledger);
}

static void the_first_grant_is_a_fair_share(void)
{
	struct ledger ledger = ledger_of(20); /* 64 blocks */
	struct command command = acquire_of(1, 1, 1, 16);
	struct reply reply;

	must(&ledger, attach_of(1, "node-a", 0, 11, 1));
	command.observed.members = 10; /* 64 / 15 */
	reply = must(&ledger, command);
	CHECK_UINT(reply.n_blocks, 4);
	CHECK(says(&reply, "fair share of 10 nodes"));
	command = acquire_of(1, 1, 2, 16); /* who has proven to need it is not held to it */
	command.observed.members = 10;
	CHECK_UINT(must(&ledger, command).n_blocks, 16);
	must(&ledger, attach_of(2, "node-b", 0, 21, 1));
	command = acquire_of(2, 1, 1, 16);
	command.observed.members = 100000; /* never less than one */
	CHECK_UINT(must(&ledger, command).n_blocks, 1);
	ledger_done(&ledger);
}

static void release_frees_own_blocks_alone(void)
{
	struct ledger ledger = with_a();
	struct command command;
	uint32_t mine, other;

	must(&ledger, attach_of(2, "node-b", 0, 21, 1));
	other = must(&ledger, acquire_of(2, 1, 1, 1)).blocks[0];
	mine = must(&ledger, acquire_of(1, 1, 2, 1)).blocks[0];
	command = release_of(1, 1, 3, mine);
	command.blocks.block[command.blocks.n++] = mine;
	command.blocks.block[command.blocks.n++] = other;
	command.blocks.block[command.blocks.n++] = 9999;
	must(&ledger, command);
	CHECK_INT(ledger.blocks[mine].state, BLOCK_COOLING);
	CHECK(uid_is_zero(&ledger.blocks[mine].owner));
	CHECK_INT(ledger.blocks[other].state, BLOCK_OWNED);
	CHECK_UINT(owned_by(&ledger, 1), 2);
	check_ledger(&ledger);
	ledger_done(&ledger);
}

static void leave_cools_everything(void)
{
	struct ledger ledger = with_a();
	uint32_t cooling = 0;

	must(&ledger, command_of(1, 1, 2, COMMAND_LEAVE));
	for (uint32_t i = 0; i < ledger.n_blocks; i++)
		cooling += ledger.blocks[i].state == BLOCK_COOLING;
	CHECK_UINT(cooling, 2);
	CHECK_INT(ledger_peer(&ledger, "node-a")->status, PEER_LEFT);
	check_ledger(&ledger);
	ledger_done(&ledger);
}

static void thaw_is_for_keepers_that_saw_it_cool(void)
{
	struct ledger ledger = with_a();
	struct command command;
	uint32_t block = must(&ledger, acquire_of(1, 1, 2, 1)).blocks[0];

	refused(&ledger, thaw_of(1, block), OUTCOME_OK); /* owned: nothing to thaw */
	must(&ledger, release_of(1, 1, 3, block));
	refused(&ledger, thaw_of(2, block), OUTCOME_DENIED);
	command = thaw_of(1, block);
	command.observed.cooled = false;
	refused(&ledger, command, OUTCOME_DENIED);
	CHECK_INT(ledger.blocks[block].state, BLOCK_COOLING);
	command = thaw_of(1, 9999);
	command.blocks.block[command.blocks.n++] = block;
	command.blocks.block[command.blocks.n++] = block;
	must(&ledger, command);
	CHECK_INT(ledger.blocks[block].state, BLOCK_FREE);
	refused(&ledger, thaw_of(1, block), OUTCOME_OK);
	check_ledger(&ledger);
	ledger_done(&ledger);
}

static void weak_until_somebody_owned_it(void)
{
	struct ledger ledger = with_a();
	struct block_row row = { .state = BLOCK_COOLING, .weak = true };

	row.changed = ++ledger.version;
	ledger_put_block(&ledger, 40, &row);
	must(&ledger, thaw_of(1, 40));
	CHECK(ledger.blocks[40].state == BLOCK_FREE && ledger.blocks[40].weak);
	row = (struct block_row){ .state = BLOCK_OWNED, .owner = uid_of(1) };
	row.changed = ++ledger.version;
	ledger_put_block(&ledger, 40, &row);
	must(&ledger, release_of(1, 1, 3, 40));
	CHECK(ledger.blocks[40].state == BLOCK_COOLING && !ledger.blocks[40].weak);
	ledger_done(&ledger);
}

int main(void)
{
	RUN(attach_none);
	RUN(attach_same_uid_same_boot);
	RUN(attach_reboot_at_the_same_endpoint);
	RUN(attach_reboot_elsewhere_or_a_clone);
	RUN(attach_same_host_other_port_is_elsewhere);
	RUN(attach_unknown_endpoints_are_not_the_same);
	RUN(attach_after_leaving);
	RUN(attach_fenced_same_uid);
	RUN(attach_other_uid_left);
	RUN(attach_other_uid_attached);
	RUN(attach_other_uid_same_machine);
	RUN(attach_compares_the_epoch);
	RUN(attach_again_is_answered_again);
	RUN(attach_under_a_second_name);
	RUN(attach_needs_a_name_and_an_identity);
	RUN(no_session_comes_twice);
	RUN(no_session_comes_twice_by_taking_a_name);
	RUN(epochs_do_not_wrap);
	RUN(the_cluster_is_bounded);
	RUN(a_session_is_needed);
	RUN(a_repeat_gets_the_same_answer);
	RUN(who_left_or_was_fenced_commands_no_more);
	RUN(an_unknown_command_is_denied);
	RUN(acquire_when_nothing_is_left);
	RUN(acquire_is_bounded);
	RUN(the_first_grant_is_a_fair_share);
	RUN(release_frees_own_blocks_alone);
	RUN(leave_cools_everything);
	RUN(thaw_is_for_keepers_that_saw_it_cool);
	RUN(weak_until_somebody_owned_it);
	return check_report();
}
