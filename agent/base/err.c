#include "err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *format, ...)
{
	va_list args;

	assert(code > 0);
	if (!err)
		return -code;
	err->code = code;
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return -code;
}

int err_wrap(struct err *err, const char *format, ...)
{
	static const char colon[] = ": ";
	char inner[sizeof(err->text)];
	size_t len, room, inner_len;
	va_list args;

	if (!err)
		return -EINVAL;
	assert(err->code > 0);
	memcpy(inner, err->text, sizeof(inner));
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);

	/* By hand, not with snprintf: this room links with vsnprintf and memory functions only. */
	len = strlen(err->text);
	room = sizeof(err->text) - 1 - len;
	if (room < sizeof(colon) - 1)
		return -err->code;
	memcpy(err->text + len, colon, sizeof(colon) - 1);
	len += sizeof(colon) - 1;
	room -= sizeof(colon) - 1;
	inner_len = strlen(inner);
	if (inner_len > room)
		inner_len = room;
	memcpy(err->text + len, inner, inner_len);
	err->text[len + inner_len] = '\0';
	return -err->code;
}
