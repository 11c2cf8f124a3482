#pragma once
/* What addresses.c (the table and its log), pod_steps.c (one pod's way through its states) and
 * requests.c (who asked) share. */
#include "core/addresses.h"

struct core;

struct pod *pods_insert(struct pods *pods, const struct record_pod *record);
void pods_remove(struct pods *pods, struct pod *pod); /* frees it */
struct pod *pods_by_job(const struct pods *pods, uint32_t job);
struct pod *pods_by_host_if(const struct pods *pods, const char *host_if);
uint64_t pods_log(struct core *core, enum record_type type,
		  const struct record_pod *pod); /* returns the tag */
void pods_rewrite_log(struct core *core);
void pods_unwire_stray(struct core *core, const char *host_if);
void pods_watch_unlinked(struct core *core);

void pod_record(struct core *core, struct pod *pod, uint32_t client); /* RECORDING */
void pod_wire(struct core *core, struct pod *pod);                    /* WIRING */
void pod_unwire(struct core *core, struct pod *pod);                  /* UNWIRING */
void pods_unwire_all(struct core *core, struct pod **pods, size_t n);

/* Answers. */
void answer_pod(struct core *core, const struct pod *pod, uint32_t client);
void answer_done(struct core *core, uint32_t client);
void answer_refuse(struct core *core, uint32_t client, enum answer_code code, const char *details,
		   const char *fmt, ...) __attribute__((format(printf, 5, 6)));
