#include "wire/json.h"

#include <errno.h>

struct check {
	const uint8_t *begin, *at, *end;
	size_t n_values;
	struct err *err;
};

static bool check_value(struct check *c, unsigned depth);

static bool refuse(struct check *c, const char *what)
{
	err_set(c->err, EBADMSG, "%s at byte %zu", what, (size_t)(c->at - c->begin));
	return false;
}

/* -1 at the end. */
static int peek(const struct check *c)
{
	return c->at < c->end ? *c->at : -1;
}

static bool take(struct check *c, char expected)
{
	if (peek(c) != expected)
		return false;
	c->at++;
	return true;
}

static void skip_space(struct check *c)
{
	while (peek(c) == ' ' || peek(c) == '\t' || peek(c) == '\n' || peek(c) == '\r')
		c->at++;
}

static bool is_digit(int byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_hex(int byte)
{
	return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

/* \u0000 is JSON, but no C string holds it. */
static bool check_unicode_escape(struct check *c)
{
	bool zero = true;

	for (int i = 0; i < 4; i++) {
		if (!is_hex(peek(c)))
			return refuse(c, "an escape that is none");
		zero = zero && *c->at == '0';
		c->at++;
	}
	return !zero || refuse(c, "a \\u0000");
}

static bool check_escape(struct check *c)
{
	static const char letters[] = "\"\\/bfnrt";
	int letter = peek(c);

	if (letter == 'u') {
		c->at++;
		return check_unicode_escape(c);
	}
	if (letter <= 0 || !strchr(letters, letter))
		return refuse(c, "an escape that is none");
	c->at++;
	return true;
}

static bool check_string(struct check *c)
{
	if (!take(c, '"'))
		return refuse(c, "no string where one must be");
	while (!take(c, '"')) {
		if (peek(c) < 0x20)
			return refuse(c, peek(c) < 0 ? "a string without an end"
						     : "a control character in a string");
		if (!take(c, '\\'))
			c->at++;
		else if (!check_escape(c))
			return false;
	}
	return true;
}

static bool skip_digits(struct check *c)
{
	const uint8_t *from = c->at;

	while (is_digit(peek(c)))
		c->at++;
	return c->at > from;
}

static bool check_number(struct check *c)
{
	(void)take(c, '-');
	if (!take(c, '0') && !skip_digits(c))
		return refuse(c, "no value where one must be");
	if (take(c, '.') && !skip_digits(c))
		return refuse(c, "a number without digits");
	if (take(c, 'e') || take(c, 'E')) {
		if (!take(c, '+'))
			(void)take(c, '-');
		if (!skip_digits(c))
			return refuse(c, "a number without digits");
	}
	return true;
}

static bool check_word(struct check *c, const char *word)
{
	while (*word)
		if (!take(c, *word++))
			return refuse(c, "no value where one must be");
	return true;
}

static bool check_array(struct check *c, unsigned depth)
{
	c->at++;
	skip_space(c);
	if (take(c, ']'))
		return true;
	do
		if (!check_value(c, depth))
			return false;
	while (take(c, ','));
	return take(c, ']') || refuse(c, "no end of an array");
}

static bool check_object(struct check *c, unsigned depth)
{
	c->at++;
	skip_space(c);
	if (take(c, '}'))
		return true;
	do {
		skip_space(c);
		if (!check_string(c))
			return false;
		skip_space(c);
		if (!take(c, ':'))
			return refuse(c, "no colon after a name");
		if (!check_value(c, depth))
			return false;
	} while (take(c, ','));
	return take(c, '}') || refuse(c, "no end of an object");
}

static bool check_some_value(struct check *c, unsigned depth)
{
	switch (peek(c)) {
	case '{':
		return check_object(c, depth + 1);
	case '[':
		return check_array(c, depth + 1);
	case '"':
		return check_string(c);
	case 't':
		return check_word(c, "true");
	case 'f':
		return check_word(c, "false");
	case 'n':
		return check_word(c, "null");
	default: /* a byte, no enum */
		return check_number(c);
	}
}

/* Blanks around it included. `depth` objects and arrays are open. */
static bool check_value(struct check *c, unsigned depth)
{
	if (depth > JSON_DEPTH_MAX)
		return refuse(c, "too many levels");
	if (++c->n_values > JSON_VALUES_MAX)
		return refuse(c, "too many values");
	skip_space(c);
	if (!check_some_value(c, depth))
		return false;
	skip_space(c);
	return true;
}

cJSON *json_parse(struct bytes text, struct err *err)
{
	struct check c = { .begin = text.data, .at = text.data, .err = err };
	cJSON *tree;

	if (text.len == 0) {
		err_set(err, EBADMSG, "it is empty");
		return NULL;
	}
	c.end = text.data + text.len;
	if (!check_value(&c, 0))
		return NULL;
	if (c.at != c.end) {
		refuse(&c, "something after the end");
		return NULL;
	}
	tree = cJSON_ParseWithLength((const char *)text.data, text.len);
	if (!tree) /* half of a surrogate pair */
		err_set(err, EBADMSG, "an escape that is no character");
	return tree;
}

const cJSON *json_member(const cJSON *object, const char *name)
{
	const cJSON *found = NULL;

	if (!cJSON_IsObject(object))
		return NULL;
	for (const cJSON *member = object->child; member; member = member->next)
		if (strcmp(member->string, name) == 0)
			found = member;
	return found && !cJSON_IsNull(found) ? found : NULL;
}

const char *json_print(cJSON *json, struct arena *arena)
{
	char *printed = cJSON_PrintUnformatted(json), *text;

	assert(printed);
	text = arena_strdup(arena, printed);
	assert(text);
	cJSON_free(printed);
	cJSON_Delete(json);
	return text;
}
