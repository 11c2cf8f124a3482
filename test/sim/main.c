/*
 * sim: the deterministic cluster. A random run prints one line of JSON; a broken
 * rule prints the last decisions, the seed and the rule, and exits 1. Stories and mutants: --help.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "checker.h"
#include "core/mutants.h"
#include "random.h"
#include "selftest.h"
#include "stories.h"
#include "world.h"

enum {
	OPTION_SEED = 1,
	OPTION_NODES,
	OPTION_MINUTES,
	OPTION_STORY,
	OPTION_BLESS,
	OPTION_STORIES,
	OPTION_LIST_STORIES,
	OPTION_MUTANT,
	OPTION_LIST_MUTANTS,
	OPTION_VERBOSE,
	OPTION_SELF_TEST,
	OPTION_HELP
};

struct arguments {
	struct world_options world;
	bool seed_given;
	const char *story, *mutant, *stories;
	bool bless, verbose;
};

static const struct {
	const char *name, *what;
	uint32_t bit;
} mutants[] = {
	{ "contboot", "continuity is believed across a reboot", MUTANT_CONTBOOT },
	{ "trustdisk", "blocks in node.log serve with neither ledger nor continuity",
	  MUTANT_TRUSTDISK },
	{ "answer-first", "ADD is answered before its record is stored", MUTANT_ANSWER_FIRST },
	{ "reuse", "RELEASE goes out while the block still gives addresses", MUTANT_REUSE },
};

static const char help[] =
	"sim [--seed S] [--nodes N] [--minutes M] [--verbose]  a random run, one line of JSON\n"
	"sim --story NAME|all [--bless] [--stories DIRECTORY]  a scripted world against its trace\n"
	"sim --mutant NAME [--seed S]             exits 1 when the missing rule is noticed\n"
	"sim --self-test                                       the judge, on crimes made by hand\n"
	"sim --list-stories, sim --list-mutants\n";

static double seconds(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void print_result(struct world *world, double real_s)
{
	const struct counters *c = &world->counters;
	struct siphash hash = world->hash;

	printf("{\"seed\": %" PRIu64 ", \"nodes\": %" PRIu32 ", \"events\": %" PRIu64
	       ", \"violations\": %d, "
	       "\"simulated_s\": %" PRId64 ", \"real_s\": %.2f, \"trace\": \"%016" PRIx64 "\", "
	       "\"adds_ok\": %" PRIu64 ", \"adds_failed\": %" PRIu64 ", \"dels\": %" PRIu64
	       ", \"kills\": %" PRIu64 ", \"crashes\": %" PRIu64 ", \"reborn\": %" PRIu64
	       ", \"partitions\": %" PRIu64 ", \"resets\": %" PRIu64 ", \"io_errors\": %" PRIu64
	       ", \"leaves\": %" PRIu64 ", \"slowest_ms\": %" PRIu64 ", \"blocks\": %" PRIu32
	       ", \"ledger_version\": %" PRIu64 "}\n",
	       world->options.seed, world->n_nodes, c->events, world->failed ? 1 : 0,
	       world->now_ms / 1000, real_s, siphash_final(&hash), c->adds_ok, c->adds_failed,
	       c->dels, c->kills, c->crashes, c->reborn, c->partitions, c->resets, c->io_errors,
	       c->leaves, c->slowest_ms, UINT32_C(1) << (26 - world->range.len),
	       checker_chosen(world->checker)->value.version);
	fflush(stdout);
}

/* True: no rule was broken. */
static bool run_once(const struct world_options *options)
{
	double began_s = seconds();
	struct world *world = world_new(options);
	bool good;

	random_run(world);
	good = !world->failed;
	if (!good) {
		world_print_ring(world);
		fprintf(stderr, "\n%s\nseed %" PRIu64 ", %" PRIu32 " nodes, %" PRIu32 " minutes\n",
			world->violation, options->seed, options->nodes, options->minutes);
	}
	print_result(world, seconds() - began_s);
	world_free(world);
	return good;
}

