#pragma once
/*
 * Small files in a directory of ours: read whole, replaced whole, locked. A directory is held open
 * and its path kept for what is said about it, so that every error names the file. Used at start
 * (identity, boot) and by store.c for the logs.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum { FILES_PATH_MAX = 240, FILES_NAME_MAX = 64 };

struct directory {
	int fd;      /* -1: closed */
	int lock_fd; /* -1: not locked */
	char path[FILES_PATH_MAX];
};

#define DIRECTORY_CLOSED ((struct directory){ .fd = -1, .lock_fd = -1 })

/* Made if absent, with its parents, 0700. One that exists must be ours; others lose the right to
 * write there. On failure directory_close() is still due. */
int directory_open(struct directory *dir, const char *path, struct err *err);
/* One that is others' too: made if absent, else taken as it is. */
int directory_share(struct directory *dir, const char *path, struct err *err);
/* -EWOULDBLOCK and "another weftd (pid N) uses PATH" if somebody holds it. Until closed. */
int directory_lock(struct directory *dir, struct err *err);
/* Others may reach what is in it and open to them, and still not list it. */
int directory_let_pass(const struct directory *dir, struct err *err);
void directory_close(struct directory *dir);
/* What was renamed, made or removed in it lasts. */
int directory_sync(const struct directory *dir, struct err *err);

/* The whole file, at most `max` bytes; *ret is the caller's, for free(). -ENOENT: there is none;
 * -EFBIG: it is larger. */
int file_read(const struct directory *dir, const char *name, size_t max, struct bytes *ret,
	      struct err *err);
/* Written beside it and renamed: whoever looks sees the old content or the new. 0600. `sync`: the
 * content is on disk before the name leads to it; the name itself lasts after directory_sync(). */
int file_swap(const struct directory *dir, const char *name, struct bytes content, bool sync,
	      struct err *err);
/* The same; returns the new file's descriptor for writing, the caller's. Opening it by its name
 * afterwards might fail, and then it would be replaced and nobody could go on. */
int file_swap_open(const struct directory *dir, const char *name, struct bytes content, bool sync,
		   struct err *err);
/* As file_swap(), and all of it is on disk when this returns. */
int file_replace(const struct directory *dir, const char *name, struct bytes content,
		 struct err *err);
/* For others to read or execute, with that mode. 0: it was there alike; 1: written, and on disk. */
int file_publish(const struct directory *dir, const char *name, struct bytes content, unsigned mode,
		 struct err *err);
bool file_exists(const struct directory *dir, const char *name);
int file_rename(const struct directory *dir, const char *from, const char *to, struct err *err);
/* All of it, or -errno without a sentence. */
int fd_write_all(int fd, struct bytes bytes);
