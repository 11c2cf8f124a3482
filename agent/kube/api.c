#include "kube/api.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "base/vec.h"
#include "base/xalloc.h"
#include "weft/version.h"

enum {
	CONNECT_MS = 5 * 1000,
	TOKEN_MAX = 16 << 10, /* 1 to 2 KB is usual */
	/* A machine that is gone is noticed by the kernel's own questions. */
	QUIET_S = 15,
	ASK_AGAIN_S = 5,
	ASK_TIMES = 3,
	UNANSWERED_MS = 30 * 1000,
	CONNECTION_LIFE_S = 600, /* then the CA, which may have changed, is asked anew */
};

static const char bearer[] = "Authorization: Bearer ";

/* ---- all calls */

void api_init(struct api *api, const struct place *place)
{
	*api = (struct api){ .multi = curl_multi_init(), .place = place };
	if (!api->multi)
		abort();
}

void api_done(struct api *api)
{
	curl_multi_cleanup(api->multi);
	api->multi = NULL;
}

void api_wait(struct api *api, int fd, int64_t timeout_ms)
{
	struct curl_waitfd extra = { .fd = fd, .events = CURL_WAIT_POLLIN };
	int ms = timeout_ms <= 0 ? 0 : timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms;

	/* Out of memory is all that can go wrong. */
	if (curl_multi_poll(api->multi, &extra, 1, ms, NULL) != CURLM_OK)
		abort();
}

/* ---- one answer */

static size_t take_more(struct api_call *call, struct bytes more)
{
	if (more.len > call->max - call->len) {
		call->too_long = true;
		return 0;
	}
	if (more.len == 0)
		return 0;
	call->body = vec_reserve(call->body, &call->cap, call->len + more.len, 1);
	memcpy(call->body + call->len, more.data, more.len);
	call->len += more.len;
	return more.len;
}

static unsigned code_of(struct api_call *call)
{
	long code = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &code);
	return (unsigned)code;
}

/* What comes instead of a stream is an answer like others. */
static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct api_call *call = arg;
	struct bytes more = { (const uint8_t *)data, size * n };

	if (!call->stream || code_of(call) != 200)
		return take_more(call, more);
	if (call->owner->piece(call->arg, more))
		return more.len;
	call->stopped = true;
	return more.len + 1; /* which ends it */
}

/* One line of the head; the empty one ends it. */
static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct api_call *call = arg;
	bool end = size * n == 2 && memcmp(data, "\r\n", 2) == 0;

	if (end && call->stream && code_of(call) == 200)
		call->owner->began(call->arg);
	return size * n;
}

static bool is_about_trust(CURLcode result)
{
	return result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CERTPROBLEM ||
	       result == CURLE_SSL_ISSUER_ERROR || result == CURLE_SSL_INVALIDCERTSTATUS;
}

static enum reply_end end_of(struct api_call *call, CURLcode result)
{
	if (result == CURLE_OK)
		return REPLY_ANSWERED;
	if (call->too_long)
		return REPLY_TOO_LONG;
	if (call->stopped)
		return REPLY_STOPPED;
	if (result == CURLE_SSL_CACERT_BADFILE)
		return REPLY_NO_CA;
	if (is_about_trust(result))
		return REPLY_UNTRUSTED;
	if (result == CURLE_OPERATION_TIMEDOUT)
		return REPLY_SILENT;
	return code_of(call) > 0 ? REPLY_CUT : REPLY_UNREACHABLE;
}

/* The kernel's own word if there is one: curl's sentences count milliseconds. */
static void explain(struct api_call *call, CURLcode result, char *ret, size_t size)
{
	bool ssl = result == CURLE_SSL_CONNECT_ERROR || is_about_trust(result);
	long os_errno = 0;

	curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
	if (ssl && *call->error)
		snprintf(ret, size, "%s", call->error);
	else if (os_errno != 0)
		snprintf(ret, size, "%s", strerror((int)os_errno));
	else
		snprintf(ret, size, "%s", curl_easy_strerror(result));
}

static void forget_request(struct api_call *call)
{
	curl_slist_free_all(call->headers);
	call->headers = NULL;
	free(call->body);
	call->body = NULL;
	call->len = call->cap = 0;
}

static void finish(struct api_call *call, CURLcode result)
{
	struct reply reply = { .end = end_of(call, result), .code = code_of(call) };
	curl_off_t retry_after_s = 0;

	if (reply.end == REPLY_UNREACHABLE || reply.end == REPLY_UNTRUSTED)
		explain(call, result, reply.text, sizeof(reply.text));
	curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
	if (retry_after_s > 0 && retry_after_s < INT32_MAX)
		reply.retry_after_ms = (int64_t)retry_after_s * 1000;
	reply.body = (struct bytes){ call->body, call->len };
	curl_multi_remove_handle(call->api->multi, call->easy);
	call->running = false;
	call->owner->ended(call->arg, &reply);
	forget_request(call);
}

void api_run(struct api *api)
{
	struct CURLMsg *message;
	struct api_call *call;
	int n;

	if (curl_multi_perform(api->multi, &n) != CURLM_OK)
		abort();
	while ((message = curl_multi_info_read(api->multi, &n))) {
		CURLcode result = message->data.result;

		assert(message->msg == CURLMSG_DONE);
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
		finish(call, result);
	}
}

/* ---- one request */

void api_call_init(struct api_call *call, struct api *api, const struct api_owner *owner, void *arg)
{
	*call = (struct api_call){
		.api = api, .owner = owner, .arg = arg, .easy = curl_easy_init()
	};
	if (!call->easy)
		abort();
}

