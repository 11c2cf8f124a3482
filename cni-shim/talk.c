#include "talk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "weft/limits.h"
#include "weft/paths.h"

enum {
	LENGTH_SIZE = 4, /* u32 big-endian before every message */
	PAUSE_MIN_MS = 5,
	PAUSE_MAX_MS = 100,
};

struct frame {
	uint8_t *data; /* length and message, malloc'ed */
	size_t size;
};

const char *talk_socket(void)
{
	const char *path = getenv(WEFT_SOCKET_ENV);

	return path && *path ? path : WEFT_SOCKET_PATH;
}

uint64_t talk_number(void)
{
	uint64_t number;

	/* Short reads and EINTR do not happen below 256 bytes (getrandom(2)). */
	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		abort();
	return number;
}

const char *talk_reason(int error)
{
	switch (error) {
	case ENOENT:
		return "ENOENT: there is no socket";
	case ECONNREFUSED:
		return "ECONNREFUSED: nobody listens";
	case EAGAIN:
		return "EAGAIN: too many are waiting already";
	case EACCES:
		return "EACCES: only root may";
	case ENAMETOOLONG:
		return "ENAMETOOLONG: the path is too long for a socket";
	default:
		return strerror(error);
	}
}

static int64_t now_ms(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
		abort();
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* False when the deadline has come first. Errors of the socket count as ready: the next call on it
 * tells them. */
static bool wait_for(int fd, short events, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd pollfd = { .fd = fd, .events = events };
		int64_t left_ms = deadline_ms - now_ms();
		int ready;

		if (left_ms <= 0)
			return false;
		ready = poll(&pollfd, 1, (int)left_ms);
		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			abort();
	}
}

static void pause_until(int64_t deadline_ms)
{
	(void)wait_for(-1, 0, deadline_ms);
}

struct patience {
	const struct talk *talk;
	int64_t slow_at_ms, deadline_ms;
};

/* The same for the agent's next move. Once it is called slow it is not called so again. */
static bool wait_for_agent(int fd, short events, struct patience *patience)
{
	if (patience->slow_at_ms < patience->deadline_ms) {
		if (wait_for(fd, events, patience->slow_at_ms))
			return true;
		patience->slow_at_ms = patience->deadline_ms;
		patience->talk->slow(patience->talk);
	}
	return wait_for(fd, events, patience->deadline_ms);
}

/* Connecting to a Unix socket does not wait: it works, or errno says why not (EAGAIN: the agent's
 * queue is full). Returns the socket or -errno. */
static int dial(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static bool may_come_back(int error)
{
	return error == ENOENT || error == ECONNREFUSED || error == EAGAIN;
}

/* Dial until somebody is there or it is `until_ms`. */
static int reach(const char *path, int64_t until_ms)
{
	int64_t pause_ms = PAUSE_MIN_MS;

	for (;;) {
		int fd = dial(path);
		int64_t at_ms = now_ms();

		if (fd >= 0 || !may_come_back(-fd) || at_ms >= until_ms)
			return fd;
		pause_until(at_ms + pause_ms < until_ms ? at_ms + pause_ms : until_ms);
		pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
	}
}

static struct frame pack(const Weft__Local__Request *request)
{
	size_t size = weft__local__request__get_packed_size(request);
	struct frame frame = { .data = malloc(LENGTH_SIZE + size), .size = LENGTH_SIZE + size };

	if (!frame.data)
		abort();
	for (size_t i = 0; i < LENGTH_SIZE; i++)
		frame.data[i] = (uint8_t)(size >> 8 * (LENGTH_SIZE - 1 - i));
	weft__local__request__pack(request, frame.data + LENGTH_SIZE);
	return frame;
}

static ssize_t send_some(int fd, const uint8_t *data, size_t size, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(TALK_FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		struct cmsghdr *rights = &control.header;

		message.msg_control = &control;
		/* size_t in glibc, socklen_t in musl */
		message.msg_controllen = (socklen_t)CMSG_SPACE(n_fds * sizeof(int));
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = (socklen_t)CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(rights), fds, n_fds * sizeof(int));
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* TALK_ANSWERED means sent, here. An agent that closes early may have answered before it did (a
 * frame that it refuses), so that is for receive to find out. */
static enum talk_end send_frame(int fd, const struct frame *frame, const int *fds, size_t n_fds,
				struct patience *patience)
{
	size_t sent = 0;

	while (sent < frame->size) {
		ssize_t n = send_some(fd, frame->data + sent, frame->size - sent, fds,
				      sent == 0 ? n_fds : 0);

		if (n > 0)
			sent += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			break;
		else if (!wait_for_agent(fd, POLLOUT, patience))
			return TALK_SILENT;
	}
	return TALK_ANSWERED;
}

/* Exactly `size` bytes. A peer that is gone ends the stream, whether it says so (0) or not. */
static enum talk_end receive(int fd, uint8_t *data, size_t size, struct patience *patience)
{
	while (size > 0) {
		ssize_t n;

		if (!wait_for_agent(fd, POLLIN, patience))
			return TALK_SILENT;
		n = recv(fd, data, size, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return TALK_HUNG_UP;
		data += n;
		size -= (size_t)n;
	}
	return TALK_ANSWERED;
}

static enum talk_end receive_answer(int fd, struct patience *patience, Weft__Local__Answer **ret)
{
	uint8_t length[LENGTH_SIZE];
	Weft__Local__Answer *answer;
	enum talk_end end;
	uint8_t *data;
	size_t size;

	end = receive(fd, length, sizeof(length), patience);
	if (end != TALK_ANSWERED)
		return end;
	size = (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 |
	       length[3];
	if (size > WEFT_ANSWER_MAX)
		return TALK_GARBLED;
	data = malloc(size ? size : 1);
	if (!data)
		abort();
	end = receive(fd, data, size, patience);
	if (end == TALK_ANSWERED) {
		answer = weft__local__answer__unpack(NULL, size, data);
		if (answer)
			*ret = answer;
		else
			end = TALK_GARBLED;
	}
	free(data);
	return end;
}

static enum talk_end converse(int fd, const struct frame *frame, const int *fds, size_t n_fds,
			      struct patience *patience, Weft__Local__Answer **ret)
{
	enum talk_end end = send_frame(fd, frame, fds, n_fds, patience);

	return end == TALK_ANSWERED ? receive_answer(fd, patience, ret) : end;
}

enum talk_end talk_ask(const struct talk *talk, const Weft__Local__Request *request, const int *fds,
		       size_t n_fds, Weft__Local__Answer **ret, int *ret_error)
{
	int64_t begun_ms = now_ms(), deadline_ms = begun_ms + talk->total_ms;
	struct patience patience = {
		.talk = talk,
		.slow_at_ms = talk->slow ? begun_ms + talk->slow_ms : deadline_ms,
		.deadline_ms = deadline_ms,
	};
	struct frame frame = pack(request);
	enum talk_end end;

	assert(n_fds <= TALK_FDS_MAX);
	for (int tries = 1;; tries++) {
		int64_t reach_until_ms = now_ms() + talk->reach_ms;
		int fd = reach(talk->socket,
			       reach_until_ms < deadline_ms ? reach_until_ms : deadline_ms);

		if (fd < 0) {
			*ret_error = -fd;
			end = TALK_UNREACHABLE;
			break;
		}
		end = converse(fd, &frame, fds, n_fds, &patience, ret);
		close(fd);
		if (end != TALK_HUNG_UP || tries == TALK_TRIES)
			break;
		pause_until(now_ms() + PAUSE_MIN_MS * tries);
	}
	free(frame.data);
	return end;
}
