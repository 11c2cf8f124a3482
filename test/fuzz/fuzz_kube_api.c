/* Whatever the API server, or who stands in its place, says: read, or refused with a reason. Input:
 * one text, which each decoder gets. */
#include "wire/kube_api.h"

#include <stdlib.h>

#include "base/text.h"

static void must(bool held)
{
	if (!held)
		abort();
}

static void check_node(const struct kube_node *node)
{
	must(text_is_name(node->name, KUBE_NAME_MAX));
	must(text_is_name(node->uid, KUBE_UID_MAX));
	must(text_is_name(node->version, KUBE_VERSION_MAX));
}

static void try_page(struct bytes json)
{
	struct kube_page *page = malloc(sizeof(*page));
	struct err err = { 0 };
	struct arena arena;

	arena_init(&arena, ARENA_UNLIMITED);
	if (kube_page_decode(json, &arena, page, &err) < 0) {
		must(*err.text);
	} else {
		must(text_is_name(page->version, KUBE_VERSION_MAX));
		must(!*page->next || text_is_name(page->next, KUBE_NEXT_MAX));
		for (size_t i = 0; i < page->n; i++)
			check_node(&page->nodes[i]);
	}
	arena_done(&arena);
	free(page);
}

static void try_event(struct bytes line)
{
	struct kube_event event;
	struct err err = { 0 };

	if (kube_event_decode(line, &event, &err) < 0)
		must(*err.text);
	else if (event.type == KUBE_EVENT_THERE || event.type == KUBE_EVENT_DELETED)
		check_node(&event.node);
	else if (event.type == KUBE_EVENT_BOOKMARK)
		must(text_is_name(event.node.version, KUBE_VERSION_MAX));
}

/* What was read can be written, and is then the same. */
static void try_founding(struct bytes json)
{
	struct kube_founding founding, again;
	struct err err = { 0 };
	struct arena arena;
	const char *text;

	if (kube_founding_decode(json, &founding, &err) < 0) {
		must(*err.text);
		return;
	}
	arena_init(&arena, ARENA_UNLIMITED);
	text = kube_founding_encode("weft", "weft", &founding, &arena);
	must(kube_founding_decode((struct bytes){ (const uint8_t *)text, strlen(text) }, &again,
				  &err) == 0);
	must(memcmp(founding.cluster, again.cluster, 16) == 0);
	must(memcmp(founding.founder, again.founder, 16) == 0);
	must(strcmp(founding.node, again.node) == 0);
	arena_done(&arena);
}

static void try_status(struct bytes json)
{
	struct kube_status status;
	struct err err = { 0 };

	if (kube_status_decode(json, &status, &err) < 0)
		must(*err.text);
	else
		must(strlen(status.message) <= KUBE_TEXT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = { data, size };

	try_page(text);
	try_event(text);
	try_founding(text);
	try_status(text);
	return 0;
}
