/*
 * One round at a time: everything that waits is applied to a copy of the value, the copy is made
 * durable, and only then is it shown and are the commands answered. A store that the disk refuses
 * drops the copy. core.c submits commands and carries the answers; acceptor.c knows the log.
 */
#include "core/keeper.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/vec.h"
#include "base/xalloc.h"
#include "core/acceptor.h"
#include "core/keeper_words.h"

enum { TAG_NUMBER_BITS = 56 };

/*
 *   SILENT --keeper.log is good--> IDLE <--durable, or refused-- STORING
 *     |                            | ^ |                            ^
 *     found                        | | +------commands wait---------+
 *     v                            | |
 *   FOUNDING --durable-------------|-+      from everywhere: DEAD, which never votes
 *     | ^                          v
 *     v |                        (DEAD)
 *   FOUND_LATER: the disk was full
 */
enum keeper_state {
	KEEPER_SILENT,
	KEEPER_FOUNDING,
	KEEPER_FOUND_LATER,
	KEEPER_IDLE,
	KEEPER_STORING,
	KEEPER_DEAD,
	KEEPER_STATE_COUNT,
};

#define MAY(state) (1u << KEEPER_##state)

static const unsigned may_become[KEEPER_STATE_COUNT] = {
	[KEEPER_SILENT] = MAY(FOUNDING) | MAY(IDLE) | MAY(DEAD),
	[KEEPER_FOUNDING] = MAY(FOUND_LATER) | MAY(IDLE) | MAY(DEAD),
	[KEEPER_FOUND_LATER] = MAY(FOUNDING) | MAY(DEAD),
	[KEEPER_IDLE] = MAY(STORING) | MAY(DEAD),
	[KEEPER_STORING] = MAY(IDLE) | MAY(DEAD),
	[KEEPER_DEAD] = 0,
};

struct job { /* a command from submit to answer */
	uint32_t link;
	bool gone;  /* nobody waits for the answer */
	bool acted; /* it made a new version */
	struct command command;
	struct reply reply;
};

struct jobs {
	size_t n, cap;
	struct job *items; /* owned */
};

struct cooling { /* a block that cools, as this keeper saw it begin */
	uint32_t block;
	uint64_t changed; /* if the row has another, it is another cooling, or over */
	struct instant until;
};

struct keeper {
	enum keeper_state state;
	struct uid uid;
	struct acceptor acceptor;
	uint64_t n_stores;

	struct jobs waiting;
	/* The round: one ballot, one copy of the value with everything applied. */
	struct jobs round;
	struct ledger next;
	struct ballot ballot;
	struct keeper_votes votes;
	size_t n_thawed; /* blocks that this round makes FREE */
	uint32_t first_thawed;

	size_t n_answers, cap_answers;
	struct keeper_reply *answers; /* owned; since the core last took them */

	size_t n_cooling, cap_cooling;
	struct cooling *cooling;   /* owned; in order of `until`; the first is never outdated */
	struct instant not_before; /* no store of our own accord before this: the disk was full */
};

static void become(struct keeper *keeper, enum keeper_state next)
{
	assert(may_become[keeper->state] & (1u << next));
	keeper->state = next;
}

struct keeper *keeper_new(void)
{
	struct keeper *keeper = xcalloc(1, sizeof(*keeper));

	keeper->state = KEEPER_SILENT;
	keeper->not_before.ms = INT64_MIN;
	acceptor_init(&keeper->acceptor);
	ledger_init(&keeper->next);
	return keeper;
}

void keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	acceptor_done(&keeper->acceptor);
	ledger_done(&keeper->next);
	free(keeper->waiting.items);
	free(keeper->round.items);
	free(keeper->answers);
	free(keeper->cooling);
	free(keeper);
}

bool keeper_votes(const struct keeper *keeper)
{
	return keeper->state == KEEPER_IDLE || keeper->state == KEEPER_STORING;
}

uint64_t keeper_id(const struct keeper *keeper)
{
	return keeper->acceptor.id;
}

const struct ledger *keeper_value(const struct keeper *keeper)
{
	return &keeper->acceptor.value;
}

/* ---- need() */

