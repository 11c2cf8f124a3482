#include "wire/kube_api.h"

#include <assert.h>
#include <errno.h>

#include "base/text.h"
#include "wire/json.h"
#include "wire/json_cut.h"

/* The condition that says of a Node whether its pods have a network, and our reason for it. */
#define NETWORK_TYPE   "NetworkUnavailable"
#define NETWORK_REASON "WeftIsUp"

/* ---- single fields */

static int refuse(struct err *err, const char *field, const char *expected)
{
	return err_set(err, EBADMSG, "%s: expected %s", field, expected);
}

/* NULL: it is not there, or cannot be read. */
static cJSON *parse(struct bytes value)
{
	return value.len > 0 ? json_parse(value, NULL) : NULL;
}

static const char *string_of(const cJSON *json)
{
	return cJSON_IsString(json) ? json->valuestring : "";
}

/* 1..max printable characters without a blank: it becomes a key, a part of a URL, a word in a log
 * line. */
static int take_word(struct bytes value, const char *field, char *ret, size_t max, struct err *err)
{
	cJSON *json = parse(value);
	const char *text = string_of(json);
	bool good = text_is_name(text, max);

	if (good)
		memcpy(ret, text, strlen(text) + 1);
	cJSON_Delete(json);
	return good ? 0
		    : err_set(err, EBADMSG, "%s: expected 1 to %zu printable characters", field,
			      max);
}

/* For people to read; what is too long is cut. */
static void take_text(struct bytes value, char ret[static KUBE_TEXT_MAX + 1])
{
	cJSON *json = parse(value);
	const char *text = string_of(json);
	size_t len = strnlen(text, KUBE_TEXT_MAX);

	for (size_t i = 0; i < len; i++)
		ret[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	ret[len] = '\0';
	cJSON_Delete(json);
}

/* Parts of 'what' as text, which is an object of an allowed size. */
static int cut_object(struct bytes json, const char *what, struct json_field *fields, size_t n,
		      struct err *err)
{
	if (json.len > KUBE_ANSWER_MAX)
		return err_set(err, EBADMSG, "%s: it has %zu bytes, at most %d are allowed", what,
			       json.len, KUBE_ANSWER_MAX);
	return json_cut_fields(json, fields, n) ? 0 : refuse(err, what, "a whole JSON object");
}

/* ---- a Node */

static uint32_t find_address(struct bytes addresses)
{
	struct bytes one;
	struct json_cut cut;
	uint32_t ip = 0;

	if (!json_cut_begin(&cut, addresses, '['))
		return 0;
	while (ip == 0 && json_cut_element(&cut, &one)) {
		struct json_field fields[] = { { .name = "type" }, { .name = "address" } };
		cJSON *address;

		if (!json_cut_fields(one, fields, 2) ||
		    !bytes_are(fields[0].value, "\"InternalIP\""))
			continue;
		address = parse(fields[1].value);
		(void)text_parse_ip4(string_of(address), &ip, NULL);
		cJSON_Delete(address);
	}
	return ip;
}

static void find_network(struct bytes conditions, struct kube_node *ret)
{
	struct bytes one;
	struct json_cut cut;

	ret->network_up = ret->network_ours = false;
	if (!json_cut_begin(&cut, conditions, '['))
		return;
	while (json_cut_element(&cut, &one)) {
		struct json_field fields[] = { { .name = "type" },
					       { .name = "status" },
					       { .name = "reason" } };

		if (!json_cut_fields(one, fields, 3) ||
		    !bytes_are(fields[0].value, "\"" NETWORK_TYPE "\""))
			continue;
		ret->network_up = bytes_are(fields[1].value, "\"False\"");
		ret->network_ours = bytes_are(fields[2].value, "\"" NETWORK_REASON "\"");
	}
}

static bool says_no_linux(struct bytes labels)
{
	struct json_field os = { .name = "kubernetes.io/os" };

	(void)json_cut_fields(labels, &os, 1);
	return os.value.len > 0 && !bytes_are(os.value, "\"linux\"");
}

int kube_node_decode(struct bytes json, struct kube_node *ret, struct err *err)
{
	struct json_field node[] = { { .name = "metadata" }, { .name = "status" } };
	struct json_field metadata[] = { { .name = "name" },
					 { .name = "uid" },
					 { .name = "resourceVersion" },
					 { .name = "labels" } };
	struct json_field status[] = { { .name = "addresses" }, { .name = "conditions" } };
	int result = cut_object(json, "the Node", node, 2, err);

	/* What is not there, or no object, has no fields. */
	(void)json_cut_fields(node[0].value, metadata, 4);
	(void)json_cut_fields(node[1].value, status, 2);
	if (result == 0)
		result = take_word(metadata[0].value, "metadata.name", ret->name, KUBE_NAME_MAX,
				   err);
	if (result == 0)
		result = take_word(metadata[1].value, "metadata.uid", ret->uid, KUBE_UID_MAX, err);
	if (result == 0)
		result = take_word(metadata[2].value, "metadata.resourceVersion", ret->version,
				   KUBE_VERSION_MAX, err);
	ret->no_linux = says_no_linux(metadata[3].value);
	ret->address = find_address(status[0].value);
	find_network(status[1].value, ret);
	return result;
}

/* ---- a page of a list */

static int take_page_metadata(struct bytes json, struct kube_page *ret, struct err *err)
{
	struct json_field metadata[] = { { .name = "resourceVersion" }, { .name = "continue" } };
	struct bytes next;
	int result = cut_object(json, "metadata", metadata, 2, err);

	if (result == 0)
		result = take_word(metadata[0].value, "metadata.resourceVersion", ret->version,
				   KUBE_VERSION_MAX, err);
	next = metadata[1].value;
	if (result == 0 && next.len > 0 && !bytes_are(next, "\"\""))
		result = take_word(next, "metadata.continue", ret->next, KUBE_NEXT_MAX, err);
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
		result = kube_node_decode(item, &ret->nodes[i], err);
		if (result < 0)
			err_wrap(err, "item %zu", i + 1);
	}
	return result;
}

