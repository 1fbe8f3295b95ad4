/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each method is a row: its message, and how that becomes a request. Methods that are not in the table
 * are answered by the server as unknown.
 *
 * The namespace is that of the shim, as in every other shim; some builds of containerd do not send it
 * with a call. One that is sent and differs is a call that went to the wrong shim.
 */
#include "shim/task_service.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "rpc/any.h"
#include "shim/args.h"
#include "shim/options.h"
#include "shim/stats_message.h"

#include "proto/options.pb-c.h"
#include "proto/task.pb-c.h"

static_assert((int)CODE_NOT_FOUND == RPC_NOT_FOUND && (int)CODE_UNAVAILABLE == RPC_UNAVAILABLE,
	"both speak gRPC's numbers");
static_assert((int)STATUS_PAUSING == PB__TASK__STATUS__PAUSING, "the numbers of the message");

typedef int convert_fn(
	const ProtobufCMessage *base, struct arena *arena, struct request *out, struct err *err);

/* ---- requests ---- */

static int convert_mounts(Pb__Mount *const *rows, size_t n, struct arena *arena,
	const struct request_mount **ret, struct err *err)
{
	struct request_mount *out = arena_calloc(arena, n + 1, sizeof(*out));

	if (!out)
		return err_oom(err);
	for (size_t i = 0; i < n; i++)
		out[i] = (struct request_mount){
			.type = rows[i]->type,
			.source = rows[i]->source,
			.target = rows[i]->target,
			.options = (const char *const *)rows[i]->options,
			.n_options = rows[i]->n_options,
		};
	*ret = out;
	return 0;
}

static int convert_create(
	const ProtobufCMessage *base, struct arena *arena, struct request *out, struct err *err)
{
	const Pb__Task__CreateRequest *m = (const void *)base;
	struct shim_options options = { 0 };
	int r;

	r = shim_check_identifier(m->id, "id", err);
	if (r == 0 && *m->bundle != '/')
		r = err_set(err, -EINVAL, "bundle '%s' is not an absolute path", m->bundle);
	if (r == 0)
		r = convert_mounts(m->rootfs, m->n_rootfs, arena, &out->create.rootfs, err);
	if (r == 0 && m->options)
		r = shim_options_decode_any(m->options->type_url, m->options->value.data,
			m->options->value.len, arena, &options, err);
	if (r < 0)
		return r;
	out->id = m->id;
	out->create.bundle = m->bundle;
	out->create.n_rootfs = m->n_rootfs;
	out->create.stdio = (struct request_stdio){ m->stdin, m->stdout, m->stderr, m->terminal };
	out->create.checkpoint = m->checkpoint;
	out->create.parent_checkpoint = m->parent_checkpoint;
	out->create.options = options.run;
	return 0;
}

static int convert_exec(
	const ProtobufCMessage *base, struct arena *arena, struct request *out, struct err *err)
{
	const Pb__Task__ExecRequest *m = (const void *)base;
	int r = shim_check_identifier(m->exec_id, "exec id", err);

	if (r < 0)
		return r;
	if (!m->spec)
		return err_set(err, -EINVAL, "exec '%s' has no spec", m->exec_id);
	out->id = m->id;
	out->exec_id = m->exec_id;
	out->exec.stdio = (struct request_stdio){ m->stdin, m->stdout, m->stderr, m->terminal };
	/* JSON, whatever its type says it is. */
	out->exec.spec = (const char *)m->spec->value.data;
	out->exec.spec_size = m->spec->value.len;
	return 0;
}

static int convert_update(
	const ProtobufCMessage *base, struct arena *arena, struct request *out, struct err *err)
{
	const Pb__Task__UpdateRequest *m = (const void *)base;

	if (!m->resources)
		return err_set(err, -EINVAL, "update of '%s' has no resources", m->id);
	out->id = m->id;
	out->update.resources = (const char *)m->resources->value.data;
	out->update.size = m->resources->value.len;
	return 0;
}

