#pragma once
/*
 * What the platform (Kubernetes, through weft-kube) tells of its nodes: where other agents may be,
 * what it calls this node, and who founds the cluster. Facts only: where a node is said to be is
 * one more address to ask, and who is said to found does so only on an empty disk. Nothing here is
 * needed by a node that has found its cluster, so what is wrong here is a warning in status and
 * never a reason to be less ready.
 */
#include "core/event.h"

enum {
	PLATFORM_NODES_MAX = 16384,
	PLATFORM_ASK = 8, /* so many of the nodes are asked for a cluster before one is founded */
	/* ... and so long it is waited for those that do not answer: their agents may be starting,
	 * with a cluster on their disks. */
	PLATFORM_WAIT_MS = 30000,
	/* weft-kube speaks once a second (its KUBE_TICK_MS) and waits a second for an answer
	 * (TELL_PATIENCE_MS), whatever the API server does. It may also have ended: a kubelet
	 * starts it again at once, and ten seconds later when it ends again. */
	PLATFORM_SILENCE_MS = 15000,
	/* A node is listed before its agent's image is there, and an agent that starts is told of
	 * the others within seconds. */
	PLATFORM_NEW_MS = 30000,
	PLATFORM_NAMED = 5, /* nodes in one warning */
	PLATFORM_WARNINGS_MAX = 3,
};

/* The other nodes, as one list of the API server's told them. */
struct platform_list {
	uint64_t number; /* 0: none */
	bool has_self;   /* this node is in it, too */
	bool overfull;   /* it was longer than can be kept */
	size_t n, cap;
	struct platform_place {
		uint64_t key;         /* of the node's name */
		char *name;           /* owned */
		uint32_t ip;          /* 0: none yet */
		struct instant since; /* listed, by this list and those before it */
	} * nodes;                    /* owned */
};

struct platform {
	struct platform_list whole, arriving;
	bool told, founding_told;
	struct instant told_at;         /* last */
	struct instant asking_since;    /* the first whole list */
	char own_ref[NODE_REF_MAX + 1]; /* this node's; empty: not known */
	struct platform_founding founding;
	char trouble[TEXT_LEN_MAX + 1]; /* between weft-kube and the API server */
};

struct core;

void platform_init(struct platform *platform);
void platform_done(struct platform *platform);

void platform_told(struct core *core, const struct request *request);
/* What the ledger's row gets to know this machine by. */
const char *platform_node_ref(const struct core *core);
/* May this agent found the cluster with *ret, because the platform says that it is the one? */
bool platform_lets_found(const struct core *core, struct uuid *ret);
/* From then on who does not answer is not waited for. */
struct instant platform_patience(const struct core *core);
/* How many other nodes there are, and where an agent of one may be; 0: not known, or here. */
size_t platform_nodes(const struct core *core);
uint32_t platform_node_ip(const struct core *core, size_t i);
/* The one to be joined, as the platform says; NULL: it says none, or that this node founds it: then
 * a cluster that is there already goes before one that is not. */
const struct uuid *platform_cluster(const struct core *core);
/* The platform names another cluster than the one that this node is in: two clusters share the
 * range, and whatever is given in one may be in use in the other. */
bool platform_is_another(const struct core *core);
/* What people must know of it, one sentence each, in the step's arena. Returns how many. */
size_t platform_warnings(struct core *core, const char *ret[static PLATFORM_WARNINGS_MAX]);
/* Why this node has no cluster yet, as far as the platform is waited for. */
void platform_waiting_for(const struct core *core, char text[static TEXT_LEN_MAX + 1]);
