#include "base/xalloc.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void empty_is_not_null(void)
{
	_cleanup_(freep) void *a = xmalloc(0);
	_cleanup_(freep) void *b = xcalloc(0, 8);
	_cleanup_(freep) void *c = xmemdup(NULL, 0);

	CHECK(a && b && c);
}

static void copies(void)
{
	_cleanup_(freep) char *text = xstrdup("weft");
	_cleanup_(freep) char *part = xmemdup(text, 2);

	CHECK_STR(text, "weft");
	CHECK_MEM(part, "we", 2);
	text = xrealloc(text, 3, 100);
	CHECK_STR(text, "weft");
}

static void calloc_zeroes(void)
{
	static const char zeroes[64];
	_cleanup_(freep) char *memory = xcalloc(8, 8);

	CHECK_MEM(memory, zeroes, 64);
}

/* In a child, because the answer to an impossible size is abort(). */
static void impossible_sizes_abort(void)
{
	volatile size_t huge = SIZE_MAX / 2;
	pid_t child;
	int status = 0;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		void *memory = xrealloc(NULL, huge, 4);

		_exit(memory ? 0 : 1);
	}
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	RUN(empty_is_not_null);
	RUN(copies);
	RUN(calloc_zeroes);
	RUN(impossible_sizes_abort);
	return check_report();
}
