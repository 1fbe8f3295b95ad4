/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exec: the life of a further process of a task.
 *
 *      FREE ---> ADDED ---> STARTING ---> RUNNING ---> STOPPED ---> DELETING ---> FREE
 *           add    |  start    |  ^                                   ^ drains its output
 *                  |           v  | again
 *                  '------> FAILED      delete takes ADDED and FAILED to FREE at once
 *
 * STARTING and RUNNING count as live: the init's TaskExit waits for them. What surprises: a start
 * that was admitted before the init exited may still succeed after it; such an exec is published,
 * killed, and waited for (RACE-6).
 */
#include <assert.h>
#include <signal.h>
#include <string.h>

#include "base/rule.h"
#include "task/machine.h"
#include "task/task.h"

#define BIT(state) (1u << (EXEC_##state))

// clang-format off
static const struct {
	const char *name;
	uint32_t next; /* states that may follow */
} rows[EXEC_STATES_] = {
	[EXEC_FREE]     = { "free",     BIT(ADDED) },
	[EXEC_ADDED]    = { "added",    BIT(STARTING) | BIT(FREE) },
	[EXEC_STARTING] = { "starting", BIT(RUNNING) | BIT(FAILED) },
	[EXEC_RUNNING]  = { "running",  BIT(STOPPED) },
	[EXEC_FAILED]   = { "failed",   BIT(STARTING) | BIT(FREE) },
	[EXEC_STOPPED]  = { "stopped",  BIT(DELETING) | BIT(FREE) },
	[EXEC_DELETING] = { "deleting", BIT(FREE) },
};
// clang-format on

const char *exec_state_name(enum exec_state s)
{
	return s < EXEC_STATES_ ? rows[s].name : "";
}

/* The only writer of an exec's state, and of the count of live ones. */
static void exec_move(struct task *t, struct task_exec *x, enum exec_state to)
{
	bool was_live = exec_is_live(x);

	assert(rows[x->state].next & (1u << to));
	x->state = to;
	if (!was_live && exec_is_live(x))
		t->live++;
	if (was_live && !exec_is_live(x))
		t->live--;
}

uint32_t task_find_exec(const struct task *t, const char *exec_id)
{
	for (uint32_t i = 0; i < t->n_execs; i++)
		if (t->execs[i].state != EXEC_FREE && strcmp(t->execs[i].id, exec_id) == 0)
			return i;
	return TASK_INIT;
}

bool exec_any_starting(const struct task *t)
{
	for (uint32_t i = 0; i < t->n_execs; i++)
		if (t->execs[i].state == EXEC_STARTING)
			return true;
	return false;
}

static uint32_t free_slot(struct task *t)
{
	for (uint32_t i = 0; i < t->n_execs; i++)
		if (t->execs[i].state == EXEC_FREE)
			return i;
	if (t->n_execs == t->cap_execs || t->n_execs == TASK_EXECS_MAX)
		return TASK_INIT;
	t->execs[t->n_execs] = (struct task_exec){ .state = EXEC_FREE };
	return t->n_execs++;
}

static void release(struct step *s, uint32_t slot)
{
	struct task *t = s->t;

	exec_move(t, &t->execs[slot], EXEC_FREE);
	t->execs[slot] = (struct task_exec){ .state = EXEC_FREE };
	while (t->n_execs > 0 && t->execs[t->n_execs - 1].state == EXEC_FREE)
		t->n_execs--;
	step_emit(s, FX_EXEC_GONE, slot);
}

void exec_add(struct step *s)
{
	const char *id = s->in->exec_id ? s->in->exec_id : "";
	struct task *t = s->t;
	size_t len = strlen(id);

	if (RULE(no_exec_of_an_exited_init) && t->init.exited) { /* during its start: told soon */
		step_refuse(s, CODE_UNKNOWN, "cannot exec in a stopped state");
		return;
	}
	if (RULE(no_exec_during_restore) && t->state == TASK_STARTING && t->restore) {
		step_refuse(s, CODE_UNKNOWN, "cannot exec in a created state");
		return;
	}
	if (RULE(exec_ids_are_short) && (len == 0 || len > TASK_ID_MAX)) {
		step_refuse(s, CODE_INVALID, "exec id is empty or too long: invalid argument");
		return;
	}
	/* The container's own id is what its exit event is called. */
	if ((RULE(an_exec_is_not_called_like_its_task) && strcmp(id, t->id) == 0) ||
		(RULE(exec_ids_are_unique) && task_find_exec(t, id) != TASK_INIT)) {
		step_refusef(s, CODE_EXISTS, "id %s: already exists", id);
		return;
	}
	s->exec = free_slot(t);
	if (s->exec == TASK_INIT) {
		step_refuse(s, CODE_EXHAUSTED, "too many execs in this task: resource exhausted");
		return;
	}
	step_touch(s);
	memcpy(t->execs[s->exec].id, id, len + 1);
	exec_move(t, &t->execs[s->exec], EXEC_ADDED);
	step_emit(s, FX_EXEC_NEW, s->exec);
	step_event(s, TOPIC_EXEC_ADDED, s->exec);
	step_answer(s);
}

