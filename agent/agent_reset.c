#include "agent_reset.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io/files.h"
#include "io/kernel_reset.h"
#include "io/store.h"
#include "io/sweep.h"
#include "wire/records.h"

enum { WATCH_S = 2 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The identity first: without it this node can never again act as the one that it was, however far
 * the rest gets. */
static const char *const state_files[] = { "identity", "node.log", "keeper.log", "cache" };
static const char *const run_files[] = { "weft.sock", "kube.sock", "pods.log", "boot" };
static const char *const conf_files[] = { "10-weft.conflist" };
static const char *const bin_files[] = { "weft" };
static const char *const lock_files[] = { "lock" };

struct reset {
	const struct options *options;
	struct log *log;
	struct directory state, run;
	size_t n_blocks;  /* that the ledger may still hold for this node */
	bool kept_ledger; /* it was the one to grant blocks */
	bool found, failed;
};

/* ---- what this node is to the others */

/* For a sentence only: a log that cannot be read says nothing, and is removed all the same. */
static void read_log(struct reset *reset, enum store_file file)
{
	struct wire_records reader;
	struct bytes content = { 0 };
	struct record record;

	if (file_read(&reset->state, store_name(file), STORE_FILE_BYTES_MAX, &content, NULL) < 0)
		return;
	wire_records_init(&reader, file, content);
	while (wire_records_next(&reader, &record) == WIRE_RECORDS_ONE) {
		if (record.type == RECORD_NODE)
			reset->n_blocks = record.node.n_blocks; /* none once it has left */
		else if (record.type == RECORD_KEEPER)
			reset->kept_ledger = reset->kept_ledger || record.keeper.version > 0;
	}
	wire_records_done(&reader);
	free((void *)(uintptr_t)content.data);
}

static void say_membership(const struct reset *reset)
{
	if (reset->kept_ledger)
		log_line(reset->log, LOG_WARN,
			 "this node kept its cluster's ledger -> other nodes go on with the blocks "
			 "that they have, and get no new ones");
	else if (reset->n_blocks > 0)
		log_line(reset->log, LOG_WARN,
			 "this node had not left its cluster -> there %zu block%s of addresses and "
			 "its name stay taken ('weftctl leave' before a reset gives them back)",
			 reset->n_blocks, reset->n_blocks == 1 ? "" : "s");
}

/* ---- files */

static void sweep(struct reset *reset, const struct directory *dir, size_t n,
		  const char *const names[], const char *then)
{
	char words[LOG_WORDS_MAX];
	struct err err = { 0 };
	uint32_t removed = 0;
	int result = sweep_directory(dir, n, names, &removed, &err);

	if (removed > 0 && n == 1)
		log_line(reset->log, LOG_INFO, "%s/%s -> removed%s", dir->path, names[0], then);
	else if (removed > 0)
		log_line(reset->log, LOG_INFO, "%u file%s in %s -> removed%s", removed,
			 removed == 1 ? "" : "s", dir->path, then);
	if (result < 0)
		log_line(reset->log, LOG_ERR, "%s -> mend that, and reset again",
			 log_words(words, &err));
	reset->found = reset->found || removed > 0;
	reset->failed = reset->failed || result < 0;
}

/* In a directory of others'. That it is not there is all right. */
static void sweep_runtime(struct reset *reset, const char *path, size_t n,
			  const char *const names[], const char *then)
{
	struct directory dir = DIRECTORY_CLOSED;

	if (!path[0])
		return;
	dir.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir.fd < 0) {
		if (errno == ENOENT)
			return;
		log_line(reset->log, LOG_ERR,
			 "open directory '%s': %s -> mend that, and reset again", path,
			 strerror(errno));
		reset->failed = true;
		return;
	}
	strcpy(dir.path, path);
	sweep(reset, &dir, n, names, then);
	directory_close(&dir);
}

/* The lock is of no interest to anybody: every run of ours makes one. A directory that holds other
 * things, or that was mounted for us, stays. */
