#include "stories.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "base/xalloc.h"
#include "checker.h"
#include "network.h"
#include "node.h"
#include "work.h"

struct story {
	const char *name, *what;
	uint32_t nodes;
	void (*tell)(struct world *world);
};

/* ---- the words of a script */

static struct node *nth(struct world *world, uint32_t n)
{
	return &world->nodes[n - 1];
}

static void pass(struct world *world, int64_t ms)
{
	world_run_until(world, world->now_ms + ms);
}

static void start(struct world *world, uint32_t n)
{
	node_start(world, nth(world, n));
}

static void add(struct world *world, uint32_t n, const char *pod)
{
	world_say(world, n - 1, "ADD of %s", pod);
	work_add(world, nth(world, n), pod);
}

static void del(struct world *world, uint32_t n, const char *pod)
{
	world_say(world, n - 1, "DEL of %s", pod);
	work_del(world, nth(world, n), pod);
}

/* The story's own judgement, beside its trace. */
static void expect_up(struct world *world, uint32_t n, const char *pod, bool up)
{
	const struct sandbox *sandbox = work_find(nth(world, n), pod);
	bool is_up = sandbox && sandbox->state == SANDBOX_UP;

	if (is_up != up)
		world_violation(world, "story", "pod %s on n%u is %s", pod, n,
				is_up ? "up" : "not up");
	else
		world_say(world, n - 1, "%s is %s", pod, up ? "up" : "not up");
}

static void three_started(struct world *world)
{
	start(world, 1);
	pass(world, 1000);
	start(world, 2);
	start(world, 3);
	pass(world, 4000);
}

/* ---- the stories */

static void tell_first_pod(struct world *world)
{
	three_started(world);
	add(world, 1, "web-1");
	add(world, 3, "web-3");
	pass(world, 1000);
	expect_up(world, 1, "web-1", true);
	expect_up(world, 3, "web-3", true);
	del(world, 3, "web-3");
	pass(world, 1000);
}

static void tell_killed(struct world *world)
{
	three_started(world);
	add(world, 2, "before");
	pass(world, 1000);
	node_kill(world, nth(world, 2), "killed with -9");
	add(world, 2, "while-away");
	pass(world, 2000);
	expect_up(world, 2, "while-away", false);
	start(world, 2);
	pass(world, 2000);
	expect_up(world, 2, "before", true);
	expect_up(world, 2, "while-away", true);
}

static void tell_reboot(struct world *world)
{
	three_started(world);
	add(world, 2, "before");
	pass(world, 1000);
	node_crash(world, nth(world, 2), false);
	pass(world, 20000);
	node_boot(world, nth(world, 2));
	start(world, 2);
	pass(world, 2000);
	add(world, 2, "after");
	pass(world, 1000);
	expect_up(world, 2, "after", true);
}

static void tell_keeper_away(struct world *world)
{
	three_started(world);
	add(world, 2, "before");
	pass(world, 1000);
	node_kill(world, nth(world, 1), "killed with -9");
	pass(world, 20000);
	add(world, 2, "from-own-block");
	pass(world, 1000);
	expect_up(world, 2, "from-own-block", true);
	node_crash(world, nth(world, 3), false);
	node_boot(world, nth(world, 3));
	start(world, 3);
	add(world, 3, "needs-the-keeper");
	pass(world, 6000); /* longer than an ADD waits */
	expect_up(world, 3, "needs-the-keeper", false);
	start(world, 1);
	pass(world, 30000);
	expect_up(world, 3, "needs-the-keeper", true);
}

static void tell_leave(struct world *world)
{
	three_started(world);
	add(world, 3, "web-3");
	pass(world, 1000);
	work_ask(world, nth(world, 3), REQUEST_LEAVE);
	pass(world, 1000);
	expect_up(world, 3, "web-3", true);
	del(world, 3, "web-3");
	pass(world, 1000);
	work_ask(world, nth(world, 3), REQUEST_LEAVE);
	pass(world, 1000);
	node_stop(world, nth(world, 3));
	pass(world, 60000);
	start(world, 3);
	pass(world, 3000);
	add(world, 3, "again");
	pass(world, 1000);
	expect_up(world, 3, "again", true);
}

static const struct story stories[] = {
	{ "first-pod", "three nodes form a cluster and attach pods", 3, tell_first_pod },
	{ "killed", "kill -9 of an agent, and it goes on", 3, tell_killed },
	{ "reboot", "a host reboots: a new session, the same block", 3, tell_reboot },
	{ "keeper-away", "the keeper's agent dies: owned blocks serve, new ones wait", 3,
	  tell_keeper_away },
	{ "leave", "a node leaves: its block cools, thaws, and it comes back", 3, tell_leave },
};

/* ---- telling and comparing */

void stories_list(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++)
		printf("%-12s %s\n", stories[i].name, stories[i].what);
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t len = 0, cap = 0, got;

	do {
		text = vec_reserve(text, &cap, len + 4096, 1);
		got = file ? fread(text + len, 1, 4095, file) : 0;
		len += got;
	} while (got > 0);
	text[len] = '\0';
	if (file)
		fclose(file);
	return text;
}

static size_t line_len(const char *at)
{
	return strcspn(at, "\n");
}

/* The first line that differs, with three before it: enough to find the place in the story. */
static bool same(const char *name, const char *expected, const char *found)
{
	size_t line = 1;

	while (*expected || *found) {
		size_t e = line_len(expected), f = line_len(found);

		if (e != f || memcmp(expected, found, e) != 0) {
			printf("%s differs in line %zu\nexpected: %.*s\nfound:    %.*s\n", name,
			       line, (int)e, expected, (int)f, found);
			return false;
		}
		expected += e + (expected[e] == '\n');
		found += f + (found[f] == '\n');
		line++;
	}
	return true;
}

static bool judge(const struct story *story, const char *directory, bool bless, const char *trace)
{
	char path[4096];
	bool good;
	char *expected;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.trace", directory, story->name);
	if (bless) {
		file = fopen(path, "we");
		good = file && fputs(trace, file) >= 0 && fclose(file) == 0;
		printf("%s %s\n", path, good ? "written" : "cannot be written");
		return good;
	}
	expected = read_file(path);
	good = same(story->name, expected, trace);
	free(expected);
	if (!good)
		printf("if the new trace is right: sim --story %s --bless\n", story->name);
	return good;
}

static bool run(const struct story *story, const char *directory, bool bless, bool verbose)
{
	struct world_options options = {
		.seed = 1, .nodes = story->nodes, .story = true, .verbose = verbose
	};
	struct world *world = world_new(&options);
	bool good;

	story->tell(world);
	if (world->failed) {
		world_print_ring(world);
		fprintf(stderr, "%s\n", world->violation);
		good = false;
	} else {
		good = judge(story, directory, bless, world->story);
	}
	world_free(world);
	printf("%s %s\n", good ? "ok  " : "FAIL", story->name);
	return good;
}

bool stories_run(const char *name, const char *directory, bool bless, bool verbose)
{
	bool found = false, good = true;

	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		if (strcmp(name, "all") != 0 && strcmp(name, stories[i].name) != 0)
			continue;
		found = true;
		good = run(&stories[i], directory, bless, verbose) && good;
	}
	if (!found)
		printf("no story is called '%s' (see --list-stories)\n", name);
	return found && good;
}
