/* The table of nodes: sorted, and what the agent must still be told. */
#include "kube/nodes.h"

#include "base/prng.h"

#include "check.h"

static struct kube_node made(const char *name, const char *uid, uint32_t address)
{
	struct kube_node node = { .address = address };

	strcpy(node.name, name);
	strcpy(node.uid, uid);
	return node;
}

static enum nodes_change put(struct nodes *nodes, const char *name, const char *uid,
			     uint32_t address)
{
	struct kube_node node = made(name, uid, address);

	return nodes_put(nodes, &node);
}

/* All of one kind as text: "a1 b2-": name and address, a minus for what is gone. */
static const char *list(const struct nodes *nodes, bool untold)
{
	static char text[200];
	const struct node *page[2];
	size_t at = 0, n;

	text[0] = '\0';
	while ((n = nodes_next(nodes, untold, &at, page, 2)) > 0)
		for (size_t i = 0; i < n; i++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s%u%s",
				 *text ? " " : "", page[i]->name, page[i]->address,
				 page[i]->gone ? "-" : "");
	return text;
}

static void tells_what_changes(void)
{
	struct nodes nodes;

	nodes_init(&nodes);
	CHECK_INT(put(&nodes, "b", "ub", 2), NODES_NEW);
	CHECK_INT(put(&nodes, "a", "ua", 1), NODES_NEW);
	CHECK_INT(put(&nodes, "c", "uc", 3), NODES_NEW);
	CHECK_STR(list(&nodes, false), "a1 b2 c3");
	CHECK_STR(list(&nodes, true), "a1 b2 c3");
	nodes_told(&nodes, nodes.n);
	CHECK_STR(list(&nodes, true), "");
	CHECK_INT(put(&nodes, "b", "ub", 2), NODES_SAME);
	CHECK_STR(list(&nodes, true), "");
	CHECK_INT(put(&nodes, "b", "ub", 22), NODES_CHANGED);
	CHECK_STR(list(&nodes, true), "b22");
	CHECK_UINT(nodes.n_untold, 1);
	CHECK(nodes_remove(&nodes, "a", "ua"));
	CHECK_STR(list(&nodes, true), "a1- b22");
	CHECK_STR(list(&nodes, false), "b22 c3");
	CHECK_UINT(nodes_count(&nodes), 2);
	nodes_told(&nodes, nodes.n);
	CHECK_UINT(nodes.n, 2);
	CHECK_UINT(nodes.n_gone, 0);
	nodes_done(&nodes);
}

static void removes_only_whom_it_knows(void)
{
	struct nodes nodes;

	nodes_init(&nodes);
	CHECK(!nodes_remove(&nodes, "a", "ua"));
	put(&nodes, "a", "ua", 1);
	CHECK(!nodes_remove(&nodes, "a", "another"));
	CHECK(!nodes_remove(&nodes, "b", "ua"));
	CHECK(nodes_remove(&nodes, "a", "ua"));
	CHECK(!nodes_remove(&nodes, "a", "ua"));
	CHECK(!nodes_find(&nodes, "a"));
	CHECK_UINT(nodes_count(&nodes), 0);
	nodes_done(&nodes);
}

static void another_machine_under_the_same_name(void)
{
	struct nodes nodes;

	nodes_init(&nodes);
	put(&nodes, "a", "first", 1);
	nodes_told(&nodes, nodes.n);
	CHECK_INT(put(&nodes, "a", "second", 1), NODES_NEW);
	CHECK_STR(list(&nodes, true), "a1");
	CHECK_STR(nodes_find(&nodes, "a")->uid, "second");
	nodes_told(&nodes, nodes.n);
	/* deleted and back before anybody was told */
	CHECK(nodes_remove(&nodes, "a", "second"));
	CHECK_INT(put(&nodes, "a", "second", 1), NODES_NEW);
	CHECK_STR(list(&nodes, true), "a1");
	CHECK_UINT(nodes.n_untold, 1);
	CHECK_UINT(nodes.n_gone, 0);
	nodes_done(&nodes);
}