static int convert_checkpoint(
	const ProtobufCMessage *base, struct arena *arena, struct request *out, struct err *err)
{
	const Pb__Task__CheckpointRequest *m = (const void *)base;
	int r = 0;

	out->id = m->id;
	out->checkpoint.path = m->path;
	if (m->options)
		r = shim_checkpoint_options_decode(m->options->type_url, m->options->value.data,
			m->options->value.len, arena, &out->checkpoint, err);
	if (r == 0 && (str_empty(out->checkpoint.path) || *out->checkpoint.path != '/'))
		r = err_set(err, -EINVAL, "path '%s' of the checkpoint is not absolute",
			out->checkpoint.path ? out->checkpoint.path : "");
	return r;
}

static int convert_kill(
	const ProtobufCMessage *base, struct arena *arena, struct request *out, struct err *err)
{
	const Pb__Task__KillRequest *m = (const void *)base;

	out->id = m->id;
	out->exec_id = m->exec_id;
	out->kill.signal = m->signal;
	out->kill.all = m->all;
	return 0;
}

static int convert_resize(
	const ProtobufCMessage *base, struct arena *arena, struct request *out, struct err *err)
{
	const Pb__Task__ResizePtyRequest *m = (const void *)base;

	out->id = m->id;
	out->exec_id = m->exec_id;
	out->resize.width = m->width;
	out->resize.height = m->height;
	return 0;
}

/* The rest name a process, or a task, and say no more. */
#define CONVERT_PROCESS(name, type) \
	static int convert_##name(const ProtobufCMessage *base, struct arena *arena, \
		struct request *out, struct err *err) \
	{ \
		out->id = ((const type *)(const void *)base)->id; \
		out->exec_id = ((const type *)(const void *)base)->exec_id; \
		return 0; \
	}
#define CONVERT_TASK(name, type) \
	static int convert_##name(const ProtobufCMessage *base, struct arena *arena, \
		struct request *out, struct err *err) \
	{ \
		out->id = ((const type *)(const void *)base)->id; \
		return 0; \
	}

CONVERT_PROCESS(start, Pb__Task__StartRequest)
CONVERT_PROCESS(delete, Pb__Task__DeleteRequest)
CONVERT_PROCESS(state, Pb__Task__StateRequest)
CONVERT_PROCESS(close_io, Pb__Task__CloseIORequest)
CONVERT_PROCESS(wait, Pb__Task__WaitRequest)
CONVERT_TASK(pids, Pb__Task__PidsRequest)
CONVERT_TASK(pause, Pb__Task__PauseRequest)
CONVERT_TASK(resume, Pb__Task__ResumeRequest)
CONVERT_TASK(stats, Pb__Task__StatsRequest)
CONVERT_TASK(connect, Pb__Task__ConnectRequest)
CONVERT_TASK(shutdown, Pb__Task__ShutdownRequest)

static convert_fn *const convert[REQ_TYPES_] = {
	[REQ_CREATE] = convert_create,
	[REQ_START] = convert_start,
	[REQ_DELETE] = convert_delete,
	[REQ_EXEC] = convert_exec,
	[REQ_STATE] = convert_state,
	[REQ_PIDS] = convert_pids,
	[REQ_PAUSE] = convert_pause,
	[REQ_RESUME] = convert_resume,
	[REQ_CHECKPOINT] = convert_checkpoint,
	[REQ_KILL] = convert_kill,
	[REQ_RESIZE_PTY] = convert_resize,
	[REQ_CLOSE_IO] = convert_close_io,
	[REQ_UPDATE] = convert_update,
	[REQ_WAIT] = convert_wait,
	[REQ_STATS] = convert_stats,
	[REQ_CONNECT] = convert_connect,
	[REQ_SHUTDOWN] = convert_shutdown,
};

static void handle(void *arg, const struct rpc_request *req)
{
	auto_done(arena) struct arena arena = { 0 };
	struct task_service *s = arg;
	struct request out = {
		.type = (enum request_type)req->method->kind,
		.ns = s->ns,
		.deadline_boot_ns = req->deadline_boot_ns,
	};
	char text[STATUS_TEXT_SIZE];
	struct err err = { 0 };
	int r = 0;

	/* Nobody waits for the answer: nothing is begun for it. */
	if (req->deadline_boot_ns && req->deadline_boot_ns <= clock_boot_ns()) {
		ttrpc_reply(s->server, req->addr, RPC_DEADLINE_EXCEEDED,
			"context deadline exceeded", NULL, 0);
		return;
	}
	if (req->ns && !str_eq(req->ns, s->ns))
		r = err_set(&err, -EINVAL, "namespace '%s' is not served here", req->ns);
	if (r == 0)
		r = convert[out.type](req->message, &arena, &out, &err);
	if (r < 0) {
		ttrpc_reply(s->server, req->addr, status_from_errno(r),
			status_text(status_from_errno(r), err.text, text, sizeof(text)), NULL, 0);
		return;
	}
	s->submit(s->arg, (struct task_addr){ req->addr.conn, req->addr.stream }, &out);
}

