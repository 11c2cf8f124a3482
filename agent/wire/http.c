#include "wire/http.h"

#include <assert.h>

static bool take(struct bytes *from, const char *word)
{
	size_t len = strlen(word);

	if (from->len < len || memcmp(from->data, word, len) != 0)
		return false;
	*from = (struct bytes){ from->data + len, from->len - len };
	return true;
}

/* The first line without its end, or nothing if it holds what no request line may. */
static struct bytes first_line(struct bytes head)
{
	const uint8_t *end = memmem(head.data, head.len, "\r\n", 2);
	struct bytes line = { head.data, end ? (size_t)(end - head.data) : 0 };

	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] < ' ' || line.data[i] > '~')
			return (struct bytes){ 0 };
	return line;
}

/* The path, without a query. False: this is no request line. */
static bool split_path(struct bytes *line, struct bytes *ret_path)
{
	const uint8_t *end = memchr(line->data, ' ', line->len), *query;
	struct bytes path = { line->data, end ? (size_t)(end - line->data) : 0 };

	if (!end || path.len == 0 || path.data[0] != '/')
		return false;
	*line = (struct bytes){ end, line->len - path.len };
	query = memchr(path.data, '?', path.len);
	if (query)
		path.len = (size_t)(query - path.data);
	*ret_path = path;
	return true;
}

enum http_asked http_decode(struct bytes head, bool *ret_body)
{
	struct bytes line = first_line(head), path;
	bool get = take(&line, "GET "), only_head = !get && take(&line, "HEAD ");
	const uint8_t *method_end;

	*ret_body = !only_head;
	if (!get && !only_head) {
		method_end = line.len ? memchr(line.data, ' ', line.len) : NULL;
		if (!method_end || method_end == line.data)
			return HTTP_GARBAGE;
		line = (struct bytes){ method_end + 1,
				       line.len - (size_t)(method_end + 1 - line.data) };
	}
	if (!split_path(&line, &path) || !take(&line, " HTTP/1.") || line.len != 1)
		return HTTP_GARBAGE;
	if (!get && !only_head)
		return HTTP_NOT_GET;
	return bytes_are(path, "/readyz")    ? HTTP_READYZ
	       : bytes_are(path, "/healthz") ? HTTP_HEALTHZ
					     : HTTP_UNKNOWN;
}

struct bytes http_encode(enum http_asked asked, bool good, const char *text, bool body,
			 struct arena *arena)
{
	static const struct {
		const char *status, *text;
	} refused[] = {
		[HTTP_UNKNOWN] = { "404 Not Found", "there are /healthz and /readyz" },
		[HTTP_NOT_GET] = { "405 Method Not Allowed\r\nAllow: GET, HEAD", "only GET" },
		[HTTP_GARBAGE] = { "400 Bad Request", "this is no HTTP request" },
	};
	bool served = asked == HTTP_HEALTHZ || asked == HTTP_READYZ;
	const char *status = !served ? refused[asked].status
			     : good  ? "200 OK"
				     : "503 Service Unavailable";
	const char *what = served ? text : refused[asked].text;
	char *all = arena_printf(arena,
				 "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
				 "Content-Length: %zu\r\nConnection: close\r\n\r\n%s%s",
				 status, strlen(what) + 1, body ? what : "", body ? "\n" : "");

	assert(all);
	return (struct bytes){ (const uint8_t *)all, strlen(all) };
}
