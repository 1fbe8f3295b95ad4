/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task: the life of the init and of the task as a whole, and the way from an input to its handler.
 *
 * Every request is answered from here or parked as an op; every rule of order is a sequence of
 * step_*() calls in one of the functions below, in the order in which the effects must happen. What
 * surprises: a reply is never delayed by what runs at the back end unless the answer depends on it,
 * so State, Kill and Wait work while a start hangs.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "task/machine.h"
#include "task/task.h"

#define BIT(state) (1u << (TASK_##state))

/* Calls that a state may refuse as a whole; the texts are those of spec/shim.md 4.1. */
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

struct state_row {
	const char *name;
	enum task_status status;
	uint32_t next;              /* states that may follow */
	const char *refuse[CALLS_]; /* NULL: permitted */
};

// clang-format off
static const struct state_row rows[TASK_STATES_] = {
	[TASK_NEW] = { "new", STATUS_UNKNOWN,
		BIT(CREATING), { NULL } },
	[TASK_CREATING] = { "creating", STATUS_UNKNOWN,
		BIT(CREATED) | BIT(RESTORABLE) | BIT(GONE), { NULL } },
	[TASK_CREATED] = { "created", STATUS_CREATED,
		BIT(STARTING) | BIT(ENDING) | BIT(DRAINING), {
		[CALL_PAUSE]      = "cannot pause task in created state",
		[CALL_RESUME]     = "cannot resume task in created state",
		[CALL_CHECKPOINT] = "cannot checkpoint a task in created state" } },
	[TASK_RESTORABLE] = { "restorable", STATUS_CREATED,
		BIT(STARTING) | BIT(DELETING), {
		[CALL_PAUSE]      = "cannot pause task in created state",
		[CALL_RESUME]     = "cannot resume task in created state",
		[CALL_CHECKPOINT] = "cannot checkpoint a task in created state",
		[CALL_EXEC]       = "cannot exec in a created state" } },
	[TASK_STARTING] = { "starting", STATUS_CREATED,
		BIT(RUNNING) | BIT(CREATED) | BIT(RESTORABLE), {
		[CALL_START]      = "cannot start a running process",
		[CALL_DELETE]     = "cannot delete a running process",
		[CALL_PAUSE]      = "cannot pause task in created state",
		[CALL_RESUME]     = "cannot resume task in created state",
		[CALL_CHECKPOINT] = "cannot checkpoint a task in created state" } },
	[TASK_RUNNING] = { "running", STATUS_RUNNING,
		BIT(PAUSING) | BIT(DRAINING), {
		[CALL_START]      = "cannot start a running process",
		[CALL_DELETE]     = "cannot delete a running process",
		[CALL_RESUME]     = "cannot resume a running process" } },
	[TASK_PAUSING] = { "pausing", STATUS_PAUSING,
		BIT(PAUSED) | BIT(RUNNING) | BIT(DRAINING), {
		[CALL_START]      = "cannot start a running process",
		[CALL_DELETE]     = "cannot delete a running process",
		[CALL_PAUSE]      = "cannot pause a paused container",
		[CALL_RESUME]     = "cannot resume a running process",
		[CALL_EXEC]       = "cannot exec in a paused state" } },
	[TASK_PAUSED] = { "paused", STATUS_PAUSED,
		BIT(RESUMING) | BIT(DRAINING), {
		[CALL_START]      = "cannot start a paused process",
		[CALL_DELETE]     = "cannot delete a paused process",
		[CALL_PAUSE]      = "cannot pause a paused container",
		[CALL_EXEC]       = "cannot exec in a paused state" } },
	[TASK_RESUMING] = { "resuming", STATUS_PAUSED,
		BIT(RUNNING) | BIT(PAUSED) | BIT(DRAINING), {
		[CALL_START]      = "cannot start a paused process",
		[CALL_DELETE]     = "cannot delete a paused process",
		[CALL_PAUSE]      = "cannot pause a paused container",
		[CALL_RESUME]     = "cannot resume a running process",
		[CALL_EXEC]       = "cannot exec in a paused state" } },
	[TASK_ENDING] = { "ending", STATUS_CREATED,
		BIT(CREATED) | BIT(DRAINING), {
		[CALL_START]      = "cannot start a deleted process",
		[CALL_PAUSE]      = "cannot pause a deleted process",
		[CALL_RESUME]     = "cannot resume a deleted process",
		[CALL_UPDATE]     = "cannot update a deleted process",
		[CALL_CHECKPOINT] = "cannot checkpoint a deleted process",
		[CALL_EXEC]       = "cannot exec in a deleted state" } },
	[TASK_DRAINING] = { "draining", STATUS_STOPPED,
		BIT(STOPPED), {
		[CALL_START]      = "cannot start a stopped process",
		[CALL_PAUSE]      = "cannot pause a stopped container",
		[CALL_RESUME]     = "cannot resume a stopped container",
		[CALL_UPDATE]     = "cannot update a stopped container",
		[CALL_CHECKPOINT] = "cannot checkpoint a stopped container",
		[CALL_EXEC]       = "cannot exec in a stopped state" } },
	[TASK_STOPPED] = { "stopped", STATUS_STOPPED,
		BIT(DELETING), {
		[CALL_START]      = "cannot start a stopped process",
		[CALL_PAUSE]      = "cannot pause a stopped container",
		[CALL_RESUME]     = "cannot resume a stopped container",
		[CALL_UPDATE]     = "cannot update a stopped container",
		[CALL_CHECKPOINT] = "cannot checkpoint a stopped container",
		[CALL_EXEC]       = "cannot exec in a stopped state" } },
	[TASK_DELETING] = { "deleting", STATUS_STOPPED,
		BIT(STOPPED) | BIT(RESTORABLE) | BIT(GONE), {
		[CALL_START]      = "cannot start a deleted process",
		[CALL_PAUSE]      = "cannot pause a deleted process",
		[CALL_RESUME]     = "cannot resume a deleted process",
		[CALL_UPDATE]     = "cannot update a deleted process",
		[CALL_CHECKPOINT] = "cannot checkpoint a deleted process",
		[CALL_EXEC]       = "cannot exec in a deleted state" } },
	[TASK_GONE] = { "gone", STATUS_UNKNOWN, 0, { NULL } },
};
// clang-format on

