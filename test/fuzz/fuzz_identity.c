/* The identity file: what is taken comes back byte for byte.
 *
 * Input: the file. It is also tried with a checksum that is right, to get behind that check. */
#include "wire/identity.h"

#include <stdlib.h>

#include "base/crc32c.h"

static void must(bool held)
{
	if (!held)
		abort();
}

static void try_file(const uint8_t *data, size_t size)
{
	struct identity identity;
	struct err err = { 0 };
	uint8_t again[IDENTITY_FILE_MAX];

	if (identity_decode((struct bytes){ data, size }, &identity, &err) < 0) {
		must(err.code > 0 && *err.text);
		return;
	}
	must(identity_encode(&identity, again) == size);
	must(memcmp(again, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t file[IDENTITY_FILE_MAX];
	struct writer crc;

	try_file(data, size);
	if (size < 4 || size > sizeof(file))
		return 0;
	memcpy(file, data, size);
	crc = writer_to(file + size - 4, 4);
	writer_be32(&crc, crc32c(0, file, size - 4));
	try_file(file, size);
	return 0;
}
