#include "core/pods.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/siphash.h"
#include "base/text.h"
#include "base/vec.h"
#include "base/xalloc.h"
#include "core/state.h"

enum { LOG_SLACK = 1024 };

static const unsigned may_become[POD_STATE_COUNT] = {
	[POD_NONE] = 1U << POD_RECORDING | 1U << POD_UP,
	[POD_RECORDING] = 1U << POD_WIRING,
	[POD_WIRING] = 1U << POD_UP | 1U << POD_UNWIRING,
	[POD_UP] = 1U << POD_UNWIRING | 1U << POD_WIRING,
	[POD_UNWIRING] = 1U << POD_FREEING | 1U << POD_UP,
	[POD_FREEING] = 0,
};

void pods_init(struct pods *pods)
{
	*pods = (struct pods){ .next_job = 1, .rewrite_at = instant_never() };
}

static void pod_free(struct pod *pod)
{
	free(pod->failure);
	free(pod);
}

void pods_done(struct pods *pods)
{
	for (size_t i = 0; i < pods->n; i++)
		pod_free(pods->items[i]);
	free(pods->items);
	free(pods->freed);
	*pods = (struct pods){ 0 };
}

/* ---- names */

void pod_host_if(const char *container_id, const char *ifname, char ret[static IFNAME_LEN_MAX + 1])
{
	static const uint8_t key[16] = "weft host end 1";
	static const char digits[] = "0123456789abcdef";
	struct siphash hash;
	uint64_t sum;

	siphash_init(&hash, key);
	siphash_update(&hash, container_id, strlen(container_id) + 1);
	siphash_update(&hash, ifname, strlen(ifname) + 1);
	sum = siphash_final(&hash);
	ret[0] = 'w';
	ret[1] = 'f';
	for (int i = 0; i < 12; i++)
		ret[2 + i] = digits[sum >> (4 * i) & 0xf];
	ret[14] = '\0';
}

void pod_alias(const struct pod *pod, char ret[static 256])
{
	size_t id = strlen(pod->container_id), name = strlen(pod->ifname);

	assert(id + 1 + name < 256);
	memcpy(ret, pod->container_id, id);
	ret[id] = '/';
	memcpy(ret + id + 1, pod->ifname, name + 1);
}

/* From the address, so that both ends of a conversation can be told apart in a capture; locally
 * administered. */
struct mac pod_mac_of(uint32_t ip)
{
	return (struct mac){ .b = { 0x0e, 0x77, (uint8_t)(ip >> 24), (uint8_t)(ip >> 16),
				    (uint8_t)(ip >> 8), (uint8_t)ip } };
}

/* One for all host ends: a pod's gateway looks alike everywhere, so a later fast path need not
 * rewrite it. */
struct mac pod_host_mac(void)
{
	return (struct mac){ .b = { 0x0e, 0x77, 0x65, 0x66, 0x74, 0x01 } };
}

const char *pod_state_name(const struct pod *pod)
{
	static const char *const names[POD_STATE_COUNT] = {
		[POD_NONE] = "new", [POD_RECORDING] = "recording", [POD_WIRING] = "attaching",
		[POD_UP] = "up",    [POD_UNWIRING] = "detaching",  [POD_FREEING] = "detaching",
	};

	return pod->state == POD_UP && !pod->has_end ? "no interface" : names[pod->state];
}

bool pod_is_wanted(const struct pod *pod)
{
	return pod->state == POD_WIRING || pod->state == POD_UP;
}

void pod_become(struct pod *pod, enum pod_state next, struct instant now)
{
	assert(may_become[pod->state] & 1U << next);
	pod->state = next;
	pod->since = now;
	pod->job = 0;
	pod->tag = 0;
	pod->no_end_since = next == POD_UP && !pod->has_end ? now : instant_never();
}

/* ---- the table */

static int key_cmp(const struct pod *pod, const char *container_id, const char *ifname)
{
	int order = strcmp(pod->container_id, container_id);

	return order ? order : strcmp(pod->ifname, ifname);
}

