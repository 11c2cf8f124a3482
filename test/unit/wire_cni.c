/* The CNI contract, rule by rule: ENV, CFG, RES and ERR of the notes. */
#include "wire/cni.h"

#include "weft/limits.h"
#include "wire/json.h"

#include "check.h"
#include "cni_configs.h"

/* ---- environment */

static struct cni_env env_of(const char *command)
{
	return (struct cni_env){ command, "0123abcd", "/var/run/netns/x", "eth0", false };
}

static void env_good(const struct cni_env *env)
{
	struct cni_problem problem = { 0 };

	if (!CHECK(cni_check_env(env, &problem)))
		printf("  %s; %s\n", problem.text, problem.details);
}

static void env_bad(const struct cni_env *env, const char *text)
{
	struct cni_problem problem = { 0 };

	CHECK(!cni_check_env(env, &problem));
	CHECK_INT(problem.code, 4);
	CHECK_STR(problem.text, text);
}

static void commands(void)
{
	struct cni_env env = env_of("ADD");

	env_good(&env);
	env = env_of("DEL");
	env_good(&env);
	env = env_of("add");
	env_bad(&env, "unknown CNI_COMMAND: add");
	env = env_of("");
	env_bad(&env, "unknown CNI_COMMAND: ");
}

/* ENV3: all that are missing, in one message */
static void missing_variables(void)
{
	struct cni_env env = { "ADD", "", "", "", false };

	env_bad(&env, "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME] missing");
	env.command = "DEL";
	env_bad(&env, "required env variables [CNI_CONTAINERID,CNI_IFNAME] missing");
	env.ifname = "eth0";
	env_bad(&env, "required env variables [CNI_CONTAINERID] missing");
	env.container_id = "a";
	env_good(&env); /* DEL needs no namespace */
	env.command = "ADD";
	env_bad(&env, "required env variables [CNI_NETNS] missing");
	env.plain = true;
	env.ifname = "";
	env_bad(&env, "required options [NETNS,--ifname] missing");
}

/* ENV5 */
static void container_ids(void)
{
	static const char *const wrong[] = { "-a",  ".a",  "_a",  "a/b",     "a+b",
					     "a%b", "a b", "a\n", "\xc3\xa9" };
	struct cni_env env = env_of("ADD");
	char longest[CONTAINER_ID_MAX + 2];

	memset(longest, 'f', sizeof(longest));
	longest[CONTAINER_ID_MAX] = '\0';
	env.container_id = "default-pod_1.x";
	env_good(&env);
	env.container_id = "0";
	env_good(&env);
	env.container_id = longest;
	env_good(&env);
	longest[CONTAINER_ID_MAX] = 'f';
	longest[CONTAINER_ID_MAX + 1] = '\0';
	env_bad(&env, "CNI_CONTAINERID has 201 characters, at most 200 are allowed");
	env.command = "DEL";
	env_good(&env); /* there is nothing to undo; local.c answers */
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[64];

		snprintf(text, sizeof(text), "CNI_CONTAINERID '%s' is no container id", wrong[i]);
		env.container_id = wrong[i];
		env_bad(&env, text);
	}
}

/* ENV6 */
static void interface_names(void)
{
	static const char *const right[] = { "e",   "eth0",        "0123456789abcde", "a.b",
					     "...", "\xc3\xa9th0", "\xe2\x82\xac" };
	static const struct {
		const char *name, *fault;
	} wrong[] = {
		{ "0123456789abcdef", "is longer than 15 bytes" },
		{ ".", "is a directory's name" },
		{ "..", "is a directory's name" },
		{ "a/b", "has '/' or ':' in it" },
		{ "a:b", "has '/' or ':' in it" },
		{ "eth%d", "has '%' in it" },
		{ "eth 0", "has white space or a control character in it" },
		{ "eth\t", "has white space or a control character in it" },
		{ "\x7f", "has white space or a control character in it" },
		{ "a\xc2\xa0", "has white space in it" },
		{ "a\xc2\x85", "has white space in it" },
		{ "a\xe2\x80\x89", "has white space in it" },
		{ "a\xe3\x80\x80", "has white space in it" },
		{ "\xc3\xa0", "has white space in it" }, /* the kernel's isspace(0xa0) */
	};
	struct cni_env env = env_of("ADD");

	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		env.ifname = right[i];
		env_good(&env);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[128];

		snprintf(text, sizeof(text), "CNI_IFNAME '%s' %s", wrong[i].name, wrong[i].fault);
		env.ifname = wrong[i].name;
		env_bad(&env, text);
	}
}

