/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launcher's side of the executor protocol.
 *
 * The executor's host half and, after PLAN_MSG_STARTED, the container's process hold the other end of one socket.
 * Messages after STARTED come from a process in the container, but from our own program in it: the container's
 * program never has the socket. Texts may quote the container, so they are data for people only.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "container/id_map.h"
#include "container/launch.h"
#include "container/spawn.h"
#include "oci/rlimit_name.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

enum phase { PHASE_SETUP, PHASE_READY, PHASE_RELEASED, PHASE_DONE };

struct launch {
	const struct host *host;
	struct launch_handler handler;
	struct plan plan;
	struct launch_request req;
	enum phase phase;
	int sync;
	struct loop_fd source;
	struct pidref process;
	pid_t born;  /* the container's process, which began inside; 0: there is a stage */
	pid_t stage; /* host half of the executor */
	int stage_pidfd;
	struct loop_timer stage_timer;
	bool stage_gone;
	struct hook_request hooks[2];
	struct id_maps id_maps;
	struct arena arena; /* of what runs at the barrier for the maps */
	size_t n_hooks;
	size_t next_hooks;
	struct hook_run *hook_run;
	struct loop_deferred release;
	struct plan_msg early; /* came before STARTED; type 0: none */
	bool limited;          /* resource limits were set before READY */
	bool given;            /* the identity is another one's to end */
	bool freed;
	bool copied;   /* whoever keeps the barrier may have a copy of sync */
	bool attached; /* to a process that another one has made */
	bool adopted;  /* from an earlier launcher, which may have released it */
};

static int send_go(struct launch *l, enum plan_go_id id)
{
	struct plan_go go = { .magic = PLAN_MAGIC, .id = id };

	return fd_send(l->sync, &go, sizeof(go), NULL, 0);
}

/* With a copy of it somewhere epoll would go on telling of its end after our close, in every round. */
static void close_sync(struct launch *l)
{
	loop_timer_cancel(&l->stage_timer);
	if (l->source.loop && !l->copied) {
		loop_fd_close(&l->source);
		l->sync = -EBADF;
		return;
	}
	loop_fd_remove(&l->source);
	l->sync = fd_close(l->sync);
}

/* The other end is gone: nobody waits for our close. */
static void leave_sync(struct launch *l)
{
	if (!l->host->spent || l->copied) {
		close_sync(l);
		return;
	}
	loop_timer_cancel(&l->stage_timer);
	loop_fd_remove(&l->source);
	fd_spend(l->host->spent, l->sync);
	l->sync = -EBADF;
}

/* A program that reaps by itself must take the dead away: a zombie would keep the container's init from dying. */
static void reap(struct launch *l, bool process_too)
{
	siginfo_t info;

	if (!l->host->reaper.own)
		return;
	if (l->stage)
		waitid(P_PID, (id_t)l->stage, &info, WEXITED);
	l->stage = 0;
	if (process_too && l->process.pid)
		waitid(P_PIDFD, (id_t)l->process.fd, &info, WEXITED);
}

static void fail(struct launch *l, const struct err *e)
{
	struct err copy = *e;

	if (l->phase == PHASE_DONE)
		return;
	l->phase = PHASE_DONE;
	close_sync(l);
	/*
	 * It saw an end of file and leaves, or is leaving already; with maps unwritten it cannot run on its own. One that an
	 * earlier launcher had released may be running its program: that is not ours to end.
	 */
	if (!l->adopted)
		pidref_kill(&l->process, SIGKILL);
	reap(l, true);
	l->handler.failed(l->handler.arg, &copy);
}

static void fail_code(struct launch *l, int code, const char *what)
{
	struct err e = { 0 };

	err_code(&e, code, "%s", what);
	fail(l, &e);
}

/* ---- failures of the executor, in words that clients know (spec/oci-runtime.md 1.6) ---- */

