#pragma once
/*
 * Untrusted JSON -> cJSON tree. cJSON takes more than JSON (other numbers, control characters, what
 * follows the end) and allocates what it is told to, so the text is checked first: RFC 8259 to the
 * letter, and bounded in depth and in the number of values.
 */
#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

enum { JSON_DEPTH_MAX = 64, JSON_VALUES_MAX = 32768 };

/* The tree, the caller's for cJSON_Delete; NULL with err saying where it stops being JSON, or what
 * there is too much of. */
cJSON *json_parse(struct bytes text, struct err *err);

/* The member of this name, of several the last as everywhere in Go; NULL when there is none or it
 * is null. `object` may be NULL or no object. */
const cJSON *json_member(const cJSON *object, const char *name);
/* The text of what we made, in the arena; the tree is deleted. */
const char *json_print(cJSON *json, struct arena *arena);
