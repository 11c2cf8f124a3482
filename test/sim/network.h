#pragma once
/*
 * TCP as an agent meets it: connections of two byte streams that go through wire/conn at both ends,
 * preambles included. Bytes arrive late, in pieces, or never; a cut makes them wait until the
 * sender gives up, and the other side then holds half a connection. What was sent before a process
 * died still arrives, what a dead kernel held does not.
 */
#include "core/action.h"
#include "world.h"

enum { NET_PORT = 6785 };

struct net;
struct node;

struct net *net_new(struct world *world);
void net_free(struct net *net);
void net_task(struct world *world, const struct task *task);

/* What a core asks for. */
void net_dial(struct world *world, struct node *node, uint32_t link, const struct endpoint *to);
void net_send(struct world *world, struct node *node, uint32_t link, const struct message *message);
void net_hangup(struct world *world, struct node *node, uint32_t link, uint32_t drain_ms,
		const char *reason);

bool net_has_link(const struct world *world, const struct node *node, uint32_t link);
/* The node whose process would read what TASK_NET_CHUNK brings; WORLD_NODES_MAX: none. */
uint32_t net_receiver(const struct world *world, const struct task *task);

/* The kernel closes what the process had; or nobody does, because the kernel died. */
void net_process_died(struct world *world, struct node *node);
void net_host_died(struct world *world, struct node *node);

/* Cut or mend one direction. */
void net_cut(struct world *world, uint32_t from, uint32_t to, bool cut);
bool net_is_cut(const struct world *world, uint32_t from, uint32_t to);
void net_mend_all(struct world *world);
/* Reset every connection between two nodes. */
void net_reset_between(struct world *world, uint32_t a, uint32_t b);

void net_endpoint(uint32_t node, struct endpoint *ret);
