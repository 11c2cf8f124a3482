/* Addresses and small numbers as text: no locale, no stdio, no resolver, so that the core may use
 * it too. Parsers walk a cursor; a piece that does not fit makes the whole text wrong. */
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const char hex_digits[16] = "0123456789abcdef";

static char *put_decimal(char *at, uint32_t value)
{
	char reversed[10];
	size_t n = 0;

	do
		reversed[n++] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	while (n > 0)
		*at++ = reversed[--n];
	return at;
}

static char *put_hex(char *at, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		*at++ = hex_digits[data[i] >> 4];
		*at++ = hex_digits[data[i] & 15];
	}
	return at;
}

static char *put_ip4(char *at, uint32_t ip)
{
	for (int shift = 24; shift >= 0; shift -= 8) {
		at = put_decimal(at, ip >> shift & 255);
		if (shift > 0)
			*at++ = '.';
	}
	return at;
}

const char *text_ip4(char buf[static TEXT_IP4_MAX], uint32_t ip)
{
	*put_ip4(buf, ip) = '\0';
	return buf;
}

const char *text_prefix(char buf[static TEXT_PREFIX_MAX], uint32_t ip, unsigned len)
{
	char *at = put_ip4(buf, ip);

	assert(len <= 32);
	*at++ = '/';
	*put_decimal(at, len) = '\0';
	return buf;
}

static unsigned group_of(const uint8_t *ip, size_t i)
{
	return (unsigned)(ip[2 * i] << 8 | ip[2 * i + 1]);
}

/* The first of the longest runs of zero groups; a single one is not worth leaving out. */
static size_t longest_zero_run(const uint8_t *ip, size_t *ret_first)
{
	size_t best = 1;

	*ret_first = 8;
	for (size_t i = 0, run = 0; i < 8; i++) {
		run = group_of(ip, i) == 0 ? run + 1 : 0;
		if (run > best) {
			best = run;
			*ret_first = i + 1 - run;
		}
	}
	return best;
}

static char *put_group(char *at, unsigned group)
{
	bool begun = false;

	for (int shift = 12; shift >= 0; shift -= 4) {
		unsigned digit = group >> shift & 15;

		begun = begun || digit > 0 || shift == 0;
		if (begun)
			*at++ = hex_digits[digit];
	}
	return at;
}

static char *put_ip6(char *at, const uint8_t *ip)
{
	size_t gap, gap_len = longest_zero_run(ip, &gap);

	for (size_t i = 0; i < 8; i++) {
		if (i == gap) {
			*at++ = ':';
			if (i == 0)
				*at++ = ':';
			i += gap_len - 1;
			continue;
		}
		at = put_group(at, group_of(ip, i));
		if (i < 7)
			*at++ = ':';
	}
	return at;
}

const char *text_ip6(char buf[static TEXT_IP6_MAX], const uint8_t ip[static 16])
{
	*put_ip6(buf, ip) = '\0';
	return buf;
}

static uint32_t ip4_of(const uint8_t *ip)
{
	return (uint32_t)ip[0] << 24 | (uint32_t)ip[1] << 16 | (uint32_t)ip[2] << 8 | ip[3];
}

const char *text_endpoint(char buf[static TEXT_ENDPOINT_MAX], const uint8_t *ip, size_t ip_len,
			  uint16_t port)
{
	char *at = buf;

	if (ip_len == 4) {
		at = put_ip4(at, ip4_of(ip));
	} else if (ip_len == 16) {
		*at++ = '[';
		at = put_ip6(at, ip);
		*at++ = ']';
	} else {
		return memcpy(buf, "-", 2);
	}
	*at++ = ':';
	*put_decimal(at, port) = '\0';
	return buf;
}

const char *text_mac(char buf[static TEXT_MAC_MAX], const uint8_t mac[static 6])
{
	char *at = buf;

	for (size_t i = 0; i < 6; i++) {
		at = put_hex(at, &mac[i], 1);
		*at++ = i < 5 ? ':' : '\0';
	}
	return buf;
}

const char *text_short(char buf[static TEXT_SHORT_MAX], const uint8_t *uid)
{
	return text_hex(buf, uid, 4);
}

const char *text_uuid(char buf[static TEXT_UUID_MAX], const uint8_t uuid[static 16])
{
	static const uint8_t parts[] = { 4, 2, 2, 2, 6 };
	char *at = buf;

	for (size_t i = 0; i < sizeof(parts); i++) {
		at = put_hex(at, uuid, parts[i]);
		uuid += parts[i];
		*at++ = i < sizeof(parts) - 1 ? '-' : '\0';
	}
	return buf;
}

