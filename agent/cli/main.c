/* weftctl, for people: reads the command line, finds the verb and runs it. What a verb does is in
 * the file of its name; talking to the agent is client.c's. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>

#include "base/guess.h"
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

enum { N_OPTIONS = sizeof(options) / sizeof(options[0]) - 1 };

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

static const char *verb_name(const void *table, size_t i)
{
	const struct verb *const *all = table;

	return all[i]->name;
}

/* NULL after having said that there is none. */
static const struct verb *verb_find(const char *word)
{
	size_t nearest;

	for (size_t i = 0; i < N_VERBS; i++)
		if (strcmp(verbs[i]->name, word) == 0)
			return verbs[i];
	nearest = guess_name(word, strlen(word), verbs, N_VERBS, verb_name);
	if (nearest < N_VERBS)
		fprintf(stderr, "weftctl: there is no '%.80s'; did you mean 'weftctl %s'?\n", word,
			verbs[nearest]->name);
	else
		fprintf(stderr,
			"weftctl: there is no '%.80s'; 'weftctl help' tells what there is\n", word);
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

static const char *option_name(const void *table, size_t i)
{
	const struct option *all = table;

	return all[i].name;
}

static void say_unknown(const char *name)
{
	size_t len = strcspn(name, "=");
	size_t nearest = guess_name(name, len, options, N_OPTIONS, option_name);

	if (nearest < N_OPTIONS)
		fprintf(stderr, "weftctl: there is no --%.*s; did you mean --%s?\n", (int)len, name,
			options[nearest].name);
	else
		fprintf(stderr, "weftctl: there is no --%.*s; 'weftctl help' tells what there is\n",
			(int)len, name);
}

/* What getopt_long could not make sense of: the option `word`, short ones as letter `known`, long
 * ones that are in the table as their number in it. */
static enum exit_status refuse_option(const char *word, int known, bool lacks_value)
{
	bool is_long = strncmp(word, "--", 2) == 0;

	if (lacks_value)
		fprintf(stderr, "weftctl: %s: expected a value behind it\n", is_long ? word : "-o");
	else if (is_long && known != 0)
		fprintf(stderr, "weftctl: --%.*s takes no value\n", (int)strcspn(word + 2, "="),
			word + 2);
	else if (is_long)
		say_unknown(word + 2);
	else
		fprintf(stderr, "weftctl: there is no -%c; 'weftctl help' tells what there is\n",
			known);
	return EXIT_USAGE;
}

static enum exit_status read_text(const char *name, const char **ret)
{
	*ret = optarg;
	if (*optarg)
		return EXIT_OK;
	fprintf(stderr, "weftctl: --%s: expected a value, not an empty one\n", name);
	return EXIT_USAGE;
}

static enum exit_status read_option(int option, const char *word, struct command_line *line)
{
	switch (option) {
	case OPTION_SOCKET:
		line->call.socket = optarg;
		return EXIT_OK;
	case OPTION_ID:
		return read_text("id", &line->call.id);
	case OPTION_IFNAME:
		return read_text("ifname", &line->call.ifname);
	case 'o':
		return read_output(optarg, &line->call.json);
	case 'h':
		line->help = true;
		return EXIT_OK;
	case 'V':
		line->version = true;
		return EXIT_OK;
	default: /* '?' or ':', which are getopt_long's, not an enum's */
		return refuse_option(word, optopt, option == ':');
	}
}

static enum exit_status read_command_line(int argc, char **argv, struct command_line *ret)
{
	int option;

	*ret = (struct command_line){ .call.socket = talk_socket() };
	opterr = 0; /* it would say less, and call us by our path */
	while ((option = getopt_long(argc, argv, ":o:hV", options, NULL)) != -1) {
		enum exit_status status = read_option(option, argv[optind - 1], ret);

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
