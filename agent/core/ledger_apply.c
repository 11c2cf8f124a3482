/*
 * The law. One function changes the ledger, and it reads nothing but the ledger
 * and the command with the proposing keeper's stamp. The Promela model beside it abstracts this
 * file: one branch of its ledger() per command here, CUR() is session_is_current(), EPOK() and
 * SEQOK() are the comparisons in it.
 *
 * A command acts once, however often it comes and whatever its outcome: its seq and its reply stay
 * in the row, and a smaller seq or another epoch is OLD. The exceptions carry their own guard:
 * ATTACH compares the epoch it read, THAW asks for the keeper's own observation.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "core/ledger.h"
#include "core/ledger_choose.h"
#include "core/ledger_rows.h"

enum { NAME_SHOWN = 64, UID_SHOWN = 4, BINDING_PARTS = 3 };

static void say(struct reply *reply, enum outcome outcome, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct reply *reply, enum outcome outcome, const char *format, ...)
{
	va_list args;

	reply->outcome = outcome;
	va_start(args, format);
	(void)vsnprintf(reply->text, sizeof(reply->text), format, args);
	va_end(args);
}

/* For names only: everything after the terminator is zero, so that equal texts are equal bytes. */
static void copy_text(char *to, const char *from, size_t room)
{
	size_t len = strnlen(from, room - 1);

	memcpy(to, from, len);
	memset(to + len, 0, room - len);
}

/* ---- ATTACH */

enum attach_verdict {
	ATTACH_NEW,      /* no row of this name */
	ATTACH_CONTINUE, /* same uid: keeps its blocks */
	ATTACH_TAKE,     /* another uid that has left: a new row in its place */
	ATTACH_CLONE,    /* same uid, may be running elsewhere */
	ATTACH_IN_USE,   /* another uid has the name */
};

static enum attach_verdict judge_attach(const struct peer_row *row, const struct command *command)
{
	if (!row)
		return ATTACH_NEW;
	if (!uid_eq(&row->uid, &command->uid))
		return row->status == PEER_LEFT ? ATTACH_TAKE : ATTACH_IN_USE;
	if (row->status == PEER_LEFT || boot_eq(&row->boot, &command->attach.boot))
		return ATTACH_CONTINUE;
	/* Another boot: the pods of the old one are dead if this is the same machine. */
	if (row->endpoint.ip_len > 0 && endpoint_eq(&row->endpoint, &command->observed.endpoint))
		return ATTACH_CONTINUE;
	if (command->observed.not_alive_s >= LEDGER_REPLACE_AFTER_S)
		return ATTACH_CONTINUE;
	return ATTACH_CLONE;
}

static bool same_machine(const struct peer_row *row, const struct attach *attach)
{
	int same = 0;

	if (row->node_ref[0] && strcmp(row->node_ref, attach->node_ref) == 0)
		return true;
	for (int i = 0; i < BINDING_PARTS; i++)
		same += memcmp(row->binding.part[i], attach->binding.part[i],
			       sizeof(row->binding.part[i])) == 0;
	return same >= 2;
}

static void deny_attach(const struct peer_row *row, const struct command *command,
			enum attach_verdict verdict, struct reply *reply)
{
	char at[TEXT_ENDPOINT_MAX], uid[2 * UID_SHOWN + 1];

	text_endpoint(at, row->endpoint.ip, row->endpoint.ip_len, row->endpoint.port);
	text_hex(uid, row->uid.b, UID_SHOWN);
	if (verdict == ATTACH_CLONE)
		say(reply, OUTCOME_DENIED,
		    "%.*s is already running at %s with this identity -> stop one of the two; a "
		    "cloned disk needs its identity file removed",
		    NAME_SHOWN, row->name, at);
	else if (same_machine(row, &command->attach))
		say(reply, OUTCOME_DENIED,
		    "%.*s at %s is this machine with an earlier identity (%s) -> start with "
		    "another --name",
		    NAME_SHOWN, row->name, at, uid);
	else
		say(reply, OUTCOME_DENIED,
		    "the name %.*s is in use by the node at %s (identity %s) -> start with another "
		    "--name, or let that node leave",
		    NAME_SHOWN, row->name, at, uid);
	reply->retry_ms = LEDGER_DENIED_RETRY_MS;
}

/* (uid, epoch) must name a session for ever: a command that was under way for long knows no name.
 * Within a row epochs rise. A uid whose row was taken by another has left no trace but the raised
 * epoch of that row, so whoever comes to a row that was not its own begins above all of them. That
 * is 1 as long as no row was ever taken or attached again. */
