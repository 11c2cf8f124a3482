#pragma once
/*
 * One host's files: three logs on disk and one in /run, as bytes that really go through
 * wire/records. A store takes its stages over time (written, synced, told), one at a time per file;
 * kill -9 stops between any two of them, a host's crash takes back what was not synced, torn
 * anywhere.
 */
#include "core/action.h"
#include "world.h"

struct disk_file {
	uint8_t *data; /* owned; what a reader sees */
	size_t len, cap;
	size_t synced_len; /* so much of it survives a crash for certain */
	uint8_t *before; /* owned; the file that a replacement may still fall back to; NULL: no such
			    doubt */
	size_t before_len;
};

struct disk_op { /* appends that wait behind one another are written and synced as one */
	size_t n_tags, cap_tags;
	uint64_t *tags; /* owned */
	bool replace, written;
	int error;
	uint8_t *bytes; /* owned; with the header if it replaces */
	size_t len;
};

struct disk_queue {
	size_t n, cap;
	struct disk_op *ops; /* owned; in order; the head is under way */
};

struct disk {
	struct disk_file file[STORE_FILE_COUNT];
	struct disk_queue queue[STORE_FILE_COUNT];
	int64_t full_until_ms;     /* ENOSPC on the disk */
	int64_t run_full_until_ms; /* ENOSPC in /run */
	int64_t stalled_until_ms;
	bool fail_next_sync; /* EIO, once */
};

struct node;

void disk_done(struct disk *disk);
void disk_submit(struct world *world, struct node *node, const struct action *store);
void disk_task(struct world *world, const struct task *task);
/* The process is gone: what was under way may have happened, in part or not at all. */
void disk_process_died(struct world *world, struct node *node);
/* The kernel is gone: unsynced bytes too, or not, or in part. keep_run: only the network namespace
 * went. */
void disk_host_died(struct world *world, struct node *node);
void disk_run_lost(struct node *node);
/* What the agent finds: cuts torn tails as io/store does and syncs what it is going to believe.
 * Calls back for each record in order; returns a mask of files that are unusable (and are now
 * empty). */
typedef void disk_record_fn(struct world *world, struct node *node, enum store_file file,
			    const struct record *record);
uint32_t disk_read_all(struct world *world, struct node *node, disk_record_fn *each);
