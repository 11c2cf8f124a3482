#include "io/local_server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "local_world.h"

enum { CROWD = LOCAL_CLIENTS_MAX + 5 };

static void world_init(struct world *w)
{
	world_open(w, (struct local_place){ 0 });
}

static bool one_gone(const struct world *w)
{
	return w->gone >= 1;
}

static bool one_refused(const struct world *w)
{
	return w->refused >= 1;
}

static bool nobody_left(const struct world *w)
{
	return w->server.n_clients == 0;
}

static int dial(const struct world *w)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, w->path);
	REQUIRE(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static void send_with_fds(int fd, const void *data, size_t len, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
	}
	REQUIRE(sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)len);
}

static void ask(int fd, const char *text)
{
	uint8_t frame[100] = { 0 };
	size_t len = strlen(text);

	frame[3] = (uint8_t)len;
	memcpy(frame + 4, text, len);
	send_with_fds(fd, frame, len + 4, NULL, 0);
}

/* Until the server closes; what came before is in buf. */
static size_t hear(struct world *w, int fd, char *buf, size_t size)
{
	size_t len = 0;

	wait_until(w, nobody_left);
	for (;;) {
		ssize_t n = recv(fd, buf + len, size - len, 0);

		if (n <= 0)
			return len;
		len += (size_t)n;
	}
}

static void question_and_answer(void)
{
	char answer[100];
	struct stat stat;
	struct world w;
	int fd;

	world_init(&w);
	REQUIRE(lstat(w.path, &stat) == 0);
	CHECK_UINT(stat.st_mode & 0777, 0600);
	fd = dial(&w);
	ask(fd, "who is there");
	wait_until(&w, one_asked);
	CHECK_UINT(w.question.len, 12);
	CHECK_MEM(w.question.data, "who is there", 12);
	local_server_answer(&w.server, w.client,
			    (struct bytes){ .data = (const uint8_t *)"nobody", .len = 6 });
	local_server_answer(&w.server, w.client, (struct bytes){ 0 }); /* gone: nothing happens */
	CHECK_UINT(hear(&w, fd, answer, sizeof(answer)), 6);
	CHECK_MEM(answer, "nobody", 6);
	CHECK_UINT(w.gone, 0);
	close(fd);
	world_done(&w);
	CHECK(access(w.path, F_OK) < 0);
}

static void question_in_pieces(void)
{
	static const char text[] = "\0\0\0\5hello";
	char answer[100];
	struct world w;
	int fd;

	world_init(&w);
	w.answer_at_once = true;
	fd = dial(&w);
	for (size_t i = 0; i < 9; i++) {
		CHECK_UINT(w.asked, 0);
		REQUIRE(send(fd, text + i, 1, 0) == 1);
		run_what_is_ready(&w);
	}
	wait_until(&w, one_asked);
	CHECK_UINT(hear(&w, fd, answer, sizeof(answer)), 5);
	CHECK_MEM(answer, "hello", 5);
	close(fd);
	world_done(&w);
}

struct speech {
	int fd;
	size_t len;
};