static void keeps_the_condition_to_itself(void)
{
	struct kube_node node = made("a", "ua", 1);
	struct nodes nodes;

	nodes_init(&nodes);
	nodes_put(&nodes, &node);
	nodes_told(&nodes, nodes.n);
	node.network_up = true;
	CHECK_INT(nodes_put(&nodes, &node), NODES_SAME);
	CHECK(nodes_find(&nodes, "a")->network_up);
	nodes_done(&nodes);
}

static void tells_page_by_page(void)
{
	const struct node *page[3];
	struct nodes nodes;
	size_t at = 0;

	nodes_init(&nodes);
	for (char name[] = "a"; *name < 'f'; name[0]++)
		put(&nodes, name, "u", 1);
	nodes_remove(&nodes, "b", "u");
	CHECK_UINT(nodes_next(&nodes, true, &at, page, 3), 3);
	nodes_told(&nodes, at);
	CHECK_STR(list(&nodes, true), "d1 e1");
	CHECK_STR(list(&nodes, false), "a1 c1 d1 e1");
	CHECK_UINT(nodes.n, 4);
	nodes_done(&nodes);
}

static void takes_no_more_than_it_may(void)
{
	struct nodes nodes;
	char name[16];

	nodes_init(&nodes);
	for (unsigned i = 0; i < KUBE_LIST_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		put(&nodes, name, "u", i);
	}
	CHECK_UINT(nodes_count(&nodes), KUBE_LIST_MAX);
	CHECK_INT(put(&nodes, "one more", "u", 1), NODES_TOO_MANY);
	CHECK_INT(put(&nodes, "n7", "u", 1), NODES_CHANGED);
	CHECK_UINT(nodes_count(&nodes), KUBE_LIST_MAX);
	nodes_done(&nodes);
}

/* Held against a model that is too simple to be wrong. */
static void does_what_a_simple_table_does(void)
{
	struct {
		uint32_t address; /* 0: not there */
	} model[20] = { 0 };
	struct nodes nodes;
	struct prng prng;

	nodes_init(&nodes);
	prng_seed(&prng, 11);
	for (int step = 0; step < 20000; step++) {
		uint32_t i = (uint32_t)prng_below(&prng, 20);
		uint32_t address = (uint32_t)prng_below(&prng, 3) + 1;
		const struct node *found;
		char name[8];

		snprintf(name, sizeof(name), "n%02u", i);
		switch (prng_below(&prng, 4)) {
		case 0:
			CHECK(nodes_remove(&nodes, name, "u") == (model[i].address != 0));
			model[i].address = 0;
			break;
		case 1:
			nodes_told(&nodes, prng_below(&prng, nodes.n + 1));
			break;
		default:
			CHECK(put(&nodes, name, "u", address) != NODES_TOO_MANY);
			model[i].address = address;
		}
		found = nodes_find(&nodes, name);
		CHECK_UINT(found ? found->address : 0, model[i].address);
	}
	nodes_done(&nodes);
}

static void leaves_out_what_is_no_linux(void)
{
	struct kube_node node = { .name = "w", .uid = "u", .no_linux = true };
	struct nodes nodes;

	nodes_init(&nodes);
	CHECK_INT(nodes_put(&nodes, &node), NODES_SAME);
	CHECK_UINT(nodes.n, 0);
	node.no_linux = false; /* its label comes later */
	CHECK_INT(nodes_put(&nodes, &node), NODES_NEW);
	nodes_told(&nodes, nodes.n);
	node.no_linux = true;
	CHECK_INT(nodes_put(&nodes, &node), NODES_SAME);
	CHECK_UINT(nodes_count(&nodes), 0);
	CHECK_UINT(nodes.n_untold, 1);
	nodes_done(&nodes);
}

int main(void)
{
	RUN(tells_what_changes);
	RUN(removes_only_whom_it_knows);
	RUN(another_machine_under_the_same_name);
	RUN(keeps_the_condition_to_itself);
	RUN(tells_page_by_page);
	RUN(takes_no_more_than_it_may);
	RUN(does_what_a_simple_table_does);
	RUN(leaves_out_what_is_no_linux);
	return check_report();
}
