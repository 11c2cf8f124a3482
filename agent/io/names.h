#pragma once
/*
 * Names -> IPv4 addresses by the system's resolver, on a worker: DNS may take long, and may be away
 * when a machine boots.
 */
#include "core/types.h"
#include "io/loop.h"

enum { NAMES_ADDRESSES_MAX = 16 }; /* of one name that are used */

struct names_asked {
	const char *host; /* the caller's, until it is told */
	size_t n;
	uint32_t ip[NAMES_ADDRESSES_MAX];
	const char *why; /* n == 0: why not, static */
};

/* Resolves all, then told() on the loop's thread. Array and entries stay the caller's. */
void names_resolve(struct loop *loop, struct names_asked **asked, size_t n, void (*told)(void *arg),
		   void *arg);

/* Is it an address, written out? */
bool names_is_address(const char *host, uint32_t *ret_ip);
