/* SPDX-License-Identifier: Apache-2.0 */
/*
 * killat [-f] [-e ERROR] [-o FILE] N PROGRAM [ARGUMENT...]: run a program; kill it with SIGKILL as it enters its N-th
 * system call, or with -e let the N-th of those calls that may fail so fail with ERROR (ENOMEM, ENOSPC, EMFILE, EINTR,
 * EAGAIN), without being carried out. With -f the calls of its children count too, and it may be a child that is killed.
 * FILE gets the number of the call that was met, or "none". Exit status: the program's own when it ended, 137 when it
 * was killed.
 *
 * killat N -p PID: kill a process that runs, counted from now on. Says "attached" when it counts.
 *
 * Whatever of the program's is still there when the program itself has ended goes on by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_MAX 96
#define PROCESSES_MAX 256
#define FOLLOW (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)

struct fault {
	const char *name;
	int error;
	long calls[CALLS_MAX]; /* ended by 0: read() stands nowhere else than first */
};

/* By their manual pages, as far as a file system, a cgroup or a limit can bring it about. */
// clang-format off
static const struct fault faults[] = {
	{ "ENOMEM", ENOMEM, { SYS_read, SYS_write, SYS_mmap, SYS_mprotect, SYS_fork, SYS_vfork, SYS_clone, SYS_clone3,
		SYS_execve, SYS_execveat, SYS_memfd_create, SYS_openat, SYS_openat2, SYS_open, SYS_mkdirat, SYS_mount,
		SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_move_mount, SYS_open_tree, SYS_mount_setattr, SYS_pipe2,
		SYS_socket, SYS_socketpair, SYS_bind, SYS_connect, SYS_accept4, SYS_sendmsg, SYS_recvmsg, SYS_sendto,
		SYS_recvfrom, SYS_bpf, SYS_epoll_create1, SYS_epoll_ctl, SYS_eventfd2, SYS_timerfd_create, SYS_signalfd4,
		SYS_inotify_add_watch, SYS_getdents64, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_readlinkat, SYS_readlink,
		SYS_unshare, SYS_setns, SYS_prctl, SYS_seccomp, SYS_unlinkat, SYS_renameat, SYS_renameat2, SYS_fcntl,
		SYS_dup3, SYS_pidfd_open, SYS_ioctl, SYS_symlinkat, SYS_linkat, SYS_mknodat, SYS_chdir, SYS_fchdir,
		SYS_umount2, SYS_pivot_root, SYS_keyctl, SYS_setgroups, SYS_poll, SYS_ppoll, SYS_statfs, SYS_fstatfs,
		SYS_faccessat, SYS_faccessat2, SYS_fchownat, SYS_fchmodat, SYS_capset, SYS_setresuid, SYS_setresgid } },
	{ "ENOSPC", ENOSPC, { SYS_write, SYS_pwrite64, SYS_writev, SYS_ftruncate, SYS_fallocate, SYS_mkdirat, SYS_openat,
		SYS_openat2, SYS_renameat, SYS_renameat2, SYS_symlinkat, SYS_mknodat, SYS_linkat, SYS_unshare, SYS_clone,
		SYS_clone3, SYS_inotify_add_watch, SYS_epoll_ctl, SYS_mount, SYS_fsmount, SYS_move_mount, SYS_open_tree,
		SYS_bpf, SYS_sendfile, SYS_copy_file_range } },
	{ "EMFILE", EMFILE, { SYS_open, SYS_openat, SYS_openat2, SYS_socket, SYS_socketpair, SYS_pipe2, SYS_memfd_create,
		SYS_epoll_create1, SYS_eventfd2, SYS_timerfd_create, SYS_signalfd4, SYS_inotify_init1, SYS_fcntl, SYS_dup,
		SYS_dup3, SYS_accept4, SYS_pidfd_open, SYS_fsopen, SYS_fsmount, SYS_open_tree, SYS_clone3, SYS_bpf } },
	{ "EINTR", EINTR, { SYS_read, SYS_write, SYS_pread64, SYS_pwrite64, SYS_poll, SYS_ppoll, SYS_epoll_wait,
		SYS_epoll_pwait, SYS_wait4, SYS_waitid, SYS_flock, SYS_recvmsg, SYS_sendmsg, SYS_recvfrom, SYS_sendto,
		SYS_accept4, SYS_connect, SYS_openat, SYS_openat2, SYS_nanosleep, SYS_clock_nanosleep, SYS_ftruncate,
		SYS_fallocate, SYS_futex } },
	{ "EAGAIN", EAGAIN, { SYS_fork, SYS_vfork, SYS_clone, SYS_clone3, SYS_execve, SYS_execveat, SYS_flock, SYS_recvmsg,
		SYS_sendmsg, SYS_recvfrom, SYS_sendto, SYS_accept4, SYS_connect, SYS_setresuid, SYS_setuid, SYS_openat2,
		SYS_mmap, SYS_fcntl } },
};
// clang-format on

static bool may_fail(const struct fault *f, long call)
{
	for (int i = 0; i < CALLS_MAX && (i == 0 || f->calls[i] != 0); i++)
		if (f->calls[i] == call)
			return true;
	return false;
}

static const struct fault *find_fault(const char *name)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		if (strcmp(faults[i].name, name) == 0)
			return &faults[i];
	return NULL;
}

