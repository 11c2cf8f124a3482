#include "io/tcp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "io/address.h"

enum { READ_MAX = 32 << 10, BACKLOG = 256, REASON_MAX = 160, ACCEPTS_PER_TURN = 32 };
enum { CONNECTION = 1000 /* one, in the thousandths of the accept bucket */ };

enum conn_state { CONN_DIALLING, CONN_OPEN, CONN_DRAINING, CONN_CLOSING, CONN_STATE_COUNT };

#define MAY(next) (1U << (next))

static const unsigned may_become[CONN_STATE_COUNT] = {
	[CONN_DIALLING] = MAY(CONN_OPEN) | MAY(CONN_CLOSING),
	[CONN_OPEN] = MAY(CONN_DRAINING) | MAY(CONN_CLOSING),
	[CONN_DRAINING] = MAY(CONN_CLOSING),
	[CONN_CLOSING] = 0,
};

struct tcp_conn {
	struct tcp *tcp;
	struct tcp_conn *next, **link; /* in tcp->conns */
	void *user;
	enum conn_state state;
	bool accepted, half_open;
	bool reported;      /* the owner knows it, and hears of its end */
	bool owes_writable; /* a send is not yet answered by owner->writable() */
	bool paused;        /* had more than its share of this turn */
	bool flagged;       /* either of the two may be settled by tcp_turn() */
	uint32_t turn;      /* of `taken` */
	size_t taken;       /* bytes read in that turn */
	uint8_t handles;    /* not closed yet */
	uv_tcp_t tcp_handle;
	uv_timer_t drain;
	uv_connect_t connect;
	uv_shutdown_t shutdown;
	char reason[REASON_MAX];
};

struct sending {
	uv_write_t request;
	uint8_t data[];
};

static struct endpoint remote_of(const uv_tcp_t *handle)
{
	struct sockaddr_storage address = { 0 };
	int len = sizeof(address);

	if (uv_tcp_getpeername(handle, (struct sockaddr *)&address, &len) < 0)
		return (struct endpoint){ 0 };
	return endpoint_of_sockaddr((struct sockaddr *)&address);
}

/* ---- the life of a conn */

static void become(struct tcp_conn *conn, enum conn_state next)
{
	assert(may_become[conn->state] & MAY(next));
	conn->state = next;
}

static void note_reason(struct tcp_conn *conn, const char *reason)
{
	size_t len = strlen(reason);

	if (conn->reason[0])
		return; /* the first one is the cause */
	if (len > REASON_MAX - 1)
		len = REASON_MAX - 1;
	memcpy(conn->reason, reason, len);
}

static void set_flag(struct tcp_conn *conn)
{
	if (!conn->flagged)
		conn->tcp->n_flagged++;
	conn->flagged = true;
	loop_soon(conn->tcp->loop);
}

static void clear_flag(struct tcp_conn *conn)
{
	if (conn->flagged)
		conn->tcp->n_flagged--;
	conn->flagged = false;
}

static void conn_free(struct tcp_conn *conn)
{
	*conn->link = conn->next;
	if (conn->next)
		conn->next->link = conn->link;
	free(conn);
}

static void on_closed(uv_handle_t *handle)
{
	struct tcp_conn *conn = handle->data;
	struct tcp *tcp = conn->tcp;

	if (--conn->handles > 0)
		return;
	if (!tcp->done && conn->reported)
		tcp->owner->closed(tcp->arg, conn, conn->reason);
	conn_free(conn);
}

static void conn_close(struct tcp_conn *conn, const char *reason)
{
	if (conn->state == CONN_CLOSING)
		return;
	note_reason(conn, reason);
	become(conn, CONN_CLOSING);
	clear_flag(conn);
	tcp_greeted(conn);
	if (conn->accepted)
		conn->tcp->n_accepted--;
	uv_close((uv_handle_t *)&conn->tcp_handle, on_closed);
	uv_close((uv_handle_t *)&conn->drain, on_closed);
}

static struct tcp_conn *conn_new(struct tcp *tcp, enum conn_state state)
{
	struct tcp_conn *conn = xcalloc(1, sizeof(*conn));

