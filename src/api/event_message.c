/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: the exit of an init names the container twice, as container and as process, while
 * the exit of an exec names the exec as process. A delete names no process: it is of the init only.
 */
#include "api/event_message.h"

#include <errno.h>

#include "rpc/any.h"
#include "rpc/message.h"

#include "proto/events.pb-c.h"

static char *text(const char *s)
{
	return s ? (char *)s : (char *)"";
}

static int put_event(const struct event *e, const char *url, const ProtobufCMessage *m,
	struct arena *arena, Pb__Events__Envelope **ret)
{
	struct {
		Pb__Events__Envelope envelope;
		Pb__Any any;
		Pb__Timestamp time;
	} *out = arena_alloc(arena, sizeof(*out));
	int r;

	if (!out)
		return -ENOMEM;
	pb__events__envelope__init(&out->envelope);
	pb__any__init(&out->any);
	r = message_to_bytes(m, arena, &out->any.value);
	if (r < 0)
		return r;
	out->any.type_url = (char *)url;
	message_set_time(&out->time, e->wall_ns);
	out->envelope.timestamp = &out->time;
	out->envelope.namespace_ = text(e->ns);
	out->envelope.topic = (char *)task_topic_name(e->topic);
	out->envelope.event = &out->any;
	*ret = &out->envelope;
	return 0;
}

static Pb__Mount **mounts(const struct event *e, struct arena *arena)
{
	Pb__Mount **rows = arena_calloc(arena, e->n_rootfs + 1, sizeof(void *));

	for (size_t i = 0; rows && i < e->n_rootfs; i++) {
		Pb__Mount *m = arena_alloc(arena, sizeof(*m));

		if (!m)
			return NULL;
		pb__mount__init(m);
		m->type = text(e->rootfs[i].type);
		m->source = text(e->rootfs[i].source);
		m->target = text(e->rootfs[i].target);
		m->options = (char **)(void *)e->rootfs[i].options;
		m->n_options = e->rootfs[i].n_options;
		rows[i] = m;
	}
	return rows;
}

static int put_create(const struct event *e, struct arena *arena, Pb__Events__Envelope **ret)
{
	Pb__Events__TaskCreate m = PB__EVENTS__TASK_CREATE__INIT;
	Pb__Events__TaskIO io = PB__EVENTS__TASK_IO__INIT;

	io.stdin = text(e->stdio.in);
	io.stdout = text(e->stdio.out);
	io.stderr = text(e->stdio.err);
	io.terminal = e->stdio.terminal;
	m.container_id = text(e->id);
	m.bundle = text(e->bundle);
	m.rootfs = mounts(e, arena);
	m.n_rootfs = e->n_rootfs;
	m.io = &io;
	m.checkpoint = text(e->checkpoint);
	m.pid = e->pid;
	if (!m.rootfs)
		return -ENOMEM;
	return put_event(e, ANY_EVENT("TaskCreate"), &m.base, arena, ret);
}

static int put_start(const struct event *e, struct arena *arena, Pb__Events__Envelope **ret)
{
	Pb__Events__TaskStart m = PB__EVENTS__TASK_START__INIT;

	m.container_id = text(e->id);
	m.pid = e->pid;
	return put_event(e, ANY_EVENT("TaskStart"), &m.base, arena, ret);
}

static int put_exec_added(const struct event *e, struct arena *arena, Pb__Events__Envelope **ret)
{
	Pb__Events__TaskExecAdded m = PB__EVENTS__TASK_EXEC_ADDED__INIT;

	m.container_id = text(e->id);
	m.exec_id = text(e->exec_id);
	return put_event(e, ANY_EVENT("TaskExecAdded"), &m.base, arena, ret);
}

static int put_exec_started(const struct event *e, struct arena *arena, Pb__Events__Envelope **ret)
{
	Pb__Events__TaskExecStarted m = PB__EVENTS__TASK_EXEC_STARTED__INIT;

	m.container_id = text(e->id);
	m.exec_id = text(e->exec_id);
	m.pid = e->pid;
	return put_event(e, ANY_EVENT("TaskExecStarted"), &m.base, arena, ret);
}

