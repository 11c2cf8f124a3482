/* One core through its door, among peers that the test plays: they greet, tell of members and show
 * a ledger that the test keeps with ledgers.h. Files are stored and pods are wired at once. What
 * the core asked for stays here until door_forget(). It is number 5 and runs at endpoint_of(5). */
#pragma once

#include "base/xalloc.h"
#include "core/core.h"
#include "core/inspect.h"
#include "ledgers.h"

enum { DOOR_SELF = 5, DOOR_MEMBERS_MAX = 16, DOOR_ALL_STORES = (1 << STORE_FILE_COUNT) - 1 };

struct door_sent {
	uint32_t link;
	struct message message; /* of a DELTA: see below; the rows of a FEED are gone */
	size_t n_members;
	struct member_update members[DOOR_MEMBERS_MAX];
};

struct door_dial {
	uint32_t link;
	struct endpoint to;
};

struct door {
	struct core *core;
	struct instant now;
	struct settings settings;
	struct ledger ledger;    /* what the peers show */
	uint32_t accepted;       /* the last link that a peer dialled */
	unsigned refused_stores; /* a bit for each store_file whose disk is full */
	unsigned lost_stores;    /* likewise for each that cannot be read at the start */
	bool refuse_wires;
	uint32_t slow; /* the link whose peer reads nothing; all others read at once */

	size_t n_sent, n_dials, n_stores, n_forwards, n_pods_only, n_wires, n_unwires, n_answers;
	bool want_came_late;    /* a FORWARD after an UNWIRE that it should have come before */
	struct door_sent *sent; /* owned; the first 256 */
	struct door_dial dials[64];
	enum store_file stores[64]; /* which file, in order */
	struct forward forward;     /* the last one; its arrays are owned */
	struct forward pods;        /* the last that had pods: their array is owned */
	struct answer answer;       /* the last one; what it points to lives until the next step */
	struct platform_answer platform; /* the last that there was */
	struct wire_pod wire;            /* likewise */
	uint32_t hung_up[64];
	size_t n_hung_up, n_saved;
	struct record saved[256]; /* of node.log and pods.log, for the next life */
	char said[8192];          /* decisions, each with a newline */
};

static inline void door_step(struct door *door, struct event event);

/* ---- what it asked for */

static inline void door_forget(struct door *door)
{
	door->n_sent = door->n_dials = door->n_stores = door->n_forwards = 0;
	door->n_pods_only = 0;
	door->want_came_late = false;
	door->n_wires = door->n_unwires = door->n_answers = door->n_hung_up = 0;
	door->said[0] = '\0';
}

static inline void door_keep_sent(struct door *door, const struct action *action)
{
	const struct message *message = action->send.message;
	struct door_sent *sent = &door->sent[door->n_sent];

	if (door->n_sent == 256)
		return;
	door->n_sent++;
	sent->link = action->send.link;
	sent->message = *message;
	sent->n_members = 0;
	if (message->type == MESSAGE_DELTA)
		for (size_t i = 0; i < message->delta.n_members && i < DOOR_MEMBERS_MAX; i++)
			sent->members[sent->n_members++] = message->delta.members[i];
}

static inline const void *door_copy(const void *old, const void *items, size_t size)
{
	free((void *)(uintptr_t)old);
	return xmemdup(items ? items : "", size);
}

static inline void door_keep_forward(struct door *door, const struct forward *forward)
{
	struct forward *keep = &door->forward, old = *keep;

	door->n_forwards++;
	door->n_pods_only += forward->pods_only;
	door->want_came_late |= door->n_unwires > 0;
	door->pods.n_pods = forward->n_pods;
	door->pods.pods =
		door_copy(door->pods.pods, forward->pods, forward->n_pods * sizeof(*forward->pods));
	if (forward->pods_only)
		return;
	*keep = *forward;
	keep->fdb = door_copy(old.fdb, forward->fdb, forward->n_fdb * sizeof(*forward->fdb));
	keep->neigh =
		door_copy(old.neigh, forward->neigh, forward->n_neigh * sizeof(*forward->neigh));
	keep->routes = door_copy(old.routes, forward->routes,
				 forward->n_routes * sizeof(*forward->routes));
	keep->keep = door_copy(old.keep, forward->keep, forward->n_keep * sizeof(*forward->keep));
	keep->members = door_copy(old.members, forward->members,
				  forward->n_members * sizeof(*forward->members));
	keep->pods = NULL;
}

