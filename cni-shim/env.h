/* What a container runtime tells a CNI plugin in its environment, and the rules for it that hold
 * before anybody is asked (CNI specification, "Parameters"). */
#pragma once

#include <stdbool.h>

struct problem;

struct env { /* unset and empty are the same: NULL. Borrowed from the process */
	const char *command;
	const char *container_id;
	const char *netns;
	const char *ifname;
	const char *args;
	bool netns_override; /* the runtime's word that its own namespace is meant */
};

enum env_needs {
	ENV_CONTAINER_ID = 1 << 0,
	ENV_NETNS = 1 << 1,
	ENV_IFNAME = 1 << 2,
};

void env_read(struct env *ret);

/* Is all there that `needs` names, and fit to be used? False with *ret_problem filled. */
bool env_check(const struct env *env, unsigned needs, struct problem *ret_problem);
