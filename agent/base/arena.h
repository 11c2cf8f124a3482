/* Memory for one step: allocate many small things, forget them all at once.
 *
 * The arena owns every byte it hands out; what it gave dies with arena_reset or arena_done. The
 * limit exists for data from outside: a decoder allocates in an arena and refuses the input when
 * the arena is full. Code that knows its own sizes uses ARENA_UNLIMITED and need not check. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ARENA_UNLIMITED SIZE_MAX

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first; the oldest one survives a reset */
	size_t used;                /* bytes handed out since the last reset, padding included */
	size_t limit;
};

void arena_init(struct arena *arena, size_t limit);
void arena_done(struct arena *arena);

/* Forget everything that was handed out. Keeps the first chunk, so that a steady step allocates
 * nothing. */
void arena_reset(struct arena *arena);

/* Zeroed and aligned for any type. NULL only past the limit; never NULL for size 0. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((alloc_size(2)));

/* The same for count * size, with the product checked. */
void *arena_array(struct arena *arena, size_t count, size_t size) __attribute__((alloc_size(2, 3)));

void *arena_memdup(struct arena *arena, const void *data, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
