/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Perform: one effect after the other, in the order of the list. What surprises: an input is durable before
 * its effects are performed, and as long as no guardian keeps the log that means the one file from which
 * the shim's `delete` tells the init's exit.
 */
#include "supervisor/perform.h"

#include <fcntl.h>

#include "base/fd.h"
#include "supervisor/bundle_record.h"
#include "supervisor/job.h"
#include "supervisor/tell.h"

static const struct backend *backend_of(const struct held_task *t)
{
	return t->sup->config.backend;
}

static void save_bundle_record(struct held_task *t, bool exited)
{
	const struct task_proc *init = &t->core.init;
	auto_close int bundle =
		fd_open(t->init.payload.request.create.bundle, O_PATH | O_DIRECTORY, 0);
	struct bundle_record r = {
		.root = t->container ? backend_of(t)->state_root(t->container) : NULL,
		.program = t->container && backend_of(t)->program
				   ? backend_of(t)->program(t->container)
				   : NULL,
		.systemd_cgroup = t->init.payload.request.create.options.systemd_cgroup,
		.pid = init->pid,
		.exited = exited,
		.exit_status = exited ? task_exit_status(init) : 0,
		.exited_wall_ns = exited ? init->exit_wall_ns : 0,
	};
	struct err err = { 0 };

	if (bundle < 0)
		err_code(&err, bundle, "open bundle '%s'", t->init.payload.request.create.bundle);
	else
		bundle_record_save(bundle, &r, &err);
	if (err.code && t->sup->config.log)
		log_write(t->sup->config.log, LOG_WARN_, "%s/%s: %s", t->ns, t->core.id, err.text);
}

/*
 * The input is durable from here on. Until a guardian keeps the log, what must outlive us is what
 * `delete` tells: which container there is, and how its init ended.
 */
static void make_durable(struct held_task *t, const struct task_input *in)
{
	const struct task_proc *init = &t->core.init;
	struct supervisor *sup = t->sup;

	if (sup->config.sink->log)
		sup->config.sink->log(sup->config.sink_arg, t->ns, t->core.id, in);
	if (init->pid == 0)
		return;
	if (init->exited && !t->exit_saved) {
		t->exit_saved = true;
		save_bundle_record(t, true);
	} else if (in->type == IN_DONE && in->pid == init->pid) {
		save_bundle_record(t, false);
	}
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
	job_forget_process(p);
	process_io_close(&p->io);
	payload_done(&p->payload);
}

static void exec_gone(struct held_task *t, uint32_t slot)
{
	struct held_proc *p = t->execs[slot];

	proc_done(p);
	*p = (struct held_proc){ .task = t, .slot = slot, .who = PIDREF_NULL };
}

void perform_stop(struct held_task *t)
{
	for (uint32_t i = 0; i < t->core.cap_execs; i++)
		proc_done(t->execs[i]);
	proc_done(&t->init);
	if (t->container)
		backend_of(t)->free(t->container);
	t->container = NULL;
	job_drop_all(t);
}

static void perform(struct held_task *t, const struct task_input *in, const struct effect *e)
{
	switch (e->type) {
	case FX_LOG:
		make_durable(t, in);
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
		backend_of(t)->kill_all(t->container);
		break;
	case FX_THAW:
		backend_of(t)->thaw(t->container);
		break;
	case FX_EXEC_NEW:
		exec_new(t, e->exec);
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
	case FX_EVENT:
		tell_event(t, e);
		break;
	case FX_EXEC_GONE:
		exec_gone(t, e->exec);
		break;
	case FX_GONE:
		held_task_leave(t);
		break;
	case EFFECTS_:
		break;
	}
}

void perform_effects(struct held_task *t, const struct task_input *in, const struct effects *fx)
{
	for (size_t i = 0; i < fx->n; i++)
		perform(t, in, &fx->v[i]);
}