static bool has_voted(const struct keeper_votes *votes, const struct uid *uid, uint64_t id)
{
	for (size_t i = 0; i < votes->n; i++)
		if (votes->by[i].id == id && uid_eq(&votes->by[i].uid, uid))
			return true;
	return false;
}

static bool majority(size_t n, const struct uid *uids, const uint64_t *ids,
		     const struct keeper_votes *votes)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += has_voted(votes, &uids[i], ids[i]);
	return 2 * count > n;
}

bool keeper_need(const struct ledger_config *config, const struct keeper_votes *votes)
{
	if (!majority(config->n_keepers, config->keeper_uid, config->keeper_id, votes))
		return false;
	/* No next keepers written down: as many as there are, the config is stable. */
	return config->n_next == 0 ||
	       majority(config->n_next, config->next_uid, config->next_id, votes);
}

static void vote(struct keeper_votes *votes, const struct uid *uid, uint64_t id)
{
	if (!has_voted(votes, uid, id))
		votes->by[votes->n++] = (struct keeper_vote){ .uid = *uid, .id = id };
}

/* ---- answers */

static void add_answer(struct keeper *keeper, const struct job *job)
{
	if (job->gone)
		return;
	keeper->answers = vec_reserve(keeper->answers, &keeper->cap_answers, keeper->n_answers + 1,
				      sizeof(*keeper->answers));
	keeper->answers[keeper->n_answers++] = (struct keeper_reply){
		.link = job->link,
		.uid = job->command.uid,
		.reply = job->reply,
	};
}

static void give_answers(struct keeper *keeper, struct out *out, struct keeper_chosen *ret)
{
	if (keeper->n_answers == 0)
		return;
	ret->n_replies = keeper->n_answers;
	ret->replies = out_alloc(out, keeper->n_answers * sizeof(*ret->replies));
	memcpy(ret->replies, keeper->answers, keeper->n_answers * sizeof(*ret->replies));
	keeper->n_answers = 0;
}

void keeper_answered(struct keeper *keeper, struct out *out, struct keeper_chosen *ret)
{
	*ret = (struct keeper_chosen){ 0 };
	give_answers(keeper, out, ret);
}

/* Answer without having acted. */
static void refuse(struct keeper *keeper, struct jobs *jobs, enum outcome outcome, const char *text)
{
	for (size_t i = 0; i < jobs->n; i++) {
		struct job *job = &jobs->items[i];
		const struct command *command = &job->command;
		size_t len = strnlen(text, TEXT_LEN_MAX);

		job->reply = (struct reply){ .outcome = outcome, .retry_ms = KEEPER_RETRY_MS };
		job->reply.seq = command->op == COMMAND_ATTACH ? command->attach.nonce
							       : command->seq;
		job->reply.ledger_version = keeper_value(keeper)->version;
		memcpy(job->reply.text, text, len);
		add_answer(keeper, job);
	}
	jobs->n = 0;
}

static const char not_voting[] =
	"this node is not a keeper that may vote -> ask another; owned blocks go on serving";

/* ---- what cools */

static bool still_cools(const struct ledger *ledger, const struct cooling *cooling)
{
	const struct block_row *row = &ledger->blocks[cooling->block];

	return row->state == BLOCK_COOLING && row->changed == cooling->changed;
}

static void forget_cooled(struct keeper *keeper)
{
	size_t n = 0;

	while (n < keeper->n_cooling && !still_cools(keeper_value(keeper), &keeper->cooling[n]))
		n++;
	keeper->n_cooling -= n;
	if (n > 0)
		memmove(keeper->cooling, keeper->cooling + n,
			keeper->n_cooling * sizeof(*keeper->cooling));
}

/* Blocks that began to cool after this version cool from now on. */
static void note_cooling(struct keeper *keeper, uint64_t after, struct instant now)
{
	const struct ledger *value = keeper_value(keeper);

	for (uint32_t i = 0; i < value->n_blocks; i++) {
		if (value->blocks[i].state != BLOCK_COOLING || value->blocks[i].changed <= after)
			continue;
		keeper->cooling = vec_reserve(keeper->cooling, &keeper->cap_cooling,
					      keeper->n_cooling + 1, sizeof(*keeper->cooling));
		keeper->cooling[keeper->n_cooling++] = (struct cooling){
			.block = i,
			.changed = value->blocks[i].changed,
			.until = instant_add_ms(now, KEEPER_COOL_MS),
		};
	}
}

