/* keeper.log: what is read back is what was chosen, wherever the log ends, and a log that this
 * agent cannot have written is not believed. */
#include "core/acceptor.h"
#include "core/ledger_rows.h"
#include "keepers.h"

/* What every complete value in the log is, by its ballot. */
struct chosen {
	size_t n;
	struct {
		struct ballot ballot;
		uint64_t version, digest;
	} items[DISK_MAX];
};

static void note(struct chosen *chosen, const struct desk *desk, struct ballot ballot)
{
	const struct ledger *value = keeper_value(desk->keeper);

	REQUIRE(chosen->n < DISK_MAX);
	CHECK(chosen->n == 0 || ballot_cmp(&ballot, &chosen->items[chosen->n - 1].ballot) > 0);
	chosen->items[chosen->n].ballot = ballot;
	chosen->items[chosen->n].version = value->version;
	chosen->items[chosen->n++].digest = value->digest;
}

/* Rounds of random commands, some of many at a time, some on a full disk. */
static void live(struct desk *desk, struct history *history, unsigned rounds, unsigned burst,
		 struct chosen *chosen)
{
	for (unsigned i = 0; i < rounds; i++) {
		unsigned n = history_below(history, 4) == 0 ? burst : 1;

		ledger_copy(&history->ledger, keeper_value(desk->keeper));
		for (unsigned j = 0; j < n; j++)
			(void)desk_submit(desk, 3, history_next(history));
		while (desk->storing) {
			struct ballot ballot = desk->records[0].accepted;
			bool full = history_below(history, 80) == 0;

			desk_stored(desk, full ? ENOSPC : 0);
			CHECK(desk->done.chosen == !full);
			if (!full)
				note(chosen, desk, ballot);
		}
		desk->now.ms += history_below(history, 20000);
		desk_thaw(desk);
		if (desk->storing) {
			struct ballot ballot = desk->records[0].accepted;

			desk_stored(desk, 0);
			note(chosen, desk, ballot);
		}
	}
}

static struct desk *founded(struct disk *disk, uint8_t range_len, struct chosen *chosen)
{
	struct desk *desk;

	disk_init(disk);
	desk = desk_new(disk);
	desk_found(desk, range_len);
	desk_stored(desk, 0);
	chosen->n = 0;
	note(chosen, desk, desk->records[0].accepted);
	return desk;
}

/* The newest value whose last record is among the first n. */
static void expect_prefix(const struct disk *disk, size_t n, const struct chosen *chosen,
			  const struct ledger *found)
{
	struct ballot newest = { 0 };

	for (size_t i = 0; i < n; i++)
		if (disk->records[i].last)
			newest = disk->records[i].accepted;
	if (newest.n == 0) {
		CHECK_UINT(found->version, 0);
		return;
	}
	for (size_t i = 0; i < chosen->n; i++) {
		if (ballot_cmp(&chosen->items[i].ballot, &newest) != 0)
			continue;
		CHECK_UINT(found->version, chosen->items[i].version);
		CHECK_UINT(found->digest, chosen->items[i].digest);
		CHECK_UINT(ledger_digest_recompute(found), found->digest);
		return;
	}
	CHECK_STR("a value that was never chosen", "a chosen one");
}

static void every_prefix(struct disk *disk, const struct chosen *chosen)
{
	size_t whole = disk->n;

	for (size_t n = 0; n <= whole; n++) {
		struct desk *desk = desk_new(disk);

		disk->n = n;
		CHECK(desk_start(desk, 1) == (keeper_value(desk->keeper)->version > 0));
		expect_prefix(disk, n, chosen, keeper_value(desk->keeper));
		desk_free(desk);
	}
	disk->n = whole;
}

static void every_prefix_is_a_value_that_was_chosen(void)
{
	static struct disk disk;
	static struct chosen chosen;

	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct desk *desk = founded(&disk, 20, &chosen);
		struct history history;

		history_init(&history, seed, 20);
		live(desk, &history, 60, 40, &chosen);
		every_prefix(&disk, &chosen);
		printf("seed %" PRIu64 ": %zu records, %zu values\n", seed, disk.n, chosen.n);
		CHECK(chosen.n > 40);
		ledger_done(&history.ledger);
		desk_free(desk);
		arena_done(&disk.arena);
	}
}

