#include "wire/ledger_codec.h"

#include <assert.h>
#include <errno.h>

#include "wire/peer_codec.h"
#include "wire/unpack.h"

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), "numbers are the protocol")

SAME(PEER_ATTACHED, WEFT__PEER__PEER_STATUS__PS_ATTACHED);
SAME(PEER_LEFT, WEFT__PEER__PEER_STATUS__PS_LEFT);
SAME(PEER_FENCED, WEFT__PEER__PEER_STATUS__PS_FENCED);
SAME(BLOCK_FREE, WEFT__PEER__BLOCK_STATE__BS_FREE);
SAME(BLOCK_OWNED, WEFT__PEER__BLOCK_STATE__BS_OWNED);
SAME(BLOCK_COOLING, WEFT__PEER__BLOCK_STATE__BS_COOLING);
SAME(BLOCK_HELD, WEFT__PEER__BLOCK_STATE__BS_HELD);

static bool refuse(struct err *err, const char *why)
{
	err_set(err, EBADMSG, "%s", why);
	return false;
}

/* ---- config */

static bool take_keepers(size_t n_uids, const ProtobufCBinaryData *uids, size_t n_ids,
			 const uint64_t *ids, struct uid *ret_uids, uint64_t *ret_ids,
			 size_t *ret_n, struct err *err)
{
	if (n_uids != n_ids)
		return refuse(err, "Config has not as many keeper ids as keepers");
	for (size_t i = 0; i < n_uids; i++) {
		if (!take_uid(&uids[i], "Config.keeper_uid", &ret_uids[i], err))
			return false;
		ret_ids[i] = ids[i];
	}
	*ret_n = n_uids;
	return true;
}

static bool take_config(const Weft__Peer__Config *from, struct ledger_config *ret, struct err *err)
{
	ret->number = from->number;
	ret->feature_level = from->feature_level;
	ret->reclaim_mode = from->reclaim_mode;
	ret->changed = from->changed;
	if (from->set_by)
		ret->set_by = (struct ballot){ from->set_by->n, from->set_by->keeper };
	return take_bytes(&from->cluster_uuid, "Config.cluster_uuid", ret->cluster.b,
			  sizeof(ret->cluster.b), err) &&
	       take_keepers(from->n_keeper_uid, from->keeper_uid, from->n_keeper_id,
			    from->keeper_id, ret->keeper_uid, ret->keeper_id, &ret->n_keepers,
			    err) &&
	       take_keepers(from->n_next_uid, from->next_uid, from->n_next_id, from->next_id,
			    ret->next_uid, ret->next_id, &ret->n_next, err) &&
	       take_prefix(from->range_v4, from->range_len, "Config.range", &ret->range, err) &&
	       take_block_len(from->block_len, "Config.block_len", &ret->block_len, err) &&
	       take_bytes_or_none(&from->ula48, "Config.ula48", ret->ula48, sizeof(ret->ula48),
				  err);
}

static ProtobufCBinaryData *give_uids(const struct uid *uids, size_t n, struct arena *arena)
{
	ProtobufCBinaryData *given = give_room(arena, n, sizeof(*given));

	for (size_t i = 0; i < n; i++)
		given[i] = give_bytes(uids[i].b, sizeof(uids[i].b));
	return given;
}

static Weft__Peer__Config *give_config(const struct ledger_config *config, struct arena *arena)
{
	Weft__Peer__Config *to = give_room(arena, 1, sizeof(*to));

	weft__peer__config__init(to);
	to->number = config->number;
	to->cluster_uuid = give_bytes(config->cluster.b, sizeof(config->cluster.b));
	to->n_keeper_uid = to->n_keeper_id = config->n_keepers;
	to->keeper_uid = give_uids(config->keeper_uid, config->n_keepers, arena);
	to->keeper_id = (uint64_t *)(uintptr_t)config->keeper_id;
	to->n_next_uid = to->n_next_id = config->n_next;
	to->next_uid = give_uids(config->next_uid, config->n_next, arena);
	to->next_id = (uint64_t *)(uintptr_t)config->next_id;
	to->feature_level = config->feature_level;
	to->range_v4 = config->range.ip;
	to->range_len = config->range.len;
	to->block_len = config->block_len;
	to->ula48 = give_bytes_or_none(config->ula48, sizeof(config->ula48));
	to->reclaim_mode = config->reclaim_mode;
	to->changed = config->changed;
	to->set_by = give_room(arena, 1, sizeof(*to->set_by));
	weft__peer__ballot__init(to->set_by);
	to->set_by->n = config->set_by.n;
	to->set_by->keeper = config->set_by.keeper;
	return to;
}

/* ---- peers */

/* What a row keeps of the last reply is a Reply with two fields: a newer keeper may keep more. */
static bool take_last_reply(const ProtobufCBinaryData *from, struct arena *arena,
			    struct stored_reply *ret, struct err *err)
{
	const Weft__Peer__Reply *reply = unpack(&weft__peer__reply__descriptor, &peer_limits,
						(struct bytes){ from->data, from->len }, arena,
						err);

