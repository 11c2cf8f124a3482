#include "base/err.h"

#include <errno.h>

#include "check.h"

static void sets_a_sentence(void)
{
	struct err err = { 0 };

	CHECK_INT(err_set(&err, ENOENT, "open '%s'", "/run/x"), -ENOENT);
	CHECK_INT(err.code, ENOENT);
	CHECK_STR(err.text, "open '/run/x'");
}

static void wraps_on_the_way_up(void)
{
	struct err err = { 0 };

	(void)err_set(&err, EACCES, "open '%s'", "id");
	CHECK_INT(err_wrap(&err, "load %d files", 2), -EACCES);
	CHECK_INT(err_wrap(&err, "start"), -EACCES);
	CHECK_STR(err.text, "start: load 2 files: open 'id'");
	CHECK_INT(err.code, EACCES);
}

static void nobody_need_listen(void)
{
	CHECK_INT(err_set(NULL, EIO, "read"), -EIO);
	CHECK_INT(err_wrap(NULL, "load"), -EINVAL);
}

static void cuts_what_does_not_fit(void)
{
	struct err err = { 0 };
	const size_t room = sizeof(err.text) - 1;
	char longer[sizeof(err.text) + 10];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	(void)err_set(&err, EIO, "%s", longer);
	CHECK_UINT(strlen(err.text), room);

	(void)err_wrap(&err, "read");
	CHECK_UINT(strlen(err.text), room);
	CHECK_MEM(err.text, "read: xxx", 9);

	/* The wrapper alone fills the text, up to and beyond the colon. */
	for (size_t len = room - 3; len <= room + 3; len++) {
		(void)err_set(&err, EIO, "inner");
		CHECK_INT(err_wrap(&err, "%.*s", (int)len, longer), -EIO);
		CHECK(strlen(err.text) <= room);
	}
}

int main(void)
{
	RUN(sets_a_sentence);
	RUN(wraps_on_the_way_up);
	RUN(nobody_need_listen);
	RUN(cuts_what_does_not_fit);
	return check_report();
}
