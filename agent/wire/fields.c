#include "wire/fields.h"

#include <assert.h>
#include <errno.h>

#include "base/text.h"

static bool is_zero(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i])
			return false;
	return true;
}

/* ---- from the other side */

bool take_bytes(const ProtobufCBinaryData *from, const char *field, void *ret, size_t len,
		struct err *err)
{
	if (from->len != len) {
		err_set(err, EBADMSG, "%s has %zu bytes, expected %zu", field, from->len, len);
		return false;
	}
	memcpy(ret, from->data, len);
	return true;
}

bool take_bytes_or_none(const ProtobufCBinaryData *from, const char *field, void *ret, size_t len,
			struct err *err)
{
	if (from->len > 0)
		return take_bytes(from, field, ret, len, err);
	memset(ret, 0, len);
	return true;
}

bool take_uid(const ProtobufCBinaryData *from, const char *field, struct uid *ret, struct err *err)
{
	if (!take_bytes(from, field, ret->b, sizeof(ret->b), err))
		return false;
	if (!uid_is_zero(ret))
		return true;
	err_set(err, EBADMSG, "%s is all zeroes", field);
	return false;
}

bool take_name(const char *from, const char *field, char ret[static NAME_LEN_MAX + 1],
	       struct err *err)
{
	if (!text_is_name(from, NAME_LEN_MAX)) {
		err_set(err, EBADMSG, "%s is not 1 to %d printable characters without a blank",
			field, NAME_LEN_MAX);
		return false;
	}
	memcpy(ret, from, strlen(from) + 1);
	return true;
}

static void copy_printable(char *to, const char *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	to[len] = '\0';
}

bool take_text(const char *from, const char *field, char *ret, size_t max, struct err *err)
{
	size_t len = strlen(from);

	if (len > max) {
		err_set(err, EBADMSG, "%s has %zu characters, at most %zu are allowed", field, len,
			max);
		return false;
	}
	copy_printable(ret, from, len);
	return true;
}

bool take_reference(const ProtobufCBinaryData *from, const char *field,
		    char ret[static NODE_REF_MAX + 1], struct err *err)
{
	if (from->len > NODE_REF_MAX) {
		err_set(err, EBADMSG, "%s has %zu bytes, at most %d are allowed", field, from->len,
			NODE_REF_MAX);
		return false;
	}
	copy_printable(ret, (const char *)from->data, from->len);
	return true;
}

bool take_endpoint(const Weft__Peer__Endpoint *from, const char *field, struct endpoint *ret,
		   struct err *err)
{
	*ret = (struct endpoint){ 0 };
	if (!from)
		return true;
	if (from->ip.len != 4 && from->ip.len != 16) {
		err_set(err, EBADMSG, "%s.ip has %zu bytes, expected 4 or 16", field, from->ip.len);
		return false;
	}
	if (from->port == 0 || from->port > UINT16_MAX) {
		err_set(err, EBADMSG, "%s.port is %u, expected 1 to 65535", field, from->port);
		return false;
	}
	memcpy(ret->ip, from->ip.data, from->ip.len);
	ret->ip_len = (uint8_t)from->ip.len;
	ret->port = (uint16_t)from->port;
	return true;
}

bool take_prefix(uint32_t ip, uint32_t len, const char *field, struct prefix *ret, struct err *err)
{
	if (len > 32 || (ip & ~prefix_mask((uint8_t)len)) != 0) {
		err_set(err, EBADMSG, "%s is no range: its length is %u, its last bits are 0x%x",
			field, len, ip);
		return false;
	}
	*ret = (struct prefix){ .ip = ip, .len = (uint8_t)len };
	return true;
}

bool take_block_len(uint32_t len, const char *field, uint8_t *ret, struct err *err)
{
	if (len > 32) {
		err_set(err, EBADMSG, "%s is %u, at most 32 is allowed", field, len);
		return false;
	}
	*ret = (uint8_t)len;
	return true;
}

bool take_blocks(const uint32_t *from, size_t count, const char *field, uint32_t *ret,
		 struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (from[i] >= BLOCKS_MAX) {
			err_set(err, EBADMSG, "%s is %u, expected below %d", field, from[i],
				BLOCKS_MAX);
			return false;
		}
		ret[i] = from[i];
	}
	return true;
}

bool take_room(struct arena *arena, size_t count, size_t size, void *ret_pointer, struct err *err)
{
	void *room = arena_array(arena, count, size);

	if (!room) {
		err_set(err, EBADMSG, "the frame does not fit into %zu bytes of memory",
			arena->limit);
		return false;
	}
	memcpy(ret_pointer, &room, sizeof(room));
	return true;
}

/* ---- to the other side */

ProtobufCBinaryData give_bytes(const void *data, size_t len)
{
	return (ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t)data, .len = len };
}

ProtobufCBinaryData give_bytes_or_none(const void *data, size_t len)
{
	return give_bytes(data, is_zero(data, len) ? 0 : len);
}

char *give_string(const char *text)
{
	return (char *)(uintptr_t)text;
}

char *give_text(const char *text, struct arena *arena)
{
	size_t len = strnlen(text, WIRE_STRING_MAX);
	char *copy = give_room(arena, len + 1, 1);

	copy_printable(copy, text, len);
	return copy;
}

Weft__Peer__Endpoint *give_endpoint(const struct endpoint *endpoint, Weft__Peer__Endpoint *room)
{
	if (endpoint->ip_len == 0)
		return NULL;
	weft__peer__endpoint__init(room);
	room->ip = give_bytes(endpoint->ip, endpoint->ip_len);
	room->port = endpoint->port;
	return room;
}

void *give_room(struct arena *arena, size_t count, size_t size)
{
	void *room = arena_array(arena, count, size);

	assert(room);
	return room;
}
