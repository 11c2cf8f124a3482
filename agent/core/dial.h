#pragma once
/*
 * Whom to dial, and when: the next alive peer in ring order and two at random, the acting keeper
 * while a command waits, every --peer address that no known member answers at; while links are
 * wanted also, once, whom a full peer names, and who has next to no link, some of the platform's
 * nodes. Back-off is per address.
 */
#include "core/links.h"
#include "core/members.h"

enum {
	DIAL_IN_FLIGHT_MAX = 4,
	DIAL_BACKOFF_FIRST_MS = 1000,
	/* As long as nobody dials on another's behalf, every agent tries again this often, so that
	 * halves of a small cluster find each other within seconds of healing. */
	DIAL_BACKOFF_MAX_MS = 10000,
	DIAL_MISMATCH_MS = 300000,
	DIAL_FORGET_MS = 300000, /* an address that nobody configured, after it became due */
	DIAL_LEARNT_MAX = 512,   /* such addresses; the one longest due makes room */
};

struct dial_target {
	struct endpoint endpoint;
	bool configured; /* from --peer */
	bool offered;    /* by a peer that was full; to be dialled once */
	bool is_self;    /* our own address: never again */
	bool answered;   /* it greeted over a dial of ours */
	bool says_none;  /* ... and said: "no cluster here" */
	bool ended;      /* a dial of ours was answered or failed since this agent started */
	bool known;      /* somebody says that this is its address: uid */
	struct uid uid;
	struct instant next_at;
	int64_t backoff_ms;
};

struct dial {
	size_t n, cap, cap_by_endpoint;
	struct dial_target *targets; /* owned; in order of coming */
	uint32_t *by_endpoint;       /* owned; their positions, in order of endpoint */
};

struct core;

void dial_init(struct dial *dial);
void dial_done(struct dial *dial);
struct dial_target *dial_target(struct dial *dial,
				const struct endpoint *endpoint); /* found or added */
void dial_configured(struct dial *dial, const struct endpoint *endpoint);
/* Bookkeeping: the dial to this address failed, succeeded, or met somebody of another cluster. */
void dial_failed(struct core *core, const struct endpoint *endpoint);
/* Somebody answers at the address dialled, and says that it listens at another. Anybody can say
 * that of any address, so only who answers there is taken to say that there is no cluster. */
void dial_greeted(struct core *core, const struct link *link, const struct hello *hello,
		  bool says_none);
void dial_mismatched(struct core *core, const struct endpoint *endpoint);
/* The link that was dialled to this address is over. */
void dial_ended(struct core *core, const struct endpoint *endpoint);
/* Enough of the platform's nodes were asked, and the dials that began are over. */
bool dial_platform_asked(const struct core *core);
void dial_is_self(struct core *core, const struct endpoint *endpoint);
/* A peer without room for us names another that may have some. */
void dial_offered(struct core *core, const struct endpoint *endpoint);
/* The world changed: every back-off begins anew. */
void dial_at_once(struct core *core);
/* Start what is due. */
void dial_run(struct core *core);
struct instant dial_deadline(const struct core *core);
