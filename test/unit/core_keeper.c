/* Rounds, answers, thawing and refusals. Logs are in core_acceptor.c. */
#include "keepers.h"

static struct desk *founded(struct disk *disk, uint8_t range_len)
{
	struct desk *desk;

	disk_init(disk);
	desk = desk_new(disk);
	desk_found(desk, range_len);
	desk_stored(desk, 0);
	CHECK(desk->done.chosen);
	return desk;
}

static void end(struct desk *desk)
{
	arena_done(&desk->disk->arena);
	desk_free(desk);
}

/* ---- need() */

static struct keeper_votes votes_of(unsigned n, const unsigned *numbers, uint64_t first_id)
{
	struct keeper_votes votes = { .n = n };

	for (unsigned i = 0; i < n; i++)
		votes.by[i] = (struct keeper_vote){ uid_of(numbers[i]), first_id + numbers[i] };
	return votes;
}

static bool need(const struct ledger_config *config, unsigned n, const unsigned *numbers)
{
	struct keeper_votes votes = votes_of(n, numbers, 1000);

	return keeper_need(config, &votes);
}

static struct ledger_config kept_by(unsigned n, unsigned first_next, unsigned n_next)
{
	struct ledger_config config = { .n_keepers = n, .n_next = n_next };

	for (unsigned i = 0; i < n; i++) {
		config.keeper_uid[i] = uid_of(i + 1);
		config.keeper_id[i] = 1001 + i;
	}
	for (unsigned i = 0; i < n_next; i++) {
		config.next_uid[i] = uid_of(first_next + i);
		config.next_id[i] = 1000 + first_next + i;
	}
	return config;
}

static void a_majority_is_needed(void)
{
	const unsigned who[] = { 1, 2, 3, 4, 5 };
	struct ledger_config config;
	struct keeper_votes twice = { .n = 2 };

	for (unsigned n = 1; n <= 5; n++) {
		config = kept_by(n, 1, n);
		for (unsigned votes = 0; votes <= n; votes++)
			CHECK(need(&config, votes, who) == (votes > n / 2));
	}
	config = kept_by(3, 0, 0); /* no next ones written: stable */
	CHECK(need(&config, 2, who) && !need(&config, 1, who));
	twice.by[0] = twice.by[1] = (struct keeper_vote){ uid_of(1), 1001 };
	CHECK(!keeper_need(&config, &twice));
	config = (struct ledger_config){ 0 };
	CHECK(!need(&config, 5, who));
}

static void while_keepers_change_both_sets_are_needed(void)
{
	struct ledger_config config = kept_by(3, 3, 3); /* 1 2 3 -> 3 4 5 */

	CHECK(!need(&config, 3, (const unsigned[]){ 1, 2, 3 }));
	CHECK(!need(&config, 3, (const unsigned[]){ 3, 4, 5 }));
	CHECK(!need(&config, 2, (const unsigned[]){ 1, 4 }));
	CHECK(need(&config, 3, (const unsigned[]){ 1, 3, 4 }));
	CHECK(need(&config, 4, (const unsigned[]){ 1, 2, 4, 5 }));
}

static void a_vote_counts_under_its_keeper_id(void)
{
	struct ledger_config config = kept_by(1, 1, 1);
	struct keeper_votes votes = votes_of(1, (const unsigned[]){ 1 }, 2000);

	CHECK(!keeper_need(&config, &votes));
}

/* ---- rounds */

static void founding(void)
{
	static struct disk disk;
	struct desk *desk;

	disk_init(&disk);
	desk = desk_new(&disk);
	desk_found(desk, 20);
	CHECK(desk->storing && desk->replace);
	CHECK(!keeper_votes(desk->keeper));
	CHECK_UINT(keeper_value(desk->keeper)->version, 0);
	desk_stored(desk, 0);
	CHECK(desk->done.chosen && keeper_votes(desk->keeper));
	CHECK_UINT(keeper_value(desk->keeper)->version, 1);
	CHECK_UINT(keeper_value(desk->keeper)->config.set_by.n, 1);
	CHECK_UINT(keeper_value(desk->keeper)->config.set_by.keeper, 1001);
	CHECK_UINT(keeper_id(desk->keeper), 1001);
	check_ledger(keeper_value(desk->keeper));
	end(desk);
}

