/* The checksum against published values. */
#include "base/crc32c.h"

#include "check.h"

static void known_values(void)
{
	uint8_t data[32];

	CHECK_UINT(crc32c(0, "", 0), 0);
	CHECK_UINT(crc32c(0, "123456789", 9), 0xe3069283);
	/* RFC 3720 B.4 */
	memset(data, 0, sizeof(data));
	CHECK_UINT(crc32c(0, data, sizeof(data)), 0x8a9136aa);
	memset(data, 0xff, sizeof(data));
	CHECK_UINT(crc32c(0, data, sizeof(data)), 0x62a8ab43);
	for (uint8_t i = 0; i < sizeof(data); i++)
		data[i] = i;
	CHECK_UINT(crc32c(0, data, sizeof(data)), 0x46dd794e);
}

static void pieces_are_the_whole(void)
{
	static const char text[] = "the quick brown fox";

	for (size_t cut = 0; cut < sizeof(text); cut++)
		CHECK_UINT(crc32c(crc32c(0, text, cut), text + cut, sizeof(text) - cut),
			   crc32c(0, text, sizeof(text)));
}

static void every_flip_shows(void)
{
	uint8_t data[40] = { 1, 2, 3 };
	uint32_t crc = crc32c(0, data, sizeof(data));

	for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(crc32c(0, data, sizeof(data)) != crc);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

int main(void)
{
	RUN(known_values);
	RUN(pieces_are_the_whole);
	RUN(every_flip_shows);
	return check_report();
}
