#include <netinet/in.h> /* before the kernel's own */

#include "io/nft.h"

#include <assert.h>
#include <errno.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "io/attr.h"
#include "io/nft_read.h"
#include "io/nft_rules.h"
#include "log/log.h"

enum {
	TRIES = 4,           /* when somebody commits between our reading and our writing */
	ELEMENTS_MAX = 1000, /* in one message: a list is an attribute, at most 64 KiB long */
	REPAIRS_LOGGED = 5,  /* of elements, in one pass */
};

enum { MEMBERS, PODS, OPENED }; /* indices of nft_sets */

/* The state that one pass aims at. */
struct wish {
	struct nft_settings settings;
	struct nft_lines lines;
	struct nft_keys sets[NFT_SETS];
	bool keep_members; /* remove none: not all are known yet */
};

struct nft {
	struct log *log;
	struct nft_have have;
	/* What was there, complete, after the last good pass: what differs from it now was
	 * changed by another program. Generation 0: there was none yet. */
	uint32_t settled;
	struct wish done;
	struct nft_keys opened; /* grows only */
};

struct nft *nft_new(struct log *log)
{
	struct nft *nft = xcalloc(1, sizeof(*nft));

	nft->log = log;
	return nft;
}

static void wish_done(struct wish *wish)
{
	free(wish->lines.text);
	for (size_t i = 0; i < NFT_SETS; i++)
		free(wish->sets[i].key);
	*wish = (struct wish){ 0 };
}

void nft_free(struct nft *nft)
{
	if (!nft)
		return;
	nft_have_done(&nft->have);
	wish_done(&nft->done);
	free(nft->opened.key);
	free(nft);
}

static void add_name(struct nft_keys *keys, const char *name)
{
	char key[IFNAME_LEN_MAX + 1] = { 0 };

	snprintf(key, sizeof(key), "%s", name);
	nft_keys_add(keys, key, sizeof(key));
}

void nft_remember_opened(struct nft *nft, const char *dev)
{
	add_name(&nft->opened, dev);
	nft_keys_sort(&nft->opened);
}

/* ---- the wish */

static void pod_key(uint8_t key[NFT_KEY_MAX], const char *host_if, uint32_t ip)
{
	uint32_t be = htonl(ip);

	memset(key, 0, NFT_KEY_MAX);
	memcpy(key, host_if, strnlen(host_if, IFNAME_LEN_MAX));
	memcpy(key + IFNAME_LEN_MAX + 1, &be, sizeof(be));
}

static void make_wish(const struct nft *nft, const struct forward *forward, struct wish *wish)
{
	*wish = (struct wish){
		.settings = {
			.port = forward->tunnel.port,
			.local_ip = forward->tunnel.local_ip,
			.range = forward->range,
			.masquerade = forward->masquerade,
			.masquerade_nodes = forward->masquerade_nodes,
		},
		.keep_members = !forward->peers_known,
	};
	memcpy(wish->settings.tunnel, forward->tunnel.name, sizeof(wish->settings.tunnel));
	nft_lines_want(&wish->lines, &wish->settings);
	for (size_t i = 0; i < forward->n_members; i++) {
		uint32_t be = htonl(forward->members[i]);

		nft_keys_add(&wish->sets[MEMBERS], &be, sizeof(be));
	}
	for (size_t i = 0; i < forward->n_pods; i++) {
		uint8_t key[NFT_KEY_MAX];

		pod_key(key, forward->pods[i].host_if, forward->pods[i].ip);
		nft_keys_add(&wish->sets[PODS], key, sizeof(key));
	}
	for (size_t i = 0; i < nft->opened.n; i++)
		nft_keys_add(&wish->sets[OPENED], nft->opened.key[i], NFT_KEY_MAX);
	for (size_t i = 0; i < NFT_SETS; i++)
		nft_keys_sort(&wish->sets[i]);
}

static bool is_settled(const struct nft *nft, const struct wish *wish, uint32_t generation)
{
	if (nft->settled == 0 || generation != nft->settled ||
	    !nft_lines_equal(&wish->lines, &nft->done.lines))
		return false;
	for (size_t i = 0; i < NFT_SETS; i++)
		if (!nft_keys_equal(&wish->sets[i], &nft->done.sets[i]))
			return false;
	return true;
}

/* ---- messages */

static struct nlmsghdr *put(struct netlink_batch *batch, uint16_t what, uint16_t flags,
			    const char *name)
{
	struct nlmsghdr *message = netlink_batch_add(
		batch, NFT_TYPE(what), flags, sizeof(struct nfgenmsg), netlink_name_text, name);

	nft_put_header(message, NFPROTO_INET, 0);
	return message;
}

