#pragma once
/*
 * Pods: who has which address, and how far attaching or detaching has come. The record in /run is
 * written before a pod is wired, the pod is wired before ADD is answered. One job at a time per
 * pod; requests for a busy pod wait on it.
 *
 *   (ADD) -> RECORDING -> WIRING -> UP -(DEL)-> UNWIRING -> FREEING -> (gone)
 *               |           |        ^             ^  |
 *               |           +--------|-- refused --+  |
 *               +-> (gone:           +-- not removed -+
 *                   not stored)      UP -> WIRING: the same ADD after a crash
 */
#include "base/instant.h"
#include "core/blocks.h"
#include "core/event.h"
#include "core/out.h"

enum pod_state { POD_RECORDING, POD_WIRING, POD_UP, POD_UNWIRING, POD_FREEING, POD_STATE_COUNT };

enum {
	POD_WAITERS_MAX = 8,
	POD_UNLINKED_MS = 300000, /* a record without a host end waits this long for its DEL */
	POD_REWRITE_MS = 5000,
	POD_WAIT_MS = 5000, /* an ADD waits this long for a block that is on its way */
};

struct pod {
	struct record_pod record;
	char host_if[IFNAME_LEN_MAX + 1];
	enum pod_state state;
	bool linked;     /* its host end exists, as far as we know */
	bool earlier;    /* the record is from an earlier life of the agent: that ADD may never have
			    been answered */
	bool failing;    /* being rolled back: the ADD gets `failure` */
	uint32_t client; /* whose ADD this is, 0: nobody waits */
	uint32_t job;    /* of the wiring or unwiring under way, 0: none */
	uint64_t tag;    /* of the store under way, 0: none */
	struct mac pod_mac;
	struct instant since;          /* in this state */
	struct instant unlinked_since; /* UP without a host end */
	struct answer failure;
	size_t n_waiting; /* requests that came while the pod was busy, in order */
	struct request waiting[POD_WAITERS_MAX];
};

struct pods {
	size_t n, cap;
	struct pod **items; /* owned; in order of (container id, interface) */
	uint32_t next_job;
	uint64_t next_tag;
	struct instant rewrite_at; /* a record could not be written: the whole log then */
	uint64_t log_records;      /* in pods.log since it was last rewritten */
	uint64_t added, deleted, refused;
	size_t n_hungry; /* ADDs without an address, waiting for a block */
	struct hungry {
		struct request request;
		struct instant until;
	} * hungry; /* owned */
	size_t cap_hungry;
};

struct core;

void pods_init(struct pods *pods);
void pods_done(struct pods *pods);

struct pod *pods_find(const struct pods *pods, const char *container_id, const char *ifname);
struct pod *pods_by_ip(const struct pods *pods, uint32_t ip);
/* wf + 12 hex of a hash of both in full: any length fits, no two are alike by being cut
 * (decisions.md 1). */
void pod_host_if(const char *container_id, const char *ifname, char ret[static IFNAME_LEN_MAX + 1]);
void pod_alias(const struct record_pod *record, char ret[static 256]);
struct mac pod_mac_of(uint32_t ip);
struct mac pod_host_mac(void);
const char *pod_state_name(const struct pod *pod);

/* Records read back at start, then the host ends found: adopt, complain, remove. */
void pods_saved(struct core *core, const struct record *record);
void pods_start(struct core *core, const struct pod_links *links);

void pods_add(struct core *core, const struct request *request);
void pods_del(struct core *core, const struct request *request);
void pods_client_gone(struct core *core, uint32_t client);
bool pods_stored(struct core *core, uint64_t tag, int error, const char *text);
void pods_wired(struct core *core, uint32_t job, int error, const char *text);
void pods_unwired(struct core *core, uint32_t job, int error, const char *text);
void pods_linked(struct core *core, const struct pod_links *links);
void pods_run(struct core *core); /* blocks may have come; waits may be over */
struct instant pods_deadline(const struct core *core);
/* Write the token (epoch 0: none) and say when it is stored. */
void pods_store_token(struct core *core, const struct record_token *token, uint64_t tag);

#define PODS_TAG       (UINT64_C(3) << 56)
#define TAG_OWNER(tag) ((tag) & (UINT64_C(0xff) << 56))
