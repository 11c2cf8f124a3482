#include "disk.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/vec.h"
#include "base/xalloc.h"
#include "checker.h"
#include "node.h"
#include "wire/records.h"

static void file_clear(struct disk_file *file)
{
	free(file->data);
	free(file->before);
	*file = (struct disk_file){ 0 };
}

static void op_tag(struct disk_op *op, uint64_t tag)
{
	op->tags = vec_reserve(op->tags, &op->cap_tags, op->n_tags + 1, sizeof(tag));
	op->tags[op->n_tags++] = tag;
}

static void op_done(struct disk_op *op)
{
	free(op->bytes);
	free(op->tags);
}

static void queue_clear(struct disk_queue *queue)
{
	for (size_t i = 0; i < queue->n; i++)
		op_done(&queue->ops[i]);
	queue->n = 0;
}

void disk_done(struct disk *disk)
{
	for (size_t i = 0; i < STORE_FILE_COUNT; i++) {
		file_clear(&disk->file[i]);
		queue_clear(&disk->queue[i]);
		free(disk->queue[i].ops);
	}
}

static bool in_run(enum store_file file)
{
	return file == STORE_PODS;
}

static const char *file_name(enum store_file file)
{
	static const char *const names[STORE_FILE_COUNT] = {
		[STORE_NODE] = "node.log",
		[STORE_KEEPER] = "keeper.log",
		[STORE_PODS] = "/run's pods.log",
	};

	return names[file];
}

static const char *trouble(enum store_file file, int error)
{
	if (error == EIO)
		return file == STORE_KEEPER ? "keeper.log cannot be synced"
					    : "a log on disk cannot be synced";
	return in_run(file) ? "no space for pods.log in /run" : "no space on disk";
}

/* ---- files */

static void file_append(struct disk_file *file, const uint8_t *bytes, size_t len)
{
	file->data = vec_reserve(file->data, &file->cap, file->len + len + 1, 1);
	memcpy(file->data + file->len, bytes, len);
	file->len += len;
}

/* A log begins with its header, written together with its first record. */
static void file_begin(struct disk_file *file, enum store_file at)
{
	uint8_t header[16];

	if (file->len == 0)
		file_append(file, header, wire_records_header(at, header, sizeof(header)));
}

static void file_sync(struct disk_file *file)
{
	file->synced_len = file->len;
	free(file->before);
	file->before = NULL;
}

/* rename(2) of a file that was synced under its other name: what a crash may undo is the rename. */
static void file_replace(struct disk_file *file, const uint8_t *bytes, size_t len)
{
	if (!file->before) {
		file->before =
			xmemdup(file->data ? (const void *)file->data : "", file->synced_len);
		file->before_len = file->synced_len;
	}
	file->len = 0;
	file_append(file, bytes, len);
	file->synced_len = len;
}

/* ---- stores */

static void schedule(struct world *world, const struct node *node, enum store_file file,
		     int64_t delay_ms)
{
	world_push(world, delay_ms,
		   (struct task){
			   .kind = TASK_DISK, .node = node->index, .life = node->life, .a = file });
}

static int64_t write_delay_ms(struct world *world, const struct node *node, enum store_file file)
{
	int64_t delay_ms = world->options.story ? 0 : (int64_t)world_choose(world, RNG_DISK, 3);

	if (!in_run(file) && node->disk.stalled_until_ms > world->now_ms)
		delay_ms += node->disk.stalled_until_ms - world->now_ms;
	return delay_ms;
}

static int64_t sync_delay_ms(struct world *world)
{
	if (world->options.story)
		return 2;
	if (!world->quiet && world_chance(world, RNG_DISK, world->faults.disk_slow_percent))
		return (int64_t)world_choose(world, RNG_DISK, 5000);
	return (int64_t)world_choose(world, RNG_DISK, 50);
}

static bool full(const struct world *world, const struct node *node, enum store_file file)
{
	return (in_run(file) ? node->disk.run_full_until_ms : node->disk.full_until_ms) >
	       world->now_ms;
}

static void op_merge(struct disk_op *op, struct disk_op *next)
{
	op->bytes = xrealloc(op->bytes, op->len + next->len, 1);
	memcpy(op->bytes + op->len, next->bytes, next->len);
	op->len += next->len;
	for (size_t i = 0; i < next->n_tags; i++)
		op_tag(op, next->tags[i]);
	op_done(next);
}

