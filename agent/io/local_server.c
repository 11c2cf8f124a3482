#include "io/local_server.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "io/address.h"

enum {
	LENGTH_SIZE = 4,
	BACKLOG = 512,
	FIRST_ROOM = 2048, /* most questions fit, and the length of a longer one is only a claim */
	SWEEP_MS = 1000,
};

enum client_state { CLIENT_READING, CLIENT_ASKED, CLIENT_ANSWERING, CLIENT_CLOSING };

struct local_client {
	struct local_server *server;
	struct local_client *next, **link;
	uint32_t id;
	enum client_state state;
	int fd;
	uv_poll_t poll;
	int64_t until_ms; /* of READING and ANSWERING */
	int fds[LOCAL_FDS_MAX];
	size_t n_fds;
	uint8_t *data; /* owned; the question with its length, then the answer */
	size_t len, cap;
	size_t sent; /* of the answer */
};

static void on_client(uv_poll_t *handle, int status, int events);
static void on_newcomer(uv_poll_t *handle, int status, int events);

static int64_t now_ms(const struct local_server *server)
{
	return (int64_t)uv_now(&server->loop->uv);
}

/* ---- the life of a client */

static void watch(struct local_client *client, int events)
{
	uv_poll_start(&client->poll, events, on_client);
}

static void close_fds(struct local_client *client)
{
	for (size_t i = 0; i < client->n_fds; i++)
		close(client->fds[i]);
	client->n_fds = 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct local_client *client = handle->data;

	*client->link = client->next;
	if (client->next)
		client->next->link = client->link;
	free(client->data);
	free(client);
}

static void watch_listener(struct local_server *server)
{
	bool room = server->n_clients < LOCAL_CLIENTS_MAX && server->listening;

	if (room && !server->watching)
		uv_poll_start(&server->listener, UV_READABLE, on_newcomer);
	else if (!room && server->watching)
		uv_poll_stop(&server->listener);
	server->watching = room;
}

static void client_close(struct local_client *client)
{
	struct local_server *server = client->server;

	if (client->state == CLIENT_CLOSING)
		return;
	client->state = CLIENT_CLOSING;
	uv_close((uv_handle_t *)&client->poll, on_closed);
	close(client->fd);
	close_fds(client);
	server->n_clients--;
	watch_listener(server);
}

static void client_refuse(struct local_client *client, const char *why)
{
	struct local_server *server = client->server;

	client_close(client);
	server->owner->refused(server->arg, why);
}

static void on_sweep(uv_timer_t *timer)
{
	struct local_server *server = timer->data;
	int64_t at_ms = now_ms(server);

	for (struct local_client *client = server->clients; client; client = client->next) {
		if (client->state == CLIENT_READING && at_ms >= client->until_ms)
			client_refuse(client, "no whole question in time");
		else if (client->state == CLIENT_ANSWERING && at_ms >= client->until_ms)
			client_refuse(client, "the answer was not taken in time");
	}
	watch_listener(server);
	if (server->n_clients == 0 && server->watching)
		uv_timer_stop(timer);
}

static void start_sweeping(struct local_server *server)
{
	if (!uv_is_active((uv_handle_t *)&server->sweeper))
		uv_timer_start(&server->sweeper, on_sweep, SWEEP_MS, SWEEP_MS);
}

static struct local_client *find(const struct local_server *server, uint32_t id)
{
	for (struct local_client *client = server->clients; client; client = client->next)
		if (client->id == id && client->state != CLIENT_CLOSING)
			return client;
	return NULL;
}

/* ---- newcomers */

static bool may_ask(const struct local_server *server, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (server->http)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid() ||
	       (server->group != 0 && peer.gid == server->group);
}

static uint32_t new_id(struct local_server *server)
{
	do
		server->next_id = (server->next_id + 1) % LOCAL_IDS;
	while (server->next_id == 0 || find(server, server->next_id));
	return server->next_id;
}

static void take(struct local_server *server, int fd)
{
	struct local_client *client = xcalloc(1, sizeof(*client));

	client->server = server;
	client->id = new_id(server);
	client->fd = fd;
	client->state = CLIENT_READING;
	client->until_ms = now_ms(server) + server->patience_ms;
	if (uv_poll_init(&server->loop->uv, &client->poll, fd) < 0) {
		close(fd);
		free(client);
		return;
	}
	client->poll.data = client;
	client->next = server->clients;
	client->link = &server->clients;
	if (client->next)
		client->next->link = &client->next;
	server->clients = client;
	server->n_clients++;
	start_sweeping(server);
	watch_listener(server);
	watch(client, UV_READABLE);
}

