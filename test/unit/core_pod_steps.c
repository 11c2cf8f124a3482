/* Many pods at once, seen through the door of a core that is number 5. */
#include "core/pod_steps.h"

#include "core/pods.h"
#include "doors.h"

enum { MANY = 1000 };

static struct host_end end_of(unsigned number, uint32_t ip)
{
	struct host_end end = { .ifname = "eth0", .ip = ip, .mtu = 1450 };

	snprintf(end.container_id, sizeof(end.container_id), "pod-%04u", number);
	pod_host_if(end.container_id, end.ifname, end.host_if);
	return end;
}

/* An earlier life recorded many pods; their host ends are there. */
static void start_with_many(struct door *door, struct host_end *ends)
{
	struct start start = { .settings = &door->settings,
			       .host_ends = { .n = MANY, .ends = ends } };

	door_init(door);
	for (unsigned i = 0; i < MANY; i++) {
		struct record record = { .type = RECORD_ALLOC };

		ends[i] = end_of(i, 0x0a200002 + i);
		memcpy(record.pod.container_id, ends[i].container_id,
		       sizeof(record.pod.container_id));
		memcpy(record.pod.ifname, ends[i].ifname, sizeof(record.pod.ifname));
		record.pod.ip = ends[i].ip;
		door_step(door, (struct event){ .type = EVENT_SAVED, .saved = &record });
	}
	door_step(door, (struct event){ .type = EVENT_START, .start = &start });
	CHECK_UINT(door->pods.n_pods, MANY);
	door_forget(door);
}

static void found(struct door *door, size_t n, const struct host_end *ends)
{
	door_step(door,
		  (struct event){ .type = EVENT_HOST_ENDS, .host_ends = { .n = n, .ends = ends } });
}

/* As when the runtime's directory of namespaces was emptied: all are unwanted first, then all go,
 * and what is wanted is told once, not a thousand times. */
static void a_thousand_pods_vanish_at_once(void)
{
	static struct host_end ends[MANY];
	struct inspect_pod left;
	struct door door;

	start_with_many(&door, ends);
	found(&door, 0, NULL);
	door_wait(&door, POD_NO_END_MS - 1);
	CHECK_UINT(door.n_unwires, 0); /* their DEL may yet come */
	CHECK_UINT(door.n_forwards, 0);
	door_wait(&door, 1);
	CHECK_UINT(door.n_unwires, MANY);
	CHECK_UINT(door.n_forwards, 1);
	CHECK_UINT(door.pods.n_pods, 0);
	CHECK(!door.want_came_late);
	CHECK_UINT(core_inspect_pods(door.core, &left, 1), 0);
	door_done(&door);
}

/* A minute later most are there again: only the others are given up. */
static void who_comes_back_stays(void)
{
	static struct host_end ends[MANY];
	struct door door;

	start_with_many(&door, ends);
	found(&door, 0, NULL);
	door_wait(&door, 60000);
	found(&door, MANY - 10, ends);
	door_wait(&door, POD_NO_END_MS);
	CHECK_UINT(door.n_unwires, 10);
	CHECK_UINT(door.pods.n_pods, MANY - 10);
	door_done(&door);
}

/* Both what exists and what is recorded are true. */
static void host_ends_are_held_against_records(void)
{
	static struct host_end ends[MANY];
	struct host_end seen[4];
	struct door door;

	start_with_many(&door, ends);
	memcpy(seen, ends, 2 * sizeof(seen[0]));
	seen[0].container_id[0] = '\0';     /* its alias was lost: it is ours by its name */
	seen[2] = end_of(5000, 0x0a200800); /* no record, and it says whose it is */
	seen[3] = end_of(5001, 0x0a200801);
	seen[3].container_id[0] = '\0'; /* no record, and it does not */
	found(&door, 4, seen);
	CHECK(door_said(&door, "pod pod-5000 on"));
	CHECK(door_said(&door, "has 10.32.8.0 but no record -> adopted"));
	CHECK(door_said(&door, "has neither a record nor a name we know -> removed"));
	CHECK_UINT(door.n_unwires, 1);
	CHECK_UINT(door.pods.n_pods, MANY + 1);
	door_done(&door);
}

/* One host end can be found again and again: nothing that is wanted changes. */
static void what_is_found_again_changes_nothing(void)
{
	static struct host_end ends[MANY];
	struct door door;

	start_with_many(&door, ends);
	for (int i = 0; i < 10; i++)
		found(&door, MANY, ends);
	CHECK_UINT(door.n_forwards, 0);
	CHECK_UINT(door.n_stores, 0);
	door_done(&door);
}

int main(void)
{
	RUN(a_thousand_pods_vanish_at_once);
	RUN(who_comes_back_stays);
	RUN(host_ends_are_held_against_records);
	RUN(what_is_found_again_changes_nothing);
	return check_report();
}
