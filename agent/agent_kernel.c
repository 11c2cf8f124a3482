#include "agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "io/host.h"
#include "io/pods.h"

enum {
	NEWS_MS = 50, /* who changes one thing changes ten: look once */
	PASS_MS = 60000,
	RETRY_FIRST_MS = 1000,
	FRESH_MS = 1000, /* status asked for in a loop costs one pass a second */
};

int agent_kernel_open(struct agent *agent, struct err *err)
{
	return kernel_new(agent->log, &agent->kernel.kernel, err);
}

/* ---- passes */

static void pass(struct agent *agent)
{
	struct agent_kernel *k = &agent->kernel;
	struct kernel_report report = { 0 };
	uint64_t next_ms = PASS_MS;

	k->pass_due = false;
	k->passed_at = loop_now();
	kernel_pass(k->kernel, &report);
	if (report.failed > 0) {
		next_ms = k->retry_ms;
		k->retry_ms = k->retry_ms * 2 < PASS_MS ? k->retry_ms * 2 : PASS_MS;
	} else {
		k->retry_ms = RETRY_FIRST_MS;
	}
	loop_timer_start(&k->pass_timer, next_ms);
	agent_event(agent, &(struct event){ .type = EVENT_KERNEL, .kernel = &report });
}

static void on_pass_timer(void *arg)
{
	pass(arg);
}

/* However often the core changed its mind in this turn. */
void agent_kernel_turn(struct agent *agent)
{
	if (agent->kernel.pass_due && agent->end == AGENT_GOES_ON)
		pass(agent);
}

void agent_kernel_refresh(struct agent *agent)
{
	if (instant_diff_ms(loop_now(), agent->kernel.passed_at) >= FRESH_MS)
		pass(agent);
}

void agent_forward(struct agent *agent, const struct forward *forward)
{
	kernel_want(agent->kernel.kernel, forward);
	if (!forward->pods_only) {
		agent->kernel.pass_due = true;
		loop_soon(&agent->loop);
	}
}

static void tell_gone(struct agent *agent, const struct kernel_news *news);

/* ---- what others did */

void agent_kernel_look_at_underlay(struct agent *agent)
{
	uint32_t peers[AGENT_PEERS_MAX];
	struct underlay *was = &agent->underlay, is;
	struct host_wish wish;

	agent_wish(agent, &wish, peers);
	host_underlay(kernel_route_socket(agent->kernel.kernel), &wish, &is);
	if (is.have == was->have && is.ip == was->ip && is.ifindex == was->ifindex &&
	    is.mtu == was->mtu && strcmp(is.dev, was->dev) == 0)
		return;
	*was = is;
	agent_event(agent, &(struct event){ .type = EVENT_UNDERLAY, .underlay = was });
}

static void look_at_pods(struct agent *agent)
{
	struct event event = { .type = EVENT_HOST_ENDS };
	char words[LOG_WORDS_MAX];
	struct err err = { 0 };

	if (kernel_pods(agent->kernel.kernel, &event.host_ends, &err) < 0)
		log_line(agent->log, LOG_WARN, "the pods' host ends: %s -> asked again later",
			 log_words(words, &err));
	else
		agent_event(agent, &event);
}

static void on_news_timer(void *arg)
{
	struct agent *agent = arg;
	struct kernel_news news = agent->kernel.news;

	agent->kernel.news = (struct kernel_news){ 0 };
	if (agent->end != AGENT_GOES_ON)
		return;
	if (news.underlay)
		agent_kernel_look_at_underlay(agent);
	if (news.pods)
		look_at_pods(agent);
	if (news.drift)
		pass(agent);
}

static void on_kernel_events(void *arg)
{
	struct agent *agent = arg;
	struct kernel_news *all = &agent->kernel.news, news;

	kernel_events(agent->kernel.kernel, &news);
	tell_gone(agent, &news);
	all->drift = all->drift || news.drift;
	all->underlay = all->underlay || news.underlay;
	all->pods = all->pods || news.pods;
	if ((all->drift || all->underlay || all->pods) &&
	    !loop_timer_runs(&agent->kernel.news_timer))
		loop_timer_start(&agent->kernel.news_timer, NEWS_MS);
}

