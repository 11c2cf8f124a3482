#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/json.h"
#include "cli/show.h"

enum { UUID_LEN = 16, UUID_TEXT_SIZE = 37 };

/* With its dashes; "" when there is none, which is also what all zeros mean. */
static const char *uuid_text(char *text, const ProtobufCBinaryData *uuid)
{
	static const uint8_t zero[UUID_LEN];
	char *at = text;

	*text = '\0';
	if (uuid->len != UUID_LEN || memcmp(uuid->data, zero, UUID_LEN) == 0)
		return text;
	for (size_t i = 0; i < UUID_LEN; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		at += snprintf(at, 3, "%02x", uuid->data[i]);
	}
	return text;
}

/* Who may join is the first thing to know about a node, so it is in the first line. */
static void print_head(const Weft__Local__Status *status)
{
	if (status->auth_none)
		show_line("weft %s: %s   auth=NONE (any host that reaches TCP %u can join: for "
			  "labs only)",
			  status->name, status->state, status->port);
	else
		show_line("weft %s: %s   auth=secret", status->name, status->state);
	if (*status->detail)
		show_paragraph("", "%s", status->detail);
}

static void print_node(const Weft__Local__Status *status)
{
	char age[SHOW_AGE_SIZE];

	show_paragraph("agent", "weftd %s, pid %u, up %s", status->agent_version, status->pid,
		       show_age(age, status->uptime_ms));
	if (*status->node_ip)
		show_paragraph("node", "%s is this node's own address in the range",
			       status->node_ip);
	else
		show_paragraph("node",
			       "no address in the range yet: it comes with the first block");
	if (*status->underlay)
		show_paragraph("underlay", "%s; MTU of pods %u",
			       *status->underlay_reason ? status->underlay_reason
							: status->underlay,
			       status->mtu);
	else
		show_paragraph("underlay", "none%s%s", *status->underlay_reason ? ": " : "",
			       status->underlay_reason);
}

static void print_keepers(const Weft__Local__Status *status)
{
	_cleanup_(freep) char *names = NULL;

	for (size_t i = 0; i < status->n_keepers; i++)
		names = show_list_add(names, "%s", status->keepers[i]);
	if (!status->n_keepers)
		show_paragraph("ledger", "not known yet");
	else if (!status->is_keeper)
		show_paragraph("ledger", "version %ju, kept by %s (%s)",
			       (uintmax_t)status->ledger_version, names, status->keeper_path);
	else if (status->n_keepers == 1)
		show_paragraph("ledger", "version %ju, kept by this node alone",
			       (uintmax_t)status->ledger_version);
	else
		show_paragraph("ledger", "version %ju, kept by %s, this node being one",
			       (uintmax_t)status->ledger_version, names);
}

static void print_cluster(const Weft__Local__Status *status)
{
	char uuid[UUID_TEXT_SIZE], blocks[64];

	show_paragraph("range", "%s in blocks of /%u", status->range, status->block_len);
	if (*uuid_text(uuid, &status->cluster_uuid))
		show_paragraph("cluster", "%s%s%s, epoch %u of this node", status->cluster_name,
			       *status->cluster_name ? " " : "", uuid, status->epoch);
	else
		show_paragraph("cluster", "none yet");
	print_keepers(status);
	show_paragraph("members", "%u, linked to %u of them", status->members, status->links_up);
	show_paragraph("pods", "%u", status->pods_up);
	snprintf(blocks, sizeof(blocks), "; %u of %u blocks are free", status->blocks_free,
		 status->blocks_total);
	show_paragraph("addresses", "%u free, %u resting, in %u %s of this node%s",
		       status->addresses_free, status->addresses_resting, status->blocks_own,
		       status->blocks_own == 1 ? "block" : "blocks",
		       status->blocks_total ? blocks : "");
}

static void print_kernel(const Weft__Local__Status *status)
{
	const Weft__Local__Kernel *kernel = status->kernel;

	if (!kernel)
		return;
	show_paragraph("kernel", "%u things wanted, %ju put right in %ju passes", kernel->wanted,
		       (uintmax_t)kernel->repaired, (uintmax_t)kernel->passes);
	if (kernel->failed)
		show_paragraph("", "%u REFUSED: %s", kernel->failed, kernel->last_error);
	show_paragraph("spoofed", "%ju packets dropped", (uintmax_t)kernel->spoofed_packets);
}

