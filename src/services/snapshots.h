/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Snapshots: layers of root file systems as directories, and how they are mounted: over each other
 * (overlayfs), or each by itself, with all that it has of the one below (native). Records are in the
 * store; what is in a directory is the business of who mounts it.
 *
 *	ROOT/io.containerd.snapshotter.v1.overlayfs/snapshots/N/fs    the layer
 *	                                                        /work  of overlayfs, while it is active
 *	ROOT/io.containerd.snapshotter.v1.native/snapshots/N           the whole tree
 *
 * Owner    What is returned lives in the call's arena.
 * Errors   0 or a negative errno with the call's err, texts as containerd's.
 * Blocks   On the disk.
 * Context  Parent.
 */
#include "services/core.h"

#include "proto/image.pb-c.h"

enum snapshot_kind { SNAPSHOT_VIEW = 1, SNAPSHOT_ACTIVE = 2, SNAPSHOT_COMMITTED = 3 };

/* A directory that is being filled and has no record yet; snapshots_sweep() leaves it alone. */
struct core_copy {
	struct core_copy *next;
	uint64_t number;
};

/* 0: there is a snapshotter of that name. */
int snapshots_check_name(struct core_call *c, const char *snapshotter);

/* Whose it is. */
const char *snapshots_snapshotter(const Pb__Image__SnapshotRecord *s);

/* "SNAPSHOTTER/KEY" in the store. */
const char *snapshots_store_key(struct core_call *c, const char *snapshotter, const char *key);

/* In a transaction: a new one with its directory, not yet in the store. *ret_source: what has to be copied into it first;
 * NULL: nothing. */
int snapshots_make(struct core_call *c, const Pb__Image__PrepareRequest *in,
	enum snapshot_kind kind, Pb__Image__SnapshotRecord **ret,
	Pb__Image__SnapshotRecord **ret_source);
/* The same when its directory is there, under this number, and is filled from `source`. */
int snapshots_made(struct core_call *c, const Pb__Image__PrepareRequest *in,
	enum snapshot_kind kind, uint64_t number, uint64_t source, Pb__Image__SnapshotRecord **ret);
/* Into the store. */
int snapshots_save(struct core_call *c, const Pb__Image__PrepareRequest *in,
	const Pb__Image__SnapshotRecord *s);
/* One that got no record, and will get none. */
void snapshots_forget(struct core_call *c, const Pb__Image__SnapshotRecord *s);
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
