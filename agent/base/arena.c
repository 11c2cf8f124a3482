#include "arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xalloc.h"

#define CHUNK_SIZE ((size_t)4096)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used;
	size_t size;
	alignas(max_align_t) unsigned char data[];
};

void arena_init(struct arena *arena, size_t limit)
{
	*arena = (struct arena){ .limit = limit };
}

static void free_chunks_before(struct arena *arena, const struct arena_chunk *keep)
{
	while (arena->chunks != keep) {
		struct arena_chunk *chunk = arena->chunks;

		arena->chunks = chunk->next;
		free(chunk);
	}
}

void arena_done(struct arena *arena)
{
	free_chunks_before(arena, NULL);
	arena->used = 0;
}

void arena_reset(struct arena *arena)
{
	struct arena_chunk *first = arena->chunks;

	arena->used = 0;
	if (!first)
		return;
	while (first->next)
		first = first->next;
	free_chunks_before(arena, first);
	first->used = 0;
}

/* Chunks double, so that a big step costs few of them. */
static struct arena_chunk *add_chunk(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk;
	size_t room = arena->chunks ? arena->chunks->size * 2 : CHUNK_SIZE;

	if (room < size)
		room = size;
	chunk = xmalloc(sizeof(*chunk) + room);
	chunk->next = arena->chunks;
	chunk->used = 0;
	chunk->size = room;
	arena->chunks = chunk;
	return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk = arena->chunks;
	const size_t align = alignof(max_align_t);
	size_t padded;
	void *memory;

	/* Nobody has that much, and below it no sum wraps. */
	if (size > SIZE_MAX / 4)
		return NULL;
	padded = (size + align - 1) / align * align;
	if (padded > arena->limit - arena->used)
		return NULL;
	arena->used += padded;

	if (!chunk || padded > chunk->size - chunk->used)
		chunk = add_chunk(arena, padded);
	memory = chunk->data + chunk->used;
	chunk->used += padded;
	memset(memory, 0, padded);
	return memory;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		return NULL;
	return arena_alloc(arena, total);
}

void *arena_memdup(struct arena *arena, const void *data, size_t size)
{
	void *copy = arena_alloc(arena, size);

	if (copy && size > 0)
		memcpy(copy, data, size);
	return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return arena_memdup(arena, text, strlen(text) + 1);
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	assert(len >= 0);

	text = arena_alloc(arena, (size_t)len + 1);
	if (!text)
		return NULL;
	va_start(args, format);
	(void)vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}
