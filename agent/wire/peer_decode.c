#include "wire/peer_codec.h"

#include <assert.h>
#include <errno.h>

#include "wire/fields.h"
#include "wire/ledger_codec.h"

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), "numbers are the protocol")

SAME(LINK_WANT_LOW, WEFT__PEER__WANT__WANT_LOW);
SAME(LINK_WANT_HIGH, WEFT__PEER__WANT__WANT_HIGH);
SAME(LINK_WANT_COMMAND, WEFT__PEER__WANT__WANT_COMMAND);
SAME(BYE_LEAVING, WEFT__PEER__BYE_REASON__BYE_LEAVING);
SAME(BYE_FULL, WEFT__PEER__BYE_REASON__BYE_FULL);
SAME(BYE_DUPLICATE, WEFT__PEER__BYE_REASON__BYE_DUPLICATE);
SAME(BYE_REBALANCE, WEFT__PEER__BYE_REASON__BYE_REBALANCE);
SAME(BYE_CLUSTER_MISMATCH, WEFT__PEER__BYE_REASON__BYE_CLUSTER_MISMATCH);
SAME(BYE_TOO_OLD, WEFT__PEER__BYE_REASON__BYE_TOO_OLD);
SAME(BYE_SELF, WEFT__PEER__BYE_REASON__BYE_SELF);
SAME(BYE_PROTOCOL, WEFT__PEER__BYE_REASON__BYE_PROTOCOL);
SAME(BYE_SLOW, WEFT__PEER__BYE_REASON__BYE_SLOW);
SAME(BYE_SUPERSEDED, WEFT__PEER__BYE_REASON__BYE_SUPERSEDED);
SAME(MEMBER_STATE_ALIVE, WEFT__PEER__MEMBER_STATE__MS_ALIVE);
SAME(MEMBER_STATE_LEAVING, WEFT__PEER__MEMBER_STATE__MS_LEAVING);
SAME(OUTCOME_OK, WEFT__PEER__OUTCOME__OC_OK);
SAME(OUTCOME_DENIED, WEFT__PEER__OUTCOME__OC_DENIED);
SAME(OUTCOME_NO_SPACE, WEFT__PEER__OUTCOME__OC_NO_SPACE);
SAME(OUTCOME_FENCED, WEFT__PEER__OUTCOME__OC_FENCED);
SAME(OUTCOME_OLD, WEFT__PEER__OUTCOME__OC_OLD);
SAME(OUTCOME_REDIRECT, WEFT__PEER__OUTCOME__OC_REDIRECT);
SAME(OUTCOME_NO_MAJORITY, WEFT__PEER__OUTCOME__OC_NO_MAJORITY);
SAME(OUTCOME_BUSY, WEFT__PEER__OUTCOME__OC_BUSY);

/* Fields that this agent does not use yet are bounded all the same. */
static const struct unpack_count counts[] = {
	{ &weft__peer__hello__descriptor, 14, KEY_IDS_MAX },
	{ &weft__peer__bye__descriptor, 3, TRY_INSTEAD_MAX },
	{ &weft__peer__delta__descriptor, 1, DELTA_MEMBERS_MAX },
	{ &weft__peer__delta__descriptor, 2, DELTA_MEMBERS_MAX },
	{ &weft__peer__want_members__descriptor, 1, DELTA_MEMBERS_MAX },
	{ &weft__peer__rows__descriptor, 2, FEED_PEERS_MAX },
	{ &weft__peer__block_rows__descriptor, 1, FEED_BLOCKS_MAX },
	{ &weft__peer__block_rows__descriptor, 2, FEED_BLOCKS_MAX },
	{ &weft__peer__block_rows__descriptor, 3, FEED_BLOCKS_MAX },
	{ &weft__peer__block_rows__descriptor, 4, FEED_BLOCKS_MAX },
	{ &weft__peer__block_rows__descriptor, 5, FEED_BLOCKS_MAX },
	{ &weft__peer__block_rows__descriptor, 6, FEED_BLOCKS_MAX },
	{ &weft__peer__config__descriptor, 3, KEEPERS_MAX },
	{ &weft__peer__config__descriptor, 4, KEEPERS_MAX },
	{ &weft__peer__config__descriptor, 5, KEEPERS_MAX },
	{ &weft__peer__config__descriptor, 6, KEEPERS_MAX },
	{ &weft__peer__acquire__descriptor, 4, COMMAND_BLOCKS_MAX },
	{ &weft__peer__blocks__descriptor, 1, COMMAND_BLOCKS_MAX },
	{ &weft__peer__reply__descriptor, 5, GRANT_BLOCKS_MAX },
	{ &weft__peer__reply__descriptor, 6, GRANT_BLOCKS_MAX },
};

