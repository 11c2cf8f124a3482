#pragma once
/*
 * What we command of the ledger: ATTACH, ACQUIRE at low water, RELEASE of surplus, LEAVE; one at a
 * time, sent to the acting keeper until the view shows its effect. session.c owns the state and
 * says when; this decides what.
 */
#include "core/session.h"

/* Begin: the seq (or the end of the old session) is made durable first. */
void orders_attach(struct core *core);
void orders_due(struct core *core);
/* Send the command in hand, once more. */
void orders_send(struct core *core);

/* session.c, for orders.c */
void session_become(struct session *session, enum session_state next);
void session_store(struct core *core, enum session_store what);
void session_note_node(struct core *core);
const struct peer_row *session_my_row(const struct core *core);
