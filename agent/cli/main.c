/* weftctl, for people: reads the command line, finds the verb and runs it. What a verb does is in
 * the file of its name; talking to the agent is client.c's. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>

#include "base/xalloc.h"
#include "cli/verb.h"
#include "cni-shim/talk.h"
#include "weft/paths.h"
#include "weft/version.h"

static const struct verb *const verbs[] = {
	&verb_status, &verb_peers, &verb_ipam, &verb_pods, &verb_attach, &verb_detach, &verb_leave,
};

enum {
	N_VERBS = sizeof(verbs) / sizeof(verbs[0]),
	WORD_MAX = 31, /* longer words are nobody's typing error */
	OPTION_SOCKET = 256,
	OPTION_ID,
	OPTION_IFNAME,
};

static const struct option options[] = {
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "id", required_argument, NULL, OPTION_ID },
	{ "ifname", required_argument, NULL, OPTION_IFNAME },
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

struct command_line {
	struct call call;
	bool help, version;
	int n_words; /* what is left: the verb and its argument */
	char **words;
};

static void print_usage(FILE *to)
{
	fprintf(to, "weftctl shows and changes what weftd, the agent of this node, does.\n\n"
		    "usage: weftctl VERB [-o json] [--socket PATH]\n\n");
	for (size_t i = 0; i < N_VERBS; i++)
		fprintf(to, "  %-8s %-10s %s\n", verbs[i]->name, verbs[i]->arg ? verbs[i]->arg : "",
			verbs[i]->summary);
	fprintf(to, "  %-8s %-10s %s\n", "help", "VERB", "more about one of these");
	fprintf(to,
		"\n  -o json        the same for programs; keys are stable\n"
		"  --socket PATH  the agent's socket (%s, or $%s)\n"
		"  --version      what this is\n\n"
		"exit status: 0 it worked, 1 it did not, 2 the command line was wrong\n",
		WEFT_SOCKET_PATH, WEFT_SOCKET_ENV);
}

static void print_help(const struct verb *verb)
{
	printf("usage: weftctl %s%s%s%s%s [-o json] [--socket PATH]\n\n%s", verb->name,
	       verb->arg ? " " : "", verb->arg ? verb->arg : "",
	       verb->options & VERB_ID ? " [--id ID]" : "",
	       verb->options & VERB_IFNAME ? " [--ifname NAME]" : "", verb->help);
}

