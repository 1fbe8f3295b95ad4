/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Event document: what `events` prints of a container, one JSON object a line, with the names and the omissions of runc's
 * type Stats: clients decode into that.
 *
 * Owner    Borrows the arguments; appends to the caller's buf.
 * Errors   -ENOMEM.
 * Blocks   Reads files of the cgroup.
 * Context  Parent.
 *
 * Sources: spec/oci-runtime.md 1.4 ("events data"); runc 1.3.6's output (tests/integration/events.bats compares).
 */
#include "base/str.h"
#include "container/stats.h"

/* {"type":"stats","id":...,"data":{...}} and a line end. `cg` is read for what is only in this document: cpuset, memory.stat. */
int event_doc_stats(const char *id, struct cgroup *cg, const struct stats *s, struct buf *out);
/* {"type":"oom","id":...} and a line end. */
int event_doc_oom(const char *id, struct buf *out);