const char *task_state_name(enum task_state s)
{
	return s < TASK_STATES_ ? rows[s].name : "";
}

int task_init(struct task *t, const char *id)
{
	size_t len = strlen(id);

	if (len > TASK_ID_MAX)
		return -ENAMETOOLONG;
	*t = (struct task){ .state = TASK_NEW };
	memcpy(t->id, id, len);
	return 0;
}

size_t task_effects_bound(uint32_t cap_execs, uint32_t cap_ops)
{
	/* The longest step is an init's exit: a fixed part, two effects per exec (cancel, gone)
	 * and per op (order or reply, cancel). */
	return 16 + 3 * (size_t)cap_execs + 2 * (size_t)cap_ops;
}

struct task_proc *task_proc_of(struct task *t, uint32_t exec)
{
	return exec == TASK_INIT ? &t->init : &t->execs[exec].proc;
}

enum task_status task_status(const struct task *t, uint32_t exec)
{
	enum task_status own = rows[t->state].status;

	if (exec == TASK_INIT)
		return own;
	switch (t->execs[exec].state) {
	case EXEC_STOPPED:
	case EXEC_DELETING:
		return STATUS_STOPPED;
	case EXEC_RUNNING:
		return own == STATUS_PAUSED || own == STATUS_PAUSING ? own : STATUS_RUNNING;
	default:
		return STATUS_CREATED;
	}
}

uint32_t task_exit_status(const struct task_proc *p)
{
	if (!p->exited)
		return 0;
	if (WIFSIGNALED(p->wait_status))
		return 128 + (uint32_t)WTERMSIG(p->wait_status);
	return (uint32_t)WEXITSTATUS(p->wait_status);
}

void task_move(struct task *t, enum task_state to)
{
	assert(rows[t->state].next & (1u << to));
	t->state = to;
}

void proc_record_exit(struct task_proc *p, const struct task_input *in)
{
	p->exited = true;
	p->wait_status = in->wait_status;
	p->exit_boot_ns = in->boot_ns;
	p->exit_wall_ns = in->wall_ns;
}

/* ---- the init's end ---- */

