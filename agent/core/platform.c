#include "core/platform.h"

#include <stdlib.h>

#include "base/siphash.h"
#include "base/text.h"
#include "base/vec.h"
#include "base/xalloc.h"
#include "core/answers.h"
#include "core/greet.h"
#include "core/state.h"

void platform_init(struct platform *platform)
{
	*platform = (struct platform){ 0 };
}

static void list_done(struct platform_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->nodes[i].name);
	free(list->nodes);
	*list = (struct platform_list){ 0 };
}

void platform_done(struct platform *platform)
{
	list_done(&platform->whole);
	list_done(&platform->arriving);
	platform_init(platform);
}

/* Names are told by a program of ours, so nobody chooses them to collide. */
static uint64_t key_of(const char *name)
{
	static const uint8_t no_secret[16];

	return siphash24(no_secret, name, strlen(name));
}

/* ---- the list of nodes */

static struct platform_place *find(const struct platform_list *list, uint64_t key)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->nodes[i].key == key)
			return &list->nodes[i];
	return NULL;
}

static void take_out(struct platform_list *list, struct platform_place *place)
{
	free(place->name);
	*place = list->nodes[--list->n];
}

/* A list that replaces another one makes no node new. */
static struct instant listed_since(const struct core *core, uint64_t key)
{
	const struct platform_place *place = find(&core->platform.whole, key);

	return place ? place->since : core->out.now;
}

static void leave_out(struct core *core, struct platform_list *list)
{
	if (!list->overfull && !core->platform.whole.overfull)
		out_trace(&core->out, TRACE_WARN,
			  "the API server knows more than %d other nodes -> the rest is not looked "
			  "for",
			  PLATFORM_NODES_MAX);
	list->overfull = true;
}

static void add(struct core *core, struct platform_list *list, const struct platform_node *node)
{
	uint64_t key = key_of(node->name);

	list->nodes = vec_reserve(list->nodes, &list->cap, list->n + 1, sizeof(*list->nodes));
	list->nodes[list->n++] = (struct platform_place){
		.key = key,
		.name = xstrdup(node->name),
		.ip = node->ip,
		.since = listed_since(core, key),
	};
}

static void put(struct core *core, struct platform_list *list, const struct platform_node *node)
{
	struct platform_place *place = find(list, key_of(node->name));

	if (place && node->gone)
		take_out(list, place);
	else if (place)
		place->ip = node->ip;
	else if (!node->gone && list->n == PLATFORM_NODES_MAX)
		leave_out(core, list);
	else if (!node->gone)
		add(core, list, node);
}

static bool is_this_node(const struct core *core, const struct platform_node *node)
{
	return strcmp(node->name, core->settings.name) == 0;
}

/* This node is no place to look for others. */
static void learn_self(struct core *core, struct platform_list *list,
		       const struct platform_node *node)
{
	list->has_self = !node->gone;
	if (!node->gone)
		memcpy(core->platform.own_ref, node->ref, sizeof(node->ref));
}

static void complete_list(struct core *core)
{
	struct platform *platform = &core->platform;
	bool first = platform->whole.number == 0;

	list_done(&platform->whole);
	platform->whole = platform->arriving;
	platform->arriving = (struct platform_list){ 0 };
	if (first)
		platform->asking_since = core->out.now;
	if (first)
		out_trace(&core->out, TRACE_INFO, "the API server knows %zu other node%s%s",
			  platform->whole.n, platform->whole.n == 1 ? "" : "s",
			  core_in_cluster(core) ? "" : " -> asking them for the cluster");
}

/* NULL: of a list whose beginning was told to an earlier life of ours. */
static struct platform_list *list_of(struct platform *platform, const struct platform_news *news)
{
	if (news->list && news->first) {
		list_done(&platform->arriving);
		platform->arriving.number = news->list;
	}
	return news->list == 0                           ? NULL
	       : news->list == platform->arriving.number ? &platform->arriving
	       : news->list == platform->whole.number    ? &platform->whole
							 : NULL;
}

static void take_nodes(struct core *core, const struct platform_news *news)
{
	struct platform_list *list = list_of(&core->platform, news);

	for (size_t i = 0; list && i < news->n; i++) {
		if (is_this_node(core, &news->nodes[i]))
			learn_self(core, list, &news->nodes[i]);
		else
			put(core, list, &news->nodes[i]);
	}
	if (list == &core->platform.arriving && news->last)
		complete_list(core);
}

/* ---- what is told, and what is answered */

static bool is_founder(const struct core *core)
{
	const struct platform *platform = &core->platform;

	return platform->founding_told && uid_eq(&platform->founding.founder, &core->settings.uid);
}

static void take_founding(struct core *core, const struct platform_founding *founding)
{
	struct platform *platform = &core->platform;
	bool known = platform->founding_told &&
		     uid_eq(&platform->founding.founder, &founding->founder) &&
		     uuid_eq(&platform->founding.cluster, &founding->cluster);

	platform->founding = *founding;
	platform->founding_told = true;
	if (known)
		return;
	if (core_in_cluster(core) && !uuid_eq(&core->cluster, &founding->cluster))
		out_trace(&core->out, TRACE_ERR,
			  "the ConfigMap names another cluster, of %s, than this node is in -> no "
			  "new pod here; whichever of the two has less to lose must be given up: "
			  "'weftd --reset' on its nodes, and the ConfigMap if it is that one's",
			  founding->node);
	else if (!core_in_cluster(core) && !is_founder(core)) /* who founds says so (greet.c) */
		out_trace(&core->out, TRACE_INFO,
			  "the ConfigMap names %s as founder -> waiting to reach its cluster",
			  founding->node);
}

