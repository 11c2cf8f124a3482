#pragma once
/*
 * Taking our files out of a directory, and nothing else: by their names, which the caller knows.
 * Used by a reset alone; an agent never removes what it keeps.
 */
#include <stdint.h>

#include "base/err.h"
#include "io/files.h"

/* Removes each file or socket called as one of `names`, in their order, and after it what a killed
 * writer left of it (NAME.new) and what was put aside (NAME.lost-NUMBER). A symbolic link, a
 * directory or a device of such a name is not ours. Goes on after a failure. Returns 0 or the
 * first one; *ret_n: how many were removed. */
int sweep_directory(const struct directory *dir, size_t n, const char *const names[],
		    uint32_t *ret_n, struct err *err);
