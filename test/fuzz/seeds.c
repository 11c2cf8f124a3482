/* Makes the binary seeds in corpus/: fuzz_seeds CORPUS. They are in the tree because a fuzzer that
 * begins with good input gets far in seconds; this program says where they came from and makes them
 * anew when a format changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/local.pb-c.h"
#include "wire/conn.h"
#include "wire/identity.h"
#include "wire/peer_codec.h"
#include "wire/records.h"

#include "cni_configs.h"
#include "wire_messages.h"

enum { SEED = 3, SEED_MAX = 1 << 16 };

static const char *corpus;

static void save(const char *target, const char *name, const void *data, size_t len)
{
	char path[1024];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s%s", corpus, target, name,
		 strchr(name, '.') ? "" : ".bin");
	file = fopen(path, "wb");
	if (!file || fwrite(data, 1, len, file) != len || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

static const char *type_name(enum message_type type)
{
	switch (type) {
	case MESSAGE_HELLO:
		return "hello";
	case MESSAGE_BYE:
		return "bye";
	case MESSAGE_PING:
		return "ping";
	case MESSAGE_DELTA:
		return "delta";
	case MESSAGE_WANT_MEMBERS:
		return "want-members";
	case MESSAGE_FEED:
		return "feed";
	case MESSAGE_COMMAND:
		return "command";
	case MESSAGE_REPLY:
		return "reply";
	}
	return "unknown";
}

/* Small enough for a tree, with something in it. */
static struct bytes small_message(struct prng *prng, struct arena *arena, enum message_type type)
{
	struct message message;
	struct bytes packed;

	do {
		random_message(prng, arena, type, &message);
		packed = peer_encode(&message, arena);
	} while (packed.len > 1200 || (type == MESSAGE_DELTA && message.delta.n_members < 2) ||
		 (type == MESSAGE_COMMAND && message.command.op != COMMAND_ATTACH) ||
		 (type == MESSAGE_FEED &&
		  (!message.feed.rows.config || message.feed.rows.n_peers < 1 ||
		   message.feed.rows.n_blocks < 2)));
	return packed;
}

static void peers(struct prng *prng)
{
	uint8_t body[SEED_MAX], stream[SEED_MAX];
	struct wire_conn_settings settings = { .cluster_name = "weft" };
	struct writer w = writer_to(stream, sizeof(stream));
	struct wire_conn conn;
	struct arena arena;

	wire_conn_init(&conn, &settings);
	writer_be16(&w, 7); /* preamble and all, in pieces of eight */
	writer_put(&w, wire_conn_preamble(&conn).data, WIRE_PREAMBLE_LEN);
	wire_conn_done(&conn);
	arena_init(&arena, ARENA_UNLIMITED);
	for (size_t i = 0; i < N_TYPES; i++) {
		struct bytes packed = small_message(prng, &arena, all_types[i]);

		body[0] = (uint8_t)i;
		memcpy(body + 1, packed.data, packed.len);
		save("peer_decode", type_name(all_types[i]), body, packed.len + 1);
		if (packed.len > 400)
			continue;
		writer_be32(&w, (uint32_t)packed.len + 2);
		writer_u8(&w, (uint8_t)all_types[i]);
		writer_u8(&w, 0);
		writer_put(&w, packed.data, packed.len);
	}
	save("conn", "from-the-preamble", stream, w.len);
	memmove(stream + 2, stream + 2 + WIRE_PREAMBLE_LEN, w.len - 2 - WIRE_PREAMBLE_LEN);
	stream[0] = 1;
	save("conn", "after-it", stream, w.len - WIRE_PREAMBLE_LEN);
	save("conn", "http", "\0\xffGET / HTTP/1.1\r\nHost: a\r\n\r\n", 29);
	arena_done(&arena);
}

