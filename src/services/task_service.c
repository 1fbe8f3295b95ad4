/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks: containerd's Tasks service on the task manager (spec/manager.md 3.4). Most methods are one
 * call of the shim, whose messages have the same fields under other names: they go through as they
 * are. A method looks for the container first, for that is what clients know by the id.
 *
 * What surprises: a failure comes back with the code and the text of the shim, and the shim's
 * answer is not looked into where it is the client's already.
 */
#include "services/task_call.h"

#include <errno.h>
#include <string.h>

#include "api/task_options.h"
#include "base/clock.h"
#include "base/str.h"
#include "manager/identifier.h"
#include "services/services.h"
#include "services/task_checkpoint.h"

enum {
	CREATE,
	START,
	DELETE,
	DELETE_PROCESS,
	GET,
	LIST,
	KILL,
	EXEC,
	RESIZE_PTY,
	CLOSE_IO,
	PAUSE,
	RESUME,
	LIST_PIDS,
	CHECKPOINT,
	UPDATE,
	METRICS,
	WAIT,
};

/* ---- what is called ---- */

/* The string with this field number; the id of a request is its first, the exec's mostly its second. */
static const char *text_of(const ProtobufCMessage *m, unsigned int number)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field(m->descriptor, number);
	const void *at = f ? (const char *)m + f->offset : NULL;

	if (!f || f->type != PROTOBUF_C_TYPE_STRING)
		return "";
	return *(const char *const *)at;
}

static const char *exec_of(const ProtobufCMessage *m)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "exec_id");

	return f ? text_of(m, f->id) : "";
}

int task_call_container(struct core_call *c, const char *id, Pb__Api__Container **ret)
{
	ProtobufCMessage *m = NULL;
	int r = core_load(c, STORE_CONTAINER, c->ns, id, &pb__api__container__descriptor, &m);

	*ret = (Pb__Api__Container *)(void *)m;
	if (r == -ENOENT)
		return err_set(
			c->err, r, "container %s in namespace \"%s\"", core_quote(c, id), c->ns);
	return r;
}

int task_call_find(struct core_call *c, const char *id)
{
	struct store_item item;
	int r = store_get(c->core->store, STORE_CONTAINER, c->ns, id, c->arena, &item, c->err);

	if (r == -ENOENT)
		return err_set(
			c->err, r, "container %s in namespace \"%s\"", core_quote(c, id), c->ns);
	if (r == 0 && !task_manager_has(tasks_manager(c->core->tasks), c->ns, id))
		return err_set(c->err, -ENOENT, "task %s not found", id);
	return r;
}

/* ---- answers ---- */

struct call;
typedef void call_reply_fn(struct call *call, const struct shim_answer *a);

struct call {
	struct task_order order;
	struct rpc_door *door;
	struct rpc_addr addr;
	call_reply_fn *reply;
	char *id, *exec_id;
};

static void call_free(struct call *call)
{
	free(call->id);
	free(call->exec_id);
	free(call);
}

static void reply_failure(struct call *call, enum status_code code, const char *detail)
{
	char text[STATUS_TEXT_SIZE];

	rpc_reply(call->door, call->addr, code, status_text(code, detail, text, sizeof(text)), NULL,
		0);
}

static void on_answered(struct task_order *o, const struct shim_answer *a)
{
	struct call *call = container_of(o, struct call, order);

	if (a && a->code == RPC_OK)
		call->reply(call, a);
	else if (a)
		reply_failure(call, a->code, a->text);
	call_free(call);
}

/* The shim's answer is the client's. */
static void reply_same(struct call *call, const struct shim_answer *a)
{
	rpc_reply(call->door, call->addr, RPC_OK, "", a->payload, a->size);
}

static const ProtobufCMessage *decode(struct call *call, const struct shim_answer *a,
	const ProtobufCMessageDescriptor *type, struct arena *arena)
{
	const ProtobufCMessage *m = NULL;
	struct err err;

	if (message_decode(type, a->payload, a->size, arena, &m, &err) == 0)
		return m;
	reply_failure(call, RPC_INTERNAL, "the shim's answer cannot be read");
	return NULL;
}

