/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper stands beside our own program, or where it was installed. Its end is seen on its socket; who waits for it
 * as a process depends on whose child it is (spawn.h, with_parent).
 */
#include "container/criu_run.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/kernel.h"
#include "base/path.h"
#include "base/str.h"
#include "config.h"
#include "container/criu_wire.h"
#include "container/spawn.h"

#define PATIENCE_NS (600 * NS_PER_SEC) /* memory goes to a disk: no client waits longer */

struct criu_run {
	const struct host *host;
	struct criu_run_handler handler;
	int sock;
	struct loop_fd source;
	struct reaper_watch watch;
	bool watched;
	struct loop_deferred release;
	struct loop_timer patience;
	pid_t criu; /* to be waited for by us */
	bool over;
	struct err result;
};

/* ---- the order ---- */

static void add_word(struct criu_order_words *w, char *word)
{
	if (!word || mem_grow(&w->word, &w->cap, w->n + 2, sizeof(*w->word)) < 0) {
		w->failed = true;
		return;
	}
	w->word[w->n++] = word;
	w->word[w->n] = NULL;
}

void criu_order_add(struct criu_order_words *w, const char *name, const char *fmt, ...)
{
	char *value = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&value, fmt, ap);
	va_end(ap);
	add_word(w, n < 0 ? NULL : arena_printf(&w->arena, "%s=%s", name, value));
	if (n >= 0)
		free(value);
}

void criu_order_flag(struct criu_order_words *w, const char *name, bool on)
{
	if (on)
		add_word(w, arena_strdup(&w->arena, name));
}

void criu_order_fd(struct criu_order_words *w, const char *name, int fd)
{
	if (mem_grow(&w->fd, &w->fds_cap, w->n_fds + 1, sizeof(*w->fd)) < 0) {
		w->failed = true;
		fd_close(fd);
		return;
	}
	w->fd[w->n_fds++] = fd;
	criu_order_add(w, name, "%d", fd);
}

void criu_order_inherit(struct criu_order_words *w, const char *key, int fd)
{
	criu_order_add(w, "inherit", "%s", key);
	criu_order_fd(w, "fd", fd);
}

void criu_order_words_done(struct criu_order_words *w)
{
	for (size_t i = 0; i < w->n_fds; i++)
		fd_close(w->fd[i]);
	free(w->fd);
	free(w->word);
	arena_done(&w->arena);
	*w = (struct criu_order_words){ 0 };
}

/* ---- the helper ---- */

static int find_helper(char path[PATH_MAX], struct err *err)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof("/reeve-helper"));
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		memcpy(slash, "/reeve-helper", sizeof("/reeve-helper"));
		if (access(path, X_OK) == 0)
			return 0;
	}
	snprintf(path, PATH_MAX, "%s/reeve-helper", REEVE_LIBEXECDIR);
	return access(path, X_OK) == 0 ? 0 : err_sys(err, "checkpoints need '%s'", path);
}

static void on_exit_(struct reaper_watch *w, int wait_status)
{
	container_of(w, struct criu_run, watch)->watched = false;
}

static int spawn_helper(
	struct criu_run *r, const struct criu_order_words *order, int sock, struct err *err)
{
	char name[] = "reeve-helper", task[] = "criu", path[PATH_MAX];
	auto_free char **argv = mem_calloc(order->n + 3, sizeof(char *));
	auto_close int null = fd_open("/dev/null", O_RDWR, 0);
	int code = find_helper(path, err);

	if (code < 0)
		return code;
	if (!argv || null < 0 || order->failed)
		return err_oom(err);
	argv[0] = name;
	argv[1] = task;
	memcpy(argv + 2, order->word, order->n * sizeof(*argv));
	code = spawn_process(&(struct spawn){ .program = -EBADF,
				     .path = path,
				     .argv = argv,
				     .envp = environ,
				     .stdio = { sock, null, null },
				     .keep = order->fd,
				     .n_keep = order->n_fds,
				     .with_parent = r->host->parent_pid != 0 },
		&r->watch.pid, &r->watch.pidfd, err);
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
		err_set(&e, -EPIPE, "reeve-helper has ended without a word");
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
		if (n->type == CRIU_NEWS_FAILED)
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

/* criu sees the end of its client, and ends; then so does the socket. */
static void on_patience(struct loop_timer *t)
{
	struct criu_run *r = container_of(t, struct criu_run, patience);

	err_set(&r->result, -ETIMEDOUT, "criu did not come to an end within %u seconds",
		(unsigned int)(PATIENCE_NS / NS_PER_SEC));
	kernel_pidfd_send_signal(r->watch.pidfd, SIGKILL, NULL, 0);
}

int criu_run_start(const struct host *h, const struct criu_order_words *order,
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
	r->sock = -EBADF;
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
	fd_close(r->watch.pidfd);
	free(r);
}

void criu_run_free(struct criu_run *r)
{
	if (!r)
		return;
	loop_fd_remove(&r->source);
	loop_timer_cancel(&r->patience);
	if (r->watch.pidfd >= 0 && !r->over)
		kernel_pidfd_send_signal(r->watch.pidfd, SIGKILL, NULL, 0);
	if (r->watched)
		r->host->reaper.unwatch(r->host->reaper.arg, &r->watch);
	loop_defer(r->host->loop, &r->release, release);
}