static void records(struct prng *prng)
{
	static const struct {
		const char *name;
		enum store_file file;
		enum record_type type;
	} kinds[] = {
		{ "node", STORE_NODE, RECORD_NODE },   { "keeper", STORE_KEEPER, RECORD_KEEPER },
		{ "alloc", STORE_PODS, RECORD_ALLOC }, { "free", STORE_PODS, RECORD_FREE },
		{ "token", STORE_PODS, RECORD_TOKEN },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		static uint8_t buf[WIRE_RECORD_MAX + 64];
		struct record record = { .type = kinds[i].type };
		struct rows *rows = &record.keeper.rows;
		struct arena arena;
		char name[64];
		size_t len = 1;

		arena_init(&arena, ARENA_UNLIMITED);
		if (kinds[i].type == RECORD_KEEPER) {
			do
				random_rows(prng, &arena, rows);
			while (!rows->config || rows->n_peers < 1 || rows->n_peers > 3);
		} else if (kinds[i].type != RECORD_NODE && kinds[i].type != RECORD_TOKEN) {
			strcpy(record.pod.container_id, "0123abcd");
			strcpy(record.pod.ifname, "eth0");
			strcpy(record.pod.pod, "default/web-0");
		}
		buf[0] = (uint8_t)kinds[i].file;
		len += wire_records_header(kinds[i].file, buf + len, 64);
		for (int n = 0; n < (kinds[i].type == RECORD_KEEPER ? 1 : 2); n++)
			len += wire_record_encode(&record, buf + len, sizeof(buf) - len);
		save("records", kinds[i].name, buf, len);
		/* the same body, for the way behind the CRC */
		snprintf(name, sizeof(name), "%s-body", kinds[i].name);
		len = wire_record_encode(&record, buf + 64, sizeof(buf) - 64) - 9;
		buf[0] = (uint8_t)(kinds[i].file | 4);
		buf[1] = (uint8_t)kinds[i].type;
		buf[2] = (uint8_t)(len >> 8);
		buf[3] = (uint8_t)len;
		memmove(buf + 4, buf + 64 + 5, len);
		save("records", name, buf, len + 4);
		arena_done(&arena);
	}
}

static void identities(void)
{
	static const uint8_t random[32] = { 1, 2, 3 };
	struct binding binding = { { { 4 }, { 5 }, { 6 } } };
	struct identity identity;
	uint8_t file[IDENTITY_FILE_MAX];

	identity_make(&identity, random, &binding);
	identity.incarnation = 7;
	save("identity", "good", file, identity_encode(&identity, file));
}

static void ask(const char *name, const Weft__Local__Request *request)
{
	uint8_t packed[SEED_MAX];

	save("local", name, packed, weft__local__request__pack(request, packed));
}

static void call(const char *name, const char *command, const char *config)
{
	Weft__Local__Request request = WEFT__LOCAL__REQUEST__INIT;
	Weft__Local__Cni cni = WEFT__LOCAL__CNI__INIT;

	cni.command = (char *)(uintptr_t)command;
	cni.container_id = (char *)(uintptr_t) "0123abcd";
	cni.netns = (char *)(uintptr_t) "/var/run/netns/cni-1";
	cni.ifname = (char *)(uintptr_t) "eth0";
	cni.args = (char *)(uintptr_t) "IgnoreUnknown=1;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b";
	cni.config = (ProtobufCBinaryData){ strlen(config), (uint8_t *)(uintptr_t)config };
	cni.number = 42;
	cni.plain = !*config;
	request.version = 1;
	request.what_case = WEFT__LOCAL__REQUEST__WHAT_CNI;
	request.cni = &cni;
	ask(name, &request);
}

static void questions(void)
{
	Weft__Local__Request request = WEFT__LOCAL__REQUEST__INIT;
	Weft__Local__StatusAsk status = WEFT__LOCAL__STATUS_ASK__INIT;
	Weft__Local__Leave leave = WEFT__LOCAL__LEAVE__INIT;

	call("add", "ADD", containerd_add);
	call("del", "DEL", containerd_del);
	call("attach", "ADD", "");
	call("detach", "DEL", "");
	status.peers = status.pods = true;
	request.what_case = WEFT__LOCAL__REQUEST__WHAT_STATUS;
	request.status = &status;
	ask("status", &request);
	leave.confirmed = true;
	request.what_case = WEFT__LOCAL__REQUEST__WHAT_LEAVE;
	request.leave = &leave;
	ask("leave", &request);
}

static void texts(void)
{
	static const char environment[] = "\1"
					  "0123abcd\0eth0\0K8S_POD_NAME=b;K8S_POD_NAMESPACE=a";

	save("cni", "containerd-add.json", containerd_add, strlen(containerd_add));
	save("cni", "containerd-del.json", containerd_del, strlen(containerd_del));
	save("cni", "podman-add.json", podman_add, strlen(podman_add));
	save("cni", "environment", environment, sizeof(environment));
}

int main(int argc, char **argv)
{
	struct prng prng;

	if (argc != 2) {
		fprintf(stderr, "usage: fuzz_seeds CORPUS, a directory with one for each target\n");
		return 2;
	}
	corpus = argv[1];
	prng_seed(&prng, SEED);
	peers(&prng);
	records(&prng);
	identities();
	questions();
	texts();
	return 0;
}
