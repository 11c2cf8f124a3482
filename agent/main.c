/* weftd, the agent: reads the flags, builds the parts, runs, takes them apart. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"
#include "agent_reset.h"
#include "log/log.h"
#include "options.h"
#include "weft/version.h"

enum { EXIT_USAGE = 2 };

static void help(void)
{
	char line[200];

	puts("weftd: the agent of Weft, one on every node. Its pods, routes and interfaces\n"
	     "outlive it: stop, kill or replace it at any time.\n"
	     "\n"
	     "  weftd --auth=none --peer ADDR [--peer ADDR ...]          on every node\n"
	     "  weftd --auth=none --peer ADDR [--peer ADDR ...] --init   on one of them\n"
	     "  weftd --reset                                            takes all of it away\n"
	     "\n"
	     "Each flag is an environment variable too (--node-ip, WEFT_NODE_IP); the flag\n"
	     "wins. Defaults are in parentheses.\n");
	for (size_t i = 0; flags_help(&options_flags, i, line, sizeof(line)); i++)
		puts(line);
}

/* Before there are threads. */
static void prepare_process(void)
{
	/* What we make is root's alone. */
	umask(077);
	/* Workers allocate little: with heaps of their own each would keep pages for nothing. */
	mallopt(M_ARENA_MAX, 1);
	/* Copies of the ledger come and go: back to the system, not into a heap that stays. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	mallopt(M_TRIM_THRESHOLD, 512 << 10);
	/* Removing a pod's interface waits 15 to 30 ms for the kernel, and these waits overlap;
	 * libuv's four workers would make a node that drains slow. */
	setenv("UV_THREADPOOL_SIZE", "32", 0);
}

static enum log_style style_of(const struct options *options)
{
	switch (options->log_time) {
	case LOG_TIME_ON:
		return LOG_STAMPED;
	case LOG_TIME_OFF:
		return LOG_PLAIN;
	case LOG_TIME_AUTO:
		break;
	}
	return log_style_for(STDERR_FILENO, getenv("JOURNAL_STREAM"));
}

static int run(const struct options *options)
{
	char words[LOG_WORDS_MAX];
	struct agent agent;
	struct err err = { 0 };
	struct log log;
	int code = EXIT_FAILURE;

	log_init(&log, STDERR_FILENO, options->log_level, style_of(options));
	if (options->reset)
		return agent_reset(options, &log);
	log_line(&log, LOG_INFO, "weftd " WEFT_VERSION " on %s", options->name);
	if (agent_start(&agent, options, &log, &err) == 0)
		code = agent_run(&agent);
	else
		/* EINVAL is what whole sentences come with. */
		log_line(&log, LOG_ERR, "%s -> not started",
			 err.code == EINVAL ? err.text : log_words(words, &err));
	agent_done(&agent);
	return code;
}

int main(int argc, char **argv)
{
	char hostname[NAME_LEN_MAX + 1] = "";
	struct options options;
	struct err err = { 0 };
	int code = EXIT_SUCCESS;

	(void)argc; /* argv ends with NULL */
	prepare_process();
	(void)gethostname(hostname, sizeof(hostname) - 1);
	if (options_parse(&options, argv, environ, hostname, &err) < 0) {
		fprintf(stderr, "weftd: %s\n", err.text);
		return EXIT_USAGE;
	}
	if (options.help)
		help();
	else if (options.version)
		puts("weftd " WEFT_VERSION);
	else
		code = run(&options);
	options_done(&options);
	return code;
}
