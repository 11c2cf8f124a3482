/* Messages for tests: random ones within peer.proto's bounds, and a comparison field by field (what
 * an encoder forgets would be missing on both sides of a comparison of bytes). The fuzzers use the
 * comparison too. */
#pragma once

#include "base/arena.h"
#include "base/prng.h"
#include "core/message.h"

static inline void random_bytes(struct prng *prng, void *to, size_t len)
{
	uint8_t *at = to;

	while (len-- > 0)
		*at++ = (uint8_t)prng_u64(prng);
}

/* 0, the largest value and everything between, each often. */
static inline uint64_t random_u64(struct prng *prng)
{
	return prng_u64(prng) >> prng_below(prng, 64) & (prng_below(prng, 8) ? UINT64_MAX : 0);
}

static inline uint32_t random_u32(struct prng *prng)
{
	return (uint32_t)random_u64(prng);
}

static inline bool random_bool(struct prng *prng)
{
	return prng_below(prng, 2);
}

static inline void random_string(struct prng *prng, char *to, size_t min, size_t max, char first)
{
	size_t len = min + prng_below(prng, max - min + 1);

	for (size_t i = 0; i < len; i++)
		to[i] = (char)(first + (char)prng_below(prng, (uint64_t)('~' - first + 1)));
	to[len] = '\0';
}

static inline void random_name(struct prng *prng, char *to)
{
	random_string(prng, to, 1, prng_below(prng, 4) ? 30 : NAME_LEN_MAX, '!');
}

static inline void random_uid(struct prng *prng, struct uid *uid)
{
	random_bytes(prng, uid->b, sizeof(uid->b));
	uid->b[0] |= 1;
}

static inline void random_endpoint(struct prng *prng, struct endpoint *endpoint)
{
	static const uint8_t lens[] = { 0, 4, 4, 16 };

	*endpoint = (struct endpoint){ .ip_len = lens[prng_below(prng, sizeof(lens))] };
	random_bytes(prng, endpoint->ip, endpoint->ip_len);
	if (endpoint->ip_len)
		endpoint->port = (uint16_t)(1 + prng_below(prng, 65535));
}

static inline struct prefix random_prefix(struct prng *prng)
{
	uint8_t len = (uint8_t)prng_below(prng, 33);

	return (struct prefix){ .ip = random_u32(prng) & prefix_mask(len), .len = len };
}

static inline void random_hello(struct prng *prng, struct hello *hello)
{
	if (random_bool(prng))
		random_bytes(prng, hello->cluster.b, sizeof(hello->cluster.b));
	random_uid(prng, &hello->uid);
	random_name(prng, hello->name);
	hello->incarnation = random_u64(prng);
	hello->nonce = random_u64(prng);
	hello->epoch = random_u32(prng);
	hello->features = random_u64(prng);
	random_endpoint(prng, &hello->listen);
	hello->range = random_prefix(prng);
	hello->block_len = (uint8_t)prng_below(prng, 33);
	hello->want = (enum link_want)prng_below(prng, 4);
	random_string(prng, hello->agent_version, 0, AGENT_VERSION_MAX, ' ');
	hello->ledger_version = random_u64(prng);
}

static inline void random_bye(struct prng *prng, struct bye *bye)
{
	bye->reason = (enum bye_reason)prng_below(prng, BYE_REASON_COUNT);
	random_string(prng, bye->text, 0, 253, ' ');
	bye->n_try_instead = prng_below(prng, TRY_INSTEAD_MAX + 1);
	for (size_t i = 0; i < bye->n_try_instead; i++)
		do
			random_endpoint(prng, &bye->try_instead[i]);
		while (bye->try_instead[i].ip_len == 0);
}

static inline void random_ping(struct prng *prng, struct ping *ping)
{
	ping->seq = random_u32(prng);
	ping->members_digest = random_u64(prng);
	ping->ledger_version = random_u64(prng);
	ping->ledger_digest = random_u64(prng);
}

