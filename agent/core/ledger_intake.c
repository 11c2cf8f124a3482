/*
 * The change feed, receiving side: rows on their way into a copy of the ledger.
 * gossip.c receives them, keeper.c reads them back from its log. A peer may send anything: rows
 * that break the law are refused, rows that do not give the digest they claim are not taken.
 *
 * Why frames may come in any order, from several senders, again and again: a row's `changed` only
 * rises. Once every frame up to `cursor` has come, each row whose newest change is at or below it
 * is here in that newest form, whatever version it was sent from; and whatever changed later comes
 * later in the order. Only the last frame must come from a version that none of those held here is
 * above: an older one would leave out rows that had already moved on when they were sent.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/vec.h"
#include "base/xalloc.h"
#include "core/ledger.h"
#include "core/ledger_rows.h"

enum {
	VERSION_JUMP_MAX = 1 << 20,
	ROWS_KEPT = 256, /* memory for so many held rows is worth keeping between transfers */
};

/* ---- the law of rows that come from outside */

static bool range_is_lawful(const struct ledger_config *config)
{
	int bits = config->block_len - config->range.len;

	return bits >= 0 && config->block_len <= 30 && (UINT32_C(1) << bits) <= BLOCKS_MAX &&
	       (config->range.ip & ~prefix_mask(config->range.len)) == 0;
}

static bool config_is_lawful(const struct ledger *ledger, const struct ledger_config *config)
{
	const struct ledger_config *ours = &ledger->config;

	if (config->n_keepers == 0 || config->n_keepers > KEEPERS_MAX ||
	    config->n_next > KEEPERS_MAX || uuid_is_zero(&config->cluster) ||
	    !range_is_lawful(config))
		return false;
	return ledger->version == 0 ||
	       (uuid_eq(&ours->cluster, &config->cluster) && ours->range.ip == config->range.ip &&
		ours->range.len == config->range.len && ours->block_len == config->block_len);
}

bool ledger_config_agrees(const struct ledger_config *config, const struct ledger_only *only)
{
	if (!uuid_is_zero(&only->cluster) && !uuid_eq(&config->cluster, &only->cluster))
		return false;
	return only->block_len == 0 ||
	       (config->range.ip == only->range.ip && config->range.len == only->range.len &&
		config->block_len == only->block_len);
}

static bool peer_is_lawful(const struct peer_row *row)
{
	return row->name[0] != '\0' && !uid_is_zero(&row->uid) && row->epoch > 0 &&
	       row->status > PEER_STATUS_UNKNOWN && row->status <= PEER_FENCED &&
	       row->last_reply.n_blocks <= GRANT_BLOCKS_MAX && row->endpoint.ip_len <= 16;
}

static bool block_is_lawful(const struct block_change *change, uint32_t n_blocks)
{
	bool owned = change->row.state == BLOCK_OWNED || change->row.state == BLOCK_HELD;

	return change->block < n_blocks && change->row.state <= BLOCK_HELD &&
	       owned != uid_is_zero(&change->row.owner);
}

static bool rises(uint64_t *last, uint64_t changed)
{
	bool rising = changed >= *last;

	*last = changed;
	return rising;
}

/* Each row by itself, and the order: after < changed <= upto, ascending. */
static bool rows_are_lawful(const struct ledger *ledger, const struct rows *rows, uint64_t after,
			    uint64_t upto)
{
	uint32_t n_blocks = ledger->n_blocks ? ledger->n_blocks : BLOCKS_MAX;
	uint64_t last = after + 1;

	if (rows->config && (!config_is_lawful(ledger, rows->config) ||
			     rows->config->changed <= after || rows->config->changed > upto))
		return false;
	for (size_t i = 0; i < rows->n_peers; i++)
		if (!peer_is_lawful(&rows->peers[i]) || !rises(&last, rows->peers[i].changed))
			return false;
	if (last > upto && rows->n_peers > 0)
		return false;
	last = after + 1;
	for (size_t i = 0; i < rows->n_blocks; i++)
		if (!block_is_lawful(&rows->blocks[i], n_blocks) ||
		    !rises(&last, rows->blocks[i].row.changed))
			return false;
	return last <= upto || rows->n_blocks == 0;
}