static void answers_wait_for_the_disk(void)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 20);
	struct uid keeper = uid_of(1);

	CHECK(desk_submit(desk, 7, attach_of(2, "node-b", 0, 21, 1)));
	CHECK(desk->storing && !desk->replace);
	CHECK_UINT(desk->done.n_replies, 0);
	CHECK_UINT(keeper_value(desk->keeper)->version, 1);
	desk_stored(desk, 0);
	CHECK(desk->done.chosen);
	REQUIRE(desk->done.n_replies == 1);
	CHECK_UINT(desk->done.replies[0].link, 7);
	CHECK_INT(desk->done.replies[0].reply.outcome, OUTCOME_OK);
	CHECK_UINT(desk->done.replies[0].reply.seq, 21);
	CHECK_UINT(keeper_value(desk->keeper)->version, 2);
	CHECK(uid_eq(&keeper_value(desk->keeper)->proposer, &keeper));
	CHECK(desk_said(desk, "node-b at 192.0.2.2:6785 wants to join -> attached, session 1"));
	end(desk);
}

static void what_waits_is_one_round(void)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 20);
	char name[16];

	desk_submit(desk, 1, attach_of(1, "node-01", 0, 1, 1));
	for (unsigned i = 2; i <= 20; i++) {
		snprintf(name, sizeof(name), "node-%02u", i);
		desk_submit(desk, i, attach_of(i, name, 0, i, 1));
		CHECK_UINT(desk->done.n_replies, 0);
	}
	CHECK_UINT(desk->stores, 2);
	desk_stored(desk, 0);
	CHECK_UINT(desk->done.n_replies, 1);
	CHECK(desk->storing);
	desk_stored(desk, 0);
	CHECK_UINT(desk->done.n_replies, 19);
	for (uint32_t i = 0; i < 19; i++) {
		CHECK_UINT(desk->done.replies[i].link, i + 2);
		CHECK_UINT(desk->done.replies[i].reply.seq, i + 2);
	}
	CHECK(!desk->storing);
	CHECK_UINT(desk->stores, 3);
	CHECK_UINT(keeper_value(desk->keeper)->version, 21);
	check_ledger(keeper_value(desk->keeper));
	end(desk);
}

static void what_changes_nothing_needs_no_disk(void)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 20);
	struct command acquire = acquire_of(1, 1, 1, 2);
	struct reply first, again;
	unsigned stores;

	desk_do(desk, attach_of(1, "node-a", 0, 1, 1));
	first = desk_do(desk, acquire);
	stores = desk->stores;
	again = desk_do(desk, acquire);
	CHECK_MEM(again.blocks, first.blocks, sizeof(first.blocks));
	CHECK_INT(desk_do(desk, attach_of(2, "node-a", 1, 2, 1)).outcome, OUTCOME_DENIED);
	CHECK(desk_said(desk, "node-a at 192.0.2.2:6785 wants to join -> denied: the name"));
	CHECK_INT(desk_do(desk, acquire_of(2, 1, 1, 1)).outcome, OUTCOME_DENIED);
	CHECK_UINT(desk->stores, stores);
	/* Behind a store under way it waits for its turn, not for another store. */
	desk_submit(desk, 3, acquire_of(1, 1, 2, 1));
	desk_submit(desk, 4, acquire_of(1, 1, 2, 1));
	desk_stored(desk, 0);
	CHECK_UINT(desk->done.n_replies, 2);
	CHECK_UINT(desk->done.replies[0].reply.blocks[0], desk->done.replies[1].reply.blocks[0]);
	CHECK_UINT(desk->stores, stores + 1);
	end(desk);
}

static void the_queue_is_bounded(void)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 20);

	desk_submit(desk, 1, attach_of(1, "node-a", 0, 1, 1));
	for (unsigned i = 0; i < KEEPER_WAITING_MAX; i++)
		CHECK(desk_submit(desk, 2, acquire_of(1, 1, i + 1, 1)));
	CHECK(!desk_submit(desk, 2, acquire_of(1, 1, 999, 1)));
	desk_stored(desk, 0);
	CHECK(desk_submit(desk, 2, acquire_of(1, 1, 999, 1)));
	desk_stored(desk, 0);
	CHECK_UINT(desk->done.n_replies, KEEPER_WAITING_MAX);
	CHECK_UINT(keeper_value(desk->keeper)->version, 2 + KEEPER_WAITING_MAX);
	desk_stored(desk, 0);
	end(desk);
}

