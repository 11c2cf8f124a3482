#include "chosen.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/vec.h"
#include "base/xalloc.h"

enum { COOL_LEAST_MS = 27000 /* 30 s after RELEASE, less the jitter */ };

static void value_done(struct chosen_value *value)
{
	free(value->peers);
	free(value->blocks);
	*value = (struct chosen_value){ 0 };
}

static void value_copy(struct chosen_value *to, const struct chosen_value *from)
{
	value_done(to);
	*to = *from;
	to->cap_peers = from->n_peers;
	to->peers = from->n_peers ? xmemdup(from->peers, from->n_peers * sizeof(*to->peers)) : NULL;
	to->blocks = from->n_blocks ? xmemdup(from->blocks, from->n_blocks * sizeof(*to->blocks))
				    : NULL;
}

void chosen_init(struct chosen *chosen)
{
	*chosen = (struct chosen){ 0 };
}

void chosen_done(struct chosen *chosen)
{
	value_done(&chosen->value);
	value_done(&chosen->reading);
	value_done(&chosen->parts);
	for (size_t i = 0; i < 4; i++) {
		if (chosen->old[i])
			ledger_done(chosen->old[i]);
		free(chosen->old[i]);
	}
	free(chosen->history);
	free(chosen->cooling_since_ms);
}

/* ---- the fingerprint of a value: every field that its law speaks of, none of its memory */

static void hash_text(struct siphash *hash, const char *text)
{
	siphash_update(hash, text, strlen(text) + 1);
}

static void hash_config(struct siphash *hash, const struct ledger_config *config)
{
	siphash_u64(hash, config->number);
	siphash_update(hash, &config->cluster, sizeof(config->cluster));
	siphash_u64(hash, config->n_keepers << 8 | config->n_next);
	for (size_t i = 0; i < config->n_keepers; i++) {
		siphash_update(hash, &config->keeper_uid[i], sizeof(struct uid));
		siphash_u64(hash, config->keeper_id[i]);
	}
	for (size_t i = 0; i < config->n_next; i++) {
		siphash_update(hash, &config->next_uid[i], sizeof(struct uid));
		siphash_u64(hash, config->next_id[i]);
	}
	siphash_u64(hash, (uint64_t)config->feature_level << 32 | config->reclaim_mode);
	siphash_u64(hash, (uint64_t)config->range.ip << 32 | (uint64_t)config->range.len << 8 |
				  config->block_len);
	siphash_update(hash, config->ula48, sizeof(config->ula48));
	siphash_u64(hash, config->changed);
	siphash_u64(hash, config->set_by.n);
	siphash_u64(hash, config->set_by.keeper);
}

static void hash_peer(struct siphash *hash, const struct peer_row *row)
{
	siphash_update(hash, &row->uid, sizeof(row->uid));
	hash_text(hash, row->name);
	siphash_u64(hash, (uint64_t)row->epoch << 8 | (uint64_t)row->status);
	siphash_update(hash, &row->boot, sizeof(row->boot));
	siphash_update(hash, &row->binding, sizeof(row->binding));
	hash_text(hash, row->node_ref);
	siphash_u64(hash, row->last_seq);
	siphash_u64(hash, (uint64_t)row->last_reply.outcome << 8 | row->last_reply.n_blocks);
	for (size_t i = 0; i < row->last_reply.n_blocks; i++)
		siphash_u64(hash, row->last_reply.blocks[i]);
	siphash_u64(hash, row->nonce);
	siphash_u64(hash, row->changed);
	siphash_u64(hash, (uint64_t)row->endpoint.ip_len << 16 | row->endpoint.port);
	siphash_update(hash, row->endpoint.ip, row->endpoint.ip_len);
}

