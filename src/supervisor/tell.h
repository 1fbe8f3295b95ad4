/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tell: answers and events, from an effect and what the supervisor keeps of the request that made
 * the process.
 *
 * Owner    Nothing is kept.
 * Errors   None: what cannot be read becomes an answer that says so.
 * Blocks   tell_pids() and tell_stats() read files of the kernel.
 * Context  Parent.
 */
#include "supervisor/holder.h"

/* t NULL: a task that nobody knows. */
void tell_reply(struct supervisor *sup, struct held_task *t, const struct effect *e);
void tell_event(struct held_task *t, const struct effect *e);
void tell_pids(struct held_task *t, const struct effect *e);
void tell_stats(struct held_task *t, const struct effect *e);
