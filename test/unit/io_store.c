#include "io/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "io_fixture.h"

enum { MANY = 300 };

struct world {
	struct fixture fixture;
	struct store store;
	struct directory disk, run;
	char *disk_path, *run_path; /* owned */
	size_t n;                   /* answers so far */
	size_t wanted;              /* enough of them */
	uint64_t tags[MANY + 10];
	int errors[MANY + 10];
	char text[400]; /* of the last one */
};

static struct bytes bytes(const char *text)
{
	return (struct bytes){ .data = (const uint8_t *)text, .len = strlen(text) };
}

static void on_stored(void *arg, uint64_t tag, int error, const char *text)
{
	struct world *w = arg;

	REQUIRE(w->n < MANY + 10);
	w->tags[w->n] = tag;
	w->errors[w->n++] = error;
	snprintf(w->text, sizeof(w->text), "%s", text);
	if (w->n == w->wanted)
		fixture_satisfy(&w->fixture);
}

static void open_store(struct world *w)
{
	static const struct store_owner owner = { .stored = on_stored };
	struct store_settings settings = { .disk = &w->disk, .run = &w->run };

	for (int i = 0; i < STORE_FILE_COUNT; i++)
		settings.headers[i] = bytes("HEAD");
	store_init(&w->store, &w->fixture.loop, &settings, &owner, w);
}

static void world_init(struct world *w)
{
	struct err err = { 0 };

	*w = (struct world){ 0 };
	w->disk_path = fixture_directory();
	w->run_path = fixture_directory();
	fixture_init(&w->fixture);
	REQUIRE(directory_open(&w->disk, w->disk_path, &err) == 0);
	REQUIRE(directory_open(&w->run, w->run_path, &err) == 0);
	open_store(w);
}

static void world_done(struct world *w)
{
	store_done(&w->store);
	fixture_done(&w->fixture);
	directory_close(&w->disk);
	directory_close(&w->run);
	fixture_remove(w->disk_path);
	fixture_remove(w->run_path);
}

static void begin(struct world *w, enum store_file file, uint64_t good_len)
{
	struct err err = { 0 };

	REQUIRE(store_begin(&w->store, file, good_len, &err) == 0);
}

static void wait_for(struct world *w, size_t answers)
{
	w->wanted = answers;
	if (w->n < answers)
		REQUIRE(fixture_wait(&w->fixture));
	CHECK_UINT(w->n, answers);
}

static void check_content(const struct directory *dir, const char *name, const char *expected)
{
	struct bytes content = { 0 };
	struct err err = { 0 };

	if (!CHECK(file_read(dir, name, 1 << 20, &content, &err) == 0))
		return;
	if (CHECK_UINT(content.len, strlen(expected)))
		CHECK_MEM(content.data, expected, content.len);
	free((void *)(uintptr_t)content.data);
}

static void appends_keep_their_order(void)
{
	char expected[5 * MANY + 5] = "HEAD", one[8];
	struct world w;

	world_init(&w);
	begin(&w, STORE_NODE, 0);
	for (uint64_t i = 0; i < MANY; i++) {
		snprintf(one, sizeof(one), "%05u", (unsigned)i);
		store_append(&w.store, STORE_NODE, i, bytes(one));
		strcat(expected, one);
	}
	CHECK(store_busy(&w.store));
	wait_for(&w, MANY);
	CHECK(!store_busy(&w.store));
	for (uint64_t i = 0; i < MANY; i++) {
		CHECK_UINT(w.tags[i], i);
		CHECK_INT(w.errors[i], 0);
	}
	check_content(&w.disk, "node.log", expected);
	world_done(&w);
}

static void replacement_has_its_place(void)
{
	struct world w;

	world_init(&w);
	begin(&w, STORE_KEEPER, 0);
	store_append(&w.store, STORE_KEEPER, 1, bytes("old"));
	store_append(&w.store, STORE_KEEPER, 2, bytes("older"));
	store_replace(&w.store, STORE_KEEPER, 3, bytes("whole"));
	store_append(&w.store, STORE_KEEPER, 4, bytes("+1"));
	store_append(&w.store, STORE_KEEPER, 5, bytes("+2"));
	wait_for(&w, 5);
	for (size_t i = 0; i < 5; i++) {
		CHECK_UINT(w.tags[i], i + 1);
		CHECK_INT(w.errors[i], 0);
	}
	check_content(&w.disk, "keeper.log", "HEADwhole+1+2");
	CHECK(faccessat(w.disk.fd, "keeper.log.new", F_OK, 0) < 0);
	world_done(&w);
}