static bool start_refused(struct step *s)
{
	struct task *t = s->t;

	switch (t->execs[s->exec].state) {
	case EXEC_STARTING:
	case EXEC_RUNNING:
		step_refuse(s, CODE_UNKNOWN, "cannot start a running process");
		return true;
	case EXEC_STOPPED:
		step_refuse(s, CODE_UNKNOWN, "cannot start a stopped process");
		return true;
	case EXEC_DELETING:
		step_refuse(s, CODE_UNKNOWN, "cannot start a deleted process");
		return true;
	default:
		break;
	}
	switch (t->state) {
	case TASK_PAUSING:
	case TASK_PAUSED:
	case TASK_RESUMING: /* it would freeze before its program runs, and hang the call */
		if (!RULE(no_exec_starts_while_paused))
			return false;
		step_refuse(s, CODE_UNKNOWN,
			"OCI runtime exec failed: cannot exec in a paused container");
		return true;
	case TASK_CREATED:
	case TASK_STARTING:
	case TASK_RUNNING:
		if (!RULE(no_exec_starts_in_a_dying_task) || !t->init.exited)
			return false;
		break;
	default:
		if (!RULE(no_exec_starts_after_the_init))
			return false;
		break;
	}
	step_refusef(s, CODE_PRECONDITION,
		"container %s init process is not running: failed precondition", t->id);
	return true;
}

void exec_start(struct step *s)
{
	struct task *t = s->t;
	struct task_exec *x = &t->execs[s->exec];
	struct task_op *op;

	if (start_refused(s))
		return;
	op = op_add(s);
	if (!op)
		return;
	x->proc =
		(struct task_proc){ .token = RULE(every_start_is_another_process) ? ++t->last_token
										  : 1000 + s->exec,
			.stdin_closed = x->proc.stdin_closed };
	exec_move(t, x, EXEC_STARTING); /* admitted: counted from here on */
	op_issue(s, op);
}

/* Kills that came while the start was under way (4.4). */
static void issue_parked_kills(struct step *s, uint32_t slot)
{
	struct task *t = s->t;

	for (uint32_t i = 0; i < t->n_ops; i++)
		if (RULE(a_parked_kill_goes_out) && t->ops[i].request == IN_KILL &&
			t->ops[i].exec == slot && !t->ops[i].issued)
			op_issue(s, &t->ops[i]);
}

static void ended(struct step *s, uint32_t slot)
{
	struct task *t = s->t;

	exec_move(t, &t->execs[slot], EXEC_STOPPED);
	if (RULE(output_precedes_an_execs_exit))
		step_emit(s, FX_FLUSH, slot);
	op_end_all(s, IN_WAIT, slot, CODE_OK, NULL);
	step_event(s, TOPIC_EXIT, slot);
	if (RULE(the_last_exec_lets_the_init_go))
		task_settle(s);
}

void exec_made(struct step *s, struct task_op *op)
{
	op->phase = PHASE_MADE;
	s->t->execs[op->exec].proc.pid = s->in->pid;
	if (!RULE(what_is_cancelled_is_not_released) ||
		!op->cancelled) /* else the back end has been told to let it fail */
		step_emit(s, FX_RELEASE, op->exec)->op = op->id;
}

void exec_started(struct step *s, struct task_op *op)
{
	struct task *t = s->t;
	uint32_t slot = op->exec;
	struct task_exec *x = &t->execs[slot];

	exec_move(t, x, EXEC_RUNNING);
	op_succeed(s, op, TOPIC_EXEC_STARTED);
	if (RULE(a_start_lets_a_pause_go))
		task_pause_ready(s);
	if (RULE(an_exit_during_an_execs_start_is_handled) && x->proc.exited) { /* RACE-2 */
		op_end_all(s, IN_KILL, slot, CODE_NOT_FOUND, "process already finished: not found");
		ended(s, slot);
		return;
	}
	issue_parked_kills(s, slot);
	if (RULE(a_late_exec_is_killed) &&
		t->init.exited) /* it may have joined the cgroup after the kill-all: RACE-6 */
		step_emit(s, FX_KILL, slot)->signal = SIGKILL;
}

void exec_start_failed(struct step *s, struct task_op *op, enum task_code code, const char *text)
{
	struct task *t = s->t;
	uint32_t slot = op->exec;
	struct task_exec *x = &t->execs[slot];

	/* Whatever was begun has been killed and reaped (RACE-16): its exit, if it still comes,
	 * is nobody's. */
	if (RULE(a_failed_exec_is_nobodys))
		x->proc = (struct task_proc){ .stdin_closed = x->proc.stdin_closed };
	exec_move(t, x, EXEC_FAILED);
	op_end(s, op, code, text);
	if (RULE(a_failed_start_ends_kills))
		op_end_all(s, IN_KILL, slot, CODE_PRECONDITION,
			"process not created: failed precondition");
	if (RULE(a_failed_start_ends_waits))
		op_end_all(s, IN_WAIT, slot, CODE_OK, NULL);
	if (RULE(a_failed_start_lets_a_pause_go))
		task_pause_ready(s);
	if (RULE(a_failed_start_lets_the_init_go))
		task_settle(s); /* RACE-5 */
}

