/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Collector: removes content and snapshots that nothing leads to any more, in containerd's sense:
 * images, leases, containers and the label containerd.io/gc.root are where it begins, labels
 * containerd.io/gc.ref.* and the parents of snapshots lead on. A snapshot that something is mounted of stays,
 * too. And writes that nobody has gone on with
 * for a day.
 *
 * Owner    The caller owns *ret and ends it with gc_free(). The core outlives it.
 * Errors   What cannot be removed is logged and tried again the next time.
 * Blocks   On the disk.
 * Context  Parent, on the loop's thread.
 */
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

struct core;
struct gc;

/* delay_ns: from what is taken away to the look. */
int gc_new(struct core *core, uint64_t delay_ns, struct gc **ret, struct err *err);
void gc_free(struct gc *g);
AUTO_FREE(struct gc, gc)

/* Something has been taken away in this namespace: look at it soon. */
void gc_want(struct gc *g, const char *ns);
/* Remove the bytes of which no namespace has a record, also what a crash has left: some now, the others part by part
 * while others are served. */
void gc_sweep_blobs(struct core *core);
/* Look at what is wanted now. Not inside of a transaction. */
void gc_now(struct core *core);
