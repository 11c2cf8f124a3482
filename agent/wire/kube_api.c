#include "wire/kube_api.h"

#include <assert.h>
#include <errno.h>

#include "base/text.h"
#include "wire/json.h"
#include "wire/json_cut.h"

/* ---- single fields */

static int refuse(struct err *err, const char *field, const char *expected)
{
	return err_set(err, EBADMSG, "%s: expected %s", field, expected);
}

static const char *string_of(const cJSON *json)
{
	return cJSON_IsString(json) ? json->valuestring : "";
}

static bool is_string(const cJSON *json, const char *text)
{
	return strcmp(string_of(json), text) == 0;
}

/* 1..max printable characters without a blank: it becomes a key, a part of a URL, a word in a log
 * line. */
static int take_word(const cJSON *json, const char *field, char *ret, size_t max, struct err *err)
{
	const char *text = string_of(json);

	if (!text_is_name(text, max))
		return err_set(err, EBADMSG, "%s: expected 1 to %zu printable characters", field,
			       max);
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

/* For people to read; what is too long is cut. */
static void take_text(const cJSON *json, char ret[static KUBE_TEXT_MAX + 1])
{
	const char *text = string_of(json);
	size_t len = strnlen(text, KUBE_TEXT_MAX);

	for (size_t i = 0; i < len; i++)
		ret[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	ret[len] = '\0';
}

static cJSON *parse(struct bytes json, const char *what, struct err *err)
{
	cJSON *tree;

	if (json.len > KUBE_OBJECT_MAX) {
		err_set(err, EBADMSG, "%s: it has %zu bytes, at most %d are allowed", what,
			json.len, KUBE_OBJECT_MAX);
		return NULL;
	}
	tree = json_parse(json, err);
	if (!tree)
		err_wrap(err, "%s", what);
	return tree;
}

/* ---- a Node */

static uint32_t find_address(const cJSON *status)
{
	const cJSON *one, *all = json_member(status, "addresses");
	uint32_t ip = 0;

	cJSON_ArrayForEach(one, all) if (ip == 0 &&
					 is_string(json_member(one, "type"), "InternalIP"))(void)
		text_parse_ip4(string_of(json_member(one, "address")), &ip, NULL);
	return ip;
}

static bool find_network_up(const cJSON *status)
{
	const cJSON *one, *all = json_member(status, "conditions");
	bool up = false;

	cJSON_ArrayForEach(one, all) if (is_string(json_member(one, "type"), "NetworkUnavailable"))
		up = is_string(json_member(one, "status"), "False");
	return up;
}

static int take_node(const cJSON *json, struct kube_node *ret, struct err *err)
{
	const cJSON *metadata = json_member(json, "metadata"),
		    *status = json_member(json, "status");
	int result = take_word(json_member(metadata, "name"), "metadata.name", ret->name,
			       KUBE_NAME_MAX, err);

	if (result == 0)
		result = take_word(json_member(metadata, "uid"), "metadata.uid", ret->uid,
				   KUBE_UID_MAX, err);
	if (result == 0)
		result = take_word(json_member(metadata, "resourceVersion"),
				   "metadata.resourceVersion", ret->version, KUBE_VERSION_MAX, err);
	ret->address = find_address(status);
	ret->network_up = find_network_up(status);
	return result;
}

/* ---- a page of a list */

/* The members that count, each still as text; empty: it is not there. */
struct page_parts {
	struct bytes kind, metadata, items;
};

static bool is_key(struct bytes key, const char *name)
{
	return key.len == strlen(name) && memcmp(key.data, name, key.len) == 0;
}

static int cut_page(struct bytes json, struct page_parts *ret, struct err *err)
{
	struct bytes key, value;
	struct json_cut cut;

	if (!json_cut_begin(&cut, json, '{'))
		return refuse(err, "the list", "a JSON object");
	while (json_cut_member(&cut, &key, &value)) {
		if (is_key(key, "kind"))
			ret->kind = value;
		else if (is_key(key, "metadata"))
			ret->metadata = value;
		else if (is_key(key, "items"))
			ret->items = value;
	}
	if (!cut.whole)
		return refuse(err, "the list", "a whole JSON object");
	return is_key(ret->kind, "\"NodeList\"") ? 0 : refuse(err, "kind", "NodeList");
}

static int take_page_metadata(struct bytes json, struct kube_page *ret, struct err *err)
{
	cJSON *metadata = parse(json, "metadata", err);
	const cJSON *next = json_member(metadata, "continue");
	int result;

	if (!metadata)
		return -EBADMSG;
	result = take_word(json_member(metadata, "resourceVersion"), "metadata.resourceVersion",
			   ret->version, KUBE_VERSION_MAX, err);
	if (result == 0 && next && !(cJSON_IsString(next) && is_string(next, "")))
		result = take_word(next, "metadata.continue", ret->next, KUBE_NEXT_MAX, err);
	cJSON_Delete(metadata);
	return result;
}

static int count_items(struct bytes items, size_t *ret, struct err *err)
{
	struct bytes item;
	struct json_cut cut;
	size_t n = 0;

	if (!json_cut_begin(&cut, items, '['))
		return refuse(err, "items", "an array");
	while (json_cut_element(&cut, &item))
		if (++n > KUBE_LIST_MAX)
			return err_set(err, EBADMSG, "items: more than %d nodes", KUBE_LIST_MAX);
	*ret = n;
	return cut.whole ? 0 : refuse(err, "items", "a whole array");
}

static int take_item(struct bytes item, size_t number, struct kube_node *ret, struct err *err)
{
	cJSON *json = parse(item, "it", err);
	int result = json ? take_node(json, ret, err) : -EBADMSG;

	if (result < 0)
		err_wrap(err, "node %zu of the page", number);
	cJSON_Delete(json);
	return result;
}

static int take_items(struct bytes items, struct arena *arena, struct kube_page *ret,
		      struct err *err)
{
	struct json_cut cut;
	struct bytes item;
	int result = count_items(items, &ret->n, err);

	if (result < 0)
		return result;
	ret->nodes = arena_array(arena, ret->n, sizeof(*ret->nodes));
	if (!ret->nodes)
		return err_set(err, EBADMSG, "%zu nodes do not fit into %zu bytes of memory",
			       ret->n, arena->limit);
	(void)json_cut_begin(&cut, items, '[');
	for (size_t i = 0; i < ret->n && result == 0; i++) {
		(void)json_cut_element(&cut, &item);
		result = take_item(item, i + 1, &ret->nodes[i], err);
	}
	return result;
}

int kube_page_decode(struct bytes json, struct arena *arena, struct kube_page *ret, struct err *err)
{
	struct page_parts parts = { 0 };
	int result;

	*ret = (struct kube_page){ 0 };
	if (json.len > KUBE_PAGE_MAX)
		return err_set(err, EBADMSG, "it has %zu bytes, at most %d are allowed", json.len,
			       KUBE_PAGE_MAX);
	result = cut_page(json, &parts, err);
	if (result == 0)
		result = take_page_metadata(parts.metadata, ret, err);
	/* Go prints an empty list as null. */
	if (result == 0 && !is_key(parts.items, "null"))
		result = take_items(parts.items, arena, ret, err);
	return result;
}

/* ---- Status */

static int take_status(const cJSON *json, struct kube_status *ret, struct err *err)
{
	const cJSON *code = json_member(json, "code");

	if (!is_string(json_member(json, "kind"), "Status"))
		return refuse(err, "kind", "Status");
	*ret = (struct kube_status){ 0 };
	if (cJSON_IsNumber(code) && code->valueint >= 100 && code->valueint < 600)
		ret->code = (unsigned)code->valueint;
	take_text(json_member(json, "reason"), ret->reason);
	take_text(json_member(json, "message"), ret->message);
	return 0;
}

int kube_status_decode(struct bytes json, struct kube_status *ret, struct err *err)
{
	cJSON *tree = parse(json, "the answer", err);
	int result = tree ? take_status(tree, ret, err) : -EBADMSG;

	cJSON_Delete(tree);
	return result;
}

/* ---- a watch */

static int take_event(const cJSON *json, struct kube_event *ret, struct err *err)
{
	const cJSON *type = json_member(json, "type"), *object = json_member(json, "object");
	bool bookmark = is_string(type, "BOOKMARK");

	*ret = (struct kube_event){ .type = KUBE_EVENT_THERE };
	if (is_string(type, "ERROR")) {
		ret->type = KUBE_EVENT_ERROR;
		return take_status(object, &ret->status, err);
	}
	if (!is_string(json_member(object, "kind"), "Node"))
		return refuse(err, "object.kind", "Node");
	if (bookmark) {
		ret->type = KUBE_EVENT_BOOKMARK;
		return take_word(json_member(json_member(object, "metadata"), "resourceVersion"),
				 "metadata.resourceVersion", ret->node.version, KUBE_VERSION_MAX,
				 err);
	}
	if (is_string(type, "DELETED"))
		ret->type = KUBE_EVENT_DELETED;
	else if (!is_string(type, "ADDED") && !is_string(type, "MODIFIED"))
		return refuse(err, "type", "ADDED, MODIFIED, DELETED, BOOKMARK or ERROR");
	return take_node(object, &ret->node, err);
}

int kube_event_decode(struct bytes line, struct kube_event *ret, struct err *err)
{
	cJSON *json = parse(line, "the event", err);
	int result = json ? take_event(json, ret, err) : -EBADMSG;

	cJSON_Delete(json);
	return result;
}

/* ---- the ConfigMap */

/* 8-4-4-4-12 digits, of either case. */
static bool parse_uuid(const char *text, uint8_t ret[static 16])
{
	char digits[2 * 16 + 1];
	size_t n = 0;

	if (strlen(text) != TEXT_UUID_MAX - 1)
		return false;
	for (size_t i = 0; i < TEXT_UUID_MAX - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash != (text[i] == '-'))
			return false;
		if (!dash)
			digits[n++] = text[i];
	}
	digits[n] = '\0';
	return text_parse_hex(digits, ret, 16, NULL) == 0;
}

static int take_founding(const cJSON *json, struct kube_founding *ret, struct err *err)
{
	const cJSON *data = json_member(json, "data");

	if (!is_string(json_member(json, "kind"), "ConfigMap"))
		return refuse(err, "kind", "ConfigMap");
	if (!parse_uuid(string_of(json_member(data, "cluster")), ret->cluster))
		return refuse(err, "data.cluster",
			      "a UUID like 6ba7b810-9dad-41d1-80b4-00c04fd430c8");
	if (text_parse_hex(string_of(json_member(data, "founder")), ret->founder, 16, NULL) < 0)
		return refuse(err, "data.founder", "32 hex digits, the uid of an agent");
	return take_word(json_member(data, "node"), "data.node", ret->node, KUBE_NAME_MAX, err);
}

int kube_founding_decode(struct bytes json, struct kube_founding *ret, struct err *err)
{
	cJSON *tree = parse(json, "the ConfigMap", err);
	int result = tree ? take_founding(tree, ret, err) : -EBADMSG;

	cJSON_Delete(tree);
	return result;
}

/* ---- what is written */

static cJSON *add_object(cJSON *to, const char *name)
{
	cJSON *object = cJSON_AddObjectToObject(to, name);

	assert(object); /* out of memory otherwise */
	return object;
}

static void add_string(cJSON *to, const char *name, const char *text)
{
	cJSON *added = cJSON_AddStringToObject(to, name, text);

	assert(added);
}

const char *kube_founding_encode(const char *namespace, const char *name,
				 const struct kube_founding *founding, struct arena *arena)
{
	cJSON *json = cJSON_CreateObject(), *metadata, *labels, *data, *immutable;
	char hex[2 * 16 + 1];

	add_string(json, "apiVersion", "v1");
	add_string(json, "kind", "ConfigMap");
	metadata = add_object(json, "metadata");
	add_string(metadata, "name", name);
	add_string(metadata, "namespace", namespace);
	labels = add_object(metadata, "labels");
	add_string(labels, "app.kubernetes.io/name", "weft");
	immutable = cJSON_AddTrueToObject(json, "immutable");
	assert(immutable);
	data = add_object(json, "data");
	add_string(data, "cluster", text_uuid(TEXT_BUF(UUID), founding->cluster));
	add_string(data, "founder", text_hex(hex, founding->founder, 16));
	add_string(data, "node", founding->node);
	return json_print(json, arena);
}

const char *kube_network_up_encode(const char *now, struct arena *arena)
{
	cJSON *json = cJSON_CreateObject(), *conditions, *condition = cJSON_CreateObject();
	bool added;

	conditions = cJSON_AddArrayToObject(add_object(json, "status"), "conditions");
	added = cJSON_AddItemToArray(conditions, condition);
	assert(added);
	add_string(condition, "type", "NetworkUnavailable");
	add_string(condition, "status", "False");
	add_string(condition, "reason", "WeftIsUp");
	add_string(condition, "message", "Weft gives pods of this node their addresses");
	add_string(condition, "lastHeartbeatTime", now);
	add_string(condition, "lastTransitionTime", now);
	return json_print(json, arena);
}
