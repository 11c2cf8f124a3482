/* Logs: there and back, and whatever is cut or flipped gives a prefix or "lost", never anything
 * else. That is tried at every byte and every bit. */
#include "wire/records.h"

#include "base/crc32c.h"

#include "check.h"
#include "wire_messages.h"

static const uint64_t seed = 7172;

/* ---- random records and their comparison */

static void random_node(struct prng *prng, struct record_node *node)
{
	random_bytes(prng, node->cluster.b, sizeof(node->cluster.b));
	node->range = random_prefix(prng);
	node->block_len = (uint8_t)prng_below(prng, 33);
	node->epoch = random_u32(prng);
	node->seq = random_u64(prng);
	node->n_blocks = prng_below(prng, prng_below(prng, 4) ? 4 : OWN_BLOCKS_MAX + 1);
	for (size_t i = 0; i < node->n_blocks; i++)
		node->blocks[i] = (uint32_t)prng_below(prng, BLOCKS_MAX);
}

static void random_keeper(struct prng *prng, struct arena *arena, struct record_keeper *keeper)
{
	keeper->keeper_id = random_u64(prng);
	keeper->promised = (struct ballot){ random_u64(prng), random_u64(prng) };
	keeper->accepted = (struct ballot){ random_u64(prng), random_u64(prng) };
	keeper->whole = random_bool(prng);
	keeper->last = random_bool(prng);
	keeper->base_version = random_u64(prng);
	keeper->version = random_u64(prng);
	if (random_bool(prng))
		random_rows(prng, arena, &keeper->rows);
}

static void random_pod(struct prng *prng, struct record_pod *pod, bool whole)
{
	random_string(prng, pod->container_id, 1, CONTAINER_ID_MAX, '!');
	random_string(prng, pod->ifname, 1, IFNAME_LEN_MAX, '!');
	pod->ip = random_u32(prng);
	if (!whole)
		return;
	pod->number = random_u64(prng);
	random_string(prng, pod->pod, 0, POD_NAME_MAX, ' ');
	random_string(prng, pod->netns, 0, NETNS_PATH_MAX, ' ');
	pod->mtu = random_u32(prng);
	pod->made_at_s = random_u64(prng);
}

static enum record_type random_type(struct prng *prng, enum store_file file)
{
	switch (file) {
	case STORE_NODE:
		return RECORD_NODE;
	case STORE_KEEPER:
		return RECORD_KEEPER;
	case STORE_PODS:
		return (enum record_type)(RECORD_ALLOC + prng_below(prng, 3));
	case STORE_FILE_COUNT:
		break;
	}
	abort();
}

static void random_record(struct prng *prng, struct arena *arena, enum store_file file,
			  struct record *record)
{
	memset(record, 0, sizeof(*record));
	record->type = random_type(prng, file);
	switch (record->type) {
	case RECORD_NODE:
		random_node(prng, &record->node);
		break;
	case RECORD_KEEPER:
		random_keeper(prng, arena, &record->keeper);
		break;
	case RECORD_ALLOC:
	case RECORD_FREE:
		random_pod(prng, &record->pod, record->type == RECORD_ALLOC);
		break;
	case RECORD_TOKEN:
		random_bytes(prng, record->token.boot.b, 16);
		random_bytes(prng, record->token.uid.b, 16);
		record->token.epoch = random_u32(prng);
		record->token.seq = random_u64(prng);
		break;
	}
}

static bool same_node(const struct record_node *a, const struct record_node *b)
{
	return SAME_BYTES(cluster) && same_prefix(a->range, b->range) && SAME(block_len) &&
	       SAME(epoch) && SAME(seq) &&
	       same_blocks(a->blocks, a->n_blocks, b->blocks, b->n_blocks);
}

static bool same_keeper(const struct record_keeper *a, const struct record_keeper *b)
{
	return SAME(keeper_id) && same_ballot(&a->promised, &b->promised) &&
	       same_ballot(&a->accepted, &b->accepted) && SAME(whole) && SAME(last) &&
	       SAME(base_version) && SAME(version) && same_rows(&a->rows, &b->rows);
}

static bool same_pod(const struct record_pod *a, const struct record_pod *b)
{
	return SAME_STRING(container_id) && SAME_STRING(ifname) && SAME(ip) && SAME(number) &&
	       SAME_STRING(pod) && SAME_STRING(netns) && SAME(mtu) && SAME(made_at_s);
}

static bool same_record(const struct record *a, const struct record *b)
{
	if (!SAME(type))
		return false;
	switch (a->type) {
	case RECORD_NODE:
		return same_node(&a->node, &b->node);
	case RECORD_KEEPER:
		return same_keeper(&a->keeper, &b->keeper);
	case RECORD_ALLOC:
	case RECORD_FREE:
		return same_pod(&a->pod, &b->pod);
	case RECORD_TOKEN:
		return SAME_BYTES(token.boot) && SAME_BYTES(token.uid) && SAME(token.epoch) &&
		       SAME(token.seq);
	}
	return false;
}

