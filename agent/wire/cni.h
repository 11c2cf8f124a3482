#pragma once
/*
 * The CNI contract's texts: configuration JSON in (bounded, cJSON), result and error JSON out.
 * Versions 0.4.0, 1.0.0 and 1.1.0. Rules are numbered in the CNI notes: CFG, RES, ERR; only what a
 * newer version adds is printed for it.
 */
#include "base/arena.h"
#include "base/err.h"
#include "core/types.h"

struct cni_config {
	char version[16];
	char name[NAME_LEN_MAX + 1];
};

struct cni_result {
	const char *version, *host_if, *pod_if, *netns;
	struct mac host_mac, pod_mac;
	uint32_t ip, gateway, mtu;
};

/* 0, or a CNI error code (1 version, 6 decode, 7 invalid) with err->text the message and *details
 * what to do. */
int cni_config_decode(struct bytes json, struct cni_config *ret, const char **details,
		      struct err *err);
/* Container id and interface name by CNI's own rules; 0 or code 4. */
int cni_check_ids(const char *container_id, const char *ifname, struct err *err);
/* "K8S_POD_NAMESPACE=..;K8S_POD_NAME=.." -> "namespace/name"; unknown keys are ignored. */
void cni_args_pod(const char *args, char *ret, size_t cap);
const char *cni_result_encode(const struct cni_result *result, struct arena *arena);
const char *cni_error_encode(const char *version, int code, const char *text, const char *details,
			     struct arena *arena);
