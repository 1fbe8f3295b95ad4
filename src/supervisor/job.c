/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Job: how an order is carried out whose outcome is due. A job lives until the outcome has been fed to the
 * core, whether the back end answered at once or later.
 *
 * A create is: mounts, streams, container. What one of these steps has made is undone when a later one
 * fails, so that a failed create leaves nothing (INV-12). An exit is expected from before the first process
 * is made until it is watched (RACE-1, 2).
 */
#include "supervisor/job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "container/host.h"
#include "supervisor/proc.h"

#define DRAIN_IDLE_NS (2 * NS_PER_SEC)
#define DRAIN_MAX_NS (8 * NS_PER_SEC)

static const struct backend *backend_of(const struct held_task *t)
{
	return t->sup->config.backend;
}

static const struct request_create *create_of(const struct held_task *t)
{
	return &t->init.payload.request.create;
}

/* ---- jobs ---- */

static void on_made(struct backend_call *call, const struct pidref *process);
static void on_console(struct backend_call *call, int master);
static void on_done(struct backend_call *call, const struct backend_outcome *outcome);

static struct held_job *job_of(struct held_task *t, uint32_t op)
{
	struct held_job *j = t->jobs;

	while (j && j->op != op)
		j = j->next;
	return j;
}

static struct held_job *job_new(struct held_task *t, const struct effect *e)
{
	struct held_job *j = mem_calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->call = (struct backend_call){
		.console = on_console,
		.made = on_made,
		.done = on_done,
	};
	j->task = t;
	j->proc = held_proc_of(t, e->exec);
	j->type = e->type;
	j->op = e->op;
	j->token = e->token;
	if (e->type == FX_UPDATE || e->type == FX_CHECKPOINT) {
		j->payload = t->sup->payload;
		t->sup->payload = (struct payload){ 0 };
	}
	j->next = t->jobs;
	t->jobs = j;
	return j;
}

/* The one that stands since before a reload, as far as its request left something behind. */
static struct held_job *job_for(struct held_task *t, const struct effect *e)
{
	struct held_job *j = e->again ? job_of(t, e->op) : NULL;

	if (!j)
		j = job_new(t, e);
	if (!j)
		return NULL;
	j->proc = held_proc_of(t, e->exec);
	j->type = e->type;
	j->token = e->token;
	j->again = e->again;
	return j;
}

static void job_free(struct held_job *j)
{
	exit_expect_end(&j->expect);
	loop_timer_cancel(&j->deadline);
	rootfs_unmount_stop(&j->unmounting);
	held_forget(&j->made);
	held_forget(&j->done);
	held_forget(&j->cancel);
	payload_done(&j->payload);
	free(j);
}

/*
 * The outcome is on record. Only now may go what a repeated start would need: the barrier of its process, and with a
 * failed one its streams.
 */
static void on_fed(struct held_input *slot)
{
	struct held_job *j = container_of(slot, struct held_job, done);

	if (j->type == FX_START || j->type == FX_EXEC_START)
		proc_drop_barrier(j->proc);
	if (j->end_streams)
		process_io_close(&j->proc->io);
	job_free(j);
}

static void unlink_job(struct held_job *j)
{
	struct held_job **at = &j->task->jobs;

	while (*at && *at != j)
		at = &(*at)->next;
	if (*at)
		*at = j->next;
}

/* The outcome: with it the job is over. It leaves the list now, its memory when the core has
 * read the outcome. */
static void job_return(struct held_job *j, struct task_input *in)
{
	unlink_job(j);
	in->op = j->op;
	j->done.fed = on_fed;
	held_feed(j->task, &j->done, in);
}

static void job_done(struct held_job *j)
{
	job_return(j, &(struct task_input){ .type = IN_DONE });
}

/*
 * Without memory for a job the order has failed. The task has one slot for that: a second order
 * cannot follow before the core has taken it.
 */
static void fail_without_job(struct held_task *t, const struct effect *e)
{
	struct task_input in = {
		.type = IN_FAILED,
		.op = e->op,
		.error = -ENOMEM,
		.text = "out of memory",
	};

	held_feed(t, &t->failure, &in);
}

