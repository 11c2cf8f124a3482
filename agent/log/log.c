#include "log/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024, LINE = 1000 /* one line in a bucket's thousandths */ };

/* In no second does an outsider get more than ten lines, alarms included: what was saved up, what
 * comes in that second, and the lines that say what was left out. */
static const struct {
	int64_t per_second, burst;
} limits[LOG_SOURCE_COUNT] = {
	[LOG_OUTSIDER] = { .per_second = 3, .burst = 3 },
	[LOG_ALARM] = { .per_second = 1, .burst = 1 },
	[LOG_PODS] = { .per_second = 8, .burst = 200 },
};

static const struct {
	const char *name;
	char journal; /* syslog's number */
} levels[LOG_LEVEL_COUNT] = {
	[LOG_BUG] = { "bug", '2' },   [LOG_ERR] = { "err", '3' },   [LOG_WARN] = { "warn", '4' },
	[LOG_PEER] = { "peer", '5' }, [LOG_INFO] = { "info", '6' }, [LOG_DEBUG] = { "debug", '7' },
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void log_init(struct log *log, int fd, enum log_level level, enum log_style style)
{
	*log = (struct log){ .fd = fd, .level = level, .style = style };
	for (int source = 0; source < LOG_SOURCE_COUNT; source++) {
		log->buckets[source].at_ms = now_ms();
		log->buckets[source].tokens = limits[source].burst * LINE;
	}
}

enum log_style log_style_for(int fd, const char *journal_stream)
{
	unsigned long long device, inode;
	struct stat stat;

	/* The variable is inherited by whoever is started from a service, so what it names must be
	 * compared with what we write to. */
	if (!journal_stream || sscanf(journal_stream, "%llu:%llu", &device, &inode) != 2)
		return LOG_STAMPED;
	if (fstat(fd, &stat) < 0 || stat.st_dev != device || stat.st_ino != inode)
		return LOG_STAMPED;
	return LOG_JOURNAL;
}

/* What is in front of the text. Returns its length. */
static size_t prefix(const struct log *log, enum log_level level, char *line, size_t size)
{
	struct timespec now;
	struct tm utc;
	int n = 0;

	switch (log->style) {
	case LOG_JOURNAL:
		n = snprintf(line, size, "<%c>", levels[level].journal);
		break;
	case LOG_PLAIN:
		n = snprintf(line, size, "%s ", levels[level].name);
		break;
	case LOG_STAMPED:
		clock_gettime(CLOCK_REALTIME, &now);
		gmtime_r(&now.tv_sec, &utc);
		n = snprintf(line, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s ",
			     utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
			     utc.tm_min, utc.tm_sec, now.tv_nsec / 1000000, levels[level].name);
		break;
	}
	return n < 0 ? 0 : (size_t)n;
}

/* Names come from elsewhere: nothing of a line may move the cursor or begin a line of its own. */
static void disarm(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = '?';
}

static void print(struct log *log, enum log_level level, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

static void print(struct log *log, enum log_level level, const char *format, va_list args)
{
	char line[LINE_MAX_BYTES];
	size_t len = prefix(log, level, line, sizeof(line) / 2), room = sizeof(line) - 1 - len;
	int n = vsnprintf(line + len, room, format, args);

	if (n > 0)
		len += (size_t)n < room ? (size_t)n : room - 1;
	disarm(line, len);
	line[len++] = '\n';
	/* One write per line keeps the lines of threads and processes apart. Nobody can be told
	 * that it failed. */
	if (write(log->fd, line, len) < 0)
		return;
}

void log_line(struct log *log, enum log_level level, const char *format, ...)
{
	va_list args;

	if (level > log->level)
		return;
	va_start(args, format);
	print(log, level, format, args);
	va_end(args);
}

static void refill(struct log_bucket *bucket, enum log_source source)
{
	int64_t at_ms = now_ms();

	bucket->tokens += (at_ms - bucket->at_ms) * limits[source].per_second;
	if (bucket->tokens > limits[source].burst * LINE)
		bucket->tokens = limits[source].burst * LINE;
	bucket->at_ms = at_ms;
}

/* A whole second's worth must have come back first: else every second line is about the other. */
static void tell_skipped(struct log *log, enum log_source source)
{
	struct log_bucket *bucket = &log->buckets[source];
	uint64_t skipped = bucket->skipped;

	if (skipped == 0 || bucket->tokens < limits[source].per_second * LINE)
		return;
	bucket->skipped = 0;
	log_line(log, LOG_PEER, "%llu more lines like the last ones -> left out",
		 (unsigned long long)skipped);
}

static bool may_print(struct log *log, enum log_source source)
{
	struct log_bucket *bucket = &log->buckets[source];

	if (source == LOG_OURS || log->level == LOG_DEBUG)
		return true;
	refill(bucket, source);
	tell_skipped(log, source);
	/* While something waits to be told nothing else is printed: it would seem to be all. */
	if (bucket->skipped > 0 || bucket->tokens < LINE) {
		bucket->skipped++;
		return false;
	}
	bucket->tokens -= LINE;
	return true;
}

void log_limited(struct log *log, enum log_source source, enum log_level level, const char *format,
		 ...)
{
	va_list args;

	if (level > log->level || !may_print(log, source))
		return;
	va_start(args, format);
	print(log, level, format, args);
	va_end(args);
}

void log_flush(struct log *log)
{
	for (enum log_source source = LOG_OUTSIDER; source < LOG_SOURCE_COUNT; source++)
		if (log->buckets[source].skipped > 0) {
			refill(&log->buckets[source], source);
			tell_skipped(log, source);
		}
}

int log_parse_level(const char *text, enum log_level *ret, struct err *err)
{
	static const enum log_level settable[] = { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG };

	for (size_t i = 0; i < sizeof(settable) / sizeof(settable[0]); i++) {
		if (strcmp(text, levels[settable[i]].name) == 0) {
			*ret = settable[i];
			return 0;
		}
	}
	return err_set(err, EINVAL, "expected err, warn, info or debug, got '%.80s'", text);
}

const char *log_words(char buf[static LOG_WORDS_MAX], const struct err *err)
{
	/* These two come with whole sentences: about a file's content, about who holds a lock. */
	if (err->code == 0 || err->code == EBADMSG || err->code == EWOULDBLOCK)
		snprintf(buf, LOG_WORDS_MAX, "%s", err->text);
	else
		snprintf(buf, LOG_WORDS_MAX, "%s: %s", err->text, strerror(err->code));
	return buf;
}
