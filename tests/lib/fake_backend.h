/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Fake back end: a container runtime without a kernel. Operations end at once, or when the test says so; processes are
 * numbers, and exit when the test says so.
 *
 * Its world outlives a supervisor: containers and processes stay until they are deleted or exit. fake.die_at makes the
 * supervisor's worker die at that point: from there on nothing that it does has an effect on the world.
 *
 * Owner    struct fake is the `arg` of the back end and must outlive the supervisor. Ended with fake_done().
 * Errors   fake.fail names the operations that fail next, separated by blanks.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exit/exit.h"
#include "supervisor/backend.h"

#define FAKE_CALLS 64
#define FAKE_BOXES 64

/* A process of the world; a container's first one keeps its id. */
struct fake_box {
	pid_t pid;   /* 0: free */
	char id[32]; /* of the container; "": an exec */
	bool there;  /* the container has not been deleted */
	bool shared_pidns;
	bool released;
	bool over;   /* has exited, or will never run */
	int barrier; /* a file that is only itself */
	int code;
	bool untold; /* its exit waits for a supervisor */
};

struct backend_container {
	struct fake *fake;
	struct pidref init;
	bool shared_pidns;
};

struct backend_process {
	struct backend_container *owner;
	struct pidref who;
	struct backend_call *call;
};

struct fake_call {
	const char *what; /* NULL: free */
	struct backend_call *call;
	struct backend_container *container;
	struct backend_process *process;
};

struct fake {
	struct exit_source *exits;
	bool hold; /* operations wait for fake_finish() */
	bool shared_pidns;
	char fail[128];
	char log[8192]; /* what was ordered */
	pid_t last_pid;
	uint64_t ooms;
	struct fake_call calls[FAKE_CALLS];
	int containers, processes; /* that are not freed */
	int last_stdio[3];
	struct fake_box boxes[FAKE_BOXES];
	bool keeps_world; /* tests of reload: else only numbers */
	int points;       /* that have been passed */
	int die_at;
	int die_every, dies_left; /* after the first time: again after so many points, so often */
	bool dead;
	void (*on_death)(struct fake *f);
};

/* Here a worker may die. True: it is dead. */
static inline bool fake_point(struct fake *f)
{
	if (!f->dead && ++f->points == f->die_at) {
		f->dead = true;
		if (f->dies_left-- > 0)
			f->die_at += f->die_every;
		if (f->on_death)
			f->on_death(f);
	}
	return f->dead;
}

static inline struct fake_box *fake_box_of(struct fake *f, pid_t pid)
{
	for (int i = 0; i < FAKE_BOXES; i++)
		if (pid > 0 && f->boxes[i].pid == pid)
			return &f->boxes[i];
	return NULL;
}

static inline struct fake_box *fake_box_by_id(struct fake *f, const char *id)
{
	for (int i = 0; i < FAKE_BOXES; i++)
		if (f->boxes[i].there && strcmp(f->boxes[i].id, id) == 0)
			return &f->boxes[i];
	return NULL;
}

static inline void fake_box_new(struct fake *f, pid_t pid, const char *id)
{
	if (!f->keeps_world || f->dead)
		return;
	for (int i = 0; i < FAKE_BOXES; i++) {
		struct fake_box *b = &f->boxes[i];

		if (b->pid)
			continue;
		*b = (struct fake_box){ .pid = pid, .there = *id, .shared_pidns = f->shared_pidns };
		snprintf(b->id, sizeof(b->id), "%s", id);
		b->barrier = memfd_create("barrier", MFD_CLOEXEC);
		return;
	}
	abort();
}

static inline void fake_box_let_go(struct fake_box *b)
{
	if (b->barrier > 0)
		close(b->barrier);
	b->barrier = 0;
}

static inline void fake_done(struct fake *f)
{
	for (int i = 0; i < FAKE_BOXES; i++)
		fake_box_let_go(&f->boxes[i]);
}

static inline void fake_note(struct fake *f, const char *what)
{
	size_t len = strlen(f->log);

	snprintf(f->log + len, sizeof(f->log) - len, "%s%s", len ? " " : "", what);
}

static inline bool fake_fails(struct fake *f, const char *what)
{
	char *at = strstr(f->fail, what);

	if (!at)
		return false;
	memmove(at, at + strlen(what), strlen(at + strlen(what)) + 1);
	return true;
}

static inline void fake_end(struct fake *f, struct fake_call c)
{
	struct backend_outcome o = { 0 };
	struct fake_box *b;
	struct err err;

	if (fake_point(f))
		return;
	b = fake_box_of(f, c.process ? c.process->who.pid : c.container->init.pid);
	if (b && (strcmp(c.what, "release") == 0 || strcmp(c.what, "start") == 0)) {
		b->released = true;
		fake_box_let_go(b);
	}
	if (b && strcmp(c.what, "delete") == 0) {
		fake_box_let_go(b);
		*b = (struct fake_box){ 0 };
	}
	if (fake_point(f))
		return;
	if (fake_fails(f, c.what)) {
		err_set(&err, -EIO, "%s broke", c.what);
		o.err = &err;
	} else if (strcmp(c.what, "create") == 0) {
		o.process = &c.container->init;
		o.shared_pidns = c.container->shared_pidns;
	}
	c.call->done(c.call, &o);
}

