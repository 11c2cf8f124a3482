#include "core/gossip.h"

#include "base/text.h"
#include "core/state.h"

static void touch(struct core *core, struct link *link)
{
	struct instant idle = instant_add_ms(link->flushed_at, LINK_FLUSH_MS);

	/* At once when the link was idle for 20 ms, else at the next 20 ms tick: bursts travel
	 * together. */
	link->flush_at = instant_min(link->flush_at,
				     instant_after(idle, core->out.now) ? idle : core->out.now);
}

static void mark(struct core *core, struct link *link, uint32_t slot)
{
	bitmap_set(&link->dirty, slot);
	touch(core, link);
}

static void spread(struct core *core, uint32_t slot, const struct link *except)
{
	for (size_t i = 0; i < core->links.n; i++) {
		struct link *link = core->links.items[i];

		if (link->state == LINK_UP && link != except)
			mark(core, link, slot);
	}
}

static void body_of_self(const struct core *core, struct member_body *ret)
{
	const struct settings *settings = &core->settings;

	*ret = (struct member_body){
		.state = core->session.state == SESSION_LEFT ? MEMBER_STATE_LEAVING
							     : MEMBER_STATE_ALIVE,
		.epoch = core->session.epoch,
		.nonce = settings->nonce,
		.control = core_listen(core),
		.vtep_ip = core->underlay.have ? core->underlay.ip : 0,
		.node_ip = blocks_node_ip(&core->blocks),
		.vtep_mac = settings->vtep_mac,
		.mtu = core->underlay.mtu,
		.proto_min = 1,
		.proto_max = 1,
		.keeper_ok = true,
		.boot = settings->boot,
		.keeper_id = keeper_votes(core->keeper) ? keeper_id(core->keeper) : 0,
	};
	memcpy(ret->name, settings->name, sizeof(ret->name));
	memcpy(ret->agent_version, settings->agent_version, sizeof(ret->agent_version));
	memcpy(ret->static_pk, settings->static_pk, sizeof(ret->static_pk));
}

void gossip_self_changed(struct core *core)
{
	core->say_again = true;
}

void gossip_say(struct core *core)
{
	struct member_body body;

	if (!core->say_again)
		return;
	core->say_again = false;
	body_of_self(core, &body);
	spread(core,
	       members_say(&core->members, &core->settings.uid, core->said.incarnation,
			   ++core->said.version, &body, core->out.now),
	       NULL);
}

static void send_ping(struct core *core, struct link *link)
{
	struct message *message = out_alloc(&core->out, sizeof(*message));

	message->type = MESSAGE_PING;
	message->ping = (struct ping){
		.seq = ++link->ping_seq,
		.members_digest = core->members.digest,
		.ledger_version = core->view.version,
		.ledger_digest = core->view.digest,
	};
	link_send(link, message, &core->out);
	link->ping_at =
		instant_add_ms(core->out.now, prng_jitter_ms(&core->prng, LINK_PING_MS, 10));
}

void gossip_link_up(struct core *core, struct link *link)
{
	link->heard = core->out.now;
	link->feed_after = link->feed_cursor = link->has_version;
	intake_restart(&link->intake, core->view.version);
	for (uint32_t slot = 0; slot < core->members.n; slot++)
		bitmap_set(&link->dirty, slot);
	touch(core, link);
	send_ping(core, link);
}

/* Somebody carries a statement of ours that is newer than what we said: a life whose disk was
 * rolled back, a clone, or a lie. Saying something newer still ends it, whatever the numbers are
 * (members.c); if a living clone answers in kind, that is an alarm. */
static void outdo(struct core *core, const struct link *link, const struct member_update *update)
{
	core->said.incarnation = update->incarnation;
	core->said.version = update->version;
	gossip_self_changed(core);
	if (update->body.nonce != core->settings.nonce)
		clone_met(core, update->body.nonce);
	out_trace(&core->out, TRACE_WARN,
		  "%s has a newer statement about this node than it made itself -> said "
		  "again above it (a restored or "
		  "cloned disk?)",
		  link->name);
}

/* A newcomer is heard of before its ATTACH shows in the ledger, so some members without a row are
 * kept; but anybody can invent them, so only so many. One that is turned away here is taken as soon
 * as it has a row: digests still differ. */