static void a_closed_link_gets_nothing_but_its_commands_act(void)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 20);

	desk_submit(desk, 5, attach_of(1, "node-a", 0, 1, 1));
	desk_submit(desk, 5, attach_of(2, "node-b", 0, 2, 1));
	desk_submit(desk, 0, attach_of(3, "node-c", 0, 3, 1)); /* our own */
	keeper_link_closed(desk->keeper, 5);
	desk_stored(desk, 0);
	CHECK_UINT(desk->done.n_replies, 0);
	desk_stored(desk, 0);
	REQUIRE(desk->done.n_replies == 1);
	CHECK_UINT(desk->done.replies[0].link, 0);
	CHECK_UINT(keeper_value(desk->keeper)->n_peers, 3);
	end(desk);
}

static void other_stores_are_not_ours(void)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 20);
	struct keeper_chosen chosen;

	CHECK(!keeper_stored(desk->keeper, (UINT64_C(2) << 56) | 1, 0, NULL, &desk->out, &chosen));
	CHECK(!chosen.chosen && chosen.n_replies == 0);
	end(desk);
}

/* ---- disks that refuse, and disks that fail */

static void a_full_disk_refuses(int error)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 20);
	struct ballot before;

	desk_do(desk, attach_of(1, "node-a", 0, 1, 1));
	desk_submit(desk, 3, acquire_of(1, 1, 1, 2));
	before = desk->records[0].accepted;
	desk_submit(desk, 4, attach_of(2, "node-b", 0, 77, 1));
	desk_stored(desk, error);
	CHECK(!desk->done.chosen && !desk->died && !desk->storing);
	REQUIRE(desk->done.n_replies == 2);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(desk->done.replies[i].reply.outcome, OUTCOME_BUSY);
		CHECK(strstr(desk->done.replies[i].reply.text, "something about the disk"));
		CHECK(desk->done.replies[i].reply.retry_ms > 0);
	}
	CHECK_UINT(desk->done.replies[1].reply.seq, 77);
	CHECK_UINT(keeper_value(desk->keeper)->version, 2);
	CHECK(desk_said(desk, "the ledger cannot be changed: keeper.log: something"));
	CHECK(keeper_votes(desk->keeper));
	/* The same command again: it has not acted. The whole file is written anew, as its end is
	 * in doubt, under a ballot of its own. */
	desk_submit(desk, 3, acquire_of(1, 1, 1, 2));
	CHECK(desk->replace && desk->records[0].whole);
	CHECK(ballot_cmp(&desk->records[0].accepted, &before) > 0);
	desk_stored(desk, 0);
	CHECK_INT(desk->done.replies[0].reply.outcome, OUTCOME_OK);
	CHECK_UINT(owned_by(keeper_value(desk->keeper), 1), 2);
	desk_do(desk, acquire_of(1, 1, 2, 1));
	CHECK(!desk->replace);
	end(desk);
}

static void no_space_and_quota_refuse(void)
{
	a_full_disk_refuses(ENOSPC);
	a_full_disk_refuses(EDQUOT);
}

static void any_other_failure_ends_the_process(void)
{
	static const int errors[] = { EIO, EROFS, EBADF, EINVAL };
	static struct disk disk;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct desk *desk = founded(&disk, 20);

		desk_submit(desk, 3, attach_of(1, "node-a", 0, 1, 1));
		desk_stored(desk, errors[i]);
		CHECK(desk->died && !keeper_votes(desk->keeper));
		CHECK_UINT(desk->done.n_replies, 0);
		CHECK_UINT(keeper_value(desk->keeper)->version, 1);
		desk_submit(desk, 3, attach_of(1, "node-a", 0, 1, 1));
		CHECK(!desk->storing);
		end(desk);
	}
}

static void founding_on_a_full_disk_is_tried_again(void)
{
	static struct disk disk;
	struct desk *desk;

	disk_init(&disk);
	desk = desk_new(&disk);
	desk_found(desk, 20);
	desk_stored(desk, ENOSPC);
	CHECK(!desk->done.chosen && !desk->died && !keeper_votes(desk->keeper));
	CHECK(desk_said(desk, "the cluster cannot be founded"));
	CHECK_INT(keeper_deadline(desk->keeper).ms, KEEPER_RETRY_MS);
	desk_thaw(desk);
	CHECK(!desk->storing);
	desk->now.ms = KEEPER_RETRY_MS;
	desk_thaw(desk);
	CHECK(desk->storing && desk->replace);
	CHECK(instant_is_never(keeper_deadline(desk->keeper)));
	desk_stored(desk, 0);
	CHECK(desk->done.chosen && keeper_votes(desk->keeper));
	end(desk);
}

