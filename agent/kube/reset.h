#pragma once
/*
 * Takes back what Weft wrote to the API server of this node: the Node's condition
 * NetworkUnavailable, if it is ours. The Node is read, and the condition removed from just that
 * version of it: whoever changes the Node meanwhile, perhaps another network that says so of
 * itself, makes us read it again.
 */
#include "base/prng.h"
#include "kube/backoff.h"
#include "kube/reply.h"
#include "log/log.h"

enum reset_state { RESET_READING, RESET_REMOVING, RESET_OVER };

struct reset {
	enum reset_state state;
	const char *node;                   /* this one's name */
	char version[KUBE_VERSION_MAX + 1]; /* of the Node as it was read */
	bool asking;
	struct backoff backoff;
	struct trouble trouble;
	const struct place *place;
	struct prng *prng;
	struct log *log;
};

/* All are borrowed for good. */
void reset_init(struct reset *reset, const char *node, const struct place *place, struct prng *prng,
		struct log *log);
/* True: ask this now; it is in the arena. */
bool reset_request(struct reset *reset, struct instant now, struct arena *arena,
		   struct request *ret);
void reset_ended(struct reset *reset, struct instant now, const struct reply *reply);
