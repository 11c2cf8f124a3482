/* What the platform tells a core, through its door: who may found, and whom to ask first. */
#include "core/platform.h"

#include "core/dial.h"
#include "platforms.h"

static const char *detail(struct door *door)
{
	return door_ask(door, REQUEST_STATUS, "").status->detail;
}

static void dials_fail(struct door *door, size_t n)
{
	for (size_t i = 0; i < n && i < door->n_dials; i++)
		door_close(door, door->dials[i].link);
}

/* It dialled that node, where an agent in no cluster answers, which then goes. */
static void says_none(struct door *door, unsigned number)
{
	size_t at = 0;

	while (at < door->n_dials && door->dials[at].to.ip[3] != number)
		at++;
	REQUIRE(at < door->n_dials);
	door_reach(door, door->dials[at].link, door_hello_of(door, number));
	door_close(door, door->dials[at].link);
}

static void alone_it_founds_what_it_is_told(void)
{
	struct uid self = uid_of(DOOR_SELF);
	struct door door;

	start(&door, 0);
	tell(&door, &(struct platform_news){ .trouble = "the API server is away" });
	CHECK_UINT(door.platform.list, 0);
	CHECK(!door.platform.wants_founding);
	CHECK_STR(detail(&door), "the API server is away");
	tell_nodes(&door, 5, 11, 0);
	CHECK_UINT(door.platform.list, 5);
	CHECK(door.platform.wants_founding && !door.platform.ready && door.platform.detail[0]);
	CHECK_MEM(&door.platform.uid, &self, sizeof(self));
	CHECK(!founded(&door));
	tell_founder(&door, cluster, DOOR_SELF, "node-5");
	CHECK(founded(&door));
	REQUIRE(core_inspect_view(door.core)->n_peers == 1);
	CHECK_STR(core_inspect_view(door.core)->peers[0].node_ref, "ref-of-5");
	wait(&door, 0);
	CHECK(uuid_eq(&door.platform.cluster, &cluster));
	CHECK(door.platform.ready && !door.platform.wants_founding);
	door_done(&door);
}

static void others_are_asked_first(void)
{
	struct door door;

	start_among(&door, 2);
	CHECK_UINT(door.n_dials, 2);
	CHECK(!door.platform.wants_founding);
	/* An answer to an earlier life of ours. */
	tell_founder(&door, cluster, DOOR_SELF, "node-5");
	CHECK(!founded(&door));
	/* Nobody is there yet: agents that start may have a cluster on their disks. */
	dials_fail(&door, SIZE_MAX);
	wait(&door, PLATFORM_WAIT_MS - 1000);
	CHECK(!founded(&door) && !door.platform.wants_founding);
	wait(&door, 1000);
	CHECK(founded(&door));
	door_done(&door);
}

/* Two clusters on one range: what one gives may be in use in the other. */
static void another_cluster_stops_new_pods(void)
{
	struct answer refused;
	struct door door;

	start_alone(&door);
	wait(&door, 0);
	CHECK(door.platform.ready);
	tell_founder(&door, (struct uuid){ { 0x77 } }, 13, "node-13");
	CHECK(!door.platform.ready);
	CHECK(strstr(door.platform.detail, "another cluster") != NULL);
	refused = door_ask(&door, REQUEST_ADD, "a");
	CHECK_INT(refused.code, ANSWER_TRY_LATER);
	CHECK(strstr(refused.text, "another cluster") != NULL);
	tell_founder(&door, cluster, 13, "node-13");
	CHECK(door.platform.ready);
	door_done(&door);
}

/* An old agent that was forgotten would otherwise take each new node into its own cluster. */
static void joins_the_cluster_that_is_named(void)
{
	struct hello old, right;
	struct door door;
	uint32_t link;

	start_among(&door, 2);
	tell_founder(&door, cluster, 12, "node-12");
	old = door_hello_of(&door, 11);
	old.cluster = (struct uuid){ { 0x77 } };
	link = door_accept(&door, old);
	CHECK_STR(door_bye_text(&door, link), "it belongs to another cluster than the ConfigMap "
					      "names");
	right = door_hello_of(&door, 12);
	right.cluster = cluster;
	link = door_accept(&door, right);
	CHECK(!door_sent(&door, link, MESSAGE_BYE));
	door_done(&door);
}

