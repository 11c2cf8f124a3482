/* Predictable choices: jitter, sampling, tie-breaks. Never secrets: whoever sees a few outputs
 * knows the rest. The generator is xoshiro256** of Blackman and Vigna (2018, prng.di.unimi.it),
 * seeded with splitmix64 as its authors advise; equal seeds give equal runs on every machine. */
#pragma once

#include <stdint.h>

struct prng {
	uint64_t s[4];
};

void prng_seed(struct prng *prng, uint64_t seed);
uint64_t prng_u64(struct prng *prng);

/* Uniform in 0 .. n-1 without a bias; n > 0. */
uint64_t prng_below(struct prng *prng, uint64_t n);

/* Uniform in base_ms -percent % .. base_ms +percent %, both ends included. base_ms >= 0, percent
 * at most 100. */
int64_t prng_jitter_ms(struct prng *prng, int64_t base_ms, unsigned percent);
