#pragma once
/*
 * Where deciding meets doing: what happens becomes an event for the core, and the actions that come
 * out are carried out, in order, after the step. An event that arises meanwhile waits its turn, so
 * the core is never entered twice.
 *
 *   agent.c         the door: events in, actions out; the life of the whole
 *   agent_start.c   the world as found: directories, peers, underlay, identity, settings
 *   agent_peers.c   the addresses of --peer, and the names among them
 *   agent_store.c   the logs: read back at start, written to from then on
 *   agent_links.c   connections with other agents: io/tcp's bytes <-> wire/conn's messages
 *   agent_local.c   local clients: their questions and answers
 *   agent_cni.c     the CNI program and the network's configuration, for a container runtime
 *   agent_kernel.c  passes of want against have, wiring, what the kernel reports
 *
 * main.c makes one, runs it and takes it apart.
 */
#include "core/core.h"
#include "io/cni_host.h"
#include "io/files.h"
#include "io/kernel.h"
#include "io/local_server.h"
#include "io/loop.h"
#include "io/names.h"
#include "io/store.h"
#include "io/tcp.h"
#include "log/log.h"
#include "options.h"
#include "wire/conn.h"
#include "wire/http.h"
#include "wire/identity.h"
#include "wire/local.h"

/* One connection with another agent, by the number that the core knows it by. */
struct agent_link {
	uint32_t id;
	struct tcp_conn *conn; /* io/tcp's */
	struct wire_conn wire;
	struct endpoint remote;
};

/* Where local clients ask. */
enum agent_door_type { DOOR_ROOT, DOOR_KUBE, DOOR_HTTP, DOOR_COUNT };

struct agent_door {
	struct agent *agent;
	enum agent_door_type type;
	bool open; /* the server is there */
	struct local_server server;
};

/* A question that is not answered yet, by the number that the core knows it by. */
struct agent_client {
	uint32_t id;
	struct local_request request;
	enum http_asked http; /* at DOOR_HTTP */
	bool http_body;
};

/* A --peer that is a name. */
struct agent_name {
	struct names_asked asked;
	uint16_t port;
	bool missing; /* and it was said */
};

enum { AGENT_PEERS_MAX = 1024 };

/* An event that waits, with what it points to. */
struct agent_waiting {
	struct event event;
	char *text; /* owned; may be NULL */
};

struct agent {
	const struct options *options; /* the caller's, like the log */
	struct log *log;

	/* agent_start.c: found once */
	struct directory state, run;
	struct identity identity;
	struct settings settings;
	size_t n_peers;
	struct endpoint *peers; /* owned; of --peer, as far as known */
	size_t n_names;
	struct agent_name *names;   /* owned; those of --peer that are names */
	struct names_asked **asked; /* owned; the same, for a worker */
	struct loop_timer names_timer;
	struct underlay underlay;

	/* agent.c */
	struct core *core;
	bool stepping; /* the core's actions are being carried out */
	size_t n_waiting, cap_waiting;
	struct agent_waiting *waiting; /* owned; in order */
	enum log_source source;        /* on whose account the step's traces are */
	enum agent_end {
		AGENT_GOES_ON,
		AGENT_STOPS,   /* saying goodbye */
		AGENT_STOPPED, /* the loop ends, nothing is carried out any more */
		AGENT_DIED,    /* the same, because the core cannot go on */
	} end;
	struct loop loop;
	struct loop_timer stop_timer;

	/* agent_store.c */
	struct store store;
	uint8_t *record; /* owned; what is being stored */

	/* agent_links.c */
	struct tcp tcp;
	size_t n_links, cap_links;
	struct agent_link **links; /* owned */
	uint32_t next_link;
	uint8_t *frame; /* owned; what is being sent */

	/* agent_local.c */
	struct agent_door doors[DOOR_COUNT];
	size_t n_clients, cap_clients;
	struct agent_client **clients; /* owned */

	/* agent_kernel.c */
	struct agent_kernel {
		struct kernel *kernel; /* owned */
		struct loop_watch watch;
		struct loop_timer news_timer, pass_timer;
		struct kernel_news news; /* since the last look */
		bool pass_due;           /* in this turn */
		struct instant passed_at;
		struct unwiring *unwirings;     /* owned until their worker is done */
		uint64_t retry_ms;              /* after a pass that failed */
		char failure[TEXT_LEN_MAX + 1]; /* the last one that was said */
	} kernel;

