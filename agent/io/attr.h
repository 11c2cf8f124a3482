#pragma once
/*
 * Reading netlink attributes, with their lengths checked. What the kernel says is trusted to be
 * honest, not to be complete: an attribute may be missing, shorter, or newer than these headers.
 */
#include <endian.h>
#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Attributes by their type in table[0..n), absent ones NULL; the last of a type wins. */
static inline void attr_table_of(const void *data, size_t len, const struct nlattr *table[],
				 size_t n)
{
	const struct nlattr *attr = data;
	int left = (int)len;

	memset(table, 0, n * sizeof(*table));
	while (mnl_attr_ok(attr, left)) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type < n)
			table[type] = attr;
		left -= (int)MNL_ALIGN(attr->nla_len);
		attr = mnl_attr_next(attr);
	}
}

/* Those of a message, behind its family header of `extra` bytes. */
static inline void attr_table(const struct nlmsghdr *message, size_t extra,
			      const struct nlattr *table[], size_t n)
{
	size_t len = mnl_nlmsg_get_payload_len(message);
	size_t skip = (extra + MNL_ALIGNTO - 1) & ~(size_t)(MNL_ALIGNTO - 1);

	attr_table_of((const char *)mnl_nlmsg_get_payload(message) + skip,
		      len > skip ? len - skip : 0, table, n);
}

/* Those inside another; all absent if that is absent. */
static inline void attr_nested(const struct nlattr *nest, const struct nlattr *table[], size_t n)
{
	if (nest)
		attr_table_of(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), table, n);
	else
		memset(table, 0, n * sizeof(*table));
}

/* Walk a list: the first inside `nest` when `previous` is NULL, then each next; NULL at the end. */
static inline const struct nlattr *attr_next(const struct nlattr *nest,
					     const struct nlattr *previous)
{
	const struct nlattr *attr = previous ? mnl_attr_next(previous) : mnl_attr_get_payload(nest);
	const char *end = (const char *)mnl_attr_get_payload(nest) + mnl_attr_get_payload_len(nest);

	return mnl_attr_ok(attr, (int)(end - (const char *)attr)) ? attr : NULL;
}

static inline uint8_t attr_u8(const struct nlattr *attr, uint8_t absent)
{
	return attr && mnl_attr_get_payload_len(attr) >= 1 ? mnl_attr_get_u8(attr) : absent;
}

static inline uint16_t attr_u16(const struct nlattr *attr, uint16_t absent)
{
	return attr && mnl_attr_get_payload_len(attr) >= 2 ? mnl_attr_get_u16(attr) : absent;
}

static inline uint32_t attr_u32(const struct nlattr *attr, uint32_t absent)
{
	return attr && mnl_attr_get_payload_len(attr) >= 4 ? mnl_attr_get_u32(attr) : absent;
}

static inline uint64_t attr_u64(const struct nlattr *attr, uint64_t absent)
{
	return attr && mnl_attr_get_payload_len(attr) >= 8 ? mnl_attr_get_u64(attr) : absent;
}

/* Network order to host order; these are what addresses and ports and all of nftables need. */
static inline uint16_t attr_be16(const struct nlattr *attr, uint16_t absent)
{
	return attr && mnl_attr_get_payload_len(attr) >= 2 ? be16toh(mnl_attr_get_u16(attr))
							   : absent;
}

static inline uint32_t attr_be32(const struct nlattr *attr, uint32_t absent)
{
	return attr && mnl_attr_get_payload_len(attr) >= 4 ? be32toh(mnl_attr_get_u32(attr))
							   : absent;
}

static inline uint64_t attr_be64(const struct nlattr *attr, uint64_t absent)
{
	return attr && mnl_attr_get_payload_len(attr) >= 8 ? be64toh(mnl_attr_get_u64(attr))
							   : absent;
}

/* Exactly size bytes, or zeroes and false. */
static inline bool attr_copy(const struct nlattr *attr, void *out, size_t size)
{
	if (!attr || mnl_attr_get_payload_len(attr) != size) {
		memset(out, 0, size);
		return false;
	}
	memcpy(out, mnl_attr_get_payload(attr), size);
	return true;
}

/* A string, ended and cut to fit; "" if absent. */
static inline void attr_text(const struct nlattr *attr, char *out, size_t size)
{
	size_t len = attr ? mnl_attr_get_payload_len(attr) : 0;

	if (len > size - 1)
		len = size - 1;
	if (len > 0)
		memcpy(out, mnl_attr_get_payload(attr), len);
	memset(out + len, 0, size - len);
}

static inline void attr_put_be16(struct nlmsghdr *message, uint16_t type, uint16_t value)
{
	mnl_attr_put_u16(message, type, htobe16(value));
}

static inline void attr_put_be32(struct nlmsghdr *message, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(message, type, htobe32(value));
}

static inline void attr_put_be64(struct nlmsghdr *message, uint16_t type, uint64_t value)
{
	mnl_attr_put_u64(message, type, htobe64(value));
}
