#include <inttypes.h>

#include "base/vec.h"
#include "core/inspect.h"
#include "core/status.h"
#include "watch.h"

/* ---- records in /run */

static struct pod_key *record_find(struct watch *watch, const char *container_id,
				   const char *ifname)
{
	for (size_t i = 0; i < watch->n_records; i++)
		if (strcmp(watch->records[i].container_id, container_id) == 0 &&
		    strcmp(watch->records[i].ifname, ifname) == 0)
			return &watch->records[i];
	return NULL;
}

static struct pod_key *record_by_ip(struct watch *watch, uint32_t ip)
{
	for (size_t i = 0; i < watch->n_records; i++)
		if (watch->records[i].ip == ip)
			return &watch->records[i];
	return NULL;
}

static void record_drop(struct watch *watch, struct pod_key *key)
{
	if (key)
		vec_close_gap(watch->records, watch->n_records--, (size_t)(key - watch->records),
			      sizeof(*key));
}

static void record_put(struct watch *watch, const struct record_pod *pod)
{
	struct pod_key *key = record_find(watch, pod->container_id, pod->ifname);

	/* A FREE that could not be written is implied by the next owner of the address. */
	if (!key)
		record_drop(watch, record_by_ip(watch, pod->ip));
	key = record_find(watch, pod->container_id, pod->ifname);
	if (!key) {
		watch->records = vec_reserve(watch->records, &watch->cap_records,
					     watch->n_records + 1, sizeof(*key));
		key = &watch->records[watch->n_records++];
	}
	memcpy(key->container_id, pod->container_id, sizeof(key->container_id));
	memcpy(key->ifname, pod->ifname, sizeof(key->ifname));
	key->ip = pod->ip;
}

void pods_read_run(struct watch *watch, const struct record *record)
{
	if (record->type == RECORD_ALLOC)
		record_put(watch, &record->pod);
	else if (record->type == RECORD_FREE)
		record_drop(watch,
			    record_find(watch, record->pod.container_id, record->pod.ifname));
	else if (record->type == RECORD_TOKEN)
		watch->token = record->token;
}

/* ---- what an agent does */

/* V4 from outside: a record that was not there before is a new address. */
void checker_stores(struct world *world, struct node *node, const struct action *store)
{
	struct watch *watch = watch_of(world, node);
	char ip[16];

	for (size_t i = 0; store->store.file == STORE_PODS && i < store->store.n; i++) {
		const struct record *record = &store->store.records[i];
		uint32_t block = (record->pod.ip - world->range.ip) / BLOCK_ADDRESSES;
		const struct pod_key *key;
		const struct kernel_end *end;

		if (record->type != RECORD_ALLOC)
			continue;
		key = record_find(watch, record->pod.container_id, record->pod.ifname);
		end = kernel_find(node, record->pod.container_id, record->pod.ifname);
		if ((key && key->ip == record->pod.ip) || (end && end->seen.ip == record->pod.ip))
			continue;
		if (block >= world->checker->n_blocks || !watch->proven[block])
			world_violation(
				world, "V4",
				"n%u gives %s from block %u, which nothing in this life confirms",
				node->index + 1, watch_dotted(record->pod.ip, ip), block);
	}
}

static void check_release(struct world *world, struct node *node, const struct command *command)
{
	struct watch *watch = watch_of(world, node);

	for (size_t i = 0; i < command->blocks.n; i++) {
		uint32_t block = command->blocks.block[i];

		if (block >= world->checker->n_blocks)
			continue;
		if (watch->use[block])
			world_violation(world, "V5",
					"n%u releases block %u while it uses addresses of it",
					node->index + 1, block);
		for (size_t b = 0; b < watch->node.n_blocks; b++)
			if (watch->node.blocks[b] == block)
				world_violation(
					world, "V5",
					"n%u releases block %u, and its node.log still has it",
					node->index + 1, block);
		watch->proven[block] = false;
	}
}

void checker_sends(struct world *world, struct node *node, const struct message *message)
{
	struct watch *watch = watch_of(world, node);
	const struct command *command = &message->command;

	if (message->type != MESSAGE_COMMAND)
		return;
	if (command->op == COMMAND_ATTACH) {
		watch->attach_nonce = command->attach.nonce;
		if (watch->token.epoch)
			world_violation(world, "durable first",
					"n%u sends ATTACH before its continuity token is gone",
					node->index + 1);
		return;
	}
	if (watch->node.epoch != command->epoch || watch->node.seq < command->seq)
		world_violation(world, "durable first",
				"n%u sends command %" PRIu64
				" before node.log has it, which is at %" PRIu64,
				node->index + 1, command->seq, watch->node.seq);
	watch->sent_epoch = command->epoch;
	watch->sent_seq = command->seq;
	if (command->op == COMMAND_RELEASE)
		check_release(world, node, command);
}

static struct sandbox *sandbox_of(struct node *node, uint32_t id)
{
	for (size_t i = 0; id && i < node->runtime.n_sandboxes; i++)
		if (node->runtime.sandboxes[i].id == id)
			return &node->runtime.sandboxes[i];
	return NULL;
}