/* ---- cooling */

static enum block_state state_of(const struct desk *desk, uint32_t block)
{
	return keeper_value(desk->keeper)->blocks[block].state;
}

static void blocks_cool_for_thirty_seconds(void)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 20);
	uint32_t block;

	desk->now.ms = 1000;
	desk_do(desk, attach_of(1, "node-a", 0, 1, 1));
	block = desk_do(desk, acquire_of(1, 1, 1, 1)).blocks[0];
	CHECK(instant_is_never(keeper_deadline(desk->keeper)));
	desk_do(desk, release_of(1, 1, 2, block));
	CHECK_INT(keeper_deadline(desk->keeper).ms, 31000);
	desk->now.ms = 30999;
	desk_thaw(desk);
	CHECK(!desk->storing);
	desk->now.ms = 31000;
	desk_thaw(desk);
	CHECK(desk->storing);
	CHECK(instant_is_never(keeper_deadline(desk->keeper)));
	desk_stored(desk, 0);
	CHECK_INT(state_of(desk, block), BLOCK_FREE);
	CHECK(desk_said(desk, "/26 has cooled -> free"));
	CHECK(instant_is_never(keeper_deadline(desk->keeper)));
	desk_thaw(desk);
	CHECK(!desk->storing);
	end(desk);
}

/* A block that node-a had and gave back. */
static uint32_t cooling(struct desk *desk)
{
	uint32_t block;

	desk_do(desk, attach_of(1, "node-a", 0, 1, 1));
	block = desk_do(desk, acquire_of(1, 1, 1, 1)).blocks[0];
	desk_do(desk, release_of(1, 1, 2, block));
	return block;
}

/* The clock is this keeper's own, from when it saw the change: after a restart from the start. */
static void a_new_process_cools_anew(void)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 20), *next;

	(void)cooling(desk);
	next = desk_new(&disk);
	next->now.ms = 29000;
	CHECK(desk_start(next, 1));
	CHECK_INT(keeper_deadline(next->keeper).ms, 59000);
	desk_free(desk);
	end(next);
}

static void leaving_cools_all_and_thaws_all(void)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 14);

	desk_do(desk, attach_of(1, "node-a", 0, 1, 1));
	for (uint64_t seq = 1; seq <= 10; seq++)
		desk_do(desk, acquire_of(1, 1, seq, 16));
	desk_do(desk, command_of(1, 1, 11, COMMAND_LEAVE));
	desk->now.ms = KEEPER_COOL_MS;
	desk_thaw(desk);
	desk_stored(desk, 0);
	CHECK(desk_said(desk, "159 more have cooled -> free"));
	for (uint32_t i = 0; i < 1024; i++)
		CHECK_INT(state_of(desk, i), BLOCK_FREE);
	CHECK(instant_is_never(keeper_deadline(desk->keeper)));
	end(desk);
}

static void a_command_may_have_what_cooled_at_that_moment(void)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 26); /* one block */

	(void)cooling(desk);
	desk_do(desk, attach_of(2, "node-b", 0, 2, 1));
	CHECK_INT(desk_do(desk, acquire_of(2, 1, 1, 1)).outcome, OUTCOME_NO_SPACE);
	desk->now.ms = KEEPER_COOL_MS;
	CHECK_INT(desk_do(desk, acquire_of(2, 1, 2, 1)).outcome, OUTCOME_OK);
	CHECK_UINT(owned_by(keeper_value(desk->keeper), 2), 1);
	/* Released again: it cools again, in full. */
	desk->now.ms += 10;
	desk_do(desk, release_of(2, 1, 3, 0));
	CHECK_INT(keeper_deadline(desk->keeper).ms, 2 * KEEPER_COOL_MS + 10);
	desk->now.ms += KEEPER_COOL_MS - 1;
	desk_thaw(desk);
	CHECK(!desk->storing);
	end(desk);
}

