/* How things look to people: ages, paragraphs, tables.
 *
 * Names and sentences come from other nodes in the end, so text is printed through here and loses
 * its control characters: no peer steers anybody's terminal. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SHOW_AGE_SIZE = 32 };

/* "3 min", "2 h 5 min", "4 d 3 h". Returns text, which has room for SHOW_AGE_SIZE. */
const char *show_age(char *text, uint64_t age_ms);

/* "label     text": the text goes on in further lines under its beginning. */
void show_paragraph(const char *label, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* `list`, which ends here, with one more item after a comma. NULL is the empty list. For free(). */
char *show_list_add(char *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One line as it is. */
void show_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

enum table_align { TABLE_LEFT, TABLE_RIGHT };

struct column {
	const char *heading;
	size_t width_max;
	enum table_align align;
};

enum { TABLE_COLUMNS_MAX = 8 };

/* Columns first, then cells from left to right, row by row. Begins as { 0 }; table_end prints. */
struct table {
	struct column columns[TABLE_COLUMNS_MAX];
	size_t n_columns;
	char **cells; /* owned */
	size_t n_cells, cap_cells;
	char **notes; /* owned, one for each row that has begun, NULL: none */
	size_t n_notes, cap_notes;
};

/* Cells that are longer than width_max are cut and end in ".."; 0: never cut. */
void table_column(struct table *table, const char *heading, size_t width_max,
		  enum table_align align);
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line of its own under the row that was told last. */
void table_note(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Print and forget everything. Only whole rows. */
void table_end(struct table *table);
