#include "io/sweep.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct sweeping {
	const struct directory *dir;
	uint32_t removed;
	struct err first; /* failure */
};

static void fail(struct sweeping *sweeping, const char *what, const char *name)
{
	if (sweeping->first.code == 0)
		err_set(&sweeping->first, errno, "%s '%s/%s'", what, sweeping->dir->path, name);
}

static void remove_file(struct sweeping *sweeping, const char *name)
{
	struct stat stat;

	if (fstatat(sweeping->dir->fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			fail(sweeping, "look at", name);
		return;
	}
	if (!S_ISREG(stat.st_mode) && !S_ISSOCK(stat.st_mode))
		return;
	if (unlinkat(sweeping->dir->fd, name, 0) == 0)
		sweeping->removed++;
	else if (errno != ENOENT)
		fail(sweeping, "remove", name);
}

/* "node.log.lost-7", of "node.log" */
static bool was_put_aside(const char *file, const char *name)
{
	static const char mark[] = ".lost-";
	size_t len = strlen(name);
	const char *number;

	if (strncmp(file, name, len) != 0 || strncmp(file + len, mark, strlen(mark)) != 0)
		return false;
	number = file + len + strlen(mark);
	return *number && number[strspn(number, "0123456789")] == '\0';
}

/* What is found while others of the same directory are removed is not defined as complete: the
 * caller comes again until there is nothing left. */
static void remove_put_aside(struct sweeping *sweeping, const char *name)
{
	int fd = openat(sweeping->dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		fail(sweeping, "list", ".");
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (was_put_aside(entry->d_name, name))
			remove_file(sweeping, entry->d_name);
	closedir(dir);
}

int sweep_directory(const struct directory *dir, size_t n, const char *const names[],
		    uint32_t *ret_n, struct err *err)
{
	struct sweeping sweeping = { .dir = dir };

	for (size_t i = 0; i < n; i++) {
		char fresh[FILES_NAME_MAX + sizeof(".new")];
		uint32_t before;

		snprintf(fresh, sizeof(fresh), "%s.new", names[i]);
		remove_file(&sweeping, names[i]);
		remove_file(&sweeping, fresh);
		do {
			before = sweeping.removed;
			remove_put_aside(&sweeping, names[i]);
		} while (sweeping.removed > before);
	}
	*ret_n = sweeping.removed;
	return sweeping.first.code ? err_set(err, sweeping.first.code, "%s", sweeping.first.text)
				   : 0;
}
