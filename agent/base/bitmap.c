#include "bitmap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "vec.h"

#define WORD_BITS 64

static uint64_t bit_mask(size_t bit)
{
	return UINT64_C(1) << (bit % WORD_BITS);
}

void bitmap_init(struct bitmap *bitmap)
{
	*bitmap = (struct bitmap){ 0 };
}

void bitmap_done(struct bitmap *bitmap)
{
	free(bitmap->words);
	*bitmap = (struct bitmap){ 0 };
}

void bitmap_set(struct bitmap *bitmap, size_t bit)
{
	size_t before = bitmap->cap;

	assert(bit != BITMAP_NONE);
	bitmap->words = vec_reserve(bitmap->words, &bitmap->cap, bit / WORD_BITS + 1,
				    sizeof(*bitmap->words));
	if (bitmap->cap > before)
		memset(bitmap->words + before, 0, (bitmap->cap - before) * sizeof(*bitmap->words));
	bitmap->words[bit / WORD_BITS] |= bit_mask(bit);
}

void bitmap_clear(struct bitmap *bitmap, size_t bit)
{
	if (bit / WORD_BITS < bitmap->cap)
		bitmap->words[bit / WORD_BITS] &= ~bit_mask(bit);
}

void bitmap_clear_all(struct bitmap *bitmap)
{
	if (bitmap->cap > 0)
		memset(bitmap->words, 0, bitmap->cap * sizeof(*bitmap->words));
}

bool bitmap_test(const struct bitmap *bitmap, size_t bit)
{
	return bit / WORD_BITS < bitmap->cap &&
	       (bitmap->words[bit / WORD_BITS] & bit_mask(bit)) != 0;
}

bool bitmap_any(const struct bitmap *bitmap)
{
	return bitmap_next(bitmap, 0) != BITMAP_NONE;
}

size_t bitmap_count(const struct bitmap *bitmap)
{
	size_t count = 0;

	/* Word by word with Kernighan's loop: __builtin_popcountll would call libgcc. */
	for (size_t i = 0; i < bitmap->cap; i++)
		for (uint64_t word = bitmap->words[i]; word != 0; word &= word - 1)
			count++;
	return count;
}

size_t bitmap_next(const struct bitmap *bitmap, size_t from)
{
	size_t index = from / WORD_BITS;
	uint64_t word;

	if (index >= bitmap->cap)
		return BITMAP_NONE;
	word = bitmap->words[index] & ~(bit_mask(from) - 1);
	while (word == 0) {
		if (++index == bitmap->cap)
			return BITMAP_NONE;
		word = bitmap->words[index];
	}
	return index * WORD_BITS + (size_t)__builtin_ctzll(word);
}

size_t bitmap_next_clear(const struct bitmap *bitmap, size_t from)
{
	size_t index = from / WORD_BITS;
	uint64_t word;

	if (index >= bitmap->cap)
		return from;
	word = ~bitmap->words[index] & ~(bit_mask(from) - 1);
	while (word == 0) {
		if (++index == bitmap->cap)
			return index * WORD_BITS;
		word = ~bitmap->words[index];
	}
	return index * WORD_BITS + (size_t)__builtin_ctzll(word);
}
