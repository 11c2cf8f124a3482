#pragma once
/*
 * The simulated world: one clock, one heap of things to come, one generator per subsystem, and what
 * has been said. Everything else in this directory hangs on struct world. The same options give the
 * same run, byte for byte, on every build: no address, no hash of a pointer and no uninitialised
 * byte ever decides anything.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/prng.h"
#include "base/siphash.h"
#include "core/types.h"

enum {
	WORLD_NODES_MAX = 64,
	WORLD_RING_LINES = 40,
	WORLD_LINE_MAX = 512,
};

/* Why a run of random choices is split: adding a choice to one subsystem leaves the others as they
 * were. */
enum rng { RNG_IDS, RNG_NET, RNG_DISK, RNG_KERNEL, RNG_HOST, RNG_WORK, RNG_CHECK, RNG_COUNT };

enum task_kind {
	TASK_DEADLINE,    /* a core wants to be asked again */
	TASK_START,       /* a host that is up starts its agent */
	TASK_NET_DIAL,    /* a SYN arrives */
	TASK_NET_DIALLED, /* the answer to it arrives */
	TASK_NET_CHUNK,   /* bytes arrive, or try to */
	TASK_NET_UNACKED, /* bytes arrived, their acknowledgement did not */
	TASK_LINK_CLOSED,
	TASK_LINK_WRITABLE,
	TASK_UNDERLAY,    /* the underlay is another, and the agent notices */
	TASK_DISK,        /* the next stage of the store at the head of a file's queue */
	TASK_KERNEL_POD,  /* a wiring or unwiring */
	TASK_KERNEL_PASS, /* want against have */
	TASK_SHIM,        /* a shim tries to reach the agent, or gives up waiting */
	TASK_CLIENT_GONE, /* an agent notices that a shim has hung up */
	TASK_ANSWER,      /* an answer reaches a shim */
	TASK_WORK,        /* the runtime of a node has an idea */
	TASK_FAULT,       /* something breaks */
	TASK_HEAL,        /* a fault ends */
	TASK_KIND_COUNT,
};

struct task {
	int64_t at_ms;
	uint64_t seq; /* ties are broken by age: set by world_push */
	enum task_kind kind;
	uint32_t node, life; /* life: of the process or host it is for, where that matters */
	uint32_t a;
	uint64_t b;
	const char *text; /* static */
};

/* Which faults exist in this run and how often; all zero is a calm world. Drawn per seed
 * (faults.c). */
struct faults {
	uint32_t latency_max_ms;    /* per pair of nodes, drawn below this */
	uint32_t reset_per_million; /* per chunk of bytes that arrives */
	uint32_t refuse_percent;    /* of dials */
	uint32_t split_percent;     /* of connections whose bytes arrive in pieces */
	uint32_t window;            /* bytes in flight per direction */
	uint32_t late_ms;           /* how late a timer may fire */
	uint32_t kernel_percent;    /* of wirings that the kernel refuses */
	uint32_t disk_slow_percent; /* of syncs that take up to 5 s */
	uint32_t every_ms;          /* between two of the following, about; 0: none */
	uint32_t weight[16];        /* how often, by enum fault */
};

struct world_options {
	uint64_t seed;
	uint32_t nodes;
	uint32_t minutes;
	uint32_t mutants;
	bool story;   /* scripted: no jitter anywhere */
	bool verbose; /* every line to stderr as it happens */
};

struct counters {
	uint64_t events, adds_ok, adds_failed, dels, kills, crashes, reborn, partitions, resets,
		leaves, io_errors, slowest_ms;
};

struct node;
struct net;
struct checker;

struct world {
	struct world_options options;
	int64_t now_ms;
	uint64_t next_seq;
	struct task *heap; /* owned */
	size_t n_tasks, cap_tasks;
	struct prng rng[RNG_COUNT];
	struct faults faults;
	uint32_t rounds; /* of faults and healing */
	bool quiet;      /* healing: nothing breaks, no new work */

	uint32_t n_nodes;
	struct node *nodes; /* owned */
	struct prefix range;
	uint32_t first_blocks;   /* of a first grant */
	struct net *net;         /* owned */
	struct checker *checker; /* owned */

	uint8_t *scratch; /* owned; encoders write here */
	size_t scratch_cap;

	struct siphash hash; /* of every line, every event fed and every message sent */
	struct counters counters;
	char ring[WORLD_RING_LINES][WORLD_LINE_MAX];
	uint64_t n_lines;
	char *story; /* owned; the lines a story is judged by */
	size_t story_len, story_cap;
	bool failed;
	char violation[WORLD_LINE_MAX];
};

struct world *world_new(const struct world_options *options);
void world_free(struct world *world);

/* Uniform in 0 .. n-1; 0 for n = 0. */
uint64_t world_choose(struct world *world, enum rng rng, uint64_t n);
/* True in about `percent` of cases; never draws for 0. */
bool world_chance(struct world *world, enum rng rng, uint32_t percent);
void world_random_bytes(struct world *world, enum rng rng, void *ret, size_t len);

/* What will happen `delay_ms` from now. */
void world_push(struct world *world, int64_t delay_ms, struct task task);
/* Let everything up to this moment happen, unless a rule is broken first. */
void world_run_until(struct world *world, int64_t at_ms);

/* A line of the trace: "[   220] n2 > text". `shown`: it belongs into a story. */
void world_line(struct world *world, uint32_t node, bool shown, const char *mark, const char *text);
void world_say(struct world *world, uint32_t node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void world_hash_u64(struct world *world, uint64_t value);
void world_hash_bytes(struct world *world, const void *data, size_t len);

/* A rule is broken: keep the first sentence, stop the run. */
void world_violation(struct world *world, const char *rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The last lines, oldest first, to stderr. */
void world_print_ring(const struct world *world);