static void speak(void *arg)
{
	struct speech *speech = arg;
	uint8_t *data = xcalloc(1, speech->len + 4);

	data[1] = (uint8_t)(speech->len >> 16);
	data[2] = (uint8_t)(speech->len >> 8);
	data[3] = (uint8_t)speech->len;
	memset(data + 4, 'q', speech->len);
	for (size_t sent = 0; sent < speech->len + 4;) {
		ssize_t n = send(speech->fd, data + sent, speech->len + 4 - sent, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	free(data);
}

struct listening {
	int fd;
	size_t len;
};

static void listen_to_answer(void *arg)
{
	struct listening *listening = arg;
	char buf[5000];
	ssize_t n;

	while ((n = recv(listening->fd, buf, sizeof(buf), 0)) > 0)
		listening->len += (size_t)n;
}

static void nothing(void *arg)
{
	(void)arg;
}

/* More than a socket holds, both ways. */
static void large_ones(void)
{
	struct speech speech = { .len = QUESTION_MAX };
	struct listening listening = { 0 };
	struct world w;

	world_init(&w);
	w.answer_at_once = true;
	speech.fd = listening.fd = dial(&w);
	loop_work(&w.fixture.loop, speak, nothing, &speech);
	loop_work(&w.fixture.loop, listen_to_answer, nothing, &listening);
	wait_until(&w, one_asked);
	CHECK_UINT(w.question.len, QUESTION_MAX);
	while (loop_working(&w.fixture.loop) > 0)
		uv_run(&w.fixture.loop.uv, UV_RUN_ONCE);
	CHECK_UINT(listening.len, QUESTION_MAX);
	close(speech.fd);
	world_done(&w);
}

static void descriptors_come_along(void)
{
	unsigned before = fixture_open_fds();
	int sent[2], got[LOCAL_FDS_MAX], fd;
	struct stat first, second, is;
	size_t n = 0;
	struct world w;

	world_init(&w);
	REQUIRE(pipe2(sent, O_CLOEXEC) == 0);
	fstat(sent[0], &first);
	fd = dial(&w);
	send_with_fds(fd, "\0\0\0\1", 4, sent, 1);
	send_with_fds(fd, "x", 1, sent + 1, 1);
	wait_until(&w, one_asked);
	CHECK(local_server_fds(&w.server, w.client, got, &n));
	CHECK_UINT(n, 2);
	CHECK(fstat(got[0], &is) == 0 && is.st_ino == first.st_ino);
	fstat(sent[1], &second);
	CHECK(fstat(got[1], &is) == 0 && is.st_ino == second.st_ino);
	CHECK(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	local_server_answer(&w.server, w.client,
			    (struct bytes){ .data = (uint8_t *)"a", .len = 1 });
	CHECK(!local_server_fds(&w.server, w.client, got, &n));
	close(sent[0]);
	close(sent[1]);
	close(fd);
	world_done(&w);
	CHECK_UINT(fixture_open_fds(), before);
}

static void send_surplus(int fd, bool at_once)
{
	int fds[4] = { fd, fd, fd, fd };

	if (at_once) {
		send_with_fds(fd, "\0\0\0\1", 4, fds, 4);
		return;
	}
	send_with_fds(fd, "\0\0", 2, fds, 2);
	send_with_fds(fd, "\0\1x", 3, fds, 1);
}

static void surplus_descriptors_are_closed(void)
{
	unsigned before = fixture_open_fds();

	for (int at_once = 0; at_once < 2; at_once++) {
		struct world w;
		int fd;

		world_init(&w);
		fd = dial(&w);
		send_surplus(fd, at_once);
		wait_until(&w, one_refused);
		CHECK_STR(w.why, "more than two descriptors came along");
		CHECK_UINT(w.asked, 0);
		close(fd);
		world_done(&w);
		CHECK_UINT(fixture_open_fds(), before);
	}
}

static void leaving_is_noticed(void)
{
	struct world w;
	int fd;

	world_init(&w);
	fd = dial(&w);
	ask(fd, "and away");
	wait_until(&w, one_asked);
	CHECK_UINT(w.gone, 0);
	close(fd);
	wait_until(&w, one_gone);
	CHECK_UINT(w.left, w.client);
	local_server_answer(&w.server, w.client, (struct bytes){ 0 });
	CHECK_UINT(w.refused, 0);
	world_done(&w);
}

/* While the server could not look (stopped, or busy): nobody waits for what it would do. */
static void who_left_before_is_not_served(void)
{
	struct world w;
	int fd;

	world_init(&w);
	fd = dial(&w);
	ask(fd, "too late");
	close(fd);
	run_what_is_ready(&w);
	wait_until(&w, nobody_left);
	CHECK_UINT(w.asked, 0);
	CHECK_UINT(w.gone, 0);
	CHECK_UINT(w.refused, 0);
	world_done(&w);
}

/* At once, before the loop has heard of it. */
static void descriptors_of_who_left_are_of_no_use(void)
{
	int fds[LOCAL_FDS_MAX], fd;
	struct world w;
	size_t n;

	world_init(&w);
	fd = dial(&w);
	ask(fd, "wire me");
	wait_until(&w, one_asked);
	CHECK(local_server_fds(&w.server, w.client, fds, &n));
	close(fd);
	CHECK(!local_server_fds(&w.server, w.client, fds, &n));
	wait_until(&w, one_gone);
	world_done(&w);
}

static void broken_questions_are_refused(void)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *why;
	} rows[] = {
		{ "\xff\xff\xff\xff", 4, "a question of an impossible length" },
		{ "\0\0\0\0", 4, "a question of an impossible length" },
		{ "\0\0\0\1ab", 6, "more than one question" },
	};
	struct world w;

	world_init(&w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = dial(&w);

		w.refused = 0;
		send_with_fds(fd, rows[i].bytes, rows[i].len, NULL, 0);
		wait_until(&w, one_refused);
		CHECK_STR(w.why, rows[i].why);
		close(fd);
	}
	CHECK_UINT(w.asked, 0);
	world_done(&w);
}

static void silent_ones_are_closed(void)
{
	char buf[10];
	struct world w;
	int fd;

	world_init(&w);
	w.server.patience_ms = 10;
	fd = dial(&w);
	REQUIRE(send(fd, "\0\0", 2, 0) == 2);
	wait_until(&w, one_refused);
	CHECK_STR(w.why, "no whole question in time");
	CHECK_INT(recv(fd, buf, sizeof(buf), 0), 0);
	close(fd);
	world_done(&w);
}

/* Takes the question's answer never. */
static void answers_are_not_kept_for_ever(void)
{
	static uint8_t answer[4 << 20];
	struct world w;
	int fd;

	world_init(&w);
	w.server.patience_ms = 10;
	fd = dial(&w);
	ask(fd, "tell me all");
	wait_until(&w, one_asked);
	local_server_answer(&w.server, w.client,
			    (struct bytes){ .data = answer, .len = sizeof(answer) });
	wait_until(&w, one_refused);
	CHECK_STR(w.why, "the answer was not taken in time");
	CHECK_UINT(w.gone, 0);
	close(fd);
	world_done(&w);
}

static bool all_places_taken(const struct world *w)
{
	return w->asked == LOCAL_CLIENTS_MAX;
}

static bool all_asked(const struct world *w)
{
	return w->asked == CROWD;
}

/* Who comes when all places are taken waits, and is served when one is free. */
static void crowd_waits(void)
{
	int fds[CROWD];
	struct world w;

	world_init(&w);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = dial(&w);
		ask(fds[i], "me");
	}
	wait_until(&w, all_places_taken);
	run_what_is_ready(&w);
	CHECK_UINT(w.asked, LOCAL_CLIENTS_MAX);
	CHECK_UINT(w.server.n_clients, LOCAL_CLIENTS_MAX);
	for (int i = 0; i < CROWD - LOCAL_CLIENTS_MAX; i++)
		close(fds[i]);
	wait_until(&w, all_asked);
	CHECK_UINT(w.gone, CROWD - LOCAL_CLIENTS_MAX);
	for (int i = CROWD - LOCAL_CLIENTS_MAX; i < CROWD; i++)
		close(fds[i]);
	world_done(&w);
}

