#include "base/instant.h"
#include "check.h"

static struct instant at(int64_t ms)
{
	return (struct instant){ .ms = ms };
}

static void adds(void)
{
	CHECK_INT(instant_add_ms(at(100), 50).ms, 150);
	CHECK_INT(instant_add_ms(at(100), -150).ms, -50);
}

static void never_stays_never(void)
{
	CHECK(instant_is_never(instant_add_ms(instant_never(), -1)));
	CHECK(instant_is_never(instant_add_ms(at(INT64_MAX - 5), 10)));
	CHECK_INT(instant_add_ms(at(INT64_MIN + 5), -10).ms, INT64_MIN);
	CHECK(!instant_is_never(at(0)));
}

static void orders(void)
{
	CHECK(instant_after(at(2), at(1)));
	CHECK(!instant_after(at(1), at(1)));
	CHECK(instant_after(instant_never(), at(INT64_MAX - 1)));
	CHECK_INT(instant_min(at(3), instant_never()).ms, 3);
	CHECK_INT(instant_min(at(3), at(-3)).ms, -3);
}

static void deadlines_come_on_time(void)
{
	CHECK(!instant_reached(at(9), at(10)));
	CHECK(instant_reached(at(10), at(10)));
	CHECK(instant_reached(at(11), at(10)));
	CHECK(!instant_reached(instant_never(), instant_never()));
}

static void differences_are_clamped(void)
{
	CHECK_INT(instant_diff_ms(at(7), at(10)), -3);
	CHECK_INT(instant_diff_ms(at(INT64_MAX), at(-1)), INT64_MAX);
	CHECK_INT(instant_diff_ms(at(INT64_MIN), at(1)), INT64_MIN);
}

int main(void)
{
	RUN(adds);
	RUN(never_stays_never);
	RUN(orders);
	RUN(deadlines_come_on_time);
	RUN(differences_are_clamped);
	return check_report();
}
