/* SPDX-License-Identifier: Apache-2.0 */
/*
 * killat N PROGRAM [ARGUMENT...]: run a program and kill it with SIGKILL as it enters its N-th system call. Its
 * children are not traced. Exit status: the program's own when it ended before, 137 when it was killed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int ended(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	long left = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
	int entering = 1;
	int signal_to_pass = 0;
	int status;
	pid_t pid;

	if (left <= 0) {
		fprintf(stderr, "usage: killat N PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 2;
	ptrace(PTRACE_SETOPTIONS, pid, NULL,
		(void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL));
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