/* What the runtime says is told with the words that clients look for (4.2). */
static const char *prefix_of(const struct held_job *j)
{
	switch (j->type) {
	case FX_CREATE:
		return "OCI runtime create failed: ";
	case FX_START:
		return j->task->core.restore ? "OCI runtime restore failed: "
					     : "OCI runtime start failed: ";
	case FX_EXEC_START:
		return "OCI runtime exec failed: ";
	case FX_PAUSE:
		return "OCI runtime pause failed: ";
	case FX_RESUME:
		return "OCI runtime resume failed: ";
	case FX_UPDATE:
		return "OCI runtime update failed: ";
	case FX_CHECKPOINT:
		return "OCI runtime checkpoint failed: ";
	case FX_DELETE:
		return "failed to delete task: ";
	default:
		return "";
	}
}

static void set_failure(struct held_job *j, const char *prefix, const struct err *err)
{
	j->failure = err->code;
	snprintf(j->text, sizeof(j->text), "%s%s", prefix, err->text);
}

/* Success, or the failure that was set. */
static void job_end(struct held_job *j)
{
	struct task_input in = { .type = IN_FAILED, .error = j->failure, .text = j->text };

	if (j->failure)
		job_return(j, &in);
	else
		job_done(j);
}

static void job_fail(struct held_job *j, const char *prefix, const struct err *err)
{
	set_failure(j, prefix, err);
	job_end(j);
}

/* ---- mounts ---- */

static char *rootfs_of(const struct held_task *t)
{
	struct buf path = { 0 };

	buf_addf(&path, "%s/rootfs", create_of(t)->bundle);
	return buf_take(&path);
}

static int mount_rootfs(struct held_task *t, struct err *err)
{
	const struct request_create *c = create_of(t);
	auto_free struct rootfs_mount *list = NULL;
	auto_free char *path = NULL;
	int r;

	if (c->n_rootfs == 0)
		return 0;
	list = mem_calloc(c->n_rootfs, sizeof(*list));
	path = rootfs_of(t);
	if (!list || !path)
		return err_oom(err);
	for (size_t i = 0; i < c->n_rootfs; i++)
		list[i] = (struct rootfs_mount){
			.type = c->rootfs[i].type,
			.source = c->rootfs[i].source,
			.target = c->rootfs[i].target,
			.options = c->rootfs[i].options,
			.n_options = c->rootfs[i].n_options,
		};
	r = rootfs_mount(path, list, c->n_rootfs, err);
	if (r < 0)
		return err_in(err, "failed to mount rootfs component");
	t->mounted = true;
	return 0;
}

static void on_unmounted(struct rootfs_unmounting *u, const struct err *err)
{
	struct held_job *j = container_of(u, struct held_job, unmounting);

	if (!err)
		j->task->mounted = false;
	else if (!j->failure) /* what made a create fail says more than what is left of it */
		set_failure(j, "failed to unmount rootfs: ", err);
	job_end(j);
}

/* The last step of a job that has failed, or of a delete. */
static void unmount_and_end(struct held_job *j)
{
	const struct host *host = j->task->sup->config.host;
	struct held_task *t = j->task;
	auto_free char *path = t->mounted ? rootfs_of(t) : NULL;
	struct err err = { 0 };

	if (t->mounted && !path)
		err_oom(&err);
	else if (t->mounted && host &&
		 rootfs_unmount_start(&j->unmounting, &host->reaper, host->executor, path,
			 on_unmounted, &err) == 0)
		return;
	else if (t->mounted) /* slowly, but surely */
		rootfs_unmount(path, &err);
	on_unmounted(&j->unmounting, err.code ? &err : NULL);
}

/* ---- what the back end says ---- */

static void on_console(struct backend_call *call, int master)
{
	struct held_job *j = container_of(call, struct held_job, call);
	struct err err;

	if (process_io_console(&j->proc->io, master, &err) < 0)
		held_warn(j->task, &err);
}

static void on_made(struct backend_call *call, const struct pidref *process)
{
	struct held_job *j = container_of(call, struct held_job, call);
	struct task_input in = { .type = IN_MADE, .op = j->op, .pid = (uint32_t)process->pid };

	proc_watch(j->proc, process, j->token);
	proc_keep_barrier(j->proc);
	proc_add_news(process, j->news, &in);
	exit_expect_end(&j->expect);
	process_io_made(&j->proc->io);
	held_feed(j->task, &j->made, &in);
}

