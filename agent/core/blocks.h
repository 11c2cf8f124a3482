#pragma once
/*
 * Our own blocks, and which addresses in them are free. A block serves new addresses only while it
 * is confirmed (session.h says when). Inside a block: one 64-bit map, next-fit, a freed address
 * rests. Pure arithmetic: no messages.
 */
#include "base/instant.h"
#include "base/prng.h"
#include "core/message.h"
#include "core/record.h"

enum {
	REST_MS = 60000,
	REST_PRESSED_MS = 5000,
	SURPLUS_MS = 600000,
};

struct own_block {
	uint32_t index;
	uint32_t base; /* first address */
	bool confirmed;
	bool leaving;      /* "not mine any more": durable or about to be; nothing new */
	uint64_t reserved; /* never given: offset 1, first and last of the range */
	uint64_t used;     /* a record holds it */
	uint64_t resting;
	struct instant freed_at[BLOCK_SIZE];
	uint8_t next;               /* next-fit starts here */
	struct instant empty_since; /* no use, nothing rests; never: it has */
};

struct blocks {
	struct prefix range;
	size_t n;
	struct own_block *own[OWN_BLOCKS_MAX]; /* owned; in the order they were granted */
	bool start_random; /* after a reboot next-fit starts at a random place */
};

void blocks_init(struct blocks *blocks, struct prefix range, bool start_random);
void blocks_done(struct blocks *blocks);

struct own_block *blocks_find(const struct blocks *blocks, uint32_t index);
struct own_block *blocks_of_ip(const struct blocks *blocks, uint32_t ip);
struct own_block *blocks_add(struct blocks *blocks, uint32_t index, struct prng *prng,
			     struct instant now);
void blocks_remove(struct blocks *blocks, uint32_t index);

/* A free address of a confirmed block, marked used. False: none (then blocks_counts says why). */
bool blocks_take(struct blocks *blocks, struct instant now, uint32_t *ret_ip);
void blocks_use(struct blocks *blocks,
		uint32_t ip); /* a record says so; an address outside our blocks is ignored */
void blocks_free(struct blocks *blocks, uint32_t ip, struct instant now); /* begins to rest */
void blocks_untake(struct blocks *blocks, uint32_t ip); /* taken and never used: need not rest */
void blocks_rested(struct blocks *blocks, struct instant now);

struct blocks_counts {
	uint32_t confirmed, size, used, resting,
		free; /* addresses, in confirmed blocks that are not leaving */
};
struct blocks_counts blocks_count(const struct blocks *blocks);

/* With fewer free of so many, another block is asked for. */
uint32_t blocks_low_water(uint32_t size);
uint32_t blocks_node_ip(
	const struct blocks *blocks); /* offset 1 of the block granted earliest; 0: no block */
/* A wholly free block beyond the first grant, free for long enough; NULL: none. */
struct own_block *blocks_surplus(const struct blocks *blocks, uint32_t first_grant,
				 struct instant now);
/* When the next address has rested; when the next block becomes surplus. */
struct instant blocks_rest_deadline(const struct blocks *blocks);
struct instant blocks_surplus_at(const struct blocks *blocks, uint32_t first_grant);