/* generation 0: whatever it is. */
static void put_begin(struct netlink_batch *batch, uint32_t generation)
{
	struct nlmsghdr *message = netlink_batch_add(batch, NFNL_MSG_BATCH_BEGIN, 0,
						     sizeof(struct nfgenmsg), netlink_name_text,
						     "the transaction of table inet weft");

	nft_put_header(message, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);
	if (generation != 0)
		attr_put_be32(message, NFNL_BATCH_GENID, generation);
}

static void put_end(struct netlink_batch *batch)
{
	struct nlmsghdr *message = netlink_batch_add(batch, NFNL_MSG_BATCH_END, 0,
						     sizeof(struct nfgenmsg), netlink_name_text,
						     "the transaction of table inet weft");

	nft_put_header(message, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);
}

static void put_table(struct netlink_batch *batch, uint16_t what)
{
	struct nlmsghdr *message =
		put(batch, what, what == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0, "table inet weft");

	mnl_attr_put_strz(message, NFTA_TABLE_NAME, NFT_TABLE);
}

static void put_counter(struct netlink_batch *batch, const char *name, uint64_t packets,
			uint64_t bytes)
{
	struct nlmsghdr *message = put(batch, NFT_MSG_NEWOBJ, NLM_F_CREATE, name);
	struct nlattr *data;

	mnl_attr_put_strz(message, NFTA_OBJ_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_OBJ_NAME, name);
	attr_put_be32(message, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
	data = mnl_attr_nest_start(message, NFTA_OBJ_DATA);
	attr_put_be64(message, NFTA_COUNTER_BYTES, bytes);
	attr_put_be64(message, NFTA_COUNTER_PACKETS, packets);
	mnl_attr_nest_end(message, data);
}

static void put_set(struct netlink_batch *batch, const struct nft_set_kind *set, uint32_t id)
{
	struct nlmsghdr *message = put(batch, NFT_MSG_NEWSET, NLM_F_CREATE, set->name);
	struct nftnl_udata_buf *order = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);

	mnl_attr_put_strz(message, NFTA_SET_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_NAME, set->name);
	attr_put_be32(message, NFTA_SET_FLAGS, 0);
	attr_put_be32(message, NFTA_SET_KEY_TYPE, set->key_type);
	attr_put_be32(message, NFTA_SET_KEY_LEN, set->key_len);
	attr_put_be32(message, NFTA_SET_ID, id);
	if (!order || !nftnl_udata_put_u32(order, NFTNL_UDATA_SET_KEYBYTEORDER, set->key_order))
		abort();
	mnl_attr_put(message, NFTA_SET_USERDATA, nftnl_udata_buf_len(order),
		     nftnl_udata_buf_data(order));
	nftnl_udata_buf_free(order);
}

static void put_chain(struct netlink_batch *batch, const struct nft_chain_kind *chain)
{
	struct nlmsghdr *message = put(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, chain->name);
	struct nlattr *hook;

	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain->name);
	if (!chain->type)
		return;
	mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, chain->type);
	attr_put_be32(message, NFTA_CHAIN_POLICY, NF_ACCEPT);
	hook = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);
	attr_put_be32(message, NFTA_HOOK_HOOKNUM, chain->hook);
	attr_put_be32(message, NFTA_HOOK_PRIORITY, (uint32_t)chain->priority);
	mnl_attr_nest_end(message, hook);
}

static void put_rule(void *arg, const char *chain, const char *comment,
		     const struct nftnl_rule *rule)
{
	struct nlmsghdr *message =
		put(arg, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, "a rule of table inet weft");

	(void)chain;
	(void)comment;
	/* libnftnl only reads it here, whatever its prototype says. */
	nftnl_rule_nlmsg_build_payload(message, (struct nftnl_rule *)(uintptr_t)rule);
}

/* Elements of `keys` that are not in `except`; returns how many. */
static size_t put_elements(struct netlink_batch *batch, uint16_t what, size_t set,
			   const struct nft_keys *keys, const struct nft_keys *except)
{
	const struct nft_set_kind *kind = &nft_sets[set];
	struct nlmsghdr *message = NULL;
	struct nlattr *list = NULL;
	size_t n = 0;

	for (size_t i = 0; i < keys->n; i++) {
		struct nlattr *element, *key;

		if (except && nft_keys_has(except, keys->key[i]))
			continue;
		if (n++ % ELEMENTS_MAX == 0) {
			if (list)
				mnl_attr_nest_end(message, list);
			message = put(batch, what, what == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0,
				      kind->name);
			mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
			mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, kind->name);
			list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
		}
		element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
		key = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
		mnl_attr_put(message, NFTA_DATA_VALUE, kind->key_len, keys->key[i]);
		mnl_attr_nest_end(message, key);
		mnl_attr_nest_end(message, element);
	}
	if (list)
		mnl_attr_nest_end(message, list);
	return n;
}

