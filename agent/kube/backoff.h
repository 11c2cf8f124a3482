#pragma once
/* When to try again: after half a second, twice as long after each failure, at most half a minute;
 * a random part of it less, because all nodes of a cluster fail together. */
#include "base/instant.h"
#include "base/prng.h"

enum {
	BACKOFF_MIN_MS = 500,
	BACKOFF_MAX_MS = 30 * 1000,
	BACKOFF_ASKED_MAX_MS = 5 * 60 * 1000, /* what a Retry-After may ask for */
};

struct backoff {
	unsigned failures;  /* in a row */
	struct instant due; /* not before */
};

/* asked_ms: what the API server asked for, 0 if nothing; that is kept, and up to a quarter more. */
void backoff_fail(struct backoff *backoff, struct prng *prng, struct instant now, int64_t asked_ms);
/* The next one may come at once. */
void backoff_reset(struct backoff *backoff);
bool backoff_over(const struct backoff *backoff, struct instant now);
