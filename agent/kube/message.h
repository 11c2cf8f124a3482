#pragma once
/* weft-kube's side of the local conversation (proto/local.proto): what we know -> Request, Answer
 * -> how things are with the agent. */
#include "base/arena.h"
#include "kube/nodes.h"
#include "proto/local.pb-c.h"

enum { MESSAGE_NODES_MAX = 256 };

/* What is told. All is borrowed. */
struct message {
	uint64_t list; /* 0: nothing about nodes */
	bool first, last;
	size_t n;
	const struct node *const *nodes;
	const struct kube_founding *founding; /* NULL: not known */
	const char *trouble;
};

/* How the agent answered last. */
struct agent_view {
	uint8_t uid[16];
	char name[KUBE_NAME_MAX + 1]; /* its node's, as it was told */
	bool has_cluster;
	uint8_t cluster[16];
	uint64_t list; /* the one that it holds whole; 0: none */
	bool wants_founding;
	bool ready;
};

/* Borrows from the message and the arena. */
Weft__Local__Request *message_encode(const struct message *message, struct arena *arena);
/* False: that is no answer to it. *ret is then as it was. */
bool message_decode(const Weft__Local__Answer *answer, struct agent_view *ret);
