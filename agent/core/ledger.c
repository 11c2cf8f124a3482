/*
 * The value itself: config, peers in order of name, blocks by index, and what is kept in step with
 * them, an index by uid and the digest. Called by the law (ledger_apply.c), by the feed
 * (ledger_feed.c) and by whoever reads. Nothing here can fail; a caller that breaks an assertion
 * has put rows in without asking the law or the feed's checks first.
 */
#include "core/ledger.h"

#include <assert.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "base/vec.h"
#include "base/xalloc.h"
#include "core/ledger_rows.h"

/* Public: the digest finds mistakes, it does not keep anybody out. */
static const uint8_t digest_key[16] = "weft ledger rows";

enum row_kind { ROW_CONFIG = 1, ROW_PEER, ROW_BLOCK };

void ledger_init(struct ledger *ledger)
{
	*ledger = (struct ledger){ 0 };
}

void ledger_done(struct ledger *ledger)
{
	free(ledger->peers);
	free(ledger->by_uid);
	free(ledger->blocks);
	*ledger = (struct ledger){ 0 };
}

void ledger_copy(struct ledger *to, const struct ledger *from)
{
	to->version = from->version;
	to->digest = from->digest;
	to->config = from->config;
	to->proposer = from->proposer;
	to->n_peers = from->n_peers;
	if (from->n_peers > 0) {
		to->peers =
			vec_reserve(to->peers, &to->cap_peers, from->n_peers, sizeof(*to->peers));
		to->by_uid = vec_reserve(to->by_uid, &to->cap_by_uid, from->n_peers,
					 sizeof(*to->by_uid));
		memcpy(to->peers, from->peers, from->n_peers * sizeof(*to->peers));
		memcpy(to->by_uid, from->by_uid, from->n_peers * sizeof(*to->by_uid));
	}
	if (to->n_blocks != from->n_blocks) {
		free(to->blocks);
		to->blocks = from->n_blocks ? xcalloc(from->n_blocks, sizeof(*to->blocks)) : NULL;
		to->n_blocks = from->n_blocks;
	}
	if (from->n_blocks > 0)
		memcpy(to->blocks, from->blocks, from->n_blocks * sizeof(*to->blocks));
}

void ledger_found(struct ledger *ledger, const struct ledger_config *config)
{
	struct ledger_config first = *config;

	assert(ledger->version == 0);
	first.changed = 1;
	ledger->version = 1;
	ledger_put_config(ledger, &first);
}

uint32_t ledger_block_count(const struct ledger_config *config)
{
	assert(config->block_len >= config->range.len);
	assert(config->block_len - config->range.len < 32);
	return UINT32_C(1) << (config->block_len - config->range.len);
}

struct prefix ledger_block_prefix(const struct ledger *ledger, uint32_t block)
{
	const struct ledger_config *config = &ledger->config;

	assert(block < ledger->n_blocks);
	return (struct prefix){
		.ip = config->range.ip + (block << (32 - config->block_len)),
		.len = config->block_len,
	};
}

bool ledger_is_keeper(const struct ledger *ledger, const struct uid *uid)
{
	const struct ledger_config *config = &ledger->config;

	for (size_t i = 0; i < config->n_keepers; i++)
		if (uid_eq(&config->keeper_uid[i], uid))
			return true;
	for (size_t i = 0; i < config->n_next; i++)
		if (uid_eq(&config->next_uid[i], uid))
			return true;
	return false;
}

/* ---- finding peers */

