/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * OOM watch: tells when the kernel has killed a process of a container for want of memory, and counts
 * such kills (spec/shim.md 4.14).
 *
 * Owner    The watch is embedded in its owner and valid until oom_watch_stop(), which accepts zero and
 *          stopped ones.
 * Errors   Negative errno with *err filled; a container without a memory controller is -ENOENT.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include <stdint.h>

#include "base/err.h"
#include "container/cgroup.h"
#include "event/loop.h"

struct oom_watch;
typedef void oom_fn(struct oom_watch *w);

struct oom_watch {
	struct loop *loop; /* NULL: not watching */
	oom_fn *fn;
	bool v2;
	uint64_t kills; /* when it was looked last */
	int counter; /* v2: memory.events; v1: memory.oom_control: held open, for the name may go */
	int event;   /* v1: eventfd */
	struct loop_fd source;
	struct loop_timer timer;
	unsigned int looks; /* v1: since the last wake */
};

/* `fn` is called from the loop whenever the count has grown. */
int oom_watch_start(
	struct oom_watch *w, struct loop *l, struct cgroup *cg, oom_fn *fn, struct err *err);
/* Look now: kills so far, as far as they can be told. */
uint64_t oom_watch_kills(struct oom_watch *w);
void oom_watch_stop(struct oom_watch *w);
