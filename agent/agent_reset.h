#pragma once
/*
 * `weftd --reset`: this node as it was before Weft. The only thing that removes what Weft made: an
 * agent that stops leaves everything.
 *
 * First the network's configuration, so that the runtime begins no new pod, then the kernel, then
 * files, and the locks last. Each step finds by itself what there is to do: after a kill in the
 * middle the same command completes it, and once more finds nothing.
 */
#include "log/log.h"
#include "options.h"

/* Returns the exit code. RESET_WATCH removes nothing: it stays until a signal, as long as the node
 * has no identity of Weft's. */
int agent_reset(const struct options *options, struct log *log);
