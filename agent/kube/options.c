#include "kube/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "weft/paths.h"

/* ---- one function per flag */

/* https://HOST[:PORT]: a path, a user or a query would end up in every request. What is wrong with
 * the host itself is for the resolver to find. */
static int set_url(struct options *o, const char *text, struct err *err)
{
	static const char scheme[] = "https://";
	size_t len = strlen(text), skip = sizeof(scheme) - 1;

	if (len > skip && text[len - 1] == '/')
		len--;
	if (strncmp(text, scheme, skip) != 0 || len == skip || len > OPTIONS_URL_MAX ||
	    strspn(text + skip, TEXT_ALNUM "-.:[]") < len - skip)
		return text_refuse(err, "https://HOST:PORT", text);
	memcpy(o->url, text, len);
	o->url[len] = '\0';
	return 0;
}

static int set_token_file(struct options *o, const char *text, struct err *err)
{
	return text_parse_path(text, o->token_file, OPTIONS_PATH_MAX, err);
}

static int set_ca_file(struct options *o, const char *text, struct err *err)
{
	return text_parse_path(text, o->ca_file, OPTIONS_PATH_MAX, err);
}

int options_set_namespace(struct options *o, const char *text, struct err *err)
{
	return text_parse_word(text, o->namespace, OPTIONS_NAMESPACE_MAX, TEXT_SMALL "-",
			       "a namespace of at most 63 small letters, digits and '-'", err);
}

static int set_node(struct options *o, const char *text, struct err *err)
{
	return text_parse_word(text, o->node, KUBE_NAME_MAX, TEXT_SMALL "-.",
			       "the node's name as kubectl get nodes shows it", err);
}

static int set_socket(struct options *o, const char *text, struct err *err)
{
	return text_parse_path(text, o->socket, OPTIONS_SOCKET_MAX, err);
}

static int set_log_level(struct options *o, const char *text, struct err *err)
{
	return log_parse_level(text, &o->log_level, err);
}

static int set_reset(struct options *o, const char *text, struct err *err)
{
	return text_parse_switch(text, &o->reset, err);
}

static int set_help(struct options *o, const char *text, struct err *err)
{
	return text_parse_switch(text, &o->help, err) < 0 ? -EINVAL : o->help;
}

static int set_version(struct options *o, const char *text, struct err *err)
{
	return text_parse_switch(text, &o->version, err) < 0 ? -EINVAL : o->version;
}

/* ---- the flags */

/* To the column where the first line of a flag's help begins. */
#define NEXT_LINE "\n                                         "

static const struct flag all_flags[] = {
	{ "node", "NAME", set_node, "this node's name; required", "WEFT_NAME" },
	{ "api-server", "URL", set_url,
	  "(https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT)" },
	{ "token-file", "FILE", set_token_file, "read for each request (the service account's)" },
	{ "ca-file", "FILE", set_ca_file,
	  "who vouches for the API server (the service account's)" },
	{ "namespace", "NAME", options_set_namespace,
	  "where the ConfigMap weft is (the service account's)" },
	/* Not WEFT_SOCKET, which names the other socket of the agent's to weft and weftctl. */
	{ "socket", "FILE", set_socket, "where the agent listens (" WEFT_KUBE_SOCKET_PATH ")",
	  "WEFT_KUBE_SOCKET" },
	{ "log-level", "LEVEL", set_log_level, "err, warn, info or debug (info)" },
	{ "reset", "[]", set_reset,
	  "when --namespace is gone, and Weft with it: take back" NEXT_LINE
	  "what this node's Node says of Weft, and end" },
	{ "help", "[]", set_help, "print this", "" },
	{ "version", "[]", set_version, "print the version", "" },
};

const struct flags options_flags = {
	.program = "weft-kube",
	.all = all_flags,
	.n = sizeof(all_flags) / sizeof(all_flags[0]),
	.usage_width = 20,
	.variable_width = 17,
};

/* What every pod is told of the API server: an address, not in brackets when it is IPv6. */
static int take_service(struct options *o, char *const *environment, struct err *err)
{
	const char *host = flags_look_up(environment, "KUBERNETES_SERVICE_HOST");
	const char *port = flags_look_up(environment, "KUBERNETES_SERVICE_PORT");
	char url[OPTIONS_URL_MAX + 1];
	uint8_t ip6[16];
	bool is_6 = text_parse_ip6(host, ip6, NULL) == 0;
	uint64_t number;
	int len;

	if (!*host || !*port)
		return err_set(
			err, EINVAL,
			"--api-server: expected https://HOST:PORT, or KUBERNETES_SERVICE_HOST "
			"and KUBERNETES_SERVICE_PORT as Kubernetes sets them in each pod");
	if (text_parse_number(port, 1, 65535, &number, err) < 0)
		return err_wrap(err, "KUBERNETES_SERVICE_PORT");
	len = snprintf(url, sizeof(url), "https://%s%s%s:%s", is_6 ? "[" : "", host,
		       is_6 ? "]" : "", port);
	if (len < 0 || len >= (int)sizeof(url))
		return err_set(err, EINVAL, "KUBERNETES_SERVICE_HOST: it is too long for a host");
	if (set_url(o, url, err) < 0)
		return err_wrap(err, "KUBERNETES_SERVICE_HOST");
	return 0;
}

static int check_whole(struct options *o, char *const *environment, struct err *err)
{
	if (!*o->node)
		return err_set(err, EINVAL,
			       "--node: expected the node's name as kubectl get nodes shows it, "
			       "here or in WEFT_NAME");
	if (o->reset && !*o->namespace)
		return err_set(
			err, EINVAL,
			"--namespace: expected the one that Weft was applied in, with --reset");
	return *o->url ? 0 : take_service(o, environment, err);
}

int options_parse(struct options *ret, char *const *argv, char *const *environment, struct err *err)
{
	struct options o = {
		.token_file = OPTIONS_ACCOUNT "/token",
		.ca_file = OPTIONS_ACCOUNT "/ca.crt",
		.socket = WEFT_KUBE_SOCKET_PATH,
		.log_level = LOG_INFO,
	};
	int result = flags_parse(&options_flags, &o, argv, environment, err);

	if (result == 0)
		result = check_whole(&o, environment, err);
	if (result < 0)
		return result;
	*ret = o;
	return 0;
}
