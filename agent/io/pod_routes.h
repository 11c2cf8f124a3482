#pragma once
/*
 * The routes inside a pod's network namespace, through one interface of it. Used by pods.c while it
 * wires that interface.
 *
 * An interface that comes to a namespace without a default route gives it one. Where there is one,
 * of Weft's or of another's, it stays the way out: that is what people expect who add a second
 * network (multus: "eth0 has the default route"). The interface that comes later gets
 *
 *   - the same routes behind all that are there (metric), so that they count when the others go;
 *   - the way to all pods, unless the default route that counts is Weft's and leads there already;
 *   - a rule that what is sent from its address leaves by it: the node accepts each address from
 *     one interface only, so an answer that left by the default route would be dropped as spoofed.
 *
 * With the interface the kernel removes its routes, not its rule, whose table is then empty and
 * lets pass. DEL has no way into the namespace, so the rule stays until another interface takes its
 * place.
 */
#include "base/err.h"
#include "core/types.h"
#include "io/netlink.h"

/* Which default routes there are. */
struct pod_routes {
	bool any;
	bool ours;            /* the one that counts is Weft's */
	uint32_t best, worst; /* metrics */
};

int pod_routes_read(struct netlink *inside, struct pod_routes *ret, struct err *err);
/* range: of all pods; length 0: not known. The interface must be up and have its address by the
 * time the batch comes to these. */
void pod_routes_put(struct netlink_batch *batch, const struct pod_routes *there, uint32_t ifindex,
		    uint32_t ip, struct prefix range);
