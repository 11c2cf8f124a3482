#pragma once
/*
 * Everything the core can ask for. Actions are carried out in order, after the step, never while
 * the core is on the stack; whatever they point to lives in the step's arena until the next step.
 */
#include "core/message.h"
#include "core/record.h"

enum action_type {
	ACTION_DIAL,
	ACTION_SEND,
	ACTION_HANGUP, /* flush what is queued for at most `drain_ms`, then close */
	ACTION_STORE,
	ACTION_WIRE,
	ACTION_UNWIRE,
	ACTION_ANSWER,
	ACTION_FORWARD,
	ACTION_TRACE,
	ACTION_DIE, /* cannot go on: print, exit non-zero; the data plane stays */
	ACTION_TYPE_COUNT,
};

/* ---- wiring of pods */

struct wire_pod {
	uint32_t job;
	uint32_t client; /* whose descriptors to use */
	char host_if[IFNAME_LEN_MAX + 1];
	char pod_if[IFNAME_LEN_MAX + 1];
	char alias[256]; /* "container id/ifname" in full */
	uint32_t ip;
	uint32_t node_ip; /* preferred source of the host's route to the pod; 0: none */
	uint32_t mtu;
	struct mac host_mac, pod_mac;
	bool replace; /* a half-made one of the same request may be in the way: remove it first */
};

/* ---- answers to local clients */

struct status_report; /* status.h */

/* Why a request failed, in CNI's numbers where CNI has them. */
enum answer_code {
	ANSWER_OK = 0,
	ANSWER_BAD_ENV = 4,
	ANSWER_IO = 5,
	ANSWER_BAD_CONFIG = 7,
	ANSWER_TRY_LATER = 11,
	ANSWER_NOT_READY = 50,
	ANSWER_FAILED = 100,
	ANSWER_DUPLICATE = 101,
};

/* What weft-kube must know. */
struct platform_answer {
	struct uid uid;
	char name[NAME_LEN_MAX + 1];
	struct uuid cluster; /* zero: none yet */
	uint64_t list;       /* held whole; 0: none */
	bool wants_founding; /* no cluster here, and none was met: somebody must found one */
	bool ready;
	char detail[TEXT_LEN_MAX + 1]; /* why not ready */
};

struct answer {
	uint32_t client;
	enum answer_code code;
	char text[TEXT_LEN_MAX + 1];    /* what and where */
	char details[TEXT_LEN_MAX + 1]; /* what to do */
	/* ADD that went well */
	char host_if[IFNAME_LEN_MAX + 1];
	uint32_t ip;
	uint32_t mtu;
	struct mac host_mac, pod_mac;
	const struct status_report *status;     /* STATUS */
	const struct platform_answer *platform; /* PLATFORM */
};

/* ---- the kernel state we want, as plain arrays sorted by their first members */

struct want_fdb { /* VTEP MAC -> underlay address */
	struct mac mac;
	uint32_t dst;
};

struct want_neigh { /* on the tunnel: next hop -> VTEP MAC, permanent */
	uint32_t ip;
	struct mac mac;
};

struct want_route {
	struct prefix dst;
	uint32_t metric; /* derived from the prefix: without it inserts are quadratic */
	uint32_t via;    /* next hop on the tunnel, onlink; 0: unreachable */
	uint32_t src;    /* preferred source; 0: none */
};

/* A way that the kernel may hold and we cannot say in full: its owner has not been heard of since
 * we started. Routes inside dst over this next hop stay, and so does what they need. */
struct keep_way {
	struct prefix dst;
	uint32_t via;
};

struct want_pod {
	char host_if[IFNAME_LEN_MAX + 1];
	uint32_t ip;
	struct mac pod_mac;
	char alias[256];
};

struct want_tunnel {
	char name[IFNAME_LEN_MAX + 1];
	uint32_t vni;
	uint16_t port;
	struct mac mac;
	uint32_t mtu;
	uint32_t local_ip;    /* underlay address */
	uint32_t dev_ifindex; /* underlay device */
};

struct forward {
	bool pods_only;   /* `pods` are new, all else is as it was and not told again; the next pass
			   is early enough. False: compare with the kernel now */
	bool peers_known; /* false (no ledger yet): remove nothing of what peers need */
	bool have_tunnel; /* false: no underlay yet, leave the tunnel as it is */
	struct want_tunnel tunnel;
	uint32_t node_ip; /* /32 on the tunnel; 0: not known yet, leave what is there */
	struct prefix range;
	bool masquerade, masquerade_nodes;
	size_t n_fdb, n_neigh, n_routes, n_keep, n_pods, n_members;
	const struct want_fdb *fdb;
	const struct want_neigh *neigh;
	const struct want_route *routes; /* peers' runs and unreachable ones, not pods' */
	const struct keep_way *keep;     /* do not overlap */
	const struct want_pod
		*pods; /* each: route, neighbour, sysctls, source rule, if its host end exists */
	const uint32_t *members; /* underlay addresses VXLAN is accepted from */
};

enum trace_level { TRACE_DEBUG, TRACE_INFO, TRACE_WARN, TRACE_ERR, TRACE_PEER };

struct action {
	enum action_type type;
	union {
		struct {
			uint32_t link; /* chosen by the core, below LINK_ACCEPTED_BIT */
			struct endpoint to;
		} dial;
		struct {
			uint32_t link;
			const struct message *message;
		} send;
		struct {
			uint32_t link;
			uint32_t drain_ms; /* 0: at once */
			const char *reason;
		} hangup;
		struct {
			enum store_file file;
			uint64_t tag;
			bool replace; /* these records become the whole file, atomically */
			size_t n;
			const struct record *records;
		} store;
		const struct wire_pod *wire;
		struct {
			uint32_t job;
			char host_if[IFNAME_LEN_MAX + 1];
		} unwire;
		const struct answer *answer;
		const struct forward *forward;
		struct {
			enum trace_level level;
			const char *text; /* "fact -> decision" */
		} trace;
		const char *die;
	};
};

/* Links that others dialled to us are numbered by the agent with this bit set; ours by the core
 * without it. */
#define LINK_ACCEPTED_BIT UINT32_C(0x80000000)

struct actions {
	size_t n, cap;
	struct action *items;
};
