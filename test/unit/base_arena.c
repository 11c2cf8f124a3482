#include "base/arena.h"

#include <stdalign.h>

#include "check.h"

static bool all_zero(const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static void memory_is_zeroed_and_aligned(void)
{
	struct arena arena;

	arena_init(&arena, ARENA_UNLIMITED);
	for (int round = 0; round < 3; round++) {
		for (size_t size = 0; size < 700; size++) {
			unsigned char *memory = arena_alloc(&arena, size);

			REQUIRE(memory);
			CHECK_UINT((uintptr_t)memory % alignof(max_align_t), 0);
			CHECK(all_zero(memory, size));
			memset(memory, 0xa5, size);
		}
		arena_reset(&arena);
		CHECK_UINT(arena.used, 0);
	}
	arena_done(&arena);
}

static void pieces_do_not_overlap(void)
{
	struct arena arena;
	unsigned char *pieces[500];

	arena_init(&arena, ARENA_UNLIMITED);
	for (size_t i = 0; i < 500; i++) {
		pieces[i] = arena_alloc(&arena, i + 1);
		memset(pieces[i], (int)(i % 251), i + 1);
	}
	for (size_t i = 0; i < 500; i++) {
		CHECK_UINT(pieces[i][0], i % 251);
		CHECK_UINT(pieces[i][i], i % 251);
	}
	arena_done(&arena);
}

static void the_limit_holds(void)
{
	struct arena arena;
	size_t given = 0;

	arena_init(&arena, 1024);
	CHECK(arena_alloc(&arena, 1025) == NULL);
	CHECK_UINT(arena.used, 0);
	while (arena_alloc(&arena, 32))
		given += 32;
	CHECK_UINT(given, 1024);
	CHECK(arena_alloc(&arena, 1) == NULL);
	CHECK(arena_alloc(&arena, 0) != NULL);
	CHECK(arena_strdup(&arena, "x") == NULL);
	CHECK(arena_printf(&arena, "%d", 1) == NULL);

	arena_reset(&arena);
	CHECK(arena_alloc(&arena, 1024) != NULL);
	arena_done(&arena);
}

static void sizes_do_not_wrap(void)
{
	struct arena arena;
	volatile size_t huge = SIZE_MAX;

	arena_init(&arena, ARENA_UNLIMITED);
	CHECK(arena_alloc(&arena, huge) == NULL);
	CHECK(arena_alloc(&arena, huge - 15) == NULL);
	CHECK(arena_array(&arena, huge / 2, 3) == NULL);
	CHECK(arena_array(&arena, 3, 5) != NULL);
	arena_done(&arena);
}

static void a_reset_keeps_the_first_chunk(void)
{
	struct arena arena;
	void *first;

	arena_init(&arena, ARENA_UNLIMITED);
	first = arena_alloc(&arena, 16);
	(void)arena_alloc(&arena, 100000);
	arena_reset(&arena);
	CHECK(arena_alloc(&arena, 16) == first);
	arena_done(&arena);
	arena_done(&arena);
}

static void copies_and_prints(void)
{
	struct arena arena;
	char *text, *copy;

	arena_init(&arena, ARENA_UNLIMITED);
	text = arena_printf(&arena, "%s-%d", "wf", 42);
	CHECK_STR(text, "wf-42");
	copy = arena_strdup(&arena, text);
	text[0] = 'x';
	CHECK_STR(copy, "wf-42");
	CHECK_MEM(arena_memdup(&arena, "a\0b", 3), "a\0b", 3);
	CHECK(arena_memdup(&arena, NULL, 0) != NULL);
	arena_done(&arena);
}

int main(void)
{
	RUN(memory_is_zeroed_and_aligned);
	RUN(pieces_do_not_overlap);
	RUN(the_limit_holds);
	RUN(sizes_do_not_wrap);
	RUN(a_reset_keeps_the_first_chunk);
	RUN(copies_and_prints);
	return check_report();
}
