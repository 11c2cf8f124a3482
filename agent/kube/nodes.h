#pragma once
/*
 * The nodes that the API server knows, sorted by name, and which of them the agent must still be
 * told of. One that was deleted stays until that was told.
 */
#include "wire/kube_api.h"

struct node {
	char *name; /* owned */
	char uid[KUBE_UID_MAX + 1];
	uint32_t address; /* 0: none yet */
	bool network_up;  /* not for the agent: the condition, as the API server has it */
	bool gone;
	bool untold;
};

struct nodes {
	struct node *items; /* owned */
	size_t n, cap;
	size_t n_untold, n_gone;
};

enum nodes_change { NODES_SAME, NODES_NEW, NODES_CHANGED, NODES_TOO_MANY };

void nodes_init(struct nodes *nodes);
void nodes_done(struct nodes *nodes);

/* SAME when nothing changed that the agent is told; TOO_MANY: it was not taken. A node that is no
 * Linux is not looked for: it counts as not there. */
enum nodes_change nodes_put(struct nodes *nodes, const struct kube_node *from);
/* False: no node of this name and uid is known. */
bool nodes_remove(struct nodes *nodes, const char *name, const char *uid);
/* NULL: not known, or gone. Valid until the next change. */
const struct node *nodes_find(const struct nodes *nodes, const char *name);
/* Those that are not gone. */
size_t nodes_count(const struct nodes *nodes);

/* The next `max` nodes from *at on, at most, and *at behind them: those that are there, or those
 * that are untold, gone ones among them. Valid until the next change. */
size_t nodes_next(const struct nodes *nodes, bool untold, size_t *at, const struct node **ret,
		  size_t max);
/* The agent knows those before `at`. The gone ones of them are forgotten. */
void nodes_told(struct nodes *nodes, size_t at);
