/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posix_spawn does not copy the address space and tells when the program could not be executed. The
 * program is /proc/self/exe and not the path that we were called by: it may have been replaced by
 * another version since.
 */
#include "shim/server_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static int fill_actions(posix_spawn_file_actions_t *a, int listener)
{
	int r = 0;

	for (int fd = 0; fd <= 2 && r == 0; fd++)
		r = posix_spawn_file_actions_addopen(a, fd, "/dev/null", O_RDWR, 0);
	return r ? r : posix_spawn_file_actions_adddup2(a, listener, SERVER_LISTENER_FD);
}

static int fill_attributes(posix_spawnattr_t *a)
{
	/* Those that `start` or its caller may have ignored, and that the server deals with. */
	static const int known[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD, SIGUSR1 };
	sigset_t defaults, none;
	int r;

	sigemptyset(&none);
	sigemptyset(&defaults);
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		sigaddset(&defaults, known[i]);
	r = posix_spawnattr_setflags(
		a, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	if (r == 0)
		r = posix_spawnattr_setpgroup(a, 0);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(a, &defaults);
	return r ? r : posix_spawnattr_setsigmask(a, &none);
}

int server_launch(
	int listener, char *const *argv, char *const *env, pid_t *ret_pid, struct err *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid;
	int r;

	/* What we were given beyond the standard streams is not the server's. */
	if (close_range(SERVER_LISTENER_FD, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(err, "start the shim");
	r = posix_spawn_file_actions_init(&actions);
	if (r)
		return err_code(err, -r, "start the shim");
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = fill_actions(&actions, listener);
		if (r == 0)
			r = fill_attributes(&attributes);
		if (r == 0)
			r = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv, env);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	if (r)
		return err_code(err, -r, "start the shim");
	*ret_pid = pid;
	return 0;
}

void server_launch_undo(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
