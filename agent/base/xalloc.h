/* Allocation that cannot fail: out of memory aborts. What is on disk and in /run is the recovery,
 * and it is tested; a half-handled allocation failure would not be. Everything returned here is
 * the caller's, for free(). Sizes that arrive from outside are bounded before they get here. */
#pragma once

#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, alloc_size(1, 2), returns_nonnull));
/* count * size bytes; aborts on overflow as well. */
void *xrealloc(void *old, size_t count, size_t size)
	__attribute__((alloc_size(2, 3), returns_nonnull));
void *xmemdup(const void *data, size_t size) __attribute__((malloc, returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull, nonnull));

/* Calls fn(&variable) when the variable leaves its scope. */
#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* For _cleanup_(freep) on a pointer of any type. */
void freep(void *pointer_to_pointer);
