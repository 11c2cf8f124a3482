#pragma once
/*
 * Which FREE blocks a peer gets, from the ledger and one stamped number alone, so
 * that its blocks stay one or two runs, and a run is one kernel route on every other node.
 */
#include "core/ledger.h"

struct ledger_chooser {
	const struct ledger *ledger;
	const struct uid *uid;
	uint32_t members; /* as the keeper counted them */
	size_t n_own;
	uint32_t own[OWN_BLOCKS_MAX]; /* ascending; grows with what was chosen */
};

/* Looks up what the peer owns; ledger and uid are borrowed. */
void ledger_chooser_init(struct ledger_chooser *chooser, const struct ledger *ledger,
			 const struct uid *uid, uint32_t members);
/* The next block for somebody who still wants `wanted`. The caller must make it OWNED before it
 * asks again. False: none is FREE, or the peer has OWN_BLOCKS_MAX. */
bool ledger_choose(struct ledger_chooser *chooser, size_t wanted, uint32_t *ret_block);
/* One peer's part of the range, with room for the cluster to grow by half; at least 1. */
uint32_t ledger_fair_share(const struct ledger *ledger, uint32_t members);
