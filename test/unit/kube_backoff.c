/* Waiting: longer each time, never all at the same moment, as long as one is asked to. */
#include "kube/backoff.h"

#include "check.h"

enum { TRIES = 200 };

static int64_t wait_after(unsigned failures, struct prng *prng, int64_t asked_ms)
{
	struct instant now = { 1000000 };
	struct backoff backoff = { .failures = failures };

	backoff_fail(&backoff, prng, now, asked_ms);
	CHECK_UINT(backoff.failures, failures + 1);
	return instant_diff_ms(backoff.due, now);
}

static void range(unsigned failures, int64_t asked_ms, int64_t from_ms, int64_t to_ms)
{
	int64_t least = INT64_MAX, most = 0;
	struct prng prng;

	prng_seed(&prng, failures);
	for (int i = 0; i < TRIES; i++) {
		int64_t ms = wait_after(failures, &prng, asked_ms);

		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
	}
	CHECK(least >= from_ms && most <= to_ms);
	/* and all of it */
	CHECK(least < from_ms + (to_ms - from_ms) / 4 && most > to_ms - (to_ms - from_ms) / 4);
}

static void doubles_up_to_half_a_minute(void)
{
	range(0, 0, 250, 500);
	range(1, 0, 500, 1000);
	range(2, 0, 1000, 2000);
	range(5, 0, 8000, 16000);
	range(6, 0, 15000, 30000);
	range(7, 0, 15000, 30000);
	range(1000000000, 0, 15000, 30000);
}

static void keeps_what_is_asked_for(void)
{
	range(0, 2000, 2000, 2500);
	range(0, 60000, 60000, 75000);
	range(0, INT64_MAX, BACKOFF_ASKED_MAX_MS, BACKOFF_ASKED_MAX_MS * 5 / 4);
	/* less than what we wait anyway */
	range(7, 1000, 15000, 30000);
}

static void is_over_when_due(void)
{
	struct backoff backoff = { 0 };
	struct instant now = { 5000 };
	struct prng prng;

	prng_seed(&prng, 1);
	CHECK(backoff_over(&backoff, now));
	backoff_fail(&backoff, &prng, now, 0);
	CHECK(!backoff_over(&backoff, now));
	CHECK(!backoff_over(&backoff, instant_add_ms(backoff.due, -1)));
	CHECK(backoff_over(&backoff, backoff.due));
	backoff_reset(&backoff);
	CHECK(backoff_over(&backoff, now));
}

int main(void)
{
	RUN(doubles_up_to_half_a_minute);
	RUN(keeps_what_is_asked_for);
	RUN(is_over_when_due);
	return check_report();
}
