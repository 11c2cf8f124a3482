#include "io/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "io_fixture.h"

static const char *const names[] = { "identity", "node.log", "weft.sock" };

enum { N_NAMES = sizeof(names) / sizeof(names[0]) };

static void put(const struct directory *dir, const char *name)
{
	int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	REQUIRE(fd >= 0);
	close(fd);
}

static bool is_there(const struct directory *dir, const char *name)
{
	struct stat stat;

	return fstatat(dir->fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put_socket(const struct directory *dir, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	REQUIRE(fd >= 0);
	REQUIRE(strlen(dir->path) + strlen(name) + 2 <= sizeof(address.sun_path));
	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/%.20s", dir->path, name);
	REQUIRE(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	close(fd);
}

static void opened(struct directory *dir, char *path)
{
	struct err err = { 0 };

	REQUIRE(directory_open(dir, path, &err) == 0);
}

static void ours_goes_with_what_became_of_it(void)
{
	static const char *const ours[] = { "identity", "identity.new", "node.log",
					    "node.log.lost-1", "node.log.lost-4294967296" };
	char *path = fixture_directory();
	struct directory dir;
	struct err err = { 0 };
	uint32_t n = 0;

	opened(&dir, path);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		put(&dir, ours[i]);
	put_socket(&dir, "weft.sock");
	CHECK_INT(sweep_directory(&dir, N_NAMES, names, &n, &err), 0);
	CHECK_UINT(n, sizeof(ours) / sizeof(ours[0]) + 1);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		CHECK(!is_there(&dir, ours[i]));
	CHECK(!is_there(&dir, "weft.sock"));
	CHECK_INT(sweep_directory(&dir, N_NAMES, names, &n, &err), 0);
	CHECK_UINT(n, 0);
	directory_close(&dir);
	fixture_remove(path);
}

static void what_is_not_ours_stays(void)
{
	static const char *const others[] = { "identity2",        "node.log.lost-",
					      "node.log.lost-1a", "node.log.lost-1.new",
					      "other.lost-1",     "identity.new.new",
					      "node.logs" };
	char *path = fixture_directory();
	struct directory dir;
	struct err err = { 0 };
	uint32_t n = 9;

	opened(&dir, path);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		put(&dir, others[i]);
	REQUIRE(mkdirat(dir.fd, "identity", 0700) == 0);
	REQUIRE(symlinkat("identity2", dir.fd, "node.log") == 0);
	CHECK_INT(sweep_directory(&dir, N_NAMES, names, &n, &err), 0);
	CHECK_UINT(n, 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		CHECK(is_there(&dir, others[i]));
	CHECK(is_there(&dir, "identity"));
	CHECK(is_there(&dir, "node.log"));
	directory_close(&dir);
	fixture_remove(path);
}

/* A directory that went under us: every removal fails, and the first is the one that is told. */
static void a_failure_names_the_file(void)
{
	struct directory dir = DIRECTORY_CLOSED;
	struct err err = { 0 };
	uint32_t n = 9;

	strcpy(dir.path, "/nowhere");
	CHECK_INT(sweep_directory(&dir, N_NAMES, names, &n, &err), -EBADF);
	CHECK_UINT(n, 0);
	CHECK_STR(err.text, "look at '/nowhere/identity'");
}

int main(void)
{
	RUN(ours_goes_with_what_became_of_it);
	RUN(what_is_not_ours_stays);
	RUN(a_failure_names_the_file);
	return check_report();
}