static bool has_cooled(const struct keeper *keeper, struct instant now)
{
	return keeper->n_cooling > 0 && instant_reached(now, keeper->cooling[0].until) &&
	       instant_reached(now, keeper->not_before);
}

static void thaw(struct keeper *keeper, const struct command *command)
{
	struct reply reply;

	if (command->blocks.n == 0 || !ledger_apply(&keeper->next, command, &reply))
		return;
	if (keeper->n_thawed == 0)
		keeper->first_thawed = command->blocks.block[0];
	keeper->n_thawed += command->blocks.n;
}

/* Never queued: whether a block has cooled is true of now, and of this cooling alone. */
static void thaw_cooled(struct keeper *keeper, struct instant now)
{
	struct command command = {
		.uid = keeper->uid,
		.op = COMMAND_THAW,
		.observed.cooled = true,
	};

	for (size_t i = 0; i < keeper->n_cooling; i++) {
		const struct cooling *cooling = &keeper->cooling[i];

		if (!instant_reached(now, cooling->until))
			break;
		if (!still_cools(keeper_value(keeper), cooling))
			continue;
		command.blocks.block[command.blocks.n++] = cooling->block;
		if (command.blocks.n < COMMAND_BLOCKS_MAX)
			continue;
		thaw(keeper, &command);
		command.blocks.n = 0;
	}
	thaw(keeper, &command);
}

/* ---- rounds */

static void store_next(struct keeper *keeper, struct out *out)
{
	keeper->ballot = acceptor_next_ballot(&keeper->acceptor);
	keeper->votes.n = 0;
	keeper->next.proposer = keeper->uid;
	keeper->n_stores++;
	assert(keeper->n_stores < UINT64_C(1) << TAG_NUMBER_BITS);
	acceptor_write(&keeper->acceptor, keeper->ballot, &keeper->next,
		       KEEPER_TAG | keeper->n_stores, out);
}

static void apply_all(struct keeper *keeper)
{
	for (size_t i = 0; i < keeper->round.n; i++) {
		struct job *job = &keeper->round.items[i];

		job->acted = ledger_apply(&keeper->next, &job->command, &job->reply);
	}
}

static void answer_round(struct keeper *keeper, struct out *out)
{
	for (size_t i = 0; i < keeper->round.n; i++) {
		const struct job *job = &keeper->round.items[i];

		if (job->acted ||
		    (job->command.op == COMMAND_ATTACH && job->reply.outcome == OUTCOME_DENIED))
			keeper_tell(out, keeper_value(keeper), &job->command, &job->reply);
		add_answer(keeper, job);
	}
	keeper->round.n = 0;
}

/* Everything that waits goes into one round; if it changes nothing, it needs no disk. */
static void run(struct keeper *keeper, struct out *out)
{
	struct jobs swapped = keeper->round;

	assert(keeper->state == KEEPER_IDLE && keeper->round.n == 0);
	if (keeper->waiting.n == 0 && !has_cooled(keeper, out->now))
		return;
	keeper->round = keeper->waiting;
	keeper->waiting = swapped;
	ledger_copy(&keeper->next, keeper_value(keeper));
	keeper->n_thawed = 0;
	if (has_cooled(keeper, out->now))
		thaw_cooled(keeper, out->now);
	apply_all(keeper);
	if (keeper->next.version > keeper_value(keeper)->version) {
		become(keeper, KEEPER_STORING);
		store_next(keeper, out);
	} else {
		answer_round(keeper, out);
	}
}

bool keeper_submit(struct keeper *keeper, uint32_t link, const struct command *command,
		   struct out *out)
{
	struct jobs *jobs = &keeper->waiting;
	struct job *job;

