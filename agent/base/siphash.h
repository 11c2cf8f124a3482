/* SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed 64-bit hash for digests and for tables
 * whose keys a stranger may choose. The incremental form hashes the concatenation: how the input
 * is cut into updates does not matter. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct siphash {
	uint64_t v[4];
	uint8_t tail[8]; /* bytes that do not fill a word yet */
	uint64_t len;
};

void siphash_init(struct siphash *hash, const uint8_t key[16]);
void siphash_update(struct siphash *hash, const void *data, size_t len);

/* The eight bytes of `value`, least significant first on every machine. */
void siphash_u64(struct siphash *hash, uint64_t value);

/* Ends the hash: init again before the next use. */
uint64_t siphash_final(struct siphash *hash);

uint64_t siphash24(const uint8_t key[16], const void *data, size_t len);
