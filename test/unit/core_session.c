/* Our right to command, from ATTACH to LEAVE, seen through the door of a core that is number 5. The
 * keeper is number 1, played here: it applies what it is sent and shows the ledger. */
#include "core/session.h"

#include "core/pods.h"
#include "core/status.h"
#include "doors.h"

enum {
	RETRY_MS = 5000,
	HUNGRY_PODS = 58, /* of a block: so few are left then that one more is asked for */
};

struct cluster {
	struct door door;
	uint32_t keeper; /* the link */
};

static void show(struct cluster *cluster)
{
	door_show(&cluster->door, cluster->keeper, 0);
}

/* The keeper dials, and shows its ledger. */
static void meet_keeper(struct cluster *cluster)
{
	cluster->keeper = door_accept(&cluster->door, door_hello_of(&cluster->door, 1));
	show(cluster);
}

/* There is a keeper, and this core has not started. */
static void cluster_found(struct cluster *cluster)
{
	door_init(&cluster->door);
	must(&cluster->door.ledger, attach_of(1, "node-1", 0, 1, 1));
}

static void cluster_init(struct cluster *cluster)
{
	cluster_found(cluster);
	door_start(&cluster->door);
	meet_keeper(cluster);
}

/* The last command since door_forget(), stamped; op COMMAND_UNKNOWN: none. */
static struct command commanded(const struct cluster *cluster)
{
	const struct door_sent *sent = door_sent(&cluster->door, cluster->keeper, MESSAGE_COMMAND);
	struct command command = { .op = COMMAND_UNKNOWN };

	if (sent)
		command = sent->message.command;
	command.observed = (struct observed){ .endpoint = endpoint_of(DOOR_SELF), .members = 2 };
	return command;
}

/* The keeper carries out what was asked last, and shows it. */
static void carry_out(struct cluster *cluster)
{
	struct command command = commanded(cluster);

	REQUIRE(command.op != COMMAND_UNKNOWN);
	door_forget(&cluster->door);
	must(&cluster->door.ledger, command);
	show(cluster);
}

static void reply(struct cluster *cluster, struct command command, enum outcome outcome,
		  const char *text)
{
	struct message message = { .type = MESSAGE_REPLY,
				   .reply = { .outcome = outcome, .retry_ms = RETRY_MS } };

	message.reply.seq = command.op == COMMAND_ATTACH ? command.attach.nonce : command.seq;
	snprintf(message.reply.text, sizeof(message.reply.text), "%s", text);
	if (outcome == OUTCOME_REDIRECT) {
		message.reply.has_redirect = true;
		message.reply.redirect = uid_of(3);
	}
	door_hear(&cluster->door, cluster->keeper, &message);
}

static uint32_t own_block(const struct door *door)
{
	struct inspect_block block;

	for (uint32_t i = 0; i < door->ledger.n_blocks; i++)
		if (core_inspect_block(door->core, i, &block) && block.confirmed)
			return i;
	return UINT32_MAX;
}

/* Attached, with a block: this one. */
static uint32_t ready(struct cluster *cluster)
{
	cluster_init(cluster);
	carry_out(cluster);
	carry_out(cluster);
	REQUIRE(owned_by(&cluster->door.ledger, DOOR_SELF) == 1);
	return own_block(&cluster->door);
}

/* It asks for the session after the last one, and gets it. */
static void attaches_anew(struct cluster *cluster, uint32_t last)
{
	CHECK_INT(commanded(cluster).op, COMMAND_ATTACH);
	CHECK_UINT(commanded(cluster).attach.epoch_read, last);
	carry_out(cluster);
	CHECK_UINT(core_inspect_epoch(cluster->door.core), last + 1);
}