	if (jobs->n >= KEEPER_WAITING_MAX)
		return false;
	jobs->items = vec_reserve(jobs->items, &jobs->cap, jobs->n + 1, sizeof(*jobs->items));
	job = &jobs->items[jobs->n++];
	*job = (struct job){ .link = link, .command = *command };
	job->command.observed.cooled = false;
	if (keeper->state == KEEPER_IDLE)
		run(keeper, out);
	else if (!keeper_votes(keeper))
		refuse(keeper, jobs, OUTCOME_NO_MAJORITY, not_voting);
	return true;
}

void keeper_thaw(struct keeper *keeper, struct out *out)
{
	if (keeper->state == KEEPER_IDLE) {
		run(keeper, out);
	} else if (keeper->state == KEEPER_FOUND_LATER &&
		   instant_reached(out->now, keeper->not_before)) {
		become(keeper, KEEPER_FOUNDING);
		store_next(keeper, out);
	}
}

static void forget_link(struct jobs *jobs, uint32_t link)
{
	for (size_t i = 0; i < jobs->n; i++)
		if (jobs->items[i].link == link)
			jobs->items[i].gone = true;
}

void keeper_link_closed(struct keeper *keeper, uint32_t link)
{
	assert(link != 0);
	forget_link(&keeper->waiting, link);
	forget_link(&keeper->round, link);
}

struct instant keeper_deadline(const struct keeper *keeper)
{
	switch (keeper->state) {
	case KEEPER_FOUND_LATER:
		return keeper->not_before;
	case KEEPER_IDLE:
		if (keeper->n_cooling == 0)
			break;
		if (instant_after(keeper->not_before, keeper->cooling[0].until))
			return keeper->not_before;
		return keeper->cooling[0].until;
	case KEEPER_SILENT:
	case KEEPER_FOUNDING:
	case KEEPER_STORING:
	case KEEPER_DEAD:
	case KEEPER_STATE_COUNT:
		break;
	}
	return instant_never();
}

/* ---- stores */

/* Our own acceptance is durable. True: with it the value is chosen. */
static bool accepted(struct keeper *keeper, struct out *out)
{
	uint64_t before = keeper_value(keeper)->version;

	vote(&keeper->votes, &keeper->uid, keeper->acceptor.id);
	if (!keeper_need(&keeper->next.config, &keeper->votes))
		return false;
	acceptor_written(&keeper->acceptor, keeper->ballot, &keeper->next);
	forget_cooled(keeper);
	note_cooling(keeper, before, out->now);
	become(keeper, KEEPER_IDLE);
	if (keeper->n_thawed > 0)
		keeper_tell_thawed(out, keeper_value(keeper), keeper->first_thawed,
				   keeper->n_thawed);
	answer_round(keeper, out);
	return true;
}

static void disk_refused(struct keeper *keeper, const char *text, struct out *out)
{
	const char *busy;

	acceptor_not_written(&keeper->acceptor, keeper->ballot);
	keeper->not_before = instant_add_ms(out->now, KEEPER_RETRY_MS);
	if (keeper->state == KEEPER_FOUNDING) {
		become(keeper, KEEPER_FOUND_LATER);
		out_trace(out, TRACE_ERR, "the cluster cannot be founded: %s -> trying again",
			  text);
		return;
	}
	become(keeper, KEEPER_IDLE);
	out_trace(
		out, TRACE_ERR,
		"the ledger cannot be changed: %s -> %zu commands turned away; owned blocks go on "
		"serving",
		text, keeper->round.n + keeper->waiting.n);
	busy = out_text(out, "the keeper's disk: %s -> try again later", text);
	refuse(keeper, &keeper->round, OUTCOME_BUSY, busy);
	refuse(keeper, &keeper->waiting, OUTCOME_BUSY, busy);
}

/* After a failed sync the kernel may have dropped what it could not write and call the next sync a
 * success (fsyncgate, 2018): what is on disk is unknown until it is read back by a new process. */
static void disk_failed(struct keeper *keeper, const char *text, struct out *out)
{
	become(keeper, KEEPER_DEAD);
	out_add(out, ACTION_DIE)->die = out_text(
		out,
		"keeper.log: %s -> stopping, so that the next start reads what is really there",
		text);
}

