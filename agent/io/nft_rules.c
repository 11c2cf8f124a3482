#include "io/nft_rules.h"

#include <netinet/in.h> /* before the kernel's own */
#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "io/nft.h"

/* nft's numbers of types and of byte orders (its include/datatype.h); a concatenation has six bits
 * for the type of each part. */
enum { TYPE_IPADDR = 7, TYPE_IFNAME = 41, TYPE_BITS = 6 };
enum { ORDER_MIXED, ORDER_HOST, ORDER_NETWORK };

enum { IP_SADDR = 12, IP_DADDR = 16, UDP_DPORT = 2, TCP_FLAGS = 13 };

/* The bit that kube-proxy, in all its modes, sets on what it will masquerade itself. */
#define KUBE_PROXY_MARK  0x4000u

#define OUTER_DROPPED    "vxlan_not_member"
#define POD_VXLAN        "vxlan_from_pods"
#define LOOPBACK_OUTSIDE "loopback_from_outside"

const struct nft_set_kind nft_sets[NFT_SETS] = {
	{ NFT_SET_MEMBERS, TYPE_IPADDR, 4, ORDER_NETWORK },
	{ NFT_SET_PODS, TYPE_IFNAME << TYPE_BITS | TYPE_IPADDR, 20, ORDER_MIXED },
	{ NFT_SET_OPENED, TYPE_IFNAME, 16, ORDER_HOST },
};

const char *const nft_counters[NFT_COUNTERS] = { NFT_SPOOFED, POD_VXLAN, OUTER_DROPPED,
						 LOOPBACK_OUTSIDE };

/*
 * Priorities:
 *   raw (-300)     before conntrack and everybody's DNAT: what is dropped or untracked here costs
 *                  no entry, and a pod's source is looked at as the pod wrote it
 *   mangle (-150)  where others clamp too
 *   filter (0)
 *   srcnat + 10    after kube-proxy and whoever else has a reason of his own: the first to
 *                  decide about a connection's source wins
 */
const struct nft_chain_kind nft_chains[NFT_CHAINS] = {
	{ "from_pods", NULL, 0, 0 }, /* first: others jump to it */
	{ "prerouting", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW },
	{ "output", "filter", NF_INET_LOCAL_OUT, NF_IP_PRI_RAW },
	{ "input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER },
	{ "forward", "filter", NF_INET_FORWARD, NF_IP_PRI_MANGLE },
	{ "postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC + 10 },
};

/* ---- expressions. libnftnl owns what was added to a rule; running out of memory aborts. */

static struct nftnl_expr *add(struct nftnl_rule *rule, const char *name)
{
	struct nftnl_expr *expr = nftnl_expr_alloc(name);

	if (!expr)
		abort();
	nftnl_rule_add_expr(rule, expr);
	return expr;
}

static void load_meta(struct nftnl_rule *rule, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = add(rule, "meta");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, reg);
}

static void load_payload(struct nftnl_rule *rule, uint32_t base, uint32_t offset, uint32_t len,
			 uint32_t reg)
{
	struct nftnl_expr *expr = add(rule, "payload");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

static void compare(struct nftnl_rule *rule, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = add(rule, "cmp");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, len);
}

static void mask(struct nftnl_rule *rule, const void *bits, uint32_t len)
{
	static const uint8_t zero[4];
	struct nftnl_expr *expr = add(rule, "bitwise");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, len);
	nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, bits, len);
	nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, zero, len);
}

static void look_up(struct nftnl_rule *rule, const char *set, bool inverted)
{
	struct nftnl_expr *expr = add(rule, "lookup");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set);
	if (inverted)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

static void verdict(struct nftnl_rule *rule, int code, const char *chain)
{
	struct nftnl_expr *expr = add(rule, "immediate");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)code);
	if (chain)
		nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain);
}

static void drop_counted(struct nftnl_rule *rule, const char *counter)
{
	struct nftnl_expr *expr = add(rule, "objref");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	nftnl_expr_set_str(expr, NFTNL_EXPR_OBJREF_IMM_NAME, counter);
	verdict(rule, NF_DROP, NULL);
}

/* ---- matches */

static void match_meta_u8(struct nftnl_rule *rule, uint32_t key, uint32_t op, uint8_t value)
{
	load_meta(rule, key, NFT_REG_1);
	compare(rule, op, &value, sizeof(value));
}

static void match_ipv4(struct nftnl_rule *rule)
{
	match_meta_u8(rule, NFT_META_NFPROTO, NFT_CMP_EQ, NFPROTO_IPV4);
}

static void match_link(struct nftnl_rule *rule, uint32_t key, uint32_t op, const char *name)
{
	char whole[IFNAME_LEN_MAX + 1] = { 0 };

	snprintf(whole, sizeof(whole), "%s", name);
	load_meta(rule, key, NFT_REG_1);
	compare(rule, op, whole, sizeof(whole));
}

/* wf* */
static void match_host_end(struct nftnl_rule *rule, uint32_t key)
{
	load_meta(rule, key, NFT_REG_1);
	compare(rule, NFT_CMP_EQ, "wf", 2);
}