/* How many letters must be put in, left out, replaced or swapped with their neighbour. */
static size_t distance(const char *a, const char *b)
{
	size_t d[WORD_MAX + 2][WORD_MAX + 2];
	size_t a_len = strlen(a), b_len = strlen(b);

	for (size_t i = 0; i <= a_len; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= b_len; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
			best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[a_len][b_len];
}

/* What somebody who wrote `word` probably meant, or NULL. */
static const struct verb *verb_nearest(const char *word)
{
	const struct verb *nearest = NULL;
	size_t nearest_distance = 3;
	size_t len = strlen(word);

	if (len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < N_VERBS; i++) {
		size_t d = distance(word, verbs[i]->name);

		if (len >= 2 && strncmp(word, verbs[i]->name, len) == 0)
			d = 0;
		if (d < nearest_distance && d < strlen(verbs[i]->name) - 1) {
			nearest_distance = d;
			nearest = verbs[i];
		}
	}
	return nearest;
}

/* NULL after having said that there is none. */
static const struct verb *verb_find(const char *word)
{
	const struct verb *nearest;

	for (size_t i = 0; i < N_VERBS; i++)
		if (strcmp(verbs[i]->name, word) == 0)
			return verbs[i];
	nearest = verb_nearest(word);
	if (nearest)
		fprintf(stderr, "weftctl: there is no '%s'; did you mean 'weftctl %s'?\n", word,
			nearest->name);
	else
		fprintf(stderr, "weftctl: there is no '%s'; 'weftctl help' lists what there is\n",
			word);
	return NULL;
}

static enum exit_status read_output(const char *form, bool *ret_json)
{
	*ret_json = strcmp(form, "json") == 0;
	if (*ret_json || strcmp(form, "text") == 0)
		return EXIT_OK;
	fprintf(stderr, "weftctl: -o %s: expected json or text\n", form);
	return EXIT_USAGE;
}

static enum exit_status read_option(int option, struct command_line *line)
{
	switch (option) {
	case OPTION_SOCKET:
		line->call.socket = optarg;
		return EXIT_OK;
	case OPTION_ID:
		line->call.id = optarg;
		return EXIT_OK;
	case OPTION_IFNAME:
		line->call.ifname = optarg;
		return EXIT_OK;
	case 'o':
		return read_output(optarg, &line->call.json);
	case 'h':
		line->help = true;
		return EXIT_OK;
	case 'V':
		line->version = true;
		return EXIT_OK;
	default: /* getopt_long has said what it does not know */
		fprintf(stderr, "weftctl: 'weftctl help' tells the options\n");
		return EXIT_USAGE;
	}
}

static enum exit_status read_command_line(int argc, char **argv, struct command_line *ret)
{
	int option;

	*ret = (struct command_line){ .call.socket = talk_socket() };
	while ((option = getopt_long(argc, argv, "o:hV", options, NULL)) != -1) {
		enum exit_status status = read_option(option, ret);

		if (status != EXIT_OK)
			return status;
	}
	ret->n_words = argc - optind;
	ret->words = argv + optind;
	if (ret->n_words > 0 && strcmp(ret->words[0], "help") == 0) {
		ret->help = true;
		ret->n_words--;
		ret->words++;
	}
	return EXIT_OK;
}

/* Do the words and options fit the verb? */
static enum exit_status check_call(const struct verb *verb, struct command_line *line)
{
	int n_args = line->n_words - 1;

	if (line->call.id && !(verb->options & VERB_ID)) {
		fprintf(stderr, "weftctl: '%s' has no --id\n", verb->name);
		return EXIT_USAGE;
	}
	if (line->call.ifname && !(verb->options & VERB_IFNAME)) {
		fprintf(stderr, "weftctl: '%s' has no --ifname\n", verb->name);
		return EXIT_USAGE;
	}
	if (verb->arg && n_args == 0) {
		fprintf(stderr, "weftctl: %s what? usage: weftctl %s %s\n", verb->name, verb->name,
			verb->arg);
		return EXIT_USAGE;
	}
	if (n_args > (verb->arg ? 1 : 0)) {
		fprintf(stderr, "weftctl: '%s' is one word too many for 'weftctl %s'\n",
			line->words[verb->arg ? 2 : 1], verb->name);
		return EXIT_USAGE;
	}
	line->call.arg = verb->arg ? line->words[1] : NULL;
	return EXIT_OK;
}

static enum exit_status run(struct command_line *line)
{
	const struct verb *verb;
	enum exit_status status;

	if (line->version) {
		puts("weftctl " WEFT_VERSION);
		return EXIT_OK;
	}
	if (line->n_words == 0) {
		print_usage(line->help ? stdout : stderr);
		return line->help ? EXIT_OK : EXIT_USAGE;
	}
	verb = verb_find(line->words[0]);
	if (!verb)
		return EXIT_USAGE;
	if (line->help) {
		print_help(verb);
		return EXIT_OK;
	}
	status = check_call(verb, line);
	return status == EXIT_OK ? verb->run(&line->call) : status;
}

int main(int argc, char **argv)
{
	struct command_line line;
	enum exit_status status;

	cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = xmalloc, .free_fn = free });
	status = read_command_line(argc, argv, &line);
	if (status == EXIT_OK)
		status = run(&line);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("weftctl: cannot write the answer");
		return EXIT_FAILED;
	}
	return (int)status;
}
