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

/* ---- the flags */

static const struct flag {
	const char *name, *variable;
	const char *value; /* as --help calls it */
	int (*set)(struct options *options, const char *text, struct err *err);
	const char *help;
} flags[] = {
	{ "node", "WEFT_NAME", "NAME", set_node, "this node's name; required" },
	{ "api-server", "WEFT_API_SERVER", "URL", set_url,
	  "(https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT)" },
	{ "token-file", "WEFT_TOKEN_FILE", "FILE", set_token_file,
	  "read for each request (the service account's)" },
	{ "ca-file", "WEFT_CA_FILE", "FILE", set_ca_file,
	  "who vouches for the API server (the service account's)" },
	{ "namespace", "WEFT_NAMESPACE", "NAME", options_set_namespace,
	  "where the ConfigMap weft is (the service account's)" },
	/* Not WEFT_SOCKET, which names the other socket of the agent's to weft and weftctl. */
	{ "socket", "WEFT_KUBE_SOCKET", "FILE", set_socket,
	  "where the agent listens (" WEFT_KUBE_SOCKET_PATH ")" },
	{ "log-level", "WEFT_LOG_LEVEL", "LEVEL", set_log_level,
	  "err, warn, info or debug (info)" },
};

enum { N_FLAGS = sizeof(flags) / sizeof(flags[0]) };

static const char *look_up(char *const *environment, const char *name)
{
	size_t len = strlen(name);

	for (; environment && *environment; environment++)
		if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
			return *environment + len + 1;
	return "";
}

static const struct flag *find(const char *name, size_t len)
{
	for (size_t i = 0; i < N_FLAGS; i++)
		if (strlen(flags[i].name) == len && memcmp(flags[i].name, name, len) == 0)
			return &flags[i];
	return NULL;
}

/* The flag at *at, and its value; *at is then the last argument that it used. */
static int take_argument(struct options *o, int argc, char *const *argv, int *at,
			 bool given[N_FLAGS], struct err *err)
{
	const char *name = argv[*at], *value;
	const struct flag *flag;
	size_t len;

	if (strncmp(name, "--", 2) != 0 || name[2] == '\0')
		return err_set(err, EINVAL, "expected flags that begin with --, got '%.80s'", name);
	name += 2;
	len = strcspn(name, "=");
	flag = find(name, len);
	if (!flag)
		return err_set(err, EINVAL,
			       "there is no --%.*s; weft-kube --help shows what there is",
			       (int)(len < 80 ? len : 80), name);
	if (name[len] == '=')
		value = name + len + 1;
	else if (*at + 1 < argc)
		value = argv[++*at];
	else
		return err_set(err, EINVAL, "--%s: expected %s behind it", flag->name, flag->value);
	given[flag - flags] = true;
	if (flag->set(o, value, err) < 0)
		return err_wrap(err, "--%s", flag->name);
	return 0;
}

static int take_environment(struct options *o, char *const *environment, const bool given[N_FLAGS],
			    struct err *err)
{
	for (size_t i = 0; i < N_FLAGS; i++) {
		const char *value = given[i] ? "" : look_up(environment, flags[i].variable);

		if (*value && flags[i].set(o, value, err) < 0)
			return err_wrap(err, "%s", flags[i].variable);
	}
	return 0;
}

/* What every pod is told of the API server: an address, not in brackets when it is IPv6. */
static int take_service(struct options *o, char *const *environment, struct err *err)
{
	const char *host = look_up(environment, "KUBERNETES_SERVICE_HOST");
	const char *port = look_up(environment, "KUBERNETES_SERVICE_PORT");
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
	return *o->url ? 0 : take_service(o, environment, err);
}

int options_parse(struct options *ret, int argc, char *const *argv, char *const *environment,
		  struct err *err)
{
	struct options o = {
		.token_file = OPTIONS_ACCOUNT "/token",
		.ca_file = OPTIONS_ACCOUNT "/ca.crt",
		.socket = WEFT_KUBE_SOCKET_PATH,
		.log_level = LOG_INFO,
	};
	bool given[N_FLAGS] = { 0 };
	int result = 0;

	for (int at = 1; at < argc && result == 0; at++) {
		o.help = o.help || strcmp(argv[at], "--help") == 0;
		o.version = o.version || strcmp(argv[at], "--version") == 0;
		if (!o.help && !o.version)
			result = take_argument(&o, argc, argv, &at, given, err);
	}
	if (result == 0 && !o.help && !o.version)
		result = take_environment(&o, environment, given, err);
	if (result == 0 && !o.help && !o.version)
		result = check_whole(&o, environment, err);
	if (result == 0)
		*ret = o;
	return result;
}

const char *options_help_line(size_t i, char *buf, size_t size)
{
	char left[32];

	if (i > N_FLAGS)
		return NULL;
	if (i == N_FLAGS)
		return "  --help, --version";
	snprintf(left, sizeof(left), "--%s %s", flags[i].name, flags[i].value);
	snprintf(buf, size, "  %-20s %-17s %s", left, flags[i].variable, flags[i].help);
	return buf;
}
