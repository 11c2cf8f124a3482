/* What the API server says: Nodes as a kubelet writes them, and all that is not what it should
 * be. */
#include "wire/kube_api.h"

#include <errno.h>
#include <stdarg.h>

#include "base/text.h"
#include "base/xalloc.h"

#include "check.h"

/* A Node with all that a kubelet puts into one, much of it left out in the middle. */
static const char node_n1[] =
	"{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"n1\",\"uid\":"
	"\"25b3a6a5-93a0-4c37-9d7c-ea0a5b8d3c11\",\"resourceVersion\":\"771\","
	"\"creationTimestamp\":\"2026-01-02T03:04:05Z\",\"labels\":{\"kubernetes.io/os\":"
	"\"linux\"},"
	"\"managedFields\":[{\"manager\":\"kubelet\",\"fieldsV1\":{\"f:status\":{\"f:conditions\":{"
	"\"k:{\\\"type\\\":\\\"Ready\\\"}\":{\".\":{},\"f:type\":{}}}}}}]},\"spec\":{},\"status\":{"
	"\"capacity\":{\"cpu\":\"2\"},\"conditions\":["
	"{\"type\":\"NetworkUnavailable\",\"status\":\"False\",\"reason\":\"WeftIsUp\"},"
	"{\"type\":\"Ready\",\"status\":\"True\"}],\"addresses\":["
	"{\"type\":\"InternalIP\",\"address\":\"fd00::1\"},"
	"{\"type\":\"ExternalIP\",\"address\":\"203.0.113.1\"},"
	"{\"type\":\"InternalIP\",\"address\":\"10.99.0.1\"},"
	"{\"type\":\"InternalIP\",\"address\":\"10.99.0.2\"},"
	"{\"type\":\"Hostname\",\"address\":\"n1\"}],\"images\":[]}}";

static const char node_n2[] =
	"{\"metadata\":{\"name\":\"n2\",\"uid\":\"u2\",\"resourceVersion\":\"772\"},\"status\":{"
	"\"conditions\":[{\"type\":\"NetworkUnavailable\",\"status\":\"True\"}]}}";

/* Exactly as many bytes, for the sanitizer. Freed by the next call. */
static struct bytes text(const char *format, ...) __attribute__((format(printf, 1, 2)));

static struct bytes text(const char *format, ...)
{
	static char *last;
	char *all = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&all, format, args);
	va_end(args);
	REQUIRE(len >= 0);
	free(last);
	last = malloc((size_t)len + 1);
	memcpy(last, all, (size_t)len);
	free(all);
	last = realloc(last, len ? (size_t)len : 1);
	return (struct bytes){ (const uint8_t *)last, (size_t)len };
}

/* ---- pages */

static int page(struct bytes json, struct arena *arena, struct kube_page *ret, struct err *err)
{
	arena_init(arena, ARENA_UNLIMITED);
	return kube_page_decode(json, arena, ret, err);
}

static void reads_a_page(void)
{
	struct kube_page *ret = malloc(sizeof(*ret));
	struct err err = { 0 };
	struct arena arena;

	CHECK_INT(page(text("{\"kind\":\"NodeList\",\"apiVersion\":\"v1\",\"metadata\":{"
			    "\"resourceVersion\":\"900\",\"continue\":\"eyJ2Ijoi_-=\","
			    "\"remainingItemCount\":7},\"items\":[%s , %s]}\n",
			    node_n1, node_n2),
		       &arena, ret, &err),
		  0);
	CHECK_STR(ret->version, "900");
	CHECK_STR(ret->next, "eyJ2Ijoi_-=");
	REQUIRE(ret->n == 2);
	CHECK_STR(ret->nodes[0].name, "n1");
	CHECK_STR(ret->nodes[0].uid, "25b3a6a5-93a0-4c37-9d7c-ea0a5b8d3c11");
	CHECK_STR(ret->nodes[0].version, "771");
	CHECK_STR(text_ip4(TEXT_BUF(IP4), ret->nodes[0].address), "10.99.0.1");
	CHECK(ret->nodes[0].network_up);
	CHECK_STR(ret->nodes[1].name, "n2");
	CHECK_UINT(ret->nodes[1].address, 0);
	CHECK(!ret->nodes[1].network_up);
	arena_done(&arena);
	free(ret);
}

