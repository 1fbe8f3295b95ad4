/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States: the table of a task's states: what may follow, what containerd is told, and which calls are
 * refused as a whole, in the words of spec/shim.md 4.1. Nothing else writes a task's state.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "base/rule.h"
#include "task/machine.h"
#include "task/task.h"

#define BIT(state) (1u << (TASK_##state))

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

bool task_refused(struct step *s, enum call call)
{
	const char *text = RULE(states_permit_calls) ? rows[s->t->state].refuse[call] : NULL;

	if (text)
		step_refuse(s, CODE_UNKNOWN, text);
	return text != NULL;
}
