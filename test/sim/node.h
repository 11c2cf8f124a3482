#pragma once
/*
 * A host and the twin of agent.c in it: feeds one core what its world reports, carries out what the
 * core asks for, in order, and can be killed between any two of these actions. The host outlives
 * the process, the disk outlives the host.
 */
#include "core/core.h"
#include "disk.h"
#include "kernel.h"
#include "work.h"
#include "world.h"

struct node {
	uint32_t index;
	char name[32];

	/* the host */
	bool host_up;
	bool away;     /* its operator switched it off: nobody starts the agent */
	uint32_t boot; /* counts lives of the kernel */
	struct boot_id boot_id;
	int64_t booted_ms;       /* the agent's clock counts from here */
	int64_t frozen_until_ms; /* SIGSTOP */
	struct kernel kernel;
	struct runtime runtime;
	bool no_underlay;
	uint32_t mtu;

	/* the disk */
	struct uid uid;
	uint8_t static_pk[32];
	uint64_t incarnation;
	struct disk disk;

	/* the process */
	struct core *core; /* owned; NULL: not running */
	uint32_t life;     /* counts processes: what was meant for an earlier one is dropped */
	uint64_t nonce;
	uint32_t accepted;    /* links accepted so far */
	uint32_t kill_after;  /* kill -9 after so many more actions; 0: not planned */
	bool dying;           /* the core asked for its end */
	struct instant armed; /* when the one alarm that counts will ring */
	uint64_t alarms;      /* set so far: only the last one counts */
	uint32_t spins;       /* deadlines without time passing */
	bool wants_leave, left;
};

void nodes_init(struct world *world);
void nodes_done(struct world *world);
void node_task(struct world *world, const struct task *task);
/* A stopped process runs no task: put it back for later. */
bool node_postpones(struct world *world, const struct task *task);

void node_start(struct world *world, struct node *node);
void node_start_later(struct world *world, struct node *node, int64_t delay_ms);
/* One event through the core. The node may be dead afterwards. */
void node_feed(struct world *world, struct node *node, struct event *event);
/* kill -9, or its own end. */
void node_kill(struct world *world, struct node *node, const char *why);
void node_stop(struct world *world, struct node *node); /* SIGTERM */
/* Power off; keep_run: only the network namespace was made anew, with the agent in it. */
void node_crash(struct world *world, struct node *node, bool keep_run);
void node_boot(struct world *world, struct node *node);
/* Its underlay is as no_underlay and mtu say now. */
void node_underlay_changed(struct world *world, struct node *node);
struct instant node_now(const struct world *world, const struct node *node);
struct mac node_vtep_mac(const struct uid *uid);
struct node *node_by_uid(struct world *world, const struct uid *uid);
