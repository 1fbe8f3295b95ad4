/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Shim cgroup: the cgroup that the options ask the shim itself into (ShimCgroup).
 *
 * Owner    Nothing is kept.
 * Errors   0 or negative errno with *err; -ENOENT when no hierarchy has that cgroup: none is made.
 * Blocks   Reads procfs; entering may wait for the kernel.
 * Context  The process that is to move, single thread: it moves itself.
 */
#include "base/err.h"

/*
 * v1 and hybrid: in every v1 hierarchy that has the path; v2: in the one. prefix: "" on a real
 * machine, else as in container/cgroup_host.h.
 */
int shim_cgroup_enter(const char *prefix, const char *path, struct err *err);