int kube_page_decode(struct bytes json, struct arena *arena, struct kube_page *ret, struct err *err)
{
	struct json_field page[] = { { .name = "kind" },
				     { .name = "metadata" },
				     { .name = "items" } };
	int result = cut_object(json, "the list", page, 3, err);

	*ret = (struct kube_page){ 0 };
	if (result == 0 && !bytes_are(page[0].value, "\"NodeList\""))
		result = refuse(err, "kind", "NodeList");
	if (result == 0)
		result = take_page_metadata(page[1].value, ret, err);
	/* Go prints an empty list as null. */
	if (result == 0 && !bytes_are(page[2].value, "null"))
		result = take_items(page[2].value, arena, ret, err);
	return result;
}

/* ---- Status */

int kube_status_decode(struct bytes json, struct kube_status *ret, struct err *err)
{
	struct json_field status[] = {
		{ .name = "kind" }, { .name = "code" }, { .name = "reason" }, { .name = "message" }
	};
	int result = cut_object(json, "the answer", status, 4, err);
	cJSON *code;

	*ret = (struct kube_status){ 0 };
	if (result < 0)
		return result;
	if (!bytes_are(status[0].value, "\"Status\""))
		return refuse(err, "kind", "Status");
	code = parse(status[1].value);
	if (cJSON_IsNumber(code) && code->valueint >= 100 && code->valueint < 600)
		ret->code = (unsigned)code->valueint;
	cJSON_Delete(code);
	take_text(status[2].value, ret->reason);
	take_text(status[3].value, ret->message);
	return 0;
}

/* ---- a watch */

static int take_bookmark(struct bytes metadata, struct kube_event *ret, struct err *err)
{
	struct json_field version = { .name = "resourceVersion" };

	ret->type = KUBE_EVENT_BOOKMARK;
	(void)json_cut_fields(metadata, &version, 1);
	return take_word(version.value, "metadata.resourceVersion", ret->node.version,
			 KUBE_VERSION_MAX, err);
}

