#include "kube/tell.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

void tell_init(struct tell *tell, const char *socket, struct log *log)
{
	*tell = (struct tell){ .socket = socket, .log = log };
}

bool tell_is_up_to_date(const struct tell *tell, const struct tell_news *news)
{
	return tell->state == TELL_ANSWERS && news->list != 0 && tell->agent.list == news->list;
}

/* ---- one question */

/* One line when the state changes, and none while it stays. */
static bool changed(struct tell *tell, enum tell_state state)
{
	bool differs = tell->state != state;

	tell->state = state;
	return differs;
}

static const char *reason(enum talk_end end, int error)
{
	switch (end) {
	case TALK_UNREACHABLE:
		return error == EACCES ? "EACCES: weft-kube must run with the group that the agent "
					 "lets in, WEFT_KUBE_GROUP"
				       : talk_reason(error);
	case TALK_HUNG_UP:
		return "it hangs up";
	case TALK_SILENT:
		return "it takes the question and does not answer";
	case TALK_ANSWERED:
	case TALK_GARBLED:
		break;
	}
	return "its answer cannot be read";
}

static void answer_came(struct tell *tell, const Weft__Local__Answer *answer)
{
	if (answer->exit_code != 0 || !message_decode(answer, &tell->agent)) {
		if (changed(tell, TELL_REFUSED))
			log_line(tell->log, LOG_ERR,
				 "the agent at %s does not take what it is told (%.200s) -> asked "
				 "again and again; agent and weft-kube should be of one version",
				 tell->socket,
				 *answer->error ? answer->error : "its answer cannot be read");
		return;
	}
	if (changed(tell, TELL_ANSWERS))
		log_line(tell->log, LOG_INFO,
			 "the agent of node %s answers, %s%s%s -> told of nodes", tell->agent.name,
			 tell->agent.has_cluster ? "in cluster " : "in no cluster yet",
			 tell->agent.has_cluster ? text_uuid(TEXT_BUF(UUID), tell->agent.cluster)
						 : "",
			 tell->agent.ready ? "" : ", not ready yet");
}

/* False: no use to go on now. */
static bool ask(struct tell *tell, const struct message *message)
{
	struct talk talk = { .socket = tell->socket, .total_ms = TELL_PATIENCE_MS };
	Weft__Local__Answer *answer = NULL;
	struct arena arena;
	enum talk_end end;
	int error = 0;

	arena_init(&arena, ARENA_UNLIMITED);
	end = talk_ask(&talk, message_encode(message, &arena), NULL, 0, &answer, &error);
	arena_done(&arena);
	if (end == TALK_ANSWERED) {
		answer_came(tell, answer);
		weft__local__answer__free_unpacked(answer, NULL);
	} else if (changed(tell, TELL_AWAY)) {
		log_line(tell->log, LOG_WARN,
			 "the agent does not answer at %s (%s) -> asked again and again",
			 tell->socket, reason(end, error));
	}
	return tell->state == TELL_ANSWERS;
}

/* ---- all there is to tell */

static struct message message_of(const struct tell_news *news)
{
	return (struct message){ .founding = news->founding, .trouble = news->trouble };
}

static bool any_left(const struct nodes *nodes, size_t at)
{
	const struct node *node;

	return nodes_next(nodes, false, &at, &node, 1) > 0;
}

static void tell_whole(struct tell *tell, const struct tell_news *news)
{
	const struct node *page[MESSAGE_NODES_MAX];
	struct message message = message_of(news);
	size_t at = 0;

	message.list = news->list;
	message.nodes = page;
	message.first = true;
	do {
		message.n = nodes_next(news->nodes, false, &at, page, MESSAGE_NODES_MAX);
		message.last = !any_left(news->nodes, at);
		if (!ask(tell, &message))
			return;
		message.first = false;
	} while (!message.last);
	if (tell->agent.list == news->list)
		nodes_told(news->nodes, news->nodes->n);
}

static void tell_changes(struct tell *tell, const struct tell_news *news)
{
	const struct node *page[MESSAGE_NODES_MAX];
	struct message message = message_of(news);

	message.list = news->list;
	message.nodes = page;
	while (news->nodes->n_untold > 0) {
		size_t at = 0;

		message.n = nodes_next(news->nodes, true, &at, page, MESSAGE_NODES_MAX);
		/* Restarted just now: it gets the whole list with the next tick. */
		if (!ask(tell, &message) || tell->agent.list != news->list)
			return;
		nodes_told(news->nodes, at);
	}
}

void tell_agent(struct tell *tell, const struct tell_news *news)
{
	struct message nothing = message_of(news);

	if (news->list == 0)
		ask(tell, &nothing);
	else if (tell->agent.list != news->list)
		tell_whole(tell, news);
	else if (news->nodes->n_untold > 0)
		tell_changes(tell, news);
	else
		ask(tell, &nothing);
}