static void match_udp_dport(struct nftnl_rule *rule, uint16_t port)
{
	uint16_t be = htons(port);

	match_meta_u8(rule, NFT_META_L4PROTO, NFT_CMP_EQ, IPPROTO_UDP);
	load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, UDP_DPORT, sizeof(be), NFT_REG_1);
	compare(rule, NFT_CMP_EQ, &be, sizeof(be));
}

static void match_prefix(struct nftnl_rule *rule, uint32_t field, uint32_t op, struct prefix prefix)
{
	uint32_t ip = htonl(prefix.ip), bits = htonl(prefix_mask(prefix.len));

	match_ipv4(rule);
	load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, field, sizeof(ip), NFT_REG_1);
	if (prefix.len < 32)
		mask(rule, &bits, sizeof(bits));
	compare(rule, op, &ip, sizeof(ip));
}

static void match_ip(struct nftnl_rule *rule, uint32_t field, uint32_t ip)
{
	match_prefix(rule, field, NFT_CMP_EQ, (struct prefix){ .ip = ip, .len = 32 });
}

static void match_member(struct nftnl_rule *rule, uint32_t field, bool inverted)
{
	match_ipv4(rule);
	load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, field, 4, NFT_REG_1);
	look_up(rule, NFT_SET_MEMBERS, inverted);
}

/* ---- rules. Each returns false if it has no place with these settings. */

static bool drop_pod_vxlan(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	match_udp_dport(rule, settings->port);
	drop_counted(rule, POD_VXLAN);
	return settings->port != 0;
}

static bool accept_own(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	(void)settings;
	match_ipv4(rule);
	load_meta(rule, NFT_META_IIFNAME, NFT_REG_1); /* 16 bytes: the address comes behind them */
	load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, IP_SADDR, 4, NFT_REG_2);
	look_up(rule, NFT_SET_PODS, false);
	verdict(rule, NF_ACCEPT, NULL);
	return true;
}

static bool drop_spoofed(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	(void)settings;
	match_ipv4(rule);
	drop_counted(rule, NFT_SPOOFED);
	return true;
}

/* Not counted: every pod asks for IPv6 routers when it starts. */
static bool drop_rest(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	(void)settings;
	verdict(rule, NF_DROP, NULL);
	return true;
}

static bool drop_loopback(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	struct prefix loopback = { .ip = 0x7f000000, .len = 8 };

	(void)settings;
	match_prefix(rule, IP_DADDR, NFT_CMP_EQ, loopback);
	match_link(rule, NFT_META_IIFNAME, NFT_CMP_NEQ, "lo");
	drop_counted(rule, LOOPBACK_OUTSIDE);
	return true;
}

static bool jump_from_pods(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	(void)settings;
	match_host_end(rule, NFT_META_IIFNAME);
	verdict(rule, NFT_GOTO, "from_pods");
	return true;
}

/* What the tunnel has unpacked is a pod's or a node's own packet, whatever its port. The rule
 * behind this one leaves packets to our port untracked, and means the wrapped ones alone. */
static bool accept_inner(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	match_link(rule, NFT_META_IIFNAME, NFT_CMP_EQ, settings->tunnel);
	verdict(rule, NF_ACCEPT, NULL);
	return true;
}

static bool untrack(struct nftnl_rule *rule, const struct nft_settings *settings, uint32_t field)
{
	match_ip(rule, field, settings->local_ip);
	match_udp_dport(rule, settings->port);
	add(rule, "notrack");
	return settings->port != 0 && settings->local_ip != 0;
}

static bool untrack_in(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	return untrack(rule, settings, IP_DADDR);
}

static bool untrack_out(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	return untrack(rule, settings, IP_SADDR);
}

static bool drop_not_member(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	match_udp_dport(rule, settings->port);
	match_member(rule, IP_SADDR, true);
	drop_counted(rule, OUTER_DROPPED);
	return settings->port != 0;
}

/* On the way into the tunnel only: what comes out of it was clamped by the node that sent it. */
static bool clamp(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	uint8_t syn = 2, syn_rst = 2 | 4;
	struct nftnl_expr *expr;

	match_link(rule, NFT_META_OIFNAME, NFT_CMP_EQ, settings->tunnel);
	match_meta_u8(rule, NFT_META_L4PROTO, NFT_CMP_EQ, IPPROTO_TCP);
	load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS, 1, NFT_REG_1);
	mask(rule, &syn_rst, 1);
	compare(rule, NFT_CMP_EQ, &syn, 1);
	expr = add(rule, "rt");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_RT_KEY, NFT_RT_TCPMSS);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_RT_DREG, NFT_REG_1);
	expr = add(rule, "byteorder");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_LEN, 2);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_SIZE, 2);
	expr = add(rule, "exthdr");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_SREG, NFT_REG_1);
	nftnl_expr_set_u8(expr, NFTNL_EXPR_EXTHDR_TYPE, 2); /* maximum segment size, RFC 9293 3.2 */
	nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_OFFSET, 2);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_LEN, 2);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
	return true;
}

