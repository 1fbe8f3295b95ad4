/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Machine: what the files of the state machine share: one step in progress, its requests in flight,
 * what it says. Private to src/task.
 *
 * Owner    A struct step lives for one task_step().
 * Errors   None: a refusal is a reply.
 * Blocks   Never.
 * Context  Any.
 */
#include "task/effect.h"
#include "task/input.h"
#include "task/record.h"

struct step {
	struct task *t;
	const struct task_input *in;
	struct effects *fx;
	uint32_t exec; /* slot that a request is about, or TASK_INIT */
};

/* The record is about to change: order the log, once, before anything else of this step. */
void step_touch(struct step *s);

struct effect *step_emit(struct step *s, enum effect_type type, uint32_t exec);
void step_event(struct step *s, enum task_topic topic, uint32_t exec);
/* Answer the input's request at once. */
void step_answer(struct step *s);
void step_refuse(struct step *s, enum task_code code, const char *text);
void step_refusef(struct step *s, enum task_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Ops: the requests that are not answered yet. Pointers are valid until the next op_end() or
 * op_drop().
 */
/* Of the input. NULL: there is no room, the request has been refused. */
struct task_op *op_add(struct step *s);
struct task_op *op_find(struct task *t, uint32_t id);
struct task_op *op_of(struct task *t, enum input_type request, uint32_t exec); /* the oldest */
/* Order what the op needs in its phase from the back end; also once more after a reload. */
void op_issue(struct step *s, struct task_op *op);
void op_reorder(struct step *s, struct task_op *op);
void op_returned(struct step *s, struct task_op *op); /* its outcome is here */
void op_cancel(struct step *s, struct task_op *op);
/* Answer and forget. */
void op_end(struct step *s, struct task_op *op, enum task_code code, const char *text);
/* Event, then answer (INV-13). */
void op_succeed(struct step *s, struct task_op *op, enum task_topic topic);
void op_end_all(struct step *s, enum input_type request, uint32_t exec, enum task_code code,
	const char *text);

/* What an exit says, kept in its process. */
void proc_record_exit(struct task_proc *p, const struct task_input *in);

/* The table of states (states.c). */
/* Calls that a state may refuse as a whole. */
enum call {
	CALL_START,
	CALL_DELETE,
	CALL_PAUSE,
	CALL_RESUME,
	CALL_UPDATE,
	CALL_CHECKPOINT,
	CALL_EXEC,
	CALLS_,
};

void task_move(struct task *t, enum task_state to);
/* True when the state refuses this call; the request has been answered then. */
bool task_refused(struct step *s, enum call call);
struct task_proc *task_proc_of(struct task *t, uint32_t exec);

/* The init, and the task as far as it hangs on it (init.c). */
void init_create(struct step *s);
void init_created(struct step *s, struct task_op *op);
void init_create_failed(struct step *s, struct task_op *op, enum task_code code, const char *text);
void init_start(struct step *s);
void init_started(struct step *s, struct task_op *op);
void init_start_failed(struct step *s, struct task_op *op, enum task_code code, const char *text);
void init_delete(struct step *s);
void init_delete_returned(struct step *s, struct task_op *op, int error, const char *text);
void init_kill(struct step *s);
void init_killed(struct step *s, struct task_op *op, int error, const char *text);
void init_pause(struct step *s);
void init_paused(struct step *s, struct task_op *op);
void init_resume(struct step *s);
void init_resumed(struct step *s, struct task_op *op);
void init_checkpointed(struct step *s, struct task_op *op);
void init_wait(struct step *s);
/* An update or a checkpoint: nothing but the back end decides. */
void init_order(struct step *s, enum call call);
void task_take_exit(struct step *s);
void task_take_oom(struct step *s);
void task_close_io(struct step *s);
void task_resize(struct step *s);
/* Processes or statistics: read by the supervisor. */
void task_query(struct step *s, enum effect_type type);
/* TaskExit of the init, once its exit is recorded and nothing is live; then the waiting Deletes. */
void task_settle(struct step *s);
/* A pause that waited for the last exec in its start. */
void task_pause_ready(struct step *s);
/* Publish an OOM kill now if the order allows, else keep it. */
void task_tell_oom(struct step *s);
/* A Delete goes on to free the task once no other operation is under way. */
void task_delete_ready(struct step *s);

/* Execs (exec.c). */
void exec_add(struct step *s);
void exec_start(struct step *s);
void exec_made(struct step *s, struct task_op *op);
void exec_started(struct step *s, struct task_op *op);
void exec_start_failed(struct step *s, struct task_op *op, enum task_code code, const char *text);
void exec_delete(struct step *s);
void exec_drained(struct step *s, struct task_op *op);
/* A Delete of an exec ends once no other operation on it is under way. */
void exec_delete_ready(struct step *s, uint32_t slot);
void exec_kill(struct step *s);
void exec_wait(struct step *s);
void exec_exited(struct step *s);
void exec_cancel_starts(struct step *s);
/* Nothing can start any more: end the waits of execs that never ran. */
void exec_end_waits(struct step *s);
bool exec_any_starting(const struct task *t);
