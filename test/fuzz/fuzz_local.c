/* The local conversation: any question gets a readable answer, whatever the core will say to it.
 *
 * Input: one framed request without its length. */
#include "wire/local.h"

#include <stdlib.h>

#include "proto/local.pb-c.h"
#include "wire/json.h"

static void must(bool held)
{
	if (!held)
		abort();
}

static void check_json(const ProtobufCBinaryData *output)
{
	struct err err = { 0 };
	cJSON *json = json_parse((struct bytes){ output->data, output->len }, &err);

	must(json && output->data[output->len - 1] == '\n');
	must(json_member(json, "cniVersion"));
	cJSON_Delete(json);
}

static void check_answer(struct bytes framed)
{
	struct reader r = reader_of(framed);
	Weft__Local__Answer *answer;
	uint32_t len = reader_be32(&r);

	must(len == r.left);
	answer = weft__local__answer__unpack(NULL, r.left, r.at);
	must(answer);
	if (answer->output.len > 0)
		check_json(&answer->output);
	if (answer->exit_code != 0)
		must(answer->output.len > 0 || *answer->error);
	weft__local__answer__free_unpacked(answer, NULL);
}

static void answer_it(const struct local_request *request, struct arena *arena)
{
	struct status_report report = { .name = "node" };
	struct answer yes = { .host_if = "wf0", .ip = 1, .mtu = 1450, .status = &report };
	struct answer no = { .code = ANSWER_FAILED, .text = "x not found", .details = "\"\n\x7f" };

	check_answer(local_answer_encode(request, &yes, arena));
	check_answer(local_answer_encode(request, &no, arena));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct local_request request;
	struct bytes refusal = { 0 };
	struct arena arena;
	struct err err;

	arena_init(&arena, ARENA_UNLIMITED);
	if (local_request_decode(LOCAL_DOOR_ROOT, (struct bytes){ data, size }, &arena, &request,
				 &refusal, &err) == 0)
		answer_it(&request, &arena);
	else
		check_answer(refusal);
	arena_done(&arena);
	return 0;
}
