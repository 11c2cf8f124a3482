#include "wire/http.h"

#include <string.h>

#include "check.h"

static enum http_asked asked(const char *head, bool *body)
{
	return http_decode((struct bytes){ (const uint8_t *)head, strlen(head) }, body);
}

static void requests(void)
{
	static const struct {
		const char *head;
		enum http_asked asked;
	} rows[] = {
		{ "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", HTTP_READYZ },
		{ "GET /readyz?verbose HTTP/1.0\r\n\r\n", HTTP_READYZ },
		{ "HEAD /healthz HTTP/1.1\r\n\r\n", HTTP_HEALTHZ },
		{ "GET /readyzz HTTP/1.1\r\n\r\n", HTTP_UNKNOWN },
		{ "GET / HTTP/1.1\r\n\r\n", HTTP_UNKNOWN },
		{ "POST /readyz HTTP/1.1\r\n\r\n", HTTP_NOT_GET },
		{ "GET /readyz\r\n\r\n", HTTP_GARBAGE },
		{ "GET readyz HTTP/1.1\r\n\r\n", HTTP_GARBAGE },
		{ "GET /readyz HTTP/2.0\r\n\r\n", HTTP_GARBAGE },
		{ "GET /readyz HTTP/1.1 \r\n\r\n", HTTP_GARBAGE },
		{ "GET  HTTP/1.1\r\n\r\n", HTTP_GARBAGE },
		{ "GET /ready\x01z HTTP/1.1\r\n\r\n", HTTP_GARBAGE },
		{ " /readyz HTTP/1.1\r\n\r\n", HTTP_GARBAGE },
		{ "\r\n\r\n", HTTP_GARBAGE },
		{ "", HTTP_GARBAGE },
	};
	bool body;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_INT(asked(rows[i].head, &body), rows[i].asked);
	(void)asked("HEAD /readyz HTTP/1.1\r\n\r\n", &body);
	CHECK(!body);
	(void)asked("GET /readyz HTTP/1.1\r\n\r\n", &body);
	CHECK(body);
}

static void says(enum http_asked asked, bool good, bool body, const char *status, const char *end)
{
	struct arena arena;
	struct bytes answer;
	char text[400];

	arena_init(&arena, 4096);
	answer = http_encode(asked, good, "no block yet", body, &arena);
	REQUIRE(answer.len < sizeof(text));
	memcpy(text, answer.data, answer.len);
	text[answer.len] = '\0';
	CHECK(strncmp(text, status, strlen(status)) == 0);
	CHECK_STR(strstr(text, "\r\n\r\n") + 4, end);
	arena_done(&arena);
}

static void answers(void)
{
	says(HTTP_READYZ, true, true, "HTTP/1.1 200 OK\r\n", "no block yet\n");
	says(HTTP_READYZ, false, true, "HTTP/1.1 503 ", "no block yet\n");
	says(HTTP_READYZ, false, false, "HTTP/1.1 503 ", "");
	says(HTTP_UNKNOWN, true, true, "HTTP/1.1 404 ", "there are /healthz and /readyz\n");
	says(HTTP_NOT_GET, true, true, "HTTP/1.1 405 ", "only GET\n");
	says(HTTP_GARBAGE, true, true, "HTTP/1.1 400 ", "this is no HTTP request\n");
}

int main(void)
{
	RUN(requests);
	RUN(answers);
	return check_report();
}
