#pragma once
/*
 * What the table says, apart from the elements of its sets: chains, rules, sets and counters. Only
 * nft.c and nft_read.c use this.
 */
#include <libnftnl/rule.h>

#include "core/action.h"

#define NFT_SET_MEMBERS "members" /* underlay addresses that may send VXLAN */
#define NFT_SET_PODS    "pods"    /* host end . address that may come out of it */
#define NFT_SET_OPENED  "opened"  /* devices whose forwarding we switched on */
#define NFT_SPOOFED     "spoofed" /* the counter that the agent reports */

enum {
	NFT_SETS = 3,
	NFT_COUNTERS = 4,
	NFT_CHAINS = 6,
	NFT_KEY_MAX = 20,
	NFT_COMMENT_MAX = 127, /* as nft itself has it */
};

/* What rules depend on. */
struct nft_settings {
	char tunnel[IFNAME_LEN_MAX + 1];
	uint16_t port;     /* VXLAN's; 0: not known yet */
	uint32_t local_ip; /* the underlay's; 0: not known yet */
	struct prefix range;
	bool masquerade, masquerade_nodes;
};

struct nft_set_kind {
	const char *name;
	/* nft's own numbers, so that `nft list` can print it */
	uint32_t key_type, key_len, key_order;
};

struct nft_chain_kind {
	const char *name;
	const char *type; /* NULL: only jumped to */
	uint32_t hook;
	int32_t priority;
};

extern const struct nft_set_kind nft_sets[NFT_SETS];
extern const struct nft_chain_kind nft_chains[NFT_CHAINS];
extern const char *const nft_counters[NFT_COUNTERS];

/* Each rule in the order of its chain, complete with its comment. The visitor borrows it. */
typedef void (*nft_rule_visit)(void *arg, const char *chain, const char *comment,
			       const struct nftnl_rule *rule);
void nft_rules_each(const struct nft_settings *settings, nft_rule_visit visit, void *arg);
