/* A set of small numbers. Grows when a bit beyond its end is set; a bit that was never set is
 * clear, however far out. Embedded in its owner; bitmap_done frees what it holds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bitmap {
	uint64_t *words;
	size_t cap; /* in words */
};

#define BITMAP_NONE SIZE_MAX

void bitmap_init(struct bitmap *bitmap);
void bitmap_done(struct bitmap *bitmap);

void bitmap_set(struct bitmap *bitmap, size_t bit);
void bitmap_clear(struct bitmap *bitmap, size_t bit);
void bitmap_clear_all(struct bitmap *bitmap);
bool bitmap_test(const struct bitmap *bitmap, size_t bit);

bool bitmap_any(const struct bitmap *bitmap);
size_t bitmap_count(const struct bitmap *bitmap);

/* The first set bit at or after `from`, BITMAP_NONE if there is none. */
size_t bitmap_next(const struct bitmap *bitmap, size_t from);

/* The first clear bit at or after `from`; there always is one. */
size_t bitmap_next_clear(const struct bitmap *bitmap, size_t from);
