#pragma once
/* The shims of one host: one process per request, from its start to its exit. Used by work.c only.
 */
#include "work.h"

/* sandbox NULL: a request about no pod. */
void shim_start(struct world *world, struct node *node, enum request_type type,
		const struct sandbox *sandbox, uint64_t number);
void shim_task(struct world *world, struct node *node, const struct task *task);
/* The runtime ends what still asks for this sandbox ... */
void shims_kill(struct world *world, struct node *node, uint32_t sandbox);
/* ... or lets those go on that the agent has heard, but none will ask (again). */
void shims_overtake(struct node *node, uint32_t sandbox);
/* work.c: this one is done. */
void work_shim_ended(struct world *world, struct node *node, const struct shim *shim);