static void lookup_error(struct err *e, const struct plan_msg *m)
{
	if (m->code == -ENOENT && !strchr(m->text, '/'))
		err_set(e, m->code, "exec: \"%s\": executable file not found in $PATH", m->text);
	else if (m->code == -EISDIR) /* Docker knows the first words, podman the last */
		err_set(e, m->code, "exec: \"%s\": is a directory: permission denied", m->text);
	else if (m->code == -EACCES)
		err_set(e, m->code, "exec: \"%s\": permission denied", m->text);
	else if (m->code == -ENOENT)
		err_set(e, m->code, "exec: \"%s\": stat %s: no such file or directory", m->text,
			m->text);
	else if (m->code == -ENOTDIR)
		err_set(e, m->code, "exec: \"%s\": stat %s: not a directory", m->text, m->text);
	else
		err_code(e, m->code, "exec: \"%s\"", m->text);
}

static void exec_error(struct err *e, const struct plan_msg *m)
{
	if (m->code == -ENOENT)
		err_set(e, m->code, "exec %s: no such file or directory", m->text);
	else if (m->code == -ENOEXEC)
		err_set(e, m->code, "exec %s: exec format error", m->text);
	else if (m->code == -EACCES)
		err_set(e, m->code, "exec %s: permission denied", m->text);
	else
		err_code(e, m->code, "exec %s", m->text);
}

static void step_error(const struct launch *l, const struct plan_msg *m, struct err *e)
{
	char what[320];

	if (m->op == PLAN_LOOKUP) {
		lookup_error(e, m);
		return;
	}
	if (m->op == PLAN_EXEC) {
		exec_error(e, m);
		return;
	}
	plan_describe(&l->plan, m->step, what, sizeof(what));
	/* The executor's word for a hook that ran. */
	if (m->op == PLAN_HOOK && m->code == -ECANCELED)
		err_set(e, m->code, "%s: %s", what, m->text);
	else if (m->text[0] && !strstr(what, m->text))
		err_code(e, m->code, "%s: %s", what, m->text);
	else
		err_code(e, m->code, "%s", what);
	if (m->op == PLAN_HOOK)
		e->code = -EIO; /* as hook.c has it */
}

/* ---- barriers ---- */

static int write_map(pid_t pid, const char *file, const struct spec_id_mapping *maps, size_t n)
{
	struct buf text = { 0 };
	char path[64];
	auto_close int fd = -EBADF;
	int r;

	if (!n)
		return 0;
	for (size_t i = 0; i < n; i++)
		buf_addf(&text, "%u %u %u\n", maps[i].container_id, maps[i].host_id, maps[i].size);
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = fd_open(path, O_WRONLY, 0);
	r = fd < 0 ? fd : buf_ok(&text);
	if (r == 0)
		r = fd_write_full(fd, text.data, text.len);
	buf_done(&text);
	return r;
}

static void maps_done(void *arg, const struct err *err)
{
	struct launch *l = arg;

	l->hook_run = NULL;
	if (err)
		fail(l, err);
	else
		send_go(l, PLAN_GO_MAPS);
}

/* Who is not root has these two, with the rights of the ids that /etc/subuid and /etc/subgid give. */
static void at_maps_by_helpers(struct launch *l)
{
	struct err e = { 0 };
	int r = id_map_helpers(l->process.pid, &l->id_maps, &l->arena, &l->hooks[0], &e);

	if (r == 0)
		r = hook_start(l->host, &l->hooks[0], maps_done, l, &l->hook_run, &e);
	if (r < 0)
		fail(l, &e);
}

/* The one map that anybody may write: of oneself. Then nobody in the namespace sets groups. */
static int deny_setgroups(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/setgroups", pid);
	return fd_write_file_at(AT_FDCWD, path, "deny");
}

static void at_maps(struct launch *l)
{
	int r = 0;

	l->id_maps = (struct id_maps){ l->req.uid_maps, l->req.gid_maps, l->req.n_uid_maps,
		l->req.n_gid_maps };
	if (geteuid() != 0 && !id_maps_are_own(&l->id_maps)) {
		at_maps_by_helpers(l);
		return;
	}
	if (geteuid() != 0)
		r = deny_setgroups(l->process.pid);
	if (r == 0)
		r = write_map(l->process.pid, "uid_map", l->req.uid_maps, l->req.n_uid_maps);

	if (r == 0)
		r = write_map(l->process.pid, "gid_map", l->req.gid_maps, l->req.n_gid_maps);
	if (r < 0)
		fail_code(l, r, "write the id maps of the user namespace");
	else
		send_go(l, PLAN_GO_MAPS);
}

