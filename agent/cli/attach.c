#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/json.h"
#include "cli/place.h"
#include "cli/pods.h"
#include "cli/show.h"
#include "cni-shim/netns.h"
#include "cni-shim/talk.h"

/* The namespace and a route socket inside it. From here on this process is inside; the agent's
 * socket is a file, and those are the same everywhere. The process's end closes both. */
static bool open_place(const char *path, int *fds)
{
	char why[NETNS_WHY_SIZE];
	int error;

	if (netns_is_own(path)) {
		fprintf(stderr,
			"weftctl: '%s' is the namespace that weftctl runs in: a node needs no "
			"attaching\n",
			path);
		return false;
	}
	error = netns_open(path, &fds[0], why);
	if (error == 0)
		error = netns_route_socket(fds[0], &fds[1], why);
	if (error == 0)
		return true;
	fprintf(stderr, "weftctl: %s\n", why);
	if (error == -ENOENT)
		fprintf(stderr,
			"  next: 'ip netns list' names those there are, 'ip netns add NAME' "
			"makes one\n");
	else if (error == -EPERM || error == -EACCES)
		fprintf(stderr, "  next: use sudo\n");
	return false;
}

static Weft__Local__Answer *ask(const struct call *call, const char *path, const char *id,
				const int *fds)
{
	Weft__Local__Request request = WEFT__LOCAL__REQUEST__INIT;
	Weft__Local__Cni cni = WEFT__LOCAL__CNI__INIT;

	/* protobuf-c's generated structs are not const, but packing does not write. */
	cni.command = (char *)(uintptr_t) "ADD";
	cni.container_id = (char *)(uintptr_t)id;
	cni.netns = (char *)(uintptr_t)path;
	cni.ifname = (char *)(uintptr_t)(call->ifname ? call->ifname : "eth0");
	cni.number = talk_number();
	cni.plain = true;
	request.what_case = WEFT__LOCAL__REQUEST__WHAT_CNI;
	request.cni = &cni;
	return client_ask(call, &request, fds, TALK_FDS_MAX, CLIENT_CHANGE_MS);
}

static enum exit_status run(const struct call *call)
{
	_cleanup_(freep) char *path = place_path(call->arg);
	_cleanup_(freep) char *id = NULL;
	_cleanup_(client_answer_freep) Weft__Local__Answer *answer = NULL;
	int fds[TALK_FDS_MAX];

	if (!open_place(path, fds))
		return EXIT_FAILED;
	id = call->id ? xstrdup(call->id) : place_id(path);
	if (!id) {
		fprintf(stderr, "weftctl: '%s' is gone\n", path);
		return EXIT_FAILED;
	}
	answer = ask(call, path, id, fds);
	if (!answer)
		return EXIT_FAILED;
	if (!answer->pod) {
		fprintf(stderr,
			"weftctl: the agent did it and did not say what it is: see 'weftctl "
			"pods'\n");
		return EXIT_FAILED;
	}
	if (call->json)
		json_end(pods_json(answer->pod));
	else
		show_line("%s has %s on %s (host end %s)", path, answer->pod->ip,
			  answer->pod->ifname, answer->pod->host_if);
	return EXIT_OK;
}

const struct verb verb_attach = {
	.name = "attach",
	.arg = "NETNS",
	.options = VERB_ID | VERB_IFNAME,
	.summary = "give a network namespace an address and a way to all pods",
	.help = "What a container runtime does for a pod, for any network namespace: NETNS is\n"
		"a name that 'ip netns' lists, or a path (/proc/4711/ns/net). It gets an\n"
		"interface (--ifname, eth0) with an address, and routes to all pods and out.\n\n"
		"  --id ID        what the agent calls it; else \"plain-\" and its name\n"
		"  --ifname NAME  the interface inside the namespace\n\n"
		"A namespace may have several, with a --ifname each, and interfaces of others:\n"
		"the default route that is there stays the way out, and the new interface\n"
		"carries what is sent from its own address.\n\n"
		"'weftctl detach NETNS' takes the address and the interface back.\n",
	.run = run,
};
