/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * cgroup v2: which files say what the document says (spec/oci-runtime.md 2.4), controllers of a
 * directory, freezing and killing by file.
 *
 * Errors   0 or negative errno with *err: "linux.resources.FIELD: write VALUE to FILE: ...".
 * Blocks   No.
 * Context  Parent. Directories belong to cgroup.c.
 */
#include <stdbool.h>

#include "base/err.h"
#include "container/cgroup_dir.h"
#include "oci/spec.h"

/*
 * Read which controllers serve the directory into d->controllers; if one of `wanted` is missing,
 * enable all that there are from the mount point down and read again. What cannot be had stays
 * missing without an error.
 */
int cgroup_v2_enable(struct cgroup_dir *d, uint32_t wanted, struct err *err);

/* The controllers of the directory `levels` above, for it and those between; as far as they can be had. */
void cgroup_v2_give(const struct cgroup_dir *d, unsigned int levels);

/* A directory made below a threaded one is unusable until it is threaded itself. */
int cgroup_v2_fix_type(struct cgroup_dir *d, struct err *err);

int cgroup_v2_memory(
	struct cgroup_dir *d, const struct spec_resources *r, bool update, struct err *err);
int cgroup_v2_cpu(
	struct cgroup_dir *d, const struct spec_resources *r, bool update, struct err *err);
int cgroup_v2_io(
	struct cgroup_dir *d, const struct spec_resources *r, bool update, struct err *err);
/* The `unified` map: every pair is a file name and lines for it. */
int cgroup_v2_unified(struct cgroup_dir *d, const struct spec_resources *r, struct err *err);
/* Controllers that the keys of `unified` name. */
uint32_t cgroup_v2_unified_controllers(const struct spec_resources *r);

/* cpu.shares (2 to 262144) as cpu.weight (1 to 10000): 2 is 1, 1024 is 100, 262144 is 10000. */
uint64_t cgroup_v2_weight(uint64_t shares);
/* blockIO.weight (10 to 1000) as io.weight (1 to 10000). */
uint64_t cgroup_v2_io_weight(uint64_t weight);
/* Swap alone from memory plus swap. 0: do not write. -EINVAL: not a possible pair. */
int cgroup_v2_swap(int64_t limit, int64_t swap, int64_t *ret_value, bool *ret_write);

/* cgroup.events: processes in it or below; frozen (by its own or a parent's will). */
int cgroup_v2_events(struct cgroup_dir *d, bool *ret_populated, bool *ret_frozen);
