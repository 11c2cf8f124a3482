#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/json.h"
#include "cli/place.h"
#include "cli/pods.h"
#include "cli/show.h"
#include "cni-shim/talk.h"

static bool is_meant(const Weft__Local__Pod *pod, const struct call *call, const char *path,
		     const char *id)
{
	if (call->ifname && strcmp(call->ifname, pod->ifname) != 0)
		return false;
	return strcmp(pod->container_id, call->arg) == 0 || strcmp(pod->netns, path) == 0 ||
	       (id && strcmp(pod->container_id, id) == 0);
}

/* The agent takes a DEL of something unknown for done, as CNI demands; a person who mistyped should
 * hear of it. So the list of pods is asked first. */
static const Weft__Local__Pod *find(const struct call *call, const Weft__Local__Status *status,
				    enum exit_status *ret_status)
{
	_cleanup_(freep) char *path = place_path(call->arg);
	_cleanup_(freep) char *id = place_id(path);
	const Weft__Local__Pod *found = NULL;

	for (size_t i = 0; i < status->n_pods; i++) {
		if (!is_meant(status->pods[i], call, path, id))
			continue;
		if (found) {
			fprintf(stderr,
				"weftctl: '%s' has several interfaces: say --ifname %s or "
				"--ifname %s\n",
				call->arg, found->ifname, status->pods[i]->ifname);
			*ret_status = EXIT_USAGE;
			return NULL;
		}
		found = status->pods[i];
	}
	if (found)
		return found;
	fprintf(stderr, "weftctl: nothing is attached as '%s'%s%s on %s\n  next: weftctl pods\n",
		call->arg, call->ifname ? " with " : "", call->ifname ? call->ifname : "",
		status->name);
	*ret_status = EXIT_FAILED;
	return NULL;
}

static Weft__Local__Answer *ask(const struct call *call, const Weft__Local__Pod *pod)
{
	Weft__Local__Request request = WEFT__LOCAL__REQUEST__INIT;
	Weft__Local__Cni cni = WEFT__LOCAL__CNI__INIT;

	cni.command = (char *)(uintptr_t) "DEL"; /* packing does not write */
	cni.container_id = pod->container_id;
	cni.netns = pod->netns;
	cni.ifname = pod->ifname;
	cni.number = talk_number();
	cni.plain = true;
	request.what_case = WEFT__LOCAL__REQUEST__WHAT_CNI;
	request.cni = &cni;
	return client_ask(call, &request, NULL, 0, CLIENT_CHANGE_MS);
}

static enum exit_status run(const struct call *call)
{
	Weft__Local__StatusAsk what = WEFT__LOCAL__STATUS_ASK__INIT;
	_cleanup_(client_answer_freep) Weft__Local__Answer *pods = NULL;
	_cleanup_(client_answer_freep) Weft__Local__Answer *answer = NULL;
	enum exit_status status = EXIT_FAILED;
	const Weft__Local__Pod *pod;

	what.pods = true;
	pods = client_ask_status(call, &what);
	if (!pods)
		return EXIT_FAILED;
	pod = find(call, pods->status, &status);
	if (!pod)
		return status;
	answer = ask(call, pod);
	if (!answer)
		return EXIT_FAILED;
	if (call->json)
		json_end(pods_json(pod));
	else
		show_line("%s no longer has %s on %s", *pod->netns ? pod->netns : pod->container_id,
			  pod->ip, pod->ifname);
	return EXIT_OK;
}

const struct verb verb_detach = {
	.name = "detach",
	.arg = "NETNS|ID",
	.options = VERB_IFNAME,
	.summary = "take the address and the interface back",
	.help = "The opposite of attach: names the namespace as attach did, or by the id that\n"
		"it was given. The namespace itself may be gone already. The address rests\n"
		"for a minute before another gets it. Detaching any but the first interface\n"
		"leaves a rule behind in the namespace (ip rule, preference 8700) that nothing\n"
		"uses any more; it goes with the namespace, or with the next interface there.\n\n"
		"  --ifname NAME  which one, if it has several\n",
	.run = run,
};
