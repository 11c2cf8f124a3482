#include "agent.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/vec.h"
#include "base/xalloc.h"

/* Peers must have read our goodbye by then; whoever replaces this agent must not wait longer. */
enum { STOP_MS = 900 };

/* ---- what comes out of a step */

void agent_trace(struct agent *agent, enum trace_level level, const char *text)
{
	static const enum log_level as[] = {
		[TRACE_DEBUG] = LOG_DEBUG, [TRACE_INFO] = LOG_INFO, [TRACE_WARN] = LOG_WARN,
		[TRACE_ERR] = LOG_ERR,     [TRACE_PEER] = LOG_PEER,
	};
	enum log_source source = level == TRACE_PEER ? LOG_OUTSIDER : agent->source;

	if (source == LOG_OUTSIDER && level == TRACE_ERR)
		source = LOG_ALARM;

	log_limited(agent->log, source, as[level], "%s", text);
}

static void end(struct agent *agent, enum agent_end how)
{
	agent->end = how;
	if (agent->has_loop)
		loop_stop(&agent->loop);
}

static void die(struct agent *agent, const char *text)
{
	log_line(agent->log, LOG_ERR, "%s -> the agent ends, pods go on", text);
	end(agent, AGENT_DIED);
}

static void carry_out(struct agent *agent, const struct action *action)
{
	switch (action->type) {
	case ACTION_DIAL:
		agent_dial(agent, action->dial.link, &action->dial.to);
		break;
	case ACTION_SEND:
		agent_send(agent, action->send.link, action->send.message);
		break;
	case ACTION_HANGUP:
		agent_hangup(agent, action->hangup.link, action->hangup.drain_ms,
			     action->hangup.reason);
		break;
	case ACTION_STORE:
		agent_store(agent, action);
		break;
	case ACTION_WIRE:
		agent_wire(agent, action->wire);
		break;
	case ACTION_UNWIRE:
		agent_unwire(agent, action->unwire.job, action->unwire.host_if);
		break;
	case ACTION_ANSWER:
		agent_answer(agent, action->answer);
		break;
	case ACTION_FORWARD:
		agent_forward(agent, action->forward);
		break;
	case ACTION_TRACE:
		agent_trace(agent, action->trace.level, action->trace.text);
		break;
	case ACTION_DIE:
		die(agent, action->die);
		break;
	case ACTION_TYPE_COUNT:
		assert(false && "not an action");
	}
}

/* ---- what goes into a step */

/* Peers and local clients can repeat what they do; what happens here by itself is rare. */
static enum log_source source_of(enum event_type type)
{
	switch (type) {
	case EVENT_LINK_ACCEPTED:
	case EVENT_LINK_CONNECTED:
	case EVENT_LINK_SECURED:
	case EVENT_LINK_MESSAGE:
	case EVENT_LINK_WRITABLE:
	case EVENT_LINK_CLOSED:
		return LOG_OUTSIDER;
	case EVENT_TIME:
	case EVENT_STORED:
	case EVENT_REQUEST:
	case EVENT_REQUEST_GONE:
	case EVENT_POD_WIRED:
	case EVENT_POD_UNWIRED:
	case EVENT_HOST_ENDS:
		return LOG_PODS;
	case EVENT_SAVED:
	case EVENT_START:
	case EVENT_PEERS:
	case EVENT_RUNTIME:
	case EVENT_UNDERLAY:
	case EVENT_KERNEL:
	case EVENT_STOP:
	case EVENT_TYPE_COUNT:
		break;
	}
	return LOG_OURS;
}

static void step(struct agent *agent, const struct event *event)
{
	struct event timed = *event;
	const struct actions *actions;

	timed.now = loop_now();
	agent->source = source_of(event->type);
	agent->stepping = true;
	actions = core_step(agent->core, &timed);
	for (size_t i = 0; i < actions->n && agent->end < AGENT_STOPPED; i++)
		carry_out(agent, &actions->items[i]);
	agent->stepping = false;
}

/* Only what actions themselves cause gets here, and of that only these have a text. */
static void wait_in_line(struct agent *agent, const struct event *event)
{
	struct agent_waiting waiting = { .event = *event };

	if (event->type == EVENT_STORED && event->stored.text)
		waiting.event.stored.text = waiting.text = xstrdup(event->stored.text);
	else if (event->type == EVENT_POD_WIRED && event->pod.text)
		waiting.event.pod.text = waiting.text = xstrdup(event->pod.text);
	else
		assert(event->type == EVENT_STORED || event->type == EVENT_POD_WIRED);
	agent->waiting = vec_reserve(agent->waiting, &agent->cap_waiting, agent->n_waiting + 1,
				     sizeof(*agent->waiting));
	agent->waiting[agent->n_waiting++] = waiting;
}

void agent_event(struct agent *agent, const struct event *event)
{
	if (agent->end >= AGENT_STOPPED)
		return;
	if (agent->stepping) {
		wait_in_line(agent, event);
		return;
	}
	step(agent, event);
	for (size_t i = 0; i < agent->n_waiting; i++) {
		struct agent_waiting next = agent->waiting[i]; /* the array may move */

		if (agent->end < AGENT_STOPPED)
			step(agent, &next.event);
		free(next.text);
	}
	agent->n_waiting = 0;
}

/* ---- the loop */

static bool all_said(const struct agent *agent)
{
	return agent->n_links == 0 && loop_working(&agent->loop) == 0;
}