static void paths(void)
{
	struct cni_env env = env_of("ADD");
	char path[NETNS_PATH_MAX + 2];

	memset(path, 'x', sizeof(path));
	path[NETNS_PATH_MAX] = '\0';
	env.netns = path;
	env_good(&env);
	path[NETNS_PATH_MAX] = 'x';
	path[NETNS_PATH_MAX + 1] = '\0';
	env_bad(&env, "CNI_NETNS is a path of 256 characters, at most 255 are allowed");
	env.command = "DEL";
	env_good(&env);
}

/* ---- configuration */

static void config_good(const char *json, bool add, const char *version, const char *name)
{
	struct cni_problem problem = { 0 };
	struct cni_config config;

	if (!CHECK(cni_config_decode((struct bytes){ (const uint8_t *)json, strlen(json) }, add,
				     &config, &problem)))
		printf("  %s; %s\n", problem.text, problem.details);
	CHECK_STR(config.version, version);
	CHECK_STR(config.name, name);
}

static void config_bad(const char *json, int code, const char *text, const char *details)
{
	struct cni_problem problem = { 0 };
	struct cni_config config;

	if (!CHECK(!cni_config_decode((struct bytes){ (const uint8_t *)json, strlen(json) }, true,
				      &config, &problem)))
		printf("  accepted %s\n", json);
	CHECK_INT(problem.code, code);
	CHECK_STR(problem.text, text);
	if (details)
		CHECK_STR(problem.details, details);
}

static void real_configs(void)
{
	config_good(containerd_add, true, "1.0.0", "weft");
	config_good(containerd_del, false, "0.4.0", "weft");
	config_good(podman_add, true, "1.1.0", "lab.net_1-x");
}

/* CFG2 */
static void malformed(void)
{
	static const char *const wrong[] = { "", "{", "garbage", "{\"name\":\"a\"} trailing" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct cni_problem problem = { 0 };
		struct cni_config config;

		CHECK(!cni_config_decode((struct bytes){ (const uint8_t *)wrong[i],
							 strlen(wrong[i]) },
					 true, &config, &problem));
		CHECK_INT(problem.code, 6);
		CHECK(strstr(problem.text, "error parsing the configuration on stdin: "));
		CHECK_STR(config.version, "1.1.0");
	}
	config_bad("[]", 6, "the configuration on stdin is no JSON object", "");
	config_bad("null", 6, "the configuration on stdin is no JSON object", "");
	config_bad("{\"cniVersion\":1,\"name\":\"a\"}", 6, "cniVersion is no string", "");
	config_bad("{\"cniVersion\":\"1.0.0\",\"name\":{}}", 6, "name is no string", "");
}

/* CFG3 */
static void names(void)
{
	config_bad("{\"cniVersion\":\"1.0.0\"}", 7, "missing network name", NULL);
	config_bad("{\"cniVersion\":\"1.0.0\",\"name\":\"\"}", 7, "missing network name", NULL);
	config_bad("{\"cniVersion\":\"1.0.0\",\"name\":null}", 7, "missing network name", NULL);
	config_bad("{\"cniVersion\":\"1.0.0\",\"name\":\"a b\"}", 7, "invalid network name 'a b'",
		   NULL);
	config_bad("{\"cniVersion\":\"1.0.0\",\"name\":\"-a\"}", 7, "invalid network name '-a'",
		   NULL);
	config_good("{\"cniVersion\":\"1.0.0\",\"name\":\"\\u0061\"}", true, "1.0.0", "a");
}

