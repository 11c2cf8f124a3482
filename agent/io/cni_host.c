#include "io/cni_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/files.h"

enum { PROGRAM_MAX = 16 << 20 };

/* A program is given by its path, files are read in their directory. */
static int read_program(const char *path, struct bytes *ret, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char parent[FILES_PATH_MAX];
	struct directory dir = DIRECTORY_CLOSED;
	int result;

	if (!slash || slash == path || (size_t)(slash - path) >= sizeof(parent))
		return err_set(err, EINVAL, "'%s' is no path of a program", path);
	memcpy(parent, path, (size_t)(slash - path));
	parent[slash - path] = '\0';
	dir.fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir.fd < 0)
		return err_set(err, errno, "open directory '%s'", parent);
	strcpy(dir.path, parent);
	result = file_read(&dir, slash + 1, PROGRAM_MAX, ret, err);
	directory_close(&dir);
	return result;
}

static int publish(const char *path, const char *name, struct bytes content, unsigned mode,
		   struct err *err)
{
	struct directory dir;
	int result = directory_share(&dir, path, err);

	if (result == 0)
		result = file_publish(&dir, name, content, mode, err);
	directory_close(&dir);
	return result;
}

int cni_host_install(const char *from, const char *bin_dir, struct err *err)
{
	struct bytes program;
	int result = read_program(from, &program, err);

	if (result < 0)
		return result;
	result = publish(bin_dir, "weft", program, 0755, err);
	free((void *)(uintptr_t)program.data);
	return result;
}

int cni_host_configure(const char *conf_dir, const char *name, struct bytes text, struct err *err)
{
	return publish(conf_dir, name, text, 0644, err);
}

bool cni_host_has_plugin(const char *bin_dir, const char *name)
{
	int fd = open(bin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool has = fd >= 0 && faccessat(fd, name, X_OK, 0) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

static bool is_network(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && (strcmp(dot, ".conf") == 0 || strcmp(dot, ".conflist") == 0 ||
		       strcmp(dot, ".json") == 0);
}

bool cni_host_outsorted(const char *conf_dir, const char *name, char ret[static CNI_NAME_MAX + 1])
{
	DIR *dir = opendir(conf_dir);
	const struct dirent *entry;

	ret[0] = '\0';
	while (dir && (entry = readdir(dir)))
		if (is_network(entry->d_name) && strcmp(entry->d_name, name) < 0 &&
		    (!ret[0] || strcmp(entry->d_name, ret) < 0))
			strcpy(ret, entry->d_name);
	if (dir)
		closedir(dir);
	return ret[0] != '\0';
}
