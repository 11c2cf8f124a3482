/* A pod's network namespace, for whoever attaches one: opened, checked, and a route socket made
 * inside it. The agent gets both as descriptors, so it needs neither the path (its own mounts may
 * show an empty file there) nor the right to enter.
 *
 * Compiled into the CNI binary and into weftctl: libc only, prints nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { NETNS_WHY_SIZE = 384 };

/* Open the namespace at `path` for *ret_fd, the caller's. -errno and a clause in `why` (room for
 * NETNS_WHY_SIZE) when there is none: what lies there may be a plain file, when a mount is missing,
 * or another kind of namespace. */
int netns_open(const char *path, int *ret_fd, char *why);

/* Is what lies at `path` the network namespace that this process is in? Namespaces are compared,
 * not names (/var/run is a link to /run). False when nothing is there. */
bool netns_is_own(const char *path);

/* Enter the namespace, for good, and open a route netlink socket there. */
int netns_route_socket(int netns_fd, int *ret_fd, char *why);