static inline void random_member_body(struct prng *prng, struct member_body *body)
{
	random_name(prng, body->name);
	body->state = (enum member_state)prng_below(prng, 3);
	body->epoch = random_u32(prng);
	body->nonce = random_u64(prng);
	random_endpoint(prng, &body->control);
	if (random_bool(prng))
		body->vtep_ip = UINT32_C(0x0a000000) | (random_u32(prng) & 0xffffff);
	if (random_bool(prng))
		body->node_ip = UINT32_C(0x0a200000) | (random_u32(prng) & 0xfffff);
	random_bytes(prng, body->vtep_mac.b, sizeof(body->vtep_mac.b));
	body->vtep_mac.b[0] &= 0xfe;
	body->mtu = random_u32(prng) & 0xffff;
	body->proto_min = random_u32(prng);
	body->proto_max = random_u32(prng);
	body->features = random_u64(prng);
	random_string(prng, body->zone, 0, ZONE_LEN_MAX, ' ');
	body->keeper_ok = random_bool(prng);
	random_string(prng, body->agent_version, 0, AGENT_VERSION_MAX, ' ');
	random_bytes(prng, body->static_pk, sizeof(body->static_pk));
	random_bytes(prng, body->boot.b, sizeof(body->boot.b));
	body->keeper_id = random_u64(prng);
}

static inline void random_delta(struct prng *prng, struct arena *arena, struct delta *delta)
{
	size_t n = prng_below(prng, 8) ? prng_below(prng, 8) : 64 + prng_below(prng, 16);
	struct member_update *members = arena_array(arena, n, sizeof(*members));

	for (size_t i = 0; i < n; i++) {
		random_uid(prng, &members[i].uid);
		members[i].incarnation = random_u64(prng);
		members[i].version = random_u64(prng);
		random_member_body(prng, &members[i].body);
	}
	*delta = (struct delta){ .n_members = n, .members = members };
}

static inline void random_config(struct prng *prng, struct ledger_config *config)
{
	config->number = random_u32(prng);
	random_bytes(prng, config->cluster.b, sizeof(config->cluster.b));
	config->n_keepers = prng_below(prng, KEEPERS_MAX + 1);
	config->n_next = prng_below(prng, KEEPERS_MAX + 1);
	for (size_t i = 0; i < config->n_keepers; i++) {
		random_uid(prng, &config->keeper_uid[i]);
		config->keeper_id[i] = random_u64(prng);
	}
	for (size_t i = 0; i < config->n_next; i++) {
		random_uid(prng, &config->next_uid[i]);
		config->next_id[i] = random_u64(prng);
	}
	config->feature_level = random_u32(prng);
	config->range = random_prefix(prng);
	config->block_len = (uint8_t)prng_below(prng, 33);
	random_bytes(prng, config->ula48, sizeof(config->ula48));
	config->reclaim_mode = random_u32(prng);
	config->changed = random_u64(prng);
	config->set_by = (struct ballot){ random_u64(prng), random_u64(prng) };
}

static inline void random_peer_row(struct prng *prng, struct peer_row *row)
{
	random_uid(prng, &row->uid);
	random_name(prng, row->name);
	row->epoch = random_u32(prng);
	row->status = (enum peer_status)(1 + prng_below(prng, 3));
	random_bytes(prng, row->boot.b, sizeof(row->boot.b));
	random_bytes(prng, row->binding.part, sizeof(row->binding.part));
	random_string(prng, row->node_ref, 0, NODE_REF_MAX, ' ');
	row->last_seq = random_u64(prng);
	row->last_reply.outcome = (enum outcome)prng_below(prng, OUTCOME_COUNT);
	row->last_reply.n_blocks = (uint8_t)prng_below(prng, GRANT_BLOCKS_MAX + 1);
	for (size_t i = 0; i < row->last_reply.n_blocks; i++)
		row->last_reply.blocks[i] = (uint32_t)prng_below(prng, BLOCKS_MAX);
	row->nonce = random_u64(prng);
	row->changed = random_u64(prng);
	random_endpoint(prng, &row->endpoint);
}

static inline void random_block_change(struct prng *prng, struct block_change *change)
{
	change->block = (uint32_t)prng_below(prng, BLOCKS_MAX);
	change->row.state = (enum block_state)prng_below(prng, 4);
	/* Few owners, so that columns share them; the codec does not ask what they own. */
	if (random_bool(prng))
		memset(change->row.owner.b, (int)prng_below(prng, 40) + 1, 16);
	else if (prng_below(prng, 4) == 0)
		random_uid(prng, &change->row.owner);
	change->row.weak = random_bool(prng);
	change->row.changed = random_u64(prng);
}

