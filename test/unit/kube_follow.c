/* Following the nodes, on a clock of our own: pages, watches, and each way in which they end. */
#include "kube/follow.h"

#include <stdarg.h>

#include "kube_world.h"

static struct world world;
static struct follow follow;

static void begin(void)
{
	world_init(&world, 5);
	follow_init(&follow, &world_place, &world.prng, &world.log);
}

static void end(void)
{
	follow_done(&follow);
	world_done(&world);
}

/* Something to ask now? */
static bool asks(void)
{
	return follow_request(&follow, world.now, &world.arena, &world.request);
}

/* What is asked as soon as it may be asked. Returns how long that took. */
static int64_t wait_for_request(void)
{
	struct instant from = world.now, due = follow_deadline(&follow);

	REQUIRE(!instant_is_never(due));
	if (instant_after(due, world.now)) {
		world.now = instant_add_ms(due, -1);
		CHECK(!asks());
		world.now = due;
	}
	REQUIRE(asks());
	CHECK_STR(world.request.method, "GET");
	return instant_diff_ms(world.now, from);
}

static bool asks_for(const char *part)
{
	bool found = strstr(world.request.path, part) != NULL;

	if (!CHECK(found))
		printf("  %s is not in %s\n", part, world.request.path);
	return found;
}

static void answer(unsigned code, const char *body)
{
	struct reply reply = world_answer(code, body);

	follow_ended(&follow, world.now, &reply);
}

static void ends(enum reply_end how, unsigned code)
{
	struct reply reply = { .end = how, .code = code };

	follow_ended(&follow, world.now, &reply);
}

#define NODE(name, uid, version, ip)                                                    \
	"{\"kind\":\"Node\",\"metadata\":{\"name\":\"" name "\",\"uid\":\"" uid         \
	"\",\"resourceVersion\":\"" version "\"},\"status\":{\"addresses\":[{\"type\":" \
	"\"InternalIP\",\"address\":\"" ip "\"}]}}"
#define PAGE(version, next, items)                                            \
	"{\"kind\":\"NodeList\",\"metadata\":{\"resourceVersion\":\"" version \
	"\",\"continue\":\"" next "\"},\"items\":[" items "]}"
#define GONE                "{\"kind\":\"Status\",\"code\":410,\"message\":\"too old\"}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define BOOKMARK(version) \
	EVENT("BOOKMARK", "{\"kind\":\"Node\",\"metadata\":{\"resourceVersion\":\"" version "\"}}")

static bool piece(const char *text)
{
	return follow_piece(&follow, world.now,
			    (struct bytes){ (const uint8_t *)text, strlen(text) });
}

/* n1 and n2 are listed, and the watch on what changes has begun. */
static void begin_watching(void)
{
	begin();
	wait_for_request();
	answer(200,
	       PAGE("100", "", NODE("n1", "u1", "1", "10.0.0.1") "," NODE("n2", "u2", "2", "")));
	CHECK_INT(wait_for_request(), 0);
	asks_for("watch=1");
	follow_began(&follow, world.now);
}

static void lists_page_by_page(void)
{
	begin();
	CHECK_INT(wait_for_request(), 0);
	CHECK_STR(world.request.path, "/api/v1/nodes?limit=100");
	CHECK(!world.request.stream);
	CHECK(!asks()); /* one at a time */
	CHECK(instant_is_never(follow_deadline(&follow)));
	answer(200, PAGE("100", "a/b=&c", NODE("n1", "u1", "1", "10.0.0.1")));
	CHECK_UINT(follow.list, 0);
	CHECK_INT(wait_for_request(), 0);
	CHECK_STR(world.request.path, "/api/v1/nodes?limit=100&continue=a%2fb%3d%26c");
	answer(200, PAGE("100", "", NODE("n2", "u2", "2", "10.0.0.2")));
	CHECK(follow.list != 0);
	CHECK_UINT(nodes_count(&follow.held), 2);
	CHECK_UINT(nodes_find(&follow.held, "n2")->address, 0x0a000002);
	end();
}