const struct unpack_limits peer_limits = {
	.nesting = 4,
	.string_len = WIRE_STRING_MAX,
	.unknown = 64,
	.n_counts = sizeof(counts) / sizeof(counts[0]),
	.counts = counts,
};

enum outcome peer_outcome(Weft__Peer__Outcome outcome)
{
	return (unsigned)outcome < OUTCOME_COUNT ? (enum outcome)outcome : OUTCOME_UNKNOWN;
}

/* ---- link */

static bool decode_hello(const void *message, struct arena *arena, struct message *ret,
			 struct err *err)
{
	const Weft__Peer__Hello *from = message;
	struct hello *hello = &ret->hello;

	(void)arena;
	hello->incarnation = from->incarnation;
	hello->nonce = from->nonce;
	hello->epoch = from->epoch;
	hello->features = from->features;
	hello->ledger_version = from->ledger_version;
	hello->want = (unsigned)from->want <= LINK_WANT_COMMAND ? (enum link_want)from->want
								: LINK_WANT_UNKNOWN;
	return take_bytes_or_none(&from->cluster_uuid, "Hello.cluster_uuid", hello->cluster.b,
				  sizeof(hello->cluster.b), err) &&
	       take_uid(&from->uid, "Hello.uid", &hello->uid, err) &&
	       take_name(from->name, "Hello.name", hello->name, err) &&
	       take_endpoint(from->listen, "Hello.listen", &hello->listen, err) &&
	       take_prefix(from->range_v4, from->range_len, "Hello.range", &hello->range, err) &&
	       take_block_len(from->block_len, "Hello.block_len", &hello->block_len, err) &&
	       take_text(from->agent_version, "Hello.agent_version", hello->agent_version,
			 AGENT_VERSION_MAX, err);
}

static bool decode_bye(const void *message, struct arena *arena, struct message *ret,
		       struct err *err)
{
	const Weft__Peer__Bye *from = message;
	struct bye *bye = &ret->bye;

	(void)arena;
	bye->reason = (unsigned)from->reason < BYE_REASON_COUNT ? (enum bye_reason)from->reason
								: BYE_UNKNOWN;
	bye->n_try_instead = from->n_try_instead;
	for (size_t i = 0; i < from->n_try_instead; i++)
		if (!take_endpoint(from->try_instead[i], "Bye.try_instead", &bye->try_instead[i],
				   err))
			return false;
	return take_text(from->text, "Bye.text", bye->text, TEXT_LEN_MAX, err);
}

static bool decode_ping(const void *message, struct arena *arena, struct message *ret,
			struct err *err)
{
	const Weft__Peer__Ping *from = message;

	(void)arena;
	(void)err;
	ret->ping = (struct ping){
		.seq = from->seq,
		.members_digest = from->members,
		.ledger_version = from->ledger_version,
		.ledger_digest = from->ledger_digest,
	};
	return true;
}

/* ---- members */

/* The tunnel sends to such an address: a group's would make it flood, loopback eat its own packets.
 */
static bool take_host_ip(const ProtobufCBinaryData *from, const char *field, uint32_t *ret,
			 struct err *err)
{
	uint8_t b[4];

	if (!take_bytes_or_none(from, field, b, sizeof(b), err))
		return false;
	*ret = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	if (from->len == 0 || (b[0] != 0 && b[0] != 127 && b[0] < 224))
		return true;
	err_set(err, EBADMSG, "%s is no host's address", field);
	return false;
}

static bool take_vtep_mac(const ProtobufCBinaryData *from, struct mac *ret, struct err *err)
{
	if (!take_bytes_or_none(from, "MemberBody.vtep_mac", ret->b, sizeof(ret->b), err))
		return false;
	if (!(ret->b[0] & 1))
		return true;
	err_set(err, EBADMSG, "MemberBody.vtep_mac is a group's address");
	return false;
}

static void take_member_numbers(const Weft__Peer__MemberBody *from, struct member_body *ret)
{
	ret->state = (unsigned)from->state <= MEMBER_STATE_LEAVING ? (enum member_state)from->state
								   : MEMBER_STATE_UNKNOWN;
	ret->epoch = from->epoch;
	ret->nonce = from->nonce;
	ret->mtu = from->mtu;
	ret->proto_min = from->proto_min;
	ret->proto_max = from->proto_max;
	ret->features = from->features;
	ret->keeper_ok = from->keeper_ok;
	ret->keeper_id = from->keeper_id;
}