static inline bool door_refuses(const struct door *door, enum store_file file)
{
	return (door->refused_stores & (1u << file)) != 0;
}

static inline void door_keep_store(struct door *door, const struct action *action)
{
	if (door->n_stores < 64)
		door->stores[door->n_stores++] = action->store.file;
	if (door_refuses(door, action->store.file))
		return;
	for (size_t i = 0; i < action->store.n && door->n_saved < 256; i++)
		if (action->store.records[i].type != RECORD_KEEPER)
			door->saved[door->n_saved++] = action->store.records[i];
}

static inline void door_keep(struct door *door, const struct action *action)
{
	size_t len = strlen(door->said);

	if (action->type == ACTION_SEND)
		door_keep_sent(door, action);
	else if (action->type == ACTION_DIAL && door->n_dials < 64)
		door->dials[door->n_dials++] =
			(struct door_dial){ action->dial.link, action->dial.to };
	else if (action->type == ACTION_STORE)
		door_keep_store(door, action);
	else if (action->type == ACTION_HANGUP && door->n_hung_up < 64)
		door->hung_up[door->n_hung_up++] = action->hangup.link;
	else if (action->type == ACTION_FORWARD)
		door_keep_forward(door, action->forward);
	else if (action->type == ACTION_TRACE)
		snprintf(door->said + len, sizeof(door->said) - len, "%s\n", action->trace.text);
	else if (action->type == ACTION_DIE)
		snprintf(door->said + len, sizeof(door->said) - len, "dies: %s\n", action->die);
	else if (action->type == ACTION_ANSWER) {
		door->answer = *action->answer;
		if (action->answer->platform)
			door->platform = *action->answer->platform;
		door->n_answers++;
	} else if (action->type == ACTION_WIRE)
		door->wire = *action->wire;
	door->n_wires += action->type == ACTION_WIRE;
	door->n_unwires += action->type == ACTION_UNWIRE;
}

/* The event that answers an action at once; EVENT_TYPE_COUNT: none does. */
static inline struct event door_answer(const struct door *door, const struct action *action)
{
	if (action->type == ACTION_SEND && action->send.link != door->slow)
		return (struct event){ .type = EVENT_LINK_WRITABLE,
				       .link.link = action->send.link };
	if (action->type == ACTION_STORE)
		return (struct event){
			.type = EVENT_STORED,
			.stored = { .tag = action->store.tag,
				    .error = door_refuses(door, action->store.file) ? 28 : 0,
				    .text = "no space left" }
		};
	if (action->type == ACTION_WIRE)
		return (struct event){ .type = EVENT_POD_WIRED,
				       .pod = { .job = action->wire->job,
						.error = door->refuse_wires ? 17 : 0,
						.text = "eth0 exists" } };
	if (action->type == ACTION_UNWIRE)
		return (struct event){ .type = EVENT_POD_UNWIRED, .pod.job = action->unwire.job };
	return (struct event){ .type = EVENT_TYPE_COUNT };
}

/* Actions are copied out first: what answers them is itself a step. */
static inline void door_step(struct door *door, struct event event)
{
	const struct actions *actions;
	struct event *answers;
	size_t n = 0;

	event.now = door->now;
	actions = core_step(door->core, &event);
	answers = xcalloc(actions->n + 1, sizeof(*answers));
	for (size_t i = 0; i < actions->n; i++) {
		door_keep(door, &actions->items[i]);
		answers[n] = door_answer(door, &actions->items[i]);
		n += answers[n].type != EVENT_TYPE_COUNT;
	}
	for (size_t i = 0; i < n; i++)
		door_step(door, answers[i]);
	free(answers);
}

/* ---- its life */

