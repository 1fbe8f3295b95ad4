/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Rootfs idmap: a mount of a rootfs that shows what lies below it with other ids. containerd 2.x asks for it by the options
 * "uidmap=CONTAINER:HOST:SIZE[,...]" and "gidmap=", when a pod has a user namespace and the layers are nobody's copy.
 *
 * Owner    Strings are borrowed for the call.
 * Errors   Negative errno; nothing is mounted then. -EINVAL for a map that is none and a type that cannot be mapped.
 * Blocks   As mount(2).
 * Context  Parent. Children that share its memory hold the user namespace and put the overlay together.
 */
#include "base/err.h"

struct rootfs_idmap {
	const char *uids, *gids; /* what follows "uidmap=" and "gidmap="; NULL: not asked for */
	const char *lower;       /* of an overlay: the directories that are mapped */
};

/* Mount `source` on `target`. `data` is the overlay's without lowerdir: its upper directory is as it is. */
int rootfs_idmap_mount(const struct rootfs_idmap *map, const char *type, const char *source,
	const char *target, unsigned long flags, const char *data, struct err *err);
