#include "wire/local.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/text.h"
#include "proto/local.pb-c.h"
#include "weft/net.h"
#include "wire/fields.h"
#include "wire/unpack.h"

enum {
	LENGTH_LEN = 4,
	ARENA_MAX = 2 * LOCAL_REQUEST_MAX, /* a request unpacked */
	KUBE_NODES_MAX = 256,              /* in one message */
};

static const struct unpack_count counts[] = {
	{ &weft__local__kube__descriptor, 4, KUBE_NODES_MAX },
};

/* Root's own programs speak here, but one of them passes on what a runtime's user wrote. */
static const struct unpack_limits limits = {
	.n_counts = 1,
	.counts = counts,
	.nesting = 3,
	.string_len = LOCAL_STRING_MAX,
	.controls = true,
	.unknown = 64,
};

/* ---- answers */

static struct bytes frame(const Weft__Local__Answer *answer, struct arena *arena)
{
	size_t len = weft__local__answer__get_packed_size(answer);
	uint8_t *framed = give_room(arena, LENGTH_LEN + len, 1);
	struct writer w = writer_to(framed, LENGTH_LEN);

	assert(len <= WEFT_ANSWER_MAX);
	writer_be32(&w, (uint32_t)len);
	weft__local__answer__pack(answer, framed + LENGTH_LEN);
	return (struct bytes){ framed, LENGTH_LEN + len };
}

static struct bytes refuse_plainly(const char *text, const char *details, struct arena *arena)
{
	Weft__Local__Answer to = WEFT__LOCAL__ANSWER__INIT;

	to.version = LOCAL_VERSION;
	to.exit_code = 1;
	to.error = arena_printf(arena, "%s%s%s", text, *details ? "; " : "", details);
	assert(to.error);
	return frame(&to, arena);
}

static struct bytes answer_output(const char *json, int exit_code, struct arena *arena)
{
	Weft__Local__Answer to = WEFT__LOCAL__ANSWER__INIT;
	char *line = arena_printf(arena, "%s\n", json);

	assert(line);
	to.version = LOCAL_VERSION;
	to.exit_code = exit_code;
	to.output = give_bytes(line, strlen(line));
	return frame(&to, arena);
}

static struct bytes refuse_cni(const struct local_request *request, unsigned code, const char *text,
			       const char *details, struct arena *arena)
{
	char *say = arena_strdup(arena, text), *do_what = arena_strdup(arena, details);

	assert(say && do_what);
	if (request->request.type == REQUEST_DEL) {
		cni_avoid_swallowed_words(say);
		cni_avoid_swallowed_words(do_what);
	}
	return answer_output(cni_error_encode(request->cni_version, code, say, do_what, arena), 1,
			     arena);
}

static bool is_cni(const struct local_request *request)
{
	return !request->plain &&
	       (request->request.type == REQUEST_ADD || request->request.type == REQUEST_DEL);
}

static struct bytes refuse(const struct local_request *request, unsigned code, const char *text,
			   const char *details, struct arena *arena)
{
	if (is_cni(request))
		return refuse_cni(request, code, text, details, arena);
	return refuse_plainly(text, details, arena);
}

/* Success, with nothing to print. */
static struct bytes answer_done(struct arena *arena)
{
	Weft__Local__Answer to = WEFT__LOCAL__ANSWER__INIT;

	to.version = LOCAL_VERSION;
	return frame(&to, arena);
}

static struct bytes answer_result(const struct local_request *request, const struct answer *answer,
				  struct arena *arena)
{
	struct cni_result result = {
		.version = request->cni_version,
		.host_if = answer->host_if,
		.pod_if = request->request.pod.ifname,
		.netns = request->request.pod.netns,
		.host_mac = answer->host_mac,
		.pod_mac = answer->pod_mac,
		.ip = answer->ip,
		.gateway = WEFT_POD_GATEWAY,
		.mtu = answer->mtu,
	};

	return answer_output(cni_result_encode(&result, arena), 0, arena);
}

static struct bytes answer_pod(const struct local_request *request, const struct answer *answer,
			       struct arena *arena)
{
	Weft__Local__Answer to = WEFT__LOCAL__ANSWER__INIT;
	Weft__Local__Pod pod = WEFT__LOCAL__POD__INIT;
	const struct pod_request *asked = &request->request.pod;

	to.version = LOCAL_VERSION;
	to.pod = &pod;
	pod.container_id = give_string(asked->container_id);
	pod.ifname = give_string(asked->ifname);
	pod.netns = give_string(asked->netns);
	pod.pod = give_string(asked->pod);
	pod.ip = give_string(text_ip4(TEXT_BUF(IP4), answer->ip));
	pod.host_if = give_string(answer->host_if);
	pod.mac = give_string(text_mac(TEXT_BUF(MAC), answer->pod_mac.b));
	pod.mtu = answer->mtu;
	pod.state = give_string("up");
	return frame(&to, arena);
}