static uint64_t fingerprint(uint64_t version, const struct ledger_config *config,
			    const struct peer_row *peers, size_t n_peers,
			    const struct block_row *blocks, uint32_t n_blocks)
{
	static const uint8_t key[16] = "chosen values  ";
	struct siphash hash;

	siphash_init(&hash, key);
	siphash_u64(&hash, version);
	hash_config(&hash, config);
	siphash_u64(&hash, n_peers);
	for (size_t i = 0; i < n_peers; i++)
		hash_peer(&hash, &peers[i]);
	siphash_u64(&hash, n_blocks);
	for (uint32_t i = 0; i < n_blocks; i++) {
		siphash_update(&hash, &blocks[i].owner, sizeof(struct uid));
		siphash_u64(&hash, blocks[i].changed << 4 | (uint64_t)blocks[i].state << 1 |
					   blocks[i].weak);
	}
	return siphash_final(&hash);
}

static uint64_t value_hash(const struct chosen_value *value)
{
	return fingerprint(value->version, &value->config, value->peers, value->n_peers,
			   value->blocks, value->n_blocks);
}

static uint64_t ledger_hash(const struct ledger *ledger)
{
	return fingerprint(ledger->version, &ledger->config, ledger->peers, ledger->n_peers,
			   ledger->blocks, ledger->n_blocks);
}

/* ---- rows */

static void set_peer(struct chosen_value *value, const struct peer_row *row)
{
	size_t at = 0;

	while (at < value->n_peers && strcmp(value->peers[at].name, row->name) < 0)
		at++;
	if (at == value->n_peers || strcmp(value->peers[at].name, row->name) != 0) {
		value->peers = vec_open_gap(value->peers, &value->cap_peers, value->n_peers, at,
					    sizeof(*row));
		value->n_peers++;
	}
	value->peers[at] = *row;
}

static void set_rows(struct chosen_value *value, const struct rows *rows)
{
	if (rows->config) {
		uint32_t n = ledger_block_count(rows->config);

		if (n != value->n_blocks) {
			free(value->blocks);
			value->blocks = xcalloc(n, sizeof(*value->blocks));
			value->n_blocks = n;
		}
		value->config = *rows->config;
	}
	for (size_t i = 0; i < rows->n_peers; i++)
		set_peer(value, &rows->peers[i]);
	for (size_t i = 0; i < rows->n_blocks; i++)
		if (rows->blocks[i].block < value->n_blocks)
			value->blocks[rows->blocks[i].block] = rows->blocks[i].row;
}

/* ---- what may follow what */

const struct peer_row *chosen_peer(const struct chosen *chosen, const char *name)
{
	for (size_t i = 0; i < chosen->value.n_peers; i++)
		if (strcmp(chosen->value.peers[i].name, name) == 0)
			return &chosen->value.peers[i];
	return NULL;
}

uint32_t chosen_count(const struct chosen *chosen, enum block_state state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < chosen->value.n_blocks; i++)
		n += chosen->value.blocks[i].state == state;
	return n;
}

static void check_peers(struct world *world, const struct chosen *chosen,
			const struct chosen_value *next)
{
	for (size_t i = 0; i < next->n_peers; i++) {
		const struct peer_row *now = &next->peers[i], *was = chosen_peer(chosen, now->name);

		if (was && now->epoch < was->epoch)
			world_violation(world, "V8",
					"the epoch of %s falls from %u to %u in version %" PRIu64,
					now->name, was->epoch, now->epoch, next->version);
		if (was && now->epoch == was->epoch &&
		    (now->nonce != was->nonce || !uid_eq(&now->uid, &was->uid) ||
		     !boot_eq(&now->boot, &was->boot)))
			world_violation(
				world, "V8",
				"%s has another session with the same epoch %u in version %" PRIu64,
				now->name, now->epoch, next->version);
		for (size_t j = 0; j < i; j++)
			if (now->status == PEER_ATTACHED &&
			    next->peers[j].status == PEER_ATTACHED &&
			    uid_eq(&now->uid, &next->peers[j].uid))
				world_violation(
					world, "V8",
					"%s and %s are one uid, both attached, in version %" PRIu64,
					now->name, next->peers[j].name, next->version);
	}
	if (next->n_peers < chosen->value.n_peers)
		world_violation(world, "V8", "a row of a peer is gone in version %" PRIu64,
				next->version);
}