/* Zero is what everybody hopes for and nobody reads. */
static void print_counters(const Weft__Local__Status *status)
{
	_cleanup_(freep) char *list = NULL;

	for (size_t i = 0; i < status->n_counters; i++)
		if (status->counters[i]->value)
			list = show_list_add(list, "%s %ju", status->counters[i]->name,
					     (uintmax_t)status->counters[i]->value);
	if (list)
		show_paragraph("counters", "%s", list);
}

static void print_text(const Weft__Local__Status *status)
{
	print_head(status);
	puts("");
	print_node(status);
	print_cluster(status);
	print_kernel(status);
	print_counters(status);
	for (size_t i = 0; i < status->n_warnings; i++)
		show_paragraph("WARNING", "%s", status->warnings[i]);
}

static void add_node(cJSON *json, const Weft__Local__Status *status)
{
	char uuid[UUID_TEXT_SIZE];

	json_text(json, "name", status->name);
	json_text(json, "state", status->state);
	json_text(json, "detail", status->detail);
	json_text(json, "auth", status->auth_none ? "none" : "secret");
	json_text(json, "agent_version", status->agent_version);
	json_u64(json, "pid", status->pid);
	json_u64(json, "uptime_ms", status->uptime_ms);
	json_hex(json, "uid", status->uid.data, status->uid.len);
	json_text(json, "cluster_uuid", uuid_text(uuid, &status->cluster_uuid));
	json_text(json, "cluster_name", status->cluster_name);
	json_u64(json, "epoch", status->epoch);
	json_text(json, "range", status->range);
	json_u64(json, "block_len", status->block_len);
	json_text(json, "node_ip", status->node_ip);
	json_text(json, "underlay", status->underlay);
	cJSON_AddNumberToObject(json, "port", status->port);
	json_text(json, "underlay_dev", status->underlay_dev);
	json_text(json, "underlay_reason", status->underlay_reason);
	json_u64(json, "mtu", status->mtu);
}

static void add_cluster(cJSON *json, const Weft__Local__Status *status)
{
	json_u64(json, "ledger_version", status->ledger_version);
	json_texts(json, "keepers", status->keepers, status->n_keepers);
	cJSON_AddBoolToObject(json, "is_keeper", status->is_keeper);
	json_text(json, "keeper_path", status->keeper_path);
	json_u64(json, "members", status->members);
	json_u64(json, "links_up", status->links_up);
	json_u64(json, "pods_up", status->pods_up);
	json_u64(json, "blocks_own", status->blocks_own);
	json_u64(json, "blocks_free", status->blocks_free);
	json_u64(json, "blocks_total", status->blocks_total);
	json_u64(json, "addresses_free", status->addresses_free);
	json_u64(json, "addresses_resting", status->addresses_resting);
	json_texts(json, "warnings", status->warnings, status->n_warnings);
}

static void add_kernel(cJSON *json, const Weft__Local__Kernel *kernel)
{
	static const Weft__Local__Kernel none = WEFT__LOCAL__KERNEL__INIT;
	cJSON *object = cJSON_AddObjectToObject(json, "kernel");

	kernel = kernel ? kernel : &none;
	json_u64(object, "passes", kernel->passes);
	json_u64(object, "repaired", kernel->repaired);
	json_u64(object, "wanted", kernel->wanted);
	json_u64(object, "failed", kernel->failed);
	json_text(object, "last_error", kernel->last_error);
	json_u64(object, "spoofed_packets", kernel->spoofed_packets);
}

static void print_json(const Weft__Local__Status *status)
{
	cJSON *json = cJSON_CreateObject(), *counters;

	add_node(json, status);
	add_cluster(json, status);
	add_kernel(json, status->kernel);
	counters = cJSON_AddObjectToObject(json, "counters");
	for (size_t i = 0; i < status->n_counters; i++)
		json_u64(counters, status->counters[i]->name, status->counters[i]->value);
	json_end(json);
}

static enum exit_status run(const struct call *call)
{
	Weft__Local__StatusAsk ask = WEFT__LOCAL__STATUS_ASK__INIT;

	return client_show_status(call, &ask, print_text, print_json);
}

const struct verb verb_status = {
	.name = "status",
	.summary = "how this node and its part of the cluster are",
	.help = "The first line says whether the agent can serve pods (\"ready\") and who may\n"
		"join the cluster. If the state is another word, the line below it says why\n"
		"and what to do. The exit status is 0 whenever the agent answers, ready or\n"
		"not.\n",
	.run = run,
};
