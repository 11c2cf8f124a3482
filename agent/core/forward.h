#pragma once
/*
 * The kernel state we want, from what the core knows: one FDB entry and one neighbour per peer, one
 * route per aligned run of its blocks, unreachable routes under the range and our own blocks, the
 * node address, and what each pod needs. Sorted arrays in the step's arena; io/kernel compares them
 * with what the kernel has (protocol.md 3.10).
 */
struct core;

/* Emit ACTION_FORWARD if anything changed since the last one. Before WIRE and UNWIRE, and at the
 * end of a step. */
void forward_emit(struct core *core);