	if (!reply)
		return false;
	ret->outcome = peer_outcome(reply->outcome);
	ret->n_blocks = (uint8_t)reply->n_block;
	return take_blocks(reply->block, reply->n_block, "PeerRow.last_reply", ret->blocks, err);
}

static ProtobufCBinaryData give_last_reply(const struct stored_reply *stored, struct arena *arena)
{
	Weft__Peer__Reply reply = WEFT__PEER__REPLY__INIT;
	uint8_t *packed;

	reply.outcome = (Weft__Peer__Outcome)stored->outcome;
	reply.n_block = stored->n_blocks;
	reply.block = (uint32_t *)(uintptr_t)stored->blocks;
	packed = give_room(arena, 1, weft__peer__reply__get_packed_size(&reply));
	return give_bytes(packed, weft__peer__reply__pack(&reply, packed));
}

static bool take_peer(const Weft__Peer__PeerRow *from, struct arena *arena, struct peer_row *ret,
		      struct err *err)
{
	ret->epoch = from->epoch;
	ret->last_seq = from->last_seq;
	ret->nonce = from->nonce;
	ret->changed = from->changed;
	if (from->status <= WEFT__PEER__PEER_STATUS__PS_UNKNOWN ||
	    from->status > WEFT__PEER__PEER_STATUS__PS_FENCED)
		return refuse(err, "PeerRow.status is one that this agent does not know");
	ret->status = (enum peer_status)from->status;
	return take_uid(&from->uid, "PeerRow.uid", &ret->uid, err) &&
	       take_name(from->name, "PeerRow.name", ret->name, err) &&
	       take_bytes_or_none(&from->boot, "PeerRow.boot", ret->boot.b, sizeof(ret->boot.b),
				  err) &&
	       take_bytes_or_none(&from->binding, "PeerRow.binding", ret->binding.part,
				  sizeof(ret->binding.part), err) &&
	       take_reference(&from->node_ref, "PeerRow.node_ref", ret->node_ref, err) &&
	       take_last_reply(&from->last_reply, arena, &ret->last_reply, err) &&
	       take_endpoint(from->endpoint, "PeerRow.endpoint", &ret->endpoint, err);
}

struct given_peer {
	Weft__Peer__PeerRow row;
	Weft__Peer__Endpoint endpoint;
};

static Weft__Peer__PeerRow *give_peer(const struct peer_row *row, struct given_peer *room,
				      struct arena *arena)
{
	Weft__Peer__PeerRow *to = &room->row;

	weft__peer__peer_row__init(to);
	to->uid = give_bytes(row->uid.b, sizeof(row->uid.b));
	to->name = give_string(row->name);
	to->epoch = row->epoch;
	to->status = (Weft__Peer__PeerStatus)row->status;
	to->boot = give_bytes_or_none(row->boot.b, sizeof(row->boot.b));
	to->binding = give_bytes_or_none(row->binding.part, sizeof(row->binding.part));
	to->node_ref = give_bytes(row->node_ref, strlen(row->node_ref));
	to->last_seq = row->last_seq;
	to->last_reply = give_last_reply(&row->last_reply, arena);
	to->nonce = row->nonce;
	to->changed = row->changed;
	to->endpoint = give_endpoint(&row->endpoint, &room->endpoint);
	return to;
}

/* ---- blocks: columns, so that a number costs a byte or two and an owner is named once */

static bool columns_agree(const Weft__Peer__BlockRows *from)
{
	return from->n_owner_ref == from->n_block && from->n_state == from->n_block &&
	       from->n_weak == from->n_block && from->n_changed == from->n_block;
}

static bool take_owners(const Weft__Peer__BlockRows *from, struct arena *arena,
			struct uid **ret_owners, struct err *err)
{
	if (!take_room(arena, from->n_owner, sizeof(**ret_owners), ret_owners, err))
		return false;
	for (size_t i = 0; i < from->n_owner; i++)
		if (!take_uid(&from->owner[i], "BlockRows.owner", &(*ret_owners)[i], err))
			return false;
	return true;
}

static bool take_block(const Weft__Peer__BlockRows *from, size_t i, const struct uid *owners,
		       struct block_change *ret, struct err *err)
{
	uint32_t ref = from->owner_ref[i];

	if (ref > from->n_owner)
		return refuse(err, "BlockRows.owner_ref leads beyond the owners");
	if (from->state[i] > BLOCK_HELD)
		return refuse(err, "BlockRows.state is one that this agent does not know");
	if (ref > 0)
		ret->row.owner = owners[ref - 1];
	ret->row.state = (enum block_state)from->state[i];
	ret->row.weak = from->weak[i];
	ret->row.changed = from->changed[i];
	return take_blocks(&from->block[i], 1, "BlockRows.block", &ret->block, err);
}