static bool take_mtu(uint32_t mtu, struct err *err)
{
	if (mtu <= UINT16_MAX)
		return true;
	err_set(err, EBADMSG, "MemberBody.mtu is %u, at most 65535 is allowed", mtu);
	return false;
}

bool peer_decode_member_body(struct bytes raw, struct arena *arena, struct member_body *ret,
			     struct err *err)
{
	const Weft__Peer__MemberBody *from =
		unpack(&weft__peer__member_body__descriptor, &peer_limits, raw, arena, err);

	if (!from)
		return false;
	take_member_numbers(from, ret);
	return take_name(from->name, "MemberBody.name", ret->name, err) &&
	       take_endpoint(from->control, "MemberBody.control", &ret->control, err) &&
	       take_host_ip(&from->vtep_ip4, "MemberBody.vtep_ip4", &ret->vtep_ip, err) &&
	       take_host_ip(&from->node_ip4, "MemberBody.node_ip4", &ret->node_ip, err) &&
	       take_vtep_mac(&from->vtep_mac, &ret->vtep_mac, err) && take_mtu(from->mtu, err) &&
	       take_text(from->zone, "MemberBody.zone", ret->zone, ZONE_LEN_MAX, err) &&
	       take_text(from->agent_version, "MemberBody.agent_version", ret->agent_version,
			 AGENT_VERSION_MAX, err) &&
	       take_bytes_or_none(&from->static_pk, "MemberBody.static_pk", ret->static_pk,
				  sizeof(ret->static_pk), err) &&
	       take_bytes_or_none(&from->boot, "MemberBody.boot", ret->boot.b, sizeof(ret->boot.b),
				  err);
}

static bool take_member(const Weft__Peer__Member *from, struct arena *arena,
			struct member_update *ret, struct err *err)
{
	if (from->body.len > MEMBER_BODY_MAX) {
		err_set(err, EBADMSG, "Member.body has %zu bytes, at most %d are allowed",
			from->body.len, MEMBER_BODY_MAX);
		return false;
	}
	ret->incarnation = from->incarnation;
	ret->version = from->version;
	ret->raw = (struct bytes){ from->body.data, from->body.len };
	return take_uid(&from->uid, "Member.uid", &ret->uid, err) &&
	       peer_decode_member_body(ret->raw, arena, &ret->body, err);
}

static bool decode_delta(const void *message, struct arena *arena, struct message *ret,
			 struct err *err)
{
	const Weft__Peer__Delta *from = message;
	struct member_update *members;

	if (!take_room(arena, from->n_members, sizeof(*members), &members, err))
		return false;
	for (size_t i = 0; i < from->n_members; i++)
		if (!take_member(from->members[i], arena, &members[i], err))
			return false;
	ret->delta = (struct delta){ .n_members = from->n_members, .members = members };
	return true;
}

static bool decode_want_members(const void *message, struct arena *arena, struct message *ret,
				struct err *err)
{
	(void)message;
	(void)arena;
	(void)ret;
	(void)err;
	return true;
}

/* ---- ledger */

static bool decode_feed(const void *message, struct arena *arena, struct message *ret,
			struct err *err)
{
	const Weft__Peer__Feed *from = message;
	struct feed *feed = &ret->feed;

	feed->after = from->after;
	feed->upto = from->upto;
	feed->cursor = from->cursor;
	feed->complete = from->complete;
	feed->digest = from->digest;
	feed->want = from->want;
	return take_bytes_or_none(&from->proposer, "Feed.proposer", feed->proposer.b,
				  sizeof(feed->proposer.b), err) &&
	       rows_take(from->rows, arena, &feed->rows, err);
}

static bool take_attach(const Weft__Peer__Attach *from, struct attach *ret, struct err *err)
{
	ret->epoch_read = from->epoch_read;
	ret->nonce = from->nonce;
	return take_name(from->name, "Attach.name", ret->name, err) &&
	       take_bytes_or_none(&from->binding, "Attach.binding", ret->binding.part,
				  sizeof(ret->binding.part), err) &&
	       take_bytes_or_none(&from->boot, "Attach.boot", ret->boot.b, sizeof(ret->boot.b),
				  err) &&
	       take_reference(&from->node_ref, "Attach.node_ref", ret->node_ref, err);
}

static bool take_block_list(const Weft__Peer__Blocks *from, struct block_list *ret, struct err *err)
{
	ret->n = from->n_block;
	return take_blocks(from->block, from->n_block, "Blocks.block", ret->block, err);
}

