/* The local conversation: what a shim and weftctl may ask, and every form of answer. */
#include "wire/local.h"

#include "proto/local.pb-c.h"

#include "check.h"
#include "cni_configs.h"
#include "protobuf.h"

struct talk {
	uint8_t *room;
	size_t room_len;
	struct writer w;
	struct arena arena;
	struct local_request request;
	struct bytes answer_bytes;
	struct err err;
	Weft__Local__Answer *answer;
};

static void talk_begin(struct talk *talk)
{
	*talk = (struct talk){ .room_len = LOCAL_REQUEST_MAX + 1000 };
	talk->room = malloc(talk->room_len);
	talk->w = writer_to(talk->room, talk->room_len);
	arena_init(&talk->arena, ARENA_UNLIMITED);
}

static void talk_end(struct talk *talk)
{
	if (talk->answer)
		weft__local__answer__free_unpacked(talk->answer, NULL);
	arena_done(&talk->arena);
	free(talk->room);
}

static int talk_decode(struct talk *talk)
{
	REQUIRE(!talk->w.broken);
	return local_request_decode(LOCAL_DOOR_ROOT, writer_bytes(&talk->w), &talk->arena,
				    &talk->request, &talk->answer_bytes, &talk->err);
}

/* The client's view of an answer. */
static const Weft__Local__Answer *talk_read(struct talk *talk, struct bytes answer)
{
	struct reader r = reader_of(answer);

	REQUIRE(reader_be32(&r) == r.left);
	if (talk->answer)
		weft__local__answer__free_unpacked(talk->answer, NULL);
	talk->answer = weft__local__answer__unpack(NULL, r.left, r.at);
	REQUIRE(talk->answer);
	return talk->answer;
}

static const Weft__Local__Answer *talk_reply(struct talk *talk, const struct answer *answer)
{
	return talk_read(talk, local_answer_encode(&talk->request, answer, &talk->arena));
}

struct call {
	const char *command, *container_id, *netns, *ifname, *args, *config;
	bool plain;
};

/* Begins with this call. */
static int talk_call(struct talk *talk, const struct call *call)
{
	uint8_t room[4096];
	struct writer cni = writer_to(room, sizeof(room));

	pb_string(&cni, 1, call->command);
	pb_string(&cni, 2, call->container_id);
	pb_string(&cni, 3, call->netns);
	pb_string(&cni, 4, call->ifname);
	pb_string(&cni, 5, call->args);
	pb_string(&cni, 6, call->config);
	pb_fixed64(&cni, 7, 0x1122334455667788);
	pb_number(&cni, 8, call->plain);
	talk_begin(talk);
	pb_number(&talk->w, 1, 1);
	pb_message(&talk->w, 10, &cni);
	return talk_decode(talk);
}

static const struct call add_call = { "ADD",
				      "abc123",
				      "/var/run/netns/cni-1",
				      "eth0",
				      "K8S_POD_NAME=web;K8S_POD_NAMESPACE=default",
				      containerd_add,
				      false };

static void add_is_decoded(void)
{
	struct talk talk;

	CHECK_INT(talk_call(&talk, &add_call), 0);
	CHECK_INT(talk.request.request.type, REQUEST_ADD);
	CHECK_STR(talk.request.request.pod.container_id, "abc123");
	CHECK_STR(talk.request.request.pod.netns, "/var/run/netns/cni-1");
	CHECK_STR(talk.request.request.pod.ifname, "eth0");
	CHECK_STR(talk.request.request.pod.pod, "default/web");
	CHECK_UINT(talk.request.request.pod.number, 0x1122334455667788);
	CHECK_STR(talk.request.cni_version, "1.0.0");
	CHECK(talk.request.wants_fds && !talk.request.plain);
	talk_end(&talk);
}

static struct answer good_answer(void)
{
	return (struct answer){ .host_if = "wf0123456789ab",
				.ip = 0x0a200002,
				.mtu = 1450,
				.host_mac = { { 2, 0, 0, 0, 0, 1 } },
				.pod_mac = { { 2, 0, 0, 0, 0, 2 } } };
}

