#pragma once
/*
 * What the API server of Kubernetes says -> plain structs, and the two objects that weft-kube
 * writes -> JSON. Bounded in bytes and number.
 *
 * Of each object only the fields that Weft needs are read. All else is passed over unread, whatever
 * it is: anybody who may annotate one Node could otherwise blind every node of the cluster with
 * text that is legal there and not here.
 *
 * Where a field that is needed cannot be read, the whole is refused and nothing left out: a Node
 * that is missing in a list is a node that was deleted.
 */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

enum {
	KUBE_NAME_MAX = 253,   /* a DNS subdomain */
	KUBE_UID_MAX = 64,     /* 36 of them are used */
	KUBE_VERSION_MAX = 63, /* a resourceVersion: opaque, 20 digits today */
	KUBE_NEXT_MAX = 4095,  /* the token of a list's next page */
	KUBE_TEXT_MAX = 255,   /* a sentence of the API server's */
	/* Bytes of an answer, and of a watch's line. etcd takes objects of 1.5 MiB, and a control
	 * character is one byte there and six here. */
	KUBE_ANSWER_MAX = 16 << 20,
	KUBE_LIST_MAX = 16384, /* nodes of a cluster */
};

struct kube_node {
	char name[KUBE_NAME_MAX + 1];
	char uid[KUBE_UID_MAX + 1];
	char version[KUBE_VERSION_MAX + 1];
	bool no_linux;     /* its label kubernetes.io/os says so: Weft does not run there */
	uint32_t address;  /* its first InternalIP that is IPv4; 0: none */
	bool network_up;   /* its condition NetworkUnavailable is False */
	bool network_ours; /* ... and Weft's */
};

/* One page of the list of nodes. */
struct kube_page {
	char version[KUBE_VERSION_MAX + 1]; /* of the whole list: a watch begins there */
	char next[KUBE_NEXT_MAX + 1];       /* asks for the next page; empty: this was the last */
	size_t n;
	struct kube_node *nodes; /* in the arena */
};

/* How the API server says no. */
struct kube_status {
	unsigned code; /* as in HTTP; 0: it did not say */
	char reason[KUBE_TEXT_MAX + 1], message[KUBE_TEXT_MAX + 1]; /* printable */
};

enum kube_event_type {
	KUBE_EVENT_THERE, /* added or changed */
	KUBE_EVENT_DELETED,
	KUBE_EVENT_BOOKMARK, /* node.version alone: so far nothing else happened */
	KUBE_EVENT_ERROR,    /* the watch ends, `status` says why */
};

struct kube_event {
	enum kube_event_type type;
	struct kube_node node;
	struct kube_status status;
};

/* Who founds the cluster: the contents of the ConfigMap. */
struct kube_founding {
	uint8_t cluster[16], founder[16];
	char node[KUBE_NAME_MAX + 1];
};

/* Each returns 0, or -EBADMSG with err saying what was expected where; then *ret is undefined. */
int kube_page_decode(struct bytes json, struct arena *arena, struct kube_page *ret,
		     struct err *err);
int kube_node_decode(struct bytes json, struct kube_node *ret, struct err *err);
/* One line of a watch on nodes, with or without its end. */
int kube_event_decode(struct bytes line, struct kube_event *ret, struct err *err);
int kube_founding_decode(struct bytes json, struct kube_founding *ret, struct err *err);
int kube_status_decode(struct bytes json, struct kube_status *ret, struct err *err);

/* The ConfigMap. It is immutable: who edits a founding splits a cluster. */
const char *kube_founding_encode(const char *namespace, const char *name,
				 const struct kube_founding *founding, struct arena *arena);

/* Patches of a Node's status: NetworkUnavailable is False since `now`, RFC 3339; and without that
 * condition, if the Node is still the version that was read. */
#define KUBE_PATCH_TYPE "application/strategic-merge-patch+json"
const char *kube_network_up_encode(const char *now, struct arena *arena);
const char *kube_network_gone_encode(const char *version, struct arena *arena);
