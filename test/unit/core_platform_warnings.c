/* What people are warned of, as status shows it: each warning comes when it should, and goes. */
#include "core/platform.h"

#include "platforms.h"

/* Until the next step. */
static const struct status_report *status(struct door *door)
{
	return door_ask(door, REQUEST_STATUS, "").status;
}

static const char *warning(struct door *door)
{
	const struct status_report *report = status(door);

	REQUIRE(report->n_warnings == 1);
	return report->warnings[0];
}

static void start_ready(struct door *door)
{
	start_alone(door);
	CHECK_UINT(status(door)->n_warnings, 0);
	CHECK_STR(status(door)->state, "ready");
}

static void trouble_is_shown_until_it_is_over(void)
{
	struct platform_news news = { .trouble = "the API server is away -> does it run?" };
	struct door door;

	start_ready(&door);
	door.said[0] = '\0';
	tell(&door, &news);
	tell(&door, &news);
	CHECK_STR(door.said, "weft-kube: the API server is away -> does it run?\n");
	CHECK_STR(warning(&door), "weft-kube: the API server is away -> does it run? (meanwhile "
				  "traffic goes on; new nodes may not be noticed)");
	CHECK_STR(status(&door)->state, "ready");
	CHECK(door.platform.ready);
	door.said[0] = '\0';
	wait(&door, 0);
	CHECK_UINT(status(&door)->n_warnings, 0);
	CHECK_STR(door.said, "weft-kube: that is over -> nodes are heard of again\n");
	door_done(&door);
}

static void silence_is_shown_until_it_is_over(void)
{
	struct platform_news news = { .trouble = "the API server is away" };
	struct door door;

	start_ready(&door);
	tell(&door, &news);
	door_wait(&door, PLATFORM_SILENCE_MS - 1);
	CHECK(strstr(warning(&door), "away") != NULL);
	door_wait(&door, 1);
	CHECK_STR(warning(&door),
		  "weft-kube, which runs beside this agent, has said nothing for 15 s: "
		  "traffic goes on, new nodes are not noticed; see whether it runs, and its log");
	CHECK_STR(status(&door)->state, "ready");
	door_wait(&door, 105 * 1000);
	CHECK(strstr(warning(&door), "nothing for 2 min:") != NULL);
	wait(&door, 0);
	CHECK_UINT(status(&door)->n_warnings, 0);
	door_done(&door);

	start(&door, 0);
	CHECK_UINT(status(&door)->n_warnings, 0);
	door_wait(&door, PLATFORM_SILENCE_MS);
	CHECK(strstr(warning(&door), "has said nothing for 15 s") != NULL);
	door_done(&door);
}

static void nodes_without_agent_are_shown(void)
{
	struct door door;

	start_ready(&door);
	tell_nodes(&door, 6, 11, 2);
	wait(&door, PLATFORM_NEW_MS - 1);
	CHECK_UINT(status(&door)->n_warnings, 0);
	tell_nodes(&door, 7, 11, 2); /* makes no node new */
	wait(&door, 1);
	CHECK_STR(warning(&door),
		  "Kubernetes lists 3 nodes; no agent is known of: node-11, node-12; no pod gets "
		  "an address there: see whether Weft's own pod runs there, and whether its TCP "
		  "port 6785 can be reached");
	CHECK_STR(status(&door)->state, "ready");
	/* The agent of number 11 comes and tells of itself. */
	door_tell(&door, door_accept(&door, door_hello_of(&door, 11)), door_member_of(11, 1, 1));
	CHECK(strstr(warning(&door), "lists 3 nodes; no agent is known of: node-12;") != NULL);
	tell_gone(&door, 7, "node-12");
	CHECK_UINT(status(&door)->n_warnings, 0);
	/* Registered again it has as long as any other. */
	tell_nodes(&door, 8, 11, 2);
	wait(&door, PLATFORM_NEW_MS - 1);
	CHECK_UINT(status(&door)->n_warnings, 0);
	door_done(&door);
}

static void few_of_many_nodes_are_named(void)
{
	struct door door;

	start_ready(&door);
	tell_nodes(&door, 6, 11, 39);
	wait(&door, PLATFORM_NEW_MS);
	CHECK(strstr(warning(&door),
		     "lists 40 nodes; no agent is known of: node-11, node-12, node-13, node-14, "
		     "node-15 and 34 more; no pod") != NULL);
	door_done(&door);
}

/* `n` nodes beside this one, in one list, in messages of 256. */
static void tell_many(struct door *door, uint64_t list, size_t n)
{
	struct platform_node nodes[256] = { 0 };
	struct platform_news news = { .list = list, .nodes = nodes };

	for (size_t at = 0; at < n; at += news.n) {
		news.first = at == 0;
		news.n = n - at < 256 ? n - at : 256;
		news.last = at + news.n == n;
		for (size_t i = 0; i < news.n; i++)
			snprintf(nodes[i].name, sizeof(nodes[i].name), "m%zu", at + i);
		tell(door, &news);
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
	struct door door;

	start_ready(&door);
	door.said[0] = '\0';
	tell_many(&door, 6, PLATFORM_NODES_MAX);
	CHECK_UINT(status(&door)->n_warnings, 0);
	CHECK_STR(door.said, "");
	tell_many(&door, 7, PLATFORM_NODES_MAX + 3);
	tell_many(&door, 8, PLATFORM_NODES_MAX + 3);
	CHECK_UINT(door.platform.list, 8);
	CHECK_UINT(times(door.said, "the API server knows more than 16384 other nodes -> the rest "
				    "is not looked for\n"),
		   1);
	CHECK_STR(warning(&door),
		  "Kubernetes lists more than 16384 other nodes, which is more than Weft can "
		  "serve: the rest is not looked for; delete Nodes that are no more");
	/* There is room now: the list is asked for again. */
	tell_gone(&door, 8, "m0");
	CHECK_UINT(door.platform.list, 0);
	CHECK_UINT(status(&door)->n_warnings, 1);
	tell_many(&door, 8, PLATFORM_NODES_MAX - 1);
	CHECK_UINT(door.platform.list, 8);
	CHECK_UINT(status(&door)->n_warnings, 0);
	door_done(&door);
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