/* No ADD can come: it is not ready, and says why. */
static void an_unfit_host_is_not_ready(void)
{
	struct door door;

	start_alone(&door);
	door_step(&door, (struct event){ .type = EVENT_RUNTIME,
					 .runtime = { .trouble = "no room in /opt/cni/bin",
						      .warning = "" } });
	wait(&door, 0);
	CHECK(!door.platform.ready);
	CHECK_STR(door.platform.detail, "no room in /opt/cni/bin");
	door_step(&door, (struct event){ .type = EVENT_RUNTIME, .runtime = { "", "another" } });
	wait(&door, 0);
	CHECK(door.platform.ready);
	door_done(&door);
}

static void expect_no_founding(struct door *door, unsigned founder, const char *node,
			       const char *why)
{
	tell_founder(door, cluster, founder, node);
	CHECK(!founded(door));
	CHECK(strstr(detail(door), why) != NULL);
}

static void who_is_not_named_waits(void)
{
	struct door door;

	start_among(&door, 1);
	dials_fail(&door, SIZE_MAX);
	expect_no_founding(&door, 11, "node-11", "node-11 founds the cluster");
	expect_no_founding(&door, 12, "node-12", "Kubernetes lists no such node");
	expect_no_founding(&door, 11, "node-5", "whose disk is gone");
	door_done(&door);
}

static void lost_logs_found_nothing(void)
{
	static const enum store_file logs[] = { STORE_NODE, STORE_KEEPER };
	struct door door;

	for (size_t i = 0; i < 2; i++) {
		start(&door, 1u << logs[i]);
		tell_nodes(&door, 5, 11, 0);
		expect_no_founding(&door, DOOR_SELF, "node-5", "cannot be read");
		door_done(&door);
	}
}

static void lists_are_kept_apart(void)
{
	struct platform_node late = node_of(19);
	struct platform_news part = { .list = 6, .first = true, .n = 1, .nodes = &late };
	struct door door;

	start(&door, 0);
	tell_gone(&door, 5, "node-11"); /* of a list whose beginning went to an earlier life */
	CHECK_UINT(door.platform.list, 0);
	tell_nodes(&door, 5, 11, 1);
	CHECK_UINT(door.platform.list, 5);
	tell_gone(&door, 5, "node-11");
	CHECK_UINT(door.platform.list, 5);
	CHECK(door.platform.wants_founding); /* nobody is left to be asked */
	dials_fail(&door, SIZE_MAX);
	tell(&door, &part);
	CHECK_UINT(door.platform.list, 5);
	part.first = false;
	part.last = true;
	part.n = 0;
	tell(&door, &part);
	CHECK_UINT(door.platform.list, 6);
	door_done(&door);
}

/* weft-kube ended in the middle of a list; the next one begins another. */
static void a_list_that_was_cut_off_is_forgotten(void)
{
	struct platform_node late = node_of(19);
	struct platform_news part = { .list = 6, .first = true, .n = 1, .nodes = &late };
	struct door door;

	start(&door, 0);
	tell(&door, &part);
	tell_nodes(&door, 7, 11, 0);
	CHECK_UINT(door.platform.list, 7);
	CHECK(door.platform.wants_founding); /* nobody is there to be asked */
	CHECK_UINT(door.n_dials, 0);
	door_done(&door);
}

/* Of many nodes a few are asked, not all: gossip tells of the rest. */
static void few_of_many_are_asked(void)
{
	struct door door;

	start_among(&door, 39);
	dials_fail(&door, PLATFORM_ASK - 1);
	wait(&door, PLATFORM_WAIT_MS);
	CHECK(!door.platform.wants_founding);
	dials_fail(&door, PLATFORM_ASK);
	wait(&door, 0);
	CHECK(door.platform.wants_founding);
	CHECK(door.n_dials < 2 * PLATFORM_ASK);
	door_done(&door);
}

