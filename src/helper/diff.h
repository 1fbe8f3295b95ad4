/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Diff: what is in one tree and not in another, as a layer of an image: the tar that makes the second one out of the
 * first (OCI image-spec, layer.md).
 *
 *	reeve-helper diff out=FD [left=FD]... right=FD... [guide] [gzip|zstd] [epoch=SECONDS] [userxattr]
 *
 * Either tree is a directory, or several that lie over each other as overlayfs has them, the uppermost first. `guide`:
 * those of `right` are those of `left` and one above them; only where that one has something is looked.
 *
 * What is in the trees is not trusted, and may change meanwhile: each name is opened by itself beneath the directory
 * that is open, never followed, and what was opened is what is told.
 *
 * Owner    The fds are the caller's.
 * Errors   Told in the answer on `news`: "ok sha256:HEX SIZE sha256:HEX" of the file and of the tar in it, or "error
 *          ERRNO TEXT", and a newline. The exit status is 0 or 1 with it.
 * Blocks   All the time.
 * Context  A process of its own, whose working directory is /proc/self/fd: overlayfs takes short names alone.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "helper/tar_out.h"

struct diff {
	int out;
	const int *left, *right;
	size_t n_left, n_right;
	bool guide;
	bool userxattr; /* overlayfs keeps its marks in user.overlay.* */
	bool has_epoch;
	int64_t epoch; /* seconds: no time is later, and whiteouts have it */
	enum tar_pack pack;
};

struct diff_sums {
	struct tar_sum file, tar;
};

int diff_write(const struct diff *d, struct diff_sums *ret, struct err *err);

int diff_main(int news, char **words, size_t n);
