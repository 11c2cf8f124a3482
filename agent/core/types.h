#pragma once
/*
 * The nouns that every room shares: identities, addresses, limits. Plain values, no behaviour
 * beyond comparing them; the room that decides, the one that translates and the one that does all
 * use these.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/instant.h"

enum {
	NAME_LEN_MAX = 253,     /* node names: a DNS subdomain, as Kubernetes allows */
	CONTAINER_ID_MAX = 200, /* with "/" and the interface it must fit a 255-byte alias */
	IFNAME_LEN_MAX = 15,    /* IFNAMSIZ - 1 */
	POD_NAME_MAX = 320,     /* "namespace/name" as the runtime tells it */
	NETNS_PATH_MAX = 255,   /* echoed in the result, never opened by the agent */
	NODE_REF_MAX = 64,      /* a Kubernetes Node UID is 36 bytes */
	AGENT_VERSION_MAX = 31,
	ZONE_LEN_MAX = 63,
	TEXT_LEN_MAX = 255,      /* a sentence for a person */
	MEMBERS_MAX = 10240,     /* design point 10,000 peers */
	STRANGERS_MAX = 256,     /* members kept that no ledger row vouches for */
	MEMBER_BODY_MAX = 1024,  /* bytes of one gossiped body */
	DELTA_MEMBERS_MAX = 256, /* member records in one frame */
	FEED_PEERS_MAX = 128,    /* ledger rows of peers in one frame */
	FEED_BLOCKS_MAX = 1024,  /* ledger rows of blocks in one frame */
	GRANT_BLOCKS_MAX = 16,   /* blocks that one ACQUIRE may give */
	COMMAND_BLOCKS_MAX = 64, /* blocks that one RELEASE or THAW may name */
	BLOCKS_MAX = 16384,      /* a /12 in /26 */
	BLOCK_LEN = 26, /* every cluster's; carried by messages and logs, refused if other */
	BLOCK_SIZE = 64,
	OWN_BLOCKS_WANTED_MAX = 16, /* a node asks for so many by itself: 1,000 pods */
	OWN_BLOCKS_MAX = 256,       /* the law's bound for one node, and every array's */
	KEEPERS_MAX = 5,
	PODS_MAX = 16384,
	TRY_INSTEAD_MAX = 8,
	KEY_IDS_MAX = 4,
};

struct uid {
	uint8_t b[16]; /* BLAKE2b-128 of the static public key */
};

struct mac {
	uint8_t b[6];
};

/* The life of one kernel's network namespace: pods and /run live exactly as long. */
struct boot_id {
	uint8_t b[16];
};

/* Three 8-byte hashes (machine id, product uuid, primary MAC), compared one by one. */
struct binding {
	uint8_t part[3][8];
};

struct uuid {
	uint8_t b[16]; /* all zero: none */
};

struct endpoint {
	uint8_t ip[16];
	uint8_t ip_len; /* 0: none; 4 or 16 */
	uint16_t port;
};

/* IPv4 in host order, so that ranges are arithmetic; only wire/ and io/ know network order. */
struct prefix {
	uint32_t ip;
	uint8_t len;
};

struct ballot {
	uint64_t n;
	uint64_t keeper; /* keeper id: breaks ties, makes ballots unique per proposer */
};

static inline int uid_cmp(const struct uid *a, const struct uid *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

static inline bool uid_eq(const struct uid *a, const struct uid *b)
{
	return uid_cmp(a, b) == 0;
}

static inline bool uid_is_zero(const struct uid *a)
{
	static const struct uid zero;

	return uid_eq(a, &zero);
}

static inline bool uuid_eq(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static inline bool uuid_is_zero(const struct uuid *a)
{
	static const struct uuid zero;

	return uuid_eq(a, &zero);
}

static inline bool boot_eq(const struct boot_id *a, const struct boot_id *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static inline int endpoint_cmp(const struct endpoint *a, const struct endpoint *b)
{
	if (a->ip_len != b->ip_len)
		return a->ip_len < b->ip_len ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return memcmp(a->ip, b->ip, a->ip_len);
}

static inline bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
	return a->ip_len == b->ip_len && a->port == b->port && memcmp(a->ip, b->ip, a->ip_len) == 0;
}

static inline int ballot_cmp(const struct ballot *a, const struct ballot *b)
{
	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	if (a->keeper != b->keeper)
		return a->keeper < b->keeper ? -1 : 1;
	return 0;
}

static inline uint32_t prefix_mask(uint8_t len)
{
	return len == 0 ? 0 : ~UINT32_C(0) << (32 - len);
}

static inline uint32_t prefix_last(struct prefix p)
{
	return p.ip | ~prefix_mask(p.len);
}

static inline bool prefix_has(struct prefix p, uint32_t ip)
{
	return (ip & prefix_mask(p.len)) == p.ip;
}
