#include "env.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "reply.h"

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

void env_read(struct env *ret)
{
	const char *override = variable("CNI_NETNS_OVERRIDE");

	*ret = (struct env){
		.command = variable("CNI_COMMAND"),
		.container_id = variable("CNI_CONTAINERID"),
		.netns = variable("CNI_NETNS"),
		.ifname = variable("CNI_IFNAME"),
		.args = variable("CNI_ARGS"),
		.netns_override = override &&
				  (strcmp(override, "1") == 0 || strcasecmp(override, "true") == 0),
	};
}

enum { MISSING_SIZE = sizeof("CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME") };

static void note_missing(char *missing, bool needed, const char *value, const char *name)
{
	if (!needed || value)
		return;
	if (*missing)
		strcat(missing, ",");
	strcat(missing, name);
}

/* All that are missing in one sentence: a runtime's author should not find them one by one. */
static bool check_present(const struct env *env, unsigned needs, struct problem *ret_problem)
{
	char missing[MISSING_SIZE] = "";

	note_missing(missing, needs & ENV_CONTAINER_ID, env->container_id, "CNI_CONTAINERID");
	note_missing(missing, needs & ENV_NETNS, env->netns, "CNI_NETNS");
	note_missing(missing, needs & ENV_IFNAME, env->ifname, "CNI_IFNAME");
	if (!*missing)
		return true;
	problem_set(ret_problem, CNI_BAD_ENVIRONMENT, "required env variables [%s] missing",
		    missing);
	return false;
}

static bool is_alphanumeric(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ^[a-zA-Z0-9][a-zA-Z0-9_.-]*$; the agent knows how long it may be. */
static bool check_container_id(const char *id, struct problem *ret_problem)
{
	bool good = is_alphanumeric(id[0]);

	for (size_t i = 1; good && id[i]; i++)
		good = is_alphanumeric(id[i]) || strchr("_.-", id[i]);
	if (good)
		return true;
	problem_set(ret_problem, CNI_BAD_ENVIRONMENT,
		    "CNI_CONTAINERID '%.200s' must begin with a letter or digit and go on with "
		    "letters, digits, '_', '.' or '-'",
		    id);
	return false;
}

/* White space in Unicode, as UTF-8. The kernel adds the byte 0xa0 wherever it stands: its isspace()
 * (lib/ctype.c) is Latin-1's. */
static bool has_space(const char *name)
{
	static const char bytes[] = " \t\n\v\f\r\xa0";
	static const char sequences[][4] = {
		"\xc2\x85",     "\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9",
		"\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
	};

	if (strpbrk(name, bytes))
		return true;
	for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++)
		if (strstr(name, sequences[i]))
			return true;
	/* U+2000 to U+200A: the spaces of typography */
	for (const char *at = strstr(name, "\xe2\x80"); at; at = strstr(at + 1, "\xe2\x80"))
		if ((unsigned char)at[2] >= 0x80 && (unsigned char)at[2] <= 0x8a)
			return true;
	return false;
}

static const char *ifname_fault(const char *name)
{
	if (strlen(name) >= IF_NAMESIZE)
		return "is longer than 15 bytes";
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return "is a directory's name";
	if (strpbrk(name, "/:"))
		return "contains '/' or ':'";
	/* The kernel would take it for a pattern and make another name of it (dev_alloc_name). */
	if (strchr(name, '%'))
		return "contains '%'";
	if (has_space(name))
		return "contains white space, or a byte that the kernel takes for it";
	return NULL;
}

static bool check_ifname(const char *name, struct problem *ret_problem)
{
	const char *fault = ifname_fault(name);

	if (!fault)
		return true;
	problem_set(ret_problem, CNI_BAD_ENVIRONMENT,
		    "CNI_IFNAME '%.200s' cannot be an interface's name: it %s", name, fault);
	return false;
}

bool env_check(const struct env *env, unsigned needs, struct problem *ret_problem)
{
	return check_present(env, needs, ret_problem) &&
	       (!(needs & ENV_CONTAINER_ID) ||
		check_container_id(env->container_id, ret_problem)) &&
	       (!(needs & ENV_IFNAME) || check_ifname(env->ifname, ret_problem));
}
