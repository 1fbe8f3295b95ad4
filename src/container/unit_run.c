/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper is always a child of ours, and its end as a process is what `done` waits for: until then the cgroup counts it.
 */
#include "container/unit_run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/kernel.h"
#include "container/unit_wire.h"

/* The helper gives up after half a minute by itself. What has left is a stopped or frozen one. */
#define PATIENCE_NS (40 * NS_PER_SEC)

struct unit_run {
	const struct host *host;
	struct unit_run_handler handler;
	int sock, said; /* its standard error */
	struct loop_fd source;
	struct reaper_watch watch;
	bool watched;
	bool answered; /* STARTED or DONE came */
	bool freed;
	struct loop_timer patience;
	struct loop_deferred release;
	struct err result;
};

static void close_sock(struct unit_run *r)
{
	if (r->sock < 0)
		return;
	loop_fd_close(&r->source);
	r->sock = -EBADF;
}

static void take(struct unit_run *r, struct unit_news *n)
{
	n->text[sizeof(n->text) - 1] = '\0';
	n->cgroup[sizeof(n->cgroup) - 1] = '\0';
	n->invocation[sizeof(n->invocation) - 1] = '\0';
	switch (n->type) {
	case UNIT_NEWS_STARTED:
		r->answered = true;
		loop_timer_cancel(&r->patience);
		r->handler.started(r->handler.arg, n->cgroup, n->invocation);
		break;
	case UNIT_NEWS_DONE:
		r->answered = true;
		break;
	case UNIT_NEWS_FAILED:
		err_set(&r->result, n->code < 0 ? n->code : -EIO, "%s", n->text);
		break;
	default:
		break;
	}
}

/* False: there is no more. */
static bool read_news(struct unit_run *r)
{
	struct unit_news n = { 0 };
	ssize_t size = fd_recv(r->sock, &n, sizeof(n), NULL, NULL, MSG_DONTWAIT);

	if (size == -EAGAIN)
		return false;
	if (size != (ssize_t)sizeof(n)) {
		close_sock(r);
		return false;
	}
	take(r, &n);
	return true;
}

static void on_news(struct loop_fd *source, uint32_t events)
{
	read_news(container_of(source, struct unit_run, source));
}

static void on_exit_(struct reaper_watch *w, int wait_status)
{
	struct unit_run *r = container_of(w, struct unit_run, watch);
	struct err e;

	r->watched = false;
	while (r->sock >= 0 && !r->answered && read_news(r))
		continue;
	if (r->freed) /* by who heard that it has started */
		return;
	close_sock(r);
	loop_timer_cancel(&r->patience);
	e = r->result;
	if (!e.code && !r->answered) {
		helper_silent(r->said, &e);
		err_in(&e, "systemd cgroup driver");
	}
	r->handler.done(r->handler.arg, e.code ? &e : NULL);
}

static void on_patience(struct loop_timer *t)
{
	struct unit_run *r = container_of(t, struct unit_run, patience);

	if (!r->answered)
		err_set(&r->result, -ETIMEDOUT,
			"systemd cgroup driver: no answer within %u seconds",
			(unsigned int)(PATIENCE_NS / NS_PER_SEC));
	kernel_pidfd_send_signal(r->watch.pidfd, SIGKILL, NULL, 0);
}

static int spawn(struct unit_run *r, const struct helper_words *order, int sock, struct err *err)
{
	int code = helper_spawn("systemd cgroup driver: it needs", "systemd", order, sock, false,
		&r->watch.pid, &r->watch.pidfd, &r->said, err);

	if (code < 0)
		return code;
	r->watch.fn = on_exit_;
	code = r->host->reaper.watch(r->host->reaper.arg, &r->watch);
	r->watched = code == 0;
	return code < 0 ? err_code(err, code, "watch reeve-helper") : 0;
}

int unit_run_start(const struct host *h, const struct helper_words *order,
	const struct unit_run_handler *handler, struct unit_run **ret, struct err *err)
{
	auto_freep(unit_run) struct unit_run *r = mem_calloc(1, sizeof(*r));
	auto_close int theirs = -EBADF;
	int pair[2], code;

	if (!r)
		return err_oom(err);
	r->host = h;
	r->handler = *handler;
	r->watch.pidfd = -EBADF;
	r->sock = r->said = -EBADF;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "make a socket");
	theirs = pair[1];
	code = loop_fd_add(h->loop, &r->source, pair[0], EPOLLIN, on_news);
	if (code < 0) {
		fd_close(pair[0]);
		return err_code(err, code, "watch reeve-helper");
	}
	r->sock = pair[0];
	code = spawn(r, order, theirs, err);
	if (code == 0) {
		code = loop_timer_set(
			h->loop, &r->patience, clock_boot_ns() + PATIENCE_NS, on_patience);
		if (code < 0)
			err_code(err, code, "watch reeve-helper");
	}
	if (code < 0)
		return code;
	*ret = take_ptr(r);
	return 0;
}

pid_t unit_run_pid(const struct unit_run *r)
{
	return r->watch.pid;
}

void unit_run_leave(struct unit_run *r)
{
	if (r->sock < 0)
		return;
	close_sock(r);
	/* A moment is enough for what only has to leave. */
	loop_timer_set(r->host->loop, &r->patience, clock_boot_ns() + NS_PER_SEC, on_patience);
}

static void release(struct loop_deferred *d)
{
	struct unit_run *r = container_of(d, struct unit_run, release);

	fd_close(r->watch.pidfd);
	fd_close(r->said);
	free(r);
}

void unit_run_free(struct unit_run *r)
{
	if (!r)
		return;
	r->freed = true;
	close_sock(r);
	loop_timer_cancel(&r->patience);
	if (r->watched) {
		siginfo_t info;

		kernel_pidfd_send_signal(r->watch.pidfd, SIGKILL, NULL, 0);
		r->host->reaper.unwatch(r->host->reaper.arg, &r->watch);
		if (r->host->reaper.own)
			waitid(P_PID, (id_t)r->watch.pid, &info, WEXITED);
	}
	loop_defer(r->host->loop, &r->release, release);
}
