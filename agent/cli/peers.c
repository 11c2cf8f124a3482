#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/json.h"
#include "cli/show.h"

static void print_text(const Weft__Local__Status *status)
{
	struct table table = { 0 };
	char age[SHOW_AGE_SIZE];

	table_column(&table, "PEER", 28, TABLE_LEFT);
	table_column(&table, "STATE", 0, TABLE_LEFT);
	table_column(&table, "LINK", 0, TABLE_LEFT);
	table_column(&table, "FOR", 0, TABLE_LEFT);
	table_column(&table, "ENDPOINT", 0, TABLE_LEFT);
	table_column(&table, "NODE ADDRESS", 0, TABLE_LEFT);
	table_column(&table, "BLOCKS", 0, TABLE_RIGHT);
	for (size_t i = 0; i < status->n_peers; i++) {
		const Weft__Local__Peer *peer = status->peers[i];

		table_cell(&table, "%s", peer->name);
		table_cell(&table, "%s", peer->state);
		table_cell(&table, "%s", strcmp(peer->link, "self") == 0 ? "-" : peer->link);
		table_cell(&table, "%s", show_age(age, peer->since_ms));
		table_cell(&table, "%s", *peer->endpoint ? peer->endpoint : "-");
		table_cell(&table, "%s", *peer->node_ip ? peer->node_ip : "-");
		table_cell(&table, "%u", peer->blocks);
		if (*peer->why)
			table_note(&table, "%s", peer->why);
		else if (*peer->agent_version &&
			 strcmp(peer->agent_version, status->agent_version) != 0)
			table_note(&table, "runs weftd %s, this node %s", peer->agent_version,
				   status->agent_version);
	}
	table_end(&table);
}

static void print_json(const Weft__Local__Status *status)
{
	cJSON *json = cJSON_CreateObject(), *peers;

	json_text(json, "node", status->name);
	peers = cJSON_AddArrayToObject(json, "peers");
	for (size_t i = 0; i < status->n_peers; i++) {
		const Weft__Local__Peer *peer = status->peers[i];
		cJSON *item = cJSON_CreateObject();

		json_text(item, "name", peer->name);
		json_hex(item, "uid", peer->uid.data, peer->uid.len);
		json_text(item, "state", peer->state);
		json_text(item, "link", peer->link);
		json_u64(item, "since_ms", peer->since_ms);
		json_text(item, "endpoint", peer->endpoint);
		json_text(item, "underlay", peer->underlay);
		json_text(item, "vtep_mac", peer->vtep_mac);
		json_u64(item, "mtu", peer->mtu);
		json_text(item, "node_ip", peer->node_ip);
		json_u64(item, "epoch", peer->epoch);
		json_u64(item, "incarnation", peer->incarnation);
		json_u64(item, "blocks", peer->blocks);
		json_text(item, "agent_version", peer->agent_version);
		json_text(item, "why", peer->why);
		cJSON_AddItemToArray(peers, item);
	}
	json_end(json);
}

static enum exit_status run(const struct call *call)
{
	Weft__Local__StatusAsk ask = WEFT__LOCAL__STATUS_ASK__INIT;

	ask.peers = true;
	return client_show_status(call, &ask, print_text, print_json);
}

const struct verb verb_peers = {
	.name = "peers",
	.summary = "the nodes that this one knows, and its links to them",
	.help = "Every member of the cluster, this node included. LINK says who dialled:\n"
		"\"dialled\" is this node, \"accepted\" the other one, \"none\" that there is no\n"
		"link, which is normal in clusters above eight nodes. FOR is how long it has\n"
		"been so, BLOCKS how many address blocks the peer owns. A line below a peer\n"
		"says what is wrong or different with it. \"not heard of\" is a node that the\n"
		"ledger names and nobody has told of since this agent started.\n",
	.run = run,
};