/* As io/store does: whatever appends wait when the worker begins go to disk together. */
static void take_batch(struct disk_queue *queue)
{
	while (!queue->ops[0].replace && queue->n > 1 && !queue->ops[1].replace) {
		op_merge(&queue->ops[0], &queue->ops[1]);
		vec_close_gap(queue->ops, queue->n--, 1, sizeof(queue->ops[0]));
	}
}

static void do_write(struct world *world, struct node *node, enum store_file at)
{
	struct disk_file *file = &node->disk.file[at];
	struct disk_op *op = &node->disk.queue[at].ops[0];

	take_batch(&node->disk.queue[at]);
	op->written = true;
	if (full(world, node, at)) {
		op->error = ENOSPC; /* a part that was written is cut off again */
		return;
	}
	if (op->replace) {
		file_replace(file, op->bytes, op->len);
	} else {
		file_begin(file, at);
		file_append(file, op->bytes, op->len);
	}
	if (in_run(at))
		file_sync(file); /* memory: nothing is slower than the write itself */
	checker_written(world, node, at, (struct bytes){ op->bytes, op->len }, op->replace);
}

static void do_sync(struct world *world, struct node *node, enum store_file at)
{
	struct disk_file *file = &node->disk.file[at];
	struct disk_op *op = &node->disk.queue[at].ops[0];

	if (!op->replace && node->disk.fail_next_sync) {
		node->disk.fail_next_sync = false;
		op->error = EIO;
		file->len = file->synced_len; /* cut off again: no reader may find it */
		return;
	}
	file_sync(file);
	checker_durable(world, node, at, (struct bytes){ op->bytes, op->len }, op->replace);
}

static void tell(struct world *world, struct node *node, enum store_file at,
		 const struct disk_op *op)
{
	struct event event = { .type = EVENT_STORED };
	uint32_t life = node->life;

	event.stored.error = op->error;
	event.stored.text = op->error ? trouble(at, op->error) : NULL;
	for (size_t i = 0; i < op->n_tags && node->life == life; i++) {
		event.stored.tag = op->tags[i];
		node_feed(world, node, &event);
	}
}

static void finish(struct world *world, struct node *node, enum store_file at)
{
	struct disk_queue *queue = &node->disk.queue[at];
	struct disk_op op = queue->ops[0];

	vec_close_gap(queue->ops, queue->n--, 0, sizeof(op));
	if (queue->n > 0)
		schedule(world, node, at, write_delay_ms(world, node, at));
	if (op.error)
		world->counters.io_errors++;
	tell(world, node, at, &op);
	op_done(&op);
}

void disk_task(struct world *world, const struct task *task)
{
	struct node *node = &world->nodes[task->node];
	enum store_file at = (enum store_file)task->a;
	struct disk_op *op;

	if (task->life != node->life || !node->core)
		return;
	assert(node->disk.queue[at].n > 0);
	op = &node->disk.queue[at].ops[0];
	if (!op->written) {
		do_write(world, node, at);
		if (!op->error && !in_run(at)) {
			schedule(world, node, at, sync_delay_ms(world));
			return;
		}
	} else if (!op->error && !in_run(at)) {
		do_sync(world, node, at);
	}
	finish(world, node, at);
}

/* The store's bytes, in the world's scratch buffer. */
static size_t encode(struct world *world, const struct action *store)
{
	size_t len = 0;

	world->scratch = vec_reserve(world->scratch, &world->scratch_cap, WIRE_RECORD_MAX, 1);
	if (store->store.replace)
		len = wire_records_header(store->store.file, world->scratch, world->scratch_cap);
	for (size_t i = 0; i < store->store.n; i++) {
		world->scratch =
			vec_reserve(world->scratch, &world->scratch_cap, len + WIRE_RECORD_MAX, 1);
		len += wire_record_encode(&store->store.records[i], world->scratch + len,
					  world->scratch_cap - len);
	}
	return len;
}

