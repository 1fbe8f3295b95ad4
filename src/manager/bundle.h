/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Bundle: the two directories of a task, the bundle on tmpfs and the work directory that outlives a reboot, as
 * containerd has them (spec/manager.md 1.1-1.4): made, removed, and found again.
 *
 * A bundle appears under its name at once and complete, or not at all: it is made under a hidden name, which no id can
 * have, and renamed. Whatever has a hidden name is left over from a crash.
 *
 * Owner    bundle_store_close() ends a store; it accepts zero and closed ones.
 * Errors   0 or negative errno with *err; -EINVAL: ids outside of the grammar; -EEXIST: the id is in use; -EBUSY:
 *          something is mounted there or in use, or another manager has the directories.
 * Blocks   Reads, writes and unmounts locally.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "manager/intent.h"

/* Below the directories that the daemon is given. */
#define BUNDLE_PLUGIN "io.containerd.runtime.v2.task"

struct bundle_store {
	char *state; /* STATE/io.containerd.runtime.v2.task */
	char *root;
	int state_fd;
	int root_fd;
	int lock;
};

#define BUNDLE_STORE_NULL ((struct bundle_store){ NULL, NULL, -9, -9, -9 })

/* Both are made where they are missing (0711 and their parents), and locked against another manager. */
int bundle_store_open(
	const char *root, const char *state, struct bundle_store *ret, struct err *err);
void bundle_store_close(struct bundle_store *s);

/* Namespace and id are within the grammar. Pure. */
int bundle_check_names(const char *ns, const char *id, struct err *err);

struct bundle_request {
	const char *ns;
	const char *id;
	const void *spec; /* config.json; NULL: none, as for some sandboxes */
	size_t spec_size;
	struct intent intent;
	/* A directory on the root's file system, to be moved into the work directory, which it goes with; NULL: none. */
	const char *take_checkpoint;
};

/* On failure nothing of it is left. */
int bundle_make(const struct bundle_store *s, const struct bundle_request *req, struct err *err);

/* Paths, heap; NULL: no memory. */
char *bundle_path(const struct bundle_store *s, const char *ns, const char *id);

/* Where that directory is then. */
char *bundle_checkpoint_path(const struct bundle_store *s, const char *ns, const char *id);

/* A descriptor of the directory, to read. */
int bundle_open(
	const struct bundle_store *s, const char *ns, const char *id, int *ret_fd, struct err *err);

/* The same of its work directory, below ROOT. */
int bundle_open_work(
	const struct bundle_store *s, const char *ns, const char *id, int *ret_fd, struct err *err);

/*
 * Unmount its rootfs and remove both directories. What is gone is success. While something is mounted or in use it
 * fails, and so it does while rootfs itself holds what somebody has written; it can be called again.
 */
int bundle_remove(const struct bundle_store *s, const char *ns, const char *id, struct err *err);

/*
 * Call fn for every bundle; hidden names, files, and names outside of the grammar are none. A namespace that cannot be
 * read is told by ns with id NULL and *why, and the others are gone through.
 */
typedef void bundle_fn(void *arg, const char *ns, const char *id, const struct err *why);
int bundle_each(const struct bundle_store *s, bundle_fn *fn, void *arg, struct err *err);

/*
 * Remove what a crash has left: hidden names in both places, and work directories that no task has. Goes on after a
 * failure and tells each.
 */
struct bundle_sweep {
	void *arg;
	bool (*known)(void *arg, const char *ns, const char *id);
	void (*failed)(void *arg, const struct err *err);
};
void bundle_sweep(const struct bundle_store *s, const struct bundle_sweep *sweep);

/* The gid on the host of a container's gid 0, by linux.gidMappings of its spec; 0 without them. */
int bundle_root_gid(const void *spec, size_t size, gid_t *ret, struct err *err);
