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

/*
 * While the journal is read: an order stands, its outcome ends it. Afterwards job_order() and job_kill() with `again`
 * carry out what stands.
 */
void job_note(struct held_task *t, const struct effect *e);
void job_noted_outcome(struct held_task *t, const struct task_input *in);
/* A snapshot's: an order with the payload of its request. -ENOMEM. */
int job_restore(
	struct held_task *t, uint32_t op, const void *payload, size_t size, struct err *err);

/* The container of a task that an earlier worker held, its streams and its living processes. */
void job_adopt(struct held_task *t);

/* After the back end was told that nobody listens: forget what is under way. */
void job_drop_all(struct held_task *t);
