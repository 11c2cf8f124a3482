#include <netinet/in.h> /* before the kernel's own */

#include "io/nft_read.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "io/attr.h"
#include "io/nft.h"

/* How often a read is begun again because somebody committed meanwhile. */
enum { READ_TRIES = 5 };

/* ---- lines */

static void lines_add(struct nft_lines *lines, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void lines_add(struct nft_lines *lines, const char *format, ...)
{
	va_list args;

	lines->text = vec_reserve(lines->text, &lines->cap, lines->n + 1, sizeof(*lines->text));
	va_start(args, format);
	vsnprintf(lines->text[lines->n++], sizeof(*lines->text), format, args);
	va_end(args);
}

bool nft_lines_has(const struct nft_lines *lines, const char *text)
{
	for (size_t i = 0; i < lines->n; i++)
		if (strcmp(lines->text[i], text) == 0)
			return true;
	return false;
}

bool nft_lines_equal(const struct nft_lines *a, const struct nft_lines *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->text[i], b->text[i]) != 0)
			return false;
	return true;
}

static void add_counter(struct nft_lines *lines, const char *name)
{
	lines_add(lines, "counter %s", name);
}

static void add_set(struct nft_lines *lines, const char *name, uint32_t type, uint32_t len)
{
	lines_add(lines, "set %s of type %u and size %u", name, type, len);
}

static void add_chain(struct nft_lines *lines, const char *name, const char *type, uint32_t hook,
		      int32_t priority, uint32_t policy)
{
	if (type)
		lines_add(lines, "chain %s at hook %u of type %s with priority %d and policy %u",
			  name, hook, type, priority, policy);
	else
		lines_add(lines, "chain %s", name);
}

static void add_rule(struct nft_lines *lines, const char *chain, const char *comment)
{
	lines_add(lines, "rule '%s' of chain %s", comment, chain);
}

static void want_rule(void *arg, const char *chain, const char *comment,
		      const struct nftnl_rule *rule)
{
	(void)rule;
	add_rule(arg, chain, comment);
}

void nft_lines_want(struct nft_lines *lines, const struct nft_settings *settings)
{
	lines->n = 0;
	for (size_t i = 0; i < NFT_COUNTERS; i++)
		add_counter(lines, nft_counters[i]);
	for (size_t i = 0; i < NFT_SETS; i++)
		add_set(lines, nft_sets[i].name, nft_sets[i].key_type, nft_sets[i].key_len);
	for (size_t i = 0; i < NFT_CHAINS; i++)
		add_chain(lines, nft_chains[i].name, nft_chains[i].type, nft_chains[i].hook,
			  nft_chains[i].priority, NF_ACCEPT);
	nft_rules_each(settings, want_rule, lines);
}

/* ---- keys */

void nft_keys_add(struct nft_keys *keys, const void *key, size_t len)
{
	keys->key = vec_reserve(keys->key, &keys->cap, keys->n + 1, sizeof(*keys->key));
	memset(keys->key[keys->n], 0, NFT_KEY_MAX);
	memcpy(keys->key[keys->n], key, len < NFT_KEY_MAX ? len : NFT_KEY_MAX);
	keys->n++;
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, NFT_KEY_MAX);
}

void nft_keys_sort(struct nft_keys *keys)
{
	size_t kept = 0;

	if (keys->n == 0)
		return;
	qsort(keys->key, keys->n, sizeof(*keys->key), compare_keys);
	for (size_t i = 1; i < keys->n; i++)
		if (compare_keys(keys->key[kept], keys->key[i]) != 0)
			memmove(keys->key[++kept], keys->key[i], NFT_KEY_MAX);
	keys->n = kept + 1;
}

bool nft_keys_equal(const struct nft_keys *a, const struct nft_keys *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->key, b->key, a->n * NFT_KEY_MAX) == 0);
}

bool nft_keys_has(const struct nft_keys *keys, const uint8_t key[NFT_KEY_MAX])
{
	return keys->n > 0 && bsearch(key, keys->key, keys->n, NFT_KEY_MAX, compare_keys);
}

/* ---- reading */

