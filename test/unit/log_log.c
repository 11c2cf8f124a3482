#include "log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

struct world {
	struct log log;
	int read_fd, write_fd;
	char text[1 << 16];
};

static void world_init(struct world *w, enum log_level level, enum log_style style)
{
	int fds[2];

	memset(w, 0, sizeof(*w));
	REQUIRE(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
	w->read_fd = fds[0];
	w->write_fd = fds[1];
	log_init(&w->log, w->write_fd, level, style);
}

static void world_done(struct world *w)
{
	close(w->read_fd);
	close(w->write_fd);
}

/* What was printed since the last time. */
static const char *printed(struct world *w)
{
	ssize_t n = read(w->read_fd, w->text, sizeof(w->text) - 1);

	w->text[n > 0 ? n : 0] = '\0';
	return w->text;
}

static unsigned lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* As if so much time had passed. */
static void pass_ms(struct world *w, int64_t ms)
{
	for (int source = 0; source < LOG_SOURCE_COUNT; source++)
		w->log.buckets[source].at_ms -= ms;
}

static void levels_are_told_apart(void)
{
	struct world w;

	world_init(&w, LOG_WARN, LOG_PLAIN);
	log_line(&w.log, LOG_ERR, "%s", "disk is full -> no new block");
	log_line(&w.log, LOG_WARN, "w");
	log_line(&w.log, LOG_INFO, "i");
	CHECK_STR(printed(&w), "err disk is full -> no new block\nwarn w\n");
	world_done(&w);
}

static void styles(void)
{
	struct world w;

	world_init(&w, LOG_INFO, LOG_JOURNAL);
	log_line(&w.log, LOG_PEER, "p");
	CHECK_STR(printed(&w), "<5>p\n");
	w.log.style = LOG_STAMPED;
	log_line(&w.log, LOG_INFO, "i");
	printed(&w);
	/* 2024-11-21T04:41:00.123Z info i */
	CHECK_UINT(strlen(w.text), 32);
	CHECK(w.text[4] == '-' && w.text[10] == 'T' && w.text[23] == 'Z');
	CHECK_STR(w.text + 24, " info i\n");
	world_done(&w);
}

static void journal_must_be_ours(void)
{
	char path[] = "/tmp/weft-log-XXXXXX", name[64];
	int fd = mkstemp(path);
	struct stat stat;

	REQUIRE(fd >= 0 && fstat(fd, &stat) == 0);
	unlink(path);
	CHECK_INT(log_style_for(fd, NULL), LOG_STAMPED);
	CHECK_INT(log_style_for(fd, "nonsense"), LOG_STAMPED);
	snprintf(name, sizeof(name), "%llu:%llu", (unsigned long long)stat.st_dev,
		 (unsigned long long)stat.st_ino);
	CHECK_INT(log_style_for(fd, name), LOG_JOURNAL);
	snprintf(name, sizeof(name), "%llu:%llu", (unsigned long long)stat.st_dev,
		 (unsigned long long)stat.st_ino + 1);
	CHECK_INT(log_style_for(fd, name), LOG_STAMPED);
	close(fd);
}

static void one_event_is_one_line(void)
{
	char much[3000];
	struct world w;

	world_init(&w, LOG_INFO, LOG_PLAIN);
	log_line(&w.log, LOG_INFO, "peer '%s'", "n1\nerr all is lost\x1b[2J\x7f");
	CHECK_STR(printed(&w), "info peer 'n1?err all is lost?[2J?'\n");
	memset(much, 'x', sizeof(much) - 1);
	much[sizeof(much) - 1] = '\0';
	log_line(&w.log, LOG_INFO, "%s", much);
	printed(&w);
	CHECK_UINT(lines(w.text), 1);
	CHECK(strlen(w.text) <= 1024);
	world_done(&w);
}

static void outsiders_are_limited(void)
{
	struct world w;
	unsigned first, n;

	world_init(&w, LOG_INFO, LOG_PLAIN);
	for (int i = 0; i < 1000; i++)
		log_limited(&w.log, LOG_OUTSIDER, LOG_PEER, "rubbish -> hung up");
	first = lines(printed(&w));
	CHECK(first >= 3 && first <= 6);
	log_limited(&w.log, LOG_ALARM, LOG_ERR, "the log was rolled back");
	CHECK_STR(printed(&w), "err the log was rolled back\n");
	log_line(&w.log, LOG_INFO, "ours");
	CHECK_STR(printed(&w), "info ours\n");
	log_flush(&w.log);
	CHECK_STR(printed(&w), "");
	pass_ms(&w, 1100);
	log_flush(&w.log);
	printed(&w);
	CHECK_UINT(lines(w.text), 1);
	CHECK_UINT(strtoul(w.text + strlen("peer "), NULL, 10), 1000 - first);
	CHECK(strstr(w.text, " more lines like the last ones -> left out\n") != NULL);
	log_flush(&w.log);
	CHECK_STR(printed(&w), "");
	/* A minute of it. */
	n = 0;
	for (int second = 0; second < 60; second++) {
		pass_ms(&w, 1000);
		for (int i = 0; i < 100; i++)
			log_limited(&w.log, LOG_OUTSIDER, LOG_PEER, "rubbish -> hung up");
		n += lines(printed(&w));
	}
	CHECK(n <= 600);
	CHECK(n >= 180);
	world_done(&w);
}

static void debug_is_asked_for(void)
{
	struct world w;

	world_init(&w, LOG_DEBUG, LOG_PLAIN);
	for (int i = 0; i < 1000; i++)
		log_limited(&w.log, LOG_OUTSIDER, LOG_PEER, "r");
	CHECK_UINT(lines(printed(&w)), 1000);
	world_done(&w);
}

static void words_of_errors(void)
{
	char words[LOG_WORDS_MAX];
	struct err err = { 0 };
	enum log_level level = LOG_BUG;

	err_set(&err, ENOSPC, "write '/var/lib/weft/node.log'");
	CHECK_STR(log_words(words, &err),
		  "write '/var/lib/weft/node.log': No space left on device");
	err_set(&err, EWOULDBLOCK, "another weftd (pid 7) uses /run/weft");
	CHECK_STR(log_words(words, &err), "another weftd (pid 7) uses /run/weft");
	CHECK_INT(log_parse_level("debug", &level, &err), 0);
	CHECK_INT(level, LOG_DEBUG);
	CHECK_INT(log_parse_level("peer", &level, &err), -EINVAL);
	CHECK_STR(err.text, "expected err, warn, info or debug, got 'peer'");
}

int main(void)
{
	RUN(levels_are_told_apart);
	RUN(styles);
	RUN(journal_must_be_ours);
	RUN(one_event_is_one_line);
	RUN(outsiders_are_limited);
	RUN(debug_is_asked_for);
	RUN(words_of_errors);
	return check_report();
}
