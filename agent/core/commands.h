#pragma once
/* Commands of other peers at this agent: a keeper stamps and submits them, everybody else
 * redirects. */
#include "core/keeper.h"
#include "core/links.h"

struct core;

void commands_take(struct core *core, struct link *link, const struct command *command);
void commands_reply(struct core *core, const struct keeper_chosen *chosen);
