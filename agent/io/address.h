#pragma once
/* A struct endpoint as the socket calls know it, and back. */
#include <sys/socket.h>

#include "core/types.h"

/* IPv4 that came through a socket of both families is IPv4 again; ip_len 0 for other families. */
struct endpoint endpoint_of_sockaddr(const struct sockaddr *address);
void sockaddr_of_endpoint(const struct endpoint *endpoint, struct sockaddr_storage *ret);
