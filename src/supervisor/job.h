/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Job: an order of the core whose outcome is due, from the order to the outcome that is fed back.
 *
 * Owner    Jobs belong to their task until their outcome has been fed, or job_drop_all().
 * Errors   None: a failure is an outcome.
 * Blocks   Never longer than a system call does.
 * Context  Parent, on the loop's thread.
 */
#include "supervisor/holder.h"

void job_order(struct held_task *t, const struct effect *e);
/* Also without an outcome (op 0). */
void job_kill(struct held_task *t, const struct effect *e);
/* An exec whose pid is durable may run. */
void job_release(struct held_task *t, const struct effect *e);
/* Hurry: nobody wants this op any more. */
void job_cancel(struct held_task *t, uint32_t op);

/* A process that has failed to start or whose slot is freed: nobody's from here on. */
void job_forget_process(struct held_proc *p);
/* After the back end was told that nobody listens: forget what is under way. */
void job_drop_all(struct held_task *t);
