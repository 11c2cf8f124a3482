#pragma once
/*
 * The event loop, libuv's, and the clock of the agent. Everything in io/ hangs its handles here;
 * the owner is told when a turn ends, when its deadline has come and when the process is asked to
 * stop.
 *
 * A handle is freed only after libuv has closed it: a module's _close() begins that, loop_done()
 * waits for the last one.
 */
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/instant.h"

struct loop_owner {
	void (*turn)(void *arg); /* everything that came in is handled; the loop waits next */
	void (*due)(void *arg);  /* the instant of loop_wake_at() */
	void (*stop)(void *arg, const char *signal); /* "SIGTERM", "SIGINT" */
};

struct loop {
	uv_loop_t uv;
	const struct loop_owner *owner;
	void *arg;
	uv_prepare_t turn;
	uv_idle_t soon;
	uv_timer_t wake;
	uv_signal_t signals[2];
	struct instant wake_at;
	uint32_t turns;
	bool again; /* loop_soon() since the last turn */
	uint32_t working;
};

/* CLOCK_BOOTTIME: goes on while the machine sleeps, so that a lease or a silence is as long as the
 * others say it was. */
struct instant loop_now(void);

/* Also ignores SIGPIPE, for the whole process. */
int loop_init(struct loop *loop, const struct loop_owner *owner, void *arg, struct err *err);
void loop_run(struct loop *loop); /* until loop_stop() */
void loop_stop(struct loop *loop);
/* Waits for what is closing and for workers. Whoever hung something here has begun to close it. */
void loop_done(struct loop *loop);

/* One deadline; never takes it back. */
void loop_wake_at(struct loop *loop, struct instant at);
/* Another turn without waiting. */
void loop_soon(struct loop *loop);

/* ---- parts to embed */

struct loop_timer {
	uv_timer_t uv;
	void (*fired)(void *arg);
	void *arg;
};

void loop_timer_init(struct loop *loop, struct loop_timer *timer, void (*fired)(void *arg),
		     void *arg);
void loop_timer_start(struct loop_timer *timer, uint64_t ms); /* once, from now */
bool loop_timer_runs(const struct loop_timer *timer);
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_close(struct loop_timer *timer);

struct loop_watch {
	uv_poll_t uv;
	void (*ready)(void *arg);
	void *arg;
};

/* Called whenever fd is readable; fd stays the caller's, and open until after loop_watch_close().
 */
int loop_watch_init(struct loop *loop, struct loop_watch *watch, int fd, void (*ready)(void *arg),
		    void *arg, struct err *err);
void loop_watch_close(struct loop_watch *watch);

/* run() on a worker, then done() here, with the same arg. */
void loop_work(struct loop *loop, void (*run)(void *arg), void (*done)(void *arg), void *arg);
/* How many of these have not finished. */
uint32_t loop_working(const struct loop *loop);
