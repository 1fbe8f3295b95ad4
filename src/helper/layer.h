/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Layer: unpack one layer of an image (a tar, plain or compressed) into a directory.
 *
 *	reeve-helper layer blob=FD root=FD [overlay] [lower=FD]...
 *
 * What stands in the tar is not trusted: every name is resolved beneath the root without leaving it,
 * links included, and a layer can make no whiteout, and no attribute of overlayfs, by a device or an
 * attribute.
 *
 * Owner    The fds are the caller's.
 * Errors   Told in the answer on `news`: "ok sha256:HEX SIZE" of the plain tar, or
 *          "error ERRNO TEXT", and a newline. The exit status is 0 or 1 with it.
 * Blocks   All the time.
 * Context  A process of its own.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct layer {
	int blob, root;
	int overlay;      /* whiteouts become overlayfs's; else what they name is removed */
	const int *lower; /* the directories below, nearest first */
	size_t n_lower;
};

struct layer_sum {
	char digest[7 + 65];
	uint64_t size;
};

int layer_apply(const struct layer *l, struct layer_sum *ret, struct err *err);

int layer_main(int news, char **words, size_t n);
