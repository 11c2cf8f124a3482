/* One thing that weftctl can do. Each lives in a file of its own, main.c has the table of them. */
#pragma once

#include <stdbool.h>

enum exit_status { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

enum verb_option { VERB_ID = 1 << 0, VERB_IFNAME = 1 << 1 };

/* The command line, read. Borrowed from argv and the environment. */
struct call {
	const char *socket;
	const char *arg;    /* NULL: the verb takes none */
	const char *id;     /* NULL: not given */
	const char *ifname; /* NULL: not given */
	bool json;
};

struct verb {
	const char *name;
	const char *arg;     /* what its one argument is, NULL: it takes none */
	const char *summary; /* one line for the list of verbs */
	const char *help;    /* some lines that end with a newline */
	unsigned options;    /* enum verb_option, or-ed; -o and --socket are everybody's */
	/* Prints what it has to say, an error on stderr, once. */
	enum exit_status (*run)(const struct call *call);
};

extern const struct verb verb_status;
extern const struct verb verb_peers;
extern const struct verb verb_ipam;
extern const struct verb verb_pods;
extern const struct verb verb_attach;
extern const struct verb verb_detach;
extern const struct verb verb_leave;