static void reply_create(struct call *call, const struct shim_answer *a)
{
	auto_done(arena) struct arena arena = { 0 };
	Pb__Tasks__CreateResponse m = PB__TASKS__CREATE_RESPONSE__INIT;
	const Pb__Task__CreateResponse *in =
		(const void *)decode(call, a, &pb__task__create_response__descriptor, &arena);

	if (!in)
		return;
	m.container_id = call->id;
	m.pid = in->pid;
	rpc_reply_message(call->door, call->addr, &m.base);
}

static void reply_delete(struct call *call, const struct shim_answer *a)
{
	auto_done(arena) struct arena arena = { 0 };
	Pb__Tasks__DeleteResponse m = PB__TASKS__DELETE_RESPONSE__INIT;
	const Pb__Task__DeleteResponse *in =
		(const void *)decode(call, a, &pb__task__delete_response__descriptor, &arena);

	if (!in)
		return;
	m.id = call->exec_id;
	m.pid = in->pid;
	m.exit_status = in->exit_status;
	m.exited_at = in->exited_at;
	rpc_reply_message(call->door, call->addr, &m.base);
}

int task_call_process(
	const struct shim_answer *a, const char *id, struct arena *arena, Pb__Tasks__Process **ret)
{
	Pb__Tasks__Process *p = arena_calloc(arena, 1, sizeof(*p));
	const Pb__Task__StateResponse *s;
	const ProtobufCMessage *m = NULL;
	int r;

	if (!p)
		return -ENOMEM;
	r = message_decode(
		&pb__task__state_response__descriptor, a->payload, a->size, arena, &m, NULL);
	if (r < 0)
		return r;
	s = (const Pb__Task__StateResponse *)(const void *)m;
	pb__tasks__process__init(p);
	p->id = (char *)id;
	p->pid = s->pid;
	p->status = (uint32_t)s->status;
	p->stdin = s->stdin;
	p->stdout = s->stdout;
	p->stderr = s->stderr;
	p->terminal = s->terminal;
	p->exit_status = s->exit_status;
	p->exited_at = s->exited_at;
	*ret = p;
	return 0;
}

static void reply_get(struct call *call, const struct shim_answer *a)
{
	auto_done(arena) struct arena arena = { 0 };
	Pb__Tasks__GetResponse m = PB__TASKS__GET_RESPONSE__INIT;
	const char *id = *call->exec_id ? call->exec_id : call->id;

	if (task_call_process(a, id, &arena, &m.process) < 0)
		return reply_failure(call, RPC_INTERNAL, "the shim's answer cannot be read");
	rpc_reply_message(call->door, call->addr, &m.base);
}

/* ---- calls ---- */

static int call_new(struct core_call *c, const char *id, const char *exec_id, call_reply_fn *reply,
	struct call **ret)
{
	struct call *call = mem_calloc(1, sizeof(*call));

	if (!call)
		return err_oom(c->err);
	call->door = c->req->door;
	call->addr = c->req->addr;
	call->reply = reply;
	call->id = strdup(id);
	call->exec_id = strdup(exec_id);
	if (!call->id || !call->exec_id) {
		call_free(call);
		return err_oom(c->err);
	}
	*ret = call;
	return 0;
}

/* Ask the shim; `m` is a request of the Task service. */
static int ask(struct core_call *c, const char *method, const ProtobufCMessage *m,
	call_reply_fn *reply, uint64_t deadline_ns)
{
	const char *id = text_of(m, 1);
	struct call *call;
	int r = task_call_find(c, id);

	if (r == 0)
		r = call_new(c, id, exec_of(m), reply, &call);
	if (r < 0)
		return r;
	c->answered = true;
	task_manager_call(tasks_manager(c->core->tasks),
		tasks_order(c->core->tasks, &call->order, on_answered), c->ns, id, method, m,
		deadline_ns);
	return 0;
}

static const char *const same[] = {
	[START] = "Start",
	[KILL] = "Kill",
	[RESIZE_PTY] = "ResizePty",
	[CLOSE_IO] = "CloseIO",
	[PAUSE] = "Pause",
	[RESUME] = "Resume",
	[LIST_PIDS] = "Pids",
	[UPDATE] = "Update",
};

static int pass(struct core_call *c)
{
	return ask(c, same[c->req->method->kind], c->req->message, reply_same,
		c->req->deadline_boot_ns);
}