static bool take_block_rows(const Weft__Peer__BlockRows *from, struct arena *arena,
			    struct rows *ret, struct err *err)
{
	struct block_change *blocks;
	struct uid *owners;

	if (!columns_agree(from))
		return refuse(err, "BlockRows has columns of different length");
	if (!take_owners(from, arena, &owners, err) ||
	    !take_room(arena, from->n_block, sizeof(*blocks), &blocks, err))
		return false;
	for (size_t i = 0; i < from->n_block; i++)
		if (!take_block(from, i, owners, &blocks[i], err))
			return false;
	ret->n_blocks = from->n_block;
	ret->blocks = blocks;
	return true;
}

struct owners { /* who is named so far, found by hash: uids are hashes themselves */
	uint32_t slots[2 * FEED_BLOCKS_MAX]; /* 0: free, else the reference */
	size_t n;
	ProtobufCBinaryData *list;
};

/* The reference of this owner: its place in the list, counted from 1; 0 for nobody. */
static uint32_t owner_ref(struct owners *owners, const struct uid *uid)
{
	size_t n_slots = sizeof(owners->slots) / sizeof(owners->slots[0]), at;
	uint32_t hash;

	if (uid_is_zero(uid))
		return 0;
	memcpy(&hash, uid->b, sizeof(hash));
	for (at = hash % n_slots; owners->slots[at]; at = (at + 1) % n_slots)
		if (memcmp(owners->list[owners->slots[at] - 1].data, uid->b, sizeof(uid->b)) == 0)
			return owners->slots[at];
	owners->list[owners->n++] = give_bytes(uid->b, sizeof(uid->b));
	return owners->slots[at] = (uint32_t)owners->n;
}

static Weft__Peer__BlockRows *give_block_rows(const struct rows *rows, struct arena *arena)
{
	Weft__Peer__BlockRows *to = give_room(arena, 1, sizeof(*to));
	struct owners *owners = give_room(arena, 1, sizeof(*owners));
	size_t n = rows->n_blocks;

	weft__peer__block_rows__init(to);
	owners->list = give_room(arena, n, sizeof(*owners->list));
	to->n_block = to->n_owner_ref = to->n_state = to->n_weak = to->n_changed = n;
	to->block = give_room(arena, n, sizeof(*to->block));
	to->owner_ref = give_room(arena, n, sizeof(*to->owner_ref));
	to->state = give_room(arena, n, sizeof(*to->state));
	to->weak = give_room(arena, n, sizeof(*to->weak));
	to->changed = give_room(arena, n, sizeof(*to->changed));
	for (size_t i = 0; i < n; i++) {
		const struct block_change *change = &rows->blocks[i];

		to->block[i] = change->block;
		to->owner_ref[i] = owner_ref(owners, &change->row.owner);
		to->state[i] = change->row.state;
		to->weak[i] = change->row.weak;
		to->changed[i] = change->row.changed;
	}
	to->n_owner = owners->n;
	to->owner = owners->list;
	return to;
}

/* ---- together */

static bool take_peers(const Weft__Peer__Rows *from, struct arena *arena, struct rows *ret,
		       struct err *err)
{
	struct peer_row *peers;

	if (!take_room(arena, from->n_peers, sizeof(*peers), &peers, err))
		return false;
	for (size_t i = 0; i < from->n_peers; i++)
		if (!take_peer(from->peers[i], arena, &peers[i], err))
			return false;
	ret->n_peers = from->n_peers;
	ret->peers = peers;
	return true;
}

bool rows_take(const Weft__Peer__Rows *from, struct arena *arena, struct rows *ret, struct err *err)
{
	struct ledger_config *config;

	*ret = (struct rows){ 0 };
	if (!from)
		return true;
	if (from->config) {
		if (!take_room(arena, 1, sizeof(*config), &config, err) ||
		    !take_config(from->config, config, err))
			return false;
		ret->config = config;
	}
	return take_peers(from, arena, ret, err) &&
	       (!from->blocks || take_block_rows(from->blocks, arena, ret, err));
}

Weft__Peer__Rows *rows_give(const struct rows *rows, struct arena *arena)
{
	Weft__Peer__Rows *to = give_room(arena, 1, sizeof(*to));
	struct given_peer *peers;

	assert(rows->n_peers <= FEED_PEERS_MAX && rows->n_blocks <= FEED_BLOCKS_MAX);
	weft__peer__rows__init(to);
	if (rows->config)
		to->config = give_config(rows->config, arena);
	peers = give_room(arena, rows->n_peers, sizeof(*peers));
	to->n_peers = rows->n_peers;
	to->peers = give_room(arena, rows->n_peers, sizeof(Weft__Peer__PeerRow *));
	for (size_t i = 0; i < rows->n_peers; i++)
		to->peers[i] = give_peer(&rows->peers[i], &peers[i], arena);
	if (rows->n_blocks > 0)
		to->blocks = give_block_rows(rows, arena);
	return to;
}
