#include "agent.h"

#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "io/address.h"
#include "io/host.h"
#include "weft/version.h"

void agent_random(void *ret, size_t len)
{
	/* Short reads and EINTR do not happen below 256 bytes (getrandom(2)). */
	assert(len <= 256);
	if (getrandom(ret, len, 0) != (ssize_t)len)
		abort();
}

/* ---- directories */

static int claim(struct directory *dir, const char *path, struct err *err)
{
	int result = directory_open(dir, path, err);

	return result < 0 ? result : directory_lock(dir, err);
}

static int check_run(const struct agent *agent, struct err *err)
{
	const char *run = agent->options->run;
	bool in_memory;
	int result = host_is_memory(run, &in_memory, err);

	if (result < 0 || in_memory)
		return result;
	return err_set(err, EINVAL,
		       "%s is on a disk, but what is in there must end with the kernel, as "
		       "pods do: mount a tmpfs, or name another directory with --run",
		       run);
}

/* Who is refused leaves nothing behind, so what can be asked is asked first. */
int agent_claim(struct agent *agent, struct err *err)
{
	int result = check_run(agent, err);

	if (result == 0)
		result = claim(&agent->state, agent->options->state, err);
	if (result == 0)
		result = claim(&agent->run, agent->options->run, err);
	return result;
}

/* ---- the underlay, the range */

void agent_wish(const struct agent *agent, struct host_wish *ret, uint32_t *peers)
{
	*ret = (struct host_wish){
		.node_ip = agent->options->node_ip,
		.iface = agent->options->iface,
		.n_peers = agent->n_peers,
		.peers = peers,
		.range = agent->options->range,
	};
	for (size_t i = 0; i < agent->n_peers; i++) {
		const uint8_t *ip = agent->peers[i].ip;

		assert(agent->peers[i].ip_len == 4);
		peers[i] = (uint32_t)ip[0] << 24 | (uint32_t)ip[1] << 16 | (uint32_t)ip[2] << 8 |
			   ip[3];
	}
}

static int check_overlap(struct agent *agent, struct err *err)
{
	struct err overlap = { 0 };
	int result = host_range_overlap(kernel_route_socket(agent->kernel.kernel),
					agent->options->range, &overlap);

	if (result == 0)
		return 0;
	if (result != -EEXIST)
		return err_set(err, overlap.code, "%s", overlap.text);
	if (!agent->options->allow_overlap)
		return err_set(err, EINVAL, "%s", overlap.text); /* a whole sentence */
	log_line(agent->log, LOG_WARN, "%s -> shared", overlap.text);
	return 0;
}

int agent_look(struct agent *agent, struct err *err)
{
	uint32_t peers[AGENT_PEERS_MAX];
	struct host_wish wish;
	int result;

	agent_peers_read(agent);
	result = check_overlap(agent, err);
	if (result < 0)
		return result;
	/* No address yet is a reason to wait, a name that nothing has is a mistake. */
	if (agent->options->iface[0] && if_nametoindex(agent->options->iface) == 0)
		return err_set(err, EINVAL, "--iface: there is no network interface '%s'",
			       agent->options->iface);
	agent_wish(agent, &wish, peers);
	host_underlay(kernel_route_socket(agent->kernel.kernel), &wish, &agent->underlay);
	return 0;
}

/* ---- identity */

static struct bytes text_bytes(const char *text)
{
	return (struct bytes){ .data = (const uint8_t *)text, .len = strlen(text) };
}

/* -ENOENT: this node never ran an agent. */
static int read_identity(struct agent *agent, struct err *err)
{
	struct bytes file;
	int result = file_read(&agent->state, "identity", IDENTITY_FILE_MAX, &file, err);

	if (result < 0)
		return result;
	result = identity_decode(file, &agent->identity, err);
	free((void *)(uintptr_t)file.data);
	/* Never replaced by itself: as another agent this node could not vote any more, and if it
	 * is the only keeper nobody would. */
	return result < 0 ? err_wrap(err,
				     "%s/identity is damaged (restore it, or move it away to go on "
				     "as a new agent)",
				     agent->state.path)
			  : 0;
}

static void new_identity(struct agent *agent, const struct binding *binding)
{
	uint8_t random[32];

	agent_random(random, sizeof(random));
	identity_make(&agent->identity, random, binding);
}

