#include "base/text.h"

#include <string.h>

static char *put_number(char *at, uint32_t value)
{
	char digits[10];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (n > 0)
		*at++ = digits[--n];
	return at;
}

static char *put_ip4(char *at, uint32_t ip)
{
	for (int shift = 24; shift >= 0; shift -= 8) {
		at = put_number(at, ip >> shift & 0xff);
		*at++ = '.';
	}
	return at - 1;
}

void text_ip4(char buf[static TEXT_IP4_MAX], uint32_t ip)
{
	*put_ip4(buf, ip) = '\0';
}

void text_prefix(char buf[static TEXT_PREFIX_MAX], uint32_t ip, uint8_t len)
{
	char *at = put_ip4(buf, ip);

	*at++ = '/';
	*put_number(at, len > 32 ? 32 : len) = '\0';
}

static char *put_hex(char *at, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";

	*at++ = digits[byte >> 4];
	*at++ = digits[byte & 0xf];
	return at;
}

void text_hex(char *buf, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf = put_hex(buf, data[i]);
	*buf = '\0';
}

void text_mac(char buf[static TEXT_MAC_MAX], const uint8_t mac[6])
{
	char *at = buf;

	for (int i = 0; i < 6; i++) {
		at = put_hex(at, mac[i]);
		*at++ = ':';
	}
	at[-1] = '\0';
}

static char *put_ip6(char *at, const uint8_t *ip)
{
	*at++ = '[';
	for (int i = 0; i < 16; i += 2) {
		at = put_hex(at, ip[i]);
		at = put_hex(at, ip[i + 1]);
		*at++ = ':';
	}
	at[-1] = ']';
	return at;
}

void text_endpoint(char buf[static TEXT_ENDPOINT_MAX], const uint8_t *ip, uint8_t ip_len,
		   uint16_t port)
{
	char *at = buf;

	if (ip_len == 4) {
		at = put_ip4(at, (uint32_t)ip[0] << 24 | (uint32_t)ip[1] << 16 |
					 (uint32_t)ip[2] << 8 | ip[3]);
	} else if (ip_len == 16) {
		at = put_ip6(at, ip);
	} else {
		memcpy(buf, "nowhere", sizeof("nowhere"));
		return;
	}
	*at++ = ':';
	*put_number(at, port) = '\0';
}

/* A decimal number without sign, space or leading zero; NULL if there is none or it is above max. */
static const char *take_number(const char *at, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	const char *start = at;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value) || value > max)
			return NULL;
	}
	if (at == start || (*start == '0' && at != start + 1))
		return NULL;
	*ret = value;
	return at;
}

static const char *take_ip4(const char *at, uint32_t *ret)
{
	uint32_t ip = 0;

	for (int i = 0; i < 4; i++) {
		uint64_t byte = 0;

		at = take_number(at, 255, &byte);
		if (!at || (i < 3 && *at != '.'))
			return NULL;
		at += i < 3;
		ip = ip << 8 | (uint32_t)byte;
	}
	*ret = ip;
	return at;
}

bool text_parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	const char *end = take_number(text, max, &value);

	if (!end || *end)
		return false;
	*ret = value;
	return true;
}

bool text_parse_ip4(const char *text, uint32_t *ret)
{
	uint32_t ip = 0;
	const char *end = take_ip4(text, &ip);

	if (!end || *end)
		return false;
	*ret = ip;
	return true;
}

bool text_parse_prefix(const char *text, uint32_t *ret_ip, uint8_t *ret_len)
{
	uint32_t ip = 0;
	uint64_t len = 0;
	const char *end = take_ip4(text, &ip);

	if (!end || *end != '/' || !text_parse_number(end + 1, 32, &len))
		return false;
	if (len < 32 && ip << len)
		return false;
	*ret_ip = ip;
	*ret_len = (uint8_t)len;
	return true;
}
