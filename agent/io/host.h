#pragma once
/*
 * What the machine says about itself: which address and device carry the tunnel, whether its
 * routes leave room for the range, and who it is. Called at start, and when the monitor says
 * that addresses or links changed. Only reads, and anything may be missing: the caller decides
 * what that means.
 */
#include "core/event.h"
#include "base/err.h"
#include "io/netlink.h"

struct host_wish {
	uint32_t node_ip;  /* --node-ip; 0: not given */
	const char *iface; /* --iface; NULL or "": not given */
	size_t n_peers;
	const uint32_t *peers; /* addresses of peers, as far as known */
	struct prefix range;   /* no address inside carries the tunnel; length 0: not known yet */
};

/* Choose the underlay. Always fills *ret: without a usable one `have` is false and `text` says why,
 * else `text` is the choice, its reason, and what was passed over. */
void host_underlay(struct netlink *nl, const struct host_wish *wish, struct underlay *ret);

/* -EEXIST and a whole sentence, with what to do, if a route of the host lies inside the range or
 * covers it and is neither a default route nor ours. */
int host_range_overlap(struct netlink *nl, struct prefix range, struct err *err);

struct host_facts {
	bool have_mac;
	struct mac mac; /* of the underlay's device, else of the first Ethernet device not ours */
	/* Never given twice while the kernel lives, but counted anew by the next; 0: the kernel has
	 * none (before 5.14). */
	uint64_t netns_cookie;
	/* Texts as the system gives them, without the final newline; empty: missing. */
	char boot_id[40];
	char machine_id[40];
	char product_uuid[40];
};

void host_facts(struct netlink *nl, uint32_t underlay_ifindex, struct host_facts *ret);

/* Is a directory there, or would it be if it were made, in memory (tmpfs or ramfs): gone with the
 * kernel, as pod records must be? */
int host_is_memory(const char *path, bool *ret, struct err *err);

/* Does this kernel speak IPv6 at all? */
bool host_has_ipv6(void);
