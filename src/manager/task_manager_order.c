/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The task manager as an object, and the orders: find the task, or say that there is none, and leave the rest to it.
 */
#include "manager/task_manager_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "manager/runtime_name.h"
#include "rpc/message.h"

static const struct shim_limits usual_limits = {
	.start_ns = 60 * NS_PER_SEC,
	.create_ns = 120 * NS_PER_SEC,
	.delete_ns = 60 * NS_PER_SEC,
	.undo_ns = 5 * NS_PER_SEC,
	.shutdown_ns = 3 * NS_PER_SEC,
	.clean_ns = 5 * NS_PER_SEC,
	.load_ns = 5 * NS_PER_SEC,
	.silent_ns = 60 * NS_PER_SEC,
	.retry_ns = NS_PER_SEC,
	.retry_max_ns = 60 * NS_PER_SEC,
};

/* `delete` has its time limit: no more of them at once than there are processors to run them. */
static unsigned int usual_cleaners(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 4 ? 4 : n > 32 ? 32 : (unsigned int)n;
}

/* ---- the object ---- */

static void on_answered(void *arg, uint64_t tag, const struct shim_answer *a)
{
	struct task_manager *m = arg;

	m->config.ops->answered(m->config.arg, tag, a);
}

static void on_event(void *arg, const struct shim_event *e)
{
	struct task_manager *m = arg;

	m->config.ops->event(m->config.arg, e);
}

static void on_published(void *arg, const Pb__Events__Envelope *e)
{
	struct task_manager *m = arg;

	if (m->config.ops->published)
		m->config.ops->published(m->config.arg, e);
}

static void on_gone(void *arg, struct shim_task *t)
{
	task_manager_remove(arg, t);
}

static void take_limit(uint64_t *to, uint64_t given)
{
	if (given)
		*to = given;
}

static struct shim_limits limits_of(const struct shim_limits *given)
{
	struct shim_limits l = usual_limits;

	take_limit(&l.start_ns, given->start_ns);
	take_limit(&l.create_ns, given->create_ns);
	take_limit(&l.delete_ns, given->delete_ns);
	take_limit(&l.undo_ns, given->undo_ns);
	take_limit(&l.shutdown_ns, given->shutdown_ns);
	take_limit(&l.clean_ns, given->clean_ns);
	take_limit(&l.load_ns, given->load_ns);
	take_limit(&l.silent_ns, given->silent_ns);
	take_limit(&l.retry_ns, given->retry_ns);
	take_limit(&l.retry_max_ns, given->retry_max_ns);
	l.cleaners = given->cleaners ? given->cleaners : usual_cleaners();
	return l;
}

static void set_host(struct task_manager *m)
{
	const struct task_manager_config *c = &m->config;

	m->host = (struct shim_host){
		.loop = c->loop,
		.log = c->log,
		.call = {
			.command = { c->loop, c->reaper, c->outside },
			.log = c->log,
			.grpc_address = c->grpc_address,
			.ttrpc_address = c->ttrpc_address,
			.publish_binary = c->program,
			.debug = c->debug,
		},
		.store = &m->store,
		.limits = limits_of(&c->limits),
		.arg = m,
		.answered = on_answered,
		.event = on_event,
		.gone = on_gone,
		.settled = task_manager_settled,
	};
}

static char *directory_of(const char *program)
{
	const char *slash = program ? strrchr(program, '/') : NULL;

	return slash ? strndup(program, slash > program ? (size_t)(slash - program) : 1) : NULL;
}

static int make_embedded(struct task_manager *m, struct err *err)
{
	const struct embedded_host host = {
		.arg = m,
		.answered = on_answered,
		.published = on_published,
	};

	return embedded_new(m->config.embedded, &host, &m->store, &m->embedded, err);
}

int task_manager_new(
	const struct task_manager_config *config, struct task_manager **ret, struct err *err)
{
	struct task_manager *m = mem_calloc(1, sizeof(*m));
	int r;

	if (!m)
		return err_oom(err);
	m->config = *config;
	m->store = BUNDLE_STORE_NULL;
	m->beside = directory_of(config->program);
	set_host(m);
	r = bundle_store_open(config->root, config->state, &m->store, err);
	if (r == 0 && config->embedded)
		r = make_embedded(m, err);
	if (r < 0)
		task_manager_free(m);
	else
		*ret = m;
	return r;
}

void task_manager_free(struct task_manager *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < TASK_MANAGER_BUCKETS; i++) {
		for (struct shim_task *t = m->buckets[i], *next; t; t = next) {
			next = shim_task_place(t)->next;
			shim_task_abandon(t);
		}
	}
	task_manager_infos_free(m);
	loop_timer_cancel(&m->load_timer);
	loop_defer_cancel(&m->load_end);
	loop_defer_cancel(&m->host.turn);
	embedded_free(m->embedded);
	bundle_store_close(&m->store);
	free(m->beside);
	free(m);
}