static struct bytes answer_status(const struct local_request *request, const struct answer *answer,
				  struct arena *arena)
{
	Weft__Local__Answer to = WEFT__LOCAL__ANSWER__INIT;

	assert(answer->status);
	to.version = LOCAL_VERSION;
	to.status = status_give(answer->status, &request->asked, arena);
	return frame(&to, arena);
}

static struct bytes answer_kube(const struct platform_answer *from, struct arena *arena)
{
	Weft__Local__Answer to = WEFT__LOCAL__ANSWER__INIT;
	Weft__Local__KubeAnswer kube = WEFT__LOCAL__KUBE_ANSWER__INIT;

	assert(from);
	to.version = LOCAL_VERSION;
	to.kube = &kube;
	kube.uid = give_bytes(&from->uid, sizeof(from->uid));
	kube.name = give_string(from->name);
	kube.cluster = give_bytes_or_none(&from->cluster, sizeof(from->cluster));
	kube.list = from->list;
	kube.wants_founding = from->wants_founding;
	kube.ready = from->ready;
	kube.detail = give_text(from->detail, arena);
	return frame(&to, arena);
}

/* What the core advises is for runtimes; a person has weftctl. */
static struct bytes refuse_duplicate(const struct local_request *request,
				     const struct answer *answer, struct arena *arena)
{
	const struct pod_request *asked = &request->request.pod;
	const char *advice =
		arena_printf(arena,
			     "'weftctl detach %s --ifname %s' takes it back, --ifname adds "
			     "another",
			     asked->container_id, asked->ifname);

	assert(advice);
	return refuse_plainly(answer->text, advice, arena);
}

struct bytes local_answer_encode(const struct local_request *request, const struct answer *answer,
				 struct arena *arena)
{
	if (answer->code == ANSWER_DUPLICATE && request->plain)
		return refuse_duplicate(request, answer, arena);
	if (answer->code != ANSWER_OK)
		return refuse(request, answer->code, answer->text, answer->details, arena);
	switch (request->request.type) {
	case REQUEST_ADD:
		return request->plain ? answer_pod(request, answer, arena)
				      : answer_result(request, answer, arena);
	case REQUEST_STATUS:
		return answer_status(request, answer, arena);
	case REQUEST_PLATFORM:
		return answer_kube(answer->platform, arena);
	case REQUEST_DEL:
	case REQUEST_LEAVE:
	case REQUEST_READY:
		break;
	}
	return answer_done(arena);
}

/* ---- requests */

/* What is decoded: where to put it, and how to say no. */
struct decoding {
	enum local_door door;
	struct local_request *ret;
	struct arena *arena; /* of the answer */
	struct bytes *ret_answer;
	struct err *err;
};

static int turn_away(struct decoding *d, const struct cni_problem *problem)
{
	*d->ret_answer = refuse(d->ret, problem->code, problem->text, problem->details, d->arena);
	return err_set(d->err, EINVAL, "%s%s%s", problem->text, *problem->details ? "; " : "",
		       problem->details);
}

/* Before it is known who asks. */
static int turn_away_stranger(struct decoding *d, const char *text, const char *details)
{
	*d->ret_answer = refuse_plainly(text, details, d->arena);
	return err_set(d->err, EINVAL, "%s; %s", text, details);
}

static void fill_pod(const Weft__Local__Cni *cni, struct pod_request *ret)
{
	strcpy(ret->container_id, cni->container_id);
	strcpy(ret->ifname, cni->ifname);
	/* DEL needs no path, and one that is too long is none that ADD took. */
	if (strlen(cni->netns) <= NETNS_PATH_MAX)
		strcpy(ret->netns, cni->netns);
	cni_args_pod(cni->args, ret->pod, sizeof(ret->pod));
	ret->number = cni->number;
}

static int decode_cni(struct decoding *d, const Weft__Local__Cni *cni)
{
	struct local_request *ret = d->ret;
	struct cni_problem problem = { 0 };
	struct cni_config config;
	struct cni_env env = { cni->command, cni->container_id, cni->netns, cni->ifname,
			       cni->plain };
	struct bytes json = { cni->config.data, cni->config.len };
	bool add = strcmp(cni->command, "ADD") == 0, good;

	ret->plain = cni->plain;
	ret->request.type = add ? REQUEST_ADD : REQUEST_DEL;
	if (!cni_check_env(&env, &problem))
		return turn_away(d, &problem);
	if (!cni->plain) {
		good = cni_config_decode(json, add, &config, &problem);
		strcpy(ret->cni_version, config.version);
		if (!good)
			return turn_away(d, &problem);
	}
	if (strlen(cni->container_id) > CONTAINER_ID_MAX) {
		*d->ret_answer = answer_done(d->arena);
		return -EALREADY;
	}
	ret->wants_fds = add;
	fill_pod(cni, &ret->request.pod);
	return 0;
}

