/* JSON to the letter, and no more of it than is allowed. */
#include "wire/json.h"

#include "check.h"

static cJSON *parse(const char *text, size_t len, struct err *err)
{
	char *copy = malloc(len ? len : 1); /* exactly, for the sanitizer */
	cJSON *tree;

	memcpy(copy, text, len);
	tree = json_parse((struct bytes){ (const uint8_t *)copy, len }, err);
	free(copy);
	return tree;
}

static void good(const char *text)
{
	struct err err = { 0 };
	cJSON *tree = parse(text, strlen(text), &err);

	if (!CHECK(tree))
		printf("  %s: %s\n", text, err.text);
	cJSON_Delete(tree);
}

static void bad(const char *text, const char *why)
{
	struct err err = { 0 };
	cJSON *tree = parse(text, strlen(text), &err);

	if (!CHECK(!tree))
		printf("  accepted: %s\n", text);
	CHECK_STR(err.text, why);
	cJSON_Delete(tree);
}

static void takes_json(void)
{
	static const char *const texts[] = {
		"{}",
		" \t\r\n[ ] \n",
		"null",
		"-0.5e+10",
		"0",
		"[1,2.25,1E5,-7,0e1]",
		"{\"a\":{\"b\":[true,false,null,\"\"]}}",
		"\"\\\" \\\\ \\/ \\b\\f\\n\\r\\t \\u00e9 \\uD83D\\uDE00 \xc3\xa9\"",
		"{\"a\":1,\"a\":2}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		good(texts[i]);
}

static void refuses_what_is_nearly_json(void)
{
	bad("", "it is empty");
	bad(" ", "no value where one must be at byte 1");
	bad("{", "no string where one must be at byte 1");
	bad("{}x", "something after the end at byte 2");
	bad("{} {}", "something after the end at byte 3");
	bad("{\"a\"}", "no colon after a name at byte 4");
	bad("{\"a\":}", "no value where one must be at byte 5");
	bad("{\"a\":1,}", "no string where one must be at byte 7");
	bad("{\"a\":1 \"b\":2}", "no end of an object at byte 7");
	bad("{a:1}", "no string where one must be at byte 1");
	bad("[1,]", "no value where one must be at byte 3");
	bad("[1 2]", "no end of an array at byte 3");
	bad("[", "no value where one must be at byte 1");
	bad("01", "something after the end at byte 1");
	bad("+1", "no value where one must be at byte 0");
	bad(".5", "no value where one must be at byte 0");
	bad("1.", "a number without digits at byte 2");
	bad("1e", "a number without digits at byte 2");
	bad("1e+-1", "a number without digits at byte 3");
	bad("-", "no value where one must be at byte 1");
	bad("nul", "no value where one must be at byte 3");
	bad("True", "no value where one must be at byte 0");
	bad("nan", "no value where one must be at byte 1");
	bad("'a'", "no value where one must be at byte 0");
	bad("\"a", "a string without an end at byte 2");
	bad("\"a\nb\"", "a control character in a string at byte 2");
	bad("\"\\x\"", "an escape that is none at byte 2");
	bad("\"\\u12g4\"", "an escape that is none at byte 5");
	bad("\"\\u0000\"", "a \\u0000 at byte 7");
	bad("\"\\ud800\"", "an escape that is no character");
	bad("\xef\xbb\xbf{}", "no value where one must be at byte 0");
	bad("/* */{}", "no value where one must be at byte 0");
}

static void refuses_a_zero(void)
{
	struct err err = { 0 };

	CHECK(!parse("{}\0", 3, &err));
	CHECK(!parse("\"a\0b\"", 5, &err));
	CHECK(!parse("\0", 1, &err));
	CHECK(!json_parse((struct bytes){ 0 }, &err)); /* nothing at all */
}

static void survives_every_cut(void)
{
	static const char text[] = "{\"a\":[1.5e3,true,{\"b\":\"\\u00e9\\n\"}],\"c\":null}";

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		struct err err = { 0 };

		CHECK(!parse(text, len, &err));
		CHECK(*err.text);
	}
	good(text);
}

static char *brackets(size_t n)
{
	char *text = malloc(2 * n + 1);

	memset(text, '[', n);
	memset(text + n, ']', n);
	text[2 * n] = '\0';
	return text;
}

static void bounds_depth(void)
{
	struct err err = { 0 };
	char *text = brackets(JSON_DEPTH_MAX);
	cJSON *tree;

	good(text);
	free(text);
	text = brackets(JSON_DEPTH_MAX + 2);
	CHECK(!parse(text, strlen(text), &err));
	CHECK_STR(err.text, "too many levels at byte 65");
	free(text);
	/* a million open ones: no deep recursion on the way to "no" */
	text = malloc(1 << 20);
	memset(text, '[', 1 << 20);
	CHECK(!(tree = parse(text, 1 << 20, &err)));
	free(text);
}

static void bounds_values(void)
{
	size_t len = 2 * JSON_VALUES_MAX + 1;
	char *text = malloc(len + 1);
	struct err err = { 0 };
	cJSON *tree;

	/* one array with so many numbers */
	for (size_t i = 0; i < len; i++)
		text[i] = i % 2 ? '1' : ',';
	text[0] = '[';
	text[len - 1] = ']';
	CHECK(!parse(text, len, &err));
	CHECK(strstr(err.text, "too many values") == err.text);
	text[len - 3] = ']';
	tree = parse(text, len - 2, &err);
	CHECK(tree);
	cJSON_Delete(tree);
	free(text);
}

static void the_last_member_counts(void)
{
	struct err err = { 0 };
	static const char text[] = "{\"a\":1,\"b\":null,\"a\":2,\"c\":3,\"c\":null,\"A\":9}";
	cJSON *tree = parse(text, strlen(text), &err);

	REQUIRE(tree);
	CHECK_INT(json_member(tree, "a")->valueint, 2);
	CHECK(!json_member(tree, "b"));
	CHECK(!json_member(tree, "c"));
	CHECK(!json_member(tree, "d"));
	CHECK(!json_member(NULL, "a"));
	CHECK(!json_member(json_member(tree, "a"), "a"));
	cJSON_Delete(tree);
}

int main(void)
{
	RUN(takes_json);
	RUN(refuses_what_is_nearly_json);
	RUN(refuses_a_zero);
	RUN(survives_every_cut);
	RUN(bounds_depth);
	RUN(bounds_values);
	RUN(the_last_member_counts);
	return check_report();
}
