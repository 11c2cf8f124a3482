/* Checks for unit tests. They print where, what was expected and what was found, count, and go
 * on; REQUIRE ends the test program at once. They do not use assert, so no build flag turns them
 * off. A test program is a list of static functions and
 *
 *	int main(void)
 *	{
 *		RUN(grows_by_half);
 *		RUN(refuses_overflow);
 *		return check_report();
 *	}
 *
 * A function that is not in the list is an unused static, which does not compile. */
#pragma once

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check {
	const char *test; /* the function that runs now */
	unsigned long checks;
	unsigned long failures;
};

static struct check check = { .test = "main" };

#define RUN(function)               check_run(#function, function)
#define CHECK(condition)            check_true((condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(found, expected)  check_int((found), (expected), #found, __FILE__, __LINE__)
#define CHECK_UINT(found, expected) check_uint((found), (expected), #found, __FILE__, __LINE__)
#define CHECK_STR(found, expected)  check_str((found), (expected), #found, __FILE__, __LINE__)
#define CHECK_MEM(found, expected, len) \
	check_mem((found), (expected), (len), #found, __FILE__, __LINE__)
#define REQUIRE(condition) check_required((condition), #condition, __FILE__, __LINE__)

static inline void check_run(const char *name, void (*test)(void))
{
	unsigned long failures = check.failures;

	check.test = name;
	test();
	printf("%s %s\n", check.failures == failures ? "ok  " : "FAIL", name);
}

/* The last line of main: 0 only when something was checked and all of it held. */
static inline int check_report(void)
{
	printf("%lu checks, %lu failed\n", check.checks, check.failures);
	return check.checks > 0 && check.failures == 0 ? 0 : 1;
}

static inline bool check_count(bool held, const char *file, int line)
{
	check.checks++;
	if (held)
		return true;
	check.failures++;
	printf("%s:%d: in %s: ", file, line, check.test);
	return false;
}

static inline bool check_true(bool held, const char *text, const char *file, int line)
{
	if (!check_count(held, file, line))
		printf("not true: %s\n", text);
	return held;
}

static inline void check_required(bool held, const char *text, const char *file, int line)
{
	if (check_true(held, text, file, line))
		return;
	printf("nothing after this makes sense -> stop\n");
	exit(1);
}

static inline bool check_int(int64_t found, int64_t expected, const char *text, const char *file,
			     int line)
{
	if (check_count(found == expected, file, line))
		return true;
	printf("%s is %" PRId64 ", expected %" PRId64 "\n", text, found, expected);
	return false;
}

static inline bool check_uint(uint64_t found, uint64_t expected, const char *text, const char *file,
			      int line)
{
	if (check_count(found == expected, file, line))
		return true;
	printf("%s is %" PRIu64 " (0x%" PRIx64 "), expected %" PRIu64 " (0x%" PRIx64 ")\n", text,
	       found, found, expected, expected);
	return false;
}

static inline bool check_str(const char *found, const char *expected, const char *text,
			     const char *file, int line)
{
	bool held = found && expected ? strcmp(found, expected) == 0 : found == expected;

	if (check_count(held, file, line))
		return true;
	printf("%s is\n  \"%s\"\nexpected\n  \"%s\"\n", text, found ? found : "(null)",
	       expected ? expected : "(null)");
	return false;
}

static inline void check_print_hex(const char *label, const uint8_t *bytes, size_t len)
{
	printf("  %s", label);
	for (size_t i = 0; i < len && i < 64; i++)
		printf(" %02x", bytes[i]);
	printf("%s\n", len > 64 ? " ..." : "");
}

static inline bool check_mem(const void *found, const void *expected, size_t len, const char *text,
			     const char *file, int line)
{
	if (check_count(len == 0 || memcmp(found, expected, len) == 0, file, line))
		return true;
	printf("%s (%zu bytes) differs\n", text, len);
	check_print_hex("found   ", found, len);
	check_print_hex("expected", expected, len);
	return false;
}
