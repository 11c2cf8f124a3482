#include "core/inspect.h"

#include "core/state.h"

const struct ledger *core_inspect_view(const struct core *core)
{
	return &core->view;
}

uint32_t core_inspect_epoch(const struct core *core)
{
	return core->session.state == SESSION_ATTACHED ? core->session.epoch : 0;
}

size_t core_inspect_pods(const struct core *core, struct inspect_pod *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < core->pods.n && n < cap; i++) {
		const struct pod *pod = core->pods.items[i];

		out[n++] = (struct inspect_pod){ .ip = pod->ip,
						 .container_id = pod->container_id,
						 .ifname = pod->ifname,
						 .state = pod_state_name(pod) };
	}
	return n;
}

bool core_inspect_block(const struct core *core, uint32_t block, struct inspect_block *out)
{
	const struct own_block *own = blocks_find(&core->blocks, block);

	*out = (struct inspect_block){ 0 };
	if (!own)
		return false;
	*out = (struct inspect_block){
		.own = true,
		.confirmed = own->confirmed && !own->leaving,
		.used = own->used,
		.resting = own->resting,
	};
	return true;
}

static bool unsound(char text[256], const char *what)
{
	text_line(text, "%s", what);
	return false;
}

bool core_inspect_sound(const struct core *core, char text[256])
{
	uint64_t used[OWN_BLOCKS_MAX] = { 0 };

	if (members_digest_recompute(&core->members) != core->members.digest)
		return unsound(text, "the digest of the members is not the sum of their hashes");
	for (size_t i = 0; i < core->pods.n; i++) {
		const struct own_block *own = blocks_of_ip(&core->blocks, core->pods.items[i]->ip);

		if (pods_by_ip(&core->pods, core->pods.items[i]->ip) != core->pods.items[i])
			return unsound(text, "V10: two pods have one address");
		for (size_t b = 0; own && b < core->blocks.n; b++)
			if (core->blocks.own[b] == own)
				used[b] |= UINT64_C(1) << (core->pods.items[i]->ip - own->base);
	}
	for (size_t b = 0; b < core->blocks.n; b++) {
		if (used[b] != core->blocks.own[b]->used)
			return unsound(text, "V10: the map of a block is not what the records say");
		if (core->blocks.own[b]->used & core->blocks.own[b]->resting)
			return unsound(text, "V10: an address rests and is in use");
	}
	return true;
}
