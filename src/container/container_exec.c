/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: a further process in a running container.
 */
#include "container/container_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "container/cgroup_find.h"
#include "container/intel_rdt.h"
#include "container/security_label.h"
#include "container/stdio_owner.h"

#define KEEP_MAX (3 + COMPILE_TASKS_MAX)

struct container_process {
	struct container *container;
	struct container_handler handler;
	struct launch *launch;
	struct spec_rlimit *rlimits; /* the launch reads them when the process is ready */
	struct cgroup_entry entry;   /* where the host keeps none */
	struct loop_deferred release;
	bool freed;
};

static void done(struct container_process *p, const struct err *e)
{
	struct container_handler h = p->handler;

	p->handler = (struct container_handler){ 0 };
	if (h.done)
		h.done(h.arg, e);
}

static void on_console(void *arg, int master)
{
	struct container_process *p = arg;

	if (p->handler.console)
		p->handler.console(p->handler.arg, master);
	else
		fd_close(master);
}

static void on_ready(void *arg)
{
	done(arg, NULL);
}

static void on_failed(void *arg, const struct err *e)
{
	struct err copy = *e;

	done(arg, &copy);
}

/* Before it runs: it waits for its release. */
static void on_started(void *arg, const struct pidref *process)
{
	struct container_process *p = arg;
	struct err e = { 0 };

	if (intel_rdt_enter(&p->container->state.record, process->pid, &e) < 0)
		done(p, &e);
}

static int on_listener(void *arg, const struct pidref *process, int fd, struct err *err)
{
	struct container_process *p = arg;

	return container_give_listener(p->container, process, "running", fd, err);
}

static int check_status(struct container *c, const struct container_exec *req, struct err *err)
{
	switch (container_status(c)) {
	case CONTAINER_STOPPED:
		return err_set(err, -EBUSY, "cannot exec in a stopped container");
	case CONTAINER_PAUSED:
		if (req->ignore_paused)
			return 0;
		return err_set(err, -EBUSY,
			"cannot exec in a paused container (use --ignore-paused to override)");
	case CONTAINER_CREATING:
		return err_set(err, -EBUSY, "cannot exec in a container that is being created");
	default:
		return 0;
	}
}

/* From now on a close of it makes nobody wait: not the program, and hardly us. */
static void on_running(void *arg)
{
	struct container_process *p = arg;

	cgroup_entry_done(&p->entry);
	done(p, NULL);
}

static const struct cgroup_entry *open_entry(struct container_process *p, struct cgroup *cg)
{
	struct cgroup_entry *kept = p->container->host->entry;

	if (!cg)
		return NULL;
	if (kept && cg == p->container->cgroup)
		return cgroup_entry_open(kept, cg) ? kept : NULL;
	return cgroup_entry_open_dir(&p->entry, cg) ? &p->entry : NULL;
}

/* What the executor is to have besides the streams: init's pidfd, and what of the cgroup is open. */
static size_t list_kept(int init, const struct cgroup_entry *e, int keep[KEEP_MAX])
{
	size_t n = 0;

	keep[n++] = init;
	for (size_t i = 0; e && i < e->n_tasks && i < COMPILE_TASKS_MAX; i++)
		keep[n++] = e->tasks[i];
	if (e && e->dir >= 0) {
		keep[n++] = e->procs;
		keep[n++] = e->dir;
	}
	return n;
}

/* Where v2 could only count or stop the executor: what bounds a cgroup is in v1. */
static bool v2_is_bare(const struct cgroup *cg)
{
	uint32_t bounds =
		CGROUP_BIT(CGROUP_PIDS) | CGROUP_BIT(CGROUP_CPU) | CGROUP_BIT(CGROUP_MEMORY);

	for (size_t i = 0; i < cg->n_dirs; i++)
		if (!cg->dirs[i].v2)
			bounds &= ~cg->dirs[i].controllers;
	return bounds == 0;
}

/*
 * A command's executor may begin in a bare v2 cgroup itself. Then its child has no copy of the directory, and none has to be
 * made from which no path leads up, whose last close would wait for a grace period. While we wait in vfork it must run: not
 * in a cgroup that is paused.
 */
static int open_for_stage(
	const struct container_process *p, const struct container_exec *req, struct cgroup *cg)
{
	const struct host *h = p->container->host;
	const struct cgroup_dir *v2 = cg ? cgroup_v2_dir(cg) : NULL;

	if (!v2 || !h->reaper.own || h->parent_pid || h->entry || req->ignore_paused ||
		!v2_is_bare(cg))
		return -EBADF;
	return fd_open(v2->path, O_PATH | O_DIRECTORY, 0);
}

static int compile_and_start(struct container_process *p, const struct container_exec *req,
	struct cgroup *cg, int stage_cgroup, struct err *err)
{
	struct container *c = p->container;
	const struct cgroup_entry *entry = stage_cgroup < 0 ? open_entry(p, cg) : NULL;
	const char *dirs[CGROUP_HIERARCHIES_MAX];
	int keep[KEEP_MAX];
	struct seccomp_filter filter = { 0 };
	struct plan plan = { 0 };
	struct compile_exec in = {
		.spec = c->spec,
		.process = req->process,
		.id = c->state.record.id,
		.keyring = c->state.record.session_keyring,
		.init_pidfd = c->init.fd,
		.cgroup = container_cgroup_entry(cg, dirs),
		.preserve_fds = req->preserve_fds,
		.setgroups_denied = container_denies_setgroups(c->spec),
		.self = &c->host->self,
	};
	struct launch_request lr = {
		.plan = &plan,
		.stdio = { req->stdio[0], req->stdio[1], req->stdio[2] },
		.keep = keep,
		.n_keep = list_kept(c->init.fd, entry, keep),
		.cgroup_dir = stage_cgroup,
		.stage_in_cgroup = stage_cgroup >= 0,
		.preserve_fds = req->preserve_fds,
		.rlimits = p->rlimits,
		.n_rlimits = req->process->n_rlimits,
	};
	struct launch_handler h = {
		.arg = p,
		.started = on_started,
		.console = on_console,
		.listener = on_listener,
		.ready = on_ready,
		.running = on_running,
		.failed = on_failed,
	};
	int r = container_filter(c, &filter, err);