static void memory_is_written_at_once(void)
{
	struct world w;

	world_init(&w);
	begin(&w, STORE_PODS, 0);
	store_append(&w.store, STORE_PODS, 7, bytes("pod"));
	CHECK_UINT(w.n, 1);
	store_replace(&w.store, STORE_PODS, 8, bytes("all"));
	store_append(&w.store, STORE_PODS, 9, bytes("more"));
	CHECK_UINT(w.n, 3);
	CHECK_UINT(w.tags[2], 9);
	check_content(&w.run, "pods.log", "HEADallmore");
	world_done(&w);
}

static void torn_end_is_cut(void)
{
	struct bytes content = { 0 };
	struct err err = { 0 };
	struct world w;

	world_init(&w);
	CHECK(store_read(&w.store, STORE_NODE, &content, &err) == 0);
	CHECK_UINT(content.len, 0);
	free((void *)(uintptr_t)content.data);
	REQUIRE(file_replace(&w.disk, "node.log", bytes("HEADgoodto"), &err) == 0);
	CHECK(store_read(&w.store, STORE_NODE, &content, &err) == 0);
	CHECK_UINT(content.len, 10);
	free((void *)(uintptr_t)content.data);
	begin(&w, STORE_NODE, 8);
	store_append(&w.store, STORE_NODE, 1, bytes("next"));
	wait_for(&w, 1);
	check_content(&w.disk, "node.log", "HEADgoodnext");
	world_done(&w);
}

static void lost_is_kept_aside(void)
{
	struct err err = { 0 };
	struct world w;

	world_init(&w);
	REQUIRE(file_replace(&w.disk, "keeper.log", bytes("nonsense"), &err) == 0);
	CHECK(store_lose(&w.store, STORE_KEEPER, 41, &err) == 0);
	begin(&w, STORE_KEEPER, 0);
	store_append(&w.store, STORE_KEEPER, 1, bytes("new"));
	wait_for(&w, 1);
	check_content(&w.disk, "keeper.log.lost-41", "nonsense");
	check_content(&w.disk, "keeper.log", "HEADnew");
	world_done(&w);
}

static void too_large_is_not_read(void)
{
	struct bytes content = { 0 };
	struct err err = { 0 };
	struct world w;
	int fd;

	world_init(&w);
	fd = openat(w.disk.fd, "node.log", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0 && ftruncate(fd, (off_t)STORE_FILE_BYTES_MAX + 1) == 0);
	close(fd);
	CHECK_INT(store_read(&w.store, STORE_NODE, &content, &err), -EFBIG);
	CHECK(strstr(err.text, "node.log") != NULL);
	world_done(&w);
}

