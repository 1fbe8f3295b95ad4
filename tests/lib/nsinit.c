/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of a test's pid namespace: starts a command, reaps whatever becomes its child,
 * passes termination signals on, and ends with the command's status, by which the kernel ends
 * everything else in there.
 *
 * Before it ends it thaws every cgroup that it can see: in a v1 freezer left FROZEN a process
 * cannot die, and the pid namespace would wait for it for ever. Run it where only cgroups of the
 * test are in sight.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t child;

static void pass_on(int sig)
{
	if (child > 0)
		kill(child, sig);
}

static int thaw(const char *path, const struct stat *st, int type, struct FTW *where)
{
	const char *name = path + where->base;
	const char *text;
	int fd;

	if (type != FTW_F)
		return 0;
	if (strcmp(name, "freezer.state") == 0)
		text = "THAWED";
	else if (strcmp(name, "cgroup.freeze") == 0)
		text = "0";
	else
		return 0;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	/* The root of a freezer hierarchy refuses, and is never frozen. */
	if (write(fd, text, strlen(text)) < 0)
		errno = 0;
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = pass_on, .sa_flags = SA_RESTART };
	int status = 0;
	pid_t pid;

	if (argc < 2) {
		fprintf(stderr, "usage: nsinit COMMAND [ARGUMENT]...\n");
		return 2;
	}
	child = fork();
	if (child < 0) {
		perror("nsinit: fork");
		return 125;
	}
	if (child == 0) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	do
		pid = wait(&status);
	while (pid != child && (pid > 0 || errno == EINTR));
	nftw("/sys/fs/cgroup", thaw, 32, FTW_PHYS);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