static void put_everything(struct netlink_batch *batch, const struct nft_have *have,
			   const struct wish *wish)
{
	if (have->exists)
		put_table(batch, NFT_MSG_DELTABLE);
	put_table(batch, NFT_MSG_NEWTABLE);
	for (size_t i = 0; i < NFT_COUNTERS; i++)
		put_counter(batch, nft_counters[i], have->packets[i], have->bytes[i]);
	for (uint32_t i = 0; i < NFT_SETS; i++)
		put_set(batch, &nft_sets[i], i + 1);
	for (size_t i = 0; i < NFT_CHAINS; i++)
		put_chain(batch, &nft_chains[i]);
	nft_rules_each(&wish->settings, put_rule, batch);
	for (size_t i = 0; i < NFT_SETS; i++)
		put_elements(batch, NFT_MSG_NEWSETELEM, i, &wish->sets[i], NULL);
}

/* ---- what others did */

static void log_lines(const struct nft *nft, struct nft_report *report)
{
	const struct nft_lines *have = &nft->have.lines, *done = &nft->done.lines;

	if (nft->settled == 0 || nft_lines_equal(have, done))
		return;
	report->repaired++;
	if (!nft->have.exists) {
		log_line(nft->log, LOG_WARN,
			 "table inet weft gone (deleted by another program) -> put back");
		return;
	}
	for (size_t i = 0; i < done->n; i++)
		if (!nft_lines_has(have, done->text[i])) {
			log_line(
				nft->log, LOG_WARN,
				"table inet weft: %s gone (changed by another program) -> put back",
				done->text[i]);
			return;
		}
	for (size_t i = 0; i < have->n; i++)
		if (!nft_lines_has(done, have->text[i])) {
			log_line(nft->log, LOG_WARN,
				 "table inet weft: %s added (by another program) -> removed",
				 have->text[i]);
			return;
		}
	log_line(nft->log, LOG_WARN,
		 "table inet weft: order changed (by another program) -> put back");
}

static void name_element(char *text, size_t size, size_t set, const uint8_t *key)
{
	uint32_t be;

	memcpy(&be, key + (set == PODS ? IFNAME_LEN_MAX + 1 : 0), sizeof(be));
	if (set == OPENED)
		snprintf(text, size, "%.*s", IFNAME_LEN_MAX, (const char *)key);
	else if (set == MEMBERS)
		snprintf(text, size, "%s", text_ip4(TEXT_BUF(IP4), ntohl(be)));
	else
		snprintf(text, size, "%s of %.*s", text_ip4(TEXT_BUF(IP4), ntohl(be)),
			 IFNAME_LEN_MAX, (const char *)key);
}

/* Elements that are wanted, were there, and are gone. */
static void log_elements(const struct nft *nft, const struct wish *wish, size_t set,
			 struct nft_report *report)
{
	const struct nft_keys *done = &nft->done.sets[set];
	uint32_t n = 0;

	for (size_t i = 0; i < done->n; i++) {
		char text[64];

		if (nft_keys_has(&nft->have.sets[set], done->key[i]) ||
		    !nft_keys_has(&wish->sets[set], done->key[i]))
			continue;
		name_element(text, sizeof(text), set, done->key[i]);
		if (n++ < REPAIRS_LOGGED)
			log_line(nft->log, LOG_WARN,
				 "table inet weft: %s gone from set %s (deleted by another program)"
				 " -> put back",
				 text, nft_sets[set].name);
	}
	if (n > REPAIRS_LOGGED)
		log_line(nft->log, LOG_WARN,
			 "table inet weft: and %u more gone from set %s -> put back",
			 n - REPAIRS_LOGGED, nft_sets[set].name);
	report->repaired += n;
}

static void log_repairs(const struct nft *nft, const struct wish *wish, struct nft_report *report)
{
	report->repaired = 0;
	log_lines(nft, report);
	if (nft->settled == 0 || !nft->have.exists)
		return;
	for (size_t i = 0; i < NFT_SETS; i++)
		log_elements(nft, wish, i, report);
}

/* ---- the pass */

