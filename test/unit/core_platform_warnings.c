/* What people are warned of, as status shows it: each warning comes when it should, and goes. */
#include "core/platform.h"

#include "platforms.h"

static size_t warnings(struct world *world)
{
	detail(world);
	return world->n_warnings;
}

static void expect_warning(struct world *world, const char *text)
{
	REQUIRE(warnings(world) == 1);
	CHECK_STR(world->warnings[0], text);
}

static struct world start_alone(void)
{
	struct world world;

	start(&world, false);
	tell_nodes(&world, 5, 0);
	tell_founder(&world, me, "n1");
	CHECK(world.founded);
	CHECK_UINT(warnings(&world), 0);
	CHECK_STR(world.state, "ready");
	return world;
}

static void trouble_is_shown_until_it_is_over(void)
{
	struct platform_news news = { .trouble = "the API server is away -> does it run?" };
	struct world world = start_alone();

	world.said[0] = '\0';
	tell(&world, &news);
	tell(&world, &news);
	CHECK_STR(world.said, "weft-kube: the API server is away -> does it run?\n");
	expect_warning(&world, "weft-kube: the API server is away -> does it run? (meanwhile "
			       "traffic goes on; new nodes may not be noticed)");
	CHECK_STR(world.state, "ready");
	CHECK(world.answer.ready);
	world.said[0] = '\0';
	wait(&world, 0);
	CHECK_UINT(warnings(&world), 0);
	CHECK_STR(world.said, "weft-kube: that is over -> nodes are heard of again\n");
	core_free(world.core);
}

static void silence_is_shown_until_it_is_over(void)
{
	struct platform_news news = { .trouble = "the API server is away" };
	struct world world = start_alone();

	tell(&world, &news);
	world.now = instant_add_ms(world.now, PLATFORM_SILENCE_MS - 1);
	REQUIRE(warnings(&world) == 1);
	CHECK(strstr(world.warnings[0], "away") != NULL);
	world.now = instant_add_ms(world.now, 1);
	expect_warning(&world,
		       "weft-kube, which runs beside this agent, has said nothing for 15 s: "
		       "traffic goes on, new nodes are not noticed; see whether it runs, "
		       "and its log");
	CHECK_STR(world.state, "ready");
	world.now = instant_add_ms(world.now, 105 * 1000);
	REQUIRE(warnings(&world) == 1);
	CHECK(strstr(world.warnings[0], "nothing for 2 min:") != NULL);
	wait(&world, 0);
	CHECK_UINT(warnings(&world), 0);
	core_free(world.core);

	start(&world, false);
	CHECK_UINT(warnings(&world), 0);
	world.now = instant_add_ms(world.now, PLATFORM_SILENCE_MS);
	REQUIRE(warnings(&world) == 1);
	CHECK(strstr(world.warnings[0], "has said nothing for 15 s") != NULL);
	core_free(world.core);
}

/* n2's agent comes to us and tells of itself. */
static void node_comes(struct world *world)
{
	struct member_update update = { .uid = other, .incarnation = 1, .version = 1 };
	struct message hello = { .type = MESSAGE_HELLO,
				 .hello = { .uid = other,
					    .name = "n2",
					    .incarnation = 1,
					    .nonce = 5,
					    .listen = { { 192, 0, 2, 2 }, 4, 6785 },
					    .range = { .ip = 0x0a200000, .len = 12 },
					    .block_len = 26 } };
	struct message delta = { .type = MESSAGE_DELTA,
				 .delta = { .n_members = 1, .members = &update } };
	struct event event = { .type = EVENT_LINK_ACCEPTED,
			       .link = { .link = LINK_ACCEPTED_BIT | 1,
					 .from = { { 192, 0, 2, 2 }, 4, 999 },
					 .message = &hello } };

	strcpy(update.body.name, "n2");
	update.body.state = MEMBER_STATE_ALIVE;
	step(world, event);
	event.type = EVENT_LINK_SECURED;
	step(world, event);
	event.type = EVENT_LINK_MESSAGE;
	step(world, event);
	event.link.message = &delta;
	step(world, event);
}