static void reads_an_empty_page(void)
{
	static const char *const items[] = { "[]", "null", " [ ] " };

	for (size_t i = 0; i < 3; i++) {
		struct kube_page *ret = malloc(sizeof(*ret));
		struct err err = { 0 };
		struct arena arena;

		CHECK_INT(page(text("{\"items\":%s,\"metadata\":{\"resourceVersion\":\"1\","
				    "\"continue\":\"\"},\"kind\":\"NodeList\"}",
				    items[i]),
			       &arena, ret, &err),
			  0);
		CHECK_UINT(ret->n, 0);
		CHECK_STR(ret->next, "");
		arena_done(&arena);
		free(ret);
	}
}

static void no_page(struct bytes json, const char *why)
{
	struct kube_page *ret = malloc(sizeof(*ret));
	struct err err = { 0 };
	struct arena arena;

	CHECK_INT(page(json, &arena, ret, &err), -EBADMSG);
	CHECK_STR(err.text, why);
	arena_done(&arena);
	free(ret);
}

#define HEAD "{\"kind\":\"NodeList\",\"metadata\":{\"resourceVersion\":\"1\"},"

static void refuses_pages(void)
{
	no_page(text("%s", ""), "the list: expected a whole JSON object");
	no_page(text("[]"), "the list: expected a whole JSON object");
	no_page(text("{}"), "kind: expected NodeList");
	no_page(text("{\"kind\":\"PodList\"}"), "kind: expected NodeList");
	no_page(text("{\"kind\":\"NodeList\"}"), "metadata: expected a whole JSON object");
	no_page(text("{\"kind\":\"NodeList\",\"metadata\":{}}"),
		"metadata.resourceVersion: expected 1 to 63 printable characters");
	no_page(text("{\"kind\":\"NodeList\",\"metadata\":{\"resourceVersion\":\"1\","
		     "\"continue\":7},\"items\":[]}"),
		"metadata.continue: expected 1 to 4095 printable characters");
	no_page(text(HEAD "\"items\":{}}"), "items: expected an array");
	no_page(text(HEAD "\"a\":1}"), "items: expected an array");
	no_page(text(HEAD "\"items\":[1,]}"), "items: expected a whole array");
	no_page(text(HEAD "\"items\":[%s]", node_n1), "the list: expected a whole JSON object");
	no_page(text(HEAD "\"items\":[%s,{\"metadata\":{\"name\":\"a\"}}]}", node_n1),
		"item 2: metadata.uid: expected 1 to 64 printable characters");
	no_page(text(HEAD "\"items\":[{]]}"), "item 1: the Node: expected a whole JSON object");
	no_page(text(HEAD "\"items\":[7]}"), "item 1: the Node: expected a whole JSON object");
	no_page(text(HEAD "\"items\":[{\"metadata\":7}]}"),
		"item 1: metadata.name: expected 1 to 253 printable characters");
}

static char *repeat(const char *one, size_t n)
{
	size_t len = strlen(one);
	char *all = malloc(n * len + 1);

	for (size_t i = 0; i < n; i++)
		memcpy(all + i * len, one, len);
	all[n * len] = '\0';
	return all;
}

static void bounds_pages(void)
{
	char *many = repeat("{},", KUBE_LIST_MAX), *blanks = repeat(" ", KUBE_ANSWER_MAX);

	no_page(text(HEAD "\"items\":[%s{}]}", many), "items: more than 16384 nodes");
	no_page(text("%s{}", blanks),
		"the list: it has 16777218 bytes, at most 16777216 are allowed");
	free(many);
	many = repeat("[", 200);
	no_page(text(HEAD "\"items\":[%s]}", many), "the list: expected a whole JSON object");
	free(many);
	free(blanks);
}

/* A thousand nodes of 16 KB: 16 MB that never become one tree. */
static void reads_a_large_page(void)
{
	struct kube_page *ret = malloc(sizeof(*ret));
	char *images = repeat("{\"names\":[\"registry.test/a@sha256:00\"],\"sizeBytes\":1},", 280);
	struct err err = { 0 };
	struct arena arena;
	char *one, *all;

	REQUIRE(asprintf(&one,
			 "{\"metadata\":{\"name\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"1\"},"
			 "\"status\":{\"images\":[%s{}]}},",
			 images) > 15000);
	all = repeat(one, 1000);
	all[strlen(all) - 1] = '\0';
	CHECK_INT(page(text(HEAD "\"items\":[%s]}", all), &arena, ret, &err), 0);
	CHECK_UINT(ret->n, 1000);
	arena_done(&arena);
	free(all);
	free(one);
	free(images);
	free(ret);
}

/* ---- single fields of a Node */

static int event(struct bytes line, struct kube_event *ret, struct err *err)
{
	memset(ret, 0xa5, sizeof(*ret));
	*err = (struct err){ 0 };
	return kube_event_decode(line, ret, err);
}

