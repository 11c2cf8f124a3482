/* What the platform tells a core, through its door: who may found, and whom to ask first. */
#include "core/platform.h"

#include "check.h"
#include "core/core.h"
#include "core/status.h"

static const struct uid me = { { 1 } }, other = { { 9 } };
static const struct uuid cluster = { { 7 } };

struct world {
	struct core *core;
	struct instant now;
	struct platform_answer answer; /* the last one */
	bool founded;
	struct uuid founded_as;
	size_t n_dials;
	struct action dials[64];
	char detail[TEXT_LEN_MAX + 1];
	char refused[TEXT_LEN_MAX + 1];
};

static void step(struct world *world, struct event event);

static void look(struct world *world, const struct action *action)
{
	if (action->type == ACTION_ANSWER && action->answer->platform)
		world->answer = *action->answer->platform;
	else if (action->type == ACTION_ANSWER && action->answer->status)
		snprintf(world->detail, sizeof(world->detail), "%s",
			 action->answer->status->detail);
	else if (action->type == ACTION_ANSWER && action->answer->code != ANSWER_OK)
		strcpy(world->refused, action->answer->text);
	else if (action->type == ACTION_DIAL && world->n_dials < 64)
		world->dials[world->n_dials++] = *action;
}

static void step(struct world *world, struct event event)
{
	uint64_t tags[32];
	size_t n = 0;
	const struct actions *actions;

	event.now = world->now;
	actions = core_step(world->core, &event);
	for (size_t i = 0; i < actions->n; i++) {
		const struct action *action = &actions->items[i];

		look(world, action);
		if (action->type == ACTION_STORE && action->store.file == STORE_KEEPER)
			world->founded = true;
		if (action->type == ACTION_STORE) {
			REQUIRE(n < 32);
			tags[n++] = action->store.tag;
		}
	}
	for (size_t i = 0; i < n; i++)
		step(world, (struct event){ .type = EVENT_STORED, .stored = { .tag = tags[i] } });
}

static void start(struct world *world, bool logs_lost)
{
	struct settings settings = {
		.uid = me,
		.incarnation = 1,
		.nonce = 77,
		.seed = 1,
		.keeper_id = 99,
		.boot = { { 6 } },
		.name = "n1",
		.agent_version = "test",
		.range = { .ip = 0x0a200000, .len = 12 },
		.block_len = 26,
		.port = 6785,
		.first_blocks = 2,
		.auth_none = true,
		.platform = true,
	};
	struct start start = {
		.settings = &settings,
		.underlay = { .have = true, .ip = 0xc0000201, .dev = "eth0", .mtu = 1500 },
		.store_lost = { [STORE_KEEPER] = logs_lost },
	};

	*world = (struct world){ .core = core_new(), .now = { .ms = 5000 } };
	step(world, (struct event){ .type = EVENT_START, .start = &start });
}

static void tell(struct world *world, const struct platform_news *news)
{
	struct request request = { .type = REQUEST_PLATFORM, .client = 3, .platform = news };

	step(world, (struct event){ .type = EVENT_REQUEST, .request = &request });
}

static const char *detail(struct world *world)
{
	struct request request = { .type = REQUEST_STATUS, .client = 4 };

	step(world, (struct event){ .type = EVENT_REQUEST, .request = &request });
	return world->detail;
}

/* This node, and `others` more. */
static void tell_nodes(struct world *world, uint64_t list, size_t others)
{
	struct platform_node nodes[40] = { { .name = "n1", .ref = "uid-of-n1", .ip = 0xc0000201 } };
	struct platform_news news = {
		.list = list, .first = true, .last = true, .n = others + 1, .nodes = nodes
	};

	for (size_t i = 1; i <= others; i++) {
		snprintf(nodes[i].name, sizeof(nodes[i].name), "n%zu", i + 1);
		nodes[i].ip = 0xc0000201 + (uint32_t)i;
	}
	tell(world, &news);
}

static void tell_founder(struct world *world, struct uid founder, const char *node)
{
	struct platform_founding founding = { .cluster = cluster, .founder = founder };
	struct platform_news news = { .founding = &founding };

	snprintf(founding.node, sizeof(founding.node), "%s", node);
	tell(world, &news);
}

