/*
 * Runs a CNI plugin once for each pod of a list, as a runtime does, and says how long each run
 * took: from before the process is made until its end is known. test/bench/cni gives the
 * environment that all runs share and starts this inside its node.
 *
 *   spawn PLUGIN CONFIG AT_ONCE <LIST
 *
 * A line of LIST is "CONTAINERID NETNS", CONFIG is a file. After the last run comes one line for
 * each: "BEGIN WALL CPU" in nanoseconds, BEGIN counted from the first, CPU being the child's own. A
 * run that fails ends everything, and what the plugin printed goes to stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/vec.h"
#include "base/xalloc.h"

enum { AT_ONCE_MAX = 1024, WORD_MAX = 255 };

struct run {
	char id[WORD_MAX + 32]; /* both as the plugin's environment has them: NAME=value */
	char netns[WORD_MAX + 32];
	pid_t pid;
	int output; /* memory file: never full, so nobody need read while the clock runs */
	int64_t begin_ns, wall_ns, cpu_ns;
};

struct work {
	const char *plugin, *config;
	size_t at_once;
	struct run *runs;
	size_t n, cap, started, ended;
	char **environment; /* our own with two free places and the NULL */
	size_t n_environment;
	bool failed;
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "spawn: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void read_list(struct work *work)
{
	char id[WORD_MAX + 1], netns[WORD_MAX + 1];

	while (scanf("%255s %255s", id, netns) == 2) {
		struct run *run;

		work->runs = vec_reserve(work->runs, &work->cap, work->n + 1, sizeof(*run));
		run = &work->runs[work->n++];
		*run = (struct run){ 0 };
		snprintf(run->id, sizeof(run->id), "CNI_CONTAINERID=%s", id);
		snprintf(run->netns, sizeof(run->netns), "CNI_NETNS=%s", netns);
	}
}

static void copy_environment(struct work *work)
{
	size_t n = 0;

	while (environ[n])
		n++;
	work->environment = xcalloc(n + 3, sizeof(*environ));
	memcpy(work->environment, environ, n * sizeof(*environ));
	work->n_environment = n;
}

static void start(struct work *work, struct run *run)
{
	char *argv[] = { (char *)(uintptr_t)work->plugin, NULL };
	posix_spawn_file_actions_t actions;

	work->environment[work->n_environment] = run->id;
	work->environment[work->n_environment + 1] = run->netns;
	run->output = memfd_create("output", MFD_CLOEXEC);
	must(run->output >= 0, "make a file in memory");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, work->config, O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, run->output, STDOUT_FILENO);
	run->begin_ns = now_ns();
	errno = posix_spawn(&run->pid, work->plugin, &actions, NULL, argv, work->environment);
	must(errno == 0, work->plugin);
	posix_spawn_file_actions_destroy(&actions);
}

static void tell_failure(const struct run *run, int status)
{
	char text[4096];
	ssize_t len = pread(run->output, text, sizeof(text), 0);

	fprintf(stderr, "%s %s: %s %d: %.*s\n", run->id, run->netns,
		WIFEXITED(status) ? "exit status" : "ended by signal",
		WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), len > 0 ? (int)len : 0,
		text);
}

static int64_t time_ns(const struct timeval *time)
{
	return (int64_t)time->tv_sec * 1000000000 + (int64_t)time->tv_usec * 1000;
}

static void reap(struct work *work)
{
	struct rusage usage;
	int status;
	pid_t pid = wait4(-1, &status, 0, &usage);
	int64_t end_ns = now_ns();

	must(pid > 0, "wait for a plugin");
	for (size_t i = 0; i < work->started; i++) {
		struct run *run = &work->runs[i];

		if (run->pid != pid)
			continue;
		run->pid = 0;
		run->wall_ns = end_ns - run->begin_ns;
		run->cpu_ns = time_ns(&usage.ru_utime) + time_ns(&usage.ru_stime);
		if (status != 0) {
			tell_failure(run, status);
			work->failed = true;
		}
		close(run->output);
	}
	work->ended++;
}

static void run_all(struct work *work)
{
	while (work->ended < work->started || (work->started < work->n && !work->failed)) {
		if (work->started < work->n && !work->failed &&
		    work->started - work->ended < work->at_once)
			start(work, &work->runs[work->started++]);
		else
			reap(work);
	}
}

static void print_times(const struct work *work)
{
	for (size_t i = 0; i < work->n; i++) {
		const struct run *run = &work->runs[i];

		printf("%" PRId64 " %" PRId64 " %" PRId64 "\n",
		       run->begin_ns - work->runs[0].begin_ns, run->wall_ns, run->cpu_ns);
	}
}

int main(int argc, char **argv)
{
	struct work work = { 0 };

	if (argc == 4) {
		work.plugin = argv[1];
		work.config = argv[2];
		work.at_once = strtoul(argv[3], NULL, 10);
	}
	if (work.at_once < 1 || work.at_once > AT_ONCE_MAX) {
		fprintf(stderr, "usage: spawn PLUGIN CONFIG AT_ONCE <LIST\n");
		return 2;
	}
	read_list(&work);
	copy_environment(&work);
	run_all(&work);
	if (!work.failed)
		print_times(&work);
	free(work.environment);
	free(work.runs);
	return work.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
