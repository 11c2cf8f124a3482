#include "kube/kube.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

static struct instant now(void)
{
	struct timespec at;

	if (clock_gettime(CLOCK_MONOTONIC, &at) < 0)
		abort();
	return (struct instant){ (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000 };
}

/* Short reads do not happen below 256 bytes (getrandom(2)). */
static void randomize(void *to, size_t len)
{
	if (getrandom(to, len, 0) != (ssize_t)len)
		abort();
}

/* ---- what the API server answers */

static void follow_call_began(void *arg)
{
	struct kube *kube = arg;

	follow_began(&kube->follow, now());
}

static bool follow_call_piece(void *arg, struct bytes piece)
{
	struct kube *kube = arg;
	bool good = follow_piece(&kube->follow, now(), piece);

	kube->news = kube->news || kube->follow.held.n_untold > 0;
	return good;
}

static void follow_call_ended(void *arg, const struct reply *reply)
{
	struct kube *kube = arg;

	follow_ended(&kube->follow, now(), reply);
	kube->news = true;
}

static void founding_call_ended(void *arg, const struct reply *reply)
{
	struct kube *kube = arg;

	founding_ended(&kube->founding, now(), reply);
	kube->news = true;
}

static void condition_call_ended(void *arg, const struct reply *reply)
{
	struct kube *kube = arg;

	condition_ended(&kube->condition, now(), reply);
}

static void reset_call_ended(void *arg, const struct reply *reply)
{
	struct kube *kube = arg;

	reset_ended(&kube->reset, now(), reply);
}

static const struct api_owner owners[KUBE_TASK_COUNT] = {
	[KUBE_FOLLOW] = { follow_call_began, follow_call_piece, follow_call_ended },
	[KUBE_FOUNDING] = { .ended = founding_call_ended },
	[KUBE_CONDITION] = { .ended = condition_call_ended },
	[KUBE_RESET] = { .ended = reset_call_ended },
};

/* ---- trouble */

static const struct trouble *trouble_of(const struct kube *kube, enum kube_task task)
{
	switch (task) {
	case KUBE_FOLLOW:
		return &kube->follow.trouble;
	case KUBE_FOUNDING:
		return &kube->founding.trouble;
	case KUBE_RESET:
		return &kube->reset.trouble;
	case KUBE_CONDITION:
	case KUBE_TASK_COUNT:
		break;
	}
	return &kube->condition.trouble;
}

static const char *first_trouble(const struct kube *kube)
{
	for (enum kube_task task = 0; task < KUBE_TASK_COUNT; task++)
		if (trouble_of(kube, task)->kind != TROUBLE_NONE)
			return trouble_of(kube, task)->text;
	return "";
}

static bool is_shown(const struct kube *kube, enum trouble_kind kind)
{
	for (size_t i = 0; i < KUBE_TASK_COUNT; i++)
		if (kube->shown[i] == kind)
			return true;
	return false;
}

static struct backoff *backoff_of(struct kube *kube, enum kube_task task)
{
	switch (task) {
	case KUBE_FOLLOW:
		return &kube->follow.away;
	case KUBE_FOUNDING:
		return &kube->founding.backoff;
	case KUBE_RESET:
		return &kube->reset.backoff;
	case KUBE_CONDITION:
	case KUBE_TASK_COUNT:
		break;
	}
	return &kube->condition.backoff;
}

/* What ails the API server ails all questions: when one is answered again the others need not wait.
 * Unless it asked them to. */
static void ask_others_again(struct kube *kube)
{
	for (enum kube_task task = 0; task < KUBE_TASK_COUNT; task++)
		if (trouble_of(kube, task)->kind != TROUBLE_BUSY)
			backoff_reset(backoff_of(kube, task));
}

/* One line when a kind of trouble begins, whatever it hits, and one when it is over. */
static void show_trouble(struct kube *kube, enum kube_task task)
{
	const struct trouble *trouble = trouble_of(kube, task);
	enum trouble_kind before = kube->shown[task], kind = trouble->kind;
	bool new = kind != TROUBLE_NONE && !is_shown(kube, kind);

	if (kind == before)
		return;
	kube->shown[task] = kind;
	if (kind == TROUBLE_NONE)
		ask_others_again(kube);
	if (new)
		log_line(kube->log, trouble_passes(kind) ? LOG_WARN : LOG_ERR, "%s", trouble->text);
	if (kind == TROUBLE_NONE && !is_shown(kube, before))
		log_line(kube->log, LOG_INFO, "the API server at %s: that is over -> going on",
			 kube->place.url);
}

/* ---- the agent */

static struct tell_news news_of(struct kube *kube)
{
	return (struct tell_news){
		.nodes = &kube->follow.held,
		.list = kube->follow.list,
		.founding = kube->founding.state == FOUNDING_KNOWN ? &kube->founding.told : NULL,
		.trouble = first_trouble(kube),
	};
}

static bool agent_is_ready(const struct kube *kube)
{
	return kube->tell.state == TELL_ANSWERS && kube->tell.agent.ready;
}

static void tell(struct kube *kube)
{
	struct tell_news news = news_of(kube);

	tell_agent(&kube->tell, &news);
	kube->news = false;
	kube->tick = instant_add_ms(now(), agent_is_ready(kube) ? KUBE_TICK_MS : KUBE_TICK_SOON_MS);
}

static struct founding_agent founding_agent_of(struct kube *kube)
{
	const struct agent_view *view = &kube->tell.agent;
	struct tell_news news = news_of(kube);
	struct founding_agent agent = {
		.answers = kube->tell.state == TELL_ANSWERS,
		.has_cluster = view->has_cluster,
		.wants_founding = view->wants_founding && tell_is_up_to_date(&kube->tell, &news),
	};

