/* Taking back the Node's condition: only if it is ours, and only from what was read. */
#include "kube/reset.h"

#include "kube_world.h"

#define NODE(conditions)                                                                          \
	"{\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\",\"uid\":\"u\",\"resourceVersion\":"     \
	"\"71\"},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}" conditions \
	"]}}"
#define NETWORK(status, reason) \
	",{\"type\":\"NetworkUnavailable\",\"status\":\"" status "\",\"reason\":\"" reason "\"}"

static struct world world;
static struct reset reset;

static void begin(void)
{
	world_init(&world, 7);
	reset_init(&reset, "weft", "n1", &world_place, &world.prng, &world.log);
}

static bool asks(void)
{
	return reset_request(&reset, world.now, &world.arena, &world.request);
}

static void must_ask(const char *method)
{
	if (!asks()) {
		world.now = reset.backoff.due;
		REQUIRE(asks());
	}
	CHECK_STR(world.request.method, method);
	CHECK(!asks()); /* one at a time */
}

static void answer(unsigned code, const char *body)
{
	struct reply reply = world_answer(code, body);

	reset_ended(&reset, world.now, &reply);
}

/* Weft is gone, and the Node is asked for. */
static void begin_reading(void)
{
	begin();
	must_ask("GET");
	CHECK_STR(world.request.path, "/api/v1/namespaces/weft");
	answer(404, "{}");
	must_ask("GET");
	CHECK_STR(world.request.path, "/api/v1/nodes/n1");
}

static void must_be_over(void)
{
	CHECK_INT(reset.state, RESET_OVER);
	world_wait(&world, 3600 * 1000);
	CHECK(!asks());
	world_done(&world);
}

static void removes_ours(void)
{
	begin_reading();
	answer(200, NODE(NETWORK("False", "WeftIsUp")));
	must_ask("PATCH");
	CHECK_STR(world.request.path, "/api/v1/nodes/n1/status");
	CHECK_STR(world.request.type, "application/strategic-merge-patch+json");
	CHECK_STR(world.request.body, "{\"metadata\":{\"resourceVersion\":\"71\"},\"status\":{"
				      "\"conditions\":[{\"type\":\"NetworkUnavailable\",\"$patch\":"
				      "\"delete\"}]}}");
	answer(200, "{}");
	must_be_over();
}

static void leaves_what_is_not_ours(void)
{
	static const char *const bodies[] = { NODE(""), NODE(NETWORK("False", "OtherIsUp")),
					      NODE(NETWORK("True", "NoRouteCreated")) };

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		begin_reading();
		answer(200, bodies[i]);
		must_be_over();
	}
	begin_reading();
	answer(404, "{}");
	must_be_over();
}

/* Another network said so of itself between our question and our answer. */
static void reads_again_what_was_changed(void)
{
	begin_reading();
	answer(200, NODE(NETWORK("False", "WeftIsUp")));
	must_ask("PATCH");
	answer(409, "{\"kind\":\"Status\",\"code\":409}");
	CHECK(!asks()); /* at once: who changes it may do so again */
	must_ask("GET");
	answer(200, NODE(NETWORK("False", "OtherIsUp")));
	must_be_over();
}

static void tries_until_it_may(void)
{
	begin_reading();
	answer(403, "{\"kind\":\"Status\",\"code\":403,\"message\":\"nodes n1 is forbidden\"}");
	CHECK_INT(reset.trouble.kind, TROUBLE_RIGHTS);
	CHECK(strstr(reset.trouble.text, "does not let us read this node (403: nodes n1 is"));
	must_ask("GET");
	answer(200, "no Node");
	CHECK_INT(reset.trouble.kind, TROUBLE_STRANGE);
	must_ask("GET");
	answer(200, NODE(NETWORK("False", "WeftIsUp")));
	CHECK_INT(reset.trouble.kind, TROUBLE_NONE);
	must_ask("PATCH");
	answer(503, "{}");
	CHECK_INT(reset.trouble.kind, TROUBLE_BUSY);
	must_ask("PATCH");
	answer(404, "{}");
	must_be_over();
}

static void waits_until_weft_is_gone(void)
{
	begin();
	for (unsigned i = 0; i < 100; i++) {
		REQUIRE(asks());
		CHECK_STR(world.request.path, "/api/v1/namespaces/weft");
		answer(200, "{\"kind\":\"Namespace\"}");
		CHECK_INT(reset.trouble.kind, TROUBLE_NONE);
		CHECK(!asks());
		world_wait(&world, RESET_LOOK_MS);
	}
	REQUIRE(asks());
	answer(403, "{\"kind\":\"Status\",\"code\":403,\"message\":\"no\"}");
	CHECK_INT(reset.trouble.kind, TROUBLE_RIGHTS);
	CHECK_INT(reset.state, RESET_WAITING);
	must_ask("GET");
	answer(404, "{}");
	CHECK_INT(reset.trouble.kind, TROUBLE_NONE);
	CHECK_INT(reset.state, RESET_READING);
	world_done(&world);
}

int main(void)
{
	RUN(waits_until_weft_is_gone);
	RUN(removes_ours);
	RUN(leaves_what_is_not_ours);
	RUN(reads_again_what_was_changed);
	RUN(tries_until_it_may);
	return check_report();
}
