/* An error is a sentence, begun where it happened and finished by its callers.
 *
 * Functions that can fail because of the world take a `struct err *err` as last parameter and
 * return a negative errno. The caller owns the struct; it is untouched on success. Whoever decides
 * what to do next prints the sentence, once. */
#pragma once

struct err {
	int code;       /* a positive errno, 0 while nothing has failed */
	char text[320]; /* one line without a full stop; what does not fit is cut */
};

/* Begin a sentence: "open '/var/lib/weft/identity'". The errno's own words are for the printer to
 * add, this room knows none. Returns -code. NULL is a caller who wants the number alone. */
int err_set(struct err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Put "text: " in front and keep the code. Returns -code, or -EINVAL when err is NULL: then the
 * caller still has the number that the failing call returned, and should return that. */
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
