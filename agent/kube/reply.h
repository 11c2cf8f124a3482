#pragma once
/*
 * A request to the API server and how it ended; and what an end that brought nothing means for
 * people: one sentence that names the place, what happened there and what to do. The sentence has
 * no numbers that change from try to try, so the same trouble reads the same.
 */
#include "base/bytes.h"
#include "wire/kube_api.h"

struct request {
	const char *method;
	const char *path;        /* and query; begins with a slash */
	const char *body, *type; /* NULL: none */
	size_t answer_max;       /* bytes; of a stream, when it is refused */
	int64_t limit_ms;        /* for all of it */
	bool stream;             /* pieces are handed on as they come */
};

enum reply_end {
	REPLY_ANSWERED,    /* `code` and, unless it was streamed, `body` */
	REPLY_UNREACHABLE, /* nobody there who speaks TLS; `text` is a clause */
	REPLY_UNTRUSTED,   /* the CA does not vouch for who is there; `text` */
	REPLY_NO_TOKEN,    /* not asked: `text` */
	REPLY_NO_CA,       /* not asked */
	REPLY_SILENT,      /* no whole answer in time */
	REPLY_CUT,         /* the answer began and was cut off; `code` has come */
	REPLY_TOO_LONG,
	REPLY_STOPPED, /* by us: a stream's taker had enough, or heard nothing for long */
};

struct reply {
	enum reply_end end;
	unsigned code;
	struct bytes body;      /* valid during the call that tells the end */
	int64_t retry_after_ms; /* 0: not said */
	char text[KUBE_TEXT_MAX + 1];
};

enum trouble_kind {
	TROUBLE_NONE,
	TROUBLE_AWAY,     /* unreachable, silent, cut */
	TROUBLE_BUSY,     /* 429, 5xx */
	TROUBLE_IDENTITY, /* theirs: TLS */
	TROUBLE_TOKEN,    /* ours: none, or 401 */
	TROUBLE_RIGHTS,   /* 403 */
	TROUBLE_STRANGE,  /* it answers what an API server would not */
	TROUBLE_CONTENT,  /* what people wrote cannot be read */
};

struct trouble {
	enum trouble_kind kind;
	char text[KUBE_TEXT_MAX + 1];
};

struct place {
	const char *url, *token_file, *ca_file;
};

/* `what` was asked for, as in "list nodes". For every reply but a good one. */
void reply_explain(const struct reply *reply, const struct place *place, const char *what,
		   struct trouble *ret);
/* The answer came whole and with 200, and its content makes no sense. */
void reply_explain_content(const struct err *err, const struct place *place, const char *what,
			   struct trouble *ret);
/* The same for an error that a watch brought. */
void reply_explain_status(const struct kube_status *status, const struct place *place,
			  const char *what, struct trouble *ret);
/* More than KUBE_LIST_MAX. */
void reply_explain_size(const struct place *place, struct trouble *ret);
/* Must the operator act, or will it pass? */
bool trouble_passes(enum trouble_kind kind);