static bool frame_is_lawful(const struct ledger *ledger, const struct feed *feed)
{
	if (feed->after > feed->cursor || feed->cursor > feed->upto ||
	    feed->complete != (feed->cursor == feed->upto) ||
	    (!feed->complete && feed->cursor == feed->after))
		return false;
	if (ledger->version > 0 && feed->upto > ledger->version &&
	    feed->upto - ledger->version > VERSION_JUMP_MAX)
		return false;
	return rows_are_lawful(ledger, &feed->rows, feed->after, feed->cursor);
}

/* ---- in */

void intake_init(struct ledger_intake *intake)
{
	*intake = (struct ledger_intake){ 0 };
}

void intake_done(struct ledger_intake *intake)
{
	free(intake->peers);
	free(intake->by_name);
	free(intake->blocks);
	free(intake->by_index);
	*intake = (struct ledger_intake){ 0 };
}

void intake_restart(struct ledger_intake *intake, uint64_t after)
{
	/* One per link: what a whole copy took is given back. */
	if (intake->cap_peers > ROWS_KEPT || intake->cap_blocks > ROWS_KEPT) {
		struct ledger_only only = intake->only;

		intake_done(intake);
		intake->only = only;
	}
	intake->full = after == 0;
	intake->cursor = intake->upto = after;
	intake->have_config = false;
	intake->n_peers = intake->n_blocks = 0;
}

uint64_t intake_wants(const struct ledger_intake *intake, const struct ledger *ledger)
{
	if (!intake->full && intake->cursor < ledger->version)
		return ledger->version;
	return intake->cursor;
}

static void hold_peer(struct ledger_intake *intake, const struct peer_row *row)
{
	size_t low = 0, high = intake->n_peers;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct peer_row *held = &intake->peers[intake->by_name[middle]];
		int order = strcmp(held->name, row->name);

		if (order == 0) {
			if (held->changed < row->changed)
				*held = *row;
			return;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	intake->peers = vec_reserve(intake->peers, &intake->cap_peers, intake->n_peers + 1,
				    sizeof(*intake->peers));
	intake->by_name = vec_open_gap(intake->by_name, &intake->cap_by_name, intake->n_peers, low,
				       sizeof(*intake->by_name));
	intake->by_name[low] = (uint32_t)intake->n_peers;
	intake->peers[intake->n_peers++] = *row;
}

static void hold_block(struct ledger_intake *intake, const struct block_change *change)
{
	size_t low = 0, high = intake->n_blocks;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct block_change *held = &intake->blocks[intake->by_index[middle]];

		if (held->block == change->block) {
			if (held->row.changed < change->row.changed)
				*held = *change;
			return;
		}
		if (held->block < change->block)
			low = middle + 1;
		else
			high = middle;
	}
	intake->blocks = vec_reserve(intake->blocks, &intake->cap_blocks, intake->n_blocks + 1,
				     sizeof(*intake->blocks));
	intake->by_index = vec_open_gap(intake->by_index, &intake->cap_by_index, intake->n_blocks,
					low, sizeof(*intake->by_index));
	intake->by_index[low] = (uint32_t)intake->n_blocks;
	intake->blocks[intake->n_blocks++] = *change;
}

/* Each name and each block once, so that a peer cannot make us hold more than a ledger. False: it
 * tries to. */
static bool hold(struct ledger_intake *intake, const struct feed *feed)
{
	const struct rows *rows = &feed->rows;

	if (rows->config &&
	    (!intake->have_config || intake->config.changed < rows->config->changed)) {
		intake->have_config = true;
		intake->config = *rows->config;
	}
	for (size_t i = 0; i < rows->n_peers && intake->n_peers <= MEMBERS_MAX; i++)
		hold_peer(intake, &rows->peers[i]);
	for (size_t i = 0; i < rows->n_blocks; i++)
		hold_block(intake, &rows->blocks[i]);
	if (feed->cursor > intake->cursor)
		intake->cursor = feed->cursor;
	if (feed->upto > intake->upto)
		intake->upto = feed->upto;
	return intake->n_peers <= MEMBERS_MAX;
}

/* What a complete transfer would make of the ledger: rows that are newer than what it shows, in
 * order of name, on the digest that it would then have. */
struct news {
	const struct ledger_config *config; /* NULL: no newer one */
	size_t n_peers, n_new_peers;
	const struct peer_row **peers; /* owned array, borrowed rows */
	uint64_t digest;
};