/* A name that an agent left when it was killed is taken over; anything else stays. */
static void stale_socket_is_replaced(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct local_place place = { .path = address.sun_path };
	struct local_server other, third;
	struct err err = { 0 };
	struct world w;
	int fd;

	world_init(&w);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/stale", w.directory);
	REQUIRE(bind(stale, (struct sockaddr *)&address, sizeof(address)) == 0);
	close(stale);
	CHECK_INT(local_server_open(&other, &w.fixture.loop, &place, QUESTION_MAX, &owner, &w,
				    &err),
		  0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	local_server_done(&other);
	fd = open(address.sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0);
	close(fd);
	CHECK_INT(local_server_open(&third, &w.fixture.loop, &place, QUESTION_MAX, &owner, &w,
				    &err),
		  -EEXIST);
	CHECK(strstr(err.text, "something else lies there") != NULL);
	CHECK(access(address.sun_path, F_OK) == 0);
	world_done(&w);
}

int main(void)
{
	RUN(question_and_answer);
	RUN(question_in_pieces);
	RUN(large_ones);
	RUN(descriptors_come_along);
	RUN(surplus_descriptors_are_closed);
	RUN(leaving_is_noticed);
	RUN(who_left_before_is_not_served);
	RUN(descriptors_of_who_left_are_of_no_use);
	RUN(broken_questions_are_refused);
	RUN(silent_ones_are_closed);
	RUN(answers_are_not_kept_for_ever);
	RUN(crowd_waits);
	RUN(stale_socket_is_replaced);
	return check_report();
}
