/*
 * One core that founds a cluster alone, through its door. Many cores, time, faults and the network
 * are the simulator's (test/sim).
 */
#include "core/core.h"

#include "core/status.h"
#include "doors.h"

static void founded(struct door *door)
{
	door_init_alone(door);
	door_start(door);
	REQUIRE(core_inspect_epoch(door->core) == 1);
	REQUIRE(core_inspect_view(door->core)->version > 0);
}

/* Its next life is not told to found. */
static void crash(struct door *door)
{
	door->settings.init = false;
	door_again(door);
}

static void founds_and_serves(void)
{
	struct door door;
	struct answer first, again, other;

	founded(&door);
	first = door_ask_numbered(&door, REQUEST_ADD, "pod-a", 1);
	CHECK_UINT(door.n_answers, 1);
	CHECK_INT(first.code, ANSWER_OK);
	CHECK(prefix_has(door.settings.range, first.ip));
	CHECK_STR(door.wire.alias, "pod-a/eth0");
	CHECK_UINT(door.wire.ip, first.ip);
	CHECK_UINT(door.wire.mtu, 1450);
	CHECK(door.wire.node_ip != 0 && door.wire.node_ip != first.ip);
	again = door_ask_numbered(&door, REQUEST_ADD, "pod-a", 1);
	CHECK_INT(again.code, ANSWER_OK);
	CHECK_UINT(again.ip, first.ip);
	CHECK_UINT(door.n_wires, 1);
	other = door_ask_numbered(&door, REQUEST_ADD, "pod-a", 2);
	CHECK_INT(other.code, ANSWER_DUPLICATE);
	other = door_ask_numbered(&door, REQUEST_ADD, "pod-b", 3);
	CHECK(other.code == ANSWER_OK && other.ip != first.ip);
	door_done(&door);
}

static void del_frees_and_repeats(void)
{
	struct door door;
	struct answer added, gone;

	founded(&door);
	added = door_ask(&door, REQUEST_ADD, "pod-a");
	for (int i = 0; i < 3; i++) {
		gone = door_ask(&door, REQUEST_DEL, "pod-a");
		CHECK_UINT(door.n_answers, 1);
		CHECK_INT(gone.code, ANSWER_OK);
	}
	CHECK_UINT(door.n_unwires, 1);
	CHECK(door_ask(&door, REQUEST_ADD, "pod-a").ip != added.ip);
	door_done(&door);
}

static void a_full_run_directory_refuses(void)
{
	struct door door;
	struct answer refused, added;

	founded(&door);
	door.refused_stores = 1 << STORE_PODS;
	refused = door_ask_numbered(&door, REQUEST_ADD, "pod-a", 1);
	CHECK_INT(refused.code, ANSWER_IO);
	CHECK(strstr(refused.text, "no space left") != NULL);
	CHECK_UINT(door.n_wires, 0);
	door.refused_stores = 0;
	added = door_ask_numbered(&door, REQUEST_ADD, "pod-a", 1);
	CHECK_INT(added.code, ANSWER_OK);
	CHECK_INT(door_ask(&door, REQUEST_DEL, "pod-a").code, ANSWER_OK);
	door_done(&door);
}

static void what_the_kernel_refuses_is_undone(void)
{
	struct door door;
	struct answer refused;
	struct inspect_pod pods[4];

	founded(&door);
	door.refuse_wires = true;
	refused = door_ask(&door, REQUEST_ADD, "pod-a");
	CHECK_INT(refused.code, ANSWER_FAILED);
	CHECK(strstr(refused.text, "eth0 exists") != NULL);
	CHECK_UINT(core_inspect_pods(door.core, pods, 4), 0);
	door_done(&door);
}

/* Its disk knows the cluster with this range and these blocks. */
static void dies_of(struct prefix range, uint8_t block_len, const char *why)
{
	struct door door;
	struct record record = {
		.type = RECORD_NODE,
		.node = { .cluster = { { 0xc1 } }, .range = range, .block_len = block_len }
	};

	door_init_alone(&door);
	door_step(&door, (struct event){ .type = EVENT_SAVED, .saved = &record });
	door_start(&door);
	CHECK(door_said(&door, why));
	door_done(&door);
}

static void what_the_disk_knows_wins(void)
{
	dies_of((struct prefix){ 0x0a280000, 13 }, 26,
		"dies: this node's disk belongs to a cluster with --range 10.40.0.0/13, started "
		"with 10.32.0.0/20");
	dies_of((struct prefix){ 0x0a200000, 20 }, 25,
		"dies: this node's disk belongs to a cluster in /25 blocks, this agent knows /26");
}

