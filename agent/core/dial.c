#include "core/dial.h"

#include <stdlib.h>

#include "base/text.h"
#include "base/vec.h"
#include "core/state.h"

enum { PLATFORM_DRAWS = 16 }; /* per step */

void dial_init(struct dial *dial)
{
	*dial = (struct dial){ 0 };
}

void dial_done(struct dial *dial)
{
	free(dial->targets);
	free(dial->by_endpoint);
	*dial = (struct dial){ 0 };
}

/* Where this endpoint is or belongs in the index: while links are wanted every member is looked up.
 */
static size_t position(const struct dial *dial, const struct endpoint *endpoint)
{
	size_t low = 0, high = dial->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct dial_target *target = &dial->targets[dial->by_endpoint[middle]];

		if (endpoint_cmp(&target->endpoint, endpoint) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct dial_target *find(const struct dial *dial, const struct endpoint *endpoint)
{
	size_t at = position(dial, endpoint);
	struct dial_target *target;

	if (at == dial->n)
		return NULL;
	target = &dial->targets[dial->by_endpoint[at]];
	return endpoint_eq(&target->endpoint, endpoint) ? target : NULL;
}

static struct dial_target *insert(struct dial *dial, const struct dial_target *target)
{
	size_t at = position(dial, &target->endpoint);

	dial->by_endpoint = vec_open_gap(dial->by_endpoint, &dial->cap_by_endpoint, dial->n, at,
					 sizeof(*dial->by_endpoint));
	dial->by_endpoint[at] = (uint32_t)dial->n;
	dial->targets = vec_reserve(dial->targets, &dial->cap, dial->n + 1, sizeof(*dial->targets));
	dial->targets[dial->n] = *target;
	return &dial->targets[dial->n++];
}

/* Peers name addresses, and members move: what is learnt is bounded. */
static void make_room(struct dial *dial)
{
	size_t n_learnt = 0, n = dial->n, longest = 0;

	for (size_t i = 0; i < n; i++) {
		if (dial->targets[i].configured)
			continue;
		if (n_learnt++ == 0 ||
		    instant_after(dial->targets[longest].next_at, dial->targets[i].next_at))
			longest = i;
	}
	if (n_learnt < DIAL_LEARNT_MAX)
		return;
	dial->n = 0;
	for (size_t i = 0; i < n; i++) {
		struct dial_target target = dial->targets[i];

		if (i != longest)
			(void)insert(dial, &target);
	}
}

struct dial_target *dial_target(struct dial *dial, const struct endpoint *endpoint)
{
	struct dial_target *known = find(dial, endpoint);
	struct dial_target target = {
		.endpoint = *endpoint,
		.next_at = { .ms = INT64_MIN },
		.backoff_ms = DIAL_BACKOFF_FIRST_MS,
	};

	if (known)
		return known;
	make_room(dial);
	return insert(dial, &target);
}

void dial_configured(struct dial *dial, const struct endpoint *endpoint)
{
	dial_target(dial, endpoint)->configured = true;
}

void dial_failed(struct core *core, const struct endpoint *endpoint)
{
	struct dial_target *target = dial_target(&core->dial, endpoint);

	target->next_at =
		instant_add_ms(core->out.now, prng_jitter_ms(&core->prng, target->backoff_ms, 50));
	target->backoff_ms += target->backoff_ms / 2;
	if (target->backoff_ms > DIAL_BACKOFF_MAX_MS)
		target->backoff_ms = DIAL_BACKOFF_MAX_MS;
}

void dial_greeted(struct core *core, const struct link *link, const struct hello *hello,
		  bool says_none)
{
	for (size_t i = 0; i < core->dial.n; i++) {
		struct dial_target *target = &core->dial.targets[i];
		bool answers = link->dialled && endpoint_eq(&target->endpoint, &link->remote);

		if (!answers && !endpoint_eq(&target->endpoint, &hello->listen) &&
		    !endpoint_eq(&target->endpoint, &link->listens))
			continue;
		target->known = true;
		target->uid = hello->uid;
		target->answered |= answers;
		target->ended |= answers;
		/* Over another link it may take its word back, never give it. */
		target->says_none = says_none && (answers || target->says_none);
		target->backoff_ms = DIAL_BACKOFF_FIRST_MS;
		/* It has just come up: whoever waits for its word asks now. */
		if (!target->answered && !core_in_cluster(core) &&
		    endpoint_eq(&target->endpoint, &link->listens))
			target->next_at = core->out.now;
	}
}

void dial_ended(struct core *core, const struct endpoint *endpoint)
{
	dial_target(&core->dial, endpoint)->ended = true;
}

void dial_mismatched(struct core *core, const struct endpoint *endpoint)
{
	dial_target(&core->dial, endpoint)->next_at =
		instant_add_ms(core->out.now, DIAL_MISMATCH_MS);
}

void dial_offered(struct core *core, const struct endpoint *endpoint)
{
	struct endpoint own = core_listen(core);
	struct dial_target *target;

	if (endpoint->ip_len == 0 || endpoint_eq(endpoint, &own) || find(&core->dial, endpoint))
		return;
	target = dial_target(&core->dial, endpoint);
	target->offered = true;
	target->next_at = core->out.now;
}

void dial_at_once(struct core *core)
{
	for (size_t i = 0; i < core->dial.n; i++) {
		struct dial_target *target = &core->dial.targets[i];

		target->backoff_ms = DIAL_BACKOFF_FIRST_MS;
		if (!target->is_self)
			target->next_at = core->out.now;
	}
}

void dial_is_self(struct core *core, const struct endpoint *endpoint)
{
	struct dial_target *target = dial_target(&core->dial, endpoint);

	target->is_self = true;
	target->next_at = instant_never();
}

static size_t in_flight(const struct links *links)
{
	return links_count(links, LINK_CONNECT, true) + links_count(links, LINK_HANDSHAKE, true) +
	       links_count(links, LINK_HELLO, true);
}

static bool due(const struct core *core, const struct endpoint *endpoint)
{
	const struct dial_target *target = find(&core->dial, endpoint);

	if (target && (target->is_self || !instant_reached(core->out.now, target->next_at)))
		return false;
	return endpoint->ip_len > 0 && !links_to(&core->links, endpoint);
}

static void dial(struct core *core, const struct endpoint *endpoint, enum link_want want)
{
	struct link *link =
		links_add(&core->links, core->links.next_id++, true, endpoint, core->out.now);
	struct action *action = out_add(&core->out, ACTION_DIAL);

	link->want = want;
	action->dial.link = link->id;
	action->dial.to = *endpoint;
	/* Until it is greeted this dial counts as failed: one rule for every way in which it can
	 * end. */
	dial_failed(core, endpoint);
}

/* Where a stranger claims to listen is no reason to connect there; one without a row will dial us.
 */
static bool worth_dialling(const struct core *core, const struct member *member)
{
	return (core->view.version == 0 || ledger_peer_by_uid(&core->view, &member->uid)) &&
	       !uid_eq(&member->uid, &core->settings.uid) &&
	       member->body.state == MEMBER_STATE_ALIVE && !links_with(&core->links, &member->uid);
}

/* The nearest successor we hold no link to, walking over those whose time has not come: a dead one
 * hides nobody. */
static void dial_successor(struct core *core)
{
	const struct members *members = &core->members;
	size_t at = members_ring_after(members, &core->settings.uid);

	for (size_t i = 0; at != MEMBER_NONE && i < members->n; i++) {
		const struct member *member = members->slots[members->ring[(at + i) % members->n]];
		struct link *link = links_with(&core->links, &member->uid);

		if (link && link->state == LINK_UP)
			return;
		if (due(core, &member->body.control) && worth_dialling(core, member)) {
			dial(core, &member->body.control, LINK_WANT_HIGH);
			return;
		}
	}
}

static void dial_random(struct core *core, enum link_want want)
{
	const struct members *members = &core->members;
	size_t start = members->n ? (size_t)prng_below(&core->prng, members->n) : 0;

	for (size_t i = 0; i < members->n; i++) {
		const struct member *member = members->slots[(start + i) % members->n];

		if (due(core, &member->body.control) && worth_dialling(core, member)) {
			dial(core, &member->body.control, want);
			return;
		}
	}
}

/* An agent that we are linked to is known to answer there. Before we are of a cluster its own claim
 * is not enough: the word of each --peer counts, so each is asked. */
static bool is_reached(const struct core *core, const struct dial_target *target)
{
	return target->known && links_with(&core->links, &target->uid) &&
	       (target->answered || core_in_cluster(core));
}

static void dial_peers(struct core *core)
{
	for (size_t i = 0; i < core->dial.n && in_flight(&core->links) < DIAL_IN_FLIGHT_MAX; i++) {
		struct dial_target target = core->dial.targets[i];

		if (target.configured && !is_reached(core, &target) && due(core, &target.endpoint))
			dial(core, &target.endpoint, LINK_WANT_HIGH);
	}
}

static struct endpoint agent_at(const struct core *core, uint32_t ip)
{
	return (struct endpoint){
		.ip = { (uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip },
		.ip_len = 4,
		.port = core->settings.port,
	};
}

/* All say that there is no cluster; or those that do not answer had time to. What was heard from
 * nodes that are listed no more says nothing of those that are. */
bool dial_platform_asked(const struct core *core)
{
	size_t n = 0, none = 0, ended = 0, nodes = platform_nodes(core);

	for (size_t i = 0; i < nodes; i++) {
		uint32_t ip = platform_node_ip(core, i);
		struct endpoint endpoint = agent_at(core, ip);
		const struct dial_target *target = ip ? find(&core->dial, &endpoint) : NULL;

		n += ip && n < PLATFORM_ASK;
		none += target && target->says_none;
		ended += target && target->ended;
	}
	return none >= n || (ended >= n && instant_reached(core->out.now, platform_patience(core)));
}

/* A few of the platform's nodes, drawn by lot: who has some links, or found the cluster, has better
 * knowledge of where others are. */
static void dial_platform(struct core *core)
{
	size_t nodes = platform_nodes(core);

	for (int i = 0; nodes && i < PLATFORM_DRAWS; i++) {
		size_t up = links_count(&core->links, LINK_UP, true) +
			    links_count(&core->links, LINK_UP, false);
		uint32_t ip = platform_node_ip(core, (size_t)prng_below(&core->prng, nodes));
		struct endpoint endpoint = agent_at(core, ip);
		const struct dial_target *target;

		if (in_flight(&core->links) >= DIAL_IN_FLIGHT_MAX ||
		    (up >= 2 && (core_in_cluster(core) || dial_platform_asked(core))))
			return;
		target = find(&core->dial, &endpoint);
		if (ip && !(target && is_reached(core, target)) && due(core, &endpoint))
			dial(core, &endpoint, LINK_WANT_HIGH);
	}
}

/* Each once: what a peer names need not be an agent at all. */
static void dial_offers(struct core *core, enum link_want want)
{
	for (size_t i = 0; i < core->dial.n; i++) {
		struct dial_target *target = &core->dial.targets[i];
		struct endpoint endpoint = target->endpoint;

		if (!target->offered || !due(core, &endpoint))
			continue;
		target->offered = false;
		dial(core, &endpoint, want);
		return;
	}
}

static bool is_forgotten(const struct core *core, const struct dial_target *target)
{
	return !target->configured && !links_to(&core->links, &target->endpoint) &&
	       !(target->known && links_with(&core->links, &target->uid)) &&
	       instant_reached(core->out.now, instant_add_ms(target->next_at, DIAL_FORGET_MS));
}

static void forget(struct core *core)
{
	struct dial *dial = &core->dial;
	size_t n = dial->n, first = 0;

	while (first < n && !is_forgotten(core, &dial->targets[first]))
		first++;
	if (first == n)
		return;
	dial->n = 0;
	for (size_t i = 0; i < n; i++) {
		struct dial_target target = dial->targets[i];

		if (!is_forgotten(core, &target))
			(void)insert(dial, &target);
	}
}

static void dial_keeper(struct core *core)
{
	const struct orders *orders = &core->orders;
	const struct member *member = members_by_uid(
		&core->members, orders->has_redirect ? &orders->redirect : &core->view.proposer);

	if (orders->state != ORDERS_OUT || !member)
		return;
	if (worth_dialling(core, member) && due(core, &member->body.control))
		dial(core, &member->body.control, LINK_WANT_COMMAND);
}

static size_t wanted(const struct core *core)
{
	return links_count(&core->links, LINK_UP, true) + in_flight(&core->links);
}

static bool done_commanding(const struct core *core, const struct link *link)
{
	return link->dialled && link->state == LINK_UP && link->want == LINK_WANT_COMMAND &&
	       core->orders.state == ORDERS_NONE;
}

/* A keeper has places for many short links, none for links that are kept. */
static void free_places(struct core *core)
{
	for (size_t i = 0; i < core->links.n; i++) {
		struct link *link = core->links.items[i];

		if (done_commanding(core, link) &&
		    instant_reached(core->out.now,
				    instant_add_ms(link->commanded_at, LINK_COMMAND_IDLE_MS)))
			link_bye(&core->links, link, BYE_REBALANCE, "no more commands", &core->out);
	}
}

void dial_run(struct core *core)
{
	size_t up = links_count(&core->links, LINK_UP, true) +
		    links_count(&core->links, LINK_UP, false);
	enum link_want want = up < 2 ? LINK_WANT_HIGH : LINK_WANT_LOW;

	forget(core);
	free_places(core);
	if (in_flight(&core->links) < DIAL_IN_FLIGHT_MAX)
		dial_keeper(core);
	if (in_flight(&core->links) < DIAL_IN_FLIGHT_MAX)
		dial_successor(core);
	for (int i = 0; i < LINK_DIALLED_WANTED; i++)
		if (wanted(core) < LINK_DIALLED_WANTED &&
		    in_flight(&core->links) < DIAL_IN_FLIGHT_MAX)
			dial_random(core, want);
	for (int i = 0; i < LINK_DIALLED_WANTED; i++)
		if (wanted(core) < LINK_DIALLED_WANTED &&
		    in_flight(&core->links) < DIAL_IN_FLIGHT_MAX)
			dial_offers(core, want);
	dial_peers(core);
	dial_platform(core);
}

/* The earliest time at which somebody becomes due; links that open or close wake us anyway. */
struct instant dial_deadline(const struct core *core)
{
	struct instant at = instant_never();

	for (size_t i = 0; i < core->links.n; i++)
		if (done_commanding(core, core->links.items[i]))
			at = instant_min(at, instant_add_ms(core->links.items[i]->commanded_at,
							    LINK_COMMAND_IDLE_MS));
	if (in_flight(&core->links) >= DIAL_IN_FLIGHT_MAX)
		return at;
	for (size_t i = 0; i < core->dial.n; i++) {
		const struct dial_target *target = &core->dial.targets[i];

		if (target->is_self || !instant_after(target->next_at, core->out.now) ||
		    !instant_after(at, target->next_at))
			continue;
		if (links_to(&core->links, &target->endpoint) || is_reached(core, target))
			continue;
		at = target->next_at;
	}
	return at;
}
