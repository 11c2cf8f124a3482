#include "base/bitmap.h"

#include "base/prng.h"
#include "check.h"

#define BITS 1000

static void empty(void)
{
	struct bitmap bitmap;

	bitmap_init(&bitmap);
	CHECK(!bitmap_any(&bitmap));
	CHECK(!bitmap_test(&bitmap, 0));
	CHECK(!bitmap_test(&bitmap, SIZE_MAX));
	CHECK_UINT(bitmap_count(&bitmap), 0);
	CHECK_UINT(bitmap_next(&bitmap, 0), BITMAP_NONE);
	CHECK_UINT(bitmap_next_clear(&bitmap, 7), 7);
	bitmap_clear(&bitmap, 12345);
	bitmap_clear_all(&bitmap);
	bitmap_done(&bitmap);
}

static void word_edges(void)
{
	static const size_t edges[] = { 0, 63, 64, 127, 128, 640 };
	struct bitmap bitmap;
	size_t bit = 0;

	bitmap_init(&bitmap);
	for (size_t i = 0; i < 6; i++)
		bitmap_set(&bitmap, edges[i]);
	for (size_t i = 0; i < 6; i++) {
		bit = bitmap_next(&bitmap, bit);
		CHECK_UINT(bit, edges[i]);
		bit++;
	}
	CHECK_UINT(bitmap_next(&bitmap, bit), BITMAP_NONE);
	CHECK_UINT(bitmap_next_clear(&bitmap, 63), 65);
	bitmap_clear(&bitmap, 64);
	CHECK(!bitmap_test(&bitmap, 64) && bitmap_test(&bitmap, 63));
	bitmap_done(&bitmap);
}

static void all_set(void)
{
	struct bitmap bitmap;

	bitmap_init(&bitmap);
	for (size_t bit = 0; bit < 512; bit++)
		bitmap_set(&bitmap, bit);
	CHECK_UINT(bitmap_next_clear(&bitmap, 0), 512);
	bitmap_clear_all(&bitmap);
	CHECK(!bitmap_any(&bitmap));
	bitmap_done(&bitmap);
}

/* Against an array of bools. */
static void random_moves(void)
{
	struct bitmap bitmap;
	bool model[BITS] = { false };
	struct prng prng;
	size_t count = 0, seen = 0;

	prng_seed(&prng, 1);
	bitmap_init(&bitmap);
	for (int i = 0; i < 20000; i++) {
		size_t bit = prng_below(&prng, BITS);

		model[bit] = prng_below(&prng, 3) == 0;
		if (model[bit])
			bitmap_set(&bitmap, bit);
		else
			bitmap_clear(&bitmap, bit);
	}
	for (size_t bit = 0; bit < BITS; bit++) {
		CHECK(bitmap_test(&bitmap, bit) == model[bit]);
		count += model[bit];
	}
	CHECK_UINT(bitmap_count(&bitmap), count);
	for (size_t bit = bitmap_next(&bitmap, 0); bit != BITMAP_NONE;
	     bit = bitmap_next(&bitmap, bit + 1), seen++)
		CHECK(model[bit]);
	CHECK_UINT(seen, count);
	bitmap_done(&bitmap);
}

int main(void)
{
	RUN(empty);
	RUN(word_edges);
	RUN(all_set);
	RUN(random_moves);
	return check_report();
}