// clang-format off
static const struct rpc_method methods[] = {
	{ "State",     &pb__task__state_request__descriptor,      REQ_STATE,      handle },
	{ "Create",    &pb__task__create_request__descriptor,     REQ_CREATE,     handle },
	{ "Start",     &pb__task__start_request__descriptor,      REQ_START,      handle },
	{ "Delete",    &pb__task__delete_request__descriptor,     REQ_DELETE,     handle },
	{ "Pids",      &pb__task__pids_request__descriptor,       REQ_PIDS,       handle },
	{ "Pause",     &pb__task__pause_request__descriptor,      REQ_PAUSE,      handle },
	{ "Resume",    &pb__task__resume_request__descriptor,     REQ_RESUME,     handle },
	{ "Checkpoint",&pb__task__checkpoint_request__descriptor, REQ_CHECKPOINT, handle },
	{ "Kill",      &pb__task__kill_request__descriptor,       REQ_KILL,       handle },
	{ "Exec",      &pb__task__exec_request__descriptor,       REQ_EXEC,       handle },
	{ "ResizePty", &pb__task__resize_pty_request__descriptor, REQ_RESIZE_PTY, handle },
	{ "CloseIO",   &pb__task__close_iorequest__descriptor,    REQ_CLOSE_IO,   handle },
	{ "Update",    &pb__task__update_request__descriptor,     REQ_UPDATE,     handle },
	{ "Wait",      &pb__task__wait_request__descriptor,       REQ_WAIT,       handle },
	{ "Stats",     &pb__task__stats_request__descriptor,      REQ_STATS,      handle },
	{ "Connect",   &pb__task__connect_request__descriptor,    REQ_CONNECT,    handle },
	{ "Shutdown",  &pb__task__shutdown_request__descriptor,   REQ_SHUTDOWN,   handle },
};
// clang-format on

const struct rpc_service task_service_table[2] = {
	{ "containerd.task.v2.Task", methods, ARRAY_LEN(methods) },
	{ "containerd.task.v3.Task", methods, ARRAY_LEN(methods) },
};

/* ---- responses ---- */

static char *text(const char *s)
{
	return s ? (char *)s : (char *)"";
}

static void reply_delete(struct task_service *s, struct rpc_addr to, const struct response *r)
{
	Pb__Task__DeleteResponse m = PB__TASK__DELETE_RESPONSE__INIT;
	Pb__Timestamp at;

	message_set_time(&at, r->exited_wall_ns);
	m.pid = r->pid;
	m.exit_status = r->exit_status;
	m.exited_at = &at;
	ttrpc_reply_message(s->server, to, &m.base);
}

static void reply_wait(struct task_service *s, struct rpc_addr to, const struct response *r)
{
	Pb__Task__WaitResponse m = PB__TASK__WAIT_RESPONSE__INIT;
	Pb__Timestamp at;

	message_set_time(&at, r->exited_wall_ns);
	m.exit_status = r->exit_status;
	m.exited_at = &at;
	ttrpc_reply_message(s->server, to, &m.base);
}

static void reply_state(struct task_service *s, struct rpc_addr to, const struct response *r)
{
	Pb__Task__StateResponse m = PB__TASK__STATE_RESPONSE__INIT;
	Pb__Timestamp at;

	message_set_time(&at, r->exited_wall_ns);
	m.id = text(r->state.id);
	m.bundle = text(r->state.bundle);
	m.pid = r->pid;
	m.status = (Pb__Task__Status)r->state.status;
	m.stdin = text(r->state.stdio.in);
	m.stdout = text(r->state.stdio.out);
	m.stderr = text(r->state.stdio.err);
	m.terminal = r->state.stdio.terminal;
	m.exit_status = r->exit_status;
	m.exited_at = &at;
	ttrpc_reply_message(s->server, to, &m.base);
}

