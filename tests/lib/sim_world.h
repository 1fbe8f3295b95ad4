/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * World: a kernel, a clock and a guardian for the simulator, and the back end that drives containers in it. Containers
 * and processes outlive a worker; exits wait in a ring until a worker has them on record; fds that were kept are there
 * for the next one. Every operation takes time, may fail, and may meet the death of what it is about.
 *
 * A worker dies at a point: where its input is on record, before and after each change of the world, before each answer
 * and event. From there on nothing that it does has an effect, until it is freed.
 *
 * Owner    One world per program, for the clocks and pidfds of the code under test are wrapped at link time.
 * Errors   What must not happen ends the program's test by sim_wrong().
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/pidref.h"
#include "base/str.h"
#include "exit/exit.h"
#include "supervisor/backend.h"
#include "supervisor/fdtable.h"
#include "supervisor/holder.h"

#define SIM_PROCS 2048
#define SIM_BOXES 16
#define SIM_CALLS 256
#define SIM_FIRST_PID 5000000 /* above all that a kernel gives */

struct sim_proc {
	pid_t pid;
	int box; /* number of its container */
	bool is_init;
	bool alive;
	bool released; /* past its barrier */
	int barrier;   /* a file that is only itself; 0: none */
	int status;    /* as from wait(2), once it is dead */
	bool by_oom;
	bool doomed; /* killed, and frozen (v1) */
	bool told;   /* its exit is on record with a worker, or was nobody's */
};

struct sim_box {
	int number; /* 0: free */
	char id[16];
	pid_t init;
	bool shared_pidns;
	bool frozen;
	int left; /* processes in it that nobody counts */
	uint64_t oom_kills;
	uint64_t oom_seen; /* by whoever is notified */
	struct backend_notice *notice;
};

struct backend_container {
	int box; /* its number */
	struct pidref init;
};

struct backend_process {
	struct backend_container *owner;
	struct pidref who;
	struct backend_call *call;
};

enum sim_kind {
	SIM_NONE,
	SIM_CREATE,
	SIM_START,
	SIM_EXEC,
	SIM_RELEASE,
	SIM_KILL,
	SIM_PAUSE,
	SIM_RESUME,
	SIM_UPDATE,
	SIM_DELETE
};

struct sim_call {
	enum sim_kind kind;
	struct backend_call *call;
	struct backend_container *container;
	struct backend_process *process;
	int sig;
	bool all, cancelled;
};

struct sim {
	uint64_t random;
	uint64_t boot_ns, wall_ns;
	struct exit_source *exits;
	struct fdtable *fds; /* of the worker */
	struct fdtable kept; /* what outlives it */
	struct sim_proc procs[SIM_PROCS];
	int n_procs;
	pid_t ring[SIM_PROCS]; /* exits, oldest first */
	uint64_t ring_head, ring_read, ring_tail;
	struct sim_box boxes[SIM_BOXES];
	int last_box;
	struct sim_call calls[SIM_CALLS];
	int containers, processes; /* objects that are not freed */
	bool calm;                 /* nothing fails any more */
	bool dead;
	int die_in; /* points; 0: it lives on */
	bool trace;
};

static struct sim sim;

void sim_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#define sim_trace(...) \
	do { \
		if (sim.trace) { \
			printf("#   " __VA_ARGS__); \
			printf("\n"); \
		} \
	} while (0)

/* ---- chance ---- */

