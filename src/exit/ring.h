/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Ring: the source of exits where a guardian is the parent: reads its records, and keeps it told which pids
 * matter to us (those that are watched; all, while an exit is expected).
 *
 * A record is given back only after exit_report() has returned for it: what a watch does with its
 * exit before it returns (write it down) survives us. What was not given back comes again to the
 * next worker.
 *
 * Owner    *ret is the caller's; free it before its link, loop and exit source.
 * Errors   Negative errno.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "base/err.h"
#include "exit/exit.h"

struct exit_ring;
struct guardian_link;

/*
 * From here on watches and expectations of `to` are registered. Nothing is reported yet, and what a worker before us
 * has registered stays so: its processes may exit before we watch for them again.
 */
int exit_ring_new(struct loop *l, struct exit_source *to, struct guardian_link *link,
	struct exit_ring **ret, struct err *err);
void exit_ring_free(struct exit_ring *r); /* accepts NULL; what is registered stays */
AUTO_FREE(struct exit_ring, exit_ring)

/* All that is to be watched again is: report what is in the ring and what comes; nobody's pids are forgotten. */
int exit_ring_begin(struct exit_ring *r, struct err *err);
