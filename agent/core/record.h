#pragma once
/*
 * What is kept across a restart, as records of three append-only logs. wire/records.c turns them
 * into bytes with a length, a type and a CRC, and back; io/store.c appends, syncs and replaces
 * whole files. At start every record read back becomes one EVENT_SAVED, oldest first, before
 * EVENT_START.
 */
#include "core/message.h"

enum store_file {
	STORE_NODE,   /* disk, synced before the command or its use: own blocks, epoch, seq, "not
			 mine" */
	STORE_KEEPER, /* disk, synced before the answer: promises and the ledger */
	STORE_PODS,   /* /run, never synced: pod records and the continuity token */
	STORE_FILE_COUNT,
};

enum record_type {
	RECORD_NODE = 1,   /* whole state: the last one counts */
	RECORD_KEEPER = 2, /* a promise, or an accepted value as rows on its base */
	RECORD_ALLOC = 3,
	RECORD_FREE = 4,
	RECORD_TOKEN = 5, /* the last one counts; epoch 0: none */
};

struct record_node {
	struct uuid cluster;
	struct prefix range;
	uint8_t block_len;
	uint32_t epoch; /* of my session; 0: none */
	uint64_t seq;   /* the last I sent, durable before it is sent */
	size_t n_blocks;
	uint32_t blocks[OWN_BLOCKS_MAX]; /* in the order they were granted: the first holds the node
					    address */
};

struct record_keeper {
	uint64_t keeper_id;
	struct ballot promised;
	struct ballot accepted; /* zero: this record is a promise only */
	bool whole;             /* rows are the whole value, not a change to the one before */
	bool last;              /* a value may span records; nothing counts before its last */
	uint64_t base_version, version;
	struct rows rows;
};

struct record_pod {
	char container_id[CONTAINER_ID_MAX + 1];
	char ifname[IFNAME_LEN_MAX + 1];
	uint32_t ip;
	uint64_t number; /* of the request that made it */
	char pod[POD_NAME_MAX + 1];
	char netns[NETNS_PATH_MAX + 1];
	uint32_t mtu;
	uint64_t made_at_s; /* wall clock, for people only */
};

struct record_token {
	struct boot_id boot;
	struct uid uid;
	uint32_t epoch;
	uint64_t seq;
};

struct record {
	enum record_type type;
	union {
		struct record_node node;
		struct record_keeper keeper;
		struct record_pod pod; /* ALLOC; FREE uses container_id, ifname and ip */
		struct record_token token;
	};
};
