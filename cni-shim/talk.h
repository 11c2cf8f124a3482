/* Talking to this node's agent: one connection, one question, one answer (proto/local.proto).
 *
 * Compiled twice, into the CNI binary (static, musl) and into weftctl, so it uses libc and
 * protobuf-c and nothing of base/. It prints nothing and never waits longer than it was told. An
 * agent that restarts under a question is asked again, in the same words: the request's number
 * tells the agent that it is the same question. Out of memory aborts. */
#pragma once

#include <stddef.h>

#include "proto/local.pb-c.h"

enum {
	TALK_FDS_MAX = 2,
	TALK_TRIES = 3, /* an agent that hangs up three times is not restarting, it is broken */
};

enum talk_end {
	TALK_ANSWERED,
	TALK_UNREACHABLE, /* nobody takes connections there */
	TALK_HUNG_UP,     /* taken, and closed without an answer, TALK_TRIES times */
	TALK_SILENT,      /* taken, and no whole answer in time */
	TALK_GARBLED,     /* answered, not in this conversation's language */
};

struct talk {
	const char *socket; /* path, not NULL */
	int reach_ms; /* go on dialling for so long while the agent is not there; 0: dial once */
	int total_ms; /* for everything */
	/* Called once, when the agent has taken the question and not answered slow_ms after it was
	 * begun; the wait goes on. NULL: nobody wants to know. */
	void (*slow)(const struct talk *talk);
	int slow_ms;
};

/* The socket's path: $WEFT_SOCKET, else the built-in one. Not for free(). */
const char *talk_socket(void);

/* Put one question. The descriptors (at most TALK_FDS_MAX, still the caller's afterwards) ride on
 * its first byte. On TALK_ANSWERED *ret is the caller's, for weft__local__answer__free_unpacked.
 * On TALK_UNREACHABLE *ret_error is the errno of the last attempt. */
enum talk_end talk_ask(const struct talk *talk, const Weft__Local__Request *request, const int *fds,
		       size_t n_fds, Weft__Local__Answer **ret, int *ret_error);

/* Random, for Request's number. */
uint64_t talk_number(void);

/* What errno says about a socket that cannot be reached, as a clause for people. Never "not found"
 * and never "no such file or directory": containerd takes a failed DEL whose text has one of these
 * for done, and the address would leak. */
const char *talk_reason(int error);
