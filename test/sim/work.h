#pragma once
/*
 * The container runtime of one host and the shims it starts: pods that are wanted, attached,
 * detached, with the habits of a kubelet. A shim repeats its request under the same number when the
 * agent dies before answering; a runtime that was refused sends DEL before it tries again.
 *
 *   WAITING --ADD--> ADDING --answered--> UP --DEL--> DELETING --answered--> (gone, or WAITING
 * again) |refused, or the runtime lost patience     ^
 *                      +------------------------------------------+
 */
#include "core/action.h"
#include "core/event.h"
#include "world.h"

enum sandbox_state { SANDBOX_WAITING, SANDBOX_ADDING, SANDBOX_UP, SANDBOX_DELETING };

struct sandbox {
	uint32_t id; /* unique in this runtime */
	enum sandbox_state state;
	char container_id[CONTAINER_ID_MAX + 1];
	char ifname[IFNAME_LEN_MAX + 1];
	uint64_t number; /* of its ADD */
	uint32_t ip;     /* answered; 0: not yet */
	bool again;      /* after DEL: still wanted, as a new sandbox */
	bool deleted;    /* the agent said that it is gone (before its ADD was answered, perhaps) */
	bool vanished;   /* its namespace went before DEL */
	uint32_t failures; /* of its ADD: a runtime waits longer each time */
	int64_t since_ms;
};

struct shim {
	uint32_t serial;
	uint32_t client; /* of the connection; 0: not connected */
	enum request_type type;
	uint32_t sandbox; /* 0: about none that is known */
	char container_id[CONTAINER_ID_MAX + 1];
	char ifname[IFNAME_LEN_MAX + 1];
	uint64_t number;
	bool first;   /* the one that the sandbox's fate follows */
	bool patient; /* asks again when the agent died */
	int64_t since_ms;
	bool answered;
	enum answer_code code;
	char text[TEXT_LEN_MAX + 1];
	uint32_t ip;
};

struct runtime {
	size_t n_sandboxes, cap_sandboxes;
	struct sandbox *sandboxes; /* owned */
	size_t n_shims, cap_shims;
	struct shim *shims; /* owned */
	size_t n_gone, cap_gone;
	uint32_t *gone; /* owned; clients that have hung up, and the agent has not noticed */
	uint32_t next_sandbox, next_shim, next_client;
	uint32_t target; /* so many pods are wanted here, about */
	int64_t target_until_ms;
};

struct node;

void work_done(struct runtime *runtime);
void work_begin(struct world *world, struct node *node); /* ideas, from now on */
void work_task(struct world *world, const struct task *task);

void work_add(struct world *world, struct node *node, const char *container_id);
void work_del(struct world *world, struct node *node, const char *container_id);
void work_ask(struct world *world, struct node *node, enum request_type type); /* STATUS, LEAVE */
const struct sandbox *work_find(const struct node *node, const char *container_id);
/* Nothing is asked, refused or to be tried again. */
bool work_settled(const struct node *node);
uint32_t work_pending(const struct node *node); /* pods wanted and not up */

/* From the twin. */
void work_answered(struct world *world, struct node *node, const struct answer *answer);
bool work_client_here(struct world *world, const struct node *node, uint32_t client);
void work_process_died(struct world *world, struct node *node);
void work_host_died(struct node *node);
