/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Init: the life of a task's first process, and of the task as far as it hangs on it: create, start,
 * pause, kill, exit, delete.
 *
 * Every rule of order is a sequence of step_*() and op_*() calls in one of these functions, in the order
 * in which the effects must happen. What surprises: a reply is never delayed by what runs at the back end
 * unless the answer depends on it, so State, Kill and Wait work while a start hangs.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/rule.h"
#include "task/machine.h"
#include "task/task.h"

void task_tell_oom(struct step *s)
{
	struct task *t = s->t;

	if (RULE(oom_follows_create) && t->state == TASK_CREATING)
		return; /* INV-1 */
	if (RULE(oom_follows_start) && t->state == TASK_STARTING)
		return;
	if (!t->oom)
		return;
	t->oom = false;
	step_event(s, TOPIC_OOM, TASK_INIT);
}

/*
 * The init has exited and its start, if one ran, has been told: RACE-4, 10, 19 and 21 meet here,
 * for early and ordinary exits alike.
 */
static void init_ended(struct step *s)
{
	struct task *t = s->t;
	struct task_op *pause = op_of(t, IN_PAUSE, TASK_INIT);
	bool frozen =
		t->state == TASK_PAUSED || t->state == TASK_RESUMING || (pause && pause->issued);

	if (RULE(oom_precedes_exit))
		task_tell_oom(s);
	task_move(t, TASK_DRAINING);
	if (RULE(what_the_init_leaves_is_killed) && t->shared_pidns)
		step_emit(s, FX_KILL_ALL, TASK_INIT);
	if (RULE(an_exit_thaws) && frozen)
		step_emit(s, FX_THAW, TASK_INIT);
	if (RULE(an_exit_cancels_starts))
		exec_cancel_starts(s);
	if (RULE(output_precedes_exit))
		step_emit(s, FX_FLUSH, TASK_INIT);
	op_end_all(s, IN_WAIT, TASK_INIT, CODE_OK, NULL);
	task_pause_ready(s);
	task_settle(s);
}

static void delete_begin(struct step *s)
{
	struct task *t = s->t;
	struct task_op *op = op_of(t, IN_DELETE, TASK_INIT);

	if (!op || (RULE(delete_waits_for_its_kill) && op->issued))
		return; /* the kill that made the init exit has not returned */
	task_move(t, TASK_DELETING);
	if (t->init.pid == 0) { /* from a checkpoint, never started: no stream is open */
		op->phase = PHASE_READY;
		task_delete_ready(s);
		return;
	}
	op->phase = PHASE_DRAIN;
	op_issue(s, op);
}

void task_settle(struct step *s)
{
	struct task *t = s->t;

	if (t->state != TASK_DRAINING || (RULE(the_inits_exit_is_the_last) && t->live > 0) ||
		NAIVE(nobody_waits_for_a_kill_all, t->shared_pidns))
		return;
	step_event(s, TOPIC_EXIT, TASK_INIT);
	task_move(t, TASK_STOPPED);
	if (RULE(waits_of_idle_execs_end))
		exec_end_waits(s);
	delete_begin(s);
}

static void init_exited(struct step *s)
{
	struct task *t = s->t;

	step_touch(s);
	proc_record_exit(&t->init, s->in);
	if (s->in->oom)
		t->oom = true;
	if (RULE(exit_follows_create) && t->state == TASK_CREATING)
		return; /* RACE-1, 3 */
	if (RULE(exit_follows_start) && t->state == TASK_STARTING)
		return; /* RACE-4 */
	init_ended(s);
}

void task_take_exit(struct step *s)
{
	struct task *t = s->t;

	if (RULE(an_exit_is_somebodys) && s->in->token == 0)
		return;
	if (s->in->token == t->init.token) {
		if (!t->init.exited || !RULE(an_init_exits_once))
			init_exited(s);
		return;
	}
	for (s->exec = 0; s->exec < t->n_execs; s->exec++) {
		if (RULE(exits_are_matched_by_token) &&
			t->execs[s->exec].proc.token != s->in->token)
			continue;
		exec_exited(s);
		return;
	}
}

void task_take_oom(struct step *s)
{
	struct task *t = s->t;

	if (t->state == TASK_NEW || t->state == TASK_GONE || t->oom)
		return;
	if (RULE(no_oom_after_exit) && (t->state == TASK_STOPPED || t->state == TASK_DELETING))
		return; /* its exit has been published: nothing may follow but the delete */
	step_touch(s);
	t->oom = true;
	task_tell_oom(s);
}

