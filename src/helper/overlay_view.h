/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Overlay view: directories over each other as overlayfs shows them, to read, mounted nowhere.
 *
 * Owner    *ret is the caller's; with its last fd the view is gone.
 * Errors   Negative errno with *err; -E2BIG: more than this kernel takes.
 * Blocks   On the disk.
 * Context  Helper, whose working directory is /proc/self/fd: before Linux 6.7 the names of all have 255 bytes.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* The uppermost first; at least two. userxattr: its marks are attributes of users. */
int overlay_view_open(const int *dirs, size_t n, bool userxattr, int *ret, struct err *err);
