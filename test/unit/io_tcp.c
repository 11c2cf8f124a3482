#include "io/tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/xalloc.h"
#include "io_fixture.h"

/* One agent that listens and the sockets or conns of others, all in one loop. */
struct world {
	struct fixture fixture;
	struct tcp tcp;
	struct tcp_conn *server, *client; /* the last accepted, the last connected */
	struct endpoint from;             /* of the last accepted */
	unsigned accepted, connected, closed, refused, writable;
	size_t received; /* bytes on the server's side */
	uint64_t sum;    /* of them, so that order and content count */
	size_t most;     /* in one turn */
	uint32_t turn;
	size_t in_turn;
	size_t wanted;
	char reason[200];
	bool (*enough)(const struct world *w);
};

static void look(struct world *w)
{
	if (w->enough && w->enough(w))
		fixture_satisfy(&w->fixture);
}

static void on_accepted(void *arg, struct tcp_conn *conn, const struct endpoint *from)
{
	struct world *w = arg;

	w->accepted++;
	w->server = conn;
	w->from = *from;
	tcp_set_user(conn, w);
	look(w);
}

static void on_connected(void *arg, struct tcp_conn *conn)
{
	struct world *w = arg;

	w->connected++;
	w->client = conn;
	look(w);
}

static void on_received(void *arg, struct tcp_conn *conn, struct bytes bytes)
{
	struct world *w = arg;

	(void)conn;
	if (w->turn != w->fixture.loop.turns)
		w->in_turn = 0;
	w->turn = w->fixture.loop.turns;
	w->in_turn += bytes.len;
	w->most = w->in_turn > w->most ? w->in_turn : w->most;
	for (size_t i = 0; i < bytes.len; i++)
		w->sum = w->sum * 31 + bytes.data[i];
	w->received += bytes.len;
	look(w);
}

static void on_writable(void *arg, struct tcp_conn *conn)
{
	struct world *w = arg;

	(void)conn;
	w->writable++;
	look(w);
}

static void on_closed(void *arg, struct tcp_conn *conn, const char *reason)
{
	struct world *w = arg;

	w->closed++;
	if (conn == w->server)
		w->server = NULL;
	if (conn == w->client)
		w->client = NULL;
	snprintf(w->reason, sizeof(w->reason), "%s", reason);
	look(w);
}

static void on_refused(void *arg, const struct endpoint *from, const char *why)
{
	struct world *w = arg;

	(void)from;
	w->refused++;
	snprintf(w->reason, sizeof(w->reason), "%s", why);
	look(w);
}

static void on_turn(void *arg)
{
	struct world *w = arg;

	tcp_turn(&w->tcp);
}

static void world_init(struct world *w)
{
	static const struct tcp_owner owner = {
		.accepted = on_accepted,
		.connected = on_connected,
		.received = on_received,
		.writable = on_writable,
		.closed = on_closed,
		.refused = on_refused,
	};
	struct err err = { 0 };

	*w = (struct world){ 0 };
	fixture_init(&w->fixture);
	REQUIRE(tcp_init(&w->tcp, &w->fixture.loop, 0, &owner, w, &err) == 0);
	REQUIRE(tcp_listen(&w->tcp, &err) == 0);
	w->fixture.turn = on_turn;
	w->fixture.arg = w;
}

static void world_done(struct world *w)
{
	unsigned closed = w->closed;

	tcp_done(&w->tcp);
	fixture_done(&w->fixture);
	tcp_free(&w->tcp);
	CHECK_UINT(w->closed, closed); /* nobody is told after the end */
}

static struct endpoint here(const struct world *w)
{
	return (struct endpoint){ .ip = { 127, 0, 0, 1 }, .ip_len = 4, .port = tcp_port(&w->tcp) };
}

static void wait_until(struct world *w, bool (*enough)(const struct world *w))
{
	w->enough = enough;
	if (!enough(w))
		REQUIRE(fixture_wait(&w->fixture));
	w->enough = NULL;
}

static bool both_ends(const struct world *w)
{
	return w->accepted == 1 && w->connected == 1;
}

static bool all_received(const struct world *w)
{
	return w->received >= w->wanted;
}

