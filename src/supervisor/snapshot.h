/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Snapshot: all that a supervisor holds, as the records that a journal begins with (docs/formats/journal.md).
 *
 * Owner    Nothing is kept.
 * Errors   0 or negative errno with *err; -EBADMSG for bytes that no supervisor wrote.
 * Blocks   Never.
 * Context  Parent, between two inputs.
 */
#include "supervisor/holder.h"

int snapshot_write(const struct supervisor *sup, struct journal *j, struct err *err);

/* One of these records: counters, a task, events. The task is in the table then, with nothing performed. */
int snapshot_take(struct supervisor *sup, const struct journal_record *r, struct err *err);