/* CFG4, CFG5 */
static void configured_versions(void)
{
	static const char *const wrong[] = { "0.1.0",  "0.3.1", "1.0",   "1.1", "1.0.0 ",
					     "v1.0.0", "2.0.0", "1.1.1", "x.y" };
	char json[128], details[128];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(json, sizeof(json), "{\"cniVersion\":\"%s\",\"name\":\"a\"}", wrong[i]);
		snprintf(details, sizeof(details),
			 "config is \"%s\", plugin supports [\"0.4.0\" \"1.0.0\" \"1.1.0\"]",
			 wrong[i]);
		config_bad(json, 1, "incompatible CNI versions", details);
	}
	config_bad("{\"name\":\"a\"}", 1, "incompatible CNI versions",
		   "config is \"0.1.0\", plugin supports [\"0.4.0\" \"1.0.0\" \"1.1.0\"]");
	config_bad("{\"cniVersion\":\"\",\"name\":\"a\"}", 1, "incompatible CNI versions",
		   "config is \"0.1.0\", plugin supports [\"0.4.0\" \"1.0.0\" \"1.1.0\"]");
	config_bad("{\"cniVersion\":null,\"name\":\"a\"}", 1, "incompatible CNI versions", NULL);
	/* CFG14: the last one counts */
	config_good("{\"cniVersion\":\"9\",\"name\":\"a\",\"name\":\"b\",\"cniVersion\":\"0.4.0\"}",
		    true, "0.4.0", "b");
}

/* PREV1, CFG12 */
static void nothing_is_dropped_in_silence(void)
{
	config_bad("{\"cniVersion\":\"1.0.0\",\"name\":\"a\",\"prevResult\":{}}", 7,
		   "another plugin has made an interface already (prevResult)",
		   "make weft the first plugin of the network's list");
	config_bad("{\"cniVersion\":\"1.0.0\",\"name\":\"a\",\"ipam\":{\"type\":\"host-local\"}}",
		   7, "weft gives addresses itself, it does not ask 'host-local'",
		   "remove ipam from the network's configuration");
	config_bad("{\"cniVersion\":\"1.0.0\",\"name\":\"a\",\"ipam\":{\"type\":7}}", 7,
		   "weft gives addresses itself, it does not ask 'ipam.type'", NULL);
	config_good("{\"cniVersion\":\"1.0.0\",\"name\":\"a\",\"prevResult\":null}", true, "1.0.0",
		    "a");
	config_good("{\"cniVersion\":\"1.0.0\",\"name\":\"a\",\"ipam\":{\"type\":\"weft\"}}", true,
		    "1.0.0", "a");
	config_good("{\"cniVersion\":\"1.0.0\",\"name\":\"a\",\"ipam\":{\"type\":\"\"}}", true,
		    "1.0.0", "a");
	/* DEL cleans up whatever the configuration has become */
	config_good("{\"cniVersion\":\"1.0.0\",\"name\":\"a\",\"ipam\":{\"type\":\"dhcp\"}}", false,
		    "1.0.0", "a");
}

/* CFG11 */
static void sizes(void)
{
	static const char head[] = "{\"cniVersion\":\"1.0.0\",\"name\":\"a\",\"x\":\"";
	char *json = malloc(WEFT_CONFIG_MAX + 2);

	memset(json, 'y', WEFT_CONFIG_MAX + 1);
	memcpy(json, head, sizeof(head) - 1);
	memcpy(json + WEFT_CONFIG_MAX - 2, "\"}", 3);
	config_good(json, true, "1.0.0", "a");
	memcpy(json + WEFT_CONFIG_MAX - 2, "y\"}", 4);
	config_bad(json, 7, "the configuration has 1048577 bytes, at most 1048576 are allowed", "");
	free(json);
}

/* ---- CNI_ARGS */

static void args(const char *given, const char *expected)
{
	char pod[POD_NAME_MAX + 1];

	cni_args_pod(given, pod, sizeof(pod));
	CHECK_STR(pod, expected);
}

static void pods_from_args(void)
{
	char small[8];

	args("IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;"
	     "K8S_POD_INFRA_CONTAINER_ID=ab;K8S_POD_UID=1-2",
	     "default/web-0");
	args("K8S_POD_NAME=web-0;K8S_POD_NAMESPACE=default;IgnoreUnknown=1", "default/web-0");
	args("K8S_POD_NAME=old;K8S_POD_NAME=new", "new");
	args("K8S_POD_NAMESPACE=only", "only");
	args("", "");
	args(";;=;K8S_POD_NAME;K8S_POD_NAMEX=1;K8S_POD_NAME=", "");
	args("K8S_POD_NAME=a=b", "a=b");
	args("K8S_POD_NAME=a\nb\x1b[2J", "a?b?[2J");
	cni_args_pod("K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0", small, sizeof(small));
	CHECK_STR(small, "default");
}

