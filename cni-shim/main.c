/* weft, the CNI binary that a container runtime executes for every pod.
 *
 * It carries: environment, stdin as raw bytes and, for ADD, two descriptors go to the agent, the
 * agent's bytes come back and are printed. What it decides itself is what must hold when there is
 * no agent: VERSION, a broken environment, and in which words the absence is told. It reads no
 * JSON, starts no process and leaves nothing behind when it is killed, which is how runtimes end a
 * call they are tired of; cleaning up is the agent's. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weft/limits.h"
#include "weft/version.h"

#include "env.h"
#include "netns.h"
#include "reply.h"
#include "talk.h"

enum {
	/* An agent that is upgraded is away for a second or two; a runtime waits minutes, but a
	 * clear error after a few seconds tells more than a slow one. */
	REACH_MS = 4000,
	TOTAL_MS = 30000,
	/* containerd asks for STATUS without a limit of its own, holding a lock that all other
	 * calls on the node need. */
	STATUS_TOTAL_MS = 900,
};

/* The same list twice: for people, and as it goes over stdout. */
static const char versions_text[] = "0.4.0, 1.0.0, 1.1.0";
static const char versions_json[] = "{\"cniVersion\":\"" CNI_VERSION_NEWEST "\","
				    "\"supportedVersions\":[\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n";

/* Operators and packagers run the bare binary to see what it is. */
static int print_about(void)
{
	fprintf(stderr,
		"CNI weft plugin v%s\n"
		"CNI protocol versions supported: %s\n"
		"A container runtime executes this; people use weftctl.\n",
		WEFT_VERSION, versions_text);
	return EXIT_SUCCESS;
}

/* The answer's cniVersion should be the input's; like the reference implementation we say our
 * newest instead of reading JSON for it. stdin is left alone: nothing there can matter. */
