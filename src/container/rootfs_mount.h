/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The root file system of a bundle as a manager hands it over: a list of mounts (overlay, bind, ...) that are made on
 * BUNDLE/rootfs in the host's mount namespace before create and taken away after delete (spec/shim.md 4.3).
 *
 * Owner    Strings are borrowed for the call.
 * Errors   Negative errno; a failed list is undone in reverse, so that nothing of it is left.
 * Blocks   As mount(2) and umount(2), but rootfs_unmount_start() never.
 * Context  Parent. An overlay whose options do not fit a page is mounted by a child with another working directory.
 */
#include <stddef.h>

#include "base/err.h"
#include "container/reaper.h"

struct rootfs_mount {
	const char *type;
	const char *source;
	const char *target; /* below the rootfs; NULL or "": itself */
	const char *const *options;
	size_t n_options;
};

/* Make `rootfs` (0711) if it is missing and mount the list on it, in order. */
int rootfs_mount(const char *rootfs, const struct rootfs_mount *mounts, size_t n, struct err *err);

/* Unmount all that is mounted on `rootfs`, top first, and below it. Not mounted, or not there: success. */
int rootfs_unmount(const char *rootfs, struct err *err);

/*
 * The same by a child, for the last unmount of a file system waits for its disk. `done` comes once, from the loop.
 * Embedded in its owner; valid until then, or until rootfs_unmount_stop(), which accepts zero: the child goes on.
 */
struct rootfs_unmounting {
	const struct reaper *reaper; /* NULL: nothing is under way */
	char *rootfs;
	struct reaper_watch watch;
	void (*done)(struct rootfs_unmounting *u, const struct err *err);
};

int rootfs_unmount_start(struct rootfs_unmounting *u, const struct reaper *reaper, int executor,
	const char *rootfs, void (*done)(struct rootfs_unmounting *u, const struct err *err),
	struct err *err);
void rootfs_unmount_stop(struct rootfs_unmounting *u);
