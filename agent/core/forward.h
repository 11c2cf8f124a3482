#pragma once
/*
 * The kernel state we want, from what the core knows: one FDB entry and one neighbour per peer, one
 * route per aligned run of its blocks, unreachable routes under the range and our own blocks, the
 * node address, and what each pod needs. Sorted arrays in the step's arena; io/kernel compares them
 * with what the kernel has. Whoever changes a part of it says so here, and nothing more.
 */
#include <stdbool.h>

enum forward_change {
	FORWARD_NOTHING,
	FORWARD_PODS, /* a pod is wanted now, or no more: their rows alone are built anew */
	FORWARD_ALL,
};

struct forwarding {
	enum forward_change changed; /* since the last ACTION_FORWARD */
	bool begun;                  /* there was one: it had everything */
};

struct core;

void forward_changed(struct core *core, enum forward_change what);
/* Emit ACTION_FORWARD if anything changed since the last one. Before WIRE and UNWIRE, and at the
 * end of a step. */
void forward_emit(struct core *core);
