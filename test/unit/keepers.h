/* A keeper with a disk that does what the test says. For the tests of the keeper and its log. */
#pragma once

#include <errno.h>

#include "core/keeper.h"
#include "ledgers.h"

enum { DISK_MAX = 20000 };

struct disk { /* keeper.log as records; rows live in the arena */
	struct arena arena;
	size_t n;
	struct record_keeper records[DISK_MAX];
};

struct desk {
	struct keeper *keeper;
	struct out out;
	struct instant now;
	struct disk *disk; /* borrowed: it outlives the process */
	/* the store under way: its records live until it is finished or the next step */
	bool storing, replace, died;
	uint64_t tag;
	size_t n_records;
	struct record_keeper records[512];
	unsigned stores, replaces;
	struct keeper_chosen done; /* of the last call that gave some */
	char said[2048];           /* trace lines of the last step */
};

static inline void disk_init(struct disk *disk)
{
	arena_init(&disk->arena, ARENA_UNLIMITED);
	disk->n = 0;
}

static inline struct record_keeper disk_keep(struct disk *disk, const struct record_keeper *from)
{
	struct record_keeper kept = *from;
	struct rows *rows = &kept.rows;

	rows->peers = arena_memdup(&disk->arena, rows->peers, rows->n_peers * sizeof(*rows->peers));
	rows->blocks =
		arena_memdup(&disk->arena, rows->blocks, rows->n_blocks * sizeof(*rows->blocks));
	if (rows->config)
		rows->config = arena_memdup(&disk->arena, rows->config, sizeof(*rows->config));
	return kept;
}

/* Take note of what a step asked for. */
static inline void desk_look(struct desk *desk)
{
	const struct actions *actions = &desk->out.actions;

	desk->said[0] = '\0';
	for (size_t i = 0; i < actions->n; i++) {
		const struct action *action = &actions->items[i];

		if (action->type == ACTION_TRACE) {
			size_t len = strlen(desk->said);

			snprintf(desk->said + len, sizeof(desk->said) - len, "%s\n",
				 action->trace.text);
		} else if (action->type == ACTION_DIE) {
			desk->died = true;
		} else {
			REQUIRE(action->type == ACTION_STORE && !desk->storing);
			CHECK_INT(action->store.file, STORE_KEEPER);
			desk->storing = true;
			desk->stores++;
			desk->replace = action->store.replace;
			desk->replaces += action->store.replace;
			desk->tag = action->store.tag;
			desk->n_records = action->store.n;
			REQUIRE(desk->n_records <= 512);
			for (size_t j = 0; j < action->store.n; j++)
				desk->records[j] =
					disk_keep(desk->disk, &action->store.records[j].keeper);
		}
	}
}

static inline void desk_step(struct desk *desk)
{
	out_begin(&desk->out, desk->now);
}

static inline struct desk *desk_new(struct disk *disk)
{
	struct desk *desk = calloc(1, sizeof(*desk));

	REQUIRE(desk);
	desk->keeper = keeper_new();
	desk->disk = disk;
	out_init(&desk->out);
	desk_step(desk);
	return desk;
}

static inline void desk_free(struct desk *desk)
{
	keeper_free(desk->keeper);
	out_done(&desk->out);
	free(desk);
}

/* A new process: reads what the disk has. */
static inline bool desk_start(struct desk *desk, unsigned number)
{
	struct uid uid = uid_of(number);
	bool votes;

	for (size_t i = 0; i < desk->disk->n; i++)
		(void)keeper_saved(desk->keeper, &desk->disk->records[i]);
	desk_step(desk);
	votes = keeper_start(desk->keeper, &uid, false, &desk->out);
	desk_look(desk);
	CHECK(votes == keeper_votes(desk->keeper));
	return votes;
}

static inline void desk_found(struct desk *desk, uint8_t range_len)
{
	struct ledger_config config = config_of(range_len);
	struct uid uid = uid_of(1);

	CHECK(!desk_start(desk, 1));
	desk_step(desk);
	keeper_found(desk->keeper, &config, &uid, &desk->out);
	desk_look(desk);
}

/* The store under way ends like this. */
static inline void desk_stored(struct desk *desk, int error)
{
	REQUIRE(desk->storing);
	desk->storing = false;
	if (!error) {
		if (desk->replace)
			desk->disk->n = 0;
		for (size_t i = 0; i < desk->n_records; i++) {
			REQUIRE(desk->disk->n < DISK_MAX);
			desk->disk->records[desk->disk->n++] = desk->records[i];
		}
	}
	desk_step(desk);
	CHECK(keeper_stored(desk->keeper, desk->tag, error,
			    error ? "keeper.log: something about the disk" : NULL, &desk->out,
			    &desk->done));
	desk_look(desk);
}

/* What keeper_answered has to say after a submit. */
static inline bool desk_submit(struct desk *desk, uint32_t link, struct command command)
{
	bool taken;

	desk_step(desk);
	taken = keeper_submit(desk->keeper, link, &command, &desk->out);
	keeper_answered(desk->keeper, &desk->out, &desk->done);
	desk_look(desk);
	return taken;
}

/* Submit, store, and give the only reply. */
static inline struct reply desk_do(struct desk *desk, struct command command)
{
	CHECK(desk_submit(desk, 7, command));
	if (desk->storing)
		desk_stored(desk, 0);
	REQUIRE(desk->done.n_replies == 1);
	return desk->done.replies[0].reply;
}

static inline void desk_thaw(struct desk *desk)
{
	desk_step(desk);
	keeper_thaw(desk->keeper, &desk->out);
	desk_look(desk);
}

static inline bool desk_said(const struct desk *desk, const char *words)
{
	if (strstr(desk->said, words))
		return true;
	printf("\"%s\" was not said, but:\n%s", words, desk->said);
	return false;
}
