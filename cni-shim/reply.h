/* What a CNI plugin says: JSON on stdout and nothing else, written once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Spoken when the configuration's own version is not known: the shim does not read JSON. */
#define CNI_VERSION_NEWEST "1.1.0"

/* Of the specification ("Error"), 8 of its reference implementation; from 100 ours. */
enum cni_code {
	CNI_NO_PROBLEM = 0,
	CNI_BAD_ENVIRONMENT = 4,
	CNI_IO = 5,
	CNI_BAD_CONFIG = 7,
	CNI_BAD_NETNS = 8,
	CNI_TRY_LATER = 11,
	CNI_NOT_READY = 50,
	CNI_FAILED = 100,
	CNI_UNSUPPORTED = 110,
};

/* Why a call fails. Runtimes show "message; details" to people, in Kubernetes as an event of at
 * most 1 KiB, so both are short. */
struct problem {
	enum cni_code code;
	char message[384]; /* what and where */
	char details[384]; /* what to do, or empty */
};

void problem_set(struct problem *ret, enum cni_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void problem_advise(struct problem *problem, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Everything to stdout. False when nobody reads it any more. */
bool reply_write(const void *data, size_t size);

/* The problem as CNI's error object. */
bool reply_problem(const struct problem *problem);
