/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output is read while the program runs, so that one that says much does not stop, and only its end is kept. What
 * surprises: its end is the program's exit, not the end of its output, for what it leaves running may hold the pipe; and
 * a program that does not even die when it is killed (it hangs in the kernel) is given up after a while.
 */
#include "supervisor/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "container/spawn.h"

#define DYING_NS (5 * NS_PER_SEC) /* from SIGKILL to giving it up */
#define READS_MAX 64              /* of 1 KiB, after its end */

/* ---- output ---- */

static void keep(struct command *c, const char *data, size_t n)
{
	size_t room = sizeof(c->kept) - 1, drop;

	if (n > room) {
		data += n - room;
		n = room;
	}
	drop = c->n_kept + n > room ? c->n_kept + n - room : 0;
	memmove(c->kept, c->kept + drop, c->n_kept - drop);
	c->n_kept -= drop;
	memcpy(c->kept + c->n_kept, data, n);
	c->n_kept += n;
}

/* 1: there may be more. */
static int read_some(struct command *c)
{
	char data[1024];
	ssize_t n = read(c->output, data, sizeof(data));

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	keep(c, data, (size_t)n);
	return 1;
}

static void on_output(struct loop_fd *s, uint32_t events)
{
	struct command *c = container_of(s, struct command, source);

	(void)events;
	if (read_some(c) < 0)
		loop_fd_remove(&c->source);
}

/* One line, without control characters. */
static const char *kept_line(struct command *c)
{
	while (c->n_kept > 0 && strchr(" \n\r\t", c->kept[c->n_kept - 1]))
		c->n_kept--;
	c->kept[c->n_kept] = '\0';
	for (size_t i = 0; i < c->n_kept; i++)
		if ((unsigned char)c->kept[i] < ' ')
			c->kept[i] = ' ';
	return c->kept;
}

/* ---- its end ---- */

static void release(struct command *c)
{
	loop_timer_cancel(&c->timer);
	loop_fd_remove(&c->source);
	c->output = fd_close(c->output);
	c->watch.pidfd = fd_close(c->watch.pidfd);
	c->env = NULL;
}

static void end(struct command *c, int wait_status)
{
	struct command_result r = {
		.wait_status = wait_status,
		.timed_out = c->timed_out,
		.cancelled = c->cancelled,
	};

	for (int i = 0; c->output >= 0 && i < READS_MAX && read_some(c) > 0; i++)
		;
	r.output = kept_line(c);
	release(c);
	c->done(c, &r);
}

static void on_exit_(struct reaper_watch *w, int wait_status)
{
	end(container_of(w, struct command, watch), wait_status);
}

/* Its own group, and not reaped yet: the number is still its own. */
static void kill_group(const struct command *c)
{
	kill(-c->watch.pid, SIGKILL);
}

static void on_given_up(struct loop_timer *t)
{
	struct command *c = container_of(t, struct command, timer);

	c->env->reaper.unwatch(c->env->reaper.arg, &c->watch);
	end(c, SIGKILL);
}

static void end_it(struct command *c)
{
	kill_group(c);
	if (loop_timer_set(c->env->loop, &c->timer, clock_boot_ns() + DYING_NS, on_given_up) < 0)
		on_given_up(&c->timer);
}

static void on_limit(struct loop_timer *t)
{
	struct command *c = container_of(t, struct command, timer);

	c->timed_out = true;
	end_it(c);
}

void command_cancel(struct command *c)
{
	if (!c->env || c->cancelled)
		return;
	c->cancelled = true;
	if (!c->timed_out)
		end_it(c);
}

void command_drop(struct command *c)
{
	if (!c->env)
		return;
	kill_group(c);
	c->env->reaper.unwatch(c->env->reaper.arg, &c->watch);
	release(c);
}

/* ---- its beginning ---- */

struct streams {
	int own[3]; /* to be closed */
	int use[3];
};

static void streams_done(struct streams *s)
{
	for (int i = 0; i < 3; i++)
		s->own[i] = fd_close(s->own[i]);
}