static void attach_many(struct desk *desk, unsigned first, unsigned n, uint32_t epoch_read)
{
	char name[16];

	for (unsigned i = first; i < first + n; i++) {
		snprintf(name, sizeof(name), "node-%04u", i * 7919 % 10000);
		CHECK(desk_submit(desk, 3, attach_of(i, name, epoch_read, i * 10 + epoch_read, 1)));
	}
}

/* More peers than fit one record: changes and wholes in parts, torn between any two of them. */
static void values_in_parts(void)
{
	static struct disk disk;
	static struct chosen chosen;
	struct desk *desk = founded(&disk, 12, &chosen);
	unsigned parts = 0;

	for (unsigned first = 1; first < 1000; first += 250) {
		attach_many(desk, first, 250, 0);
		while (desk->storing) {
			struct ballot ballot = desk->records[0].accepted;

			parts += desk->n_records > 1;
			desk_stored(desk, 0);
			note(&chosen, desk, ballot);
		}
	}
	CHECK(parts >= 3);
	CHECK_UINT(keeper_value(desk->keeper)->n_peers, 1000);
	every_prefix(&disk, &chosen);
	desk_free(desk);
	arena_done(&disk.arena);
}

/* A crash between the parts of a value; the next process goes on from the value before, under a
 * ballot that the torn one never had, and its log is whole again. */
static void life_after_a_torn_value(void)
{
	static struct disk disk;
	static struct chosen chosen;
	struct desk *desk = founded(&disk, 12, &chosen);
	struct ledger value;
	struct ballot torn;

	attach_many(desk, 1, 1, 0);
	attach_many(desk, 2, 200, 0);
	desk_stored(desk, 0);
	CHECK(desk->storing && desk->n_records > 1);
	torn = desk->records[0].accepted;
	disk.records[disk.n++] = desk->records[0];
	desk_free(desk);

	desk = desk_new(&disk);
	CHECK(desk_start(desk, 1));
	CHECK_UINT(keeper_value(desk->keeper)->n_peers, 1);
	attach_many(desk, 500, 1, 0);
	CHECK(!desk->replace && ballot_cmp(&desk->records[0].accepted, &torn) > 0);
	desk_stored(desk, 0);
	ledger_init(&value);
	ledger_copy(&value, keeper_value(desk->keeper));
	desk_free(desk);

	desk = desk_new(&disk);
	CHECK(desk_start(desk, 1));
	CHECK(same_ledger(keeper_value(desk->keeper), &value));
	desk_free(desk);
	ledger_done(&value);
	arena_done(&disk.arena);
}

/* A config that changed late comes late in the order of changes, and a whole still begins with
 * it. */
static void a_whole_begins_with_its_config(void)
{
	struct ledger ledger = ledger_of(20);
	struct ledger_config config = ledger.config;
	struct acceptor from, to;
	struct out out;
	const struct action *action;

	for (unsigned i = 1; i <= 300; i++) {
		char name[16];

		snprintf(name, sizeof(name), "node-%03u", i);
		must(&ledger, attach_of(i, name, 0, i, 1));
	}
	config.number++;
	config.changed = ++ledger.version;
	ledger_put_config(&ledger, &config);
	acceptor_init(&from);
	acceptor_init(&to);
	out_init(&out);
	from.id = 1001;
	acceptor_write(&from, acceptor_next_ballot(&from), &ledger, 1, &out);
	REQUIRE(out.actions.n == 1);
	action = &out.actions.items[0];
	CHECK(action->store.replace && action->store.n > 2);
	for (size_t i = 0; i < action->store.n; i++)
		CHECK(acceptor_read(&to, &action->store.records[i].keeper));
	CHECK(same_ledger(&to.value, &ledger));
	check_ledger(&to.value);
	out_done(&out);
	acceptor_done(&from);
	acceptor_done(&to);
	ledger_done(&ledger);
}

static size_t log_bytes(const struct disk *disk)
{
	size_t bytes = 0;

	for (size_t i = 0; i < disk->n; i++)
		bytes += 250 * disk->records[i].rows.n_peers + 48 * disk->records[i].rows.n_blocks;
	return bytes;
}

