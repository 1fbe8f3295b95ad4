/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tree: what lies below a directory.
 *
 * Owner    Nothing.
 * Errors   Negative errno.
 * Blocks   On the disk, for as many files as are looked at.
 * Context  Parent, helper.
 */
#include <stddef.h>
#include <stdint.h>

/* Bytes on the disk and files, the directory itself among them, without crossing mounts. -E2BIG: there are
 * more than `max` names. A file of several names counts once. */
int tree_usage(int dirfd, size_t max, int64_t *ret_size, int64_t *ret_inodes);
