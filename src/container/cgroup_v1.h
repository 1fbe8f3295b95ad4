/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * cgroup v1: which files say what the document says (spec/oci-runtime.md 2.4), and the freezer.
 *
 * Errors   0 or negative errno with *err: "linux.resources.FIELD: write VALUE to FILE: ...".
 * Blocks   No: freezing is started and looked at, never waited for.
 * Context  Parent. Directories belong to cgroup.c.
 */
#include <stdbool.h>

#include "base/err.h"
#include "container/cgroup_dir.h"
#include "container/device_rules.h"
#include "oci/spec.h"

/* One per controller; called only when the document asks something of it. update: not fresh. */
int cgroup_v1_memory(
	struct cgroup_dir *d, const struct spec_resources *r, bool update, struct err *err);
int cgroup_v1_cpu(
	struct cgroup_dir *d, const struct spec_resources *r, bool update, struct err *err);
int cgroup_v1_io(
	struct cgroup_dir *d, const struct spec_resources *r, bool update, struct err *err);
int cgroup_v1_net_cls(
	struct cgroup_dir *d, const struct spec_resources *r, bool update, struct err *err);
int cgroup_v1_net_prio(
	struct cgroup_dir *d, const struct spec_resources *r, bool update, struct err *err);

/*
 * A cpuset without cpus takes no process: give the directory its parent's cpus and mems (and the
 * levels between, where another start was interrupted before it did that).
 */
int cgroup_v1_cpuset_inherit(struct cgroup_dir *d, struct err *err);

/* fresh: the directory still permits what its parent permits. Else only differences are written. */
int cgroup_v1_devices(
	struct cgroup_dir *d, const struct device_policy *p, bool fresh, struct err *err);

/* freezer.state is not THAWED, by its own or by a parent's state. */
int cgroup_v1_frozen(struct cgroup_dir *d, bool *ret);
/* THAWED here and in everything below. */
int cgroup_v1_thaw_all(struct cgroup_dir *d);
