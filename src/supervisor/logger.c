/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logger: its argument vector, its fds, its life. Arguments come in the order of the URI (Go's
 * order is random, so no logger can depend on another). What surprises: readiness of `binary` is a
 * byte or the end of the file, so a logger that knows nothing of fd 5 is ready when it exits or
 * closes it; `binary-v2` wants the byte.
 */
#include "supervisor/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/pidref.h"
#include "base/str.h"

#define READY_NS (30 * NS_PER_SEC)
#define END_NS (2 * NS_PER_SEC)    /* for what it does at the end of its streams, before SIGTERM */
#define GRACE_NS (10 * NS_PER_SEC) /* before SIGKILL */
#define ARGS_MAX 64
#define HIGH_FD 10 /* above the numbers that the logger's fds get */

struct logger {
	struct logger_list *list;
	struct logger *next;
	struct pidref who;
	struct exit_watch watch;
	int ready_fd;
	struct loop_fd ready_source;
	struct loop_timer timer; /* for its readiness, then for its end */
	bool byte_wanted;
	bool running;
	bool stopping;
	void (*ready)(void *arg, const struct err *err);
	void *arg;
};

/* ---- the URI ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; NUL bytes and broken escapes are -EINVAL. */
static int percent_decode(char *s, bool plus_is_blank)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '%') {
			int high = hex_digit(s[1]), low = high < 0 ? -1 : hex_digit(s[2]);

			if (low < 0 || high * 16 + low == 0)
				return -EINVAL;
			*to++ = (char)(high * 16 + low);
			s += 2;
		} else {
			*to++ = *s == '+' && plus_is_blank ? ' ' : *s;
		}
	}
	*to = '\0';
	return 0;
}

static bool has_key(char *const *argv, size_t n, const char *key)
{
	for (size_t i = 1; i < n; i += 2)
		if (strcmp(argv[i], key) == 0)
			return true;
	return false;
}

/* argv from "scheme://[host]/path?k=v&k2": path, k, v, k2, "". Points into `uri`, which is
 * changed. */
static int parse_uri(char *uri, char *argv[ARGS_MAX + 1])
{
	static char empty[] = "";
	char *path = strstr(uri, "://"), *query, *pair;
	size_t n = 0;

	path = path ? strchr(path + 3, '/') : NULL;
	if (!path)
		return -EINVAL;
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	if (percent_decode(path, false) < 0)
		return -EINVAL;
	argv[n++] = path;
	while ((pair = strsep(&query, "&"))) {
		char *value = strchr(pair, '=');

		if (value)
			*value++ = '\0';
		if (!*pair && !value)
			continue;
		if (n + 2 > ARGS_MAX || percent_decode(pair, true) < 0 ||
			(value && percent_decode(value, true) < 0))
			return -EINVAL;
		if (has_key(argv, n, pair))
			continue;
		argv[n++] = pair;
		argv[n++] = value ? value : empty;
	}
	argv[n] = NULL;
	return 0;
}

/* ---- the process ---- */

/* A pipe whose ends are above the logger's own numbers. */
static int high_pipe(int *ret_read, int *ret_write)
{
	auto_close int r = -EBADF;
	auto_close int w = -EBADF;
	int low[2];

	if (pipe2(low, O_CLOEXEC) < 0)
		return -errno;
	r = fcntl(low[0], F_DUPFD_CLOEXEC, HIGH_FD);
	w = fcntl(low[1], F_DUPFD_CLOEXEC, HIGH_FD);
	fd_close(low[0]);
	fd_close(low[1]);
	if (r < 0 || w < 0)
		return -EMFILE;
	*ret_read = take_fd(&r);
	*ret_write = take_fd(&w);
	return 0;
}

static int spawn(char *const argv[], char *const env[], int out, int err, int ready, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, 0, 1);
	posix_spawn_file_actions_adddup2(&actions, 0, 2);
	posix_spawn_file_actions_adddup2(&actions, out, 3);
	posix_spawn_file_actions_adddup2(&actions, err, 4);
	posix_spawn_file_actions_adddup2(&actions, ready, 5);
	r = posix_spawn(ret, argv[0], &actions, &attr, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return -r;
}

static int spawn_with_env(const struct logger_request *req, char *const argv[], int out, int err,
	int ready, pid_t *ret)
{
	struct buf id = { 0 }, ns = { 0 };
	char *env[] = { NULL, NULL, NULL };
	int r = -ENOMEM;

	buf_addf(&id, "CONTAINER_ID=%s", req->id);
	buf_addf(&ns, "CONTAINER_NAMESPACE=%s", req->ns);
	env[0] = id.data;
	env[1] = ns.data;
	if (buf_ok(&id) == 0 && buf_ok(&ns) == 0)
		r = spawn(argv, env, out, err, ready, ret);
	buf_done(&id);
	buf_done(&ns);
	return r;
}

/* ---- its life ---- */

static void forget(struct logger *g)
{
	struct logger **at = &g->list->first;

	while (*at && *at != g)
		at = &(*at)->next;
	if (*at)
		*at = g->next;
	exit_watch_remove(&g->watch);
	loop_fd_remove(&g->ready_source);
	loop_timer_cancel(&g->timer);
	fd_close(g->ready_fd);
	pidref_done(&g->who);
	free(g);
}

