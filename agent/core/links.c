#include "core/links.h"

#include <assert.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/vec.h"
#include "base/xalloc.h"

#define MAY(state) (1U << (state))

static const unsigned may_become[LINK_STATE_COUNT] = {
	[LINK_CONNECT] = MAY(LINK_HANDSHAKE) | MAY(LINK_DRAIN),
	[LINK_HANDSHAKE] = MAY(LINK_HELLO) | MAY(LINK_DRAIN),
	[LINK_HELLO] = MAY(LINK_UP) | MAY(LINK_DRAIN),
	[LINK_UP] = MAY(LINK_DRAIN),
	[LINK_DRAIN] = 0,
};

void links_init(struct links *links)
{
	*links = (struct links){ .next_id = 1 };
}

static void link_free(struct link *link)
{
	bitmap_done(&link->dirty);
	intake_done(&link->intake);
	free(link);
}

void links_done(struct links *links)
{
	for (size_t i = 0; i < links->n; i++)
		link_free(links->items[i]);
	free(links->items);
	*links = (struct links){ 0 };
}

struct link *links_add(struct links *links, uint32_t id, bool dialled,
		       const struct endpoint *remote, struct instant now)
{
	struct link *link = xcalloc(1, sizeof(*link));

	link->id = id;
	link->dialled = dialled;
	link->remote = *remote;
	link->state = dialled ? LINK_CONNECT : LINK_HANDSHAKE;
	link->since = link->heard = now;
	link->deadline = instant_add_ms(now, dialled ? LINK_CONNECT_MS : LINK_GREET_MS);
	link->ping_at = link->flush_at = link->blocked_since = instant_never();
	link->members_differ_since = link->ledger_behind_since = instant_never();
	bitmap_init(&link->dirty);
	intake_init(&link->intake);
	links->items = vec_reserve(links->items, &links->cap, links->n + 1, sizeof(struct link *));
	links->items[links->n++] = link;
	return link;
}

struct link *links_find(const struct links *links, uint32_t id)
{
	for (size_t i = 0; i < links->n; i++)
		if (links->items[i]->id == id)
			return links->items[i];
	return NULL;
}

void links_remove(struct links *links, struct link *link)
{
	for (size_t i = 0; i < links->n; i++) {
		if (links->items[i] != link)
			continue;
		vec_close_gap(links->items, links->n, i, sizeof(struct link *));
		links->n--;
		links->closed++;
		link_free(link);
		return;
	}
	assert(false && "a link that is not in the table");
}

struct link *links_with(const struct links *links, const struct uid *uid)
{
	for (size_t i = 0; i < links->n; i++) {
		struct link *link = links->items[i];

		if (link->greeted && link->state != LINK_DRAIN && uid_eq(&link->uid, uid))
			return link;
	}
	return NULL;
}

struct link *links_up_with(const struct links *links, const struct uid *uid)
{
	for (size_t i = 0; i < links->n; i++)
		if (links->items[i]->state == LINK_UP && uid_eq(&links->items[i]->uid, uid))
			return links->items[i];
	return NULL;
}

struct link *links_to(const struct links *links, const struct endpoint *remote)
{
	for (size_t i = 0; i < links->n; i++) {
		struct link *link = links->items[i];

		if (link->dialled && link->state != LINK_DRAIN &&
		    endpoint_eq(&link->remote, remote))
			return link;
	}
	return NULL;
}

size_t links_count(const struct links *links, enum link_state state, bool dialled)
{
	size_t n = 0;

	for (size_t i = 0; i < links->n; i++)
		n += links->items[i]->state == state && links->items[i]->dialled == dialled;
	return n;
}

void link_move(struct link *link, enum link_state next, struct instant now)
{
	assert(may_become[link->state] & MAY(next));
	link->state = next;
	switch (next) {
	case LINK_CONNECT:
	case LINK_HANDSHAKE:
		link->deadline = instant_add_ms(now, LINK_GREET_MS);
		break;
	case LINK_HELLO: /* the 5 s run since HANDSHAKE */
		break;
	case LINK_UP:
		link->since = link->commanded_at = now;
		link->deadline = instant_never();
		break;
	case LINK_DRAIN:
		/* io closes after LINK_DRAIN_MS and says so; twice that means it was lost, and is
		 * asked for again. */
		link->deadline = instant_add_ms(now, 2 * LINK_DRAIN_MS);
		link->flush_at = link->ping_at = instant_never();
		break;
	case LINK_STATE_COUNT:
		assert(false && "not a state");
	}
}

