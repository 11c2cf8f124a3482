#include "kube/follow.h"

#include <assert.h>
#include <errno.h>

#include "base/text.h"

enum {
	REQUEST_MS = 15 * 1000,
	WATCH_LATE_MS = 30 * 1000, /* after it should have ended by itself */
	GOOD_WATCH_MS = 10 * 1000, /* lived so long: what it said holds */
	REFUSAL_MAX = 64 << 10,    /* bytes of a Status */
	ESCAPED = 3,               /* bytes that one of a token takes in a URL */
};

void follow_init(struct follow *follow, const struct place *place, struct prng *prng,
		 struct log *log)
{
	*follow = (struct follow){ .page = FOLLOW_PAGE, .place = place, .prng = prng, .log = log };
	nodes_init(&follow->held);
	nodes_init(&follow->arriving);
	lines_init(&follow->lines, KUBE_ANSWER_MAX);
}

void follow_done(struct follow *follow)
{
	nodes_done(&follow->held);
	nodes_done(&follow->arriving);
	lines_done(&follow->lines);
}

static const char *what(const struct follow *follow)
{
	return follow->state == FOLLOW_LISTING ? "list nodes" : "watch nodes";
}

static void list_anew(struct follow *follow)
{
	follow->state = FOLLOW_LISTING;
	follow->next[0] = '\0';
	nodes_done(&follow->arriving);
}

/* ---- what to ask */

static struct instant due(const struct follow *follow)
{
	return instant_after(follow->away.due, follow->unsound.due) ? follow->away.due
								    : follow->unsound.due;
}

struct instant follow_deadline(const struct follow *follow)
{
	if (!follow->asking)
		return due(follow);
	if (follow->state == FOLLOW_WATCHING && follow->bookmarks)
		return instant_add_ms(follow->heard_at, FOLLOW_SILENCE_MS);
	return instant_never();
}

