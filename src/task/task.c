/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task: the way from an input to its handler: requests by their process and method, outcomes by the
 * request that they belong to, exits by their token.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/rule.h"
#include "task/machine.h"
#include "task/task.h"

static bool repeated(const struct step *s)
{
	if (s->in->addr.conn == 0)
		return false;
	for (uint32_t i = 0; i < s->t->n_ops; i++)
		if (RULE(frames_count_once) && task_addr_eq(s->t->ops[i].addr, s->in->addr))
			return true;
	return false;
}

/* Until its creation has been answered a task is unknown to everybody (4.3); so is one that is
 * gone. */
static void request_unregistered(struct step *s)
{
	struct task_op *op;

	if (s->in->type == IN_CREATE) {
		init_create(s);
		return;
	}
	if (s->in->type == IN_CONNECT) {
		step_answer(s);
		return;
	}
	/* The caller gave up and cleans up: the create must not outlive that. */
	op = s->in->type == IN_DELETE ? op_of(s->t, IN_CREATE, TASK_INIT) : NULL;
	if (RULE(delete_gives_a_create_up) && op)
		op_cancel(s, op);
	step_refuse(s, CODE_NOT_FOUND, "container not created: not found");
}

static bool finds_exec(struct step *s)
{
	switch (s->in->type) {
	case IN_START:
	case IN_DELETE:
	case IN_STATE:
	case IN_KILL:
	case IN_RESIZE:
	case IN_CLOSE_IO:
	case IN_WAIT:
		break;
	default:
		return true;
	}
	if (!s->in->exec_id || !*s->in->exec_id)
		return true;
	s->exec = task_find_exec(s->t, s->in->exec_id);
	if (s->exec != TASK_INIT)
		return true;
	step_refusef(s, CODE_NOT_FOUND, "process does not exist %s: not found", s->in->exec_id);
	return false;
}

static void request(struct step *s)
{
	enum task_state state = s->t->state;

	if (repeated(s))
		return; /* the frame was read twice, across a restart */
	if (state == TASK_NEW || (RULE(unknown_until_created) && state == TASK_CREATING) ||
		state == TASK_GONE) {
		request_unregistered(s);
		return;
	}
	if (!finds_exec(s))
		return;
	switch (s->in->type) {
	case IN_CREATE:
		init_create(s);
		break;
	case IN_START:
		init_start(s);
		break;
	case IN_DELETE:
		init_delete(s);
		break;
	case IN_EXEC:
		if (!task_refused(s, CALL_EXEC))
			exec_add(s);
		break;
	case IN_STATE:
	case IN_CONNECT:
		step_answer(s);
		break;
	case IN_PIDS:
		task_query(s, FX_PIDS);
		break;
	case IN_PAUSE:
		init_pause(s);
		break;
	case IN_RESUME:
		init_resume(s);
		break;
	case IN_CHECKPOINT:
		init_order(s, CALL_CHECKPOINT);
		break;
	case IN_KILL:
		init_kill(s);
		break;
	case IN_RESIZE:
		task_resize(s);
		break;
	case IN_CLOSE_IO:
		task_close_io(s);
		break;
	case IN_UPDATE:
		init_order(s, CALL_UPDATE);
		break;
	case IN_WAIT:
		init_wait(s);
		break;
	case IN_STATS:
		task_query(s, FX_STATS);
		break;
	default:
		break;
	}
}

static void done(struct step *s, struct task_op *op)
{
	switch (op->request) {
	case IN_CREATE:
		init_created(s, op);
		break;
	case IN_START:
		op->exec == TASK_INIT ? init_started(s, op) : exec_started(s, op);
		break;
	case IN_DELETE:
		op->exec == TASK_INIT ? init_delete_returned(s, op, 0, NULL) : exec_drained(s, op);
		break;
	case IN_KILL:
		init_killed(s, op, 0, NULL);
		break;
	case IN_PAUSE:
		init_paused(s, op);
		break;
	case IN_RESUME:
		init_resumed(s, op);
		break;
	case IN_CHECKPOINT:
		init_checkpointed(s, op);
		break;
	default:
		op_end(s, op, CODE_OK, NULL);
		break;
	}
}

static enum task_code code_of(int error)
{
	switch (error) {
	case -ETIMEDOUT:
		return CODE_DEADLINE;
	case -ECANCELED:
		return CODE_CANCELED;
	case -EOPNOTSUPP:
		return CODE_UNIMPLEMENTED;
	default:
		return CODE_UNKNOWN; /* as from Go: clients look at the text (4.2) */
	}
}