/* ---- a log of some records */

enum { LOG_RECORDS = 5 };

struct log {
	enum store_file file;
	size_t n;
	struct record records[LOG_RECORDS];
	size_t ends[LOG_RECORDS + 1]; /* the header's, then each record's */
	size_t len;
	uint8_t *bytes;
	struct arena arena;
};

static void log_make(struct log *log, struct prng *prng, enum store_file file, size_t n)
{
	log->file = file;
	log->n = n;
	log->bytes = malloc((n + 1) * WIRE_RECORD_MAX);
	arena_init(&log->arena, ARENA_UNLIMITED);
	log->len = log->ends[0] = wire_records_header(file, log->bytes, WIRE_RECORD_MAX);
	for (size_t i = 0; i < n; i++) {
		random_record(prng, &log->arena, file, &log->records[i]);
		log->len += wire_record_encode(&log->records[i], log->bytes + log->len,
					       WIRE_RECORD_MAX);
		log->ends[i + 1] = log->len;
	}
}

static void log_done(struct log *log)
{
	arena_done(&log->arena);
	free(log->bytes);
}

/* How many of the log's records come out of these bytes, in order and unchanged. -1: lost. -2: it
 * gave something else. */
static int read_back(const struct log *log, struct bytes bytes, size_t *ret_good_len)
{
	enum wire_records_result result;
	struct wire_records reader;
	struct record record;
	int n = 0;

	wire_records_init(&reader, log->file, bytes);
	while ((result = wire_records_next(&reader, &record)) == WIRE_RECORDS_ONE) {
		if ((size_t)n >= log->n || !same_record(&log->records[n], &record)) {
			n = -2;
			break;
		}
		n++;
	}
	if (result == WIRE_RECORDS_LOST)
		n = reader.err.code && *reader.err.text ? -1 : -2;
	/* both ends stay */
	if (n >= -1 && wire_records_next(&reader, &record) != result)
		n = -2;
	*ret_good_len = reader.good_len;
	wire_records_done(&reader);
	return n;
}

static int records_before(const struct log *log, size_t at)
{
	int n = 0;

	while ((size_t)n < log->n && log->ends[n + 1] <= at)
		n++;
	return n;
}

static void check_cut(const struct log *log, size_t len)
{
	int n = records_before(log, len), got;
	uint8_t *copy = malloc(len ? len : 1); /* of exactly this length, for the sanitizer */
	size_t good_len;

	memcpy(copy, log->bytes, len);
	got = read_back(log, (struct bytes){ copy, len }, &good_len);
	if (!CHECK_INT(got, n))
		printf("  file %d cut to %zu of %zu bytes\n", log->file, len, log->len);
	CHECK_UINT(good_len, len < log->ends[0] ? 0 : log->ends[n]);
	free(copy);
}

/* In the last record: it is cut off. Anywhere else: what follows cannot be trusted. */
static void check_flip(const struct log *log, size_t bit)
{
	size_t at = bit / 8, good_len;
	int n = records_before(log, at), got;
	int expected = at >= log->ends[0] && (size_t)n == log->n - 1 ? n : -1;

	log->bytes[at] ^= (uint8_t)(1 << bit % 8);
	got = read_back(log, (struct bytes){ log->bytes, log->len }, &good_len);
	log->bytes[at] ^= (uint8_t)(1 << bit % 8);
	if (!CHECK_INT(got, expected))
		printf("  file %d bit %zu of %zu bytes\n", log->file, bit, log->len);
}

static void all_records_come_back(void)
{
	struct prng prng;

	prng_seed(&prng, seed);
	for (int run = 0; run < 200; run++) {
		struct log log;
		size_t good_len;

		log_make(&log, &prng, (enum store_file)prng_below(&prng, STORE_FILE_COUNT),
			 prng_below(&prng, LOG_RECORDS + 1));
		CHECK_INT(read_back(&log, (struct bytes){ log.bytes, log.len }, &good_len),
			  (int)log.n);
		CHECK_UINT(good_len, log.len);
		log_done(&log);
	}
}

static void cuts_and_flips(void)
{
	struct prng prng;

	printf("seed %" PRIu64 "\n", seed);
	prng_seed(&prng, seed);
	for (int file = 0; file < STORE_FILE_COUNT; file++)
		for (int run = 0; run < 4;) {
			struct log log;

			log_make(&log, &prng, (enum store_file)file,
				 1 + prng_below(&prng, LOG_RECORDS));
			if (log.len > 4000) { /* another: every bit of it would take too long */
				log_done(&log);
				continue;
			}
			for (size_t len = 0; len <= log.len; len++)
				check_cut(&log, len);
			for (size_t bit = 0; bit < 8 * log.len; bit++)
				check_flip(&log, bit);
			log_done(&log);
			run++;
		}
}

