/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Rebuild: records of containers that the store has lost, from the bundles of their tasks: id, spec
 * and runtime. Labels, image and snapshot are in no bundle, and are lost.
 *
 * Owner    -
 * Errors   0 or negative errno with *err. What cannot be rebuilt is logged and stepped over.
 * Blocks   On the disk.
 * Context  Parent, before the tasks are loaded.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct core;
struct settings;

/*
 * Records that are damaged; lost: those that are not there, too, for the store has been damaged or is new. *ret_n gets how
 * many were made anew, *ret_bundles how many bundles there are.
 */
int rebuild_containers(struct core *core, const struct settings *s, bool lost, size_t *ret_n,
	size_t *ret_bundles, struct err *err);