void init_create(struct step *s)
{
	struct task *t = s->t;
	struct task_op *op;

	if (RULE(ids_are_created_once) && t->state != TASK_NEW) {
		step_refusef(s, CODE_EXISTS, "task %s: already exists", t->id);
		return;
	}
	op = op_add(s);
	if (!op)
		return;
	t->restore = s->in->restore;
	if (!t->restore)
		t->init.token = ++t->last_token;
	task_move(t, TASK_CREATING);
	op_issue(s, op);
}

void init_created(struct step *s, struct task_op *op)
{
	struct task *t = s->t;

	t->shared_pidns = s->in->shared_pidns;
	t->init.pid = t->restore ? 0 : s->in->pid;
	task_move(t, t->restore ? TASK_RESTORABLE : TASK_CREATED);
	op_succeed(s, op, TOPIC_CREATE);
	task_tell_oom(s);
	if (RULE(an_exit_during_create_is_handled) && t->init.exited)
		init_ended(s); /* RACE-3 */
}

void init_create_failed(struct step *s, struct task_op *op, enum task_code code, const char *text)
{
	op_end(s, op, code, text); /* and nothing else: INV-12 */
	s->t->init.token = 0;      /* what had begun is nobody's */
	task_move(s->t, TASK_GONE);
	step_emit(s, FX_GONE, TASK_INIT);
}

void init_start(struct step *s)
{
	struct task *t = s->t;
	struct task_op *op;

	if (s->exec != TASK_INIT) {
		exec_start(s);
		return;
	}
	if (task_refused(s, CALL_START))
		return;
	op = op_add(s);
	if (!op)
		return;
	if (t->restore)
		t->init.token = ++t->last_token;
	task_move(t, TASK_STARTING);
	op_issue(s, op);
}

void init_started(struct step *s, struct task_op *op)
{
	struct task *t = s->t;

	if (t->restore)
		t->init.pid = s->in->pid;
	task_move(t, TASK_RUNNING);
	op_succeed(s, op, TOPIC_START);
	task_tell_oom(s);
	if (RULE(an_exit_during_start_is_handled) && t->init.exited)
		init_ended(s); /* RACE-1, 4 */
}

void init_start_failed(struct step *s, struct task_op *op, enum task_code code, const char *text)
{
	struct task *t = s->t;

	task_move(t, t->restore ? TASK_RESTORABLE : TASK_CREATED);
	op_end(s, op, code, text);
	if (RULE(a_failed_restore_is_forgotten) && t->restore) { /* what it made is gone */
		t->init = (struct task_proc){ .stdin_closed = t->init.stdin_closed };
		return;
	}
	task_tell_oom(s);
	if (RULE(an_exit_needs_no_start) && t->init.exited)
		init_ended(s); /* 4.4 */
}

void init_delete(struct step *s)
{
	struct task *t = s->t;
	struct task_op *op;

	if (s->exec != TASK_INIT) {
		exec_delete(s);
		return;
	}
	if (task_refused(s, CALL_DELETE))
		return;
	op = op_add(s);
	if (!op)
		return;
	switch (t->state) {
	case TASK_CREATED: /* never started: its exit comes before its delete (INV-10) */
		if (NAIVE(delete_kills_what_never_started, true)) {
			task_move(t, TASK_DELETING);
			return;
		}
		task_move(t, TASK_ENDING);
		op->phase = PHASE_KILL;
		op_issue(s, op);
		return;
	case TASK_STOPPED:
	case TASK_RESTORABLE:
		delete_begin(s);
		return;
	default:
		if (NAIVE(delete_waits_for_the_exit, t->state == TASK_DRAINING))
			delete_begin(s);
		return; /* ENDING, DRAINING, DELETING: its turn comes (RACE-11, 12) */
	}
}

/* A Delete that lost against another one (4.7), or against a failure that concerns it as well. */
static void end_deletes(struct step *s, enum task_code code, const char *text)
{
	op_end_all(s, IN_DELETE, TASK_INIT, code, text);
}

static void delete_killed(struct step *s, struct task_op *op, int error, const char *text)
{
	struct task *t = s->t;

	op->phase = PHASE_WAIT;
	if (RULE(delete_goes_on_when_its_kill_returns) && t->state == TASK_STOPPED) {
		delete_begin(s);
		return;
	}
	if (error == 0 || (RULE(nobody_left_to_kill_is_fine) && error == -ESRCH) ||
		t->state != TASK_ENDING)
		return; /* the exit is under way */
	task_move(t, TASK_CREATED);
	end_deletes(s, CODE_UNKNOWN, text);
}