static void at_net_devices(struct launch *l)
{
	struct err e = { 0 };

	for (size_t i = 0; i < l->req.n_net_devices; i++)
		if (net_device_move(&l->req.net_devices[i], l->process.pid, &e) < 0) {
			fail(l, &e);
			return;
		}
	send_go(l, PLAN_GO_NET_DEVICES);
}

static void next_hooks(struct launch *l);

static void hooks_done(void *arg, const struct err *err)
{
	struct launch *l = arg;

	l->hook_run = NULL;
	if (err) {
		fail(l, err);
		return;
	}
	next_hooks(l);
}

static void next_hooks(struct launch *l)
{
	struct err e = { 0 };

	if (l->next_hooks == l->n_hooks)
		send_go(l, PLAN_GO_HOOKS);
	else if (hook_start(l->host, &l->hooks[l->next_hooks++], hooks_done, l, &l->hook_run, &e) <
		 0)
		fail(l, &e);
}

static void at_hooks(struct launch *l)
{
	struct err e = { 0 };

	l->n_hooks = l->next_hooks = 0;
	if (l->req.hooks &&
		l->req.hooks(l->handler.arg, &l->process, l->hooks, &l->n_hooks, &e) < 0)
		fail(l, &e);
	else
		next_hooks(l);
}

/* A process whose filter nobody answers for would hang at its next call. */
static void at_listener(struct launch *l, int fd)
{
	struct err e = { 0 };

	if (!l->handler.listener)
		fail_code(l, -EBADMSG, "the filter's listener has nobody to go to");
	else if (l->handler.listener(l->handler.arg, &l->process, fd, &e) < 0)
		fail(l, &e);
	else
		send_go(l, PLAN_GO_LISTENER);
}

static int set_rlimits(struct launch *l, struct err *e)
{
	for (size_t i = 0; i < l->req.n_rlimits; i++) {
		const struct spec_rlimit *r = &l->req.rlimits[i];
		struct rlimit lim = { .rlim_cur = r->soft, .rlim_max = r->hard };

		if (prlimit(l->process.pid, (__rlimit_resource_t)r->type, &lim, NULL) < 0)
			return err_sys(e, "process.rlimits: set %s to %llu:%llu",
				rlimit_name(r->type), (unsigned long long)r->soft,
				(unsigned long long)r->hard);
	}
	return 0;
}

static void at_limits(struct launch *l)
{
	struct err e = { 0 };

	l->limited = true;
	if (set_rlimits(l, &e) < 0)
		fail(l, &e);
	else
		send_go(l, PLAN_GO_LIMITS);
}

static void at_ready(struct launch *l)
{
	struct err e = { 0 };

	if (!l->limited && set_rlimits(l, &e) < 0) {
		fail(l, &e);
		return;
	}
	l->phase = PHASE_READY;
	l->handler.ready(l->handler.arg);
}

/* ---- messages ---- */

static void on_started(struct launch *l, const struct plan_msg *m, int *pidfd)
{
	int r;

	if (*pidfd < 0 || l->process.pid) {
		fail_code(l, -EBADMSG, "start of the container's process");
		return;
	}
	r = pidref_take(m->value, take_fd(pidfd), &l->process);
	if (r < 0) {
		fail_code(l, r, "identify the container's process");
		return;
	}
	loop_timer_cancel(&l->stage_timer);
	reap(l, false);
	if (l->handler.started)
		l->handler.started(l->handler.arg, &l->process);
}

/*
 * The process and the host half that reports it run at the same time: what the process asks for may come first, and
 * waits until we know whom it is from. It never sends a second one without an answer.
 */
static bool is_early(const struct launch *l, const struct plan_msg *m)
{
	if (l->process.pid)
		return false;
	if (m->type == PLAN_MSG_BARRIER || m->type == PLAN_MSG_READY)
		return true;
	if (m->type != PLAN_MSG_ERROR)
		return false;
	for (uint32_t i = 0; i < l->plan.n_steps && i < m->step; i++)
		if (l->plan.steps[i].op == PLAN_CLONE)
			return true;
	return false;
}

static void on_message(struct launch *l, struct plan_msg *m, int *fd);

#define STAGE_CHECK_NS (10 * NS_PER_MS)

