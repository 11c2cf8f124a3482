#include "agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "base/xalloc.h"
#include "wire/records.h"

/* ---- the files */

static void on_stored(void *arg, uint64_t tag, int error, const char *text)
{
	struct event event = { .type = EVENT_STORED };

	event.stored.tag = tag;
	event.stored.error = error;
	event.stored.text = text;
	agent_event(arg, &event);
}

static const struct store_owner store_owner = { .stored = on_stored };

static void open_store(struct agent *agent)
{
	struct store_settings settings = { .disk = &agent->state, .run = &agent->run };
	uint8_t headers[STORE_FILE_COUNT][STORE_HEADER_MAX];

	for (int file = 0; file < STORE_FILE_COUNT; file++) {
		settings.headers[file].data = headers[file];
		settings.headers[file].len =
			wire_records_header((enum store_file)file, headers[file], STORE_HEADER_MAX);
	}
	agent->record = xmalloc(WIRE_RECORD_MAX);
	store_init(&agent->store, &agent->loop, &settings, &store_owner, agent);
	agent->has_store = true;
}

/* ---- start */

/* Read it through; where its good part ends. Records go to the core if there is one to tell. False:
 * the file cannot be trusted. */
static bool read_through(struct agent *tell, enum store_file file, struct bytes content,
			 uint64_t *ret_good_len, struct err *err)
{
	enum wire_records_result result;
	struct wire_records reader;
	struct record record;

	wire_records_init(&reader, file, content);
	while ((result = wire_records_next(&reader, &record)) == WIRE_RECORDS_ONE)
		if (tell)
			agent_event(tell, &(struct event){ .type = EVENT_SAVED, .saved = &record });
	*ret_good_len = reader.good_len;
	if (result == WIRE_RECORDS_LOST)
		*err = reader.err;
	wire_records_done(&reader);
	return result == WIRE_RECORDS_END;
}

static int lose(struct agent *agent, enum store_file file, const struct err *why, struct err *err)
{
	uint64_t number = agent->settings.incarnation;
	char words[LOG_WORDS_MAX];

	log_line(agent->log, LOG_ERR, "%s -> kept as %s.lost-%llu, and taken for lost",
		 log_words(words, why), store_name(file), (unsigned long long)number);
	return store_lose(&agent->store, file, number, err);
}

static int recall(struct agent *agent, enum store_file file, bool *ret_lost, struct err *err)
{
	struct bytes content = { 0 };
	struct err why = { 0 };
	uint64_t good_len = 0;
	int result = store_read(&agent->store, file, &content, &why);

	/* Twice: the first half of a file that is lost must not be believed either. */
	*ret_lost = result < 0 || !read_through(NULL, file, content, &good_len, &why);
	if (!*ret_lost)
		(void)read_through(agent, file, content, &good_len, &why);
	if (!*ret_lost && good_len < content.len)
		log_line(agent->log, LOG_WARN,
			 "%s ends in %llu bytes that were not written to the end -> cut off",
			 store_name(file), (unsigned long long)(content.len - good_len));
	free((void *)(uintptr_t)content.data);
	result = *ret_lost ? lose(agent, file, &why, err) : 0;
	return result < 0 ? result
			  : store_begin(&agent->store, file, *ret_lost ? 0 : good_len, err);
}

int agent_recall(struct agent *agent, struct start *ret, struct err *err)
{
	int result = 0;

	open_store(agent);
	for (int file = 0; file < STORE_FILE_COUNT && result == 0; file++)
		result = recall(agent, (enum store_file)file, &ret->store_lost[file], err);
	if (result == 0 && agent->end == AGENT_DIED)
		return err_set(err, EINVAL, "cannot start");
	return result;
}

/* ---- later */

static struct bytes encode_all(struct agent *agent, const struct record *records, size_t n)
{
	struct bytes all = { .data = agent->record };
	size_t cap = 0;
	uint8_t *many = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t len = wire_record_encode(&records[i], agent->record, WIRE_RECORD_MAX);

		if (n > 1) {
			many = vec_reserve(many, &cap, all.len + len, 1);
			memcpy(many + all.len, agent->record, len);
			all.data = many;
		}
		all.len += len;
	}
	return all;
}

void agent_store(struct agent *agent, const struct action *action)
{
	struct bytes all = encode_all(agent, action->store.records, action->store.n);

	if (action->store.replace)
		store_replace(&agent->store, action->store.file, action->store.tag, all);
	else
		store_append(&agent->store, action->store.file, action->store.tag, all);
	if (all.data != agent->record)
		free((void *)(uintptr_t)all.data);
}
