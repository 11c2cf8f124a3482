/* What each module that asks the API server is given, and answers for it. */
#pragma once

#include "kube/reply.h"
#include "log/log.h"

#include "check.h"

enum { BODY_MAX = 1 << 16 };

struct world {
	struct prng prng;
	struct log log;
	struct arena arena; /* of requests */
	struct request request;
	struct instant now;
};

static const struct place world_place = { .url = "https://10.96.0.1:443",
					  .token_file = "/token",
					  .ca_file = "/ca.crt" };

static inline void world_init(struct world *world, uint64_t seed)
{
	*world = (struct world){ .now = { 1000000 } };
	prng_seed(&world->prng, seed);
	log_init(&world->log, -1, LOG_DEBUG, LOG_PLAIN); /* nobody reads it */
	arena_init(&world->arena, ARENA_UNLIMITED);
}

static inline void world_done(struct world *world)
{
	arena_done(&world->arena);
}

static inline void world_wait(struct world *world, int64_t ms)
{
	world->now = instant_add_ms(world->now, ms);
}

static inline struct reply world_answer(unsigned code, const char *body)
{
	return (struct reply){ .end = REPLY_ANSWERED,
			       .code = code,
			       .body = { (const uint8_t *)body, strlen(body) } };
}
