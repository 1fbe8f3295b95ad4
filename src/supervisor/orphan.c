/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pidfd becomes readable when the process is dead, and tells its exit when whoever is its parent has reaped it: a moment
 * later as a rule. That moment is not always told of (before Linux 6.9), so it is looked for, ever more seldom.
 */
#include "supervisor/orphan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/kernel.h"
#include "exit/recorder.h"

#define AGAIN_NS (2 * NS_PER_MS)
#define AGAIN_MAX_NS (500 * NS_PER_MS)

struct orphan {
	struct held_proc *proc;
	struct loop_fd source;
	struct loop_timer timer;
	uint64_t again_ns;
};

static void ask(struct orphan *o);

static void on_timer(struct loop_timer *t)
{
	ask(container_of(t, struct orphan, timer));
}

static void on_dead(struct loop_fd *source, uint32_t events)
{
	struct orphan *o = container_of(source, struct orphan, source);

	loop_fd_remove(&o->source);
	ask(o);
}

static void ask_later(struct orphan *o)
{
	struct loop *l = o->proc->task->sup->config.loop;

	o->again_ns = o->again_ns ? o->again_ns * 2 : AGAIN_NS;
	if (o->again_ns > AGAIN_MAX_NS)
		o->again_ns = AGAIN_MAX_NS;
	(void)loop_timer_set(l, &o->timer, clock_boot_ns() + o->again_ns, on_timer);
}

/* It frees the orphan, by way of the watch. */
static void report(struct orphan *o, const struct exit_fate *fate)
{
	struct held_task *t = o->proc->task;
	struct err err;

	if (fate->kind == EXIT_FATE_LOST) {
		err_set(&err, -ESRCH, "process %d: %s", o->proc->who.pid, fate->reason);
		held_warn(t, &err);
	}
	(void)exit_report(t->sup->config.exits, &fate->info);
}

static void ask(struct orphan *o)
{
	static const struct exit_recorder none = EXIT_RECORDER_NULL;
	struct held_proc *p = o->proc;
	const struct supervisor_config *c = &p->task->sup->config;
	struct exit_fate fate;
	struct err err;

	if (exit_fate_of(c->recorder ? c->recorder : &none, &p->who, &fate, &err) < 0) {
		held_warn(p->task, &err);
		return ask_later(o);
	}
	switch (fate.kind) {
	case EXIT_FATE_RUNNING:
		if (loop_fd_add(c->loop, &o->source, p->who.fd, EPOLLIN, on_dead) < 0)
			ask_later(o);
		return;
	case EXIT_FATE_ENDING:
		return ask_later(o);
	case EXIT_FATE_ENDED:
	case EXIT_FATE_LOST:
		report(o, &fate);
	}
}

/* Field 4 of its stat, after the name, which may contain anything; 0: not known. */
static pid_t parent_in_stat(pid_t pid)
{
	auto_free char *text = NULL;
	const char *at;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (fd_read_file_at(AT_FDCWD, path, 4096, &text, NULL) < 0)
		return 0;
	at = strrchr(text, ')');
	return at && strlen(at) > 4 ? (pid_t)strtol(at + 4, NULL, 10) : 0;
}

/* Since Linux 6.13 by one call. */
static pid_t parent_of(const struct pidref *who)
{
	struct kernel_pidfd_info info;

	if (kernel_pidfd_info(who->fd, KERNEL_PIDFD_INFO_PID, &info) == 0 &&
		(info.mask & KERNEL_PIDFD_INFO_PID))
		return (pid_t)info.ppid;
	return parent_in_stat(who->pid);
}

bool orphan_is_one(const struct held_proc *p)
{
	pid_t guardian = p->task->sup->config.shim_pid;
	pid_t parent = guardian && p->who.fd >= 0 ? parent_of(&p->who) : 0;

	return parent && parent != guardian;
}

void orphan_watch(struct held_proc *p)
{
	struct orphan *o = mem_calloc(1, sizeof(*o));
	struct err err;

	if (!o) {
		err_oom(&err);
		return held_warn(p->task, &err); /* one that is dead is ended as unknown */
	}
	o->proc = p;
	p->orphan = o;
	/* Not now: whoever takes it over is in the middle of that. */
	(void)loop_timer_set(p->task->sup->config.loop, &o->timer, clock_boot_ns(), on_timer);
}

void orphan_forget(struct orphan *o)
{
	if (!o)
		return;
	loop_fd_remove(&o->source);
	loop_timer_cancel(&o->timer);
	free(o);
}
