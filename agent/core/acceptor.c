/*
 * Reading is strict: this agent alone writes keeper.log, so anything that it would not have written
 * means that somebody else did, or that the disk went back; then it must not vote. What a crash
 * leaves is lawful: a value without its last record never counted, and the one after it builds on
 * the value before.
 */
#include "core/acceptor.h"

#include <assert.h>
#include <stdlib.h>

#include "base/vec.h"
#include "base/xalloc.h"
#include "core/keeper.h"
#include "core/ledger_rows.h"

enum { RECORD_BYTES = 64 << 10 };

void acceptor_init(struct acceptor *acceptor)
{
	*acceptor = (struct acceptor){ 0 };
}

void acceptor_done(struct acceptor *acceptor)
{
	ledger_done(&acceptor->value);
	ledger_done(&acceptor->parts.value);
	*acceptor = (struct acceptor){ 0 };
}

static void swap_ledgers(struct ledger *a, struct ledger *b)
{
	struct ledger was = *a;

	*a = *b;
	*b = was;
}

/* ---- reading */

static bool continues(const struct acceptor *acceptor, const struct record_keeper *record)
{
	const struct acceptor_parts *parts = &acceptor->parts;

	return parts->open && ballot_cmp(&record->accepted, &acceptor->begun) == 0 &&
	       record->whole == parts->whole && record->version == parts->version &&
	       record->base_version == parts->base_version;
}

/* The first record of a value: a ballot of its own, on the value that this log holds. */
static bool begin_value(struct acceptor *acceptor, const struct record_keeper *record)
{
	const struct ledger *value = &acceptor->value;

	if (ballot_cmp(&record->accepted, &acceptor->begun) <= 0)
		return false;
	if (record->whole ? record->version < value->version
			  : value->version == 0 || record->base_version != value->version ||
				    record->version <= value->version)
		return false;
	acceptor->begun = record->accepted;
	acceptor->parts.open = true;
	acceptor->parts.whole = record->whole;
	acceptor->parts.base_version = record->base_version;
	acceptor->parts.version = record->version;
	acceptor->parts.after = record->whole ? 0 : record->base_version;
	acceptor->parts.bytes = 0;
	if (record->whole)
		ledger_done(&acceptor->parts.value);
	else if (!record->last)
		ledger_copy(&acceptor->parts.value, value);
	return true;
}

static uint64_t newest_change(const struct rows *rows, uint64_t newest)
{
	if (rows->n_peers > 0 && rows->peers[rows->n_peers - 1].changed > newest)
		newest = rows->peers[rows->n_peers - 1].changed;
	if (rows->n_blocks > 0 && rows->blocks[rows->n_blocks - 1].row.changed > newest)
		newest = rows->blocks[rows->n_blocks - 1].row.changed;
	return newest;
}

static bool same_cluster(const struct ledger *a, const struct ledger *b)
{
	return a->version == 0 || uuid_eq(&a->config.cluster, &b->config.cluster);
}

static void count_bytes(struct acceptor *acceptor, bool whole, size_t bytes)
{
	if (whole) {
		acceptor->whole_bytes = bytes;
		acceptor->change_bytes = 0;
	} else {
		acceptor->change_bytes += bytes;
	}
}

/* The last record has come: the value counts. */
static bool end_value(struct acceptor *acceptor, const struct ledger *complete)
{
	struct acceptor_parts *parts = &acceptor->parts;

	parts->open = false;
	if (complete == &parts->value) {
		if (!same_cluster(&acceptor->value, complete))
			return false;
		swap_ledgers(&acceptor->value, &parts->value);
	}
	acceptor->accepted = acceptor->begun;
	count_bytes(acceptor, parts->whole, parts->bytes);
	return true;
}

static bool read_value(struct acceptor *acceptor, const struct record_keeper *record)
{
	struct acceptor_parts *parts = &acceptor->parts;
	bool begins = !continues(acceptor, record);
	struct ledger *onto = &parts->value;

	if (begins && !begin_value(acceptor, record))
		return false;
	/* The usual change is one record, and replaying thousands must not copy the whole. */
	if (begins && record->last && !record->whole)
		onto = &acceptor->value;
	if (!ledger_overlay(onto, parts->after, record->version, &record->rows))
		return false;
	parts->after = newest_change(&record->rows, parts->after);
	parts->bytes += ledger_rows_bytes(&record->rows);
	return !record->last || end_value(acceptor, onto);
}