static void check_added(struct world *world, struct node *node, const struct shim *shim,
			const struct answer *answer)
{
	struct watch *watch = watch_of(world, node);
	const struct pod_key *key = record_find(watch, shim->container_id, shim->ifname);
	const struct kernel_end *end = kernel_find(node, shim->container_id, shim->ifname);
	struct sandbox *sandbox = sandbox_of(node, shim->sandbox);
	char ip[16];

	watch_dotted(answer->ip, ip);
	if (!key || key->ip != answer->ip)
		world_violation(world, "V10",
				"n%u answers ADD of %.12s with %s, and /run has no record of it",
				node->index + 1, shim->container_id, ip);
	if ((!end || end->seen.ip != answer->ip) && !(sandbox && sandbox->vanished))
		world_violation(
			world, "V10",
			"n%u answers ADD of %.12s with %s, and the kernel has no such host end",
			node->index + 1, shim->container_id, ip);
	for (size_t i = 0; i < watch->n_records; i++)
		if (&watch->records[i] != key && watch->records[i].ip == answer->ip)
			world_violation(world, "V10", "%s on n%u belongs to two pods", ip,
					node->index + 1);
	if (!sandbox || strcmp(sandbox->container_id, shim->container_id) != 0)
		return;
	if (shim->number == sandbox->number) {
		if (sandbox->deleted)
			world_violation(world, "V10",
					"n%u answers ADD of %.12s with success after its DEL",
					node->index + 1, shim->container_id);
		if (sandbox->ip && sandbox->ip != answer->ip)
			world_violation(world, "V10",
					"n%u answers the same request with another address",
					node->index + 1);
		sandbox->ip = answer->ip;
	} else if (sandbox->state == SANDBOX_UP && !sandbox->vanished) {
		world_violation(world, "one ADD",
				"n%u answers another ADD of the live pod %.12s with success",
				node->index + 1, shim->container_id);
	}
}

static void check_deleted(struct world *world, struct node *node, const struct shim *shim)
{
	struct sandbox *sandbox = sandbox_of(node, shim->sandbox);

	if (kernel_find(node, shim->container_id, shim->ifname))
		world_violation(world, "V10", "n%u answers DEL of %.12s, whose host end is there",
				node->index + 1, shim->container_id);
	if (sandbox && sandbox->state == SANDBOX_DELETING &&
	    strcmp(sandbox->container_id, shim->container_id) == 0)
		sandbox->deleted = true;
}

static void check_status(struct world *world, struct node *node, const struct answer *answer)
{
	const struct status_report *status = answer->status;

	if (answer->code != ANSWER_OK || !status)
		world_violation(world, "status", "n%u has no status to show", node->index + 1);
	else if (status->ledger_version != core_inspect_view(node->core)->version ||
		 !uid_eq(&status->uid, &node->uid))
		world_violation(world, "V6",
				"n%u reports version %" PRIu64 " and shows version %" PRIu64,
				node->index + 1, status->ledger_version,
				core_inspect_view(node->core)->version);
}

void checker_answers(struct world *world, struct node *node, const struct shim *shim,
		     const struct answer *answer)
{
	if (shim->type == REQUEST_STATUS)
		check_status(world, node, answer);
	else if (shim->type == REQUEST_ADD && answer->code == ANSWER_OK)
		check_added(world, node, shim, answer);
	else if (shim->type == REQUEST_DEL && answer->code == ANSWER_OK)
		check_deleted(world, node, shim);
}

/* ---- when all is well */

static void check_records(struct world *world, struct node *node)
{
	struct watch *watch = watch_of(world, node);
	struct inspect_pod pods[4096];
	size_t n = core_inspect_pods(node->core, pods, 4096);
	char ip[16];

	for (size_t i = 0; i < n; i++) {
		const struct pod_key *key =
			record_find(watch, pods[i].container_id, pods[i].ifname);

		if (!key || key->ip != pods[i].ip)
			world_violation(world, "V10",
					"%s on n%u has a pod, and /run has no record of it",
					watch_dotted(pods[i].ip, ip), node->index + 1);
	}
	for (size_t i = 0; n < 4096 && i < watch->n_records; i++) {
		size_t at = 0;

		while (at < n &&
		       (strcmp(pods[at].container_id, watch->records[i].container_id) != 0 ||
			strcmp(pods[at].ifname, watch->records[i].ifname) != 0))
			at++;
		if (at == n)
			world_violation(world, "V10", "%s on n%u has a record in /run, and no pod",
					watch_dotted(watch->records[i].ip, ip), node->index + 1);
	}
}

static void check_sandboxes(struct world *world, struct node *node)
{
	for (size_t i = 0; i < node->runtime.n_sandboxes; i++) {
		const struct sandbox *sandbox = &node->runtime.sandboxes[i];
		const struct kernel_end *end =
			kernel_find(node, sandbox->container_id, sandbox->ifname);
		char ip[16];

		if (sandbox->state != SANDBOX_UP || sandbox->vanished)
			continue;
		if (!end || end->seen.ip != sandbox->ip)
			world_violation(world, "V10",
					"%.12s on n%u was told %s, and has no such host end",
					sandbox->container_id, node->index + 1,
					watch_dotted(sandbox->ip, ip));
	}
}

/* The log in /run says what the agent knows, and both say what the runtime was told. */
void checker_settled(struct world *world, struct node *node)
{
	check_records(world, node);
	check_sandboxes(world, node);
}