/* An operation from the future stays COMMAND_UNKNOWN: the keeper answers that it cannot do it. */
static bool take_op(const Weft__Peer__Command *from, struct command *ret, struct err *err)
{
	switch (from->op_case) {
	case WEFT__PEER__COMMAND__OP_ATTACH:
		ret->op = COMMAND_ATTACH;
		return take_attach(from->attach, &ret->attach, err);
	case WEFT__PEER__COMMAND__OP_ACQUIRE:
		ret->op = COMMAND_ACQUIRE;
		ret->acquire.count = from->acquire->count;
		return true;
	case WEFT__PEER__COMMAND__OP_RELEASE:
		ret->op = COMMAND_RELEASE;
		return take_block_list(from->release, &ret->blocks, err);
	case WEFT__PEER__COMMAND__OP_THAW:
		ret->op = COMMAND_THAW;
		return take_block_list(from->thaw, &ret->blocks, err);
	case WEFT__PEER__COMMAND__OP_LEAVE:
		ret->op = from->leave ? COMMAND_LEAVE : COMMAND_UNKNOWN;
		return true;
	default: /* generated enum: operations that are not ours yet, and none */
		ret->op = COMMAND_UNKNOWN;
		return true;
	}
}

static bool take_observed(const Weft__Peer__Observed *from, struct observed *ret, struct err *err)
{
	if (!from)
		return true;
	ret->not_alive_s = from->not_alive_s;
	ret->members = from->members;
	ret->cooled = from->cooled;
	return take_endpoint(from->endpoint, "Observed.endpoint", &ret->endpoint, err);
}

static bool decode_command(const void *message, struct arena *arena, struct message *ret,
			   struct err *err)
{
	const Weft__Peer__Command *from = message;
	struct command *command = &ret->command;

	(void)arena;
	command->epoch = from->epoch;
	command->seq = from->seq;
	return take_uid(&from->uid, "Command.uid", &command->uid, err) &&
	       take_op(from, command, err) &&
	       take_observed(from->observed, &command->observed, err);
}

static bool decode_reply(const void *message, struct arena *arena, struct message *ret,
			 struct err *err)
{
	const Weft__Peer__Reply *from = message;
	struct reply *reply = &ret->reply;

	(void)arena;
	reply->seq = from->seq;
	reply->outcome = peer_outcome(from->outcome);
	reply->epoch = from->epoch;
	reply->ledger_version = from->ledger_version;
	reply->n_blocks = from->n_block;
	reply->retry_ms = from->retry_ms;
	reply->has_redirect = from->redirect.len > 0;
	return take_blocks(from->block, from->n_block, "Reply.block", reply->blocks, err) &&
	       (!reply->has_redirect ||
		take_uid(&from->redirect, "Reply.redirect", &reply->redirect, err)) &&
	       take_text(from->text, "Reply.text", reply->text, TEXT_LEN_MAX, err);
}

/* ---- all types */

struct peer_type {
	const ProtobufCMessageDescriptor *message; /* NULL: this agent does not know the type */
	bool (*decode)(const void *message, struct arena *arena, struct message *ret,
		       struct err *err);
	bool critical;
};

static const struct peer_type types[] = {
	[MESSAGE_HELLO] = { &weft__peer__hello__descriptor, decode_hello, true },
	[MESSAGE_BYE] = { &weft__peer__bye__descriptor, decode_bye, false },
	[MESSAGE_PING] = { &weft__peer__ping__descriptor, decode_ping, false },
	[MESSAGE_DELTA] = { &weft__peer__delta__descriptor, decode_delta, false },
	[MESSAGE_WANT_MEMBERS] = { &weft__peer__want_members__descriptor, decode_want_members,
				   false },
	[MESSAGE_FEED] = { &weft__peer__feed__descriptor, decode_feed, true },
	[MESSAGE_COMMAND] = { &weft__peer__command__descriptor, decode_command, true },
	[MESSAGE_REPLY] = { &weft__peer__reply__descriptor, decode_reply, true },
};

bool peer_knows(uint8_t type)
{
	return type < sizeof(types) / sizeof(types[0]) && types[type].message;
}

bool peer_is_critical(enum message_type type)
{
	return types[type].critical;
}

bool peer_decode(enum message_type type, struct bytes body, struct arena *arena,
		 struct message *ret, struct err *err)
{
	const void *message;

	assert(peer_knows((uint8_t)type));
	memset(ret, 0, sizeof(*ret));
	ret->type = type;
	message = unpack(types[type].message, &peer_limits, body, arena, err);
	return message && types[type].decode(message, arena, ret, err);
}
