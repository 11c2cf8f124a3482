#include "cli/place.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/xalloc.h"

#define NETNS_DIRECTORY "/run/netns/"
#define PLAIN           "plain-"

char *place_path(const char *word)
{
	char *path;

	if (!strchr(word, '/')) {
		if (asprintf(&path, NETNS_DIRECTORY "%s", word) < 0)
			abort();
		return path;
	}
	/* Fails for what is gone, and for /proc/PID/ns/net, whose text leads nowhere. */
	path = realpath(word, NULL);
	return path ? path : xstrdup(word);
}

/* A container id may hold these after its first character, and "plain-" comes first. */
static bool is_id(const char *name)
{
	return *name && name[strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz"
					  "ABCDEFGHIJKLMNOPQRSTUVWXYZ_.-")] == '\0';
}

char *place_id(const char *path)
{
	const char *name = path + strlen(NETNS_DIRECTORY);
	struct stat stat_;
	char *id;
	int len;

	if (strncmp(path, NETNS_DIRECTORY, strlen(NETNS_DIRECTORY)) == 0 && is_id(name))
		len = asprintf(&id, PLAIN "%s", name);
	else if (stat(path, &stat_) == 0)
		len = asprintf(&id, PLAIN "%" PRIu64, (uint64_t)stat_.st_ino);
	else
		return NULL;
	if (len < 0)
		abort();
	return id;
}
