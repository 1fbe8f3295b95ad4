/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Wait until: something that the kernel brings about in its own time and that is looked at again until it is so, as a
 * source on the loop: a cgroup that freezes, a process that dies, a cgroup that can be removed.
 *
 * Owner    Embedded in its owner; valid until `done` was called or wait_until_stop() returned, which accepts zero.
 *          The fd stays the caller's.
 * Errors   Negative errno with *err.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include <stdint.h>

#include "base/err.h"
#include "event/loop.h"

struct wait_until;

/* 1: it is so. 0: not yet. Or negative errno with *err: it will never be. */
typedef int wait_until_look(struct wait_until *w, struct err *err);
/* err NULL: it is so. -ETIMEDOUT without a text: not in time. From the loop, never from start. */
typedef void wait_until_done(struct wait_until *w, const struct err *err);

struct wait_until {
	/* Filled in by the caller. */
	wait_until_look *look;
	wait_until_done *done;
	int fd;               /* tells when there may be news; -EBADF: nothing does */
	uint32_t events;      /* EPOLLIN, EPOLLPRI */
	uint64_t deadline_ns; /* CLOCK_BOOTTIME */
	uint64_t retry_ns;    /* without fd: the first pause, doubled each time */
	uint64_t retry_max_ns;

	struct loop *loop; /* NULL: not waiting */
	struct loop_fd source;
	struct loop_timer timer;
	struct loop_deferred end;
	struct err err;
};

int wait_until_start(struct loop *l, struct wait_until *w, struct err *err);
/* Give up without a call of done; idempotent. */
void wait_until_stop(struct wait_until *w);