	if (r < 0) {
		fd_close(stage_cgroup);
		return r;
	}
	in.cgroup.entry = entry;
	if (stage_cgroup >= 0)
		in.cgroup.clone_dir = NULL;
	in.filter = (struct compile_filter){ filter.program, filter.size, filter.flags };
	r = compile_exec(&in, &plan, err);
	container_warn_of_caps(c, &plan);
	stdio_owner_map(req->stdio, c->spec->linux_);
	if (r == 0)
		r = launch_start(c->host, &lr, &h, &p->launch, err);
	else
		fd_close(stage_cgroup);
	plan_done(&plan);
	seccomp_filter_done(&filter);
	return r;
}

static int copy_rlimits(
	struct container_process *p, const struct spec_process *process, struct err *err)
{
	if (!process->n_rlimits)
		return 0;
	p->rlimits = mem_calloc(process->n_rlimits, sizeof(p->rlimits[0]));
	if (!p->rlimits)
		return err_oom(err);
	memcpy(p->rlimits, process->rlimits, process->n_rlimits * sizeof(p->rlimits[0]));
	return 0;
}

static int start_in(struct container_process *p, const struct container_exec *req,
	struct cgroup *cg, struct err *err)
{
	int dir = open_for_stage(p, req, cg);
	int r = dir < 0 ? -EAGAIN : compile_and_start(p, req, cg, dir, err);

	return r == -EAGAIN ? compile_and_start(p, req, cg, -EBADF, err) : r;
}

static int start(struct container_process *p, const struct container_exec *req, struct err *err)
{
	auto_freep(cgroup) struct cgroup *below = NULL;
	struct container *c = p->container;
	int r = copy_rlimits(p, req->process, err);

	if (r == 0 && c->cgroup && req->n_cgroups)
		r = cgroup_below(c->cgroup, req->cgroups, req->n_cgroups, &below, err);
	else if (r == 0 && c->cgroup)
		below = cgroup_find_inner(c->cgroup, &c->init);
	if (r == 0)
		r = start_in(p, req, below ? below : c->cgroup, err);
	return r;
}

int container_exec(struct container *c, const struct container_exec *req,
	const struct container_handler *handler, struct container_process **ret, struct err *err)
{
	struct container_process *p;
	int r = check_status(c, req, err);

	if (r == 0)
		r = container_need_spec(c, err);
	if (r == 0)
		r = security_label_check_process("/sys", req->process, err);
	if (r < 0)
		return r;
	p = mem_calloc(1, sizeof(*p));
	if (!p)
		return err_oom(err);
	p->container = c;
	p->handler = *handler;
	r = start(p, req, err);
	if (r < 0)
		container_exec_free(p);
	else
		*ret = p;
	return r;
}

const struct pidref *container_exec_process(const struct container_process *p)
{
	return launch_process(p->launch);
}

int container_exec_release(
	struct container_process *p, const struct container_handler *handler, struct err *err)
{
	p->handler = *handler;
	return launch_release(p->launch, err);
}

int container_exec_sync(const struct container_process *p)
{
	return launch_sync(p->launch);
}

int container_exec_adopt(struct container *c, const struct pidref *process, int sync,
	struct container_process **ret, struct err *err)
{
	struct container_process *p = mem_calloc(1, sizeof(*p));
	struct launch_handler h = {
		.arg = p, .listener = on_listener, .running = on_running, .failed = on_failed
	};
	int r;

	if (!p) {
		fd_close(sync);
		return err_oom(err);
	}
	p->container = c;
	r = launch_adopt(c->host, sync, process, &h, &p->launch, err);
	if (r < 0)
		free(p);
	else
		*ret = p;
	return r;
}

static void release(struct loop_deferred *d)
{
	struct container_process *p = container_of(d, struct container_process, release);

	free(p->rlimits);
	cgroup_entry_done(&p->entry);
	free(p);
}

void container_exec_free(struct container_process *p)
{
	if (!p || p->freed)
		return;
	p->freed = true;
	launch_free(p->launch);
	loop_defer(p->container->host->loop, &p->release, release);
}

int container_exec_defaults(const struct container *c, struct spec_process *p, struct arena *arena)
{
	const struct spec_process *own = c->spec->process;

	if (!own)
		return 0;
	if (!p->capabilities)
		p->capabilities = own->capabilities;
	if (!p->apparmor_profile)
		p->apparmor_profile = own->apparmor_profile;
	if (!p->selinux_label)
		p->selinux_label = own->selinux_label;
	if (!p->io_priority)
		p->io_priority = own->io_priority;
	if (!p->scheduler)
		p->scheduler = own->scheduler;
	if (!p->exec_cpu_affinity)
		p->exec_cpu_affinity = own->exec_cpu_affinity;
	return 0;
}