/* What is not a letter or digit as %XX (RFC 3986): the token is the API server's, opaque. */
static char *escape(const char *text, struct arena *arena)
{
	char *escaped = arena_alloc(arena, ESCAPED * strlen(text) + 1), *at = escaped;

	assert(escaped);
	for (; *text; text++) {
		bool plain = (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') ||
			     (*text >= 'A' && *text <= 'Z');

		if (plain) {
			*at++ = *text;
			continue;
		}
		*at++ = '%';
		text_hex(at, text, 1);
		at += 2;
	}
	*at = '\0';
	return escaped;
}

static void request_page(const struct follow *follow, struct arena *arena, struct request *ret)
{
	char *path = arena_printf(arena, "/api/v1/nodes?limit=%u%s%s", follow->page,
				  *follow->next ? "&continue=" : "", escape(follow->next, arena));

	assert(path);
	*ret = (struct request){
		.method = "GET",
		.path = path,
		.answer_max = KUBE_ANSWER_MAX,
		.limit_ms = REQUEST_MS,
	};
}

/* Not all at the same moment: all nodes' watches began together. */
static void request_watch(const struct follow *follow, struct arena *arena, struct request *ret)
{
	int64_t watch_ms = prng_jitter_ms(follow->prng, FOLLOW_WATCH_S * 1000, 10);
	char *path = arena_printf(arena,
				  "/api/v1/nodes?watch=1&allowWatchBookmarks=true"
				  "&timeoutSeconds=%d&resourceVersion=%s",
				  (int)(watch_ms / 1000), escape(follow->version, arena));

	assert(path);
	*ret = (struct request){
		.method = "GET",
		.path = path,
		.answer_max = REFUSAL_MAX,
		.limit_ms = watch_ms + WATCH_LATE_MS,
		.stream = true,
	};
}

bool follow_request(struct follow *follow, struct instant now, struct arena *arena,
		    struct request *ret)
{
	if (follow->asking || !instant_reached(now, due(follow)))
		return false;
	follow->asking = true;
	follow->began_at = follow->heard_at = now;
	follow->bookmarks = false;
	follow->verdict = FOLLOW_GOOD;
	lines_done(&follow->lines);
	if (follow->state == FOLLOW_LISTING)
		request_page(follow, arena, ret);
	else
		request_watch(follow, arena, ret);
	return true;
}

bool follow_is_silent(const struct follow *follow, struct instant now)
{
	return follow->asking && follow->state == FOLLOW_WATCHING &&
	       instant_reached(now, follow_deadline(follow));
}

/* The API server is there, and answers as one. */
static void answered(struct follow *follow)
{
	backoff_reset(&follow->away);
	if (!follow->trouble_stays)
		follow->trouble = (struct trouble){ 0 };
}

static void refused(struct follow *follow, struct instant now, const struct reply *reply)
{
	reply_explain(reply, follow->place, what(follow), &follow->trouble);
	backoff_fail(&follow->away, follow->prng, now, reply->retry_after_ms);
}

/* Counted apart: a list is large, and who follows it with nonsense, or ends each watch at once,
 * must not be asked without a pause, while after a time away nothing need wait. */
static void pause_before_next(struct follow *follow, struct instant now)
{
	backoff_fail(&follow->unsound, follow->prng, now, 0);
}

/* ---- the list */

static void complete_list(struct follow *follow, const struct kube_page *page)
{
	nodes_done(&follow->held);
	follow->held = follow->arriving;
	nodes_init(&follow->arriving);
	do
		follow->list = prng_u64(follow->prng);
	while (follow->list == 0);
	strcpy(follow->version, page->version);
	follow->next[0] = '\0';
	follow->state = FOLLOW_WATCHING;
	log_line(follow->log, LOG_INFO,
		 "%zu node%s in the API server's list -> told to the agent, and watched from "
		 "version %s on",
		 nodes_count(&follow->held), nodes_count(&follow->held) == 1 ? "" : "s",
		 follow->version);
}

static bool take_page(struct follow *follow, const struct kube_page *page)
{
	for (size_t i = 0; i < page->n; i++)
		if (nodes_put(&follow->arriving, &page->nodes[i]) == NODES_TOO_MANY) {
			reply_explain_size(follow->place, &follow->trouble);
			return false;
		}
	strcpy(follow->next, page->next);
	if (!*page->next)
		complete_list(follow, page);
	return true;
}

static bool read_page(struct follow *follow, struct bytes body, struct arena *arena)
{
	struct kube_page *page = arena_alloc(arena, sizeof(*page));
	struct err err = { 0 };

	assert(page);
	if (kube_page_decode(body, arena, page, &err) == 0)
		return take_page(follow, page);
	reply_explain_content(&err, follow->place, what(follow), &follow->trouble);
	return false;
}

/* A page that cannot be read is asked for again, with all before it. */
static void page_came(struct follow *follow, struct instant now, struct bytes body)
{
	struct arena arena;

	arena_init(&arena, ARENA_UNLIMITED);
	if (read_page(follow, body, &arena)) {
		answered(follow);
	} else {
		list_anew(follow);
		pause_before_next(follow, now);
	}
	arena_done(&arena);
}

static void list_ended(struct follow *follow, struct instant now, const struct reply *reply)
{
	bool whole = reply->end == REPLY_ANSWERED;

	if (whole && reply->code == 200) {
		page_came(follow, now, reply->body);
	} else if (whole && reply->code == 410 && *follow->next) {
		/* The pages are of one moment, which it remembers for five minutes. */
		log_line(follow->log, LOG_INFO,
			 "the API server forgot the list that it was telling (410) -> asked anew");
		list_anew(follow);
		pause_before_next(follow, now);
	} else if (reply->end == REPLY_TOO_LONG && follow->page > 1) {
		follow->page /= 2;
		log_line(follow->log, LOG_INFO,
			 "a page of nodes has more than %d MB -> asked for %u nodes at a time",
			 KUBE_ANSWER_MAX >> 20, follow->page);
	} else {
		refused(follow, now, reply);
	}
}

/* ---- the watch */

void follow_began(struct follow *follow, struct instant now)
{
	follow->heard_at = now;
	answered(follow);
}

/* Nothing more of this watch, and a list before the next. */
static void lose_trust(struct follow *follow, const struct err *err)
{
	if (err)
		reply_explain_content(err, follow->place, what(follow), &follow->trouble);
	follow->trouble_stays = true;
	follow->verdict = FOLLOW_NONSENSE;
}

static void node_there(struct follow *follow, const struct kube_node *node)
{
	enum nodes_change change = nodes_put(&follow->held, node);

	if (change == NODES_TOO_MANY) {
		reply_explain_size(follow->place, &follow->trouble);
		lose_trust(follow, NULL);
	} else if (change != NODES_SAME) {
		log_limited(
			follow->log, LOG_OUTSIDER, LOG_INFO, "node %s %s (%s) -> told to the agent",
			node->name, change == NODES_NEW ? "is new" : "has another address",
			node->address ? text_ip4(TEXT_BUF(IP4), node->address) : "no address yet");
	}
}

static void watch_refused(struct follow *follow, const struct kube_status *status)
{
	if (status->code == 410) {
		follow->verdict = FOLLOW_EXPIRED;
		return;
	}
	reply_explain_status(status, follow->place, what(follow), &follow->trouble);
	lose_trust(follow, NULL);
}

static void take_event(struct follow *follow, const struct kube_event *event)
{
	switch (event->type) {
	case KUBE_EVENT_ERROR:
		watch_refused(follow, &event->status);
		return;
	case KUBE_EVENT_THERE:
		node_there(follow, &event->node);
		break;
	case KUBE_EVENT_DELETED:
		if (nodes_remove(&follow->held, event->node.name, event->node.uid))
			log_limited(follow->log, LOG_OUTSIDER, LOG_INFO,
				    "node %s was deleted -> told to the agent", event->node.name);
		break;
	case KUBE_EVENT_BOOKMARK:
		follow->bookmarks = true;
		break;
	}
	strcpy(follow->version, event->node.version);
}

static void take_line(struct follow *follow, struct bytes line)
{
	struct kube_event event;
	struct err err = { 0 };

	if (kube_event_decode(line, &event, &err) < 0) {
		lose_trust(follow, &err);
		return;
	}
	take_event(follow, &event);
	if (follow->verdict == FOLLOW_GOOD && follow->trouble_stays) {
		follow->trouble_stays = false;
		answered(follow);
	}
}

bool follow_piece(struct follow *follow, struct instant now, struct bytes piece)
{
	enum lines_found found = LINES_LINE;
	struct err err = { 0 };
	struct bytes line;

	follow->heard_at = now;
	while (follow->verdict == FOLLOW_GOOD && found == LINES_LINE) {
		found = lines_next(&follow->lines, &piece, &line);
		if (found == LINES_LINE && line.len > 0)
			take_line(follow, line);
	}
	if (found == LINES_TOO_LONG) {
		err_set(&err, EBADMSG, "a line of more than %d bytes", KUBE_ANSWER_MAX);
		lose_trust(follow, &err);
	}
	return follow->verdict == FOLLOW_GOOD;
}

static void watch_ended(struct follow *follow, struct instant now, const struct reply *reply)
{
	bool expired = follow->verdict == FOLLOW_EXPIRED ||
		       (reply->end == REPLY_ANSWERED && reply->code == 410);

	if (expired)
		log_line(follow->log, LOG_INFO,
			 "the API server no longer knows what changed since version %s (410) -> "
			 "listed anew",
			 follow->version);
	else if (follow->verdict == FOLLOW_GOOD && reply->code != 200)
		refused(follow, now, reply);
	if (expired || follow->verdict == FOLLOW_NONSENSE ||
	    follow->trouble.kind == TROUBLE_STRANGE)
		list_anew(follow);
	if (expired || reply->code == 200) {
		answered(follow);
		/* What a watch brought before it was cut off counts; half a line comes again. */
		if (instant_diff_ms(now, follow->began_at) >= GOOD_WATCH_MS)
			backoff_reset(&follow->unsound);
		pause_before_next(follow, now);
	}
}

void follow_ended(struct follow *follow, struct instant now, const struct reply *reply)
{
	assert(follow->asking);
	follow->asking = false;
	if (follow->state == FOLLOW_LISTING)
		list_ended(follow, now, reply);
	else
		watch_ended(follow, now, reply);
}
