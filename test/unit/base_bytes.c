#include "base/bytes.h"
#include "check.h"

static const uint8_t eight[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static struct reader read_first(size_t len)
{
	return reader_of((struct bytes){ .data = eight, .len = len });
}

static void reads_both_orders(void)
{
	struct reader r = read_first(8);

	CHECK_UINT(reader_be64(&r), 0x0102030405060708);
	CHECK(reader_done(&r));
	r = read_first(8);
	CHECK_UINT(reader_le64(&r), 0x0807060504030201);
	r = read_first(7);
	CHECK_UINT(reader_u8(&r), 1);
	CHECK_UINT(reader_be16(&r), 0x0203);
	CHECK_UINT(reader_be32(&r), 0x04050607);
	CHECK(reader_done(&r));
	r = read_first(6);
	CHECK_UINT(reader_le16(&r), 0x0201);
	CHECK_UINT(reader_le32(&r), 0x06050403);
	CHECK(reader_done(&r));
}

static void a_broken_reader_stays_broken(void)
{
	struct reader r = read_first(3);

	CHECK_UINT(reader_be32(&r), 0);
	CHECK(r.broken);
	CHECK_UINT(reader_u8(&r), 0);
	CHECK(reader_bytes(&r, 0).data == NULL);
	CHECK(!reader_done(&r));
}

static void what_is_left_over_is_not_done(void)
{
	struct reader r = read_first(3);

	CHECK_UINT(reader_be16(&r), 0x0102);
	CHECK(!reader_done(&r));
	CHECK(!r.broken);
}

static void hands_out_bytes(void)
{
	struct reader r = read_first(8);
	uint8_t out[4] = { 9, 9, 9, 9 };

	CHECK(reader_bytes(&r, 3).data == eight);
	reader_copy(&r, out, 4);
	CHECK_MEM(out, eight + 3, 4);
	reader_copy(&r, out, 4);
	CHECK_MEM(out, "\0\0\0\0", 4);
	CHECK(r.broken);

	r = reader_of((struct bytes){ 0 });
	CHECK_UINT(reader_bytes(&r, 0).len, 0);
	CHECK(reader_done(&r));
	r = read_first(8);
	CHECK_UINT(reader_bytes(&r, SIZE_MAX).len, 0);
	CHECK(r.broken);
}

static void writes_what_is_read(void)
{
	uint8_t buffer[32];
	struct writer w = writer_to(buffer, sizeof(buffer));
	struct reader r;

	writer_u8(&w, 0x11);
	writer_be16(&w, 0x2233);
	writer_be32(&w, 0x44556677);
	writer_be64(&w, 0x8899aabbccddeeff);
	writer_le16(&w, 0x2233);
	writer_le32(&w, 0x44556677);
	writer_le64(&w, 0x8899aabbccddeeff);
	writer_put(&w, "abc", 3);
	CHECK(!w.broken);
	CHECK_UINT(w.len, 32);
	CHECK_MEM(buffer, "\x11\x22\x33\x44", 4);

	r = reader_of(writer_bytes(&w));
	CHECK_UINT(reader_u8(&r), 0x11);
	CHECK_UINT(reader_be16(&r), 0x2233);
	CHECK_UINT(reader_be32(&r), 0x44556677);
	CHECK_UINT(reader_be64(&r), 0x8899aabbccddeeff);
	CHECK_UINT(reader_le16(&r), 0x2233);
	CHECK_UINT(reader_le32(&r), 0x44556677);
	CHECK_UINT(reader_le64(&r), 0x8899aabbccddeeff);
	CHECK_MEM(reader_bytes(&r, 3).data, "abc", 3);
	CHECK(reader_done(&r));
}

static void a_full_writer_writes_nothing_more(void)
{
	uint8_t buffer[8] = { 0 };
	struct writer w = writer_to(buffer, 4);

	writer_be16(&w, 0x0102);
	writer_be32(&w, 0x03040506);
	CHECK(w.broken);
	writer_u8(&w, 9);
	CHECK_UINT(w.len, 2);
	CHECK_MEM(buffer, "\1\2\0\0\0\0\0\0", 8);
	CHECK(writer_reserve(&w, 0) == NULL);

	w = writer_to(buffer, 4);
	CHECK(writer_reserve(&w, SIZE_MAX) == NULL);
}

static void equality(void)
{
	struct bytes none = { 0 };

	CHECK(bytes_equal(none, (struct bytes){ .data = eight }));
	CHECK(!bytes_equal(none, (struct bytes){ .data = eight, .len = 1 }));
	CHECK(bytes_equal((struct bytes){ (const uint8_t *)"ab", 2 },
			  (struct bytes){ (const uint8_t *)"abc", 2 }));
	CHECK(!bytes_equal((struct bytes){ (const uint8_t *)"ab", 2 },
			   (struct bytes){ (const uint8_t *)"ac", 2 }));
}

int main(void)
{
	RUN(reads_both_orders);
	RUN(a_broken_reader_stays_broken);
	RUN(what_is_left_over_is_not_done);
	RUN(hands_out_bytes);
	RUN(writes_what_is_read);
	RUN(a_full_writer_writes_nothing_more);
	RUN(equality);
	return check_report();
}
