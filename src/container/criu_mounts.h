/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which mounts of a container criu cannot make itself: those of the host's file systems. At a dump they are found in the
 * mount tables and named; at a restore each name gets a place on the host, from the configuration of then.
 *
 * Owner    Lists live in the caller's arena.
 * Errors   Negative errno with *err.
 * Blocks   No.
 * Context  Parent. criu_mounts_find() is pure.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/spec.h"

struct cgroup;
struct cgroup_host;
struct helper_words;

struct criu_mount {
	const char *path; /* in the container: criu's name of it */
	const char
		*destination; /* of the configuration's mount that it came with; NULL: not known */
	const char *below;    /* and where below its source; "" is itself */
};

struct criu_mounts {
	struct criu_mount *v;
	size_t n;
};

/*
 * container, host: the text of /proc/PID/mountinfo. v2: a cgroup2 mount is criu's to make. same: whether a mount point
 * in the container and the source of a mount are the same file (a destination may lead through links).
 */
int criu_mounts_find(const char *container, const char *host, const struct spec *spec, bool v2,
	bool (*same)(void *arg, const char *path, const char *source), void *arg,
	struct arena *arena, struct criu_mounts *ret, struct err *err);

/* As a file beside the images. */
int criu_mounts_write(const struct criu_mounts *m, struct buf *out);
int criu_mounts_read(const char *json, size_t size, struct arena *arena, struct criu_mounts *ret,
	struct err *err);

/* The words for a restore. `saved` may be empty: images of other runtimes. */
int criu_mounts_order(const struct criu_mounts *saved, const struct spec *spec,
	const struct cgroup_host *host, const struct cgroup *cg, struct helper_words *out,
	struct err *err);
