#pragma once
/*
 * The local conversation (proto/local.proto): what a shim or weftctl sent -> struct request, struct
 * answer -> bytes. The CNI configuration is parsed (wire/cni.h) and validated here; the core never
 * sees JSON.
 */
#include "core/action.h"
#include "base/arena.h"
#include "base/err.h"
#include "core/event.h"

enum {
	LOCAL_REQUEST_MAX = (1 << 20) + 65536, /* stdin may be 1 MiB */
	LOCAL_VERSION = 1,
};

/* A request that came, kept by the agent per client until it is answered: the answer's form depends
 * on it. */
struct local_request {
	struct request request; /* what the core gets */
	bool plain;             /* weftctl attach/detach rather than CNI */
	bool wants_fds;         /* ADD: a netns and a route socket must have come along */
	bool ask_peers, ask_blocks, ask_pods;
	char cni_version[16]; /* of the configuration, for the result */
};

/* Decode one framed request (without its length). On failure *answer_len > 0 bytes in `answer`
 * (owned by arena) say why in the client's own form (a CNI error object, or weftctl's sentence);
 * the connection is then answered and closed. */
int local_request_decode(struct bytes frame, struct arena *arena, struct local_request *ret,
			 struct bytes *ret_answer, struct err *err);

/* The framed answer (length included), allocated in the arena. */
struct bytes local_answer_encode(const struct local_request *request, const struct answer *answer,
				 struct arena *arena);
