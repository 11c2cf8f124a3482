#include "cli/pods.h"

#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/json.h"
#include "cli/show.h"

static void print_text(const Weft__Local__Status *status)
{
	struct table table = { 0 };
	char age[SHOW_AGE_SIZE];

	if (status->n_pods == 0) {
		show_line("no pods on %s", status->name);
		return;
	}
	table_column(&table, "ADDRESS", 0, TABLE_LEFT);
	table_column(&table, "INTERFACE", 0, TABLE_LEFT);
	table_column(&table, "HOST END", 0, TABLE_LEFT);
	table_column(&table, "STATE", 0, TABLE_LEFT);
	table_column(&table, "FOR", 0, TABLE_LEFT);
	table_column(&table, "POD", 40, TABLE_LEFT);
	for (size_t i = 0; i < status->n_pods; i++) {
		const Weft__Local__Pod *pod = status->pods[i];

		table_cell(&table, "%s", pod->ip);
		table_cell(&table, "%s", pod->ifname);
		table_cell(&table, "%s", pod->host_if);
		table_cell(&table, "%s", pod->state);
		table_cell(&table, "%s", show_age(age, pod->since_ms));
		table_cell(&table, "%s", *pod->pod ? pod->pod : pod->container_id);
	}
	table_end(&table);
}

cJSON *pods_json(const Weft__Local__Pod *pod)
{
	cJSON *json = cJSON_CreateObject();

	json_text(json, "container_id", pod->container_id);
	json_text(json, "ifname", pod->ifname);
	json_text(json, "ip", pod->ip);
	json_text(json, "mac", pod->mac);
	json_u64(json, "mtu", pod->mtu);
	json_text(json, "host_if", pod->host_if);
	json_text(json, "netns", pod->netns);
	json_text(json, "pod", pod->pod);
	json_text(json, "state", pod->state);
	json_u64(json, "since_ms", pod->since_ms);
	return json;
}

static void print_json(const Weft__Local__Status *status)
{
	cJSON *json = cJSON_CreateObject(), *pods;

	json_text(json, "node", status->name);
	pods = cJSON_AddArrayToObject(json, "pods");
	for (size_t i = 0; i < status->n_pods; i++)
		cJSON_AddItemToArray(pods, pods_json(status->pods[i]));
	json_end(json);
}

static enum exit_status run(const struct call *call)
{
	Weft__Local__StatusAsk ask = WEFT__LOCAL__STATUS_ASK__INIT;

	ask.pods = true;
	return client_show_status(call, &ask, print_text, print_json);
}

const struct verb verb_pods = {
	.name = "pods",
	.summary = "the pods of this node and their addresses",
	.help = "POD is what Kubernetes calls it, or the container's id where nobody said a\n"
		"name. HOST END is the interface on this node that leads to the pod, for\n"
		"tcpdump. -o json has the whole ids.\n",
	.run = run,
};
