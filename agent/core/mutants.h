#pragma once
/*
 * Rules that the simulator may take out one at a time, to prove that its checker notices. Only the
 * simulator's own build of the core knows them; in every other build MUTANT() is false and the
 * compiler drops the branch.
 */
enum mutant {
	MUTANT_CONTBOOT = 1, /* continuity is believed across a reboot */
	MUTANT_TRUSTDISK =
		2, /* node.log's blocks are confirmed with neither ledger nor continuity */
	MUTANT_ANSWER_FIRST = 4, /* ADD is answered before its record is stored */
	MUTANT_REUSE = 8,        /* RELEASE goes out while the block still gives addresses */
};

#ifdef WEFT_MUTANTS
#define MUTANT(settings, name) (((settings)->mutants & (name)) != 0)
#else
#define MUTANT(settings, name) ((void)(settings), false)
#endif
