#pragma once
/* A stream in pieces -> its lines. Keeps what has come of a line, and no more than a line may
 * have. */
#include "base/bytes.h"

struct lines {
	uint8_t *part; /* owned: the beginning of a line */
	size_t len, cap;
	size_t max;     /* bytes of a line */
	bool given_out; /* `part` is the line that was given out last */
};

enum lines_found { LINES_LINE, LINES_NO_MORE, LINES_TOO_LONG };

void lines_init(struct lines *lines, size_t max);
/* Also forgets what has come, for a new stream. */
void lines_done(struct lines *lines);

/* Takes from *piece. The line, without its end, is valid until the next call; NO_MORE when the
 * piece is used up. */
enum lines_found lines_next(struct lines *lines, struct bytes *piece, struct bytes *ret);