static bool stage_has_ended(const struct launch *l)
{
	struct pollfd p = { .fd = l->stage_pidfd, .events = POLLIN };
	siginfo_t info = { .si_pid = 0 };

	if (!l->host->reaper.own)
		return poll(&p, 1, 0) > 0;
	/* Ours to reap, so its number is its own until we do. */
	return waitid(P_PID, (id_t)l->stage, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid;
}

/* The host half was killed between its clone and its report: the process waits for us, and we for the report. */
static void on_stage_check(struct loop_timer *t)
{
	struct launch *l = container_of(t, struct launch, stage_timer);

	if (l->process.pid || l->phase == PHASE_DONE)
		return;
	if (l->stage_gone)
		fail_code(l, -EIO, "the executor ended before it reported the container's process");
	else if (stage_has_ended(l)) /* its report may be in the socket still: one more round */
		l->stage_gone = true;
	if (l->phase != PHASE_DONE)
		loop_timer_set(l->host->loop, t, clock_boot_ns() + STAGE_CHECK_NS, on_stage_check);
}

static void watch_stage(struct launch *l)
{
	loop_timer_set(
		l->host->loop, &l->stage_timer, clock_boot_ns() + STAGE_CHECK_NS, on_stage_check);
}

static void replay(struct launch *l)
{
	struct plan_msg m = l->early;
	int none = -EBADF;

	l->early.type = 0;
	if (m.type && l->process.pid && l->sync >= 0 && !l->freed)
		on_message(l, &m, &none);
}

static void on_message(struct launch *l, struct plan_msg *m, int *fd)
{
	struct err e = { 0 };
	char what[320];

	m->text[PLAN_MSG_TEXT - 1] = 0;
	if (is_early(l, m)) {
		l->early = *m;
		watch_stage(l);
		return;
	}
	switch (m->type) {
	case PLAN_MSG_STARTED:
		on_started(l, m, fd);
		replay(l);
		break;
	case PLAN_MSG_BARRIER:
		if (m->value == PLAN_GO_MAPS)
			at_maps(l);
		else if (m->value == PLAN_GO_NET_DEVICES)
			at_net_devices(l);
		else if (m->value == PLAN_GO_HOOKS)
			at_hooks(l);
		else if (m->value == PLAN_GO_LIMITS)
			at_limits(l);
		else
			fail_code(l, -EBADMSG, "unknown barrier of the executor");
		break;
	case PLAN_MSG_CONSOLE:
		if (*fd >= 0 && l->handler.console)
			l->handler.console(l->handler.arg, take_fd(fd));
		break;
	case PLAN_MSG_WARN:
		plan_describe(&l->plan, m->step, what, sizeof(what));
		log_write(l->host->log, LOG_WARN_, "%s: %s", what, strerror(-m->code));
		break;
	case PLAN_MSG_READY:
		at_ready(l);
		break;
	case PLAN_MSG_LISTENER:
		at_listener(l, m->value);
		break;
	case PLAN_MSG_ERROR:
		step_error(l, m, &e);
		fail(l, &e);
		break;
	default:
		fail_code(l, -EBADMSG, "unknown message of the executor");
		break;
	}
}

static void on_end(struct launch *l)
{
	struct err e = { 0 };

	if (l->phase == PHASE_RELEASED) {
		l->phase = PHASE_DONE;
		leave_sync(l);
		l->handler.running(l->handler.arg);
		return;
	}
	err_set(&e, -EIO,
		l->process.pid ? "the container's process ended during its set-up (killed, or out "
				 "of memory)"
			       : "the executor ended before it started the container's process");
	fail(l, &e);
}

static void on_sync(struct loop_fd *source, uint32_t events)
{
	struct launch *l = container_of(source, struct launch, source);
	auto_close int fd = -EBADF;
	struct plan_msg m;
	size_t n_fds = 1;
	ssize_t n;

	if (l->sync < 0 || l->freed)
		return;
	/* One at a time: they come with pauses, and the loop calls again while there are more. */
	n = fd_recv(l->sync, &m, sizeof(m), &fd, &n_fds, source->patient ? 0 : MSG_DONTWAIT);
	if (n == -EAGAIN)
		return;
	if (n == -ECONNRESET && l->attached)
		fail_code(l, (int)n, "start the container's process"); /* it took another's word */
	else if (n == 0 || n == -ECONNRESET)
		on_end(l);
	else if (n != (ssize_t)sizeof(m) || m.magic != PLAN_MAGIC)
		fail_code(l, n < 0 ? (int)n : -EBADMSG, "message of the executor");
	else
		on_message(l, &m, &fd);
}

/* ---- start and end ---- */

static int watch_sync(struct launch *l)
{
	int r = loop_fd_add(l->host->loop, &l->source, l->sync, EPOLLIN, on_sync);

	l->source.patient = r == 0 && loop_is_brief(l->host->loop);
	return r;
}

/* As the first message on the socket, or in a memfd when it is too large for one: *ret_fd stays -EBADF, or is that. */
static int hand_over_plan(struct launch *l, int *ret_fd, struct err *err)
{
	auto_close int fd = -EBADF;
	auto_free void *block = NULL;
	size_t size;
	int r;

	r = plan_finish(&l->plan, &block, &size, err);
	if (r < 0)
		return r;
	if (size <= PLAN_MESSAGE_MAX && fd_send(l->sync, block, size, NULL, 0) == 0)
		return 0;
	fd = memfd_create("plan", MFD_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "make the plan");
	r = fd_write_full(fd, block, size);
	if (r < 0)
		return err_code(err, r, "write the plan");
	*ret_fd = take_fd(&fd);
	return 0;
}

/* The first fd after those of the container, where it need not be moved out of the way later, unless that is taken. */
static int place_of_sync(const struct spawn *s, int theirs)
{
	int at = 3 + (int)s->preserve_fds;

	for (size_t i = 0; i < s->n_keep; i++)
		if (s->keep[i] == at)
			return theirs;
	return at == s->program ? theirs : at;
}

static int open_stdio(
	const struct launch_request *req, int stdio[3], int *ret_null, struct err *err)
{
	for (int i = 0; i < 3; i++) {
		if (req->stdio[i] < 0 && *ret_null < 0)
			*ret_null = fd_open("/dev/null", O_RDWR, 0);
		stdio[i] = req->stdio[i] < 0 ? *ret_null : req->stdio[i];
		if (stdio[i] < 0)
			return err_code(err, *ret_null, "open /dev/null");
	}
	return 0;
}

/* ---- born where it belongs ---- */

static const struct plan_step *find_clone(const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++)
		if (p->steps[i].op == PLAN_CLONE)
			return &p->steps[i];
	return NULL;
}

