/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Log room: has a log that never waits (log_no_wait()) say how many lines it has lost as soon as there is room, and not when the next
 * line comes, which may be never.
 *
 * Owner    Embedded in the log's user, which ends it by log_room_done() before log and loop; that accepts a zero one.
 * Errors   None: without it the count comes with the next line.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "base/log.h"
#include "event/loop.h"

struct log_room {
	struct loop *loop;
	struct log *log;
	struct loop_fd source; /* its fd is a copy of the log's, while something is lost */
};

/* `log` may be NULL: nothing to do. */
void log_room_begin(struct log_room *r, struct loop *loop, struct log *log);
/* log->fd is another one now. */
void log_room_moved(struct log_room *r);
void log_room_done(struct log_room *r);
