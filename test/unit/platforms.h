/* What weft-kube, which the test plays, tells a core (doors.h) of Kubernetes: its nodes, which are
 * this one and others from number 11 on, and who founds the cluster. */
#pragma once

#include "core/platform.h"
#include "core/status.h"
#include "doors.h"

static const struct uuid cluster = { { 7 } };

static inline void tell(struct door *door, const struct platform_news *news)
{
	struct request request = { .type = REQUEST_PLATFORM, .client = 3, .platform = news };

	door_step(door, (struct event){ .type = EVENT_REQUEST, .request = &request });
}

/* Time passes in one go, then weft-kube says that nothing is new. */
static inline void wait(struct door *door, int64_t ms)
{
	door->now = instant_add_ms(door->now, ms);
	tell(door, &(struct platform_news){ 0 });
}

static inline struct platform_node node_of(unsigned number)
{
	struct platform_node node = { .ip = 0xc0000200 + number };

	snprintf(node.name, sizeof(node.name), "node-%u", number);
	snprintf(node.ref, sizeof(node.ref), "ref-of-%u", number);
	return node;
}

/* This node, and n others from this number on. */
static inline void tell_nodes(struct door *door, uint64_t list, unsigned first, unsigned n)
{
	struct platform_node nodes[40] = { node_of(DOOR_SELF) };
	struct platform_news news = {
		.list = list, .first = true, .last = true, .n = n + 1, .nodes = nodes
	};

	REQUIRE(n < 40);
	for (unsigned i = 0; i < n; i++)
		nodes[i + 1] = node_of(first + i);
	tell(door, &news);
}

static inline void tell_gone(struct door *door, uint64_t list, const char *name)
{
	struct platform_node node = { .gone = true };
	struct platform_news news = { .list = list, .n = 1, .nodes = &node };

	snprintf(node.name, sizeof(node.name), "%s", name);
	tell(door, &news);
}

static inline void tell_founder(struct door *door, struct uuid founds, unsigned number,
				const char *node)
{
	struct platform_founding founding = { .cluster = founds, .founder = uid_of(number) };
	struct platform_news news = { .founding = &founding };

	snprintf(founding.node, sizeof(founding.node), "%s", node);
	tell(door, &news);
}

static inline bool founded(const struct door *door)
{
	size_t at = 0;

	while (at < door->n_stores && door->stores[at] != STORE_KEEPER)
		at++;
	return at < door->n_stores;
}

static inline void start(struct door *door, unsigned lost_stores)
{
	door_init(door);
	door->settings.platform = true;
	door->settings.keeper_id = 99;
	door->lost_stores = lost_stores;
	door_start(door);
}

static inline void start_among(struct door *door, unsigned others)
{
	start(door, 0);
	tell_nodes(door, 5, 11, others);
}

static inline void start_alone(struct door *door)
{
	start_among(door, 0);
	tell_founder(door, cluster, DOOR_SELF, "node-5");
	CHECK(founded(door));
}
