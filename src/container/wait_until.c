/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look at once, mostly the last one; then when the fd has news, or by a timer whose pauses grow. The end is always
 * told from the loop, so that who starts a wait need not expect it within the call.
 */
#include "container/wait_until.h"

#include <errno.h>

#include "base/clock.h"

static void at_end(struct loop_deferred *d)
{
	struct wait_until *w = container_of(d, struct wait_until, end);
	struct err e = w->err;

	w->loop = NULL;
	w->done(w, e.code ? &e : NULL);
}

static void finish(struct wait_until *w)
{
	loop_fd_remove(&w->source);
	loop_timer_cancel(&w->timer);
	loop_defer(w->loop, &w->end, at_end);
}

static void on_timer(struct loop_timer *t);

/* True when it has ended. */
static bool look(struct wait_until *w)
{
	uint64_t now, next;
	int r;

	w->err = (struct err){ 0 };
	r = w->look(w, &w->err);
	now = clock_boot_ns();
	if (r == 0 && now >= w->deadline_ns)
		w->err.code = r = -ETIMEDOUT;
	if (r != 0) {
		finish(w);
		return true;
	}
	next = w->deadline_ns;
	if (w->fd < 0 && w->retry_ns < next - now) {
		next = now + w->retry_ns;
		w->retry_ns = w->retry_ns * 2 < w->retry_max_ns ? w->retry_ns * 2 : w->retry_max_ns;
	}
	r = loop_timer_set(w->loop, &w->timer, next, on_timer);
	if (r < 0) {
		err_code(&w->err, r, "wait for the kernel");
		finish(w);
	}
	return r < 0;
}

static void on_timer(struct loop_timer *t)
{
	look(container_of(t, struct wait_until, timer));
}

static void on_news(struct loop_fd *s, uint32_t events)
{
	look(container_of(s, struct wait_until, source));
}

int wait_until_start(struct loop *l, struct wait_until *w, struct err *err)
{
	int r;

	w->loop = l;
	if (look(w) || w->fd < 0)
		return 0;
	r = loop_fd_add(l, &w->source, w->fd, w->events, on_news);
	if (r < 0) {
		wait_until_stop(w);
		return err_code(err, r, "wait for the kernel");
	}
	return 0;
}

void wait_until_stop(struct wait_until *w)
{
	if (!w->loop)
		return;
	loop_fd_remove(&w->source);
	loop_timer_cancel(&w->timer);
	loop_defer_cancel(&w->end);
	w->loop = NULL;
}