/* The first row whose name is not before `name`; true if it is that name. */
static bool find_name(const struct ledger *ledger, const char *name, size_t *ret)
{
	size_t low = 0, high = ledger->n_peers;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(ledger->peers[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low;
	return low < ledger->n_peers && strcmp(ledger->peers[low].name, name) == 0;
}

/* Where (uid, position) is or belongs among the first n entries of the index. The position makes
 * the order total: rows put in one by one may hold a uid twice until the last of them is in. */
static size_t find_uid(const struct ledger *ledger, size_t n, const struct uid *uid,
		       uint32_t position)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		uint32_t at = ledger->by_uid[middle];
		int order = uid_cmp(&ledger->peers[at].uid, uid);

		if (order < 0 || (order == 0 && at < position))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct peer_row *ledger_peer(const struct ledger *ledger, const char *name)
{
	size_t at;

	return find_name(ledger, name, &at) ? &ledger->peers[at] : NULL;
}

const struct peer_row *ledger_peer_by_uid(const struct ledger *ledger, const struct uid *uid)
{
	size_t at = find_uid(ledger, ledger->n_peers, uid, 0);
	const struct peer_row *row;

	if (at == ledger->n_peers)
		return NULL;
	row = &ledger->peers[ledger->by_uid[at]];
	return uid_eq(&row->uid, uid) ? row : NULL;
}

/* ---- digest */

static void hash_text(struct siphash *hash, const char *text)
{
	size_t len = strlen(text);

	siphash_u64(hash, len);
	siphash_update(hash, text, len);
}

static void hash_keepers(struct siphash *hash, size_t n, const struct uid *uids,
			 const uint64_t *ids)
{
	siphash_u64(hash, n);
	for (size_t i = 0; i < n; i++) {
		siphash_update(hash, uids[i].b, sizeof(uids[i].b));
		siphash_u64(hash, ids[i]);
	}
}

uint64_t ledger_hash_config(const struct ledger_config *config)
{
	struct siphash hash;

	siphash_init(&hash, digest_key);
	siphash_u64(&hash, ROW_CONFIG);
	siphash_u64(&hash, config->changed);
	siphash_u64(&hash, config->number);
	siphash_update(&hash, config->cluster.b, sizeof(config->cluster.b));
	hash_keepers(&hash, config->n_keepers, config->keeper_uid, config->keeper_id);
	hash_keepers(&hash, config->n_next, config->next_uid, config->next_id);
	siphash_u64(&hash, config->feature_level);
	siphash_u64(&hash, config->range.ip);
	siphash_u64(&hash, config->range.len);
	siphash_u64(&hash, config->block_len);
	siphash_update(&hash, config->ula48, sizeof(config->ula48));
	siphash_u64(&hash, config->reclaim_mode);
	siphash_u64(&hash, config->set_by.n);
	siphash_u64(&hash, config->set_by.keeper);
	return siphash_final(&hash);
}

uint64_t ledger_hash_peer(const struct peer_row *row)
{
	struct siphash hash;

	siphash_init(&hash, digest_key);
	siphash_u64(&hash, ROW_PEER);
	siphash_u64(&hash, row->changed);
	siphash_update(&hash, row->uid.b, sizeof(row->uid.b));
	hash_text(&hash, row->name);
	siphash_u64(&hash, row->epoch);
	siphash_u64(&hash, row->status);
	siphash_update(&hash, row->boot.b, sizeof(row->boot.b));
	siphash_update(&hash, row->binding.part, sizeof(row->binding.part));
	hash_text(&hash, row->node_ref);
	siphash_u64(&hash, row->last_seq);
	siphash_u64(&hash, row->last_reply.outcome);
	siphash_u64(&hash, row->last_reply.n_blocks);
	for (size_t i = 0; i < row->last_reply.n_blocks; i++)
		siphash_u64(&hash, row->last_reply.blocks[i]);
	siphash_u64(&hash, row->nonce);
	siphash_u64(&hash, row->endpoint.ip_len);
	siphash_update(&hash, row->endpoint.ip, row->endpoint.ip_len);
	siphash_u64(&hash, row->endpoint.port);
	return siphash_final(&hash);
}

uint64_t ledger_hash_block(uint32_t block, const struct block_row *row)
{
	struct siphash hash;

	siphash_init(&hash, digest_key);
	siphash_u64(&hash, ROW_BLOCK);
	siphash_u64(&hash, row->changed);
	siphash_u64(&hash, block);
	siphash_u64(&hash, row->state);
	siphash_update(&hash, row->owner.b, sizeof(row->owner.b));
	siphash_u64(&hash, row->weak);
	return siphash_final(&hash);
}

uint64_t ledger_digest_recompute(const struct ledger *ledger)
{
	uint64_t digest = 0;

	if (ledger->version > 0)
		digest += ledger_hash_config(&ledger->config);
	for (size_t i = 0; i < ledger->n_peers; i++)
		digest += ledger_hash_peer(&ledger->peers[i]);
	for (uint32_t i = 0; i < ledger->n_blocks; i++)
		if (ledger->blocks[i].changed > 0)
			digest += ledger_hash_block(i, &ledger->blocks[i]);
	return digest;
}

/* ---- putting rows in */

void ledger_put_config(struct ledger *ledger, const struct ledger_config *config)
{
	uint32_t n_blocks = ledger_block_count(config);

	if (ledger->blocks) {
		assert(n_blocks == ledger->n_blocks);
		ledger->digest -= ledger_hash_config(&ledger->config);
	} else {
		assert(n_blocks <= BLOCKS_MAX);
		ledger->n_blocks = n_blocks;
		ledger->blocks = xcalloc(n_blocks, sizeof(*ledger->blocks));
	}
	ledger->config = *config;
	ledger->digest += ledger_hash_config(config);
}

void ledger_put_block(struct ledger *ledger, uint32_t block, const struct block_row *row)
{
	struct block_row *at = &ledger->blocks[block];

	assert(block < ledger->n_blocks && row->changed > 0);
	if (at->changed > 0)
		ledger->digest -= ledger_hash_block(block, at);
	*at = *row;
	ledger->digest += ledger_hash_block(block, row);
}

static void index_remove(struct ledger *ledger, uint32_t position)
{
	size_t at = find_uid(ledger, ledger->n_peers, &ledger->peers[position].uid, position);

	assert(ledger->by_uid[at] == position);
	vec_close_gap(ledger->by_uid, ledger->n_peers, at, sizeof(*ledger->by_uid));
}

/* n: entries that the index has now. */
static void index_add(struct ledger *ledger, size_t n, uint32_t position)
{
	size_t at = find_uid(ledger, n, &ledger->peers[position].uid, position);

	ledger->by_uid =
		vec_open_gap(ledger->by_uid, &ledger->cap_by_uid, n, at, sizeof(*ledger->by_uid));
	ledger->by_uid[at] = position;
}

static void replace_peer(struct ledger *ledger, uint32_t position, const struct peer_row *row)
{
	struct peer_row *at = &ledger->peers[position];
	bool moves = !uid_eq(&at->uid, &row->uid);

	ledger->digest -= ledger_hash_peer(at);
	ledger->digest += ledger_hash_peer(row);
	if (moves)
		index_remove(ledger, position);
	*at = *row;
	if (moves)
		index_add(ledger, ledger->n_peers - 1, position);
}

/* Merge n new rows, in order of name, into the array from its end, so that each row moves at most
 * once. positions[i] is where fresh[i] came to lie. */
static void insert_peers(struct ledger *ledger, const struct peer_row **fresh, size_t n,
			 uint32_t *positions)
{
	size_t from = ledger->n_peers, to = from + n;
	_cleanup_(freep) uint32_t *moved = xcalloc(from + 1, sizeof(*moved));

	ledger->peers = vec_reserve(ledger->peers, &ledger->cap_peers, to, sizeof(*ledger->peers));
	for (size_t left = n; left > 0;) {
		if (from > 0 && strcmp(ledger->peers[from - 1].name, fresh[left - 1]->name) > 0) {
			ledger->peers[--to] = ledger->peers[--from];
			moved[from] = (uint32_t)to;
		} else {
			ledger->peers[--to] = *fresh[--left];
			positions[left] = (uint32_t)to;
		}
	}
	for (size_t i = 0; i < from; i++)
		moved[i] = (uint32_t)i;
	for (size_t i = 0; i < ledger->n_peers; i++)
		ledger->by_uid[i] = moved[ledger->by_uid[i]];
}

void ledger_put_peers(struct ledger *ledger, const struct peer_row *const *rows, size_t n)
{
	_cleanup_(freep) const struct peer_row **fresh = xcalloc(n + 1, sizeof(*fresh));
	_cleanup_(freep) uint32_t *positions = xcalloc(n + 1, sizeof(*positions));
	size_t n_fresh = 0, at;

	for (size_t i = 0; i < n; i++) {
		assert(i == 0 || strcmp(rows[i - 1]->name, rows[i]->name) < 0);
		if (find_name(ledger, rows[i]->name, &at))
			replace_peer(ledger, (uint32_t)at, rows[i]);
		else
			fresh[n_fresh++] = rows[i];
	}
	if (n_fresh == 0)
		return;
	insert_peers(ledger, fresh, n_fresh, positions);
	for (size_t i = 0; i < n_fresh; i++) {
		ledger->digest += ledger_hash_peer(fresh[i]);
		index_add(ledger, ledger->n_peers++, positions[i]);
	}
}

void ledger_put_peer(struct ledger *ledger, const struct peer_row *row)
{
	ledger_put_peers(ledger, &row, 1);
}
