/* However a stream is cut into pieces, its lines are the same. */
#include "kube/lines.h"

#include "base/prng.h"

#include "check.h"

static enum lines_found next(struct lines *lines, struct bytes *piece, char *ret)
{
	struct bytes line = { 0 };
	enum lines_found found = lines_next(lines, piece, &line);

	if (found == LINES_LINE)
		snprintf(ret, 64, "%.*s", (int)line.len, (const char *)line.data);
	return found;
}

static void feed(struct lines *lines, const char *text, size_t len, char *all)
{
	char *copy = malloc(len ? len : 1), line[64]; /* exactly, for the sanitizer */
	struct bytes piece = { (const uint8_t *)copy, len };

	memcpy(copy, text, len);
	while (next(lines, &piece, line) == LINES_LINE) {
		strcat(all, line);
		strcat(all, "|");
	}
	free(copy);
}

static void finds_lines_however_they_are_cut(void)
{
	static const char text[] = "one\n\ntwo\nlonger than the others\n\nrest";
	struct prng prng;

	prng_seed(&prng, 7);
	for (int run = 0; run < 300; run++) {
		char all[200] = "";
		struct lines lines;
		size_t at = 0;

		lines_init(&lines, 40);
		while (at < sizeof(text) - 1) {
			size_t len = prng_below(&prng, 9);

			len = len < sizeof(text) - 1 - at ? len : sizeof(text) - 1 - at;
			feed(&lines, text + at, len, all);
			at += len;
		}
		CHECK_STR(all, "one||two|longer than the others||");
		lines_done(&lines);
	}
}

static void bounds_a_line(void)
{
	struct lines lines;
	char all[200] = "", line[64];
	struct bytes piece = { (const uint8_t *)"12345678\n", 9 };

	lines_init(&lines, 8);
	feed(&lines, "1234", 4, all);
	feed(&lines, "5678\n", 5, all);
	CHECK_STR(all, "12345678|");
	CHECK_INT(next(&lines, &piece, line), LINES_LINE);
	piece = (struct bytes){ (const uint8_t *)"123456789\n", 10 };
	CHECK_INT(next(&lines, &piece, line), LINES_TOO_LONG);
	lines_done(&lines);
	feed(&lines, "1234", 4, all);
	piece = (struct bytes){ (const uint8_t *)"56789", 5 };
	CHECK_INT(next(&lines, &piece, line), LINES_TOO_LONG);
	lines_done(&lines);
}

static void forgets_for_a_new_stream(void)
{
	struct lines lines;
	char all[200] = "";

	lines_init(&lines, 100);
	feed(&lines, "half a li", 9, all);
	lines_done(&lines);
	feed(&lines, "whole\n", 6, all);
	CHECK_STR(all, "whole|");
	lines_done(&lines);
}

static void gives_back_the_room_of_a_long_line(void)
{
	size_t len = 1 << 20;
	char *text = malloc(len);
	struct bytes piece = { (const uint8_t *)text, len }, line;
	struct lines lines;

	memset(text, 'x', len);
	lines_init(&lines, 2 * len);
	CHECK_INT(lines_next(&lines, &piece, &line), LINES_NO_MORE);
	piece = (struct bytes){ (const uint8_t *)"\n", 1 };
	CHECK_INT(lines_next(&lines, &piece, &line), LINES_LINE);
	CHECK_UINT(line.len, len);
	CHECK_MEM(line.data, text, len);
	CHECK_INT(lines_next(&lines, &piece, &line), LINES_NO_MORE);
	CHECK_UINT(lines.cap, 0);
	lines_done(&lines);
	free(text);
}

int main(void)
{
	RUN(finds_lines_however_they_are_cut);
	RUN(bounds_a_line);
	RUN(forgets_for_a_new_stream);
	RUN(gives_back_the_room_of_a_long_line);
	return check_report();
}
