/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Worker cgroup: a cgroup for the process that serves, with a limit of memory that its guardian does not share.
 *
 * On cgroup2 a cgroup whose children have controllers has no processes itself. So it is "worker" beside our own, and our own
 * must be called "front": for whoever began us there (systemd: Delegate= with DelegateSubgroup=) has given us the one above. With
 * the memory controller on cgroup v1 it is "worker" below our own, which is any but the root.
 *
 * Owner    worker_cgroup_done() ends it and accepts WORKER_CGROUP_NULL. The cgroup stays for the next worker.
 * Errors   Negative errno with *err, which says why there is no limit; then this process is where it was.
 * Blocks   While the kernel moves a process.
 * Context  Parent, single thread.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define WORKER_CGROUP_NOTE_NAME \
	"worker.unlimited" /* in the state directory: why there is no limit */

struct worker_cgroup {
	int outside; /* files by which a process enters: our own of before */
	int limited; /* and the one with the limit */
};

#define WORKER_CGROUP_NULL ((struct worker_cgroup){ .outside = -EBADF, .limited = -EBADF })

/* Make it, unless it is there, and enter it. prefix: "" on a real machine, else as in cgroup_host.h. */
int worker_cgroup_enter(
	const char *prefix, uint64_t max_bytes, struct worker_cgroup *ret, struct err *err);

/* Out of it (outside) and back: what is started in between is none of the worker's. Nothing without a cgroup. */
void worker_cgroup_move(const struct worker_cgroup *w, bool outside);

void worker_cgroup_done(struct worker_cgroup *w);
