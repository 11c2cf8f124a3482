#pragma once
/*
 * Where local clients ask: one connection carries one question and one answer. On a unix socket
 * each stands behind its length (proto/local.proto); over HTTP, for who speaks nothing else, a
 * question ends with an empty line. Carries bytes and descriptors; what they mean is the owner's to
 * find out.
 *
 *   READING --whole question--> ASKED --answer--> ANSWERING --> (closed)
 *      |                          |
 *      +-- 5 s, too long, ... ----+-- the asker leaves --> (closed)
 *
 * On a unix socket only root may ask, or only root and one group: by the socket's mode, and the
 * peer's credentials are looked at as well. Raw sockets under uv_poll, because libuv's pipes cannot
 * receive just any descriptor.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "core/types.h"
#include "io/loop.h"

enum {
	LOCAL_CLIENTS_MAX = 128, /* more wait in the socket's queue */
	LOCAL_FDS_MAX = 2,
	LOCAL_IDS = 1 << 30,      /* clients' numbers are below; 0 is none */
	LOCAL_PATIENCE_MS = 5000, /* to ask, and again to take the answer */
};

/* Where to listen: at a path, or for HTTP at an address. */
struct local_place {
	const char *path; /* NULL: over HTTP */
	uint32_t group;   /* may ask too; 0: root alone */
	struct endpoint http;
};

struct local_client;

struct local_owner {
	/* A whole question, without its length, over HTTP the request's head; valid during the
	 * call. To be answered or closed, now or later. Of an asker that has hung up by then
	 * nothing is heard. */
	void (*asked)(void *arg, uint32_t client, struct bytes question);
	/* The asker left before it was answered. Never from within a call of the owner's. */
	void (*gone)(void *arg, uint32_t client);
	/* Somebody broke a rule and was closed: one clause. */
	void (*refused)(void *arg, const char *why);
};

struct local_server {
	struct loop *loop;
	const struct local_owner *owner;
	void *arg;
	size_t question_max;
	uint32_t group; /* of the place */
	bool http;
	uint32_t patience_ms; /* LOCAL_PATIENCE_MS */
	int fd;               /* -1: not open */
	uv_poll_t listener;
	bool listening;     /* the handle is not closed */
	bool watching;      /* there is room for another client */
	uv_timer_t sweeper; /* runs while there are clients */
	uint32_t next_id, n_clients;
	struct local_client *clients; /* owned, each until its handle is closed */
	char path[108];               /* empty: HTTP */
};

/* Takes away a socket that lies at the path: the caller holds the lock of its directory, so nobody
 * listens there. From when this returns clients are served. */
int local_server_open(struct local_server *server, struct loop *loop,
		      const struct local_place *place, size_t question_max,
		      const struct local_owner *owner, void *arg, struct err *err);
/* Take the socket away; who is connected is served on. */
void local_server_close_listener(struct local_server *server);
/* The same, and begin to close everything. Clients that wait see the connection close
 * and ask the next agent. The struct must live until loop_done() has returned. */
void local_server_done(struct local_server *server);

/* The descriptors that came along, in order; they stay the client's and are closed with it. False:
 * the client is gone, or has hung up and gone() is about to say so. */
bool local_server_fds(const struct local_server *server, uint32_t client, int fds[LOCAL_FDS_MAX],
		      size_t *ret_n);
/* Whole answer, its length included; copied. The client is closed when it has it; if it is gone,
 * nothing happens. Empty: it is closed without a word. */
void local_server_answer(struct local_server *server, uint32_t client, struct bytes answer);
