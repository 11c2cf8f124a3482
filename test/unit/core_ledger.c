#include "core/ledger.h"

#include "core/ledger_rows.h"
#include "ledgers.h"

static struct peer_row row_of(unsigned number, uint64_t changed)
{
	struct peer_row row = {
		.uid = uid_of(number),
		.epoch = 1,
		.status = PEER_ATTACHED,
		.changed = changed,
	};

	/* Names in another order than numbers. */
	snprintf(row.name, sizeof(row.name), "node-%05u", number * 7919 % 10007);
	return row;
}

static void founded_with_everything_free(void)
{
	struct ledger ledger = ledger_of(20);
	struct uid keeper = uid_of(1), other = uid_of(2);

	CHECK_UINT(ledger.version, 1);
	CHECK_UINT(ledger.n_blocks, 64);
	CHECK_UINT(ledger.config.changed, 1);
	for (uint32_t i = 0; i < ledger.n_blocks; i++)
		CHECK(ledger.blocks[i].state == BLOCK_FREE && ledger.blocks[i].changed == 0);
	CHECK(ledger_is_keeper(&ledger, &keeper));
	CHECK(!ledger_is_keeper(&ledger, &other));
	check_ledger(&ledger);
	ledger_done(&ledger);
}

static void blocks_are_prefixes_of_the_range(void)
{
	struct ledger ledger = ledger_of(12);
	struct prefix last = ledger_block_prefix(&ledger, 16383);

	CHECK_UINT(ledger.n_blocks, BLOCKS_MAX);
	CHECK_UINT(ledger_block_prefix(&ledger, 0).ip, 0x0a200000);
	CHECK_UINT(ledger_block_prefix(&ledger, 5).ip, 0x0a200140);
	CHECK_UINT(ledger_block_prefix(&ledger, 5).len, 26);
	CHECK_UINT(prefix_last(last), 0x0a2fffff);
	ledger_done(&ledger);
}

static void one_block_is_a_range(void)
{
	struct ledger ledger = ledger_of(26);

	CHECK_UINT(ledger.n_blocks, 1);
	CHECK_UINT(ledger_block_prefix(&ledger, 0).ip, 0x0a200000);
	check_ledger(&ledger);
	ledger_done(&ledger);
}

static void an_empty_ledger_answers(void)
{
	struct ledger ledger, copy;

	ledger_init(&ledger);
	ledger_init(&copy);
	CHECK(!ledger_peer(&ledger, "node"));
	CHECK(!row_by_number(&ledger, 1));
	CHECK_UINT(ledger_digest_recompute(&ledger), 0);
	ledger_copy(&copy, &ledger);
	CHECK_UINT(copy.version, 0);
	ledger_done(&copy);
	ledger_done(&ledger);
}

/* Put in one by one or all at once, in whatever order: the same ledger. */
static void batches_equal_single_rows(void)
{
	enum { ROWS = 600 };
	struct ledger single = ledger_of(20), batch = ledger_of(20);
	static struct peer_row rows[ROWS];
	const struct peer_row *sorted[ROWS];
	size_t n = 0;

	single.version = batch.version = ROWS;
	for (unsigned i = 0; i < ROWS; i++) {
		rows[i] = row_of(i, i + 1);
		ledger_put_peer(&single, &rows[i]);
	}
	for (unsigned part = 0; part < 3; part++) {
		n = 0;
		for (size_t i = 0; i < ROWS; i++) {
			for (unsigned j = part; j < ROWS; j += 3)
				if (strcmp(rows[j].name, single.peers[i].name) == 0)
					sorted[n++] = &rows[j];
		}
		ledger_put_peers(&batch, sorted, n);
	}
	CHECK(same_ledger(&single, &batch));
	check_ledger(&single);
	check_ledger(&batch);
	ledger_done(&single);
	ledger_done(&batch);
}

static void rows_that_change_uid_are_found(void)
{
	struct ledger ledger = ledger_of(20);
	struct peer_row row;

	ledger.version = 1000;
	for (unsigned i = 0; i < 50; i++) {
		row = row_of(i, i + 2);
		ledger_put_peer(&ledger, &row);
	}
	for (unsigned i = 0; i < 50; i += 2) {
		row = row_of(i, 100 + i);
		row.uid = uid_of(500 + i);
		ledger_put_peer(&ledger, &row);
		CHECK(!row_by_number(&ledger, i));
	}
	CHECK_UINT(ledger.n_peers, 50);
	check_ledger(&ledger);
	ledger_done(&ledger);
}