/* ---- results and errors */

static struct cni_result some_result(const char *version)
{
	return (struct cni_result){ .version = version,
				    .host_if = "wf0123456789ab",
				    .pod_if = "eth0",
				    .netns = "/var/run/netns/\"odd\\\x01",
				    .host_mac = { { 2, 0, 0, 0, 0, 1 } },
				    .pod_mac = { { 2, 0, 0, 0, 0, 2 } },
				    .ip = 0x0a200002,
				    .gateway = 0xa9fe0101,
				    .mtu = 1450 };
}

/* RES, whole: also what is not printed for an older version. */
static void results(void)
{
	static const char v040[] =
		"{\"cniVersion\":\"0.4.0\",\"interfaces\":[{\"name\":\"wf0123456789ab\","
		"\"mac\":\"02:00:00:00:00:01\"},{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:02\","
		"\"sandbox\":\"/var/run/netns/\\\"odd\\\\\\u0001\"}],\"ips\":[{\"version\":\"4\","
		"\"address\":\"10.32.0.2/32\",\"gateway\":\"169.254.1.1\",\"interface\":1}],"
		"\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"169.254.1.1\"}],\"dns\":{}}";
	static const char v100[] =
		"{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"wf0123456789ab\","
		"\"mac\":\"02:00:00:00:00:01\"},{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:02\","
		"\"sandbox\":\"/var/run/netns/\\\"odd\\\\\\u0001\"}],\"ips\":[{"
		"\"address\":\"10.32.0.2/32\",\"gateway\":\"169.254.1.1\",\"interface\":1}],"
		"\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"169.254.1.1\"}],\"dns\":{}}";
	static const char v110[] =
		"{\"cniVersion\":\"1.1.0\",\"interfaces\":[{\"name\":\"wf0123456789ab\","
		"\"mac\":\"02:00:00:00:00:01\",\"mtu\":1450},{\"name\":\"eth0\","
		"\"mac\":\"02:00:00:00:00:02\",\"mtu\":1450,"
		"\"sandbox\":\"/var/run/netns/\\\"odd\\\\\\u0001\"}],\"ips\":[{"
		"\"address\":\"10.32.0.2/32\",\"gateway\":\"169.254.1.1\",\"interface\":1}],"
		"\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"169.254.1.1\"}],\"dns\":{}}";
	static const struct {
		const char *version, *json;
	} cases[] = { { "0.4.0", v040 }, { "1.0.0", v100 }, { "1.1.0", v110 } };
	struct arena arena;

	arena_init(&arena, ARENA_UNLIMITED);
	for (size_t i = 0; i < 3; i++) {
		struct cni_result result = some_result(cases[i].version);

		CHECK_STR(cni_result_encode(&result, &arena), cases[i].json);
	}
	arena_done(&arena);
}

/* ERR1 */
static void errors(void)
{
	struct arena arena;

	arena_init(&arena, ARENA_UNLIMITED);
	CHECK_STR(cni_error_encode("0.4.0", 11, "no \"block\"", "wait", &arena),
		  "{\"cniVersion\":\"0.4.0\",\"code\":11,\"msg\":\"no \\\"block\\\"\","
		  "\"details\":\"wait\"}");
	CHECK_STR(cni_error_encode("", 100, "x", "", &arena),
		  "{\"cniVersion\":\"1.1.0\",\"code\":100,\"msg\":\"x\"}");
	arena_done(&arena);
}

/* ERR6 */
static void swallowed_words(void)
{
	char text[] = "link not found: No such file or directory, Not Found";

	cni_avoid_swallowed_words(text);
	CHECK_STR(text, "link missing: the path is missing, missing");
	strcpy(text, "nothing to see");
	cni_avoid_swallowed_words(text);
	CHECK_STR(text, "nothing to see");
}

int main(void)
{
	RUN(commands);
	RUN(missing_variables);
	RUN(container_ids);
	RUN(interface_names);
	RUN(paths);
	RUN(real_configs);
	RUN(malformed);
	RUN(names);
	RUN(configured_versions);
	RUN(nothing_is_dropped_in_silence);
	RUN(sizes);
	RUN(pods_from_args);
	RUN(results);
	RUN(errors);
	RUN(swallowed_words);
	return check_report();
}
