#pragma once
/* What the parts of the checker share: checker.c (processes, views), check_use.c (who uses which
 * address), check_ways.c (whom the tunnel leads to), check_pods.c (records, requests, commands).
 * Nobody else includes this. */
#include "checker.h"
#include "node.h"

enum { NOBODY = -1, BLOCK_ADDRESSES = 64 };

struct pod_key { /* a record in /run */
	char container_id[CONTAINER_ID_MAX + 1];
	char ifname[IFNAME_LEN_MAX + 1];
	uint32_t ip;
};

struct watch {             /* what is known of one node from outside */
	uint64_t *use;     /* owned; addresses in use, 64 a block */
	uint64_t *resting; /* owned; those that rest in the core's memory, as it was last seen */
	uint64_t *taken;   /* owned; those that its memory has given */
	bool *proven;      /* owned; per block: confirmed by the rule V4, in this process
			 life */
	size_t n_records, cap_records;
	struct pod_key *records;   /* owned; pods.log as a reader would find it now */
	struct record_token token; /* likewise */
	struct record_node node;   /* node.log, as durable */
	uint32_t sent_epoch;
	uint64_t sent_seq;     /* the last command that left, under that epoch */
	uint64_t attach_nonce; /* of the last ATTACH that left in this life */
	bool continuity;
	bool reading;   /* the process reads its logs back: what they say counts at their end */
	uint64_t shown; /* the view's version after the last step */
	uint32_t epoch;
};

struct checker {
	struct chosen chosen;
	uint32_t n_blocks;
	int16_t *user;       /* owned; per address: the node that uses it, or NOBODY */
	struct watch *watch; /* owned; per node, and an empty one */
	uint64_t steps;
};

static inline struct watch *watch_of(const struct world *world, const struct node *node)
{
	return &world->checker->watch[node->index];
}

bool watch_owns(const struct world *world, const struct node *node, uint32_t block);
/* Two in one sentence need two buffers. */
const char *watch_dotted(uint32_t ip, char buf[static 16]);

/* check_use.c */
void use_look_inside(struct world *world, struct node *node);
void use_recount(struct world *world, struct node *node);
void use_ledger_moved(struct world *world);

/* check_ways.c: after a step, if what is wanted of the kernel moved. */
void ways_check(struct world *world, struct node *node);

/* check_pods.c */
void pods_read_run(struct watch *watch, const struct record *record);
