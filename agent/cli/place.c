#include "cli/place.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/xalloc.h"
#include "weft/cni.h"

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

char *place_id(const char *path)
{
	const char *name = path + strlen(NETNS_DIRECTORY);
	struct stat stat_;
	char *id = NULL;
	int len = 0;

	if (strncmp(path, NETNS_DIRECTORY, strlen(NETNS_DIRECTORY)) == 0)
		len = asprintf(&id, PLAIN "%s", name);
	if (len < 0)
		abort();
	if (id && *name && cni_is_name(id))
		return id;
	free(id);
	if (stat(path, &stat_) < 0)
		return NULL;
	if (asprintf(&id, PLAIN "%" PRIu64, (uint64_t)stat_.st_ino) < 0)
		abort();
	return id;
}
