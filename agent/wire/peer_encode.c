#include "wire/peer_codec.h"

#include <assert.h>
#include <stdlib.h>

#include "wire/fields.h"
#include "wire/ledger_codec.h"

static struct bytes pack(const void *message, struct arena *arena)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *packed = give_room(arena, len, 1);

	protobuf_c_message_pack(message, packed);
	return (struct bytes){ packed, len };
}

/* ---- link */

static struct bytes encode_hello(const struct hello *hello, struct arena *arena)
{
	Weft__Peer__Hello to = WEFT__PEER__HELLO__INIT;
	Weft__Peer__Endpoint listen;

	to.cluster_uuid = give_bytes_or_none(hello->cluster.b, sizeof(hello->cluster.b));
	to.uid = give_bytes(hello->uid.b, sizeof(hello->uid.b));
	to.name = give_string(hello->name);
	to.incarnation = hello->incarnation;
	to.nonce = hello->nonce;
	to.epoch = hello->epoch;
	to.features = hello->features;
	to.listen = give_endpoint(&hello->listen, &listen);
	to.range_v4 = hello->range.ip;
	to.range_len = hello->range.len;
	to.block_len = hello->block_len;
	to.want = (Weft__Peer__Want)hello->want;
	to.agent_version = give_text(hello->agent_version, arena);
	to.ledger_version = hello->ledger_version;
	return pack(&to, arena);
}

static struct bytes encode_bye(const struct bye *bye, struct arena *arena)
{
	Weft__Peer__Bye to = WEFT__PEER__BYE__INIT;
	Weft__Peer__Endpoint rooms[TRY_INSTEAD_MAX], *endpoints[TRY_INSTEAD_MAX];

	assert(bye->n_try_instead <= TRY_INSTEAD_MAX);
	to.reason = (Weft__Peer__ByeReason)bye->reason;
	to.text = give_text(bye->text, arena);
	to.try_instead = endpoints;
	for (size_t i = 0; i < bye->n_try_instead; i++)
		if (bye->try_instead[i].ip_len > 0)
			endpoints[to.n_try_instead++] =
				give_endpoint(&bye->try_instead[i], &rooms[i]);
	return pack(&to, arena);
}

static struct bytes encode_ping(const struct ping *ping, struct arena *arena)
{
	Weft__Peer__Ping to = WEFT__PEER__PING__INIT;

	to.seq = ping->seq;
	to.members = ping->members_digest;
	to.ledger_version = ping->ledger_version;
	to.ledger_digest = ping->ledger_digest;
	return pack(&to, arena);
}

/* ---- members */

struct bytes peer_encode_member_body(const struct member_body *body, struct arena *arena)
{
	Weft__Peer__MemberBody to = WEFT__PEER__MEMBER_BODY__INIT;
	Weft__Peer__Endpoint control;
	uint8_t vtep_ip[4], node_ip[4];

	for (size_t i = 0; i < sizeof(vtep_ip); i++) {
		vtep_ip[i] = (uint8_t)(body->vtep_ip >> (24 - 8 * i));
		node_ip[i] = (uint8_t)(body->node_ip >> (24 - 8 * i));
	}
	to.name = give_string(body->name);
	to.state = (Weft__Peer__MemberState)body->state;
	to.epoch = body->epoch;
	to.nonce = body->nonce;
	to.control = give_endpoint(&body->control, &control);
	to.vtep_ip4 = give_bytes_or_none(vtep_ip, sizeof(vtep_ip));
	to.vtep_mac = give_bytes_or_none(body->vtep_mac.b, sizeof(body->vtep_mac.b));
	to.mtu = body->mtu;
	to.proto_min = body->proto_min;
	to.proto_max = body->proto_max;
	to.features = body->features;
	to.zone = give_text(body->zone, arena);
	to.keeper_ok = body->keeper_ok;
	to.agent_version = give_text(body->agent_version, arena);
	to.static_pk = give_bytes_or_none(body->static_pk, sizeof(body->static_pk));
	to.boot = give_bytes_or_none(body->boot.b, sizeof(body->boot.b));
	to.keeper_id = body->keeper_id;
	to.node_ip4 = give_bytes_or_none(node_ip, sizeof(node_ip));
	return pack(&to, arena);
}

static Weft__Peer__Member *give_member(const struct member_update *update, Weft__Peer__Member *room,
				       struct arena *arena)
{
	struct bytes body = update->raw;

	if (body.len == 0)
		body = peer_encode_member_body(&update->body, arena);
	weft__peer__member__init(room);
	room->uid = give_bytes(update->uid.b, sizeof(update->uid.b));
	room->incarnation = update->incarnation;
	room->version = update->version;
	room->body = give_bytes(body.data, body.len);
	return room;
}

static struct bytes encode_delta(const struct delta *delta, struct arena *arena)
{
	Weft__Peer__Delta to = WEFT__PEER__DELTA__INIT;
	Weft__Peer__Member *rooms = give_room(arena, delta->n_members, sizeof(*rooms));

	assert(delta->n_members <= DELTA_MEMBERS_MAX);
	to.n_members = delta->n_members;
	to.members = give_room(arena, delta->n_members, sizeof(Weft__Peer__Member *));
	for (size_t i = 0; i < delta->n_members; i++)
		to.members[i] = give_member(&delta->members[i], &rooms[i], arena);
	return pack(&to, arena);
}

static struct bytes encode_want_members(struct arena *arena)
{
	Weft__Peer__WantMembers to = WEFT__PEER__WANT_MEMBERS__INIT;

	return pack(&to, arena);
}

