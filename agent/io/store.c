#include "io/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "log/log.h"

/* Names of the files, and where they are: pods' records end with the kernel, as pods do. */
static const struct {
	const char *name;
	bool on_disk;
} files[STORE_FILE_COUNT] = {
	[STORE_NODE] = { "node.log", true },
	[STORE_KEEPER] = { "keeper.log", true },
	[STORE_PODS] = { "pods.log", false },
};

struct store_job {
	struct store_job *next;
	uint64_t tag;
	bool replace;
	size_t len;
	uint8_t data[];
};

/* What a worker does in one go: appends that follow one another, or one replacement. */
struct batch {
	struct store_log *log;
	struct store_job *jobs; /* owned */
	struct err err;         /* code 0: all went well */
};

void store_init(struct store *store, struct loop *loop, const struct store_settings *settings,
		const struct store_owner *owner, void *arg)
{
	*store = (struct store){ .loop = loop, .owner = owner, .arg = arg };
	for (int i = 0; i < STORE_FILE_COUNT; i++) {
		struct store_log *log = &store->logs[i];
		struct bytes header = settings->headers[i];

		assert(header.len <= sizeof(log->header));
		log->store = store;
		log->name = files[i].name;
		log->on_disk = files[i].on_disk;
		log->dir = log->on_disk ? settings->disk : settings->run;
		log->header_len = header.len;
		if (header.len > 0)
			memcpy(log->header, header.data, header.len);
		log->fd = -1;
		log->last = &log->first;
	}
}

void store_done(struct store *store)
{
	for (int i = 0; i < STORE_FILE_COUNT; i++) {
		struct store_log *log = &store->logs[i];

		assert(!log->busy && !log->first);
		if (log->fd >= 0)
			close(log->fd);
		log->fd = -1;
	}
}

const char *store_name(enum store_file file)
{
	return files[file].name;
}

bool store_busy(const struct store *store)
{
	for (int i = 0; i < STORE_FILE_COUNT; i++)
		if (store->logs[i].busy)
			return true;
	return false;
}

/* ---- start */

int store_read(struct store *store, enum store_file file, struct bytes *ret, struct err *err)
{
	struct store_log *log = &store->logs[file];
	struct err refused = { 0 };
	int result = file_read(log->dir, log->name, STORE_FILE_BYTES_MAX, ret, &refused);

	if (result == -ENOENT) {
		*ret = (struct bytes){ 0 };
		return 0;
	}
	return result < 0 ? err_set(err, refused.code, "%s", refused.text) : 0;
}

