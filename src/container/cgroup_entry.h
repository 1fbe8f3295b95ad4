/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * cgroup entry: the files through which a process enters the cgroup of a running container, opened ahead. Who starts one
 * process after the other keeps those of the last container: it spares each of them the opening, and the closing of the
 * v2 directory, for which the kernel waits until no CPU looks at that mount any more.
 *
 * Owner    The caller holds the struct; cgroup_entry_done() ends it, accepts zero ones and leaves one to be filled again.
 *          It points at a cgroup: forget it before that one ends.
 * Errors   None: what cannot be opened here is opened by the executor, which has the words for its failure.
 * Blocks   No; cgroup_entry_done() for a grace period of the kernel, some 50 us.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>

#include "container/cgroup.h"

struct cgroup_entry {
	const struct cgroup *of;           /* NULL: nothing is open */
	int tasks[CGROUP_HIERARCHIES_MAX]; /* of v1, in the order of its directories; -EBADF */
	size_t n_tasks;
	int procs; /* of v2, with its directory */
	int dir;   /* no path leads up from it, where mounts may be made; -EBADF: there is no v2 */
	int events;
	int freezer;
};

/* Those of `cg`, opened unless they are. False: they cannot be had, and nothing is open. */
bool cgroup_entry_open(struct cgroup_entry *e, const struct cgroup *cg);
/* Only the v2 directory, for who starts a single process; false also where there is none. */
bool cgroup_entry_open_dir(struct cgroup_entry *e, const struct cgroup *cg);
/* cgroup_frozen() by the open files. */
bool cgroup_entry_frozen(const struct cgroup_entry *e);

void cgroup_entry_done(struct cgroup_entry *e);
/* The same if it is that one's. */
void cgroup_entry_forget(struct cgroup_entry *e, const struct cgroup *cg);
