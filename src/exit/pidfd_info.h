/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Pidfd info: exits that a held pidfd tells, when the parent that would have told us is gone (Linux 6.15).
 *
 * Owner    Nothing is kept.
 * Errors   None.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include <stddef.h>

struct exit_source;

/*
 * Report the exit of every watched process that is dead and reaped, whoever has reaped it. Returns how many are dead and
 * have not told their exit: not reaped yet, or the kernel is older.
 */
size_t exit_pidfd_sweep(struct exit_source *s);
