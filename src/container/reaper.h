/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reaper: who waits for our short-lived children (hooks, foreign tools), as a table of functions.
 *
 * A command line waits for its own children; a shim has one place that reaps everything (src/exit), which must be
 * told of a child before it can steal its status. Both stand behind this table.
 *
 * Owner    The watch is embedded in its owner and stays valid until its fn ran or unwatch returned.
 * Errors   Negative errno.
 * Blocks   Never.
 * Context  Parent.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "event/loop.h"

struct reaper_watch;
typedef void reaper_fn(struct reaper_watch *w, int wait_status); /* the child is reaped */

struct reaper_watch {
	pid_t pid;
	int pidfd; /* owned by the watch's owner */
	reaper_fn *fn;
	struct loop_fd source; /* of reaper_own */
};

struct reaper {
	void *arg;
	bool own; /* nobody else waits for our children: what is not watched must be waited for by its maker */
	/* w->pid, w->pidfd and w->fn are set; called in the round in which the child was made. */
	int (*watch)(void *arg, struct reaper_watch *w);
	void (*unwatch)(void *arg, struct reaper_watch *w);
};

/* For a program that reaps its children one by one: pidfd on the loop, then waitid. `l` is the reaper's arg. */
struct reaper reaper_own(struct loop *l);