static void on_newcomer(uv_poll_t *handle, int status, int events)
{
	struct local_server *server = handle->data;
	int fd;

	(void)status;
	(void)events;
	fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return;
	if (fd < 0) { /* no descriptors left: asked for again with the next sweep */
		uv_poll_stop(&server->listener);
		server->watching = false;
		start_sweeping(server);
		return;
	}
	if (may_ask(server, fd)) {
		take(server, fd);
		return;
	}
	close(fd);
	server->owner->refused(server->arg, server->group ? "neither root nor of the socket's group"
							  : "not root");
}

/* ---- the question */

static uint32_t announced(const struct local_client *client)
{
	struct reader reader = reader_of((struct bytes){ client->data, LENGTH_SIZE });

	return reader_be32(&reader);
}

/* How long the question will be with its length; 0: not known yet. */
static size_t whole(const struct local_client *client)
{
	return client->len < LENGTH_SIZE ? 0 : LENGTH_SIZE + (size_t)announced(client);
}

static bool ends_with_empty_line(const struct local_client *client)
{
	return memmem(client->data, client->len, "\r\n\r\n", 4) != NULL;
}

/* Room for more: what was only announced takes no memory. */
static size_t make_room(struct local_client *client)
{
	if (client->len == client->cap) {
		client->cap = client->cap ? 2 * client->cap : FIRST_ROOM;
		client->data = xrealloc(client->data, client->cap, 1);
	}
	return client->cap - client->len;
}

/* False: a rule is broken. */
static bool keep_fds(struct local_client *client, struct msghdr *message)
{
	bool fits = !(message->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (client->n_fds < LOCAL_FDS_MAX) {
				client->fds[client->n_fds++] = fd;
			} else {
				close(fd);
				fits = false;
			}
		}
	}
	return fits;
}

/* As read(): how many bytes, 0 at the end, -errno. */
static ssize_t receive(struct local_client *client, uint8_t *data, size_t size)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(LOCAL_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(client->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	return keep_fds(client, &message) ? n : -E2BIG;
}

static void asked(struct local_client *client)
{
	struct local_server *server = client->server;
	uint8_t *data = client->data; /* an answer may come before the question was left */
	size_t skip = server->http ? 0 : LENGTH_SIZE;
	struct bytes question = { .data = data + skip, .len = client->len - skip };

	client->data = NULL;
	client->len = client->cap = 0;
	client->state = CLIENT_ASKED;
	/* Whatever it sends now, or its leaving, means that it does not wait. */
	watch(client, UV_READABLE | UV_DISCONNECT);
	server->owner->asked(server->arg, client->id, question);
	free(data);
}

static void take_head(struct local_client *client)
{
	if (client->len > client->server->question_max)
		client_refuse(client, "an HTTP request of an impossible length");
	else if (ends_with_empty_line(client))
		asked(client);
}

/* Its answer could go nowhere, whether poll has told us yet or not. */
static bool has_left(const struct local_client *client)
{
	struct pollfd pollfd = { .fd = client->fd };

	return poll(&pollfd, 1, 0) == 1 && pollfd.revents & (POLLHUP | POLLERR);
}

static void take_question(struct local_client *client)
{
	size_t len = whole(client);

	if (len == 0)
		return;
	if (len == LENGTH_SIZE || announced(client) > client->server->question_max)
		client_refuse(client, "a question of an impossible length");
	else if (client->len > len)
		client_refuse(client, "more than one question");
	else if (client->len == len && has_left(client))
		client_close(client); /* it was told already that nobody answers */
	else if (client->len == len)
		asked(client);
}

static void read_question(struct local_client *client)
{
	size_t room = make_room(client);
	ssize_t n = receive(client, client->data + client->len, room);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n == -E2BIG) {
		client_refuse(client, "more than two descriptors came along");
		return;
	}
	if (n <= 0) {
		client_close(client); /* came, and left again */
		return;
	}
	client->len += (size_t)n;
	if (client->server->http)
		take_head(client);
	else
		take_question(client);
}

static void notice_leaving(struct local_client *client)
{
	struct local_server *server = client->server;
	uint32_t id = client->id;
	uint8_t byte;
	ssize_t n = receive(client, &byte, 1);

	if (n == -EAGAIN || n == -EINTR)
		return;
	client_close(client);
	server->owner->gone(server->arg, id);
}

/* ---- the answer */

static void send_answer(struct local_client *client)
{
	while (client->sent < client->len) {
		ssize_t n = send(client->fd, client->data + client->sent,
				 client->len - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			close_fds(client); /* they are of no more use, and this may take long */
			watch(client, UV_WRITABLE);
			return;
		}
		if (n < 0)
			break; /* it left; nothing is owed any more */
		client->sent += (size_t)n;
		client->until_ms = now_ms(client->server) + client->server->patience_ms;
	}
	client_close(client);
}

void local_server_answer(struct local_server *server, uint32_t id, struct bytes answer)
{
	struct local_client *client = find(server, id);

	if (!client)
		return;
	assert(client->state == CLIENT_ASKED);
	client->state = CLIENT_ANSWERING;
	client->until_ms = now_ms(server) + server->patience_ms;
	if (answer.len > 0)
		client->data = xmemdup(answer.data, answer.len);
	client->len = client->cap = answer.len;
	send_answer(client);
}

