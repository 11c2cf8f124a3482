#pragma once
/*
 * Everything of Weft's in the kernel, taken away: for `weftd --reset`, while no agent runs. What is
 * ours is told by what the kernel has alone (names and kinds of links, marks of host ends, protocol
 * 87, table inet weft), so a reset that was interrupted is simply done again, and so is one of a
 * node whose files are gone.
 *
 * Host ends go first: no pod may speak while the table does not look at it. The table goes last,
 * and only when its work is done, since it alone remembers whose forwarding Weft switched on.
 *
 * Needs CAP_NET_ADMIN, in the network namespace it is called in.
 */
#include <stdbool.h>
#include <stdint.h>

struct log;

struct kernel_reset {
	bool found;    /* there was something of ours */
	bool failed;   /* and not all of it is gone */
	uint32_t pods; /* that had an interface of ours, and have none now */
};

/* Says in the log what was removed, and what could not be. */
void kernel_reset(struct log *log, struct kernel_reset *ret);
