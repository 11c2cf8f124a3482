#pragma once
/*
 * Requests to the API server: HTTPS through libcurl, several at once on one thread. Whom we talk to
 * is verified against the CA each time a connection is made; nothing is followed elsewhere, no
 * proxy is asked. The token is read for each request, because it is replaced every hour or so.
 */
#include <curl/curl.h>

#include "base/instant.h"
#include "kube/reply.h"

struct api {
	CURLM *multi;
	const struct place *place;
};

struct api_owner {
	/* Of a stream: it was accepted, and a piece of it; false: stop it. Nothing of this room may
	 * be called from within. */
	void (*began)(void *arg);
	bool (*piece)(void *arg, struct bytes piece);
	/* Once for each request that was started. */
	void (*ended)(void *arg, const struct reply *reply);
};

/* One request at a time. The struct must not move. */
struct api_call {
	struct api *api;
	const struct api_owner *owner;
	void *arg;
	CURL *easy;
	struct curl_slist *headers; /* of the request that runs */
	bool running, stream;
	uint8_t *body; /* owned: what came of an answer */
	size_t len, cap, max;
	bool too_long, stopped;
	char error[CURL_ERROR_SIZE];
};

/* The place is borrowed. curl_global_init must have been called. */
void api_init(struct api *api, const struct place *place);
/* All calls must be done. */
void api_done(struct api *api);
/* Returns when something came, after timeout_ms, or when `fd` can be read. */
void api_wait(struct api *api, int fd, int64_t timeout_ms);
/* Move bytes and tell what ended. */
void api_run(struct api *api);

void api_call_init(struct api_call *call, struct api *api, const struct api_owner *owner,
		   void *arg);
void api_call_done(struct api_call *call);
/* The request is borrowed for the call. It may end within. */
void api_start(struct api_call *call, const struct request *request);
/* It ends within, with REPLY_STOPPED. */
void api_stop(struct api_call *call);
