/* weft-kube's questions and the agent's answers, through the wire. */
#include "kube/message.h"

#include "check.h"

static Weft__Local__Request *through_the_wire(const struct message *message)
{
	Weft__Local__Request *request, *back;
	struct arena arena;
	uint8_t *packed;
	size_t len;

	arena_init(&arena, ARENA_UNLIMITED);
	request = message_encode(message, &arena);
	len = weft__local__request__get_packed_size(request);
	packed = malloc(len);
	weft__local__request__pack(request, packed);
	arena_done(&arena);
	back = weft__local__request__unpack(NULL, len, packed);
	free(packed);
	REQUIRE(back && back->what_case == WEFT__LOCAL__REQUEST__WHAT_KUBE);
	CHECK_UINT(back->version, 1);
	return back;
}

static void tells_nodes(void)
{
	char first[] = "n1", second[] = "n2";
	struct node nodes[2] = {
		{ .name = first, .uid = "u1", .address = 0x0a630001 },
		{ .name = second, .uid = "u2", .gone = true },
	};
	const struct node *page[2] = { &nodes[0], &nodes[1] };
	struct kube_founding founding = { { 1 }, { 2 }, "n3" };
	struct message message = { .list = 7,
				   .first = true,
				   .n = 2,
				   .nodes = page,
				   .founding = &founding,
				   .trouble = "a" };
	Weft__Local__Request *request = through_the_wire(&message);
	const Weft__Local__Kube *kube = request->kube;

	CHECK_UINT(kube->list, 7);
	CHECK(kube->first && !kube->last);
	REQUIRE(kube->n_nodes == 2);
	CHECK_STR(kube->nodes[0]->name, "n1");
	CHECK_STR(kube->nodes[0]->uid, "u1");
	CHECK_STR(kube->nodes[0]->address, "10.99.0.1");
	CHECK(!kube->nodes[0]->gone);
	CHECK_STR(kube->nodes[1]->address, "");
	CHECK(kube->nodes[1]->gone);
	CHECK_UINT(kube->founding->cluster.len, 16);
	CHECK_MEM(kube->founding->cluster.data, founding.cluster, 16);
	CHECK_MEM(kube->founding->founder.data, founding.founder, 16);
	CHECK_STR(kube->founding->node, "n3");
	CHECK_STR(kube->trouble, "a");
	weft__local__request__free_unpacked(request, NULL);
}

static void tells_nothing(void)
{
	Weft__Local__Request *request = through_the_wire(&(struct message){ .trouble = "" });

	CHECK_UINT(request->kube->list, 0);
	CHECK_UINT(request->kube->n_nodes, 0);
	CHECK(!request->kube->founding);
	weft__local__request__free_unpacked(request, NULL);
}

/* 256 nodes with the longest of everything fit what an agent takes. */
static void the_largest_message(void)
{
	char name[KUBE_NAME_MAX + 1];
	struct node node = { .name = name, .address = UINT32_MAX };
	const struct node *page[MESSAGE_NODES_MAX];
	Weft__Local__Request *request;
	size_t len;

	memset(name, 'n', KUBE_NAME_MAX);
	name[KUBE_NAME_MAX] = '\0';
	memset(node.uid, 'u', KUBE_UID_MAX);
	for (size_t i = 0; i < MESSAGE_NODES_MAX; i++)
		page[i] = &node;
	request = through_the_wire(
		&(struct message){ .n = MESSAGE_NODES_MAX, .nodes = page, .trouble = "" });
	len = weft__local__request__get_packed_size(request);
	CHECK(len > 80000 && len < 100000);
	weft__local__request__free_unpacked(request, NULL);
}

static void understands_answers(void)
{
	static uint8_t uid[16] = { 1 }, cluster[16] = { 2 };
	static char name[] = "n1";
	Weft__Local__Answer answer = WEFT__LOCAL__ANSWER__INIT;
	Weft__Local__KubeAnswer kube = WEFT__LOCAL__KUBE_ANSWER__INIT;
	struct agent_view view = { 0 };

	answer.kube = &kube;
	kube.uid = (ProtobufCBinaryData){ 16, uid };
	kube.cluster = (ProtobufCBinaryData){ 16, cluster };
	kube.name = name;
	kube.list = 9;
	kube.ready = true;
	REQUIRE(message_decode(&answer, &view));
	CHECK_MEM(view.uid, uid, 16);
	CHECK_MEM(view.cluster, cluster, 16);
	CHECK(view.has_cluster && view.ready && !view.wants_founding);
	CHECK_STR(view.name, "n1");
	CHECK_UINT(view.list, 9);
	kube.cluster.len = 0;
	kube.wants_founding = true;
	REQUIRE(message_decode(&answer, &view));
	CHECK(!view.has_cluster && view.wants_founding);
}

static void refuses_answers(void)
{
	static uint8_t bytes[17];
	Weft__Local__Answer answer = WEFT__LOCAL__ANSWER__INIT;
	Weft__Local__KubeAnswer kube = WEFT__LOCAL__KUBE_ANSWER__INIT;
	struct agent_view view = { .list = 5 };
	char name[KUBE_NAME_MAX + 2];

	CHECK(!message_decode(&answer, &view));
	answer.kube = &kube;
	CHECK(!message_decode(&answer, &view));
	kube.uid = (ProtobufCBinaryData){ 17, bytes };
	CHECK(!message_decode(&answer, &view));
	kube.uid.len = 16;
	kube.cluster = (ProtobufCBinaryData){ 15, bytes };
	CHECK(!message_decode(&answer, &view));
	kube.cluster.len = 16;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	kube.name = name;
	CHECK(!message_decode(&answer, &view));
	CHECK_UINT(view.list, 5);
	name[1] = '\0';
	CHECK(message_decode(&answer, &view));
}

int main(void)
{
	RUN(tells_nodes);
	RUN(tells_nothing);
	RUN(the_largest_message);
	RUN(understands_answers);
	RUN(refuses_answers);
	return check_report();
}
