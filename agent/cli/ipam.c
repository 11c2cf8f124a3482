#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/json.h"
#include "cli/show.h"

static void add_row(struct table *table, const Weft__Local__Block *block)
{
	table_cell(table, "%s", block->prefix);
	table_cell(table, "%u", block->count);
	table_cell(table, "%s%s", block->state,
		   block->own && !block->confirmed ? ", unconfirmed" : "");
	table_cell(table, "%s", *block->owner ? block->owner : "-");
	if (block->own) {
		table_cell(table, "%u", block->used);
		table_cell(table, "%u", block->resting);
		table_cell(table, "%u", block->free);
	} else { /* only its owner knows what is inside */
		table_cell(table, "-");
		table_cell(table, "-");
		table_cell(table, "-");
	}
}

static void print_text(const Weft__Local__Status *status)
{
	struct table table = { 0 };

	show_line("%s in blocks of /%u: %u of %u blocks are free, this node owns %u", status->range,
		  status->block_len, status->blocks_free, status->blocks_total, status->blocks_own);
	puts("");
	table_column(&table, "ADDRESSES", 0, TABLE_LEFT);
	table_column(&table, "BLOCKS", 0, TABLE_RIGHT);
	table_column(&table, "STATE", 0, TABLE_LEFT);
	table_column(&table, "OWNER", 28, TABLE_LEFT);
	table_column(&table, "USED", 0, TABLE_RIGHT);
	table_column(&table, "RESTING", 0, TABLE_RIGHT);
	table_column(&table, "FREE", 0, TABLE_RIGHT);
	for (size_t i = 0; i < status->n_blocks; i++)
		add_row(&table, status->blocks[i]);
	table_end(&table);
}

static void print_json(const Weft__Local__Status *status)
{
	cJSON *json = cJSON_CreateObject(), *blocks;

	json_text(json, "node", status->name);
	json_text(json, "range", status->range);
	json_u64(json, "block_len", status->block_len);
	json_u64(json, "blocks_own", status->blocks_own);
	json_u64(json, "blocks_free", status->blocks_free);
	json_u64(json, "blocks_total", status->blocks_total);
	json_u64(json, "addresses_free", status->addresses_free);
	json_u64(json, "addresses_resting", status->addresses_resting);
	blocks = cJSON_AddArrayToObject(json, "blocks");
	for (size_t i = 0; i < status->n_blocks; i++) {
		const Weft__Local__Block *block = status->blocks[i];
		cJSON *item = cJSON_CreateObject();

		json_text(item, "prefix", block->prefix);
		json_u64(item, "count", block->count);
		json_text(item, "state", block->state);
		json_text(item, "owner", block->owner);
		cJSON_AddBoolToObject(item, "own", block->own);
		cJSON_AddBoolToObject(item, "confirmed", block->confirmed);
		json_u64(item, "used", block->used);
		json_u64(item, "resting", block->resting);
		json_u64(item, "free", block->free);
		cJSON_AddItemToArray(blocks, item);
	}
	json_end(json);
}

static enum exit_status run(const struct call *call)
{
	Weft__Local__StatusAsk ask = WEFT__LOCAL__STATUS_ASK__INIT;

	ask.blocks = true;
	return client_show_status(call, &ask, print_text, print_json);
}

const struct verb verb_ipam = {
	.name = "ipam",
	.summary = "which node owns which block of addresses",
	.help = "The range is divided into blocks; a node gives its pods addresses from\n"
		"blocks that it owns. Neighbouring blocks that are alike share a line. USED\n"
		"are the pods' addresses, RESTING those that a pod had a moment ago, FREE\n"
		"what can be given now; they are known for this node's own blocks only.\n"
		"\"unconfirmed\": after a start, no new address comes from the block before the\n"
		"ledger has shown that it is still this node's.\n",
	.run = run,
};