static void watches_from_the_list_on(void)
{
	int seconds;

	begin_watching();
	asks_for("/api/v1/nodes?");
	asks_for("allowWatchBookmarks=true");
	asks_for("&resourceVersion=100");
	CHECK(world.request.stream);
	CHECK_INT(sscanf(strstr(world.request.path, "timeoutSeconds="), "timeoutSeconds=%d",
			 &seconds),
		  1);
	CHECK(seconds >= 270 && seconds <= 330);
	CHECK(world.request.limit_ms >= (seconds + 30) * 1000);
	end();
}

static void takes_what_changes(void)
{
	begin_watching();
	nodes_told(&follow.held, follow.held.n);
	CHECK(piece(EVENT("ADDED", NODE("n3", "u3", "101", "10.0.0.3"))
			    EVENT("MODIFIED", NODE("n1", "u1", "102", "10.0.0.11"))));
	CHECK_UINT(nodes_count(&follow.held), 3);
	CHECK_UINT(nodes_find(&follow.held, "n1")->address, 0x0a00000b);
	CHECK_STR(follow.version, "102");
	CHECK(piece(EVENT("DELETED", NODE("n2", "u2", "103", ""))));
	CHECK(!nodes_find(&follow.held, "n2"));
	CHECK_UINT(follow.held.n_untold, 3);
	CHECK(piece(BOOKMARK("150") "\n"));
	CHECK_STR(follow.version, "150");
	CHECK(piece("{\"type\":\"BOOKM"));
	CHECK_STR(follow.version, "150");
	end();
}

static void goes_on_where_a_watch_ended(void)
{
	static const struct {
		enum reply_end end;
		int64_t after_ms;
	} ways[] = {
		{ REPLY_ANSWERED, 300000 },
		{ REPLY_CUT, 20000 },
		{ REPLY_SILENT, 330000 },
		{ REPLY_STOPPED, 150000 },
	};

	begin_watching();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		CHECK(piece(i % 2 ? BOOKMARK("201") : BOOKMARK("200")));
		CHECK(piece("half a li"));
		world_wait(&world, ways[i].after_ms);
		ends(ways[i].end, 200);
		CHECK(wait_for_request() <= 500);
		asks_for(i % 2 ? "resourceVersion=201" : "resourceVersion=200");
		CHECK_INT(follow.trouble.kind, TROUBLE_NONE);
		follow_began(&follow, world.now);
	}
	end();
}

static void notices_silence(void)
{
	begin_watching();
	/* nothing has happened yet, so there is nothing to say */
	CHECK(instant_is_never(follow_deadline(&follow)));
	world_wait(&world, FOLLOW_SILENCE_MS + 1);
	CHECK(!follow_is_silent(&follow, world.now));
	CHECK(piece(BOOKMARK("150")));
	world_wait(&world, FOLLOW_SILENCE_MS - 1);
	CHECK(!follow_is_silent(&follow, world.now));
	CHECK_INT(instant_diff_ms(follow_deadline(&follow), world.now), 1);
	world_wait(&world, 1);
	CHECK(follow_is_silent(&follow, world.now));
	ends(REPLY_STOPPED, 200);
	/* of the next one nothing is known */
	wait_for_request();
	CHECK(instant_is_never(follow_deadline(&follow)));
	end();
}

static void begins_anew_when_a_list_is_forgotten(void)
{
	begin();
	wait_for_request();
	answer(200, PAGE("100", "next", NODE("n1", "u1", "1", "")));
	wait_for_request();
	asks_for("continue=next");
	answer(410, GONE);
	CHECK(wait_for_request() <= 500);
	CHECK_STR(world.request.path, "/api/v1/nodes?limit=100");
	CHECK_INT(follow.trouble.kind, TROUBLE_NONE);
	answer(200, PAGE("120", "", NODE("n2", "u2", "2", "")));
	CHECK(!nodes_find(&follow.held, "n1"));
	CHECK_UINT(nodes_count(&follow.held), 1);
	end();
}

static void asks_for_the_same_page_again(void)
{
	begin();
	wait_for_request();
	answer(200, PAGE("100", "next", NODE("n1", "u1", "1", "")));
	wait_for_request();
	answer(500, "{}");
	CHECK_INT(follow.trouble.kind, TROUBLE_BUSY);
	CHECK(wait_for_request() > 0);
	asks_for("continue=next");
	answer(200, PAGE("100", "", ""));
	CHECK_INT(follow.trouble.kind, TROUBLE_NONE);
	CHECK_UINT(nodes_count(&follow.held), 1);
	end();
}