static inline int fake_op(struct backend_container *c, struct backend_process *p, const char *what,
	struct backend_call *call)
{
	struct fake_call fc = { .what = what, .call = call, .container = c, .process = p };
	struct fake *f = c->fake;

	fake_note(f, what);
	if (!f->hold) {
		fake_end(f, fc);
		return 0;
	}
	for (int i = 0; i < FAKE_CALLS; i++)
		if (!f->calls[i].what) {
			f->calls[i] = fc;
			return 0;
		}
	abort();
}

/* End the oldest call of that name (NULL: any); false when there is none. */
static inline bool fake_finish(struct fake *f, const char *what)
{
	for (int i = 0; i < FAKE_CALLS; i++) {
		struct fake_call fc = f->calls[i];

		if (!fc.what || (what && strcmp(fc.what, what) != 0))
			continue;
		f->calls[i].what = NULL;
		if (strcmp(fc.what, "exec") == 0)
			fc.call->made(fc.call, &fc.process->who);
		else
			fake_end(f, fc);
		return true;
	}
	return false;
}

static inline void fake_exit(struct fake *f, pid_t pid, int code)
{
	struct exit_info info = {
		.pid = pid, .wait_status = code << 8, .boot_ns = 1, .wall_ns = 2000000000
	};
	struct fake_box *b = fake_box_of(f, pid);

	if (b && !b->over) {
		b->over = b->untold = true;
		b->code = code;
	}
	exit_report(f->exits, &info);
	if (b && !f->dead) {
		b->untold = false;
		if (!b->there)
			*b = (struct fake_box){ 0 };
	}
}

/* To a supervisor that has just come: what happened while none was there, or was not recorded. */
static inline void fake_tell_exits(struct fake *f)
{
	for (int i = 0; i < FAKE_BOXES && !f->dead; i++)
		if (f->boxes[i].untold)
			fake_exit(f, f->boxes[i].pid, f->boxes[i].code);
}

static inline int fake_create(void *arg, const struct backend_create *req,
	struct backend_call *call, struct backend_container **ret, struct err *err)
{
	struct backend_container *c = calloc(1, sizeof(*c));
	struct fake *f = arg;

	c->fake = f;
	c->init = (struct pidref){ .pid = ++f->last_pid, .fd = -EBADF };
	c->shared_pidns = f->shared_pidns;
	memcpy(f->last_stdio, req->stdio, sizeof(f->last_stdio));
	f->containers++;
	*ret = c;
	(void)err;
	if (!fake_point(f))
		fake_box_new(f, c->init.pid, req->id);
	return fake_op(c, NULL, "create", call);
}

static inline int fake_start(
	struct backend_container *c, struct backend_call *call, struct err *err)
{
	(void)err;
	return fake_op(c, NULL, "start", call);
}

static inline int fake_exec(struct backend_container *c, const struct backend_exec *req,
	struct backend_call *call, struct backend_process **ret, struct err *err)
{
	struct backend_process *p;

	if (fake_fails(c->fake, "spawn"))
		return err_set(err, -ENOENT, "exec: \"x\": executable file not found in $PATH");
	p = calloc(1, sizeof(*p));
	p->owner = c;
	p->call = call;
	p->who = (struct pidref){ .pid = ++c->fake->last_pid, .fd = -EBADF };
	c->fake->processes++;
	memcpy(c->fake->last_stdio, req->stdio, sizeof(c->fake->last_stdio));
	*ret = p;
	if (!fake_point(c->fake))
		fake_box_new(c->fake, p->who.pid, "");
	if (c->fake->hold)
		return fake_op(c, p, "exec", call);
	fake_note(c->fake, "exec");
	if (!fake_point(c->fake))
		call->made(call, &p->who);
	return 0;
}

static inline int fake_barrier(struct backend_container *c, struct backend_process *p)
{
	struct fake_box *b = fake_box_of(c->fake, p ? p->who.pid : c->init.pid);

	return b && b->barrier > 0 ? b->barrier : -EBADF;
}

static inline int fake_adopt(
	void *arg, const struct backend_adopt *req, struct backend_container **ret, struct err *err)
{
	struct fake *f = arg;
	struct fake_box *b = fake_box_by_id(f, req->id);
	struct backend_container *c;

	fake_note(f, "adopt");
	if (!b)
		return err_set(err, -ENOENT, "container '%s' does not exist", req->id);
	c = calloc(1, sizeof(*c));
	c->fake = f;
	c->init = (struct pidref){ .pid = b->pid, .fd = -EBADF };
	c->shared_pidns = b->shared_pidns;
	f->containers++;
	*ret = c;
	return 0;
}

static inline int fake_adopt_exec(struct backend_container *c, const struct pidref *process,
	int barrier, struct backend_call *call, struct backend_process **ret, struct err *err)
{
	struct backend_process *p = calloc(1, sizeof(*p));

	(void)barrier, (void)err;
	p->owner = c;
	p->call = call;
	p->who = *process;
	p->who.fd = -EBADF;
	c->fake->processes++;
	*ret = p;
	return 0;
}

