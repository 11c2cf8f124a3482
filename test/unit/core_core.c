/*
 * One core through its door, with a world that does at once whatever it is asked: files are stored,
 * pods are wired. Many cores, time, faults and the network are the simulator's (test/sim).
 */
#include "core/core.h"

#include "check.h"
#include "core/inspect.h"
#include "core/status.h"

struct world {
	struct core *core;
	struct instant now;
	struct settings settings;
	struct answer answer; /* the last one */
	bool answered;
	uint32_t dials, forwards, wires, unwires;
	struct wire_pod wire;
	bool refuse_store[STORE_FILE_COUNT], refuse_wire;
	size_t n_saved;
	struct record saved[256]; /* without rows: the keeper's log is not replayed here */
	char died[TEXT_LEN_MAX + 1];
};

static void step(struct world *world, struct event event);

static void keep(struct world *world, const struct action *action)
{
	for (size_t i = 0; i < action->store.n; i++)
		if (action->store.records[i].type != RECORD_KEEPER && world->n_saved < 256)
			world->saved[world->n_saved++] = action->store.records[i];
}

/* Actions are copied out first: what answers them is itself a step. */
static void carry_out(struct world *world, const struct actions *actions)
{
	struct event events[64];
	size_t n = 0;

	for (size_t i = 0; i < actions->n; i++) {
		const struct action *action = &actions->items[i];

		REQUIRE(n < 64);
		if (action->type == ACTION_STORE) {
			bool full = world->refuse_store[action->store.file];

			if (!full)
				keep(world, action);
			events[n++] = (struct event){ .type = EVENT_STORED,
						      .stored = { .tag = action->store.tag,
								  .error = full ? 28 : 0,
								  .text = "no space left" } };
		} else if (action->type == ACTION_WIRE) {
			world->wires++;
			world->wire = *action->wire;
			events[n++] = (struct event){ .type = EVENT_POD_WIRED,
						      .pod = { .job = action->wire->job,
							       .error = world->refuse_wire ? 17 : 0,
							       .text = "eth0 exists" } };
		} else if (action->type == ACTION_UNWIRE) {
			world->unwires++;
			events[n++] = (struct event){ .type = EVENT_POD_UNWIRED,
						      .pod = { .job = action->unwire.job } };
		} else if (action->type == ACTION_ANSWER) {
			world->answer = *action->answer;
			world->answered = true;
		} else if (action->type == ACTION_DIE) {
			strncpy(world->died, action->die, TEXT_LEN_MAX);
		}
		world->dials += action->type == ACTION_DIAL;
		world->forwards += action->type == ACTION_FORWARD;
	}
	for (size_t i = 0; i < n; i++)
		step(world, events[i]);
}

static void step(struct world *world, struct event event)
{
	event.now = world->now;
	carry_out(world, core_step(world->core, &event));
}

static void configure(struct world *world)
{
	*world = (struct world){ .now = { .ms = 5000 } };
	world->settings = (struct settings){
		.uid = { { 1 } },
		.incarnation = 1,
		.nonce = 77,
		.seed = 1,
		.keeper_id = 99,
		.new_cluster = { { 5 } },
		.boot = { { 6 } },
		.vtep_mac = { { 2, 2, 3, 4, 5, 6 } },
		.name = "n1",
		.agent_version = "test",
		.range = { .ip = 0x0a200000, .len = 12 },
		.block_len = 26,
		.port = 6785,
		.vxlan_port = 6785,
		.vni = 6785,
		.first_blocks = 1,
		.auth_none = true,
		.init = true,
		.init_alone = true,
		.masquerade = true,
	};
	world->core = core_new();
}

static void start(struct world *world)
{
	struct start start = {
		.settings = &world->settings,
		.underlay = { .have = true,
			      .ip = 0x0a000001,
			      .ifindex = 2,
			      .dev = "eth0",
			      .mtu = 1500 },
	};

	step(world, (struct event){ .type = EVENT_START, .start = &start });
}

static void done(struct world *world)
{
	char text[256] = "";

	CHECK(core_inspect_sound(world->core, text));
	CHECK_STR(text, "");
	core_free(world->core);
}

static struct answer ask(struct world *world, enum request_type type, const char *id,
			 uint64_t number)
{
	static uint32_t client;
	struct request request = { .type = type, .client = ++client };

	snprintf(request.pod.container_id, sizeof(request.pod.container_id), "%s", id);
	snprintf(request.pod.ifname, sizeof(request.pod.ifname), "eth0");
	request.pod.number = number;
	world->answered = false;
	step(world, (struct event){ .type = EVENT_REQUEST, .request = &request });
	return world->answer;
}

static void founded(struct world *world)
{
	configure(world);
	start(world);
	REQUIRE(core_inspect_epoch(world->core) == 1);
	REQUIRE(core_inspect_view(world->core)->version > 0);
}

