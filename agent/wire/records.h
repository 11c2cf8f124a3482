#pragma once
/*
 * Log records <-> bytes. A file begins with 8 bytes, magic and format version; then per record u32
 * length of the body | u8 type | body | u32 CRC-32C over length, type and body. A torn tail (an
 * incomplete last record, or a last record with a bad CRC) is cut; a bad record with a good one
 * anywhere after it makes the file unusable, and so does a good CRC over what makes no sense.
 *
 * io/store.c reads whole files and hands them here at start; the simulator does the same.
 */
#include "base/arena.h"
#include "base/err.h"
#include "core/record.h"

enum { WIRE_RECORDS_HEADER_LEN = 8, WIRE_RECORD_MAX = 1 << 18 };

/* The header of a new file. Returns its length. */
size_t wire_records_header(enum store_file file, uint8_t *buf, size_t cap);

/* One record as bytes, to be appended; returns length, at most WIRE_RECORD_MAX. */
size_t wire_record_encode(const struct record *record, uint8_t *buf, size_t cap);

enum wire_records_result { WIRE_RECORDS_ONE, WIRE_RECORDS_END, WIRE_RECORDS_LOST };

struct wire_records {
	enum store_file file;
	struct bytes rest;
	/* Cut the file to this length before appending: everything before it was read well. 0: not
	 * even the header is whole, begin anew. */
	size_t good_len;
	struct arena arena; /* of the record last returned */
	struct err err;
};

void wire_records_init(struct wire_records *reader, enum store_file file, struct bytes content);
void wire_records_done(struct wire_records *reader);

/* The next record, valid until the next call. LOST: the file cannot be trusted, records returned so
 * far included; err says where. An empty file is END. END and LOST stay. */
enum wire_records_result wire_records_next(struct wire_records *reader, struct record *ret);
