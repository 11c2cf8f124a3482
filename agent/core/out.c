#include "core/out.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"
#include "base/xalloc.h"

enum { STEP_ARENA_MAX = 64 << 20, TEXT_MAX = 512 };

void out_init(struct out *out)
{
	*out = (struct out){ 0 };
	arena_init(&out->arena, STEP_ARENA_MAX);
}

void out_done(struct out *out)
{
	arena_done(&out->arena);
	free(out->actions.items);
	*out = (struct out){ 0 };
}

void out_begin(struct out *out, struct instant now)
{
	arena_reset(&out->arena);
	out->actions.n = 0;
	out->now = now;
}

void *out_alloc(struct out *out, size_t size)
{
	void *p = arena_alloc(&out->arena, size);

	assert(p != NULL);
	return p;
}

static char *text_va(struct out *out, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

static char *text_va(struct out *out, const char *fmt, va_list args)
{
	char buf[TEXT_MAX];
	int n = vsnprintf(buf, sizeof(buf), fmt, args);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf) - 1;
	char *text = out_alloc(out, len + 1);

	memcpy(text, buf, len);
	return text;
}

char *out_text(struct out *out, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = text_va(out, fmt, args);
	va_end(args);
	return text;
}

void text_line(char buf[static TEXT_LEN_MAX + 1], const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(buf, TEXT_LEN_MAX + 1, fmt, args);
	va_end(args);
}

struct action *out_add(struct out *out, enum action_type type)
{
	struct actions *list = &out->actions;
	struct action *action;

	list->items = vec_reserve(list->items, &list->cap, list->n + 1, sizeof(*list->items));
	action = &list->items[list->n++];
	*action = (struct action){ .type = type };
	return action;
}

void out_trace(struct out *out, enum trace_level level, const char *fmt, ...)
{
	struct action *action = out_add(out, ACTION_TRACE);
	va_list args;

	va_start(args, fmt);
	action->trace.level = level;
	action->trace.text = text_va(out, fmt, args);
	va_end(args);
}