static int take_event(struct bytes type, struct bytes json, struct kube_event *ret, struct err *err)
{
	struct json_field object[] = { { .name = "kind" }, { .name = "metadata" } };

	if (bytes_are(type, "\"ERROR\"")) {
		ret->type = KUBE_EVENT_ERROR;
		return kube_status_decode(json, &ret->status, err);
	}
	(void)json_cut_fields(json, object, 2);
	if (!bytes_are(object[0].value, "\"Node\""))
		return refuse(err, "object.kind", "Node");
	if (bytes_are(type, "\"BOOKMARK\""))
		return take_bookmark(object[1].value, ret, err);
	if (bytes_are(type, "\"DELETED\""))
		ret->type = KUBE_EVENT_DELETED;
	else if (!bytes_are(type, "\"ADDED\"") && !bytes_are(type, "\"MODIFIED\""))
		return refuse(err, "type", "ADDED, MODIFIED, DELETED, BOOKMARK or ERROR");
	return kube_node_decode(json, &ret->node, err);
}

int kube_event_decode(struct bytes line, struct kube_event *ret, struct err *err)
{
	struct json_field event[] = { { .name = "type" }, { .name = "object" } };
	int result = cut_object(line, "the event", event, 2, err);

	*ret = (struct kube_event){ .type = KUBE_EVENT_THERE };
	return result < 0 ? result : take_event(event[0].value, event[1].value, ret, err);
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

static bool take_uuid(struct bytes value, uint8_t ret[static 16])
{
	cJSON *json = parse(value);
	bool good = parse_uuid(string_of(json), ret);

	cJSON_Delete(json);
	return good;
}

static bool take_uid(struct bytes value, uint8_t ret[static 16])
{
	cJSON *json = parse(value);
	bool good = text_parse_hex(string_of(json), ret, 16, NULL) == 0;

	cJSON_Delete(json);
	return good;
}

int kube_founding_decode(struct bytes json, struct kube_founding *ret, struct err *err)
{
	struct json_field map[] = { { .name = "kind" }, { .name = "data" } };
	struct json_field data[] = { { .name = "cluster" },
				     { .name = "founder" },
				     { .name = "node" } };
	int result = cut_object(json, "the ConfigMap", map, 2, err);

	if (result < 0)
		return result;
	if (!bytes_are(map[0].value, "\"ConfigMap\""))
		return refuse(err, "kind", "ConfigMap");
	(void)json_cut_fields(map[1].value, data, 3);
	if (!take_uuid(data[0].value, ret->cluster))
		return refuse(err, "data.cluster",
			      "a UUID like 6ba7b810-9dad-41d1-80b4-00c04fd430c8");
	if (!take_uid(data[1].value, ret->founder))
		return refuse(err, "data.founder", "32 hex digits, the uid of an agent");
	return take_word(data[2].value, "data.node", ret->node, KUBE_NAME_MAX, err);
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

static cJSON *add_condition(cJSON *patch)
{
	cJSON *conditions = cJSON_AddArrayToObject(add_object(patch, "status"), "conditions"),
	      *condition = cJSON_CreateObject();
	bool added = cJSON_AddItemToArray(conditions, condition);

	assert(added);
	add_string(condition, "type", NETWORK_TYPE);
	return condition;
}

const char *kube_network_up_encode(const char *now, struct arena *arena)
{
	cJSON *json = cJSON_CreateObject(), *condition = add_condition(json);

	add_string(condition, "status", "False");
	add_string(condition, "reason", NETWORK_REASON);
	add_string(condition, "message", "Weft gives pods of this node their addresses");
	add_string(condition, "lastHeartbeatTime", now);
	add_string(condition, "lastTransitionTime", now);
	return json_print(json, arena);
}

const char *kube_network_gone_encode(const char *version, struct arena *arena)
{
	cJSON *json = cJSON_CreateObject();

	add_string(add_object(json, "metadata"), "resourceVersion", version);
	add_string(add_condition(json), "$patch", "delete");
	return json_print(json, arena);
}