/* Every field counts: a copy that lost one would otherwise be believed. */
static void every_field_is_in_the_digest(void)
{
	struct peer_row base = row_of(1, 1), row;
	struct block_row block = { .state = BLOCK_OWNED, .owner = uid_of(1), .changed = 1 }, other;
	struct ledger_config config = config_of(12), next;
	uint64_t hash = ledger_hash_peer(&base), block_hash = ledger_hash_block(3, &block);
	uint64_t config_hash = ledger_hash_config(&config);

#define PEER_WITH(change) (row = base, row.change, CHECK(ledger_hash_peer(&row) != hash))
	PEER_WITH(uid.b[15] ^= 1);
	PEER_WITH(name[0] ^= 1);
	PEER_WITH(epoch++);
	PEER_WITH(status = PEER_LEFT);
	PEER_WITH(boot.b[0] ^= 1);
	PEER_WITH(binding.part[2][7] ^= 1);
	PEER_WITH(node_ref[0] = 'x');
	PEER_WITH(last_seq++);
	PEER_WITH(last_reply.outcome = OUTCOME_DENIED);
	PEER_WITH(last_reply.n_blocks = 1);
	PEER_WITH(nonce++);
	PEER_WITH(changed++);
	PEER_WITH(endpoint.ip_len = 4);
	PEER_WITH(endpoint.port++);
#undef PEER_WITH
#define BLOCK_WITH(change) \
	(other = block, other.change, CHECK(ledger_hash_block(3, &other) != block_hash))
	BLOCK_WITH(state = BLOCK_HELD);
	BLOCK_WITH(owner.b[0] ^= 1);
	BLOCK_WITH(weak = true);
	BLOCK_WITH(changed++);
#undef BLOCK_WITH
	CHECK(ledger_hash_block(4, &block) != block_hash);
#define CONFIG_WITH(change) \
	(next = config, next.change, CHECK(ledger_hash_config(&next) != config_hash))
	CONFIG_WITH(number++);
	CONFIG_WITH(cluster.b[0] ^= 1);
	CONFIG_WITH(n_next = 0);
	CONFIG_WITH(keeper_uid[0].b[0] ^= 1);
	CONFIG_WITH(keeper_id[0]++);
	CONFIG_WITH(next_id[0]++);
	CONFIG_WITH(feature_level++);
	CONFIG_WITH(range.ip++);
	CONFIG_WITH(range.len++);
	CONFIG_WITH(block_len++);
	CONFIG_WITH(ula48[5]++);
	CONFIG_WITH(reclaim_mode++);
	CONFIG_WITH(changed++);
	CONFIG_WITH(set_by.n++);
	CONFIG_WITH(set_by.keeper++);
#undef CONFIG_WITH
}

/* A copy is its own: what happens to one does not show in the other, also when memory is used
 * again for a ledger of another size. */
static void copies_are_independent(void)
{
	struct history large, small;
	struct ledger copy;

	history_init(&large, 5, 18);
	history_init(&small, 6, 22);
	history_run(&large, 300);
	history_run(&small, 40);
	ledger_init(&copy);
	for (int i = 0; i < 6; i++) {
		struct history *from = i % 2 ? &large : &small;
		uint64_t digest = from->ledger.digest;

		ledger_copy(&copy, &from->ledger);
		CHECK(same_ledger(&copy, &from->ledger));
		check_ledger(&copy);
		history_run(from, 5);
		CHECK_UINT(copy.digest, digest);
		CHECK_UINT(ledger_digest_recompute(&copy), digest);
	}
	ledger_done(&copy);
	ledger_done(&large.ledger);
	ledger_done(&small.ledger);
}

int main(void)
{
	RUN(founded_with_everything_free);
	RUN(blocks_are_prefixes_of_the_range);
	RUN(one_block_is_a_range);
	RUN(an_empty_ledger_answers);
	RUN(batches_equal_single_rows);
	RUN(rows_that_change_uid_are_found);
	RUN(every_field_is_in_the_digest);
	RUN(copies_are_independent);
	return check_report();
}
