/* Ledgers for tests: people and commands by number, what must hold of every ledger, and random
 * histories. Included by the tests of the ledger and of the keeper. */
#pragma once

#include "base/prng.h"
#include "check.h"
#include "core/ledger.h"

static inline struct uid uid_of(unsigned number)
{
	struct uid uid = { .b = { 0xee } };

	/* Scattered, so that the order of uids is not the order of names. */
	uid.b[1] = (uint8_t)(number * 151);
	uid.b[2] = (uint8_t)(number >> 8);
	uid.b[3] = (uint8_t)number;
	return uid;
}

static inline struct endpoint endpoint_of(unsigned number)
{
	return (struct endpoint){ .ip = { 192, 0, 2, (uint8_t)number }, .ip_len = 4, .port = 6785 };
}

static inline struct boot_id boot_of(unsigned number)
{
	return (struct boot_id){ .b = { 0xb0, (uint8_t)number } };
}

/* A number that is 0 leaves the binding zero in no part. */
static inline struct binding binding_of(unsigned number)
{
	struct binding binding = { 0 };

	for (int i = 0; i < 3; i++) {
		binding.part[i][0] = (uint8_t)(i + 1);
		binding.part[i][1] = (uint8_t)(number >> 8);
		binding.part[i][2] = (uint8_t)number;
	}
	return binding;
}

/* 10.32.0.0/len in /26, kept by number 1 under keeper id 1001. */
static inline struct ledger_config config_of(uint8_t len)
{
	return (struct ledger_config){
		.number = 1,
		.cluster = { .b = { 0xc1 } },
		.n_keepers = 1,
		.n_next = 1,
		.keeper_uid = { uid_of(1) },
		.next_uid = { uid_of(1) },
		.keeper_id = { 1001 },
		.next_id = { 1001 },
		.range = { .ip = 0x0a200000, .len = len },
		.block_len = 26,
	};
}

static inline struct ledger ledger_of(uint8_t len)
{
	struct ledger_config config = config_of(len);
	struct ledger ledger;

	ledger_init(&ledger);
	ledger_found(&ledger, &config);
	return ledger;
}

/* Number `number` runs at endpoint_of(number) on machine binding_of(number). */
static inline struct command attach_of(unsigned number, const char *name, uint32_t epoch_read,
				       uint64_t nonce, unsigned boot)
{
	struct command command = { .uid = uid_of(number), .op = COMMAND_ATTACH };

	memcpy(command.attach.name, name, strlen(name) + 1);
	command.attach.epoch_read = epoch_read;
	command.attach.nonce = nonce;
	command.attach.boot = boot_of(boot);
	command.attach.binding = binding_of(number);
	command.observed.endpoint = endpoint_of(number);
	command.observed.members = 3;
	return command;
}

static inline struct command command_of(unsigned number, uint32_t epoch, uint64_t seq,
					enum command_op op)
{
	return (struct command){
		.uid = uid_of(number),
		.epoch = epoch,
		.seq = seq,
		.op = op,
		.observed = { .endpoint = endpoint_of(number), .members = 3 },
	};
}

static inline struct command acquire_of(unsigned number, uint32_t epoch, uint64_t seq,
					uint32_t count)
{
	struct command command = command_of(number, epoch, seq, COMMAND_ACQUIRE);

	command.acquire.count = count;
	return command;
}

static inline struct command release_of(unsigned number, uint32_t epoch, uint64_t seq,
					uint32_t block)
{
	struct command command = command_of(number, epoch, seq, COMMAND_RELEASE);

	command.blocks.n = 1;
	command.blocks.block[0] = block;
	return command;
}

static inline struct command thaw_of(unsigned number, uint32_t block)
{
	struct command command = command_of(number, 0, 0, COMMAND_THAW);

	command.blocks.n = 1;
	command.blocks.block[0] = block;
	command.observed.cooled = true;
	return command;
}

static inline const struct peer_row *row_by_number(const struct ledger *ledger, unsigned number)
{
	struct uid uid = uid_of(number);

	return ledger_peer_by_uid(ledger, &uid);
}