void nft_put_header(struct nlmsghdr *message, uint8_t family, uint16_t resource)
{
	struct nfgenmsg *header = mnl_nlmsg_get_payload(message);

	header->nfgen_family = family;
	header->version = NFNETLINK_V0;
	header->res_id = htons(resource);
}

static struct nlmsghdr *request(void *buffer, uint16_t what)
{
	struct nlmsghdr *message = netlink_request(buffer, NFT_TYPE(what), sizeof(struct nfgenmsg));

	nft_put_header(message, NFPROTO_INET, 0);
	return message;
}

static void take_generation(void *arg, const struct nlmsghdr *message)
{
	const struct nlattr *at[NFTA_GEN_ID + 1];

	attr_table(message, sizeof(struct nfgenmsg), at, NFTA_GEN_ID + 1);
	*(uint32_t *)arg = attr_be32(at[NFTA_GEN_ID], 0);
}

int nft_read_generation(struct netlink *nl, uint32_t *ret, struct err *err)
{
	char buffer[64];
	struct nlmsghdr *message = request(buffer, NFT_MSG_GETGEN);
	int result;

	nft_put_header(message, NFPROTO_UNSPEC, 0);
	result = netlink_ask(nl, message, take_generation, ret, err);
	return result < 0 ? err_wrap(err, "ask nftables") : 0;
}

static bool is_ours(const struct nlattr *table)
{
	char name[16];

	attr_text(table, name, sizeof(name));
	return strcmp(name, NFT_TABLE) == 0;
}

static void take_table(void *arg, const struct nlmsghdr *message)
{
	struct nft_have *have = arg;
	const struct nlattr *at[NFTA_TABLE_FLAGS + 1];
	uint32_t flags;

	attr_table(message, sizeof(struct nfgenmsg), at, NFTA_TABLE_FLAGS + 1);
	if (!is_ours(at[NFTA_TABLE_NAME]))
		return;
	have->exists = true;
	flags = attr_be32(at[NFTA_TABLE_FLAGS], 0);
	if (flags != 0)
		lines_add(&have->lines, "table with flags %u", flags);
}

static size_t counter_index(const char *name)
{
	size_t i = 0;

	while (i < NFT_COUNTERS && strcmp(nft_counters[i], name) != 0)
		i++;
	return i;
}

static void take_counter_value(void *arg, const struct nlmsghdr *message)
{
	struct nft_have *have = arg;
	const struct nlattr *at[NFTA_OBJ_DATA + 1], *data[NFTA_COUNTER_PACKETS + 1];
	char name[64];
	size_t i;

	attr_table(message, sizeof(struct nfgenmsg), at, NFTA_OBJ_DATA + 1);
	attr_nested(at[NFTA_OBJ_DATA], data, NFTA_COUNTER_PACKETS + 1);
	attr_text(at[NFTA_OBJ_NAME], name, sizeof(name));
	i = counter_index(name);
	if (!is_ours(at[NFTA_OBJ_TABLE]) || i == NFT_COUNTERS)
		return;
	have->packets[i] = attr_be64(data[NFTA_COUNTER_PACKETS], 0);
	have->bytes[i] = attr_be64(data[NFTA_COUNTER_BYTES], 0);
}

static void take_object(void *arg, const struct nlmsghdr *message)
{
	struct nft_have *have = arg;
	const struct nlattr *at[NFTA_OBJ_TYPE + 1];
	char name[64];

	attr_table(message, sizeof(struct nfgenmsg), at, NFTA_OBJ_TYPE + 1);
	if (!is_ours(at[NFTA_OBJ_TABLE]))
		return;
	attr_text(at[NFTA_OBJ_NAME], name, sizeof(name));
	if (attr_be32(at[NFTA_OBJ_TYPE], 0) == NFT_OBJECT_COUNTER)
		add_counter(&have->lines, name);
	else
		lines_add(&have->lines, "object %s", name);
	take_counter_value(arg, message);
}

