/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Shim log: the fifo `log` of a bundle, which containerd copies to its own log (spec/shim.md 1.10).
 *
 * Owner    The caller owns the fd.
 * Errors   Negative errno; -ENOENT where there is none: a shim runs without.
 * Blocks   Never, also later: while containerd is away a full fifo drops records.
 * Context  Parent.
 */
#include <stdbool.h>

#include "base/log.h"

/* Opened for reading too, so that it can be written whether containerd is there or not. */
int shim_log_open(int bundle);

/* Go over to the log of another bundle when the one that is in use has lost its name: the first
 * container of a group is not always the last one. Best effort; true: log->fd is another one now. */
bool shim_log_follow(struct log *log, const char *bundle);
