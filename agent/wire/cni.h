#pragma once
/*
 * The CNI contract's texts: environment and configuration in, result and error JSON out. Versions
 * 0.4.0, 1.0.0 and 1.1.0; what a newer one adds is printed for it alone. local.c carries them, the
 * core never sees JSON.
 */
#include "base/arena.h"
#include "core/types.h"
#include "weft/cni.h"

/* Why a call is refused; runtimes show "text; details" to people. */
struct cni_problem {
	enum cni_code code;
	char text[TEXT_LEN_MAX + 1];
	char details[TEXT_LEN_MAX + 1];
};

enum { CNI_VERSION_MAX = 15 };

struct cni_config {
	char version[CNI_VERSION_MAX + 1]; /* one of ours */
	char name[NAME_LEN_MAX + 1];
};

/* What the runtime says in its environment; "" is unset. */
struct cni_env {
	const char *command, *container_id, *netns, *ifname;
	bool plain; /* said by weftctl: name its options instead of the variables */
};

struct cni_result {
	const char *version, *host_if, *pod_if, *netns;
	struct mac host_mac, pod_mac;
	uint32_t ip, gateway, mtu;
};

/* ADD or DEL, and all it needs is there and fit to be used. Else false. */
bool cni_check_env(const struct cni_env *env, struct cni_problem *ret_problem);
/* The network's configuration. `add`: what ADD alone must not meet is refused. On failure
 * ret->version is what the error should be told in. */
bool cni_config_decode(struct bytes json, bool add, struct cni_config *ret,
		       struct cni_problem *ret_problem);
/* "K8S_POD_NAMESPACE=..;K8S_POD_NAME=.." -> "namespace/name", or what there is of it; cut to fit,
 * unknown keys are ignored, of equal ones the last counts. */
void cni_args_pod(const char *args, char *ret, size_t cap);
/* The network that a runtime finds in its directory. With portmap behind us when the host has it:
 * hostPort is its business. */
const char *cni_conflist(bool portmap);
/* JSON in the arena. */
const char *cni_result_encode(const struct cni_result *result, struct arena *arena);
const char *cni_error_encode(const char *version, unsigned code, const char *text,
			     const char *details, struct arena *arena);
/* containerd takes a failed DEL for done when its text has "not found" in it, or "no such file or
 * directory": then the address would leak. Says the same in other words, in place. */
void cni_avoid_swallowed_words(char *text);
