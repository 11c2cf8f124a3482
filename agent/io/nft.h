#pragma once
/*
 * The one nftables table, `inet weft`, over netlink. Called by kernel.c as part of a pass, and by
 * pods.c to allow a new pod's address.
 *
 * Each rule's comment ends in a hash of its own expressions: a pass reads chains, sets,
 * counters and comments, and so sees a rule that another program changed, added or removed
 * without understanding rules. Sets are compared element by element, and changed by element.
 * Whatever else differs is answered with the whole table anew, its counters carried over. All
 * of a pass is one transaction bound to the state that was read: no packet meets half of it,
 * and nobody's change is lost in between.
 */
#include "core/action.h"
#include "base/err.h"
#include "io/netlink.h"

#define NFT_TABLE "weft"

struct log;
struct nft;

struct nft_report {
	uint32_t wanted;   /* chains, rules, sets, counters and elements */
	uint32_t added;    /* of them, when the table is made for the first time */
	uint32_t sent;     /* messages that changed something */
	uint32_t repaired; /* things that another program had changed; each was logged */
	uint64_t spoofed_packets;
};

struct nft *nft_new(struct log *log);
void nft_free(struct nft *nft);

/* A device whose forwarding we switched on: remembered in the table's set `opened`, where a later
 * reset finds it whatever became of this process. Told before the pass. */
void nft_remember_opened(struct nft *nft, const char *dev);

/* `forward` is borrowed. On failure the table is as it was. */
int nft_pass(struct nft *nft, struct netlink *nl, const struct forward *forward,
	     struct nft_report *ret, struct err *err);

/* One pod's (host end, address) into the set of allowed sources. That there is no table is success:
 * then nothing is refused either, and the next pass puts all back. */
int nft_allow_pod(struct netlink *nl, const char *host_if, uint32_t ip, struct err *err);
