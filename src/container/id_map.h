/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Id maps of a new user namespace for those who are not root: the map of oneself, which anybody may write, or what
 * newuidmap and newgidmap write.
 *
 * Owner    Borrows the mappings; what it makes lives in the caller's arena.
 * Errors   Negative errno with *err.
 * Blocks   Looks for two programs.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"
#include "container/hook.h"
#include "oci/spec.h"

struct id_maps {
	const struct spec_id_mapping *uids, *gids;
	size_t n_uids, n_gids;
};

/* One id of each kind, and that ours. */
bool id_maps_are_own(const struct id_maps *m);
/* What runs newuidmap and newgidmap for this process. -EPERM: they are not installed. */
int id_map_helpers(pid_t pid, const struct id_maps *m, struct arena *arena,
	struct hook_request *ret, struct err *err);