static void blocks_come_by_what_the_view_shows(void)
{
	struct cluster cluster;
	struct door *door = &cluster.door;
	struct command command;

	cluster_init(&cluster);
	command = commanded(&cluster);
	CHECK_INT(command.op, COMMAND_ATTACH);
	CHECK_STR(command.attach.name, "node-5");
	CHECK_UINT(command.attach.epoch_read, 0);
	/* The end of the old session is durable before the new one is asked for. */
	CHECK_UINT(door->n_stores, 2);
	CHECK(door->stores[0] == STORE_PODS && door->stores[1] == STORE_NODE);
	CHECK_UINT(core_inspect_epoch(door->core), 0);
	carry_out(&cluster);
	CHECK_UINT(core_inspect_epoch(door->core), 1);
	command = commanded(&cluster);
	CHECK_INT(command.op, COMMAND_ACQUIRE);
	CHECK_UINT(command.epoch, 1);
	CHECK_UINT(command.seq, 1);
	/* A reply confirms nothing: an ADD still waits. */
	reply(&cluster, command, OUTCOME_OK, "");
	(void)door_ask(door, REQUEST_ADD, "pod-a");
	CHECK_UINT(door->n_answers, 0);
	CHECK_UINT(own_block(door), UINT32_MAX);
	carry_out(&cluster);
	CHECK(own_block(door) != UINT32_MAX);
	CHECK_UINT(door->n_answers, 1);
	CHECK_INT(door->answer.code, ANSWER_OK);
	door_done(door);
}

static void a_command_is_said_again_until_it_shows(void)
{
	struct cluster cluster;
	struct door *door = &cluster.door;

	cluster_init(&cluster);
	carry_out(&cluster);
	door_wait(door, 2500);
	/* A version in which somebody else did something does not show it. */
	must(&door->ledger, attach_of(9, "node-9", 0, 1, 1));
	show(&cluster);
	door_wait(door, 1500);
	CHECK(door_count_sent(door, MESSAGE_COMMAND) >= 3);
	for (size_t i = 0; i < door->n_sent; i++)
		if (door->sent[i].message.type == MESSAGE_COMMAND) {
			CHECK_INT(door->sent[i].message.command.op, COMMAND_ACQUIRE);
			CHECK_UINT(door->sent[i].message.command.seq, 1);
		}
	carry_out(&cluster);
	door_wait(door, 8000);
	show(&cluster);
	door_wait(door, 3000);
	CHECK_UINT(door_count_sent(door, MESSAGE_COMMAND), 0);
	CHECK_UINT(owned_by(&door->ledger, DOOR_SELF), 1);
	door_done(door);
}

static void nothing_leaves_before_it_is_durable(void)
{
	struct cluster cluster;
	struct door *door = &cluster.door;

	cluster_found(&cluster);
	door->refused_stores = DOOR_ALL_STORES;
	door_start(door);
	meet_keeper(&cluster);
	CHECK_UINT(door_count_sent(door, MESSAGE_COMMAND), 0);
	CHECK(door_said(door, "no space left -> no new block until it can be written"));
	door->refused_stores = 0;
	door_wait(door, 6000);
	CHECK_INT(commanded(&cluster).op, COMMAND_ATTACH);
	door->refused_stores = DOOR_ALL_STORES;
	carry_out(&cluster);
	CHECK_UINT(core_inspect_epoch(door->core), 1);
	CHECK_UINT(door_count_sent(door, MESSAGE_COMMAND), 0);
	door->refused_stores = 0;
	door_wait(door, 6000);
	CHECK_INT(commanded(&cluster).op, COMMAND_ACQUIRE);
	/* Nor does a block serve that node.log does not name. */
	door->refused_stores = DOOR_ALL_STORES;
	carry_out(&cluster);
	CHECK_UINT(own_block(door), UINT32_MAX);
	door->refused_stores = 0;
	door_wait(door, 6000);
	CHECK(own_block(door) != UINT32_MAX);
	door_done(door);
}

static void ask_for_many(struct door *door, enum request_type type)
{
	char id[20];

	for (unsigned i = 0; i < HUNGRY_PODS; i++) {
		snprintf(id, sizeof(id), "pod-%u", i);
		CHECK_INT(door_ask(door, type, id).code, ANSWER_OK);
	}
}

