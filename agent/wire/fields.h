#pragma once
/*
 * Single fields of peer.proto <-> core's types, shared by the codecs. take_ reads from the other
 * side: false with err naming the field when it is out of bounds. give_ borrows: what it returns
 * lives as long as what it was given.
 */
#include "base/arena.h"
#include "base/err.h"
#include "core/types.h"
#include "proto/peer.pb-c.h"

/* Exactly len bytes. */
bool take_bytes(const ProtobufCBinaryData *from, const char *field, void *ret, size_t len,
		struct err *err);
/* len bytes or none, which is all zeroes. */
bool take_bytes_or_none(const ProtobufCBinaryData *from, const char *field, void *ret, size_t len,
			struct err *err);
/* A uid that names somebody: not all zeroes. */
bool take_uid(const ProtobufCBinaryData *from, const char *field, struct uid *ret, struct err *err);
/* 1..NAME_LEN_MAX printable characters, no blank: it is a key and stands in logs. */
bool take_name(const char *from, const char *field, char ret[static NAME_LEN_MAX + 1],
	       struct err *err);
/* At most max characters for people to read; what is not plain ASCII becomes '?'. */
bool take_text(const char *from, const char *field, char *ret, size_t max, struct err *err);
/* The same, sent as bytes. */
bool take_reference(const ProtobufCBinaryData *from, const char *field,
		    char ret[static NODE_REF_MAX + 1], struct err *err);
bool take_endpoint(const Weft__Peer__Endpoint *from, const char *field, struct endpoint *ret,
		   struct err *err);
bool take_prefix(uint32_t ip, uint32_t len, const char *field, struct prefix *ret, struct err *err);
bool take_block_len(uint32_t len, const char *field, uint8_t *ret, struct err *err);
/* `count` block numbers, each below BLOCKS_MAX; the caller has bounded count. */
bool take_blocks(const uint32_t *from, size_t count, const char *field, uint32_t *ret,
		 struct err *err);
/* An array in the frame's arena; false when the frame would take more than the arena may. */
bool take_room(struct arena *arena, size_t count, size_t size, void *ret_pointer, struct err *err);

ProtobufCBinaryData give_bytes(const void *data, size_t len);
/* Nothing when all is zero: take_bytes_or_none's other side. */
ProtobufCBinaryData give_bytes_or_none(const void *data, size_t len);
/* Generated structs have no const; packing does not write. */
char *give_string(const char *text);
/* A sentence, cut to what a frame may carry, what is not plain ASCII as '?'. */
char *give_text(const char *text, struct arena *arena);
/* NULL when there is none; else `room`, filled. */
Weft__Peer__Endpoint *give_endpoint(const struct endpoint *endpoint, Weft__Peer__Endpoint *room);
/* Arena memory of which the caller knows the size: never NULL. */
void *give_room(struct arena *arena, size_t count, size_t size);

enum { WIRE_STRING_MAX = 253 };