static bool one_closed(const struct world *w)
{
	return w->closed >= 1;
}

static bool both_closed(const struct world *w)
{
	return w->closed >= 2;
}

static void meet(struct world *w)
{
	struct endpoint to = here(w);

	tcp_dial(&w->tcp, &to, w);
	wait_until(w, both_ends);
}

static void say(struct tcp_conn *conn, const char *text)
{
	tcp_send(conn, (struct bytes){ .data = (const uint8_t *)text, .len = strlen(text) });
}

static void bytes_arrive(void)
{
	struct world w;

	world_init(&w);
	meet(&w);
	CHECK_UINT(w.from.ip_len, 4); /* also when it came through a socket of both families */
	CHECK_UINT(w.from.ip[0], 127);
	CHECK(w.from.port != 0);
	w.wanted = 5;
	say(w.client, "hel");
	say(w.client, "lo");
	wait_until(&w, all_received);
	CHECK_UINT(w.received, 5);
	world_done(&w);
}

/* The last words arrive although the one who says them hangs up at once, and has not read what
 * was sent to it. */
static void last_words_arrive(void)
{
	struct world w;

	world_init(&w);
	meet(&w);
	w.wanted = 3;
	say(w.server, "never read by the other, which is hanging up");
	say(w.client, "bye");
	tcp_hangup(w.client, 5000, "we said goodbye");
	CHECK(!tcp_is_open(w.client));
	say(w.client, "too late to be said");
	wait_until(&w, one_closed);
	CHECK_UINT(w.received, 3);
	CHECK_STR(w.reason, "closed by the other side");
	wait_until(&w, both_closed);
	CHECK_STR(w.reason, "we said goodbye");
	world_done(&w);
}

static bool is_connected(const struct world *w)
{
	return w->connected == 1;
}

static bool client_closed(const struct world *w)
{
	return !w->client;
}

/* The other side neither reads nor closes: the time for draining ends it. */
static void draining_ends(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);
	static uint8_t much[TCP_QUEUE_MAX];
	struct endpoint to;
	struct world w;

	world_init(&w);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	REQUIRE(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 1) == 0);
	REQUIRE(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	to = here(&w);
	to.port = ntohs(address.sin_port);
	w.client = tcp_dial(&w.tcp, &to, &w);
	wait_until(&w, is_connected);
	tcp_send(w.client, (struct bytes){ .data = much, .len = sizeof(much) });
	REQUIRE(w.client && tcp_is_open(w.client));
	tcp_hangup(w.client, 50, "had enough");
	wait_until(&w, client_closed);
	CHECK_STR(w.reason, "had enough");
	close(fd);
	world_done(&w);
}

static void hangup_at_once(void)
{
	struct world w;

	world_init(&w);
	meet(&w);
	tcp_hangup(w.client, 0, "first reason");
	tcp_hangup(w.client, 0, "second reason");
	CHECK_UINT(w.closed, 0); /* never from within a call */
	wait_until(&w, one_closed);
	CHECK_STR(w.reason, "first reason");
	wait_until(&w, both_closed);
	world_done(&w);
}

static void nobody_there(void)
{
	struct world w, other;
	struct endpoint to;

	world_init(&w);
	world_init(&other);
	to = here(&other);
	world_done(&other);
	tcp_dial(&w.tcp, &to, &w);
	wait_until(&w, one_closed);
	CHECK_STR(w.reason, "connection refused");
	CHECK_UINT(w.connected, 0);
	world_done(&w);
}

/* 3 MiB at once: more than sockets hold. In order, never more in one turn than is allowed plus one
 * read, and writable again once it is through. */
static void much_at_once(void)
{
	size_t len = 3 << 20;
	uint8_t *data = xmalloc(len);
	uint64_t sum = 0;
	struct world w;

	for (size_t i = 0; i < len; i++) {
		data[i] = (uint8_t)(i * 2654435761U >> 13);
		sum = sum * 31 + data[i];
	}
	world_init(&w);
	meet(&w);
	w.wanted = len;
	tcp_send(w.client, (struct bytes){ .data = data, .len = len });
	CHECK_UINT(w.writable, 0);
	wait_until(&w, all_received);
	CHECK_UINT(w.received, len);
	CHECK_UINT(w.sum, sum);
	CHECK(w.most < TCP_TURN_MAX + (64 << 10));
	CHECK(w.most >= TCP_TURN_MAX / 4);
	free(data);
	world_done(&w);
}

