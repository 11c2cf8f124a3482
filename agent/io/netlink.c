#include "io/netlink.h"

#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/vec.h"
#include "base/xalloc.h"
#include "io/attr.h"

/* What one sendmsg() carries. Larger ones gain nothing, and the answers to one must fit the receive
 * queue even if every message in it is refused. */
#define DATAGRAM_MAX ((size_t)64 * 1024)
#define RECEIVE_SIZE ((size_t)64 * 1024) /* the kernel's dumps use 32 KiB */
/* Limits of the queues, not memory taken: a thousand refusals with texts, an nftables transaction
 * with every member and pod in it. */
#define QUEUE_SIZE (16 * 1024 * 1024)

struct netlink_item {
	size_t at; /* offset of the message in data */
	netlink_name name;
	const void *object;
	int forgive;
};

static int set_option(struct netlink *nl, int option, const char *what, struct err *err)
{
	int one = 1;

	if (setsockopt(nl->fd, SOL_NETLINK, option, &one, sizeof(one)) < 0)
		return err_set(err, errno, "switch on %s of a netlink socket", what);
	return 0;
}

/* Short acknowledgements, texts in refusals, and filters in dump requests. */
static int set_options(struct netlink *nl, struct err *err)
{
	int result = set_option(nl, NETLINK_CAP_ACK, "short acknowledgements", err);

	if (result == 0)
		result = set_option(nl, NETLINK_EXT_ACK, "error texts", err);
	if (result == 0)
		result = set_option(nl, NETLINK_GET_STRICT_CHK, "filters", err);
	return result;
}

static int learn_portid(struct netlink *nl, struct err *err)
{
	struct sockaddr_nl own = { 0 };
	socklen_t size = sizeof(own);

	if (getsockname(nl->fd, (struct sockaddr *)&own, &size) < 0)
		return err_set(err, errno, "ask the address of a netlink socket");
	nl->portid = own.nl_pid;
	return 0;
}

