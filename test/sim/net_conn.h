#pragma once
/* What the parts of the network share: net_table.c (connections, cuts), net_bytes.c (streams),
 * network.c (what a core asks for). Nobody else includes this. */
#include "network.h"
#include "wire/conn.h"

enum end_state { END_NONE, END_CONNECTING, END_OPEN, END_GONE };

struct net_chunk {
	int64_t at_ms;
	size_t len;
	bool fin, rst;
};

struct net_flow {      /* what one end sent and the other has not got */
	uint8_t *data; /* owned */
	size_t head, tail, cap;
	size_t launched;          /* bytes with a chunk */
	struct net_chunk *chunks; /* owned; in order of arrival */
	size_t n_chunks, cap_chunks;
	bool armed; /* the first chunk's task is in the heap */
	bool fin;   /* after the last byte */
	bool want_writable;
	int64_t blocked_since_ms; /* -1: moving */
};

struct net_end {
	enum end_state state;
	uint32_t node, life, link;
	struct wire_conn wire;
	struct net_flow out;
};

struct net_conn {
	uint32_t slot;
	uint64_t serial;
	uint32_t latency_ms;
	bool split, tiny;
	size_t seen; /* bytes delivered: a connection is chopped finely at its beginning only */
	struct net_end end[2]; /* the dialler, the accepting one */
};

struct net {
	struct net_conn **conns; /* owned; NULL: a free slot */
	size_t n, cap;
	uint64_t next_serial;
	uint32_t *latency_ms; /* n_nodes squared, symmetric */
	bool *cut;            /* n_nodes squared, from * n + to */
};

/* net_table.c */
bool net_passes(const struct world *world, uint32_t from, uint32_t to);
bool net_node_at(const struct world *world, const struct endpoint *at, uint32_t *ret);
struct net_conn *conn_new(struct world *world, uint32_t from, uint32_t to);
struct net_conn *conn_of(const struct world *world, const struct task *task);
struct net_conn *conn_by_link(const struct world *world, const struct node *node, uint32_t link,
			      int *ret_side);
void conn_push(struct world *world, int64_t delay_ms, enum task_kind kind,
	       const struct net_conn *conn, int side, const char *text);
void conn_tell_closed(struct world *world, const struct net_end *end, int64_t delay_ms,
		      const char *reason);
/* The process at this end has no socket any more. Its agent hears of it, unless it is the one that
 * died (reason NULL). */
void conn_end_close(struct world *world, struct net_end *end, const char *reason);
void conn_reset(struct world *world, struct net_conn *conn);
/* Frees it when both ends and all bytes are gone. */
void conn_reap(struct world *world, struct net_conn *conn);

/* net_bytes.c */
void flow_drop(struct net_flow *flow);
void flow_write(struct net_flow *flow, const uint8_t *bytes, size_t len);
void flow_chunk_add(struct world *world, struct net_conn *conn, int side, struct net_chunk chunk);
/* As much as the window takes; the rest stays queued with the sender. */
void flow_launch(struct world *world, struct net_conn *conn, int side);
void flow_maybe_writable(struct world *world, struct net_end *end);
void flow_chunk_arrives(struct world *world, struct net_conn *conn, int from);
void flow_unacked(struct world *world, struct net_conn *conn, int side);
