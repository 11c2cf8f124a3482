/* Who founds: read, created when asked for, read again. */
#include "kube/founding.h"

#include "kube_world.h"

#define EXISTS "{\"kind\":\"Status\",\"code\":409,\"reason\":\"AlreadyExists\"}"
#define CONFIGMAP                                                                                 \
	"{\"kind\":\"ConfigMap\",\"data\":{\"cluster\":\"6ba7b810-9dad-41d1-80b4-00c04fd430c8\"," \
	"\"founder\":\"000102030405060708090a0b0c0d0e0f\",\"node\":\"n9\"}}"

static const uint8_t fresh[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static struct world world;
static struct founding founding;
static struct founding_agent agent;

static void begin(void)
{
	world_init(&world, 3);
	agent = (struct founding_agent){ .answers = true, .uid = { 7 } };
	founding_init(&founding, "weft", "n1", &world_place, &world.prng, &world.log);
}

static bool asks(void)
{
	return founding_request(&founding, world.now, &agent, fresh, &world.arena, &world.request);
}

static void asks_to(const char *method, const char *path)
{
	REQUIRE(asks());
	CHECK_STR(world.request.method, method);
	CHECK_STR(world.request.path, path);
	CHECK(!asks()); /* one at a time */
}

static void asks_to_read(void)
{
	asks_to("GET", "/api/v1/namespaces/weft/configmaps/weft");
}

static void asks_to_create(void)
{
	asks_to("POST", "/api/v1/namespaces/weft/configmaps");
}

static void answer(unsigned code, const char *body)
{
	struct reply reply = world_answer(code, body);

	founding_ended(&founding, world.now, &reply);
}

static void is_absent(void)
{
	begin();
	asks_to_read();
	answer(404, "{}");
	CHECK_INT(founding.state, FOUNDING_ABSENT);
	CHECK_INT(founding.trouble.kind, TROUBLE_NONE);
}

static void tells_what_it_reads(void)
{
	begin();
	asks_to_read();
	answer(200, CONFIGMAP);
	CHECK_INT(founding.state, FOUNDING_KNOWN);
	CHECK_STR(founding.told.node, "n9");
	CHECK_UINT(founding.told.founder[15], 15);
	agent.wants_founding = agent.has_cluster = true;
	CHECK(!asks());
	world_done(&world);
}

static void reads_again_each_minute(void)
{
	begin();
	asks_to_read();
	answer(200, CONFIGMAP);
	world_wait(&world, FOUNDING_AGAIN_MS * 9 / 10 - 1);
	CHECK(!asks());
	world_wait(&world, FOUNDING_AGAIN_MS * 2 / 10 + 1);
	asks_to_read();
	/* what was read stays told meanwhile */
	CHECK_INT(founding.state, FOUNDING_KNOWN);
	answer(200, CONFIGMAP);
	CHECK_INT(founding.state, FOUNDING_KNOWN);
	world_done(&world);
}

static void creates_when_asked_for(void)
{
	is_absent();
	CHECK(!asks());
	agent.wants_founding = true;
	asks_to_create();
	CHECK_STR(world.request.type, "application/json");
	CHECK(strstr(world.request.body, "\"cluster\":\"ffffffff-ffff-4fff-bfff-ffffffffffff\""));
	CHECK(strstr(world.request.body, "\"founder\":\"07000000000000000000000000000000\""));
	CHECK(strstr(world.request.body, "\"node\":\"n1\""));
	answer(201, "{}");
	CHECK_INT(founding.state, FOUNDING_UNKNOWN);
	asks_to_read();
	answer(200, CONFIGMAP);
	CHECK_STR(founding.told.node, "n9");
	world_done(&world);
}

/* A quota; or somebody deletes it again and again. */
static void does_not_create_without_a_pause(void)
{
	int64_t paused_ms = 0;

	is_absent();
	agent.wants_founding = true;
	asks_to_create();
	answer(409, "{\"kind\":\"Status\",\"code\":409,\"reason\":\"Conflict\",\"message\":"
		    "\"quota\"}");
	CHECK(strstr(founding.trouble.text, "quota"));
	CHECK(!asks());
	for (unsigned i = 0; i < 20; i++) {
		struct instant due = founding.backoff.due;

		if (instant_after(due, world.now)) {
			paused_ms += instant_diff_ms(due, world.now);
			world.now = due;
		}
		asks_to_create();
		answer(i % 2 ? 201 : 409, EXISTS);
		asks_to_read();
		answer(404, "{}");
		CHECK(!asks());
	}
	CHECK(paused_ms > 15 * 10000);
	world_done(&world);
}

static void reads_what_another_created(void)
{
	is_absent();
	agent.wants_founding = true;
	asks_to_create();
	answer(409, EXISTS);
	CHECK_INT(founding.trouble.kind, TROUBLE_NONE);
	asks_to_read();
	answer(200, CONFIGMAP);
	CHECK_INT(founding.state, FOUNDING_KNOWN);
	world_done(&world);
}

static void does_not_create_for_an_agent_that_is_away(void)
{
	is_absent();
	agent.answers = false;
	agent.wants_founding = agent.has_cluster = true;
	CHECK(!asks());
	world_done(&world);
}

static void gives_a_deleted_one_back(void)
{
	begin();
	agent.has_cluster = true;
	agent.cluster[0] = 0xab;
	asks_to_read();
	answer(200, CONFIGMAP);
	world_wait(&world, 2 * FOUNDING_AGAIN_MS);
	asks_to_read();
	answer(404, "{}");
	asks_to_create();
	CHECK(strstr(world.request.body, "\"cluster\":\"ab000000-0000-0000-0000-000000000000\""));
	answer(201, "{}");
	asks_to_read();
	world_done(&world);
}

static void a_lost_answer_creates_nothing_twice(void)
{
	struct reply lost = { .end = REPLY_CUT };

	is_absent();
	agent.wants_founding = true;
	asks_to_create();
	founding_ended(&founding, world.now, &lost);
	CHECK_INT(founding.trouble.kind, TROUBLE_AWAY);
	CHECK(!asks());
	world_wait(&world, 500);
	asks_to_create(); /* one atomic create of this name: harmless */
	answer(409, EXISTS);
	CHECK_INT(founding.trouble.kind, TROUBLE_NONE);
	asks_to_read();
	world_done(&world);
}

static void says_what_it_cannot_read(void)
{
	begin();
	agent.wants_founding = true;
	asks_to_read();
	answer(200, "{\"kind\":\"ConfigMap\",\"data\":{\"cluster\":\"mine\"}}");
	CHECK_INT(founding.state, FOUNDING_UNREADABLE);
	CHECK_INT(founding.trouble.kind, TROUBLE_CONTENT);
	CHECK_STR(founding.trouble.text,
		  "ConfigMap weft/weft at https://10.96.0.1:443: data.cluster: expected a UUID "
		  "like 6ba7b810-9dad-41d1-80b4-00c04fd430c8 -> delete it, a node that is in the "
		  "cluster makes it anew");
	CHECK(!asks()); /* it is there: nothing is created */
	world_wait(&world, 2 * FOUNDING_AGAIN_MS);
	asks_to_read();
	answer(200, CONFIGMAP);
	CHECK_INT(founding.trouble.kind, TROUBLE_NONE);
	world_done(&world);
}

static void fails(unsigned code, enum trouble_kind kind)
{
	begin();
	asks_to_read();
	answer(code, "{}");
	CHECK_INT(founding.trouble.kind, kind);
	CHECK_INT(founding.state, FOUNDING_UNKNOWN);
	CHECK(!asks());
	world_wait(&world, 500);
	asks_to_read();
	answer(404, "{}");
	CHECK_INT(founding.trouble.kind, TROUBLE_NONE);
	world_done(&world);
}

static void tries_again(void)
{
	fails(401, TROUBLE_TOKEN);
	fails(403, TROUBLE_RIGHTS);
	fails(429, TROUBLE_BUSY);
	fails(500, TROUBLE_BUSY);
	fails(302, TROUBLE_STRANGE);
}

/* What was known stays so while the API server is away. */
static void keeps_what_it_knows(void)
{
	struct reply away = { .end = REPLY_UNREACHABLE };

	begin();
	asks_to_read();
	answer(200, CONFIGMAP);
	world_wait(&world, 2 * FOUNDING_AGAIN_MS);
	asks_to_read();
	founding_ended(&founding, world.now, &away);
	CHECK_INT(founding.state, FOUNDING_KNOWN);
	CHECK_INT(founding.trouble.kind, TROUBLE_AWAY);
	world_done(&world);
}

int main(void)
{
	RUN(tells_what_it_reads);
	RUN(reads_again_each_minute);
	RUN(creates_when_asked_for);
	RUN(does_not_create_without_a_pause);
	RUN(reads_what_another_created);
	RUN(does_not_create_for_an_agent_that_is_away);
	RUN(gives_a_deleted_one_back);
	RUN(a_lost_answer_creates_nothing_twice);
	RUN(says_what_it_cannot_read);
	RUN(tries_again);
	RUN(keeps_what_it_knows);
	return check_report();
}
