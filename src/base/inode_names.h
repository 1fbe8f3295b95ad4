/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inode names: where a file of several names was met first, so that the others become links to it.
 *
 * Owner    The caller's struct; ended with inode_names_done(), which accepts zero and done ones. What
 *          is found belongs to the table, until its last name has been met.
 * Errors   Negative errno: -E2BIG when the names take more memory than a hostile tree may have.
 * Blocks   Never.
 * Context  Parent, helper.
 */
#include <stddef.h>
#include <sys/stat.h>

struct inode_names {
	void *tree;
	size_t bytes;
};

/* The first name of this file; NULL: there is none yet. */
const char *inode_names_find(const struct inode_names *t, const struct stat *st);
/* One that is not there. Nothing to do for a file of one name. */
int inode_names_add(struct inode_names *t, const struct stat *st, const char *name);
void inode_names_done(struct inode_names *t);