static uint32_t next_epoch(const struct ledger *ledger, const struct peer_row *row,
			   const struct uid *uid)
{
	uint32_t highest = 0;

	if (row && uid_eq(&row->uid, uid))
		return row->epoch + 1;
	for (size_t i = 0; i < ledger->n_peers; i++)
		if (ledger->peers[i].epoch > highest)
			highest = ledger->peers[i].epoch;
	return row || highest > 1 ? highest + 1 : 1;
}

static void name_own_blocks(const struct ledger *ledger, const struct uid *uid, struct reply *reply)
{
	for (uint32_t i = 0; i < ledger->n_blocks && reply->n_blocks < GRANT_BLOCKS_MAX; i++)
		if (ledger_block_is_of(&ledger->blocks[i], uid))
			reply->blocks[reply->n_blocks++] = i;
}

static void attach(struct ledger *ledger, const struct peer_row *row, const struct command *command,
		   struct reply *reply)
{
	const struct attach *attach = &command->attach;
	struct peer_row next = {
		.uid = command->uid,
		.epoch = next_epoch(ledger, row, &command->uid),
		.status = PEER_ATTACHED,
		.boot = attach->boot,
		.binding = attach->binding,
		.last_reply.outcome = OUTCOME_OK,
		.nonce = attach->nonce,
		.changed = ++ledger->version,
		.endpoint = command->observed.endpoint,
	};

	copy_text(next.name, attach->name, sizeof(next.name));
	copy_text(next.node_ref, attach->node_ref, sizeof(next.node_ref));
	ledger_put_peer(ledger, &next);
	reply->outcome = OUTCOME_OK;
	reply->epoch = next.epoch;
	name_own_blocks(ledger, &command->uid, reply);
}

/* The reply was lost and the ATTACH came again: its session is the current one. */
static bool is_attached_already(const struct peer_row *row, const struct command *command)
{
	return row && uid_eq(&row->uid, &command->uid) && row->status == PEER_ATTACHED &&
	       row->nonce == command->attach.nonce && row->epoch == command->attach.epoch_read + 1;
}

/* What refuses an ATTACH whatever the table says. */
static bool may_not_attach(const struct ledger *ledger, const struct peer_row *row,
			   const struct command *command, struct reply *reply)
{
	const struct peer_row *other = ledger_peer_by_uid(ledger, &command->uid);

	if (command->attach.name[0] == '\0' || uid_is_zero(&command->uid))
		say(reply, OUTCOME_DENIED, "a node without a name or an identity -> not attached");
	else if (other && other != row)
		say(reply, OUTCOME_DENIED,
		    "this node's identity belongs to the name %.*s -> start with that --name; "
		    "without its identity file it joins as a new node",
		    2 * NAME_SHOWN, other->name);
	else if (!row && ledger->n_peers >= MEMBERS_MAX)
		say(reply, OUTCOME_DENIED,
		    "the cluster knows %d names, no more fit -> not attached", MEMBERS_MAX);
	else if (next_epoch(ledger, row, &command->uid) == 0)
		say(reply, OUTCOME_DENIED, "the last session number is used up -> not attached");
	else
		return false;
	reply->retry_ms = LEDGER_DENIED_RETRY_MS;
	return true;
}

static bool apply_attach(struct ledger *ledger, const struct command *command, struct reply *reply)
{
	const struct peer_row *row = ledger_peer(ledger, command->attach.name);
	enum attach_verdict verdict;
	bool changed = false;

	reply->epoch = row ? row->epoch : 0;
	if (is_attached_already(row, command)) {
		reply->outcome = OUTCOME_OK;
		name_own_blocks(ledger, &command->uid, reply);
		return false;
	}
	if (reply->epoch != command->attach.epoch_read) {
		say(reply, OUTCOME_OLD, "attach read epoch %u, the ledger has %u -> read again",
		    command->attach.epoch_read, reply->epoch);
		return false;
	}
	if (may_not_attach(ledger, row, command, reply))
		return false;
	verdict = judge_attach(row, command);
	switch (verdict) {
	case ATTACH_NEW:
	case ATTACH_CONTINUE:
	case ATTACH_TAKE:
		attach(ledger, row, command, reply);
		changed = true;
		break;
	case ATTACH_CLONE:
	case ATTACH_IN_USE:
		deny_attach(row, command, verdict, reply);
		break;
	}
	return changed;
}

/* ---- commands of a session: the ledger's version is raised, `row` is the session's next row */

static void set_block(struct ledger *ledger, uint32_t block, enum block_state state,
		      const struct uid *owner)
{
	struct block_row row = { .state = state, .changed = ledger->version };

	if (owner)
		row.owner = *owner;
	else
		row.weak = ledger->blocks[block].weak;
	ledger_put_block(ledger, block, &row);
}