int store_begin(struct store *store, enum store_file file, uint64_t good_len, struct err *err)
{
	struct store_log *log = &store->logs[file];

	assert(log->fd < 0);
	log->fd =
		openat(log->dir->fd, log->name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (log->fd < 0)
		return err_set(err, errno, "open '%s/%s'", log->dir->path, log->name);
	if (ftruncate(log->fd, (off_t)good_len) < 0)
		return err_set(err, errno, "cut '%s/%s' to its good part", log->dir->path,
			       log->name);
	log->size = good_len;
	if (!log->on_disk)
		return 0;
	/* What the last life wrote and did not sync is read back from memory now and would be
	 * believed; a crash of the host could still take it back (simulator: two values of one
	 * version). */
	if (fdatasync(log->fd) < 0)
		return err_set(err, errno, "sync '%s/%s'", log->dir->path, log->name);
	return directory_sync(log->dir, err);
}

int store_lose(struct store *store, enum store_file file, uint64_t number, struct err *err)
{
	struct store_log *log = &store->logs[file];
	char lost[FILES_NAME_MAX];

	snprintf(lost, sizeof(lost), "%s.lost-%llu", log->name, (unsigned long long)number);
	return file_rename(log->dir, log->name, lost, err);
}

/* ---- writing; on a worker, or at once for the log in /run */

/* Back to what was good. */
static void cut(struct store_log *log)
{
	log->unclean = ftruncate(log->fd, (off_t)log->size) < 0;
}

static int write_at(const struct store_log *log, uint64_t at, struct bytes bytes)
{
	while (bytes.len > 0) {
		ssize_t n = pwrite(log->fd, bytes.data, bytes.len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (uint64_t)n;
		bytes.data += n;
		bytes.len -= (size_t)n;
	}
	return 0;
}

static struct bytes join(const struct store_job *jobs, struct bytes front)
{
	size_t len = front.len, at = front.len;
	uint8_t *data;

	for (const struct store_job *job = jobs; job; job = job->next)
		len += job->len;
	data = xmalloc(len ? len : 1);
	if (front.len > 0)
		memcpy(data, front.data, front.len);
	for (const struct store_job *job = jobs; job; job = job->next) {
		memcpy(data + at, job->data, job->len);
		at += job->len;
	}
	return (struct bytes){ .data = data, .len = len };
}

static void append(struct batch *batch)
{
	struct store_log *log = batch->log;
	struct bytes front = { .data = log->header, .len = log->size == 0 ? log->header_len : 0 };
	struct bytes all;
	int result;

	if (log->unclean)
		cut(log);
	if (log->unclean) {
		err_set(&batch->err, EIO, "'%s/%s' has a damaged end that cannot be cut off",
			log->dir->path, log->name);
		return;
	}
	all = join(batch->jobs, front);
	result = write_at(log, log->size, all);
	if (result == 0 && log->on_disk && fdatasync(log->fd) < 0)
		result = -errno;
	if (result < 0) {
		cut(log);
		err_set(&batch->err, -result, "write '%s/%s'", log->dir->path, log->name);
	} else {
		log->size += all.len;
	}
	free((void *)(uintptr_t)all.data);
}

static void replace(struct batch *batch)
{
	struct store_log *log = batch->log;
	struct bytes header = { .data = log->header, .len = log->header_len };
	struct bytes all = join(batch->jobs, header);
	int fd = file_swap_open(log->dir, log->name, all, log->on_disk, &batch->err);

	if (fd >= 0) {
		close(log->fd);
		log->fd = fd;
		log->size = all.len;
		log->unclean = false;
		if (log->on_disk)
			(void)directory_sync(log->dir, &batch->err);
	}
	free((void *)(uintptr_t)all.data);
}

static void run(void *arg)
{
	struct batch *batch = arg;

	if (batch->jobs->replace)
		replace(batch);
	else
		append(batch);
}

/* ---- the queue */

/* What may go together from the front of the queue. */
static struct store_job *take_jobs(struct store_log *log)
{
	struct store_job *jobs = log->first, *job = jobs;

	while (!job->replace && job->next && !job->next->replace)
		job = job->next;
	log->first = job->next;
	if (!log->first)
		log->last = &log->first;
	job->next = NULL;
	return jobs;
}

static void tell(struct batch *batch)
{
	struct store *store = batch->log->store;
	char words[LOG_WORDS_MAX];
	struct store_job *job;

	log_words(words, &batch->err);
	while ((job = batch->jobs)) {
		batch->jobs = job->next;
		store->owner->stored(store->arg, job->tag, batch->err.code, words);
		free(job);
	}
	free(batch);
}

static void next_batch(struct store_log *log);

static void done(void *arg)
{
	struct batch *batch = arg;
	struct store_log *log = batch->log;

	/* The next batch first: what the owner does with the news takes time that the disk need not
	 * wait. */
	log->busy = false;
	next_batch(log);
	tell(batch);
}

static void next_batch(struct store_log *log)
{
	struct batch *batch;

	if (log->busy || !log->first)
		return;
	batch = xcalloc(1, sizeof(*batch));
	batch->log = log;
	batch->jobs = take_jobs(log);
	if (log->on_disk) {
		log->busy = true;
		loop_work(log->store->loop, run, done, batch);
	} else {
		run(batch);
		tell(batch);
	}
}

static void enqueue(struct store *store, enum store_file file, uint64_t tag, bool replace,
		    struct bytes records)
{
	struct store_log *log = &store->logs[file];
	struct store_job *job = xmalloc(sizeof(*job) + records.len);

	assert(log->busy || log->fd >= 0); /* begun */
	*job = (struct store_job){ .tag = tag, .replace = replace, .len = records.len };
	if (records.len > 0)
		memcpy(job->data, records.data, records.len);
	*log->last = job;
	log->last = &job->next;
	next_batch(log);
}

void store_append(struct store *store, enum store_file file, uint64_t tag, struct bytes records)
{
	enqueue(store, file, tag, false, records);
}

void store_replace(struct store *store, enum store_file file, uint64_t tag, struct bytes records)
{
	enqueue(store, file, tag, true, records);
}
