#pragma once
/*
 * The little of HTTP that a kubelet's probe speaks (RFC 9112): a request's head -> what is asked;
 * an answer -> bytes. One request per connection, which is closed after the answer.
 */
#include "base/arena.h"
#include "base/bytes.h"

enum { HTTP_HEAD_MAX = 8192 };

enum http_asked {
	HTTP_HEALTHZ, /* the agent runs its loop: an answer is all it takes */
	HTTP_READYZ,  /* would an ADD succeed? */
	HTTP_UNKNOWN, /* 404 */
	HTTP_NOT_GET, /* 405 */
	HTTP_GARBAGE, /* 400 */
};

/* A request's head, up to and with the empty line. `ret_body`: HEAD wants none. */
enum http_asked http_decode(struct bytes head, bool *ret_body);
/* The whole answer to it, in the arena. `text` is one line for HEALTHZ and READYZ; for the others
 * this module knows what to say. `good`: 200, else 503. */
struct bytes http_encode(enum http_asked asked, bool good, const char *text, bool body,
			 struct arena *arena);
