#pragma once
/*
 * The table as the kernel has it, in a form that can be compared with what nft_rules.h wants. Only
 * nft.c and kernel_reset.c use this.
 */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nf_tables.h>

#include "io/netlink.h"
#include "io/nft_rules.h"

/* Chains, rules, sets and counters, one line each, in the kernel's order, which is the order in
 * which they were made. */
struct nft_lines {
	size_t n, cap;
	char (*text)[NFT_COMMENT_MAX + 64];
};

/* Elements of a set: keys, padded with zeroes, in order of memcmp. */
struct nft_keys {
	size_t n, cap;
	uint8_t (*key)[NFT_KEY_MAX];
};

struct nft_have {
	uint32_t generation; /* changes with every transaction of anybody */
	bool exists;
	struct nft_lines lines;
	struct nft_keys sets[NFT_SETS];
	uint64_t packets[NFT_COUNTERS], bytes[NFT_COUNTERS];
};

void nft_have_done(struct nft_have *have);

int nft_read_generation(struct netlink *nl, uint32_t *ret, struct err *err);
/* All of it, as of one generation. */
int nft_read(struct netlink *nl, struct nft_have *have, struct err *err);
/* The counters alone. */
int nft_read_counters(struct netlink *nl, struct nft_have *have, struct err *err);

/* What the lines should be. */
void nft_lines_want(struct nft_lines *lines, const struct nft_settings *settings);

bool nft_lines_equal(const struct nft_lines *a, const struct nft_lines *b);
bool nft_lines_has(const struct nft_lines *lines, const char *text);

void nft_keys_add(struct nft_keys *keys, const void *key, size_t len);
void nft_keys_sort(struct nft_keys *keys); /* each key stays once */
bool nft_keys_equal(const struct nft_keys *a, const struct nft_keys *b);
bool nft_keys_has(const struct nft_keys *keys, const uint8_t key[NFT_KEY_MAX]);

/* nfnetlink's family header, for any request about the table. */
void nft_put_header(struct nlmsghdr *message, uint8_t family, uint16_t resource);
#define NFT_TYPE(what) ((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (what)))