/* Who we are, durably one start older than before: peers tell our lives apart by that. */
static int take_identity(struct agent *agent, const struct binding *binding, struct err *err)
{
	uint8_t buf[IDENTITY_FILE_MAX];
	struct err absent = { 0 };
	int result = read_identity(agent, &absent);

	if (result == -ENOENT) {
		new_identity(agent, binding);
	} else if (result < 0) {
		return err_set(err, absent.code, "%s", absent.text);
	} else if (identity_is_clone(&agent->identity.binding, binding)) {
		log_line(agent->log, LOG_ERR,
			 "%s was made on another machine (of machine id, product uuid and MAC at "
			 "least two differ) -> this is a copy of that node, and gets an identity "
			 "of its own",
			 agent->state.path);
		new_identity(agent, binding);
	}
	agent->identity.binding = *binding;
	agent->identity.incarnation++;
	return file_replace(
		&agent->state, "identity",
		(struct bytes){ .data = buf, .len = identity_encode(&agent->identity, buf) }, err);
}

enum { BOOT_RANDOM = 16 };

/* As long-lived as this /run: made when there is none. */
static int read_boot(struct agent *agent, uint8_t ret[BOOT_RANDOM], struct err *err)
{
	struct bytes file;

	if (file_read(&agent->run, "boot", BOOT_RANDOM, &file, NULL) == 0) {
		bool whole = file.len == BOOT_RANDOM;

		if (whole)
			memcpy(ret, file.data, BOOT_RANDOM);
		free((void *)(uintptr_t)file.data);
		if (whole)
			return 0;
	}
	agent_random(ret, BOOT_RANDOM);
	return file_swap(&agent->run, "boot", (struct bytes){ .data = ret, .len = BOOT_RANDOM },
			 false, err);
}

static void draw(struct settings *settings)
{
	agent_random(&settings->nonce, sizeof(settings->nonce));
	agent_random(&settings->seed, sizeof(settings->seed));
	agent_random(&settings->keeper_id, sizeof(settings->keeper_id));
	agent_random(settings->new_cluster.b, sizeof(settings->new_cluster.b));
	/* 0 means none in all three; a random uuid says so itself (RFC 9562 section 5.4). */
	settings->nonce |= settings->nonce == 0;
	settings->keeper_id |= settings->keeper_id == 0;
	settings->new_cluster.b[6] = (settings->new_cluster.b[6] & 0x0f) | 0x40;
	settings->new_cluster.b[8] = (settings->new_cluster.b[8] & 0x3f) | 0x80;
}

static void fill_settings(struct agent *agent)
{
	const struct options *options = agent->options;
	struct settings *settings = &agent->settings;

	settings->uid = identity_uid(&agent->identity);
	memcpy(settings->static_pk, agent->identity.public_key, sizeof(settings->static_pk));
	settings->incarnation = agent->identity.incarnation;
	settings->binding = agent->identity.binding;
	settings->vtep_mac = identity_vtep_mac(&settings->uid, 0);
	strcpy(settings->name, options->name);
	strcpy(settings->cluster_name, options->cluster);
	strcpy(settings->node_ref, options->node_ref);
	strcpy(settings->agent_version, WEFT_VERSION);
	settings->range = options->range;
	settings->block_len = BLOCK_LEN;
	settings->pid = (uint32_t)getpid();
	settings->port = options->port;
	settings->vxlan_port = options->vxlan_port;
	settings->vni = options->vni;
	settings->first_blocks = options->blocks;
	settings->auth_none = options->auth_none;
	settings->init = options->init;
	settings->init_alone = options->init_alone;
	settings->platform = options->kube;
	settings->masquerade = options->masquerade;
	settings->masquerade_nodes = options->masquerade_nodes;
	settings->allow_overlap = options->allow_overlap;
	settings->n_peers = agent->n_peers;
	settings->peers = agent->peers;
	settings->missing_peer = agent_peers_missing(agent);
	draw(settings);
}

int agent_identify(struct agent *agent, struct err *err)
{
	uint8_t run_random[BOOT_RANDOM];
	struct host_facts facts;
	struct binding binding;
	int result;

	host_facts(kernel_route_socket(agent->kernel.kernel), agent->underlay.ifindex, &facts);
	binding =
		identity_binding(text_bytes(facts.machine_id), text_bytes(facts.product_uuid),
				 (struct bytes){ .data = facts.mac.b,
						 .len = facts.have_mac ? sizeof(facts.mac.b) : 0 });
	result = take_identity(agent, &binding, err);
	if (result == 0)
		result = read_boot(agent, run_random, err);
	if (result < 0)
		return result;
	fill_settings(agent);
	agent->settings.boot =
		identity_boot(text_bytes(facts.boot_id), facts.netns_cookie, run_random);
	return 0;
}