static inline void random_rows(struct prng *prng, struct arena *arena, struct rows *rows)
{
	bool big = prng_below(prng, 8) == 0;
	size_t n_peers = prng_below(prng, big ? 50 : 6), n_blocks = prng_below(prng, big ? 900 : 6);
	struct peer_row *peers = arena_array(arena, n_peers, sizeof(*peers));
	struct block_change *blocks = arena_array(arena, n_blocks, sizeof(*blocks));
	struct ledger_config *config = arena_alloc(arena, sizeof(*config));

	for (size_t i = 0; i < n_peers; i++)
		random_peer_row(prng, &peers[i]);
	for (size_t i = 0; i < n_blocks; i++)
		random_block_change(prng, &blocks[i]);
	*rows = (struct rows){
		.n_peers = n_peers, .n_blocks = n_blocks, .peers = peers, .blocks = blocks
	};
	if (random_bool(prng)) {
		random_config(prng, config);
		rows->config = config;
	}
}

static inline void random_feed(struct prng *prng, struct arena *arena, struct feed *feed)
{
	feed->after = random_u64(prng);
	feed->upto = random_u64(prng);
	feed->cursor = random_u64(prng);
	random_rows(prng, arena, &feed->rows);
	feed->complete = random_bool(prng);
	feed->digest = random_u64(prng);
	feed->want = random_bool(prng);
	if (random_bool(prng))
		random_uid(prng, &feed->proposer);
}

static inline void random_attach(struct prng *prng, struct attach *attach)
{
	random_name(prng, attach->name);
	attach->epoch_read = random_u32(prng);
	attach->nonce = random_u64(prng);
	random_bytes(prng, attach->binding.part, sizeof(attach->binding.part));
	random_bytes(prng, attach->boot.b, sizeof(attach->boot.b));
	random_string(prng, attach->node_ref, 0, NODE_REF_MAX, ' ');
}

static inline void random_command(struct prng *prng, struct command *command)
{
	random_uid(prng, &command->uid);
	command->epoch = random_u32(prng);
	command->seq = random_u64(prng);
	command->op = (enum command_op)prng_below(prng, COMMAND_THAW + 1);
	if (command->op == COMMAND_ATTACH)
		random_attach(prng, &command->attach);
	if (command->op == COMMAND_ACQUIRE)
		command->acquire.count = random_u32(prng);
	if (command->op == COMMAND_RELEASE || command->op == COMMAND_THAW) {
		command->blocks.n = prng_below(prng, COMMAND_BLOCKS_MAX + 1);
		for (size_t i = 0; i < command->blocks.n; i++)
			command->blocks.block[i] = (uint32_t)prng_below(prng, BLOCKS_MAX);
	}
	command->observed.not_alive_s = random_u32(prng);
	random_endpoint(prng, &command->observed.endpoint);
	command->observed.members = random_u32(prng);
	command->observed.cooled = random_bool(prng);
}

static inline void random_reply(struct prng *prng, struct reply *reply)
{
	reply->seq = random_u64(prng);
	reply->outcome = (enum outcome)prng_below(prng, OUTCOME_COUNT);
	reply->epoch = random_u32(prng);
	reply->ledger_version = random_u64(prng);
	reply->n_blocks = prng_below(prng, GRANT_BLOCKS_MAX + 1);
	for (size_t i = 0; i < reply->n_blocks; i++)
		reply->blocks[i] = (uint32_t)prng_below(prng, BLOCKS_MAX);
	reply->has_redirect = random_bool(prng);
	if (reply->has_redirect)
		random_uid(prng, &reply->redirect);
	random_string(prng, reply->text, 0, 253, ' ');
	reply->retry_ms = random_u32(prng);
}

static const enum message_type all_types[] = {
	MESSAGE_HELLO,        MESSAGE_BYE,  MESSAGE_PING,    MESSAGE_DELTA,
	MESSAGE_WANT_MEMBERS, MESSAGE_FEED, MESSAGE_COMMAND, MESSAGE_REPLY,
};

enum { N_TYPES = sizeof(all_types) / sizeof(all_types[0]) };

