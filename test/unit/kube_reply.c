/* Each way to fail is a sentence: where, what happened, what to do. */
#include "kube/reply.h"

#include "check.h"

#define URL        "https://10.96.0.1:443"
#define SERVER     "the API server at " URL
#define TOKEN_FILE "/var/run/secrets/kubernetes.io/serviceaccount/token"
#define CA_FILE    "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"

static const struct place place = { .url = URL, .token_file = TOKEN_FILE, .ca_file = CA_FILE };

static void sentence(const struct reply *reply, enum trouble_kind kind, const char *expected)
{
	struct trouble trouble = { 0 };

	reply_explain(reply, &place, "list nodes", &trouble);
	CHECK_INT(trouble.kind, kind);
	CHECK_STR(trouble.text, expected);
}

static void ends(void)
{
	sentence(&(struct reply){ .end = REPLY_UNREACHABLE, .text = "Connection refused" },
		 TROUBLE_AWAY,
		 SERVER " cannot be reached (Connection refused) -> does it run, and does "
			"kube-proxy run on this node?");
	sentence(&(struct reply){ .end = REPLY_SILENT }, TROUBLE_AWAY,
		 SERVER " does not answer in time when asked to list nodes -> does it run, and "
			"does kube-proxy run on this node?");
	sentence(&(struct reply){ .end = REPLY_CUT, .code = 200 }, TROUBLE_AWAY,
		 SERVER " breaks off its answer when asked to list nodes -> does it keep "
			"restarting?");
	sentence(&(struct reply){ .end = REPLY_UNTRUSTED, .text = "self-signed certificate" },
		 TROUBLE_IDENTITY,
		 CA_FILE " does not vouch for " SERVER " (self-signed certificate) -> is it the "
			 "API server of this cluster?");
	sentence(&(struct reply){ .end = REPLY_NO_CA }, TROUBLE_IDENTITY,
		 CA_FILE " has no certificates that could vouch for " SERVER " -> mount the "
			 "service account's");
	sentence(&(struct reply){ .end = REPLY_NO_TOKEN, .text = "/t: No such file or directory" },
		 TROUBLE_TOKEN,
		 "there is no token to show to " SERVER ": /t: No such file or directory -> mount "
		 "the service account's");
	sentence(&(struct reply){ .end = REPLY_TOO_LONG }, TROUBLE_STRANGE,
		 SERVER " answers more than 16 MB when asked to list "
			"nodes -> is it an API server?");
}

static void code(unsigned number, const char *message, enum trouble_kind kind, const char *expected)
{
	struct reply reply = { .end = REPLY_ANSWERED, .code = number };
	char body[400];

	snprintf(body, sizeof(body), "{\"kind\":\"Status\",\"message\":\"%s\"}", message);
	reply.body = (struct bytes){ (const uint8_t *)body, strlen(body) };
	sentence(&reply, kind, expected);
}

static void codes(void)
{
	code(401, "Unauthorized", TROUBLE_TOKEN,
	     SERVER " does not accept the token in " TOKEN_FILE " (401) -> is the service account "
		    "still there?");
	code(403, "nodes is forbidden", TROUBLE_RIGHTS,
	     SERVER " does not let us list nodes (403: nodes is forbidden) -> if that stays, apply "
		    "Weft's manifest again");
	code(429, "slow down", TROUBLE_BUSY,
	     SERVER " cannot list nodes now (429: slow down) -> its log says why");
	code(503, "", TROUBLE_BUSY, SERVER " cannot list nodes now (503) -> its log says why");
	code(302, "", TROUBLE_STRANGE,
	     SERVER " sends us elsewhere (302), where we never go -> --api-server must name the "
		    "API server itself");
	code(404, "nothing here", TROUBLE_STRANGE,
	     SERVER " does not list nodes (404: nothing here) -> is Weft's manifest applied, and "
		    "whole?");
	/* whatever it says, what to do still fits */
	code(403,
	     "nodes is forbidden: User \\\"system:serviceaccount:weft:weft\\\" cannot list "
	     "resource \\\"nodes\\\" in API group \\\"\\\" at the cluster scope",
	     TROUBLE_RIGHTS,
	     SERVER " does not let us list nodes (403: nodes is forbidden: User "
		    "\"system:serviceaccount:weft:weft\" cannot list resource ..) -> if that "
		    "stays, apply Weft's manifest again");
}

static void an_answer_that_is_no_status(void)
{
	sentence(&(struct reply){ .end = REPLY_ANSWERED,
				  .code = 502,
				  .body = { (const uint8_t *)"<html>", 6 } },
		 TROUBLE_BUSY, SERVER " cannot list nodes now (502) -> its log says why");
	sentence(&(struct reply){ .end = REPLY_ANSWERED, .code = 204 }, TROUBLE_STRANGE,
		 SERVER " does not list nodes (204) -> is it an API server?");
}

static void content(void)
{
	struct trouble trouble = { 0 };
	struct err err = { 0 };

	err_set(&err, 74, "kind: expected NodeList");
	reply_explain_content(&err, &place, "list nodes", &trouble);
	CHECK_INT(trouble.kind, TROUBLE_STRANGE);
	CHECK_STR(trouble.text,
		  "what " SERVER " answers when asked to list nodes cannot be read: kind: "
		  "expected NodeList -> is it an API server?");
	reply_explain_size(&place, &trouble);
	CHECK_INT(trouble.kind, TROUBLE_STRANGE);
	CHECK(strstr(trouble.text, "has more than 16384 nodes"));
}

static void who_must_act(void)
{
	CHECK(trouble_passes(TROUBLE_NONE) && trouble_passes(TROUBLE_AWAY) &&
	      trouble_passes(TROUBLE_BUSY));
	CHECK(!trouble_passes(TROUBLE_IDENTITY) && !trouble_passes(TROUBLE_TOKEN) &&
	      !trouble_passes(TROUBLE_RIGHTS) && !trouble_passes(TROUBLE_STRANGE) &&
	      !trouble_passes(TROUBLE_CONTENT));
}

int main(void)
{
	RUN(ends);
	RUN(codes);
	RUN(an_answer_that_is_no_status);
	RUN(content);
	RUN(who_must_act);
	return check_report();
}