	conn->tcp = tcp;
	conn->state = state;
	conn->next = tcp->conns;
	conn->link = &tcp->conns;
	if (conn->next)
		conn->next->link = &conn->next;
	tcp->conns = conn;
	uv_tcp_init(&tcp->loop->uv, &conn->tcp_handle);
	uv_timer_init(&tcp->loop->uv, &conn->drain);
	conn->tcp_handle.data = conn->drain.data = conn;
	conn->handles = 2;
	return conn;
}

static void set_options(struct tcp_conn *conn)
{
	unsigned timeout_ms = TCP_USER_TIMEOUT_MS;
	uv_os_fd_t fd;

	uv_tcp_nodelay(&conn->tcp_handle, 1);
	/* Silence is the core's to judge; this is for what we said and nobody acknowledges. A
	 * kernel without the option only notices later. */
	if (uv_fileno((uv_handle_t *)&conn->tcp_handle, &fd) == 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
				 sizeof(timeout_ms));
}

/* ---- reading */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct tcp_conn *conn = handle->data;

	/* One buffer for all: libuv reads into it and calls on_read() before anything else. */
	(void)suggested;
	*ret = uv_buf_init((char *)conn->tcp->buffer, READ_MAX);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct tcp_conn *conn = stream->data;
	struct tcp *tcp = conn->tcp;

	if (n < 0) {
		conn_close(conn, n == UV_EOF ? "closed by the other side" : uv_strerror((int)n));
		return;
	}
	if (conn->state != CONN_OPEN || n == 0)
		return;
	if (conn->turn != tcp->loop->turns) {
		conn->turn = tcp->loop->turns;
		conn->taken = 0;
	}
	conn->taken += (size_t)n;
	if (conn->taken >= TCP_TURN_MAX) {
		uv_read_stop(stream);
		conn->paused = true;
		set_flag(conn);
	}
	tcp->owner->received(tcp->arg, conn,
			     (struct bytes){ .data = (const uint8_t *)buf->base,
					     .len = (size_t)n });
}

static void conn_read(struct tcp_conn *conn)
{
	int result = uv_read_start((uv_stream_t *)&conn->tcp_handle, on_alloc, on_read);

	if (result < 0)
		conn_close(conn, uv_strerror(result));
}

/* ---- writing */

static size_t queued(const struct tcp_conn *conn)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&conn->tcp_handle);
}

static void on_written(uv_write_t *request, int status)
{
	struct sending *sending = request->data;
	struct tcp_conn *conn = request->handle->data;

	free(sending);
	if (status < 0 && status != UV_ECANCELED)
		conn_close(conn, uv_strerror(status));
	else if (conn->state == CONN_OPEN && conn->owes_writable && queued(conn) < TCP_WRITABLE_MAX)
		set_flag(conn);
}

static void queue(struct tcp_conn *conn, struct bytes rest)
{
	struct sending *sending = xmalloc(sizeof(*sending) + rest.len);
	uv_buf_t buf = uv_buf_init((char *)sending->data, (unsigned)rest.len);
	int result;

	memcpy(sending->data, rest.data, rest.len);
	sending->request.data = sending;
	result = uv_write(&sending->request, (uv_stream_t *)&conn->tcp_handle, &buf, 1, on_written);
	if (result < 0) {
		free(sending);
		conn_close(conn, uv_strerror(result));
	}
}

void tcp_send(struct tcp_conn *conn, struct bytes bytes)
{
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.len);
	int sent;

	if (conn->state != CONN_OPEN || bytes.len == 0)
		return;
	if (queued(conn) + bytes.len > TCP_QUEUE_MAX) {
		conn_close(conn, "it does not read what it is sent");
		return;
	}
	sent = uv_try_write((uv_stream_t *)&conn->tcp_handle, &buf, 1);
	if (sent < 0 && sent != UV_EAGAIN) {
		conn_close(conn, uv_strerror(sent));
		return;
	}
	if (sent < 0)
		sent = 0;
	if ((size_t)sent < bytes.len)
		queue(conn,
		      (struct bytes){ .data = bytes.data + sent, .len = bytes.len - (size_t)sent });
	if (conn->state != CONN_OPEN)
		return;
	conn->owes_writable = true;
	if (queued(conn) < TCP_WRITABLE_MAX)
		set_flag(conn);
}

/* ---- hanging up */

static void on_drained(uv_timer_t *timer)
{
	conn_close(timer->data, "");
}

