/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tell: fills responses and events. What surprises: Pids of a container without a process names its
 * init all the same, for containerd takes an empty list after its restart for a leaked shim and
 * destroys the task with its exit status (spec/shim.md 1.13); which pid that is the core says. Where there is no shim
 * the dead are not named: their number may be another one's.
 */
#include "supervisor/tell.h"

#include <errno.h>
#include <unistd.h>

#include "supervisor/durable.h"

static enum request_type request_of(enum input_type type)
{
	switch (type) {
	case IN_CREATE:
		return REQ_CREATE;
	case IN_START:
		return REQ_START;
	case IN_DELETE:
		return REQ_DELETE;
	case IN_EXEC:
		return REQ_EXEC;
	case IN_STATE:
		return REQ_STATE;
	case IN_PIDS:
		return REQ_PIDS;
	case IN_PAUSE:
		return REQ_PAUSE;
	case IN_RESUME:
		return REQ_RESUME;
	case IN_CHECKPOINT:
		return REQ_CHECKPOINT;
	case IN_KILL:
		return REQ_KILL;
	case IN_RESIZE:
		return REQ_RESIZE_PTY;
	case IN_CLOSE_IO:
		return REQ_CLOSE_IO;
	case IN_UPDATE:
		return REQ_UPDATE;
	case IN_WAIT:
		return REQ_WAIT;
	case IN_STATS:
		return REQ_STATS;
	default:
		return REQ_CONNECT;
	}
}

static void fill_state(struct held_task *t, const struct effect *e, struct response *r)
{
	const struct held_proc *p = held_proc_of(t, e->exec);
	bool is_exec = e->exec != TASK_INIT;

	r->state.id = is_exec ? p->payload.request.exec_id : t->core.id;
	r->state.bundle = t->init.payload.request.create.bundle;
	r->state.status = e->status;
	r->state.stdio = is_exec ? p->payload.request.exec.stdio : p->payload.request.create.stdio;
}

void tell_reply(struct supervisor *sup, struct held_task *t, const struct effect *e)
{
	struct response r = {
		.type = request_of(e->request),
		.code = e->code,
		.text = e->code == CODE_OK ? NULL : e->text,
		.pid = e->pid,
		.exit_status = e->exit_status,
		.exited_wall_ns = e->exited_wall_ns,
	};

	if (r.type == REQ_STATE && e->code == CODE_OK && t)
		fill_state(t, e, &r);
	if (r.type == REQ_CONNECT) {
		r.connect.shim_pid =
			(uint32_t)(sup->config.shim_pid ? sup->config.shim_pid : getpid());
		r.connect.task_pid = e->pid;
	}
	sup->config.sink->reply(sup->config.sink_arg, e->addr, &r);
}

void tell_event(struct held_task *t, const struct effect *e)
{
	const struct request_create *c = &t->init.payload.request.create;
	struct supervisor *sup = t->sup;
	struct event ev = {
		.topic = e->topic,
		.task = t->number,
		.sequence = e->sequence,
		.wall_ns = held_wall_ns(sup),
		.ns = t->ns,
		.id = t->core.id,
		.pid = e->pid,
		.exit_status = e->exit_status,
		.exited_wall_ns = e->exited_wall_ns,
	};

	if (durable_is_told_elsewhere(t))
		return;
	if (e->exec != TASK_INIT)
		ev.exec_id = held_proc_of(t, e->exec)->payload.request.exec_id;
	if (e->topic == TOPIC_CHECKPOINTED)
		ev.checkpoint = t->checkpoint;
	if (e->topic == TOPIC_CREATE) {
		ev.bundle = c->bundle;
		ev.rootfs = c->rootfs;
		ev.n_rootfs = c->n_rootfs;
		ev.stdio = c->stdio;
		ev.checkpoint = c->checkpoint;
	}
	sup->config.sink->event(sup->config.sink_arg, &ev);
}

static const char *exec_of_pid(const struct held_task *t, uint32_t pid)
{
	for (uint32_t i = 0; i < t->core.n_execs; i++)
		if (t->core.execs[i].state == EXEC_RUNNING && t->core.execs[i].proc.pid == pid)
			return t->core.execs[i].id;
	return NULL;
}

static bool is_named(const struct held_task *t, uint32_t init)
{
	return init > 0 && !(t->sup->config.no_shim && t->core.init.exited);
}

static int list_pids(struct held_task *t, uint32_t init, struct response *r,
	struct response_pid **ret, struct err *err)
{
	auto_free pid_t *pids = NULL;
	struct response_pid *list;
	size_t n = 0;
	int error = 0;

	if (t->container)
		error = t->sup->config.backend->pids(t->container, &pids, &n, err);
	if (error < 0)
		return error;
	list = mem_calloc(n + 1, sizeof(*list));
	if (!list)
		return err_oom(err);
	for (size_t i = 0; i < n; i++) {
		list[i].pid = (uint32_t)pids[i];
		list[i].exec_id = exec_of_pid(t, list[i].pid);
	}
	if (n == 0 && is_named(t, init))
		list[n++].pid = init;
	r->pids.pids = list;
	r->pids.n = n;
	*ret = list;
	return 0;
}

static void fail_reply(struct response *r, enum task_code code, const struct err *err)
{
	r->code = code;
	r->text = err->text;
}

void tell_pids(struct held_task *t, const struct effect *e)
{
	auto_free struct response_pid *list = NULL;
	struct response r = { .type = REQ_PIDS };
	struct err err;

	if (list_pids(t, e->pid, &r, &list, &err) < 0)
		fail_reply(&r, CODE_UNKNOWN, &err);
	t->sup->config.sink->reply(t->sup->config.sink_arg, e->addr, &r);
}

void tell_stats(struct held_task *t, const struct effect *e)
{
	struct response r = { .type = REQ_STATS };
	struct err err;
	int error = -ENOENT;

	if (t->container)
		error = t->sup->config.backend->stats(t->container, &r.stats.stats, &err);
	if (error == -ENOENT) {
		r.code = CODE_NOT_FOUND;
		r.text = "cgroup does not exist: not found";
	} else if (error == -EOPNOTSUPP) {
		fail_reply(&r, CODE_UNIMPLEMENTED, &err);
	} else if (error < 0) {
		fail_reply(&r, CODE_UNKNOWN, &err);
	}
	t->sup->config.sink->reply(t->sup->config.sink_arg, e->addr, &r);
}
