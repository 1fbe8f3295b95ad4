/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posix_spawn does not copy the address space and tells when the guardian could not be executed. It runs from a sealed
 * memfd that this program carries; the worker's program is /proc/self/exe and not the path that we were called by, which may
 * have been replaced by another version since.
 */
#include "exit/guardian_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bare/guardian.h"
#include "base/fd.h"
#include "base/mem.h"

#define FREE_FD 16 /* above those that the guardian has */

extern const unsigned char guardian_image[];
extern const size_t guardian_image_size;

struct launch_fds {
	int listener;
	int program;
	int guardian;
};

static void fds_done(struct launch_fds *f)
{
	fd_close(f->listener);
	fd_close(f->program);
	fd_close(f->guardian);
}

/* Out of the way of the numbers that they get. */
static int move_up(int fd)
{
	int up = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, FREE_FD);

	return up == -1 ? -errno : up;
}

static int open_fds(int listener, struct launch_fds *f)
{
	auto_close int image = fd_memfd_exec("reeve-guardian", guardian_image, guardian_image_size);
	auto_close int program = fd_open("/proc/self/exe", O_PATH, 0);

	f->listener = move_up(listener);
	f->program = move_up(program);
	f->guardian = move_up(image);
	if (f->listener < 0)
		return f->listener;
	return f->program < 0 ? f->program : f->guardian < 0 ? f->guardian : 0;
}

static int fill_actions(posix_spawn_file_actions_t *a, const struct launch_fds *f)
{
	int r = 0;

	for (int fd = 0; fd <= 2 && r == 0; fd++)
		r = posix_spawn_file_actions_addopen(a, fd, "/dev/null", O_RDWR, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(a, f->listener, GUARDIAN_LISTENER_FD);
	return r ? r : posix_spawn_file_actions_adddup2(a, f->program, GUARDIAN_PROGRAM_FD);
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

static int spawn_guardian(
	const struct launch_fds *f, char *const *argv, char *const *env, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->guardian);
	r = posix_spawn_file_actions_init(&actions);
	if (r)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = fill_actions(&actions, f);
		if (r == 0)
			r = fill_attributes(&attributes);
		if (r == 0)
			r = posix_spawn(ret_pid, path, &actions, &attributes, argv, env);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int guardian_launch(
	int listener, char *const *argv, char *const *env, pid_t *ret_pid, struct err *err)
{
	struct launch_fds fds = { -EBADF, -EBADF, -EBADF };
	pid_t pid;
	int r;

	/* What we were given beyond the standard streams is not the server's. */
	if (close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(err, "start the shim");
	r = open_fds(listener, &fds);
	if (r == 0)
		r = spawn_guardian(&fds, argv, env, &pid);
	fds_done(&fds);
	if (r < 0)
		return err_code(err, r, "start the shim");
	*ret_pid = pid;
	return 0;
}

void guardian_launch_undo(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