static const char *text_of(const struct plan *p, uint32_t at)
{
	return at ? p->data.data + at - 1 : "";
}

/*
 * Whether the executor may begin behind PLAN_CLONE: a process less, and nobody to report it. Only where it is alone in
 * its pid namespace, with no user namespace whose rights it would lack or have; where what comes before the clone means
 * the same in there; and by a command, which may wait for its child: who waits in a vfork waits also for a cgroup that is
 * throttled.
 */
static bool may_be_born_inside(const struct launch *l, const struct plan_step *clone)
{
	const struct plan *p = &l->plan;
	uint64_t needed = CLONE_NEWNS | CLONE_NEWPID;

	if (!l->host->reaper.own || l->host->parent_pid || !clone ||
		(clone->num[0] & CLONE_NEWUSER) || (clone->num[0] & needed) != needed)
		return false;
	for (const struct plan_step *s = p->steps; s < clone; s++) {
		if (s->op != PLAN_OPEN && s->op != PLAN_TREE && s->op != PLAN_WRITE)
			return false;
		/* "self" is another there, and so may be what a process shows of itself. */
		if (s->op != PLAN_WRITE && str_starts(text_of(p, s->str[0]), "/proc/"))
			return false;
	}
	return true;
}

static int open_cgroup(const struct launch *l)
{
	const struct plan_step *clone = find_clone(&l->plan);
	const struct plan *p = &l->plan;

	if (!may_be_born_inside(l, clone) || clone->fd[0] == PLAN_SLOT_NONE)
		return -EBADF;
	for (const struct plan_step *s = p->steps; s < clone; s++)
		if (s->op == PLAN_OPEN && s->fd[0] == clone->fd[0])
			return fd_open(text_of(p, s->str[0]), (int)s->num[0], 0);
	return -EBADF;
}