static bool has_attached_owner(const struct chosen_value *value, const struct uid *uid)
{
	for (size_t i = 0; i < value->n_peers; i++)
		if (uid_eq(&value->peers[i].uid, uid))
			return value->peers[i].status == PEER_ATTACHED;
	return false;
}

static void check_block(struct world *world, const struct chosen *chosen,
			const struct chosen_value *next, uint32_t at)
{
	const struct block_row *now = &next->blocks[at];
	enum block_state was = at < chosen->value.n_blocks ? chosen->value.blocks[at].state
							   : BLOCK_FREE;

	if (now->state == BLOCK_OWNED && !has_attached_owner(next, &now->owner))
		world_violation(world, "V9",
				"block %u belongs to nobody who is attached in version %" PRIu64,
				at, next->version);
	if (now->state != BLOCK_OWNED && now->state != BLOCK_HELD && !uid_is_zero(&now->owner))
		world_violation(world, "V9",
				"block %u is not owned and has an owner in version %" PRIu64, at,
				next->version);
	if (was == BLOCK_OWNED && now->state == BLOCK_OWNED &&
	    !uid_eq(&now->owner, &chosen->value.blocks[at].owner))
		world_violation(world, "V11",
				"block %u goes from owner to owner in version %" PRIu64, at,
				next->version);
	if (was == BLOCK_COOLING && now->state != BLOCK_COOLING &&
	    world->now_ms - chosen->cooling_since_ms[at] < COOL_LEAST_MS)
		world_violation(world, "V11", "block %u cools for %" PRId64 " ms only", at,
				world->now_ms - chosen->cooling_since_ms[at]);
}

static void check_blocks(struct world *world, struct chosen *chosen,
			 const struct chosen_value *next)
{
	if (!chosen->cooling_since_ms)
		chosen->cooling_since_ms = xcalloc(next->n_blocks + 1, sizeof(int64_t));
	for (uint32_t at = 0; at < next->n_blocks; at++) {
		check_block(world, chosen, next, at);
		if (next->blocks[at].state == BLOCK_COOLING &&
		    (at >= chosen->value.n_blocks ||
		     chosen->value.blocks[at].state != BLOCK_COOLING))
			chosen->cooling_since_ms[at] = world->now_ms;
	}
}

/* ---- history */

static const struct chosen_version *known(const struct chosen *chosen, uint64_t version)
{
	size_t low = 0, high = chosen->n_history;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (chosen->history[middle].version < version)
			low = middle + 1;
		else
			high = middle;
	}
	return low < chosen->n_history && chosen->history[low].version == version
		       ? &chosen->history[low]
		       : NULL;
}

static void history_add(struct chosen *chosen, uint64_t version, uint64_t hash)
{
	chosen->history = vec_reserve(chosen->history, &chosen->cap_history, chosen->n_history + 1,
				      sizeof(*chosen->history));
	chosen->history[chosen->n_history++] = (struct chosen_version){ version, hash };
}

/* A whole value is there: is it one that we know, or the next one? */
static bool complete(struct world *world, struct chosen *chosen, uint64_t base_version, bool whole)
{
	const struct chosen_value *next = &chosen->reading;
	const struct chosen_version *old = known(chosen, next->version);
	uint64_t hash = value_hash(next);

	if (old) {
		if (old->hash != hash)
			world_violation(world, "V1", "version %" PRIu64 " has two values",
					next->version);
		return false;
	}
	if (next->version < chosen->value.version) {
		world_violation(world, "V1", "version %" PRIu64 " appears after version %" PRIu64,
				next->version, chosen->value.version);
		return false;
	}
	if (!whole && base_version != chosen->value.version)
		world_violation(world, "V1",
				"version %" PRIu64 " is built on %" PRIu64 ", not on %" PRIu64,
				next->version, base_version, chosen->value.version);
	check_peers(world, chosen, next);
	check_blocks(world, chosen, next);
	history_add(chosen, next->version, hash);
	value_copy(&chosen->value, next);
	return true;
}

