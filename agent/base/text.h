/* Addresses and small numbers <-> the text that people read and type.
 *
 * Formatters write into the caller's buffer, which is always large enough, and return it. Parsers
 * are strict: the whole text must be the thing, in its one usual spelling; on failure they say what
 * was expected and leave *ret alone. IPv4 is in host order, as everywhere outside wire/ and io/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { /* with the final 0 */
       TEXT_IP4_MAX = 16,
       TEXT_PREFIX_MAX = 19,
       TEXT_IP6_MAX = 40,
       TEXT_ENDPOINT_MAX = TEXT_IP6_MAX + 8, /* [ip]:65535 */
       TEXT_MAC_MAX = 18,
       TEXT_SHORT_MAX = 9,
       TEXT_UUID_MAX = 37,
};

/* For a buffer that lives as long as the expression's block:
 * err_set(err, EINVAL, "%s is taken", text_ip4(TEXT_BUF(IP4), ip)) */
#define TEXT_BUF(what) ((char[TEXT_##what##_MAX]){ 0 })

const char *text_ip4(char buf[static TEXT_IP4_MAX], uint32_t ip);
const char *text_prefix(char buf[static TEXT_PREFIX_MAX], uint32_t ip, unsigned len);
/* RFC 5952: lower case, the longest run of zero groups left out. */
const char *text_ip6(char buf[static TEXT_IP6_MAX], const uint8_t ip[static 16]);
/* ip_len 4 or 16; anything else is "-", an endpoint that is not known. */
const char *text_endpoint(char buf[static TEXT_ENDPOINT_MAX], const uint8_t *ip, size_t ip_len,
			  uint16_t port);
const char *text_mac(char buf[static TEXT_MAC_MAX], const uint8_t mac[static 6]);
/* The first 8 hex digits of a uid: enough for people to tell two apart. */
const char *text_short(char buf[static TEXT_SHORT_MAX], const uint8_t *uid);
/* 8-4-4-4-12 hex digits. */
const char *text_uuid(char buf[static TEXT_UUID_MAX], const uint8_t uuid[static 16]);
/* Two digits per byte; buf has room for 2 * len + 1. */
const char *text_hex(char *buf, const void *data, size_t len);

/* Fit to be a key and to stand in a log line: 1..max printable ASCII characters, no blank. */
bool text_is_name(const char *text, size_t max);

/* Says "expected an address, got 'x'", as all of these do. Returns -EINVAL. */
int text_refuse(struct err *err, const char *expected, const char *text);

int text_parse_ip4(const char *text, uint32_t *ret, struct err *err);
/* "10.32.0.0/12": a length is needed, and no bits may be set beyond it. */
int text_parse_prefix(const char *text, uint32_t *ret_ip, uint8_t *ret_len, struct err *err);
/* "192.0.2.7", "192.0.2.7:6785", "2001:db8::7", "[2001:db8::7]:6785". No names: who resolves them
 * is the caller's choice. */
int text_parse_endpoint(const char *text, uint16_t default_port, uint8_t ret_ip[static 16],
			uint8_t *ret_ip_len, uint16_t *ret_port, struct err *err);
int text_parse_ip6(const char *text, uint8_t ret[static 16], struct err *err);
int text_parse_mac(const char *text, uint8_t ret[static 6], struct err *err);
/* Exactly len bytes as hex digits of either case. */
int text_parse_hex(const char *text, void *ret, size_t len, struct err *err);
/* Decimal digits only, min..max. */
int text_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct err *err);
/* yes, on, true, 1 or no, off, false, 0 */
int text_parse_switch(const char *text, bool *ret, struct err *err);

#define TEXT_SMALL "abcdefghijklmnopqrstuvwxyz0123456789"
#define TEXT_ALNUM TEXT_SMALL "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* These two copy to ret, which has room for max bytes and the final 0.
 * 1..max bytes, all of them among `letters`; `expected` says so to people. */
int text_parse_word(const char *text, char *ret, size_t max, const char *letters,
		    const char *expected, struct err *err);
/* From the root, at most max bytes; slashes at its end are left away. */
int text_parse_path(const char *text, char *ret, size_t max, struct err *err);
