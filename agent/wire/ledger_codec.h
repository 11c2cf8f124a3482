#pragma once
/*
 * The ledger's rows <-> peer.proto's Rows: in feeds, in records of keeper.log, later in keeper
 * rounds. Bounds are checked here; whether rows make sense together is the law of core/ledger. A
 * status or state that this agent does not know is refused, not passed on: the ledger is one value,
 * and who does not know a part of it cannot hold it. The ledger's own feature_level is there to
 * keep that from happening in a mixed cluster; nothing raises it yet.
 */
#include "core/message.h"
#include "wire/fields.h"

/* Borrows from rows and arena. At most FEED_PEERS_MAX and FEED_BLOCKS_MAX rows. */
Weft__Peer__Rows *rows_give(const struct rows *rows, struct arena *arena);
/* from may be NULL: no rows. Arrays live in the arena. */
bool rows_take(const Weft__Peer__Rows *from, struct arena *arena, struct rows *ret,
	       struct err *err);
