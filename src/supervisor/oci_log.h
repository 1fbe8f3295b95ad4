/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Log of an OCI runtime (--log FILE --log-format json): a JSON object in each line, of which `level` and `msg` count.
 *
 * Owner    The caller.
 * Errors   -ENOENT when nobody has written of an error.
 * Blocks   Reads a local file.
 * Context  Parent. Parsing is pure.
 */
#include <stddef.h>

#include "base/err.h"

/* The last line of level error or worse, as err->text; returns err->code, which is -EIO. */
int oci_log_error(const char *text, size_t size, struct err *err);
/* The same of the end of a file. */
int oci_log_read_error(int dirfd, const char *name, struct err *err);
