/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each method is a row: how its message becomes a request. An answer without a message of its own is Empty: no bytes.
 */
#include "api/task_message.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "api/stats_message.h"
#include "api/task_name.h"
#include "api/task_options.h"
#include "rpc/any.h"
#include "rpc/status.h"

#include "proto/options.pb-c.h"
#include "proto/task.pb-c.h"

static_assert((int)CODE_NOT_FOUND == RPC_NOT_FOUND && (int)CODE_UNAVAILABLE == RPC_UNAVAILABLE,
	"both speak gRPC's numbers");
static_assert((int)STATUS_PAUSING == PB__TASK__STATUS__PAUSING, "the numbers of the message");

/* ---- requests ---- */

typedef int convert_fn(
	const ProtobufCMessage *base, struct arena *arena, struct request *out, struct err *err);

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
	struct task_options options = { 0 };
	int r;

	r = task_name_check(m->id, "id", err);
	if (r == 0 && *m->bundle != '/')
		r = err_set(err, -EINVAL, "bundle '%s' is not an absolute path", m->bundle);
	if (r == 0)
		r = convert_mounts(m->rootfs, m->n_rootfs, arena, &out->create.rootfs, err);
	if (r == 0 && m->options)
		r = task_options_decode_any(m->options->type_url, m->options->value.data,
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
	int r = task_name_check(m->exec_id, "exec id", err);

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
		r = task_options_decode_checkpoint(m->options->type_url, m->options->value.data,
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

int task_message_decode(
	const ProtobufCMessage *message, struct arena *arena, struct request *r, struct err *err)
{
	return convert[r->type](message, arena, r, err);
}

/* ---- responses ---- */

static char *text(const char *s)
{
	return s ? (char *)s : (char *)"";
}

static void put_delete(const struct response *r, struct buf *out)
{
	Pb__Task__DeleteResponse m = PB__TASK__DELETE_RESPONSE__INIT;
	Pb__Timestamp at;

	message_set_time(&at, r->exited_wall_ns);
	m.pid = r->pid;
	m.exit_status = r->exit_status;
	m.exited_at = &at;
	message_encode(&m.base, out);
}

static void put_wait(const struct response *r, struct buf *out)
{
	Pb__Task__WaitResponse m = PB__TASK__WAIT_RESPONSE__INIT;
	Pb__Timestamp at;

	message_set_time(&at, r->exited_wall_ns);
	m.exit_status = r->exit_status;
	m.exited_at = &at;
	message_encode(&m.base, out);
}

static void put_state(const struct response *r, struct buf *out)
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
	message_encode(&m.base, out);
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

static int put_pids(const struct response *r, struct buf *out)
{
	auto_done(arena) struct arena arena = { 0 };
	Pb__Task__PidsResponse m = PB__TASK__PIDS_RESPONSE__INIT;

	m.processes = arena_calloc(&arena, r->pids.n + 1, sizeof(void *));
	if (!m.processes)
		return -ENOMEM;
	for (; m.n_processes < r->pids.n; m.n_processes++) {
		m.processes[m.n_processes] = process_info(&r->pids.pids[m.n_processes], &arena);
		if (!m.processes[m.n_processes])
			return -ENOMEM;
	}
	message_encode(&m.base, out);
	return 0;
}

static int put_stats(const struct response *r, struct buf *out)
{
	auto_done(arena) struct arena arena = { 0 };
	Pb__Task__StatsResponse m = PB__TASK__STATS_RESPONSE__INIT;
	Pb__Any any = PB__ANY__INIT;

	if (stats_message_encode(r->stats.stats, &arena, &any) < 0)
		return -ENOMEM;
	m.stats = &any;
	message_encode(&m.base, out);
	return 0;
}

static void put_connect(const struct response *r, struct buf *out)
{
	Pb__Task__ConnectResponse m = PB__TASK__CONNECT_RESPONSE__INIT;

	m.shim_pid = r->connect.shim_pid;
	m.task_pid = r->connect.task_pid;
	message_encode(&m.base, out);
}

/* Create and Start: the same message. */
static void put_pid(const struct response *r, struct buf *out)
{
	Pb__Task__StartResponse m = PB__TASK__START_RESPONSE__INIT;

	m.pid = r->pid;
	message_encode(&m.base, out);
}

int task_message_encode(const struct response *r, struct buf *out)
{
	int failed = 0;

	switch (r->type) {
	case REQ_CREATE:
	case REQ_START:
		put_pid(r, out);
		break;
	case REQ_DELETE:
		put_delete(r, out);
		break;
	case REQ_STATE:
		put_state(r, out);
		break;
	case REQ_PIDS:
		failed = put_pids(r, out);
		break;
	case REQ_WAIT:
		put_wait(r, out);
		break;
	case REQ_STATS:
		failed = put_stats(r, out);
		break;
	case REQ_CONNECT:
		put_connect(r, out);
		break;
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
		break; /* Empty */
	}
	return failed < 0 ? failed : buf_ok(out);
}
