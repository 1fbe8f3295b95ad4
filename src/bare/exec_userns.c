/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A user namespace that nobody runs in: the id map of a mount. One is made by a child of ours that waits while we write
 * its maps and open its namespace; the fd keeps it alive. This happens on the host side, so that the child has nothing
 * of a container and no container can see it.
 */
#include <asm/errno.h>
#include <asm/fcntl.h>
#include <asm/signal.h>
#include <linux/sched.h>

#include "bare/exec.h"

#define WALL_ 0x40000000

static long write_map(long pid, const char *file, const char *lines)
{
	char path[64];
	char digits[24];
	long fd;
	long r;

	exec_join(path, sizeof(path), "/proc/", exec_utoa((uint64_t)pid, digits));
	exec_join(path + strlen(path), sizeof(path) - strlen(path), file, NULL);
	fd = sys_openat(SYS_AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	r = sys_write((int)fd, lines, strlen(lines));
	sys_close((int)fd);
	return r < 0 ? r : 0;
}

static long open_namespace(long pid)
{
	char path[64];
	char digits[24];

	exec_join(path, sizeof(path), "/proc/", exec_utoa((uint64_t)pid, digits));
	exec_join(path + strlen(path), sizeof(path) - strlen(path), "/ns/user", NULL);
	return sys_openat(SYS_AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
}

/* Until its parent closes the pipe, or dies. */
static void wait_in_namespace(const int pipe[2])
{
	char byte;

	sys_close(pipe[1]);
	while (sys_read(pipe[0], &byte, 1) == -EINTR)
		;
	exec_exit(0);
}

long exec_op_userns(struct exec *x, const struct plan_step *s)
{
	struct clone_args a;
	int pipe[2];
	long pid;
	long fd;
	long r = sys_call2(__NR_pipe2, pipe, O_CLOEXEC);

	if (r < 0)
		return r;
	memset(&a, 0, sizeof(a));
	a.flags = CLONE_NEWUSER;
	pid = sys_call2(__NR_clone3, &a, sizeof(a));
	if (pid == 0)
		wait_in_namespace(pipe);
	sys_close(pipe[0]);
	if (pid < 0) {
		sys_close(pipe[1]);
		return pid;
	}
	x->detail = exec_str(x, s->str[0]);
	r = write_map(pid, "/uid_map", x->detail);
	if (r >= 0) {
		x->detail = exec_str(x, s->str[1]);
		r = write_map(pid, "/gid_map", x->detail);
	}
	fd = r < 0 ? r : open_namespace(pid);
	sys_close(pipe[1]);
	while (sys_call4(__NR_wait4, pid, NULL, WALL_, NULL) == -EINTR)
		;
	if (fd >= 0)
		x->slots[s->fd[0]] = (int)fd;
	return fd;
}
