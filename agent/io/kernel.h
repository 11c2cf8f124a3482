#pragma once
/*
 * The kernel's side of the data plane: what the core wants (struct forward) against what is there.
 *
 * One pass reads what the kernel has, compares, and sends the difference: the tunnel, its FDB,
 * neighbours and routes, the node's address, pods' host ends with their routes and neighbours,
 * forwarding per device, and the nftables table (nft.h). Start, repair after drift, restart and
 * upgrade are this same code. Additions and replacements go before removals, nothing is ever
 * deleted to be added again, and only what is ours is touched: routes of protocol 87, whatever is
 * on weft-vx and on wf* links, and table inet weft. A pass that finds nothing to do sends nothing.
 *
 * Runs on the loop's thread. Needs CAP_NET_ADMIN and nothing else. Not finding the kernel as wanted
 * is a report, not an error: the caller tells the core and comes again.
 */
#include "core/action.h"
#include "core/event.h"
#include "base/err.h"
#include "io/netlink.h"

struct kernel;
struct log;

/* Opens the sockets, in the network namespace it is called in. The log stays the caller's. */
int kernel_new(struct log *log, struct kernel **ret, struct err *err);
void kernel_free(struct kernel *kernel);

/* What to aim at from now on. Copies everything. A pod must be in it when the first pass after its
 * wiring runs, else that pass takes its route away again. */
void kernel_want(struct kernel *kernel, const struct forward *forward);

/* Make it so. Does nothing before the first kernel_want(). To be called after kernel_want(), after
 * kernel_events() said `drift`, and every 60 s. */
void kernel_pass(struct kernel *kernel, struct kernel_report *ret);

/* Netlink messages the last pass sent to change something: 0 when all was as wanted. */
uint32_t kernel_sent(const struct kernel *kernel);

/* ---- what others did */

/* Readable when the kernel reports something (an epoll descriptor over the monitors). */
int kernel_events_fd(const struct kernel *kernel);

struct kernel_news {
	bool drift;    /* something of ours was changed by another: kernel_pass() */
	bool underlay; /* an address, link or route changed that may move it: host_underlay() */
	bool pods;     /* host ends vanished: kernel_pods(), EVENT_HOST_ENDS */
	/* The host ends that vanished: names, which may be used again from now on, and numbers,
	 * which are not given again. Owned by the kernel, until the next call. */
	size_t n_gone;
	const char (*gone)[IFNAME_LEN_MAX + 1];
	const uint32_t *gone_ifindex;
};

/* Read what the monitors hold; returns at once. More may be left: the descriptor stays readable. */
void kernel_events(struct kernel *kernel, struct kernel_news *ret);

/* ---- pods */

/* Every wf* link with its alias, route and MTU. The arrays belong to the kernel, until the next
 * call. */
int kernel_pods(struct kernel *kernel, struct host_ends *ret, struct err *err);

/* The socket that requests go through: for host.h and pods.h on the loop's thread. */
struct netlink *kernel_route_socket(struct kernel *kernel);
struct netlink *kernel_nft_socket(struct kernel *kernel);
