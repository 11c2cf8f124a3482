#include "prng.h"

#include <assert.h>

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

/* splitmix64: spreads any seed, 0 included, over a state that is never all zero. */
static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void prng_seed(struct prng *prng, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		prng->s[i] = splitmix(&seed);
}

uint64_t prng_u64(struct prng *prng)
{
	uint64_t *s = prng->s;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate_left(s[3], 45);
	return result;
}

uint64_t prng_below(struct prng *prng, uint64_t n)
{
	uint64_t value, unfair;

	assert(n > 0);
	/* 2^64 is seldom a multiple of n: the first 2^64 mod n values would make the small
	 * results likelier, so they are thrown again. */
	unfair = -n % n;
	do
		value = prng_u64(prng);
	while (value < unfair);
	return value % n;
}

int64_t prng_jitter_ms(struct prng *prng, int64_t base_ms, unsigned percent)
{
	int64_t spread_ms;

	assert(base_ms >= 0 && base_ms <= INT64_MAX / 200 && percent <= 100);
	spread_ms = base_ms * (int64_t)percent / 100;
	return base_ms - spread_ms + (int64_t)prng_below(prng, (uint64_t)(2 * spread_ms + 1));
}
