#include "core/greet.h"

#include "base/text.h"
#include "core/gossip.h"
#include "core/state.h"

void greet_secured(struct core *core, struct link *link)
{
	struct message *message = out_alloc(&core->out, sizeof(*message));
	struct hello *hello = &message->hello;

	message->type = MESSAGE_HELLO;
	hello->cluster = core->cluster;
	hello->uid = core->settings.uid;
	memcpy(hello->name, core->settings.name, sizeof(hello->name));
	hello->incarnation = core->said.incarnation;
	hello->nonce = core->settings.nonce;
	hello->epoch = core->session.epoch;
	hello->features = core->settings.init && !core_in_cluster(core) ? FEATURE_WILL_FOUND : 0;
	hello->listen = core_listen(core);
	hello->range = core->settings.range;
	hello->block_len = core->settings.block_len;
	hello->want = link->dialled ? link->want : LINK_WANT_UNKNOWN;
	memcpy(hello->agent_version, core->settings.agent_version, sizeof(hello->agent_version));
	hello->ledger_version = core->view.version;
	link_move(link, LINK_HELLO, core->out.now);
	link_send(link, message, &core->out);
}

/* NULL, or why the two of us cannot be in one cluster. */
static const char *mismatch(struct core *core, const struct hello *hello)
{
	char ours[TEXT_PREFIX_MAX], theirs[TEXT_PREFIX_MAX];
	const struct uuid *meant = platform_cluster(core);

	if (!core_in_cluster(core) && meant && !uuid_is_zero(&hello->cluster) &&
	    !uuid_eq(&hello->cluster, meant))
		return "it belongs to another cluster than the ConfigMap names";
	if (!uuid_eq(&hello->cluster, &core->cluster) && !uuid_is_zero(&hello->cluster) &&
	    core_in_cluster(core))
		return "it belongs to another cluster: two clusters never merge";
	if (hello->range.ip == core->settings.range.ip &&
	    hello->range.len == core->settings.range.len &&
	    hello->block_len == core->settings.block_len)
		return NULL;
	text_prefix(ours, core->settings.range.ip, core->settings.range.len);
	text_prefix(theirs, hello->range.ip, hello->range.len);
	return out_text(&core->out,
			"its --range is %s in /%u blocks, ours %s in /%u: start both with the same",
			theirs, hello->block_len, ours, core->settings.block_len);
}

/* Of two links with one peer the one dialled by the smaller uid stays; both sides
 * decide alike. When both were dialled by the same side, or an older life of the peer holds the
 * first, the newer one stays. */
static bool newcomer_stays(const struct core *core, const struct link *old, const struct link *link)
{
	bool ours_is_smaller = uid_cmp(&core->settings.uid, &link->uid) < 0;

	if (old->incarnation != link->incarnation)
		return members_order(link->incarnation, old->incarnation) > 0;
	if (old->dialled == link->dialled)
		return true;
	return link->dialled == ours_is_smaller;
}

/* Another link with the same peer; there is one at most. */
static struct link *twin_of(const struct core *core, const struct link *link)
{
	for (size_t i = 0; i < core->links.n; i++) {
		struct link *old = core->links.items[i];

		if (old != link && old->greeted && old->state != LINK_DRAIN &&
		    uid_eq(&old->uid, &link->uid))
			return old;
	}
	return NULL;
}

/* Places at the table that are taken, but for this link's. */
static size_t accepted(const struct links *links, bool for_commands, const struct link *except)
{
	size_t n = 0;

	for (size_t i = 0; i < links->n; i++) {
		const struct link *link = links->items[i];

		n += link != except && !link->dialled && link->state == LINK_UP &&
		     (link->want == LINK_WANT_COMMAND) == for_commands;
	}
	return n;
}

static void say_full(struct core *core, struct link *link)
{
	struct message *message = out_alloc(&core->out, sizeof(*message));
	struct bye *bye = &message->bye;

	message->type = MESSAGE_BYE;
	bye->reason = BYE_FULL;
	memcpy(bye->text, "no room for another link", sizeof("no room for another link"));
	for (size_t i = 0; i < core->members.n && bye->n_try_instead < TRY_INSTEAD_MAX; i++) {
		const struct member *member = core->members.slots[i];

		if (!uid_eq(&member->uid, &link->uid) && member->body.control.ip_len)
			bye->try_instead[bye->n_try_instead++] = member->body.control;
	}
	link_send(link, message, &core->out);
	core->links.refused++;
	link_drain(link, "no room for another link", &core->out);
}