static inline uint64_t sim_random(void)
{
	uint64_t z = sim.random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline unsigned int sim_below(unsigned int n)
{
	return (unsigned int)(sim_random() % n);
}

static inline bool sim_one_in(unsigned int n)
{
	return sim_below(n) == 0;
}

/* ---- the clock, and what names a process: in place of the real ones ---- */

uint64_t __wrap_clock_boot_ns(void);
uint64_t __wrap_clock_wall_ns(void);
int __wrap_pidref_reopen(pid_t pid, uint64_t inode, uint64_t start_time, struct pidref *ret);
int __wrap_pidref_kill(const struct pidref *p, int sig);

uint64_t __wrap_clock_boot_ns(void)
{
	return sim.boot_ns;
}

uint64_t __wrap_clock_wall_ns(void)
{
	return sim.wall_ns;
}

/* ---- death of the worker ---- */

static inline int sim_copy_file(int from)
{
	char page[65536];
	off_t at = 0;
	ssize_t n;
	int fd = memfd_create("copy", MFD_CLOEXEC);

	while ((n = pread(from, page, sizeof(page), at)) > 0) {
		if (pwrite(fd, page, (size_t)n, at) != n)
			abort();
		at += n;
	}
	return fd;
}

/* The fds as the guardian has them at this moment. */
static inline void sim_keep_fds(void)
{
	for (size_t i = 0; i < sim.fds->n; i++) {
		const struct fdtable_entry *e = &sim.fds->entries[i];
		int fd = str_eq(e->name, JOURNAL_NAME) ? sim_copy_file(e->fd)
						       : fcntl(e->fd, F_DUPFD_CLOEXEC, 3);

		if (fdtable_put(&sim.kept, e->name, fd) < 0)
			abort();
	}
}

/* Here a worker may die. True: it is dead. */
static inline bool sim_point(void)
{
	if (!sim.dead && sim.die_in > 0 && --sim.die_in == 0) {
		sim_trace("the worker dies");
		sim.dead = true;
		sim_keep_fds();
	}
	return sim.dead;
}

/* ---- processes ---- */

static inline struct sim_proc *sim_proc_of(pid_t pid)
{
	int i = pid - SIM_FIRST_PID;

	return i >= 0 && i < sim.n_procs ? &sim.procs[i] : NULL;
}

static inline struct sim_box *sim_box_of(int number)
{
	for (int i = 0; i < SIM_BOXES; i++)
		if (number && sim.boxes[i].number == number)
			return &sim.boxes[i];
	return NULL;
}

static inline struct sim_box *sim_box_by_id(const char *id)
{
	for (int i = 0; i < SIM_BOXES; i++)
		if (sim.boxes[i].number && strcmp(sim.boxes[i].id, id) == 0)
			return &sim.boxes[i];
	return NULL;
}

static inline struct sim_proc *sim_proc_new(int box, bool is_init)
{
	struct sim_proc *p = &sim.procs[sim.n_procs];

	if (sim.n_procs == SIM_PROCS)
		abort();
	*p = (struct sim_proc){ .pid = SIM_FIRST_PID + sim.n_procs++,
		.box = box,
		.is_init = is_init,
		.alive = true,
		.barrier = memfd_create("barrier", MFD_CLOEXEC) };
	return p;
}

static inline void sim_end_barrier(struct sim_proc *p)
{
	if (p->barrier > 0)
		close(p->barrier);
	p->barrier = 0;
}

static inline void sim_die(struct sim_proc *p, int status);

static inline void sim_kill_members(int box, bool with_init)
{
	for (int i = 0; i < sim.n_procs; i++)
		if (sim.procs[i].box == box && sim.procs[i].alive &&
			(with_init || !sim.procs[i].is_init))
			sim_die(&sim.procs[i], SIGKILL);
}

static inline void sim_die(struct sim_proc *p, int status)
{
	struct sim_box *b = sim_box_of(p->box);

	if (!p->alive)
		return;
	p->alive = false;
	p->status = status;
	sim_end_barrier(p);
	sim_trace("process %d dies: %#x", p->pid, (unsigned int)status);
	if (p->is_init && b && b->shared_pidns)
		b->left = (int)sim_below(3);
	else if (p->is_init)
		sim_kill_members(p->box, false); /* the kernel does */
	/* Who is reaped first is not told by who died first. */
	sim.ring[sim.ring_head++] = p->pid;
	for (uint64_t i = sim.ring_head - 1; i > sim.ring_read && sim_one_in(3); i--) {
		pid_t other = sim.ring[i - 1];

		sim.ring[i - 1] = sim.ring[i];
		sim.ring[i] = other;
	}
}

/* SIGKILL, which waits for the thaw when its cgroup is frozen. */
static inline void sim_sigkill(struct sim_proc *p)
{
	struct sim_box *b = sim_box_of(p->box);

	if (b && b->frozen)
		p->doomed = true;
	else
		sim_die(p, SIGKILL);
}

static inline void sim_thaw_box(struct sim_box *b)
{
	b->frozen = false;
	for (int i = 0; i < sim.n_procs; i++)
		if (sim.procs[i].box == b->number && sim.procs[i].doomed)
			sim_die(&sim.procs[i], SIGKILL);
}

/* What a worker has taken for good: as src/exit/ring.c does it. */
static inline void sim_acknowledge(void)
{
	uint64_t oldest = exit_oldest_record(sim.exits);
	uint64_t tail = oldest > sim.ring_read ? sim.ring_read : oldest - 1;

	while (!sim.dead && sim.ring_tail < tail)
		sim_proc_of(sim.ring[sim.ring_tail++])->told = true;
}

/* The oldest exit that this worker has not heard of; true: there was one. */
static inline bool sim_tell_exit(void)
{
	const struct sim_proc *p;
	struct exit_info info;

	sim_acknowledge();
	if (sim.dead || sim.ring_read == sim.ring_head)
		return false;
	p = sim_proc_of(sim.ring[sim.ring_read++]);
	info = (struct exit_info){ .pid = p->pid,
		.inode = (uint64_t)p->pid,
		.wait_status = p->status,
		.boot_ns = sim.boot_ns,
		.wall_ns = sim.wall_ns,
		.record = sim.ring_read };
	sim_trace("exit of %d is reported", p->pid);
	exit_report(sim.exits, &info);
	sim_acknowledge();
	return true;
}

int __wrap_pidref_reopen(pid_t pid, uint64_t inode, uint64_t start_time, struct pidref *ret)
{
	struct sim_proc *p = sim_proc_of(pid);

	(void)start_time;
	sim_trace("reopen %d inode %llu", pid, (unsigned long long)inode);
	if (!p || (uint64_t)pid != inode || (!p->alive && sim_one_in(2)))
		return -ESRCH;
	*ret = (struct pidref){
		.pid = pid, .fd = open("/dev/null", O_RDONLY | O_CLOEXEC), .inode = inode
	};
	return 0;
}

int __wrap_pidref_kill(const struct pidref *who, int sig)
{
	struct sim_proc *p = sim_proc_of(who->pid);

	if (who->fd < 0)
		return -EBADF;
	if (!p || !p->alive)
		return -ESRCH;
	if (sim_point())
		return 0;
	if (sig == SIGKILL)
		sim_sigkill(p);
	else if (sig == SIGTERM && p->released && sim_one_in(2))
		sim_die(p, SIGTERM);
	return 0;
}

/* Who waits at a barrier that nobody keeps sees its end, and leaves without having run. */
static inline void sim_end_the_unkept(void)
{
	for (int i = 0; i < sim.n_procs; i++) {
		struct sim_proc *p = &sim.procs[i];
		struct stat is, st;
		bool found = false;

		if (!p->alive || p->barrier <= 0)
			continue;
		fstat(p->barrier, &is);
		for (size_t k = 0; k < sim.kept.n; k++)
			found |= fstat(sim.kept.entries[k].fd, &st) == 0 &&
				 st.st_ino == is.st_ino && st.st_dev == is.st_dev;
		if (!found)
			sim_die(p, 1 << 8);
	}
}

/* ---- the back end: operations that take their time ---- */

static inline int sim_later(struct backend_container *c, struct backend_process *p,
	enum sim_kind kind, struct backend_call *call)
{
	if (sim_point())
		return 0;
	for (int i = 0; i < SIM_CALLS; i++)
		if (sim.calls[i].kind == SIM_NONE) {
			sim.calls[i] = (struct sim_call){
				.kind = kind, .call = call, .container = c, .process = p
			};
			return 0;
		}
	abort();
}

static inline void sim_drop_calls(struct backend_container *c, struct backend_process *p)
{
	for (int i = 0; i < SIM_CALLS; i++)
		if (sim.calls[i].kind && sim.calls[i].container == c &&
			(!p || sim.calls[i].process == p))
			sim.calls[i].kind = SIM_NONE;
}

static inline int sim_pidfd(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static inline bool sim_fails(void)
{
	return !sim.calm && sim_one_in(12);
}

static inline int sim_create(void *arg, const struct backend_create *req, struct backend_call *call,
	struct backend_container **ret, struct err *err)
{
	struct backend_container *c;
	struct sim_box *b = sim.boxes;
	struct sim_proc *p;

	(void)arg;
	if (sim_fails())
		return err_set(err, -EIO, "no container today");
	c = calloc(1, sizeof(*c));
	c->init = PIDREF_NULL;
	*ret = c;
	sim.containers++;
	if (sim_point())
		return 0;
	if (sim_box_by_id(req->id))
		sim_wrong("a second container '%s'", req->id);
	while (b->number)
		b++;
	*b = (struct sim_box){
		.number = ++sim.last_box, .shared_pidns = sim_one_in(2), .notice = req->notice
	};
	snprintf(b->id, sizeof(b->id), "%s", req->id);
	p = sim_proc_new(b->number, true);
	b->init = p->pid;
	c->box = b->number;
	c->init = (struct pidref){ .pid = p->pid, .fd = sim_pidfd(), .inode = (uint64_t)p->pid };
	return sim_later(c, NULL, SIM_CREATE, call);
}

static inline int sim_start(struct backend_container *c, struct backend_call *call, struct err *err)
{
	if (sim_fails())
		return err_set(err, -EIO, "no start today");
	return sim_later(c, NULL, SIM_START, call);
}

static inline int sim_exec(struct backend_container *c, const struct backend_exec *req,
	struct backend_call *call, struct backend_process **ret, struct err *err)
{
	struct backend_process *p;
	struct sim_proc *x;

	(void)req;
	if (sim_fails())
		return err_set(err, -ENOENT, "executable file not found in $PATH");
	p = calloc(1, sizeof(*p));
	p->owner = c;
	p->call = call;
	p->who = PIDREF_NULL;
	sim.processes++;
	*ret = p;
	if (sim_point())
		return 0;
	x = sim_proc_new(c->box, false);
	p->who = (struct pidref){ .pid = x->pid, .fd = sim_pidfd(), .inode = (uint64_t)x->pid };
	return sim_later(c, p, SIM_EXEC, call);
}

static inline int sim_release(struct backend_process *p, struct err *err)
{
	(void)err;
	return sim_later(p->owner, p, SIM_RELEASE, p->call);
}

static inline int sim_barrier(struct backend_container *c, struct backend_process *p)
{
	struct sim_proc *x = sim_proc_of(p ? p->who.pid : c->init.pid);

	return x && x->barrier > 0 ? x->barrier : -EBADF;
}

static inline int sim_adopt(
	void *arg, const struct backend_adopt *req, struct backend_container **ret, struct err *err)
{
	struct sim_box *b = sim_box_by_id(req->id);
	struct backend_container *c;

	(void)arg;
	if (!b)
		return err_set(err, -ENOENT, "container '%s' does not exist", req->id);
	c = calloc(1, sizeof(*c));
	c->box = b->number;
	c->init = (struct pidref){ .pid = b->init, .fd = -EBADF, .inode = (uint64_t)b->init };
	b->notice = req->notice;
	b->oom_seen = 0;
	sim.containers++;
	*ret = c;
	return 0;
}

static inline int sim_adopt_exec(struct backend_container *c, const struct pidref *process,
	int barrier, struct backend_call *call, struct backend_process **ret, struct err *err)
{
	struct backend_process *p = calloc(1, sizeof(*p));

	(void)barrier, (void)err;
	p->owner = c;
	p->call = call;
	p->who = *process;
	p->who.fd = -EBADF;
	sim.processes++;
	*ret = p;
	return 0;
}

static inline void sim_cancel(struct backend_container *c, struct backend_process *p)
{
	for (int i = 0; i < SIM_CALLS; i++)
		if (sim.calls[i].kind && sim.calls[i].container == c && sim.calls[i].process == p &&
			(p || sim.calls[i].kind == SIM_CREATE || sim.calls[i].kind == SIM_START))
			sim.calls[i].cancelled = true;
}

static inline int sim_kill(
	struct backend_container *c, int sig, bool all, struct backend_call *call, struct err *err)
{
	struct sim_box *b = sim_box_of(c->box);

	if (!b && !sim.dead)
		return err_set(err, -ENOENT, "container does not exist");
	if (sim_later(c, NULL, SIM_KILL, call) < 0 || sim.dead)
		return 0;
	for (int i = 0; i < SIM_CALLS; i++)
		if (sim.calls[i].call == call && sim.calls[i].kind == SIM_KILL) {
			sim.calls[i].sig = sig;
			sim.calls[i].all = all;
		}
	return 0;
}

#define SIM_OP(name, kind) \
	static inline int sim_##name( \
		struct backend_container *c, struct backend_call *call, struct err *err) \
	{ \
		if (sim_fails()) \
			return err_set(err, -EIO, "no " #name " today"); \
		return sim_later(c, NULL, kind, call); \
	}

SIM_OP(pause, SIM_PAUSE)
SIM_OP(resume, SIM_RESUME)

/* What takes a create back does not fail here: what it cannot remove is left to `delete` (warned of in the log). */
static inline bool sim_delete_fails(const struct backend_container *c)
{
	struct sim_box *b = sim_box_of(c->box);

	return b && sim_proc_of(b->init)->released && sim_fails();
}

static inline int sim_delete(
	struct backend_container *c, struct backend_call *call, struct err *err)
{
	if (sim_delete_fails(c))
		return err_set(err, -EIO, "no delete today");
	return sim_later(c, NULL, SIM_DELETE, call);
}

static inline int sim_update(struct backend_container *c, const char *resources, size_t size,
	struct backend_call *call, struct err *err)
{
	if (size != 2 || memcmp(resources, "{}", 2) != 0)
		sim_wrong("the resources of an update are lost");
	if (sim_fails())
		return err_set(err, -EIO, "no update today");
	return sim_later(c, NULL, SIM_UPDATE, call);
}

static inline int sim_checkpoint(struct backend_container *c, const struct request_checkpoint *req,
	struct backend_call *call, struct err *err)
{
	(void)c, (void)req, (void)call;
	return err_set(err, -EOPNOTSUPP, "no checkpoints");
}

static inline void sim_kill_all(struct backend_container *c)
{
	struct sim_box *b = sim_box_of(c->box);

	if (sim_point() || !b)
		return;
	b->left = 0;
	for (int i = 0; i < sim.n_procs; i++)
		if (sim.procs[i].box == c->box && sim.procs[i].alive)
			sim_sigkill(&sim.procs[i]);
}

static inline void sim_thaw(struct backend_container *c)
{
	struct sim_box *b = sim_box_of(c->box);

	if (!sim_point() && b)
		sim_thaw_box(b);
}

static inline int sim_pids(struct backend_container *c, pid_t **ret, size_t *ret_n, struct err *err)
{
	pid_t *list = calloc(SIM_PROCS, sizeof(*list));
	size_t n = 0;

	(void)err;
	for (int i = 0; i < sim.n_procs; i++)
		if (sim.procs[i].box == c->box && sim.procs[i].alive)
			list[n++] = sim.procs[i].pid;
	*ret = list;
	*ret_n = n;
	return 0;
}

static inline int sim_stats(struct backend_container *c, const struct stats **ret, struct err *err)
{
	(void)c, (void)ret;
	return err_set(err, -ENOENT, "no cgroup");
}

static inline uint64_t sim_oom_kills(struct backend_container *c)
{
	struct sim_box *b = sim_box_of(c->box);

	return b ? b->oom_kills : 0;
}

static inline const char *sim_state_root(struct backend_container *c)
{
	(void)c;
	return "/run/sim";
}

static inline void sim_exec_free(struct backend_process *p)
{
	if (!p)
		return;
	sim_drop_calls(p->owner, p);
	fd_close(p->who.fd);
	sim.processes--;
	free(p);
}

static inline void sim_free(struct backend_container *c)
{
	struct sim_box *b = c ? sim_box_of(c->box) : NULL;

	if (!c)
		return;
	sim_drop_calls(c, NULL);
	if (b)
		b->notice = NULL;
	fd_close(c->init.fd);
	sim.containers--;
	free(c);
}

static const struct backend sim_backend = {
	.name = "simulated",
	.create = sim_create,
	.start = sim_start,
	.exec = sim_exec,
	.exec_release = sim_release,
	.barrier = sim_barrier,
	.adopt = sim_adopt,
	.adopt_exec = sim_adopt_exec,
	.cancel = sim_cancel,
	.kill = sim_kill,
	.pause = sim_pause,
	.resume = sim_resume,
	.update = sim_update,
	.checkpoint = sim_checkpoint,
	.delete_ = sim_delete,
	.kill_all = sim_kill_all,
	.thaw = sim_thaw,
	.pids = sim_pids,
	.stats = sim_stats,
	.oom_kills = sim_oom_kills,
	.state_root = sim_state_root,
	.exec_free = sim_exec_free,
	.free = sim_free,
};

/* ---- ends of operations ---- */

static inline void sim_fail_call(const struct sim_call *c, int error, const char *text)
{
	struct err err;
	struct backend_outcome o = { .err = &err };

	err_set(&err, error, "%s", text);
	if (!sim_point())
		c->call->done(c->call, &o);
}

static inline void sim_end_call(const struct sim_call *c)
{
	struct backend_outcome o = { 0 };
	struct sim_box *b = sim_box_of(c->container->box);

	if (c->kind == SIM_CREATE) {
		o.process = &c->container->init;
		o.shared_pidns = b && b->shared_pidns;
	}
	if (!sim_point())
		c->call->done(c->call, &o);
}

static inline void sim_finish_create(const struct sim_call *c, bool fails)
{
	struct sim_box *b = sim_box_of(c->container->box);

	if (!fails) {
		sim_end_call(c);
		return;
	}
	if (sim_point())
		return;
	sim_kill_members(b->number, true); /* nothing is left of it */
	b->number = 0;
	sim_fail_call(c, c->cancelled ? -ECANCELED : -EIO, "the container could not be made");
}

static inline void sim_finish_start(const struct sim_call *c, bool fails)
{
	struct sim_proc *p = sim_proc_of(c->container->init.pid);

	if (fails || (!p->alive && !p->released && sim_one_in(2))) {
		sim_fail_call(c, -EIO, "it does not start");
		return;
	}
	if (sim_point())
		return;
	p->released = true;
	sim_end_barrier(p);
	sim_end_call(c);
}

/* In a container whose init is dead nothing can be made, but what was on its way in a shared pid namespace. */
static inline bool sim_may_run(const struct sim_proc *p)
{
	struct sim_box *b = sim_box_of(p->box);

	return b && (b->shared_pidns || sim_proc_of(b->init)->alive);
}

static inline void sim_finish_exec(const struct sim_call *c, bool fails)
{
	struct sim_proc *p = sim_proc_of(c->process->who.pid);

	if (fails || !p->alive || !sim_may_run(p)) {
		if (sim_point())
			return;
		sim_die(p, SIGKILL);
		sim_fail_call(c, c->cancelled ? -ECANCELED : -EIO, "the exec could not be made");
		return;
	}
	if (!sim_point())
		c->call->made(c->call, &c->process->who);
}

static inline void sim_finish_release(const struct sim_call *c, bool fails)
{
	struct sim_proc *p = sim_proc_of(c->process->who.pid);

	if (!p->released && (fails || !p->alive)) {
		if (sim_point())
			return;
		sim_die(p, SIGKILL);
		sim_fail_call(c, -EIO, "the exec did not come to its program");
		return;
	}
	if (sim_point())
		return;
	p->released = true;
	sim_end_barrier(p);
	sim_end_call(c);
}

static inline void sim_finish_kill(const struct sim_call *c, bool fails)
{
	struct sim_box *b = sim_box_of(c->container->box);
	struct sim_proc *p = b ? sim_proc_of(b->init) : NULL;

	if (!p) {
		sim_fail_call(c, -ENOENT, "container does not exist");
		return;
	}
	if (!p->alive && !c->all) {
		sim_fail_call(c, -ESRCH, "process already finished");
		return;
	}
	if (fails) {
		sim_fail_call(c, -EPERM, "not permitted");
		return;
	}
	if (sim_point())
		return;
	for (int i = 0; i < sim.n_procs; i++) {
		struct sim_proc *x = &sim.procs[i];

		if (x->box != b->number || !x->alive || (!c->all && x != p))
			continue;
		if (c->sig == SIGKILL)
			sim_sigkill(x);
		else if (x->released && sim_one_in(2))
			sim_die(x, c->sig);
	}
	sim_end_call(c);
}

static inline void sim_finish_freeze(const struct sim_call *c, bool fails)
{
	struct sim_box *b = sim_box_of(c->container->box);

	if (!b || fails ||
		(c->kind == SIM_PAUSE && !sim_proc_of(b->init)->alive && sim_one_in(2))) {
		sim_fail_call(c, -EIO, "the freezer does not work");
		return;
	}
	if (sim_point())
		return;
	if (c->kind == SIM_PAUSE)
		b->frozen = true;
	else
		sim_thaw_box(b);
	sim_end_call(c);
}

static inline void sim_finish_delete(const struct sim_call *c, bool fails)
{
	struct sim_box *b = sim_box_of(c->container->box);

	if (fails) {
		sim_fail_call(c, -EBUSY, "the cgroup is busy");
		return;
	}
	if (!b) {
		sim_end_call(c);
		return;
	}
	if (sim_proc_of(b->init)->released) {
		if (b->frozen)
			sim_wrong("'%s' is deleted while it is frozen", b->id);
		if (b->left > 0)
			sim_wrong("'%s' is deleted while what its init left lives", b->id);
		for (int i = 0; i < sim.n_procs; i++)
			if (sim.procs[i].box == b->number && sim.procs[i].alive)
				sim_wrong(
					"'%s' is deleted while %d lives", b->id, sim.procs[i].pid);
	}
	if (sim_point())
		return;
	sim_kill_members(b->number, true);
	b->number = 0;
	sim_end_call(c);
}

/* One operation that is under way comes to its end. */
static inline bool sim_finish(void)
{
	unsigned int n = 0, which;
	struct sim_call c;
	bool fails;

	for (int i = 0; i < SIM_CALLS; i++)
		n += sim.calls[i].kind != SIM_NONE;
	if (n == 0 || sim.dead)
		return false;
	which = sim_below(n);
	for (int i = 0;; i++) {
		if (sim.calls[i].kind == SIM_NONE || which-- > 0)
			continue;
		c = sim.calls[i];
		sim.calls[i].kind = SIM_NONE;
		break;
	}
	/* One that was cancelled before it is made must fail, for nobody releases it. */
	fails = c.kind == SIM_DELETE ? sim_delete_fails(c.container) : sim_fails();
	fails |= (c.cancelled && (c.kind == SIM_EXEC || !sim_one_in(4)));
	sim_trace("operation %d of container %d ends%s", (int)c.kind, c.container->box,
		fails ? " in failure" : "");
	switch (c.kind) {
	case SIM_CREATE:
		sim_finish_create(&c, fails);
		break;
	case SIM_START:
		sim_finish_start(&c, fails);
		break;
	case SIM_EXEC:
		sim_finish_exec(&c, fails);
		break;
	case SIM_RELEASE:
		sim_finish_release(&c, fails);
		break;
	case SIM_KILL:
		sim_finish_kill(&c, fails);
		break;
	case SIM_PAUSE:
	case SIM_RESUME:
		sim_finish_freeze(&c, fails);
		break;
	case SIM_DELETE:
		sim_finish_delete(&c, fails);
		break;
	default:
		if (fails)
			sim_fail_call(&c, -EIO, "no update");
		else
			sim_end_call(&c);
		break;
	}
	return true;
}

/* ---- what happens by itself ---- */

static inline struct sim_proc *sim_any_alive(void)
{
	struct sim_proc *found = NULL;
	unsigned int n = 0;

	for (int i = 0; i < sim.n_procs; i++)
		if (sim.procs[i].alive && sim_box_of(sim.procs[i].box) && sim_one_in(++n))
			found = &sim.procs[i];
	return found;
}

static inline void sim_somebody_exits(void)
{
	struct sim_proc *p = sim_any_alive();

	if (p && p->released && !sim_box_of(p->box)->frozen)
		sim_die(p, (int)sim_below(256) << 8);
	else if (p && sim_one_in(6) && !sim_box_of(p->box)->frozen)
		sim_die(p, SIGKILL); /* somebody killed it before it ran */
}

static inline void sim_out_of_memory(void)
{
	struct sim_proc *p = sim_any_alive();
	struct sim_box *b = p ? sim_box_of(p->box) : NULL;

	if (!b || b->frozen)
		return;
	b->oom_kills++;
	p->by_oom = true;
	sim_die(p, SIGKILL);
}

static inline void sim_notify(void)
{
	for (int i = 0; i < SIM_BOXES; i++) {
		struct sim_box *b = &sim.boxes[i];

		if (!b->number || !b->notice || !b->notice->oom || b->oom_seen == b->oom_kills ||
			sim.dead)
			continue;
		b->oom_seen = b->oom_kills;
		b->notice->oom(b->notice);
	}
}