static void name_is(const char *name, bool good)
{
	struct kube_event ret;
	struct err err;
	int result = event(text("{\"type\":\"ADDED\",\"object\":{\"kind\":\"Node\",\"metadata\":{"
				"\"name\":\"%s\",\"uid\":\"u\",\"resourceVersion\":\"1\"}}}",
				name),
			   &ret, &err);

	CHECK_INT(result, good ? 0 : -EBADMSG);
	if (good)
		CHECK_STR(ret.node.name, name);
}

static void checks_names(void)
{
	char *longest = repeat("n", KUBE_NAME_MAX), *longer = repeat("n", KUBE_NAME_MAX + 1);

	name_is("n1.example.test", true);
	name_is(longest, true);
	name_is(longer, false);
	name_is("", false);
	name_is("a b", false);
	name_is("a\\nb", false);
	name_is("\xc3\xa9", false);
	free(longest);
	free(longer);
}

static void address_is(const char *addresses, const char *expected)
{
	struct kube_event ret;
	struct err err;

	CHECK_INT(event(text("{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"Node\",\"metadata\":{"
			     "\"name\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"1\"},"
			     "\"status\":{\"addresses\":%s}}}",
			     addresses),
			&ret, &err),
		  0);
	CHECK_STR(text_ip4(TEXT_BUF(IP4), ret.node.address), expected);
}

/* A Node that has none yet is a Node. */
static void finds_the_address(void)
{
	address_is("null", "0.0.0.0");
	address_is("7", "0.0.0.0");
	address_is("[]", "0.0.0.0");
	address_is("[7,{\"type\":\"InternalIP\"},{\"type\":\"InternalIP\",\"address\":7}]",
		   "0.0.0.0");
	address_is("[{\"type\":\"InternalIP\",\"address\":\"fd00::1\"}]", "0.0.0.0");
	address_is("[{\"type\":\"ExternalIP\",\"address\":\"192.0.2.1\"}]", "0.0.0.0");
	address_is("[{\"type\":\"InternalIP\",\"address\":\"192.0.2.1\"}]", "192.0.2.1");
	address_is("[{\"type\":\"InternalIP\",\"address\":\"192.0.2.256\"},"
		   "{\"address\":\"192.0.2.2\",\"type\":\"InternalIP\"}]",
		   "192.0.2.2");
}

/* ---- watches */

static void reads_events(void)
{
	static const struct {
		const char *type;
		enum kube_event_type expected;
	} types[] = {
		{ "ADDED", KUBE_EVENT_THERE },
		{ "MODIFIED", KUBE_EVENT_THERE },
		{ "DELETED", KUBE_EVENT_DELETED },
	};
	struct kube_event ret;
	struct err err;

	for (size_t i = 0; i < 3; i++) {
		CHECK_INT(event(text("{\"type\":\"%s\",\"object\":%s}", types[i].type, node_n1),
				&ret, &err),
			  0);
		CHECK_UINT(ret.type, types[i].expected);
		CHECK_STR(ret.node.name, "n1");
		CHECK_STR(ret.node.version, "771");
	}
}

static void reads_bookmarks(void)
{
	struct kube_event ret;
	struct err err;

	CHECK_INT(event(text("{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Node\",\"apiVersion\":"
			     "\"v1\",\"metadata\":{\"resourceVersion\":\"12746\","
			     "\"creationTimestamp\":null},\"spec\":{},\"status\":{}}}"),
			&ret, &err),
		  0);
	CHECK_UINT(ret.type, KUBE_EVENT_BOOKMARK);
	CHECK_STR(ret.node.version, "12746");
}

static void reads_errors(void)
{
	struct kube_event ret;
	struct err err;

	CHECK_INT(event(text("{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":"
			     "\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"too old "
			     "resource version: 1 (2)\",\"reason\":\"Expired\",\"code\":410}}"),
			&ret, &err),
		  0);
	CHECK_UINT(ret.type, KUBE_EVENT_ERROR);
	CHECK_UINT(ret.status.code, 410);
	CHECK_STR(ret.status.reason, "Expired");
	CHECK_STR(ret.status.message, "too old resource version: 1 (2)");
}

static void no_event(struct bytes line, const char *why)
{
	struct kube_event ret;
	struct err err;

	CHECK_INT(event(line, &ret, &err), -EBADMSG);
	CHECK_STR(err.text, why);
}

