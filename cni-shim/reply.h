/* What a CNI plugin says: JSON on stdout and nothing else, written once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "weft/cni.h"

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
