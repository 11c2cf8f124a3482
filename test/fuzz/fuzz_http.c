/* What is asked over HTTP: every request gets one whole answer.
 *
 * Input: a request's head. */
#include "wire/http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct bytes answer;
	enum http_asked asked;
	bool body;

	asked = http_decode((struct bytes){ data, size }, &body);
	arena_init(&arena, 4096);
	answer = http_encode(asked, size & 1, "why", body, &arena);
	if (memcmp(answer.data, "HTTP/1.1 ", 9) != 0 ||
	    !memmem(answer.data, answer.len, "\r\n\r\n", 4))
		abort();
	arena_done(&arena);
	return 0;
}
