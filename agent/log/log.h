#pragma once
/*
 * The one place that prints: one line per event, on standard error, with a level that says who must
 * act. Lines read "fact -> decision". What an outsider can trigger again and again, a peer or a
 * local client, is limited, and a line says how much was left out.
 *
 * io/, agent.c and main.c log; core, wire and base return what they have to say.
 */
#include <stdarg.h>
#include <stdint.h>

#include "base/err.h"

enum log_level {
	LOG_BUG,  /* us, now */
	LOG_ERR,  /* the operator */
	LOG_WARN, /* nobody: we are coping, and the line says how */
	LOG_PEER, /* the other side */
	LOG_INFO, /* what an operator wants to read on a quiet day */
	LOG_DEBUG,
	LOG_LEVEL_COUNT,
};

enum log_style {
	LOG_PLAIN,   /* level and text */
	LOG_STAMPED, /* with the time in front */
	LOG_JOURNAL, /* for journald, which has a clock of its own: "<4>" and the text */
};

/* On whose account a line is. */
enum log_source {
	LOG_OURS,     /* never limited */
	LOG_OUTSIDER, /* whoever can reach the TCP port or open the local socket */
	LOG_ALARM,    /* errors that outsiders cause: not to be drowned by what else they cause */
	LOG_PODS,     /* pods that come and go: many at once when a node starts */
	LOG_SOURCE_COUNT,
};

struct log {
	int fd;
	enum log_level level; /* the chattiest that is printed; debug switches the limits off */
	enum log_style style;
	struct log_bucket {
		int64_t at_ms;    /* when `tokens` was right */
		int64_t tokens;   /* in thousandths of a line */
		uint64_t skipped; /* lines left out since the last that was printed */
	} buckets[LOG_SOURCE_COUNT];
};

void log_init(struct log *log, int fd, enum log_level level, enum log_style style);

/* LOG_JOURNAL if fd is journald's, which it says in $JOURNAL_STREAM (device:inode, may be NULL). */
enum log_style log_style_for(int fd, const char *journal_stream);

void log_line(struct log *log, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void log_limited(struct log *log, enum log_source source, enum log_level level, const char *format,
		 ...) __attribute__((format(printf, 4, 5)));

/* Say what was left out, when the time for it has come; to be called now and then. */
void log_flush(struct log *log);

/* "err", "warn", "info" or "debug" -> *ret; -EINVAL and what was expected. */
int log_parse_level(const char *text, enum log_level *ret, struct err *err);

/* The sentence with its errno's own words behind it, if they add something; in buf, which it
 * returns. */
enum { LOG_WORDS_MAX = sizeof(((struct err *)0)->text) + 64 };
const char *log_words(char buf[static LOG_WORDS_MAX], const struct err *err);
