#pragma once
/*
 * What local clients ask of pods: ADD and DEL, when they must wait and what they are told. Every
 * request gets one answer, soon: an ADD without an address waits only while a block is on its way,
 * and at most POD_WAIT_MS.
 */
#include "core/action.h"
#include "core/event.h"

enum {
	POD_WAIT_MS = 5000,
	POD_WAITERS_MAX = 8, /* for one pod */
};

struct pod_requests {
	size_t n_waiting, cap_waiting;
	struct request *waiting;     /* owned; came while their pod was busy, in order */
	size_t n_hungry, cap_hungry; /* ADDs without an address, waiting for a block */
	struct hungry {
		struct request request;
		struct instant until;
	} * hungry; /* owned */
};

struct core;
struct pod;

/* Would an ADD of a new pod succeed now, without waiting? The one rule for ADD, for readiness and
 * for what status says; else *ret_why has the code and the words that the ADD would be refused
 * with. */
bool pod_requests_ready(const struct core *core, struct answer *ret_why);

void pod_requests_done(struct pod_requests *requests);
void pod_requests_add(struct core *core, const struct request *request);
void pod_requests_del(struct core *core, const struct request *request);
void pod_requests_client_gone(struct core *core, uint32_t client);
/* A pod has come to rest, or is gone: then it is removed. What waited for it is asked again. */
void pod_requests_wake(struct core *core, struct pod *pod, bool gone);
void pod_requests_run(struct core *core); /* blocks may have come; waits may be over */
struct instant pod_requests_deadline(const struct core *core);