void api_call_done(struct api_call *call)
{
	if (call->running)
		curl_multi_remove_handle(call->api->multi, call->easy);
	curl_easy_cleanup(call->easy);
	forget_request(call);
	*call = (struct api_call){ 0 };
}

static ssize_t read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size);
	int error = errno;

	if (fd >= 0)
		close(fd);
	return n < 0 ? -error : n;
}

/* The header that shows the token. Printable, so that it is one header. */
static int read_token(const char *path, char header[static TOKEN_MAX], struct err *err)
{
	const size_t skip = sizeof(bearer) - 1;
	ssize_t n = read_file(path, header + skip, TOKEN_MAX - skip);
	size_t len;

	if (n < 0)
		return err_set(err, (int)-n, "%s: %s", path, strerror((int)-n));
	len = skip + (size_t)n;
	if (len == TOKEN_MAX)
		return err_set(err, EBADMSG, "%s has more than a token has", path);
	while (len > skip && strchr(" \t\r\n", header[len - 1]))
		len--;
	header[len] = '\0';
	if (!text_is_name(header + skip, TOKEN_MAX))
		return err_set(err, EBADMSG, "%s has something else", path);
	memcpy(header, bearer, skip);
	return 0;
}

static void add_header(struct api_call *call, const char *line)
{
	struct curl_slist *longer = curl_slist_append(call->headers, line);

	if (!longer)
		abort();
	call->headers = longer;
}

/* Each option is one that this libcurl knows, so what is left is memory. */
#define SET(call, option, value)                                                   \
	do {                                                                       \
		if (curl_easy_setopt((call)->easy, (option), (value)) != CURLE_OK) \
			abort();                                                   \
	} while (0)

static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	const int on = 1, quiet_s = QUIET_S, again_s = ASK_AGAIN_S, times = ASK_TIMES;
	const unsigned unanswered_ms = UNANSWERED_MS;

	(void)arg;
	(void)purpose;
	/* Without these it is only noticed later. */
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &quiet_s, sizeof(quiet_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &again_s, sizeof(again_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof(unanswered_ms));
	return CURL_SOCKOPT_OK;
}

/* Whom we talk to, and how long. */
static void set_connection(struct api_call *call, const struct request *request)
{
	SET(call, CURLOPT_NOSIGNAL, 1L);
	SET(call, CURLOPT_QUICK_EXIT, 1L); /* never wait for a resolver's thread */
	SET(call, CURLOPT_PROTOCOLS_STR, "https");
	SET(call, CURLOPT_FOLLOWLOCATION, 0L);
	SET(call, CURLOPT_PROXY, ""); /* whatever the environment says */
	SET(call, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(call, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(call, CURLOPT_SSL_VERIFYPEER, 1L);
	SET(call, CURLOPT_SSL_VERIFYHOST, 2L);
	SET(call, CURLOPT_CAINFO, call->api->place->ca_file);
	SET(call, CURLOPT_CAPATH, NULL); /* no others */
	/* The file's content counts now, not as it was a day ago. GnuTLS has no such cache. */
	(void)curl_easy_setopt(call->easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	SET(call, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	SET(call, CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFE_S);
	SET(call, CURLOPT_SOCKOPTFUNCTION, on_socket);
	SET(call, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	SET(call, CURLOPT_TIMEOUT_MS, (long)request->limit_ms);
	SET(call, CURLOPT_USERAGENT, "weft-kube/" WEFT_VERSION);
}

static void set_request(struct api_call *call, const struct request *request)
{
	size_t len = strlen(call->api->place->url) + strlen(request->path) + 1;
	_cleanup_(freep) char *url = xmalloc(len);

	snprintf(url, len, "%s%s", call->api->place->url, request->path);
	SET(call, CURLOPT_URL, url);
	if (request->body) {
		char type[100];

		snprintf(type, sizeof(type), "Content-Type: %s", request->type);
		add_header(call, type);
		SET(call, CURLOPT_COPYPOSTFIELDS, request->body);
	}
	SET(call, CURLOPT_CUSTOMREQUEST, request->method);
	add_header(call, "Accept: application/json");
	SET(call, CURLOPT_HTTPHEADER, call->headers);
}

static void set_answer(struct api_call *call)
{
	SET(call, CURLOPT_PRIVATE, call);
	SET(call, CURLOPT_WRITEFUNCTION, on_body);
	SET(call, CURLOPT_WRITEDATA, call);
	SET(call, CURLOPT_HEADERFUNCTION, on_header);
	SET(call, CURLOPT_HEADERDATA, call);
	SET(call, CURLOPT_ERRORBUFFER, call->error);
}

static void end_unasked(struct api_call *call, const struct err *err)
{
	struct reply reply = { .end = REPLY_NO_TOKEN };

	snprintf(reply.text, sizeof(reply.text), "%.*s", KUBE_TEXT_MAX, err->text);
	call->owner->ended(call->arg, &reply);
}

void api_start(struct api_call *call, const struct request *request)
{
	char header[TOKEN_MAX];
	struct err err = { 0 };

	assert(!call->running);
	if (read_token(call->api->place->token_file, header, &err) < 0) {
		end_unasked(call, &err);
		return;
	}
	add_header(call, header);
	explicit_bzero(header, sizeof(header));
	call->stream = request->stream;
	call->max = request->answer_max;
	call->too_long = call->stopped = false;
	call->error[0] = '\0';
	curl_easy_reset(call->easy); /* keeps connections */
	set_connection(call, request);
	set_request(call, request);
	set_answer(call);
	call->running = true;
	if (curl_multi_add_handle(call->api->multi, call->easy) != CURLM_OK)
		abort();
}

void api_stop(struct api_call *call)
{
	assert(call->running);
	call->stopped = true;
	finish(call, CURLE_WRITE_ERROR);
}
