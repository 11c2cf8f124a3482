#pragma once
/*
 * The three logs of core/record.h as files: appended to, replaced whole, read whole at start. What
 * is in them is bytes here; wire/records makes and reads them.
 *
 * The logs on disk are written and synced by a worker, one batch of a file at a time, strictly in
 * the order of the calls; what was asked meanwhile goes with the next batch and its one fdatasync.
 * The log in /run is written at once and never synced: its life is the kernel's.
 *
 * A write that fails leaves the file as it was before, as far as the file system lets us; if even
 * that fails the log takes nothing but a replacement from then on.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "core/record.h"
#include "io/files.h"
#include "io/loop.h"

enum {
	STORE_FILE_BYTES_MAX = 64 << 20, /* a larger file is not one of ours */
	STORE_HEADER_MAX = 16,
};

struct store_job;

struct store_log {
	struct store *store;
	const struct directory *dir;
	const char *name;
	bool on_disk;
	uint8_t header[STORE_HEADER_MAX]; /* what a file begins with */
	size_t header_len;
	int fd;                          /* the worker's while `busy`, like the next two */
	uint64_t size;                   /* everything before it is whole */
	bool unclean;                    /* what is behind `size` could not be cut off */
	bool busy;                       /* a worker has a batch */
	struct store_job *first, **last; /* owned; waiting, in order */
};

struct store_owner {
	/* text: on error, one clause that names the file; valid during the call. May be called
	 * before store_append() or store_replace() returns. */
	void (*stored)(void *arg, uint64_t tag, int error, const char *text);
};

struct store {
	struct loop *loop;
	const struct store_owner *owner;
	void *arg;
	struct store_log logs[STORE_FILE_COUNT];
};

/* The directories are the caller's, open and locked until store_done(); header: what an empty log
 * begins with. */
struct store_settings {
	const struct directory *disk, *run;
	struct bytes headers[STORE_FILE_COUNT];
};

void store_init(struct store *store, struct loop *loop, const struct store_settings *settings,
		const struct store_owner *owner, void *arg);
void store_done(struct store *store); /* nothing may be under way: store_busy() */

/* The whole file as it is; *ret is the caller's, for free(). None is an empty one. -EFBIG: more
 * than STORE_FILE_BYTES_MAX. */
int store_read(struct store *store, enum store_file file, struct bytes *ret, struct err *err);
/* Begin to append behind the first good_len bytes, what is behind them is cut off; 0: anew. */
int store_begin(struct store *store, enum store_file file, uint64_t good_len, struct err *err);
/* Out of the way: the file is now NAME.lost-NUMBER; store_begin() makes a new one. */
int store_lose(struct store *store, enum store_file file, uint64_t number, struct err *err);
const char *store_name(enum store_file file);

/* Bytes of whole records, copied. */
void store_append(struct store *store, enum store_file file, uint64_t tag, struct bytes records);
/* These become the whole file, atomically. */
void store_replace(struct store *store, enum store_file file, uint64_t tag, struct bytes records);
bool store_busy(const struct store *store);