static const struct err interrupted = { -ECANCELED,
	"interrupted by a restart of the shim's worker" };

static void create_done(struct held_job *j, const struct backend_outcome *o)
{
	struct held_task *t = j->task;
	struct task_input in = { .type = IN_DONE, .shared_pidns = o->shared_pidns };

	process_io_made(&t->init.io);
	if (j->undoing || o->err) {
		proc_forget(&t->init);
		process_io_close(&t->init.io);
		set_failure(j, prefix_of(j), j->undoing ? &interrupted : o->err);
		unmount_and_end(j);
		return;
	}
	if (o->process && o->process->pid > 0) {
		in.pid = (uint32_t)o->process->pid;
		proc_watch(&t->init, o->process, j->token);
		proc_keep_barrier(&t->init);
		proc_add_news(o->process, j->news, &in);
	}
	job_return(j, &in);
}

/* What runtimes say to a second start. */
static bool was_started(const struct err *err)
{
	return strstr(err->text, "already running") || strstr(err->text, "already started");
}

static void start_done(struct held_job *j, const struct backend_outcome *o)
{
	struct task_input in = { .type = IN_DONE };

	if (o->err && !(j->again && was_started(o->err))) {
		job_fail(j, prefix_of(j), o->err);
		return;
	}
	if (!o->err && o->process && o->process->pid > 0) {
		in.pid = (uint32_t)o->process->pid;
		proc_watch(&j->task->init, o->process, j->token);
		proc_add_news(o->process, j->news, &in);
	}
	process_io_made(&j->task->init.io);
	job_return(j, &in);
}

static void exec_done(struct held_job *j, const struct backend_outcome *o)
{
	if (!o->err) {
		job_done(j);
		return;
	}
	proc_forget(j->proc);
	j->end_streams = true;
	job_fail(j, prefix_of(j), o->err);
}

static void delete_done(struct held_job *j, const struct backend_outcome *o)
{
	if (o->err) {
		job_fail(j, prefix_of(j), o->err);
		return;
	}
	process_io_close(&j->task->init.io);
	unmount_and_end(j);
}

static void on_done(struct backend_call *call, const struct backend_outcome *outcome)
{
	struct held_job *j = container_of(call, struct held_job, call);

	switch (j->type) {
	case FX_CREATE:
		create_done(j, outcome);
		break;
	case FX_START:
		start_done(j, outcome);
		break;
	case FX_EXEC_START:
		exec_done(j, outcome);
		break;
	case FX_DELETE:
		delete_done(j, outcome);
		break;
	default:
		if (outcome->err)
			job_fail(j, prefix_of(j), outcome->err);
		else
			job_done(j);
		break;
	}
}

/* An operation that could not even begin ends like one that failed. */
static void fail_at_once(struct held_job *j, const struct err *err)
{
	on_done(&j->call, &(struct backend_outcome){ .err = err });
}

/* Somebody else has deleted it while no worker was there. */
static void without_container(struct held_job *j)
{
	struct err err;

	if (j->type == FX_DELETE) {
		on_done(&j->call, &(struct backend_outcome){ 0 });
		return;
	}
	err_set(&err, -ESRCH, "container not running");
	fail_at_once(j, &err);
}

static void on_oom(struct backend_notice *n)
{
	struct held_task *t = container_of(n, struct held_task, notice);
	struct task_input in = { .type = IN_OOM, .payload = t->oom_news };
	struct payload_news news = { .oom_kills = backend_of(t)->oom_kills(t->container) };

	if (news.oom_kills <= t->oom_kills)
		return;
	t->oom_kills = news.oom_kills;
	if (t->oom.task) /* one that waits to be fed says it all */
		return;
	in.payload_size = payload_news_encode(&news, t->oom_news);
	held_feed(t, &t->oom, &in);
}

/* ---- create and exec ---- */

static void create_container(struct held_job *j)
{
	struct held_task *t = j->task;
	struct backend_create req = {
		.notice = &t->notice,
		.ns = t->ns,
		.id = t->core.id,
		.request = create_of(t),
		.stdio = t->init.io.child,
	};
	struct err err;

	j->with_backend = true;
	t->notice.oom = on_oom;
	if (backend_of(t)->create(t->sup->config.backend_arg, &req, &j->call, &t->container, &err) <
		0)
		fail_at_once(j, &err);
}