static void refuses_events(void)
{
	no_event(text("%s", ""), "the event: expected a whole JSON object");
	no_event(text("{}"), "object.kind: expected Node");
	no_event(text("{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\"}}"),
		 "object.kind: expected Node");
	no_event(text("{\"type\":\"GROWN\",\"object\":%s}", node_n1),
		 "type: expected ADDED, MODIFIED, DELETED, BOOKMARK or ERROR");
	no_event(text("{\"type\":\"ERROR\",\"object\":%s}", node_n1), "kind: expected Status");
	no_event(text("{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Node\"}}"),
		 "metadata.resourceVersion: expected 1 to 63 printable characters");
	no_event(text("{\"type\":\"ADDED\",\"object\":%s", node_n1),
		 "the event: expected a whole JSON object");
}

static void no_linux_is(const char *labels, bool expected)
{
	struct kube_event ret;
	struct err err;

	CHECK_INT(event(text("{\"type\":\"ADDED\",\"object\":{\"kind\":\"Node\",\"metadata\":{"
			     "\"name\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"1\",\"labels\":"
			     "%s}}}",
			     labels),
			&ret, &err),
		  0);
	CHECK_INT(ret.node.no_linux, expected);
}

static void finds_the_system(void)
{
	no_linux_is("null", false);
	no_linux_is("{}", false);
	no_linux_is("{\"a\":\"b\",\"kubernetes.io/os\":\"linux\"}", false);
	no_linux_is("{\"kubernetes.io/os\":\"windows\"}", true);
}

/* What is legal at an API server and of no concern to Weft, wherever in a Node somebody put it:
 * what no C string can hold, values without number, levels without end, more than a megabyte. */
static void passes_over_what_it_does_not_need(void)
{
	char *many = repeat("1,", 40000), *deep = repeat("[", 1000), *ends = repeat("]", 1000),
	     *longer = repeat("x", 2 << 20);
	const struct {
		const char *before, *text, *after;
	} cases[] = {
		{ "\"", "a\\u0000b", "\"" },
		{ "\"", "a\\ud800b", "\"" },
		{ "\"", longer, "\"" },
		{ "[", many, "1]" },
		{ deep, "", ends },
		{ "", "1e999", "" },
		{ "{\"metadata\":", "7", "}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kube_event ret;
		struct err err;
		char *odd;

		REQUIRE(asprintf(&odd, "%s%s%s", cases[i].before, cases[i].text, cases[i].after) >
			0);
		CHECK_INT(event(text("{\"type\":\"ADDED\",\"odd\":%s,\"object\":{\"kind\":\"Node\","
				     "\"metadata\":{\"annotations\":{\"odd\":%s},\"name\":\"n\","
				     "\"uid\":\"u\",\"resourceVersion\":\"1\"},\"status\":{"
				     "\"addresses\":[%s,{\"type\":\"InternalIP\",\"address\":"
				     "\"192.0.2.1\",\"odd\":%s}],\"conditions\":[{\"type\":"
				     "\"NetworkUnavailable\",\"status\":\"False\",\"message\":%s}],"
				     "\"odd\":%s}}}",
				     odd, odd, odd, odd, odd, odd),
				&ret, &err),
			  0);
		CHECK_STR(ret.node.name, "n");
		CHECK_STR(text_ip4(TEXT_BUF(IP4), ret.node.address), "192.0.2.1");
		CHECK(ret.node.network_up);
		free(odd);
	}
	free(many);
	free(deep);
	free(ends);
	free(longer);
}

/* ---- Status */

static void reads_a_status(void)
{
	struct kube_status ret;
	struct err err = { 0 };
	char *longer = repeat("m", 300);

	CHECK_INT(kube_status_decode(text("{\"kind\":\"Status\",\"code\":403,\"message\":"
					  "\"a\\u001b[2J\\u00e9\"}"),
				     &ret, &err),
		  0);
	CHECK_UINT(ret.code, 403);
	CHECK_STR(ret.message, "a?[2J??");
	CHECK_STR(ret.reason, "");
	CHECK_INT(kube_status_decode(text("{\"kind\":\"Status\",\"code\":1e9,\"message\":\"%s\"}",
					  longer),
				     &ret, &err),
		  0);
	CHECK_UINT(ret.code, 0);
	CHECK_UINT(strlen(ret.message), KUBE_TEXT_MAX);
	CHECK_INT(kube_status_decode(text("{\"kind\":\"Node\"}"), &ret, &err), -EBADMSG);
	CHECK_INT(kube_status_decode(text("no"), &ret, &err), -EBADMSG);
	free(longer);
}

/* ---- the ConfigMap */

static const struct kube_founding founding = {
	.cluster = { 0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x41, 0xd1, 0x80, 0xb4, 0, 0xc0, 0x4f,
		     0xd4, 0x30, 0xc8 },
	.founder = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255 },
	.node = "n1.example.test",
};

