#include "guess.h"

#include <string.h>

enum {
	WORD_MAX = 31,      /* longer words are nobody's typing error */
	BEGINNING_MIN = 2,  /* letters that may stand for the whole name */
	LETTERS_A_FAULT = 3 /* of so many, one may be wrong */
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Damerau's distance, without overlapping swaps. Row i is the way from the first i letters of a. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t d[WORD_MAX + 1][WORD_MAX + 1];

	for (size_t i = 0; i <= a_len; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= b_len; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		for (size_t j = 1; j <= b_len; j++) {
			d[i][j] = least(d[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
					least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[a_len][b_len];
}

static size_t guess_beginning(const char *typed, size_t len, const void *table, size_t n,
			      const char *(*name)(const void *table, size_t i))
{
	size_t found = n;

	for (size_t i = 0; i < n && len >= BEGINNING_MIN; i++) {
		if (strncmp(typed, name(table, i), len) != 0)
			continue;
		if (found != n)
			return n; /* it may be either */
		found = i;
	}
	return found;
}

size_t guess_name(const char *typed, size_t len, const void *table, size_t n,
		  const char *(*name)(const void *table, size_t i))
{
	size_t found = guess_beginning(typed, len, table, n, name), fewest = WORD_MAX;

	if (found != n || len > WORD_MAX)
		return found;
	for (size_t i = 0; i < n; i++) {
		const char *meant = name(table, i);
		size_t name_len = strlen(meant), longer = len > name_len ? len : name_len, faults;

		if (name_len > WORD_MAX)
			continue;
		faults = distance(typed, len, meant, name_len);
		if (faults * LETTERS_A_FAULT > longer || faults >= fewest)
			continue;
		fewest = faults;
		found = i;
	}
	return found;
}