/* A file grown by a crash before its data came: zeroes, or old bytes of something else. */
static void garbage_at_the_end_is_cut(void)
{
	static const uint8_t zeroes[5000];
	struct log log;
	struct prng prng;
	size_t good_len, with;

	prng_seed(&prng, seed);
	log_make(&log, &prng, STORE_PODS, 3);
	memcpy(log.bytes + log.len, zeroes, sizeof(zeroes));
	with = log.len + sizeof(zeroes);
	CHECK_INT(read_back(&log, (struct bytes){ log.bytes, with }, &good_len), 3);
	CHECK_UINT(good_len, log.len);
	random_bytes(&prng, log.bytes + log.len, sizeof(zeroes));
	CHECK_INT(read_back(&log, (struct bytes){ log.bytes, with }, &good_len), 3);
	log_done(&log);
}

static void expect_lost(enum store_file file, const void *data, size_t len, const char *why)
{
	struct wire_records reader;
	struct record record;

	wire_records_init(&reader, file, (struct bytes){ data, len });
	CHECK_INT(wire_records_next(&reader, &record), WIRE_RECORDS_LOST);
	CHECK_STR(reader.err.text, why);
	wire_records_done(&reader);
}

static void other_files_are_lost(void)
{
	uint8_t buf[64];
	struct record record = { .type = RECORD_TOKEN };
	size_t len = wire_records_header(STORE_PODS, buf, sizeof(buf));

	expect_lost(STORE_NODE, buf, len, "node.log does not begin like one");
	expect_lost(STORE_NODE, "#!/bin/sh\n", 10, "node.log does not begin like one");
	expect_lost(STORE_NODE, "x", 1, "node.log does not begin like one");
	buf[7] = 2;
	expect_lost(STORE_PODS, buf, len, "pods.log has format 2, this agent reads 1");

	/* a good record of another file, alone: too odd to be cut off */
	len = wire_records_header(STORE_NODE, buf, sizeof(buf));
	len += wire_record_encode(&record, buf + len, sizeof(buf) - len);
	expect_lost(STORE_NODE, buf, len, "node.log has a record of type 5 at byte 8");
}

/* A body that no agent wrote, under a good CRC, alone in its file. */
static void refuse_body(enum store_file file, uint8_t type, const void *body, size_t body_len,
			const char *why)
{
	uint8_t buf[1024];
	struct writer w = writer_to(buf, sizeof(buf));

	w.len = wire_records_header(file, buf, sizeof(buf));
	writer_be32(&w, (uint32_t)body_len);
	writer_u8(&w, type);
	writer_put(&w, body, body_len);
	writer_be32(&w, crc32c(0, buf + WIRE_RECORDS_HEADER_LEN, 5 + body_len));
	REQUIRE(!w.broken);
	expect_lost(file, buf, w.len, why);
}

static void nonsense_is_lost(void)
{
	static const char node[] = "node.log has a record at byte 8 that makes no sense";
	static const char pods[] = "pods.log has a record at byte 8 that makes no sense";
	uint8_t zeroes[600] = { 0 };

	/* a string with a 0 in it, one that is too long, one beyond the end */
	refuse_body(STORE_PODS, RECORD_FREE, "\0\2a\0\0\1e\1\2\3\4", 11, pods);
	zeroes[1] = CONTAINER_ID_MAX + 1;
	memset(zeroes + 2, 'a', CONTAINER_ID_MAX + 1);
	refuse_body(STORE_PODS, RECORD_FREE, zeroes, CONTAINER_ID_MAX + 9, pods);
	refuse_body(STORE_PODS, RECORD_FREE,
		    "\xff\xff"
		    "a",
		    3, pods);
	memset(zeroes, 0, sizeof(zeroes));
	zeroes[35] = 1; /* one block promised, none there */
	refuse_body(STORE_NODE, RECORD_NODE, zeroes, 36, node);
	zeroes[35] = 0;
	zeroes[20] = 33; /* length of the range */
	refuse_body(STORE_NODE, RECORD_NODE, zeroes, 36, node);
	zeroes[20] = 0;
	zeroes[40] = 4; /* unknown flag */
	refuse_body(STORE_KEEPER, RECORD_KEEPER, zeroes, 57,
		    "keeper.log has a record at byte 8 that makes no sense");
	zeroes[40] = 0;
	zeroes[57] = 0x0a; /* rows: a config that reaches beyond the end */
	zeroes[58] = 1;
	refuse_body(STORE_KEEPER, RECORD_KEEPER, zeroes, 59,
		    "keeper.log has a record at byte 8 that makes no sense: Rows.config reaches "
		    "beyond the end");
}

int main(void)
{
	RUN(all_records_come_back);
	RUN(cuts_and_flips);
	RUN(garbage_at_the_end_is_cut);
	RUN(other_files_are_lost);
	RUN(nonsense_is_lost);
	return check_report();
}