bool local_server_fds(const struct local_server *server, uint32_t id, int fds[LOCAL_FDS_MAX],
		      size_t *ret_n)
{
	const struct local_client *client = find(server, id);

	if (!client || has_left(client))
		return false;
	memcpy(fds, client->fds, sizeof(client->fds));
	*ret_n = client->n_fds;
	return true;
}

static void on_client(uv_poll_t *handle, int status, int events)
{
	struct local_client *client = handle->data;

	(void)status; /* an error shows in the call on the socket */
	(void)events;
	switch (client->state) {
	case CLIENT_READING:
		read_question(client);
		break;
	case CLIENT_ASKED:
		notice_leaving(client);
		break;
	case CLIENT_ANSWERING:
		send_answer(client);
		break;
	case CLIENT_CLOSING:
		break;
	}
}

/* ---- the socket */

/* A socket of an earlier life; anything else there is not ours to remove. */
static int clear_way(const char *path, struct err *err)
{
	struct stat stat;

	if (lstat(path, &stat) < 0)
		return errno == ENOENT ? 0 : err_set(err, errno, "look at '%s'", path);
	if (!S_ISSOCK(stat.st_mode))
		return err_set(err, EEXIST, "make the socket '%s': something else lies there",
			       path);
	return unlink(path) < 0 ? err_set(err, errno, "remove '%s'", path) : 0;
}

/* Before bind(), which gives the file the socket's own mode: at no time may others connect. The
 * group follows: its members meet a closed door for a moment, others never an open one. */
static int bind_path(int fd, const struct local_place *place, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int result = clear_way(place->path, err);

	if (result < 0)
		return result;
	memcpy(address.sun_path, place->path, strlen(place->path) + 1);
	if (fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return err_set(err, errno, "make the socket '%s'", place->path);
	if (!place->group)
		return 0;
	if (chown(place->path, (uid_t)-1, place->group) < 0)
		return err_set(err, errno,
			       "give the socket '%s' to group %u, which weftd must be in",
			       place->path, place->group);
	if (chmod(place->path, 0660) < 0)
		return err_set(err, errno, "open the socket '%s' to group %u", place->path,
			       place->group);
	return 0;
}

static int bind_http(int fd, const struct endpoint *at, struct err *err)
{
	struct sockaddr_storage address;
	socklen_t len = at->ip_len == 16 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	char text[TEXT_ENDPOINT_MAX];
	int on = 1;

	sockaddr_of_endpoint(at, &address);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&address, len) == 0)
		return 0;
	text_endpoint(text, at->ip, at->ip_len, at->port);
	return err_set(err, errno, "listen for HTTP at %s", text);
}

static int make_socket(const struct local_place *place, struct err *err)
{
	int family = place->path ? AF_UNIX : place->http.ip_len == 16 ? AF_INET6 : AF_INET;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int result;

	if (fd < 0)
		return err_set(err, errno, "make a socket");
	result = place->path ? bind_path(fd, place, err) : bind_http(fd, &place->http, err);
	if (result == 0 && listen(fd, BACKLOG) < 0)
		result = err_set(err, errno, "listen");
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

int local_server_open(struct local_server *server, struct loop *loop,
		      const struct local_place *place, size_t question_max,
		      const struct local_owner *owner, void *arg, struct err *err)
{
	*server = (struct local_server){
		.loop = loop,
		.owner = owner,
		.arg = arg,
		.fd = -1,
		.group = place->group,
		.http = !place->path,
		.question_max = question_max,
		.patience_ms = LOCAL_PATIENCE_MS,
	};
	if (place->path && strlen(place->path) >= sizeof(server->path))
		return err_set(err, ENAMETOOLONG, "make the socket '%s'", place->path);
	if (place->path)
		strcpy(server->path, place->path);
	server->fd = make_socket(place, err);
	if (server->fd < 0)
		return server->fd;
	if (uv_poll_init(&loop->uv, &server->listener, server->fd) < 0) {
		close(server->fd);
		server->fd = -1;
		return err_set(err, EBADF, "watch the socket");
	}
	uv_timer_init(&loop->uv, &server->sweeper);
	server->listener.data = server->sweeper.data = server;
	server->listening = true;
	watch_listener(server);
	return 0;
}

void local_server_close_listener(struct local_server *server)
{
	if (!server->listening)
		return;
	if (server->path[0])
		unlink(server->path);
	server->listening = server->watching = false;
	uv_close((uv_handle_t *)&server->listener, NULL);
	close(server->fd);
	server->fd = -1;
}

void local_server_done(struct local_server *server)
{
	local_server_close_listener(server);
	for (struct local_client *client = server->clients; client; client = client->next)
		client_close(client);
	uv_close((uv_handle_t *)&server->sweeper, NULL);
}
