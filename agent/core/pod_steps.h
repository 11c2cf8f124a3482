#pragma once
/*
 * One pod's way through its states (pods.h has the picture): each step is begun here, and what the
 * stores and the kernel say of it ends here. Called by pod_requests.c for who asked, by core.c for
 * what happened.
 */
#include "core/pods.h"

enum { POD_NO_END_MS = 300000 /* a record without a host end waits this long for its DEL */ };

struct core;

/* Addresses of what was recorded are taken, the host ends found are held against the records. */
void pod_steps_start(struct core *core, const struct host_ends *found);

/* Begin: RECORDING, WIRING, UNWIRING. */
void pod_steps_record(struct core *core, const struct record_pod *record, uint32_t client);
void pod_steps_wire(struct core *core, struct pod *pod);
void pod_steps_unwire(struct core *core, struct pod *pod);

/* What was asked of io/ has finished. */
void pod_steps_stored(struct core *core, uint64_t tag, int error, const char *text);
void pod_steps_wired(struct core *core, uint32_t job, int error, const char *text);
void pod_steps_unwired(struct core *core, uint32_t job, int error, const char *text);
/* The host ends that exist now: adopt, complain, remove. */
void pod_steps_host_ends(struct core *core, const struct host_ends *found);

void pod_steps_run(struct core *core); /* pods whose DEL never came */
struct instant pod_steps_deadline(const struct core *core);
