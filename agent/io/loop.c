#include "io/loop.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/xalloc.h"

struct instant loop_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (struct instant){ .ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 };
}

/* libuv asks how long it may wait after these callbacks, so a timer set here counts. */
static void on_turn(uv_prepare_t *handle)
{
	struct loop *loop = handle->data;

	loop->turns++;
	loop->again = false;
	loop->owner->turn(loop->arg);
	if (!loop->again)
		uv_idle_stop(&loop->soon);
}

/* Only there so that libuv does not wait. */
static void on_idle(uv_idle_t *handle)
{
	(void)handle;
}

static void on_wake(uv_timer_t *handle)
{
	struct loop *loop = handle->data;

	loop->wake_at = instant_never();
	loop->owner->due(loop->arg);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct loop *loop = handle->data;

	loop->owner->stop(loop->arg, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

static int listen_to_signals(struct loop *loop)
{
	static const int numbers[] = { SIGTERM, SIGINT };

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int result = uv_signal_start(&loop->signals[i], on_signal, numbers[i]);

		if (result < 0)
			return result;
	}
	return 0;
}

int loop_init(struct loop *loop, const struct loop_owner *owner, void *arg, struct err *err)
{
	int result;

	*loop = (struct loop){ .owner = owner, .arg = arg, .wake_at = instant_never() };
	result = uv_loop_init(&loop->uv);
	if (result < 0)
		return err_set(err, -result, "start the event loop");
	uv_prepare_init(&loop->uv, &loop->turn);
	uv_idle_init(&loop->uv, &loop->soon);
	uv_timer_init(&loop->uv, &loop->wake);
	uv_signal_init(&loop->uv, &loop->signals[0]);
	uv_signal_init(&loop->uv, &loop->signals[1]);
	loop->turn.data = loop->soon.data = loop->wake.data = loop;
	loop->signals[0].data = loop->signals[1].data = loop;
	uv_prepare_start(&loop->turn, on_turn);
	result = listen_to_signals(loop);
	if (result < 0) {
		loop_done(loop);
		return err_set(err, -result, "listen to signals");
	}
	return 0;
}

void loop_run(struct loop *loop)
{
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
	uv_stop(&loop->uv);
}

void loop_done(struct loop *loop)
{
	int result;

	uv_close((uv_handle_t *)&loop->turn, NULL);
	uv_close((uv_handle_t *)&loop->soon, NULL);
	uv_close((uv_handle_t *)&loop->wake, NULL);
	uv_close((uv_handle_t *)&loop->signals[0], NULL);
	uv_close((uv_handle_t *)&loop->signals[1], NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	result = uv_loop_close(&loop->uv);
	assert(result == 0); /* else a handle was forgotten */
}

void loop_wake_at(struct loop *loop, struct instant at)
{
	int64_t in_ms;

	if (at.ms == loop->wake_at.ms)
		return;
	loop->wake_at = at;
	if (instant_is_never(at)) {
		uv_timer_stop(&loop->wake);
		return;
	}
	in_ms = instant_diff_ms(at, loop_now());
	/* libuv counts from the start of this turn. A millisecond more: both clocks are cut to
	 * whole ones, and a wake that is early is a turn for nothing. */
	uv_update_time(&loop->uv);
	uv_timer_start(&loop->wake, on_wake, in_ms > 0 ? (uint64_t)in_ms + 1 : 0, 0);
}

void loop_soon(struct loop *loop)
{
	loop->again = true;
	if (!uv_is_active((uv_handle_t *)&loop->soon))
		uv_idle_start(&loop->soon, on_idle);
}

/* ---- parts to embed */

static void on_timer(uv_timer_t *handle)
{
	struct loop_timer *timer = handle->data;

	timer->fired(timer->arg);
}

void loop_timer_init(struct loop *loop, struct loop_timer *timer, void (*fired)(void *arg),
		     void *arg)
{
	uv_timer_init(&loop->uv, &timer->uv);
	timer->uv.data = timer;
	timer->fired = fired;
	timer->arg = arg;
}

void loop_timer_start(struct loop_timer *timer, uint64_t ms)
{
	uv_update_time(timer->uv.loop);
	uv_timer_start(&timer->uv, on_timer, ms, 0);
}

bool loop_timer_runs(const struct loop_timer *timer)
{
	return uv_is_active((const uv_handle_t *)&timer->uv) != 0;
}

void loop_timer_stop(struct loop_timer *timer)
{
	uv_timer_stop(&timer->uv);
}

void loop_timer_close(struct loop_timer *timer)
{
	uv_close((uv_handle_t *)&timer->uv, NULL);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
	struct loop_watch *watch = handle->data;

	/* An error of the descriptor is for whoever reads it. */
	(void)status;
	(void)events;
	watch->ready(watch->arg);
}

int loop_watch_init(struct loop *loop, struct loop_watch *watch, int fd, void (*ready)(void *arg),
		    void *arg, struct err *err)
{
	int result = uv_poll_init(&loop->uv, &watch->uv, fd);

	if (result < 0)
		return err_set(err, -result, "watch a descriptor");
	watch->uv.data = watch;
	watch->ready = ready;
	watch->arg = arg;
	uv_poll_start(&watch->uv, UV_READABLE, on_readable);
	return 0;
}

void loop_watch_close(struct loop_watch *watch)
{
	uv_close((uv_handle_t *)&watch->uv, NULL);
}

struct work {
	uv_work_t uv;
	struct loop *loop;
	void (*run)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

static void on_work(uv_work_t *request)
{
	struct work *work = request->data;

	work->run(work->arg);
}

static void on_worked(uv_work_t *request, int status)
{
	struct work *work = request->data;

	(void)status; /* nobody cancels */
	work->loop->working--;
	work->done(work->arg);
	free(work);
}

void loop_work(struct loop *loop, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
	struct work *work = xcalloc(1, sizeof(*work));
	int result;

	*work = (struct work){ .loop = loop, .run = run, .done = done, .arg = arg };
	work->uv.data = work;
	loop->working++;
	result = uv_queue_work(&loop->uv, &work->uv, on_work, on_worked);
	assert(result == 0); /* fails only without a callback */
}

uint32_t loop_working(const struct loop *loop)
{
	return loop->working;
}