int agent_kernel_watch(struct agent *agent, struct err *err)
{
	struct agent_kernel *k = &agent->kernel;
	int result = loop_watch_init(&agent->loop, &k->watch, kernel_events_fd(k->kernel),
				     on_kernel_events, agent, err);

	if (result < 0)
		return result;
	loop_timer_init(&agent->loop, &k->news_timer, on_news_timer, agent);
	loop_timer_init(&agent->loop, &k->pass_timer, on_pass_timer, agent);
	k->retry_ms = RETRY_FIRST_MS;
	agent->has_kernel_watch = true;
	return 0;
}

void agent_kernel_close(struct agent *agent)
{
	if (!agent->has_kernel_watch)
		return;
	loop_watch_close(&agent->kernel.watch);
	loop_timer_close(&agent->kernel.news_timer);
	loop_timer_close(&agent->kernel.pass_timer);
	agent->has_kernel_watch = false;
}

/* ---- pods */

static void wired(struct agent *agent, uint32_t job, const struct err *err)
{
	struct event event = { .type = EVENT_POD_WIRED };
	char words[LOG_WORDS_MAX];

	event.pod.job = job;
	event.pod.error = err->code;
	event.pod.text = log_words(words, err);
	agent_event(agent, &event);
}

/* Here and now: it takes less time than to hand it to a worker and hear back. */
void agent_wire(struct agent *agent, const struct wire_pod *pod)
{
	struct pods_sockets sockets = {
		.route = kernel_route_socket(agent->kernel.kernel),
		.nft = kernel_nft_socket(agent->kernel.kernel),
		.range = agent->settings.range,
	};
	struct err err = { 0 };
	int fds[LOCAL_FDS_MAX];
	size_t n;

	if (!agent_client_fds(agent, pod->client, fds, &n) || n != LOCAL_FDS_MAX)
		err_set(&err, ECANCELED, "the runtime hung up");
	else if (pods_wire(&sockets, pod, fds[0], fds[1], &err) == 0 &&
		 !agent_client_fds(agent, pod->client, fds, &n))
		err_set(&err, ECANCELED, "the runtime hung up meanwhile"); /* nobody would use it */
	wired(agent, pod->job, &err);
}

struct unwiring {
	struct unwiring *next;
	struct agent *agent;
	uint32_t job;
	/* When it was asked for; 0: there was none any more. The name may lead to another link by
	 * the time a worker comes to it. */
	uint32_t ifindex;
	char host_if[IFNAME_LEN_MAX + 1];
	bool told;      /* the core knows already that it is gone */
	struct err err; /* the worker's */
};

static void unwire_run(void *arg)
{
	struct unwiring *unwiring = arg;

	if (unwiring->ifindex != 0)
		(void)pods_unwire_link(unwiring->ifindex, unwiring->host_if, &unwiring->err);
}

static void unwired(struct unwiring *unwiring)
{
	struct event event = { .type = EVENT_POD_UNWIRED };
	char words[LOG_WORDS_MAX];

	if (unwiring->told)
		return;
	unwiring->told = true;
	event.pod.job = unwiring->job;
	event.pod.error = unwiring->err.code;
	event.pod.text = log_words(words, &unwiring->err);
	agent_event(unwiring->agent, &event);
}

/* The kernel says that a host end is gone, and its name free, some 20 ms before the call that
 * removed it returns (it waits for RCU). The runtime need not wait as long: the address rests far
 * longer than that. */
static void tell_gone(struct agent *agent, const struct kernel_news *news)
{
	for (size_t i = 0; i < news->n_gone; i++)
		for (struct unwiring *u = agent->kernel.unwirings; u; u = u->next)
			if (u->ifindex == news->gone_ifindex[i])
				unwired(u);
}

static void unwire_done(void *arg)
{
	struct unwiring *unwiring = arg, **at = &unwiring->agent->kernel.unwirings;

	while (*at != unwiring)
		at = &(*at)->next;
	*at = unwiring->next;
	unwired(unwiring);
	free(unwiring);
}

void agent_unwire(struct agent *agent, uint32_t job, const char *host_if)
{
	struct unwiring *unwiring = xcalloc(1, sizeof(*unwiring));

	unwiring->agent = agent;
	unwiring->next = agent->kernel.unwirings;
	agent->kernel.unwirings = unwiring;
	unwiring->job = job;
	unwiring->ifindex = pods_ifindex(kernel_route_socket(agent->kernel.kernel), host_if);
	memcpy(unwiring->host_if, host_if, sizeof(unwiring->host_if));
	loop_work(&agent->loop, unwire_run, unwire_done, unwiring);
}
