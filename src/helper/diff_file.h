/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Diff file: one file of a tree, as far as a layer tells of it, and whether two are the same.
 *
 * Owner    diff_file_done() ends one; it accepts DIFF_FILE_NULL and done ones.
 * Errors   0 or negative errno, of diff_file_open() without a text; -ENOENT: there is none.
 * Blocks   On the disk.
 * Context  Helper.
 */
#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

struct diff_file {
	int fd; /* O_PATH; -EBADF: there is none */
	struct stat st;
};

#define DIFF_FILE_NULL ((struct diff_file){ .fd = -9 })

/* dir -EBADF: there is none. */
int diff_file_open(int dir, const char *name, struct diff_file *ret);
void diff_file_done(struct diff_file *f);

static inline bool diff_file_is_dir(const struct diff_file *f)
{
	return f->fd >= 0 && S_ISDIR(f->st.st_mode);
}

/* For reading, and the same file: a regular one or a directory. */
int diff_file_reopen(const struct diff_file *f);

/*
 * Its extended attributes, by name: each NAME, NUL, four bytes of length, value. Those of overlayfs are no business of
 * a layer, nor are labels of this machine, and such whose names a layer cannot have.
 */
int diff_file_attributes(const struct diff_file *f, struct buf *out, struct err *err);

/* 1: the same for a layer. What was copied up and not changed is. */
int diff_file_same(const struct diff_file *a, const struct diff_file *b, struct err *err);
