/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: an adopted process may be dead already, its number even another one's. It is watched for all the
 * same, by its recorded identity, for its exit may still be on its way to us; without a pidfd then, so that nothing is
 * sent to a stranger.
 */
#include "supervisor/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fd.h"
#include "exit/recorder.h"
#include "supervisor/orphan.h"
#include "supervisor/recording.h"

#define BARRIER "sync"
#define IDENTITY "pidfd"

static const struct backend *backend_of(const struct held_proc *p)
{
	return p->task->sup->config.backend;
}

static struct fdtable *fds_of(const struct held_proc *p)
{
	return p->task->sup->config.fds;
}

static struct task_proc *core_of(const struct held_proc *p)
{
	struct task *core = &p->task->core;

	return p->slot == TASK_INIT ? &core->init : &core->execs[p->slot].proc;
}

void held_name(const struct held_proc *p, const char *what, char name[HELD_NAME_SIZE])
{
	unsigned long long number = p->task->number;

	if (p->slot == TASK_INIT)
		snprintf(name, HELD_NAME_SIZE, "%llu/i/%s", number, what);
	else
		snprintf(name, HELD_NAME_SIZE, "%llu/e%u/%s", number, p->slot, what);
}

/* ---- streams ---- */

/* What the streams of a process are opened or restored with; `prefix` is where its name is kept. */
static struct process_io_open streams_of(struct held_proc *p, char prefix[HELD_NAME_SIZE])
{
	const struct request *create = &p->task->init.payload.request;
	const struct request *r = &p->payload.request;
	bool is_exec = p->slot != TASK_INIT;

	held_name(p, "", prefix);
	return (struct process_io_open){
		.env = &p->task->sup->process_io_env,
		.ns = p->task->ns,
		.id = is_exec ? r->exec_id : r->id,
		.prefix = prefix,
		.paths = is_exec ? &r->exec.stdio : &r->create.stdio,
		.uid = create->create.options.io_uid,
		.gid = create->create.options.io_gid,
		.stdin_closed = core_of(p)->stdin_closed,
		/* Who stays behind when an exec ends would keep its client from the end of the file. */
		.direct = create->create.options.io_direct && !is_exec,
	};
}

int proc_open_streams(struct held_proc *p,
	void (*ready)(struct process_io *s, const struct err *err), struct err *err)
{
	char prefix[HELD_NAME_SIZE];
	struct process_io_open o = streams_of(p, prefix);

	o.ready = ready;
	return process_io_open(&p->io, &o, err);
}

/* ---- identity and exits ---- */

static void drop_orphan(struct held_proc *p)
{
	orphan_forget(p->orphan);
	p->orphan = NULL;
}

/*
 * An orphan's pidfd outlives us where the recorder does not tell: while somebody holds it, it tells the end of one that is long
 * reaped (Linux 6.15).
 */
static void keep_identity(struct held_proc *p)
{
	char name[HELD_NAME_SIZE];
	struct err err;
	int fd, r;

	if (p->who.fd < 0 || !p->who.inode || exit_recorder_is_on(p->task->sup->config.recorder))
		return;
	held_name(p, IDENTITY, name);
	fd = fcntl(p->who.fd, F_DUPFD_CLOEXEC, 3);
	r = fd < 0 ? -errno : fdtable_put(fds_of(p), name, fd);
	if (r < 0) {
		err_code(&err, r, "keep the pidfd of process %d", p->who.pid);
		held_warn(p->task, &err);
	}
}

/* What a worker before us has kept of the process that was `then`. */
static bool take_identity(struct held_proc *p, const struct pidref *then, struct pidref *ret)
{
	char name[HELD_NAME_SIZE];
	int fd;

	held_name(p, IDENTITY, name);
	fd = fdtable_get(fds_of(p), name);
	fd = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0 || pidref_take(then->pid, fd, ret) < 0)
		return false;
	if (ret->inode && ret->inode == then->inode)
		return true;
	pidref_done(ret);
	return false;
}

static void drop_identity(struct held_proc *p)
{
	char name[HELD_NAME_SIZE];

	held_name(p, IDENTITY, name);
	fdtable_close(fds_of(p), name);
}

/* It is in the journal. */
static void on_exit_fed(struct held_input *slot)
{
	struct held_proc *p = container_of(slot, struct held_proc, exit);

	recording_end(p);
	drop_identity(p);
}

static void on_exit_(struct exit_watch *w, const struct exit_info *info)
{
	struct held_proc *p = container_of(w, struct held_proc, watch);
	struct held_task *t = p->task;
	struct payload_news news;
	struct task_input in = {
		.type = IN_EXIT,
		.token = p->token,
		.wait_status = info->wait_status,
		.boot_ns = info->boot_ns,
		.wall_ns = info->wall_ns,
		.payload = p->news,
	};

	drop_orphan(p);
	pidref_done(&p->who);
	if (t->container) { /* the last look, before the exit is told: INV-16 */
		uint64_t kills = backend_of(p)->oom_kills(t->container);

		in.oom = kills > t->oom_kills;
		t->oom_kills = kills;
	}
	news = (struct payload_news){ .oom_kills = t->oom_kills };
	in.payload_size = payload_news_encode(&news, p->news);
	held_feed(t, &p->exit, &in);
}

