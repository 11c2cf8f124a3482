#include "base/flags.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/guess.h"

enum { VARIABLE_SIZE = 40, USAGE_SIZE = 64, SHOWN_MAX = 80 };

/* This room links with vsnprintf alone. */
__attribute__((format(printf, 3, 4))) static const char *put(char *buf, size_t size,
							     const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(buf, size, format, args);
	va_end(args);
	return buf;
}

static const char *variable_of(const struct flag *flag, char buf[static VARIABLE_SIZE])
{
	if (flag->variable)
		return flag->variable;
	put(buf, VARIABLE_SIZE, "WEFT_%s", flag->name);
	for (char *c = buf; *c; c++)
		*c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c == '-' ? '_' : *c;
	return buf;
}

static bool may_be_bare(const struct flag *flag)
{
	return flag->value[0] == '[';
}

static const char *name_of(const void *table, size_t i)
{
	const struct flag *all = table;

	return all[i].name;
}

static int refuse_unknown(const struct flags *flags, const char *name, size_t len, struct err *err)
{
	size_t nearest = guess_name(name, len, flags->all, flags->n, name_of);
	int shown = (int)(len < SHOWN_MAX ? len : SHOWN_MAX);

	if (nearest < flags->n)
		return err_set(err, EINVAL, "there is no --%.*s; did you mean --%s?", shown, name,
			       flags->all[nearest].name);
	return err_set(err, EINVAL, "there is no --%.*s; '%s --help' tells what there is", shown,
		       name, flags->program);
}

static size_t find(const struct flags *flags, const char *name, size_t len)
{
	size_t i = 0;

	while (i < flags->n &&
	       (strncmp(flags->all[i].name, name, len) != 0 || flags->all[i].name[len] != '\0'))
		i++;
	return i;
}

/* The flag at *at, and its value; *at is then the last argument that it used. */
static int take_argument(const struct flags *flags, struct options *options, char *const **at,
			 bool given[FLAGS_MAX], struct err *err)
{
	const char *name = **at, *value;
	const struct flag *flag;
	size_t len, i;
	int result;

	if (strncmp(name, "--", 2) != 0 || name[2] == '\0')
		return err_set(err, EINVAL, "expected flags that begin with --, got '%.80s'", name);
	name += 2;
	len = strcspn(name, "=");
	i = find(flags, name, len);
	if (i == flags->n)
		return refuse_unknown(flags, name, len, err);
	flag = &flags->all[i];
	if (name[len] == '=')
		value = name + len + 1;
	else if (may_be_bare(flag))
		value = "yes";
	else if ((*at)[1])
		value = *++*at;
	else
		return err_set(err, EINVAL, "--%s: expected %s behind it", flag->name, flag->value);
	given[i] = true;
	result = flag->set(options, value, err);
	return result < 0 ? err_wrap(err, "--%s", flag->name) : result;
}

static int take_variable(const struct flag *flag, struct options *options, char *const *environment,
			 struct err *err)
{
	char buf[VARIABLE_SIZE];
	const char *name = variable_of(flag, buf), *value = flags_look_up(environment, name);

	int result = *value ? flag->set(options, value, err) : 0;

	return result < 0 ? err_wrap(err, "%s", name) : result;
}

int flags_parse(const struct flags *flags, struct options *options, char *const *argv,
		char *const *environment, struct err *err)
{
	bool given[FLAGS_MAX] = { 0 };
	int result = 0;

	assert(flags->n <= FLAGS_MAX);
	for (argv++; *argv && result == 0; argv++)
		result = take_argument(flags, options, &argv, given, err);
	for (size_t i = 0; i < flags->n && result == 0; i++)
		if (!given[i])
			result = take_variable(&flags->all[i], options, environment, err);
	return result;
}

const char *flags_look_up(char *const *environment, const char *name)
{
	size_t len = strlen(name);

	for (; len > 0 && environment && *environment; environment++)
		if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
			return *environment + len + 1;
	return "";
}

const char *flags_help(const struct flags *flags, size_t i, char *buf, size_t size)
{
	char usage[USAGE_SIZE], variable[VARIABLE_SIZE];
	const struct flag *flag;

	if (i >= flags->n)
		return NULL;
	flag = &flags->all[i];
	if (strcmp(flag->value, "[]") == 0)
		put(usage, sizeof(usage), "--%s", flag->name);
	else if (may_be_bare(flag))
		put(usage, sizeof(usage), "--%s[=%s", flag->name, flag->value + 1);
	else
		put(usage, sizeof(usage), "--%s %s", flag->name, flag->value);
	if (flags->variable_width == 0)
		return put(buf, size, "  %-*s %s", flags->usage_width, usage, flag->help);
	return put(buf, size, "  %-*s %-*s %s", flags->usage_width, usage, flags->variable_width,
		   variable_of(flag, variable), flag->help);
}