static bool admits(struct core *core, const struct uid *uid)
{
	if (members_find(&core->members, uid) != MEMBER_NONE ||
	    ledger_peer_by_uid(&core->view, uid))
		return true;
	if (core->n_strangers >= STRANGERS_MAX)
		return false;
	core->n_strangers++;
	return true;
}

static void recount_strangers(struct core *core)
{
	core->n_strangers = 0;
	for (size_t i = 0; i < core->members.n; i++)
		core->n_strangers += !ledger_peer_by_uid(&core->view, &core->members.slots[i]->uid);
}

void gossip_delta(struct core *core, struct link *link, const struct delta *delta)
{
	for (size_t i = 0; i < delta->n_members; i++) {
		uint32_t slot;

		if (!admits(core, &delta->members[i].uid))
			continue;
		switch (members_merge(&core->members, &delta->members[i], core->out.now, &slot)) {
		case MERGE_NEWER:
			spread(core, slot, link);
			bitmap_clear(&link->dirty, slot);
			forward_changed(core, FORWARD_ALL);
			break;
		case MERGE_EQUAL:
			bitmap_clear(&link->dirty, slot);
			break;
		case MERGE_OLDER:
			mark(core, link, slot);
			break;
		case MERGE_OURS:
			outdo(core, link, &delta->members[i]);
			break;
		case MERGE_FULL:
			out_trace(&core->out, TRACE_PEER,
				  "%s tells of more than %d members -> ignored", link->name,
				  MEMBERS_MAX);
			return;
		}
	}
}

void gossip_want_members(struct core *core, struct link *link)
{
	for (uint32_t slot = 0; slot < core->members.n; slot++)
		bitmap_set(&link->dirty, slot);
	touch(core, link);
}

static void send_simple(struct core *core, struct link *link, enum message_type type)
{
	struct message *message = out_alloc(&core->out, sizeof(*message));

	message->type = type;
	link_send(link, message, &core->out);
}

/* Ask for rows from `after` on; 0 for a full copy, which replaces what is held of this transfer. */
static void want_feed(struct core *core, struct link *link, uint64_t after)
{
	struct message *message = out_alloc(&core->out, sizeof(*message));

	message->type = MESSAGE_FEED;
	message->feed = (struct feed){ .after = after, .want = true };
	link_send(link, message, &core->out);
	if (after == 0)
		intake_restart(&link->intake, 0);
}

/* True once `differ` has lasted long enough; the flood is usually on its way, so repair waits. */
static bool lasted(struct instant *since, bool differ, struct instant now)
{
	if (!differ)
		*since = instant_never();
	else if (instant_is_never(*since))
		*since = now;
	return differ && instant_reached(now, instant_add_ms(*since, GOSSIP_DIFFER_MS));
}

/* We are the only voter: nobody can have a newer value unless our log lost one. Never vote on that.
 */
static void doubt_keeper(struct core *core, const struct link *link, uint64_t version)
{
	if (core->keeper_doubted)
		return;
	core->keeper_doubted = true;
	keeper_distrust(core->keeper, &core->out);
	out_trace(&core->out, TRACE_ERR,
		  "%s shows ledger version %llu, this keeper's own log ends at %llu: the log was "
		  "rolled back -> no more votes from here, owned blocks go on serving -> rebuild "
		  "the keepers; if nobody restored this disk, stop that node and restart the agent",
		  link->name, (unsigned long long)version,
		  (unsigned long long)keeper_value(core->keeper)->version);
}

void gossip_ping(struct core *core, struct link *link, const struct ping *ping)
{
	struct instant now = core->out.now;

	if (ping->ledger_version > link->has_version)
		link->has_version = ping->ledger_version;
	if (lasted(&link->members_differ_since, ping->members_digest != core->members.digest,
		   now)) {
		link->members_differ_since = now;
		send_simple(core, link, MESSAGE_WANT_MEMBERS);
	}
	if (ping->ledger_version == core->view.version &&
	    ping->ledger_digest != core->view.digest) {
		out_trace(&core->out, TRACE_ERR,
			  "%s shows another ledger under the same version %llu -> full copy asked "
			  "for",
			  link->name, (unsigned long long)ping->ledger_version);
		core->feeds_false++;
		if (!keeper_votes(core->keeper))
			want_feed(core, link, 0);
	} else if (lasted(&link->ledger_behind_since, ping->ledger_version > core->view.version,
			  now)) {
		link->ledger_behind_since = now;
		want_feed(core, link, intake_wants(&link->intake, &core->view));
	}
	if (core->view.version > link->has_version)
		touch(core, link);
}

