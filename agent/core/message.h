#pragma once
/*
 * What peers say to each other, as the core sees it: decoded, bounded, in host order. wire/ fills
 * these from untrusted bytes (arrays then live in the frame's arena) and turns them back into
 * bytes; nothing here is trusted beyond its bounds. The ledger's rows appear here too, because they
 * travel as they are.
 */
#include "core/types.h"

/* The u8 stream type of the frame. Numbers are the protocol: never reused. */
enum message_type {
	MESSAGE_HELLO = 1,
	MESSAGE_BYE = 2,
	MESSAGE_PING = 3,
	MESSAGE_DELTA = 5,
	MESSAGE_WANT_MEMBERS = 8,
	MESSAGE_FEED = 9,
	MESSAGE_COMMAND = 10,
	MESSAGE_REPLY = 11,
};

/* ---- link */

enum link_want { LINK_WANT_UNKNOWN, LINK_WANT_LOW, LINK_WANT_HIGH, LINK_WANT_COMMAND };

struct hello {
	struct uuid cluster; /* zero: belongs to none yet */
	struct uid uid;
	char name[NAME_LEN_MAX + 1];
	uint64_t incarnation;
	uint64_t nonce;
	uint32_t epoch;
	uint64_t features;
	struct endpoint listen; /* where others can dial the sender */
	struct prefix range;
	uint8_t block_len;
	enum link_want want;
	char agent_version[AGENT_VERSION_MAX + 1];
	uint64_t ledger_version;
};

/* The numbers are the protocol's. TOO_OLD and SLOW are heard only: nothing here says them yet. */
enum bye_reason {
	BYE_UNKNOWN,
	BYE_LEAVING,
	BYE_FULL,
	BYE_DUPLICATE,
	BYE_REBALANCE,
	BYE_CLUSTER_MISMATCH,
	BYE_TOO_OLD,
	BYE_SELF,
	BYE_PROTOCOL,
	BYE_SLOW,
	BYE_SUPERSEDED,
	BYE_REASON_COUNT,
};

struct bye {
	enum bye_reason reason;
	char text[TEXT_LEN_MAX + 1];
	size_t n_try_instead;
	struct endpoint try_instead[TRY_INSTEAD_MAX];
};

struct ping {
	uint32_t seq;
	uint64_t members_digest;
	uint64_t ledger_version;
	uint64_t ledger_digest;
};

/* ---- members */

enum member_state { MEMBER_STATE_UNKNOWN, MEMBER_STATE_ALIVE, MEMBER_STATE_LEAVING };

struct member_body {
	char name[NAME_LEN_MAX + 1];
	enum member_state state;
	uint32_t epoch;
	uint64_t nonce;
	struct endpoint control; /* TCP, where it listens */
	uint32_t vtep_ip;        /* 0: none yet */
	uint32_t node_ip;        /* its node address in the range; 0: none yet */
	struct mac vtep_mac;
	uint32_t mtu;
	uint32_t proto_min, proto_max;
	uint64_t features;
	char zone[ZONE_LEN_MAX + 1];
	bool keeper_ok;
	char agent_version[AGENT_VERSION_MAX + 1];
	uint8_t static_pk[32];
	struct boot_id boot;
	uint64_t keeper_id;
};

/* One origin's statement about itself. (incarnation, version) orders statements of one origin. */
struct member_update {
	struct uid uid;
	uint64_t incarnation;
	uint64_t version;
	struct bytes raw; /* the body as received: relays pass it on unread, so unknown fields
			     survive; empty: encode `body` */
	struct member_body body;
};

struct delta {
	size_t n_members;
	const struct member_update *members;
};

/* ---- the ledger's rows */

/* Whole, also what nothing acts on yet (feature_level, ula48, reclaim_mode): all of it is in the
 * digest, so whoever drops a field cannot hold the ledger. */
struct ledger_config {
	uint32_t number; /* for people */
	struct uuid cluster;
	size_t n_keepers, n_next;
	struct uid keeper_uid[KEEPERS_MAX], next_uid[KEEPERS_MAX];
	uint64_t keeper_id[KEEPERS_MAX], next_id[KEEPERS_MAX];
	uint32_t feature_level;
	struct prefix range;
	uint8_t block_len;
	uint8_t ula48[6];
	uint32_t reclaim_mode;
	uint64_t changed;
	struct ballot set_by; /* names the config: the ballot of the value that first set it */
};

