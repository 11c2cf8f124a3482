#include "wire/cni.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "weft/limits.h"
#include "wire/json.h"

static const char *const versions[] = { "0.4.0", "1.0.0", "1.1.0" };

_Static_assert((int)CNI_IFNAME_LEN_MAX == (int)IFNAME_LEN_MAX, "what CNI lets pass has room");

enum { N_VERSIONS = sizeof(versions) / sizeof(versions[0]) };

static bool fail(struct cni_problem *problem, enum cni_code code, const char *details,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));

static bool fail(struct cni_problem *problem, enum cni_code code, const char *details,
		 const char *format, ...)
{
	va_list args;

	problem->code = code;
	(void)snprintf(problem->details, sizeof(problem->details), "%s", details);
	va_start(args, format);
	(void)vsnprintf(problem->text, sizeof(problem->text), format, args);
	va_end(args);
	return false;
}

/* ---- environment */

struct labels {
	const char *container_id, *netns, *ifname;
};

static const struct labels *labels_of(const struct cni_env *env)
{
	static const struct labels cni = { "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME" };
	static const struct labels weftctl = { "--id", "NETNS", "--ifname" };

	return env->plain ? &weftctl : &cni;
}

static void add_missing(char *missing, size_t cap, const char *value, const char *label)
{
	size_t len = strlen(missing);

	if (*value == '\0')
		(void)snprintf(missing + len, cap - len, "%s%s", len ? "," : "", label);
}

/* All that are missing in one sentence: nobody should find them one by one. */
static bool check_present(const struct cni_env *env, bool add, struct cni_problem *problem)
{
	const struct labels *labels = labels_of(env);
	char missing[64] = "";

	add_missing(missing, sizeof(missing), env->container_id, labels->container_id);
	if (add)
		add_missing(missing, sizeof(missing), env->netns, labels->netns);
	add_missing(missing, sizeof(missing), env->ifname, labels->ifname);
	return !*missing || fail(problem, CNI_BAD_ENVIRONMENT, "", "required %s [%s] missing",
				 env->plain ? "options" : "env variables", missing);
}

bool cni_check_env(const struct cni_env *env, struct cni_problem *ret_problem)
{
	const struct labels *labels = labels_of(env);
	bool add = strcmp(env->command, "ADD") == 0;
	const char *fault;

	if (!add && strcmp(env->command, "DEL") != 0)
		return fail(ret_problem, CNI_BAD_ENVIRONMENT, "this agent does ADD and DEL",
			    "unknown CNI_COMMAND: %.40s", env->command);
	if (!check_present(env, add, ret_problem))
		return false;
	if (!cni_is_name(env->container_id))
		return fail(ret_problem, CNI_BAD_ENVIRONMENT,
			    "it begins with a letter or digit and goes on with letters, digits, "
			    "'_', '.' or '-'",
			    "%s '%.150s' is no container id", labels->container_id,
			    env->container_id);
	fault = cni_ifname_fault(env->ifname);
	if (fault)
		return fail(ret_problem, CNI_BAD_ENVIRONMENT,
			    "choose another name for the interface", "%s '%.100s' %s",
			    labels->ifname, env->ifname, fault);
	/* DEL of what ADD can never have made is done already: local.c says so. */
	if (add && strlen(env->container_id) > CONTAINER_ID_MAX)
		return fail(ret_problem, CNI_BAD_ENVIRONMENT, "",
			    "%s has %zu characters, at most %d are allowed", labels->container_id,
			    strlen(env->container_id), CONTAINER_ID_MAX);
	if (add && strlen(env->netns) > NETNS_PATH_MAX)
		return fail(ret_problem, CNI_BAD_ENVIRONMENT, "",
			    "%s is a path of %zu characters, at most %d are allowed", labels->netns,
			    strlen(env->netns), NETNS_PATH_MAX);
	return true;
}

/* ---- configuration */

/* Exactly one of ours: "1.0" is not "1.0.0". */
static bool take_version(const cJSON *config, struct cni_config *ret, struct cni_problem *problem)
{
	const cJSON *member = json_member(config, "cniVersion");
	const char *said = "0.1.0"; /* what absent and empty mean */
	char details[TEXT_LEN_MAX + 1];

	if (member && !cJSON_IsString(member))
		return fail(problem, CNI_BAD_JSON, "", "cniVersion is no string");
	if (member && *member->valuestring)
		said = member->valuestring;
	for (size_t i = 0; i < N_VERSIONS; i++)
		if (strcmp(said, versions[i]) == 0) {
			(void)snprintf(ret->version, sizeof(ret->version), "%s", said);
			return true;
		}
	(void)snprintf(details, sizeof(details),
		       "config is \"%.32s\", plugin supports [\"%s\" \"%s\" \"%s\"]", said,
		       versions[0], versions[1], versions[2]);
	return fail(problem, CNI_INCOMPATIBLE, details, "incompatible CNI versions");
}