static void take_feed(struct core *core, struct link *link, const struct feed *feed)
{
	switch (intake_feed(&link->intake, &core->view, feed)) {
	case INTAKE_MORE:
		break;
	case INTAKE_OLD:
		break;
	case INTAKE_SHOWN:
		core_view_changed(core);
		break;
	case INTAKE_GAP:
		want_feed(core, link, intake_wants(&link->intake, &core->view));
		break;
	case INTAKE_FALSE:
		core->feeds_false++;
		out_trace(
			&core->out, TRACE_PEER,
			"%s sent rows that do not give the ledger it names -> full copy asked for",
			link->name);
		want_feed(core, link, 0);
		break;
	case INTAKE_REFUSED:
		core->feeds_refused++;
		out_trace(&core->out, TRACE_PEER,
			  "%s sent ledger rows that break the rules -> hang up", link->name);
		link_bye(&core->links, link, BYE_PROTOCOL, "ledger rows that break the rules",
			 &core->out);
		break;
	}
}

/* The digest is no secret, so anybody can make whole rows that fit it: only who is attached in our
 * own log may speak against it. Of a log that lost all its members nobody can tell. */
static bool may_contradict(const struct core *core, const struct link *link)
{
	const struct peer_row *row = ledger_peer_by_uid(&core->view, &link->uid);

	return row && row->status == PEER_ATTACHED;
}

/* Chosen by us, as this ledger tells: under the keeper id of our log, not one of another life. */
static bool names_our_log(const struct core *core, const struct ledger *ledger)
{
	const struct ledger_config *config = &ledger->config;

	for (size_t i = 0; i < config->n_keepers; i++)
		if (uid_eq(&config->keeper_uid[i], &core->settings.uid) &&
		    config->keeper_id[i] == keeper_id(core->keeper))
			return true;
	return false;
}

/* A voter learns nothing from gossip: it is the source. But whole, digested rows beyond its own
 * value, from a member, are evidence that its log lost something. A mere number in a PING is not:
 * any peer could silence the keeper with one. */
static void hold_against_own(struct core *core, struct link *link, const struct feed *feed)
{
	struct ledger scratch;
	enum intake_result result;

	if (feed->upto <= core->view.version)
		return;
	if (!may_contradict(core, link)) {
		out_trace(&core->out, TRACE_PEER,
			  "%s shows a newer ledger than this keeper's own and is not attached -> "
			  "not believed",
			  link->name);
		return;
	}
	ledger_init(&scratch);
	ledger_copy(&scratch, &core->view);
	result = intake_feed(&link->intake, &scratch, feed);
	if (result != INTAKE_MORE)
		intake_restart(&link->intake, core->view.version);
	if (result == INTAKE_SHOWN && names_our_log(core, &scratch)) {
		doubt_keeper(core, link, scratch.version);
		want_feed(core, link, core->view.version); /* now as everybody else: to show it */
	} else if (result == INTAKE_GAP) {
		want_feed(core, link, core->view.version);
	}
	ledger_done(&scratch);
}

static struct ledger_only only_ours(const struct core *core)
{
	return (struct ledger_only){ .cluster = core->cluster,
				     .range = core->settings.range,
				     .block_len = core->settings.block_len };
}

/* NULL, or why this config can never be ours. */
static const char *why_foreign(struct core *core, const struct ledger_config *config)
{
	struct ledger_only only = only_ours(core);
	char ours[TEXT_PREFIX_MAX], theirs[TEXT_PREFIX_MAX];

	if (ledger_config_agrees(config, &only))
		return NULL;
	if (!uuid_is_zero(&core->cluster) && !uuid_eq(&config->cluster, &core->cluster))
		return "its ledger is another cluster's";
	if (config->block_len != BLOCK_LEN)
		return out_text(&core->out, "its ledger has /%u blocks, this agent knows /%u",
				config->block_len, BLOCK_LEN);
	text_prefix(ours, core->settings.range.ip, core->settings.range.len);
	text_prefix(theirs, config->range.ip, config->range.len);
	return out_text(&core->out,
			"its ledger is of --range %s, ours is %s: start both with the same", theirs,
			ours);
}

