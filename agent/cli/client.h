/* Asking the agent on behalf of a person: when nothing comes back, the reason is printed here, in
 * plain words and with what to do next. */
#pragma once

#include <stddef.h>

#include "base/xalloc.h"
#include "proto/local.pb-c.h"
#include "cli/verb.h"

enum {
	CLIENT_SLOW_MS = 1000,    /* without an answer, before the reason of the silence is told */
	CLIENT_SHOW_MS = 5000,    /* to tell something */
	CLIENT_CHANGE_MS = 30000, /* to do something, as for a CNI call */
};

/* The agent's answer, for client_answer_freep; NULL when there is none or when it says no: then
 * that has been printed. */
Weft__Local__Answer *client_ask(const struct call *call, Weft__Local__Request *request,
				const int *fds, size_t n_fds, int total_ms);

/* The same for what `ask` wants to see; a non-NULL answer has its status. */
Weft__Local__Answer *client_ask_status(const struct call *call, Weft__Local__StatusAsk *ask);

/* A verb that only shows: ask for it and print it in the form that the call wants. */
enum exit_status client_show_status(const struct call *call, Weft__Local__StatusAsk *ask,
				    void (*print_text)(const Weft__Local__Status *status),
				    void (*print_json)(const Weft__Local__Status *status));

void client_answer_freep(Weft__Local__Answer **answer);
