#include "cli/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cni-shim/talk.h"
#include "weft/limits.h"
#include "weft/paths.h"

static const char look_at_log[] = "journalctl -u weftd -n 50, or the log of this node's weft pod";

static void complain_unreachable(const char *socket, int error)
{
	if (error == EACCES || error == EPERM) {
		fprintf(stderr, "weftctl: the agent talks to root only (%s)\n  next: use sudo\n",
			socket);
		return;
	}
	if (error != ENOENT && error != ECONNREFUSED) {
		fprintf(stderr, "weftctl: cannot reach the agent at %s (%s)\n  next: %s\n", socket,
			talk_reason(error), look_at_log);
		return;
	}
	fprintf(stderr, "weftctl: the agent is not running on this node: tried %s (%s)\n", socket,
		talk_reason(error));
	if (strcmp(socket, WEFT_SOCKET_PATH) != 0)
		fprintf(stderr, "  note: that is not the usual place, which is %s\n",
			WEFT_SOCKET_PATH);
	fprintf(stderr, "  next: systemctl status weftd, or in Kubernetes: "
			"kubectl get pods -A -o wide | grep weft\n");
}

static void say_slow(const struct talk *talk)
{
	fprintf(stderr, "weftctl: the agent at %s does not answer -> waiting, %d s in all\n",
		talk->socket, talk->total_ms / 1000);
}

static void complain(enum talk_end end, const struct talk *talk, int error)
{
	switch (end) {
	case TALK_ANSWERED:
		return;
	case TALK_UNREACHABLE:
		complain_unreachable(talk->socket, error);
		return;
	case TALK_HUNG_UP:
		fprintf(stderr,
			"weftctl: the agent at %s hung up %d times without an answer\n  next: %s\n",
			talk->socket, TALK_TRIES, look_at_log);
		return;
	case TALK_SILENT:
		fprintf(stderr,
			"weftctl: the agent at %s did not answer within %d s\n"
			"  next: see whether it is stopped or stuck (systemctl status weftd, or "
			"this node's weft pod) and restart it: pods and their traffic go on\n",
			talk->socket, talk->total_ms / 1000);
		return;
	case TALK_GARBLED:
		fprintf(stderr,
			"weftctl: the answer of the agent at %s cannot be read\n"
			"  next: weftctl --version and weftd --version should agree\n",
			talk->socket);
		return;
	}
}

void client_answer_freep(Weft__Local__Answer **answer)
{
	weft__local__answer__free_unpacked(*answer, NULL);
}

Weft__Local__Answer *client_ask(const struct call *call, Weft__Local__Request *request,
				const int *fds, size_t n_fds, int total_ms)
{
	/* A person sees at once that the agent is away and decides for himself how long to wait. */
	struct talk talk = {
		.socket = call->socket,
		.total_ms = total_ms,
		.slow = say_slow,
		.slow_ms = CLIENT_SLOW_MS,
	};
	Weft__Local__Answer *answer = NULL;
	enum talk_end end;
	int error = 0;

	request->version = WEFT_LOCAL_VERSION;
	end = talk_ask(&talk, request, fds, n_fds, &answer, &error);
	if (end != TALK_ANSWERED) {
		complain(end, &talk, error);
		return NULL;
	}
	if (answer->exit_code == 0)
		return answer;
	fprintf(stderr, "weftctl: %s\n",
		*answer->error ? answer->error : "the agent refused without a reason");
	weft__local__answer__free_unpacked(answer, NULL);
	return NULL;
}

Weft__Local__Answer *client_ask_status(const struct call *call, Weft__Local__StatusAsk *ask)
{
	Weft__Local__Request request = WEFT__LOCAL__REQUEST__INIT;
	Weft__Local__Answer *answer;

	request.what_case = WEFT__LOCAL__REQUEST__WHAT_STATUS;
	request.status = ask;
	answer = client_ask(call, &request, NULL, 0, CLIENT_SHOW_MS);
	if (answer && !answer->status) {
		complain(TALK_GARBLED, &(struct talk){ .socket = call->socket }, 0);
		weft__local__answer__free_unpacked(answer, NULL);
		return NULL;
	}
	return answer;
}

/* This node first, n2 before n10. */
static int peer_order(const void *a, const void *b)
{
	const Weft__Local__Peer *const *left = a, *const *right = b;
	int self = (strcmp((*right)->link, "self") == 0) - (strcmp((*left)->link, "self") == 0);

	return self ? self : strverscmp((*left)->name, (*right)->name);
}

static int pod_order(const void *a, const void *b)
{
	const Weft__Local__Pod *const *left = a, *const *right = b;

	return strverscmp((*left)->ip, (*right)->ip);
}

/* The agent has them in orders of its own. */
static void sort(Weft__Local__Status *status)
{
	if (status->n_peers > 1)
		qsort(status->peers, status->n_peers, sizeof(status->peers[0]), peer_order);
	if (status->n_pods > 1)
		qsort(status->pods, status->n_pods, sizeof(status->pods[0]), pod_order);
}

enum exit_status client_show_status(const struct call *call, Weft__Local__StatusAsk *ask,
				    void (*print_text)(const Weft__Local__Status *status),
				    void (*print_json)(const Weft__Local__Status *status))
{
	_cleanup_(client_answer_freep) Weft__Local__Answer *answer = client_ask_status(call, ask);

	if (!answer)
		return EXIT_FAILED;
	sort(answer->status);
	if (call->json)
		print_json(answer->status);
	else
		print_text(answer->status);
	return EXIT_OK;
}
