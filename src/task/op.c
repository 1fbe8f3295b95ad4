/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Op: the requests of a task that have not been answered, and what a step says.
 *
 * Which effect an op needs follows from its request and phase alone, so that a reload can order it
 * once more from the record. What surprises: every reply carries pid, exit and status of its
 * process, whatever was asked; the door takes the fields that its message has.
 */
#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/rule.h"
#include "task/machine.h"
#include "task/task.h"

struct effect *step_emit(struct step *s, enum effect_type type, uint32_t exec)
{
	struct effect *e;

	assert(s->fx->n < s->fx->cap);
	e = &s->fx->v[s->fx->n++];
	*e = (struct effect){ .type = type, .exec = exec };
	return e;
}

void step_touch(struct step *s)
{
	if (s->fx->n > 0 && s->fx->v[0].type == FX_LOG)
		return;
	assert(s->fx->n == 0);
	if (RULE(log_comes_first))
		step_emit(s, FX_LOG, TASK_INIT);
}

/* An exit that came before the outcome of its start is not told yet. */
static bool exit_is_told(const struct task *t, uint32_t exec)
{
	if (exec != TASK_INIT)
		return t->execs[exec].proc.exited &&
		       (!RULE(no_execs_exit_is_told_before_its_start) ||
			       t->execs[exec].state != EXEC_STARTING);
	return t->init.exited && t->state != TASK_CREATING &&
	       (!RULE(no_exit_is_told_before_its_start) || t->state != TASK_STARTING);
}

static void fill_process(struct step *s, struct effect *e)
{
	const struct task_proc *p = task_proc_of(s->t, e->exec);

	e->pid = p->pid;
	if (!exit_is_told(s->t, e->exec))
		return;
	e->exit_status = task_exit_status(p);
	e->exited_wall_ns = p->exit_wall_ns;
}

void step_event(struct step *s, enum task_topic topic, uint32_t exec)
{
	struct effect *e;

	step_touch(s);
	e = step_emit(s, FX_EVENT, exec);
	e->topic = topic;
	e->sequence = RULE(events_are_numbered) ? ++s->t->events : s->t->events;
	if (topic == TOPIC_EXIT || topic == TOPIC_DELETE)
		fill_process(s, e);
	else
		e->pid = task_proc_of(s->t, exec)->pid;
}

static void reply(struct step *s, struct task_addr addr, enum input_type request, uint32_t exec,
	enum task_code code, const char *text)
{
	struct effect *e;

	if (addr.conn == 0)
		return;
	e = step_emit(s, FX_REPLY, exec);
	e->addr = addr;
	e->request = request;
	e->code = code;
	e->text = text;
	if (code != CODE_OK)
		return;
	fill_process(s, e);
	e->status = task_status(s->t, exec);
}

void step_answer(struct step *s)
{
	reply(s, s->in->addr, s->in->type, s->exec, CODE_OK, NULL);
}

void step_refuse(struct step *s, enum task_code code, const char *text)
{
	reply(s, s->in->addr, s->in->type, s->exec, code, text);
}

void step_refusef(struct step *s, enum task_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->fx->text, sizeof(s->fx->text), fmt, ap);
	va_end(ap);
	step_refuse(s, code, s->fx->text);
}

struct task_op *op_add(struct step *s)
{
	struct task *t = s->t;
	struct task_op *op;

	if (t->n_ops == t->cap_ops || t->n_ops == TASK_OPS_MAX ||
		(s->in->type == IN_WAIT && t->n_ops >= TASK_WAITS_MAX)) {
		step_refuse(s, CODE_EXHAUSTED,
			"too many requests wait for this task: resource exhausted");
		return NULL;
	}
	step_touch(s);
	op = &t->ops[t->n_ops++];
	*op = (struct task_op){
		.id = ++t->last_op,
		.request = s->in->type,
		.exec = s->exec,
		.all = s->in->all,
		.signal = s->in->signal,
		.addr = s->in->addr,
	};
	return op;
}

struct task_op *op_find(struct task *t, uint32_t id)
{
	for (uint32_t i = 0; i < t->n_ops; i++)
		if (t->ops[i].id == id)
			return &t->ops[i];
	return NULL;
}

struct task_op *op_of(struct task *t, enum input_type request, uint32_t exec)
{
	for (uint32_t i = 0; i < t->n_ops; i++)
		if (t->ops[i].request == request && t->ops[i].exec == exec)
			return &t->ops[i];
	return NULL;
}

static enum effect_type order_of(const struct task_op *op)
{
	switch (op->request) {
	case IN_CREATE:
		return FX_CREATE;
	case IN_START:
		return op->exec == TASK_INIT ? FX_START : FX_EXEC_START;
	case IN_KILL:
		return FX_KILL;
	case IN_PAUSE:
		return FX_PAUSE;
	case IN_RESUME:
		return FX_RESUME;
	case IN_UPDATE:
		return FX_UPDATE;
	case IN_CHECKPOINT:
		return FX_CHECKPOINT;
	case IN_DELETE:
		if (op->phase == PHASE_KILL)
			return FX_KILL;
		return op->phase == PHASE_DRAIN ? FX_DRAIN : FX_DELETE;
	default:
		break;
	}
	assert(!"a request without an order");
	return FX_LOG;
}

static struct effect *order(struct step *s, const struct task_op *op)
{
	const struct task_proc *p = task_proc_of(s->t, op->exec);
	struct effect *e = step_emit(s, order_of(op), op->exec);

	e->op = op->id;
	e->signal = op->request == IN_DELETE ? SIGKILL : op->signal;
	e->all = op->request == IN_DELETE || op->all;
	if (op->request == IN_CREATE || op->request == IN_START) {
		e->token = p->token;
		e->stdin_closed = p->stdin_closed;
	}
	return e;
}

void op_issue(struct step *s, struct task_op *op)
{
	assert(!op->issued);
	op->issued = true;
	s->t->issued++;
	order(s, op);
}

void op_reorder(struct step *s, struct task_op *op)
{
	order(s, op)->again = true;
	if (RULE(reload_cancels_again) && op->cancelled)
		step_emit(s, FX_CANCEL, op->exec)->op = op->id;
}

void op_returned(struct step *s, struct task_op *op)
{
	assert(op->issued);
	op->issued = false;
	s->t->issued--;
}

void op_cancel(struct step *s, struct task_op *op)
{
	if ((RULE(cancelled_once) && op->cancelled) || !op->issued)
		return;
	step_touch(s);
	op->cancelled = true;
	step_emit(s, FX_CANCEL, op->exec)->op = op->id;
}

void op_end(struct step *s, struct task_op *op, enum task_code code, const char *text)
{
	struct task *t = s->t;
	size_t after = (size_t)(&t->ops[t->n_ops] - (op + 1));

	assert(!op->issued);
	step_touch(s);
	reply(s, op->addr, op->request, op->exec, code, text);
	memmove(op, op + 1, after * sizeof(*op));
	t->n_ops--;
}

void op_succeed(struct step *s, struct task_op *op, enum task_topic topic)
{
	uint32_t exec = op->exec;

	step_touch(s);
	ORDER(events_precede_answers, step_event(s, topic, exec), op_end(s, op, CODE_OK, NULL));
}

void op_end_all(struct step *s, enum input_type request, uint32_t exec, enum task_code code,
	const char *text)
{
	struct task_op *op;

	while ((op = op_of(s->t, request, exec)))
		op_end(s, op, code, text);
}