static uint32_t count_blocks(const struct ledger *ledger, enum block_state state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ledger->n_blocks; i++)
		n += ledger->blocks[i].state == state;
	return n;
}

/* How many blocks this ACQUIRE may give at most; the sentence says which bound it was. */
static size_t acquire_bound(const struct ledger_chooser *chooser, uint32_t count,
			    struct reply *reply)
{
	size_t most = count;
	size_t room = OWN_BLOCKS_MAX - chooser->n_own;
	uint32_t share = ledger_fair_share(chooser->ledger, chooser->members);

	if (most > GRANT_BLOCKS_MAX) {
		most = GRANT_BLOCKS_MAX;
		say(reply, OUTCOME_OK, "%u blocks asked for -> %zu, the most at a time", count,
		    most);
	}
	if (most > room) {
		most = room;
		say(reply, OUTCOME_OK, "%u blocks asked for -> %zu: one node may own %d", count,
		    most, OWN_BLOCKS_MAX);
	}
	if (chooser->n_own == 0 && most > share) {
		most = share;
		say(reply, OUTCOME_OK, "%u blocks asked for -> %zu, the fair share of %u nodes",
		    count, most, chooser->members);
	}
	return most;
}

static void say_no_space(const struct ledger *ledger, struct reply *reply)
{
	say(reply, OUTCOME_NO_SPACE,
	    "no free block: %u of %u are owned, %u cool -> wait for a node to release one or to "
	    "leave, or use a larger range",
	    count_blocks(ledger, BLOCK_OWNED), ledger->n_blocks,
	    count_blocks(ledger, BLOCK_COOLING));
	reply->retry_ms = LEDGER_NO_SPACE_RETRY_MS;
}

static void grant(struct ledger *ledger, const struct uid *uid, uint32_t block, struct reply *reply)
{
	set_block(ledger, block, BLOCK_OWNED, uid);
	reply->blocks[reply->n_blocks++] = block;
	reply->outcome = OUTCOME_OK;
}

static void acquire(struct ledger *ledger, const struct command *command, struct reply *reply)
{
	const struct acquire *acquire = &command->acquire;
	struct ledger_chooser chooser;
	size_t most;
	uint32_t block;

	ledger_chooser_init(&chooser, ledger, &command->uid, command->observed.members);
	most = acquire_bound(&chooser, acquire->count, reply);
	while (reply->n_blocks < most && ledger_choose(&chooser, most - reply->n_blocks, &block))
		grant(ledger, &command->uid, block, reply);
	if (acquire->count == 0)
		say(reply, OUTCOME_DENIED, "no block asked for -> none granted");
	else if (most == 0)
		reply->outcome = OUTCOME_DENIED;
	else if (reply->n_blocks == 0)
		say_no_space(ledger, reply);
	else if (reply->n_blocks < most)
		say(reply, OUTCOME_OK, "%u blocks asked for -> %zu, no more are free",
		    acquire->count, reply->n_blocks);
}

/* What is not the sender's is passed over: "not mine any more" holds for it already. */
static void release(struct ledger *ledger, const struct command *command, struct reply *reply)
{
	size_t released = 0;

	for (size_t i = 0; i < command->blocks.n; i++) {
		uint32_t block = command->blocks.block[i];

		if (block >= ledger->n_blocks ||
		    !ledger_block_is_of(&ledger->blocks[block], &command->uid))
			continue;
		set_block(ledger, block, BLOCK_COOLING, NULL);
		released++;
	}
	reply->outcome = OUTCOME_OK;
	if (released < command->blocks.n)
		say(reply, OUTCOME_OK, "%zu blocks named, %zu of them its own -> these cool",
		    command->blocks.n, released);
}

static void leave(struct ledger *ledger, const struct uid *uid, struct peer_row *row,
		  struct reply *reply)
{
	row->status = PEER_LEFT;
	for (uint32_t i = 0; i < ledger->n_blocks; i++)
		if (ledger_block_is_of(&ledger->blocks[i], uid))
			set_block(ledger, i, BLOCK_COOLING, NULL);
	reply->outcome = OUTCOME_OK;
}

static void act(struct ledger *ledger, const struct command *command, struct peer_row *row,
		struct reply *reply)
{
	switch (command->op) {
	case COMMAND_ACQUIRE:
		acquire(ledger, command, reply);
		break;
	case COMMAND_RELEASE:
		release(ledger, command, reply);
		break;
	case COMMAND_LEAVE:
		leave(ledger, &command->uid, row, reply);
		break;
	case COMMAND_UNKNOWN:
	case COMMAND_ATTACH:
	case COMMAND_THAW:
		assert(false && "not a command of a session");
	}
}