static void make_exec(struct held_job *j)
{
	struct held_task *t = j->task;
	const struct request *r = &j->proc->payload.request;
	struct backend_exec req = {
		.exec_id = r->exec_id,
		.request = &r->exec,
		.stdio = j->proc->io.child,
	};
	struct err err;

	j->with_backend = true;
	if (!t->container) {
		without_container(j);
		return;
	}
	if (backend_of(t)->exec(t->container, &req, &j->call, &j->proc->process, &err) < 0)
		fail_at_once(j, &err);
}

static void fail_before_backend(struct held_job *j, const struct err *err)
{
	process_io_close(&j->proc->io);
	set_failure(j, "", err);
	if (j->type == FX_CREATE)
		unmount_and_end(j);
	else
		job_end(j);
}

static void go_on(struct held_job *j)
{
	if (j->type == FX_CREATE)
		create_container(j);
	else
		make_exec(j);
}

static struct held_job *starting_job(struct held_proc *p)
{
	struct held_job *j = p->task->jobs;

	while (j && (j->proc != p || (j->type != FX_CREATE && j->type != FX_EXEC_START)))
		j = j->next;
	return j;
}

static void on_streams_ready(struct process_io *s, const struct err *err)
{
	struct held_job *j = starting_job(container_of(s, struct held_proc, io));

	if (!j)
		return;
	if (err)
		fail_before_backend(j, err);
	else
		go_on(j);
}

static void on_deadline(struct loop_timer *timer)
{
	struct held_job *j = container_of(timer, struct held_job, deadline);
	struct task_input in = { .type = IN_CANCEL, .addr = j->addr };

	held_feed(j->task, &j->cancel, &in);
}

static void watch_deadline(struct held_job *j)
{
	struct supervisor *sup = j->task->sup;

	if (!sup->request || sup->request->deadline_boot_ns == 0)
		return;
	j->addr = sup->from;
	loop_timer_set(sup->config.loop, &j->deadline, sup->request->deadline_boot_ns, on_deadline);
}

static void begin(struct held_job *j)
{
	struct held_task *t = j->task;
	struct err err;
	int r = 0;

	watch_deadline(j);
	exit_expect_begin(t->sup->config.exits, &j->expect);
	if (j->type == FX_CREATE)
		r = mount_rootfs(t, &err);
	if (r == 0)
		r = proc_open_streams(j->proc, on_streams_ready, &err);
	if (r < 0)
		fail_before_backend(j, &err);
	else if (r == 0)
		go_on(j);
}

void job_cancel(struct held_task *t, uint32_t op)
{
	struct held_job *j = job_of(t, op);
	struct err err;

	if (!j || j->cancelled) /* none: its outcome is waiting to be fed */
		return;
	j->cancelled = true;
	if (j->with_backend) {
		if (t->container)
			backend_of(t)->cancel(t->container, j->proc->process);
		return;
	}
	err_set(&err, -ECANCELED, "canceled while a logging binary was started");
	fail_before_backend(j, &err);
}

/* ---- the other orders ---- */

static void start(struct held_job *j)
{
	struct held_task *t = j->task;
	struct err err;

	j->with_backend = true;
	watch_deadline(j);
	if (t->core.restore)
		exit_expect_begin(t->sup->config.exits, &j->expect);
	if (!t->container) {
		without_container(j);
		return;
	}
	if (backend_of(t)->start(t->container, &j->call, &err) < 0)
		fail_at_once(j, &err);
}

void job_kill(struct held_task *t, const struct effect *e)
{
	struct held_proc *p = held_proc_of(t, e->exec);
	struct held_job *j;
	struct err err;
	int r;

	if (e->op == 0) {
		pidref_kill(&p->who, (int)e->signal);
		return;
	}
	j = job_for(t, e);
	if (!j) {
		fail_without_job(t, e);
		return;
	}
	if (e->again && e->signal != SIGKILL) { /* what may have arrived is not sent twice */
		job_done(j);
		return;
	}
	/* Whose record is lost has its pid still. */
	if (e->exec == TASK_INIT && t->container) {
		r = backend_of(t)->kill(t->container, (int)e->signal, e->all, &j->call, &err);
		if (r < 0)
			fail_at_once(j, &err);
		return;
	}
	r = pidref_kill(&p->who, (int)e->signal);
	if (r < 0) {
		err_code(&err, r == -EBADF ? -ESRCH : r, "signal %u", e->signal);
		fail_at_once(j, &err);
	} else {
		job_done(j);
	}
}