bool keeper_stored(struct keeper *keeper, uint64_t tag, int error, const char *text,
		   struct out *out, struct keeper_chosen *ret)
{
	*ret = (struct keeper_chosen){ 0 };
	if (tag >> TAG_NUMBER_BITS != KEEPER_TAG >> TAG_NUMBER_BITS)
		return false;
	assert(tag == (KEEPER_TAG | keeper->n_stores));
	if (keeper->state == KEEPER_DEAD)
		return true;
	assert(keeper->state == KEEPER_STORING || keeper->state == KEEPER_FOUNDING);
	if (error == ENOSPC || error == EDQUOT)
		disk_refused(keeper, text, out);
	else if (error)
		disk_failed(keeper, text, out);
	else
		ret->chosen = accepted(keeper, out);
	if (keeper->state == KEEPER_IDLE)
		run(keeper, out);
	give_answers(keeper, out, ret);
	return true;
}

/* ---- start */

bool keeper_saved(struct keeper *keeper, const struct record_keeper *record)
{
	assert(keeper->state == KEEPER_SILENT);
	return acceptor_read(&keeper->acceptor, record);
}

static bool dead_at_start(struct keeper *keeper, struct out *out, const char *why)
{
	become(keeper, KEEPER_DEAD);
	out_trace(
		out, TRACE_ERR,
		"%s -> this node does not vote; owned blocks go on serving, new ones need a keeper",
		why);
	return false;
}

bool keeper_start(struct keeper *keeper, const struct uid *uid, bool log_lost, struct out *out)
{
	const struct ledger *value = keeper_value(keeper);
	struct keeper_votes alone = { 0 };

	keeper->uid = *uid;
	if (log_lost)
		return dead_at_start(keeper, out, "keeper.log is lost");
	if (keeper->acceptor.contradictory)
		return dead_at_start(keeper, out, "keeper.log contradicts itself");
	if (keeper->acceptor.id == 0)
		return false;
	if (value->version == 0)
		return dead_at_start(keeper, out, "keeper.log holds a promise and no ledger");
	vote(&alone, uid, keeper->acceptor.id);
	if (!keeper_need(&value->config, &alone))
		return dead_at_start(keeper, out,
				     ledger_is_keeper(value, uid)
					     ? "keeper.log belongs to several keepers"
					     : "keeper.log belongs to another node");
	if (value->config.block_len != BLOCK_LEN)
		return dead_at_start(keeper, out, "keeper.log has blocks of another size");
	/* A sole keeper trusts an intact log: what it accepted is chosen. */
	keeper->acceptor.value.proposer = *uid;
	note_cooling(keeper, 0, out->now);
	become(keeper, KEEPER_IDLE);
	out_trace(out, TRACE_INFO,
		  "keeper.log ends at ledger version %llu -> this node is the keeper",
		  (unsigned long long)value->version);
	return true;
}

void keeper_found(struct keeper *keeper, const struct ledger_config *config, const struct uid *uid,
		  struct out *out)
{
	struct ledger_config first = *config;

	if (keeper->state == KEEPER_DEAD) {
		out_trace(
			out, TRACE_ERR,
			"a keeper.log that cannot be trusted is in the way -> no cluster founded; "
			"move it away if there is none to lose");
		return;
	}
	assert(config->n_keepers == 1 && uid_eq(&config->keeper_uid[0], uid));
	assert(keeper->acceptor.id == 0 && keeper_value(keeper)->version == 0);
	keeper->uid = *uid;
	keeper->acceptor.id = config->keeper_id[0];
	first.set_by = acceptor_next_ballot(&keeper->acceptor);
	ledger_found(&keeper->next, &first);
	become(keeper, KEEPER_FOUNDING);
	store_next(keeper, out);
}

void keeper_distrust(struct keeper *keeper, struct out *out)
{
	if (keeper->state == KEEPER_DEAD)
		return;
	become(keeper, KEEPER_DEAD);
	if (keeper->round.n + keeper->waiting.n > 0)
		out_trace(out, TRACE_WARN,
			  "this node may not vote any more -> %zu commands refused",
			  keeper->round.n + keeper->waiting.n);
	refuse(keeper, &keeper->round, OUTCOME_NO_MAJORITY, not_voting);
	refuse(keeper, &keeper->waiting, OUTCOME_NO_MAJORITY, not_voting);
}
