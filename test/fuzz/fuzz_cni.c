/* CNI's texts: configuration, environment and CNI_ARGS from anybody.
 *
 * Input: the configuration, or with a first byte below 4 (no JSON begins so) three strings that end
 * with a 0 byte: container id, interface and CNI_ARGS. */
#include "wire/cni.h"

#include <stdlib.h>

#include "wire/json.h"

static void must(bool held)
{
	if (!held)
		abort();
}

/* Whatever goes into an error comes out as JSON. */
static void tell(const char *version, const struct cni_problem *problem)
{
	struct arena arena;
	struct err err = { 0 };
	const char *text;
	cJSON *json;

	arena_init(&arena, ARENA_UNLIMITED);
	text = cni_error_encode(version, problem->code, problem->text, problem->details, &arena);
	json = json_parse((struct bytes){ (const uint8_t *)text, strlen(text) }, &err);
	must(json && json_member(json, "code") && json_member(json, "msg"));
	cJSON_Delete(json);
	arena_done(&arena);
}

static void try_config(struct bytes config, bool add)
{
	struct cni_config decoded;
	struct cni_problem problem = { 0 };

	if (!cni_config_decode(config, add, &decoded, &problem)) {
		must(problem.code != CNI_OK && *problem.text);
		tell(decoded.version, &problem);
		return;
	}
	must(strcmp(decoded.version, "0.4.0") == 0 || strcmp(decoded.version, "1.0.0") == 0 ||
	     strcmp(decoded.version, "1.1.0") == 0);
	must(*decoded.name);
}

static const char *take_string(struct reader *r)
{
	const uint8_t *end = r->left ? memchr(r->at, '\0', r->left) : NULL;

	if (!end)
		return "";
	return (const char *)reader_bytes(r, (size_t)(end - r->at) + 1).data;
}

static void tell_result(const struct cni_env *env)
{
	struct cni_result result = {
		.version = "1.1.0", .host_if = "wf0", .pod_if = env->ifname, .netns = env->netns
	};
	struct arena arena;
	struct err err = { 0 };
	const char *text;
	cJSON *json;

	arena_init(&arena, ARENA_UNLIMITED);
	text = cni_result_encode(&result, &arena);
	json = json_parse((struct bytes){ (const uint8_t *)text, strlen(text) }, &err);
	must(json);
	cJSON_Delete(json);
	arena_done(&arena);
}

static void try_environment(struct bytes strings)
{
	struct reader r = reader_of(strings);
	struct cni_env env = { .command = "ADD" };
	struct cni_problem problem = { 0 };
	char pod[POD_NAME_MAX + 1];

	env.container_id = take_string(&r);
	env.ifname = take_string(&r);
	env.netns = take_string(&r);
	cni_args_pod(env.netns, pod, sizeof(pod));
	for (const char *at = pod; *at; at++)
		must(*at > ' ' && *at <= '~');
	if (!cni_check_env(&env, &problem)) {
		must(problem.code == CNI_BAD_ENVIRONMENT);
		tell("", &problem);
		return;
	}
	must(strlen(env.container_id) <= CONTAINER_ID_MAX);
	must(strlen(env.ifname) <= IFNAME_LEN_MAX && !strchr(env.ifname, '/'));
	tell_result(&env);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && data[0] < 4) {
		try_environment((struct bytes){ data + 1, size - 1 });
		return 0;
	}
	try_config((struct bytes){ data, size }, true);
	try_config((struct bytes){ data, size }, false);
	return 0;
}