/* A block was to be asked for and could not be: the disk refused. When it is well again nobody
 * wants the block any more, and the session and its token must be what they were. */
static void a_command_that_never_left_leaves_no_trace(void)
{
	struct cluster cluster;
	struct door *door = &cluster.door;
	uint32_t block;

	block = ready(&cluster);
	door_forget(door);
	door->refused_stores = 1 << STORE_NODE;
	ask_for_many(door, REQUEST_ADD);
	CHECK(door_said(door, "no space left -> no new block until it can be written"));
	ask_for_many(door, REQUEST_DEL);
	door_wait(door, 2 * REST_MS);
	door->refused_stores = 0;
	door_wait(door, 10000);
	CHECK_UINT(door_count_sent(door, MESSAGE_COMMAND), 0);
	/* A record that cannot be written has pods.log written anew, and the token with it. */
	door->refused_stores = DOOR_ALL_STORES;
	CHECK_INT(door_ask(door, REQUEST_ADD, "pod-x").code, ANSWER_IO);
	door->refused_stores = 0;
	door_wait(door, 2 * POD_REWRITE_MS);
	door_again(door);
	CHECK_UINT(core_inspect_epoch(door->core), 1);
	CHECK_UINT(own_block(door), block);
	door_done(door);
}

static void a_refusal_is_for_the_pod_that_waits(void)
{
	struct cluster cluster;
	struct door *door = &cluster.door;
	struct answer answer;

	cluster_init(&cluster);
	reply(&cluster, commanded(&cluster), OUTCOME_DENIED,
	      "the name node-5 is in use by the node at 192.0.2.77");
	answer = door_ask(door, REQUEST_ADD, "pod-a");
	CHECK_UINT(door->n_answers, 1);
	CHECK_INT(answer.code, ANSWER_TRY_LATER);
	CHECK(strstr(answer.text, "the name node-5 is in use by the node at 192.0.2.77") != NULL);
	door_forget(door);
	door_wait(door, RETRY_MS - 100);
	CHECK_UINT(door_count_sent(door, MESSAGE_COMMAND), 0);
	door_wait(door, 200);
	CHECK_INT(commanded(&cluster).op, COMMAND_ATTACH);
	door_done(door);
}

static void a_command_goes_where_it_is_sent_on(void)
{
	struct cluster cluster;
	struct door *door = &cluster.door;
	struct command command;
	uint32_t other;

	cluster_init(&cluster);
	command = commanded(&cluster);
	other = door_accept(door, door_hello_of(door, 3));
	reply(&cluster, command, OUTCOME_REDIRECT, "another node is the keeper");
	CHECK(door_sent(door, other, MESSAGE_COMMAND) == NULL);
	door_wait(door, 500);
	REQUIRE(door_sent(door, other, MESSAGE_COMMAND) != NULL);
	CHECK_INT(door_sent(door, other, MESSAGE_COMMAND)->message.command.op, COMMAND_ATTACH);
	/* Replies of anybody who was not asked are nobody's business. */
	door_forget(door);
	reply(&cluster, command, OUTCOME_DENIED, "says an old keeper");
	CHECK(!door_said(door, "says an old keeper"));
	door_done(door);
}

static void the_same_boot_goes_on_and_asks_nobody(void)
{
	struct cluster cluster;
	struct door *door = &cluster.door;
	uint32_t block;

	block = ready(&cluster);
	door_again(door);
	CHECK_UINT(core_inspect_epoch(door->core), 1);
	CHECK_UINT(own_block(door), block);
	CHECK_INT(door_ask(door, REQUEST_ADD, "pod-a").code, ANSWER_OK);
	meet_keeper(&cluster);
	door_wait(door, 3000);
	CHECK_UINT(door_count_sent(door, MESSAGE_COMMAND), 0);
	door_done(door);
}