void task_tell_oom(struct step *s)
{
	struct task *t = s->t;

	switch (t->state) {
	case TASK_NEW:
	case TASK_CREATING: /* after TaskCreate (INV-1) */
	case TASK_STARTING: /* after TaskStart */
		return;
	default:
		break;
	}
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

	task_tell_oom(s);
	task_move(t, TASK_DRAINING);
	if (t->shared_pidns)
		step_emit(s, FX_KILL_ALL, TASK_INIT);
	if (frozen)
		step_emit(s, FX_THAW, TASK_INIT);
	exec_cancel_starts(s);
	step_emit(s, FX_FLUSH, TASK_INIT);
	op_end_all(s, IN_WAIT, TASK_INIT, CODE_OK, NULL);
	task_pause_ready(s);
	task_settle(s);
}

static void delete_begin(struct step *s)
{
	struct task *t = s->t;
	struct task_op *op = op_of(t, IN_DELETE, TASK_INIT);

	if (!op || op->issued) /* the kill that made the init exit has not returned */
		return;
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

	if (t->state != TASK_DRAINING || t->live > 0)
		return;
	step_event(s, TOPIC_EXIT, TASK_INIT);
	task_move(t, TASK_STOPPED);
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
	if (t->state == TASK_CREATING || t->state == TASK_STARTING)
		return; /* RACE-1, 3, 4: its outcome comes first */
	init_ended(s);
}

static void take_exit(struct step *s)
{
	struct task *t = s->t;

	if (s->in->token == 0)
		return;
	if (s->in->token == t->init.token) {
		if (!t->init.exited)
			init_exited(s);
		return;
	}
	for (s->exec = 0; s->exec < t->n_execs; s->exec++) {
		if (t->execs[s->exec].proc.token != s->in->token)
			continue;
		exec_exited(s);
		return;
	}
}

static void take_oom(struct step *s)
{
	struct task *t = s->t;

	if (t->state == TASK_NEW || t->state == TASK_GONE || t->oom)
		return;
	if (t->state == TASK_STOPPED || t->state == TASK_DELETING)
		return; /* its exit has been published: nothing may follow but the delete */
	step_touch(s);
	t->oom = true;
	task_tell_oom(s);
}

/* ---- requests about the task or its init ---- */

static bool refused(struct step *s, enum call call)
{
	const char *text = rows[s->t->state].refuse[call];

	if (text)
		step_refuse(s, CODE_UNKNOWN, text);
	return text != NULL;
}