static struct link *random_link(struct core *core, const struct link *except)
{
	size_t start = (size_t)prng_below(&core->prng, core->links.n);

	for (size_t i = 0; i < core->links.n; i++) {
		struct link *link = core->links.items[(start + i) % core->links.n];

		if (link != except && !link->dialled && link->state == LINK_UP &&
		    link->want == LINK_WANT_LOW)
			return link;
	}
	return NULL;
}

/* Room for this accepted link at the table, once `old` (may be NULL) is closed? Makes some for a
 * peer that has nowhere else to go. */
static bool seat(struct core *core, struct link *link, const struct link *old)
{
	size_t taken = accepted(&core->links, link->want == LINK_WANT_COMMAND, old);
	struct link *displaced;

	if (link->dialled || (link->want == LINK_WANT_COMMAND && taken < LINK_COMMAND_PLACES))
		return true;
	if (link->want != LINK_WANT_COMMAND &&
	    taken < (link->want == LINK_WANT_HIGH ? LINK_ACCEPTED_HARD : LINK_ACCEPTED_SOFT))
		return true;
	displaced = link->want == LINK_WANT_HIGH ? random_link(core, old) : NULL;
	if (displaced) {
		link_bye(&core->links, displaced, BYE_REBALANCE,
			 "its place is needed by a peer with fewer links", &core->out);
		return true;
	}
	say_full(core, link);
	return false;
}

/* One link with each peer. The old one goes when the new one has its place, not before: else both
 * could be lost. Returns false when `link` itself had to go. */
static bool keep_one(struct core *core, struct link *link)
{
	struct link *old = twin_of(core, link);
	enum bye_reason reason;

	if (!old)
		return seat(core, link, NULL);
	reason = old->dialled == link->dialled || old->incarnation != link->incarnation
			 ? BYE_SUPERSEDED
			 : BYE_DUPLICATE;
	if (!newcomer_stays(core, old, link)) {
		link_bye(&core->links, link, reason, "we hold another link already", &core->out);
		return false;
	}
	if (!seat(core, link, old))
		return false;
	link_bye(&core->links, old, reason, "a newer link takes its place", &core->out);
	return true;
}

static void learn(struct link *link, const struct hello *hello, uint16_t our_port)
{
	link->greeted = true;
	link->uid = hello->uid;
	memcpy(link->name, hello->name, sizeof(link->name));
	link->incarnation = hello->incarnation;
	/* The address as we see it: what the sender believes of itself may be behind a NAT. */
	link->listens = link->remote;
	/* Without an address of its own yet it cannot say; one number is open everywhere.
	 */
	link->listens.port = hello->listen.port ? hello->listen.port : our_port;
	link->has_version = hello->ledger_version;
	if (!link->dialled)
		link->want = hello->want;
}

static void refuse(struct core *core, struct link *link, const struct hello *hello, const char *why)
{
	if (link->dialled)
		dial_mismatched(core, &link->remote);
	out_trace(&core->out, core->mismatch_said ? TRACE_DEBUG : TRACE_ERR,
		  "%s: %s -> not linked, asked again in 5 min", hello->name, why);
	core->mismatch_said = true;
	link_bye(&core->links, link, BYE_CLUSTER_MISMATCH, why, &core->out);
}

/* Of two that were both told to found a cluster the one with the smaller uid does; the other waits
 * to join it. */
static bool yields_to(const struct core *core, const struct hello *hello)
{
	return core->settings.init && (hello->features & FEATURE_WILL_FOUND) &&
	       uid_cmp(&hello->uid, &core->settings.uid) < 0;
}

void greet_hello(struct core *core, struct link *link, const struct hello *hello)
{
	const char *why;

	if (link->state != LINK_HELLO || link->greeted) {
		link_bye(&core->links, link, BYE_PROTOCOL, "a greeting out of turn", &core->out);
		return;
	}
	if (uid_eq(&hello->uid, &core->settings.uid)) {
		if (hello->nonce != core->settings.nonce)
			clone_met(core, hello->nonce);
		else if (link->dialled)
			dial_is_self(core, &link->remote);
		link_bye(&core->links, link, BYE_SELF, "this is myself", &core->out);
		greet_found(core);
		return;
	}
	why = mismatch(core, hello);
	if (why) {
		refuse(core, link, hello, why);
		return;
	}
	learn(link, hello, core->settings.port);
	dial_greeted(core, link, hello, uuid_is_zero(&hello->cluster) && !yields_to(core, hello));
	if (keep_one(core, link)) {
		link_move(link, LINK_UP, core->out.now);
		core->links.opened++;
		out_trace(&core->out, TRACE_INFO, "link to %s up (%s)", link->name,
			  link->dialled ? "we dialled" : "it dialled");
		gossip_link_up(core, link);
	}
	/* Also when the link goes again: its word was heard. */
	greet_found(core);
}

