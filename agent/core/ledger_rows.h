#pragma once
/*
 * How the ledger's own files put rows in: no law is asked here, but the order of names, the index
 * of uids and the digest are kept. For ledger*.c and keeper.c alone.
 */
#include "core/ledger.h"

/* The range and the block length of a cluster never change once there is a config. */
void ledger_put_config(struct ledger *ledger, const struct ledger_config *config);
void ledger_put_block(struct ledger *ledger, uint32_t block, const struct block_row *row);
void ledger_put_peer(struct ledger *ledger, const struct peer_row *row);
/* n rows in order of name, each once; they may not live inside the ledger. */
void ledger_put_peers(struct ledger *ledger, const struct peer_row *const *rows, size_t n);

/* A row's part of the digest. */
uint64_t ledger_hash_config(const struct ledger_config *config);
uint64_t ledger_hash_peer(const struct peer_row *row);
uint64_t ledger_hash_block(uint32_t block, const struct block_row *row);

static inline bool ledger_block_is_of(const struct block_row *row, const struct uid *uid)
{
	return row->state == BLOCK_OWNED && uid_eq(&row->owner, uid);
}

/* Rows changed after `after`, whole versions only, about max_bytes of them but at least one
 * version's. Returns the version up to which nothing is missing. Rows live in the arena. */
uint64_t ledger_rows_after(const struct ledger *ledger, uint64_t after, size_t max_bytes,
			   struct arena *arena, struct rows *ret);
/* What they take on the wire or in a log, estimated from above. */
size_t ledger_rows_bytes(const struct rows *rows);
