#pragma once
/*
 * Cuts a large JSON text into the parts of its outermost object or array, so that each can be
 * parsed on its own (wire/json.h) or passed over, and a list of 16 MiB never becomes one tree: that
 * would take ten times as much. A part is found by counting brackets: what is inside is checked by
 * whoever parses it. No recursion, no memory.
 */
#include "base/bytes.h"

struct json_cut {
	struct bytes rest;
	char end;   /* the bracket that ends it */
	bool first; /* nothing was cut off yet */
	bool whole; /* the end was reached, and nothing but blanks was behind it */
};

/* False: the text does not begin with `open`, '{' or '['. */
bool json_cut_begin(struct json_cut *cut, struct bytes text, char open);
/* The next part, borrowed from the text, without blanks around it. False at the end and where it
 * stops being JSON; `whole` tells which. A key is what is between its quotes, escapes and all. */
bool json_cut_member(struct json_cut *cut, struct bytes *ret_key, struct bytes *ret_value);
bool json_cut_element(struct json_cut *cut, struct bytes *ret_value);

struct json_field {
	const char *name;
	struct bytes value; /* still as text; empty: it is not there */
};

/* Fills the values of an object's fields; of several of a name the last counts, as everywhere in
 * Go. False, with all of them empty: it is no whole object. */
bool json_cut_fields(struct bytes object, struct json_field *fields, size_t n);
