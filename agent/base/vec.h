/* Growable arrays without a container type: the owner keeps items, count and capacity side by
 * side, and asks for room before it appends:
 *
 *	list->items = vec_reserve(list->items, &list->cap, list->count + 1, sizeof(*list->items));
 *	list->items[list->count++] = item;
 *
 * free(items) ends it. Pointers into the array die when it grows. */
#pragma once

#include <stddef.h>

/* At least `need` items, growing by half so that n appends copy O(n). Returns the array, moved or
 * not, NULL only for need == 0 on an empty array; aborts on overflow and when memory is out. New
 * items are not initialised. */
void *vec_reserve(void *items, size_t *cap, size_t need, size_t item_size);

/* Open a gap of one item at `index` of `count` and return the array; the caller fills the gap and
 * counts it. */
void *vec_open_gap(void *items, size_t *cap, size_t count, size_t index, size_t item_size);

/* Close the gap that taking out item `index` of `count` leaves. The caller counts down. */
void vec_close_gap(void *items, size_t count, size_t index, size_t item_size);
