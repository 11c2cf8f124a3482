#include "siphash.h"

#include <string.h>

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static uint64_t word_from(const uint8_t *bytes)
{
	uint64_t word = 0;

	for (int i = 7; i >= 0; i--)
		word = word << 8 | bytes[i];
	return word;
}

static void round_once(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate_left(v[1], 13) ^ v[0];
	v[3] = rotate_left(v[3], 16) ^ v[2];
	v[0] = rotate_left(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate_left(v[1], 17) ^ v[2];
	v[3] = rotate_left(v[3], 21) ^ v[0];
	v[2] = rotate_left(v[2], 32);
}

static void mix_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	round_once(v);
	round_once(v);
	v[0] ^= word;
}

void siphash_init(struct siphash *hash, const uint8_t key[16])
{
	uint64_t k0 = word_from(key), k1 = word_from(key + 8);

	*hash = (struct siphash){
		/* "somepseudorandomlygeneratedbytes", the constants of the paper */
		.v = { k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
		       k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573) },
	};
}

void siphash_update(struct siphash *hash, const void *data, size_t len)
{
	const uint8_t *at = data;
	size_t held = hash->len % 8;

	hash->len += len;
	if (held > 0) {
		size_t fill = len < 8 - held ? len : 8 - held;

		for (size_t i = 0; i < fill; i++)
			hash->tail[held + i] = at[i];
		if (held + fill < 8)
			return;
		mix_word(hash->v, word_from(hash->tail));
		at += fill;
		len -= fill;
	}
	for (; len >= 8; at += 8, len -= 8)
		mix_word(hash->v, word_from(at));
	for (size_t i = 0; i < len; i++)
		hash->tail[i] = at[i];
}

void siphash_u64(struct siphash *hash, uint64_t value)
{
	uint8_t bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	siphash_update(hash, bytes, sizeof(bytes));
}

uint64_t siphash_final(struct siphash *hash)
{
	uint64_t last = hash->len << 56;
	uint64_t *v = hash->v;

	for (size_t i = 0; i < hash->len % 8; i++)
		last |= (uint64_t)hash->tail[i] << (8 * i);
	mix_word(v, last);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		round_once(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash24(const uint8_t key[16], const void *data, size_t len)
{
	struct siphash hash;

	siphash_init(&hash, key);
	siphash_update(&hash, data, len);
	return siphash_final(&hash);
}
