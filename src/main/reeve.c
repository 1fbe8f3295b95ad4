/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reeve: the OCI runtime on the command line.
 *
 * It refuses to run with more rights than its caller has: it was not written for that, and everything it is told
 * (bundle, root, hooks) comes from the caller.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "cli/commands.h"

/* A fault of our own, what nobody can catch, and what stops a job that reads or writes in the background. */
static const int ours[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGKILL,
	SIGSTOP, SIGTTIN, SIGTTOU };

static int catch_signals(void)
{
	sigset_t set;
	int fd;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		sigdelset(&set, ours[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int become_subreaper(void)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static void reap_orphans(pid_t except)
{
	for (;;) {
		siginfo_t info = { .si_pid = 0 };

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid ||
			info.si_pid == except)
			return;
		waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
	}
}

static const struct cli_process process = {
	.catch_signals = catch_signals,
	.become_subreaper = become_subreaper,
	.reap_orphans = reap_orphans,
	.ends = true,
};

int main(int argc, char **argv)
{
	/* First of all: else the first file that is opened becomes the container's stdout. */
	if (fd_ensure_stdio() < 0)
		return CLI_FAILURE;
	if (getauxval(AT_SECURE)) {
		fputs("reeve: refusing to run setuid or with file capabilities\n", stderr);
		return CLI_FAILURE;
	}
	return cli_main(commands, &process, argc, (const char *const *)argv);
}
