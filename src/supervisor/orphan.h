/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Orphan: a process that was made by a worker whose guardian is gone with it: another one is its parent and reaps it. How it
 * ends is told by its pidfd, else by the recorder in the kernel, else by nobody (exit/recorder.h): then with status 255
 * and a line in the log.
 *
 * Owner    The process has it, until it has ended or orphan_forget(), which accepts NULL.
 * Errors   None: one that cannot be watched is asked after again.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "supervisor/holder.h"

/* Whether a process that lives has another parent than our guardian. */
bool orphan_is_one(const struct held_proc *p);
/* p is watched (proc_watch), and its exit will be reported to that watch. */
void orphan_watch(struct held_proc *p);
void orphan_forget(struct orphan *o);
