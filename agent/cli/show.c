#include "cli/show.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "base/xalloc.h"

enum {
	WIDTH = 96, /* of paragraphs; fits beside a prompt on a screen of 100 */
	INDENT = 13,
	GAP = 2,
};

/* ASCII's control characters, and those that Latin-1 added (U+0080 to U+009F in UTF-8). */
static bool is_control(const char *at)
{
	unsigned char c = (unsigned char)at[0];

	return c < 0x20 || c == 0x7f || (c == 0xc2 && ((unsigned char)at[1] & 0xe0) == 0x80);
}

/* Formatted, malloc'ed, without control characters. */
__attribute__((format(printf, 1, 0))) static char *clean_text(const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		abort();
	for (char *at = text; *at; at++) {
		if (!is_control(at))
			continue;
		if ((unsigned char)*at == 0xc2)
			*at++ = '?';
		*at = '?';
	}
	return text;
}

const char *show_age(char *text, uint64_t age_ms)
{
	uint64_t s = age_ms / 1000, min = s / 60, h = min / 60, d = h / 24;

	if (s < 120)
		snprintf(text, SHOW_AGE_SIZE, "%ju s", (uintmax_t)s);
	else if (min < 120)
		snprintf(text, SHOW_AGE_SIZE, "%ju min", (uintmax_t)min);
	else if (h < 48)
		snprintf(text, SHOW_AGE_SIZE, "%ju h %ju min", (uintmax_t)h, (uintmax_t)(min % 60));
	else
		snprintf(text, SHOW_AGE_SIZE, "%ju d %ju h", (uintmax_t)d, (uintmax_t)(h % 24));
	return text;
}

void show_line(const char *format, ...)
{
	_cleanup_(freep) char *text = NULL;
	va_list args;

	va_start(args, format);
	text = clean_text(format, args);
	va_end(args);
	puts(text);
}

char *show_list_add(char *list, const char *format, ...)
{
	_cleanup_(freep) char *item = NULL;
	va_list args;
	char *longer;

	va_start(args, format);
	item = clean_text(format, args);
	va_end(args);
	if (asprintf(&longer, "%s%s%s", list ? list : "", list ? ", " : "", item) < 0)
		abort();
	free(list);
	return longer;
}

/* How much of the text goes into one line, at a space if there is one. */
static size_t line_len(const char *text)
{
	size_t len = strlen(text), cut = WIDTH - INDENT;

	if (len <= cut)
		return len;
	while (cut > 0 && text[cut] != ' ')
		cut--;
	return cut > 0 ? cut : WIDTH - INDENT;
}

void show_paragraph(const char *label, const char *format, ...)
{
	_cleanup_(freep) char *text = NULL;
	const char *rest;
	va_list args;

	va_start(args, format);
	rest = text = clean_text(format, args);
	va_end(args);
	do {
		size_t len = line_len(rest);

		printf("  %-*s%.*s\n", INDENT - 2, label, (int)len, rest);
		rest += len;
		rest += strspn(rest, " ");
		label = "";
	} while (*rest);
}

void table_column(struct table *table, const char *heading, size_t width_max,
		  enum table_align align)
{
	assert(table->n_columns < TABLE_COLUMNS_MAX && table->n_cells == 0);
	table->columns[table->n_columns++] = (struct column){ heading, width_max, align };
}

void table_cell(struct table *table, const char *format, ...)
{
	size_t width_max = table->columns[table->n_cells % table->n_columns].width_max;
	va_list args;
	char *text;

	va_start(args, format);
	text = clean_text(format, args);
	va_end(args);
	if (width_max && strlen(text) > width_max)
		strcpy(text + width_max - 2, "..");
	if (table->n_cells % table->n_columns == 0) {
		table->notes = vec_reserve(table->notes, &table->cap_notes, table->n_notes + 1,
					   sizeof(*table->notes));
		table->notes[table->n_notes++] = NULL;
	}
	table->cells = vec_reserve(table->cells, &table->cap_cells, table->n_cells + 1,
				   sizeof(*table->cells));
	table->cells[table->n_cells++] = text;
}

void table_note(struct table *table, const char *format, ...)
{
	va_list args;

	assert(table->n_notes > 0 && !table->notes[table->n_notes - 1]);
	va_start(args, format);
	table->notes[table->n_notes - 1] = clean_text(format, args);
	va_end(args);
}

static size_t column_width(const struct table *table, size_t column)
{
	size_t width = strlen(table->columns[column].heading);

	for (size_t i = column; i < table->n_cells; i += table->n_columns) {
		size_t len = strlen(table->cells[i]);

		width = len > width ? len : width;
	}
	return width;
}

/* Nothing is padded at the end of a line. */
static void print_cell(const struct table *table, const size_t *widths, size_t column,
		       const char *text)
{
	bool last = column == table->n_columns - 1;

	if (table->columns[column].align == TABLE_RIGHT)
		printf("%*s", (int)widths[column], text);
	else
		printf("%-*s", last ? 0 : (int)widths[column], text);
	printf("%*s", last ? 0 : GAP, "");
	if (last)
		putchar('\n');
}

void table_end(struct table *table)
{
	size_t *widths = xcalloc(table->n_columns, sizeof(*widths));

	assert(table->n_cells % table->n_columns == 0);
	for (size_t column = 0; column < table->n_columns; column++)
		widths[column] = column_width(table, column);
	for (size_t column = 0; column < table->n_columns; column++)
		print_cell(table, widths, column, table->columns[column].heading);
	for (size_t i = 0; i < table->n_cells; i++) {
		size_t row = i / table->n_columns, column = i % table->n_columns;

		print_cell(table, widths, column, table->cells[i]);
		free(table->cells[i]);
		if (column == table->n_columns - 1 && table->notes[row])
			printf("    %s\n", table->notes[row]);
	}
	for (size_t row = 0; row < table->n_notes; row++)
		free(table->notes[row]);
	free(table->cells);
	free(table->notes);
	free(widths);
	*table = (struct table){ 0 };
}
