/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill, pause, resume, update, ps and delete: what is done to a container that exists, by this process or another.
 *
 * delete is a list of steps that may each be repeated: kill, wait, cgroup, mounts, state, poststop hooks. The state
 * directory goes last among the resources, so that a delete that failed can be tried again.
 */
#include "container/container_impl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/mem.h"

#define FREEZE_NS (2 * NS_PER_SEC)
#define KILL_NS (10 * NS_PER_SEC)

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* ---- kill ---- */

static int not_running(struct err *err)
{
	return err_set(err, -ESRCH, "container not running");
}

static void thaw_for_kill(struct container *c)
{
	struct err ignored = { 0 };

	/* A frozen v1 cgroup keeps SIGKILL waiting for ever. */
	if (c->cgroup)
		cgroup_thaw(c->cgroup, clock_boot_ns() + FREEZE_NS, &ignored);
}

static int kill_all(struct container *c, int sig, struct err *err)
{
	if (!c->cgroup) {
		int r = c->init.pid ? pidref_kill(&c->init, sig) : 0;

		return r == -ESRCH ? 0 : r;
	}
	return sig == SIGKILL ? cgroup_kill(c->cgroup, err) : cgroup_signal(c->cgroup, sig, err);
}

int container_kill(struct container *c, int sig, bool all, struct err *err)
{
	enum container_status s = container_status(c);
	int r;

	if (all)
		return kill_all(c, sig, err);
	if (s == CONTAINER_STOPPED)
		return not_running(err);
	/* Without a pid namespace of its own the rest would survive init. */
	if (sig == SIGKILL && !container_owns_pidns(c) && c->cgroup)
		return kill_all(c, sig, err);
	r = pidref_kill(&c->init, sig);
	if (r == -ESRCH)
		return not_running(err);
	if (r < 0)
		return err_code(
			err, r, "signal the init process of container '%s'", container_id(c));
	if (sig == SIGKILL && s == CONTAINER_PAUSED)
		thaw_for_kill(c);
	return 0;
}

/* ---- pause and resume ---- */

int container_pause(struct container *c, struct err *err)
{
	enum container_status s = container_status(c);

	if (s != CONTAINER_RUNNING && s != CONTAINER_CREATED)
		return not_running(err);
	if (!c->cgroup)
		return err_set(err, -ENOTSUP, "cannot pause container '%s': it has no cgroup",
			container_id(c));
	return cgroup_freeze(c->cgroup, clock_boot_ns() + FREEZE_NS, err);
}

int container_resume(struct container *c, struct err *err)
{
	if (container_status(c) != CONTAINER_PAUSED)
		return err_set(err, -EBUSY, "container not paused");
	return cgroup_thaw(c->cgroup, clock_boot_ns() + FREEZE_NS, err);
}

/* ---- pids, update ---- */

int container_pids(struct container *c, pid_t **ret, size_t *ret_n, struct err *err)
{
	if (c->cgroup)
		return cgroup_pids(c->cgroup, ret, ret_n, err);
	*ret = mem_calloc(1, sizeof(pid_t));
	if (!*ret)
		return err_oom(err);
	*ret_n = container_gone(c) ? 0 : 1;
	(*ret)[0] = c->init.pid;
	return 0;
}

int container_update(struct container *c, const struct spec_resources *res, struct err *err)
{
	if (container_status(c) == CONTAINER_STOPPED)
		return not_running(err);
	if (!c->cgroup)
		return err_set(err, -ENOTSUP, "cannot update container '%s': it has no cgroup",
			container_id(c));
	return cgroup_apply(c->cgroup, res, true, err);
}

/* ---- delete ---- */

static int wait_for_init(struct container *c, uint64_t deadline, struct err *err)
{
	struct pollfd p = { .fd = c->init.fd, .events = POLLIN };
	siginfo_t info;

	if (!c->init.pid || c->exited)
		return 0;
	for (;;) {
		uint64_t now = clock_boot_ns();
		int left_ms = now >= deadline ? 0 : (int)((deadline - now) / NS_PER_MS) + 1;
		int r = poll(&p, 1, left_ms);

		if (r > 0)
			break;
		if (r == 0 || errno != EINTR)
			return err_set(err, -EBUSY, "container init still running (process %d)",
				c->init.pid);
	}
	/* Ours when `run` created it; nobody's business otherwise. */
	if (c->host->reaper.own)
		waitid(P_PIDFD, (id_t)c->init.fd, &info, WEXITED | WNOHANG);
	return 0;
}