static void dials_fail(struct world *world, size_t n)
{
	for (size_t i = 0; i < n && i < world->n_dials; i++)
		step(world, (struct event){ .type = EVENT_LINK_CLOSED,
					    .link = { .link = world->dials[i].dial.link,
						      .reason = "refused" } });
}

static void wait(struct world *world, int64_t ms)
{
	world->now = instant_add_ms(world->now, ms);
	tell(world, &(struct platform_news){ 0 });
}

static void alone_it_founds_what_it_is_told(void)
{
	struct world world;

	start(&world, false);
	tell(&world, &(struct platform_news){ .trouble = "the API server is away" });
	CHECK_UINT(world.answer.list, 0);
	CHECK(!world.answer.wants_founding);
	CHECK_STR(detail(&world), "the API server is away");
	tell_nodes(&world, 5, 0);
	CHECK_UINT(world.answer.list, 5);
	CHECK(world.answer.wants_founding && !world.answer.ready && world.answer.detail[0]);
	CHECK_MEM(&world.answer.uid, &me, sizeof(me));
	CHECK(!world.founded);
	tell_founder(&world, me, "n1");
	CHECK(world.founded);
	tell(&world, &(struct platform_news){ 0 });
	CHECK(uuid_eq(&world.answer.cluster, &cluster));
	CHECK(world.answer.ready && !world.answer.wants_founding);
	core_free(world.core);
}

static void others_are_asked_first(void)
{
	struct world world;

	start(&world, false);
	tell_nodes(&world, 5, 2);
	CHECK_UINT(world.n_dials, 2);
	CHECK(!world.answer.wants_founding);
	tell_founder(&world, me, "n1"); /* an answer to an earlier life of ours */
	CHECK(!world.founded);
	/* Nobody is there yet: agents that start may have a cluster on their disks. */
	dials_fail(&world, SIZE_MAX);
	wait(&world, PLATFORM_WAIT_MS - 1000);
	CHECK(!world.founded && !world.answer.wants_founding);
	wait(&world, 1000);
	CHECK(world.founded);
	core_free(world.core);
}

/* Two clusters on one range: what one gives may be in use in the other. */
static void another_cluster_stops_new_pods(void)
{
	struct request add = { .type = REQUEST_ADD, .client = 7, .pod = { .ifname = "eth0" } };
	struct platform_founding founding = { .cluster = { { 0x77 } }, .founder = other };
	struct platform_news news = { .founding = &founding };
	struct world world;

	start(&world, false);
	tell_nodes(&world, 5, 0);
	tell_founder(&world, me, "n1");
	wait(&world, 0);
	CHECK(world.answer.ready);
	strcpy(founding.node, "n3");
	tell(&world, &news);
	CHECK(!world.answer.ready);
	CHECK(strstr(world.answer.detail, "another cluster") != NULL);
	strcpy(add.pod.container_id, "a");
	world.refused[0] = '\0';
	step(&world, (struct event){ .type = EVENT_REQUEST, .request = &add });
	CHECK(strstr(world.refused, "another cluster") != NULL);
	founding.cluster = cluster;
	tell(&world, &news);
	CHECK(world.answer.ready);
	core_free(world.core);
}

/* No ADD can come: it is not ready, and says why. */
static void an_unfit_host_is_not_ready(void)
{
	struct world world;

	start(&world, false);
	tell_nodes(&world, 5, 0);
	tell_founder(&world, me, "n1");
	step(&world, (struct event){ .type = EVENT_RUNTIME, .runtime = "no room in /opt/cni/bin" });
	wait(&world, 0);
	CHECK(!world.answer.ready);
	CHECK_STR(world.answer.detail, "no room in /opt/cni/bin");
	step(&world, (struct event){ .type = EVENT_RUNTIME, .runtime = "" });
	wait(&world, 0);
	CHECK(world.answer.ready);
	core_free(world.core);
}

static void who_is_not_named_waits(void)
{
	struct world world;

	start(&world, false);
	tell_nodes(&world, 5, 1);
	dials_fail(&world, SIZE_MAX);
	tell_founder(&world, other, "n2");
	CHECK(!world.founded);
	CHECK(strstr(detail(&world), "n2 founds the cluster") != NULL);
	tell_founder(&world, other, "n1");
	CHECK(!world.founded);
	CHECK(strstr(detail(&world), "whose disk is gone") != NULL);
	core_free(world.core);
}