/* ---- orders ---- */

static void refuse(struct task_manager *m, uint64_t tag, enum status_code code, const char *text)
{
	const struct shim_answer a = { .code = code, .text = text };

	m->config.ops->answered(m->config.arg, tag, &a);
}

static void refuse_missing(struct task_manager *m, uint64_t tag, const char *id)
{
	struct err err;

	err_set(&err, -ENOENT, "task %s", id ? id : "");
	refuse(m, tag, RPC_NOT_FOUND, err.text);
}

static struct shim_task *find_visible(const struct task_manager *m, const char *ns, const char *id)
{
	struct shim_task *t = task_manager_find(m, ns, id);

	return t && shim_task_visible(t) ? t : NULL;
}

static int check_free(
	const struct task_manager *m, const struct task_manager_create *req, struct err *err)
{
	const struct shim_task *t = task_manager_find(m, req->ns, req->id);

	if (m->embedded && embedded_knows(m->embedded, req->ns, req->id))
		return err_set(err, -EEXIST, "task %s", req->id);
	if (!t)
		return 0;
	return err_set(err, -EEXIST, "task %s%s", req->id,
		shim_task_visible(t) ? "" : ", which is not yet made or not yet removed");
}

/* "Not found" would tell the client that there is no container; of other names containerd says it the same way. */
static int resolve(struct task_manager *m, const char *runtime, char **ret, struct err *err)
{
	int r = runtime_name_resolve(runtime, m->config.search, m->beside, ret, err);

	if (r < 0 && r != -ENOMEM) {
		r = err->code = -ENOEXEC;
		err_in(err, "failed to start shim: failed to resolve runtime path");
	}
	return r;
}

static int create(struct task_manager *m, uint64_t tag, const struct task_manager_create *req,
	struct err *err)
{
	auto_free char *binary = NULL;
	struct shim_create c = {
		.ns = req->ns,
		.id = req->id,
		.runtime = str_empty(req->runtime_path) ? req->runtime : req->runtime_path,
		.spec = req->spec,
		.spec_size = req->spec_size,
		.runtime_options = req->runtime_options,
		.request = req->request,
		.take_checkpoint = req->take_checkpoint,
		.deadline_boot_ns = req->deadline_boot_ns,
	};
	struct shim_task *t;
	int r = bundle_check_names(req->ns, req->id, err);

	if (r == 0)
		r = check_free(m, req, err);
	if (r == 0 && m->embedded && embedded_wants(m->embedded, c.runtime)) {
		embedded_create(m->embedded, tag, &c);
		return 0;
	}
	if (r == 0)
		r = resolve(m, c.runtime, &binary, err);
	if (r < 0)
		return r;
	c.binary = binary;
	r = shim_task_create(&m->host, &c, tag, &t, err);
	if (r == 0)
		task_manager_add(m, t);
	return r;
}

void task_manager_create(
	struct task_manager *m, uint64_t tag, const struct task_manager_create *req)
{
	struct err err;

	if (create(m, tag, req, &err) < 0)
		refuse(m, tag, status_from_errno(err.code), err.text);
}

char *task_manager_checkpoint(const struct task_manager *m, const char *ns, const char *id)
{
	return bundle_checkpoint_path(&m->store, ns, id);
}

void task_manager_delete(struct task_manager *m, uint64_t tag, const char *ns, const char *id)
{
	struct shim_task *t = find_visible(m, ns, id);

	if (m->embedded && embedded_has(m->embedded, ns, id))
		embedded_delete(m->embedded, tag, ns, id);
	else if (t)
		shim_task_delete(t, tag);
	else
		refuse_missing(m, tag, id);
}

void task_manager_call(struct task_manager *m, uint64_t tag, const char *ns, const char *id,
	const char *method, const ProtobufCMessage *request, uint64_t deadline_ns)
{
	auto_done(buf) struct buf bytes = { 0 };
	struct shim_task *t = find_visible(m, ns, id);

	if (m->embedded && embedded_has(m->embedded, ns, id))
		return embedded_call(m->embedded, tag, ns, id, method, request, deadline_ns);
	if (!t)
		return refuse_missing(m, tag, id);
	message_encode(request, &bytes);
	if (buf_ok(&bytes) < 0)
		return refuse(m, tag, RPC_RESOURCE_EXHAUSTED, "out of memory");
	shim_task_call(t, tag, method, bytes.data, bytes.len, deadline_ns);
}

void task_manager_note_exit(
	struct task_manager *m, const char *ns, const char *id, const struct shim_exit *exit)
{
	struct shim_task *t = task_manager_find(m, ns, id);

	if (t)
		shim_task_note_exit(t, exit);
}
