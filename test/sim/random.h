#pragma once
/* A random run: rounds of faults and work, each followed by a time in which nothing breaks and
 * everything must come right (L1 and L3 of checker.h), and every pod that is wanted comes up.
 */
#include "world.h"

/* Ends early when a rule is broken (world->failed). */
void random_run(struct world *world);
