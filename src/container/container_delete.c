/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill, ps and delete: what is done to a container that exists, by this process or another.
 *
 * delete is a list of steps that may each be repeated: kill, wait, cgroups (container_destroy.c), state, poststop hooks.
 * The state directory goes last among the resources, so that a delete that failed can be tried again.
 */
#include "container/container_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "container/sandbox_group.h"

#define KILL_NS (10 * NS_PER_SEC)

/* ---- kill ---- */

static int not_running(struct err *err)
{
	return err_set(err, -ESRCH, "container not running");
}

static int kill_all(struct container *c, int sig, struct err *err)
{
	if (!c->cgroup) {
		int r = c->init.pid ? pidref_kill(&c->init, sig) : 0;

		return r == -ESRCH ? 0 : r;
	}
	if (container_unit_is_free(c))
		return 0;
	if (sig != SIGKILL)
		return cgroup_signal(c->cgroup, sig, err);
	if (!container_gone(c)) /* wherever somebody has moved it to */
		pidref_kill(&c->init, SIGKILL);
	return cgroup_kill(c->cgroup, err);
}

static bool has_processes(struct container *c)
{
	auto_free pid_t *pids = NULL;
	struct err ignored;
	size_t n = 0;

	return !container_unit_is_free(c) && cgroup_pids(c->cgroup, &pids, &n, &ignored) == 0 && n;
}

int container_kill(struct container *c, int sig, bool all, struct err *err)
{
	enum container_status s = container_status(c);
	/* Without a pid namespace of its own the rest survives init. */
	bool rest = sig == SIGKILL && !container_owns_pidns(c) && c->cgroup;
	int r;

	if (all)
		return kill_all(c, sig, err);
	if (s == CONTAINER_STOPPED && !(rest && has_processes(c)))
		return not_running(err);
	if (rest)
		return kill_all(c, sig, err);
	r = pidref_kill(&c->init, sig);
	if (r == -ESRCH)
		return not_running(err);
	if (r < 0)
		return err_code(
			err, r, "signal the init process of container '%s'", container_id(c));
	if (sig == SIGKILL && s == CONTAINER_PAUSED)
		container_thaw(c); /* a frozen v1 cgroup keeps SIGKILL waiting for ever */
	return 0;
}

/* ---- pids ---- */

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

/* ---- delete ---- */

static void poststop_done(void *arg, const struct err *err)
{
	struct container *c = arg;

	c->hooks = NULL;
	container_done(c, NULL);
}

/* Best effort, once, after everything is gone: failures are logged. Without hooks only the end of the operation. */
static int run_poststop(struct container *c, struct err *err)
{
	const char *bundle = c->state.record.bundle;
	struct hook_request req = {
		.state = c->hook_state, .best_effort = true, .kind = "poststop"
	};

	if (c->hook_state) {
		/* As all hooks, in the bundle; who deletes may have removed that. */
		req.cwd = bundle && access(bundle, X_OK) == 0 ? bundle : "/";
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
	return err_set(err, -EBUSY, "cannot delete container %s that is not stopped: %s",
		container_id(c), container_status_name(s));
}

static void destroyed(struct container *c, const struct err *e)
{
	struct err copy = { 0 };

	if (e)
		copy = *e;
	else
		state_remove(&c->state, &copy);
	if (copy.code == 0) {
		container_trace(c, "deleted");
		sandbox_group_left(c->host, &c->state.record);
		run_poststop(c, &copy);
	} else {
		state_unlock(&c->state);
	}
	if (copy.code)
		container_done(c, &copy);
}

int container_delete(
	struct container *c, bool force, const struct container_handler *handler, struct err *err)
{
	int r = may_delete(c, force, err);

	if (r == 0)
		r = state_relock(&c->state, err);
	if (r < 0)
		return r;
	/* What an init that waits for its start says from now on is nobody's business. */
	launch_free(c->launch);
	c->launch = NULL;
	c->handler = *handler;
	container_trace(c, "delete");
	free(c->hook_state);
	c->hook_state = NULL;
	/* the text needs the configuration, which goes with the state */
	if (c->state.record.poststop_hooks && container_need_spec(c, err) == 0)
		c->hook_state = container_hook_state(c, "stopped", 0);
	container_destroy(c, KILL_NS, destroyed);
	return 0;
}
