/* Points in time, in milliseconds of a clock that only the agent's loop and the simulator know.
 * Nobody in here asks what time it is: instants arrive inside events. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct instant {
	int64_t ms;
};

/* Later than every instant that can be reached: "no deadline". */
static inline struct instant instant_never(void)
{
	return (struct instant){ .ms = INT64_MAX };
}

static inline bool instant_is_never(struct instant at)
{
	return at.ms == INT64_MAX;
}

/* Never stays never, and a sum beyond it is never: a deadline must not wrap into the past. */
static inline struct instant instant_add_ms(struct instant at, int64_t delta_ms)
{
	struct instant sum;

	if (instant_is_never(at))
		return at;
	if (__builtin_add_overflow(at.ms, delta_ms, &sum.ms))
		sum.ms = delta_ms > 0 ? INT64_MAX : INT64_MIN;
	return sum;
}

/* Strictly: an instant is not after itself. */
static inline bool instant_after(struct instant a, struct instant b)
{
	return a.ms > b.ms;
}

/* Has the deadline come? True at the very instant, so that a timer armed for it is not early. */
static inline bool instant_reached(struct instant now, struct instant deadline)
{
	return now.ms >= deadline.ms && !instant_is_never(deadline);
}

static inline struct instant instant_min(struct instant a, struct instant b)
{
	return a.ms < b.ms ? a : b;
}

/* How long from `from` to `to`, negative if `to` is earlier; clamped to what an int64_t holds. */
static inline int64_t instant_diff_ms(struct instant to, struct instant from)
{
	int64_t diff_ms;

	if (__builtin_sub_overflow(to.ms, from.ms, &diff_ms))
		return to.ms > from.ms ? INT64_MAX : INT64_MIN;
	return diff_ms;
}