static int exec(struct core_call *c)
{
	const Pb__Tasks__ExecRequest *in = (const void *)c->req->message;
	Pb__Task__ExecRequest m = PB__TASK__EXEC_REQUEST__INIT;

	int r;

	if (!*in->exec_id)
		return err_set(c->err, -EINVAL, "exec id cannot be empty");
	r = task_call_find(c, in->container_id);
	if (r < 0)
		return r;
	if (identifier_check(in->exec_id, c->err) < 0)
		return err_in(c->err, "invalid exec id %.100s", in->exec_id);
	m.id = in->container_id;
	m.exec_id = in->exec_id;
	m.terminal = in->terminal;
	m.stdin = in->stdin;
	m.stdout = in->stdout;
	m.stderr = in->stderr;
	m.spec = in->spec;
	return ask(c, "Exec", &m.base, reply_same, c->req->deadline_boot_ns);
}

/* Who asks how a task is does not want to wait for a shim that hangs. */
static int get(struct core_call *c)
{
	uint64_t deadline = clock_boot_ns() + TASK_STATE_NS;

	if (c->req->deadline_boot_ns && c->req->deadline_boot_ns < deadline)
		deadline = c->req->deadline_boot_ns;
	return ask(c, "State", c->req->message, reply_get, deadline);
}

static int delete_process(struct core_call *c)
{
	return ask(c, "Delete", c->req->message, reply_delete, c->req->deadline_boot_ns);
}

static int delete_(struct core_call *c)
{
	const Pb__Tasks__TaskId *in = (const void *)c->req->message;
	struct call *call;
	int r = task_call_find(c, in->container_id);

	if (r == 0)
		r = call_new(c, in->container_id, "", reply_delete, &call);
	if (r < 0)
		return r;
	c->answered = true;
	task_manager_delete(tasks_manager(c->core->tasks),
		tasks_order(c->core->tasks, &call->order, on_answered), c->ns, in->container_id);
	return 0;
}

static int wait_(struct core_call *c)
{
	const Pb__Task__WaitRequest *in = (const void *)c->req->message;
	int r = task_call_find(c, in->id);

	if (r == 0)
		r = tasks_wait(c->core->tasks, c->req, c->ns, in->id, in->exec_id, c->err);
	c->answered = r == 0;
	return r;
}

/* ---- checkpoints ---- */

/* Into a directory that the client names, or as content, of which images are made. */
static int checkpoint(struct core_call *c)
{
	const Pb__Tasks__CheckpointRequest *in = (const void *)c->req->message;
	Pb__Task__CheckpointRequest m = PB__TASK__CHECKPOINT_REQUEST__INIT;
	struct request_checkpoint options = { 0 };
	struct err ignored;
	int r = task_call_find(c, in->container_id);

	if (r < 0)
		return r;
	/* What is wrong with them the task says. */
	if (in->options)
		(void)task_options_decode_checkpoint(in->options->type_url, in->options->value.data,
			in->options->value.len, c->arena, &options, &ignored);
	if (str_empty(options.path))
		return task_checkpoint_make(c, in);
	m.id = in->container_id;
	m.path = (char *)options.path;
	m.options = in->options;
	return ask(c, "Checkpoint", &m.base, reply_same, c->req->deadline_boot_ns);
}

/* ---- create ---- */

static int order_create(struct core_call *c, const Pb__Tasks__CreateRequest *in,
	const Pb__Api__Container *k, const Pb__Task__CreateRequest *request, const char *take)
{
	const struct task_manager_create create = {
		.ns = c->ns,
		.id = in->container_id,
		.runtime = k->runtime ? k->runtime->name : "",
		.runtime_path = in->runtime_path,
		.spec = k->spec ? k->spec->value.data : NULL,
		.spec_size = k->spec ? k->spec->value.len : 0,
		.runtime_options = k->runtime ? k->runtime->options : NULL,
		.request = request,
		.take_checkpoint = take,
		.deadline_boot_ns = c->req->deadline_boot_ns,
	};
	struct call *call;
	int r = tasks_check_room(c->core->tasks, c->err);

	if (r == 0)
		r = call_new(c, in->container_id, "", reply_create, &call);
	if (r < 0)
		return r;
	c->answered = true;
	task_manager_create(tasks_manager(c->core->tasks),
		tasks_order(c->core->tasks, &call->order, on_answered), &create);
	return 0;
}

