/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The cgroup of a process that somebody else has put there, for reading: counters, lists of processes, OOM kills. None of
 * its directories is ours: signals, freezing and removal refuse it.
 *
 * Owner    *ret is the caller's, ended with cgroup_free().
 * Errors   -ENOENT: it has none of its own; -ESRCH: it is gone; others.
 * Blocks   Reads procfs.
 * Context  Parent.
 */
#include "base/err.h"
#include "base/pidref.h"
#include "container/cgroup.h"

int cgroup_find(const struct cgroup_host *host, const struct pidref *who, struct cgroup **ret,
	struct err *err);
/*
 * Where init is, if it has gone below `cg` and has controllers there: v2 then lets nobody into `cg` itself. NULL: `cg` will
 * do, or cannot be looked at, or init is elsewhere.
 */
struct cgroup *cgroup_find_inner(struct cgroup *cg, const struct pidref *init);
/* cgroup_find() for texts of /proc/PID/cgroup: the process' and our own. Pure. */
int cgroup_find_in(const struct cgroup_host *host, const char *theirs, const char *ours,
	struct cgroup **ret, struct err *err);