/* What it was answered then, in words that are true now: a pod may wait for it. */
static void repeat_reply(const struct stored_reply *stored, struct reply *reply)
{
	if (stored->outcome == OUTCOME_OK) {
		say(reply, OUTCOME_OK, "done already -> the ledger shows it");
	} else if (stored->outcome == OUTCOME_NO_SPACE) {
		say(reply, OUTCOME_NO_SPACE, "no block was free when it was asked for -> ask anew");
		reply->retry_ms = LEDGER_NO_SPACE_RETRY_MS;
	} else {
		say(reply, stored->outcome, "denied when it was asked for -> nothing granted");
	}
	reply->n_blocks = stored->n_blocks;
	memcpy(reply->blocks, stored->blocks, sizeof(reply->blocks));
}

/* Seq 0 is none: last_seq is 0 after ATTACH, whose reply must not answer another command. */
static bool session_is_current(const struct peer_row *row, const struct command *command,
			       struct reply *reply)
{
	if (!row) {
		say(reply, OUTCOME_DENIED, "the ledger does not know this node -> attach first");
		return false;
	}
	reply->epoch = row->epoch;
	if (command->epoch != row->epoch)
		say(reply, OUTCOME_OLD,
		    "session %u of %.*s is over, the ledger has %u -> nothing done", command->epoch,
		    NAME_SHOWN, row->name, row->epoch);
	else if (command->seq == 0 || command->seq < row->last_seq)
		say(reply, OUTCOME_OLD, "command %llu came after command %llu -> nothing done",
		    (unsigned long long)command->seq, (unsigned long long)row->last_seq);
	else if (command->seq == row->last_seq)
		repeat_reply(&row->last_reply, reply);
	else if (row->status != PEER_ATTACHED)
		say(reply, OUTCOME_FENCED, "%.*s %s -> attach again", NAME_SHOWN, row->name,
		    row->status == PEER_LEFT ? "has left the cluster"
					     : "was declared dead and its session ended");
	else
		return true;
	return false;
}

static bool apply_in_session(struct ledger *ledger, const struct command *command,
			     struct reply *reply)
{
	const struct peer_row *row = ledger_peer_by_uid(ledger, &command->uid);
	struct peer_row next;

	if (!session_is_current(row, command, reply))
		return false;
	next = *row;
	next.changed = ++ledger->version;
	act(ledger, command, &next, reply);
	next.last_seq = command->seq;
	next.last_reply = (struct stored_reply){
		.outcome = reply->outcome,
		.n_blocks = (uint8_t)reply->n_blocks,
	};
	memcpy(next.last_reply.blocks, reply->blocks, sizeof(reply->blocks));
	ledger_put_peer(ledger, &next);
	return true;
}

/* ---- THAW: a keeper's own, outside every session */

static bool may_thaw(const struct ledger *ledger, uint32_t block)
{
	return block < ledger->n_blocks && ledger->blocks[block].state == BLOCK_COOLING;
}

static bool apply_thaw(struct ledger *ledger, const struct command *command, struct reply *reply)
{
	const struct block_list *list = &command->blocks;
	bool any = false;

	if (!ledger_is_keeper(ledger, &command->uid) || !command->observed.cooled) {
		say(reply, OUTCOME_DENIED, "only a keeper that saw a block cool may free it");
		return false;
	}
	reply->outcome = OUTCOME_OK;
	for (size_t i = 0; i < list->n; i++)
		any = any || may_thaw(ledger, list->block[i]);
	if (!any)
		return false;
	ledger->version++;
	for (size_t i = 0; i < list->n; i++)
		if (may_thaw(ledger, list->block[i]))
			set_block(ledger, list->block[i], BLOCK_FREE, NULL);
	return true;
}

bool ledger_apply(struct ledger *ledger, const struct command *command, struct reply *reply)
{
	bool changed = false;

	assert(ledger->version > 0);
	*reply = (struct reply){
		.seq = command->op == COMMAND_ATTACH ? command->attach.nonce : command->seq,
	};
	switch (command->op) {
	case COMMAND_ATTACH:
		changed = apply_attach(ledger, command, reply);
		break;
	case COMMAND_ACQUIRE:
	case COMMAND_RELEASE:
	case COMMAND_LEAVE:
		changed = apply_in_session(ledger, command, reply);
		break;
	case COMMAND_THAW:
		changed = apply_thaw(ledger, command, reply);
		break;
	case COMMAND_UNKNOWN:
		say(reply, OUTCOME_DENIED, "a command that this keeper does not know -> refused");
		break;
	}
	reply->ledger_version = ledger->version;
	return changed;
}