static Pb__Task__ProcessInfo *process_info(const struct response_pid *p, struct arena *arena)
{
	Pb__Task__ProcessInfo *info = arena_alloc(arena, sizeof(*info));
	Pb__Options__ProcessDetails details = PB__OPTIONS__PROCESS_DETAILS__INIT;

	if (!info)
		return NULL;
	pb__task__process_info__init(info);
	info->pid = p->pid;
	if (str_empty(p->exec_id))
		return info;
	info->info = arena_alloc(arena, sizeof(*info->info));
	if (!info->info)
		return NULL;
	pb__any__init(info->info);
	info->info->type_url = (char *)ANY_PROCESS_DETAILS;
	details.exec_id = (char *)p->exec_id;
	return message_to_bytes(&details.base, arena, &info->info->value) < 0 ? NULL : info;
}

static void reply_oom(struct task_service *s, struct rpc_addr to)
{
	ttrpc_reply(s->server, to, RPC_RESOURCE_EXHAUSTED, "out of memory", NULL, 0);
}

static void reply_pids(struct task_service *s, struct rpc_addr to, const struct response *r)
{
	auto_done(arena) struct arena arena = { 0 };
	Pb__Task__PidsResponse m = PB__TASK__PIDS_RESPONSE__INIT;

	m.processes = arena_calloc(&arena, r->pids.n + 1, sizeof(void *));
	if (!m.processes)
		return reply_oom(s, to);
	for (; m.n_processes < r->pids.n; m.n_processes++) {
		m.processes[m.n_processes] = process_info(&r->pids.pids[m.n_processes], &arena);
		if (!m.processes[m.n_processes])
			return reply_oom(s, to);
	}
	ttrpc_reply_message(s->server, to, &m.base);
}

static void reply_stats(struct task_service *s, struct rpc_addr to, const struct response *r)
{
	auto_done(arena) struct arena arena = { 0 };
	Pb__Task__StatsResponse m = PB__TASK__STATS_RESPONSE__INIT;
	Pb__Any any = PB__ANY__INIT;

	if (stats_message_encode(r->stats.stats, &arena, &any) < 0)
		return reply_oom(s, to);
	m.stats = &any;
	ttrpc_reply_message(s->server, to, &m.base);
}

static void reply_connect(struct task_service *s, struct rpc_addr to, const struct response *r)
{
	Pb__Task__ConnectResponse m = PB__TASK__CONNECT_RESPONSE__INIT;

	m.shim_pid = r->connect.shim_pid;
	m.task_pid = r->connect.task_pid;
	ttrpc_reply_message(s->server, to, &m.base);
	if (r->connect.task_pid == 0 && s->sought)
		s->sought(s->arg);
}

/* Create and Start: the same message. */
static void reply_pid(struct task_service *s, struct rpc_addr to, const struct response *r)
{
	Pb__Task__StartResponse m = PB__TASK__START_RESPONSE__INIT;

	m.pid = r->pid;
	ttrpc_reply_message(s->server, to, &m.base);
}

void task_service_reply(struct task_service *s, struct task_addr from, const struct response *r)
{
	struct rpc_addr to = { from.conn, (uint32_t)from.stream };

	if (r->code != CODE_OK)
		return ttrpc_reply(
			s->server, to, (enum status_code)r->code, text(r->text), NULL, 0);
	switch (r->type) {
	case REQ_CREATE:
	case REQ_START:
		return reply_pid(s, to, r);
	case REQ_DELETE:
		return reply_delete(s, to, r);
	case REQ_STATE:
		return reply_state(s, to, r);
	case REQ_PIDS:
		return reply_pids(s, to, r);
	case REQ_WAIT:
		return reply_wait(s, to, r);
	case REQ_STATS:
		return reply_stats(s, to, r);
	case REQ_CONNECT:
		return reply_connect(s, to, r);
	case REQ_EXEC:
	case REQ_PAUSE:
	case REQ_RESUME:
	case REQ_CHECKPOINT:
	case REQ_KILL:
	case REQ_RESIZE_PTY:
	case REQ_CLOSE_IO:
	case REQ_UPDATE:
	case REQ_SHUTDOWN:
	case REQ_TYPES_:
		ttrpc_reply(s->server, to, RPC_OK, NULL, NULL, 0);
	}
}