static void allow_file_size(rlim_t size)
{
	struct rlimit limit;

	REQUIRE(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = size == RLIM_INFINITY ? limit.rlim_max : size;
	REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* A limit on the size of files stands for a full disk: half of what was asked for is written. */
static void failed_write_leaves_no_trace(enum store_file file, bool on_disk)
{
	const char *name = store_name(file);
	struct world w;

	world_init(&w);
	begin(&w, file, 0);
	store_append(&w.store, file, 1, bytes("first"));
	wait_for(&w, 1);
	allow_file_size(12);
	store_append(&w.store, file, 2, bytes("too much of it"));
	wait_for(&w, 2);
	CHECK_INT(w.errors[1], EFBIG);
	CHECK(strstr(w.text, name) != NULL);
	check_content(on_disk ? &w.disk : &w.run, name, "HEADfirst");
	store_replace(&w.store, file, 3, bytes("too much of it again"));
	wait_for(&w, 3);
	CHECK_INT(w.errors[2], EFBIG);
	check_content(on_disk ? &w.disk : &w.run, name, "HEADfirst");
	allow_file_size(RLIM_INFINITY);
	store_append(&w.store, file, 4, bytes("second"));
	wait_for(&w, 4);
	CHECK_INT(w.errors[3], 0);
	check_content(on_disk ? &w.disk : &w.run, name, "HEADfirstsecond");
	world_done(&w);
}

static void full_disk(void)
{
	failed_write_leaves_no_trace(STORE_NODE, true);
}

static void full_memory(void)
{
	failed_write_leaves_no_trace(STORE_PODS, false);
}

/* May this thread write to files that are read-only to it? Root may. */
static void may_override(bool may)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	REQUIRE(syscall(SYS_capget, &header, data) == 0);
	data[0].effective &= ~(1U << CAP_DAC_OVERRIDE);
	if (may)
		data[0].effective |= data[0].permitted & 1U << CAP_DAC_OVERRIDE;
	REQUIRE(syscall(SYS_capset, &header, data) == 0);
}

/* The file that a replacement made cannot be opened by its name: it need not be. */
static void replacement_is_not_opened_again(void)
{
	mode_t before;
	struct world w;

	may_override(false);
	world_init(&w);
	begin(&w, STORE_PODS, 0);
	before = umask(0200);
	store_replace(&w.store, STORE_PODS, 1, bytes("all"));
	CHECK_INT(w.errors[0], 0);
	CHECK(openat(w.run.fd, "pods.log", O_WRONLY | O_CLOEXEC) < 0);
	store_append(&w.store, STORE_PODS, 2, bytes("more"));
	CHECK_INT(w.errors[1], 0);
	umask(before);
	check_content(&w.run, "pods.log", "HEADallmore");
	world_done(&w);
	may_override(true);
}

static void files_are_private(void)
{
	struct stat stat;
	struct world w;

	world_init(&w);
	begin(&w, STORE_NODE, 0);
	store_replace(&w.store, STORE_NODE, 1, bytes("secret"));
	wait_for(&w, 1);
	REQUIRE(fstatat(w.disk.fd, "node.log", &stat, 0) == 0);
	CHECK_UINT(stat.st_mode & 07777, 0600);
	world_done(&w);
}

static void one_owner_per_directory(void)
{
	char *path = fixture_directory(), deep[300], expected[400];
	struct directory first, second;
	struct err err = { 0 };
	struct stat stat;

	snprintf(deep, sizeof(deep), "%s/a/b", path);
	REQUIRE(directory_open(&first, deep, &err) == 0);
	REQUIRE(fstat(first.fd, &stat) == 0);
	CHECK_UINT(stat.st_mode & 0777, 0700);
	CHECK_INT(directory_lock(&first, &err), 0);
	REQUIRE(directory_open(&second, deep, &err) == 0);
	CHECK_INT(directory_lock(&second, &err), -EWOULDBLOCK);
	snprintf(expected, sizeof(expected), "another weftd (pid %d) uses %s", (int)getpid(), deep);
	CHECK_STR(err.text, expected);
	directory_close(&first);
	CHECK_INT(directory_lock(&second, &err), 0);
	directory_close(&second);
	fixture_remove(path);
}

static void others_are_kept_out(void)
{
	char *path = fixture_directory();
	struct directory dir;
	struct err err = { 0 };
	struct stat stat;

	REQUIRE(chmod(path, 01777) == 0);
	CHECK_INT(directory_open(&dir, path, &err), -EINVAL);
	CHECK(strstr(err.text, "everybody shares") != NULL);
	REQUIRE(fstat(dir.fd, &stat) == 0);
	CHECK_UINT(stat.st_mode & 07777, 01777);
	directory_close(&dir);
	REQUIRE(chmod(path, 0777) == 0);
	CHECK_INT(directory_open(&dir, path, &err), 0);
	REQUIRE(fstat(dir.fd, &stat) == 0);
	CHECK_UINT(stat.st_mode & 07777, 0755);
	directory_close(&dir);
	if (geteuid() == 0) { /* only root can give a directory away */
		REQUIRE(chown(path, 12345, (gid_t)-1) == 0);
		CHECK_INT(directory_open(&dir, path, &err), -EPERM);
		CHECK(strstr(err.text, "12345") != NULL);
		directory_close(&dir);
	}
	fixture_remove(path);
}

static void odd_files_are_refused(void)
{
	char *path = fixture_directory();
	struct bytes content = { 0 };
	struct directory dir;
	struct err err = { 0 };

	REQUIRE(directory_open(&dir, path, &err) == 0);
	REQUIRE(symlinkat("/etc/passwd", dir.fd, "link") == 0);
	REQUIRE(mkfifoat(dir.fd, "pipe", 0600) == 0);
	CHECK_INT(file_read(&dir, "absent", 10, &content, &err), -ENOENT);
	CHECK_INT(file_read(&dir, "link", 1 << 20, &content, &err), -ELOOP);
	CHECK_INT(file_read(&dir, "pipe", 10, &content, &err), -EINVAL);
	REQUIRE(file_swap(&dir, "file", bytes("0123456789a"), false, &err) == 0);
	CHECK_INT(file_read(&dir, "file", 10, &content, &err), -EFBIG);
	directory_close(&dir);
	CHECK(directory_open(&dir, "/proc/1/no/such", &err) < 0);
	directory_close(&dir);
	fixture_remove(path);
}

int main(void)
{
	signal(SIGXFSZ, SIG_IGN);
	RUN(appends_keep_their_order);
	RUN(replacement_has_its_place);
	RUN(memory_is_written_at_once);
	RUN(torn_end_is_cut);
	RUN(lost_is_kept_aside);
	RUN(too_large_is_not_read);
	RUN(full_disk);
	RUN(full_memory);
	RUN(replacement_is_not_opened_again);
	RUN(files_are_private);
	RUN(one_owner_per_directory);
	RUN(others_are_kept_out);
	RUN(odd_files_are_refused);
	return check_report();
}
