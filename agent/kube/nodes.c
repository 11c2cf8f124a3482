#include "kube/nodes.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "base/xalloc.h"

void nodes_init(struct nodes *nodes)
{
	*nodes = (struct nodes){ 0 };
}

void nodes_done(struct nodes *nodes)
{
	for (size_t i = 0; i < nodes->n; i++)
		free(nodes->items[i].name);
	free(nodes->items);
	nodes_init(nodes);
}

/* The place of this name, or where it would be. */
static size_t place_of(const struct nodes *nodes, const char *name)
{
	size_t from = 0, to = nodes->n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (strcmp(nodes->items[middle].name, name) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static bool is_at(const struct nodes *nodes, size_t at, const char *name)
{
	return at < nodes->n && strcmp(nodes->items[at].name, name) == 0;
}

static void mark_untold(struct nodes *nodes, struct node *node)
{
	nodes->n_untold += !node->untold;
	node->untold = true;
}

static enum nodes_change insert(struct nodes *nodes, size_t at, const struct kube_node *from)
{
	if (nodes->n == KUBE_LIST_MAX)
		return NODES_TOO_MANY;
	nodes->items = vec_open_gap(nodes->items, &nodes->cap, nodes->n, at, sizeof(*nodes->items));
	nodes->n++;
	nodes->items[at] = (struct node){
		.name = xstrdup(from->name),
		.address = from->address,
		.network_up = from->network_up,
	};
	strcpy(nodes->items[at].uid, from->uid);
	mark_untold(nodes, &nodes->items[at]);
	return NODES_NEW;
}

enum nodes_change nodes_put(struct nodes *nodes, const struct kube_node *from)
{
	size_t at = place_of(nodes, from->name);
	struct node *node;
	bool new;

	if (from->no_linux) {
		nodes_remove(nodes, from->name, from->uid);
		return NODES_SAME;
	}
	if (!is_at(nodes, at, from->name))
		return insert(nodes, at, from);
	node = &nodes->items[at];
	node->network_up = from->network_up;
	/* Another machine under the same name: the agent sees it by the uid. */
	new = node->gone || strcmp(node->uid, from->uid) != 0;
	if (!new && node->address == from->address)
		return NODES_SAME;
	nodes->n_gone -= node->gone;
	node->gone = false;
	node->address = from->address;
	strcpy(node->uid, from->uid);
	mark_untold(nodes, node);
	return new ? NODES_NEW : NODES_CHANGED;
}

bool nodes_remove(struct nodes *nodes, const char *name, const char *uid)
{
	size_t at = place_of(nodes, name);
	struct node *node;

	if (!is_at(nodes, at, name))
		return false;
	node = &nodes->items[at];
	if (node->gone || strcmp(node->uid, uid) != 0)
		return false;
	node->gone = true;
	nodes->n_gone++;
	mark_untold(nodes, node);
	return true;
}

const struct node *nodes_find(const struct nodes *nodes, const char *name)
{
	size_t at = place_of(nodes, name);

	return is_at(nodes, at, name) && !nodes->items[at].gone ? &nodes->items[at] : NULL;
}

size_t nodes_count(const struct nodes *nodes)
{
	return nodes->n - nodes->n_gone;
}

size_t nodes_next(const struct nodes *nodes, bool untold, size_t *at, const struct node **ret,
		  size_t max)
{
	size_t n = 0;

	while (*at < nodes->n && n < max) {
		const struct node *node = &nodes->items[(*at)++];

		if (untold ? node->untold : !node->gone)
			ret[n++] = node;
	}
	return n;
}

void nodes_told(struct nodes *nodes, size_t at)
{
	size_t kept = 0;

	for (size_t i = 0; i < nodes->n; i++) {
		struct node *node = &nodes->items[i];

		if (i < at) {
			nodes->n_untold -= node->untold;
			node->untold = false;
		}
		if (node->gone && !node->untold) {
			nodes->n_gone--;
			free(node->name);
			continue;
		}
		nodes->items[kept++] = *node;
	}
	nodes->n = kept;
}