void disk_submit(struct world *world, struct node *node, const struct action *store)
{
	enum store_file at = store->store.file;
	struct disk_queue *queue = &node->disk.queue[at];
	struct disk_op op = { .replace = store->store.replace };

	op_tag(&op, store->store.tag);
	op.len = encode(world, store);
	op.bytes = xmemdup(world->scratch, op.len);
	world_hash_bytes(world, op.bytes, op.len);
	queue->ops = vec_reserve(queue->ops, &queue->cap, queue->n + 1, sizeof(op));
	queue->ops[queue->n++] = op;
	if (queue->n > 1)
		return;
	/* Some agents write at once and only sync elsewhere; both orders are legal. */
	if (world->options.story || (!full(world, node, at) && world_chance(world, RNG_DISK, 50)))
		do_write(world, node, at);
	if (queue->ops[0].written && !in_run(at))
		schedule(world, node, at, sync_delay_ms(world));
	else
		schedule(world, node, at, write_delay_ms(world, node, at));
}

/* ---- deaths */

static void interrupt(struct world *world, struct node *node, enum store_file at)
{
	struct disk_op *op = &node->disk.queue[at].ops[0];
	uint64_t how = world_choose(world, RNG_DISK, 3);

	if (op->written || how == 0 || full(world, node, at))
		return;
	if (op->replace && how == 1)
		return; /* the rename did not happen: the old file stays */
	if (how == 1) {
		file_begin(&node->disk.file[at], at);
		op->len = world_choose(world, RNG_DISK, op->len + 1);
		file_append(&node->disk.file[at], op->bytes, op->len);
		return;
	}
	do_write(world, node, at);
}

void disk_process_died(struct world *world, struct node *node)
{
	for (size_t at = 0; at < STORE_FILE_COUNT; at++) {
		if (node->disk.queue[at].n > 0)
			interrupt(world, node, (enum store_file)at);
		queue_clear(&node->disk.queue[at]);
	}
}

static void file_crash(struct world *world, struct disk_file *file)
{
	size_t lost = file->len - file->synced_len, kept = world_choose(world, RNG_DISK, lost + 1);

	if (file->before && world_chance(world, RNG_DISK, 50)) {
		file->len = 0;
		file_append(file, file->before, file->before_len);
	} else {
		/* The file may have been made longer before its new bytes got there. */
		if (lost && world_chance(world, RNG_DISK, 25))
			memset(file->data + file->synced_len + kept, 0, lost - kept);
		else
			file->len = file->synced_len + kept;
	}
	file_sync(file);
}

void disk_host_died(struct world *world, struct node *node)
{
	for (size_t at = 0; at < STORE_FILE_COUNT; at++)
		if (!in_run((enum store_file)at))
			file_crash(world, &node->disk.file[at]);
}

void disk_run_lost(struct node *node)
{
	file_clear(&node->disk.file[STORE_PODS]);
}

/* ---- start */

/* each NULL: only look. */
static bool read_through(struct world *world, struct node *node, enum store_file at,
			 disk_record_fn *each)
{
	struct disk_file *file = &node->disk.file[at];
	struct wire_records reader;
	struct record record;
	enum wire_records_result result;

	wire_records_init(&reader, at, (struct bytes){ file->data, file->len });
	while ((result = wire_records_next(&reader, &record)) == WIRE_RECORDS_ONE)
		if (each)
			each(world, node, at, &record);
	if (result == WIRE_RECORDS_END)
		file->len = reader.good_len;
	else
		world_say(world, node->index, "%s cannot be read: %s", file_name(at),
			  reader.err.text);
	wire_records_done(&reader);
	return result == WIRE_RECORDS_END;
}

/* The first half of a file that is lost must not be believed either; what is going to be believed
 * must not be lost, so it is synced before. */
static bool read_file(struct world *world, struct node *node, enum store_file at,
		      disk_record_fn *each)
{
	if (!read_through(world, node, at, NULL)) {
		file_clear(&node->disk.file[at]);
		return false;
	}
	file_sync(&node->disk.file[at]);
	return read_through(world, node, at, each);
}

uint32_t disk_read_all(struct world *world, struct node *node, disk_record_fn *each)
{
	uint32_t lost = 0;

	for (size_t at = 0; at < STORE_FILE_COUNT; at++)
		if (!read_file(world, node, (enum store_file)at, each))
			lost |= UINT32_C(1) << at;
	return lost;
}
