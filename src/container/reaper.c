/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reaper of a program that waits for each child by itself: its pidfd becomes readable, then waitid.
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "container/reaper.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static void on_exit_(struct loop_fd *source, uint32_t events)
{
	struct reaper_watch *w = container_of(source, struct reaper_watch, source);
	siginfo_t info = { .si_pid = 0 };
	int status = 0;

	if (waitid(P_PIDFD, (id_t)w->pidfd, &info, WEXITED | WNOHANG) == 0 && !info.si_pid)
		return;
	loop_fd_remove(source);
	if (info.si_pid)
		status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
						    : W_EXITCODE(0, info.si_status);
	w->fn(w, status);
}

static int own_watch(void *arg, struct reaper_watch *w)
{
	return loop_fd_add(arg, &w->source, w->pidfd, EPOLLIN, on_exit_);
}

static void own_unwatch(void *arg, struct reaper_watch *w)
{
	loop_fd_remove(&w->source);
}

struct reaper reaper_own(struct loop *l)
{
	return (struct reaper){ .arg = l, .own = true, .watch = own_watch, .unwatch = own_unwatch };
}
