/* What the tests of io/ share: a loop that runs until a test is satisfied, and a directory of its
 * own. A test that waits in vain ends after PATIENCE_MS and fails. */
#pragma once

#include <dirent.h>
#include <ftw.h>
#include <unistd.h>

#include "io/loop.h"
#include "check.h"

enum { PATIENCE_MS = 20000 };

struct fixture {
	struct loop loop;
	struct loop_timer patience;
	void (*turn)(void *arg); /* may be NULL */
	void *arg;
	bool satisfied;
};

static void fixture_turn(void *arg)
{
	struct fixture *fixture = arg;

	if (fixture->turn)
		fixture->turn(fixture->arg);
}

static void fixture_nothing(void *arg)
{
	(void)arg;
}

static void fixture_signalled(void *arg, const char *signal)
{
	(void)arg;
	(void)signal;
}

static void fixture_too_late(void *arg)
{
	struct fixture *fixture = arg;

	loop_stop(&fixture->loop);
}

static inline void fixture_init(struct fixture *fixture)
{
	static const struct loop_owner owner = {
		.turn = fixture_turn,
		.due = fixture_nothing,
		.stop = fixture_signalled,
	};
	struct err err = { 0 };

	*fixture = (struct fixture){ 0 };
	REQUIRE(loop_init(&fixture->loop, &owner, fixture, &err) == 0);
	loop_timer_init(&fixture->loop, &fixture->patience, fixture_too_late, fixture);
}

/* From within a callback: the wait is over. */
static inline void fixture_satisfy(struct fixture *fixture)
{
	fixture->satisfied = true;
	loop_stop(&fixture->loop);
}

static inline bool fixture_wait(struct fixture *fixture)
{
	fixture->satisfied = false;
	loop_timer_start(&fixture->patience, PATIENCE_MS);
	loop_run(&fixture->loop);
	loop_timer_stop(&fixture->patience);
	return fixture->satisfied;
}

static inline void fixture_done(struct fixture *fixture)
{
	loop_timer_close(&fixture->patience);
	loop_done(&fixture->loop);
}

/* A fresh directory; its name is the caller's, for free(). */
static inline char *fixture_directory(void)
{
	const char *where = getenv("WEFT_TMP");
	char path[200];

	snprintf(path, sizeof(path), "%s/weft-unit-XXXXXX", where ? where : "/tmp");
	REQUIRE(mkdtemp(path) != NULL);
	return strdup(path);
}

static int fixture_remove_one(const char *path, const struct stat *stat, int type,
			      struct FTW *where)
{
	(void)stat;
	(void)type;
	(void)where;
	return remove(path);
}

static inline void fixture_remove(char *path)
{
	nftw(path, fixture_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(path);
}

/* How many descriptors this process has open. */
static inline unsigned fixture_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	REQUIRE(dir != NULL);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}
