/* The command line of a program that runs in the background: flags, and for each an environment
 * variable; the flag wins. A program has a table of flags with a setter each, and this module finds
 * which one is meant and for which text; a sentence that names the culprit comes out when none is,
 * or when the setter refuses the text. Pure: it prints nothing and asks nobody. */
#pragma once

#include <stddef.h>

#include "base/err.h"

/* Each program's own; handed to its setters. */
struct options;

struct flag {
	const char *name;
	const char *value; /* as --help calls it; in brackets: may be left out, then it is "yes" */
	/* Returns 1 for a flag like --help: then nothing else is looked at. */
	int (*set)(struct options *options, const char *text, struct err *err);
	const char *help;     /* further lines begin with the blanks that their column asks for */
	const char *variable; /* NULL: --node-ip's is WEFT_NODE_IP; "": it has none */
};

enum { FLAGS_MAX = 64 };

struct flags {
	const char *program; /* whose --help tells what there is */
	const struct flag *all;
	size_t n;           /* at most FLAGS_MAX */
	int usage_width;    /* of --help's first column */
	int variable_width; /* of its second; 0: without one */
};

/* argv and environment end with NULL; argv[0] is the program. Returns 1 when a setter did. */
int flags_parse(const struct flags *flags, struct options *options, char *const *argv,
		char *const *environment, struct err *err);

/* A variable's text; "" when it is not there, as when it is empty. */
const char *flags_look_up(char *const *environment, const char *name);

/* What --help says of a flag; NULL past the last. */
const char *flags_help(const struct flags *flags, size_t i, char *buf, size_t size);
