/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Perform: does what the core orders, effect by effect, and feeds what comes of it back.
 *
 * Owner    Jobs belong to their task until their outcome has been fed.
 * Errors   None: a failure is an outcome.
 * Blocks   Never longer than a system call does.
 * Context  Parent, on the loop's thread.
 */
#include "supervisor/holder.h"

/* All effects that one input has led to, in order. The task may be leaving afterwards. */
void perform_effects(struct held_task *t, const struct task_input *in, const struct effects *fx);

/* While the journal is read: only what keeps us up with it. */
void perform_note(struct held_task *t, const struct effects *fx);

/* Stop everything that is under way for a task and release its processes; containers are left
 * alone. */
void perform_stop(struct held_task *t);
