/* The ledger's rows: columns agree, references stay inside, the future is refused. */
#include "wire/ledger_codec.h"

#include "wire/peer_codec.h"

#include "check.h"
#include "protobuf.h"
#include "wire_messages.h"

/* Rows as a peer might send them: columns, each of its own length. */
struct columns {
	size_t n_owner, n_block, n_ref, n_state, n_weak, n_changed;
	uint32_t block, ref, state;
};

static void put_column(struct writer *w, uint32_t field, size_t n, uint32_t value)
{
	uint8_t room[4 * FEED_BLOCKS_MAX];
	struct writer column = writer_to(room, sizeof(room));

	for (size_t i = 0; i < n; i++)
		pb_varint(&column, value);
	pb_message(w, field, &column);
}

static bool take(const struct columns *columns, struct rows *ret, struct arena *arena,
		 struct err *err)
{
	static const uint8_t owner[16] = { 1 };
	uint8_t room[65536], outer[65536];
	struct writer blocks = writer_to(room, sizeof(room)),
		      rows = writer_to(outer, sizeof(outer));
	const Weft__Peer__Rows *unpacked;

	for (size_t i = 0; i < columns->n_owner; i++)
		pb_bytes(&blocks, 1, owner, sizeof(owner));
	put_column(&blocks, 2, columns->n_block, columns->block);
	put_column(&blocks, 3, columns->n_ref, columns->ref);
	put_column(&blocks, 4, columns->n_state, columns->state);
	put_column(&blocks, 5, columns->n_weak, 1);
	put_column(&blocks, 6, columns->n_changed, 5);
	pb_message(&rows, 3, &blocks);
	unpacked = unpack(&weft__peer__rows__descriptor, &peer_limits, writer_bytes(&rows), arena,
			  err);
	return unpacked && rows_take(unpacked, arena, ret, err);
}

static void refused(const struct columns *columns, const char *why)
{
	struct arena arena;
	struct rows rows;
	struct err err = { 0 };

	arena_init(&arena, 1 << 20);
	CHECK(!take(columns, &rows, &arena, &err));
	CHECK_STR(err.text, why);
	arena_done(&arena);
}

static void columns_must_agree(void)
{
	static const char why[] = "BlockRows has columns of different length";

	refused(&(struct columns){ 1, 2, 1, 2, 2, 2, 0, 0, 0 }, why);
	refused(&(struct columns){ 1, 2, 2, 1, 2, 2, 0, 0, 0 }, why);
	refused(&(struct columns){ 1, 2, 2, 2, 1, 2, 0, 0, 0 }, why);
	refused(&(struct columns){ 1, 2, 2, 2, 2, 3, 0, 0, 0 }, why);
	refused(&(struct columns){ 1, 0, 2, 2, 2, 2, 0, 0, 0 }, why);
}

static void values_are_bounded(void)
{
	refused(&(struct columns){ 1, 2, 2, 2, 2, 2, BLOCKS_MAX, 0, 0 },
		"BlockRows.block is 16384, expected below 16384");
	refused(&(struct columns){ 1, 2, 2, 2, 2, 2, 0, 2, 0 },
		"BlockRows.owner_ref leads beyond the owners");
	refused(&(struct columns){ 0, 2, 2, 2, 2, 2, 0, 1, 0 },
		"BlockRows.owner_ref leads beyond the owners");
	refused(&(struct columns){ 1, 2, 2, 2, 2, 2, 0, 0, 4 },
		"BlockRows.state is one that this agent does not know");
}

static void good_columns_are_taken(void)
{
	struct columns columns = { 1, 3, 3, 3, 3, 3, 77, 1, BLOCK_OWNED };
	struct arena arena;
	struct rows rows;
	struct err err = { 0 };

	arena_init(&arena, 1 << 20);
	REQUIRE(take(&columns, &rows, &arena, &err));
	REQUIRE(rows.n_blocks == 3);
	CHECK_UINT(rows.blocks[2].block, 77);
	CHECK_INT(rows.blocks[2].row.state, BLOCK_OWNED);
	CHECK_UINT(rows.blocks[2].row.owner.b[0], 1);
	CHECK(rows.blocks[2].row.weak);
	CHECK_UINT(rows.blocks[2].row.changed, 5);
	arena_done(&arena);
}

