#include "base/siphash.h"
#include "check.h"

#define VECTORS 17

/* Of the reference implementation's vectors those for messages 00 01 .. of length 0 to 16 under the
 * key 00 01 .. 0f: each length of tail, twice. Length 15 is the example in the paper's appendix. */
static const uint64_t vectors[VECTORS] = {
	UINT64_C(0x726fdb47dd0e0e31), UINT64_C(0x74f839c593dc67fd), UINT64_C(0x0d6c8009d9a94f5a),
	UINT64_C(0x85676696d7fb7e2d), UINT64_C(0xcf2794e0277187b7), UINT64_C(0x18765564cd99a68d),
	UINT64_C(0xcbc9466e58fee3ce), UINT64_C(0xab0200f58b01d137), UINT64_C(0x93f5f5799a932462),
	UINT64_C(0x9e0082df0ba9e4b0), UINT64_C(0x7a5dbbc594ddb9f3), UINT64_C(0xf4b32f46226bada7),
	UINT64_C(0x751e8fbc860ee5fb), UINT64_C(0x14ea5627c0843d90), UINT64_C(0xf723ca908e7af2ee),
	UINT64_C(0xa129ca6149be45e5), UINT64_C(0x3f2acc7f57c29bdb),
};

static void fill(uint8_t key[16], uint8_t message[VECTORS])
{
	for (unsigned i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	for (unsigned i = 0; i < VECTORS; i++)
		message[i] = (uint8_t)i;
}

static void follows_the_reference(void)
{
	uint8_t key[16], message[VECTORS];

	fill(key, message);
	for (size_t len = 0; len < VECTORS; len++)
		CHECK_UINT(siphash24(key, message, len), vectors[len]);
}

static void cuts_do_not_matter(void)
{
	uint8_t key[16], message[VECTORS];

	fill(key, message);
	for (size_t len = 0; len < VECTORS; len++) {
		for (size_t step = 1; step <= 17; step++) {
			struct siphash hash;

			siphash_init(&hash, key);
			for (size_t at = 0; at < len; at += step)
				siphash_update(&hash, message + at,
					       len - at < step ? len - at : step);
			CHECK_UINT(siphash_final(&hash), vectors[len]);
		}
	}
}

static void numbers_are_eight_bytes(void)
{
	uint8_t key[16], message[VECTORS];
	struct siphash hash;

	fill(key, message);
	siphash_init(&hash, key);
	siphash_u64(&hash, UINT64_C(0x0706050403020100));
	siphash_u64(&hash, UINT64_C(0x0f0e0d0c0b0a0908));
	CHECK_UINT(siphash_final(&hash), vectors[16]);

	siphash_init(&hash, key);
	siphash_update(&hash, message, 3);
	siphash_u64(&hash, UINT64_C(0x0a09080706050403));
	CHECK_UINT(siphash_final(&hash), vectors[11]);
}

int main(void)
{
	RUN(follows_the_reference);
	RUN(cuts_do_not_matter);
	RUN(numbers_are_eight_bytes);
	return check_report();
}
