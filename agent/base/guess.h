/* What somebody meant who mistyped a name: for "did you mean" behind a flag or a verb that there is
 * not. Better no guess than a far one, which sends people the wrong way. */
#pragma once

#include <stddef.h>

/* Which of a table's names 0..n-1 is near to the `len` bytes at `typed`: it begins with them and no
 * other does, or at most a third of the letters of the longer one is put in, left out, replaced or
 * swapped with a neighbour. Returns n when none is. */
size_t guess_name(const char *typed, size_t len, const void *table, size_t n,
		  const char *(*name)(const void *table, size_t i));
