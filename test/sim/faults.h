#pragma once
/* What breaks, when, and for how long. Each seed first draws which faults exist in its world and
 * how often. */
#include "world.h"

enum fault {
	FAULT_KILL,          /* kill -9 between two events */
	FAULT_KILL_MID_STEP, /* ... between two actions of one step */
	FAULT_STOP,          /* SIGTERM, as in an upgrade */
	FAULT_CRASH,         /* power off, later on */
	FAULT_REBORN,        /* the network namespace is made anew, /run stays */
	FAULT_FREEZE,        /* SIGSTOP for a while */
	FAULT_PARTITION,     /* two sides */
	FAULT_ISOLATE,       /* one node */
	FAULT_ONE_WAY,       /* one direction between two nodes */
	FAULT_RESET,         /* all connections between two nodes */
	FAULT_DISK_FULL,
	FAULT_RUN_FULL,
	FAULT_DISK_STALL,
	FAULT_SYNC_FAILS,
	FAULT_UNDERLAY, /* its address is gone for a while, or its MTU is another */
	FAULT_LEAVE,
	FAULT_COUNT,
};

/* Also draws the size of the range: sometimes there is hardly enough. */
void faults_draw(struct world *world);
void faults_begin(struct world *world);
void faults_task(struct world *world, const struct task *task);
/* Everything is mended, everybody comes back; nothing breaks until faults_begin. */
void faults_end(struct world *world);
