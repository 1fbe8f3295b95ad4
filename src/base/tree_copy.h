/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tree copy: a directory with all that is in it, as it is: owners, modes, times, attributes, devices,
 * holes, and names of one file as names of one. Bytes are shared where the file system can do that.
 *
 * Owner    The fds are the caller's.
 * Errors   Negative errno with *err; what has been copied by then stays, for the caller to remove.
 *          -ECANCELED: stop() said so. -E2BIG: deeper, or more files of several names, than is copied.
 * Blocks   All the time.
 * Context  Helper: it is root's umask 0.
 */
#include <stdbool.h>

#include "base/err.h"

/* Into `to`, which is empty and gets all that `from` has but its name. Nothing is followed, and what is mounted on a
 * directory stays out. stop: asked now and then; NULL: nobody. */
int tree_copy(int from, int to, bool (*stop)(void *arg), void *arg, struct err *err);
