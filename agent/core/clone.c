#include "core/state.h"

/*
 * Another agent with our uid: a disk that was copied. One meeting proves nothing (an old life of
 * ours, a greeting recorded and played again); the same foreign nonce twice within a minute is
 * alive. Then this node asks for no new block and says so; it goes on serving what it has, for the
 * ledger gave it to one of the two and only sees one session.
 */
enum { CLONE_TWICE_MS = 60000, CLONE_ALARM_MS = 300000 };

bool clone_alarm(const struct core *core)
{
	return !instant_is_never(core->clone.until) &&
	       instant_after(core->clone.until, core->out.now);
}

void clone_met(struct core *core, uint64_t nonce)
{
	struct instant now = core->out.now;
	bool again = core->clone.nonce == nonce &&
		     instant_diff_ms(now, core->clone.seen) <= CLONE_TWICE_MS &&
		     core->clones_seen > 0;

	core->clones_seen++;
	core->clone.nonce = nonce;
	core->clone.seen = now;
	if (!again)
		return;
	if (!clone_alarm(core))
		out_trace(&core->out, TRACE_ERR,
			  "another agent runs with this node's identity -> no new block is asked "
			  "for; give each node a "
			  "disk and a machine-id of its own");
	core->clone.until = instant_add_ms(now, CLONE_ALARM_MS);
}
