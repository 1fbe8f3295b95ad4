/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel keeps the exit of a process as long as a pidfd of it is open, and shows it once the process is reaped
 * (spec/manager.md 2.2b). A zombie still has to be reaped by its new parent, so the caller asks again.
 */
#include "exit/pidfd_info.h"

#include <poll.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "exit/exit.h"

static bool is_dead(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return pidfd >= 0 && poll(&p, 1, 0) > 0;
}

static bool tell(struct exit_source *s, pid_t pid, int pidfd)
{
	struct kernel_pidfd_info info;
	struct exit_info e = { .pid = pid };

	if (kernel_pidfd_info(pidfd, KERNEL_PIDFD_INFO_EXIT, &info) < 0 ||
		!(info.mask & KERNEL_PIDFD_INFO_EXIT))
		return false;
	e.wait_status = (int)info.exit_code;
	e.boot_ns = clock_boot_ns();
	e.wall_ns = clock_wall_ns();
	exit_report(s, &e);
	return true;
}

size_t exit_pidfd_sweep(struct exit_source *s)
{
	size_t untold = 0;
	pid_t pid = 0;

	while ((pid = exit_next_watched(s, pid)) != 0) {
		int pidfd = exit_watched_pidfd(s, pid);

		if (is_dead(pidfd) && !tell(s, pid, pidfd))
			untold++;
	}
	return untold;
}