void exec_exited(struct step *s)
{
	struct task *t = s->t;
	struct task_exec *x = &t->execs[s->exec];

	if ((RULE(an_exec_exits_once) && x->proc.exited) || !exec_is_live(x))
		return;
	step_touch(s);
	proc_record_exit(&x->proc, s->in);
	if (s->in->oom)
		t->oom = true;
	if (RULE(oom_precedes_an_execs_exit))
		task_tell_oom(s);
	if (NAIVE(only_the_inits_exit_waits, t->live > 1))
		return;
	if (!RULE(an_execs_exit_follows_its_start) || x->state == EXEC_RUNNING)
		ended(s, s->exec);
}

void exec_kill(struct step *s)
{
	struct task_exec *x = &s->t->execs[s->exec];
	struct task_op *op;

	if (RULE(no_kill_of_an_idle_exec) && (x->state == EXEC_ADDED || x->state == EXEC_FAILED)) {
		step_refuse(s, CODE_PRECONDITION, "process not created: failed precondition");
		return;
	}
	if (RULE(no_kill_of_an_exited_exec) && (!exec_is_live(x) || x->proc.exited)) {
		step_refuse(s, CODE_NOT_FOUND, "process already finished: not found");
		return;
	}
	op = op_add(s);
	if (op && (!RULE(a_kill_waits_for_the_start) || x->state == EXEC_RUNNING))
		op_issue(s, op);
}

void exec_wait(struct step *s)
{
	const struct task *t = s->t;
	const struct task_exec *x = &t->execs[s->exec];
	bool over = t->state == TASK_STOPPED || t->state == TASK_DELETING;

	/* One that failed to start, or never will, has nothing to wait for: it ends like one
	 * that never exited. */
	if (x->state == EXEC_STOPPED || x->state == EXEC_DELETING ||
		(RULE(a_failed_exec_is_not_waited_for) && x->state == EXEC_FAILED) ||
		(RULE(an_idle_exec_of_a_dead_task_is_not_waited_for) && x->state == EXEC_ADDED &&
			over))
		step_answer(s);
	else
		op_add(s);
}

void exec_end_waits(struct step *s)
{
	for (uint32_t i = 0; i < s->t->n_execs; i++)
		if (s->t->execs[i].state != EXEC_FREE)
			op_end_all(s, IN_WAIT, i, CODE_OK, NULL);
}

void exec_cancel_starts(struct step *s)
{
	for (uint32_t i = 0; i < s->t->n_ops; i++)
		if (s->t->ops[i].request == IN_START && s->t->ops[i].exec != TASK_INIT)
			op_cancel(s, &s->t->ops[i]);
}

void exec_delete(struct step *s)
{
	struct task *t = s->t;
	struct task_exec *x = &t->execs[s->exec];
	struct task_op *op;

	if (RULE(no_delete_of_a_live_exec) && exec_is_live(x)) {
		step_refuse(s, CODE_UNKNOWN, "cannot delete a running process");
		return;
	}
	if (RULE(one_delete_of_an_exec_wins) && x->state == EXEC_DELETING) {
		op_add(s); /* one wins, the other is told when the entry is gone */
		return;
	}
	if (x->state != EXEC_STOPPED) {
		step_touch(s);
		step_answer(s);
		if (RULE(waits_end_with_an_execs_delete))
			op_end_all(s, IN_WAIT, s->exec, CODE_OK, NULL);
		release(s, s->exec);
		return;
	}
	op = op_add(s);
	if (!op)
		return;
	exec_move(t, x, EXEC_DELETING);
	if (RULE(streams_go_with_the_task) &&
		t->state == TASK_DELETING) { /* its streams go with the task's */
		op->phase = PHASE_READY;
		exec_delete_ready(s, s->exec);
		return;
	}
	op->phase = PHASE_DRAIN;
	op_issue(s, op);
}

void exec_drained(struct step *s, struct task_op *op)
{
	op->phase = PHASE_READY; /* what could not be drained in time is given up: 5.6 */
}

void exec_delete_ready(struct step *s, uint32_t slot)
{
	struct task *t = s->t;
	struct task_op *op = op_of(t, IN_DELETE, slot);

	if (!op || op->phase != PHASE_READY)
		return;
	for (uint32_t i = 0; i < t->n_ops; i++)
		if (RULE(an_execs_delete_waits_for_kills) && t->ops[i].exec == slot &&
			t->ops[i].issued)
			return; /* a kill that has not returned */
	op_end(s, op, CODE_OK, NULL);
	op_end_all(s, IN_DELETE, slot, CODE_NOT_FOUND, "process does not exist: not found");
	release(s, slot);
}