static size_t position(const struct pods *pods, const char *container_id, const char *ifname)
{
	size_t low = 0, high = pods->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (key_cmp(pods->items[middle], container_id, ifname) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct pod *pods_find(const struct pods *pods, const char *container_id, const char *ifname)
{
	size_t at = position(pods, container_id, ifname);

	return at < pods->n && key_cmp(pods->items[at], container_id, ifname) == 0 ? pods->items[at]
										   : NULL;
}

struct pod *pods_by_ip(const struct pods *pods, uint32_t ip)
{
	for (size_t i = 0; i < pods->n; i++)
		if (pods->items[i]->ip == ip)
			return pods->items[i];
	return NULL;
}

struct pod *pods_by_job(const struct pods *pods, uint32_t job)
{
	for (size_t i = 0; i < pods->n; i++)
		if (pods->items[i]->job == job)
			return pods->items[i];
	return NULL;
}

struct pod *pods_by_host_if(const struct pods *pods, const char *host_if)
{
	for (size_t i = 0; i < pods->n; i++)
		if (strcmp(pods->items[i]->host_if, host_if) == 0)
			return pods->items[i];
	return NULL;
}

/* `*at` is where the next string goes. */
static const char *put_string(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	char *put = memcpy(*at, text, size);

	*at += size;
	return put;
}

static struct pod *pod_of(const struct record_pod *record)
{
	size_t size = strlen(record->container_id) + strlen(record->ifname) + strlen(record->pod) +
		      strlen(record->netns) + 4;
	struct pod *pod = xcalloc(1, sizeof(*pod) + size);
	char *at = pod->strings;

	pod->container_id = put_string(&at, record->container_id);
	pod->ifname = put_string(&at, record->ifname);
	pod->name = put_string(&at, record->pod);
	pod->netns = put_string(&at, record->netns);
	pod->number = record->number;
	pod->made_at_s = record->made_at_s;
	pod->ip = record->ip;
	pod->mtu = record->mtu;
	return pod;
}

struct pod *pods_insert(struct pods *pods, const struct record_pod *record, enum pod_state first,
			struct instant now)
{
	size_t at = position(pods, record->container_id, record->ifname);
	struct pod *pod = pod_of(record);

	pod_host_if(record->container_id, record->ifname, pod->host_if);
	pod_become(pod, first, now);
	pods->items = vec_open_gap(pods->items, &pods->cap, pods->n, at, sizeof(struct pod *));
	pods->items[at] = pod;
	pods->n++;
	return pod;
}

void pods_remove(struct pods *pods, struct pod *pod)
{
	size_t at = position(pods, pod->container_id, pod->ifname);

	assert(at < pods->n && pods->items[at] == pod);
	vec_close_gap(pods->items, pods->n, at, sizeof(struct pod *));
	pods->n--;
	pod_free(pod);
}

/* ---- the log in /run */

static struct record *log_append(struct core *core, enum record_type type, uint64_t tag)
{
	struct action *action = out_add(&core->out, ACTION_STORE);
	struct record *record = out_alloc(&core->out, sizeof(*record));

	record->type = type;
	action->store.file = STORE_PODS;
	action->store.tag = tag;
	action->store.n = 1;
	action->store.records = record;
	core->pods.log_records++;
	return record;
}

/* A record of the step's arena is zeroed. */
static void fill_record(const struct pod *pod, struct record_pod *ret)
{
	memcpy(ret->container_id, pod->container_id, strlen(pod->container_id));
	memcpy(ret->ifname, pod->ifname, strlen(pod->ifname));
	memcpy(ret->pod, pod->name, strlen(pod->name));
	memcpy(ret->netns, pod->netns, strlen(pod->netns));
	ret->ip = pod->ip;
	ret->number = pod->number;
	ret->mtu = pod->mtu;
	ret->made_at_s = pod->made_at_s;
}

uint64_t pods_log(struct core *core, enum record_type type, const struct pod *pod)
{
	uint64_t tag = PODS_TAG | ++core->pods.next_tag;

	fill_record(pod, &log_append(core, type, tag)->pod);
	return tag;
}

void pods_log_token(struct core *core, const struct record_token *token, uint64_t tag)
{
	log_append(core, RECORD_TOKEN, tag)->token = *token;
}

static size_t count_resting(const struct core *core)
{
	size_t n = 0;

	for (size_t i = 0; i < core->blocks.n; i++)
		n += (size_t)__builtin_popcountll(core->blocks.own[i]->resting);
	return n;
}

/* What rests is written as freed, so that it rests on after a restart too. */
static size_t rewrite_resting(const struct core *core, struct record *records)
{
	size_t n = 0;

	for (size_t i = 0; i < core->blocks.n; i++)
		for (uint64_t map = core->blocks.own[i]->resting; map; map &= map - 1) {
			records[n].type = RECORD_FREE;
			records[n++].pod.ip =
				core->blocks.own[i]->base + (uint32_t)__builtin_ctzll(map);
		}
	return n;
}

static void rewrite_log(struct core *core)
{
	struct pods *pods = &core->pods;
	size_t room = 1 + pods->n + count_resting(core), n = 0;
	struct record *records = out_alloc(&core->out, room * sizeof(*records));
	struct action *action = out_add(&core->out, ACTION_STORE);

	records[n].type = RECORD_TOKEN;
	records[n++].token = core->durable.token;
	n += rewrite_resting(core, records + n);
	for (size_t i = 0; i < pods->n; i++) {
		/* A pod's FREE may be on its way to the file that this one replaces: it must not
		 * come back. */
		bool going = pods->items[i]->state == POD_FREEING;

		records[n].type = going ? RECORD_FREE : RECORD_ALLOC;
		fill_record(pods->items[i], &records[n++].pod);
	}
	action->store.file = STORE_PODS;
	pods->rewrite_at = instant_never();
	action->store.tag = PODS_TAG | ++pods->next_tag;
	action->store.replace = true;
	action->store.n = n;
	action->store.records = records;
	pods->log_records = n;
}

void pods_run(struct core *core)
{
	if (core->pods.log_records > 4 * core->pods.n + LOG_SLACK ||
	    instant_reached(core->out.now, core->pods.rewrite_at))
		rewrite_log(core);
}

struct instant pods_deadline(const struct core *core)
{
	return core->pods.rewrite_at;
}

/* ---- start */

static void forget_freed(struct pods *pods, uint32_t ip)
{
	for (size_t i = 0; i < pods->n_freed; i++)
		if (pods->freed[i] == ip)
			pods->freed[i] = pods->freed[--pods->n_freed];
}

void pods_saved(struct pods *pods, const struct record *record, struct instant now)
{
	struct pod *old = pods_find(pods, record->pod.container_id, record->pod.ifname);

	pods->log_records++;
	if (record->type == RECORD_FREE) {
		pods->freed = vec_reserve(pods->freed, &pods->cap_freed, pods->n_freed + 1,
					  sizeof(*pods->freed));
		pods->freed[pods->n_freed++] = record->pod.ip;
		if (old)
			pods_remove(pods, old);
		return;
	}
	if (old)
		pods_remove(pods, old);
	/* A FREE that could not be written (full /run) is implied by the next owner of the address.
	 */
	old = pods_by_ip(pods, record->pod.ip);
	if (old)
		pods_remove(pods, old);
	forget_freed(pods, record->pod.ip);
	pods_insert(pods, &record->pod, POD_UP, now)->earlier = true;
}

void pods_take_addresses(struct pods *pods, struct blocks *blocks, struct instant now)
{
	for (size_t i = 0; i < pods->n; i++)
		blocks_use(blocks, pods->items[i]->ip);
	for (size_t i = 0; i < pods->n_freed; i++)
		if (!pods_by_ip(pods, pods->freed[i]))
			blocks_free(blocks, pods->freed[i], now);
	pods->n_freed = 0;
}