static inline void door_init(struct door *door)
{
	*door = (struct door){ .now = { .ms = 5000 }, .ledger = ledger_of(20) };
	door->sent = xcalloc(256, sizeof(*door->sent));
	door->core = core_new();
	door->ledger.proposer = uid_of(1);
	door->settings = (struct settings){
		.uid = uid_of(DOOR_SELF),
		.incarnation = 3,
		.nonce = 7,
		.seed = 1,
		.boot = boot_of(DOOR_SELF),
		.vtep_mac = { { 2, 0, 0, 0, 0, DOOR_SELF } },
		.name = "node-5",
		.agent_version = "test",
		.range = { .ip = 0x0a200000, .len = 20 },
		.block_len = 26,
		.port = 6785,
		.vxlan_port = 6785,
		.vni = 6785,
		.first_blocks = 1,
		.auth_none = true,
	};
}

/* Will found a cluster of its own, as its only keeper. */
static inline void door_init_alone(struct door *door)
{
	door_init(door);
	door->settings.init = door->settings.init_alone = true;
	door->settings.keeper_id = 1001;
	door->settings.new_cluster.b[0] = 0xc1;
}

static inline void door_end_life(struct door *door)
{
	char text[256] = "";

	CHECK(core_inspect_sound(door->core, text));
	CHECK_STR(text, "");
	core_free(door->core);
}

static inline void door_done(struct door *door)
{
	door_end_life(door);
	ledger_done(&door->ledger);
	free(door->sent);
	free((void *)(uintptr_t)door->forward.fdb);
	free((void *)(uintptr_t)door->forward.neigh);
	free((void *)(uintptr_t)door->forward.routes);
	free((void *)(uintptr_t)door->forward.keep);
	free((void *)(uintptr_t)door->forward.members);
	free((void *)(uintptr_t)door->pods.pods);
}

static inline void door_start(struct door *door)
{
	struct start start = {
		.settings = &door->settings,
		.underlay = { .have = true,
			      .ip = 0xc0000200 + DOOR_SELF,
			      .ifindex = 2,
			      .dev = "eth0",
			      .mtu = 1500,
			      .text = "it reaches the peers" },
	};

	for (size_t file = 0; file < STORE_FILE_COUNT; file++)
		start.store_lost[file] = (door->lost_stores & (1u << file)) != 0;
	door_step(door, (struct event){ .type = EVENT_START, .start = &start });
}

/* The process was killed; its next life reads what this one stored, and starts. */
static inline void door_again(struct door *door)
{
	struct door *dead = xmemdup(door, sizeof(*door));

	door_end_life(dead);
	door->core = core_new();
	door->settings.incarnation++;
	door->settings.nonce++;
	door_forget(door);
	door->n_saved = 0;
	for (size_t i = 0; i < dead->n_saved; i++) {
		door->saved[door->n_saved++] = dead->saved[i];
		door_step(door, (struct event){ .type = EVENT_SAVED, .saved = &dead->saved[i] });
	}
	free(dead);
	door_start(door);
}

/* Nothing but time passes, and each deadline in it is kept. */
static inline void door_wait(struct door *door, int64_t ms)
{
	struct instant until = instant_add_ms(door->now, ms);

	for (;;) {
		struct instant at = core_deadline(door->core);

		if (instant_after(at, until))
			break;
		if (instant_after(at, door->now))
			door->now = at;
		door_step(door, (struct event){ .type = EVENT_TIME });
	}
	door->now = until;
	door_step(door, (struct event){ .type = EVENT_TIME });
}

/* ---- peers */

static inline void door_hear(struct door *door, uint32_t link, const struct message *message)
{
	door_step(door, (struct event){ .type = EVENT_LINK_MESSAGE,
					.link = { .link = link, .message = message } });
}

static inline struct hello door_hello_of(const struct door *door, unsigned number)
{
	struct hello hello = {
		.uid = uid_of(number),
		.incarnation = 1,
		.nonce = 100 * number,
		.listen = endpoint_of(number),
		.range = door->settings.range,
		.block_len = 26,
		.want = LINK_WANT_LOW,
		.agent_version = "test",
	};

	snprintf(hello.name, sizeof(hello.name), "node-%u", number);
	return hello;
}

static inline void door_greet(struct door *door, uint32_t link, struct hello hello)
{
	struct message message = { .type = MESSAGE_HELLO, .hello = hello };

	door_step(door, (struct event){ .type = EVENT_LINK_SECURED, .link.link = link });
	door_hear(door, link, &message);
}