static void another_boot_attaches_anew_to_its_blocks(void)
{
	struct cluster cluster;
	struct door *door = &cluster.door;
	uint32_t block;

	block = ready(&cluster);
	door->settings.boot = boot_of(77);
	door_again(door);
	CHECK_UINT(core_inspect_epoch(door->core), 0);
	CHECK_UINT(own_block(door), UINT32_MAX);
	meet_keeper(&cluster);
	attaches_anew(&cluster, 1);
	CHECK_UINT(own_block(door), block);
	CHECK_UINT(door_count_sent(door, MESSAGE_COMMAND), 0);
	door_done(door);
}

/* Killed with a command under way: the next life does not know whether it acted, and never uses its
 * number again. */
static void a_command_of_the_last_life_is_not_said_again(void)
{
	struct cluster cluster;
	struct door *door = &cluster.door;

	cluster_init(&cluster);
	carry_out(&cluster);
	CHECK_UINT(commanded(&cluster).seq, 1);
	door_again(door);
	CHECK_UINT(core_inspect_epoch(door->core), 1);
	meet_keeper(&cluster);
	CHECK_UINT(own_block(door), UINT32_MAX);
	CHECK_INT(commanded(&cluster).op, COMMAND_ACQUIRE);
	CHECK_UINT(commanded(&cluster).seq, 2);
	carry_out(&cluster);
	CHECK(own_block(door) != UINT32_MAX);
	door_done(door);
}

/* Killed a moment earlier, when node.log had the number and the token had not. */
static void a_token_that_does_not_match_ends_the_session(void)
{
	struct cluster cluster;
	struct door *door = &cluster.door;

	cluster_init(&cluster);
	carry_out(&cluster);
	REQUIRE(door->saved[door->n_saved - 1].type == RECORD_TOKEN &&
		door->saved[door->n_saved - 1].token.seq == 1);
	door->n_saved--;
	door_again(door);
	CHECK_UINT(core_inspect_epoch(door->core), 0);
	meet_keeper(&cluster);
	attaches_anew(&cluster, 1);
	door_done(door);
}

static void a_session_that_another_life_took_is_lost(void)
{
	struct cluster cluster;
	struct door *door = &cluster.door;
	struct command clone = attach_of(DOOR_SELF, "node-5", 1, 4711, DOOR_SELF);

	ready(&cluster);
	must(&door->ledger, clone);
	show(&cluster);
	CHECK(door_said(
		door,
		"the ledger calls node-5 attached in session 2, this one is 1 -> attaching anew"));
	CHECK_UINT(own_block(door), UINT32_MAX);
	attaches_anew(&cluster, 2);
	CHECK(own_block(door) != UINT32_MAX);
	door_done(door);
}

static void who_leaves_has_no_pods_and_no_blocks(void)
{
	struct cluster cluster;
	struct door *door = &cluster.door;
	struct answer answer;

	ready(&cluster);
	CHECK_INT(door_ask(door, REQUEST_ADD, "pod-a").code, ANSWER_OK);
	answer = door_ask(door, REQUEST_LEAVE, "");
	CHECK_INT(answer.code, ANSWER_FAILED);
	CHECK(strstr(answer.text, "1 pod is still attached here") != NULL);
	CHECK_INT(door_ask(door, REQUEST_DEL, "pod-a").code, ANSWER_OK);
	CHECK_INT(door_ask(door, REQUEST_LEAVE, "").code, ANSWER_OK);
	CHECK_INT(commanded(&cluster).op, COMMAND_LEAVE);
	/* On its way out already. */
	CHECK_UINT(own_block(door), UINT32_MAX);
	carry_out(&cluster);
	CHECK(door_said(door, "left the cluster -> its blocks cool and become free"));
	CHECK_UINT(core_inspect_epoch(door->core), 0);
	CHECK_INT(door_ask(door, REQUEST_ADD, "pod-b").code, ANSWER_TRY_LATER);
	door_wait(door, 5000);
	CHECK_UINT(door_count_sent(door, MESSAGE_COMMAND), 0);
	door_done(door);
}

