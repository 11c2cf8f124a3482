#include "xalloc.h"

#include <stdlib.h>
#include <string.h>

/* A size of 0 gives a pointer that may be freed, so that NULL never means "empty". */
static size_t at_least_one(size_t size)
{
	return size > 0 ? size : 1;
}

void *xmalloc(size_t size)
{
	void *memory = malloc(at_least_one(size));

	if (!memory)
		abort();
	return memory;
}

void *xcalloc(size_t count, size_t size)
{
	void *memory = calloc(at_least_one(count), at_least_one(size));

	if (!memory)
		abort();
	return memory;
}

void *xrealloc(void *old, size_t count, size_t size)
{
	size_t total;
	void *memory;

	if (__builtin_mul_overflow(count, size, &total))
		abort();
	memory = realloc(old, at_least_one(total));
	if (!memory)
		abort();
	return memory;
}

void *xmemdup(const void *data, size_t size)
{
	void *copy = xmalloc(size);

	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

char *xstrdup(const char *text)
{
	return xmemdup(text, strlen(text) + 1);
}

void freep(void *pointer_to_pointer)
{
	void *memory;

	/* Not `*(void **)p`: the variable has a type of its own, and may not be read as void *. */
	memcpy(&memory, pointer_to_pointer, sizeof(memory));
	free(memory);
}