/* -EAGAIN: not this way. A cgroup at its limit, a kernel that cannot: the executor knows what to do, or has the words. */
static int spawn_inside(struct launch *l, const struct spawn *common, int cgroup, int *ret_pidfd)
{
	const struct plan_step *clone = find_clone(&l->plan);
	char *argv[] = { common->argv[0], common->argv[1], (char *)PLAN_BORN, NULL };
	struct spawn_into into = { .cgroup = -EBADF };
	struct err ignored = { 0 };
	struct spawn s = *common;

	if (!may_be_born_inside(l, clone))
		return -EAGAIN;
	if (clone->fd[0] != PLAN_SLOT_NONE && cgroup < 0)
		return -EAGAIN;
	into.cgroup = clone->fd[0] != PLAN_SLOT_NONE ? cgroup : -EBADF;
	into.namespaces = clone->num[0];
	s.into = &into;
	s.argv = argv;
	return spawn_process(&s, &l->born, ret_pidfd, &ignored) < 0 ? -EAGAIN : 0;
}

/* -EAGAIN: the cgroup takes no fork, or the kernel cannot. */
static int spawn_in_cgroup(struct launch *l, const struct spawn *common, int cgroup)
{
	struct spawn_into into = { .cgroup = cgroup };
	struct err ignored = { 0 };
	struct spawn s = *common;

	s.into = &into;
	return spawn_process(&s, &l->stage, &l->stage_pidfd, &ignored) < 0 ? -EAGAIN : 0;
}

static void tell_born(struct launch *l, int pidfd)
{
	struct plan_msg m = { .type = PLAN_MSG_STARTED, .value = l->born };

	on_started(l, &m, &pidfd);
	fd_close(pidfd);
}

static int spawn_it(
	struct launch *l, const struct launch_request *req, int *ret_born, struct err *err)
{
	int pair[2] = { -EBADF, -EBADF };
	auto_close int plan_fd = -EBADF;
	auto_close int theirs = -EBADF;
	auto_close int cgroup = req->cgroup_dir > 0 ? req->cgroup_dir : -EBADF;
	auto_close int null = -EBADF;
	auto_free int *keep = mem_calloc(req->n_keep + 1, sizeof(int));
	char numbers[2][16];
	char *argv[] = { (char *)"reeve-exec", numbers[0], NULL, NULL };
	struct spawn s = { .program = l->host->executor,
		.argv = argv,
		.keep = keep,
		.n_keep = req->n_keep,
		.preserve_fds = req->preserve_fds,
		.self = &l->host->self,
		.with_parent = l->host->parent_pid > 0 };
	int r;

	if (!keep)
		return err_oom(err);
	/* Before ours of the socket, which stays: so all that does not lies side by side. */
	if (cgroup < 0)
		cgroup = open_cgroup(l);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "make the executor's socket");
	theirs = pair[0];
	l->sync = pair[1];
	r = hand_over_plan(l, &plan_fd, err);
	if (r == 0)
		r = open_stdio(req, s.stdio, &null, err);
	if (r < 0)
		return r;
	if (req->n_keep)
		memcpy(keep, req->keep, req->n_keep * sizeof(int));
	if (plan_fd >= 0) {
		keep[s.n_keep++] = plan_fd;
		snprintf(numbers[1], sizeof(numbers[1]), "%d", plan_fd);
		argv[2] = numbers[1];
	}
	s.moved = theirs;
	s.moved_to = place_of_sync(&s, theirs);
	snprintf(numbers[0], sizeof(numbers[0]), "%d", s.moved_to);
	if (req->stage_in_cgroup)
		r = spawn_in_cgroup(l, &s, cgroup);
	else if (plan_fd >= 0 || spawn_inside(l, &s, cgroup, ret_born) < 0)
		r = spawn_process(&s, &l->stage, l->host->reaper.own ? NULL : &l->stage_pidfd, err);
	if (r < 0)
		return req->stage_in_cgroup ? r : err_in(err, "start the executor");
	fd_spend(l->host->spent, take_fd(&theirs));
	fd_spend(l->host->spent, take_fd(&cgroup));
	return 0;
}