static bool take_name(const cJSON *config, struct cni_config *ret, struct cni_problem *problem)
{
	const cJSON *name = json_member(config, "name");

	if (name && !cJSON_IsString(name))
		return fail(problem, CNI_BAD_JSON, "", "name is no string");
	if (!name || !*name->valuestring)
		return fail(problem, CNI_BAD_CONFIG, "name the network in its configuration",
			    "missing network name");
	if (!cni_is_name(name->valuestring) || strlen(name->valuestring) > NAME_LEN_MAX)
		return fail(problem, CNI_BAD_CONFIG,
			    "it begins with a letter or digit and goes on with letters, digits, "
			    "'_', '.' or '-', 253 at most",
			    "invalid network name '%.100s'", name->valuestring);
	strcpy(ret->name, name->valuestring);
	return true;
}

/* Nothing is dropped in silence: whoever asks for it would look for it. */
static bool check_add(const cJSON *config, struct cni_problem *problem)
{
	const cJSON *ipam = json_member(json_member(config, "ipam"), "type");

	if (json_member(config, "prevResult"))
		return fail(problem, CNI_BAD_CONFIG,
			    "make weft the first plugin of the network's list",
			    "another plugin has made an interface already (prevResult)");
	if (!ipam || (cJSON_IsString(ipam) &&
		      (!*ipam->valuestring || strcmp(ipam->valuestring, "weft") == 0)))
		return true;
	return fail(problem, CNI_BAD_CONFIG, "remove ipam from the network's configuration",
		    "weft gives addresses itself, it does not ask '%.60s'",
		    cJSON_IsString(ipam) ? ipam->valuestring : "ipam.type");
}

bool cni_config_decode(struct bytes json, bool add, struct cni_config *ret,
		       struct cni_problem *ret_problem)
{
	struct err why = { 0 };
	cJSON *config;
	bool good;

	*ret = (struct cni_config){ 0 };
	strcpy(ret->version, CNI_VERSION_NEWEST);
	if (json.len > WEFT_CONFIG_MAX)
		return fail(ret_problem, CNI_BAD_CONFIG, "",
			    "the configuration has %zu bytes, at most %d are allowed", json.len,
			    WEFT_CONFIG_MAX);
	config = json_parse(json, &why);
	if (!config)
		return fail(ret_problem, CNI_BAD_JSON, "",
			    "error parsing the configuration on stdin: %.150s", why.text);
	if (cJSON_IsObject(config))
		good = take_name(config, ret, ret_problem) &&
		       take_version(config, ret, ret_problem) &&
		       (!add || check_add(config, ret_problem));
	else
		good = fail(ret_problem, CNI_BAD_JSON, "",
			    "the configuration on stdin is no JSON object");
	cJSON_Delete(config);
	return good;
}

/* ---- CNI_ARGS */

static void copy_printable(char *to, size_t cap, const char *from, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < cap; i++)
		to[n++] = from[i] > ' ' && from[i] <= '~' ? from[i] : '?';
	to[n] = '\0';
}

static void note_pair(const char *pair, size_t len, const char *key, char *ret, size_t cap)
{
	size_t key_len = strlen(key);

	if (len > key_len && memcmp(pair, key, key_len) == 0 && pair[key_len] == '=')
		copy_printable(ret, cap, pair + key_len + 1, len - key_len - 1);
}

void cni_args_pod(const char *args, char *ret, size_t cap)
{
	char namespace[POD_NAME_MAX + 1] = "", name[POD_NAME_MAX + 1] = "";

	while (*args) {
		size_t len = strcspn(args, ";");

		note_pair(args, len, "K8S_POD_NAMESPACE", namespace, sizeof(namespace));
		note_pair(args, len, "K8S_POD_NAME", name, sizeof(name));
		args += len + (args[len] == ';');
	}
	(void)snprintf(ret, cap, "%s%s%s", namespace, *namespace && *name ? "/" : "", name);
}

/* ---- result and error */

