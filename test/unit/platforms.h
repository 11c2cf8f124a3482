/* A core that weft-kube, which the test plays, tells of Kubernetes. Files are stored at once. What
 * the core asked for and said last stays here. */
#pragma once

#include "check.h"
#include "core/core.h"
#include "core/platform.h"
#include "core/status.h"

static const struct uid me = { { 1 } }, other = { { 9 } };
static const struct uuid cluster = { { 7 } };

struct world {
	struct core *core;
	struct instant now;
	struct platform_answer answer; /* the last one */
	bool founded;
	struct uuid founded_as;
	size_t n_dials;
	struct action dials[64];
	char detail[TEXT_LEN_MAX + 1];
	char state[16];
	size_t n_warnings;
	char warnings[8][1024];
	char said[4096]; /* trace, since it was cleared; as much as fits */
	char refused[TEXT_LEN_MAX + 1];
};

static inline void step(struct world *world, struct event event);

static inline void look_at_status(struct world *world, const struct status_report *status)
{
	snprintf(world->detail, sizeof(world->detail), "%s", status->detail);
	snprintf(world->state, sizeof(world->state), "%s", status->state);
	world->n_warnings = status->n_warnings;
	REQUIRE(status->n_warnings <= 8);
	for (size_t i = 0; i < status->n_warnings; i++)
		snprintf(world->warnings[i], sizeof(world->warnings[i]), "%s", status->warnings[i]);
}

static inline void look(struct world *world, const struct action *action)
{
	size_t said = strlen(world->said);

	if (action->type == ACTION_TRACE)
		snprintf(world->said + said, sizeof(world->said) - said, "%s\n",
			 action->trace.text);
	if (action->type == ACTION_ANSWER && action->answer->platform)
		world->answer = *action->answer->platform;
	else if (action->type == ACTION_ANSWER && action->answer->status)
		look_at_status(world, action->answer->status);
	else if (action->type == ACTION_ANSWER && action->answer->code != ANSWER_OK)
		strcpy(world->refused, action->answer->text);
	else if (action->type == ACTION_DIAL && world->n_dials < 64)
		world->dials[world->n_dials++] = *action;
}

static inline void step(struct world *world, struct event event)
{
	uint64_t tags[32];
	size_t n = 0;
	const struct actions *actions;

	event.now = world->now;
	actions = core_step(world->core, &event);
	for (size_t i = 0; i < actions->n; i++) {
		const struct action *action = &actions->items[i];

		look(world, action);
		if (action->type == ACTION_STORE && action->store.file == STORE_KEEPER)
			world->founded = true;
		if (action->type == ACTION_STORE) {
			REQUIRE(n < 32);
			tags[n++] = action->store.tag;
		}
	}
	for (size_t i = 0; i < n; i++)
		step(world, (struct event){ .type = EVENT_STORED, .stored = { .tag = tags[i] } });
}

static inline void start(struct world *world, bool logs_lost)
{
	struct settings settings = {
		.uid = me,
		.incarnation = 1,
		.nonce = 77,
		.seed = 1,
		.keeper_id = 99,
		.boot = { { 6 } },
		.name = "n1",
		.agent_version = "test",
		.range = { .ip = 0x0a200000, .len = 12 },
		.block_len = 26,
		.port = 6785,
		.first_blocks = 2,
		.auth_none = true,
		.platform = true,
	};
	struct start start = {
		.settings = &settings,
		.underlay = { .have = true, .ip = 0xc0000201, .dev = "eth0", .mtu = 1500 },
		.store_lost = { [STORE_KEEPER] = logs_lost },
	};

	*world = (struct world){ .core = core_new(), .now = { .ms = 5000 } };
	step(world, (struct event){ .type = EVENT_START, .start = &start });
}

static inline void tell(struct world *world, const struct platform_news *news)
{
	struct request request = { .type = REQUEST_PLATFORM, .client = 3, .platform = news };

	step(world, (struct event){ .type = EVENT_REQUEST, .request = &request });
}

static const char *detail(struct world *world)
{
	struct request request = { .type = REQUEST_STATUS, .client = 4 };

	step(world, (struct event){ .type = EVENT_REQUEST, .request = &request });
	return world->detail;
}

/* This node, and `others` more. */
static inline void tell_nodes(struct world *world, uint64_t list, size_t others)
{
	struct platform_node nodes[40] = { { .name = "n1", .ref = "uid-of-n1", .ip = 0xc0000201 } };
	struct platform_news news = {
		.list = list, .first = true, .last = true, .n = others + 1, .nodes = nodes
	};

	for (size_t i = 1; i <= others; i++) {
		snprintf(nodes[i].name, sizeof(nodes[i].name), "n%zu", i + 1);
		nodes[i].ip = 0xc0000201 + (uint32_t)i;
	}
	tell(world, &news);
}

static inline void tell_founder(struct world *world, struct uid founder, const char *node)
{
	struct platform_founding founding = { .cluster = cluster, .founder = founder };
	struct platform_news news = { .founding = &founding };

	snprintf(founding.node, sizeof(founding.node), "%s", node);
	tell(world, &news);
}

static inline void dials_fail(struct world *world, size_t n)
{
	for (size_t i = 0; i < n && i < world->n_dials; i++)
		step(world, (struct event){ .type = EVENT_LINK_CLOSED,
					    .link = { .link = world->dials[i].dial.link,
						      .reason = "refused" } });
}

static inline void wait(struct world *world, int64_t ms)
{
	world->now = instant_add_ms(world->now, ms);
	tell(world, &(struct platform_news){ 0 });
}

static inline void tell_list(struct world *world, uint64_t list, size_t n, const unsigned numbers[])
{
	struct platform_node nodes[8] = { 0 };
	struct platform_news news = {
		.list = list, .first = true, .last = true, .n = n, .nodes = nodes
	};

	for (size_t i = 0; i < n; i++) {
		snprintf(nodes[i].name, sizeof(nodes[i].name), "n%u", numbers[i]);
		nodes[i].ip = 0xc0000200 + numbers[i];
	}
	tell(world, &news);
}

static inline void tell_gone(struct world *world, uint64_t list, const char *name)
{
	struct platform_node node = { .gone = true };
	struct platform_news news = { .list = list, .n = 1, .nodes = &node };

	snprintf(node.name, sizeof(node.name), "%s", name);
	tell(world, &news);
}
