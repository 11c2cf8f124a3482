#pragma once
/*
 * What a container runtime finds on the host: our CNI binary in its directory of plugins, and the
 * network configuration that names it, in its directory of networks. Both are put there whole, by
 * rename, and stay when the agent goes: pods are deleted also while it is away.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"

enum { CNI_NAME_MAX = 255 };

/* Copies the program at `from` to `bin_dir`/weft. 0: it was there; 1: copied. */
int cni_host_install(const char *from, const char *bin_dir, struct err *err);
/* Whether that plugin is in the runtime's directory. */
bool cni_host_has_plugin(const char *bin_dir, const char *name);
/* Puts the configuration there under that name. 0: it was there alike; 1: written. */
int cni_host_configure(const char *conf_dir, const char *name, struct bytes text, struct err *err);
/* Runtimes take the network whose file sorts first. True: one that does sorts before ours. */
bool cni_host_outsorted(const char *conf_dir, const char *name, char ret[static CNI_NAME_MAX + 1]);
