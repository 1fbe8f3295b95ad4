/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Task: the life of one container's processes (its init and its execs) as a pure state machine:
 * inputs in, an ordered list of effects out. The rules are INV-1..21, RACE-1..22 and sections 4.1
 * to 4.13 of spec/shim.md. States and what is true in them: record.h.
 *
 * Owner    The caller owns the struct and its two tables (execs, ops), and grows them between
 *          steps: task_step() takes one entry of each at most and refuses a request when there is
 *          none. So the core allocates nothing and a client cannot make it grow beyond what the
 *          caller allows.
 * Errors   A request that is refused gets a reply that says so. task_step() itself cannot fail.
 * Blocks   Never: no system call, no clock.
 * Context  Any.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "task/effect.h"
#include "task/input.h"
#include "task/record.h"
#include "task/terms.h"

/* A task without tables in state NEW. An id longer than TASK_ID_MAX is -ENAMETOOLONG. */
int task_init(struct task *t, const char *id);

/* Entries that a list of effects must have for any step of a task with tables of these sizes. */
size_t task_effects_bound(uint32_t cap_execs, uint32_t cap_ops);

/* Take one input: changes *t and fills *fx (from its start). */
void task_step(struct task *t, const struct task_input *in, struct effects *fx);

/* What containerd is told about the init (exec == TASK_INIT) or an exec. */
enum task_status task_status(const struct task *t, uint32_t exec);
/* exit_status of containerd: the exit code, or 128 + signal; 0 while it has not exited. */
uint32_t task_exit_status(const struct task_proc *p);
/* Slot of the exec with this id, or TASK_INIT when there is none. */
uint32_t task_find_exec(const struct task *t, const char *exec_id);

const char *task_state_name(enum task_state s);
const char *exec_state_name(enum exec_state s);

/*
 * What must hold between steps; the text names what does not. task_step() asserts the first at its
 * end; the second looks at every exec against every request as well, which is too much for each
 * step.
 */
int task_check(const struct task *t, struct err *err);
int task_check_all(const struct task *t, struct err *err);

/*
 * The record as bytes, for a snapshot and for a newer version: docs/formats/task.md. task_encode()
 * returns the size that is needed and writes only when `cap` is enough. task_decode() wants tables
 * in *t; task_decode_room() says how large.
 */
size_t task_encode(const struct task *t, void *out, size_t cap);
int task_decode_room(
	const void *data, size_t size, uint32_t *ret_execs, uint32_t *ret_ops, struct err *err);
int task_decode(const void *data, size_t size, struct task *t, struct err *err);
