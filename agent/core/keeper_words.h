#pragma once
/* What a keeper's decisions are called where people read them. Private to keeper.c. */
#include "core/ledger.h"
#include "core/out.h"

/* A command that took effect in this ledger, or an ATTACH that was denied: fact -> decision. */
void keeper_tell(struct out *out, const struct ledger *ledger, const struct command *command,
		 const struct reply *reply);
/* n blocks, `first` among them, have become FREE. */
void keeper_tell_thawed(struct out *out, const struct ledger *ledger, uint32_t first, size_t n);
