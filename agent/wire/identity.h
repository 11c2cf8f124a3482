#pragma once
/*
 * Who this agent is, from facts: the identity file's bytes <-> struct, and the hashes by
 * which other agents and later lives know it (libsodium's BLAKE2b). Pure: random bytes and file
 * contents come from the caller.
 */
#include "base/err.h"
#include "core/types.h"

struct identity {
	uint8_t secret_key[32], public_key[32];
	struct binding binding;
	uint64_t incarnation;
};

/* A new identity from 32 random bytes; incarnation 0, to be raised and synced before the first
 * packet. */
void identity_make(struct identity *ret, const uint8_t random[32], const struct binding *binding);
struct uid identity_uid(const struct identity *identity);
/* Locally administered unicast MAC derived from the uid; `attempt` > 0 takes another when two are
 * equal. */
struct mac identity_vtep_mac(const struct uid *uid, uint8_t attempt);
/* From what the machine says of itself, without line ends. What it does not say (empty) stays zero
 * and is never counted as different. */
struct binding identity_binding(struct bytes machine_id, struct bytes product_uuid,
				struct bytes primary_mac);
/* True when two of the three parts differ: a cloned disk. One that differs is a repair: a new card,
 * a new board, a machine id made anew. */
bool identity_is_clone(const struct binding *was, const struct binding *is);
/* The same kernel life: hash of (kernel boot id, cookie of the network namespace, 16 bytes kept in
 * /run). */
struct boot_id identity_boot(struct bytes kernel_boot_id, uint64_t netns_cookie,
			     const uint8_t run_random[16]);

/* The file: magic and format 8 | secret key 32 | public key 32 | binding 24 | incarnation 8 |
 * CRC-32C 4. Written whole, by rename, so it is whole or an old one. */
enum { IDENTITY_FILE_MAX = 256 };
size_t identity_encode(const struct identity *identity, uint8_t buf[static IDENTITY_FILE_MAX]);
/* -EBADMSG when this is no identity file, is damaged or of another format. */
int identity_decode(struct bytes file, struct identity *ret, struct err *err);
