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

/* Opened for reading too, so that it can be written whether containerd is there or not. */
int shim_log_open(int bundle);