/* The old list stays in force until the new one is whole. */
static void lists_anew_when_the_past_is_forgotten(bool as_event)
{
	uint64_t before;

	begin_watching();
	before = follow.list;
	if (as_event) {
		CHECK(!piece(BOOKMARK("150") EVENT("ERROR", GONE) BOOKMARK("160")));
		ends(REPLY_STOPPED, 200);
	} else {
		answer(410, GONE);
	}
	CHECK(wait_for_request() <= 500);
	CHECK_STR(world.request.path, "/api/v1/nodes?limit=100");
	answer(200, PAGE("200", "next", NODE("n3", "u3", "3", "")));
	CHECK_UINT(follow.list, before);
	CHECK_UINT(nodes_count(&follow.held), 2);
	wait_for_request();
	answer(200, PAGE("200", "", ""));
	CHECK(follow.list != before);
	CHECK_UINT(nodes_count(&follow.held), 1);
	CHECK_INT(follow.trouble.kind, TROUBLE_NONE);
	wait_for_request();
	asks_for("resourceVersion=200");
	end();
}

static void lists_anew_after_410(void)
{
	lists_anew_when_the_past_is_forgotten(false);
	lists_anew_when_the_past_is_forgotten(true);
}

static void waits_as_asked(void)
{
	struct reply reply = world_answer(429, "{}");
	int64_t ms;

	begin();
	wait_for_request();
	reply.retry_after_ms = 40000;
	follow_ended(&follow, world.now, &reply);
	CHECK_INT(follow.trouble.kind, TROUBLE_BUSY);
	ms = wait_for_request();
	CHECK(ms >= 40000 && ms <= 50000);
	end();
}

/* A list is large: whoever answers each watch with nonsense, or ends it at once, must not get us to
 * list without a pause. */
static void does_not_list_without_end(const char *answered)
{
	int64_t ms = 0;

	begin();
	for (int i = 0; i < 12; i++) {
		ms = wait_for_request();
		answer(200, PAGE("100", "", NODE("n1", "u1", "1", "")));
		CHECK_INT(wait_for_request(), 0);
		if (!answered) {
			answer(410, GONE);
			continue;
		}
		follow_began(&follow, world.now);
		CHECK(!piece(BOOKMARK("101")) || !piece(answered));
		ends(REPLY_STOPPED, 200);
	}
	CHECK(ms >= BACKOFF_MAX_MS / 2);
	end();
}

static void does_not_list_without_a_pause(void)
{
	does_not_list_without_end(NULL);
	does_not_list_without_end("nonsense\n");
	does_not_list_without_end(EVENT("ERROR", GONE));
	does_not_list_without_end(EVENT("ERROR", "{\"kind\":\"Status\",\"code\":500}"));
}

static void does_not_watch_without_a_pause(void)
{
	int64_t ms = 0;

	begin_watching();
	for (int i = 0; i < 12; i++) {
		CHECK(piece(BOOKMARK("101")));
		ends(REPLY_ANSWERED, 200);
		ms = wait_for_request();
		asks_for("watch=1");
		follow_began(&follow, world.now);
	}
	CHECK(ms >= BACKOFF_MAX_MS / 2);
	/* one that lives makes up for it */
	world_wait(&world, 10000);
	ends(REPLY_CUT, 200);
	CHECK(wait_for_request() <= 500);
	end();
}

static void nonsense(const char *text, const char *words)
{
	begin_watching();
	CHECK(!piece(text));
	ends(REPLY_STOPPED, 200);
	CHECK(strstr(follow.trouble.text, words));
	wait_for_request();
	CHECK_STR(world.request.path, "/api/v1/nodes?limit=100");
	answer(200, PAGE("200", "", NODE("n1", "u1", "1", "")));
	/* a list is no proof that watches work */
	CHECK(strstr(follow.trouble.text, words));
	wait_for_request();
	follow_began(&follow, world.now);
	CHECK(strstr(follow.trouble.text, words));
	CHECK(piece(BOOKMARK("201")));
	CHECK_INT(follow.trouble.kind, TROUBLE_NONE);
	end();
}