int launch_start(const struct host *h, struct launch_request *req,
	const struct launch_handler *handler, struct launch **ret, struct err *err)
{
	struct launch *l = mem_calloc(1, sizeof(*l));
	int born = -EBADF;
	int r;

	if (!l) {
		fd_close(req->cgroup_dir > 0 ? req->cgroup_dir : -EBADF);
		return err_oom(err);
	}
	l->host = h;
	l->handler = *handler;
	l->req = *req;
	l->plan = *req->plan;
	*req->plan = (struct plan){ 0 };
	l->sync = l->stage_pidfd = -EBADF;
	l->process = PIDREF_NULL;
	r = spawn_it(l, req, &born, err);
	/* Now that the process is at work, and before we wait for it: its end of the socket is among them. */
	fd_spent_close(h->spent);
	if (r == 0) {
		r = watch_sync(l);
		if (r < 0)
			err_code(err, r, "watch the executor");
	}
	if (r < 0) {
		fd_close(born);
		launch_free(l);
		return r;
	}
	*ret = l;
	if (l->born)
		tell_born(l, born);
	return 0;
}

int launch_attach(const struct host *h, int sync, const struct launch_handler *handler,
	struct launch **ret, struct err *err)
{
	struct launch *l = mem_calloc(1, sizeof(*l));
	int r;

	if (!l) {
		fd_close(sync);
		return err_oom(err);
	}
	l->host = h;
	l->handler = *handler;
	l->sync = sync;
	l->stage_pidfd = -EBADF;
	l->process = PIDREF_NULL;
	l->phase = PHASE_RELEASED;
	l->attached = true;
	l->copied = true;
	r = watch_sync(l);
	if (r == 0)
		r = send_go(l, PLAN_GO_START);
	if (r < 0) {
		launch_free(l);
		return err_code(err, r, "start the container's process");
	}
	*ret = l;
	return 0;
}

int launch_adopt(const struct host *h, int sync, const struct pidref *process,
	const struct launch_handler *handler, struct launch **ret, struct err *err)
{
	struct launch *l = mem_calloc(1, sizeof(*l));
	int r;

	if (!l) {
		fd_close(sync);
		return err_oom(err);
	}
	l->host = h;
	l->handler = *handler;
	l->sync = sync;
	l->stage_pidfd = -EBADF;
	l->process = *process;
	l->process.fd = process->fd < 0 ? -EBADF : fcntl(process->fd, F_DUPFD_CLOEXEC, 3);
	l->phase = PHASE_READY;
	l->adopted = true;
	l->copied = true;
	r = watch_sync(l);
	if (r < 0) {
		launch_free(l);
		return err_code(err, r, "watch a process that waits for its start");
	}
	*ret = l;
	return 0;
}

int launch_sync(struct launch *l)
{
	l->copied = true;
	return l->sync;
}

const struct pidref *launch_process(const struct launch *l)
{
	return &l->process;
}

struct pidref launch_give_process(struct launch *l)
{
	l->given = true;
	return l->process;
}

void launch_set_handler(struct launch *l, const struct launch_handler *handler)
{
	l->handler = *handler;
}

int launch_release(struct launch *l, struct err *err)
{
	int r;

	if (l->phase != PHASE_READY)
		return err_set(err, -EBUSY, "the process is not ready to run");
	l->phase = PHASE_RELEASED;
	r = send_go(l, PLAN_GO_READY);
	if (r == -EPIPE && l->adopted)
		return 0; /* past it: what it said last, and the end, are in the socket */
	return r < 0 ? err_code(err, r, "release the process") : 0;
}

static void release(struct loop_deferred *d)
{
	struct launch *l = container_of(d, struct launch, release);

	plan_done(&l->plan);
	arena_done(&l->arena);
	if (!l->given)
		pidref_done(&l->process);
	fd_close(l->stage_pidfd);
	free(l);
}

void launch_free(struct launch *l)
{
	if (!l || l->freed)
		return;
	l->freed = true;
	hook_cancel(l->hook_run);
	close_sync(l);
	if (l->phase < PHASE_RELEASED)
		reap(l, true);
	else
		reap(l, false);
	loop_defer(l->host->loop, &l->release, release);
}