static void deleted(struct step *s, struct task_op *op)
{
	struct task *t = s->t;

	op_succeed(s, op, TOPIC_DELETE);
	if (RULE(who_lost_a_delete_is_told))
		end_deletes(s, CODE_NOT_FOUND, "cannot delete a deleted process: not found");
	/* Of one that was never started from its checkpoint. */
	if (RULE(waits_end_with_a_delete))
		op_end_all(s, IN_WAIT, TASK_INIT, CODE_OK, NULL);
	for (uint32_t i = 0; i < t->n_execs; i++) {
		if (t->execs[i].state == EXEC_FREE)
			continue;
		if (RULE(execs_go_with_their_task))
			step_emit(s, FX_EXEC_GONE, i);
		t->execs[i] = (struct task_exec){ .state = EXEC_FREE };
	}
	t->n_execs = 0;
	task_move(t, TASK_GONE);
	step_emit(s, FX_GONE, TASK_INIT);
}

void init_delete_returned(struct step *s, struct task_op *op, int error, const char *text)
{
	struct task *t = s->t;

	if (op->phase == PHASE_KILL) {
		delete_killed(s, op, error, text);
		return;
	}
	if (op->phase == PHASE_DRAIN) { /* what could not be drained in time is given up: 5.6 */
		op->phase = PHASE_READY;
		return;
	}
	if (error == 0) {
		deleted(s, op);
		return;
	}
	op->phase = PHASE_WAIT;
	task_move(t, t->init.pid == 0 ? TASK_RESTORABLE : TASK_STOPPED);
	end_deletes(s, CODE_UNKNOWN, text);
}

void task_delete_ready(struct step *s)
{
	struct task_op *op = op_of(s->t, IN_DELETE, TASK_INIT);

	if (s->t->state != TASK_DELETING ||
		(RULE(delete_waits_for_operations) && s->t->issued > 0) || !op ||
		op->phase != PHASE_READY)
		return;
	op->phase = PHASE_FREE;
	op_issue(s, op);
}

void init_kill(struct step *s)
{
	struct task *t = s->t;
	struct task_op *op;

	if (RULE(signals_end_at_64) && s->in->signal > 64) {
		step_refusef(s, CODE_INVALID, "invalid signal %u: invalid argument", s->in->signal);
		return;
	}
	if (s->exec != TASK_INIT) {
		exec_kill(s);
		return;
	}
	if (RULE(no_kill_during_delete) && t->state == TASK_DELETING) {
		step_refuse(s, CODE_NOT_FOUND, "cannot kill a deleted process: not found");
		return;
	}
	if (RULE(no_kill_of_a_checkpoint) &&
		t->init.token == 0) { /* a checkpoint that has not been restored */
		/* After "not found" Go's client waits for an exit, which never comes. */
		step_refuse(s, CODE_PRECONDITION,
			"its checkpoint has not been restored: failed precondition");
		return;
	}
	if (RULE(no_kill_after_exit) && t->init.exited && !s->in->all) {
		step_refuse(s, CODE_NOT_FOUND, "process already finished: not found");
		return;
	}
	op = op_add(s);
	if (!op)
		return;
	op_issue(s, op);
}

/* What was sent to a frozen cgroup (v1) waits for its thaw: RACE-21. */
static void init_will_die(struct step *s)
{
	struct task *t = s->t;

	if (t->init.exited)
		return;
	if (RULE(a_kill_is_remembered))
		t->killed = true;
	if (RULE(a_kill_thaws) && (t->state == TASK_PAUSED || t->state == TASK_RESUMING))
		step_emit(s, FX_THAW, TASK_INIT);
}

void init_killed(struct step *s, struct task_op *op, int error, const char *text)
{
	bool fatal = op->exec == TASK_INIT && op->signal == SIGKILL;

	if (fatal && (error == 0 || NAIVE(a_failed_kill_is_none, true)))
		init_will_die(s);
	if (error == 0) {
		op_end(s, op, CODE_OK, NULL);
		return;
	}
	if (error == -ESRCH) {
		op_end(s, op, CODE_NOT_FOUND, "process already finished: not found");
		return;
	}
	if (error == -ENOENT) {
		op_end(s, op, CODE_NOT_FOUND, "no such container: not found");
		return;
	}
	snprintf(s->fx->text, sizeof(s->fx->text), "unknown error after kill: %s", text);
	op_end(s, op, CODE_UNKNOWN, s->fx->text);
}

