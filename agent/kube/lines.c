#include "kube/lines.h"

#include <stdlib.h>

#include "base/vec.h"

enum { KEPT_MAX = 64 << 10 }; /* of room for the next line */

void lines_init(struct lines *lines, size_t max)
{
	*lines = (struct lines){ .max = max };
}

void lines_done(struct lines *lines)
{
	free(lines->part);
	lines_init(lines, lines->max);
}

static void take_back(struct lines *lines)
{
	if (lines->given_out && lines->cap > KEPT_MAX)
		lines_done(lines);
	else if (lines->given_out)
		lines->len = 0;
	lines->given_out = false;
}

static void keep(struct lines *lines, struct bytes more)
{
	lines->part = vec_reserve(lines->part, &lines->cap, lines->len + more.len, 1);
	if (more.len > 0)
		memcpy(lines->part + lines->len, more.data, more.len);
	lines->len += more.len;
}

enum lines_found lines_next(struct lines *lines, struct bytes *piece, struct bytes *ret)
{
	const uint8_t *end = piece->len > 0 ? memchr(piece->data, '\n', piece->len) : NULL;
	struct bytes line = { piece->data, end ? (size_t)(end - piece->data) : piece->len };

	take_back(lines);
	if (line.len > lines->max - lines->len)
		return LINES_TOO_LONG;
	*piece = (struct bytes){ end ? end + 1 : NULL, end ? piece->len - line.len - 1 : 0 };
	if (!end || lines->len > 0)
		keep(lines, line);
	if (!end)
		return LINES_NO_MORE;
	if (lines->len > 0) {
		lines->given_out = true;
		line = (struct bytes){ lines->part, lines->len };
	}
	*ret = line;
	return LINES_LINE;
}