static void add_is_answered(void)
{
	struct answer answer = good_answer();
	const Weft__Local__Answer *read;
	struct talk talk;

	REQUIRE(talk_call(&talk, &add_call) == 0);
	read = talk_reply(&talk, &answer);
	CHECK_UINT(read->version, 1);
	CHECK_INT(read->exit_code, 0);
	CHECK(read->output.len > 2 && read->output.data[read->output.len - 1] == '\n');
	CHECK(memmem(read->output.data, read->output.len, "\"address\":\"10.32.0.2/32\"", 24));
	CHECK(memmem(read->output.data, read->output.len, "\"sandbox\":\"/var/run/netns/cni-1\"",
		     32));
	CHECK(!read->pod && !read->status);
	talk_end(&talk);
}

static void plain_add_is_answered_with_a_pod(void)
{
	struct call call = add_call;
	struct answer answer = good_answer();
	const Weft__Local__Answer *read;
	struct talk talk;

	call.plain = true;
	call.config = "";
	REQUIRE(talk_call(&talk, &call) == 0);
	CHECK(talk.request.plain && talk.request.wants_fds);
	read = talk_reply(&talk, &answer);
	CHECK_INT(read->exit_code, 0);
	REQUIRE(read->pod);
	CHECK_STR(read->pod->ip, "10.32.0.2");
	CHECK_STR(read->pod->host_if, "wf0123456789ab");
	CHECK_STR(read->pod->container_id, "abc123");
	CHECK_STR(read->pod->ifname, "eth0");
	CHECK_STR(read->pod->mac, "02:00:00:00:00:02");
	CHECK_STR(read->pod->netns, "/var/run/netns/cni-1");
	CHECK_UINT(read->pod->mtu, 1450);
	CHECK_UINT(read->output.len, 0);
	talk_end(&talk);
}

static void expect_output(const Weft__Local__Answer *read, const char *output)
{
	char text[2048];

	REQUIRE(read->output.len < sizeof(text));
	memcpy(text, read->output.data, read->output.len);
	text[read->output.len] = '\0';
	CHECK_STR(text, output);
}

/* To a runtime, which reads CNI's form, and to a person. */
static void add_is_refused(const struct answer *answer, const char *output, const char *error)
{
	const Weft__Local__Answer *read;
	struct talk talk;

	REQUIRE(talk_call(&talk, &add_call) == 0);
	read = talk_reply(&talk, answer);
	CHECK_INT(read->exit_code, 1);
	expect_output(read, output);
	talk.request.plain = true;
	read = talk_reply(&talk, answer);
	CHECK_INT(read->exit_code, 1);
	CHECK_STR(read->error, error);
	CHECK_UINT(read->output.len, 0);
	talk_end(&talk);
}

static void refusals_take_the_clients_form(void)
{
	struct answer busy = { .code = ANSWER_TRY_LATER, .text = "no block", .details = "wait" };
	struct answer there = { .code = ANSWER_DUPLICATE, .text = "there", .details = "send DEL" };

	add_is_refused(&busy,
		       "{\"cniVersion\":\"1.0.0\",\"code\":11,\"msg\":\"no block\","
		       "\"details\":\"wait\"}\n",
		       "no block; wait");
	/* A runtime sends DEL, a person types it. */
	add_is_refused(&there,
		       "{\"cniVersion\":\"1.0.0\",\"code\":101,\"msg\":\"there\","
		       "\"details\":\"send DEL\"}\n",
		       "there; 'weftctl detach abc123 --ifname eth0' takes it back, --ifname adds "
		       "another");
}

static void del_is_careful_with_words(void)
{
	struct call call = add_call;
	struct answer answer = { .code = ANSWER_FAILED,
				 .text = "link: not found",
				 .details = "No such file or directory" };
	const Weft__Local__Answer *read;
	struct talk talk;

	call.command = "DEL";
	call.netns = "";
	call.config = containerd_del;
	CHECK_INT(talk_call(&talk, &call), 0);
	CHECK_INT(talk.request.request.type, REQUEST_DEL);
	CHECK(!talk.request.wants_fds);
	read = talk_reply(&talk, &answer);
	expect_output(read, "{\"cniVersion\":\"0.4.0\",\"code\":100,\"msg\":\"link: missing\","
			    "\"details\":\"the path is missing\"}\n");
	answer = (struct answer){ 0 };
	read = talk_reply(&talk, &answer);
	CHECK_INT(read->exit_code, 0);
	CHECK_UINT(read->output.len, 0);
	talk_end(&talk);
}

