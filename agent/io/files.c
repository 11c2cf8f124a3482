#include "io/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"

#define LOCK_NAME "lock"

/* ---- directories */

static int make_with_parents(const char *path)
{
	char part[FILES_PATH_MAX];

	for (size_t i = 1; i <= strlen(path); i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* Who may write here may exchange our files: that is us alone. Volumes of a platform often come
 * with 0777. */
static int keep_others_out(const struct directory *dir, struct err *err)
{
	struct stat stat;

	if (fstat(dir->fd, &stat) < 0)
		return err_set(err, errno, "look at directory '%s'", dir->path);
	if (stat.st_uid != geteuid())
		return err_set(err, EPERM, "use directory '%s' of user %u", dir->path, stat.st_uid);
	/* As /tmp is: made for everybody to write to. */
	if (stat.st_mode & S_ISVTX)
		return err_set(err, EINVAL,
			       "'%s' is a directory that everybody shares: name one of Weft's own",
			       dir->path);
	if ((stat.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
	    fchmod(dir->fd, stat.st_mode & ~(mode_t)(S_IFMT | S_IWGRP | S_IWOTH)) < 0)
		return err_set(err, errno, "keep others from writing to '%s'", dir->path);
	return 0;
}

int directory_share(struct directory *dir, const char *path, struct err *err)
{
	int result;

	*dir = DIRECTORY_CLOSED;
	if (strlen(path) >= sizeof(dir->path))
		return err_set(err, ENAMETOOLONG, "make directory '%s'", path);
	strcpy(dir->path, path);
	result = make_with_parents(path);
	if (result < 0)
		return err_set(err, -result, "make directory '%s'", path);
	dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir->fd < 0 ? err_set(err, errno, "open directory '%s'", path) : 0;
}

int directory_open(struct directory *dir, const char *path, struct err *err)
{
	int result = directory_share(dir, path, err);

	return result < 0 ? result : keep_others_out(dir, err);
}

static int say_who_holds_it(const struct directory *dir, struct err *err)
{
	struct bytes content = { 0 };
	char pid[16] = "";

	/* What the holder wrote; it may be about to. */
	if (file_read(dir, LOCK_NAME, sizeof(pid), &content, NULL) == 0) {
		size_t len = 0;

		while (len < content.len && len < sizeof(pid) - 1 && content.data[len] >= '0' &&
		       content.data[len] <= '9')
			len++;
		if (len > 0)
			memcpy(pid, content.data, len);
		free((void *)(uintptr_t)content.data);
	}
	return err_set(err, EWOULDBLOCK, "another weftd (pid %s) uses %s",
		       pid[0] ? pid : "not known", dir->path);
}

/* Whose name a reset took away between opening and locking it is nobody's lock any more. */
static int open_lock(struct directory *dir)
{
	struct stat stat = { 0 };

	do {
		if (dir->lock_fd >= 0)
			close(dir->lock_fd);
		dir->lock_fd =
			openat(dir->fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (dir->lock_fd < 0 || flock(dir->lock_fd, LOCK_EX | LOCK_NB) < 0 ||
		    fstat(dir->lock_fd, &stat) < 0)
			return -errno;
	} while (stat.st_nlink == 0);
	return 0;
}

int directory_lock(struct directory *dir, struct err *err)
{
	int result = open_lock(dir), len;
	char pid[16];

	if (result < 0) {
		if (dir->lock_fd >= 0)
			close(dir->lock_fd);
		dir->lock_fd = -1;
		return result == -EWOULDBLOCK
			       ? say_who_holds_it(dir, err)
			       : err_set(err, -result, "lock '%s/" LOCK_NAME "'", dir->path);
	}
	/* For people only, so a full disk is no reason to stop here. */
	len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(dir->lock_fd, 0) < 0 || write(dir->lock_fd, pid, (size_t)len) != len)
		return 0;
	return 0;
}

int directory_let_pass(const struct directory *dir, struct err *err)
{
	struct stat stat;

	if (fstat(dir->fd, &stat) < 0 ||
	    fchmod(dir->fd, (stat.st_mode & 07777) | S_IXGRP | S_IXOTH) < 0)
		return err_set(err, errno, "let others pass through '%s'", dir->path);
	return 0;
}

void directory_close(struct directory *dir)
{
	if (dir->fd >= 0)
		close(dir->fd);
	if (dir->lock_fd >= 0)
		close(dir->lock_fd);
	dir->fd = dir->lock_fd = -1;
}

int directory_sync(const struct directory *dir, struct err *err)
{
	return fsync(dir->fd) < 0 ? err_set(err, errno, "sync directory '%s'", dir->path) : 0;
}

/* ---- files */

int fd_write_all(int fd, struct bytes bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.data, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes.data += n;
		bytes.len -= (size_t)n;
	}
	return 0;
}

/* Returns how many bytes came before the end, or -errno. */
static ssize_t read_all(int fd, uint8_t *buffer, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buffer + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static int read_open(int fd, size_t max, struct bytes *ret)
{
	struct stat stat;
	uint8_t *buffer;
	ssize_t len;

	if (fstat(fd, &stat) < 0)
		return -errno;
	if (!S_ISREG(stat.st_mode))
		return -EINVAL;
	if ((uint64_t)stat.st_size > max)
		return -EFBIG;
	buffer = xmalloc((size_t)stat.st_size + 1);
	len = read_all(fd, buffer, (size_t)stat.st_size);
	if (len < 0) {
		free(buffer);
		return (int)len;
	}
	*ret = (struct bytes){ .data = buffer, .len = (size_t)len };
	return 0;
}

int file_read(const struct directory *dir, const char *name, size_t max, struct bytes *ret,
	      struct err *err)
{
	int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), result;

	if (fd < 0)
		return err_set(err, errno, "open '%s/%s'", dir->path, name);
	result = read_open(fd, max, ret);
	close(fd);
	return result < 0 ? err_set(err, -result, "read '%s/%s'", dir->path, name) : 0;
}

/* Returns the descriptor, or -errno. */
static int write_new(const struct directory *dir, const char *name, struct bytes content,
		     unsigned mode, bool sync)
{
	int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int result;

	if (fd < 0)
		return -errno;
	result = fd_write_all(fd, content);
	/* For others: not by open(), which the umask cuts. */
	if (result == 0 && mode != 0600 && fchmod(fd, mode) < 0)
		result = -errno;
	if (result == 0 && sync && fdatasync(fd) < 0)
		result = -errno;
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

static int swap_open(const struct directory *dir, const char *name, struct bytes content,
		     unsigned mode, bool sync, struct err *err)
{
	char fresh[FILES_NAME_MAX + sizeof(".new")];
	int fd, result;

	snprintf(fresh, sizeof(fresh), "%s.new", name);
	fd = write_new(dir, fresh, content, mode, sync);
	if (fd < 0) {
		unlinkat(dir->fd, fresh, 0);
		return err_set(err, -fd, "write '%s/%s'", dir->path, fresh);
	}
	result = file_rename(dir, fresh, name, err);
	if (result == 0)
		return fd;
	unlinkat(dir->fd, fresh, 0);
	close(fd);
	return result;
}

int file_swap_open(const struct directory *dir, const char *name, struct bytes content, bool sync,
		   struct err *err)
{
	return swap_open(dir, name, content, 0600, sync, err);
}

static int swap(const struct directory *dir, const char *name, struct bytes content, unsigned mode,
		bool sync, struct err *err)
{
	int fd = swap_open(dir, name, content, mode, sync, err);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int file_swap(const struct directory *dir, const char *name, struct bytes content, bool sync,
	      struct err *err)
{
	return swap(dir, name, content, 0600, sync, err);
}

int file_replace(const struct directory *dir, const char *name, struct bytes content,
		 struct err *err)
{
	int result = file_swap(dir, name, content, true, err);

	return result < 0 ? result : directory_sync(dir, err);
}

static bool is_there(const struct directory *dir, const char *name, struct bytes content,
		     unsigned mode)
{
	struct bytes have = { 0 };
	struct stat stat;
	bool same;

	if (fstatat(dir->fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(stat.st_mode) ||
	    (stat.st_mode & 07777) != mode || (uint64_t)stat.st_size != content.len ||
	    file_read(dir, name, content.len, &have, NULL) < 0)
		return false;
	same = have.len == content.len && memcmp(have.data, content.data, content.len) == 0;
	free((void *)(uintptr_t)have.data);
	return same;
}

int file_publish(const struct directory *dir, const char *name, struct bytes content, unsigned mode,
		 struct err *err)
{
	int result;

	if (is_there(dir, name, content, mode))
		return 0;
	result = swap(dir, name, content, mode, true, err);
	if (result == 0)
		result = directory_sync(dir, err);
	return result < 0 ? result : 1;
}

bool file_exists(const struct directory *dir, const char *name)
{
	return faccessat(dir->fd, name, F_OK, 0) == 0;
}

int file_rename(const struct directory *dir, const char *from, const char *to, struct err *err)
{
	if (renameat(dir->fd, from, dir->fd, to) < 0)
		return err_set(err, errno, "rename '%s/%s' to '%s'", dir->path, from, to);
	return 0;
}