/* What is remembered in the table outlives us, and us it. Members that are not known yet stay. */
static void merge(struct nft *nft, struct wish *wish)
{
	static const size_t kept[] = { OPENED, MEMBERS };

	for (size_t k = 0; k < (wish->keep_members ? 2 : 1); k++) {
		const struct nft_keys *have = &nft->have.sets[kept[k]];

		for (size_t i = 0; i < have->n; i++)
			nft_keys_add(&wish->sets[kept[k]], have->key[i], NFT_KEY_MAX);
		nft_keys_sort(&wish->sets[kept[k]]);
	}
	nft->opened.n = 0;
	for (size_t i = 0; i < wish->sets[OPENED].n; i++)
		nft_keys_add(&nft->opened, wish->sets[OPENED].key[i], NFT_KEY_MAX);
}

static void put_difference(struct netlink_batch *batch, const struct nft_have *have,
			   const struct wish *wish)
{
	if (!have->exists || !nft_lines_equal(&have->lines, &wish->lines)) {
		put_everything(batch, have, wish);
		return;
	}
	for (size_t i = 0; i < NFT_SETS; i++) {
		put_elements(batch, NFT_MSG_NEWSETELEM, i, &wish->sets[i], &have->sets[i]);
		put_elements(batch, NFT_MSG_DELSETELEM, i, &have->sets[i], &wish->sets[i]);
	}
}

static uint32_t count_wanted(const struct wish *wish)
{
	size_t n = wish->lines.n;

	for (size_t i = 0; i < NFT_SETS; i++)
		n += wish->sets[i].n;
	return (uint32_t)n;
}

static int pass_once(struct nft *nft, struct netlink *nl, struct wish *wish,
		     struct nft_report *report, struct err *err)
{
	struct netlink_batch batch;
	int result = nft_read(nl, &nft->have, err);

	if (result < 0)
		return result;
	merge(nft, wish);
	netlink_batch_init(&batch, nl);
	batch.whole = true;
	put_begin(&batch, nft->have.generation);
	put_difference(&batch, &nft->have, wish);
	put_end(&batch);
	report->sent = (uint32_t)batch.n - 2;
	report->added = nft->have.exists || nft->settled ? 0 : count_wanted(wish);
	if (report->sent > 0) {
		log_repairs(nft, wish, report);
		result = netlink_batch_run(&batch, err);
	}
	netlink_batch_done(&batch);
	if (result == 0)
		nft->settled = nft->have.generation + (report->sent > 0);
	return result;
}

int nft_pass(struct nft *nft, struct netlink *nl, const struct forward *forward,
	     struct nft_report *ret, struct err *err)
{
	struct err refused = { 0 };
	struct wish wish;
	uint32_t generation = 0;
	int result;

	*ret = (struct nft_report){ 0 };
	make_wish(nft, forward, &wish);
	result = nft_read_generation(nl, &generation, &refused);
	if (result == 0 && !is_settled(nft, &wish, generation)) {
		result = -ERESTART;
		for (int tries = 0; tries < TRIES && result == -ERESTART; tries++)
			result = pass_once(nft, nl, &wish, ret, &refused);
		if (result == 0) {
			wish_done(&nft->done);
			nft->done = wish;
			wish = (struct wish){ 0 };
		}
	}
	ret->wanted = count_wanted(wish.lines.n ? &wish : &nft->done);
	wish_done(&wish);
	if (result == 0)
		result = nft_read_counters(nl, &nft->have, &refused);
	ret->spoofed_packets = nft->have.packets[0];
	if (result < 0) {
		ret->sent = ret->repaired = ret->added = 0;
		return err_set(err, refused.code, "table inet weft: %s", refused.text);
	}
	return 0;
}

int nft_allow_pod(struct netlink *nl, const char *host_if, uint32_t ip, struct err *err)
{
	struct nft_keys keys = { 0 };
	struct netlink_batch batch;
	struct err refused = { 0 };
	uint8_t key[NFT_KEY_MAX];
	int result;

	pod_key(key, host_if, ip);
	nft_keys_add(&keys, key, sizeof(key));
	netlink_batch_init(&batch, nl);
	batch.whole = true;
	put_begin(&batch, 0);
	put_elements(&batch, NFT_MSG_NEWSETELEM, PODS, &keys, NULL);
	put_end(&batch);
	result = netlink_batch_run(&batch, &refused);
	netlink_batch_done(&batch);
	free(keys.key);
	if (result == 0 || result == -ENOENT)
		return 0;
	return err_set(err, refused.code, "allow %s to use its address: %s", host_if, refused.text);
}