const char *link_label(const struct link *link, struct out *out)
{
	char buf[TEXT_ENDPOINT_MAX];

	if (link->greeted)
		return link->name;
	text_endpoint(buf, link->remote.ip, link->remote.ip_len, link->remote.port);
	return out_text(out, "%s", buf);
}

static void hangup(struct link *link, uint32_t drain_ms, const char *reason, struct out *out)
{
	struct action *action = out_add(out, ACTION_HANGUP);

	action->hangup.link = link->id;
	action->hangup.drain_ms = drain_ms;
	action->hangup.reason = reason;
}

void link_send(struct link *link, const struct message *message, struct out *out)
{
	struct action *action = out_add(out, ACTION_SEND);

	action->send.link = link->id;
	action->send.message = message;
	if (instant_is_never(link->blocked_since))
		link->blocked_since = out->now;
}

void link_bye(struct links *links, struct link *link, enum bye_reason reason, const char *text,
	      struct out *out)
{
	if (link->state == LINK_DRAIN)
		return;
	links->refused += link->state != LINK_UP;
	if (link->state == LINK_HELLO || link->state == LINK_UP) {
		struct message *message = out_alloc(out, sizeof(*message));

		message->type = MESSAGE_BYE;
		message->bye.reason = reason;
		text_line(message->bye.text, "%s", text);
		link_send(link, message, out);
	}
	hangup(link, link->state == LINK_CONNECT ? 0 : LINK_DRAIN_MS, out_text(out, "%s", text),
	       out);
	link_move(link, LINK_DRAIN, out->now);
}

void link_drain(struct link *link, const char *reason, struct out *out)
{
	hangup(link, LINK_DRAIN_MS, reason, out);
	link_move(link, LINK_DRAIN, out->now);
}

void link_close(struct link *link, const char *reason, struct out *out)
{
	hangup(link, 0, reason, out);
	link_move(link, LINK_DRAIN, out->now);
}

static void drop(struct link *link, const char *reason, struct out *out)
{
	if (link->state == LINK_UP)
		out_trace(out, TRACE_WARN, "link to %s: %s -> hang up, dial again",
			  link_label(link, out), reason);
	link_close(link, reason, out);
}

void links_expire(struct links *links, struct out *out)
{
	for (size_t i = 0; i < links->n; i++) {
		struct link *link = links->items[i];

		if (link->state == LINK_DRAIN) {
			if (instant_reached(out->now, link->deadline)) {
				hangup(link, 0, "closing took too long", out);
				link->deadline = instant_add_ms(out->now, 2 * LINK_DRAIN_MS);
			}
		} else if (instant_reached(out->now, link->deadline)) {
			drop(link,
			     link->state == LINK_CONNECT ? "no answer to the connection request"
							 : "no greeting within 5 s",
			     out);
		} else if (link->state != LINK_UP) {
			continue;
		} else if (instant_reached(out->now, instant_add_ms(link->heard, LINK_DEAD_MS))) {
			drop(link, "12 s of silence", out);
		} else if (instant_reached(out->now,
					   instant_add_ms(link->blocked_since, LINK_SLOW_MS))) {
			drop(link, "it has read nothing for 15 s", out);
		}
	}
}

struct instant links_deadline(const struct links *links)
{
	struct instant at = instant_never();

	for (size_t i = 0; i < links->n; i++) {
		const struct link *link = links->items[i];

		at = instant_min(at, link->deadline);
		if (link->state != LINK_UP)
			continue;
		at = instant_min(at, instant_add_ms(link->heard, LINK_DEAD_MS));
		at = instant_min(at, instant_add_ms(link->blocked_since, LINK_SLOW_MS));
		at = instant_min(at, link->ping_at);
		if (instant_is_never(link->blocked_since))
			at = instant_min(at, link->flush_at);
	}
	return at;
}
