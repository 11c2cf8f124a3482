/*
 * The change feed, sending side: the rows of one copy of the ledger in ascending
 * order of the version that last changed them. gossip.c sends them, keeper.c writes them to its
 * log.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "core/ledger.h"
#include "core/ledger_rows.h"

enum key_kind { KEY_CONFIG, KEY_PEER, KEY_BLOCK };

struct key { /* one changed row */
	uint64_t changed;
	uint32_t at; /* position of the peer, index of the block */
	enum key_kind kind;
};

struct keys { /* a heap, the oldest change first */
	size_t n;
	struct key *heap;
};

static bool key_before(const struct key *a, const struct key *b)
{
	if (a->changed != b->changed)
		return a->changed < b->changed;
	if (a->kind != b->kind)
		return a->kind < b->kind;
	return a->at < b->at;
}

static void sift_down(struct keys *keys, size_t parent)
{
	struct key moving = keys->heap[parent];
	size_t child;

	while ((child = 2 * parent + 1) < keys->n) {
		if (child + 1 < keys->n && key_before(&keys->heap[child + 1], &keys->heap[child]))
			child++;
		if (!key_before(&keys->heap[child], &moving))
			break;
		keys->heap[parent] = keys->heap[child];
		parent = child;
	}
	keys->heap[parent] = moving;
}

static struct key pop(struct keys *keys)
{
	struct key oldest = keys->heap[0];

	keys->heap[0] = keys->heap[--keys->n];
	if (keys->n > 0)
		sift_down(keys, 0);
	return oldest;
}

/* A frame takes few of many rows, so they are heaped, not sorted. The heap is the caller's. */
static struct keys keys_after(const struct ledger *ledger, uint64_t after)
{
	struct keys keys = { 0 };

	keys.heap = xcalloc(1 + ledger->n_peers + ledger->n_blocks, sizeof(*keys.heap));
	if (ledger->config.changed > after)
		keys.heap[keys.n++] = (struct key){ ledger->config.changed, 0, KEY_CONFIG };
	for (uint32_t i = 0; i < ledger->n_peers; i++)
		if (ledger->peers[i].changed > after)
			keys.heap[keys.n++] = (struct key){ ledger->peers[i].changed, i, KEY_PEER };
	for (uint32_t i = 0; i < ledger->n_blocks; i++)
		if (ledger->blocks[i].changed > after)
			keys.heap[keys.n++] =
				(struct key){ ledger->blocks[i].changed, i, KEY_BLOCK };
	for (size_t i = keys.n / 2; i-- > 0;)
		sift_down(&keys, i);
	return keys;
}

/* Upper bounds of peer.proto's encoding and the log's. */
static size_t peer_bytes(const struct peer_row *row)
{
	return 192 + strlen(row->name) + strlen(row->node_ref) + 6 * row->last_reply.n_blocks;
}

enum { CONFIG_BYTES = 512, BLOCK_BYTES = 48 };

size_t ledger_rows_bytes(const struct rows *rows)
{
	size_t bytes = 64 + BLOCK_BYTES * rows->n_blocks;

	if (rows->config)
		bytes += CONFIG_BYTES;
	for (size_t i = 0; i < rows->n_peers; i++)
		bytes += peer_bytes(&rows->peers[i]);
	return bytes;
}

/* What goes into one frame: whole versions, so that a cursor says what has been sent. */
struct batch {
	size_t n, n_peers, n_blocks, bytes;
	/* The last version's may be too much; it is then left out. */
	struct key keys[2 * (1 + FEED_PEERS_MAX + FEED_BLOCKS_MAX)];
};

static void batch_add(struct batch *batch, const struct ledger *ledger, struct key key)
{
	assert(batch->n < sizeof(batch->keys) / sizeof(batch->keys[0]));
	batch->keys[batch->n++] = key;
	switch (key.kind) {
	case KEY_CONFIG:
		batch->bytes += CONFIG_BYTES;
		break;
	case KEY_PEER:
		batch->n_peers++;
		batch->bytes += peer_bytes(&ledger->peers[key.at]);
		break;
	case KEY_BLOCK:
		batch->n_blocks++;
		batch->bytes += BLOCK_BYTES;
		break;
	}
}

static bool batch_fits(const struct batch *batch)
{
	return batch->n_peers <= FEED_PEERS_MAX && batch->n_blocks <= FEED_BLOCKS_MAX;
}

/* Fill the batch; returns the version up to which nothing is missing. */
static uint64_t take_versions(struct keys *keys, const struct ledger *ledger, uint64_t after,
			      size_t max_bytes, struct batch *batch)
{
	uint64_t cursor = after;

	while (keys->n > 0) {
		uint64_t version = keys->heap[0].changed;
		size_t before = batch->n;

		while (keys->n > 0 && keys->heap[0].changed == version)
			batch_add(batch, ledger, pop(keys));
		if (before > 0 && (batch->bytes > max_bytes || !batch_fits(batch))) {
			batch->n = before;
			return cursor;
		}
		/* One command changes one peer and at most OWN_BLOCKS_MAX blocks. */
		assert(batch_fits(batch));
		cursor = version;
	}
	return ledger->version;
}

static void copy_rows(const struct batch *batch, const struct ledger *ledger, struct arena *arena,
		      struct rows *ret)
{
	struct peer_row *peers = arena_array(arena, batch->n_peers, sizeof(*peers));
	struct block_change *blocks = arena_array(arena, batch->n_blocks, sizeof(*blocks));

	assert(peers && blocks);
	*ret = (struct rows){ .peers = peers, .blocks = blocks };
	for (size_t i = 0; i < batch->n; i++) {
		uint32_t at = batch->keys[i].at;

		switch (batch->keys[i].kind) {
		case KEY_CONFIG:
			ret->config = arena_memdup(arena, &ledger->config, sizeof(ledger->config));
			assert(ret->config);
			break;
		case KEY_PEER:
			peers[ret->n_peers++] = ledger->peers[at];
			break;
		case KEY_BLOCK:
			blocks[ret->n_blocks++] = (struct block_change){ at, ledger->blocks[at] };
			break;
		}
	}
}

uint64_t ledger_rows_after(const struct ledger *ledger, uint64_t after, size_t max_bytes,
			   struct arena *arena, struct rows *ret)
{
	struct keys keys = keys_after(ledger, after);
	_cleanup_(freep) struct batch *batch = xcalloc(1, sizeof(*batch));
	uint64_t cursor = take_versions(&keys, ledger, after, max_bytes, batch);

	free(keys.heap);
	copy_rows(batch, ledger, arena, ret);
	return cursor;
}

void ledger_feed_next(const struct ledger *ledger, uint64_t after, uint64_t cursor,
		      size_t max_bytes, struct arena *arena, struct feed *ret)
{
	uint64_t start = after > cursor ? after : cursor;

	if (start > ledger->version) /* said by a neighbour: not to be believed */
		start = ledger->version;
	*ret = (struct feed){
		.after = start,
		.upto = ledger->version,
		.proposer = ledger->proposer,
	};
	ret->cursor = ledger_rows_after(ledger, start, max_bytes, arena, &ret->rows);
	ret->complete = ret->cursor == ledger->version;
	if (ret->complete)
		ret->digest = ledger->digest;
}
