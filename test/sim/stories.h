#pragma once
/* Scripted small worlds whose decisions are compared, line by line, with a checked-in file. */
#include <stdbool.h>

void stories_list(void);
/* Runs one story; true if its trace is what stories/NAME.trace says (or was written there: bless).
 * Prints what differs. */
bool stories_run(const char *name, const char *directory, bool bless, bool verbose);