void greet_bye(struct core *core, struct link *link, const struct bye *bye)
{
	static const enum trace_level level[BYE_REASON_COUNT] = {
		[BYE_CLUSTER_MISMATCH] = TRACE_ERR,
		[BYE_TOO_OLD] = TRACE_ERR,
		[BYE_PROTOCOL] = TRACE_PEER,
		[BYE_LEAVING] = TRACE_INFO,
		[BYE_SLOW] = TRACE_WARN,
	};

	out_trace(&core->out, bye->reason < BYE_REASON_COUNT ? level[bye->reason] : TRACE_DEBUG,
		  "%s says goodbye: %s", link_label(link, &core->out),
		  bye->text[0] ? bye->text : "no reason given");
	if (bye->reason == BYE_CLUSTER_MISMATCH && link->dialled)
		dial_mismatched(core, &link->remote);
	for (size_t i = 0; link->dialled && bye->reason == BYE_FULL && i < bye->n_try_instead; i++)
		dial_offered(core, &bye->try_instead[i]);
	if (link->state == LINK_DRAIN)
		return;
	link_close(link, out_text(&core->out, "it said goodbye: %s", bye->text), &core->out);
}

void greet_waiting_for(const struct core *core, char text[static TEXT_LEN_MAX + 1])
{
	char name[TEXT_ENDPOINT_MAX];

	text[0] = '\0';
	if (core_in_cluster(core))
		return;
	if (core->logs_lost && (core->settings.init || core->settings.platform)) {
		text_line(text, "the logs of a cluster that was here cannot be read, so none is "
				"founded here: waiting to reach the others");
		return;
	}
	if (core->settings.platform) {
		platform_waiting_for(core, text);
		return;
	}
	if (core->missing_peer[0] && (core->settings.init || core->dial.n == 0)) {
		text_line(text,
			  "%s waits for --peer %s, whose name has no address now; it is asked for "
			  "again every few seconds",
			  core->settings.init ? "--init" : "this node", core->missing_peer);
		return;
	}
	if (!core->settings.init) {
		text_line(text,
			  core->dial.n ? "no cluster found yet: asking every --peer; one node must "
					 "be started with --init"
				       : "no --peer given and not --init: nobody to ask");
		return;
	}
	for (size_t i = 0; i < core->dial.n; i++) {
		const struct dial_target *target = &core->dial.targets[i];

		if (!target->configured || target->is_self || target->says_none)
			continue;
		text_endpoint(name, target->endpoint.ip, target->endpoint.ip_len,
			      target->endpoint.port);
		text_line(text,
			  "--init waits for %s to say that there is no cluster yet (--init=alone "
			  "does not wait)",
			  name);
		return;
	}
}

static void found(struct core *core, const struct uuid *cluster, const char *why)
{
	struct ledger_config config = { .number = 1, .n_keepers = 1, .n_next = 1 };

	config.cluster = *cluster;
	config.keeper_uid[0] = config.next_uid[0] = core->settings.uid;
	config.keeper_id[0] = config.next_id[0] = core->settings.keeper_id;
	config.range = core->settings.range;
	config.block_len = core->settings.block_len;
	core->founding = true;
	out_trace(&core->out, TRACE_INFO, "%s -> founding a cluster here", why);
	keeper_found(core->keeper, &config, &core->settings.uid, &core->out);
}

void greet_found(struct core *core)
{
	char waiting[TEXT_LEN_MAX + 1];
	struct uuid cluster;

	if (core_in_cluster(core) || core->founding || core->stopping || core->logs_lost)
		return;
	if (core->settings.platform) {
		if (platform_lets_found(core, &cluster))
			found(core, &cluster, "the ConfigMap names this node as founder");
		return;
	}
	if (!core->settings.init)
		return;
	greet_waiting_for(core, waiting);
	if (waiting[0] && !core->settings.init_alone)
		return;
	found(core, &core->settings.new_cluster,
	      core->settings.init_alone ? "--init=alone" : "no --peer knows a cluster");
}
