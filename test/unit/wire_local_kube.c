/* What weft-kube tells and is told, at its own door. */
#include <errno.h>

#include "proto/local.pb-c.h"
#include "wire/local.h"

#include "check.h"

struct talk {
	struct arena arena;
	struct local_request request;
	struct bytes answer;
	struct err err;
	uint8_t room[1 << 17];
};

static int tell(struct talk *talk, enum local_door door, Weft__Local__Request *from)
{
	size_t len = weft__local__request__get_packed_size(from);

	REQUIRE(len <= sizeof(talk->room));
	weft__local__request__pack(from, talk->room);
	arena_init(&talk->arena, ARENA_UNLIMITED);
	talk->answer = (struct bytes){ 0 };
	return local_request_decode(door, (struct bytes){ talk->room, len }, &talk->arena,
				    &talk->request, &talk->answer, &talk->err);
}

static int tell_kube(struct talk *talk, Weft__Local__Kube *kube)
{
	Weft__Local__Request request = WEFT__LOCAL__REQUEST__INIT;

	request.version = 1;
	request.what_case = WEFT__LOCAL__REQUEST__WHAT_KUBE;
	request.kube = kube;
	return tell(talk, LOCAL_DOOR_KUBE, &request);
}

static void news_are_decoded(void)
{
	Weft__Local__Kube kube = WEFT__LOCAL__KUBE__INIT;
	Weft__Local__KubeNode one = WEFT__LOCAL__KUBE_NODE__INIT,
			      two = WEFT__LOCAL__KUBE_NODE__INIT, *nodes[] = { &one, &two };
	Weft__Local__Founding founding = WEFT__LOCAL__FOUNDING__INIT;
	uint8_t cluster[16] = { 7 }, founder[16] = { 8 };
	const struct platform_news *news;
	struct talk talk;

	one.name = (char *)"n1";
	one.uid = (char *)"b9d5c1e2-0000-4000-8000-000000000001";
	one.address = (char *)"192.0.2.1";
	two.name = (char *)"n2";
	two.gone = true;
	founding.cluster = (ProtobufCBinaryData){ 16, cluster };
	founding.founder = (ProtobufCBinaryData){ 16, founder };
	founding.node = (char *)"n1";
	kube.list = 5;
	kube.first = kube.last = true;
	kube.n_nodes = 2;
	kube.nodes = nodes;
	kube.founding = &founding;
	kube.trouble = (char *)"the API server is away";
	REQUIRE(tell_kube(&talk, &kube) == 0);
	CHECK_INT(talk.request.request.type, REQUEST_PLATFORM);
	news = talk.request.request.platform;
	CHECK(news->list == 5 && news->first && news->last);
	REQUIRE(news->n == 2);
	CHECK_STR(news->nodes[0].name, "n1");
	CHECK_STR(news->nodes[0].ref, one.uid);
	CHECK_UINT(news->nodes[0].ip, 0xc0000201);
	CHECK(!news->nodes[0].gone && news->nodes[1].gone && news->nodes[1].ip == 0);
	REQUIRE(news->founding);
	CHECK_MEM(&news->founding->cluster, cluster, 16);
	CHECK_MEM(&news->founding->founder, founder, 16);
	CHECK_STR(news->founding->node, "n1");
	CHECK_STR(news->trouble, "the API server is away");
	arena_done(&talk.arena);
}

static void refused(struct talk *talk, int result, const char *why)
{
	CHECK_INT(result, -EINVAL);
	CHECK(talk->answer.len > 0);
	CHECK(strstr(talk->err.text, why) != NULL);
	arena_done(&talk->arena);
}

static void what_is_wrong_is_named(void)
{
	static Weft__Local__KubeNode *many[300];
	Weft__Local__Kube kube = WEFT__LOCAL__KUBE__INIT;
	Weft__Local__KubeNode node = WEFT__LOCAL__KUBE_NODE__INIT, *nodes[] = { &node };
	Weft__Local__Founding founding = WEFT__LOCAL__FOUNDING__INIT;
	char uid[100];
	struct talk talk;

	kube.n_nodes = 1;
	kube.nodes = nodes;
	refused(&talk, tell_kube(&talk, &kube), "KubeNode.name");
	node.name = (char *)"n1";
	node.address = (char *)"2001:db8::1";
	refused(&talk, tell_kube(&talk, &kube), "2001:db8::1");
	node.address = (char *)"";
	memset(uid, 'x', sizeof(uid));
	uid[99] = '\0';
	node.uid = uid;
	refused(&talk, tell_kube(&talk, &kube), "KubeNode.uid");
	node.uid = (char *)"";
	kube.founding = &founding;
	refused(&talk, tell_kube(&talk, &kube), "Founding.cluster");
	kube.founding = NULL;
	for (size_t i = 0; i < 300; i++)
		many[i] = &node;
	kube.n_nodes = 300;
	kube.nodes = many;
	refused(&talk, tell_kube(&talk, &kube), "nodes");
}

/* What weft-kube may say is heard at its own door only, and nothing else is heard there. */
static void doors_are_kept_apart(void)
{
	Weft__Local__Request request = WEFT__LOCAL__REQUEST__INIT;
	Weft__Local__StatusAsk ask = WEFT__LOCAL__STATUS_ASK__INIT;
	Weft__Local__Leave leave = WEFT__LOCAL__LEAVE__INIT;
	Weft__Local__Kube kube = WEFT__LOCAL__KUBE__INIT;
	struct talk talk;

	request.what_case = WEFT__LOCAL__REQUEST__WHAT_KUBE;
	request.kube = &kube;
	refused(&talk, tell(&talk, LOCAL_DOOR_ROOT, &request), "does not know that question");
	request.what_case = WEFT__LOCAL__REQUEST__WHAT_STATUS;
	request.status = &ask;
	refused(&talk, tell(&talk, LOCAL_DOOR_KUBE, &request), "weft-kube's alone");
	leave.confirmed = true;
	request.what_case = WEFT__LOCAL__REQUEST__WHAT_LEAVE;
	request.leave = &leave;
	refused(&talk, tell(&talk, LOCAL_DOOR_KUBE, &request), "weft-kube's alone");
}

static void state_is_answered(void)
{
	struct platform_answer platform = { .uid = { { 1 } },
					    .name = "n1",
					    .list = 5,
					    .wants_founding = true,
					    .detail = "no block yet" };
	struct answer answer = { .platform = &platform };
	Weft__Local__Answer *read;
	struct bytes bytes;
	struct talk talk;

	arena_init(&talk.arena, ARENA_UNLIMITED);
	memset(&talk.request, 0, sizeof(talk.request));
	talk.request.request.type = REQUEST_PLATFORM;
	bytes = local_answer_encode(&talk.request, &answer, &talk.arena);
	read = weft__local__answer__unpack(NULL, bytes.len - 4, bytes.data + 4);
	REQUIRE(read && read->kube);
	CHECK_MEM(read->kube->uid.data, &platform.uid, 16);
	CHECK_UINT(read->kube->cluster.len, 0);
	CHECK(read->kube->list == 5 && read->kube->wants_founding && !read->kube->ready);
	CHECK_STR(read->kube->detail, "no block yet");
	weft__local__answer__free_unpacked(read, NULL);
	arena_done(&talk.arena);
}

int main(void)
{
	RUN(news_are_decoded);
	RUN(what_is_wrong_is_named);
	RUN(doors_are_kept_apart);
	RUN(state_is_answered);
	return check_report();
}