void gossip_feed(struct core *core, struct link *link, const struct feed *feed)
{
	const char *foreign;

	if (feed->want) {
		link->has_version = link->feed_after = link->feed_cursor = feed->after;
		touch(core, link);
		return;
	}
	foreign = feed->rows.config ? why_foreign(core, feed->rows.config) : NULL;
	if (foreign) {
		link_bye(&core->links, link, BYE_CLUSTER_MISMATCH, foreign, &core->out);
		return;
	}
	link->intake.only = only_ours(core);
	if (feed->upto > link->has_version)
		link->has_version = feed->upto;
	if (keeper_votes(core->keeper))
		hold_against_own(core, link, feed);
	else
		take_feed(core, link, feed);
}

void gossip_view_changed(struct core *core)
{
	recount_strangers(core);
	for (size_t i = 0; i < core->links.n; i++)
		if (core->links.items[i]->state == LINK_UP &&
		    core->links.items[i]->has_version < core->view.version)
			touch(core, core->links.items[i]);
}

static size_t update_size(const struct member *member)
{
	return 64 + (member->raw ? member->raw_len : 256 + strlen(member->body.name));
}

/* The newest records of what is dirty, up to a turn's worth. Returns roughly how many bytes that
 * was. */
static size_t send_dirty(struct core *core, struct link *link)
{
	struct member_update *updates;
	struct message *message;
	size_t n = 0, bytes = 0, slot = 0;

	if (!bitmap_any(&link->dirty))
		return 0;
	updates = out_alloc(&core->out, DELTA_MEMBERS_MAX * sizeof(*updates));
	while (n < DELTA_MEMBERS_MAX && bytes < GOSSIP_TURN_BYTES &&
	       (slot = bitmap_next(&link->dirty, slot)) != BITMAP_NONE) {
		members_update_of(core->members.slots[slot], &updates[n++]);
		bytes += update_size(core->members.slots[slot]);
		bitmap_clear(&link->dirty, slot);
	}
	if (n == 0)
		return 0;
	message = out_alloc(&core->out, sizeof(*message));
	message->type = MESSAGE_DELTA;
	message->delta = (struct delta){ .n_members = n, .members = updates };
	link_send(link, message, &core->out);
	return bytes;
}

static void send_feed(struct core *core, struct link *link)
{
	struct message *message;

	if (link->has_version >= core->view.version || core->view.version == 0)
		return;
	if (link->feed_cursor < link->feed_after || link->has_version > link->feed_after)
		link->feed_after = link->feed_cursor = link->has_version;
	message = out_alloc(&core->out, sizeof(*message));
	message->type = MESSAGE_FEED;
	ledger_feed_next(&core->view, link->feed_after, link->feed_cursor, GOSSIP_TURN_BYTES,
			 &core->out.arena, &message->feed);
	link->feed_cursor = message->feed.cursor;
	if (message->feed.complete)
		link->has_version = link->feed_after = link->feed_cursor = core->view.version;
	link_send(link, message, &core->out);
}

static bool has_more(const struct core *core, const struct link *link)
{
	return bitmap_any(&link->dirty) || link->has_version < core->view.version;
}

static void flush(struct core *core, struct link *link)
{
	link->flush_at = instant_never();
	link->flushed_at = core->out.now;
	if (send_dirty(core, link) < GOSSIP_TURN_BYTES)
		send_feed(core, link);
	if (has_more(core, link))
		link->flush_at = core->out.now;
}

void gossip_flush(struct core *core)
{
	for (size_t i = 0; i < core->links.n; i++) {
		struct link *link = core->links.items[i];

		if (link->state != LINK_UP)
			continue;
		if (instant_is_never(link->blocked_since) &&
		    instant_reached(core->out.now, link->flush_at))
			flush(core, link);
		if (instant_reached(core->out.now, link->ping_at))
			send_ping(core, link);
	}
}
