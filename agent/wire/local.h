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
#include "weft/limits.h"
#include "wire/cni.h"
#include "wire/status.h"

enum {
	LOCAL_REQUEST_MAX = WEFT_CONFIG_MAX + 65536, /* stdin and the rest */
	LOCAL_STRING_MAX = 16384,                    /* of the rest: CNI_ARGS may be long */
	LOCAL_VERSION = WEFT_LOCAL_VERSION,
};

/* A request that came, kept by the agent per client until it is answered: the answer's form depends
 * on it. */
struct local_request {
	struct request request; /* what the core gets; client and wall_s are the agent's to fill */
	bool plain;             /* weftctl attach/detach rather than CNI */
	bool wants_fds;         /* ADD: a netns and a route socket must have come along */
	struct status_asked asked;
	char cni_version[CNI_VERSION_MAX + 1]; /* of the configuration, for the result */
};

/* Where it was asked: what weft-kube may say is said there and nowhere else. */
enum local_door { LOCAL_DOOR_ROOT, LOCAL_DOOR_KUBE };

/* Decode one framed request (without its length). 0: it is the core's. Else *ret_answer has the
 * whole framed answer, in the client's own form (a CNI error object, or weftctl's sentence); the
 * client gets it and is done. err says in one clause what was wrong, or has code 0 when nothing
 * was: DEL of what can never have been made succeeds at once. In the arena: the answer, and what a
 * platform's news point to. */
int local_request_decode(enum local_door door, struct bytes frame, struct arena *arena,
			 struct local_request *ret, struct bytes *ret_answer, struct err *err);

/* The framed answer (length included), allocated in the arena. */
struct bytes local_answer_encode(const struct local_request *request, const struct answer *answer,
				 struct arena *arena);