/* Thawed, granted and released again within one round: that it cooled once is over. */
static void one_cooling_is_not_another(void)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 26);

	(void)cooling(desk);
	desk_submit(desk, 3, attach_of(2, "node-b", 0, 2, 1));
	desk_submit(desk, 3, acquire_of(1, 1, 3, 1));
	desk_submit(desk, 3, release_of(1, 1, 4, 0));
	desk->now.ms = KEEPER_COOL_MS;
	desk_stored(desk, 0);
	desk_stored(desk, 0);
	CHECK_INT(state_of(desk, 0), BLOCK_COOLING);
	CHECK_UINT(keeper_value(desk->keeper)->version, 8);
	CHECK_INT(keeper_deadline(desk->keeper).ms, 2 * KEEPER_COOL_MS);
	desk_thaw(desk);
	CHECK(!desk->storing);
	end(desk);
}

static void a_full_disk_delays_thawing(void)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 20);
	uint32_t block = cooling(desk);

	desk->now.ms = KEEPER_COOL_MS;
	desk_thaw(desk);
	desk_stored(desk, ENOSPC);
	CHECK(!desk->storing); /* not again at once: that would spin */
	CHECK_INT(keeper_deadline(desk->keeper).ms, KEEPER_COOL_MS + KEEPER_RETRY_MS);
	desk->now.ms += KEEPER_RETRY_MS;
	desk_thaw(desk);
	desk_stored(desk, 0);
	CHECK_INT(state_of(desk, block), BLOCK_FREE);
	end(desk);
}

/* "Cooled" is what this keeper saw, not what a command says. */
static void nobody_else_thaws(void)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 20);
	uint32_t block = cooling(desk);

	CHECK_INT(desk_do(desk, thaw_of(1, block)).outcome, OUTCOME_DENIED);
	CHECK_INT(state_of(desk, block), BLOCK_COOLING);
	end(desk);
}

/* ---- not voting */

static void who_does_not_vote_says_so(void)
{
	static struct disk disk;
	struct desk *desk;

	disk_init(&disk);
	desk = desk_new(&disk);
	CHECK(!desk_start(desk, 1));
	CHECK_STR(desk->said, ""); /* most nodes are no keepers: nothing to say */
	CHECK_INT(desk_do(desk, attach_of(1, "node-a", 0, 1, 1)).outcome, OUTCOME_NO_MAJORITY);
	CHECK(instant_is_never(keeper_deadline(desk->keeper)));
	CHECK_UINT(keeper_id(desk->keeper), 0);
	end(desk);
}

static void a_distrusted_keeper_is_silent(void)
{
	static struct disk disk;
	struct desk *desk = founded(&disk, 20);

	desk_submit(desk, 3, attach_of(1, "node-a", 0, 1, 1));
	desk_submit(desk, 4, attach_of(2, "node-b", 0, 2, 1));
	desk_step(desk);
	keeper_distrust(desk->keeper, &desk->out);
	keeper_answered(desk->keeper, &desk->out, &desk->done);
	CHECK_UINT(desk->done.n_replies, 2);
	CHECK_INT(desk->done.replies[0].reply.outcome, OUTCOME_NO_MAJORITY);
	desk_stored(desk, 0); /* too late: nobody shows it */
	CHECK(!desk->done.chosen && !keeper_votes(desk->keeper));
	CHECK_UINT(keeper_value(desk->keeper)->version, 1);
	CHECK_INT(desk_do(desk, attach_of(3, "node-c", 0, 3, 1)).outcome, OUTCOME_NO_MAJORITY);
	end(desk);
}

int main(void)
{
	RUN(a_majority_is_needed);
	RUN(while_keepers_change_both_sets_are_needed);
	RUN(a_vote_counts_under_its_keeper_id);
	RUN(founding);
	RUN(answers_wait_for_the_disk);
	RUN(what_waits_is_one_round);
	RUN(what_changes_nothing_needs_no_disk);
	RUN(the_queue_is_bounded);
	RUN(a_closed_link_gets_nothing_but_its_commands_act);
	RUN(other_stores_are_not_ours);
	RUN(no_space_and_quota_refuse);
	RUN(any_other_failure_ends_the_process);
	RUN(founding_on_a_full_disk_is_tried_again);
	RUN(blocks_cool_for_thirty_seconds);
	RUN(a_new_process_cools_anew);
	RUN(leaving_cools_all_and_thaws_all);
	RUN(a_command_may_have_what_cooled_at_that_moment);
	RUN(one_cooling_is_not_another);
	RUN(a_full_disk_delays_thawing);
	RUN(nobody_else_thaws);
	RUN(who_does_not_vote_says_so);
	RUN(a_distrusted_keeper_is_silent);
	return check_report();
}
