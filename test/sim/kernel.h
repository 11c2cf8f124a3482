#pragma once
/*
 * One host's kernel as far as an agent can tell: the pods' host ends, and what the last pass of
 * want against have left behind. Survives the agent, not the host.
 */
#include "core/action.h"
#include "core/event.h"
#include "world.h"

struct kernel_end {
	struct host_end seen; /* as a dump shows it */
	bool torn;            /* made, but its alias was not set any more */
};

struct kernel_op { /* a wiring or unwiring that the agent waits for */
	uint32_t id;
	uint32_t job;
	bool unwire, done;
	int error;
	const char *text;
	struct wire_pod wire; /* of an unwiring: host_if alone */
};

struct kernel {
	size_t n_ends, cap_ends;
	struct kernel_end *ends; /* owned */
	size_t n_ops, cap_ops;
	struct kernel_op *ops; /* owned */
	uint32_t next_op;
	bool pass_wanted;

	/* as the passes so far have made it */
	uint32_t node_ip;
	size_t n_fdb, n_neigh, n_routes, n_members, cap_fdb, cap_neigh, cap_routes, cap_members;
	struct want_fdb *fdb;        /* owned */
	struct want_neigh *neigh;    /* owned */
	struct want_route *routes;   /* owned */
	uint32_t *members;           /* owned */
	bool want_moved, want_whole; /* for the checker: told since it looked; it had a ledger */
};

struct node;

void kernel_done(struct kernel *kernel);
void kernel_task(struct world *world, const struct task *task);
void kernel_wire(struct world *world, struct node *node, const struct wire_pod *wire);
void kernel_unwire(struct world *world, struct node *node, uint32_t job, const char *host_if);
void kernel_forward(struct world *world, struct node *node, const struct forward *forward);
/* A pass of its own accord, every minute. */
void kernel_pass_later(struct world *world, struct node *node, int64_t delay_ms);
void kernel_process_died(struct world *world, struct node *node);
void kernel_host_died(struct node *node);
struct kernel_end *kernel_find(struct node *node, const char *container_id, const char *ifname);
/* The runtime destroyed the pod's namespace: its host end goes with it. */
void kernel_pod_vanished(struct world *world, struct node *node, const char *container_id,
			 const char *ifname);
/* The host ends as a dump shows them; they are the caller's to free. */
struct host_ends kernel_dump(const struct node *node);
