/* Addresses as people write them. Formatting writes into the caller's buffer, always terminated; parsing is strict: the
 * whole text or nothing. Pure: no stdio, no locale. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TEXT_IP4_MAX = 16,
	TEXT_PREFIX_MAX = 19,
	TEXT_MAC_MAX = 18,
	TEXT_ENDPOINT_MAX = 56,
};

/* ip in host order. */
void text_ip4(char buf[static TEXT_IP4_MAX], uint32_t ip);
void text_prefix(char buf[static TEXT_PREFIX_MAX], uint32_t ip, uint8_t len);
void text_mac(char buf[static TEXT_MAC_MAX], const uint8_t mac[6]);
/* "1.2.3.4:6785", "[fe80:0:...]:6785", "nowhere" for ip_len 0; ip in network order. */
void text_endpoint(char buf[static TEXT_ENDPOINT_MAX], const uint8_t *ip, uint8_t ip_len,
		   uint16_t port);
/* 2 * len digits and a terminator. */
void text_hex(char *buf, const uint8_t *data, size_t len);

bool text_parse_ip4(const char *text, uint32_t *ret);
/* "10.32.0.0/12"; host bits must be zero. */
bool text_parse_prefix(const char *text, uint32_t *ret_ip, uint8_t *ret_len);
/* Digits only, at most `max`. */
bool text_parse_number(const char *text, uint64_t max, uint64_t *ret);
