#include "kube/backoff.h"

static int64_t base_ms(unsigned failures)
{
	int64_t ms = BACKOFF_MIN_MS;

	for (unsigned i = 0; i < failures && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

void backoff_fail(struct backoff *backoff, struct prng *prng, struct instant now, int64_t asked_ms)
{
	int64_t ms = base_ms(backoff->failures);

	backoff->failures++;
	ms -= (int64_t)prng_below(prng, (uint64_t)ms / 2 + 1);
	asked_ms = asked_ms < BACKOFF_ASKED_MAX_MS ? asked_ms : BACKOFF_ASKED_MAX_MS;
	if (ms < asked_ms)
		ms = asked_ms + (int64_t)prng_below(prng, (uint64_t)asked_ms / 4 + 1);
	backoff->due = instant_add_ms(now, ms);
}

void backoff_reset(struct backoff *backoff)
{
	*backoff = (struct backoff){ 0 };
}

bool backoff_over(const struct backoff *backoff, struct instant now)
{
	return instant_reached(now, backoff->due);
}