	memcpy(agent.uid, view->uid, sizeof(agent.uid));
	memcpy(agent.cluster, view->cluster, sizeof(agent.cluster));
	return agent;
}

/* ---- the loop */

static void start_due(struct kube *kube, struct arena *arena)
{
	struct founding_agent agent = founding_agent_of(kube);
	struct request request;
	uint8_t fresh[16];

	if (follow_is_silent(&kube->follow, now()))
		api_stop(&kube->calls[KUBE_FOLLOW]);
	if (follow_request(&kube->follow, now(), arena, &request))
		api_start(&kube->calls[KUBE_FOLLOW], &request);
	randomize(fresh, sizeof(fresh));
	if (founding_request(&kube->founding, now(), &agent, fresh, arena, &request))
		api_start(&kube->calls[KUBE_FOUNDING], &request);
	if (condition_request(&kube->condition, now(), time(NULL), agent_is_ready(kube),
			      &kube->follow.held, arena, &request))
		api_start(&kube->calls[KUBE_CONDITION], &request);
}

static void start_due_reset(struct kube *kube, struct arena *arena)
{
	struct request request;

	if (reset_request(&kube->reset, now(), arena, &request))
		api_start(&kube->calls[KUBE_RESET], &request);
	kube->tick = instant_add_ms(now(), KUBE_TICK_SOON_MS);
}

/* All but the nodes has no deadline of its own: it can wait for the tick. */
static int64_t wait_ms(const struct kube *kube)
{
	struct instant next = kube->tick;

	if (!kube->options->reset)
		next = instant_min(next, follow_deadline(&kube->follow));
	return kube->news ? 0 : instant_diff_ms(next, now());
}

static bool told_to_end(const struct kube *kube)
{
	struct signalfd_siginfo info;

	return read(kube->signal_fd, &info, sizeof(info)) == sizeof(info);
}

static void step(struct kube *kube, struct arena *arena)
{
	if (kube->options->reset) {
		start_due_reset(kube, arena);
		return;
	}
	if (kube->news || instant_reached(now(), kube->tick))
		tell(kube);
	start_due(kube, arena);
}

bool kube_run(struct kube *kube)
{
	struct arena arena;
	bool over;

	arena_init(&arena, ARENA_UNLIMITED);
	do {
		api_run(&kube->api);
		for (enum kube_task task = 0; task < KUBE_TASK_COUNT; task++)
			show_trouble(kube, task);
		step(kube, &arena);
		arena_reset(&arena);
		over = kube->reset.state == RESET_OVER;
		if (!over)
			api_wait(&kube->api, kube->signal_fd, wait_ms(kube));
	} while (!over && !told_to_end(kube));
	arena_done(&arena);
	return over;
}

static int watch_signals(struct kube *kube, struct err *err)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	/* TLS writes to sockets that may be closed. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &ends, NULL) < 0)
		return err_set(err, errno, "set up signals");
	kube->signal_fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	return kube->signal_fd < 0 ? err_set(err, errno, "open a descriptor for signals") : 0;
}

int kube_init(struct kube *kube, const struct options *options, struct log *log, struct err *err)
{
	uint64_t seed;
	int result;

	*kube = (struct kube){
		.options = options,
		.log = log,
		.place = { options->url, options->token_file, options->ca_file },
	};
	result = watch_signals(kube, err);
	if (result < 0)
		return result;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		close(kube->signal_fd);
		return err_set(err, ENOTSUP, "initialise libcurl");
	}
	randomize(&seed, sizeof(seed));
	prng_seed(&kube->prng, seed);
	api_init(&kube->api, &kube->place);
	for (size_t i = 0; i < KUBE_TASK_COUNT; i++)
		api_call_init(&kube->calls[i], &kube->api, &owners[i], kube);
	follow_init(&kube->follow, &kube->place, &kube->prng, log);
	founding_init(&kube->founding, options->namespace, options->node, &kube->place, &kube->prng,
		      log);
	condition_init(&kube->condition, options->node, &kube->place, &kube->prng, log);
	reset_init(&kube->reset, options->namespace, options->node, &kube->place, &kube->prng, log);
	tell_init(&kube->tell, options->socket, log);
	return 0;
}

void kube_done(struct kube *kube)
{
	for (size_t i = 0; i < KUBE_TASK_COUNT; i++)
		api_call_done(&kube->calls[i]);
	api_done(&kube->api);
	follow_done(&kube->follow);
	curl_global_cleanup();
	close(kube->signal_fd);
}