static void each_owner_is_named_once(void)
{
	struct block_change blocks[FEED_BLOCKS_MAX] = { 0 };
	struct rows rows = { .n_blocks = FEED_BLOCKS_MAX, .blocks = blocks }, back;
	Weft__Peer__Rows *given;
	struct arena arena;
	struct err err = { 0 };

	for (uint32_t i = 0; i < FEED_BLOCKS_MAX; i++) {
		blocks[i].block = i;
		blocks[i].row.state = BLOCK_OWNED;
		/* three owners whose hashes meet, and nobody */
		blocks[i].row.owner.b[15] = (uint8_t)(i % 4);
	}
	arena_init(&arena, ARENA_UNLIMITED);
	given = rows_give(&rows, &arena);
	CHECK_UINT(given->blocks->n_owner, 3);
	REQUIRE(rows_take(given, &arena, &back, &err));
	CHECK(same_rows(&rows, &back));
	arena_done(&arena);
}

static void peers_are_bounded(void)
{
	struct peer_row row = { .status = PEER_ATTACHED, .name = "n", .uid.b = { 1 } };
	struct rows rows = { .n_peers = 1, .peers = &row }, back;
	Weft__Peer__Rows *given;
	struct arena arena;
	struct err err = { 0 };
	/* a last reply with 17 blocks */
	uint8_t room[64];
	struct writer reply = writer_to(room, sizeof(room));

	arena_init(&arena, ARENA_UNLIMITED);
	given = rows_give(&rows, &arena);
	CHECK(rows_take(given, &arena, &back, &err));
	given->peers[0]->status = (Weft__Peer__PeerStatus)4;
	CHECK(!rows_take(given, &arena, &back, &err));
	CHECK_STR(err.text, "PeerRow.status is one that this agent does not know");
	given->peers[0]->status = WEFT__PEER__PEER_STATUS__PS_UNKNOWN;
	CHECK(!rows_take(given, &arena, &back, &err));

	given = rows_give(&rows, &arena);
	for (int i = 0; i < 17; i++)
		pb_number(&reply, 5, 1);
	given->peers[0]->last_reply = give_bytes(room, reply.len);
	CHECK(!rows_take(given, &arena, &back, &err));
	CHECK_STR(err.text, "Reply.block is there more often than 16");
	given->peers[0]->last_reply = give_bytes(NULL, 0);
	given->peers[0]->node_ref = give_bytes(room, 65);
	CHECK(!rows_take(given, &arena, &back, &err));
	CHECK_STR(err.text, "PeerRow.node_ref has 65 bytes, at most 64 are allowed");
	arena_done(&arena);
}

static void config_is_bounded(void)
{
	struct ledger_config config = { .cluster.b = { 1 }, .n_keepers = 1, .n_next = 1 };
	struct rows rows = { .config = &config }, back;
	Weft__Peer__Rows *given;
	struct arena arena;
	struct err err = { 0 };

	config.keeper_uid[0].b[0] = config.next_uid[0].b[0] = 1;
	arena_init(&arena, ARENA_UNLIMITED);
	given = rows_give(&rows, &arena);
	CHECK(rows_take(given, &arena, &back, &err));
	given->config->n_keeper_id = 0;
	CHECK(!rows_take(given, &arena, &back, &err));
	CHECK_STR(err.text, "Config has not as many keeper ids as keepers");
	given = rows_give(&rows, &arena);
	given->config->cluster_uuid.len = 0;
	CHECK(!rows_take(given, &arena, &back, &err));
	CHECK_STR(err.text, "Config.cluster_uuid has 0 bytes, expected 16");
	CHECK(rows_take(NULL, &arena, &back, &err));
	CHECK(!back.config && back.n_peers == 0 && back.n_blocks == 0);
	arena_done(&arena);
}

int main(void)
{
	RUN(columns_must_agree);
	RUN(values_are_bounded);
	RUN(good_columns_are_taken);
	RUN(each_owner_is_named_once);
	RUN(peers_are_bounded);
	RUN(config_is_bounded);
	return check_report();
}
