#pragma once
/*
 * Tells the scheduler that pods of this node have a network: the Node's condition
 * NetworkUnavailable is set to False when the agent is ready, and again whenever it is missed
 * there, as after the node was deleted and registered again. Decides when; the node's list and
 * watch say whether it worked.
 */
#include "base/prng.h"
#include "kube/backoff.h"
#include "kube/nodes.h"
#include "kube/reply.h"
#include "log/log.h"

struct condition {
	const char *node; /* this one's name */
	bool asking;
	bool set;                   /* it was there when we looked last */
	char uid[KUBE_UID_MAX + 1]; /* the Node that was asked to have it */
	struct backoff backoff;
	struct trouble trouble;
	const struct place *place;
	struct prng *prng;
	struct log *log;
};

/* All are borrowed for good. */
void condition_init(struct condition *condition, const char *node, const struct place *place,
		    struct prng *prng, struct log *log);

/* `wall_s`: seconds since 1970. True: ask this now; it is in the arena. */
bool condition_request(struct condition *condition, struct instant now, int64_t wall_s,
		       bool agent_ready, const struct nodes *nodes, struct arena *arena,
		       struct request *ret);
void condition_ended(struct condition *condition, struct instant now, const struct reply *reply);