static const struct status_peer *peer_named(struct door *door, const char *name)
{
	const struct status_report *status = door_ask(door, REQUEST_STATUS, "").status;

	for (size_t i = 0; i < status->n_peers; i++)
		if (strcmp(status->peers[i].name, name) == 0)
			return &status->peers[i];
	return NULL;
}

/* It is down since before this agent started: the ledger alone tells of it. */
static void who_is_down_is_listed(void)
{
	struct cluster cluster;
	struct door *door = &cluster.door;
	const struct status_peer *peer;

	door_init(door);
	CHECK_UINT(door_ask(door, REQUEST_STATUS, "").status->blocks_total, 0);
	door_done(door);
	cluster_init(&cluster);
	must(&door->ledger, attach_of(9, "node-9", 0, 1, 1));
	must(&door->ledger, acquire_of(9, 1, 1, 1));
	show(&cluster);
	peer = peer_named(door, "node-9");
	REQUIRE(peer != NULL);
	CHECK_STR(peer->state, "not heard of");
	CHECK_UINT(peer->n_blocks, 1);
	door_tell(door, cluster.keeper, door_member_of(9, 1, 1));
	peer = peer_named(door, "node-9");
	REQUIRE(peer != NULL);
	CHECK_STR(peer->state, "known");
	CHECK_UINT(peer->n_blocks, 1);
	door_done(door);
}

/* The records outlived the identity: whoever is node 5 now has another block. */
static void pods_in_foreign_blocks_are_told_of(void)
{
	struct record record = {
		.type = RECORD_ALLOC,
		.pod = { .container_id = "old", .ifname = "eth0", .ip = 0x0a200342 },
	};
	struct host_end end = { .container_id = "old", .ifname = "eth0", .ip = 0x0a200342 };
	struct cluster cluster;
	struct door *door = &cluster.door;
	struct start start = {
		.settings = &door->settings,
		.underlay = { .have = true, .ip = 0xc0000205, .dev = "eth0", .mtu = 1500 },
		.host_ends = { .n = 1, .ends = &end },
	};
	const struct status_report *status;

	pod_host_if("old", "eth0", end.host_if);
	cluster_found(&cluster);
	door_step(door, (struct event){ .type = EVENT_SAVED, .saved = &record });
	door_step(door, (struct event){ .type = EVENT_START, .start = &start });
	status = door_ask(door, REQUEST_STATUS, "").status;
	CHECK_STR(status->pods[0].state, "up"); /* it may be ours: the view will show */
	CHECK_UINT(status->n_warnings, 0);
	meet_keeper(&cluster);
	carry_out(&cluster);
	carry_out(&cluster);
	CHECK(door_said(door, "pod old has 10.32.3.66, of a block that is not this node's"));
	CHECK_INT(door_ask(door, REQUEST_ADD, "new").code, ANSWER_OK);
	status = door_ask(door, REQUEST_STATUS, "").status;
	REQUIRE(status->n_pods == 2);
	CHECK_STR(status->pods[0].state, "up");
	CHECK_STR(status->pods[1].state, "foreign block");
	REQUIRE(status->n_warnings == 1);
	CHECK(strstr(status->warnings[0], "1 pod here with an address of a block that is not") !=
	      NULL);
	door_done(door);
}

int main(void)
{
	RUN(blocks_come_by_what_the_view_shows);
	RUN(a_command_is_said_again_until_it_shows);
	RUN(nothing_leaves_before_it_is_durable);
	RUN(a_command_that_never_left_leaves_no_trace);
	RUN(a_refusal_is_for_the_pod_that_waits);
	RUN(a_command_goes_where_it_is_sent_on);
	RUN(the_same_boot_goes_on_and_asks_nobody);
	RUN(another_boot_attaches_anew_to_its_blocks);
	RUN(a_command_of_the_last_life_is_not_said_again);
	RUN(a_token_that_does_not_match_ends_the_session);
	RUN(a_session_that_another_life_took_is_lost);
	RUN(who_leaves_has_no_pods_and_no_blocks);
	RUN(who_is_down_is_listed);
	RUN(pods_in_foreign_blocks_are_told_of);
	return check_report();
}