static void lost_logs_found_nothing(void)
{
	struct world world;

	start(&world, true);
	tell_nodes(&world, 5, 0);
	tell_founder(&world, me, "n1");
	CHECK(!world.founded);
	CHECK(strstr(detail(&world), "cannot be read") != NULL);
	core_free(world.core);
}

static void lists_are_kept_apart(void)
{
	struct platform_node node = { .name = "n2", .gone = true }, late = { .name = "n9" };
	struct platform_news change = { .list = 5, .n = 1, .nodes = &node };
	struct platform_news part = { .list = 6, .first = true, .n = 1, .nodes = &late };
	struct world world;

	start(&world, false);
	tell(&world, &change); /* of a list whose beginning went to an earlier life */
	CHECK_UINT(world.answer.list, 0);
	tell_nodes(&world, 5, 1);
	CHECK_UINT(world.answer.list, 5);
	tell(&world, &change);
	CHECK_UINT(world.answer.list, 5);
	CHECK(world.answer.wants_founding); /* nobody is left to be asked */
	dials_fail(&world, SIZE_MAX);
	tell(&world, &part);
	CHECK_UINT(world.answer.list, 5);
	part.first = false;
	part.last = true;
	part.n = 0;
	tell(&world, &part);
	CHECK_UINT(world.answer.list, 6);
	core_free(world.core);
}

/* Of many nodes a few are asked, not all: gossip tells of the rest. */
static void few_of_many_are_asked(void)
{
	struct world world;

	start(&world, false);
	tell_nodes(&world, 5, 39);
	dials_fail(&world, PLATFORM_ASK - 1);
	wait(&world, PLATFORM_WAIT_MS);
	CHECK(!world.answer.wants_founding);
	dials_fail(&world, PLATFORM_ASK);
	wait(&world, 0);
	CHECK(world.answer.wants_founding);
	CHECK(world.n_dials < 2 * PLATFORM_ASK);
	core_free(world.core);
}

/* n2 dials us, after we had dialled it in vain: it is reached, and left in peace. */
static void who_dialled_us_is_not_dialled_for_ever(void)
{
	struct message message = {
		.type = MESSAGE_HELLO,
		.hello = { .uid = other,
			   .name = "n2",
			   .incarnation = 1,
			   .nonce = 5,
			   .cluster = cluster,
			   .listen = { .ip = { 192, 0, 2, 2 }, .ip_len = 4, .port = 6785 },
			   .range = { .ip = 0x0a200000, .len = 12 },
			   .block_len = 26 }
	};
	struct event event = { .type = EVENT_LINK_ACCEPTED,
			       .link = {
				       .link = LINK_ACCEPTED_BIT | 1,
				       .from = { .ip = { 192, 0, 2, 2 }, .ip_len = 4, .port = 999 },
				       .message = &message } };
	struct world world;
	size_t dials;

	start(&world, false);
	tell_founder(&world, me, "n1");
	tell_nodes(&world, 5, 1);
	dials_fail(&world, SIZE_MAX);
	wait(&world, PLATFORM_WAIT_MS);
	CHECK(world.founded);
	dials_fail(&world, SIZE_MAX);
	step(&world, event);
	event.type = EVENT_LINK_SECURED;
	step(&world, event);
	event.type = EVENT_LINK_MESSAGE;
	step(&world, event);
	dials_fail(&world, SIZE_MAX);
	dials = world.n_dials;
	for (int i = 0; i < 8; i++) {
		wait(&world, 1000);
		dials_fail(&world, SIZE_MAX);
	}
	CHECK_UINT(world.n_dials, dials);
	core_free(world.core);
}

int main(void)
{
	RUN(who_dialled_us_is_not_dialled_for_ever);
	RUN(alone_it_founds_what_it_is_told);
	RUN(others_are_asked_first);
	RUN(another_cluster_stops_new_pods);
	RUN(an_unfit_host_is_not_ready);
	RUN(who_is_not_named_waits);
	RUN(lost_logs_found_nothing);
	RUN(lists_are_kept_apart);
	RUN(few_of_many_are_asked);
	return check_report();
}