static void on_exited(struct exit_watch *w, const struct exit_info *info)
{
	struct logger *g = container_of(w, struct logger, watch);

	(void)info;
	g->running = false;
	pidref_done(&g->who);
	if (g->stopping)
		forget(g);
}

static void tell_ready(struct logger *g, const struct err *err)
{
	void (*ready)(void *arg, const struct err *err) = g->ready;

	loop_fd_remove(&g->ready_source);
	loop_timer_cancel(&g->timer);
	g->ready_fd = fd_close(g->ready_fd);
	g->ready = NULL;
	if (ready)
		ready(g->arg, err);
}

static void on_ready(struct loop_fd *s, uint32_t events)
{
	struct logger *g = container_of(s, struct logger, ready_source);
	struct err err;
	char byte;
	ssize_t n;

	(void)events;
	n = read(g->ready_fd, &byte, 1);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == 1 || !g->byte_wanted) {
		tell_ready(g, NULL);
		return;
	}
	err_set(&err, -EIO,
		"logging binary did not call ready (it may have crashed or exited prematurely)");
	tell_ready(g, &err);
}

static void on_ready_timeout(struct loop_timer *t)
{
	struct err err;

	err_set(&err, -ETIMEDOUT, "logging binary was not ready after %llu seconds",
		(unsigned long long)(READY_NS / NS_PER_SEC));
	tell_ready(container_of(t, struct logger, timer), &err);
}

static void on_grace_over(struct loop_timer *t)
{
	struct logger *g = container_of(t, struct logger, timer);

	if (g->running)
		pidref_kill(&g->who, SIGKILL);
}

static void on_end_over(struct loop_timer *t)
{
	struct logger *g = container_of(t, struct logger, timer);

	pidref_kill(&g->who, SIGTERM);
	if (loop_timer_set(g->list->loop, &g->timer, clock_boot_ns() + GRACE_NS, on_grace_over) < 0)
		pidref_kill(&g->who, SIGKILL);
}

/* Take over a process that has just been made. */
static int adopt(struct logger *g, pid_t pid, int ready_fd)
{
	int r = pidref_open(pid, &g->who);

	if (r < 0)
		return r;
	g->running = true;
	exit_watch_add(g->list->exits, &g->watch, &g->who, on_exited);
	r = fd_set_nonblock(ready_fd, true);
	if (r == 0)
		r = loop_fd_add(g->list->loop, &g->ready_source, ready_fd, EPOLLIN, on_ready);
	if (r == 0)
		r = loop_timer_set(
			g->list->loop, &g->timer, clock_boot_ns() + READY_NS, on_ready_timeout);
	return r;
}

int logger_start(struct logger_list *list, const struct logger_request *req, struct logger **ret,
	int *ret_out, int *ret_err, struct err *err)
{
	auto_free char *uri = strdup(req->uri);
	auto_close int out_r = -EBADF;
	auto_close int out_w = -EBADF;
	auto_close int err_r = -EBADF;
	auto_close int err_w = -EBADF;
	auto_close int ready_w = -EBADF;
	char *argv[ARGS_MAX + 1];
	struct logger *g;
	pid_t pid;
	int r;

	if (!uri)
		return err_oom(err);
	if (parse_uri(uri, argv) < 0)
		return err_set(err, -EINVAL, "logging binary '%s': malformed address", req->uri);
	g = mem_calloc(1, sizeof(*g));
	if (!g)
		return err_oom(err);
	g->list = list;
	g->who = PIDREF_NULL;
	g->ready_fd = -EBADF;
	g->byte_wanted = str_starts(req->uri, "binary-v2:");
	g->ready = req->ready;
	g->arg = req->arg;
	g->next = list->first;
	list->first = g;
	r = high_pipe(&out_r, &out_w);
	if (r == 0)
		r = high_pipe(&err_r, &err_w);
	if (r == 0)
		r = high_pipe(&g->ready_fd, &ready_w);
	if (r == 0)
		r = spawn_with_env(req, argv, out_r, err_r, ready_w, &pid);
	if (r == 0)
		r = adopt(g, pid, g->ready_fd);
	if (r < 0) {
		g->ready = NULL;
		logger_stop(g);
		return err_code(err, r, "logging binary '%s'", argv[0]);
	}
	*ret = g;
	*ret_out = take_fd(&out_w);
	*ret_err = take_fd(&err_w);
	return 0;
}

void logger_stop(struct logger *g)
{
	if (!g)
		return;
	g->ready = NULL;
	g->stopping = true;
	loop_fd_remove(&g->ready_source);
	g->ready_fd = fd_close(g->ready_fd);
	if (!g->running) {
		forget(g);
		return;
	}
	if (loop_timer_set(g->list->loop, &g->timer, clock_boot_ns() + END_NS, on_end_over) < 0)
		pidref_kill(&g->who, SIGTERM);
}

void logger_end_all(struct logger_list *list)
{
	while (list->first)
		forget(list->first);
}