/* DEL of what ADD refuses is done already: an error would keep the pod for ever. */
static void del_of_the_impossible_succeeds(void)
{
	struct call call = add_call;
	char id[CONTAINER_ID_MAX + 10], path[NETNS_PATH_MAX + 10];
	struct talk talk;

	memset(id, 'a', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	call.command = "DEL";
	call.container_id = id;
	call.netns = path;
	CHECK(talk_call(&talk, &call) != 0);
	CHECK_INT(talk.err.code, 0);
	CHECK_INT(talk_read(&talk, talk.answer_bytes)->exit_code, 0);
	talk_end(&talk);

	call.container_id = "a";
	CHECK_INT(talk_call(&talk, &call), 0);
	CHECK_STR(talk.request.request.pod.netns, "");
	talk_end(&talk);
}

static void refused(const struct call *call, const char *output, const char *why)
{
	const Weft__Local__Answer *read;
	struct talk talk;

	CHECK(talk_call(&talk, call) < 0);
	CHECK_STR(talk.err.text, why);
	read = talk_read(&talk, talk.answer_bytes);
	CHECK_INT(read->exit_code, 1);
	if (call->plain)
		CHECK_STR(read->error, output);
	else
		expect_output(read, output);
	talk_end(&talk);
}

static void bad_calls_are_refused(void)
{
	struct call call = add_call;

	call.ifname = "a/b";
	refused(&call,
		"{\"cniVersion\":\"1.1.0\",\"code\":4,\"msg\":\"CNI_IFNAME 'a/b' has '/' or ':' in "
		"it\",\"details\":\"choose another name for the interface\"}\n",
		"CNI_IFNAME 'a/b' has '/' or ':' in it; choose another name for the interface");
	call.plain = true;
	refused(&call, "--ifname 'a/b' has '/' or ':' in it; choose another name for the interface",
		"--ifname 'a/b' has '/' or ':' in it; choose another name for the interface");
	call = add_call;
	call.config = "{\"cniVersion\":\"0.4.0\",\"name\":\"a\",\"prevResult\":{}}";
	refused(&call,
		"{\"cniVersion\":\"0.4.0\",\"code\":7,\"msg\":\"another plugin has made an "
		"interface already (prevResult)\",\"details\":\"make weft the first plugin of the "
		"network's list\"}\n",
		"another plugin has made an interface already (prevResult); make weft the first "
		"plugin of the network's list");
	call.config = "{";
	refused(&call,
		"{\"cniVersion\":\"1.1.0\",\"code\":6,\"msg\":\"error parsing the configuration on "
		"stdin: no string where one must be at byte 1\"}\n",
		"error parsing the configuration on stdin: no string where one must be at byte 1");
}

static void strangers_are_refused(struct talk *talk, const char *error)
{
	const Weft__Local__Answer *read;

	CHECK(talk_decode(talk) < 0);
	CHECK_STR(talk->err.text, error);
	read = talk_read(talk, talk->answer_bytes);
	CHECK_INT(read->exit_code, 1);
	CHECK_STR(read->error, error);
	talk_end(talk);
}

static void unreadable_questions(void)
{
	char text[LOCAL_STRING_MAX + 1];
	uint8_t room[LOCAL_STRING_MAX + 100];
	struct writer inner = writer_to(room, sizeof(room));
	struct talk talk;

	talk_begin(&talk);
	strangers_are_refused(&talk, "this agent does not know that question; agent and client "
				     "should be of one version");
	talk_begin(&talk);
	pb_number(&talk.w, 1, 2);
	pb_bytes(&talk.w, 77, NULL, 0); /* from the future */
	strangers_are_refused(&talk, "this agent does not know that question; agent and client "
				     "should be of one version");
	talk_begin(&talk);
	pb_tag(&talk.w, 10, 2);
	strangers_are_refused(&talk, "the question cannot be read; Request.cni reaches beyond the "
				     "end");
	talk_begin(&talk);
	pb_bytes(&inner, 2, "a\0b", 3);
	pb_message(&talk.w, 10, &inner);
	strangers_are_refused(&talk, "the question cannot be read; Cni.container_id has a control "
				     "character in it");
	talk_begin(&talk);
	memset(text, 'a', sizeof(text));
	inner = writer_to(room, sizeof(room));
	pb_bytes(&inner, 5, text, sizeof(text));
	pb_message(&talk.w, 10, &inner);
	strangers_are_refused(&talk, "the question cannot be read; Cni.args is longer than 16384");
	talk_begin(&talk);
	talk.w.len = LOCAL_REQUEST_MAX + 1;
	strangers_are_refused(&talk, "the question cannot be read; it has 1114113 bytes, at most "
				     "1114112 are allowed");
}

/* What a runtime's user wrote is told what is wrong with it, in CNI's form. */
static void odd_characters_are_not_unreadable(void)
{
	struct call call = add_call;
	struct talk talk;

	call.ifname = "eth\t0";
	refused(&call,
		"{\"cniVersion\":\"1.1.0\",\"code\":4,\"msg\":\"CNI_IFNAME 'eth\\t0' has white "
		"space or a control character in it\",\"details\":\"choose another name for the "
		"interface\"}\n",
		"CNI_IFNAME 'eth\t0' has white space or a control character in it; choose another "
		"name for the interface");
	call = add_call;
	call.netns = "/run/netns/a\nb";
	CHECK_INT(talk_call(&talk, &call), 0);
	CHECK_STR(talk.request.request.pod.netns, "/run/netns/a\nb");
	talk_end(&talk);
}

/* One version apart during an upgrade: unknown fields are no reason to refuse. */
static void newer_clients_are_understood(void)
{
	uint8_t room[64];
	struct writer ask = writer_to(room, sizeof(room));
	struct talk talk;

	pb_number(&ask, 1, 1);
	pb_number(&ask, 3, 1);
	pb_string(&ask, 50, "news");
	talk_begin(&talk);
	pb_number(&talk.w, 1, 9);
	pb_message(&talk.w, 11, &ask);
	pb_string(&talk.w, 60, "more news");
	CHECK_INT(talk_decode(&talk), 0);
	CHECK_INT(talk.request.request.type, REQUEST_STATUS);
	CHECK(talk.request.asked.peers && !talk.request.asked.blocks && talk.request.asked.pods);
	talk_end(&talk);
}

static void leaving_needs_a_word(void)
{
	uint8_t room[8];
	struct writer leave = writer_to(room, sizeof(room));
	struct talk talk;

	talk_begin(&talk);
	pb_message(&talk.w, 12, &leave);
	strangers_are_refused(&talk, "leaving was not confirmed; it gives up this node's addresses "
				     "for good");
	pb_number(&leave, 1, 1);
	talk_begin(&talk);
	pb_message(&talk.w, 12, &leave);
	CHECK_INT(talk_decode(&talk), 0);
	CHECK_INT(talk.request.request.type, REQUEST_LEAVE);
	talk_end(&talk);
}

static void status_is_answered(void)
{
	struct status_report report = { .name = "node-1", .state = "ready" };
	struct answer answer = { .status = &report };
	const Weft__Local__Answer *read;
	struct talk talk;

	talk_begin(&talk);
	talk.request.request.type = REQUEST_STATUS;
	read = talk_reply(&talk, &answer);
	REQUIRE(read->status);
	CHECK_STR(read->status->name, "node-1");
	CHECK_STR(read->status->state, "ready");
	answer.code = ANSWER_NOT_READY;
	strcpy(answer.text, "not yet");
	read = talk_reply(&talk, &answer);
	CHECK_STR(read->error, "not yet");
	CHECK(!read->status);
	talk_end(&talk);
}

int main(void)
{
	RUN(add_is_decoded);
	RUN(add_is_answered);
	RUN(plain_add_is_answered_with_a_pod);
	RUN(refusals_take_the_clients_form);
	RUN(del_is_careful_with_words);
	RUN(del_of_the_impossible_succeeds);
	RUN(bad_calls_are_refused);
	RUN(unreadable_questions);
	RUN(odd_characters_are_not_unreadable);
	RUN(newer_clients_are_understood);
	RUN(leaving_needs_a_word);
	RUN(status_is_answered);
	return check_report();
}