static void failed(struct step *s, struct task_op *op)
{
	enum task_code code = code_of(s->in->error);
	const char *text = s->fx->text;
	struct task *t = s->t;

	if (op->request != IN_KILL)
		snprintf(s->fx->text, sizeof(s->fx->text), "%s", s->in->text ? s->in->text : "");
	switch (op->request) {
	case IN_CREATE:
		init_create_failed(s, op, code, text);
		break;
	case IN_START:
		op->exec == TASK_INIT ? init_start_failed(s, op, code, text)
				      : exec_start_failed(s, op, code, text);
		break;
	case IN_DELETE:
		op->exec == TASK_INIT ? init_delete_returned(s, op, s->in->error, text)
				      : exec_drained(s, op);
		break;
	case IN_KILL:
		init_killed(s, op, s->in->error, s->in->text ? s->in->text : "");
		break;
	case IN_PAUSE:
		if (t->state == TASK_PAUSING)
			task_move(t, TASK_RUNNING);
		op_end(s, op, code, text);
		break;
	case IN_RESUME:
		if (t->state == TASK_RESUMING)
			task_move(t, TASK_PAUSED);
		op_end(s, op, code, text);
		break;
	default:
		op_end(s, op, code, text);
		break;
	}
}

static void made(struct step *s, struct task_op *op)
{
	if (op->request != IN_START || op->exec == TASK_INIT ||
		(RULE(released_once) && op->phase == PHASE_MADE))
		return;
	step_touch(s);
	exec_made(s, op);
}

static void outcome(struct step *s)
{
	struct task_op *op = op_find(s->t, s->in->op);

	if (!op || (RULE(outcomes_count_once) && !op->issued))
		return; /* ordered once more after a reload, and done by both */
	if (s->in->type == IN_MADE) {
		made(s, op);
		return;
	}
	step_touch(s);
	op_returned(s, op);
	s->exec = op->exec;
	if (s->in->type == IN_DONE || NAIVE(events_tell_of_success, op->request != IN_KILL))
		done(s, op);
	else
		failed(s, op);
	if (s->exec != TASK_INIT)
		exec_delete_ready(s, s->exec);
	task_delete_ready(s);
}

static void cancel(struct step *s)
{
	for (uint32_t i = 0; i < s->t->n_ops; i++) {
		struct task_op *op = &s->t->ops[i];

		if (!task_addr_eq(op->addr, s->in->addr))
			continue;
		if (RULE(deadlines_hurry_starts) &&
			(op->request == IN_CREATE || op->request == IN_START))
			op_cancel(s, op);
		else if (op->request == IN_WAIT)
			op_end(s, op, CODE_DEADLINE, "context deadline exceeded");
		return; /* an address is there once */
	}
}

/* Waits of a connection that is gone end unheard; what runs goes on to its end (2.3). */
static void hangup(struct step *s)
{
	uint32_t i = 0;

	while (i < s->t->n_ops) {
		struct task_op *op = &s->t->ops[i];

		if (op->addr.conn != s->in->addr.conn) {
			i++;
			continue;
		}
		step_touch(s);
		op->addr = (struct task_addr){ 0 };
		if (RULE(waits_end_with_their_connection) && op->request == IN_WAIT)
			op_end(s, op, CODE_OK, NULL);
		else
			i++;
	}
}

/* What an exit or a kill demands once more, for it may have been lost with the worker. */
static void reload_end(struct step *s)
{
	struct task *t = s->t;

	switch (t->state) {
	case TASK_STOPPED: /* what is left may live until the delete */
	case TASK_DELETING:
		if (NAIVE(reload_ends_the_stopped_too, true) || t->init.pid == 0)
			return;
		break;
	case TASK_PAUSED:
	case TASK_RESUMING:
		if (RULE(reload_thaws_the_killed) && t->killed)
			step_emit(s, FX_THAW, TASK_INIT);
		return;
	case TASK_DRAINING:
		break;
	default:
		return;
	}
	if (RULE(reload_kills_what_is_left) && t->shared_pidns)
		step_emit(s, FX_KILL_ALL, TASK_INIT);
	if (RULE(reload_thaws))
		step_emit(s, FX_THAW, TASK_INIT);
}

static void reload(struct step *s)
{
	struct task *t = s->t;

	reload_end(s);
	for (uint32_t i = 0; i < t->n_ops; i++)
		if (RULE(reload_orders_again) && t->ops[i].issued)
			op_reorder(s, &t->ops[i]);
}

void task_step(struct task *t, const struct task_input *in, struct effects *fx)
{
	struct step s = { .t = t, .in = in, .fx = fx, .exec = TASK_INIT };

	assert(fx->cap >= task_effects_bound(t->cap_execs, t->cap_ops));
	fx->n = 0;
	fx->text[0] = '\0';
	if (input_is_request(in->type))
		request(&s);
	else if (in->type == IN_MADE || in->type == IN_DONE || in->type == IN_FAILED)
		outcome(&s);
	else if (in->type == IN_EXIT)
		task_take_exit(&s);
	else if (in->type == IN_OOM)
		task_take_oom(&s);
	else if (in->type == IN_CANCEL)
		cancel(&s);
	else if (in->type == IN_HANGUP)
		hangup(&s);
	else if (in->type == IN_RELOAD)
		reload(&s);
	assert(task_check(t, NULL) == 0);
}