/* Processes come and go, and the log stays about as large as the bounds say. */
static void the_log_does_not_grow_for_ever(void)
{
	static struct disk disk;
	static struct chosen chosen;
	struct desk *desk = founded(&disk, 20, &chosen);
	uint32_t epoch = 1;
	uint64_t seq = 0;
	unsigned replaces = 0;

	(void)desk_do(desk, attach_of(1, "node-a", 0, 1, 1));
	for (unsigned life = 0; life < 40; life++) {
		for (unsigned i = 0; i < 60; i++) {
			CHECK_INT(desk_do(desk, release_of(1, epoch, ++seq, 0)).outcome,
				  OUTCOME_OK);
			CHECK(log_bytes(&disk) < 2 * KEEPER_LOG_MIN);
		}
		replaces += desk->replaces;
		desk_free(desk);
		desk = desk_new(&disk);
		CHECK(desk_start(desk, 1));
		CHECK_UINT(keeper_value(desk->keeper)->version, 2 + seq);
	}
	CHECK(replaces > 5);
	desk_free(desk);
	arena_done(&disk.arena);
}

static void ballots_are_never_used_again(void)
{
	static struct disk disk;
	static struct chosen chosen;
	struct desk *desk = founded(&disk, 20, &chosen);
	struct history history;

	history_init(&history, 3, 20);
	for (unsigned life = 0; life < 10; life++) {
		live(desk, &history, 10, 5, &chosen); /* note() requires that they rise */
		desk_free(desk);
		desk = desk_new(&disk);
		desk->now.ms = 1000000 * (int64_t)(life + 1);
		CHECK(desk_start(desk, 1));
	}
	for (size_t i = 0; i < disk.n; i++)
		CHECK_UINT(disk.records[i].accepted.keeper, 1001);
	ledger_done(&history.ledger);
	desk_free(desk);
	arena_done(&disk.arena);
}

/* ---- logs that are not ours */

static struct disk a_log;

static void write_a_log(void)
{
	static struct chosen chosen;
	struct desk *desk = founded(&a_log, 20, &chosen);

	desk_do(desk, attach_of(1, "node-a", 0, 1, 1));
	desk_do(desk, acquire_of(1, 1, 1, 2));
	desk_do(desk, attach_of(2, "node-b", 0, 2, 1));
	desk_do(desk, acquire_of(2, 1, 1, 2));
	desk_free(desk);
	REQUIRE(a_log.n == 5);
}

static void not_believed(const char *what)
{
	struct desk *desk = desk_new(&a_log);
	struct ledger_config config = config_of(20);
	struct uid uid = uid_of(1);

	if (desk_start(desk, 1))
		printf("believed: %s\n", what);
	CHECK(!keeper_votes(desk->keeper));
	CHECK(desk_said(desk, "-> this node does not vote"));
	/* And no cluster is founded over it. */
	desk_step(desk);
	keeper_found(desk->keeper, &config, &uid, &desk->out);
	desk_look(desk);
	CHECK(!desk->storing);
	CHECK(desk_said(desk, "no cluster founded"));
	desk_free(desk);
	arena_done(&a_log.arena);
}