	/* Which parts are there, for taking apart. */
	bool has_loop, has_store, has_tcp, has_kernel_watch;

	/* agent_cni.c */
	struct loop_timer cni_timer;
	bool cni_told;                      /* the runtime has our network's configuration */
	char cni_trouble[TEXT_LEN_MAX + 1]; /* the CNI program is not where a runtime looks */
	char cni_warning[TEXT_LEN_MAX + 1]; /* the configuration is not what a runtime takes */
	bool cni_news;                      /* the core has not heard of one of them yet */
};

/* Everything up to where clients and peers are served. On failure agent_done() is still due. */
int agent_start(struct agent *agent, const struct options *options, struct log *log,
		struct err *err);
/* Until SIGTERM, SIGINT or the core's end. Returns the exit code. */
int agent_run(struct agent *agent);
/* Leaves the data plane as it is. */
void agent_done(struct agent *agent);

/* ---- between the files of the agent */

/* Fold an event in; `now` is filled in. What it points to is borrowed, text that must wait is
 * copied. */
void agent_event(struct agent *agent, const struct event *event);
/* Print what the core traced, on behalf of whoever caused the step. */
void agent_trace(struct agent *agent, enum trace_level level, const char *text);

/* agent_store.c */
int agent_recall(struct agent *agent, struct start *ret, struct err *err); /* the logs */
void agent_store(struct agent *agent, const struct action *action);

/* agent_start.c */
void agent_random(void *ret, size_t len); /* from the system's generator; at most 256 bytes */
int agent_claim(struct agent *agent, struct err *err);    /* directories and their locks */
int agent_look(struct agent *agent, struct err *err);     /* peers, underlay, overlap */
int agent_identify(struct agent *agent, struct err *err); /* identity, boot, settings */

/* agent_peers.c: addresses of --peer at once, names whenever the resolver knows them */
void agent_peers_read(struct agent *agent);
void agent_peers_open(struct agent *agent);
void agent_peers_start(struct agent *agent);
const char *agent_peers_missing(const struct agent *agent); /* a name without address, or "" */
void agent_peers_free(struct agent *agent);

/* agent_links.c */
extern const struct tcp_owner agent_tcp_owner;
void agent_dial(struct agent *agent, uint32_t id, const struct endpoint *to);
void agent_send(struct agent *agent, uint32_t id, const struct message *message);
void agent_hangup(struct agent *agent, uint32_t id, uint32_t drain_ms, const char *reason);
void agent_links_free(struct agent *agent);

/* agent_local.c */
int agent_local_open(struct agent *agent, struct err *err);
void agent_local_close_listeners(struct agent *agent);
void agent_local_done(struct agent *agent);
void agent_answer(struct agent *agent, const struct answer *answer);
/* The descriptors that came with a question; they stay the client's. */
bool agent_client_fds(struct agent *agent, uint32_t client, int fds[LOCAL_FDS_MAX], size_t *ret_n);
void agent_clients_free(struct agent *agent);

/* agent_cni.c: what a container runtime finds on the host, if that is ours to put there */
void agent_cni_open(struct agent *agent);
/* The network's configuration, from when an ADD would succeed. */
void agent_cni_turn(struct agent *agent);

/* agent_kernel.c */
int agent_kernel_open(struct agent *agent, struct err *err);
int agent_kernel_watch(struct agent *agent, struct err *err);
void agent_kernel_turn(struct agent *agent);
/* Which address carries the tunnel may have changed. */
void agent_kernel_look_at_underlay(struct agent *agent);
/* A person asks how things are: compare now, unless that was done a moment ago. */
void agent_kernel_refresh(struct agent *agent);
void agent_kernel_close(struct agent *agent);
void agent_forward(struct agent *agent, const struct forward *forward);
void agent_wire(struct agent *agent, const struct wire_pod *pod);
void agent_unwire(struct agent *agent, uint32_t job, const char *host_if);
struct host_wish;
void agent_wish(const struct agent *agent, struct host_wish *ret, uint32_t *peers);
