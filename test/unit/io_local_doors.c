/* The doors of io/local_server.h other than root's socket: one for a group, one over HTTP. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "local_world.h"

enum { GROUP = 6786, STRANGER = 65534 };

/* From a process that is not root: 'y' when its question was taken, 'n' when it was hung up on or
 * never got in. */
static void ask_as(const char *directory, gid_t group, int tell)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* The test's directory may lie where others cannot go: the way there is root's. */
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char answer;

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/weft.sock", dir);
	if (setgroups(0, NULL) < 0 || setgid(group) < 0 || setuid(STRANGER) < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    send(fd, "\0\0\0\1?", 5, MSG_NOSIGNAL) != 5 || recv(fd, &answer, 1, 0) != 1)
		_exit(write(tell, "n", 1) != 1);
	_exit(write(tell, "y", 1) != 1);
}

struct verdict {
	struct loop_watch watch;
	struct world *w;
	int fd;
	char said;
};

static void on_verdict(void *arg)
{
	struct verdict *verdict = arg;

	REQUIRE(read(verdict->fd, &verdict->said, 1) == 1);
	fixture_satisfy(&verdict->w->fixture);
}

static char may(struct world *w, gid_t group)
{
	struct verdict verdict = { .w = w };
	struct err err = { 0 };
	int tell[2], status;
	pid_t child;

	REQUIRE(pipe2(tell, O_CLOEXEC) == 0);
	child = fork();
	REQUIRE(child >= 0);
	if (child == 0)
		ask_as(w->directory, group, tell[1]);
	verdict.fd = tell[0];
	REQUIRE(loop_watch_init(&w->fixture.loop, &verdict.watch, tell[0], on_verdict, &verdict,
				&err) == 0);
	REQUIRE(fixture_wait(&w->fixture));
	loop_watch_close(&verdict.watch);
	run_what_is_ready(w);
	close(tell[0]);
	close(tell[1]);
	REQUIRE(waitpid(child, &status, 0) == child);
	return verdict.said;
}

static void group_may_ask(void)
{
	gid_t group = geteuid() == 0 ? GROUP : getegid();
	struct stat stat;
	struct world w;

	world_open(&w, (struct local_place){ .group = group });
	w.answer_at_once = true;
	REQUIRE(lstat(w.path, &stat) == 0);
	CHECK_UINT(stat.st_mode & 0777, 0660);
	CHECK_UINT(stat.st_gid, group);
	if (geteuid() == 0) { /* others cannot become somebody else */
		REQUIRE(chmod(w.directory, 0755) == 0);
		CHECK_INT(may(&w, GROUP), 'y');
		CHECK_INT(may(&w, STRANGER), 'n');
		/* Whatever the mode says: the asker's credentials are looked at. */
		REQUIRE(chmod(w.path, 0666) == 0);
		CHECK_INT(may(&w, STRANGER), 'n');
	}
	world_done(&w);
}

static void http_request_and_answer(void)
{
	static const char head[] = "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct local_place place = { .http = { .ip = { 127, 0, 0, 1 }, .ip_len = 4 } };
	socklen_t len = sizeof(at);
	char answer[100];
	struct world w;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	world_open(&w, place);
	REQUIRE(getsockname(w.server.fd, (struct sockaddr *)&at, &len) == 0);
	REQUIRE(connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	REQUIRE(send(fd, head, 10, 0) == 10);
	run_what_is_ready(&w);
	CHECK_UINT(w.asked, 0);
	REQUIRE(send(fd, head + 10, sizeof(head) - 11, 0) == (ssize_t)sizeof(head) - 11);
	wait_until(&w, one_asked);
	CHECK_UINT(w.question.len, sizeof(head) - 1);
	CHECK_MEM(w.question.data, head, sizeof(head) - 1);
	local_server_answer(&w.server, w.client,
			    (struct bytes){ .data = (const uint8_t *)"HTTP", .len = 4 });
	CHECK_INT(recv(fd, answer, sizeof(answer), MSG_WAITALL), 4);
	close(fd);
	world_done(&w);
}

int main(void)
{
	RUN(group_may_ask);
	RUN(http_request_and_answer);
	return check_report();
}
