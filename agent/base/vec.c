#include "vec.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xalloc.h"

#define FIRST_CAP 8

void *vec_reserve(void *items, size_t *cap, size_t need, size_t item_size)
{
	size_t grown;

	assert(item_size > 0);
	if (need <= *cap)
		return items;
	grown = *cap + *cap / 2;
	if (grown < FIRST_CAP)
		grown = FIRST_CAP;
	if (grown < need)
		grown = need;
	items = xrealloc(items, grown, item_size);
	*cap = grown;
	return items;
}

void *vec_open_gap(void *items, size_t *cap, size_t count, size_t index, size_t item_size)
{
	char *grown;

	assert(index <= count && count < SIZE_MAX);
	grown = vec_reserve(items, cap, count + 1, item_size);
	memmove(grown + (index + 1) * item_size, grown + index * item_size,
		(count - index) * item_size);
	return grown;
}

void vec_close_gap(void *items, size_t count, size_t index, size_t item_size)
{
	char *at = items;

	assert(index < count);
	at += index * item_size;
	memmove(at, at + item_size, (count - index - 1) * item_size);
}