static void lists_anew_after_nonsense(void)
{
	static char line[KUBE_ANSWER_MAX + 2];

	nonsense("nonsense\n", "cannot be read");
	nonsense(EVENT("ADDED", "{}"), "object.kind: expected Node");
	nonsense(EVENT("ERROR", "{\"kind\":\"Status\",\"code\":403,\"message\":\"no more\"}"),
		 "(403: no more)");
	memset(line, 'x', sizeof(line) - 1);
	nonsense(line, "a line of more than 16777216 bytes");
}

static void a_watch_that_is_refused(void)
{
	begin_watching();
	world_wait(&world, 300000);
	ends(REPLY_ANSWERED, 200);
	wait_for_request();
	answer(403, "{\"kind\":\"Status\",\"message\":\"no watch\"}");
	CHECK_INT(follow.trouble.kind, TROUBLE_RIGHTS);
	CHECK(strstr(follow.trouble.text, "does not let us watch nodes (403: no watch)"));
	wait_for_request();
	asks_for("resourceVersion=100");
	follow_began(&follow, world.now);
	CHECK_INT(follow.trouble.kind, TROUBLE_NONE);
	/* what no API server says of a watch: begin with a list */
	world_wait(&world, 300000);
	ends(REPLY_ANSWERED, 200);
	wait_for_request();
	answer(400, "{}");
	wait_for_request();
	CHECK_STR(world.request.path, "/api/v1/nodes?limit=100");
	end();
}

static void away(enum reply_end how, enum trouble_kind kind)
{
	int64_t ms = 0;

	begin_watching();
	ends(REPLY_CUT, 200);
	for (int i = 0; i < 12; i++) {
		ms = wait_for_request();
		asks_for("resourceVersion=100");
		ends(how, 0);
		CHECK_INT(follow.trouble.kind, kind);
	}
	CHECK(ms >= BACKOFF_MAX_MS / 2 && ms <= BACKOFF_MAX_MS);
	wait_for_request();
	follow_began(&follow, world.now);
	CHECK_INT(follow.trouble.kind, TROUBLE_NONE);
	CHECK_UINT(nodes_count(&follow.held), 2);
	end();
}

static void goes_on_when_the_api_server_was_away(void)
{
	away(REPLY_UNREACHABLE, TROUBLE_AWAY);
	away(REPLY_SILENT, TROUBLE_AWAY);
	away(REPLY_UNTRUSTED, TROUBLE_IDENTITY);
	away(REPLY_NO_TOKEN, TROUBLE_TOKEN);
	away(REPLY_NO_CA, TROUBLE_IDENTITY);
}

/* What happened meanwhile is often forgotten: the list then comes at once. */
static void lists_at_once_when_it_was_away_for_long(void)
{
	begin_watching();
	world_wait(&world, 60000);
	ends(REPLY_CUT, 200);
	for (int i = 0; i < 12; i++) {
		wait_for_request();
		ends(REPLY_UNREACHABLE, 0);
	}
	wait_for_request();
	answer(410, GONE);
	CHECK_INT(follow.trouble.kind, TROUBLE_NONE);
	CHECK(wait_for_request() <= 1000);
	CHECK_STR(world.request.path, "/api/v1/nodes?limit=100");
	end();
}

static void list_fails(enum reply_end how, unsigned code, const char *body, enum trouble_kind kind)
{
	struct reply reply = world_answer(code, body);

	begin();
	wait_for_request();
	answer(200, PAGE("100", "next", NODE("n1", "u1", "1", "")));
	wait_for_request();
	reply.end = how;
	follow_ended(&follow, world.now, &reply);
	CHECK_INT(follow.trouble.kind, kind);
	CHECK(wait_for_request() >= 250);
	/* nonsense: with the page, all before it */
	if (code == 200 && how == REPLY_ANSWERED)
		CHECK_STR(world.request.path, "/api/v1/nodes?limit=100");
	else
		asks_for("continue=next");
	CHECK_UINT(follow.list, 0);
	end();
}