static void create(struct step *s)
{
	struct task *t = s->t;
	struct task_op *op;

	if (t->state != TASK_NEW) {
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

static void created(struct step *s, struct task_op *op)
{
	struct task *t = s->t;

	t->shared_pidns = s->in->shared_pidns;
	t->init.pid = t->restore ? 0 : s->in->pid;
	task_move(t, t->restore ? TASK_RESTORABLE : TASK_CREATED);
	step_event(s, TOPIC_CREATE, TASK_INIT);
	op_end(s, op, CODE_OK, NULL);
	task_tell_oom(s);
	if (t->init.exited)
		init_ended(s); /* RACE-3 */
}

static void create_failed(struct step *s, struct task_op *op, enum task_code code, const char *text)
{
	op_end(s, op, code, text); /* and nothing else: INV-12 */
	task_move(s->t, TASK_GONE);
	step_emit(s, FX_GONE, TASK_INIT);
}

static void start(struct step *s)
{
	struct task *t = s->t;
	struct task_op *op;

	if (s->exec != TASK_INIT) {
		exec_start(s);
		return;
	}
	if (refused(s, CALL_START))
		return;
	op = op_add(s);
	if (!op)
		return;
	if (t->restore)
		t->init.token = ++t->last_token;
	task_move(t, TASK_STARTING);
	op_issue(s, op);
}

static void started(struct step *s, struct task_op *op)
{
	struct task *t = s->t;

	if (t->restore)
		t->init.pid = s->in->pid;
	task_move(t, TASK_RUNNING);
	step_event(s, TOPIC_START, TASK_INIT);
	op_end(s, op, CODE_OK, NULL); /* event, then reply: INV-13 */
	task_tell_oom(s);
	if (t->init.exited)
		init_ended(s); /* RACE-1, 4 */
}

static void start_failed(struct step *s, struct task_op *op, enum task_code code, const char *text)
{
	struct task *t = s->t;

	task_move(t, t->restore ? TASK_RESTORABLE : TASK_CREATED);
	op_end(s, op, code, text);
	if (t->restore) { /* what the restore made is gone with its failure */
		t->init = (struct task_proc){ .stdin_closed = t->init.stdin_closed };
		return;
	}
	task_tell_oom(s);
	if (t->init.exited)
		init_ended(s); /* an exit without a start: 4.4 */
}

static void delete_(struct step *s)
{
	struct task *t = s->t;
	struct task_op *op;

	if (s->exec != TASK_INIT) {
		exec_delete(s);
		return;
	}
	if (refused(s, CALL_DELETE))
		return;
	op = op_add(s);
	if (!op)
		return;
	switch (t->state) {
	case TASK_CREATED: /* never started: its exit comes before its delete (INV-10) */
		task_move(t, TASK_ENDING);
		op->phase = PHASE_KILL;
		op_issue(s, op);
		return;
	case TASK_STOPPED:
	case TASK_RESTORABLE:
		delete_begin(s);
		return;
	default:
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
	if (t->state == TASK_STOPPED) {
		delete_begin(s);
		return;
	}
	if (error == 0 || error == -ESRCH || t->state != TASK_ENDING)
		return; /* the exit is under way */
	task_move(t, TASK_CREATED);
	end_deletes(s, CODE_UNKNOWN, text);
}

static void deleted(struct step *s, struct task_op *op)
{
	struct task *t = s->t;

	step_event(s, TOPIC_DELETE, TASK_INIT);
	op_end(s, op, CODE_OK, NULL);
	end_deletes(s, CODE_NOT_FOUND, "cannot delete a deleted process: not found");
	op_end_all(s, IN_WAIT, TASK_INIT, CODE_OK, NULL); /* never started from its checkpoint */
	for (uint32_t i = 0; i < t->n_execs; i++) {
		if (t->execs[i].state == EXEC_FREE)
			continue;
		step_emit(s, FX_EXEC_GONE, i);
		t->execs[i] = (struct task_exec){ .state = EXEC_FREE };
	}
	t->n_execs = 0;
	task_move(t, TASK_GONE);
	step_emit(s, FX_GONE, TASK_INIT);
}

static void delete_returned(struct step *s, struct task_op *op, int error, const char *text)
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

	if (s->t->state != TASK_DELETING || s->t->issued > 0 || !op || op->phase != PHASE_READY)
		return;
	op->phase = PHASE_FREE;
	op_issue(s, op);
}

static void kill_(struct step *s)
{
	struct task *t = s->t;
	struct task_op *op;

	if (s->in->signal > 64) {
		step_refusef(s, CODE_INVALID, "invalid signal %u: invalid argument", s->in->signal);
		return;
	}
	if (s->exec != TASK_INIT) {
		exec_kill(s);
		return;
	}
	if (t->state == TASK_DELETING) {
		step_refuse(s, CODE_NOT_FOUND, "cannot kill a deleted process: not found");
		return;
	}
	if (t->init.token == 0) { /* a checkpoint that has not been restored */
		step_refuse(s, CODE_NOT_FOUND, "no such container: not found");
		return;
	}
	if (t->init.exited && !s->in->all) {
		step_refuse(s, CODE_NOT_FOUND, "process already finished: not found");
		return;
	}
	op = op_add(s);
	if (!op)
		return;
	op_issue(s, op);
	if (s->in->signal != SIGKILL || t->init.exited)
		return;
	t->killed = true;
	if (t->state == TASK_PAUSED || t->state == TASK_RESUMING)
		step_emit(s, FX_THAW, TASK_INIT); /* a frozen v1 cgroup does not die: RACE-21 */
}

static void killed(struct step *s, struct task_op *op, int error, const char *text)
{
	struct task *t = s->t;

	if (error == 0) {
		op_end(s, op, CODE_OK, NULL);
		return;
	}
	if (op->exec == TASK_INIT && op->signal == SIGKILL)
		t->killed = false;
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

static void pause_(struct step *s)
{
	if (refused(s, CALL_PAUSE) || !op_add(s))
		return;
	task_move(s->t, TASK_PAUSING);
	task_pause_ready(s);
}

void task_pause_ready(struct step *s)
{
	struct task_op *op = op_of(s->t, IN_PAUSE, TASK_INIT);

	if (!op || op->issued)
		return;
	if (s->t->state != TASK_PAUSING) {
		op_end(s, op, CODE_UNKNOWN, "cannot pause a stopped container");
		return;
	}
	if (!exec_any_starting(s->t)) /* else one would freeze half made */
		op_issue(s, op);
}

static void paused(struct step *s, struct task_op *op)
{
	struct task *t = s->t;

	if (t->state != TASK_PAUSING) { /* the init's exit overtook it: nothing may stay frozen */
		step_emit(s, FX_THAW, TASK_INIT);
		op_end(s, op, CODE_UNKNOWN, "cannot pause a stopped container");
		return;
	}
	task_move(t, TASK_PAUSED);
	step_event(s, TOPIC_PAUSED, TASK_INIT);
	op_end(s, op, CODE_OK, NULL);
	if (t->killed)
		step_emit(s, FX_THAW, TASK_INIT);
}

static void resume(struct step *s)
{
	struct task_op *op;

	if (refused(s, CALL_RESUME))
		return;
	op = op_add(s);
	if (!op)
		return;
	task_move(s->t, TASK_RESUMING);
	op_issue(s, op);
}

static void resumed(struct step *s, struct task_op *op)
{
	if (s->t->state != TASK_RESUMING) {
		op_end(s, op, CODE_UNKNOWN, "cannot resume a stopped container");
		return;
	}
	task_move(s->t, TASK_RUNNING);
	step_event(s, TOPIC_RESUMED, TASK_INIT);
	op_end(s, op, CODE_OK, NULL);
}

static void order_simple(struct step *s, enum call call)
{
	struct task_op *op;

	if (refused(s, call))
		return;
	op = op_add(s);
	if (op)
		op_issue(s, op);
}

static void checkpointed(struct step *s, struct task_op *op)
{
	struct task *t = s->t;

	if (t->state != TASK_STOPPED && t->state != TASK_DELETING) /* RACE-20: its exit was told */
		step_event(s, TOPIC_CHECKPOINTED, TASK_INIT);
	op_end(s, op, CODE_OK, NULL);
}

static void wait_(struct step *s)
{
	struct task *t = s->t;

	if (s->exec != TASK_INIT) {
		exec_wait(s);
		return;
	}
	if (t->state == TASK_DRAINING || t->state == TASK_STOPPED || t->state == TASK_DELETING)
		step_answer(s);
	else
		op_add(s);
}

static void close_io(struct step *s)
{
	struct task_proc *p = task_proc_of(s->t, s->exec);

	if (!p->stdin_closed) {
		step_touch(s);
		p->stdin_closed = true;
		step_emit(s, FX_CLOSE_IO, s->exec);
	}
	step_answer(s);
}

static void resize(struct step *s)
{
	struct effect *e;

	if (s->exec == TASK_INIT && s->t->state == TASK_DELETING) {
		step_refuse(s, CODE_UNKNOWN, "cannot resize a deleted process");
		return;
	}
	if (task_status(s->t, s->exec) == STATUS_STOPPED) {
		step_refuse(s, CODE_UNKNOWN, "cannot resize a stopped container");
		return;
	}
	e = step_emit(s, FX_RESIZE, s->exec);
	e->width = s->in->width;
	e->height = s->in->height;
	step_answer(s);
}

static void query(struct step *s, enum effect_type type)
{
	struct effect *e = step_emit(s, type, TASK_INIT);

	e->addr = s->in->addr;
	e->request = s->in->type;
	e->pid = s->t->init.pid;
}

/* ---- dispatch ---- */

static bool repeated(const struct step *s)
{
	if (s->in->addr.conn == 0)
		return false;
	for (uint32_t i = 0; i < s->t->n_ops; i++)
		if (task_addr_eq(s->t->ops[i].addr, s->in->addr))
			return true;
	return false;
}

/* Until its creation has been answered a task is unknown to everybody (4.3); so is one that is
 * gone. */
static void request_unregistered(struct step *s)
{
	struct task_op *op;

	if (s->in->type == IN_CREATE) {
		create(s);
		return;
	}
	if (s->in->type == IN_CONNECT) {
		step_answer(s);
		return;
	}
	/* The caller gave up and cleans up: the create must not outlive that. */
	op = s->in->type == IN_DELETE ? op_of(s->t, IN_CREATE, TASK_INIT) : NULL;
	if (op)
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
	if (state == TASK_NEW || state == TASK_CREATING || state == TASK_GONE) {
		request_unregistered(s);
		return;
	}
	if (!finds_exec(s))
		return;
	switch (s->in->type) {
	case IN_CREATE:
		create(s);
		break;
	case IN_START:
		start(s);
		break;
	case IN_DELETE:
		delete_(s);
		break;
	case IN_EXEC:
		if (!refused(s, CALL_EXEC))
			exec_add(s);
		break;
	case IN_STATE:
	case IN_CONNECT:
		step_answer(s);
		break;
	case IN_PIDS:
		query(s, FX_PIDS);
		break;
	case IN_PAUSE:
		pause_(s);
		break;
	case IN_RESUME:
		resume(s);
		break;
	case IN_CHECKPOINT:
		order_simple(s, CALL_CHECKPOINT);
		break;
	case IN_KILL:
		kill_(s);
		break;
	case IN_RESIZE:
		resize(s);
		break;
	case IN_CLOSE_IO:
		close_io(s);
		break;
	case IN_UPDATE:
		order_simple(s, CALL_UPDATE);
		break;
	case IN_WAIT:
		wait_(s);
		break;
	case IN_STATS:
		query(s, FX_STATS);
		break;
	default:
		break;
	}
}

static void done(struct step *s, struct task_op *op)
{
	switch (op->request) {
	case IN_CREATE:
		created(s, op);
		break;
	case IN_START:
		op->exec == TASK_INIT ? started(s, op) : exec_started(s, op);
		break;
	case IN_DELETE:
		op->exec == TASK_INIT ? delete_returned(s, op, 0, NULL) : exec_drained(s, op);
		break;
	case IN_KILL:
		killed(s, op, 0, NULL);
		break;
	case IN_PAUSE:
		paused(s, op);
		break;
	case IN_RESUME:
		resumed(s, op);
		break;
	case IN_CHECKPOINT:
		checkpointed(s, op);
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
		create_failed(s, op, code, text);
		break;
	case IN_START:
		op->exec == TASK_INIT ? start_failed(s, op, code, text)
				      : exec_start_failed(s, op, code, text);
		break;
	case IN_DELETE:
		op->exec == TASK_INIT ? delete_returned(s, op, s->in->error, text)
				      : exec_drained(s, op);
		break;
	case IN_KILL:
		killed(s, op, s->in->error, s->in->text ? s->in->text : "");
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
	if (op->request != IN_START || op->exec == TASK_INIT || op->phase == PHASE_MADE)
		return;
	step_touch(s);
	exec_made(s, op);
}

static void outcome(struct step *s)
{
	struct task_op *op = op_find(s->t, s->in->op);

	if (!op || !op->issued)
		return; /* ordered once more after a reload, and done by both */
	if (s->in->type == IN_MADE) {
		made(s, op);
		return;
	}
	step_touch(s);
	op_returned(s, op);
	s->exec = op->exec;
	if (s->in->type == IN_DONE)
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
		if (op->request == IN_CREATE || op->request == IN_START)
			op_cancel(s, op);
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
		if (op->request == IN_WAIT)
			op_end(s, op, CODE_OK, NULL);
		else
			i++;
	}
}

static void reload(struct step *s)
{
	struct task *t = s->t;

	for (uint32_t i = 0; i < t->n_ops; i++)
		if (t->ops[i].issued)
			op_reorder(s, &t->ops[i]);
	if (t->state != TASK_DRAINING)
		return;
	if (t->shared_pidns)
		step_emit(s, FX_KILL_ALL, TASK_INIT);
	step_emit(s, FX_THAW, TASK_INIT);
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
		take_exit(&s);
	else if (in->type == IN_OOM)
		take_oom(&s);
	else if (in->type == IN_CANCEL)
		cancel(&s);
	else if (in->type == IN_HANGUP)
		hangup(&s);
	else if (in->type == IN_RELOAD)
		reload(&s);
	assert(task_check(t, NULL) == 0);
}