void chosen_reread(struct chosen *chosen)
{
	value_done(&chosen->reading);
	chosen->ballot = (struct ballot){ 0 };
}

/* A value in several records counts with its last; one that was torn off is followed by another
 * ballot's. */
bool chosen_durable(struct world *world, struct chosen *chosen, const struct record_keeper *record)
{
	struct chosen_value *parts = &chosen->parts;

	if (!record->accepted.n)
		return false;
	if (ballot_cmp(&record->accepted, &chosen->ballot) != 0) {
		value_copy(parts, &chosen->reading);
		if (record->whole)
			value_done(parts);
		chosen->ballot = record->accepted;
	}
	parts->version = record->version;
	set_rows(parts, &record->rows);
	if (!record->last)
		return false;
	value_copy(&chosen->reading, parts);
	return complete(world, chosen, record->base_version, record->whole);
}

/* ---- views and feeds */

void chosen_check_view(struct world *world, const struct chosen *chosen, const struct ledger *view,
		       const char *who)
{
	const struct chosen_version *version;

	if (view->version == 0)
		return;
	version = known(chosen, view->version);
	if (!version)
		world_violation(world, "V6", "%s shows version %" PRIu64 ", which was never chosen",
				who, view->version);
	else if (ledger_hash(view) != version->hash)
		world_violation(world, "V6",
				"%s shows version %" PRIu64 " with other content than was chosen",
				who, view->version);
}

static struct ledger *keep(const struct ledger *ledger)
{
	struct ledger *copy = xcalloc(1, sizeof(*copy));

	ledger_init(copy);
	ledger_copy(copy, ledger);
	return copy;
}

/* Whoever a neighbour asks may be behind as well: an earlier value, for as long as there is one. */
static const struct ledger *source(struct world *world, const struct chosen *chosen,
				   const struct ledger *copy, const struct ledger *newest)
{
	const struct ledger *old = chosen->old[world_choose(world, RNG_CHECK, 4)];

	return old && old->version > copy->version && world_chance(world, RNG_CHECK, 30) ? old
											 : newest;
}

/* Frames of any size from several sources; some come twice, and now and then the transfer breaks:
 * it is taken up where it stopped, or from the beginning. */
static void feed_from(struct world *world, const struct chosen *chosen, struct ledger *copy,
		      const struct ledger *newest)
{
	struct ledger_intake intake;
	struct arena arena;
	struct feed feed;

	arena_init(&arena, ARENA_UNLIMITED);
	intake_init(&intake);
	intake_restart(&intake, copy->version);
	for (int turns = 0; copy->version < newest->version && turns < 10000; turns++) {
		uint64_t times = world_chance(world, RNG_CHECK, 10) ? 2 : 1;

		arena_reset(&arena);
		ledger_feed_next(source(world, chosen, copy, newest), copy->version,
				 intake_wants(&intake, copy),
				 200 + world_choose(world, RNG_CHECK, 2000), &arena, &feed);
		for (; times > 0; times--)
			(void)intake_feed(&intake, copy, &feed);
		if (world_chance(world, RNG_CHECK, 5))
			intake_restart(&intake, copy->version);
	}
	intake_done(&intake);
	arena_done(&arena);
}

void chosen_replay(struct world *world, struct chosen *chosen, const struct ledger *newest)
{
	size_t slot = world_choose(world, RNG_CHECK, 4);
	struct ledger *from = chosen->old[slot], *copy;

	if (!from) {
		chosen->old[slot] = keep(newest);
		return;
	}
	copy = keep(from);
	feed_from(world, chosen, copy, newest);
	if (ledger_hash(copy) != ledger_hash(newest) || copy->digest != newest->digest)
		world_violation(world, "V7",
				"the feed from version %" PRIu64 " to %" PRIu64
				" gives another ledger",
				from->version, newest->version);
	ledger_done(copy);
	free(copy);
	if (world_chance(world, RNG_CHECK, 50)) {
		ledger_copy(from, newest);
	} else if (world_chance(world, RNG_CHECK, 20)) {
		ledger_done(from);
		ledger_init(from);
	}
}