static void founds_and_serves(void)
{
	struct world world;
	struct answer first, again, other;

	founded(&world);
	first = ask(&world, REQUEST_ADD, "pod-a", 1);
	CHECK(world.answered);
	CHECK_INT(first.code, ANSWER_OK);
	CHECK(prefix_has(world.settings.range, first.ip));
	CHECK_STR(world.wire.alias, "pod-a/eth0");
	CHECK_UINT(world.wire.ip, first.ip);
	CHECK_UINT(world.wire.mtu, 1450);
	CHECK(world.wire.node_ip != 0 && world.wire.node_ip != first.ip);
	again = ask(&world, REQUEST_ADD, "pod-a", 1);
	CHECK_INT(again.code, ANSWER_OK);
	CHECK_UINT(again.ip, first.ip);
	CHECK_UINT(world.wires, 1);
	other = ask(&world, REQUEST_ADD, "pod-a", 2);
	CHECK_INT(other.code, ANSWER_DUPLICATE);
	other = ask(&world, REQUEST_ADD, "pod-b", 3);
	CHECK(other.code == ANSWER_OK && other.ip != first.ip);
	done(&world);
}

static void del_frees_and_repeats(void)
{
	struct world world;
	struct answer added, gone;

	founded(&world);
	added = ask(&world, REQUEST_ADD, "pod-a", 1);
	for (int i = 0; i < 3; i++) {
		gone = ask(&world, REQUEST_DEL, "pod-a", 0);
		CHECK(world.answered);
		CHECK_INT(gone.code, ANSWER_OK);
	}
	CHECK_UINT(world.unwires, 1);
	CHECK(ask(&world, REQUEST_ADD, "pod-a", 2).ip != added.ip);
	done(&world);
}

static void a_full_run_directory_refuses(void)
{
	struct world world;
	struct answer refused, added;

	founded(&world);
	world.refuse_store[STORE_PODS] = true;
	refused = ask(&world, REQUEST_ADD, "pod-a", 1);
	CHECK_INT(refused.code, ANSWER_IO);
	CHECK(strstr(refused.text, "no space left") != NULL);
	CHECK_UINT(world.wires, 0);
	world.refuse_store[STORE_PODS] = false;
	added = ask(&world, REQUEST_ADD, "pod-a", 1);
	CHECK_INT(added.code, ANSWER_OK);
	CHECK_INT(ask(&world, REQUEST_DEL, "pod-a", 0).code, ANSWER_OK);
	done(&world);
}

static void what_the_kernel_refuses_is_undone(void)
{
	struct world world;
	struct answer refused;
	struct inspect_pod pods[4];

	founded(&world);
	world.refuse_wire = true;
	refused = ask(&world, REQUEST_ADD, "pod-a", 1);
	CHECK_INT(refused.code, ANSWER_FAILED);
	CHECK(strstr(refused.text, "eth0 exists") != NULL);
	CHECK_UINT(core_inspect_pods(world.core, pods, 4), 0);
	done(&world);
}

static void the_range_of_the_disk_wins(void)
{
	struct world world;
	struct record record = { .type = RECORD_NODE,
				 .node = { .cluster = { { 5 } },
					   .range = { .ip = 0x0a280000, .len = 13 },
					   .block_len = 26 } };

	configure(&world);
	step(&world, (struct event){ .type = EVENT_SAVED, .saved = &record });
	start(&world);
	CHECK(strstr(world.died, "10.40.0.0/13") != NULL);
	core_free(world.core);
}

static void the_block_length_of_the_disk_is_ours(void)
{
	struct world world;
	struct record record = { .type = RECORD_NODE,
				 .node = { .cluster = { { 5 } },
					   .range = { .ip = 0x0a200000, .len = 12 },
					   .block_len = 25 } };

	configure(&world);
	step(&world, (struct event){ .type = EVENT_SAVED, .saved = &record });
	start(&world);
	CHECK(strstr(world.died, "a cluster in /25 blocks, this agent knows /26") != NULL);
	core_free(world.core);
}

/* kill -9: the next life reads the same records, in the same boot, and needs nobody. */
static void goes_on_after_a_crash(void)
{
	struct world world, next;
	struct answer added, again;

	founded(&world);
	added = ask(&world, REQUEST_ADD, "pod-a", 1);
	configure(&next);
	next.settings.init = false;
	next.settings.nonce = 78;
	next.settings.incarnation = 2;
	for (size_t i = 0; i < world.n_saved; i++)
		step(&next, (struct event){ .type = EVENT_SAVED, .saved = &world.saved[i] });
	start(&next);
	CHECK_UINT(core_inspect_epoch(next.core), 1);
	again = ask(&next, REQUEST_ADD, "pod-a", 1);
	CHECK_INT(again.code, ANSWER_OK);
	CHECK_UINT(again.ip, added.ip);
	CHECK(next.wire.replace);
	again = ask(&next, REQUEST_ADD, "pod-b", 9);
	CHECK(again.code == ANSWER_OK && again.ip != added.ip);
	done(&world);
	done(&next);
}