static bool read_record(struct acceptor *acceptor, const struct record_keeper *record)
{
	if (record->keeper_id == 0 || (acceptor->id != 0 && acceptor->id != record->keeper_id))
		return false;
	if (ballot_cmp(&record->promised, &acceptor->promised) < 0 ||
	    ballot_cmp(&record->promised, &record->accepted) < 0)
		return false;
	acceptor->id = record->keeper_id;
	acceptor->promised = record->promised;
	if (record->accepted.n == 0) {
		acceptor->parts.open = false;
		return true;
	}
	return read_value(acceptor, record);
}

bool acceptor_read(struct acceptor *acceptor, const struct record_keeper *record)
{
	if (!acceptor->contradictory && !read_record(acceptor, record))
		acceptor->contradictory = true;
	return !acceptor->contradictory;
}

/* ---- writing */

struct ballot acceptor_next_ballot(const struct acceptor *acceptor)
{
	uint64_t n = acceptor->promised.n;

	if (acceptor->begun.n > n)
		n = acceptor->begun.n;
	return (struct ballot){ .n = n + 1, .keeper = acceptor->id };
}

static bool wants_whole(const struct acceptor *acceptor)
{
	return acceptor->rewrite || acceptor->value.version == 0 ||
	       (acceptor->change_bytes > KEEPER_LOG_MIN &&
		acceptor->change_bytes > KEEPER_LOG_FACTOR * acceptor->whole_bytes);
}

/* A whole names its config first: blocks mean nothing without it. */
static void add_config(struct rows *rows, const struct ledger *ledger, struct out *out)
{
	struct ledger_config *config;

	if (rows->config)
		return;
	config = out_alloc(out, sizeof(*config));
	*config = ledger->config;
	rows->config = config;
}

/* The value as records, in an array that grows; rows are in the arena. */
static struct record *value_records(struct acceptor *acceptor, struct record_keeper *shape,
				    const struct ledger *next, struct out *out, size_t *ret_n)
{
	uint64_t cursor = shape->whole ? 0 : shape->base_version;
	struct record *records = NULL;
	size_t n = 0, cap = 0;

	acceptor->written_bytes = 0;
	for (bool last = false; !last;) {
		cursor = ledger_rows_after(next, cursor, RECORD_BYTES, &out->arena, &shape->rows);
		if (shape->whole && n == 0)
			add_config(&shape->rows, next, out);
		last = cursor == next->version;
		shape->last = last;
		acceptor->written_bytes += ledger_rows_bytes(&shape->rows);
		records = vec_reserve(records, &cap, n + 1, sizeof(*records));
		memset(&records[n], 0, sizeof(records[n]));
		records[n].type = RECORD_KEEPER;
		records[n++].keeper = *shape;
	}
	*ret_n = n;
	return records;
}

void acceptor_write(struct acceptor *acceptor, struct ballot ballot, const struct ledger *next,
		    uint64_t tag, struct out *out)
{
	struct record_keeper shape = {
		.keeper_id = acceptor->id,
		.promised = ballot,
		.accepted = ballot,
		.whole = wants_whole(acceptor),
		.version = next->version,
	};
	_cleanup_(freep) struct record *records = NULL;
	struct record *kept;
	struct action *action;
	size_t n;

	assert(acceptor->id != 0 && next->version > acceptor->value.version);
	if (!shape.whole)
		shape.base_version = acceptor->value.version;
	acceptor->written_whole = shape.whole;
	records = value_records(acceptor, &shape, next, out, &n);
	kept = out_alloc(out, n * sizeof(*kept));
	memcpy(kept, records, n * sizeof(*kept));
	action = out_add(out, ACTION_STORE);
	action->store.file = STORE_KEEPER;
	action->store.tag = tag;
	action->store.replace = shape.whole;
	action->store.n = n;
	action->store.records = kept;
}

void acceptor_written(struct acceptor *acceptor, struct ballot ballot, struct ledger *next)
{
	acceptor->promised = acceptor->accepted = acceptor->begun = ballot;
	swap_ledgers(&acceptor->value, next);
	count_bytes(acceptor, acceptor->written_whole, acceptor->written_bytes);
	if (acceptor->written_whole)
		acceptor->rewrite = false;
}

void acceptor_not_written(struct acceptor *acceptor, struct ballot ballot)
{
	acceptor->begun = ballot;
	acceptor->rewrite = true;
}
