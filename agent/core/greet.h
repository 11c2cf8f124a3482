#pragma once
/*
 * What a HELLO is worth: the same cluster or none yet, not ourselves, one
 * link per pair, room at the table. Says ours, judges theirs, founds the cluster when every --peer
 * says that there is none.
 */
#include "core/links.h"

struct core;

void greet_secured(struct core *core, struct link *link);
void greet_hello(struct core *core, struct link *link, const struct hello *hello);
void greet_bye(struct core *core, struct link *link, const struct bye *bye);
void greet_found(struct core *core); /* --init: found the cluster if all is known; says whom it
					misses otherwise */
/* A sentence on why no cluster is founded or joined yet; empty: it is. */
void greet_waiting_for(const struct core *core, char text[static TEXT_LEN_MAX + 1]);

#define FEATURE_WILL_FOUND (UINT64_C(1) << 0)