static void add(cJSON *object, const char *name, cJSON *value)
{
	bool added = cJSON_AddItemToObject(object, name, value);

	assert(added); /* out of memory otherwise */
}

static void append(cJSON *array, cJSON *value)
{
	bool added = cJSON_AddItemToArray(array, value);

	assert(added);
}

static void add_string(cJSON *object, const char *name, const char *text)
{
	add(object, name, cJSON_CreateString(text));
}

static cJSON *interface(const struct cni_result *result, const char *name, const struct mac *mac,
			const char *sandbox)
{
	cJSON *json = cJSON_CreateObject();

	add_string(json, "name", name);
	add_string(json, "mac", text_mac(TEXT_BUF(MAC), mac->b));
	if (strcmp(result->version, "1.1.0") == 0)
		add(json, "mtu", cJSON_CreateNumber(result->mtu));
	if (sandbox)
		add_string(json, "sandbox", sandbox);
	return json;
}

enum { POD_INTERFACE = 1 }; /* its place below; one that is not there ends containerd */

static cJSON *interfaces(const struct cni_result *result)
{
	cJSON *list = cJSON_CreateArray();

	append(list, interface(result, result->host_if, &result->host_mac, NULL));
	append(list, interface(result, result->pod_if, &result->pod_mac, result->netns));
	return list;
}

static cJSON *ips(const struct cni_result *result)
{
	cJSON *list = cJSON_CreateArray(), *ip = cJSON_CreateObject();

	if (strcmp(result->version, "0.4.0") == 0)
		add_string(ip, "version", "4");
	add_string(ip, "address", text_prefix(TEXT_BUF(PREFIX), result->ip, 32));
	add_string(ip, "gateway", text_ip4(TEXT_BUF(IP4), result->gateway));
	add(ip, "interface", cJSON_CreateNumber(POD_INTERFACE));
	append(list, ip);
	return list;
}

static cJSON *routes(const struct cni_result *result)
{
	cJSON *list = cJSON_CreateArray(), *route = cJSON_CreateObject();

	add_string(route, "dst", "0.0.0.0/0");
	add_string(route, "gw", text_ip4(TEXT_BUF(IP4), result->gateway));
	append(list, route);
	return list;
}

const char *cni_result_encode(const struct cni_result *result, struct arena *arena)
{
	cJSON *json = cJSON_CreateObject();

	add_string(json, "cniVersion", result->version);
	add(json, "interfaces", interfaces(result));
	add(json, "ips", ips(result));
	add(json, "routes", routes(result));
	add(json, "dns", cJSON_CreateObject());
	return json_print(json, arena);
}

const char *cni_error_encode(const char *version, unsigned code, const char *text,
			     const char *details, struct arena *arena)
{
	cJSON *json = cJSON_CreateObject();

	add_string(json, "cniVersion", *version ? version : CNI_VERSION_NEWEST);
	add(json, "code", cJSON_CreateNumber(code));
	add_string(json, "msg", text);
	if (*details)
		add_string(json, "details", details);
	return json_print(json, arena);
}

void cni_avoid_swallowed_words(char *text)
{
	static const struct {
		const char *say, *instead;
	} words[] = {
		{ "not found", "missing" },
		{ "no such file or directory", "the path is missing" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i].say), new_len = strlen(words[i].instead);
		char *at;

		while ((at = strcasestr(text, words[i].say))) {
			memcpy(at, words[i].instead, new_len);
			memmove(at + new_len, at + len, strlen(at + len) + 1);
		}
	}
}

const char *cni_conflist(bool portmap)
{
	/* 1.0.0 is what every runtime that is still maintained speaks. CRI-O asks CHECK after each
	 * ADD, which this plugin cannot answer yet. */
	if (portmap)
		return "{\n"
		       "  \"cniVersion\": \"1.0.0\",\n"
		       "  \"name\": \"weft\",\n"
		       "  \"disableCheck\": true,\n"
		       "  \"plugins\": [\n"
		       "    { \"type\": \"weft\" },\n"
		       "    { \"type\": \"portmap\",\n"
		       "      \"capabilities\": { \"portMappings\": true } }\n"
		       "  ]\n"
		       "}\n";
	return "{\n"
	       "  \"cniVersion\": \"1.0.0\",\n"
	       "  \"name\": \"weft\",\n"
	       "  \"disableCheck\": true,\n"
	       "  \"plugins\": [ { \"type\": \"weft\" } ]\n"
	       "}\n";
}
