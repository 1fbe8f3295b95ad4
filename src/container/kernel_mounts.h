/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Kernel mounts: where the host has procfs and sysfs. A mount namespace that keeps one of them whole, in a place nobody can
 * reach even, lets whoever makes a user namespace in it mount another one that has no masks (mount_too_revealing() of Linux).
 *
 * Owner    The list and its strings are the arena's.
 * Errors   Negative errno with *err.
 * Blocks   Reads /proc/self/mountinfo.
 * Context  Parent.
 */
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

/* Their mount points, the last first; without those below `rootfs`, which are the container's. */
int kernel_mounts(struct arena *a, const char *rootfs, const char *const **ret, size_t *ret_n,
	struct err *err);

/* The same of a table that is at hand; it is cut into pieces. Negative errno. */
int kernel_mounts_of(
	char *table, struct arena *a, const char *rootfs, const char *const **ret, size_t *ret_n);