struct tracer {
	const struct fault *fault; /* NULL: kill */
	bool follow;
	long left;                   /* calls until it happens */
	long met;                    /* the call, -1: not yet */
	pid_t root, failing;         /* failing: waits for the end of the call that is to fail */
	bool ours;                   /* the program is not yet there: what runs is a copy of us */
	pid_t inside[PROCESSES_MAX]; /* between entry and end of a call */
};

static int ended(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Whether this stop is an entry; two of them belong to each call. */
static bool is_entry(struct tracer *t, pid_t pid)
{
	int empty = -1;

	for (int i = 0; i < PROCESSES_MAX; i++) {
		if (t->inside[i] == pid) {
			t->inside[i] = 0;
			return false;
		}
		if (empty < 0 && t->inside[i] == 0)
			empty = i;
	}
	if (empty >= 0)
		t->inside[empty] = pid;
	return true;
}

static void forget(struct tracer *t, pid_t pid)
{
	for (int i = 0; i < PROCESSES_MAX; i++)
		if (t->inside[i] == pid)
			t->inside[i] = 0;
}

/* Seized rather than attached to: its children then have no SIGSTOP that would stay with them when we are gone. */
static int seize(struct tracer *t, pid_t pid, long options)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(options | (t->follow ? FOLLOW : 0))) < 0 ||
		ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	t->root = pid;
	return 0;
}

static int run(struct tracer *t, char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		raise(SIGSTOP);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, WUNTRACED) < 0)
		return -1;
	t->ours = true;
	if (seize(t, pid, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) < 0)
		return -1;
	return kill(pid, SIGCONT);
}

static int attach(struct tracer *t, pid_t pid)
{
	if (seize(t, pid, PTRACE_O_TRACESYSGOOD) < 0)
		return -1;
	puts("attached");
	fflush(stdout);
	return 0;
}

/* The end of a call that was not carried out. */
static void fail_call(struct tracer *t, pid_t pid)
{
	struct user_regs_struct regs;

	ptrace(PTRACE_GETREGS, pid, NULL, &regs);
	regs.rax = (unsigned long long)-t->fault->error;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
	t->failing = 0;
}

/* Entry of a call: count it, and do what is to be done at the last. */
static void count_call(struct tracer *t, pid_t pid)
{
	struct user_regs_struct regs;

	if (t->met >= 0 || t->ours || ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
		return;
	if (t->fault && !may_fail(t->fault, (long)regs.orig_rax))
		return;
	if (--t->left > 0)
		return;
	t->met = (long)regs.orig_rax;
	if (!t->fault) {
		kill(pid, SIGKILL);
		return;
	}
	regs.orig_rax = (unsigned long long)-1;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
	t->failing = pid;
}

/* The signal to go on with. */
static int on_stop(struct tracer *t, pid_t pid, int status)
{
	int sig = WSTOPSIG(status);

	if (sig == (SIGTRAP | 0x80)) {
		if (is_entry(t, pid))
			count_call(t, pid);
		else if (pid == t->failing)
			fail_call(t, pid);
		return 0;
	}
	if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8) && pid == t->root)
		t->ours = false;
	/* A child's first stop, which is none of its own; it must outlive us. */
	if (status >> 16 == PTRACE_EVENT_STOP && pid != t->root) {
		ptrace(PTRACE_SETOPTIONS, pid, NULL,
			(void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | FOLLOW));
		return 0;
	}
	return status >> 16 || sig == SIGTRAP ? 0 : sig;
}

static int trace(struct tracer *t)
{
	pid_t pid = t->root;
	int sig = 0, status;

	for (;;) {
		/* What has happened has happened: from there on nobody is stopped at calls any more. */
		bool over = t->met >= 0 && t->failing == 0;

		ptrace(over ? PTRACE_CONT : PTRACE_SYSCALL, pid, NULL, (void *)(long)sig);
		pid = waitpid(-1, &status, __WALL);
		if (pid < 0)
			return 2;
		sig = 0;
		if (WIFSTOPPED(status)) {
			sig = on_stop(t, pid, status);
			continue;
		}
		forget(t, pid);
		if (pid == t->root)
			return ended(status);
	}
}

static void report(const struct tracer *t, const char *path)
{
	FILE *f = path ? fopen(path, "we") : NULL;

	if (!f)
		return;
	if (t->met < 0)
		fprintf(f, "none\n");
	else
		fprintf(f, "%ld\n", t->met);
	fclose(f);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: killat [-f] [-e ERROR] [-o FILE] N PROGRAM [ARGUMENT...] | N -p PID\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct tracer t = { .met = -1 };
	const char *path = NULL;
	int option, status;

	while ((option = getopt(argc, argv, "+fe:o:")) != -1) {
		if (option == 'f')
			t.follow = true;
		else if (option == 'e')
			t.fault = find_fault(optarg);
		else if (option == 'o')
			path = optarg;
		if (option == '?' || (option == 'e' && !t.fault))
			return usage();
	}
	argv += optind;
	t.left = argv[0] && argv[1] ? strtol(argv[0], NULL, 10) : 0;
	if (t.left <= 0)
		return usage();
	if (strcmp(argv[1], "-p") == 0 && argv[2]) {
		if (attach(&t, (pid_t)strtol(argv[2], NULL, 10)) < 0)
			return 2;
	} else if (run(&t, argv + 1) < 0) {
		return 2;
	}
	status = trace(&t);
	report(&t, path);
	return status;
}
