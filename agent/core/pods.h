#pragma once
/*
 * Pods: who has which address, and how far attaching or detaching has come. This is the table and
 * its log in /run; pod_steps.h takes a pod from state to state, pod_requests.h says who asked for
 * it. The record in /run is written before a pod is wired, the pod is wired before ADD is answered.
 * One job at a time per pod.
 *
 *   (ADD) -> RECORDING -> WIRING -> UP -(DEL)-> UNWIRING -> FREEING -> (gone)
 *               |           |        ^             ^  |
 *               |           +--------|-- refused --+  |
 *               +-> (gone:           +-- not removed -+
 *                   not stored)      UP -> WIRING: the same ADD after a crash
 *
 *   (recorded by an earlier life, or its host end found) -> UP
 */
#include "base/instant.h"
#include "core/blocks.h"
#include "core/event.h"
#include "core/out.h"

enum pod_state {
	POD_NONE, /* not in the table yet */
	POD_RECORDING,
	POD_WIRING,
	POD_UP,
	POD_UNWIRING,
	POD_FREEING,
	POD_STATE_COUNT,
};

enum { POD_REWRITE_MS = 5000 };

/* Small: a node holds one for every pod, and its strings are as long as they are. */
struct pod {
	const char *container_id, *ifname; /* the key; these four are in `strings` */
	const char *name;                  /* "namespace/name", or empty */
	const char *netns;
	uint64_t number;    /* of the request that made it */
	uint64_t made_at_s; /* wall clock, for people only */
	uint32_t ip, mtu;
	enum pod_state state;
	bool has_end;    /* its host end exists, as far as we know */
	bool earlier;    /* the record is from an earlier life of the agent: that ADD may never have
			    been answered */
	uint32_t client; /* whose ADD this is, 0: nobody waits */
	uint32_t job;    /* of the wiring or unwiring under way, 0: none */
	uint64_t tag;    /* of the store under way, 0: none */
	struct instant since;        /* in this state */
	struct instant no_end_since; /* UP without a host end */
	char *failure;               /* owned; being rolled back: what the ADD is told */
	char host_if[IFNAME_LEN_MAX + 1];
	char strings[];
};

struct pods {
	size_t n, cap;
	struct pod **items; /* owned; in order of (container id, interface) */
	uint32_t next_job;
	uint64_t next_tag;
	struct instant rewrite_at; /* a record could not be written: the whole log then */
	uint64_t log_records;      /* in pods.log since it was last rewritten */
	uint64_t added, deleted, refused;
	size_t n_freed, cap_freed;
	uint32_t *freed; /* owned; addresses that FREE records named, until the blocks are known */
};

struct core;

void pods_init(struct pods *pods);
void pods_done(struct pods *pods);

/* The table. A pod that is removed is freed. */
struct pod *pods_insert(struct pods *pods, const struct record_pod *record, enum pod_state first,
			struct instant now);
void pods_remove(struct pods *pods, struct pod *pod);
struct pod *pods_find(const struct pods *pods, const char *container_id, const char *ifname);
struct pod *pods_by_ip(const struct pods *pods, uint32_t ip);
struct pod *pods_by_job(const struct pods *pods, uint32_t job);
struct pod *pods_by_host_if(const struct pods *pods, const char *host_if);

/* wf + 12 hex of a hash of both in full: any length fits, no two are alike by being cut.
 */
void pod_host_if(const char *container_id, const char *ifname, char ret[static IFNAME_LEN_MAX + 1]);
void pod_alias(const struct pod *pod, char ret[static 256]);
struct mac pod_mac_of(uint32_t ip);
struct mac pod_host_mac(void);
const char *pod_state_name(const struct pod *pod);
bool pod_is_wanted(const struct pod *pod); /* of the kernel: being wired, or up */
/* The only way into a state; whatever was under way is not any more. */
void pod_become(struct pod *pod, enum pod_state next, struct instant now);

/* At start: records read back, oldest first; then, once our blocks are known, what they say of the
 * addresses in them. */
void pods_saved(struct pods *pods, const struct record *record, struct instant now);
void pods_take_addresses(struct pods *pods, struct blocks *blocks, struct instant now);

/* The log. Each returns or takes the tag under which EVENT_STORED will come. */
uint64_t pods_log(struct core *core, enum record_type type, const struct pod *pod);
void pods_log_token(struct core *core, const struct record_token *token, uint64_t tag);
void pods_run(struct core *core); /* write the log anew when it is time */
struct instant pods_deadline(const struct core *core);

#define PODS_TAG       (UINT64_C(3) << 56)
#define TAG_OWNER(tag) ((tag) & (UINT64_C(0xff) << 56))