/* A peer dials; returns the link. */
static inline uint32_t door_accept(struct door *door, struct hello hello)
{
	uint32_t link = LINK_ACCEPTED_BIT | ++door->accepted;
	struct endpoint from = hello.listen;

	from.port = 999; /* who dials does not come from where it listens */
	door_step(door, (struct event){ .type = EVENT_LINK_ACCEPTED,
					.link = { .link = link, .from = from } });
	door_greet(door, link, hello);
	return link;
}

/* Whoever is dialled there answers. */
static inline void door_reach(struct door *door, uint32_t link, struct hello hello)
{
	door_step(door, (struct event){ .type = EVENT_LINK_CONNECTED, .link.link = link });
	door_greet(door, link, hello);
}

static inline void door_close(struct door *door, uint32_t link)
{
	door_step(door, (struct event){ .type = EVENT_LINK_CLOSED,
					.link = { .link = link, .reason = "reset" } });
}

static inline struct member_update door_member_of(unsigned number, uint64_t incarnation,
						  uint64_t version)
{
	struct member_update update = {
		.uid = uid_of(number),
		.incarnation = incarnation,
		.version = version,
		.body = {
			.state = MEMBER_STATE_ALIVE,
			.nonce = 100 * number,
			.control = endpoint_of(number),
			.vtep_ip = 0xc0000200 + number,
			.vtep_mac = { { 2, 0, 0, 0, 0, (uint8_t)number } },
			.mtu = 1500,
			.proto_min = 1,
			.proto_max = 1,
		},
	};

	snprintf(update.body.name, sizeof(update.body.name), "node-%u", number);
	return update;
}

static inline void door_tell(struct door *door, uint32_t link, struct member_update update)
{
	struct message message = { .type = MESSAGE_DELTA,
				   .delta = { .n_members = 1, .members = &update } };

	door_hear(door, link, &message);
}

/* All that the ledger has, or what is newer than `after`. */
static inline void door_show(struct door *door, uint32_t link, uint64_t after)
{
	struct message message = { .type = MESSAGE_FEED };
	struct arena arena;

	arena_init(&arena, ARENA_UNLIMITED);
	do {
		ledger_feed_next(&door->ledger, after, after, 16384, &arena, &message.feed);
		after = message.feed.cursor;
		door_hear(door, link, &message);
	} while (!message.feed.complete);
	arena_done(&arena);
}

/* The last message of this type over this link; NULL: none since door_forget(). */
static inline const struct door_sent *door_sent(const struct door *door, uint32_t link,
						enum message_type type)
{
	for (size_t i = door->n_sent; i-- > 0;)
		if (door->sent[i].link == link && door->sent[i].message.type == type)
			return &door->sent[i];
	return NULL;
}

/* How many of this type, over whichever link. */
static inline size_t door_count_sent(const struct door *door, enum message_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < door->n_sent; i++)
		n += door->sent[i].message.type == type;
	return n;
}

static inline const char *door_bye_text(const struct door *door, uint32_t link)
{
	const struct door_sent *bye = door_sent(door, link, MESSAGE_BYE);

	REQUIRE(bye != NULL);
	return bye->message.bye.text;
}

static inline bool door_said(const struct door *door, const char *words)
{
	return strstr(door->said, words) != NULL;
}

/* A runtime that asks once more does so with the same number. */
static inline struct answer door_ask_numbered(struct door *door, enum request_type type,
					      const char *id, uint64_t number)
{
	static uint32_t client;
	struct request request = { .type = type, .client = ++client };

	snprintf(request.pod.container_id, sizeof(request.pod.container_id), "%s", id);
	snprintf(request.pod.ifname, sizeof(request.pod.ifname), "eth0");
	request.pod.number = number;
	door->n_answers = 0;
	door_step(door, (struct event){ .type = EVENT_REQUEST, .request = &request });
	return door->answer;
}

static inline struct answer door_ask(struct door *door, enum request_type type, const char *id)
{
	static uint64_t number = 1000;

	return door_ask_numbered(door, type, id, ++number);
}