enum peer_status { PEER_STATUS_UNKNOWN, PEER_ATTACHED, PEER_LEFT, PEER_FENCED };

enum outcome {
	OUTCOME_UNKNOWN,
	OUTCOME_OK,
	OUTCOME_DENIED,
	OUTCOME_NO_SPACE,
	OUTCOME_FENCED,
	OUTCOME_OLD,
	OUTCOME_REDIRECT,
	OUTCOME_NO_MAJORITY,
	OUTCOME_BUSY,
	OUTCOME_COUNT,
};

/* The part of a reply that the ledger keeps, to say it again when the command comes again. */
struct stored_reply {
	enum outcome outcome;
	uint8_t n_blocks;
	uint32_t blocks[GRANT_BLOCKS_MAX];
};

struct peer_row {
	struct uid uid;
	char name[NAME_LEN_MAX + 1]; /* the key: one row per name */
	uint32_t epoch;
	enum peer_status status;
	struct boot_id boot;
	struct binding binding;
	char node_ref[NODE_REF_MAX + 1];
	uint64_t last_seq;
	struct stored_reply last_reply;
	uint64_t nonce;
	uint64_t changed;
	struct endpoint endpoint;
};

enum block_state { BLOCK_FREE, BLOCK_OWNED, BLOCK_COOLING, BLOCK_HELD };

struct block_row {
	struct uid owner; /* zero unless OWNED or HELD */
	enum block_state state;
	bool weak;        /* reclaimed on weak evidence: granted last */
	uint64_t changed; /* ledger version that last changed it; 0: never touched */
};

struct block_change {
	uint32_t block; /* index in the range */
	struct block_row row;
};

struct rows {
	const struct ledger_config *config; /* NULL: not among these */
	size_t n_peers, n_blocks;
	const struct peer_row *peers;
	const struct block_change *blocks;
};

/* The change feed: rows with changed > after, in ascending order of `changed`. `want` asks for it.
 */
struct feed {
	uint64_t after;
	uint64_t upto;   /* the version these rows lead to */
	uint64_t cursor; /* every row with changed <= cursor has now been sent in this transfer */
	struct rows rows;
	bool complete;
	uint64_t digest; /* of the ledger at `upto`, when complete */
	bool want;
	struct uid proposer;
};

/* ---- commands to a keeper */

enum command_op {
	COMMAND_UNKNOWN,
	COMMAND_ATTACH,
	COMMAND_ACQUIRE,
	COMMAND_RELEASE,
	COMMAND_LEAVE,
	COMMAND_THAW,
};

struct attach {
	char name[NAME_LEN_MAX + 1];
	uint32_t epoch_read;
	uint64_t nonce;
	struct binding binding;
	struct boot_id boot;
	char node_ref[NODE_REF_MAX + 1];
};

struct acquire {
	uint32_t count;
};

struct block_list {
	size_t n;
	uint32_t block[COMMAND_BLOCKS_MAX];
};

/* Stamped by the proposing keeper; what a sender put here is discarded. apply reads the ledger and
 * this, nothing else. */
struct observed {
	uint32_t not_alive_s;
	struct endpoint endpoint;
	uint32_t members;
	bool cooled;
};

struct command {
	struct uid uid;
	uint32_t epoch;
	uint64_t seq;
	enum command_op op;
	union {
		struct attach attach;
		struct acquire acquire;
		struct block_list blocks; /* RELEASE, THAW */
	};
	struct observed observed;
};

struct reply {
	uint64_t seq; /* of the command; for ATTACH the nonce */
	enum outcome outcome;
	uint32_t epoch;
	uint64_t ledger_version;
	size_t n_blocks;
	uint32_t blocks[GRANT_BLOCKS_MAX];
	bool has_redirect;
	struct uid redirect;
	char text[TEXT_LEN_MAX + 1];
	uint32_t retry_ms;
};

struct message {
	enum message_type type;
	union {
		struct hello hello;
		struct bye bye;
		struct ping ping;
		struct delta delta; /* WANT_MEMBERS has no content: "tell me all" */
		struct feed feed;
		struct command command;
		struct reply reply;
	};
};
