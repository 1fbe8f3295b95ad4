/* SPDX-License-Identifier: Apache-2.0 */
/*
 * killat N PROGRAM [ARGUMENT...]: run a program and kill it with SIGKILL as it enters its N-th system call. Its
 * children are not traced. Exit status: the program's own when it ended before, 137 when it was killed.
 *
 * killat N -p PID: the same for a process that runs, counted from now on. Says "attached" when it counts.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int ended(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Stopped for the first time, with its system calls shown from here on. */
static int run(char **argv, pid_t *ret)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	ptrace(PTRACE_SETOPTIONS, pid, NULL,
		(void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL));
	*ret = pid;
	return 0;
}

static int attach(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)PTRACE_O_TRACESYSGOOD) < 0 ||
		ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	puts("attached");
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	long left = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
	int entering = 1;
	int signal_to_pass = 0;
	int status;
	pid_t pid;

	if (left <= 0) {
		fprintf(stderr, "usage: killat N PROGRAM [ARGUMENT...] | N -p PID\n");
		return 2;
	}
	if (strcmp(argv[2], "-p") == 0 && argc > 3) {
		pid = (pid_t)strtol(argv[3], NULL, 10);
		if (attach(pid) < 0)
			return 2;
	} else if (run(argv + 2, &pid) < 0) {
		return 2;
	}
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)signal_to_pass) < 0 &&
			errno != ESRCH)
			return 2;
		if (waitpid(pid, &status, 0) < 0)
			return 2;
		signal_to_pass = 0;
		if (!WIFSTOPPED(status))
			return ended(status);
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			if (entering && --left == 0) {
				kill(pid, SIGKILL);
				waitpid(pid, &status, 0);
				return 137;
			}
			entering = !entering;
		} else if (WSTOPSIG(status) != SIGTRAP) {
			signal_to_pass = WSTOPSIG(status);
		}
	}
}
