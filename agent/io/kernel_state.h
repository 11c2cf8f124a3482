#pragma once
/*
 * The parts of kernel.c: what is wanted and what is there, in one form, and how the difference
 * becomes messages. Nobody else includes this.
 *
 * kernel_dump.c fills a kernel_have from the kernel; kernel_links.c mends links, after which links
 * have numbers; kernel_routes.c flattens the want into a kernel_state with these numbers and sends
 * what differs; kernel_events.c reads the monitors; kernel.c runs a pass. kernel_reset.c wants
 * nothing to be there and uses the dump alone.
 */
#include "core/action.h"
#include "io/kernel.h"
#include "io/nft.h"
#include "io/rtnl.h"
#include "log/log.h"

/* Everything but links, as sorted arrays without doubles. One array per kind, so that one function
 * compares them all: kernel_routes.c has what differs between kinds. */
enum kernel_kind { KERNEL_ADDRESSES, KERNEL_FDB, KERNEL_NEIGHS, KERNEL_ROUTES, KERNEL_KINDS };

struct kernel_state {
	struct kernel_array {
		size_t n, cap;
		void *items; /* of rtnl_address, rtnl_neigh, rtnl_neigh, rtnl_route */
	} arrays[KERNEL_KINDS];
};

enum { KERNEL_WANTS = 6 }; /* arrays of struct forward */

void kernel_state_add(struct kernel_state *state, enum kernel_kind kind, const void *item);
/* Of items with one key the first stays. */
void kernel_state_sort(struct kernel_state *state);
void kernel_state_copy(struct kernel_state *to, const struct kernel_state *from);
void kernel_state_append(struct kernel_state *to, const struct kernel_state *from);
void kernel_state_done(struct kernel_state *state);
/* The item with the same key (whatever else it says), or NULL. */
const void *kernel_state_find(const struct kernel_state *state, enum kernel_kind kind,
			      const void *item);
bool kernel_item_same(enum kernel_kind kind, const void *a, const void *b);

/* ---- what is there */

struct kernel_have {
	size_t n, cap;
	struct rtnl_link *links; /* all, sorted by name */
	size_t n_ours, cap_ours;
	uint32_t *ours;            /* sorted indices of the tunnel and of host ends */
	uint32_t tunnel;           /* index of the tunnel; 0: there is none */
	uint32_t way_out;          /* index of the device of the default route; 0: there is none */
	struct kernel_state state; /* of ours only */
};

int kernel_dump_links(struct netlink *nl, const char *tunnel, struct kernel_have *have,
		      struct err *err);
int kernel_dump_state(struct netlink *nl, struct kernel_have *have, struct err *err);
void kernel_have_done(struct kernel_have *have);
const struct rtnl_link *kernel_link_named(const struct kernel_have *have, const char *name);
const struct rtnl_link *kernel_link_indexed(const struct kernel_have *have, uint32_t ifindex);
bool kernel_is_ours(const struct kernel_have *have, uint32_t ifindex);

/* ---- the pass */

struct kernel {
	struct log *log;
	struct netlink route, filter; /* requests: NETLINK_ROUTE, NETLINK_NETFILTER */
	struct netlink route_monitor, filter_monitor;
	int epoll;
	struct nft *nft;

	bool wanting;        /* kernel_want() was called */
	struct forward want; /* its arrays are those behind it */
	struct kernel_array want_items[KERNEL_WANTS];

	/* As of the last pass. */
	struct kernel_have have;
	struct kernel_state wanted;  /* the want with link numbers, complete or not */
	struct kernel_state settled; /* the last that was complete: what differs from it now was
				      * changed by another program */
	bool is_settled;
	struct want_tunnel settled_tunnel; /* likewise; no name: none */
	size_t n_opened, cap_opened;
	uint32_t *
		opened; /* indices of devices whose forwarding this process switched on or saw on */
	uint32_t sent;
	char trouble[TEXT_LEN_MAX + 1]; /* the failure that was logged last */

	/* For callers, until their next call. */
	struct host_end *pods;
	size_t cap_pods;
	char (*gone)[IFNAME_LEN_MAX + 1];
	uint32_t *gone_ifindex;
	size_t n_gone, cap_gone, cap_gone_ifindex;

	/* Links of ours of which something was heard, while events are read. */
	struct kernel_suspect {
		uint32_t ifindex;
		bool link, other; /* it, or something on it, is not as wanted */
	} * suspects;
	size_t n_suspects, cap_suspects;
};

/* One pass on its way. */
struct kernel_pass {
	struct kernel *kernel;
	struct netlink_batch batch;
	uint32_t wanted, repaired, failed;
	uint32_t told;                    /* repairs that wanted a line */
	uint32_t added, changed, removed; /* that were no repairs */
	/* What differs from the settled state was changed by another program; false after a change
	 * of ours that takes other things with it. */
	bool judging;
	struct kernel_state spared; /* of peers not heard of yet: not to be removed */
	struct kernel_state kept;   /* not wanted, and not removed */
	struct err first;           /* failure */
};

/* Another program did something to what is ours: count it, say it, but not a thousand times. */
void kernel_repair(struct kernel_pass *pass, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Send what the batch holds; failures are counted in the pass. */
void kernel_send(struct kernel_pass *pass);
void kernel_fail(struct kernel_pass *pass, const struct err *err);

/* Put changes of links into the batch. True: the tunnel will be another device. */
bool kernel_mend_tunnel(struct kernel_pass *pass);
void kernel_mend_ends(struct kernel_pass *pass);
void kernel_mend_devices(struct kernel_pass *pass);

/* The want as items, once links have their numbers. */
void kernel_flatten(struct kernel *kernel);
/* Find what is to be spared among what is there. */
void kernel_spare(struct kernel_pass *pass);
void kernel_mend_state(struct kernel_pass *pass);
