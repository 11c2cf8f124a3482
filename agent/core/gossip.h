#pragma once
/*
 * What to tell whom. No queues: per link a set of dirty marks and one ledger
 * version; what goes out is always the current value. The rules of the flood: changed here -> dirty
 * on all links; newer received -> keep, dirty on all but the sender; equal -> clear the mark for
 * that link; older -> set it.
 */
#include "core/links.h"

enum { GOSSIP_TURN_BYTES = 16384, GOSSIP_DIFFER_MS = 2000 };

struct core;

void gossip_self_changed(struct core *core); /* what our own record says: said at the step's end */
void gossip_say(struct core *core);          /* our own record, if it changed */
void gossip_link_up(struct core *core, struct link *link);
void gossip_delta(struct core *core, struct link *link, const struct delta *delta);
void gossip_ping(struct core *core, struct link *link, const struct ping *ping);
void gossip_want_members(struct core *core, struct link *link);
void gossip_feed(struct core *core, struct link *link, const struct feed *feed);
void gossip_view_changed(struct core *core); /* tell the neighbours */
void gossip_flush(struct core *core);        /* what is due on writable links */