/* A few small worlds, until one of them notices; each seed draws other faults. */
static int run_mutant(const struct arguments *arguments)
{
	struct world_options options = arguments->world;
	uint64_t first = options.seed;

	for (size_t i = 0; i < sizeof(mutants) / sizeof(mutants[0]); i++)
		if (strcmp(mutants[i].name, arguments->mutant) == 0)
			options.mutants = mutants[i].bit;
	if (!options.mutants) {
		printf("no mutant is called '%s' (see --list-mutants)\n", arguments->mutant);
		return 2;
	}
	for (options.seed = first; options.seed < first + (arguments->seed_given ? 1 : 20);
	     options.seed++)
		if (!run_once(&options))
			return 1;
	printf("%s: nobody noticed\n", arguments->mutant);
	return 0;
}

static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *ret)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || value < least || value > most) {
		fprintf(stderr, "'%s' -> expected a number from %" PRIu64 " to %" PRIu64 "\n", text,
			least, most);
		return false;
	}
	*ret = value;
	return true;
}

static bool take(struct arguments *arguments, int option)
{
	uint64_t value = 0;
	bool good = true;

	if (option == OPTION_SEED) {
		good = arguments->seed_given =
			number(optarg, 0, UINT64_MAX, &arguments->world.seed);
	} else if (option == OPTION_NODES) {
		good = number(optarg, 1, WORLD_NODES_MAX, &value);
		arguments->world.nodes = (uint32_t)value;
	} else if (option == OPTION_MINUTES) {
		good = number(optarg, 1, 1000000, &value);
		arguments->world.minutes = (uint32_t)value;
	} else if (option == OPTION_STORY) {
		arguments->story = optarg;
	} else if (option == OPTION_STORIES) {
		arguments->stories = optarg;
	} else if (option == OPTION_MUTANT) {
		arguments->mutant = optarg;
	} else if (option == OPTION_BLESS) {
		arguments->bless = true;
	} else {
		arguments->world.verbose = true;
	}
	return good;
}

static void list_mutants(void)
{
	for (size_t i = 0; i < sizeof(mutants) / sizeof(mutants[0]); i++)
		printf("%-14s %s\n", mutants[i].name, mutants[i].what);
}

static int act(const struct arguments *arguments)
{
	if (arguments->story)
		return stories_run(arguments->story, arguments->stories, arguments->bless,
				   arguments->world.verbose)
			       ? 0
			       : 1;
	if (arguments->mutant)
		return run_mutant(arguments);
	return run_once(&arguments->world) ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, OPTION_SEED },
		{ "nodes", required_argument, NULL, OPTION_NODES },
		{ "minutes", required_argument, NULL, OPTION_MINUTES },
		{ "story", required_argument, NULL, OPTION_STORY },
		{ "stories", required_argument, NULL, OPTION_STORIES },
		{ "bless", no_argument, NULL, OPTION_BLESS },
		{ "list-stories", no_argument, NULL, OPTION_LIST_STORIES },
		{ "mutant", required_argument, NULL, OPTION_MUTANT },
		{ "list-mutants", no_argument, NULL, OPTION_LIST_MUTANTS },
		{ "self-test", no_argument, NULL, OPTION_SELF_TEST },
		{ "verbose", no_argument, NULL, OPTION_VERBOSE },
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	struct arguments arguments = { .world = { .seed = 1, .nodes = 4, .minutes = 30 },
				       .stories = SIM_STORIES };
	int option;

	/* Cores come and go by the thousand: their memory need not go back to the system. */
	(void)mallopt(M_MMAP_THRESHOLD, 256 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == OPTION_LIST_STORIES) {
			stories_list();
			return 0;
		}
		if (option == OPTION_SELF_TEST)
			return selftest_run() ? 0 : 1;
		if (option == OPTION_LIST_MUTANTS) {
			list_mutants();
			return 0;
		}
		if (option == OPTION_HELP || option == '?' || !take(&arguments, option)) {
			fputs(help, option == OPTION_HELP ? stdout : stderr);
			return option == OPTION_HELP ? 0 : 2;
		}
	}
	return act(&arguments);
}