/* checkpoint: a directory to restore the task from; NULL: it begins anew. take: the task gets that directory for its own. */
static int create_from(struct core_call *c, const char *checkpoint, const char *take)
{
	const Pb__Tasks__CreateRequest *in = (const void *)c->req->message;
	Pb__Task__CreateRequest m = PB__TASK__CREATE_REQUEST__INIT;
	Pb__Api__Container *k = NULL;
	int r = task_call_container(c, in->container_id, &k);

	if (r < 0)
		return r;
	m.rootfs = in->rootfs;
	m.n_rootfs = in->n_rootfs;
	m.terminal = in->terminal;
	m.stdin = in->stdin;
	m.stdout = in->stdout;
	m.stderr = in->stderr;
	m.options = in->options;
	if (checkpoint)
		m.checkpoint = (char *)checkpoint;
	return order_create(c, in, k, &m, take);
}

static int create_unpacked(struct core_call *c)
{
	const Pb__Tasks__CreateRequest *in = (const void *)c->req->message;
	auto_free char *path =
		task_manager_checkpoint(tasks_manager(c->core->tasks), c->ns, in->container_id);

	return path ? create_from(c, path, task_checkpoint_unpacked(c)) : err_oom(c->err);
}

static int create(struct core_call *c)
{
	const Pb__Tasks__CreateRequest *in = (const void *)c->req->message;
	struct task_options options = { 0 };
	struct err ignored;
	Pb__Api__Container *k = NULL;
	int r;

	if (in->options)
		(void)task_options_decode_any(in->options->type_url, in->options->value.data,
			in->options->value.len, c->arena, &options, &ignored);
	if (!str_empty(options.run.criu_image_path))
		return create_from(c, options.run.criu_image_path, NULL);
	if (!in->checkpoint)
		return create_from(c, NULL, NULL);
	r = task_call_container(c, in->container_id, &k);
	return r < 0 ? r : task_checkpoint_unpack(c, in->checkpoint, create_unpacked);
}

// clang-format off
static core_fn *const methods[] = {
	[CREATE] = create,
	[START] = pass,
	[DELETE] = delete_,
	[DELETE_PROCESS] = delete_process,
	[GET] = get,
	[LIST] = task_call_list,
	[KILL] = pass,
	[EXEC] = exec,
	[RESIZE_PTY] = pass,
	[CLOSE_IO] = pass,
	[PAUSE] = pass,
	[RESUME] = pass,
	[LIST_PIDS] = pass,
	[CHECKPOINT] = checkpoint,
	[UPDATE] = pass,
	[METRICS] = task_call_metrics,
	[WAIT] = wait_,
};
// clang-format on

static void handle(void *arg, const struct rpc_request *req)
{
	core_run(arg, req, methods[req->method->kind], 0);
}

// clang-format off
static const struct rpc_method rows[] = {
	{ "Create",        &pb__tasks__create_request__descriptor,    CREATE,         handle },
	{ "Start",         &pb__task__start_request__descriptor,      START,          handle },
	{ "Delete",        &pb__tasks__task_id__descriptor,           DELETE,         handle },
	{ "DeleteProcess", &pb__task__delete_request__descriptor,     DELETE_PROCESS, handle },
	{ "Get",           &pb__task__state_request__descriptor,      GET,            handle },
	{ "List",          &pb__tasks__list_request__descriptor,      LIST,           handle },
	{ "Kill",          &pb__task__kill_request__descriptor,       KILL,           handle },
	{ "Exec",          &pb__tasks__exec_request__descriptor,      EXEC,           handle },
	{ "ResizePty",     &pb__task__resize_pty_request__descriptor, RESIZE_PTY,     handle },
	{ "CloseIO",       &pb__task__close_iorequest__descriptor,    CLOSE_IO,       handle },
	{ "Pause",         &pb__task__pause_request__descriptor,      PAUSE,          handle },
	{ "Resume",        &pb__task__resume_request__descriptor,     RESUME,         handle },
	{ "ListPids",      &pb__task__pids_request__descriptor,       LIST_PIDS,      handle },
	{ "Checkpoint",    &pb__tasks__checkpoint_request__descriptor, CHECKPOINT,    handle },
	{ "Update",        &pb__task__update_request__descriptor,     UPDATE,         handle },
	{ "Metrics",       &pb__tasks__metrics_request__descriptor,   METRICS,        handle },
	{ "Wait",          &pb__task__wait_request__descriptor,       WAIT,           handle },
};
// clang-format on

const struct rpc_service tasks_service = { "containerd.services.tasks.v1.Tasks", rows,
	ARRAY_LEN(rows) };