/*
 * A create that was killed before its record said which cgroups it made: they must not be killed by name alone. Its
 * process, if it got so far, saw the end of file at its barrier and leaves by itself.
 */
static int wait_for_interrupted(struct container *c, uint64_t deadline, struct err *err)
{
	for (;;) {
		auto_free pid_t *pids = NULL;
		size_t n = 0;
		int r = cgroup_pids(c->cgroup, &pids, &n, err);

		if (r < 0 || n == 0)
			return r;
		if (clock_boot_ns() >= deadline)
			return cgroup_kill(c->cgroup, err); /* refuses, and says why */
		poll(NULL, 0, 1);
	}
}

static int kill_everything(struct container *c, uint64_t deadline, struct err *err)
{
	int r;

	if (!container_gone(c)) {
		r = pidref_kill(&c->init, SIGKILL);
		if (r < 0 && r != -ESRCH)
			return err_code(
				err, r, "kill the init process of container '%s'", container_id(c));
	}
	if (c->cgroup) {
		r = cgroup_is_intended(c->cgroup) ? wait_for_interrupted(c, deadline, err)
						  : cgroup_kill(c->cgroup, err);
		if (r < 0)
			return r;
	}
	return wait_for_init(c, deadline, err);
}

static int free_resources(struct container *c, uint64_t deadline, struct err *err)
{
	return c->cgroup ? cgroup_remove(c->cgroup, deadline, err) : 0;
}

/* The kernel ended all processes with init: seldom anything is left to kill, and asking costs more than removing. */
static bool is_free_already(struct container *c)
{
	struct err ignored = { 0 };

	return c->cgroup && !cgroup_is_intended(c->cgroup) && container_owns_pidns(c) &&
	       container_gone(c) && wait_for_init(c, 0, &ignored) == 0 &&
	       cgroup_remove_try(c->cgroup, &ignored) == 0;
}

int container_destroy(struct container *c, struct err *err)
{
	uint64_t deadline = clock_boot_ns() + KILL_NS;
	int r;

	if (is_free_already(c))
		return 0;
	r = kill_everything(c, deadline, err);

	return r < 0 ? r : free_resources(c, deadline, err);
}

static void poststop_done(void *arg, const struct err *err)
{
	struct container *c = arg;

	c->hooks = NULL;
	container_done(c, NULL);
}

/* Best effort, once, after everything is gone: failures are warnings. Without hooks only the end of the operation. */
static int run_poststop(struct container *c, struct err *err)
{
	struct hook_request req = { .state = c->hook_state, .cwd = "/", .best_effort = true };

	if (c->hook_state) {
		req.hooks = c->spec->hooks->poststop;
		req.n_hooks = c->spec->hooks->n_poststop;
	}
	return hook_start(c->host, &req, poststop_done, c, &c->hooks, err);
}

static int may_delete(struct container *c, bool force, struct err *err)
{
	enum container_status s;

	if (force)
		return 0;
	s = container_status(c);
	if (s == CONTAINER_STOPPED || s == CONTAINER_CREATED)
		return 0;
	return err_set(err, -EBUSY, "cannot delete container '%s' that is not stopped: %s",
		container_id(c), container_status_name(s));
}

int container_delete(
	struct container *c, bool force, const struct container_handler *handler, struct err *err)
{
	int r = may_delete(c, force, err);

	if (r == 0)
		r = state_relock(&c->state, err);
	if (r < 0)
		return r;
	c->handler = *handler;
	container_trace(c, "delete");
	free(c->hook_state);
	c->hook_state = NULL;
	/* the text needs the configuration, which goes with the state */
	if (c->state.record.poststop_hooks && container_need_spec(c, err) == 0)
		c->hook_state = container_hook_state(c, "stopped", 0);
	r = container_destroy(c, err);
	if (r == 0)
		r = state_remove(&c->state, err);
	if (r < 0) {
		state_unlock(&c->state);
		return r;
	}
	container_trace(c, "deleted");
	return run_poststop(c, err);
}
