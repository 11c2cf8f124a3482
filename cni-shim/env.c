#include "env.h"

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

/* The agent knows how long it may be. */
static bool check_container_id(const char *id, struct problem *ret_problem)
{
	if (cni_is_name(id))
		return true;
	problem_set(ret_problem, CNI_BAD_ENVIRONMENT,
		    "CNI_CONTAINERID '%.200s' must begin with a letter or digit and go on with "
		    "letters, digits, '_', '.' or '-'",
		    id);
	return false;
}

static bool check_ifname(const char *name, struct problem *ret_problem)
{
	const char *fault = cni_ifname_fault(name);

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
