/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a list of hooks, one after another. stdin is a sealed memfd, so that a hook which does not read its state
 * does no harm; output goes to a memfd of which the end becomes the error text.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "container/hook.h"
#include "container/spawn.h"

#define OUTPUT_KEPT 256

struct hook_run {
	const struct host *host;
	struct hook_request req;
	hook_done_fn *done;
	void *arg;
	size_t next; /* hook that runs, or is to */
	struct reaper_watch watch;
	struct loop_timer timer;
	struct loop_deferred end;
	int output;
	bool timed_out;
	bool running;
	struct err err;
};

static void run_next(struct hook_run *r);

static void release(struct hook_run *r)
{
	fd_close(r->output);
	fd_close(r->watch.pidfd);
	free(r);
}

static void at_end(struct loop_deferred *d)
{
	struct hook_run *r = container_of(d, struct hook_run, end);
	hook_done_fn *done = r->done;
	void *arg = r->arg;
	struct err e = r->err;

	release(r);
	done(arg, e.code ? &e : NULL);
}

static void finish(struct hook_run *r)
{
	loop_defer(r->host->loop, &r->end, at_end);
}

/* The last bytes that the hook printed, in one line. */
static void read_output(const struct hook_run *r, char out[OUTPUT_KEPT])
{
	off_t size = lseek(r->output, 0, SEEK_END);
	off_t from = size > OUTPUT_KEPT - 1 ? size - (OUTPUT_KEPT - 1) : 0;
	ssize_t n = size > 0 ? pread(r->output, out, OUTPUT_KEPT - 1, from) : 0;

	if (n < 0)
		n = 0;
	while (n > 0 && out[n - 1] == '\n')
		n--;
	out[n] = 0;
	for (char *c = out; *c; c++)
		if (*c == '\n')
			*c = ' ';
}

static void describe(struct hook_run *r, int wait_status)
{
	const char *path = r->req.hooks[r->next].path, *kind = r->req.kind;
	char output[OUTPUT_KEPT];
	const char *sep;

	read_output(r, output);
	sep = output[0] ? ": " : "";
	if (r->timed_out)
		err_set(&r->err, -EIO, "hook '%s' did not end within %d seconds%s%s", path,
			r->req.hooks[r->next].timeout, sep, output);
	else if (WIFSIGNALED(wait_status))
		err_set(&r->err, -EIO, "hook '%s' was killed by signal %d%s%s", path,
			WTERMSIG(wait_status), sep, output);
	else if (WEXITSTATUS(wait_status))
		err_set(&r->err, -EIO, "'%s': %s%sfailed with exit code %d%s%s", path,
			kind ? kind : "", kind ? " hook " : "", WEXITSTATUS(wait_status), sep,
			output);
}

static void one_ended(struct hook_run *r)
{
	r->watch.pidfd = fd_close(r->watch.pidfd);
	r->output = fd_close(r->output);
	if (r->err.code && r->req.kind)
		err_in(&r->err, "error running %s hook #%zu", r->req.kind, r->next);
	if (r->err.code && r->req.best_effort) {
		/* An error though the operation goes on: nobody else tells of it, and warnings are not shown unasked. */
		log_write(r->host->log, LOG_ERROR_, "%s", r->err.text);
		r->err.code = 0;
	}
	if (r->err.code) {
		/* "No such file" or "timed out" would be taken for a word about the task. */
		r->err.code = -EIO;
		finish(r);
		return;
	}
	r->next++;
	run_next(r);
}

static void on_exit_(struct reaper_watch *w, int wait_status)
{
	struct hook_run *r = container_of(w, struct hook_run, watch);

	r->running = false;
	loop_timer_cancel(&r->timer);
	describe(r, wait_status);
	one_ended(r);
}

static void on_timeout(struct loop_timer *t)
{
	struct hook_run *r = container_of(t, struct hook_run, timer);

	r->timed_out = true;
	kill(-r->watch.pid,
		SIGKILL); /* its own group, and not reaped yet: the number is still its own */
}

/* Nobody would hear of its end. */
static void end_unwatched(const struct hook_run *r)
{
	siginfo_t info;

	kill(-r->watch.pid, SIGKILL);
	if (r->host->reaper.own)
		waitid(P_PID, (id_t)r->watch.pid, &info, WEXITED);
}

static int launch_one(struct hook_run *r)
{
	const struct spec_hook *h = &r->req.hooks[r->next];
	auto_close int in = fd_memfd("state", r->req.state, strlen(r->req.state));
	auto_free char **argv = mem_calloc(h->n_args + 2, sizeof(char *));
	auto_free char **envp = mem_calloc(h->n_env + 1, sizeof(char *));
	struct spawn s = { .program = -EBADF,
		.path = h->path,
		.cwd = r->req.cwd,
		.self = &r->host->self,
		.new_group = 1 };
	int code;

	r->output = memfd_create("output", MFD_CLOEXEC);
	if (in < 0 || r->output < 0 || !argv || !envp)
		return err_set(&r->err, -ENOMEM, "hook '%s': out of memory or files", h->path);
	for (size_t i = 0; i < h->n_args; i++)
		argv[i] = (char *)h->args[i];
	if (!h->n_args)
		argv[0] = (char *)h->path;
	for (size_t i = 0; i < h->n_env; i++)
		envp[i] = (char *)h->env[i];
	s.argv = argv;
	s.envp = h->env ? envp : environ;
	s.stdio[0] = in;
	s.stdio[1] = s.stdio[2] = r->output;
	code = spawn_process(&s, &r->watch.pid, &r->watch.pidfd, &r->err);
	if (code < 0)
		return err_in(&r->err, "hook '%s'", h->path);
	r->watch.fn = on_exit_;
	code = r->host->reaper.watch(r->host->reaper.arg, &r->watch);
	if (code < 0) {
		end_unwatched(r);
		return err_code(&r->err, code, "watch hook '%s'", h->path);
	}
	r->running = true;
	if (h->has_timeout)
		code = loop_timer_set(r->host->loop, &r->timer,
			clock_boot_ns() + (uint64_t)h->timeout * NS_PER_SEC, on_timeout);
	return code < 0 ? err_code(&r->err, code, "time hook '%s'", h->path) : 0;
}

static void run_next(struct hook_run *r)
{
	r->timed_out = false;
	if (r->next == r->req.n_hooks)
		finish(r);
	else if (launch_one(r) < 0 && !r->running)
		one_ended(r);
}

int hook_start(const struct host *h, const struct hook_request *req, hook_done_fn *done, void *arg,
	struct hook_run **ret, struct err *err)
{
	struct hook_run *r = mem_calloc(1, sizeof(*r));

	if (!r)
		return err_oom(err);
	r->host = h;
	r->req = *req;
	r->done = done;
	r->arg = arg;
	r->output = r->watch.pidfd = -EBADF;
	if (ret)
		*ret = r;
	run_next(r);
	return 0;
}

void hook_cancel(struct hook_run *r)
{
	if (!r)
		return;
	if (r->running) {
		kill(-r->watch.pid, SIGKILL);
		r->host->reaper.unwatch(r->host->reaper.arg, &r->watch);
	}
	loop_timer_cancel(&r->timer);
	loop_defer_cancel(&r->end);
	release(r);
}