static void take_set(void *arg, const struct nlmsghdr *message)
{
	struct nft_have *have = arg;
	const struct nlattr *at[NFTA_SET_KEY_LEN + 1];
	char name[64];

	attr_table(message, sizeof(struct nfgenmsg), at, NFTA_SET_KEY_LEN + 1);
	if (!is_ours(at[NFTA_SET_TABLE]))
		return;
	attr_text(at[NFTA_SET_NAME], name, sizeof(name));
	add_set(&have->lines, name, attr_be32(at[NFTA_SET_KEY_TYPE], 0),
		attr_be32(at[NFTA_SET_KEY_LEN], 0));
	if (attr_be32(at[NFTA_SET_FLAGS], 0) != 0)
		lines_add(&have->lines, "set %s with flags", name);
}

static void take_chain(void *arg, const struct nlmsghdr *message)
{
	struct nft_have *have = arg;
	const struct nlattr *at[NFTA_CHAIN_TYPE + 1], *hook[NFTA_HOOK_PRIORITY + 1];
	char name[64], type[16];

	attr_table(message, sizeof(struct nfgenmsg), at, NFTA_CHAIN_TYPE + 1);
	if (!is_ours(at[NFTA_CHAIN_TABLE]))
		return;
	attr_nested(at[NFTA_CHAIN_HOOK], hook, NFTA_HOOK_PRIORITY + 1);
	attr_text(at[NFTA_CHAIN_NAME], name, sizeof(name));
	attr_text(at[NFTA_CHAIN_TYPE], type, sizeof(type));
	add_chain(&have->lines, name, at[NFTA_CHAIN_HOOK] ? type : NULL,
		  attr_be32(hook[NFTA_HOOK_HOOKNUM], 0),
		  (int32_t)attr_be32(hook[NFTA_HOOK_PRIORITY], 0),
		  attr_be32(at[NFTA_CHAIN_POLICY], 0));
}

/* nft keeps comments as (type, length, text) records; ours has that one record alone. */
static void read_comment(const struct nlattr *userdata, char *out, size_t size)
{
	const uint8_t *data = userdata ? mnl_attr_get_payload(userdata) : NULL;
	size_t len = userdata ? mnl_attr_get_payload_len(userdata) : 0;

	out[0] = 0;
	if (len > 2 && data[0] == 0 && data[1] == len - 2 && data[len - 1] == 0)
		snprintf(out, size, "%s", (const char *)data + 2);
}

static void take_rule(void *arg, const struct nlmsghdr *message)
{
	struct nft_have *have = arg;
	const struct nlattr *at[NFTA_RULE_USERDATA + 1];
	char chain[64], comment[NFT_COMMENT_MAX + 1];

	attr_table(message, sizeof(struct nfgenmsg), at, NFTA_RULE_USERDATA + 1);
	if (!is_ours(at[NFTA_RULE_TABLE]))
		return;
	attr_text(at[NFTA_RULE_CHAIN], chain, sizeof(chain));
	read_comment(at[NFTA_RULE_USERDATA], comment, sizeof(comment));
	add_rule(&have->lines, chain, comment);
}

struct reading_set {
	struct nft_keys *keys;
	size_t key_len;
};

static void take_elements(void *arg, const struct nlmsghdr *message)
{
	struct reading_set *reading = arg;
	const struct nlattr *at[NFTA_SET_ELEM_LIST_ELEMENTS + 1], *item = NULL;
	const struct nlattr *element[NFTA_SET_ELEM_KEY + 1], *key[NFTA_DATA_VALUE + 1];

	attr_table(message, sizeof(struct nfgenmsg), at, NFTA_SET_ELEM_LIST_ELEMENTS + 1);
	if (!at[NFTA_SET_ELEM_LIST_ELEMENTS])
		return;
	while ((item = attr_next(at[NFTA_SET_ELEM_LIST_ELEMENTS], item)) != NULL) {
		attr_nested(item, element, NFTA_SET_ELEM_KEY + 1);
		attr_nested(element[NFTA_SET_ELEM_KEY], key, NFTA_DATA_VALUE + 1);
		if (key[NFTA_DATA_VALUE] &&
		    mnl_attr_get_payload_len(key[NFTA_DATA_VALUE]) == reading->key_len)
			nft_keys_add(reading->keys, mnl_attr_get_payload(key[NFTA_DATA_VALUE]),
				     reading->key_len);
	}
}

