#pragma once
/*
 * Where the decisions of this room meet sockets: three questions to the API server at a time at
 * most (follow.h, founding.h, condition.h), and the agent (tell.h) after each change and once a
 * second; more often until it is ready, because a node that starts waits for what is said here. One
 * thread, one loop. Nothing that the API server or the agent does ends it. With --reset
 * there is that alone (reset.h) and no agent, and it ends when that is over.
 */
#include "kube/api.h"
#include "kube/condition.h"
#include "kube/follow.h"
#include "kube/founding.h"
#include "kube/options.h"
#include "kube/reset.h"
#include "kube/tell.h"

enum { KUBE_TICK_MS = 1000, KUBE_TICK_SOON_MS = 200 };

enum kube_task { KUBE_FOLLOW, KUBE_FOUNDING, KUBE_CONDITION, KUBE_RESET, KUBE_TASK_COUNT };

struct kube {
	const struct options *options;
	struct log *log;
	struct place place;
	struct prng prng;
	struct api api;
	struct api_call calls[KUBE_TASK_COUNT];
	struct follow follow;
	struct founding founding;
	struct condition condition;
	struct reset reset;
	struct tell tell;
	struct instant tick;                      /* the agent's turn */
	bool news;                                /* ... or now */
	enum trouble_kind shown[KUBE_TASK_COUNT]; /* that a line told of */
	int signal_fd;                            /* readable: end */
};

/* Options and log are borrowed for good. The struct must not move. */
int kube_init(struct kube *kube, const struct options *options, struct log *log, struct err *err);
/* Until SIGTERM or SIGINT, or until the reset is over. True: it is. */
bool kube_run(struct kube *kube);
void kube_done(struct kube *kube);