/* The request of the crashed life comes again and the kernel refuses: what that life had made must
 * go too. */
static void a_failed_repeat_leaves_nothing(void)
{
	struct world world, next;

	founded(&world);
	(void)ask(&world, REQUEST_ADD, "pod-a", 1);
	configure(&next);
	next.settings.init = false;
	for (size_t i = 0; i < world.n_saved; i++)
		step(&next, (struct event){ .type = EVENT_SAVED, .saved = &world.saved[i] });
	start(&next);
	next.refuse_wire = true;
	CHECK_INT(ask(&next, REQUEST_ADD, "pod-a", 1).code, ANSWER_FAILED);
	CHECK_UINT(next.unwires, 1);
	done(&world);
	done(&next);
}

/* The same records in another boot: no address is given on the word of the disk. */
static void a_reboot_asks_first(void)
{
	struct world world, next;

	founded(&world);
	configure(&next);
	next.settings.init = false;
	next.settings.boot.b[0] = 7;
	for (size_t i = 0; i < world.n_saved; i++)
		step(&next, (struct event){ .type = EVENT_SAVED, .saved = &world.saved[i] });
	start(&next);
	CHECK_UINT(core_inspect_epoch(next.core), 0);
	ask(&next, REQUEST_ADD, "pod-b", 9);
	CHECK(!next.answered);
	next.now = instant_add_ms(next.now, 5000);
	step(&next, (struct event){ .type = EVENT_TIME });
	CHECK(next.answered);
	CHECK_INT(next.answer.code, ANSWER_TRY_LATER);
	done(&world);
	done(&next);
}

static void underlay(struct world *world, bool have)
{
	struct underlay underlay = { .have = have,
				     .ip = 0x0a000001,
				     .ifindex = 2,
				     .dev = "eth0",
				     .mtu = 1500,
				     .text = "eth0 has no address" };

	step(world, (struct event){ .type = EVENT_UNDERLAY, .underlay = &underlay });
}

/* What status and probes say is what an ADD would meet. */
static void ready_is_what_an_add_meets(struct world *world, bool ready, const char *why)
{
	struct answer status = ask(world, REQUEST_STATUS, "", 0), add;
	static uint64_t number = 1000;
	char id[16];

	CHECK(world->answered);
	CHECK((strcmp(status.status->state, "ready") == 0) == ready);
	snprintf(id, sizeof(id), "pod-%u", (unsigned)++number);
	add = ask(world, REQUEST_ADD, id, number);
	CHECK(world->answered);
	CHECK_INT(add.code == ANSWER_OK, ready);
	CHECK(strstr(add.text, why) != NULL);
}

static void no_pod_without_an_underlay(void)
{
	struct world world;

	founded(&world);
	ready_is_what_an_add_meets(&world, true, "");
	underlay(&world, false);
	ready_is_what_an_add_meets(&world, false, "eth0 has no address");
	CHECK_INT(ask(&world, REQUEST_DEL, "pod-1001", 0).code, ANSWER_OK);
	underlay(&world, true);
	ready_is_what_an_add_meets(&world, true, "");
	world.refuse_store[STORE_PODS] = true;
	CHECK_INT(ask(&world, REQUEST_ADD, "pod-x", 1).code, ANSWER_IO);
	ready_is_what_an_add_meets(&world, false, "no space left");
	done(&world);
}

/* Asking again and again for what is not there would make a version of the ledger each time. */
static void a_full_range_is_asked_once(void)
{
	struct world world;
	uint64_t version;

	configure(&world);
	world.settings.range.len = 24;
	world.settings.first_blocks = 16;
	start(&world);
	for (int i = 0; i < 4; i++) {
		world.now = instant_add_ms(world.now, 5000);
		step(&world, (struct event){ .type = EVENT_TIME });
	}
	CHECK_UINT(core_inspect_view(world.core)->config.range.len, 24);
	version = core_inspect_view(world.core)->version;
	for (int i = 0; i < 12; i++) {
		world.now = instant_add_ms(world.now, 5000);
		step(&world, (struct event){ .type = EVENT_TIME });
	}
	CHECK_UINT(core_inspect_view(world.core)->version, version);
	CHECK_INT(ask(&world, REQUEST_ADD, "pod-a", 1).code, ANSWER_OK);
	done(&world);
}

int main(void)
{
	RUN(a_full_range_is_asked_once);
	RUN(founds_and_serves);
	RUN(no_pod_without_an_underlay);
	RUN(del_frees_and_repeats);
	RUN(a_full_run_directory_refuses);
	RUN(what_the_kernel_refuses_is_undone);
	RUN(the_range_of_the_disk_wins);
	RUN(the_block_length_of_the_disk_is_ours);
	RUN(goes_on_after_a_crash);
	RUN(a_failed_repeat_leaves_nothing);
	RUN(a_reboot_asks_first);
	return check_report();
}