static void nodes_without_agent_are_shown(void)
{
	struct world world = start_alone();

	tell_list(&world, 6, 3, (const unsigned[]){ 1, 2, 3 });
	wait(&world, PLATFORM_NEW_MS - 1);
	CHECK_UINT(warnings(&world), 0);
	tell_list(&world, 7, 3, (const unsigned[]){ 1, 2, 3 }); /* makes no node new */
	wait(&world, 1);
	expect_warning(&world,
		       "Kubernetes lists 3 nodes; no agent is known of: n2, n3; no pod gets "
		       "an address there: see whether Weft's own pod runs there, and "
		       "whether its TCP port 6785 can be reached");
	CHECK_STR(world.state, "ready");
	node_comes(&world);
	REQUIRE(warnings(&world) == 1);
	CHECK(strstr(world.warnings[0], "lists 3 nodes; no agent is known of: n3;") != NULL);
	tell_gone(&world, 7, "n3");
	CHECK_UINT(warnings(&world), 0);
	/* Registered again it has as long as any other. */
	tell_list(&world, 8, 3, (const unsigned[]){ 1, 2, 3 });
	wait(&world, PLATFORM_NEW_MS - 1);
	CHECK_UINT(warnings(&world), 0);
	core_free(world.core);
}

static void few_of_many_nodes_are_named(void)
{
	struct world world = start_alone();

	tell_nodes(&world, 6, 39);
	wait(&world, PLATFORM_NEW_MS);
	REQUIRE(warnings(&world) == 1);
	CHECK(strstr(world.warnings[0], "lists 40 nodes; no agent is known of: n2, n3, n4, n5, n6 "
					"and 34 more; no pod") != NULL);
	core_free(world.core);
}

/* `n` nodes beside this one, in one list, in messages of 256. */
static void tell_many(struct world *world, uint64_t list, size_t n)
{
	struct platform_node nodes[256] = { 0 };
	struct platform_news news = { .list = list, .nodes = nodes };

	for (size_t at = 0; at < n; at += news.n) {
		news.first = at == 0;
		news.n = n - at < 256 ? n - at : 256;
		news.last = at + news.n == n;
		for (size_t i = 0; i < news.n; i++)
			snprintf(nodes[i].name, sizeof(nodes[i].name), "m%zu", at + i);
		tell(world, &news);
	}
}

static size_t times(const char *text, const char *part)
{
	size_t n = 0;

	while ((text = strstr(text, part)) != NULL) {
		text += strlen(part);
		n++;
	}
	return n;
}

static void a_list_that_is_too_long_is_said(void)
{
	struct world world = start_alone();

	world.said[0] = '\0';
	tell_many(&world, 6, PLATFORM_NODES_MAX);
	CHECK_UINT(warnings(&world), 0);
	CHECK_STR(world.said, "");
	tell_many(&world, 7, PLATFORM_NODES_MAX + 3);
	tell_many(&world, 8, PLATFORM_NODES_MAX + 3);
	CHECK_UINT(world.answer.list, 8);
	CHECK_UINT(times(world.said, "the API server knows more than 16384 other nodes -> the rest "
				     "is not looked for\n"),
		   1);
	expect_warning(&world, "Kubernetes lists more than 16384 other nodes, which is more than "
			       "Weft can serve: the rest is not looked for; delete Nodes that are "
			       "no more");
	/* There is room now: the list is asked for again. */
	tell_gone(&world, 8, "m0");
	CHECK_UINT(world.answer.list, 0);
	CHECK_UINT(warnings(&world), 1);
	tell_many(&world, 8, PLATFORM_NODES_MAX - 1);
	CHECK_UINT(world.answer.list, 8);
	CHECK_UINT(warnings(&world), 0);
	core_free(world.core);
}

int main(void)
{
	RUN(trouble_is_shown_until_it_is_over);
	RUN(silence_is_shown_until_it_is_over);
	RUN(nodes_without_agent_are_shown);
	RUN(few_of_many_nodes_are_named);
	RUN(a_list_that_is_too_long_is_said);
	return check_report();
}