static int open_null(struct streams *s, int i)
{
	s->own[i] = s->use[i] = fd_open("/dev/null", O_RDWR, 0);
	return s->own[i] < 0 ? s->own[i] : 0;
}

static int open_output(struct command *c, struct streams *s)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	c->output = p[0];
	s->own[1] = s->use[1] = s->use[2] = p[1];
	return fd_set_nonblock(c->output, true);
}

static int open_streams(struct command *c, const struct command_request *req, struct streams *s)
{
	int r = 0;

	if (!req->stdio) {
		r = open_output(c, s);
		if (r == 0 && !req->input)
			return open_null(s, 0);
		if (r == 0)
			s->own[0] = s->use[0] = fd_memfd("input", req->input, req->input_size);
		return r == 0 && s->own[0] < 0 ? s->own[0] : r;
	}
	for (int i = 0; i < 3 && r == 0; i++) {
		s->use[i] = req->stdio[i];
		if (s->use[i] < 0)
			r = open_null(s, i);
	}
	return r;
}

/* Nobody would hear of its end. */
static void end_unwatched(const struct command *c)
{
	siginfo_t info;

	kill_group(c);
	if (c->env->reaper.own)
		waitid(P_PID, (id_t)c->watch.pid, &info, WEXITED);
}

static int spawn_outside(const struct command_outside *outside, const struct spawn *sp,
	struct command *c, struct err *err)
{
	int r;

	if (outside->fn)
		outside->fn(outside->arg, true);
	r = spawn_process(sp, &c->watch.pid, &c->watch.pidfd, err);
	if (outside->fn)
		outside->fn(outside->arg, false);
	return r;
}

static int launch(
	struct command *c, const struct command_request *req, struct streams *s, struct err *err)
{
	struct spawn sp = {
		.program = -EBADF,
		.path = req->program,
		.argv = req->argv,
		.envp = req->envp ? req->envp : environ,
		.cwd = req->cwd,
		.new_group = 1,
	};
	int r = open_streams(c, req, s);

	if (r < 0)
		return err_code(err, r, "open the streams of '%s'", req->program);
	memcpy(sp.stdio, s->use, sizeof(sp.stdio));
	r = spawn_outside(&c->env->outside, &sp, c, err);
	if (r < 0)
		return r;
	c->watch.fn = on_exit_;
	r = c->env->reaper.watch(c->env->reaper.arg, &c->watch);
	if (r == 0) {
		if (c->output >= 0)
			r = loop_fd_add(c->env->loop, &c->source, c->output, EPOLLIN, on_output);
		if (r == 0)
			r = loop_timer_set(
				c->env->loop, &c->timer, clock_boot_ns() + req->limit_ns, on_limit);
		if (r == 0)
			return 0;
		c->env->reaper.unwatch(c->env->reaper.arg, &c->watch);
	}
	end_unwatched(c);
	return err_code(err, r, "watch '%s'", req->program);
}

int command_start(struct command *c, const struct command_env *env,
	const struct command_request *req, command_fn *done, struct err *err)
{
	struct streams s = { .own = { -EBADF, -EBADF, -EBADF } };
	int r;

	*c = (struct command){
		.env = env, .done = done, .watch = { .pidfd = -EBADF }, .output = -EBADF
	};
	r = launch(c, req, &s, err);
	streams_done(&s);
	if (r < 0)
		release(c);
	return r;
}

int command_failed(const struct command_result *r, const char *name, struct err *err)
{
	const char *sep = *r->output ? ": " : "";

	if (r->timed_out)
		return err_set(err, -ETIMEDOUT, "'%s' did not end in time and was killed%s%s", name,
			sep, r->output);
	if (r->cancelled)
		return err_set(err, -ECANCELED, "'%s' was canceled%s%s", name, sep, r->output);
	if (WIFSIGNALED(r->wait_status))
		return err_set(err, -EIO, "signal %d ended '%s'%s%s", WTERMSIG(r->wait_status),
			name, sep, r->output);
	if (WEXITSTATUS(r->wait_status))
		return err_set(err, -EIO, "exit status %d%s%s", WEXITSTATUS(r->wait_status), sep,
			r->output);
	return 0;
}
