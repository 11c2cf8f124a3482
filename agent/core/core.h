#pragma once
/*
 * The one door. Given the same seed, settings and events a core takes the same decisions: it knows
 * no clock, no socket, no file, no log. It may be driven by a real loop (agent.c) or by a thousand
 * of them in one process (sim).
 */
#include "core/event.h"

struct core;

struct core *core_new(void);
void core_free(struct core *core);

/* Fold one event into the state. The result is valid until the next call; the caller carries it out
 * in order. */
const struct actions *core_step(struct core *core, const struct event *event);

/* When to come back with EVENT_TIME even if nothing happens. */
struct instant core_deadline(const struct core *core);

/* Would an ADD of a new pod succeed now? */
bool core_ready(const struct core *core);
