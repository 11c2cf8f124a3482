/* NetworkUnavailable=False: when it is set, and how often. */
#include "kube/condition.h"

#include "kube_world.h"

static struct world world;
static struct condition condition;
static struct nodes nodes;
static bool ready;

static void put(const char *uid, bool network_up)
{
	struct kube_node node = { .name = "n1", .network_up = network_up };

	strcpy(node.uid, uid);
	nodes_put(&nodes, &node);
}

static void begin(void)
{
	world_init(&world, 3);
	nodes_init(&nodes);
	condition_init(&condition, "n1", &world_place, &world.prng, &world.log);
	ready = true;
}

static void end(void)
{
	nodes_done(&nodes);
	world_done(&world);
}

static bool asks(void)
{
	return condition_request(&condition, world.now, 1767323045, ready, &nodes, &world.arena,
				 &world.request);
}

static void answer(unsigned code)
{
	struct reply reply = world_answer(code, "{}");

	condition_ended(&condition, world.now, &reply);
}

static void sets_it(const char *uid, unsigned code)
{
	put(uid, false);
	CHECK(asks());
	answer(code);
}

static void sets_it_when_the_agent_is_ready(void)
{
	begin();
	ready = false;
	CHECK(!asks());
	put("u", false);
	CHECK(!asks());
	ready = true;
	REQUIRE(asks());
	CHECK_STR(world.request.method, "PATCH");
	CHECK_STR(world.request.path, "/api/v1/nodes/n1/status");
	CHECK_STR(world.request.type, "application/strategic-merge-patch+json");
	CHECK(strstr(world.request.body, "\"lastTransitionTime\":\"2026-01-02T03:04:05Z\""));
	CHECK(!asks()); /* one at a time */
	answer(200);
	put("u", true);
	world_wait(&world, 1000000);
	CHECK(!asks());
	end();
}

static void leaves_it_alone_when_it_is_there(void)
{
	begin();
	CHECK(!asks()); /* nobody knows this node */
	put("u", true);
	CHECK(!asks());
	end();
}

static void sets_it_again_when_it_is_lost(void)
{
	begin();
	sets_it("u", 200);
	put("u", true);
	CHECK(!asks());
	sets_it("u", 200);
	end();
}

/* The node was deleted and registered again: at once, whatever was before. */
static void sets_it_for_another_node_of_the_name(void)
{
	begin();
	sets_it("u", 403);
	CHECK(!asks());
	nodes_remove(&nodes, "n1", "u");
	CHECK(!asks());
	CHECK_INT(condition.trouble.kind, TROUBLE_NONE);
	sets_it("u2", 200);
	end();
}

/* A success that nobody sees, and a failure: both again, and less and less often. */
static void waits_longer_each_time(unsigned code)
{
	int64_t ms = 0;

	begin();
	put("u", false);
	for (int i = 0; i < 12; i++) {
		for (ms = 0; !asks(); ms += 50) {
			REQUIRE(ms <= BACKOFF_MAX_MS);
			world_wait(&world, 50);
		}
		answer(code);
		CHECK_INT(condition.trouble.kind, code == 200 ? TROUBLE_NONE : TROUBLE_RIGHTS);
	}
	CHECK(ms >= BACKOFF_MAX_MS / 2 && ms <= BACKOFF_MAX_MS + 50);
	/* once seen, all is forgotten */
	put("u", true);
	CHECK(!asks());
	CHECK_INT(condition.trouble.kind, TROUBLE_NONE);
	sets_it("u", 200);
	end();
}

static void does_not_insist(void)
{
	waits_longer_each_time(200);
	waits_longer_each_time(403);
}

int main(void)
{
	RUN(sets_it_when_the_agent_is_ready);
	RUN(leaves_it_alone_when_it_is_there);
	RUN(sets_it_again_when_it_is_lost);
	RUN(sets_it_for_another_node_of_the_name);
	RUN(does_not_insist);
	return check_report();
}
