/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Mounted: which snapshots a mount of this machine stands on, by the mount table: a container may run whose record
 * somebody has deleted.
 *
 * Owner    mounted_done() ends one; it accepts zero.
 * Errors   Negative errno with *err.
 * Blocks   Reads procfs.
 * Context  Parent. mounted_find() is pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct mounted {
	uint64_t *numbers; /* of their directories */
	size_t n, cap;
};

/* root: the daemon's. One that has the same name in another place may be found, too: what is kept for it is kept for
 * longer, and nothing else. */
int mounted_read(const char *root, struct mounted *ret, struct err *err);
/* The same of the text of a mountinfo; -ENOMEM. */
int mounted_find(const char *text, const char *root, struct mounted *ret);
bool mounted_has(const struct mounted *m, uint64_t number);
void mounted_done(struct mounted *m);