static inline int fake_release(struct backend_process *p, struct err *err)
{
	(void)err;
	return fake_op(p->owner, p, "release", p->call);
}

static inline void fake_cancel(struct backend_container *c, struct backend_process *p)
{
	struct fake *f = c->fake;

	fake_note(f, "cancel");
	for (int i = 0; i < FAKE_CALLS; i++) {
		struct fake_call fc = f->calls[i];
		struct backend_outcome o = { 0 };
		struct err err;

		if (!fc.what || fc.container != c || fc.process != p)
			continue;
		f->calls[i].what = NULL;
		err_set(&err, -ECANCELED, "canceled");
		o.err = &err;
		fc.call->done(fc.call, &o);
		return;
	}
}

static inline int fake_kill(
	struct backend_container *c, int sig, bool all, struct backend_call *call, struct err *err)
{
	struct fake_box *b;
	char what[32];

	if (fake_fails(c->fake, "kill"))
		return err_set(err, -ESRCH, "container not running");
	snprintf(what, sizeof(what), "%d%s", sig, all ? "all" : "");
	fake_note(c->fake, what);
	b = fake_box_of(c->fake, c->init.pid);
	if (b && sig == 9 && !b->over && !fake_point(c->fake)) {
		b->over = b->untold = true;
		b->code = 137;
	}
	return fake_op(c, NULL, "signal", call);
}

#define FAKE_OP(name) \
	static inline int fake_##name( \
		struct backend_container *c, struct backend_call *call, struct err *err) \
	{ \
		(void)err; \
		return fake_op(c, NULL, #name, call); \
	}

FAKE_OP(pause)
FAKE_OP(resume)
FAKE_OP(delete)

static inline int fake_update(struct backend_container *c, const char *resources, size_t size,
	struct backend_call *call, struct err *err)
{
	(void)err;
	if (size != 2 || memcmp(resources, "{}", 2) != 0)
		abort();
	return fake_op(c, NULL, "update", call);
}

static inline int fake_checkpoint(struct backend_container *c, const struct request_checkpoint *req,
	struct backend_call *call, struct err *err)
{
	(void)c, (void)call;
	return err_set(err, -EOPNOTSUPP, "no checkpoint to '%s'", req->path);
}

static inline void fake_kill_all(struct backend_container *c)
{
	fake_note(c->fake, "kill-all");
}

static inline void fake_thaw(struct backend_container *c)
{
	fake_note(c->fake, "thaw");
}

static inline int fake_pids(
	struct backend_container *c, pid_t **ret, size_t *ret_n, struct err *err)
{
	pid_t *list;

	if (fake_fails(c->fake, "pids"))
		return err_set(err, -EIO, "cannot list");
	if (fake_fails(c->fake, "empty")) {
		*ret = NULL;
		*ret_n = 0;
		return 0;
	}
	list = calloc(2, sizeof(*list));
	list[0] = c->init.pid;
	list[1] = c->init.pid + 1;
	*ret = list;
	*ret_n = 2;
	return 0;
}

static inline int fake_stats(struct backend_container *c, const struct stats **ret, struct err *err)
{
	(void)c, (void)ret;
	return err_set(err, -ENOENT, "gone");
}

static inline uint64_t fake_oom_kills(struct backend_container *c)
{
	return c->fake->ooms;
}

static inline const char *fake_state_root(struct backend_container *c)
{
	(void)c;
	return "/run/fake";
}

static inline void fake_drop_calls(
	struct fake *f, struct backend_container *c, struct backend_process *p)
{
	for (int i = 0; i < FAKE_CALLS; i++)
		if (f->calls[i].what && f->calls[i].container == c &&
			(!p || f->calls[i].process == p))
			f->calls[i].what = NULL;
}

static inline void fake_exec_free(struct backend_process *p)
{
	if (!p)
		return;
	fake_drop_calls(p->owner->fake, p->owner, p);
	p->owner->fake->processes--;
	free(p);
}

static inline void fake_free(struct backend_container *c)
{
	if (!c)
		return;
	fake_drop_calls(c->fake, c, NULL);
	c->fake->containers--;
	free(c);
}

static const struct backend fake_backend = {
	.name = "fake",
	.create = fake_create,
	.start = fake_start,
	.exec = fake_exec,
	.exec_release = fake_release,
	.barrier = fake_barrier,
	.adopt = fake_adopt,
	.adopt_exec = fake_adopt_exec,
	.cancel = fake_cancel,
	.kill = fake_kill,
	.pause = fake_pause,
	.resume = fake_resume,
	.update = fake_update,
	.checkpoint = fake_checkpoint,
	.delete_ = fake_delete,
	.kill_all = fake_kill_all,
	.thaw = fake_thaw,
	.pids = fake_pids,
	.stats = fake_stats,
	.oom_kills = fake_oom_kills,
	.state_root = fake_state_root,
	.exec_free = fake_exec_free,
	.free = fake_free,
};
