/* A list is cut where a parser would see its parts, and nowhere when it is none. */
#include "wire/json_cut.h"

#include "check.h"

static struct bytes text_of(const char *text)
{
	return (struct bytes){ (const uint8_t *)text, strlen(text) };
}

static const char *show(struct bytes part)
{
	static char room[4][100];
	static unsigned next;
	char *text = room[next++ % 4];

	snprintf(text, sizeof(room[0]), "%.*s", (int)part.len, (const char *)part.data);
	return text;
}

/* The parts with a bar behind each, and '!' if it does not end as it should. */
static void array(const char *text, const char *expected)
{
	char found[200] = "";
	struct json_cut cut;
	struct bytes part;

	CHECK(json_cut_begin(&cut, text_of(text), '['));
	while (json_cut_element(&cut, &part)) {
		strcat(found, show(part));
		strcat(found, "|");
	}
	strcat(found, cut.whole ? "" : "!");
	if (!CHECK_STR(found, expected))
		printf("  of %s\n", text);
}

static void object(const char *text, const char *expected)
{
	char found[200] = "";
	struct json_cut cut;
	struct bytes key, part;

	CHECK(json_cut_begin(&cut, text_of(text), '{'));
	while (json_cut_member(&cut, &key, &part)) {
		strcat(found, show(key));
		strcat(found, "=");
		strcat(found, show(part));
		strcat(found, "|");
	}
	strcat(found, cut.whole ? "" : "!");
	if (!CHECK_STR(found, expected))
		printf("  of %s\n", text);
}

static void cuts_arrays(void)
{
	array("[]", "");
	array(" [ ] \n", "");
	array("[1]", "1|");
	array("[ 1 , -2.5e3,true , null]", "1|-2.5e3|true|null|");
	array("[\"a,]\",\"\\\"]\",\"\\\\\"]", "\"a,]\"|\"\\\"]\"|\"\\\\\"|");
	array("[{\"a\":[1,2,{}]},[[\"]\"]]]", "{\"a\":[1,2,{}]}|[[\"]\"]]|");
}

static void cuts_objects(void)
{
	object("{}", "");
	object("{\"a\":1}", "a=1|");
	object("{ \"a\" : {\"b\":\"}\"} , \"c\\\"d\":[ ],\"\":\"\" }",
	       "a={\"b\":\"}\"}|c\\\"d=[ ]|=\"\"|");
}

static void stops_where_it_is_no_json(void)
{
	array("[", "!");
	array("[1", "1|!");
	array("[1,", "1|!");
	array("[1,]", "1|!");
	array("[,1]", "!");
	array("[1 2]", "1|!");
	array("[1}", "1|!");
	array("[1]x", "1|!");
	array("[1]]", "1|!");
	array("[\"a", "!");
	array("[\"a\\", "!");
	array("[{\"a\":\"}]", "!");
	array("[[]", "[]|!");
	array("[:]", "!");
	object("{", "!");
	object("{1:2}", "!");
	object("{\"a\"}", "!");
	object("{\"a\":}", "!");
	object("{\"a\" 1}", "!");
	object("{\"a\":1,}", "a=1|!");
	object("{\"a\":1]", "a=1|!");
	object("{\"a", "!");
}

/* What is in a part is for its parser to see: it is found, whatever it is. */
static void does_not_look_inside(void)
{
	array("[{]}]", "{]|!");
	array("[{x y]]", "{x y]|");
}

static void begins_only_where_it_may(void)
{
	struct json_cut cut;

	CHECK(!json_cut_begin(&cut, text_of(""), '['));
	CHECK(!json_cut_begin(&cut, text_of("{}"), '['));
	CHECK(!json_cut_begin(&cut, text_of("[]"), '{'));
	CHECK(!json_cut_begin(&cut, (struct bytes){ 0 }, '{'));
}

static void a_million_open_brackets(void)
{
	size_t len = 1 << 20;
	char *text = malloc(len);
	struct bytes part, all = { (const uint8_t *)text, len };
	struct json_cut cut;

	memset(text, '[', len);
	CHECK(json_cut_begin(&cut, all, '['));
	CHECK(!json_cut_element(&cut, &part));
	CHECK(!cut.whole);
	free(text);
}

static void fields_are(const char *text, bool whole, const char *a, const char *b)
{
	struct json_field fields[] = { { "a", text_of("before") }, { "b", text_of("before") } };

	if (!CHECK_INT(json_cut_fields(text_of(text), fields, 2), whole) ||
	    !CHECK_STR(show(fields[0].value), a) || !CHECK_STR(show(fields[1].value), b))
		printf("  of %s\n", text);
}

static void cuts_fields(void)
{
	fields_are("{}", true, "", "");
	fields_are("{\"b\": {\"a\":1} ,\"c\":[]}", true, "", "{\"a\":1}");
	fields_are("{\"a\":1,\"b\":null,\"a\":2}", true, "2", "null");
	fields_are("{\"a\":1,\"b\":2", false, "", "");
	fields_are("{\"a\":1} 2", false, "", "");
	fields_are("[\"a\"]", false, "", "");
	fields_are("", false, "", "");
}

int main(void)
{
	RUN(cuts_arrays);
	RUN(cuts_objects);
	RUN(stops_where_it_is_no_json);
	RUN(does_not_look_inside);
	RUN(begins_only_where_it_may);
	RUN(a_million_open_brackets);
	RUN(cuts_fields);
	return check_report();
}
