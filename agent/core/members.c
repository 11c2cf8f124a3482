#include "core/members.h"

#include <assert.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "base/vec.h"
#include "base/xalloc.h"

/* Not a secret: a digest that anybody may compute, so that two agents can compare. */
static const uint8_t digest_key[16] = "weft members v1";

void members_init(struct members *members)
{
	*members = (struct members){ 0 };
}

void members_done(struct members *members)
{
	for (size_t i = 0; i < members->n; i++) {
		free(members->slots[i]->raw);
		free(members->slots[i]);
	}
	free(members->slots);
	free(members->ring);
	*members = (struct members){ 0 };
}

static uint64_t leaf(const struct member *member)
{
	struct siphash hash;

	siphash_init(&hash, digest_key);
	siphash_update(&hash, member->uid.b, sizeof(member->uid.b));
	siphash_u64(&hash, member->incarnation);
	siphash_u64(&hash, member->version);
	return siphash_final(&hash);
}

/* The first position in ring order whose uid is not below this one. */
static size_t ring_position(const struct members *members, const struct uid *uid)
{
	size_t low = 0, high = members->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (uid_cmp(&members->slots[members->ring[middle]]->uid, uid) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t members_find(const struct members *members, const struct uid *uid)
{
	size_t at = ring_position(members, uid);

	if (at < members->n && uid_eq(&members->slots[members->ring[at]]->uid, uid))
		return members->ring[at];
	return MEMBER_NONE;
}

const struct member *members_by_uid(const struct members *members, const struct uid *uid)
{
	uint32_t slot = members_find(members, uid);

	return slot == MEMBER_NONE ? NULL : members->slots[slot];
}

size_t members_ring_after(const struct members *members, const struct uid *uid)
{
	size_t at = ring_position(members, uid);

	if (members->n == 0)
		return MEMBER_NONE;
	if (at < members->n && uid_eq(&members->slots[members->ring[at]]->uid, uid))
		at++;
	return at % members->n;
}

static uint32_t add(struct members *members, const struct uid *uid)
{
	size_t at = ring_position(members, uid);
	struct member *member = xcalloc(1, sizeof(*member));
	uint32_t slot = (uint32_t)members->n;

	member->uid = *uid;
	members->slots =
		vec_reserve(members->slots, &members->cap, members->n + 1, sizeof(struct member *));
	members->slots[slot] = member;
	members->ring = vec_open_gap(members->ring, &members->ring_cap, members->n, at,
				     sizeof(*members->ring));
	members->ring[at] = slot;
	members->n++;
	members->digest += leaf(member);
	return slot;
}

static void replace(struct members *members, struct member *member, uint64_t incarnation,
		    uint64_t version, const struct member_body *body, struct instant now)
{
	members->digest -= leaf(member);
	member->incarnation = incarnation;
	member->version = version;
	member->body = *body;
	member->heard = now;
	members->digest += leaf(member);
}

/* Numbers go round: what is less than half of the circle ahead is newer. So there is no highest
 * number, and whoever says something absurd of another, (2^64-1, 2^64-1) or anything else, can
 * always be outdone by the node itself, which says the next one. Any bound on what is believed
 * would have a highest number that is believed, and who said it would have the last word. Honest
 * numbers are small, and their order is the plain one. */
int members_order(uint64_t a, uint64_t b)
{
	uint64_t ahead = a - b;

	if (ahead == 0)
		return 0;
	if (ahead == UINT64_C(1) << 63) /* each is as far ahead of the other: one must win */
		return a > b ? 1 : -1;
	return ahead < UINT64_C(1) << 63 ? 1 : -1;
}

enum merge_result members_merge(struct members *members, const struct member_update *update,
				struct instant now, uint32_t *ret_slot)
{
	uint32_t slot = members_find(members, &update->uid);
	struct member *member;
	bool unheard = slot == MEMBER_NONE;
	int newer;

	*ret_slot = slot;
	if (unheard && members->n >= MEMBERS_MAX)
		return MERGE_FULL;
	if (unheard)
		slot = *ret_slot = add(members, &update->uid);
	member = members->slots[slot];
	/* Strictly newer: an equal statement is our own echo coming back, and keeping it would send
	 * it round for ever. */
	newer = members_order(update->incarnation, member->incarnation);
	if (newer == 0)
		newer = members_order(update->version, member->version);
	if (newer == 0 && !unheard)
		return MERGE_EQUAL;
	if (newer < 0 && !unheard)
		return MERGE_OLDER;
	if (members->have_self && slot == members->self)
		return MERGE_OURS;
	replace(members, member, update->incarnation, update->version, &update->body, now);
	free(member->raw);
	member->raw = update->raw.len ? xmemdup(update->raw.data, update->raw.len) : NULL;
	member->raw_len = update->raw.len;
	return MERGE_NEWER;
}

uint32_t members_say(struct members *members, const struct uid *uid, uint64_t incarnation,
		     uint64_t version, const struct member_body *body, struct instant now)
{
	if (!members->have_self) {
		members->self = members_find(members, uid);
		if (members->self == MEMBER_NONE)
			members->self = add(members, uid);
		members->have_self = true;
	}
	replace(members, members->slots[members->self], incarnation, version, body, now);
	return members->self;
}

void members_update_of(const struct member *member, struct member_update *ret)
{
	*ret = (struct member_update){
		.uid = member->uid,
		.incarnation = member->incarnation,
		.version = member->version,
		.raw = { .data = member->raw, .len = member->raw_len },
		.body = member->body,
	};
}

uint64_t members_digest_recompute(const struct members *members)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < members->n; i++)
		sum += leaf(members->slots[i]);
	return sum;
}