static bool is_writable(const struct world *w)
{
	return w->writable >= 1;
}

static void writable_once_per_turn(void)
{
	struct world w;

	world_init(&w);
	meet(&w);
	say(w.client, "a");
	say(w.client, "b");
	CHECK_UINT(w.writable, 0);
	wait_until(&w, is_writable);
	CHECK_UINT(w.writable, 1);
	w.wanted = 2;
	wait_until(&w, all_received);
	CHECK_UINT(w.writable, 1);
	world_done(&w);
}

/* Somebody who never reads costs a bounded amount of memory, then is given up. */
static void slow_reader_is_given_up(void)
{
	static uint8_t data[1 << 20];
	struct world w;

	world_init(&w);
	meet(&w);
	for (int i = 0; i < 64 && tcp_is_open(w.client); i++)
		tcp_send(w.client, (struct bytes){ .data = data, .len = sizeof(data) });
	CHECK(!tcp_is_open(w.client));
	wait_until(&w, one_closed);
	world_done(&w);
}

static int connect_to(const struct world *w)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(tcp_port(&w->tcp)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	REQUIRE(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

enum { CROWD = TCP_HALF_OPEN_MAX + 10 };

static bool crowd_is_seen(const struct world *w)
{
	return w->accepted + w->refused == w->wanted;
}

static void half_open_are_limited(void)
{
	unsigned before = fixture_open_fds();
	int fds[CROWD];
	struct world w;

	world_init(&w);
	for (int i = 0; i < CROWD; i++)
		fds[i] = connect_to(&w);
	w.wanted = CROWD;
	wait_until(&w, crowd_is_seen);
	CHECK_UINT(w.accepted, TCP_HALF_OPEN_MAX);
	CHECK_UINT(w.refused, 10);
	CHECK_STR(w.reason, "too many that have not said who they are");
	tcp_greeted(w.server);
	tcp_greeted(w.server); /* counts once */
	w.wanted += 2;
	int more[2] = { connect_to(&w), connect_to(&w) };
	wait_until(&w, crowd_is_seen);
	CHECK_UINT(w.accepted, TCP_HALF_OPEN_MAX + 1);
	for (int i = 0; i < CROWD; i++)
		close(fds[i]);
	close(more[0]);
	close(more[1]);
	world_done(&w);
	CHECK_UINT(fixture_open_fds(), before);
}

static bool all_gone(const struct world *w)
{
	return w->accepted == w->closed && w->accepted + w->refused == w->wanted;
}

/* Each comes and leaves at once: only how many come in so short a time is too much. */
static void rate_is_limited(void)
{
	struct world w;

	world_init(&w);
	for (size_t i = 1; i <= TCP_ACCEPT_BURST + 40; i++) {
		int fd = connect_to(&w);

		close(fd);
		w.wanted = i;
		wait_until(&w, all_gone);
	}
	CHECK(w.accepted >= TCP_ACCEPT_BURST);
	CHECK(w.refused > 0);
	CHECK_STR(w.reason, "too many in too short a time");
	world_done(&w);
}

static void port_is_taken(void)
{
	static const struct tcp_owner nobody = { 0 };
	struct err err = { 0 };
	struct world w;
	struct tcp second;

	world_init(&w);
	CHECK_INT(tcp_init(&second, &w.fixture.loop, tcp_port(&w.tcp), &nobody, NULL, &err),
		  -EADDRINUSE);
	CHECK(strstr(err.text, "TCP port") != NULL);
	world_done(&w);
}

int main(void)
{
	RUN(bytes_arrive);
	RUN(last_words_arrive);
	RUN(draining_ends);
	RUN(hangup_at_once);
	RUN(nobody_there);
	RUN(much_at_once);
	RUN(writable_once_per_turn);
	RUN(slow_reader_is_given_up);
	RUN(half_open_are_limited);
	RUN(rate_is_limited);
	RUN(port_is_taken);
	return check_report();
}