static inline void random_message(struct prng *prng, struct arena *arena, enum message_type type,
				  struct message *message)
{
	memset(message, 0, sizeof(*message));
	message->type = type;
	switch (type) {
	case MESSAGE_HELLO:
		random_hello(prng, &message->hello);
		break;
	case MESSAGE_BYE:
		random_bye(prng, &message->bye);
		break;
	case MESSAGE_PING:
		random_ping(prng, &message->ping);
		break;
	case MESSAGE_DELTA:
		random_delta(prng, arena, &message->delta);
		break;
	case MESSAGE_WANT_MEMBERS:
		break;
	case MESSAGE_FEED:
		random_feed(prng, arena, &message->feed);
		break;
	case MESSAGE_COMMAND:
		random_command(prng, &message->command);
		break;
	case MESSAGE_REPLY:
		random_reply(prng, &message->reply);
		break;
	}
}

/* ---- comparison; SAME and the like work on `a` and `b` of the function around them */

#define SAME(field)        (a->field == b->field)
#define SAME_BYTES(field)  (memcmp(&a->field, &b->field, sizeof(a->field)) == 0)
#define SAME_STRING(field) (strcmp(a->field, b->field) == 0)

static inline bool same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
	return endpoint_eq(a, b);
}

static inline bool same_prefix(struct prefix a, struct prefix b)
{
	return a.ip == b.ip && a.len == b.len;
}

static inline bool same_blocks(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b)
{
	return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * sizeof(*a)) == 0);
}

static inline bool same_hello(const struct hello *a, const struct hello *b)
{
	return SAME_BYTES(cluster) && SAME_BYTES(uid) && SAME_STRING(name) && SAME(incarnation) &&
	       SAME(nonce) && SAME(epoch) && SAME(features) &&
	       same_endpoint(&a->listen, &b->listen) && same_prefix(a->range, b->range) &&
	       SAME(block_len) && SAME(want) && SAME_STRING(agent_version) && SAME(ledger_version);
}

static inline bool same_bye(const struct bye *a, const struct bye *b)
{
	if (!SAME(reason) || !SAME_STRING(text) || !SAME(n_try_instead))
		return false;
	for (size_t i = 0; i < a->n_try_instead; i++)
		if (!same_endpoint(&a->try_instead[i], &b->try_instead[i]))
			return false;
	return true;
}

static inline bool same_ping(const struct ping *a, const struct ping *b)
{
	return SAME(seq) && SAME(members_digest) && SAME(ledger_version) && SAME(ledger_digest);
}

static inline bool same_member_body(const struct member_body *a, const struct member_body *b)
{
	return SAME_STRING(name) && SAME(state) && SAME(epoch) && SAME(nonce) &&
	       same_endpoint(&a->control, &b->control) && SAME(vtep_ip) && SAME(node_ip) &&
	       SAME_BYTES(vtep_mac) && SAME(mtu) && SAME(proto_min) && SAME(proto_max) &&
	       SAME(features) && SAME_STRING(zone) && SAME(keeper_ok) &&
	       SAME_STRING(agent_version) && SAME_BYTES(static_pk) && SAME_BYTES(boot) &&
	       SAME(keeper_id);
}

/* What came in has its raw bytes, what was made here need not. */
static inline bool same_update(const struct member_update *a, const struct member_update *b)
{
	return SAME_BYTES(uid) && SAME(incarnation) && SAME(version) &&
	       (a->raw.len == 0 || b->raw.len == 0 || bytes_equal(a->raw, b->raw)) &&
	       same_member_body(&a->body, &b->body);
}

static inline bool same_delta(const struct delta *a, const struct delta *b)
{
	if (!SAME(n_members))
		return false;
	for (size_t i = 0; i < a->n_members; i++)
		if (!same_update(&a->members[i], &b->members[i]))
			return false;
	return true;
}

static inline bool same_ballot(const struct ballot *a, const struct ballot *b)
{
	return ballot_cmp(a, b) == 0;
}

static inline bool same_config(const struct ledger_config *a, const struct ledger_config *b)
{
	return SAME(number) && SAME_BYTES(cluster) && SAME(n_keepers) && SAME(n_next) &&
	       SAME_BYTES(keeper_uid) && SAME_BYTES(next_uid) && SAME_BYTES(keeper_id) &&
	       SAME_BYTES(next_id) && SAME(feature_level) && same_prefix(a->range, b->range) &&
	       SAME(block_len) && SAME_BYTES(ula48) && SAME(reclaim_mode) && SAME(changed) &&
	       same_ballot(&a->set_by, &b->set_by);
}