static struct held_job *draining_job(struct held_proc *p)
{
	struct held_job *j = p->task->jobs;

	while (j && (j->proc != p || j->type != FX_DRAIN))
		j = j->next;
	return j;
}

static void on_drained(struct process_io *s)
{
	struct held_job *j = draining_job(container_of(s, struct held_proc, io));

	if (j)
		job_done(j);
}

static void drain(struct held_job *j)
{
	const struct supervisor_config *c = &j->task->sup->config;
	uint64_t max_ns = create_of(j->task)->options.io_drain_ms * NS_PER_MS;

	if (!j->proc->io.prefix) {
		job_done(j);
		return;
	}
	if (max_ns == 0)
		max_ns = c->drain_max_ns ? c->drain_max_ns : DRAIN_MAX_NS;
	process_io_drain(&j->proc->io, c->drain_idle_ns ? c->drain_idle_ns : DRAIN_IDLE_NS, max_ns,
		on_drained);
}

static void run(struct held_job *j)
{
	const struct request *req = &j->payload.request;
	const struct backend *b = backend_of(j->task);
	struct backend_container *c = j->task->container;
	struct err err;
	int r = 0;

	if (!c) {
		without_container(j);
		return;
	}
	switch (j->type) {
	case FX_PAUSE:
		r = b->pause(c, &j->call, &err);
		break;
	case FX_RESUME:
		r = b->resume(c, &j->call, &err);
		break;
	case FX_UPDATE:
		r = b->update(c, req->update.resources, req->update.size, &j->call, &err);
		break;
	case FX_CHECKPOINT:
		free(j->task->checkpoint);
		j->task->checkpoint = req->checkpoint.path ? strdup(req->checkpoint.path) : NULL;
		r = b->checkpoint(c, &req->checkpoint, &j->call, &err);
		break;
	case FX_DELETE:
		r = b->delete_(c, &j->call, &err);
		break;
	default:
		break;
	}
	if (r < 0)
		fail_at_once(j, &err);
}

/* ---- once more, after a reload ---- */

/* Whoever asked for it is gone, and how far it came is not known: it is taken back. */
static void undo_create(struct held_job *j)
{
	struct held_task *t = j->task;
	struct backend_adopt req = {
		.notice = &t->notice,
		.ns = t->ns,
		.id = t->core.id,
		.request = create_of(t),
		.init = &t->init.who,
		.barrier = -EBADF,
	};
	struct backend_outcome over = { 0 };
	struct err err;
	int r;

	j->with_backend = true;
	j->undoing = true;
	t->mounted = create_of(t)->n_rootfs > 0;
	(void)proc_barrier(&t->init); /* claims it, so that it can be closed */
	proc_drop_barrier(&t->init);
	proc_adopt(&t->init); /* so that closing its streams finds them */
	r = backend_of(t)->adopt(t->sup->config.backend_arg, &req, &t->container, &err);
	if (r == 0)
		r = backend_of(t)->delete_(t->container, &j->call, &err);
	if (r < 0 && r != -ENOENT)
		held_warn(t, &err);
	if (r < 0)
		create_done(j, &over);
}

/*
 * One that was not made yet ended with the worker. One that waits behind its barrier is let go, maybe a second time; one
 * that is past it says so by the barrier's end.
 */
static void resume_exec(struct held_job *j)
{
	struct held_task *t = j->task;
	struct held_proc *p = j->proc;
	int barrier = proc_barrier(p);
	bool made = t->core.execs[p->slot].proc.pid != 0;
	struct pidref who = p->who;
	struct err err = interrupted;
	int r = -ECANCELED;

	j->with_backend = true;
	who.pid =
		(pid_t)t->core.execs[p->slot].proc.pid; /* also of one that has exited meanwhile */
	if (made && barrier < 0) {                      /* a runtime that has none has let it run */
		job_done(j);
		return;
	}
	if (made && t->container)
		r = backend_of(t)->adopt_exec(
			t->container, &who, barrier, &j->call, &p->process, &err);
	if (r == 0)
		r = backend_of(t)->exec_release(p->process, &err);
	if (r < 0)
		fail_at_once(j, &err);
}