static void on_shut(uv_shutdown_t *request, int status)
{
	struct tcp_conn *conn = request->handle->data;

	/* All is out; the end of the other side's stream, or the timer, ends it. */
	if (status < 0 && status != UV_ECANCELED)
		conn_close(conn, uv_strerror(status));
}

void tcp_hangup(struct tcp_conn *conn, uint32_t drain_ms, const char *reason)
{
	note_reason(conn, reason);
	if (drain_ms == 0 || conn->state == CONN_DIALLING) {
		conn_close(conn, reason);
		return;
	}
	if (conn->state != CONN_OPEN)
		return;
	become(conn, CONN_DRAINING);
	uv_update_time(&conn->tcp->loop->uv);
	uv_timer_start(&conn->drain, on_drained, drain_ms, 0);
	if (conn->paused)
		conn_read(conn);
	conn->paused = conn->owes_writable = false;
	if (conn->state == CONN_DRAINING &&
	    uv_shutdown(&conn->shutdown, (uv_stream_t *)&conn->tcp_handle, on_shut) < 0)
		conn_close(conn, reason);
}

/* ---- dialling */

static void on_connected(uv_connect_t *request, int status)
{
	struct tcp_conn *conn = request->handle->data;

	if (conn->state != CONN_DIALLING)
		return;
	if (status < 0) {
		conn_close(conn, uv_strerror(status));
		return;
	}
	become(conn, CONN_OPEN);
	set_options(conn);
	conn_read(conn);
	if (conn->state == CONN_OPEN)
		conn->tcp->owner->connected(conn->tcp->arg, conn);
}

struct tcp_conn *tcp_dial(struct tcp *tcp, const struct endpoint *to, void *user)
{
	struct tcp_conn *conn = conn_new(tcp, CONN_DIALLING);
	struct sockaddr_storage address;
	int result;

	conn->user = user;
	conn->reported = true;
	sockaddr_of_endpoint(to, &address);
	result = uv_tcp_connect(&conn->connect, &conn->tcp_handle,
				(const struct sockaddr *)&address, on_connected);
	if (result < 0)
		conn_close(conn, uv_strerror(result));
	return conn;
}

/* ---- accepting */

static bool take_token(struct tcp *tcp)
{
	int64_t at_ms = loop_now().ms;

	tcp->accept_tokens += (at_ms - tcp->accept_at_ms) * TCP_ACCEPT_PER_S;
	if (tcp->accept_tokens > TCP_ACCEPT_BURST * CONNECTION)
		tcp->accept_tokens = TCP_ACCEPT_BURST * CONNECTION;
	tcp->accept_at_ms = at_ms;
	if (tcp->accept_tokens < CONNECTION)
		return false;
	tcp->accept_tokens -= CONNECTION;
	return true;
}

/* NULL, or why a newcomer cannot stay. */
static const char *full(struct tcp *tcp)
{
	if (tcp->n_half_open >= TCP_HALF_OPEN_MAX)
		return "too many that have not said who they are";
	if (tcp->n_accepted >= TCP_ACCEPTED_MAX)
		return "too many connections";
	if (!take_token(tcp))
		return "too many in too short a time";
	return NULL;
}

static void take_newcomer(struct tcp *tcp)
{
	const char *why = full(tcp);
	struct tcp_conn *conn = conn_new(tcp, CONN_OPEN);
	struct endpoint from;

	conn->accepted = conn->half_open = true;
	tcp->n_accepted++;
	tcp->n_half_open++;
	if (uv_accept((uv_stream_t *)&tcp->listener, (uv_stream_t *)&conn->tcp_handle) < 0) {
		conn_close(conn, "");
		return;
	}
	from = remote_of(&conn->tcp_handle);
	if (why || from.ip_len == 0) {
		conn_close(conn, "");
		if (why)
			tcp->owner->refused(tcp->arg, &from, why);
		return;
	}
	set_options(conn);
	conn->reported = true;
	tcp->owner->accepted(tcp->arg, conn, &from);
	if (conn->state == CONN_OPEN)
		conn_read(conn);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct tcp *tcp = stream->data;

	if (status < 0)
		return; /* gone before it was taken */
	if (tcp->accepts_turn != tcp->loop->turns) {
		tcp->accepts_turn = tcp->loop->turns;
		tcp->accepts = 0;
	}
	/* libuv takes newcomers for as long as there are any, and so would do nothing else. It
	 * stops when one is left with it. */
	if (++tcp->accepts > ACCEPTS_PER_TURN) {
		tcp->newcomer_waits = true;
		loop_soon(tcp->loop);
		return;
	}
	take_newcomer(tcp);
}

