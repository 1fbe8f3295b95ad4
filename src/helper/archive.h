/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Archive: take apart an archive of images (OCI layout in a tar, plain or compressed), file by file.
 *
 *	reeve-helper archive in=FD into=FD
 *
 * Each file of it becomes one in the directory, named by its SHA-256 and on the disk; what its name
 * in the archive is decides nothing but which one is the index. Nothing else is believed.
 *
 * Owner    The fds are the caller's.
 * Errors   Told in the answer on `news`: "ok sha256:HEX FILES" of the index, or "error ERRNO TEXT",
 *          and a newline. The exit status is 0 or 1 with it.
 * Blocks   All the time.
 * Context  A process of its own.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct archive_sum {
	char index[7 + 65];
	uint64_t files;
};

/* Read to its end in any case. */
int archive_take(int in, int into, struct archive_sum *ret, struct err *err);

int archive_main(int news, char **words, size_t n);
