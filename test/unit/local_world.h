/* What the tests of io/local_server.h share: a server at a path of its own or over HTTP, and what
 * its owner was told. */
#pragma once

#include "base/xalloc.h"
#include "io/local_server.h"
#include "io_fixture.h"

enum { QUESTION_MAX = 1 << 20 };

struct world {
	struct fixture fixture;
	struct local_server server;
	char *directory;
	char path[300];
	unsigned asked, gone, refused;
	uint32_t client;       /* the last one that asked */
	uint32_t left;         /* the last one that left */
	struct bytes question; /* data owned */
	bool answer_at_once;
	char why[100];
	bool (*enough)(const struct world *w);
};

static inline void look(struct world *w)
{
	if (w->enough && w->enough(w))
		fixture_satisfy(&w->fixture);
}

static void on_asked(void *arg, uint32_t client, struct bytes question)
{
	struct world *w = arg;

	w->asked++;
	w->client = client;
	free((void *)(uintptr_t)w->question.data);
	w->question =
		(struct bytes){ .data = xmemdup(question.data, question.len), .len = question.len };
	if (w->answer_at_once)
		local_server_answer(&w->server, client, question);
	look(w);
}

static void on_gone(void *arg, uint32_t client)
{
	struct world *w = arg;

	w->gone++;
	w->left = client;
	look(w);
}

static void on_refused(void *arg, const char *why)
{
	struct world *w = arg;

	w->refused++;
	snprintf(w->why, sizeof(w->why), "%s", why);
	look(w);
}

static const struct local_owner owner = {
	.asked = on_asked,
	.gone = on_gone,
	.refused = on_refused,
};

/* At the world's path, unless the place is for HTTP. */
static inline void world_open(struct world *w, struct local_place place)
{
	struct err err = { 0 };

	*w = (struct world){ 0 };
	w->directory = fixture_directory();
	snprintf(w->path, sizeof(w->path), "%s/weft.sock", w->directory);
	if (place.http.ip_len == 0)
		place.path = w->path;
	fixture_init(&w->fixture);
	REQUIRE(local_server_open(&w->server, &w->fixture.loop, &place, QUESTION_MAX, &owner, w,
				  &err) == 0);
}

static inline void world_done(struct world *w)
{
	local_server_done(&w->server);
	fixture_done(&w->fixture);
	free((void *)(uintptr_t)w->question.data);
	fixture_remove(w->directory);
}

static inline void wait_until(struct world *w, bool (*enough)(const struct world *w))
{
	w->enough = enough;
	if (!enough(w))
		REQUIRE(fixture_wait(&w->fixture));
	w->enough = NULL;
}

static inline bool one_asked(const struct world *w)
{
	return w->asked >= 1;
}

/* What was sent to a local socket is there when send() returns; taking a client and reading from it
 * are two turns. */
static inline void run_what_is_ready(struct world *w)
{
	for (int i = 0; i < 5; i++)
		uv_run(&w->fixture.loop.uv, UV_RUN_NOWAIT);
}