const char *text_hex(char *buf, const void *data, size_t len)
{
	*put_hex(buf, data, len) = '\0';
	return buf;
}

bool text_is_name(const char *text, size_t max)
{
	size_t len = 0;

	while (len < max && text[len] > ' ' && text[len] <= '~')
		len++;
	return len > 0 && text[len] == '\0';
}

int text_refuse(struct err *err, const char *expected, const char *text)
{
	return err_set(err, EINVAL, "expected %s, got '%.80s'", expected, text);
}

/* ---- parsing: each take_ moves *at beyond what it took, or returns false */

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* No leading zeroes: 010 is eight to some and ten to others. */
static bool take_decimal(const char **at, uint64_t max, uint64_t *ret)
{
	const char *from = *at;
	uint64_t value = 0;

	while (**at >= '0' && **at <= '9') {
		unsigned digit = (unsigned)(*(*at)++ - '0');

		if (value > (max - digit) / 10 || digit > max)
			return false;
		value = value * 10 + digit;
	}
	*ret = value;
	return *at != from && (*from != '0' || *at == from + 1);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool take_byte(const char **at, uint8_t *ret)
{
	int high = hex_value((*at)[0]);
	int low = high < 0 ? -1 : hex_value((*at)[1]);

	if (low < 0)
		return false;
	*ret = (uint8_t)(high << 4 | low);
	*at += 2;
	return true;
}

static bool take_ip4(const char **at, uint32_t *ret)
{
	uint32_t ip = 0;

	for (int i = 0; i < 4; i++) {
		uint64_t part;

		if (i > 0 && !take_char(at, '.'))
			return false;
		if (!take_decimal(at, 255, &part))
			return false;
		ip = ip << 8 | (uint32_t)part;
	}
	*ret = ip;
	return true;
}

static bool take_port(const char **at, uint16_t *ret)
{
	uint64_t port;

	if (!take_decimal(at, UINT16_MAX, &port) || port == 0)
		return false;
	*ret = (uint16_t)port;
	return true;
}

static bool take_group(const char **at, uint8_t ret[static 2])
{
	unsigned value = 0;
	int digits = 0;

	while (digits < 4 && hex_value(**at) >= 0) {
		value = value << 4 | (unsigned)hex_value(*(*at)++);
		digits++;
	}
	ret[0] = (uint8_t)(value >> 8);
	ret[1] = (uint8_t)value;
	return digits > 0;
}

/* Groups are gathered from the left; at the end those after "::" move to the right edge. */
static bool take_ip6(const char **at, uint8_t ret[static 16])
{
	uint8_t ip[16] = { 0 };
	size_t n = 0, gap = 0;
	bool have_gap = false;

	if ((*at)[0] == ':' && (*at)[1] == ':') {
		*at += 2;
		have_gap = true;
	}
	while (n < 8 && hex_value(**at) >= 0) {
		take_group(at, ip + 2 * n++);
		if ((*at)[0] != ':')
			break;
		if ((*at)[1] != ':') {
			if (hex_value((*at)[1]) < 0 || n == 8)
				return false;
			(*at)++;
		} else if (!have_gap) {
			*at += 2;
			have_gap = true;
			gap = n;
		} else {
			return false;
		}
	}
	if (have_gap ? n > 7 : n != 8)
		return false;
	memset(ret, 0, 16);
	memcpy(ret, ip, 2 * gap);
	memcpy(ret + 16 - 2 * (n - gap), ip + 2 * gap, 2 * (n - gap));
	if (!have_gap)
		memcpy(ret, ip, 16);
	return true;
}

int text_parse_ip4(const char *text, uint32_t *ret, struct err *err)
{
	const char *at = text;
	uint32_t ip;

	if (!take_ip4(&at, &ip) || *at != '\0')
		return text_refuse(err, "an IPv4 address like 192.0.2.7", text);
	*ret = ip;
	return 0;
}

int text_parse_ip6(const char *text, uint8_t ret[static 16], struct err *err)
{
	const char *at = text;
	uint8_t ip[16];

	if (!take_ip6(&at, ip) || *at != '\0')
		return text_refuse(err, "an IPv6 address like 2001:db8::7", text);
	memcpy(ret, ip, sizeof(ip));
	return 0;
}

int text_parse_prefix(const char *text, uint32_t *ret_ip, uint8_t *ret_len, struct err *err)
{
	const char *at = text;
	uint64_t len;
	uint32_t ip, mask;

	if (!take_ip4(&at, &ip) || !take_char(&at, '/') || !take_decimal(&at, 32, &len) ||
	    *at != '\0')
		return text_refuse(err, "a range like 10.32.0.0/12", text);
	mask = len == 0 ? 0 : ~UINT32_C(0) << (32 - len);
	if ((ip & ~mask) != 0)
		return err_set(err, EINVAL, "expected the first address of the range, %s, got '%s'",
			       text_prefix(TEXT_BUF(PREFIX), ip & mask, (unsigned)len), text);
	*ret_ip = ip;
	*ret_len = (uint8_t)len;
	return 0;
}

static bool parse_endpoint4(const char *text, uint8_t ip[static 16], uint16_t *port)
{
	const char *at = text;
	uint32_t ip4;

	if (!take_ip4(&at, &ip4) || (take_char(&at, ':') && !take_port(&at, port)))
		return false;
	for (size_t i = 0; i < 4; i++)
		ip[i] = (uint8_t)(ip4 >> (24 - 8 * i));
	return *at == '\0';
}

static bool parse_endpoint6(const char *text, uint8_t ip[static 16], uint16_t *port)
{
	const char *at = text;

	if (!take_char(&at, '['))
		return take_ip6(&at, ip) && *at == '\0';
	return take_ip6(&at, ip) && take_char(&at, ']') &&
	       (!take_char(&at, ':') || take_port(&at, port)) && *at == '\0';
}

int text_parse_endpoint(const char *text, uint16_t default_port, uint8_t ret_ip[static 16],
			uint8_t *ret_ip_len, uint16_t *ret_port, struct err *err)
{
	uint8_t ip[16] = { 0 };
	uint16_t port = default_port;
	bool is_4 = parse_endpoint4(text, ip, &port);

	if (!is_4) {
		port = default_port;
		if (!parse_endpoint6(text, ip, &port))
			return text_refuse(err,
					   "an address with or without a port, like 192.0.2.7, "
					   "192.0.2.7:6785 or [2001:db8::7]:6785",
					   text);
	}
	memcpy(ret_ip, ip, sizeof(ip));
	*ret_ip_len = is_4 ? 4 : 16;
	*ret_port = port;
	return 0;
}

int text_parse_mac(const char *text, uint8_t ret[static 6], struct err *err)
{
	const char *at = text;
	uint8_t mac[6];

	for (size_t i = 0; i < 6; i++)
		if ((i > 0 && !take_char(&at, ':')) || !take_byte(&at, &mac[i]))
			return text_refuse(err, "a MAC address like 02:00:5e:10:00:07", text);
	if (*at != '\0')
		return text_refuse(err, "a MAC address like 02:00:5e:10:00:07", text);
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

int text_parse_hex(const char *text, void *ret, size_t len, struct err *err)
{
	const char *at = text;
	uint8_t byte, *to = ret;
	size_t n = 0;

	while (take_byte(&at, &byte))
		n++;
	if (n != len || *at != '\0')
		return err_set(err, EINVAL, "expected %zu hex digits, got '%.80s'", 2 * len, text);
	at = text;
	for (size_t i = 0; i < len; i++)
		take_byte(&at, &to[i]);
	return 0;
}

int text_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct err *err)
{
	const char *at = text;
	uint64_t value;

	if (!take_decimal(&at, max, &value) || *at != '\0' || value < min)
		return err_set(err, EINVAL, "expected a number from %llu to %llu, got '%.80s'",
			       (unsigned long long)min, (unsigned long long)max, text);
	*ret = value;
	return 0;
}

int text_parse_switch(const char *text, bool *ret, struct err *err)
{
	static const char *const yes[] = { "yes", "on", "true", "1" };
	static const char *const no[] = { "no", "off", "false", "0" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*ret = strcmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return text_refuse(err, "on or off", text);
}

int text_parse_word(const char *text, char *ret, size_t max, const char *letters,
		    const char *expected, struct err *err)
{
	size_t len = strspn(text, letters);

	if (len == 0 || len > max || text[len] != '\0')
		return text_refuse(err, expected, text);
	memcpy(ret, text, len + 1);
	return 0;
}

int text_parse_path(const char *text, char *ret, size_t max, struct err *err)
{
	size_t len = strlen(text);

	if (text[0] != '/' || len > max)
		return err_set(err, EINVAL,
			       "expected an absolute path of at most %zu bytes, got '%.80s'", max,
			       text);
	while (len > 1 && text[len - 1] == '/')
		len--;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return 0;
}
