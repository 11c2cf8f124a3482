#include "kube/reset.h"

#include <assert.h>
#include <string.h>

enum { REQUEST_MS = 15 * 1000, NOT_FOUND = 404, CONFLICT = 409 };

void reset_init(struct reset *reset, const char *namespace, const char *node,
		const struct place *place, struct prng *prng, struct log *log)
{
	*reset = (struct reset){
		.namespace = namespace, .node = node, .place = place, .prng = prng, .log = log
	};
}

static void request_look(const struct reset *reset, struct arena *arena, struct request *ret)
{
	ret->method = "GET";
	ret->path = arena_printf(arena, "/api/v1/namespaces/%s", reset->namespace);
	assert(ret->path);
}

static void request_read(const struct reset *reset, struct arena *arena, struct request *ret)
{
	ret->method = "GET";
	ret->path = arena_printf(arena, "/api/v1/nodes/%s", reset->node);
	assert(ret->path);
}

static void request_removal(const struct reset *reset, struct arena *arena, struct request *ret)
{
	ret->method = "PATCH";
	ret->path = arena_printf(arena, "/api/v1/nodes/%s/status", reset->node);
	ret->body = kube_network_gone_encode(reset->version, arena);
	ret->type = KUBE_PATCH_TYPE;
	assert(ret->path);
}

bool reset_request(struct reset *reset, struct instant now, struct arena *arena,
		   struct request *ret)
{
	if (reset->state == RESET_OVER || reset->asking || !backoff_over(&reset->backoff, now) ||
	    !instant_reached(now, reset->again))
		return false;
	reset->asking = true;
	*ret = (struct request){ .answer_max = KUBE_ANSWER_MAX, .limit_ms = REQUEST_MS };
	if (reset->state == RESET_WAITING)
		request_look(reset, arena, ret);
	else if (reset->state == RESET_READING)
		request_read(reset, arena, ret);
	else
		request_removal(reset, arena, ret);
	return true;
}

static const char *what(const struct reset *reset)
{
	return reset->state == RESET_WAITING   ? "look for Weft's namespace"
	       : reset->state == RESET_READING ? "read this node"
					       : "remove this node's condition";
}

static void be_over(struct reset *reset, const char *sentence)
{
	reset->state = RESET_OVER;
	log_line(reset->log, LOG_INFO, "node %s %s", reset->node, sentence);
}

static void take_node(struct reset *reset, struct bytes body)
{
	struct kube_node node;
	struct err err = { 0 };

	if (kube_node_decode(body, &node, &err) < 0) {
		reply_explain_content(&err, reset->place, what(reset), &reset->trouble);
		return;
	}
	strcpy(reset->version, node.version);
	if (node.network_ours)
		reset->state = RESET_REMOVING;
	else
		be_over(reset, "has no condition that Weft set -> nothing to remove");
}

static void wait_on(struct reset *reset, struct instant now)
{
	reset->again = instant_add_ms(now, RESET_LOOK_MS);
	if (!reset->told)
		log_line(reset->log, LOG_WARN,
			 "namespace %s is there, and Weft with it -> nothing is removed, waiting "
			 "for kubectl delete -f weft.yaml",
			 reset->namespace);
	reset->told = true;
}

static void looked(struct reset *reset, struct instant now, unsigned code)
{
	if (code == 200)
		wait_on(reset, now);
	else
		reset->state = RESET_READING;
}

static void succeeded(struct reset *reset, struct instant now, unsigned code, struct bytes body)
{
	backoff_reset(&reset->backoff);
	reset->trouble = (struct trouble){ 0 };
	if (reset->state == RESET_WAITING)
		looked(reset, now, code);
	else if (code == NOT_FOUND)
		be_over(reset, "is not known to the API server -> nothing to remove");
	else if (code == CONFLICT)
		reset->state = RESET_READING;
	else if (reset->state == RESET_READING)
		take_node(reset, body);
	else
		be_over(reset, "had Weft's condition NetworkUnavailable=False -> removed");
}

static bool is_answer(const struct reset *reset, const struct reply *reply)
{
	return reply->end == REPLY_ANSWERED &&
	       (reply->code == 200 || reply->code == NOT_FOUND ||
		(reply->code == CONFLICT && reset->state == RESET_REMOVING));
}

void reset_ended(struct reset *reset, struct instant now, const struct reply *reply)
{
	enum reset_state before = reset->state;

	assert(reset->asking);
	reset->asking = false;
	if (is_answer(reset, reply))
		succeeded(reset, now, reply->code, reply->body);
	else
		reply_explain(reply, reset->place, what(reset), &reset->trouble);
	if (reset->state < before || reset->trouble.kind != TROUBLE_NONE)
		backoff_fail(&reset->backoff, reset->prng, now, reply->retry_after_ms);
}