static void give_up(struct directory *dir)
{
	uint32_t removed;

	(void)sweep_directory(dir, COUNT(lock_files), lock_files, &removed, NULL);
	directory_close(dir);
	(void)rmdir(dir->path);
}

static void reset_kernel(struct reset *reset)
{
	struct kernel_reset kernel;

	kernel_reset(reset->log, &kernel);
	reset->found = reset->found || kernel.found;
	reset->failed = reset->failed || kernel.failed;
	if (kernel.pods > 0)
		log_line(reset->log, LOG_WARN,
			 "%u pod%s without a network now -> delete %s, or start %s anew when there "
			 "is another one",
			 kernel.pods, kernel.pods == 1 ? " is" : "s are",
			 kernel.pods == 1 ? "it" : "them", kernel.pods == 1 ? "it" : "them");
}

/* ---- the whole */

/* As an agent does, but for the question whether --run is in memory: a wrong one is cleaned up,
 * too. */
static int claim(struct reset *reset, struct err *err)
{
	int result = directory_open(&reset->state, reset->options->state, err);

	if (result == 0)
		result = directory_lock(&reset->state, err);
	if (result == 0)
		result = directory_open(&reset->run, reset->options->run, err);
	return result < 0 ? result : directory_lock(&reset->run, err);
}

static void remove_all(struct reset *reset)
{
	const struct options *options = reset->options;

	sweep_runtime(reset, options->cni_conf_dir, COUNT(conf_files), conf_files,
		      ": no new pods in this network");
	reset_kernel(reset);
	sweep_runtime(reset, options->cni_bin_dir, COUNT(bin_files), bin_files, "");
	sweep(reset, &reset->state, COUNT(state_files), state_files, "");
	sweep(reset, &reset->run, COUNT(run_files), run_files, "");
}

static void conclude(struct reset *reset)
{
	give_up(&reset->run);
	give_up(&reset->state);
	say_membership(reset);
	if (reset->failed)
		log_line(reset->log, LOG_ERR, "not all of Weft's could be removed -> see above");
	else if (!reset->found)
		log_line(reset->log, LOG_INFO, "nothing of Weft's was found -> nothing removed");
}

/* Who was told that the node is clean must hear when it is not any more. */
static int watch(const struct options *options, struct log *log)
{
	struct timespec pause = { .tv_sec = WATCH_S };
	char path[OPTIONS_PATH_MAX + sizeof("/identity")];
	sigset_t ends;

	snprintf(path, sizeof(path), "%s/%s", options->state, state_files[0]);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	for (bool told = false; access(path, F_OK) < 0; told = true) {
		if (!told)
			log_line(log, LOG_INFO, "%s is not there -> watching that it stays so",
				 path);
		if (sigtimedwait(&ends, NULL, &pause) > 0)
			return EXIT_SUCCESS;
	}
	log_line(log, LOG_ERR,
		 "%s is there: Weft was started here after the reset -> this reset is over, and "
		 "nothing is removed: begin another",
		 path);
	return EXIT_FAILURE;
}

int agent_reset(const struct options *options, struct log *log)
{
	struct reset reset = {
		.options = options, .log = log, .state = DIRECTORY_CLOSED, .run = DIRECTORY_CLOSED
	};
	char words[LOG_WORDS_MAX];
	struct err err = { 0 };

	if (options->reset == RESET_WATCH)
		return watch(options, log);
	if (claim(&reset, &err) < 0) {
		log_line(reset.log, LOG_ERR, "%s -> %s", log_words(words, &err),
			 err.code == EWOULDBLOCK ? "stop it first; nothing was removed"
						 : "nothing was removed");
		directory_close(&reset.run);
		directory_close(&reset.state);
		return EXIT_FAILURE;
	}
	read_log(&reset, STORE_NODE);
	read_log(&reset, STORE_KEEPER);
	remove_all(&reset);
	conclude(&reset);
	return reset.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