static int run_version(const struct env *env, struct problem *problem)
{
	(void)env;
	(void)problem;
	return reply_write(versions_json, sizeof(versions_json) - 1) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* stdin to its end. The buffer is the caller's for free(). */
static bool read_config(ProtobufCBinaryData *ret, struct problem *ret_problem)
{
	uint8_t *data = malloc(WEFT_CONFIG_MAX + 1); /* only pages that are used cost anything */
	size_t len = 0;

	if (!data)
		abort();
	while (len <= WEFT_CONFIG_MAX) {
		ssize_t n = read(STDIN_FILENO, data + len, WEFT_CONFIG_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			problem_set(ret_problem, CNI_IO,
				    "cannot read the configuration on stdin: %s", strerror(errno));
			free(data);
			return false;
		}
		if (n == 0) {
			*ret = (ProtobufCBinaryData){ .len = len, .data = data };
			return true;
		}
		len += (size_t)n;
	}
	free(data);
	problem_set(ret_problem, CNI_BAD_CONFIG,
		    "the configuration on stdin is longer than %d bytes", WEFT_CONFIG_MAX);
	return false;
}

/* Why nothing came back. `code` is for an agent that is away or slow. */
static void tell_end(enum talk_end end, const struct talk *talk, int error, enum cni_code code,
		     struct problem *ret)
{
	switch (end) {
	case TALK_ANSWERED:
		return;
	case TALK_UNREACHABLE:
		problem_set(ret, code, "the agent is not running on this node");
		problem_advise(ret,
			       "%.150s cannot be reached (%s): look at this node's weft pod, or at "
			       "'systemctl status weftd'",
			       talk->socket, talk_reason(error));
		return;
	case TALK_HUNG_UP:
		problem_set(ret, code, "the agent on this node hung up %d times without an answer",
			    TALK_TRIES);
		break;
	case TALK_SILENT:
		problem_set(ret, code, "the agent on this node did not answer within %d ms",
			    talk->total_ms);
		break;
	case TALK_GARBLED:
		problem_set(ret, CNI_FAILED, "the agent's answer cannot be read");
		break;
	}
	problem_advise(ret, "look at the log of this node's weft pod, or at 'journalctl -u weftd'");
}

/* exit(256) would be success. */
static int exit_status(int32_t agents_code)
{
	if (agents_code == 0)
		return EXIT_SUCCESS;
	return agents_code > 0 && agents_code < 256 ? agents_code : EXIT_FAILURE;
}

/* The agent's bytes and nothing else. A failure without words, or an ADD without a result, would be
 * told by the runtime as "unexpected end of JSON input". */
static int print_answer(const Weft__Local__Answer *answer, const char *command,
			struct problem *problem)
{
	bool needs_output = answer->exit_code != 0 || strcmp(command, "ADD") == 0;

	if (needs_output && answer->output.len == 0) {
		problem_set(problem, CNI_FAILED, "the agent on this node answered %s without %s",
			    command, answer->exit_code ? "a reason" : "a result");
		if (answer->error)
			problem_advise(problem, "%.300s", answer->error);
		return EXIT_FAILURE;
	}
	if (!reply_write(answer->output.data, answer->output.len))
		return EXIT_FAILURE; /* the runtime is gone: it will send DEL */
	return exit_status(answer->exit_code);
}

static int carry(const struct env *env, const int *fds, size_t n_fds, struct problem *problem)
{
	struct talk talk = { .socket = talk_socket(), .reach_ms = REACH_MS, .total_ms = TOTAL_MS };
	Weft__Local__Request request = WEFT__LOCAL__REQUEST__INIT;
	Weft__Local__Cni cni = WEFT__LOCAL__CNI__INIT;
	Weft__Local__Answer *answer = NULL;
	enum talk_end end;
	int error = 0, status;

	if (!read_config(&cni.config, problem))
		return EXIT_FAILURE;
	/* protobuf-c's generated structs are not const, but packing does not write. */
	cni.command = (char *)(uintptr_t)env->command;
	cni.container_id = (char *)(uintptr_t)env->container_id;
	cni.netns = (char *)(uintptr_t)(env->netns ? env->netns : "");
	cni.ifname = (char *)(uintptr_t)env->ifname;
	cni.args = (char *)(uintptr_t)(env->args ? env->args : "");
	cni.number = talk_number();
	request.version = WEFT_LOCAL_VERSION;
	request.what_case = WEFT__LOCAL__REQUEST__WHAT_CNI;
	request.cni = &cni;

	end = talk_ask(&talk, &request, fds, n_fds, &answer, &error);
	free(cni.config.data);
	if (end != TALK_ANSWERED) {
		tell_end(end, &talk, error, CNI_TRY_LATER, problem);
		return EXIT_FAILURE;
	}
	status = print_answer(answer, env->command, problem);
	weft__local__answer__free_unpacked(answer, NULL);
	return status;
}

static bool refuse_own_netns(const struct env *env, struct problem *ret_problem)
{
	if (!env->netns || env->netns_override || !netns_is_own(env->netns))
		return false;
	problem_set(ret_problem, CNI_BAD_NETNS,
		    "plugin's netns and netns from CNI_NETNS should not be the same: '%.200s' is "
		    "the node's own",
		    env->netns);
	return true;
}

static int run_add(const struct env *env, struct problem *problem)
{
	int fds[TALK_FDS_MAX]; /* the namespace, the route socket; exit closes them */
	char why[NETNS_WHY_SIZE];

	if (refuse_own_netns(env, problem))
		return EXIT_FAILURE;
	if (netns_open(env->netns, &fds[0], why) < 0 ||
	    netns_route_socket(fds[0], &fds[1], why) < 0) {
		problem_set(problem, CNI_BAD_NETNS, "CNI_NETNS: %s", why);
		return EXIT_FAILURE;
	}
	return carry(env, fds, TALK_FDS_MAX, problem);
}

/* The namespace may be gone, its path empty or used by another: the agent knows by container id and
 * interface what to remove, so nothing is opened here.
 *
 * An agent that is away makes this fail (code 11), and the runtime asks again later. Noting the DEL
 * in a spool for the agent and succeeding at once comes with the rest of the CNI contract. */
static int run_del(const struct env *env, struct problem *problem)
{
	if (refuse_own_netns(env, problem))
		return EXIT_FAILURE;
	return carry(env, NULL, 0, problem);
}

/* Ready to make pods? Quick and without side effects, because runtimes ask it every few seconds.
 * An agent that is away is 50 and not 51: the kernel goes on forwarding for the pods there are. */
static int run_status(const struct env *env, struct problem *problem)
{
	struct talk talk = { .socket = talk_socket(), .total_ms = STATUS_TOTAL_MS };
	Weft__Local__Request request = WEFT__LOCAL__REQUEST__INIT;
	Weft__Local__StatusAsk ask = WEFT__LOCAL__STATUS_ASK__INIT;
	Weft__Local__Answer *answer = NULL;
	const Weft__Local__Status *status;
	enum talk_end end;
	int error = 0;

	(void)env;
	request.version = WEFT_LOCAL_VERSION;
	request.what_case = WEFT__LOCAL__REQUEST__WHAT_STATUS;
	request.status = &ask;
	end = talk_ask(&talk, &request, NULL, 0, &answer, &error);
	if (end != TALK_ANSWERED) {
		tell_end(end, &talk, error, CNI_NOT_READY, problem);
		return EXIT_FAILURE;
	}
	status = answer->status;
	if (status && strcmp(status->state, "ready") == 0) {
		weft__local__answer__free_unpacked(answer, NULL);
		return EXIT_SUCCESS;
	}
	problem_set(problem, CNI_NOT_READY, "the agent on this node is not ready%s%.50s",
		    status ? ": " : "", status ? status->state : "");
	problem_advise(problem, "%.300s", status ? status->detail : answer->error);
	weft__local__answer__free_unpacked(answer, NULL);
	return EXIT_FAILURE;
}

/* Saying "checked" or "collected" without doing it would hide what the runtime looks for. */
static int run_not_yet(const struct env *env, struct problem *problem)
{
	problem_set(problem, CNI_UNSUPPORTED, "%s is not implemented yet", env->command);
	problem_advise(problem, "until then set \"%s\": true in the network configuration list",
		       strcmp(env->command, "GC") == 0 ? "disableGC" : "disableCheck");
	return EXIT_FAILURE;
}

static const struct command {
	const char *name;
	unsigned needs;
	/* The exit status. A problem that is filled (code not 0) is printed by the caller. */
	int (*run)(const struct env *env, struct problem *problem);
} commands[] = {
	{ "ADD", ENV_CONTAINER_ID | ENV_NETNS | ENV_IFNAME, run_add },
	{ "DEL", ENV_CONTAINER_ID | ENV_IFNAME, run_del },
	{ "CHECK", ENV_CONTAINER_ID | ENV_NETNS | ENV_IFNAME, run_not_yet },
	{ "GC", 0, run_not_yet },
	{ "STATUS", 0, run_status },
	{ "VERSION", 0, run_version },
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int run(const struct env *env, struct problem *problem)
{
	const struct command *command = command_find(env->command);

	if (!command) {
		problem_set(problem, CNI_BAD_ENVIRONMENT, "unknown CNI_COMMAND: %.100s",
			    env->command);
		return EXIT_FAILURE;
	}
	if (!env_check(env, command->needs, problem))
		return EXIT_FAILURE;
	return command->run(env, problem);
}

/* A descriptor of ours that lands on 1 would get our answer instead of the runtime. */
static void fill_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			abort();
}

int main(void)
{
	struct problem problem = { 0 };
	struct env env;
	int status;

	fill_standard_fds();
	/* A runtime that gives up closes the pipes first. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		abort();
	env_read(&env);
	if (!env.command)
		return print_about();
	status = run(&env, &problem);
	if (problem.code != 0 && !reply_problem(&problem))
		return EXIT_FAILURE;
	return status;
}
