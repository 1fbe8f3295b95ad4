/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Check: what must hold in a task between steps, as the comment in task.h says it. task_check()
 * runs after every step, in release builds too, in one pass over requests and execs: a wrong record
 * is worse than a dead worker. The relations between execs and requests are left to
 * task_check_all(), which tests call after every step.
 */
#include <errno.h>

#include "task/machine.h"
#include "task/task.h"

#define HOLDS(cond, ...) \
	do { \
		if (!(cond)) \
			return err_set(err, -EUCLEAN, __VA_ARGS__); \
	} while (0)

/* Requests about the init, counted by kind: those with the back end and those that wait here. */
struct tally {
	uint32_t issued[INPUTS_];
	uint32_t parked[INPUTS_];
	uint32_t all_issued;
};

static int tally_ops(const struct task *t, struct tally *n, struct err *err)
{
	HOLDS(t->n_execs <= t->cap_execs && t->n_ops <= t->cap_ops, "more entries than room");
	for (uint32_t i = 0; i < t->n_ops; i++) {
		const struct task_op *op = &t->ops[i];

		HOLDS(op->id != 0 && op->id <= t->last_op, "request with number %u", op->id);
		HOLDS(i == 0 || t->ops[i - 1].id < op->id, "requests out of order");
		HOLDS(op->exec == TASK_INIT || op->exec < t->n_execs, "request %u is about slot %u",
			op->id, op->exec);
		HOLDS(!(op->issued && op->request == IN_WAIT), "a wait with the back end");
		n->all_issued += op->issued;
		if (op->exec == TASK_INIT && op->issued)
			n->issued[op->request]++;
		else if (op->exec == TASK_INIT)
			n->parked[op->request]++;
	}
	HOLDS(n->all_issued == t->issued, "%u requests are with the back end, not %u",
		n->all_issued, t->issued);
	return 0;
}

static bool init_is_over(const struct task *t)
{
	return t->state == TASK_DRAINING || t->state == TASK_STOPPED ||
	       (t->state == TASK_DELETING && t->init.pid != 0);
}

static int check_requests(const struct task *t, const struct tally *n, struct err *err)
{
	const char *name = task_state_name(t->state);
	uint32_t deletes = n->issued[IN_DELETE] + n->parked[IN_DELETE];

	HOLDS(n->issued[IN_CREATE] == (t->state == TASK_CREATING) && n->parked[IN_CREATE] == 0,
		"%u creates are open in state %s", n->issued[IN_CREATE], name);
	HOLDS(n->issued[IN_START] == (t->state == TASK_STARTING) && n->parked[IN_START] == 0,
		"%u starts are open in state %s", n->issued[IN_START], name);
	HOLDS(n->parked[IN_PAUSE] == 0 || t->state == TASK_PAUSING, "a pause waits in state %s",
		name);
	HOLDS(t->state != TASK_PAUSING || n->parked[IN_PAUSE] + n->issued[IN_PAUSE] == 1,
		"pausing without a pause");
	HOLDS(t->state != TASK_RESUMING || n->issued[IN_RESUME] == 1, "resuming without a resume");
	HOLDS(deletes == 0 || t->state == TASK_ENDING || t->state == TASK_DRAINING ||
			t->state == TASK_STOPPED || t->state == TASK_DELETING,
		"a delete is open in state %s", name);
	HOLDS(deletes > 0 || (t->state != TASK_ENDING && t->state != TASK_DELETING),
		"state %s without a delete", name);
	HOLDS(!init_is_over(t) || n->parked[IN_WAIT] == 0, "a wait outlives the exit");
	HOLDS(t->state != TASK_STOPPED || deletes == 0 || n->issued[IN_DELETE] == 1,
		"a delete is forgotten");
	return 0;
}

static int check_state(const struct task *t, struct err *err)
{
	const char *name = task_state_name(t->state);

	HOLDS(t->state != TASK_DRAINING || t->live > 0, "draining with nothing live");
	HOLDS(t->live == 0 || (t->state >= TASK_CREATED && t->state <= TASK_DRAINING),
		"%u execs live in state %s", t->live, name);
	HOLDS(!init_is_over(t) || t->init.exited, "state %s without an exit", name);
	HOLDS(!t->init.exited || init_is_over(t) || t->state == TASK_CREATING ||
			t->state == TASK_STARTING || t->state == TASK_GONE,
		"an exit is not handled in state %s", name);
	HOLDS((t->state != TASK_NEW && t->state != TASK_GONE) || t->n_ops + t->n_execs == 0,
		"state %s with %u requests and %u execs", name, t->n_ops, t->n_execs);
	return 0;
}

