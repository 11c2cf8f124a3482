#include "kube/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { URL_MAX = 100, WORDS_MAX = 100 };

static void say(struct trouble *ret, enum trouble_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct trouble *ret, enum trouble_kind kind, const char *format, ...)
{
	va_list args;

	ret->kind = kind;
	va_start(args, format);
	vsnprintf(ret->text, sizeof(ret->text), format, args);
	va_end(args);
}

static void name_place(const struct place *place, char ret[static URL_MAX])
{
	snprintf(ret, URL_MAX, "the API server at %.80s", place->url);
}

void reply_explain_status(const struct kube_status *status, const struct place *place,
			  const char *what, struct trouble *ret)
{
	const char *sep = *status->message ? ": " : "";
	char url[URL_MAX], words[WORDS_MAX];

	name_place(place, url);
	/* What to do must still have room behind it. */
	snprintf(words, sizeof(words), "%u%s%.80s%s", status->code, sep, status->message,
		 strlen(status->message) > 80 ? ".." : "");
	if (status->code == 401)
		say(ret, TROUBLE_TOKEN,
		    "%s does not accept the token in %.70s (401) -> is the service account still "
		    "there?",
		    url, place->token_file);
	else if (status->code == 403)
		say(ret, TROUBLE_RIGHTS,
		    "%s does not let us %s (%s) -> if that stays, apply Weft's manifest again", url,
		    what, words);
	else if (status->code == 429 || status->code >= 500)
		say(ret, TROUBLE_BUSY, "%s cannot %s now (%s) -> its log says why", url, what,
		    words);
	else if (status->code >= 300 && status->code < 400)
		say(ret, TROUBLE_STRANGE,
		    "%s sends us elsewhere (%u), where we never go -> --api-server must name the "
		    "API server itself",
		    url, status->code);
	else
		say(ret, TROUBLE_STRANGE, "%s does not %s (%s) -> %s", url, what, words,
		    *status->message ? "is Weft's manifest applied, and whole?"
				     : "is it an API server?");
}

static void explain_answer(const struct reply *reply, const struct place *place, const char *what,
			   struct trouble *ret)
{
	struct kube_status status;
	struct err unread = { 0 };

	/* A proxy or a web server says no in its own way. */
	if (kube_status_decode(reply->body, &status, &unread) < 0)
		status = (struct kube_status){ 0 };
	status.code = reply->code;
	reply_explain_status(&status, place, what, ret);
}

void reply_explain(const struct reply *reply, const struct place *place, const char *what,
		   struct trouble *ret)
{
	char url[URL_MAX];

	name_place(place, url);
	switch (reply->end) {
	case REPLY_ANSWERED:
		explain_answer(reply, place, what, ret);
		return;
	case REPLY_UNREACHABLE:
		say(ret, TROUBLE_AWAY,
		    "%s cannot be reached (%.60s) -> does it run, and does "
		    "kube-proxy run on this node?",
		    url, reply->text);
		return;
	case REPLY_UNTRUSTED:
		say(ret, TROUBLE_IDENTITY,
		    "%.60s does not vouch for %s (%.80s) -> is it the API server of this cluster?",
		    place->ca_file, url, reply->text);
		return;
	case REPLY_NO_TOKEN:
		say(ret, TROUBLE_TOKEN,
		    "there is no token to show to %s: %.90s -> mount the service account's", url,
		    reply->text);
		return;
	case REPLY_NO_CA:
		say(ret, TROUBLE_IDENTITY,
		    "%.90s has no certificates that could vouch for %s -> mount the service "
		    "account's",
		    place->ca_file, url);
		return;
	case REPLY_SILENT:
		say(ret, TROUBLE_AWAY,
		    "%s does not answer in time when asked to %s -> does it run, and does "
		    "kube-proxy run on this node?",
		    url, what);
		return;
	case REPLY_CUT:
	case REPLY_STOPPED:
		say(ret, TROUBLE_AWAY,
		    "%s breaks off its answer when asked to %s -> does it keep "
		    "restarting?",
		    url, what);
		return;
	case REPLY_TOO_LONG:
		say(ret, TROUBLE_STRANGE,
		    "%s answers more than %d MB when asked to %s -> is it an API server?", url,
		    KUBE_ANSWER_MAX >> 20, what);
		return;
	}
}

void reply_explain_content(const struct err *err, const struct place *place, const char *what,
			   struct trouble *ret)
{
	say(ret, TROUBLE_STRANGE,
	    "what the API server at %.80s answers when asked to %s cannot be read: %.70s -> is it "
	    "an API server?",
	    place->url, what, err->text);
}

void reply_explain_size(const struct place *place, struct trouble *ret)
{
	say(ret, TROUBLE_STRANGE,
	    "the API server at %.80s has more than %d nodes, which is more than Weft can serve -> "
	    "no change of nodes is taken up",
	    place->url, KUBE_LIST_MAX);
}

bool trouble_passes(enum trouble_kind kind)
{
	return kind == TROUBLE_NONE || kind == TROUBLE_AWAY || kind == TROUBLE_BUSY;
}
