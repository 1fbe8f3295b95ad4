/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tar out: a tar that is written to a file, plain or compressed, and the sums of both.
 *
 * Owner    The caller owns *ret and ends it with tar_out_free(), which accepts NULL; the fd stays the caller's.
 * Errors   0 or negative errno with *err.
 * Blocks   On the disk.
 * Context  Helper.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct archive_entry;
struct tar_out;

enum tar_pack { TAR_PLAIN, TAR_GZIP, TAR_ZSTD };

struct tar_sum {
	char digest[7 + 65];
	uint64_t size;
};

int tar_out_new(int fd, enum tar_pack pack, struct tar_out **ret, struct err *err);
void tar_out_free(struct tar_out *t);

/* An entry; what is in it comes behind it, all of it. */
int tar_out_entry(struct tar_out *t, struct archive_entry *e, struct err *err);
int tar_out_data(struct tar_out *t, const void *data, size_t size, struct err *err);

/* After the last one: of the file, and of the tar in it. The bytes are on the disk. */
int tar_out_end(
	struct tar_out *t, struct tar_sum *ret_file, struct tar_sum *ret_tar, struct err *err);
