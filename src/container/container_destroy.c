/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a container's processes and cgroups: kill, wait for init, remove. Each step may be repeated, by this
 * process or another one.
 *
 * What surprises: mostly nothing is left to do, for the kernel has ended everything with init and lets the cgroups be
 * removed at the first try; only then is it all over within the call. Else the waits are sources on the loop.
 */
#include "container/container_impl.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "container/intel_rdt.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static struct container *container_of_wait(struct wait_until *w)
{
	return container_of(w, struct container, destroyer.wait);
}

static void on_failed(struct loop_deferred *deferred)
{
	struct container *c = container_of(deferred, struct container, destroyer.failed);
	struct err e = c->destroyer.last;

	c->destroyer.done(c, &e);
}

/* With the error that was noted last. */
static void end_failed(struct container *c)
{
	loop_defer(c->host->loop, &c->destroyer.failed, on_failed);
}

static void end(struct container *c, const struct err *e)
{
	if (!e) {
		c->destroyer.done(c, NULL);
		return;
	}
	c->destroyer.last = *e;
	end_failed(c);
}

static void wait_for(struct container *c, const struct wait_until *what)
{
	struct container_destroyer *d = &c->destroyer;
	struct err e;

	d->wait = *what;
	d->wait.deadline_ns = d->deadline_ns;
	if (wait_until_start(c->host->loop, &d->wait, &e) < 0)
		end(c, &e);
}

/* ---- the cgroups ---- */

static int look_removed(struct wait_until *w, struct err *err)
{
	struct container *c = container_of_wait(w);
	struct err *last = &c->destroyer.last;
	int r = cgroup_remove_try(c->cgroup, last);

	if (r == -EBUSY) /* no event tells that the kernel has let go of its dead */
		return 0;
	if (r < 0)
		*err = *last;
	return r < 0 ? r : 1;
}

static void on_removed(struct wait_until *w, const struct err *e)
{
	struct container *c = container_of_wait(w);

	if (e && e->code == -ETIMEDOUT)
		end_failed(c);
	else
		end(c, e);
}

static void remove_cgroups(struct container *c)
{
	intel_rdt_remove(&c->state.record);
	if (!c->cgroup) {
		end(c, NULL);
		return;
	}
	wait_for(c, &(struct wait_until){ .look = look_removed,
			    .done = on_removed,
			    .fd = -EBADF,
			    .retry_ns = NS_PER_MS,
			    .retry_max_ns = 64 * NS_PER_MS });
}

/* ---- the unit ---- */

static void on_unit_stopped(struct container *c, const struct err *e)
{
	if (e && e->code == -ESTALE) /* ours is gone, and its cgroup another's by now */
		end(c, NULL);
	else if (e)
		end(c, e);
	else
		remove_cgroups(c);
}

/* With its processes gone: systemd would wait for them, and take its time. */
static void stop_unit(struct container *c)
{
	struct err e;

	if (!container_has_unit(c))
		remove_cgroups(c);
	else if (container_unit_stop(c, on_unit_stopped, &e) < 0)
		end(c, &e);
}

/* ---- init ---- */

/* Ours when `run` created it; nobody's business otherwise. */
static void reap_init(struct container *c)
{
	siginfo_t info;

	if (c->host->reaper.own)
		waitid(P_PIDFD, (id_t)c->init.fd, &info, WEXITED | WNOHANG);
}

static int look_init(struct wait_until *w, struct err *err)
{
	return pidref_exited(&container_of_wait(w)->init);
}

static void on_init_gone(struct wait_until *w, const struct err *e)
{
	struct container *c = container_of_wait(w);
	struct err late;

	if (e && e->code == -ETIMEDOUT) {
		err_set(&late, -EBUSY, "container init still running (process %d)", c->init.pid);
		e = &late;
	}
	if (e) {
		end(c, e);
		return;
	}
	reap_init(c);
	stop_unit(c);
}

static void wait_for_init(struct container *c)
{
	if (!c->init.pid || c->exited) {
		stop_unit(c);
		return;
	}
	wait_for(c, &(struct wait_until){ .look = look_init,
			    .done = on_init_gone,
			    .fd = c->init.fd,
			    .events = EPOLLIN,
			    .retry_ns = NS_PER_MS,
			    .retry_max_ns = 10 * NS_PER_MS });
}

/* ---- kill ---- */

/*
 * A create that was killed before its record said which cgroups it made: they must not be killed by name alone. Its
 * process, if it got so far, saw the end of file at its barrier and leaves by itself.
 */
static int look_interrupted(struct wait_until *w, struct err *err)
{
	struct container *c = container_of_wait(w);
	auto_free pid_t *pids = NULL;
	size_t n = 0;
	int r = cgroup_pids(c->cgroup, &pids, &n, err);

	return r < 0 ? r : n == 0;
}

static void on_interrupted_left(struct wait_until *w, const struct err *e)
{
	struct container *c = container_of_wait(w);
	struct err refusal;

	if (e && e->code == -ETIMEDOUT) /* refuses, and says why */
		e = cgroup_kill(c->cgroup, &refusal) < 0 ? &refusal : NULL;
	if (e)
		end(c, e);
	else
		wait_for_init(c);
}

static int kill_init(struct container *c, struct err *err)
{
	int r = container_gone(c) ? 0 : pidref_kill(&c->init, SIGKILL);

	return r < 0 && r != -ESRCH ? err_code(err, r, "kill the init process of container '%s'",
					      container_id(c))
				    : 0;
}

static void kill_everything(struct container *c)
{
	struct err e;
	int r = kill_init(c, &e);

	if (r == 0 && c->cgroup && cgroup_is_intended(c->cgroup)) {
		wait_for(c, &(struct wait_until){ .look = look_interrupted,
				    .done = on_interrupted_left,
				    .fd = -EBADF,
				    .retry_ns = NS_PER_MS,
				    .retry_max_ns = NS_PER_MS });
		return;
	}
	if (r == 0 && c->cgroup && !container_unit_is_free(c))
		r = cgroup_kill(c->cgroup, &e);
	if (r < 0)
		end(c, &e);
	else
		wait_for_init(c);
}

/* The kernel ended all processes with init: seldom anything is left to kill, and asking costs more than removing. */
static bool is_free_already(struct container *c)
{
	struct err ignored = { 0 };

	if (!c->cgroup || container_has_unit(c) || cgroup_is_intended(c->cgroup) ||
		!container_owns_pidns(c) || !container_gone(c))
		return false;
	if (c->init.pid && !c->exited)
		reap_init(c);
	return cgroup_remove_try(c->cgroup, &ignored) == 0;
}

void container_destroy(struct container *c, uint64_t patience_ns,
	void (*done)(struct container *c, const struct err *err))
{
	container_freezer_stop(c);
	container_update_stop(c);
	unit_run_free(take_ptr(c->unit)); /* else it would be killed with the others, and told of */
	c->destroyer = (struct container_destroyer){
		.done = done,
		.deadline_ns = clock_boot_ns() + patience_ns,
	};
	if (is_free_already(c))
		end(c, NULL);
	else
		kill_everything(c);
}

void container_destroyer_stop(struct container *c)
{
	wait_until_stop(&c->destroyer.wait);
	loop_defer_cancel(&c->destroyer.failed);
}
