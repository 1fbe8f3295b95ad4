/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Real cgroups for unit tests: directories named reeve-test-* that the test itself made, and
 * children that are born in them.
 *
 * Owner    The test removes what it made.
 * Errors   make returns false where the machine or the user does not permit it: skip then.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct fixture_cgroup2 {
	char path[256];
	int fd;
};

/* Where cgroup2 is mounted on this machine, or NULL. */
static inline const char *fixture_cgroup2_mount(void)
{
	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0)
		return "/sys/fs/cgroup";
	if (access("/sys/fs/cgroup/unified/cgroup.controllers", F_OK) == 0)
		return "/sys/fs/cgroup/unified";
	return NULL;
}

static inline bool fixture_cgroup2_make(struct fixture_cgroup2 *cg, const char *name)
{
	const char *mount = fixture_cgroup2_mount();

	if (geteuid() != 0 || !mount)
		return false;
	snprintf(cg->path, sizeof(cg->path), "%s/reeve-test-%s-%d", mount, name, (int)getpid());
	if (mkdir(cg->path, 0755) < 0)
		return false;
	cg->fd = open(cg->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return cg->fd >= 0;
}

static inline void fixture_cgroup2_remove(struct fixture_cgroup2 *cg)
{
	close(cg->fd);
	for (int i = 0; i < 200 && rmdir(cg->path) < 0 && errno == EBUSY; i++)
		usleep(5000);
}

/* fork() into an open cgroup2 directory. */
static inline pid_t fixture_clone_into(int cgroup_fd)
{
	struct clone_args args;

	memset(&args, 0, sizeof(args));
	args.flags = CLONE_INTO_CGROUP;
	args.exit_signal = SIGCHLD;
	args.cgroup = (uint64_t)cgroup_fd;
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}
