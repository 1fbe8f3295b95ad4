/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks that run in the container's namespaces (createContainer, startContainer): own process group, state on stdin
 * by a memfd (a hook that does not read it does no harm), output kept for the error text, bounded time.
 */
#include <asm/errno.h>
#include <asm/fcntl.h>
#include <asm/poll.h>
#include <asm/signal.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/time_types.h>

#include "bare/exec.h"

#define P_PIDFD_ 3
#define WEXITED_ 4
#define CLD_EXITED_ 1

struct child_info {
	int signo, err, code, pad;
	int pid, uid, status;
	char rest[100];
};

static int state_memfd(struct exec *x, const struct plan_step *s)
{
	char digits[24];
	char *pid = exec_utoa((uint64_t)sys_call0(__NR_getpid), digits);
	const char *head = exec_str(x, s->str[3]);
	long fd = sys_call2(__NR_memfd_create, "state", 1 /* MFD_CLOEXEC */);

	if (fd < 0)
		return (int)fd;
	sys_write((int)fd, head, strlen(head));
	sys_write((int)fd, pid, strlen(pid));
	sys_write((int)fd, exec_blob(x, s), s->blob_len);
	sys_call3(__NR_lseek, fd, 0, 0);
	return (int)fd;
}

__attribute__((noreturn)) static void child(struct exec *x, const struct plan_step *s, char **argv,
	char **envp, int in, int out, int status)
{
	int code;

	sys_call2(__NR_setpgid, 0, 0);
	sys_call2(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
	sys_dup3(in, 0, 0);
	sys_dup3(out, 1, 0);
	sys_dup3(out, 2, 0);
	/* only the report pipe stays, as fd 3, until execve */
	sys_dup3(status, 3, O_CLOEXEC);
	sys_call3(__NR_close_range, 4, ~0u, 0);
	code = 0;
	if ((s->flags & PLAN_F_FINAL_CAPS) && x->caps)
		code = (int)exec_apply_caps(x->caps);
	if (code >= 0)
		code = (int)sys_call3(__NR_execve, exec_str(x, s->str[0]), argv, envp);
	sys_write(3, &code, sizeof(code));
	exec_exit(127);
}

/* "PATH: exit status 1: output" as the detail; the step's code says only that it failed. */
static long explain(
	struct exec *x, const struct plan_step *s, const char *what, int number, int out)
{
	char digits[24];
	char *num = exec_utoa((uint64_t)number, digits);
	size_t n = strlen(exec_str(x, s->str[0]));
	long m;

	if (n > 1024)
		n = 1024;
	memcpy(x->text, exec_str(x, s->str[0]), n);
	x->text[n] = 0;
	exec_join(x->text + n, sizeof(x->text) - n, what, number >= 0 ? num : NULL);
	n = strlen(x->text);
	m = sys_call4(__NR_pread64, out, x->text + n + 2, 512, 0);
	if (m > 0) {
		x->text[n] = ':';
		x->text[n + 1] = ' ';
		while (m > 0 && x->text[n + 1 + (size_t)m] == '\n')
			m--;
		x->text[n + 2 + (size_t)m] = 0;
	}
	x->detail = x->text;
	return -ECANCELED;
}

static long reap(struct exec *x, const struct plan_step *s, int pid, int pidfd, int out)
{
	struct {
		int fd;
		short events, revents;
	} p = { pidfd, POLLIN, 0 };
	struct __kernel_timespec t = { (long long)s->num[2], 0 };
	struct child_info info;
	long r;

	do
		r = sys_call5(__NR_ppoll, &p, 1, s->num[2] ? &t : NULL, NULL, 8);
	while (r == -EINTR);
	if (r == 0)
		sys_call2(__NR_kill, -pid, SIGKILL);
	memset(&info, 0, sizeof(info));
	sys_call5(__NR_waitid, P_PIDFD_, pidfd, &info, WEXITED_, NULL);
	if (r == 0)
		return explain(x, s,
			": killed, for it ran longer than its timeout in seconds: ", (int)s->num[2],
			out);
	if (info.code != CLD_EXITED_)
		return explain(x, s, ": killed by signal ", info.status, out);
	return info.status ? explain(x, s, ": exit status ", info.status, out) : 0;
}

static long run(struct exec *x, const struct plan_step *s, int in, int out, const int report[2])
{
	char **argv = exec_list(x, s->str[1], s->num[0], 1);
	char **envp = exec_list(x, s->str[2], s->num[1], 0);
	struct clone_args a;
	int pidfd = -1;
	int code = 0;
	long pid;
	long r;

	if (!argv || !envp)
		return -ENOMEM;
	if (!s->num[0])
		argv[0] = (char *)exec_str(x, s->str[0]);
	memset(&a, 0, sizeof(a));
	a.flags = CLONE_PIDFD;
	a.pidfd = (uintptr_t)&pidfd;
	a.exit_signal = SIGCHLD;
	pid = sys_call2(__NR_clone3, &a, sizeof(a));
	if (pid < 0)
		return pid;
	if (pid == 0)
		child(x, s, argv, envp, in, out, report[1]);
	sys_close(report[1]);
	if (sys_read(report[0], &code, sizeof(code)) != sizeof(code))
		code = 0;
	r = reap(x, s, (int)pid, pidfd, out);
	sys_close(pidfd);
	if (code) {
		x->detail = exec_str(x, s->str[0]);
		return code;
	}
	return r;
}

long exec_op_hook(struct exec *x, const struct plan_step *s)
{
	int report[2] = { -1, -1 };
	int in = state_memfd(x, s);
	long out = sys_call2(__NR_memfd_create, "output", 1);
	long r = in < 0 ? in : out;

	x->detail = exec_str(x, s->str[0]);
	if (r >= 0)
		r = sys_call2(__NR_pipe2, report, O_CLOEXEC);
	if (r >= 0) {
		r = run(x, s, in, (int)out, report);
		sys_close(report[0]);
	}
	if (in >= 0)
		sys_close(in);
	if (out >= 0)
		sys_close((int)out);
	return r;
}