static void writes_what_it_reads(void)
{
	struct kube_founding ret;
	struct err err = { 0 };
	struct arena arena;
	const char *json;

	arena_init(&arena, ARENA_UNLIMITED);
	json = kube_founding_encode("weft", "weft", &founding, &arena);
	CHECK_STR(json, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
			"\"weft\",\"namespace\":\"weft\",\"labels\":{\"app.kubernetes.io/name\":"
			"\"weft\"}},\"immutable\":true,\"data\":{\"cluster\":"
			"\"6ba7b810-9dad-41d1-80b4-00c04fd430c8\",\"founder\":"
			"\"0102030405060708090a0b0c0d0e0fff\",\"node\":\"n1.example.test\"}}");
	CHECK_INT(kube_founding_decode(text("%s", json), &ret, &err), 0);
	CHECK_MEM(ret.cluster, founding.cluster, 16);
	CHECK_MEM(ret.founder, founding.founder, 16);
	CHECK_STR(ret.node, founding.node);
	arena_done(&arena);
}

static void no_founding(const char *cluster, const char *founder, const char *node, const char *why)
{
	struct kube_founding ret;
	struct err err = { 0 };

	CHECK_INT(kube_founding_decode(text("{\"kind\":\"ConfigMap\",\"data\":{\"cluster\":%s,"
					    "\"founder\":%s,\"node\":%s}}",
					    cluster, founder, node),
				       &ret, &err),
		  -EBADMSG);
	CHECK_STR(err.text, why);
}

static void refuses_foundings(void)
{
	static const char cluster[] = "\"6ba7b810-9dad-41d1-80b4-00c04fd430c8\"";
	static const char founder[] = "\"0102030405060708090A0B0C0D0E0FFF\"";
	static const char no_uuid[] =
		"data.cluster: expected a UUID like 6ba7b810-9dad-41d1-80b4-00c04fd430c8";
	static const char no_uid[] = "data.founder: expected 32 hex digits, the uid of an agent";
	struct kube_founding ret;
	struct err err = { 0 };

	no_founding("null", founder, "\"n\"", no_uuid);
	no_founding("\"6ba7b8109dad41d180b400c04fd430c8\"", founder, "\"n\"", no_uuid);
	no_founding("\"6ba7b810-9dad-41d1-80b4-00c04fd430c\"", founder, "\"n\"", no_uuid);
	no_founding("\"6ba7b810-9dad-41d1-80b4000c04fd430c8\"", founder, "\"n\"", no_uuid);
	no_founding("\"6ba7b810-9dad-41d1-80b4-00c04fd430cg\"", founder, "\"n\"", no_uuid);
	no_founding(cluster, "\"01\"", "\"n\"", no_uid);
	no_founding(cluster, "7", "\"n\"", no_uid);
	no_founding(cluster, founder, "\"\"", "data.node: expected 1 to 253 printable characters");
	CHECK_INT(kube_founding_decode(text("{\"kind\":\"Secret\"}"), &ret, &err), -EBADMSG);
}

static void writes_the_condition(void)
{
	struct arena arena;

	arena_init(&arena, ARENA_UNLIMITED);
	CHECK_STR(kube_network_up_encode("2026-01-02T03:04:05Z", &arena),
		  "{\"status\":{\"conditions\":[{\"type\":\"NetworkUnavailable\",\"status\":"
		  "\"False\",\"reason\":\"WeftIsUp\",\"message\":\"Weft gives pods of this node "
		  "their addresses\",\"lastHeartbeatTime\":\"2026-01-02T03:04:05Z\","
		  "\"lastTransitionTime\":\"2026-01-02T03:04:05Z\"}]}}");
	arena_done(&arena);
}

int main(void)
{
	RUN(reads_a_page);
	RUN(reads_an_empty_page);
	RUN(refuses_pages);
	RUN(bounds_pages);
	RUN(reads_a_large_page);
	RUN(checks_names);
	RUN(finds_the_address);
	RUN(reads_events);
	RUN(reads_bookmarks);
	RUN(reads_errors);
	RUN(refuses_events);
	RUN(finds_the_system);
	RUN(passes_over_what_it_does_not_need);
	RUN(reads_a_status);
	RUN(writes_what_it_reads);
	RUN(refuses_foundings);
	RUN(writes_the_condition);
	return check_report();
}
