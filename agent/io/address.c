#include "io/address.h"

#include <netinet/in.h>
#include <string.h>

static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };

struct endpoint endpoint_of_sockaddr(const struct sockaddr *address)
{
	struct endpoint endpoint = { 0 };

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;

		endpoint.ip_len = 4;
		endpoint.port = ntohs(in->sin_port);
		memcpy(endpoint.ip, &in->sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)address;
		const uint8_t *ip = in->sin6_addr.s6_addr;
		bool mapped = memcmp(ip, v4_mapped, sizeof(v4_mapped)) == 0;

		endpoint.ip_len = mapped ? 4 : 16;
		endpoint.port = ntohs(in->sin6_port);
		memcpy(endpoint.ip, mapped ? ip + 12 : ip, endpoint.ip_len);
	}
	return endpoint;
}

void sockaddr_of_endpoint(const struct endpoint *endpoint, struct sockaddr_storage *ret)
{
	*ret = (struct sockaddr_storage){ 0 };
	if (endpoint->ip_len == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret;

		in->sin_family = AF_INET;
		in->sin_port = htons(endpoint->port);
		memcpy(&in->sin_addr, endpoint->ip, 4);
	} else {
		struct sockaddr_in6 *in = (struct sockaddr_in6 *)ret;

		in->sin6_family = AF_INET6;
		in->sin6_port = htons(endpoint->port);
		memcpy(&in->sin6_addr, endpoint->ip, 16);
	}
}
