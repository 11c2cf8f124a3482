#pragma once
/*
 * The whole state of one agent, for the modules of the core alone. Each part belongs to the module
 * of its name; a module that needs another's part goes through that module's functions where they
 * exist.
 */
#include "base/prng.h"
#include "core/blocks.h"
#include "core/core.h"
#include "core/dial.h"
#include "core/durable.h"
#include "core/forward.h"
#include "core/keeper.h"
#include "core/ledger.h"
#include "core/links.h"
#include "core/members.h"
#include "core/mutants.h"
#include "core/orders.h"
#include "core/out.h"
#include "core/platform.h"
#include "core/pod_requests.h"
#include "core/pods.h"
#include "core/session.h"

struct core {
	struct out out;
	bool started, stopping;
	struct instant started_at;
	struct settings settings; /* as START told them, never changed after; peers: not kept */
	struct prng prng;
	struct underlay underlay;

	struct members members;
	struct { /* our own member record, as said last: above what others carry of us */
		uint64_t incarnation, version;
	} said;
	uint32_t n_strangers; /* members that the ledger has no row of */
	bool say_again;       /* our record changed: gossip_self_changed() */
	struct links links;
	struct dial dial;
	struct platform platform;
	char missing_peer[NAME_LEN_MAX + 1]; /* a --peer that is not known now; or empty */

	struct ledger view;  /* what we show and act on */
	struct uuid cluster; /* from disk or the view; zero: none yet */
	bool founding;
	bool logs_lost; /* of a cluster that was here: none is founded on such a disk */
	bool mismatch_said;
	struct keeper *keeper;
	bool keeper_doubted; /* others show a newer ledger than our own log: it was rolled back, we
				must not vote */
	struct session session;
	struct orders orders;
	struct durable durable;
	struct blocks blocks;
	struct pods pods;
	struct pod_requests pod_requests;

	struct forwarding forwarding;
	struct kernel_report kernel;
	uint64_t kernel_passes, kernel_repaired;
	uint64_t frames_in, feeds_false, feeds_refused, clones_seen;
	struct {                     /* another agent that runs with our identity (clone.c) */
		uint64_t nonce;      /* the one met last */
		struct instant seen; /* when */
		struct instant
			until; /* the alarm ends then unless it is met again; never: no alarm */
	} clone;
	enum store_file trouble_of;
	char runtime_trouble[TEXT_LEN_MAX + 1]; /* no ADD can come; or empty */
	char runtime_warning[TEXT_LEN_MAX + 1]; /* the runtime may not ask us; or empty */
	char trouble[TEXT_LEN_MAX + 1];         /* of the stores: said in status until it is over */
};

/* clone.c */
void clone_met(struct core *core, uint64_t nonce);
bool clone_alarm(const struct core *core); /* no new block, and said; what we have serves on */

/* core.c */
void core_view_changed(struct core *core);
void core_trouble_over(struct core *core, enum store_file file);
bool core_in_cluster(const struct core *core);
struct endpoint core_listen(const struct core *core);