int task_check(const struct task *t, struct err *err)
{
	uint32_t live = 0;
	struct tally n = { 0 };
	int r;

	HOLDS(t->state < TASK_STATES_, "state number %u", (unsigned int)t->state);
	r = tally_ops(t, &n, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < t->n_execs; i++)
		live += exec_is_live(&t->execs[i]);
	HOLDS(live == t->live, "%u execs are live, not %u", live, t->live);
	r = check_state(t, err);
	return r < 0 ? r : check_requests(t, &n, err);
}

static uint32_t count(const struct task *t, enum input_type request, uint32_t slot, bool issued)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n_ops; i++)
		n += t->ops[i].request == request && t->ops[i].exec == slot &&
		     t->ops[i].issued == issued;
	return n;
}

static int check_free_slot(const struct task *t, uint32_t slot, struct err *err)
{
	HOLDS(t->execs[slot].id[0] == '\0' && t->execs[slot].proc.token == 0,
		"free slot %u holds something", slot);
	for (uint32_t i = 0; i < t->n_ops; i++)
		HOLDS(t->ops[i].exec != slot, "request %u is about a free slot", t->ops[i].id);
	return 0;
}

static int check_exec(const struct task *t, uint32_t slot, struct err *err)
{
	const struct task_exec *x = &t->execs[slot];
	const char *name = exec_state_name(x->state);
	bool ended = x->state == EXEC_STOPPED || x->state == EXEC_DELETING;
	bool over = t->state == TASK_STOPPED || t->state == TASK_DELETING;

	HOLDS(x->state < EXEC_STATES_, "exec %u: state number %u", slot, (unsigned int)x->state);
	if (x->state == EXEC_FREE)
		return check_free_slot(t, slot, err);
	HOLDS(x->id[0] != '\0' && task_find_exec(t, x->id) == slot, "exec %u: id '%s'", slot,
		x->id);
	HOLDS(count(t, IN_START, slot, true) == (x->state == EXEC_STARTING) &&
			count(t, IN_START, slot, false) == 0,
		"exec '%s': a start is open in state %s", x->id, name);
	HOLDS((x->proc.token != 0) == (exec_is_live(x) || ended), "exec '%s': token in state %s",
		x->id, name);
	HOLDS(!x->proc.exited || ended || x->state == EXEC_STARTING,
		"exec '%s': an exit is not handled in state %s", x->id, name);
	HOLDS(!ended || x->proc.exited, "exec '%s': ended without an exit", x->id);
	HOLDS(count(t, IN_WAIT, slot, false) == 0 || exec_is_live(x) ||
			(x->state == EXEC_ADDED && !over),
		"exec '%s': a wait that cannot end", x->id);
	HOLDS(count(t, IN_KILL, slot, false) == 0 || x->state == EXEC_STARTING,
		"exec '%s': a kill waits in state %s", x->id, name);
	HOLDS((count(t, IN_DELETE, slot, true) + count(t, IN_DELETE, slot, false) > 0) ==
			(x->state == EXEC_DELETING),
		"exec '%s': a delete is open in state %s", x->id, name);
	return 0;
}

static bool phase_is_issued(enum op_phase p)
{
	return p == PHASE_KILL || p == PHASE_DRAIN || p == PHASE_FREE;
}