void init_pause(struct step *s)
{
	if (task_refused(s, CALL_PAUSE) || !op_add(s))
		return;
	task_move(s->t, TASK_PAUSING);
	task_pause_ready(s);
}

void task_pause_ready(struct step *s)
{
	struct task_op *op = op_of(s->t, IN_PAUSE, TASK_INIT);

	if (!op || op->issued)
		return;
	if (RULE(a_pause_ends_with_the_init) && s->t->state != TASK_PAUSING) {
		op_end(s, op, CODE_UNKNOWN, "cannot pause a stopped container");
		return;
	}
	if (!RULE(a_pause_waits_for_starts) ||
		!exec_any_starting(s->t)) /* else one would freeze half made */
		op_issue(s, op);
}

void init_paused(struct step *s, struct task_op *op)
{
	struct task *t = s->t;

	if (t->state != TASK_PAUSING) { /* the init's exit overtook it: nothing may stay frozen */
		if (RULE(a_late_freeze_is_undone))
			step_emit(s, FX_THAW, TASK_INIT);
		op_end(s, op, CODE_UNKNOWN, "cannot pause a stopped container");
		return;
	}
	task_move(t, TASK_PAUSED);
	op_succeed(s, op, TOPIC_PAUSED);
	if (RULE(a_freeze_after_a_kill_is_undone) && t->killed)
		step_emit(s, FX_THAW, TASK_INIT);
}

void init_resume(struct step *s)
{
	struct task_op *op;

	if (task_refused(s, CALL_RESUME))
		return;
	op = op_add(s);
	if (!op)
		return;
	task_move(s->t, TASK_RESUMING);
	op_issue(s, op);
}

void init_resumed(struct step *s, struct task_op *op)
{
	if (RULE(a_late_resume_says_nothing) && s->t->state != TASK_RESUMING) {
		op_end(s, op, CODE_UNKNOWN, "cannot resume a stopped container");
		return;
	}
	task_move(s->t, TASK_RUNNING);
	op_succeed(s, op, TOPIC_RESUMED);
}

void init_order(struct step *s, enum call call)
{
	struct task_op *op;

	if (task_refused(s, call))
		return;
	op = op_add(s);
	if (op)
		op_issue(s, op);
}

void init_checkpointed(struct step *s, struct task_op *op)
{
	struct task *t = s->t;

	if (RULE(no_checkpoint_after_exit) &&
		(t->state == TASK_STOPPED || t->state == TASK_DELETING))
		op_end(s, op, CODE_OK, NULL); /* RACE-20: its exit was told */
	else
		op_succeed(s, op, TOPIC_CHECKPOINTED);
}

void init_wait(struct step *s)
{
	struct task *t = s->t;

	if (s->exec != TASK_INIT) {
		exec_wait(s);
		return;
	}
	if (RULE(wait_knows_the_dead) && (t->state == TASK_DRAINING || t->state == TASK_STOPPED ||
						 t->state == TASK_DELETING))
		step_answer(s);
	else
		op_add(s);
}

void task_close_io(struct step *s)
{
	struct task_proc *p = task_proc_of(s->t, s->exec);

	if (!p->stdin_closed) {
		step_touch(s);
		if (RULE(a_closed_stdin_stays_closed))
			p->stdin_closed = true;
		step_emit(s, FX_CLOSE_IO, s->exec);
	}
	step_answer(s);
}

void task_resize(struct step *s)
{
	struct effect *e;

	if (RULE(no_resize_during_delete) && s->exec == TASK_INIT && s->t->state == TASK_DELETING) {
		step_refuse(s, CODE_UNKNOWN, "cannot resize a deleted process");
		return;
	}
	if (RULE(no_resize_after_exit) && task_status(s->t, s->exec) == STATUS_STOPPED) {
		step_refuse(s, CODE_UNKNOWN, "cannot resize a stopped container");
		return;
	}
	e = step_emit(s, FX_RESIZE, s->exec);
	e->width = s->in->width;
	e->height = s->in->height;
	step_answer(s);
}

void task_query(struct step *s, enum effect_type type)
{
	struct effect *e = step_emit(s, type, TASK_INIT);

	e->addr = s->in->addr;
	e->request = s->in->type;
	e->pid = s->t->init.pid;
}
