#pragma once
/*
 * The peers' conversation: the body of a frame (peer.proto) <-> struct message. conn.c puts it into
 * frames. What a peer sends is refused with one clause naming field and limit; nothing beyond these
 * bounds reaches the core.
 */
#include "base/arena.h"
#include "base/err.h"
#include "core/message.h"
#include "proto/peer.pb-c.h"
#include "wire/unpack.h"

extern const struct unpack_limits peer_limits;

/* A type that this agent understands. */
bool peer_knows(uint8_t type);
/* Not understanding this one would make the conversation senseless: sent with the critical flag. */
bool peer_is_critical(enum message_type type);

/* `type` is known. False with err when the body breaks a rule. *ret borrows from the arena. */
bool peer_decode(enum message_type type, struct bytes body, struct arena *arena,
		 struct message *ret, struct err *err);
/* The packed body in the arena. */
struct bytes peer_encode(const struct message *message, struct arena *arena);

bool peer_decode_member_body(struct bytes raw, struct arena *arena, struct member_body *ret,
			     struct err *err);
struct bytes peer_encode_member_body(const struct member_body *body, struct arena *arena);

/* A number of peer.proto; one from the future is OUTCOME_UNKNOWN. */
enum outcome peer_outcome(Weft__Peer__Outcome outcome);
