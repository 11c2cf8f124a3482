#include "wire/json_cut.h"

static void skip(struct bytes *text, size_t len)
{
	text->data += len;
	text->len -= len;
}

/* -1 at the end. */
static int peek(const struct bytes *text)
{
	return text->len > 0 ? *text->data : -1;
}

static void skip_space(struct bytes *text)
{
	while (peek(text) == ' ' || peek(text) == '\t' || peek(text) == '\n' || peek(text) == '\r')
		skip(text, 1);
}

static bool take(struct bytes *text, char expected)
{
	if (peek(text) != expected)
		return false;
	skip(text, 1);
	return true;
}

/* The length of the string that begins here, with its quotes; 0: it has no end. */
static size_t string_len(struct bytes text)
{
	for (size_t i = 1; i < text.len; i++) {
		if (text.data[i] == '"')
			return i + 1;
		if (text.data[i] == '\\')
			i++;
	}
	return 0;
}

/* The length of what begins with a bracket, to the bracket that ends it. Which kind a bracket is
 * does not matter here: the parser will look. */
static size_t nested_len(struct bytes text)
{
	size_t depth = 0, len = 0;

	while (len < text.len) {
		struct bytes rest = { text.data + len, text.len - len };
		size_t step = 1;

		if (*rest.data == '"')
			step = string_len(rest);
		else if (*rest.data == '{' || *rest.data == '[')
			depth++;
		else if (*rest.data == '}' || *rest.data == ']')
			depth--;
		if (step == 0)
			return 0;
		len += step;
		if (depth == 0)
			return len;
	}
	return 0;
}

static size_t scalar_len(struct bytes text)
{
	size_t len = 0;

	while (len < text.len && !memchr(" \t\n\r,:[]{}\"", text.data[len], 11))
		len++;
	return len;
}

static size_t value_len(struct bytes text)
{
	switch (peek(&text)) {
	case '{':
	case '[':
		return nested_len(text);
	case '"':
		return string_len(text);
	default: /* a byte, no enum */
		return scalar_len(text);
	}
}

bool json_cut_begin(struct json_cut *cut, struct bytes text, char open)
{
	*cut = (struct json_cut){ .rest = text, .end = open == '{' ? '}' : ']', .first = true };
	skip_space(&cut->rest);
	return take(&cut->rest, open);
}

/* Is there another part, and does the text stand at its beginning? */
static bool go_on(struct json_cut *cut)
{
	bool first = cut->first;

	cut->first = false;
	skip_space(&cut->rest);
	if (take(&cut->rest, cut->end)) {
		skip_space(&cut->rest);
		cut->whole = cut->rest.len == 0;
		return false;
	}
	if (!first && !take(&cut->rest, ','))
		return false;
	skip_space(&cut->rest);
	return true;
}

static bool take_value(struct json_cut *cut, struct bytes *ret)
{
	size_t len = value_len(cut->rest);

	*ret = (struct bytes){ cut->rest.data, len };
	skip(&cut->rest, len);
	return len > 0;
}

bool json_cut_member(struct json_cut *cut, struct bytes *ret_key, struct bytes *ret_value)
{
	size_t len;

	if (!go_on(cut) || peek(&cut->rest) != '"')
		return false;
	len = string_len(cut->rest);
	if (len == 0)
		return false;
	*ret_key = (struct bytes){ cut->rest.data + 1, len - 2 };
	skip(&cut->rest, len);
	skip_space(&cut->rest);
	if (!take(&cut->rest, ':'))
		return false;
	skip_space(&cut->rest);
	return take_value(cut, ret_value);
}

bool json_cut_element(struct json_cut *cut, struct bytes *ret_value)
{
	return go_on(cut) && take_value(cut, ret_value);
}

bool json_cut_fields(struct bytes object, struct json_field *fields, size_t n)
{
	struct bytes key, value;
	struct json_cut cut;

	for (size_t i = 0; i < n; i++)
		fields[i].value = (struct bytes){ 0 };
	if (!json_cut_begin(&cut, object, '{'))
		return false;
	while (json_cut_member(&cut, &key, &value))
		for (size_t i = 0; i < n; i++)
			if (bytes_are(key, fields[i].name))
				fields[i].value = value;
	for (size_t i = 0; !cut.whole && i < n; i++)
		fields[i].value = (struct bytes){ 0 };
	return cut.whole;
}