int netlink_open(struct netlink *nl, int protocol, struct err *err)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	int size = QUEUE_SIZE;
	int result;

	*nl = NETLINK_CLOSED;
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (nl->fd < 0)
		return err_set(err, errno, "open a netlink socket");
	nl->owned = true;
	/* Only a limit: what the sizes are without CAP_NET_ADMIN does for reading. */
	(void)setsockopt(nl->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	(void)setsockopt(nl->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (bind(nl->fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		result = err_set(err, errno, "bind a netlink socket");
	else
		result = set_options(nl, err);
	if (result == 0)
		result = learn_portid(nl, err);
	if (result < 0) {
		netlink_close(nl);
		return result;
	}
	nl->buffer = xmalloc(RECEIVE_SIZE);
	return 0;
}

int netlink_subscribe(struct netlink *nl, size_t n, const int *groups, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (setsockopt(nl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return err_set(err, errno,
				       errno == EPERM ? "the agent needs CAP_NET_ADMIN, to listen "
							"to netlink group %d"
						      : "listen to netlink group %d",
				       groups[i]);
	return 0;
}

static int socket_option(int fd, int option)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? -errno : value;
}

bool netlink_is_route(int fd)
{
	return socket_option(fd, SO_DOMAIN) == AF_NETLINK &&
	       socket_option(fd, SO_PROTOCOL) == NETLINK_ROUTE;
}

int netlink_borrow(struct netlink *nl, int fd, struct err *err)
{
	int result;

	*nl = NETLINK_CLOSED;
	if (!netlink_is_route(fd))
		return err_set(err, EINVAL, "the descriptor is not a route socket");
	nl->fd = fd;
	result = set_options(nl, err);
	if (result == 0)
		result = learn_portid(nl, err);
	if (result < 0)
		return result;
	nl->buffer = xmalloc(RECEIVE_SIZE);
	return 0;
}

void netlink_close(struct netlink *nl)
{
	if (nl->owned && nl->fd >= 0)
		close(nl->fd);
	free(nl->buffer);
	*nl = NETLINK_CLOSED;
}

int netlink_namespace(const struct netlink *nl, uint64_t *ret_inode, struct err *err)
{
	struct stat about;
	int fd = ioctl(nl->fd, SIOCGSKNS);

	if (fd < 0)
		return err_set(err, errno, "ask for the network namespace of a socket");
	if (fstat(fd, &about) < 0) {
		int code = errno;

		close(fd);
		return err_set(err, code, "look at a network namespace");
	}
	close(fd);
	*ret_inode = about.st_ino;
	return 0;
}

/* ---- one datagram out, answers in */

static int send_datagram(struct netlink *nl, const void *data, size_t len)
{
	ssize_t sent;

	do {
		sent = send(nl->fd, data, len, 0);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

ssize_t netlink_receive(struct netlink *nl)
{
	ssize_t got;

	do {
		got = recv(nl->fd, nl->buffer, RECEIVE_SIZE, MSG_DONTWAIT | MSG_TRUNC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	return (size_t)got > RECEIVE_SIZE ? -EMSGSIZE : got;
}

/* The sentence that the kernel added to a refusal, or NULL. */
static const char *added_text(const struct nlmsghdr *message)
{
	const struct nlmsgerr *refusal = mnl_nlmsg_get_payload(message);
	size_t skip = sizeof(*refusal);
	const struct nlattr *table[NLMSGERR_ATTR_MSG + 1];

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		skip += refusal->msg.nlmsg_len - sizeof(refusal->msg);
	attr_table(message, skip, table, NLMSGERR_ATTR_MSG + 1);
	if (table[NLMSGERR_ATTR_MSG] &&
	    mnl_attr_validate(table[NLMSGERR_ATTR_MSG], MNL_TYPE_NUL_STRING) >= 0)
		return mnl_attr_get_str(table[NLMSGERR_ATTR_MSG]);
	return NULL;
}

static int refusal_of(const struct nlmsghdr *message)
{
	const struct nlmsgerr *refusal = mnl_nlmsg_get_payload(message);

	return mnl_nlmsg_get_payload_len(message) < sizeof(*refusal) ? EBADMSG : -refusal->error;
}

struct nlmsghdr *netlink_request(void *buffer, uint16_t type, size_t extra)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST;
	mnl_nlmsg_put_extra_header(message, extra);
	return message;
}

/* ---- batches */

void netlink_name_text(const void *object, char *text, size_t size)
{
	snprintf(text, size, "%s", (const char *)object);
}

void netlink_batch_init(struct netlink_batch *batch, struct netlink *nl)
{
	*batch = (struct netlink_batch){ .nl = nl };
}

void netlink_batch_done(struct netlink_batch *batch)
{
	free(batch->data);
	free(batch->items);
	*batch = (struct netlink_batch){ 0 };
}

static struct nlmsghdr *message_at(const struct netlink_batch *batch, size_t index)
{
	return (struct nlmsghdr *)(void *)(batch->data + batch->items[index].at);
}

/* The last message is complete once something comes after it. */
static void close_message(struct netlink_batch *batch)
{
	if (batch->n > 0)
		batch->len = batch->items[batch->n - 1].at +
			     NLMSG_ALIGN(message_at(batch, batch->n - 1)->nlmsg_len);
}

struct nlmsghdr *netlink_batch_add(struct netlink_batch *batch, uint16_t type, uint16_t flags,
				   size_t extra, netlink_name name, const void *object)
{
	struct nlmsghdr *message;

	close_message(batch);
	batch->data = vec_reserve(batch->data, &batch->cap, batch->len + NETLINK_MESSAGE_MAX, 1);
	batch->items =
		vec_reserve(batch->items, &batch->cap_items, batch->n + 1, sizeof(*batch->items));
	batch->items[batch->n++] =
		(struct netlink_item){ .at = batch->len, .name = name, .object = object };
	message = netlink_request(batch->data + batch->len, type, extra);
	message->nlmsg_flags = flags | NLM_F_REQUEST;
	return message;
}

void netlink_batch_forgive(struct netlink_batch *batch, int error)
{
	assert(batch->n > 0);
	batch->items[batch->n - 1].forgive = error;
}

/* Remember the first failure of the run as its error. */
static void note_failure(struct netlink_batch *batch, size_t index, int code, const char *added,
			 struct err *first)
{
	const struct netlink_item *item = &batch->items[index];
	char name[160];

	if (code == item->forgive)
		return;
	if (batch->failed++ > 0)
		return;
	item->name(item->object, name, sizeof(name));
	if (added)
		err_set(first, code, "%s: %s", name, added);
	else
		err_set(first, code, "%s", name);
}

/* Read one datagram of answers to messages from..to. True once `last` has been answered. */
static bool read_answers(struct netlink_batch *batch, size_t got, uint32_t base_seq, size_t last,
			 struct err *first)
{
	const struct nlmsghdr *message = (const void *)batch->nl->buffer;
	int left = (int)got;
	bool end = false;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		size_t index = message->nlmsg_seq - base_seq;
		int code;

		if (message->nlmsg_type != NLMSG_ERROR || index >= batch->n)
			continue;
		code = refusal_of(message);
		if (code != 0)
			note_failure(batch, index, code, added_text(message), first);
		/* A transaction that is refused as a whole is answered at its first message. */
		end = end || index == last || (batch->whole && index == 0);
	}
	return end;
}

/* Send messages from..to, of which `last` is to be acknowledged. */
static void run_datagram(struct netlink_batch *batch, size_t from, size_t to, size_t last,
			 uint32_t base_seq, struct err *first)
{
	size_t start = batch->items[from].at;
	size_t end = to == batch->n ? batch->len : batch->items[to].at;
	bool complete = false, lost = false;
	int result;

	message_at(batch, last)->nlmsg_flags |= NLM_F_ACK;
	result = send_datagram(batch->nl, batch->data + start, end - start);
	if (result < 0) {
		note_failure(batch, from, -result, NULL, first);
		batch->failed += (uint32_t)(to - from - 1);
		return;
	}
	while (!complete) {
		ssize_t got = netlink_receive(batch->nl);

		if (got > 0)
			complete = read_answers(batch, (size_t)got, base_seq, last, first);
		else if (got == -ENOBUFS && !lost)
			lost = true;
		else
			break;
	}
	if (lost || !complete)
		note_failure(batch, last, ENOBUFS, "some of the kernel's answers were lost", first);
}

int netlink_batch_run(struct netlink_batch *batch, struct err *err)
{
	uint32_t base_seq = batch->nl->seq + 1;
	struct err first = { 0 };
	size_t from = 0;

	close_message(batch);
	batch->failed = 0;
	batch->nl->seq += (uint32_t)batch->n;
	for (size_t i = 0; i < batch->n; i++)
		message_at(batch, i)->nlmsg_seq = base_seq + (uint32_t)i;
	if (batch->whole) {
		assert(batch->n > 2);
		run_datagram(batch, 0, batch->n, batch->n - 2, base_seq, &first);
		from = batch->n;
	}
	while (from < batch->n) {
		size_t to = from + 1;

		while (to < batch->n && batch->items[to].at + message_at(batch, to)->nlmsg_len -
							batch->items[from].at <=
						DATAGRAM_MAX)
			to++;
		run_datagram(batch, from, to, to - 1, base_seq, &first);
		from = to;
	}
	batch->n = batch->len = 0;
	if (batch->failed == 0)
		return 0;
	return err_set(err, first.code, "%s", first.text);
}

/* ---- asking */

enum reading { READ_MORE, READ_END, READ_AGAIN };

struct asking {
	uint32_t seq;
	netlink_visit visit;
	void *arg;
	bool dump;
	bool answered;
	bool changed; /* the table changed under the dump */
	int code;
	char added[160];
};

static enum reading read_message(struct asking *asking, const struct nlmsghdr *message)
{
	const char *added;

	if (message->nlmsg_seq != asking->seq)
		return READ_MORE; /* of an earlier question that was given up */
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		asking->changed = true;
	if (message->nlmsg_type == NLMSG_ERROR) {
		asking->code = refusal_of(message);
		added = added_text(message);
		snprintf(asking->added, sizeof(asking->added), "%s", added ? added : "");
		return READ_END;
	}
	if (message->nlmsg_type == NLMSG_DONE) {
		if (mnl_nlmsg_get_payload_len(message) >= sizeof(int))
			asking->code = -*(const int *)mnl_nlmsg_get_payload(message);
		return asking->changed ? READ_AGAIN : READ_END;
	}
	if (asking->dump || !asking->answered)
		asking->visit(asking->arg, message);
	asking->answered = true;
	return READ_MORE;
}

static enum reading read_all(struct netlink *nl, struct asking *asking)
{
	for (;;) {
		const struct nlmsghdr *message = (const void *)nl->buffer;
		ssize_t got = netlink_receive(nl);
		int left = (int)got;

		if (got == -ENOBUFS) { /* a part is missing, the rest still comes */
			asking->changed = true;
			continue;
		}
		if (got <= 0) {
			asking->code = got < 0 ? (int)-got : ENODATA;
			return READ_END;
		}
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
			enum reading reading = read_message(asking, message);

			if (reading != READ_MORE)
				return reading;
		}
	}
}

static int ask(struct netlink *nl, struct nlmsghdr *request, struct asking *asking,
	       void (*restart)(void *arg), struct err *err)
{
	enum reading reading = READ_AGAIN;

	for (int tries = 0; reading == READ_AGAIN && tries < NETLINK_DUMP_TRIES; tries++) {
		int result;

		if (tries > 0 && restart)
			restart(asking->arg);
		asking->changed = asking->answered = false;
		asking->code = 0;
		request->nlmsg_seq = asking->seq = ++nl->seq;
		result = send_datagram(nl, request, request->nlmsg_len);
		if (result < 0)
			return err_set(err, -result, "send a request to the kernel");
		reading = read_all(nl, asking);
	}
	if (reading == READ_AGAIN)
		return err_set(err, EAGAIN, "what is read changes faster than it can be read");
	if (asking->code == 0)
		return 0;
	return err_set(err, asking->code, "the kernel does not answer%s%s",
		       asking->added[0] ? ": " : "", asking->added);
}

int netlink_dump(struct netlink *nl, struct nlmsghdr *request, netlink_visit visit,
		 void (*restart)(void *arg), void *arg, struct err *err)
{
	struct asking asking = { .visit = visit, .arg = arg, .dump = true };

	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	return ask(nl, request, &asking, restart, err);
}

int netlink_ask(struct netlink *nl, struct nlmsghdr *request, netlink_visit visit, void *arg,
		struct err *err)
{
	struct asking asking = { .visit = visit, .arg = arg };

	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	return ask(nl, request, &asking, NULL, err);
}
