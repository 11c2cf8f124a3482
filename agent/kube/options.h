#pragma once
/*
 * What weft-kube was asked for: flags, and for each an environment variable; the flag wins. Where
 * the API server is and who we are there is what every pod is told, so in a pod only the node's
 * name must be given. Pure: arguments and environment come in, a struct or a sentence that names
 * the culprit comes out.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/flags.h"
#include "log/log.h"
#include "wire/kube_api.h"

enum {
	OPTIONS_URL_MAX = 300,
	OPTIONS_PATH_MAX = 200,
	OPTIONS_SOCKET_MAX = 107,   /* sun_path */
	OPTIONS_NAMESPACE_MAX = 63, /* a DNS label */
};

/* Where a pod finds its service account. */
#define OPTIONS_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

struct options {
	char url[OPTIONS_URL_MAX + 1]; /* https://HOST[:PORT], nothing behind it */
	char token_file[OPTIONS_PATH_MAX + 1], ca_file[OPTIONS_PATH_MAX + 1];
	char namespace[OPTIONS_NAMESPACE_MAX + 1]; /* empty: OPTIONS_ACCOUNT/namespace has it */
	char node[KUBE_NAME_MAX + 1];
	char socket[OPTIONS_SOCKET_MAX + 1];
	enum log_level log_level;
	bool reset;         /* then `namespace` is the one that Weft was in */
	bool help, version; /* only these are wanted */
};

int options_parse(struct options *ret, char *const *argv, char *const *environment,
		  struct err *err);
/* For what was read from the service account's file. */
int options_set_namespace(struct options *options, const char *text, struct err *err);

extern const struct flags options_flags;
