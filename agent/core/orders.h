#pragma once
/*
 * What we command of the ledger, one command at a time: ATTACH, ACQUIRE at low water, RELEASE of
 * surplus, LEAVE. session.h says whether we may; this decides what, and sends it to the acting
 * keeper until the view shows its effect: a reply alone confirms nothing.
 *
 *   NONE ---begin---> SAVING ---its seq is durable---> OUT ---+
 *    ^                  |  not stored                   |     | sent again: no reply, redirected,
 *    |                  |                               | <---+ busy ...
 *    +------------------+---- refused, or session lost -+
 *    +------------------------ the view shows it -------+
 */
#include "base/instant.h"
#include "core/message.h"

enum orders_state { ORDERS_NONE, ORDERS_SAVING, ORDERS_OUT, ORDERS_STATE_COUNT };

struct orders {
	enum orders_state state;
	struct command command;    /* in hand, unless NONE */
	struct instant send_at;    /* OUT: the next time */
	struct instant not_before; /* no new command before this */
	struct uid asked;          /* the keeper that the command went to last */
	struct uid redirect;       /* somebody other than the view's proposer was named */
	bool has_redirect;
};

struct core;

void orders_init(struct orders *orders);
/* What is due: a new command, or the one in hand once more. */
void orders_run(struct core *core);
/* The command in hand is durable: it may leave. */
void orders_saved(struct core *core);
/* It could not be made durable and never left: its number is the next one's. */
void orders_not_saved(struct core *core);
/* The view may show its effect. */
void orders_settle(struct core *core);
/* Drop it, if there is one. */
void orders_end(struct core *core);
void orders_reply(struct core *core, const struct uid *from, const struct reply *reply);
