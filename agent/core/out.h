#pragma once
/*
 * Where modules of the core put what they want done: the action list and arena of the current step.
 * Private to core.
 */
#include "core/action.h"
#include "base/arena.h"
#include "base/instant.h"

struct out {
	struct arena arena; /* reset at the next step */
	struct actions actions;
	struct instant now;
};

void out_init(struct out *out);
void out_done(struct out *out);
void out_begin(struct out *out, struct instant now); /* forget the last step's actions */

/* Zeroed room in the step's arena; never NULL (more than the arena may hold is a broken program).
 */
void *out_alloc(struct out *out, size_t size);
char *out_text(struct out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A sentence into a caller's buffer of TEXT_LEN_MAX + 1, cut if it must be. */
void text_line(char buf[static TEXT_LEN_MAX + 1], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Append an action of this type and return it, to be filled in. */
struct action *out_add(struct out *out, enum action_type type);

/* A decision in the grammar "fact -> decision". */
void out_trace(struct out *out, enum trace_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
