/* Flags and environment of weft-kube: what is taken, and the sentence for what is not. */
#include "kube/options.h"

#include <errno.h>

#include "check.h"

enum { ARGUMENTS_MAX = 12 };

/* Words apart by blanks: arguments; NAME=VALUE: environment. */
static int parse(const char *arguments, const char *environment, struct options *ret,
		 struct err *err)
{
	char text[600], *argv[ARGUMENTS_MAX + 1] = { text }, *env[ARGUMENTS_MAX + 1] = { 0 }, *rest;
	char more[600];
	int argc = 1, n_env = 0;

	strcpy(text, arguments);
	strcpy(more, environment);
	for (char *at = strtok_r(text, " ", &rest); at; at = strtok_r(NULL, " ", &rest))
		argv[argc++] = at;
	for (char *at = strtok_r(more, " ", &rest); at; at = strtok_r(NULL, " ", &rest))
		env[n_env++] = at;
	return options_parse(ret, argv, env, err);
}

static void good(const char *arguments, const char *environment, struct options *ret)
{
	struct err err = { 0 };

	if (!CHECK_INT(parse(arguments, environment, ret, &err), 0))
		printf("  %s %s: %s\n", arguments, environment, err.text);
}

static void bad(const char *arguments, const char *environment, const char *why)
{
	struct options options;
	struct err err = { 0 };

	if (!CHECK_INT(parse(arguments, environment, &options, &err), -EINVAL))
		printf("  accepted: %s %s\n", arguments, environment);
	CHECK_STR(err.text, why);
}

#define SERVICE "KUBERNETES_SERVICE_HOST=10.96.0.1 KUBERNETES_SERVICE_PORT=443"

static void in_a_pod_the_name_is_enough(void)
{
	struct options o;

	good("", SERVICE " WEFT_NAME=n1", &o);
	CHECK_STR(o.node, "n1");
	CHECK_STR(o.url, "https://10.96.0.1:443");
	CHECK_STR(o.token_file, "/var/run/secrets/kubernetes.io/serviceaccount/token");
	CHECK_STR(o.ca_file, "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt");
	CHECK_STR(o.socket, "/run/weft/kube.sock");
	CHECK_STR(o.namespace, "");
	CHECK_INT(o.log_level, LOG_INFO);
	CHECK(!o.help && !o.version);
}

static void the_api_server(void)
{
	struct options o;

	good("--node n", "KUBERNETES_SERVICE_HOST=fd00::1 KUBERNETES_SERVICE_PORT=6443", &o);
	CHECK_STR(o.url, "https://[fd00::1]:6443");
	good("--node n", "KUBERNETES_SERVICE_HOST=api.test KUBERNETES_SERVICE_PORT=1", &o);
	CHECK_STR(o.url, "https://api.test:1");
	good("--node n --api-server https://A.test/", SERVICE, &o);
	CHECK_STR(o.url, "https://A.test");
	bad("--node n", "",
	    "--api-server: expected https://HOST:PORT, or KUBERNETES_SERVICE_HOST and "
	    "KUBERNETES_SERVICE_PORT as Kubernetes sets them in each pod");
	bad("--node n", "KUBERNETES_SERVICE_HOST=a KUBERNETES_SERVICE_PORT=0",
	    "KUBERNETES_SERVICE_PORT: expected a number from 1 to 65535, got '0'");
	bad("--node n", "KUBERNETES_SERVICE_HOST=a/b KUBERNETES_SERVICE_PORT=1",
	    "KUBERNETES_SERVICE_HOST: expected https://HOST:PORT, got 'https://a/b:1'");
	bad("--node n --api-server http://a", "",
	    "--api-server: expected https://HOST:PORT, got 'http://a'");
	bad("--node n --api-server https://", "",
	    "--api-server: expected https://HOST:PORT, got 'https://'");
	bad("--node n --api-server https://a/b", "",
	    "--api-server: expected https://HOST:PORT, got 'https://a/b'");
	bad("--node n --api-server https://u@a", "",
	    "--api-server: expected https://HOST:PORT, got 'https://u@a'");
}

static void flags_win(void)
{
	struct options o;

	good("--node n1 --namespace=a --socket /s --log-level debug --token-file /t --ca-file /c",
	     SERVICE " WEFT_NAME=n2 WEFT_NAMESPACE=b WEFT_KUBE_SOCKET=/x WEFT_LOG_LEVEL=err "
		     "WEFT_TOKEN_FILE=/x WEFT_CA_FILE=/x WEFT_SOCKET=/never",
	     &o);
	CHECK_STR(o.node, "n1");
	CHECK_STR(o.namespace, "a");
	CHECK_STR(o.socket, "/s");
	CHECK_INT(o.log_level, LOG_DEBUG);
	CHECK_STR(o.token_file, "/t");
	CHECK_STR(o.ca_file, "/c");
	good("--node n", SERVICE " WEFT_NAMESPACE=b WEFT_KUBE_SOCKET=/x WEFT_API_SERVER=https://e",
	     &o);
	CHECK_STR(o.namespace, "b");
	CHECK_STR(o.socket, "/x");
	CHECK_STR(o.url, "https://e");
}

static void resets(void)
{
	struct options o;

	good("--node n --namespace=w", SERVICE, &o);
	CHECK(!o.reset);
	good("--node n", SERVICE " WEFT_NAMESPACE=w WEFT_RESET=on", &o);
	CHECK(o.reset);
}

static void refuses(void)
{
	bad("", SERVICE,
	    "--node: expected the node's name as kubectl get nodes shows it, here or in WEFT_NAME");
	bad("--node A", SERVICE,
	    "--node: expected the node's name as kubectl get nodes shows it, got 'A'");
	bad("--node ../x", SERVICE,
	    "--node: expected the node's name as kubectl get nodes shows it, got '../x'");
	bad("--node n --namespace a.b", SERVICE,
	    "--namespace: expected a namespace of at most 63 small letters, digits and '-', got "
	    "'a.b'");
	bad("--node n", SERVICE " WEFT_NAMESPACE=a/b",
	    "WEFT_NAMESPACE: expected a namespace of at most 63 small letters, digits and '-', got "
	    "'a/b'");
	bad("--node n --token-file t", SERVICE,
	    "--token-file: expected an absolute path of at most 200 bytes, got 't'");
	bad("--node n --socket s", SERVICE,
	    "--socket: expected an absolute path of at most 107 bytes, got 's'");
	bad("--node n --log-level loud", SERVICE,
	    "--log-level: expected err, warn, info or debug, got 'loud'");
	bad("--nodes n", SERVICE, "there is no --nodes; did you mean --node?");
	bad("n", SERVICE, "expected flags that begin with --, got 'n'");
	bad("--node n --reset", SERVICE,
	    "--namespace: expected the one that Weft was applied in, "
	    "with --reset");
	bad("--node n --reset=go", SERVICE, "--reset: expected on or off, got 'go'");
	bad("--node", SERVICE, "--node: expected NAME behind it");
}

static void help_needs_nothing_else(void)
{
	struct options o;
	char line[320];
	size_t n = 0;

	good("--help", "", &o);
	CHECK(o.help);
	good("--version", "", &o);
	CHECK(o.version);
	while (flags_help(&options_flags, n, line, sizeof(line)))
		n++;
	CHECK_UINT(n, 10);
}

int main(void)
{
	RUN(in_a_pod_the_name_is_enough);
	RUN(the_api_server);
	RUN(flags_win);
	RUN(resets);
	RUN(refuses);
	RUN(help_needs_nothing_else);
	return check_report();
}
