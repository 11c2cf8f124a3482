#pragma once
/* What a local client is told. Whoever decides about a request calls one of these, once. */
#include "core/action.h"

struct core;
struct pod;

void answer_pod(struct core *core, const struct pod *pod, uint32_t client);
/* Done, or what an ADD would be refused with. */
void answer_ready(struct core *core, uint32_t client);
/* Client 0 is nobody: these then do nothing. */
void answer_done(struct core *core, uint32_t client);
void answer_refuse_as(struct core *core, uint32_t client, const struct answer *why);
void answer_refuse(struct core *core, uint32_t client, enum answer_code code, const char *details,
		   const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Into *ret: the code, the words and what to do. */
void answer_say(struct answer *ret, enum answer_code code, const char *details, const char *fmt,
		...) __attribute__((format(printf, 4, 5)));