#define NOT_BELIEVED(change)           \
	do {                           \
		write_a_log();         \
		change;                \
		not_believed(#change); \
	} while (0)

static void swap_records(size_t a, size_t b)
{
	struct record_keeper was = a_log.records[a];

	a_log.records[a] = a_log.records[b];
	a_log.records[b] = was;
}

static void logs_that_contradict_themselves(void)
{
	struct record_keeper *r = a_log.records;

	NOT_BELIEVED(r[2].keeper_id = 5);
	NOT_BELIEVED(r[0].keeper_id = 0);
	NOT_BELIEVED(r[3].promised.n = 1);
	NOT_BELIEVED(r[2].promised.n = 50); /* the next one promises less */
	NOT_BELIEVED(r[3].accepted.n++);
	NOT_BELIEVED((r[3].accepted.n = 1, r[3].promised.n = 5));
	NOT_BELIEVED(r[3].base_version++);
	NOT_BELIEVED(r[3].base_version--);
	NOT_BELIEVED(r[3].version = r[3].base_version);
	NOT_BELIEVED(swap_records(2, 3));
	NOT_BELIEVED(swap_records(0, 1));
	NOT_BELIEVED((memmove(&r[2], &r[3], 2 * sizeof(*r)), a_log.n--)); /* one is missing */
	NOT_BELIEVED((memmove(&r[0], &r[1], 4 * sizeof(*r)), a_log.n--)); /* the first */
	NOT_BELIEVED((r[4] = r[3]));                                      /* one twice */
	NOT_BELIEVED(r[4].rows.n_peers = 0; r[4].rows.n_blocks = 0; r[4].whole = true);
	NOT_BELIEVED((r[a_log.n] = r[0], a_log.n++)); /* an older whole after it */
	NOT_BELIEVED(((struct ledger_config *)(uintptr_t)r[0].rows.config)->n_keepers = 0);
}

static void a_whole_of_another_cluster(void)
{
	struct record_keeper *r = a_log.records;

	write_a_log();
	r[5] = r[0];
	r[5].promised.n = r[5].accepted.n = 6;
	r[5].version = 100;
	r[5].rows.config = arena_memdup(&a_log.arena, r[0].rows.config, sizeof(*r[0].rows.config));
	((struct ledger_config *)(uintptr_t)r[5].rows.config)->cluster.b[5] ^= 1;
	a_log.n = 6;
	not_believed("another cluster");
}

static void a_promise_alone_is_kept(void)
{
	struct record_keeper *r = a_log.records;
	struct desk *desk;

	write_a_log();
	r[5] = (struct record_keeper){ .keeper_id = 1001, .promised = { 40, 9999 } };
	a_log.n = 6;
	desk = desk_new(&a_log);
	CHECK(desk_start(desk, 1));
	CHECK_UINT(keeper_value(desk->keeper)->version, 5);
	desk_submit(desk, 3, acquire_of(2, 1, 2, 1));
	CHECK_UINT(desk->records[0].accepted.n, 41); /* V12 */
	desk_free(desk);
	arena_done(&a_log.arena);

	write_a_log();
	r[0] = (struct record_keeper){ .keeper_id = 1001, .promised = { 1, 1001 } };
	a_log.n = 1;
	not_believed("a promise and no value");
}

static void a_lost_log_does_not_vote(void)
{
	static struct disk disk;
	struct uid uid = uid_of(1);
	struct desk *desk;

	disk_init(&disk);
	desk = desk_new(&disk);
	CHECK(!keeper_start(desk->keeper, &uid, true, &desk->out));
	desk_look(desk);
	CHECK(desk_said(desk, "keeper.log is lost -> this node does not vote"));
	CHECK(!keeper_votes(desk->keeper));
	desk_free(desk);
	arena_done(&disk.arena);
}

static void a_log_of_somebody_else_does_not_vote(void)
{
	struct ledger_config *config;
	struct desk *desk;

	write_a_log();
	desk = desk_new(&a_log);
	CHECK(!desk_start(desk, 2));
	CHECK(desk_said(desk, "belongs to another node"));
	desk_free(desk);
	config = (struct ledger_config *)(uintptr_t)a_log.records[0].rows.config;
	config->n_next = 0;
	config->n_keepers = 3;
	config->keeper_uid[1] = uid_of(2);
	config->keeper_uid[2] = uid_of(3);
	desk = desk_new(&a_log);
	CHECK(!desk_start(desk, 1));
	CHECK(desk_said(desk, "belongs to several keepers"));
	desk_free(desk);
	arena_done(&a_log.arena);
}

int main(void)
{
	RUN(every_prefix_is_a_value_that_was_chosen);
	RUN(values_in_parts);
	RUN(life_after_a_torn_value);
	RUN(a_whole_begins_with_its_config);
	RUN(the_log_does_not_grow_for_ever);
	RUN(ballots_are_never_used_again);
	RUN(logs_that_contradict_themselves);
	RUN(a_whole_of_another_cluster);
	RUN(a_promise_alone_is_kept);
	RUN(a_lost_log_does_not_vote);
	RUN(a_log_of_somebody_else_does_not_vote);
	return check_report();
}
