/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Durable: what must stand somewhere else before anybody hears of it: the input in the journal, with the fds that it is
 * about kept by the guardian; in the bundle, which container there is and how its init ended, for `delete`.
 *
 * Owner    The journal's fd is the fd table's.
 * Errors   durable_begin(): negative errno with *err. What cannot be kept later is logged: the worker goes on without.
 * Blocks   A small file is written when a task is created and when it ends.
 * Context  Parent, on the loop's thread.
 */
#include "supervisor/holder.h"

/* The order of the core before all effects that depend on it. */
void durable_input(struct held_task *t, const struct task_input *in);
void durable_acked(struct supervisor *sup, uint64_t task, uint64_t sequence);

/* How the init ended, or that it runs; and whether `delete` was called from outside. */
void durable_save_bundle(struct held_task *t);
/* `delete` may have marked the bundle meanwhile: then what the task does is not published any more. */
void durable_look_for_mark(struct held_task *t);
/* Both for one that was taken over: the earlier worker may have died before it wrote, and as a rule it did not. */
void durable_adopt_bundle(struct held_task *t);
/* So it was, by a mark or by the journal. */
void durable_take_away(struct held_task *t);
/* Whoever waits may tell the end: no event of the task is on its way any more. */
void durable_answer_mark(struct held_task *t);
/*
 * So nothing more is to be published. But containerd tells no end of a task whose Create has failed for it, by a worker
 * that died when it answered: one of which nothing was asked since is told to its end here, and at worst twice.
 */
bool durable_is_told_elsewhere(const struct held_task *t);
/* The task is gone, and whoever marked it may know. */
void durable_remove_mark(struct held_task *t);

/* A journal that begins with what there is now takes the place of the one there was. */
int durable_begin(struct supervisor *sup, struct err *err);
/* When the journal has grown too long. Between two inputs only. */
void durable_tidy(struct supervisor *sup);
