#include "io/names.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/xalloc.h"

struct names {
	struct names_asked **asked; /* the caller's */
	size_t n;
	void (*told)(void *arg);
	void *arg;
};

/* What has no IPv4 carries no tunnel and so has no agent. */
static void take(struct names_asked *asked, const struct addrinfo *found)
{
	for (; found && asked->n < NAMES_ADDRESSES_MAX; found = found->ai_next) {
		const void *address = found->ai_addr;

		if (found->ai_family == AF_INET)
			asked->ip[asked->n++] =
				ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr);
	}
	if (asked->n == 0)
		asked->why = "it has no IPv4 address (IPv6 is not carried yet)";
}

static void resolve(struct names_asked *asked)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	int result = getaddrinfo(asked->host, NULL, &hints, &found);

	asked->n = 0;
	if (result != 0) {
		asked->why = gai_strerror(result);
		return;
	}
	take(asked, found);
	freeaddrinfo(found);
}

static void work(void *arg)
{
	struct names *names = arg;

	for (size_t i = 0; i < names->n; i++)
		resolve(names->asked[i]);
}

static void done(void *arg)
{
	struct names *names = arg;

	names->told(names->arg);
	free(names);
}

void names_resolve(struct loop *loop, struct names_asked **asked, size_t n, void (*told)(void *arg),
		   void *arg)
{
	struct names *names = xcalloc(1, sizeof(*names));

	*names = (struct names){ asked, n, told, arg };
	loop_work(loop, work, done, names);
}

bool names_is_address(const char *host, uint32_t *ret_ip)
{
	struct in_addr address;

	if (inet_pton(AF_INET, host, &address) != 1)
		return false;
	*ret_ip = ntohl(address.s_addr);
	return true;
}