static inline bool same_peer_row(const struct peer_row *a, const struct peer_row *b)
{
	return SAME_BYTES(uid) && SAME_STRING(name) && SAME(epoch) && SAME(status) &&
	       SAME_BYTES(boot) && SAME_BYTES(binding) && SAME_STRING(node_ref) && SAME(last_seq) &&
	       SAME(last_reply.outcome) &&
	       same_blocks(a->last_reply.blocks, a->last_reply.n_blocks, b->last_reply.blocks,
			   b->last_reply.n_blocks) &&
	       SAME(nonce) && SAME(changed) && same_endpoint(&a->endpoint, &b->endpoint);
}

static inline bool same_block_change(const struct block_change *a, const struct block_change *b)
{
	return SAME(block) && SAME_BYTES(row.owner) && SAME(row.state) && SAME(row.weak) &&
	       SAME(row.changed);
}

static inline bool same_rows(const struct rows *a, const struct rows *b)
{
	if (!SAME(n_peers) || !SAME(n_blocks) || !a->config != !b->config)
		return false;
	if (a->config && !same_config(a->config, b->config))
		return false;
	for (size_t i = 0; i < a->n_peers; i++)
		if (!same_peer_row(&a->peers[i], &b->peers[i]))
			return false;
	for (size_t i = 0; i < a->n_blocks; i++)
		if (!same_block_change(&a->blocks[i], &b->blocks[i]))
			return false;
	return true;
}

static inline bool same_feed(const struct feed *a, const struct feed *b)
{
	return SAME(after) && SAME(upto) && SAME(cursor) && same_rows(&a->rows, &b->rows) &&
	       SAME(complete) && SAME(digest) && SAME(want) && SAME_BYTES(proposer);
}

static inline bool same_attach(const struct attach *a, const struct attach *b)
{
	return SAME_STRING(name) && SAME(epoch_read) && SAME(nonce) && SAME_BYTES(binding) &&
	       SAME_BYTES(boot) && SAME_STRING(node_ref);
}

static inline bool same_op(const struct command *a, const struct command *b)
{
	if (!SAME(op))
		return false;
	switch (a->op) {
	case COMMAND_ATTACH:
		return same_attach(&a->attach, &b->attach);
	case COMMAND_ACQUIRE:
		return SAME(acquire.count);
	case COMMAND_RELEASE:
	case COMMAND_THAW:
		return same_blocks(a->blocks.block, a->blocks.n, b->blocks.block, b->blocks.n);
	case COMMAND_UNKNOWN:
	case COMMAND_LEAVE:
		break;
	}
	return true;
}

static inline bool same_command(const struct command *a, const struct command *b)
{
	return SAME_BYTES(uid) && SAME(epoch) && SAME(seq) && same_op(a, b) &&
	       SAME(observed.not_alive_s) && SAME(observed.members) && SAME(observed.cooled) &&
	       same_endpoint(&a->observed.endpoint, &b->observed.endpoint);
}

static inline bool same_reply(const struct reply *a, const struct reply *b)
{
	return SAME(seq) && SAME(outcome) && SAME(epoch) && SAME(ledger_version) &&
	       same_blocks(a->blocks, a->n_blocks, b->blocks, b->n_blocks) && SAME(has_redirect) &&
	       (!a->has_redirect || SAME_BYTES(redirect)) && SAME_STRING(text) && SAME(retry_ms);
}

static inline bool same_message(const struct message *a, const struct message *b)
{
	if (!SAME(type))
		return false;
	switch (a->type) {
	case MESSAGE_HELLO:
		return same_hello(&a->hello, &b->hello);
	case MESSAGE_BYE:
		return same_bye(&a->bye, &b->bye);
	case MESSAGE_PING:
		return same_ping(&a->ping, &b->ping);
	case MESSAGE_DELTA:
		return same_delta(&a->delta, &b->delta);
	case MESSAGE_WANT_MEMBERS:
		return true;
	case MESSAGE_FEED:
		return same_feed(&a->feed, &b->feed);
	case MESSAGE_COMMAND:
		return same_command(&a->command, &b->command);
	case MESSAGE_REPLY:
		return same_reply(&a->reply, &b->reply);
	}
	return false;
}