static inline struct reply apply(struct ledger *ledger, struct command command, bool changes)
{
	uint64_t version = ledger->version, digest = ledger->digest;
	struct reply reply;
	bool changed = ledger_apply(ledger, &command, &reply);

	CHECK_INT(changed, changes);
	CHECK_UINT(ledger->version, version + (changed ? 1 : 0));
	CHECK((ledger->digest != digest) == changed);
	CHECK_UINT(reply.ledger_version, ledger->version);
	CHECK_UINT(reply.seq, command.op == COMMAND_ATTACH ? command.attach.nonce : command.seq);
	CHECK(reply.outcome != OUTCOME_UNKNOWN);
	CHECK(reply.outcome == OUTCOME_OK || reply.text[0] != '\0');
	return reply;
}

static inline struct reply must(struct ledger *ledger, struct command command)
{
	struct reply reply = apply(ledger, command, true);

	CHECK_INT(reply.outcome, OUTCOME_OK);
	return reply;
}

/* ---- equality, field by field: the digest is one of the things under test */

static inline bool same_peer(const struct peer_row *a, const struct peer_row *b)
{
	return uid_eq(&a->uid, &b->uid) && strcmp(a->name, b->name) == 0 && a->epoch == b->epoch &&
	       a->status == b->status && boot_eq(&a->boot, &b->boot) &&
	       memcmp(&a->binding, &b->binding, sizeof(a->binding)) == 0 &&
	       strcmp(a->node_ref, b->node_ref) == 0 && a->last_seq == b->last_seq &&
	       a->last_reply.outcome == b->last_reply.outcome &&
	       a->last_reply.n_blocks == b->last_reply.n_blocks &&
	       memcmp(a->last_reply.blocks, b->last_reply.blocks,
		      a->last_reply.n_blocks * sizeof(uint32_t)) == 0 &&
	       a->nonce == b->nonce && a->changed == b->changed &&
	       endpoint_eq(&a->endpoint, &b->endpoint);
}

static inline bool same_block(const struct block_row *a, const struct block_row *b)
{
	return uid_eq(&a->owner, &b->owner) && a->state == b->state && a->weak == b->weak &&
	       a->changed == b->changed;
}

static inline bool same_config(const struct ledger_config *a, const struct ledger_config *b)
{
	return a->number == b->number && uuid_eq(&a->cluster, &b->cluster) &&
	       a->n_keepers == b->n_keepers && a->n_next == b->n_next &&
	       uid_eq(&a->keeper_uid[0], &b->keeper_uid[0]) && a->keeper_id[0] == b->keeper_id[0] &&
	       a->feature_level == b->feature_level && a->range.ip == b->range.ip &&
	       a->range.len == b->range.len && a->block_len == b->block_len &&
	       a->changed == b->changed && ballot_cmp(&a->set_by, &b->set_by) == 0;
}

static inline bool same_ledger(const struct ledger *a, const struct ledger *b)
{
	if (a->version != b->version || a->digest != b->digest || a->n_peers != b->n_peers ||
	    a->n_blocks != b->n_blocks || !same_config(&a->config, &b->config))
		return false;
	for (size_t i = 0; i < a->n_peers; i++)
		if (!same_peer(&a->peers[i], &b->peers[i]))
			return false;
	for (uint32_t i = 0; i < a->n_blocks; i++)
		if (!same_block(&a->blocks[i], &b->blocks[i]))
			return false;
	return true;
}

/* ---- what holds of every ledger: V8, V9 and what the code promises about its own copies */

static inline void check_peers(const struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->n_peers; i++) {
		const struct peer_row *row = &ledger->peers[i];

		CHECK(i == 0 || strcmp(ledger->peers[i - 1].name, row->name) < 0);
		CHECK(ledger_peer(ledger, row->name) == row);
		CHECK(ledger_peer_by_uid(ledger, &row->uid) == row);
		CHECK(row->epoch > 0 && row->changed > 0 && row->changed <= ledger->version);
		CHECK(row->status != PEER_STATUS_UNKNOWN && row->last_reply.n_blocks <= 16);
	}
}

static inline void check_blocks(const struct ledger *ledger)
{
	for (uint32_t i = 0; i < ledger->n_blocks; i++) {
		const struct block_row *row = &ledger->blocks[i];
		const struct peer_row *owner = ledger_peer_by_uid(ledger, &row->owner);

		CHECK(row->changed <= ledger->version);
		if (row->state == BLOCK_OWNED)
			CHECK(owner && owner->status == PEER_ATTACHED);
		else
			CHECK(row->state != BLOCK_HELD && uid_is_zero(&row->owner));
		CHECK(row->changed > 0 || row->state == BLOCK_FREE);
	}
}

