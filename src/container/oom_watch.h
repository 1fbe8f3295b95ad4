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
	uint64_t own;   /* v2: times that the cgroup's own limit was the reason, likewise */
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

/*
 * Which limit was hit, for people: "the container's limit of 67108864 bytes (memory.max)", "a limit above the container",
 * "the machine's memory". As far as it can be told now: the files are the cgroup's.
 */
#define OOM_REASON_SIZE 160
void oom_watch_reason(const struct oom_watch *w, struct cgroup *cg, char out[OOM_REASON_SIZE]);
void oom_watch_stop(struct oom_watch *w);