/* ---- ledger */

static struct bytes encode_feed(const struct feed *feed, struct arena *arena)
{
	Weft__Peer__Feed to = WEFT__PEER__FEED__INIT;
	const struct rows *rows = &feed->rows;

	to.after = feed->after;
	to.upto = feed->upto;
	to.cursor = feed->cursor;
	to.complete = feed->complete;
	to.digest = feed->digest;
	to.want = feed->want;
	to.proposer = give_bytes_or_none(feed->proposer.b, sizeof(feed->proposer.b));
	if (rows->config || rows->n_peers > 0 || rows->n_blocks > 0)
		to.rows = rows_give(rows, arena);
	return pack(&to, arena);
}

struct given_op {
	Weft__Peer__Attach attach;
	Weft__Peer__Acquire acquire;
	Weft__Peer__Blocks blocks;
};

static Weft__Peer__Attach *give_attach(const struct attach *attach, Weft__Peer__Attach *room)
{
	weft__peer__attach__init(room);
	room->name = give_string(attach->name);
	room->epoch_read = attach->epoch_read;
	room->nonce = attach->nonce;
	room->binding = give_bytes_or_none(attach->binding.part, sizeof(attach->binding.part));
	room->boot = give_bytes_or_none(attach->boot.b, sizeof(attach->boot.b));
	room->node_ref = give_bytes(attach->node_ref, strlen(attach->node_ref));
	return room;
}

static Weft__Peer__Acquire *give_acquire(const struct acquire *acquire, Weft__Peer__Acquire *room)
{
	weft__peer__acquire__init(room);
	room->count = acquire->count;
	return room;
}

static Weft__Peer__Blocks *give_block_list(const struct block_list *list, Weft__Peer__Blocks *room)
{
	assert(list->n <= COMMAND_BLOCKS_MAX);
	weft__peer__blocks__init(room);
	room->n_block = list->n;
	room->block = (uint32_t *)(uintptr_t)list->block;
	return room;
}

static void give_op(const struct command *command, Weft__Peer__Command *to, struct given_op *room)
{
	switch (command->op) {
	case COMMAND_UNKNOWN:
		return;
	case COMMAND_ATTACH:
		to->op_case = WEFT__PEER__COMMAND__OP_ATTACH;
		to->attach = give_attach(&command->attach, &room->attach);
		return;
	case COMMAND_ACQUIRE:
		to->op_case = WEFT__PEER__COMMAND__OP_ACQUIRE;
		to->acquire = give_acquire(&command->acquire, &room->acquire);
		return;
	case COMMAND_RELEASE:
		to->op_case = WEFT__PEER__COMMAND__OP_RELEASE;
		to->release = give_block_list(&command->blocks, &room->blocks);
		return;
	case COMMAND_LEAVE:
		to->op_case = WEFT__PEER__COMMAND__OP_LEAVE;
		to->leave = true;
		return;
	case COMMAND_THAW:
		to->op_case = WEFT__PEER__COMMAND__OP_THAW;
		to->thaw = give_block_list(&command->blocks, &room->blocks);
		return;
	}
}

static struct bytes encode_command(const struct command *command, struct arena *arena)
{
	const struct observed *seen = &command->observed;
	Weft__Peer__Command to = WEFT__PEER__COMMAND__INIT;
	Weft__Peer__Observed observed = WEFT__PEER__OBSERVED__INIT;
	Weft__Peer__Endpoint endpoint;
	struct given_op op;

	to.uid = give_bytes(command->uid.b, sizeof(command->uid.b));
	to.epoch = command->epoch;
	to.seq = command->seq;
	give_op(command, &to, &op);
	observed.not_alive_s = seen->not_alive_s;
	observed.endpoint = give_endpoint(&seen->endpoint, &endpoint);
	observed.members = seen->members;
	observed.cooled = seen->cooled;
	if (seen->not_alive_s || observed.endpoint || seen->members || seen->cooled)
		to.observed = &observed;
	return pack(&to, arena);
}

static struct bytes encode_reply(const struct reply *reply, struct arena *arena)
{
	Weft__Peer__Reply to = WEFT__PEER__REPLY__INIT;

	assert(reply->n_blocks <= GRANT_BLOCKS_MAX);
	to.seq = reply->seq;
	to.outcome = (Weft__Peer__Outcome)reply->outcome;
	to.epoch = reply->epoch;
	to.ledger_version = reply->ledger_version;
	to.n_block = reply->n_blocks;
	to.block = (uint32_t *)(uintptr_t)reply->blocks;
	if (reply->has_redirect)
		to.redirect = give_bytes(reply->redirect.b, sizeof(reply->redirect.b));
	to.text = give_text(reply->text, arena);
	to.retry_ms = reply->retry_ms;
	return pack(&to, arena);
}

struct bytes peer_encode(const struct message *message, struct arena *arena)
{
	switch (message->type) {
	case MESSAGE_HELLO:
		return encode_hello(&message->hello, arena);
	case MESSAGE_BYE:
		return encode_bye(&message->bye, arena);
	case MESSAGE_PING:
		return encode_ping(&message->ping, arena);
	case MESSAGE_DELTA:
		return encode_delta(&message->delta, arena);
	case MESSAGE_WANT_MEMBERS:
		return encode_want_members(arena);
	case MESSAGE_FEED:
		return encode_feed(&message->feed, arena);
	case MESSAGE_COMMAND:
		return encode_command(&message->command, arena);
	case MESSAGE_REPLY:
		return encode_reply(&message->reply, arena);
	}
	abort(); /* not a message */
}
