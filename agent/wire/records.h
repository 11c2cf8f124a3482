#pragma once
/*
 * Log records <-> bytes: 8-byte file header (magic, format version), then per record u32 length |
 * u8 type | protobuf or packed body | u32 CRC-32C over length, type and body. A torn tail (an
 * incomplete last record, or a last record with a bad CRC) is cut; a bad record with a good one
 * after it makes the file unusable.
 */
#include "base/arena.h"
#include "base/err.h"
#include "core/record.h"

/* The header of a new file. Returns its length (8). */
size_t wire_records_header(enum store_file file, uint8_t *buf, size_t cap);

/* One record as bytes appended to a caller's buffer; returns length, at most WIRE_RECORD_MAX. */
enum { WIRE_RECORD_MAX = 1 << 18 };
size_t wire_record_encode(const struct record *record, uint8_t *buf, size_t cap);

enum wire_records_result { WIRE_RECORDS_ONE, WIRE_RECORDS_END, WIRE_RECORDS_LOST };

struct wire_records {
	enum store_file file;
	struct bytes rest;
	size_t good_len; /* the file may be cut to this length: everything before it was read well
			  */
	struct arena arena;
	struct err err;
};

void wire_records_init(struct wire_records *reader, enum store_file file, struct bytes content);
void wire_records_done(struct wire_records *reader);

/* The next record, valid until the next call. LOST: the file cannot be trusted, err says where. An
 * empty file is END. */
enum wire_records_result wire_records_next(struct wire_records *reader, struct record *ret);
