#include "cli/client.h"
#include "cli/json.h"
#include "cli/show.h"

static enum exit_status run(const struct call *call)
{
	Weft__Local__Request request = WEFT__LOCAL__REQUEST__INIT;
	Weft__Local__Leave leave = WEFT__LOCAL__LEAVE__INIT;
	_cleanup_(client_answer_freep) Weft__Local__Answer *answer = NULL;

	leave.confirmed = true;
	request.what_case = WEFT__LOCAL__REQUEST__WHAT_LEAVE;
	request.leave = &leave;
	answer = client_ask(call, &request, NULL, 0, CLIENT_CHANGE_MS);
	if (!answer)
		return EXIT_FAILED;
	if (call->json) {
		cJSON *object = cJSON_CreateObject();

		cJSON_AddBoolToObject(object, "leaving", true);
		json_end(object);
	} else {
		show_line("this node leaves the cluster; "
			  "others may have its blocks in half a minute");
	}
	return EXIT_OK;
}

const struct verb verb_leave = {
	.name = "leave",
	.summary = "give this node's blocks back for good",
	.help = "For a node that is taken away for good. Its blocks become free for\n"
		"others. It is refused while pods are attached here: they would lose\n"
		"their addresses. 'weftctl status' says \"left\" when it is done; weftd\n"
		"joins again when it is started anew.\n",
	.run = run,
};