static void resume_start(struct held_job *j)
{
	struct held_task *t = j->task;
	struct err err;

	j->with_backend = true;
	if (!t->container)
		without_container(j);
	else if (backend_of(t)->start(t->container, &j->call, &err) < 0)
		fail_at_once(j, &err);
}

/* Its freeze may have been done, or half of it. */
static void repeat_freeze(struct held_job *j)
{
	if (j->task->container)
		backend_of(j->task)->thaw(j->task->container);
	if (j->type == FX_RESUME)
		job_done(j);
	else
		run(j);
}

static void order_again(struct held_job *j)
{
	switch (j->type) {
	case FX_CREATE:
		undo_create(j);
		break;
	case FX_EXEC_START:
		resume_exec(j);
		break;
	case FX_START:
		resume_start(j);
		break;
	case FX_PAUSE:
	case FX_RESUME:
		repeat_freeze(j);
		break;
	case FX_DRAIN:
		drain(j);
		break;
	default:
		run(j);
		break;
	}
}

void job_order(struct held_task *t, const struct effect *e)
{
	struct held_job *j = job_for(t, e);

	if (!j) {
		fail_without_job(t, e);
		return;
	}
	if (e->again) {
		order_again(j);
		return;
	}
	switch (e->type) {
	case FX_CREATE:
	case FX_EXEC_START:
		begin(j);
		break;
	case FX_START:
		start(j);
		break;
	case FX_DRAIN:
		drain(j);
		break;
	default:
		run(j);
		break;
	}
}

void job_release(struct held_task *t, const struct effect *e)
{
	struct held_job *j = job_of(t, e->op);
	struct err err;

	if (j && backend_of(t)->exec_release(j->proc->process, &err) < 0)
		fail_at_once(j, &err);
}

void job_drop_all(struct held_task *t)
{
	while (t->jobs) {
		struct held_job *j = t->jobs;

		t->jobs = j->next;
		job_free(j);
	}
}

/* ---- reading the journal ---- */

void job_note(struct held_task *t, const struct effect *e)
{
	(void)job_new(
		t, e); /* without memory what its request left behind is missing: the order fails */
}

void job_noted_outcome(struct held_task *t, const struct task_input *in)
{
	struct held_job *j = job_of(t, in->op);

	if (!j || in->type == IN_MADE)
		return;
	unlink_job(j);
	job_free(j);
}

int job_restore(struct held_task *t, uint32_t op, const void *payload, size_t size, struct err *err)
{
	struct effect e = { .type = FX_UPDATE, .exec = TASK_INIT, .op = op };
	struct held_job *j;
	int r = payload_from_bytes(payload, size, &t->sup->payload, err);

	if (r < 0)
		return r;
	j = job_new(t, &e);
	payload_done(&t->sup->payload);
	return j ? 0 : err_oom(err);
}

/* With a start on record nobody waits there any more: only the order to drop it has not reached the guardian. */
static int barrier_of(struct held_task *t)
{
	int fd = proc_barrier(&t->init);

	if (t->core.state == TASK_CREATED || t->core.state == TASK_STARTING ||
		t->core.state == TASK_ENDING)
		return fd;
	proc_drop_barrier(&t->init);
	return -EBADF;
}

void job_adopt(struct held_task *t)
{
	const struct request_create *c = create_of(t);
	struct pidref init = t->init.who;
	struct backend_adopt req = {
		.notice = &t->notice,
		.ns = t->ns,
		.id = t->core.id,
		.request = c,
		.init = &init,
		.barrier = barrier_of(t),
	};
	struct err err;
	int r;

	init.pid = (pid_t)t->core.init.pid;
	t->notice.oom = on_oom;
	t->mounted = c->n_rootfs > 0;
	r = backend_of(t)->adopt(t->sup->config.backend_arg, &req, &t->container, &err);
	if (r < 0) /* its processes are watched for all the same */
		held_warn(t, &err);
	proc_adopt(&t->init);
	for (uint32_t i = 0; i < t->core.n_execs; i++)
		if (t->core.execs[i].state != EXEC_FREE)
			proc_adopt(t->execs[i]);
}
