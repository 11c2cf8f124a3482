#include "kube/message.h"

#include <assert.h>

#include "base/text.h"
#include "weft/limits.h"

static void *room(struct arena *arena, size_t count, size_t size)
{
	void *memory = arena_array(arena, count, size);

	assert(memory);
	return memory;
}

/* Generated structs have no const; packing does not write. */
static char *give_string(const char *text)
{
	return (char *)(uintptr_t)text;
}

static ProtobufCBinaryData give_bytes(const uint8_t *data, size_t len)
{
	return (ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t)data, .len = len };
}

static Weft__Local__KubeNode *give_node(const struct node *node, struct arena *arena)
{
	Weft__Local__KubeNode *to = room(arena, 1, sizeof(*to));

	weft__local__kube_node__init(to);
	to->name = node->name;
	to->uid = give_string(node->uid);
	if (node->address)
		to->address = arena_strdup(arena, text_ip4(TEXT_BUF(IP4), node->address));
	to->gone = node->gone;
	return to;
}

static Weft__Local__Founding *give_founding(const struct kube_founding *founding,
					    struct arena *arena)
{
	Weft__Local__Founding *to = room(arena, 1, sizeof(*to));

	weft__local__founding__init(to);
	to->cluster = give_bytes(founding->cluster, sizeof(founding->cluster));
	to->founder = give_bytes(founding->founder, sizeof(founding->founder));
	to->node = give_string(founding->node);
	return to;
}

Weft__Local__Request *message_encode(const struct message *message, struct arena *arena)
{
	Weft__Local__Request *request = room(arena, 1, sizeof(*request));
	Weft__Local__Kube *kube = room(arena, 1, sizeof(*kube));

	assert(message->n <= MESSAGE_NODES_MAX);
	weft__local__request__init(request);
	weft__local__kube__init(kube);
	request->version = WEFT_LOCAL_VERSION;
	request->what_case = WEFT__LOCAL__REQUEST__WHAT_KUBE;
	request->kube = kube;
	kube->list = message->list;
	kube->first = message->first;
	kube->last = message->last;
	kube->n_nodes = message->n;
	kube->nodes = room(arena, message->n, sizeof(struct Weft__Local__KubeNode *));
	for (size_t i = 0; i < message->n; i++)
		kube->nodes[i] = give_node(message->nodes[i], arena);
	if (message->founding)
		kube->founding = give_founding(message->founding, arena);
	kube->trouble = give_string(message->trouble);
	return request;
}

bool message_decode(const Weft__Local__Answer *answer, struct agent_view *ret)
{
	const Weft__Local__KubeAnswer *kube = answer->kube;
	struct agent_view view = { 0 };

	if (!kube || kube->uid.len != sizeof(view.uid) || strlen(kube->name) > KUBE_NAME_MAX ||
	    (kube->cluster.len != 0 && kube->cluster.len != sizeof(view.cluster)))
		return false;
	memcpy(view.uid, kube->uid.data, sizeof(view.uid));
	strcpy(view.name, kube->name);
	view.has_cluster = kube->cluster.len > 0;
	if (view.has_cluster)
		memcpy(view.cluster, kube->cluster.data, sizeof(view.cluster));
	view.list = kube->list;
	view.wants_founding = kube->wants_founding;
	view.ready = kube->ready;
	*ret = view;
	return true;
}
