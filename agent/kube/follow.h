#pragma once
/*
 * Following the nodes: decides what to ask the API server next, and takes what it answers.
 *
 *   LISTING --last page--> WATCHING --ended, cut, silent--> WATCHING, from where it was
 *      ^  |410, nonsense:     |
 *      +--+ from page one     | 410, nonsense
 *      +----------------------+
 *
 * The nodes of the last whole list, and what the watch changed since, stay in force while a new
 * list comes. No sockets and no clock in here.
 *
 * What it costs: a Node has 5 to 50 KB as JSON, most of it names of images, and an API server picks
 * out no fields. A list of 5,000 nodes is thus 25 to 250 MB, once per start of ours, in pages of 5
 * MB as a rule; and as each kubelet writes its Node every five minutes even when nothing happens,
 * the watch brings 17 of them a second, 0.1 to 0.8 MB/s for each node that runs us.
 */
#include "base/prng.h"
#include "kube/backoff.h"
#include "kube/lines.h"
#include "kube/nodes.h"
#include "kube/reply.h"
#include "log/log.h"

enum {
	FOLLOW_PAGE = 100, /* nodes: 5 MB of the largest that are common; fewer when larger */
	FOLLOW_WATCH_S = 300,
	/* From the first event on, a watch brings a bookmark every minute if nothing else (the
	 * API server's cacher.go and cache_watcher.go): after two lost ones it is dead. Before
	 * there may be nothing to say for as long as it lasts. A machine that is gone is noticed
	 * by TCP. */
	FOLLOW_SILENCE_MS = 150 * 1000,
};

enum follow_state { FOLLOW_LISTING, FOLLOW_WATCHING };

struct follow {
	enum follow_state state;
	struct nodes held;     /* in force */
	uint64_t list;         /* random: names the list they are of; 0: there is none yet */
	unsigned page;         /* nodes that are asked for at once */
	struct nodes arriving; /* pages so far */
	char next[KUBE_NEXT_MAX + 1];
	char version[KUBE_VERSION_MAX + 1]; /* the watch goes on from here */
	struct lines lines;
	bool asking;
	struct instant began_at, heard_at;                             /* this watch */
	bool bookmarks;                                                /* it brings some */
	enum { FOLLOW_GOOD, FOLLOW_EXPIRED, FOLLOW_NONSENSE } verdict; /* on it */
	struct backoff away;    /* it does not answer as it should */
	struct backoff unsound; /* it does, and what it says does not hold for ten seconds */
	struct trouble trouble; /* now */
	bool trouble_stays;     /* until a watch brings something that can be read */
	const struct place *place;
	struct prng *prng;
	struct log *log;
};

/* The last three are borrowed for good. */
void follow_init(struct follow *follow, const struct place *place, struct prng *prng,
		 struct log *log);
void follow_done(struct follow *follow);

/* When to call follow_request, or follow_is_silent, next. */
struct instant follow_deadline(const struct follow *follow);
/* True: ask this now; it is in the arena. */
bool follow_request(struct follow *follow, struct instant now, struct arena *arena,
		    struct request *ret);
/* The watch hangs: stop it, then tell that it has ended. */
bool follow_is_silent(const struct follow *follow, struct instant now);

/* The watch was accepted: all is well, even if it never says anything. */
void follow_began(struct follow *follow, struct instant now);
/* A piece of the watch. False: enough, stop it. */
bool follow_piece(struct follow *follow, struct instant now, struct bytes piece);
void follow_ended(struct follow *follow, struct instant now, const struct reply *reply);