static int put_oom(const struct event *e, struct arena *arena, Pb__Events__Envelope **ret)
{
	Pb__Events__TaskOOM m = PB__EVENTS__TASK_OOM__INIT;

	m.container_id = text(e->id);
	return put_event(e, ANY_EVENT("TaskOOM"), &m.base, arena, ret);
}

static int put_paused(const struct event *e, struct arena *arena, Pb__Events__Envelope **ret)
{
	Pb__Events__TaskPaused m = PB__EVENTS__TASK_PAUSED__INIT;

	m.container_id = text(e->id);
	return put_event(e, ANY_EVENT("TaskPaused"), &m.base, arena, ret);
}

static int put_resumed(const struct event *e, struct arena *arena, Pb__Events__Envelope **ret)
{
	Pb__Events__TaskResumed m = PB__EVENTS__TASK_RESUMED__INIT;

	m.container_id = text(e->id);
	return put_event(e, ANY_EVENT("TaskResumed"), &m.base, arena, ret);
}

static int put_checkpointed(const struct event *e, struct arena *arena, Pb__Events__Envelope **ret)
{
	Pb__Events__TaskCheckpointed m = PB__EVENTS__TASK_CHECKPOINTED__INIT;

	m.container_id = text(e->id);
	m.checkpoint = text(e->checkpoint);
	return put_event(e, ANY_EVENT("TaskCheckpointed"), &m.base, arena, ret);
}

static int put_exit(const struct event *e, struct arena *arena, Pb__Events__Envelope **ret)
{
	Pb__Events__TaskExit m = PB__EVENTS__TASK_EXIT__INIT;
	Pb__Timestamp time;

	message_set_time(&time, e->exited_wall_ns);
	m.container_id = text(e->id);
	m.id = text(str_empty(e->exec_id) ? e->id : e->exec_id);
	m.pid = e->pid;
	m.exit_status = e->exit_status;
	m.exited_at = &time;
	return put_event(e, ANY_EVENT("TaskExit"), &m.base, arena, ret);
}

static int put_delete(const struct event *e, struct arena *arena, Pb__Events__Envelope **ret)
{
	Pb__Events__TaskDelete m = PB__EVENTS__TASK_DELETE__INIT;
	Pb__Timestamp time;

	message_set_time(&time, e->exited_wall_ns);
	m.container_id = text(e->id);
	m.pid = e->pid;
	m.exit_status = e->exit_status;
	m.exited_at = &time;
	return put_event(e, ANY_EVENT("TaskDelete"), &m.base, arena, ret);
}

typedef int put_fn(const struct event *e, struct arena *arena, Pb__Events__Envelope **ret);

static put_fn *const put[TOPICS_] = {
	[TOPIC_CREATE] = put_create,
	[TOPIC_START] = put_start,
	[TOPIC_EXEC_ADDED] = put_exec_added,
	[TOPIC_EXEC_STARTED] = put_exec_started,
	[TOPIC_OOM] = put_oom,
	[TOPIC_PAUSED] = put_paused,
	[TOPIC_RESUMED] = put_resumed,
	[TOPIC_CHECKPOINTED] = put_checkpointed,
	[TOPIC_EXIT] = put_exit,
	[TOPIC_DELETE] = put_delete,
};

int event_message_make(const struct event *e, struct arena *arena, Pb__Events__Envelope **ret)
{
	if ((size_t)e->topic >= ARRAY_LEN(put) || !put[e->topic])
		return -EINVAL;
	return put[e->topic](e, arena, ret);
}

int event_message_encode(const struct event *e, struct buf *out)
{
	auto_done(arena) struct arena arena = { 0 };
	Pb__Events__ForwardRequest request = PB__EVENTS__FORWARD_REQUEST__INIT;
	int r = event_message_make(e, &arena, &request.envelope);

	if (r < 0)
		return r;
	message_encode(&request.base, out);
	return buf_ok(out);
}
