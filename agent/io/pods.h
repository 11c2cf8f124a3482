#pragma once
/*
 * Wiring one pod: a veth whose far end is born inside the pod's network namespace.
 *
 * The agent never enters that namespace (setns needs CAP_SYS_ADMIN): what happens inside goes
 * through a route socket that the shim opened there, and dies with the request. Creating the
 * peer in place takes 0.4 ms; creating it outside and moving it would hold the node's rtnetlink
 * lock for an RCU barrier, 20 ms and more.
 */
#include "core/action.h"
#include "base/err.h"
#include "io/netlink.h"

struct pods_sockets {
	struct netlink *route; /* of the host */
	struct netlink *nft;   /* of the host */
	struct prefix range;   /* of all pods; length 0: not known */
};

/* Make the pair, set up both ends, allow the pod's source address. Blocks for about 0.4 ms.
 * netns_fd and route_fd stay the caller's. On failure nothing is left, and err is a sentence
 * for the person who reads the pod's event; returns a negative errno. */
int pods_wire(const struct pods_sockets *sockets, const struct wire_pod *pod, int netns_fd,
	      int route_fd, struct err *err);

/* The number of a host end, 0: there is none. Unlike its name it is not given to another. */
uint32_t pods_ifindex(const struct netlink *route, const char *host_if);

/* Remove a host end, and with it the pod's end; that there is none is success. Blocks for 15 to
 * 30 ms (an RCU barrier), and barriers overlap: call it from as many workers as there may be
 * removals at once (UV_THREADPOOL_SIZE=32; libuv's default of 4 is slow). Opens a socket of its
 * own. The link is gone, and its name free, before this returns: see kernel_news.gone. */
int pods_unwire(const char *host_if, struct err *err);
/* The same for the link with this number alone: another that has come to its name meanwhile stays.
 * host_if is for what is said about it. */
int pods_unwire_link(uint32_t ifindex, const char *host_if, struct err *err);
