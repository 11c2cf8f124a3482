#pragma once
/*
 * Takes back what Weft wrote to the API server of this node: the Node's condition
 * NetworkUnavailable, if it is ours.
 *
 *   WAITING --404--> READING --ours--> REMOVING --200--> OVER
 *    ^  |200            ^                |409              ^
 *    +--+               +----------------+                 |
 *                       +-----not ours, or no Node---------+
 *
 * It waits as long as the namespace of Weft is there: what comes behind this in a reset takes a
 * node apart, and must not find one that still serves, or serves again. The condition is removed
 * from just the version of the Node that was read: whoever changes it meanwhile, perhaps another
 * network that says so of itself, makes us read it again.
 */
#include "base/prng.h"
#include "kube/backoff.h"
#include "kube/reply.h"
#include "log/log.h"

enum { RESET_LOOK_MS = 2000 }; /* while waiting */

enum reset_state { RESET_WAITING, RESET_READING, RESET_REMOVING, RESET_OVER };

struct reset {
	enum reset_state state;
	const char *namespace;              /* Weft's */
	const char *node;                   /* this one's name */
	bool told;                          /* that it waits */
	struct instant again;               /* not before, while waiting */
	char version[KUBE_VERSION_MAX + 1]; /* of the Node as it was read */
	bool asking;
	struct backoff backoff;
	struct trouble trouble;
	const struct place *place;
	struct prng *prng;
	struct log *log;
};

/* All are borrowed for good. */
void reset_init(struct reset *reset, const char *namespace, const char *node,
		const struct place *place, struct prng *prng, struct log *log);
/* True: ask this now; it is in the arena. */
bool reset_request(struct reset *reset, struct instant now, struct arena *arena,
		   struct request *ret);
void reset_ended(struct reset *reset, struct instant now, const struct reply *reply);
