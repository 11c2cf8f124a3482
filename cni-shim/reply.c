#include "reply.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Each byte of a text becomes six at most (\u001f). */
enum { REPLY_MAX = 6 * sizeof(struct problem) + 128 };

struct json {
	char data[REPLY_MAX];
	size_t len;
};

void problem_set(struct problem *ret, enum cni_code code, const char *format, ...)
{
	va_list args;

	*ret = (struct problem){ .code = code };
	va_start(args, format);
	vsnprintf(ret->message, sizeof(ret->message), format, args);
	va_end(args);
}

void problem_advise(struct problem *problem, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(problem->details, sizeof(problem->details), format, args);
	va_end(args);
}

bool reply_write(const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		size -= (size_t)n;
	}
	return true;
}

static void add(struct json *json, const char *data, size_t len)
{
	memcpy(json->data + json->len, data, len);
	json->len += len;
}

static void add_text(struct json *json, const char *text)
{
	add(json, text, strlen(text));
}

/* How many bytes of UTF-8 make the character at `at`; 0 when they make none (RFC 3629, table 3-7 of
 * Unicode). The final zero byte is no continuation, so this never looks past it. */
static size_t character_len(const uint8_t *at)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t len;

	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xc2 && at[0] <= 0xdf) {
		len = 2;
	} else if ((at[0] & 0xf0) == 0xe0) {
		len = 3;
		low = at[0] == 0xe0 ? 0xa0 : low;
		high = at[0] == 0xed ? 0x9f : high;
	} else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
		len = 4;
		low = at[0] == 0xf0 ? 0x90 : low;
		high = at[0] == 0xf4 ? 0x8f : high;
	} else {
		return 0;
	}
	if (at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* What is not UTF-8 (from the environment, or cut in the middle) becomes U+FFFD: some readers of
 * JSON refuse the whole object otherwise. */
static void add_string(struct json *json, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;

	add_text(json, "\"");
	while (*at) {
		size_t len = character_len(at);
		char escaped[8];

		if (len == 0) {
			add_text(json, "\\ufffd");
			at++;
		} else if (*at == '"' || *at == '\\') {
			add_text(json, "\\");
			add(json, (const char *)at++, 1);
		} else if (*at < 0x20 || *at == 0x7f) {
			snprintf(escaped, sizeof(escaped), "\\u%04x", *at);
			add_text(json, escaped);
			at++;
		} else {
			add(json, (const char *)at, len);
			at += len;
		}
	}
	add_text(json, "\"");
}

bool reply_problem(const struct problem *problem)
{
	struct json json = { .len = 0 };
	char code[16];

	snprintf(code, sizeof(code), "%u", (unsigned)problem->code);
	add_text(&json, "{\"cniVersion\":\"" CNI_VERSION_NEWEST "\",\"code\":");
	add_text(&json, code);
	add_text(&json, ",\"msg\":");
	add_string(&json, problem->message);
	if (*problem->details) {
		add_text(&json, ",\"details\":");
		add_string(&json, problem->details);
	}
	add_text(&json, "}\n");
	return reply_write(json.data, json.len);
}
