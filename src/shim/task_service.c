/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each method is a row: its message, and how that becomes a request. Methods that are not in the table
 * are answered by the server as unknown.
 *
 * The namespace is that of the shim, as in every other shim; some builds of containerd do not send it
 * with a call. One that is sent and differs is a call that went to the wrong shim.
 */
#include "shim/task_service.h"

#include <errno.h>
#include <string.h>

#include "api/task_message.h"
#include "base/clock.h"

#include "proto/task.pb-c.h"

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
		r = task_message_decode(req->message, &arena, &out, &err);
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

void task_service_reply(struct task_service *s, struct task_addr from, const struct response *r)
{
	struct rpc_addr to = { from.conn, (uint32_t)from.stream };
	auto_done(buf) struct buf bytes = { 0 };

	if (r->code != CODE_OK)
		return ttrpc_reply(
			s->server, to, (enum status_code)r->code, r->text ? r->text : "", NULL, 0);
	if (task_message_encode(r, &bytes) < 0)
		return ttrpc_reply(s->server, to, RPC_RESOURCE_EXHAUSTED, "out of memory", NULL, 0);
	ttrpc_reply(s->server, to, RPC_OK, NULL, bytes.data, bytes.len);
	if (r->type == REQ_CONNECT && r->connect.task_pid == 0 && s->sought)
		s->sought(s->arg);
}