static void each_way_a_list_fails(void)
{
	list_fails(REPLY_ANSWERED, 200, "{}", TROUBLE_STRANGE);
	list_fails(REPLY_ANSWERED, 200, PAGE("1", "", "{}"), TROUBLE_STRANGE);
	list_fails(REPLY_ANSWERED, 401, "{}", TROUBLE_TOKEN);
	list_fails(REPLY_ANSWERED, 403, "{}", TROUBLE_RIGHTS);
	list_fails(REPLY_ANSWERED, 503, "{}", TROUBLE_BUSY);
	list_fails(REPLY_ANSWERED, 302, "", TROUBLE_STRANGE);
	list_fails(REPLY_CUT, 200, "", TROUBLE_AWAY);
	list_fails(REPLY_SILENT, 200, "", TROUBLE_AWAY);
	list_fails(REPLY_UNREACHABLE, 0, "", TROUBLE_AWAY);
}

/* Nodes so large that a page of the usual number is too much: not one of them is left out. */
static void asks_for_fewer_when_they_are_large(void)
{
	static const char *const limits[] = { "limit=100&", "limit=50&", "limit=25&", "limit=12&",
					      "limit=6&",   "limit=3&",  "limit=1&" };
	enum { N = sizeof(limits) / sizeof(limits[0]) };

	begin();
	wait_for_request();
	answer(200, PAGE("1", "second", NODE("n1", "u1", "1", "")));
	for (size_t i = 0; i < N; i++) {
		wait_for_request();
		asks_for(limits[i]);
		asks_for("continue=second");
		CHECK_INT(follow.trouble.kind, TROUBLE_NONE);
		ends(REPLY_TOO_LONG, 200);
	}
	CHECK_INT(follow.trouble.kind, TROUBLE_STRANGE);
	wait_for_request();
	answer(200, PAGE("1", "", NODE("n2", "u2", "2", "")));
	CHECK_UINT(nodes_count(&follow.held), 2);
	CHECK_INT(follow.trouble.kind, TROUBLE_NONE);
	end();
}

/* As many in one page as there may be, in the second one more. */
static void takes_no_more_nodes_than_it_may(void)
{
	size_t room = 100 * (KUBE_LIST_MAX + 1);
	char *body = malloc(room);
	size_t len = 0;

	begin();
	wait_for_request();
	len += (size_t)sprintf(body, "{\"kind\":\"NodeList\",\"metadata\":{\"resourceVersion\":"
				     "\"1\",\"continue\":\"next\"},\"items\":[");
	for (size_t i = 0; i < KUBE_LIST_MAX; i++)
		len += (size_t)sprintf(body + len,
				       "{\"metadata\":{\"name\":\"n%zu\",\"uid\":\"u\","
				       "\"resourceVersion\":\"1\"}},",
				       i);
	sprintf(body + len - 1, "]}");
	answer(200, body);
	CHECK_INT(follow.trouble.kind, TROUBLE_NONE);
	wait_for_request();
	answer(200, PAGE("1", "", NODE("more", "u", "1", "")));
	CHECK_INT(follow.trouble.kind, TROUBLE_STRANGE);
	CHECK(strstr(follow.trouble.text, "has more than 16384 nodes"));
	CHECK_UINT(follow.list, 0);
	end();
	free(body);
}

int main(void)
{
	RUN(lists_page_by_page);
	RUN(watches_from_the_list_on);
	RUN(takes_what_changes);
	RUN(goes_on_where_a_watch_ended);
	RUN(notices_silence);
	RUN(begins_anew_when_a_list_is_forgotten);
	RUN(asks_for_the_same_page_again);
	RUN(lists_anew_after_410);
	RUN(waits_as_asked);
	RUN(does_not_list_without_a_pause);
	RUN(does_not_watch_without_a_pause);
	RUN(lists_anew_after_nonsense);
	RUN(a_watch_that_is_refused);
	RUN(goes_on_when_the_api_server_was_away);
	RUN(lists_at_once_when_it_was_away_for_long);
	RUN(each_way_a_list_fails);
	RUN(asks_for_fewer_when_they_are_large);
	RUN(takes_no_more_nodes_than_it_may);
	return check_report();
}
