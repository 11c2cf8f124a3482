#pragma once
/* A read-only look inside for the simulator's checker, after a step. The agent has no use for it.
 */
#include "core/core.h"
#include "core/ledger.h"

struct inspect_pod {
	uint32_t ip;
	const char *container_id, *ifname, *state;
};

struct inspect_block {
	bool own, confirmed;
	uint64_t used, resting; /* bit i: address i of the block */
};

const struct ledger *core_inspect_view(const struct core *core);
uint32_t core_inspect_epoch(const struct core *core); /* of my session, 0: none */
size_t core_inspect_pods(const struct core *core, struct inspect_pod *out, size_t cap);
bool core_inspect_block(const struct core *core, uint32_t block, struct inspect_block *out);
/* Every statement that the core believes about itself holds; text says which does not. */
bool core_inspect_sound(const struct core *core, char text[256]);