/* Returns a socket or -errno. */
static int bind_to(int family, const struct sockaddr *address, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1, no = 0;
	int result;

	if (fd < 0)
		return -errno;
	/* Connections of an earlier life of this agent may linger on the port. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (bind(fd, address, len) == 0)
		return fd;
	result = -errno;
	close(fd);
	return result;
}

/* On all addresses, of both families where there is IPv6. */
static int bind_port(uint16_t port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = bind_to(AF_INET6, (const struct sockaddr *)&six, sizeof(six));

	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
		fd = bind_to(AF_INET, (const struct sockaddr *)&four, sizeof(four));
	return fd;
}

int tcp_init(struct tcp *tcp, struct loop *loop, uint16_t port, const struct tcp_owner *owner,
	     void *arg, struct err *err)
{
	int fd = bind_port(port);

	if (fd < 0)
		return err_set(err, -fd, "take TCP port %u for peers", port);
	*tcp = (struct tcp){ .loop = loop, .owner = owner, .arg = arg };
	tcp->accept_tokens = TCP_ACCEPT_BURST * CONNECTION;
	tcp->accept_at_ms = loop_now().ms;
	tcp->buffer = xmalloc(READ_MAX);
	uv_tcp_init(&loop->uv, &tcp->listener);
	tcp->listener.data = tcp;
	tcp->listening = true;
	if (uv_tcp_open(&tcp->listener, fd) < 0)
		abort(); /* a fresh socket, and a handle without one */
	return 0;
}

int tcp_listen(struct tcp *tcp, struct err *err)
{
	int result = uv_listen((uv_stream_t *)&tcp->listener, BACKLOG, on_connection);

	return result < 0 ? err_set(err, -result, "listen on TCP port %u for peers", tcp_port(tcp))
			  : 0;
}

uint16_t tcp_port(const struct tcp *tcp)
{
	struct sockaddr_storage address = { 0 };
	int len = sizeof(address);

	if (uv_tcp_getsockname(&tcp->listener, (struct sockaddr *)&address, &len) < 0)
		return 0;
	return endpoint_of_sockaddr((struct sockaddr *)&address).port;
}

void tcp_close_listener(struct tcp *tcp)
{
	if (tcp->listening)
		uv_close((uv_handle_t *)&tcp->listener, NULL);
	tcp->listening = tcp->newcomer_waits = false;
}

void tcp_done(struct tcp *tcp)
{
	tcp->done = true;
	tcp_close_listener(tcp);
	for (struct tcp_conn *conn = tcp->conns; conn; conn = conn->next)
		conn_close(conn, "the agent ends");
}

void tcp_free(struct tcp *tcp)
{
	assert(!tcp->conns);
	free(tcp->buffer);
	tcp->buffer = NULL;
}

/* ---- once per turn */

static void settle(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;

	clear_flag(conn);
	if (conn->paused) {
		conn->paused = false;
		conn_read(conn);
	}
	if (conn->state == CONN_OPEN && conn->owes_writable && queued(conn) < TCP_WRITABLE_MAX) {
		conn->owes_writable = false;
		tcp->owner->writable(tcp->arg, conn);
	}
}

void tcp_turn(struct tcp *tcp)
{
	if (tcp->newcomer_waits) {
		tcp->newcomer_waits = false;
		take_newcomer(tcp);
	}
	/* The owner may dial and hang up meanwhile: new conns come in front, and none is freed
	 * before libuv's own turn. */
	for (struct tcp_conn *conn = tcp->conns; conn && tcp->n_flagged > 0; conn = conn->next)
		if (conn->flagged)
			settle(conn);
}

/* ---- what the owner asks */

void tcp_set_user(struct tcp_conn *conn, void *user)
{
	conn->user = user;
}

void *tcp_user(const struct tcp_conn *conn)
{
	return conn->user;
}

void tcp_greeted(struct tcp_conn *conn)
{
	if (conn->half_open)
		conn->tcp->n_half_open--;
	conn->half_open = false;
}

bool tcp_is_open(const struct tcp_conn *conn)
{
	return conn->state == CONN_OPEN;
}