static int check_delete(const struct task *t, const struct task_op *op, struct err *err)
{
	const char *name = task_state_name(t->state);
	uint32_t active = 0;

	HOLDS(op->issued == phase_is_issued(op->phase) && op->phase != PHASE_MADE,
		"delete %u: phase %u", op->id, (unsigned int)op->phase);
	for (uint32_t i = 0; i < t->n_ops; i++)
		active += t->ops[i].request == IN_DELETE && t->ops[i].exec == op->exec &&
			  t->ops[i].phase != PHASE_WAIT;
	if (op->exec != TASK_INIT) {
		HOLDS(op->phase == PHASE_WAIT || op->phase == PHASE_DRAIN ||
				op->phase == PHASE_READY,
			"delete %u of an exec: phase %u", op->id, (unsigned int)op->phase);
		HOLDS(active == 1, "%u deletes of one exec are active", active);
		return 0;
	}
	HOLDS(active == (t->state == TASK_DELETING) || op->phase == PHASE_KILL ||
			(active == 1 && op->phase == PHASE_WAIT && t->state != TASK_DELETING),
		"%u deletes are active in state %s", active, name);
	HOLDS(op->phase == PHASE_WAIT || (op->phase == PHASE_KILL) == (t->state != TASK_DELETING),
		"delete %u: phase %u in state %s", op->id, (unsigned int)op->phase, name);
	HOLDS(op->phase != PHASE_READY || t->issued > 0, "delete %u waits for nothing", op->id);
	HOLDS(op->phase != PHASE_FREE || t->issued == 1, "freed while others are under way");
	return 0;
}

/* What kind of request may be open, about whom, and with whom. */
static int check_op(const struct task *t, const struct task_op *op, struct err *err)
{
	const char *name = input_type_name(op->request), *state = task_state_name(t->state);
	bool of_exec = op->exec != TASK_INIT;

	HOLDS(op->phase == PHASE_WAIT || op->request == IN_DELETE ||
			(op->phase == PHASE_MADE && op->request == IN_START && of_exec),
		"%s %u: phase %u", name, op->id, (unsigned int)op->phase);
	switch (op->request) {
	case IN_DELETE:
		return check_delete(t, op, err);
	case IN_WAIT:
		return 0;
	case IN_START:
		HOLDS(op->issued, "start %u waits", op->id);
		return 0;
	case IN_KILL:
		HOLDS(op->issued || of_exec, "kill %u waits", op->id);
		return 0;
	case IN_PAUSE:
		HOLDS(!of_exec && (t->state == TASK_PAUSING || init_is_over(t)),
			"pause %u in state %s", op->id, state);
		return 0;
	case IN_RESUME:
		HOLDS(!of_exec && op->issued && (t->state == TASK_RESUMING || init_is_over(t)),
			"resume %u in state %s", op->id, state);
		return 0;
	case IN_CREATE:
	case IN_UPDATE:
	case IN_CHECKPOINT:
		HOLDS(!of_exec && op->issued, "%s %u waits", name, op->id);
		return 0;
	default:
		return err_set(err, -EUCLEAN, "%s is never open", name);
	}
}

static int check_init(const struct task *t, struct err *err)
{
	const struct task_proc *p = &t->init;
	bool none = t->state == TASK_NEW || t->state == TASK_RESTORABLE ||
		    (t->restore && (t->state == TASK_CREATING ||
					   (t->state == TASK_DELETING && p->pid == 0)));
	bool making = t->state == TASK_CREATING || (t->restore && t->state == TASK_STARTING);

	if (t->state == TASK_GONE) {
		HOLDS(p->token == 0 || p->exited, "gone with a process");
		return 0;
	}
	HOLDS((p->token == 0) == none, "state %s with token %llu", task_state_name(t->state),
		(unsigned long long)p->token);
	HOLDS((p->pid == 0) == (none || making), "state %s with pid %u", task_state_name(t->state),
		p->pid);
	HOLDS(!p->exited || !none, "the exit of no process");
	HOLDS(t->restore || t->state != TASK_RESTORABLE, "no checkpoint to restore");
	HOLDS(!t->restore || t->state != TASK_CREATED, "created from a checkpoint with a process");
	HOLDS(p->token <= t->last_token, "a token that was not given out");
	return 0;
}

int task_check_all(const struct task *t, struct err *err)
{
	int r = task_check(t, err);

	if (r == 0)
		r = check_init(t, err);
	for (uint32_t i = 0; r == 0 && i < t->n_execs; i++)
		r = check_exec(t, i, err);
	for (uint32_t i = 0; r == 0 && i < t->n_ops; i++)
		r = check_op(t, &t->ops[i], err);
	return r;
}
