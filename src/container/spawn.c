/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One clone with CLONE_VM | CLONE_VFORK on a stack of its own: the child shares our memory until execve, so it only
 * makes system calls, and leaves its errno in a variable of the parent's frame.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "container/clone_vm.h"
#include "container/spawn.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#define STACK_SIZE (8 * 1024) /* some system calls deep; each page of it is touched */

/*
 * Runs on memory of our frame and never returns: what the address sanitizer marks there as out of bounds would stay
 * so for us.
 */
#define IN_CHILD __attribute__((no_sanitize("address")))

extern const unsigned char exec_image[];
extern const size_t exec_image_size;

int spawn_open_executor(int *ret_fd, struct err *err)
{
	int fd = fd_memfd_exec("reeve-exec", exec_image, exec_image_size);

	if (fd < 0)
		return err_code(err, fd, "prepare the executor");
	*ret_fd = fd;
	return 0;
}

struct child_args {
	const struct spawn *s;
	uint64_t ignored; /* signals that we ignore: bit 0 is signal 1 */
	uint64_t blocked; /* and that we block */
	int error;        /* of the step that failed, positive errno */
};

/* 0-2 in place, without one overwriting the source of another. */
IN_CHILD static int place_stdio(const int stdio[3])
{
	int from[3];

	for (int i = 0; i < 3; i++) {
		from[i] = stdio[i];
		if (from[i] >= 0 && from[i] < 3 && from[i] != i) {
			from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3);
			if (from[i] < 0)
				return -1;
		}
	}
	for (int i = 0; i < 3; i++) {
		/* ours are never close-on-exec: fd_ensure_stdio() */
		if (from[i] != i && dup3(from[i], i, 0) < 0)
			return -1;
	}
	return 0;
}

/*
 * What we or our caller ignore (a shell's background job: INT and QUIT; service managers: PIPE) would be ignored by the
 * program as well, for execve resets handlers only.
 */
static void read_signals(const struct self_status *self, struct child_args *a)
{
	struct self_status now;

	if (!self || !self->known) {
		(void)self_status_read(&now);
		self = &now;
	}
	a->ignored = self->ignored;
	a->blocked = self->known ? self->blocked : ~UINT64_C(0);
}

static void heed_signals(uint64_t ignored)
{
	for (int sig = 1; ignored; sig++, ignored >>= 1)
		if (ignored & 1)
			signal(sig, SIG_DFL);
}

IN_CHILD static int prepare(const struct spawn *s, uint64_t blocked)
{
	sigset_t none;

	sigemptyset(&none);
	if (place_stdio(s->stdio) < 0)
		return -1;
	/* What our caller left open is not ours to hand on: the executor would carry it into the container. */
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -1;
	for (size_t i = 0; i < s->n_keep; i++)
		if (fcntl(s->keep[i], F_SETFD, 0) < 0)
			return -1;
	for (unsigned i = 0; i < s->preserve_fds; i++)
		if (fcntl((int)i + 3, F_SETFD, 0) < 0)
			return -1;
	if (s->moved_to && (s->moved == s->moved_to ? fcntl(s->moved, F_SETFD, 0)
						    : dup3(s->moved, s->moved_to, 0)) < 0)
		return -1;
	if (s->new_group && (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0))
		return -1;
	if (s->cwd && chdir(s->cwd) < 0) /* the child's: CLONE_FS is not shared */
		return -1;
	if (blocked)
		sigprocmask(SIG_SETMASK, &none, NULL);
	return 0;
}

IN_CHILD static int child_main(void *arg)
{
	struct child_args *a = arg;
	static char *const empty[] = { NULL };
	char *const *envp = a->s->envp ? a->s->envp : empty;

	heed_signals(a->ignored);
	if (prepare(a->s, a->blocked) == 0) {
		if (a->s->program >= 0)
			syscall(SYS_execveat, a->s->program, "", a->s->argv, envp, AT_EMPTY_PATH);
		else
			execve(a->s->path, a->s->argv, envp);
	}
	a->error = errno;
	_exit(127);
}

/* The child, with -errno in errno's place. */
static pid_t clone_child(
	const struct spawn *s, char *stack, size_t size, struct child_args *args, int *ret_pidfd)
{
	struct clone_args a = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD,
		.pidfd = (uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)stack,
		.stack_size = size,
	};
	long pid;

	if (!s->into)
		return clone(child_main, stack + size,
			CLONE_VM | CLONE_VFORK | (ret_pidfd ? CLONE_PIDFD : 0) | SIGCHLD |
				(s->with_parent ? CLONE_PARENT : 0),
			args, ret_pidfd);
	a.flags |= s->into->namespaces;
	if (s->into->cgroup >= 0) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)s->into->cgroup;
	}
	pid = clone_vm(&a, sizeof(a), child_main, args);
	if (pid < 0)
		errno = (int)-pid;
	return pid < 0 ? -1 : (pid_t)pid;
}

int spawn_process(const struct spawn *s, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	char stack[STACK_SIZE] __attribute__((aligned(16)));
	struct child_args args = { .s = s };
	int pidfd = -EBADF;
	pid_t pid;

	assert(!s->into || (ret_pidfd && !s->with_parent));
	read_signals(s->self, &args);
	/* Signals are not blocked: we have no handlers, so none can run in the child, which shares our memory. */
	pid = clone_child(s, stack, sizeof(stack), &args, ret_pidfd ? &pidfd : NULL);
	if (pid < 0)
		return err_sys(err, "start a process");
	if (args.error) {
		siginfo_t info;

		fd_close(pidfd);
		if (!s->with_parent)
			waitid(P_PID, (id_t)pid, &info, WEXITED);
		errno = args.error;
		return err_sys(err, "execute '%s'", s->path ? s->path : "reeve-exec");
	}
	*ret_pid = pid;
	if (ret_pidfd)
		*ret_pidfd = pidfd;
	return 0;
}