static void on_output_read(struct process_io *io)
{
	exit_watch_go_on(&container_of(io, struct held_proc, io)->watch);
}

/* Output first: 5.6. */
static bool hold_exit(struct exit_watch *w)
{
	return process_io_await_reading(
		&container_of(w, struct held_proc, watch)->io, on_output_read);
}

void proc_watch(struct held_proc *p, const struct pidref *who, uint64_t token)
{
	struct exit_source *exits = p->task->sup->config.exits;

	exit_watch_remove(&p->watch);
	pidref_done(&p->who);
	p->who = *who;
	p->who.fd = who->fd < 0 ? -EBADF : fcntl(who->fd, F_DUPFD_CLOEXEC, 3);
	p->token = token;
	exit_watch_add(exits, &p->watch, &p->who, on_exit_);
	p->watch.hold = hold_exit;
	p->exit.fed = on_exit_fed;
	recording_begin(p);
}

void proc_add_news(const struct pidref *who, uint8_t news[PAYLOAD_NEWS_MAX], struct task_input *in)
{
	struct payload_news n = { .inode = who->inode, .start_time = who->start_time };

	in->payload = news;
	in->payload_size = payload_news_encode(&n, news);
}

void proc_forget(struct held_proc *p)
{
	exit_watch_remove(&p->watch);
	drop_orphan(p);
	held_forget(&p->exit);
	pidref_done(&p->who);
	drop_identity(p);
	if (p->process)
		backend_of(p)->exec_free(p->process);
	p->process = NULL;
}

/* ---- the barrier ---- */

void proc_keep_barrier(struct held_proc *p)
{
	struct held_task *t = p->task;
	int fd = t->container ? backend_of(p)->barrier(t->container, p->process) : -EBADF;
	char name[HELD_NAME_SIZE];
	struct err err;
	int r;

	if (fd < 0)
		return;
	held_name(p, BARRIER, name);
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	r = fd < 0 ? -errno : fdtable_put(fds_of(p), name, fd);
	if (r < 0) {
		err_code(&err, r, "keep the barrier of a process");
		held_warn(t, &err);
	}
}

int proc_barrier(const struct held_proc *p)
{
	char name[HELD_NAME_SIZE];

	held_name(p, BARRIER, name);
	return fdtable_get(fds_of(p), name);
}

void proc_drop_barrier(struct held_proc *p)
{
	char name[HELD_NAME_SIZE];

	held_name(p, BARRIER, name);
	fdtable_close(fds_of(p), name);
}

/* ---- after a restart ---- */

/* The back end's own, when its inode says that it is the same: else NULL. */
static const struct pidref *found_by_backend(struct held_proc *p, const struct pidref *then)
{
	struct backend_container *c = p->task->container;
	const struct pidref *found = NULL;

	if (p->slot == TASK_INIT && c && backend_of(p)->init)
		found = backend_of(p)->init(c);
	return found && found->fd >= 0 && found->pid == then->pid && found->inode &&
			       found->inode == then->inode
		       ? found
		       : NULL;
}

static void adopt_identity(struct held_proc *p)
{
	const struct task_proc *core = core_of(p);
	auto_done(pidref) struct pidref now = PIDREF_NULL;
	struct pidref then = p->who;
	const struct pidref *found;
	bool kept;

	if (core->token == 0 || core->pid == 0 || core->exited)
		return;
	then.pid = (pid_t)core->pid;
	then.fd = -EBADF;
	kept = take_identity(p, &then, &now);
	found = kept ? &now : found_by_backend(p, &then);
	/* One of which nothing is known but its number could be anybody. */
	if (found)
		proc_watch(p, found, core->token);
	else if ((then.inode || then.start_time) &&
		 pidref_reopen(then.pid, then.inode, then.start_time, &now) == 0)
		proc_watch(p, &now, core->token);
	else
		proc_watch(p, &then, core->token);
	/* Also one that was an orphan to the worker before us. */
	if (!kept && !p->task->sup->orphaned && !orphan_is_one(p))
		return;
	if (!kept)
		keep_identity(p);
	orphan_watch(p);
}

void proc_adopt(struct held_proc *p)
{
	char prefix[HELD_NAME_SIZE];
	struct process_io_open o = streams_of(p, prefix);
	struct err err;

	if (core_of(p)->token ==
		0) /* no process, and none is being made; one that failed left nothing */
		return;
	if (process_io_restore(&p->io, &o, &err) < 0)
		held_warn(p->task, &err);
	adopt_identity(p);
}

void proc_end_unknown(struct held_proc *p)
{
	if (p->watch.source && !p->watch.early && p->who.fd < 0 && !p->orphan)
		orphan_watch(p);
}
