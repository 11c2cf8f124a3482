#pragma once
/* What the core says of itself (core/status.h) -> local.proto's Status, for weftctl and the shim.
 * */
#include "base/arena.h"
#include "core/status.h"
#include "proto/local.pb-c.h"

struct status_asked {
	bool peers, blocks, pods; /* the long lists, only when somebody reads them */
};

/* Borrows from the report and the arena. */
Weft__Local__Status *status_give(const struct status_report *report,
				 const struct status_asked *asked, struct arena *arena);
