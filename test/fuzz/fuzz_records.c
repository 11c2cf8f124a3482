/* Log files: any bytes end in a prefix or in "lost", and what is read can be written again.
 *
 * Input: u8 file and how | the rest. Low bits: which file. Bit 2 clear: the rest is the file, as it
 * is. Set: the rest is bodies, u8 type | u16 length | body, which get a header and good CRCs, so
 * that the decoders behind the CRC are reached. */
#include "wire/records.h"

#include <stdlib.h>

#include "base/crc32c.h"

static void must(bool held)
{
	if (!held)
		abort();
}

static void write_again(const struct record *record, enum store_file file)
{
	static uint8_t buf[WIRE_RECORDS_HEADER_LEN + WIRE_RECORD_MAX];
	size_t len = wire_records_header(file, buf, sizeof(buf));
	struct wire_records reader;
	struct record back;

	len += wire_record_encode(record, buf + len, sizeof(buf) - len);
	wire_records_init(&reader, file, (struct bytes){ buf, len });
	must(wire_records_next(&reader, &back) == WIRE_RECORDS_ONE);
	must(back.type == record->type);
	must(wire_records_next(&reader, &back) == WIRE_RECORDS_END);
	must(reader.good_len == len);
	wire_records_done(&reader);
}

static void read_file(enum store_file file, struct bytes content)
{
	enum wire_records_result result;
	struct wire_records reader;
	struct record record;
	size_t good_len = 0;

	wire_records_init(&reader, file, content);
	while ((result = wire_records_next(&reader, &record)) == WIRE_RECORDS_ONE) {
		must(reader.good_len > good_len && reader.good_len <= content.len);
		good_len = reader.good_len;
		write_again(&record, file);
	}
	must(reader.good_len <= content.len);
	must((result == WIRE_RECORDS_LOST) == (reader.err.code > 0));
	must(wire_records_next(&reader, &record) == result);
	wire_records_done(&reader);
}

static size_t make_file(enum store_file file, struct bytes bodies, uint8_t *buf, size_t cap)
{
	struct reader r = reader_of(bodies);
	struct writer w = writer_to(buf, cap);

	w.len = wire_records_header(file, buf, cap);
	while (r.left >= 3) {
		size_t begin = w.len;
		uint8_t type = reader_u8(&r);
		uint16_t len = reader_be16(&r);
		struct bytes body = reader_bytes(&r, len < r.left ? len : r.left);

		writer_be32(&w, (uint32_t)body.len);
		writer_u8(&w, type);
		writer_put(&w, body.data, body.len);
		writer_be32(&w, crc32c(0, buf + begin, w.len - begin));
	}
	must(!w.broken);
	return w.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum store_file file;
	struct bytes rest;
	uint8_t *buf;
	size_t cap = 4 * size + 64;

	if (size < 1)
		return 0;
	file = (enum store_file)((data[0] & 3) % STORE_FILE_COUNT);
	rest = (struct bytes){ data + 1, size - 1 };
	if (!(data[0] & 4)) {
		read_file(file, rest);
		return 0;
	}
	buf = malloc(cap);
	must(buf);
	read_file(file, (struct bytes){ buf, make_file(file, rest, buf, cap) });
	free(buf);
	return 0;
}