/* Number 11 dials us, after we had dialled it in vain: it is reached, and left in peace. */
static void who_dialled_us_is_not_dialled_for_ever(void)
{
	struct hello hello;
	struct door door;
	size_t dials;

	start(&door, 0);
	tell_founder(&door, cluster, DOOR_SELF, "node-5");
	tell_nodes(&door, 5, 11, 1);
	dials_fail(&door, SIZE_MAX);
	wait(&door, PLATFORM_WAIT_MS);
	CHECK(founded(&door));
	dials_fail(&door, SIZE_MAX);
	hello = door_hello_of(&door, 11);
	hello.cluster = cluster;
	door_accept(&door, hello);
	dials_fail(&door, SIZE_MAX);
	dials = door.n_dials;
	for (int i = 0; i < 8; i++) {
		wait(&door, 1000);
		dials_fail(&door, SIZE_MAX);
	}
	CHECK_UINT(door.n_dials, dials);
	door_done(&door);
}

/* Number 11 said that there is no cluster and is listed no more: that is no word of number 12's. */
static void who_is_listed_no_more_does_not_count(void)
{
	struct door door;

	start_among(&door, 2);
	says_none(&door, 11);
	tell_nodes(&door, 6, 12, 1);
	CHECK(!door.platform.wants_founding);
	tell_founder(&door, cluster, DOOR_SELF, "node-5");
	CHECK(!founded(&door));
	says_none(&door, 12);
	CHECK(founded(&door));
	door_done(&door);
}

/* Nor does a dial to 11 that failed: 12 has just come, and may be starting. */
static void who_failed_and_is_listed_no_more_does_not_count(void)
{
	struct door door;

	start_among(&door, 1);
	dials_fail(&door, SIZE_MAX);
	wait(&door, PLATFORM_WAIT_MS - 1);
	dials_fail(&door, SIZE_MAX);
	door_forget(&door);
	tell_nodes(&door, 6, 12, 1);
	wait(&door, 1);
	CHECK(!door.platform.wants_founding);
	dials_fail(&door, SIZE_MAX);
	wait(&door, 0);
	CHECK(door.platform.wants_founding);
	door_done(&door);
}

/* What was heard at an address minutes ago is forgotten when no Node has it. */
static void who_comes_back_late_is_asked_anew(void)
{
	struct door door;

	start_among(&door, 2);
	says_none(&door, 11);
	tell_gone(&door, 5, "node-11");
	for (int i = 0; i < 2; i++)
		wait(&door, DIAL_FORGET_MS);
	door_forget(&door);
	tell_nodes(&door, 6, 11, 1);
	CHECK(!door.platform.wants_founding);
	says_none(&door, 11);
	wait(&door, 0);
	CHECK(door.platform.wants_founding);
	door_done(&door);
}

static void founding_is_said_once(void)
{
	struct door door;

	start_among(&door, 1);
	door.said[0] = '\0';
	expect_no_founding(&door, DOOR_SELF, "node-5", "asking the cluster's nodes");
	CHECK_STR(door.said, "");
	says_none(&door, 11);
	CHECK(founded(&door));
	CHECK(door_said(&door, "the ConfigMap names this node as founder -> founding a cluster "
			       "here\n"));
	door_done(&door);

	start_among(&door, 0);
	door_forget(&door);
	for (int i = 0; i < 2; i++)
		tell_founder(&door, cluster, 11, "node-11");
	CHECK_STR(door.said,
		  "the ConfigMap names node-11 as founder -> waiting to reach its cluster\n");
	door_done(&door);
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
	RUN(joins_the_cluster_that_is_named);
	RUN(an_unfit_host_is_not_ready);
	RUN(who_is_not_named_waits);
	RUN(lost_logs_found_nothing);
	RUN(lists_are_kept_apart);
	RUN(a_list_that_was_cut_off_is_forgotten);
	RUN(few_of_many_are_asked);
	return check_report();
}