static void on_turn(void *arg)
{
	struct agent *agent = arg;

	tcp_turn(&agent->tcp);
	agent_kernel_turn(agent);
	agent_cni_turn(agent);
	log_flush(agent->log);
	if (agent->end == AGENT_STOPS && all_said(agent))
		end(agent, AGENT_STOPPED);
	loop_wake_at(&agent->loop, core_deadline(agent->core));
}

static void on_due(void *arg)
{
	agent_event(arg, &(struct event){ .type = EVENT_TIME });
}

static void on_stop_timer(void *arg)
{
	end(arg, AGENT_STOPPED);
}

static void on_stop(void *arg, const char *signal)
{
	struct agent *agent = arg;

	if (agent->end != AGENT_GOES_ON) {
		end(agent, AGENT_STOPPED); /* asked twice: at once */
		return;
	}
	log_line(agent->log, LOG_INFO, "%s -> saying goodbye; pods and their traffic go on",
		 signal);
	agent->end = AGENT_STOPS;
	tcp_close_listener(&agent->tcp);
	agent_local_close_listeners(agent);
	agent_event(agent, &(struct event){ .type = EVENT_STOP });
	loop_timer_start(&agent->stop_timer, STOP_MS);
	loop_soon(&agent->loop);
}

static const struct loop_owner loop_owner = {
	.turn = on_turn,
	.due = on_due,
	.stop = on_stop,
};

/* ---- the whole */

/* The world as it is now, the core's first step, and what it asks for. */
static int begin(struct agent *agent, struct start *start, struct err *err)
{
	int result;

	start->settings = &agent->settings;
	start->underlay = agent->underlay;
	result = kernel_pods(agent->kernel.kernel, &start->host_ends, err);
	if (result < 0)
		return err_wrap(err, "find the pods that run here");
	/* Before our first dial, which may be answered by a dial; nobody is taken in before the
	 * loop runs. */
	result = tcp_listen(&agent->tcp, err);
	if (result < 0)
		return result;
	agent_event(agent, &(struct event){ .type = EVENT_START, .start = start });
	if (agent->end == AGENT_DIED)
		return err_set(err, EINVAL, "cannot start");
	agent_peers_start(agent);
	return 0;
}

static int open_parts(struct agent *agent, struct err *err)
{
	int result = loop_init(&agent->loop, &loop_owner, agent, err);

	if (result < 0)
		return result;
	agent->has_loop = true;
	loop_timer_init(&agent->loop, &agent->stop_timer, on_stop_timer, agent);
	agent_cni_open(agent);
	agent_peers_open(agent);
	result = tcp_init(&agent->tcp, &agent->loop, agent->options->port, &agent_tcp_owner, agent,
			  err);
	if (result < 0)
		return result;
	agent->has_tcp = true;
	result = agent_kernel_watch(agent, err);
	agent->core = core_new();
	agent->frame = xmalloc(WIRE_FRAME_MAX + 4);
	return result;
}

int agent_start(struct agent *agent, const struct options *options, struct log *log,
		struct err *err)
{
	struct start start = { 0 };
	int result;

	*agent = (struct agent){
		.options = options, .log = log, .state = DIRECTORY_CLOSED, .run = DIRECTORY_CLOSED
	};
	result = agent_claim(agent, err);
	if (result == 0)
		result = agent_kernel_open(agent, err);
	if (result == 0)
		result = agent_look(agent, err);
	if (result == 0)
		result = open_parts(agent, err);
	if (result == 0)
		result = agent_identify(agent, err);
	if (result == 0)
		result = agent_recall(agent, &start, err);
	if (result == 0)
		result = begin(agent, &start, err);
	/* Last: whoever finds a socket to ask must get answers. */
	if (result == 0)
		result = agent_local_open(agent, err);
	return result;
}

int agent_run(struct agent *agent)
{
	loop_run(&agent->loop);
	if (loop_working(&agent->loop) > 0) {
		/* Waiting for a worker that hangs in a disk would keep the next agent out. */
		if (agent->end == AGENT_STOPPED)
			log_line(
				agent->log, LOG_WARN,
				"the disk, the kernel or DNS does not finish what was begun -> not "
				"waited for");
		_exit(agent->end == AGENT_DIED);
	}
	return agent->end == AGENT_DIED;
}

void agent_done(struct agent *agent)
{
	agent->end = agent->end == AGENT_DIED ? AGENT_DIED : AGENT_STOPPED;
	agent_local_done(agent);
	if (agent->has_tcp)
		tcp_done(&agent->tcp);
	agent_kernel_close(agent);
	if (agent->has_loop) {
		loop_timer_close(&agent->stop_timer);
		loop_timer_close(&agent->cni_timer);
		loop_timer_close(&agent->names_timer);
		loop_done(&agent->loop); /* nothing is called back from here on */
	}
	if (agent->has_tcp)
		tcp_free(&agent->tcp);
	if (agent->has_store)
		store_done(&agent->store);
	agent_links_free(agent);
	agent_clients_free(agent);
	for (size_t i = 0; i < agent->n_waiting; i++)
		free(agent->waiting[i].text);
	free(agent->waiting);
	core_free(agent->core);
	kernel_free(agent->kernel.kernel);
	free(agent->frame);
	free(agent->record);
	agent_peers_free(agent);
	directory_close(&agent->run);
	directory_close(&agent->state);
}