static void forget_elements(void *arg)
{
	((struct reading_set *)arg)->keys->n = 0;
}

static int read_set(struct netlink *nl, size_t i, struct nft_keys *keys, struct err *err)
{
	struct reading_set reading = { .keys = keys, .key_len = nft_sets[i].key_len };
	char buffer[128];
	struct nlmsghdr *message = request(buffer, NFT_MSG_GETSETELEM);
	int result;

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, nft_sets[i].name);
	keys->n = 0;
	result = netlink_dump(nl, message, take_elements, forget_elements, &reading, err);
	if (result == -ENOENT) /* the lines say so already */
		return 0;
	nft_keys_sort(keys);
	return result;
}

/* A dump that adds lines, and takes them back if it has to begin again. */
struct reading_lines {
	struct nft_have *have;
	size_t before;
	netlink_visit visit;
};

static void visit_lines(void *arg, const struct nlmsghdr *message)
{
	struct reading_lines *reading = arg;

	reading->visit(reading->have, message);
}

static void forget_lines(void *arg)
{
	struct reading_lines *reading = arg;

	reading->have->lines.n = reading->before;
}

static int read_lines(struct netlink *nl, uint16_t what, uint16_t table_attr, netlink_visit visit,
		      struct nft_have *have, struct err *err)
{
	struct reading_lines reading = { .have = have, .before = have->lines.n, .visit = visit };
	char buffer[128];
	struct nlmsghdr *message = request(buffer, what);

	if (table_attr)
		mnl_attr_put_strz(message, table_attr, NFT_TABLE);
	return netlink_dump(nl, message, visit_lines, forget_lines, &reading, err);
}

static int read_once(struct netlink *nl, struct nft_have *have, struct err *err)
{
	int result;

	have->exists = false;
	have->lines.n = 0;
	for (size_t i = 0; i < NFT_SETS; i++)
		have->sets[i].n = 0;
	result = read_lines(nl, NFT_MSG_GETTABLE, 0, take_table, have, err);
	if (result == 0)
		result = read_lines(nl, NFT_MSG_GETOBJ, NFTA_OBJ_TABLE, take_object, have, err);
	if (result == 0)
		result = read_lines(nl, NFT_MSG_GETSET, NFTA_SET_TABLE, take_set, have, err);
	if (result == 0)
		result = read_lines(nl, NFT_MSG_GETCHAIN, 0, take_chain, have, err);
	if (result == 0)
		result = read_lines(nl, NFT_MSG_GETRULE, NFTA_RULE_TABLE, take_rule, have, err);
	for (size_t i = 0; i < NFT_SETS && result == 0; i++)
		result = read_set(nl, i, &have->sets[i], err);
	return result;
}

int nft_read(struct netlink *nl, struct nft_have *have, struct err *err)
{
	for (int tries = 0; tries < READ_TRIES; tries++) {
		uint32_t after = 0;
		struct err refused = { 0 };
		int result = nft_read_generation(nl, &have->generation, err);

		if (result < 0)
			return result;
		result = read_once(nl, have, &refused);
		/* The table may go while it is read: -ENOENT */
		if (result < 0 && result != -ENOENT)
			return err_set(err, -result, "read table inet weft: %s", refused.text);
		if (nft_read_generation(nl, &after, err) == 0 && after == have->generation)
			return 0;
	}
	return err_set(err, EAGAIN, "nftables changes faster than table inet weft can be read");
}

int nft_read_counters(struct netlink *nl, struct nft_have *have, struct err *err)
{
	char buffer[128];
	struct nlmsghdr *message = request(buffer, NFT_MSG_GETOBJ);
	int result;

	mnl_attr_put_strz(message, NFTA_OBJ_TABLE, NFT_TABLE);
	result = netlink_dump(nl, message, take_counter_value, NULL, have, err);
	return result < 0 ? err_wrap(err, "read counters of table inet weft") : 0;
}

void nft_have_done(struct nft_have *have)
{
	free(have->lines.text);
	for (size_t i = 0; i < NFT_SETS; i++)
		free(have->sets[i].key);
	*have = (struct nft_have){ 0 };
}