/* kill -9: the next life reads the same records, in the same boot, and needs nobody. */
static void goes_on_after_a_crash(void)
{
	struct door door;
	struct answer added, again;

	founded(&door);
	added = door_ask_numbered(&door, REQUEST_ADD, "pod-a", 1);
	crash(&door);
	CHECK_UINT(core_inspect_epoch(door.core), 1);
	again = door_ask_numbered(&door, REQUEST_ADD, "pod-a", 1);
	CHECK_INT(again.code, ANSWER_OK);
	CHECK_UINT(again.ip, added.ip);
	CHECK(door.wire.replace);
	again = door_ask(&door, REQUEST_ADD, "pod-b");
	CHECK(again.code == ANSWER_OK && again.ip != added.ip);
	door_done(&door);
}

/* The request of the crashed life comes again and the kernel refuses: what that life had made must
 * go too. */
static void a_failed_repeat_leaves_nothing(void)
{
	struct door door;

	founded(&door);
	(void)door_ask_numbered(&door, REQUEST_ADD, "pod-a", 1);
	crash(&door);
	door.refuse_wires = true;
	CHECK_INT(door_ask_numbered(&door, REQUEST_ADD, "pod-a", 1).code, ANSWER_FAILED);
	CHECK_UINT(door.n_unwires, 1);
	door_done(&door);
}

/* The same records in another boot: no address is given on the word of the disk. */
static void a_reboot_asks_first(void)
{
	struct door door;

	founded(&door);
	door.settings.boot = boot_of(77);
	crash(&door);
	CHECK_UINT(core_inspect_epoch(door.core), 0);
	door_ask(&door, REQUEST_ADD, "pod-b");
	CHECK_UINT(door.n_answers, 0);
	door_wait(&door, 5000);
	CHECK_UINT(door.n_answers, 1);
	CHECK_INT(door.answer.code, ANSWER_TRY_LATER);
	door_done(&door);
}

static void underlay(struct door *door, bool have)
{
	struct underlay underlay = { .have = have,
				     .ip = 0xc0000200 + DOOR_SELF,
				     .ifindex = 2,
				     .dev = "eth0",
				     .mtu = 1500,
				     .text = "eth0 has no address" };

	door_step(door, (struct event){ .type = EVENT_UNDERLAY, .underlay = &underlay });
}

/* What status and probes say is what an ADD would meet. */
static void ready_is_what_an_add_meets(struct door *door, bool ready, const char *why)
{
	struct answer status = door_ask(door, REQUEST_STATUS, ""), add;
	static uint64_t number = 1000;
	char id[16];

	CHECK_UINT(door->n_answers, 1);
	CHECK((strcmp(status.status->state, "ready") == 0) == ready);
	snprintf(id, sizeof(id), "pod-%u", (unsigned)++number);
	add = door_ask_numbered(door, REQUEST_ADD, id, number);
	CHECK_UINT(door->n_answers, 1);
	CHECK_INT(add.code == ANSWER_OK, ready);
	CHECK(strstr(add.text, why) != NULL);
}

static void no_pod_without_an_underlay(void)
{
	struct door door;

	founded(&door);
	ready_is_what_an_add_meets(&door, true, "");
	underlay(&door, false);
	ready_is_what_an_add_meets(&door, false, "eth0 has no address");
	CHECK_INT(door_ask(&door, REQUEST_DEL, "pod-1001").code, ANSWER_OK);
	underlay(&door, true);
	ready_is_what_an_add_meets(&door, true, "");
	door.refused_stores = 1 << STORE_PODS;
	CHECK_INT(door_ask(&door, REQUEST_ADD, "pod-x").code, ANSWER_IO);
	ready_is_what_an_add_meets(&door, false, "no space left");
	door_done(&door);
}

/* Asking again and again for what is not there would make a version of the ledger each time. */
static void a_full_range_is_asked_once(void)
{
	struct door door;
	uint64_t version;

	door_init_alone(&door);
	door.settings.range.len = 24;
	door.settings.first_blocks = 16;
	door_start(&door);
	door_wait(&door, 20000);
	CHECK_UINT(core_inspect_view(door.core)->config.range.len, 24);
	version = core_inspect_view(door.core)->version;
	door_wait(&door, 60000);
	CHECK_UINT(core_inspect_view(door.core)->version, version);
	CHECK_INT(door_ask(&door, REQUEST_ADD, "pod-a").code, ANSWER_OK);
	door_done(&door);
}

int main(void)
{
	RUN(a_full_range_is_asked_once);
	RUN(founds_and_serves);
	RUN(no_pod_without_an_underlay);
	RUN(del_frees_and_repeats);
	RUN(a_full_run_directory_refuses);
	RUN(what_the_kernel_refuses_is_undone);
	RUN(what_the_disk_knows_wins);
	RUN(goes_on_after_a_crash);
	RUN(a_failed_repeat_leaves_nothing);
	RUN(a_reboot_asks_first);
	return check_report();
}
