/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper's end is seen on its socket; who waits for it as a process depends on whose child it is (spawn.h,
 * with_parent).
 */
#include "container/criu_run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "container/criu_wire.h"

#define PATIENCE_NS (600 * NS_PER_SEC) /* memory goes to a disk: no client waits longer */

struct criu_run {
	const struct host *host;
	struct criu_run_handler handler;
	int sock, said; /* its standard error */
	struct loop_fd source;
	struct reaper_watch watch;
	bool watched;
	struct loop_deferred release;
	struct loop_timer patience;
	pid_t criu; /* to be waited for by us */
	bool over;
	struct err result;
};

void criu_order_inherit(struct helper_words *w, const char *key, int fd)
{
	helper_words_add(w, "inherit", "%s", key);
	helper_words_fd(w, "fd", fd);
}

/* ---- the helper ---- */

static void on_exit_(struct reaper_watch *w, int wait_status)
{
	container_of(w, struct criu_run, watch)->watched = false;
}

static int spawn_helper(
	struct criu_run *r, const struct helper_words *order, int sock, struct err *err)
{
	int code = helper_spawn("checkpoints need", "criu", order, sock, r->host->parent_pid != 0,
		&r->watch.pid, &r->watch.pidfd, &r->said, err);

	if (code < 0 || r->host->parent_pid)
		return code;
	r->watch.fn = on_exit_;
	code = r->host->reaper.watch(r->host->reaper.arg, &r->watch);
	r->watched = code == 0;
	return code < 0 ? err_code(err, code, "watch reeve-helper") : 0;
}

static void end(struct criu_run *r)
{
	struct err e = r->result;
	siginfo_t info;

	loop_fd_remove(&r->source);
	loop_timer_cancel(&r->patience);
	if (!r->over && !e.code)
		helper_silent(r->said, &e);
	if (r->criu && r->host->reaper.own)
		waitid(P_PID, (id_t)r->criu, &info, WEXITED);
	r->over = true;
	r->handler.done(r->handler.arg, e.code ? &e : NULL);
}

static void take(struct criu_run *r, struct criu_news *n, int *fd)
{
	switch (n->type) {
	case CRIU_NEWS_HOOKS:
		r->handler.hooks(r->handler.arg, n->pid);
		break;
	case CRIU_NEWS_MADE:
		r->handler.made(r->handler.arg, n->pid);
		break;
	case CRIU_NEWS_TERMINAL:
		if (*fd >= 0)
			r->handler.terminal(r->handler.arg, take_fd(fd));
		break;
	case CRIU_NEWS_DONE:
	case CRIU_NEWS_FAILED:
		r->over = true;
		r->criu = n->criu_pid;
		n->text[sizeof(n->text) - 1] = '\0';
		if (n->type == CRIU_NEWS_FAILED && !r->result.code)
			err_set(&r->result, n->code < 0 ? n->code : -EIO, "%s", n->text);
		break;
	default:
		break;
	}
}

/* Its last news are told when it has left, so that nothing of it is there any more. */
static void on_news(struct loop_fd *s, uint32_t events)
{
	struct criu_run *r = container_of(s, struct criu_run, source);
	auto_close int fd = -EBADF;
	struct criu_news news;
	size_t n_fds = 1;
	ssize_t n = fd_recv(r->sock, &news, sizeof(news), &fd, &n_fds, MSG_DONTWAIT);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n == sizeof(news))
		take(r, &news, &fd);
	else
		end(r);
}

/* The helper sees the end of its client and ends criu; then so does the socket. */
static void on_patience(struct loop_timer *t)
{
	struct criu_run *r = container_of(t, struct criu_run, patience);

	err_set(&r->result, -ETIMEDOUT, "criu did not come to an end within %u seconds",
		(unsigned int)(PATIENCE_NS / NS_PER_SEC));
	shutdown(r->sock, SHUT_WR);
}

int criu_run_start(const struct host *h, const struct helper_words *order,
	const struct criu_run_handler *handler, struct criu_run **ret, struct err *err)
{
	auto_freep(criu_run) struct criu_run *r = mem_calloc(1, sizeof(*r));
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
	r->sock = pair[0];
	theirs = pair[1];
	code = spawn_helper(r, order, theirs, err);
	if (code < 0)
		return code;
	code = loop_fd_add(h->loop, &r->source, r->sock, EPOLLIN, on_news);
	if (code == 0)
		code = loop_timer_set(
			h->loop, &r->patience, clock_boot_ns() + PATIENCE_NS, on_patience);
	if (code < 0)
		return err_code(err, code, "watch reeve-helper");
	*ret = take_ptr(r);
	return 0;
}

int criu_run_go(struct criu_run *r)
{
	char go = CRIU_GO;

	return send(r->sock, &go, 1, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static void release(struct loop_deferred *d)
{
	struct criu_run *r = container_of(d, struct criu_run, release);

	fd_close(r->sock);
	fd_close(r->said);
	fd_close(r->watch.pidfd);
	free(r);
}

void criu_run_free(struct criu_run *r)
{
	if (!r)
		return;
	loop_fd_remove(&r->source);
	loop_timer_cancel(&r->patience);
	if (r->sock >= 0) /* a helper that is still there ends criu, and itself */
		shutdown(r->sock, SHUT_RDWR);
	if (r->watched)
		r->host->reaper.unwatch(r->host->reaper.arg, &r->watch);
	loop_defer(r->host->loop, &r->release, release);
}