static void news_of_config(const struct ledger_intake *intake, const struct ledger *base,
			   struct news *news)
{
	if (!intake->have_config || intake->config.changed <= base->config.changed)
		return;
	news->config = &intake->config;
	if (base->version > 0)
		news->digest -= ledger_hash_config(&base->config);
	news->digest += ledger_hash_config(news->config);
}

static void news_of_peers(const struct ledger_intake *intake, const struct ledger *base,
			  struct news *news)
{
	news->peers = xcalloc(intake->n_peers + 1, sizeof(const struct peer_row *));
	for (size_t i = 0; i < intake->n_peers; i++) {
		const struct peer_row *row = &intake->peers[intake->by_name[i]];
		const struct peer_row *shown = ledger_peer(base, row->name);

		if (shown && shown->changed >= row->changed)
			continue;
		if (shown)
			news->digest -= ledger_hash_peer(shown);
		else
			news->n_new_peers++;
		news->digest += ledger_hash_peer(row);
		news->peers[news->n_peers++] = row;
	}
}

static bool is_news(const struct ledger *base, const struct block_change *change)
{
	return change->block >= base->n_blocks ||
	       base->blocks[change->block].changed < change->row.changed;
}

static void news_of_blocks(const struct ledger_intake *intake, const struct ledger *base,
			   struct news *news)
{
	for (size_t i = 0; i < intake->n_blocks; i++) {
		const struct block_change *change = &intake->blocks[i];

		if (!is_news(base, change))
			continue;
		if (change->block < base->n_blocks && base->blocks[change->block].changed > 0)
			news->digest -=
				ledger_hash_block(change->block, &base->blocks[change->block]);
		news->digest += ledger_hash_block(change->block, &change->row);
	}
}

