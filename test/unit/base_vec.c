#include "base/vec.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "check.h"

static void appends_keep_their_items(void)
{
	_cleanup_(freep) uint32_t *items = NULL;
	size_t cap = 0, moves = 0;

	for (uint32_t i = 0; i < 100000; i++) {
		size_t before = cap;

		items = vec_reserve(items, &cap, i + 1, sizeof(*items));
		moves += cap != before;
		items[i] = i;
	}
	CHECK_UINT(items[0], 0);
	CHECK_UINT(items[77777], 77777);
	CHECK_UINT(items[99999], 99999);
	/* 8 times 1.5 to the n passes 100000 at n = 24: geometric, not one by one. */
	CHECK(moves <= 30);
}

static void room_is_kept(void)
{
	_cleanup_(freep) uint64_t *items = NULL;
	uint64_t *before;
	size_t cap = 0;

	CHECK(vec_reserve(NULL, &cap, 0, 8) == NULL);
	items = vec_reserve(items, &cap, 1000, sizeof(*items));
	CHECK(cap >= 1000);
	before = items;
	items = vec_reserve(items, &cap, 1000, sizeof(*items));
	CHECK(items == before);
}

static void gaps_open_and_close(void)
{
	_cleanup_(freep) int *items = NULL;
	size_t cap = 0, count = 0;
	static const int inserted[] = { 10, 20, 30, 40 };
	static const int closed[] = { 20, 30 };

	for (size_t i = 0; i < 2; i++) { /* 20 40, then 10 in front and 30 between */
		items = vec_open_gap(items, &cap, count, i, sizeof(*items));
		items[i] = i == 0 ? 20 : 40;
		count++;
	}
	items = vec_open_gap(items, &cap, count++, 0, sizeof(*items));
	items[0] = 10;
	items = vec_open_gap(items, &cap, count++, 2, sizeof(*items));
	items[2] = 30;
	CHECK_MEM(items, inserted, sizeof(inserted));

	vec_close_gap(items, count--, 3, sizeof(*items));
	vec_close_gap(items, count--, 0, sizeof(*items));
	CHECK_UINT(count, 2);
	CHECK_MEM(items, closed, sizeof(closed));
}

static void overflow_aborts(void)
{
	volatile size_t need = SIZE_MAX / 8 + 2;
	size_t cap = 0;
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0)
		_exit(vec_reserve(NULL, &cap, need, 8) ? 0 : 1);
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	RUN(appends_keep_their_items);
	RUN(room_is_kept);
	RUN(gaps_open_and_close);
	RUN(overflow_aborts);
	return check_report();
}
