#pragma once
/*
 * Who founds the cluster: the ConfigMap `weft`, created once by whoever comes first, because the
 * API server lets one create of a name win. Decides when to read and when to create it.
 *
 *   UNKNOWN --404--> ABSENT --201 or 409--> UNKNOWN --200--> KNOWN or UNREADABLE
 *
 * and every minute from the beginning. What was read is what is told: even whose create won finds
 * out by reading.
 */
#include "base/prng.h"
#include "kube/backoff.h"
#include "kube/reply.h"
#include "log/log.h"

#define FOUNDING_NAME "weft"

enum { FOUNDING_AGAIN_MS = 60 * 1000 };

/* What the agent said, as far as it matters here. */
struct founding_agent {
	bool answers;
	uint8_t uid[16];
	bool has_cluster;
	uint8_t cluster[16];
	bool wants_founding; /* and it holds the list of nodes that we hold */
};

struct founding {
	enum founding_state {
		FOUNDING_UNKNOWN,
		FOUNDING_ABSENT,
		FOUNDING_KNOWN,
		FOUNDING_UNREADABLE
	} state;
	struct kube_founding told; /* KNOWN: what it says */
	enum { FOUNDING_IDLE, FOUNDING_READING, FOUNDING_CREATING } asking;
	bool fruitless;       /* it was created, by us or another, and was not seen since */
	struct instant again; /* read it again then */
	struct backoff backoff;
	struct trouble trouble;
	const char *namespace, *node;
	const struct place *place;
	struct prng *prng;
	struct log *log;
};

/* All are borrowed for good; the node is this one. */
void founding_init(struct founding *founding, const char *namespace, const char *node,
		   const struct place *place, struct prng *prng, struct log *log);

/* `fresh`: random, used if this request creates a cluster. True: ask this now; it is in the
 * arena. */
bool founding_request(struct founding *founding, struct instant now,
		      const struct founding_agent *agent, const uint8_t fresh[static 16],
		      struct arena *arena, struct request *ret);
void founding_ended(struct founding *founding, struct instant now, const struct reply *reply);