static bool leave_inside(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	match_prefix(rule, IP_DADDR, NFT_CMP_EQ, settings->range);
	verdict(rule, NF_ACCEPT, NULL);
	return settings->masquerade;
}

static bool leave_tunnel(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	match_link(rule, NFT_META_OIFNAME, NFT_CMP_EQ, settings->tunnel);
	verdict(rule, NF_ACCEPT, NULL);
	return settings->masquerade;
}

static bool leave_pods(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	match_host_end(rule, NFT_META_OIFNAME);
	verdict(rule, NF_ACCEPT, NULL);
	return settings->masquerade;
}

static bool leave_marked(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	uint32_t bit = KUBE_PROXY_MARK;

	load_meta(rule, NFT_META_MARK, NFT_REG_1);
	mask(rule, &bit, sizeof(bit));
	compare(rule, NFT_CMP_EQ, &bit, sizeof(bit));
	verdict(rule, NF_ACCEPT, NULL);
	return settings->masquerade;
}

static bool leave_outer(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	match_udp_dport(rule, settings->port);
	verdict(rule, NF_ACCEPT, NULL);
	return settings->masquerade && settings->port != 0;
}

static bool leave_nodes(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	match_member(rule, IP_DADDR, false);
	verdict(rule, NF_ACCEPT, NULL);
	return settings->masquerade && !settings->masquerade_nodes;
}

static bool masquerade(struct nftnl_rule *rule, const struct nft_settings *settings)
{
	/* Named, not what is left over: the chain sees the host's own traffic, IPv6 included. */
	match_prefix(rule, IP_SADDR, NFT_CMP_EQ, settings->range);
	nftnl_expr_set_u32(add(rule, "masq"), NFTNL_EXPR_MASQ_FLAGS,
			   NF_NAT_RANGE_PROTO_RANDOM_FULLY);
	return settings->masquerade;
}

static const struct {
	const char *chain;
	const char *comment;
	bool (*build)(struct nftnl_rule *rule, const struct nft_settings *settings);
} rules[] = {
	{ "from_pods", "a pod builds no tunnels here", drop_pod_vxlan },
	{ "from_pods", "a pod's own address", accept_own },
	{ "from_pods", "not the pod's own address", drop_spoofed },
	{ "from_pods", "pods have no IPv6 yet", drop_rest },
	{ "prerouting", "127.0.0.0/8 never comes from outside", drop_loopback },
	{ "prerouting", "what pods send", jump_from_pods },
	{ "prerouting", "out of the tunnel", accept_inner },
	{ "prerouting", "tunnel packets need no conntrack", untrack_in },
	{ "output", "tunnel packets need no conntrack", untrack_out },
	{ "input", "only members send through the tunnel", drop_not_member },
	{ "forward", "segments that fit the tunnel", clamp },
	{ "postrouting", "stays in the range", leave_inside },
	{ "postrouting", "stays in the range", leave_tunnel },
	{ "postrouting", "stays in the range", leave_pods },
	{ "postrouting", "kube-proxy decides about these", leave_marked },
	{ "postrouting", "the tunnel itself", leave_outer },
	{ "postrouting", "nodes see pods' own addresses", leave_nodes },
	{ "postrouting", "leaves the range", masquerade },
};

/* ---- the comment with the hash */

static int hash_expressions(const struct nlattr *attr, void *arg)
{
	struct siphash *hash = arg;

	if (mnl_attr_get_type(attr) == NFTA_RULE_EXPRESSIONS)
		siphash_update(hash, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	return MNL_CB_OK;
}

static uint32_t hash_rule(struct nftnl_rule *rule)
{
	static const uint8_t key[16] = "weft nft rules 1";
	uint8_t buffer[4096] = { 0 }; /* the longest rule takes an eighth */
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct siphash hash;

	nftnl_rule_nlmsg_build_payload(message, rule);
	siphash_init(&hash, key);
	mnl_attr_parse(message, 0, hash_expressions, &hash);
	return (uint32_t)siphash_final(&hash);
}

static void set_comment(struct nftnl_rule *rule, const char *comment)
{
	struct nftnl_udata_buf *data = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);

	if (!data || !nftnl_udata_put_strz(data, NFTNL_UDATA_RULE_COMMENT, comment))
		abort();
	nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(data),
			    nftnl_udata_buf_len(data));
	nftnl_udata_buf_free(data);
}

void nft_rules_each(const struct nft_settings *settings, nft_rule_visit visit, void *arg)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct nftnl_rule *rule = nftnl_rule_alloc();
		char comment[NFT_COMMENT_MAX + 1];

		if (!rule)
			abort();
		nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
		nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, NFT_TABLE);
		nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, rules[i].chain);
		if (rules[i].build(rule, settings)) {
			snprintf(comment, sizeof(comment), "%s [%08x]", rules[i].comment,
				 hash_rule(rule));
			set_comment(rule, comment);
			visit(arg, rules[i].chain, comment, rule);
		}
		nftnl_rule_free(rule);
	}
}