/* The list that we hold whole; 0 asks for it again, as there is room now for what was left out. */
static uint64_t list_held(const struct platform_list *whole)
{
	return whole->overfull && whole->n < PLATFORM_NODES_MAX ? 0 : whole->number;
}

static void say_state(struct core *core, uint32_t client)
{
	struct platform_answer *platform = out_alloc(&core->out, sizeof(*platform));
	struct answer *answer = out_alloc(&core->out, sizeof(*answer)), why;

	platform->uid = core->settings.uid;
	memcpy(platform->name, core->settings.name, sizeof(platform->name));
	platform->cluster = core->cluster;
	platform->list = list_held(&core->platform.whole);
	platform->wants_founding = !core_in_cluster(core) && core->platform.whole.number &&
				   dial_platform_asked(core);
	platform->ready = pod_requests_ready(core, &why);
	if (!platform->ready)
		text_line(platform->detail, "%s", why.text);
	answer->client = client;
	answer->platform = platform;
	out_add(&core->out, ACTION_ANSWER)->answer = answer;
}

static void take_trouble(struct core *core, const char trouble[static TEXT_LEN_MAX + 1])
{
	char *before = core->platform.trouble;

	if (strcmp(before, trouble) == 0)
		return;
	if (trouble[0])
		out_trace(&core->out, TRACE_WARN, "weft-kube: %s", trouble);
	else
		out_trace(&core->out, TRACE_INFO,
			  "weft-kube: that is over -> nodes are heard of again");
	memcpy(before, trouble, TEXT_LEN_MAX + 1);
}

void platform_told(struct core *core, const struct request *request)
{
	const struct platform_news *news = request->platform;
	struct platform *platform = &core->platform;

	platform->told = true;
	platform->told_at = core->out.now;
	take_trouble(core, news->trouble);
	take_nodes(core, news);
	if (news->founding)
		take_founding(core, news->founding);
	greet_found(core);
	say_state(core, request->client);
}

const char *platform_node_ref(const struct core *core)
{
	return core->settings.node_ref[0] ? core->settings.node_ref : core->platform.own_ref;
}

const struct uuid *platform_cluster(const struct core *core)
{
	const struct platform *platform = &core->platform;

	return platform->founding_told && !is_founder(core) ? &platform->founding.cluster : NULL;
}

bool platform_is_another(const struct core *core)
{
	const struct platform *platform = &core->platform;

	return core_in_cluster(core) && platform->founding_told &&
	       !uuid_eq(&platform->founding.cluster, &core->cluster);
}

bool platform_lets_found(const struct core *core, struct uuid *ret)
{
	const struct platform *platform = &core->platform;

	if (!is_founder(core) || !platform->whole.number || !dial_platform_asked(core))
		return false;
	*ret = platform->founding.cluster;
	return true;
}

struct instant platform_patience(const struct core *core)
{
	return instant_add_ms(core->platform.asking_since, PLATFORM_WAIT_MS);
}

size_t platform_nodes(const struct core *core)
{
	return core->platform.whole.n;
}

uint32_t platform_node_ip(const struct core *core, size_t i)
{
	uint32_t ip = core->platform.whole.nodes[i].ip;

	return core->underlay.have && ip == core->underlay.ip ? 0 : ip;
}

void platform_waiting_for(const struct core *core, char text[static TEXT_LEN_MAX + 1])
{
	const struct platform *platform = &core->platform;
	const struct platform_founding *founding = &platform->founding;

	if (platform->trouble[0])
		text_line(text, "%s", platform->trouble);
	else if (!platform->told)
		text_line(text, "waiting for weft-kube, which runs beside this agent, to tell of "
				"the cluster's nodes");
	else if (!platform->whole.number)
		text_line(text, "waiting for the API server's list of nodes");
	else if ((!platform->founding_told || is_founder(core)) && !dial_platform_asked(core))
		text_line(text, "asking the cluster's nodes whether there is a Weft cluster; those "
				"that do not answer are waited for, for half a minute");
	else if (!platform->founding_told)
		text_line(text, "waiting for weft-kube to create the ConfigMap that names who "
				"founds the cluster");
	else if (strcmp(founding->node, core->settings.name) == 0)
		text_line(text, "the ConfigMap names an earlier agent of this node as founder, "
				"whose disk is gone: if no node has that cluster, delete the "
				"ConfigMap");
	else if (!find(&platform->whole, key_of(founding->node)))
		text_line(
			text,
			"the ConfigMap names %.80s as founder, and Kubernetes lists no such node: "
			"waiting to reach another that is in that cluster; if none is, delete the "
			"ConfigMap",
			founding->node);
	else
		text_line(text,
			  "%s founds the cluster: waiting to reach it, or another that is "
			  "in it",
			  founding->node);
}
