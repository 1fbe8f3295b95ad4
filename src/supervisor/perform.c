/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Perform: one effect after the other, in the order of the list. What surprises: while the journal of an earlier worker
 * is read nothing is done but to keep up with it: who is there, which orders stand, what subscribers must still hear.
 */
#include "supervisor/perform.h"

#include <stdio.h>

#include "supervisor/durable.h"
#include "supervisor/job.h"
#include "supervisor/proc.h"
#include "supervisor/recording.h"
#include "supervisor/tell.h"

static const struct backend *backend_of(const struct held_task *t)
{
	return t->sup->config.backend;
}

static void exec_new(struct held_task *t, uint32_t slot)
{
	struct held_proc *p = t->execs[slot];

	p->payload = t->sup->payload;
	t->sup->payload = (struct payload){ 0 };
}

static void proc_done(struct held_proc *p)
{
	if (!p)
		return;
	proc_forget(p);
	process_io_close(&p->io);
	payload_done(&p->payload);
}

static void exec_gone(struct held_task *t, uint32_t slot)
{
	struct held_proc *p = t->execs[slot];

	recording_end(p);
	proc_done(p);
	*p = (struct held_proc){ .task = t, .slot = slot, .who = PIDREF_NULL };
}

void perform_stop(struct held_task *t)
{
	char prefix[HELD_NAME_SIZE];

	for (uint32_t i = 0; i < t->core.cap_execs; i++)
		proc_done(t->execs[i]);
	proc_done(&t->init);
	if (t->container)
		backend_of(t)->free(t->container);
	t->container = NULL;
	job_drop_all(t);
	/* what an earlier worker had opened, and nobody came to take over */
	snprintf(prefix, sizeof(prefix), "%llu/", (unsigned long long)t->number);
	fdtable_close_prefix(t->sup->config.fds, prefix);
}

/* What is done again when the inputs are read back: who is there, and who has been told what. */
static void keep_books(struct held_task *t, const struct effect *e)
{
	switch (e->type) {
	case FX_EXEC_NEW:
		exec_new(t, e->exec);
		break;
	case FX_EVENT:
		tell_event(t, e);
		break;
	case FX_EXEC_GONE:
		exec_gone(t, e->exec);
		break;
	case FX_GONE:
		held_task_leave(t);
		break;
	default:
		break;
	}
}

static void perform(struct held_task *t, const struct task_input *in, const struct effect *e)
{
	switch (e->type) {
	case FX_LOG:
		durable_input(t, in);
		break;
	case FX_CREATE:
	case FX_START:
	case FX_EXEC_START:
	case FX_PAUSE:
	case FX_RESUME:
	case FX_UPDATE:
	case FX_CHECKPOINT:
	case FX_DRAIN:
	case FX_DELETE:
		job_order(t, e);
		break;
	case FX_RELEASE:
		job_release(t, e);
		break;
	case FX_CANCEL:
		job_cancel(t, e->op);
		break;
	case FX_KILL:
		job_kill(t, e);
		break;
	case FX_KILL_ALL:
		if (t->container)
			backend_of(t)->kill_all(t->container);
		break;
	case FX_THAW:
		if (t->container)
			backend_of(t)->thaw(t->container);
		break;
	case FX_CLOSE_IO:
		process_io_close_stdin(&held_proc_of(t, e->exec)->io);
		break;
	case FX_RESIZE:
		process_io_resize(&held_proc_of(t, e->exec)->io, e->width, e->height);
		break;
	case FX_FLUSH:
		process_io_exited(&held_proc_of(t, e->exec)->io);
		break;
	case FX_PIDS:
		tell_pids(t, e);
		break;
	case FX_STATS:
		tell_stats(t, e);
		break;
	case FX_REPLY:
		if (e->request == IN_WAIT)
			held_answered(t, e->addr);
		tell_reply(t->sup, t, e);
		break;
	case FX_EXEC_NEW:
	case FX_EVENT:
	case FX_EXEC_GONE:
	case FX_GONE:
		keep_books(t, e);
		break;
	case EFFECTS_:
		break;
	}
}

static void note(struct held_task *t, const struct effect *e)
{
	switch (e->type) {
	case FX_CREATE:
	case FX_START:
	case FX_EXEC_START:
	case FX_PAUSE:
	case FX_RESUME:
	case FX_UPDATE:
	case FX_CHECKPOINT:
	case FX_DRAIN:
	case FX_DELETE:
		job_note(t, e);
		break;
	case FX_KILL:
		if (e->op != 0)
			job_note(t, e);
		break;
	default:
		keep_books(t, e);
		break;
	}
}

void perform_note(struct held_task *t, const struct effects *fx)
{
	for (size_t i = 0; i < fx->n; i++)
		note(t, &fx->v[i]);
}

void perform_effects(struct held_task *t, const struct task_input *in, const struct effects *fx)
{
	for (size_t i = 0; i < fx->n; i++)
		perform(t, in, &fx->v[i]);
}
