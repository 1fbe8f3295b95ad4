/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Snapshots: layers of root file systems as directories, and how they are mounted over each other
 * (overlayfs). Records are in the store; what is in a directory is the business of who mounts it.
 *
 *	ROOT/io.containerd.snapshotter.v1.overlayfs/snapshots/N/fs    the layer
 *	                                                        /work  of overlayfs, while it is active
 *
 * Owner    What is returned lives in the call's arena.
 * Errors   0 or a negative errno with the call's err, texts as containerd's.
 * Blocks   On the disk.
 * Context  Parent.
 */
#include "services/core.h"

#include "proto/image.pb-c.h"

enum snapshot_kind { SNAPSHOT_VIEW = 1, SNAPSHOT_ACTIVE = 2, SNAPSHOT_COMMITTED = 3 };

/* 0: there is a snapshotter of that name. */
int snapshots_check_name(struct core_call *c, const char *snapshotter);

/* "SNAPSHOTTER/KEY" in the store. */
const char *snapshots_store_key(struct core_call *c, const char *snapshotter, const char *key);

/* In a transaction: a new one with its directory. */
int snapshots_make(struct core_call *c, const Pb__Image__PrepareRequest *in,
	enum snapshot_kind kind, Pb__Image__SnapshotRecord **ret);
int snapshots_load(struct core_call *c, const char *snapshotter, const char *key,
	Pb__Image__SnapshotRecord **ret);
int snapshots_mounts(struct core_call *c, const char *snapshotter,
	const Pb__Image__SnapshotRecord *s, Pb__Image__MountsAnswer **ret);
int snapshots_open(
	struct core_call *c, const Pb__Image__SnapshotRecord *s, int *ret, struct err *err);
/* Bytes on the disk and files of a layer. -E2BIG, without a text: too many to look at while others
 * wait. */
int snapshots_usage(struct core_call *c, const Pb__Image__SnapshotRecord *s, int64_t *ret_size,
	int64_t *ret_inodes);
/* Record and directory, by the key in the store. Who calls has seen to it that it has no children. */
int snapshots_drop(struct core_call *c, const char *store_key);
/* 1 when another one stands on it. */
int snapshots_has_child(struct core_call *c, const char *snapshotter, const char *key);

/* At start: directories that no record has. */
int snapshots_sweep(struct core_call *c);
