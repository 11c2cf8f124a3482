/*
 * What people must know of the platform: asked for by report.c, worked out when it is asked for, so
 * a warning ends with its reason. None of it makes the node less ready.
 */
#include <stdlib.h>

#include "core/platform.h"
#include "core/state.h"

static const char *warn_of_silence(struct core *core)
{
	const struct platform *platform = &core->platform;
	struct instant since = platform->told ? platform->told_at : core->started_at;
	int64_t silent_s = instant_diff_ms(core->out.now, since) / 1000;

	if (silent_s < PLATFORM_SILENCE_MS / 1000)
		return NULL;
	return out_text(&core->out,
			"weft-kube, which runs beside this agent, has said nothing for %lld %s: "
			"traffic goes on, new nodes are not noticed; see whether it runs, and its "
			"log",
			(long long)(silent_s < 120 ? silent_s : silent_s / 60),
			silent_s < 120 ? "s" : "min");
}

static const char *warn_of_trouble(struct core *core)
{
	if (!core->platform.trouble[0])
		return NULL;
	return out_text(&core->out,
			"weft-kube: %s (meanwhile traffic goes on; new nodes may not be noticed)",
			core->platform.trouble);
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted. */
static const char **member_names(struct core *core, size_t *ret_n)
{
	const struct members *members = &core->members;
	const char **names = out_alloc(&core->out, (members->n + 1) * sizeof(*names));
	size_t n = 0;

	for (size_t i = 0; i < members->n; i++)
		if (members->slots[i]->version)
			names[n++] = members->slots[i]->body.name;
	qsort(names, n, sizeof(*names), name_cmp);
	*ret_n = n;
	return names;
}

static const char *warn_of_nodes(struct core *core)
{
	const struct platform_list *list = &core->platform.whole;
	struct instant old = instant_add_ms(core->out.now, -PLATFORM_NEW_MS);
	size_t n_members, n = 0, total = list->n + list->has_self;
	const char **members = member_names(core, &n_members);
	const char *names = "";

	for (size_t i = 0; i < list->n; i++) {
		const struct platform_place *place = &list->nodes[i];

		if (instant_after(place->since, old) ||
		    bsearch(&place->name, members, n_members, sizeof(*members), name_cmp))
			continue;
		if (n++ < PLATFORM_NAMED)
			names = out_text(&core->out, "%s%s%s", names, *names ? ", " : "",
					 place->name);
	}
	if (!n)
		return NULL;
	if (n > PLATFORM_NAMED)
		names = out_text(&core->out, "%s and %zu more", names, n - PLATFORM_NAMED);
	return out_text(&core->out,
			"Kubernetes lists %zu node%s; no agent is known of: %s; no pod gets an "
			"address there: see whether Weft's own pod runs there, and whether its TCP "
			"port %u can be reached",
			total, total == 1 ? "" : "s", names, core->settings.port);
}

static const char *warn_of_length(struct core *core)
{
	if (!core->platform.whole.overfull)
		return NULL;
	return out_text(&core->out,
			"Kubernetes lists more than %d other nodes, which is more than Weft can "
			"serve: the rest is not looked for; delete Nodes that are no more",
			PLATFORM_NODES_MAX);
}

size_t platform_warnings(struct core *core, const char *ret[static PLATFORM_WARNINGS_MAX])
{
	size_t n = 0;

	if (!core->settings.platform)
		return 0;
	ret[n] = warn_of_silence(core);
	if (!ret[n]) /* what it said last may be over since */
		ret[n] = warn_of_trouble(core);
	n += ret[n] != NULL;
	ret[n] = warn_of_nodes(core);
	n += ret[n] != NULL;
	ret[n] = warn_of_length(core);
	return n + (ret[n] != NULL);
}