static int name_order(const void *a, const void *b)
{
	const struct peer_row *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static int uid_order(const void *a, const void *b)
{
	const struct peer_row *const *left = a, *const *right = b;

	return uid_cmp(&(*left)->uid, &(*right)->uid);
}

static bool is_among(const struct peer_row *const *by_name, size_t n, const struct peer_row *row)
{
	return n > 0 && bsearch(&row, by_name, n, sizeof(struct peer_row *), name_order);
}

/* A uid stands in one row, also once these rows have replaced those of their names: everything that
 * goes over peers by uid counts on it. */
static bool uids_come_once(const struct ledger *base, const struct peer_row *const *by_name,
			   size_t n)
{
	_cleanup_(freep) const struct peer_row **by_uid = xcalloc(n + 1, sizeof(*by_uid));

	if (n > 0)
		memcpy(by_uid, by_name, n * sizeof(*by_uid));
	if (n > 1)
		qsort(by_uid, n, sizeof(*by_uid), uid_order);
	for (size_t i = 0; i < n; i++) {
		const struct peer_row *shown = ledger_peer_by_uid(base, &by_uid[i]->uid);

		if (i > 0 && uid_eq(&by_uid[i - 1]->uid, &by_uid[i]->uid))
			return false;
		if (shown && strcmp(shown->name, by_uid[i]->name) != 0 &&
		    !is_among(by_name, n, shown))
			return false;
	}
	return true;
}

/* Our cluster and range, every block inside it, not more peers than a ledger holds, each uid once:
 * what one frame cannot tell. The config was looked at when its frame came, but since then another
 * link may have shown us which cluster is ours. */
static bool whole_is_lawful(const struct ledger_intake *intake, const struct ledger *base,
			    const struct ledger *shown, const struct news *news)
{
	const struct ledger_config *config = news->config ? news->config : &base->config;
	uint32_t n_blocks;

	if (!news->config && base->version == 0)
		return false;
	if (!config_is_lawful(shown, config) || !ledger_config_agrees(config, &intake->only))
		return false;
	n_blocks = ledger_block_count(config);
	for (size_t i = 0; i < intake->n_blocks; i++)
		if (intake->blocks[i].block >= n_blocks)
			return false;
	return base->n_peers + news->n_new_peers <= MEMBERS_MAX &&
	       uids_come_once(base, news->peers, news->n_peers);
}

static void take(const struct ledger_intake *intake, const struct news *news, struct ledger *ledger)
{
	if (news->config)
		ledger_put_config(ledger, news->config);
	ledger_put_peers(ledger, news->peers, news->n_peers);
	for (size_t i = 0; i < intake->n_blocks; i++)
		if (is_news(ledger, &intake->blocks[i]))
			ledger_put_block(ledger, intake->blocks[i].block, &intake->blocks[i].row);
}

/* Everything up to feed->upto is held or shown: check it, then show it at once. */
static enum intake_result finish(struct ledger_intake *intake, struct ledger *ledger,
				 const struct feed *feed)
{
	const struct ledger nothing = { 0 };
	const struct ledger *base = intake->full ? &nothing : ledger;
	struct news news = { .digest = base->digest };
	enum intake_result result = INTAKE_SHOWN;

	if (feed->upto == ledger->version && feed->digest == ledger->digest)
		return INTAKE_OLD;
	news_of_config(intake, base, &news);
	news_of_peers(intake, base, &news);
	news_of_blocks(intake, base, &news);
	if (!whole_is_lawful(intake, base, ledger, &news)) {
		result = INTAKE_REFUSED;
	} else if (news.digest != feed->digest) {
		result = INTAKE_FALSE;
	} else {
		if (intake->full)
			ledger_done(ledger);
		take(intake, &news, ledger);
		ledger->version = feed->upto;
		ledger->proposer = feed->proposer;
		assert(ledger->digest == feed->digest);
	}
	free(news.peers);
	return result;
}

enum intake_result intake_feed(struct ledger_intake *intake, struct ledger *ledger,
			       const struct feed *feed)
{
	enum intake_result result;

	assert(!feed->want);
	if (!frame_is_lawful(ledger, feed)) {
		intake_restart(intake, ledger->version);
		return INTAKE_REFUSED;
	}
	if (feed->upto < ledger->version || (feed->upto == ledger->version && !intake->full))
		return INTAKE_OLD;
	intake->cursor = intake_wants(intake, ledger);
	if (feed->after > intake->cursor)
		return INTAKE_GAP;
	if (!hold(intake, feed)) {
		intake_restart(intake, ledger->version);
		return INTAKE_REFUSED;
	}
	if (!feed->complete)
		return INTAKE_MORE;
	result = feed->upto < intake->upto ? INTAKE_GAP : finish(intake, ledger, feed);
	intake_restart(intake, result == INTAKE_FALSE ? 0 : ledger->version);
	return result;
}

/* ---- from a log */

/* Sorted by name, so that a whole ledger is read in without moving it for each row. False: a name
 * comes twice. */
static bool in_order_of_name(const struct rows *rows, const struct peer_row **ret)
{
	for (size_t i = 0; i < rows->n_peers; i++)
		ret[i] = &rows->peers[i];
	if (rows->n_peers > 1)
		qsort(ret, rows->n_peers, sizeof(*ret), name_order);
	for (size_t i = 1; i < rows->n_peers; i++)
		if (strcmp(ret[i - 1]->name, ret[i]->name) == 0)
			return false;
	return true;
}

static bool blocks_are_inside(const struct ledger *ledger, const struct rows *rows)
{
	uint32_t n_blocks = ledger->n_blocks;

	if (rows->config)
		n_blocks = ledger_block_count(rows->config);
	for (size_t i = 0; i < rows->n_blocks; i++)
		if (rows->blocks[i].block >= n_blocks)
			return false;
	return n_blocks > 0;
}

bool ledger_overlay(struct ledger *ledger, uint64_t after, uint64_t version,
		    const struct rows *rows)
{
	_cleanup_(freep) const struct peer_row **peers = xcalloc(rows->n_peers + 1, sizeof(*peers));

	if (version < after || version < ledger->version ||
	    !rows_are_lawful(ledger, rows, after, version) || !blocks_are_inside(ledger, rows) ||
	    !in_order_of_name(rows, peers) || !uids_come_once(ledger, peers, rows->n_peers))
		return false;
	if (rows->config)
		ledger_put_config(ledger, rows->config);
	ledger_put_peers(ledger, peers, rows->n_peers);
	for (size_t i = 0; i < rows->n_blocks; i++)
		ledger_put_block(ledger, rows->blocks[i].block, &rows->blocks[i].row);
	ledger->version = version;
	return true;
}