static inline void check_ledger(const struct ledger *ledger)
{
	CHECK_UINT(ledger_digest_recompute(ledger), ledger->digest);
	CHECK_UINT(ledger->n_blocks, ledger_block_count(&ledger->config));
	check_peers(ledger);
	check_blocks(ledger);
}

static inline uint32_t owned_by(const struct ledger *ledger, unsigned number)
{
	struct uid uid = uid_of(number);
	uint32_t n = 0;

	for (uint32_t i = 0; i < ledger->n_blocks; i++)
		n += ledger->blocks[i].state == BLOCK_OWNED &&
		     uid_eq(&ledger->blocks[i].owner, &uid);
	return n;
}

/* ---- random histories: peers that mostly do what they should, and sometimes do not */

enum { HISTORY_PEERS = 12 };

struct history {
	struct prng prng;
	struct ledger ledger;
	uint64_t nonce;
	uint64_t seq[HISTORY_PEERS + 1]; /* the last that this uid sent */
	unsigned boot[HISTORY_PEERS + 1];
};

static inline void history_init(struct history *history, uint64_t seed, uint8_t range_len)
{
	*history = (struct history){ .ledger = ledger_of(range_len) };
	prng_seed(&history->prng, seed);
}

static inline unsigned history_below(struct history *history, unsigned n)
{
	return (unsigned)prng_below(&history->prng, n);
}

/* Three uids in turn ask for two names, so that names are fought over, left and taken. */
static inline struct command history_attach(struct history *history, unsigned number)
{
	const struct peer_row *row;
	struct command command;
	char name[16];

	snprintf(name, sizeof(name), "node-%02u", number - number % 3 + history_below(history, 2));
	row = ledger_peer(&history->ledger, name);
	if (history_below(history, 4) == 0)
		history->boot[number]++;
	command = attach_of(number, name, row ? row->epoch : 0, ++history->nonce,
			    history->boot[number]);
	if (history_below(history, 5) == 0)
		command.observed.endpoint = endpoint_of(100 + history_below(history, 3));
	if (history_below(history, 8) == 0)
		command.attach.epoch_read += history_below(history, 3);
	command.observed.not_alive_s = history_below(history, 30);
	history->seq[number] = 0;
	return command;
}

static inline uint32_t history_own(struct history *history, unsigned number)
{
	struct uid uid = uid_of(number);
	uint32_t start = history_below(history, history->ledger.n_blocks);

	for (uint32_t i = 0; i < history->ledger.n_blocks; i++) {
		uint32_t block = (start + i) % history->ledger.n_blocks;

		if (uid_eq(&history->ledger.blocks[block].owner, &uid))
			return block;
	}
	return start;
}

/* The next command of somebody; apply it to history->ledger to go on. */
static inline struct command history_next(struct history *history)
{
	unsigned number = 1 + history_below(history, HISTORY_PEERS);
	struct uid uid = uid_of(number);
	const struct peer_row *row = ledger_peer_by_uid(&history->ledger, &uid);
	unsigned dice = history_below(history, 20);

	if (!row || row->status != PEER_ATTACHED || dice == 0)
		return history_attach(history, number);
	if (row->last_seq > history->seq[number])
		history->seq[number] = row->last_seq;
	if (dice <= 8)
		return acquire_of(number, row->epoch, ++history->seq[number],
				  history_below(history, 5));
	if (dice <= 13)
		return release_of(number, row->epoch, ++history->seq[number],
				  history_own(history, number));
	if (dice <= 18)
		return thaw_of(1, history_below(history, history->ledger.n_blocks));
	return command_of(number, row->epoch, ++history->seq[number], COMMAND_LEAVE);
}

/* One command, whatever comes of it. */
static inline bool history_step(struct history *history)
{
	struct command command = history_next(history);
	struct reply reply;

	return ledger_apply(&history->ledger, &command, &reply);
}

static inline void history_run(struct history *history, unsigned n_versions)
{
	while (n_versions > 0)
		n_versions -= history_step(history);
}
