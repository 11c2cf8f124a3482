#pragma once
/*
 * Telling the agent: what changed since it was told, or the whole list when it holds another one,
 * as after its restart. It may be away at any time; then nothing is lost, because what it knows
 * stands in its next answer. Waits for the answer, which takes it a millisecond.
 */
#include "cni-shim/talk.h"
#include "kube/message.h"
#include "log/log.h"

enum { TELL_PATIENCE_MS = 1000 };

struct tell {
	const char *socket;
	struct log *log;
	enum tell_state {
		TELL_UNTRIED,
		TELL_ANSWERS,
		TELL_AWAY,   /* no answer */
		TELL_REFUSED /* no for an answer, or one that cannot be read */
	} state;
	struct agent_view agent; /* as it answered last */
};

struct tell_news {
	struct nodes *nodes;                  /* marks what was told */
	uint64_t list;                        /* they are of this one; 0: there is none */
	const struct kube_founding *founding; /* NULL: not known */
	const char *trouble;                  /* or "" */
};

/* Both are borrowed for good. */
void tell_init(struct tell *tell, const char *socket, struct log *log);
/* At least one question. */
void tell_agent(struct tell *tell, const struct tell_news *news);
/* It is there, and holds the list that we hold. */
bool tell_is_up_to_date(const struct tell *tell, const struct tell_news *news);
