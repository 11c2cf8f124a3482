#include "kube/condition.h"

#include <assert.h>
#include <string.h>
#include <time.h>

enum { REQUEST_MS = 15 * 1000 };

void condition_init(struct condition *condition, const char *node, const struct place *place,
		    struct prng *prng, struct log *log)
{
	*condition = (struct condition){ .node = node, .place = place, .prng = prng, .log = log };
}

/* Is it missing at the Node that the API server has? */
static bool is_missing(struct condition *condition, const struct nodes *nodes)
{
	const struct node *node = nodes_find(nodes, condition->node);

	if (!node)
		return false;
	if (strcmp(node->uid, condition->uid) != 0) {
		strcpy(condition->uid, node->uid);
		backoff_reset(&condition->backoff);
		condition->set = false;
	}
	if (node->network_up && !condition->set)
		backoff_reset(&condition->backoff);
	condition->set = node->network_up;
	return !node->network_up;
}

static const char *rfc3339(int64_t wall_s, char buf[static 32])
{
	time_t at = (time_t)wall_s;
	struct tm utc;

	gmtime_r(&at, &utc);
	strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
	return buf;
}

bool condition_request(struct condition *condition, struct instant now, int64_t wall_s,
		       bool agent_ready, const struct nodes *nodes, struct arena *arena,
		       struct request *ret)
{
	bool missing = is_missing(condition, nodes);
	char at[32];

	if (!missing)
		condition->trouble = (struct trouble){ 0 };
	if (!missing || !agent_ready || condition->asking ||
	    !backoff_over(&condition->backoff, now))
		return false;
	condition->asking = true;
	*ret = (struct request){
		.method = "PATCH",
		.path = arena_printf(arena, "/api/v1/nodes/%s/status", condition->node),
		.body = kube_network_up_encode(rfc3339(wall_s, at), arena),
		.type = KUBE_PATCH_TYPE,
		.answer_max = KUBE_ANSWER_MAX, /* the Node */
		.limit_ms = REQUEST_MS,
	};
	assert(ret->path);
	return true;
}

void condition_ended(struct condition *condition, struct instant now, const struct reply *reply)
{
	assert(condition->asking);
	condition->asking = false;
	/* A success that the watch does not show is one more failure: asked again, less often. */
	backoff_fail(&condition->backoff, condition->prng, now, reply->retry_after_ms);
	if (reply->end != REPLY_ANSWERED || reply->code != 200) {
		reply_explain(reply, condition->place, "set this node's condition",
			      &condition->trouble);
		return;
	}
	condition->trouble = (struct trouble){ 0 };
	log_line(condition->log, LOG_INFO,
		 "node %s had no condition NetworkUnavailable=False -> set, the agent is ready",
		 condition->node);
}
