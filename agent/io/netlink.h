#pragma once
/*
 * Talking to the kernel over netlink: one blocking socket, a batch of requests, a dump.
 *
 * The kernel handles rtnetlink and nfnetlink requests inside sendmsg(), so every answer is already
 * queued when it returns: nothing here waits, and a missing answer is a lost one (the queue
 * overflowed), not a late one. Used by the loop's thread and, each with a socket of its own, by
 * the workers that remove host ends.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <libmnl/libmnl.h>

#include "base/err.h"

struct netlink {
	int fd; /* -1: closed */
	bool owned;
	uint32_t portid; /* notifications about our own changes carry it */
	uint32_t seq;
	uint8_t *buffer; /* of one received datagram */
};

#define NETLINK_CLOSED ((struct netlink){ .fd = -1 })

/* protocol: NETLINK_ROUTE or NETLINK_NETFILTER. */
int netlink_open(struct netlink *nl, int protocol, struct err *err);

/* Listen to these multicast groups. */
int netlink_subscribe(struct netlink *nl, size_t n, const int *groups, struct err *err);

/* One datagram into nl->buffer, without waiting; 0: none is queued. -ENOBUFS: some were lost. */
ssize_t netlink_receive(struct netlink *nl);

bool netlink_is_route(int fd);
/* Use a socket that somebody else opened, in whatever network namespace, and keeps. Refuses what
 * is not an rtnetlink socket. */
int netlink_borrow(struct netlink *nl, int fd, struct err *err);

void netlink_close(struct netlink *nl);

/* The inode that names the network namespace the socket was opened in (needs CAP_NET_ADMIN). */
int netlink_namespace(const struct netlink *nl, uint64_t *ret_inode, struct err *err);

/* ---- batches */

/* How a person would call what a message is about: "route 10.32.4.0/26". Written only when the
 * kernel refuses it; object must live until the batch has run. */
typedef void (*netlink_name)(const void *object, char *text, size_t size);

/* For an object that is its own name, a string. */
void netlink_name_text(const void *object, char *text, size_t size);

struct netlink_item;

struct netlink_batch {
	struct netlink *nl;
	/* One transaction (nfnetlink): one datagram whatever its size, begun and ended by its first
	 * and last message. */
	bool whole;
	uint8_t *data;
	size_t len, cap;
	size_t n, cap_items;
	struct netlink_item *items; /* one per message */
	uint32_t failed;            /* messages refused in the last run */
};

void netlink_batch_init(struct netlink_batch *batch, struct netlink *nl);
void netlink_batch_done(struct netlink_batch *batch);

/* Append a message and return it, to be filled with libmnl until the next call, with at most
 * NETLINK_MESSAGE_MAX bytes. extra: size of the family header, zeroed, at
 * mnl_nlmsg_get_payload(). flags: NLM_F_REQUEST is added. */
#define NETLINK_MESSAGE_MAX 65536
struct nlmsghdr *netlink_batch_add(struct netlink_batch *batch, uint16_t type, uint16_t flags,
				   size_t extra, netlink_name name, const void *object);

/* An errno that means "as wished" for the last message: what is to be deleted is not there. */
void netlink_batch_forgive(struct netlink_batch *batch, int error);

/* Send all, in datagrams of at most 64 KiB with one acknowledgement each unless `whole`, and
 * forget the messages. A refused message does not stop those behind it. Returns 0, or the first
 * failure's negative errno; err says which it was ("route 10.32.4.0/26: what the kernel
 * added"), batch->failed how many there were. */
int netlink_batch_run(struct netlink_batch *batch, struct err *err);

/* ---- asking */

typedef void (*netlink_visit)(void *arg, const struct nlmsghdr *message);

/* Send `request` as a dump and visit every answer. A table that changed meanwhile is dumped again,
 * at most NETLINK_DUMP_TRIES times in all; `restart` tells the visitor to forget. The request's
 * buffer is the caller's. */
#define NETLINK_DUMP_TRIES 8
int netlink_dump(struct netlink *nl, struct nlmsghdr *request, netlink_visit visit,
		 void (*restart)(void *arg), void *arg, struct err *err);

/* One question and the first answer to it, if any. */
int netlink_ask(struct netlink *nl, struct nlmsghdr *request, netlink_visit visit, void *arg,
		struct err *err);

/* A request header in the caller's buffer, with `extra` zeroed bytes behind it. */
struct nlmsghdr *netlink_request(void *buffer, uint16_t type, size_t extra);
