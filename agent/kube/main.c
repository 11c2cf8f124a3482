/* weft-kube: tells the agent of this node what the API server of Kubernetes says. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kube/kube.h"
#include "log/log.h"
#include "weft/version.h"

enum { EXIT_USAGE = 2 };

static void help(void)
{
	char line[320];

	puts("weft-kube: beside weftd in its pod. Tells it what the API server says of nodes,\n"
	     "and who founds the cluster. The agent works on while it is away.\n"
	     "\n"
	     "Each flag is an environment variable too; the flag wins. Defaults are in\n"
	     "parentheses.\n");
	for (size_t i = 0; flags_help(&options_flags, i, line, sizeof(line)); i++)
		puts(line);
}

/* Without a flag, as the service account says. */
static int find_namespace(struct options *options, struct err *err)
{
	char text[OPTIONS_NAMESPACE_MAX + 2];
	static const char path[] = OPTIONS_ACCOUNT "/namespace";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return err_set(err, error,
			       "--namespace: expected one, here or in WEFT_NAMESPACE or in %s (%s)",
			       path, strerror(error));
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (options_set_namespace(options, text, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}

static int run(const struct options *options)
{
	const char *journal = getenv("JOURNAL_STREAM");
	char words[LOG_WORDS_MAX];
	struct err err = { 0 };
	struct kube kube;
	struct log log;
	bool over;

	log_init(&log, STDERR_FILENO, options->log_level, log_style_for(STDERR_FILENO, journal));
	log_line(&log, LOG_INFO, "weft-kube " WEFT_VERSION " on %s -> asking %s", options->node,
		 options->url);
	if (kube_init(&kube, options, &log, &err) < 0) {
		log_line(&log, LOG_ERR, "%s -> not started", log_words(words, &err));
		return EXIT_FAILURE;
	}
	over = kube_run(&kube);
	kube_done(&kube);
	return over || !options->reset ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct options options;
	struct err err = { 0 };
	int result;

	(void)argc; /* argv ends with NULL */
	/* Pages of nodes come and go: back to the system, not into a heap that stays. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	mallopt(M_TRIM_THRESHOLD, 512 << 10);
	result = options_parse(&options, argv, environ, &err);
	if (result == 0 && options.help) {
		help();
		return EXIT_SUCCESS;
	}
	if (result == 0 && options.version) {
		puts("weft-kube " WEFT_VERSION);
		return EXIT_SUCCESS;
	}
	if (result == 0 && !*options.namespace)
		result = find_namespace(&options, &err);
	if (result < 0) {
		fprintf(stderr, "weft-kube: %s\n", err.text);
		return EXIT_USAGE;
	}
	return run(&options);
}
