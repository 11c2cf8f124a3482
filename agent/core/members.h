#pragma once
/*
 * Who there is: one record per agent, said by itself, kept as received so that relays pass on what
 * they do not understand. Ring order is the order of uids. Records are never removed yet.
 * core.c owns one; gossip.c spreads it, links.c picks whom to
 * dial, forward.c turns it into kernel state.
 */
#include "base/instant.h"
#include "core/message.h"

struct member {
	struct uid uid;
	uint64_t incarnation, version;
	struct member_body body;
	uint8_t *raw; /* owned; NULL for our own record */
	size_t raw_len;
	struct instant heard; /* when we learnt the newest statement */
};

struct members {
	size_t n, cap;
	struct member **slots; /* by slot: a number that stays, for the dirty marks */
	uint32_t *ring;        /* slots in order of uid */
	size_t ring_cap;
	uint64_t digest; /* sum of hashes of (uid, incarnation, version), kept up to date */
	uint32_t self;   /* our own slot, once members_say was called */
	bool have_self;
};

#define MEMBER_NONE UINT32_MAX

enum merge_result {
	MERGE_NEWER, /* kept: tell the others */
	MERGE_EQUAL,
	MERGE_OLDER, /* the sender is behind: tell it */
	MERGE_OURS,  /* about ourselves and newer than what we said: an old life of ours, or a clone
		      */
	MERGE_FULL,  /* a new member beyond MEMBERS_MAX */
};

void members_init(struct members *members);
void members_done(struct members *members);

enum merge_result members_merge(struct members *members, const struct member_update *update,
				struct instant now, uint32_t *ret_slot);
/* What we say about ourselves; the version must be higher than before. Returns our slot. */
uint32_t members_say(struct members *members, const struct uid *uid, uint64_t incarnation,
		     uint64_t version, const struct member_body *body, struct instant now);

uint32_t members_find(const struct members *members, const struct uid *uid);
const struct member *members_by_uid(const struct members *members, const struct uid *uid);
/* Position in ring order of the first uid after this one (wraps), MEMBER_NONE when alone. */
size_t members_ring_after(const struct members *members, const struct uid *uid);
void members_update_of(const struct member *member,
		       struct member_update *ret); /* borrows the member's bytes */
/* Which incarnation, or version, is the newer one: above 0 when a is; 0 when they are equal. */
int members_order(uint64_t a, uint64_t b);
uint64_t members_digest_recompute(const struct members *members);