static bool take_node(const Weft__Local__KubeNode *from, struct platform_node *ret, struct err *err)
{
	*ret = (struct platform_node){ .gone = from->gone };
	if (!take_name(from->name, "KubeNode.name", ret->name, err))
		return false;
	if (strlen(from->uid) > NODE_REF_MAX)
		return err_set(err, EINVAL, "KubeNode.uid is too long"), false;
	strcpy(ret->ref, from->uid);
	return !from->address[0] || text_parse_ip4(from->address, &ret->ip, err) == 0;
}

static bool take_news(struct decoding *d, const Weft__Local__Kube *from, struct platform_news *ret,
		      struct err *err)
{
	struct platform_founding *founding = give_room(d->arena, 1, sizeof(*founding));
	struct platform_node *nodes =
		give_room(d->arena, from->n_nodes + 1, sizeof(struct platform_node));

	*ret = (struct platform_news){ .list = from->list,
				       .first = from->first,
				       .last = from->last,
				       .n = from->n_nodes,
				       .nodes = nodes };
	for (size_t i = 0; i < from->n_nodes; i++)
		if (!take_node(from->nodes[i], &nodes[i], err))
			return false;
	if (!take_text(from->trouble, "Kube.trouble", ret->trouble, TEXT_LEN_MAX, err))
		return false;
	if (!from->founding)
		return true;
	ret->founding = founding;
	return take_bytes(&from->founding->cluster, "Founding.cluster", &founding->cluster,
			  sizeof(founding->cluster), err) &&
	       take_uid(&from->founding->founder, "Founding.founder", &founding->founder, err) &&
	       take_name(from->founding->node, "Founding.node", founding->node, err);
}

static int decode_kube(struct decoding *d, const Weft__Local__Request *from)
{
	struct platform_news *news = give_room(d->arena, 1, sizeof(*news));
	struct err why = { 0 };

	if (from->what_case != WEFT__LOCAL__REQUEST__WHAT_KUBE)
		return turn_away_stranger(d, "this socket is weft-kube's alone",
					  "root asks at weft.sock");
	d->ret->request.type = REQUEST_PLATFORM;
	d->ret->request.platform = news;
	if (take_news(d, from->kube, news, &why))
		return 0;
	return turn_away_stranger(d, "what the platform says cannot be read", why.text);
}

static int decode_what(struct decoding *d, const Weft__Local__Request *from)
{
	if (d->door == LOCAL_DOOR_KUBE)
		return decode_kube(d, from);
	switch (from->what_case) {
	case WEFT__LOCAL__REQUEST__WHAT_CNI:
		return decode_cni(d, from->cni);
	case WEFT__LOCAL__REQUEST__WHAT_STATUS:
		d->ret->request.type = REQUEST_STATUS;
		d->ret->asked = (struct status_asked){ from->status->peers, from->status->blocks,
						       from->status->pods };
		return 0;
	case WEFT__LOCAL__REQUEST__WHAT_LEAVE:
		d->ret->request.type = REQUEST_LEAVE;
		if (from->leave->confirmed)
			return 0;
		return turn_away_stranger(d, "leaving was not confirmed",
					  "it gives up this node's addresses for good");
	default: /* generated enum: none, or one from the future */
		return turn_away_stranger(d, "this agent does not know that question",
					  "agent and client should be of one version");
	}
}

int local_request_decode(enum local_door door, struct bytes frame, struct arena *arena,
			 struct local_request *ret, struct bytes *ret_answer, struct err *err)
{
	struct decoding d = { door, ret, arena, ret_answer, err };
	const Weft__Local__Request *from = NULL;
	struct arena unpacked;
	struct err why = { 0 };
	int result;

	memset(ret, 0, sizeof(*ret));
	*err = (struct err){ 0 };
	arena_init(&unpacked, ARENA_MAX);
	if (frame.len > LOCAL_REQUEST_MAX)
		err_set(&why, EMSGSIZE, "it has %zu bytes, at most %d are allowed", frame.len,
			LOCAL_REQUEST_MAX);
	else
		from = unpack(&weft__local__request__descriptor, &limits, frame, &unpacked, &why);
	if (from)
		result = decode_what(&d, from);
	else
		result = turn_away_stranger(&d, "the question cannot be read", why.text);
	arena_done(&unpacked);
	return result;
}
