/* What the platform tells a core, through its door: who may found, and whom to ask first. */
#include "core/platform.h"

#include "core/dial.h"
#include "platforms.h"

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

/* The n-th dial of ours is answered by an agent of that node in no cluster, which then goes. */
static void says_none(struct world *world, size_t dial)
{
	struct message message = { .type = MESSAGE_HELLO,
				   .hello = { .uid = { { 0x40 } },
					      .incarnation = 1,
					      .nonce = 5,
					      .range = { .ip = 0x0a200000, .len = 12 },
					      .block_len = 26 } };
	struct event event = { .type = EVENT_LINK_CONNECTED,
			       .link = { .link = world->dials[dial].dial.link,
					 .message = &message,
					 .reason = "it went" } };

	message.hello.listen = world->dials[dial].dial.to;
	message.hello.uid.b[1] = message.hello.listen.ip[3];
	snprintf(message.hello.name, sizeof(message.hello.name), "n%u", message.hello.listen.ip[3]);
	step(world, event);
	event.type = EVENT_LINK_SECURED;
	step(world, event);
	event.type = EVENT_LINK_MESSAGE;
	step(world, event);
	event.type = EVENT_LINK_CLOSED;
	step(world, event);
}

static size_t dial_to_node(const struct world *world, unsigned number)
{
	size_t at = 0;

	while (at < world->n_dials && world->dials[at].dial.to.ip[3] != number)
		at++;
	REQUIRE(at < world->n_dials);
	return at;
}

/* n2 said that there is no cluster and is listed no more: that is no word of n3's. */
static void who_is_listed_no_more_does_not_count(void)
{
	struct world world;

	start(&world, false);
	tell_nodes(&world, 5, 2);
	says_none(&world, dial_to_node(&world, 2));
	tell_list(&world, 6, 2, (const unsigned[]){ 1, 3 });
	CHECK(!world.answer.wants_founding);
	tell_founder(&world, me, "n1");
	CHECK(!world.founded);
	says_none(&world, dial_to_node(&world, 3));
	CHECK(world.founded);
	core_free(world.core);
}

/* Nor does a dial to n2 that failed: n3 has just come, and may be starting. */
static void who_failed_and_is_listed_no_more_does_not_count(void)
{
	struct world world;

	start(&world, false);
	tell_list(&world, 5, 2, (const unsigned[]){ 1, 2 });
	dials_fail(&world, SIZE_MAX);
	wait(&world, PLATFORM_WAIT_MS - 1);
	dials_fail(&world, SIZE_MAX);
	world.n_dials = 0;
	tell_list(&world, 6, 2, (const unsigned[]){ 1, 3 });
	wait(&world, 1);
	CHECK(!world.answer.wants_founding);
	dials_fail(&world, SIZE_MAX);
	wait(&world, 0);
	CHECK(world.answer.wants_founding);
	core_free(world.core);
}

/* What was heard at an address minutes ago is forgotten when no Node has it. */
static void who_comes_back_late_is_asked_anew(void)
{
	struct world world;

	start(&world, false);
	tell_list(&world, 5, 3, (const unsigned[]){ 1, 2, 3 });
	says_none(&world, dial_to_node(&world, 2));
	tell_gone(&world, 5, "n2");
	for (int i = 0; i < 2; i++)
		wait(&world, DIAL_FORGET_MS);
	world.n_dials = 0;
	tell_list(&world, 6, 2, (const unsigned[]){ 1, 2 });
	CHECK(!world.answer.wants_founding);
	says_none(&world, dial_to_node(&world, 2));
	wait(&world, 0);
	CHECK(world.answer.wants_founding);
	core_free(world.core);
}

static void founding_is_said_once(void)
{
	struct world world;

	start(&world, false);
	tell_nodes(&world, 5, 1);
	world.said[0] = '\0';
	tell_founder(&world, me, "n1");
	CHECK_STR(world.said, "");
	CHECK(strstr(detail(&world), "asking the cluster's nodes") != NULL);
	says_none(&world, dial_to_node(&world, 2));
	CHECK(world.founded);
	CHECK(strstr(world.said, "the ConfigMap names this node as founder -> founding a cluster "
				 "here\n") != NULL);
	core_free(world.core);

	start(&world, false);
	tell_nodes(&world, 5, 0);
	world.said[0] = '\0';
	tell_founder(&world, other, "n2");
	CHECK_STR(world.said,
		  "the ConfigMap names n2 as founder -> waiting to reach its cluster\n");
	core_free(world.core);
}

int main(void)
{
	RUN(who_is_listed_no_more_does_not_count);
	RUN(who_failed_and_is_listed_no_more_does_not_count);
	RUN(who_comes_back_late_is_asked_anew);
	RUN(founding_is_said_once);
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
