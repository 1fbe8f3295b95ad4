/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A door in front of the supervisor, as the shim's services are: messages become requests, responses become answers. What
 * a shim leaves to its manager is added: the bundle, before the task and after it.
 *
 * What surprises: answers that end a task, and events, wait for the end of the loop's round. The supervisor calls from the
 * middle of its work, when the mounts of a bundle may still be in use. An event is acknowledged to it in the round after the one
 * in which it is told: by then it is in the subscribers' sockets, and not only in memory that goes with us.
 */
#include "manager/embedded.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/event_queue.h"
#include "api/task_message.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "manager/remains.h"
#include "rpc/message.h"
#include "supervisor/supervisor.h"

/* In an intent where the program of a shim stands. */
#define EMBEDDED_BINARY "reeved"
#define RETRY_NS (1 * NS_PER_SEC)
#define AWAIT_TIMES 5             /* who has outlived its init so long is left alone */
#define HOLD_NS (500 * NS_PER_MS) /* after a restart, until subscribers may be back */

static const char *const usual_runtimes[] = { "io.containerd.reeve.v2", "io.containerd.runc.v2",
	NULL };

/* An order that the supervisor has not answered. */
struct order {
	bool used;
	uint64_t serial;
	uint64_t tag;
	enum request_type type;
	char *ns, *id; /* of a task that may end with it; else NULL */
	size_t next_free;
};

/* A task that is over: what is to be done when the round has ended, or later. */
struct ending {
	struct ending *next;
	char *ns, *id;
	bool answers;
	uint64_t tag;
	enum status_code code;
	char *text;
	struct buf payload;
	bool complained;
	bool foreign; /* not known to us before: it is not sure that what it names is its own */
	unsigned int awaited;
};

struct embedded {
	struct embedded_config config;
	struct embedded_host host;
	const struct bundle_store *store;
	struct supervisor *supervisor;
	uint64_t conn;
	uint64_t serial;
	struct order *orders;
	size_t n_orders, free_order; /* 1 more than the index; 0: none */
	struct ending *endings, **endings_end;
	struct loop_deferred end;
	struct loop_timer retry;
	struct event_queue queue;
	struct loop_deferred publish, acknowledge;
	struct loop_timer hold;
	bool holds;
};

/* ---- orders ---- */

static int grow_orders(struct embedded *e)
{
	size_t n = e->n_orders ? e->n_orders * 2 : 16;
	struct order *orders = realloc(e->orders, n * sizeof(*orders));

	if (!orders)
		return -ENOMEM;
	for (size_t i = e->n_orders; i < n; i++) {
		orders[i] = (struct order){ .next_free = e->free_order };
		e->free_order = i + 1;
	}
	e->orders = orders;
	e->n_orders = n;
	return 0;
}

/* Its place is half of the stream, so that an answer finds it at once. */
static struct order *add_order(
	struct embedded *e, uint64_t tag, enum request_type type, struct task_addr *ret)
{
	struct order *o;
	size_t at;

	if (e->free_order == 0 && grow_orders(e) < 0)
		return NULL;
	at = e->free_order - 1;
	o = &e->orders[at];
	e->free_order = o->next_free;
	*o = (struct order){ .used = true, .serial = ++e->serial, .tag = tag, .type = type };
	*ret = (struct task_addr){ e->conn, e->serial << 32 | at };
	return o;
}

static struct order *find_order(struct embedded *e, struct task_addr addr)
{
	size_t at = addr.stream & UINT32_MAX;

	if (addr.conn != e->conn || at >= e->n_orders || !e->orders[at].used ||
		(e->orders[at].serial & UINT32_MAX) != addr.stream >> 32)
		return NULL;
	return &e->orders[at];
}

static void drop_order(struct embedded *e, struct order *o)
{
	free(o->ns);
	free(o->id);
	*o = (struct order){ .next_free = e->free_order };
	e->free_order = (size_t)(o - e->orders) + 1;
}

static void answer(struct embedded *e, uint64_t tag, enum status_code code, const char *text,
	const void *payload, size_t size)
{
	const struct shim_answer a = {
		.code = code, .text = text ? text : "", .payload = payload, .size = size
	};

	e->host.answered(e->host.arg, tag, &a);
}

static void refuse(struct embedded *e, uint64_t tag, const struct err *err)
{
	answer(e, tag, status_from_errno(err->code), err->text, NULL, 0);
}

/* ---- the end of a task ---- */

static void ending_free(struct ending *x)
{
	free(x->ns);
	free(x->id);
	free(x->text);
	buf_done(&x->payload);
	free(x);
}

static void on_retry(struct loop_timer *timer);

/* The work directory of one whose bundle was lost; negative: it was not. */
static int open_lost(const struct embedded *e, const char *ns, const char *id)
{
	auto_close int bundle = -EBADF;
	int work = -EBADF;
	struct err ignored;

	if (bundle_open(e->store, ns, id, &bundle, &ignored) == -ENOENT)
		(void)bundle_open_work(e->store, ns, id, &work, &ignored);
	return work;
}

/* Whose bundle was lost, the runtime found no more. */
static int end_lost(const struct embedded *e, struct ending *x, struct err *err)
{
	auto_close int work = open_lost(e, x->ns, x->id);
	int r;

	if (work < 0)
		return 0;
	r = remains_kill_noted(work, x->id, !x->foreign, err);
	if (r == -EBUSY) /* its init was in there */
		x->foreign = false;
	if (r == 0 || r == -EBUSY || ++x->awaited < AWAIT_TIMES)
		return r;
	log_write(e->config.log, LOG_WARN_, "'%s/%s': %s: left alone", x->ns, x->id, err->text);
	return 0;
}

/* True: all of it is done. */
static bool end_one(struct embedded *e, struct ending *x)
{
	struct err err = { 0 };
	int r = end_lost(e, x, &err);

	if (r == 0)
		r = bundle_remove(e->store, x->ns, x->id, &err);
	if (r < 0 && !x->complained)
		log_write(e->config.log, LOG_WARN_, "'%s/%s': %s: trying again", x->ns, x->id,
			err.text);
	x->complained = r < 0;
	if (x->answers)
		answer(e, x->tag, x->code, x->text, x->payload.data, x->payload.len);
	x->answers = false;
	return r == 0;
}

static void end_all(struct embedded *e)
{
	struct ending *x = e->endings, *left = NULL, **left_end = &left;

	e->endings = NULL;
	e->endings_end = &e->endings;
	while (x) {
		struct ending *next = x->next;

		x->next = NULL;
		if (end_one(e, x)) {
			ending_free(x);
		} else {
			*left_end = x;
			left_end = &x->next;
		}
		x = next;
	}
	if (!left)
		return;
	/* What came meanwhile is behind. */
	*left_end = e->endings;
	if (!e->endings)
		e->endings_end = left_end;
	e->endings = left;
	if (loop_timer_set(e->config.loop, &e->retry, clock_boot_ns() + RETRY_NS, on_retry) < 0)
		log_write(e->config.log, LOG_ERROR_, "out of memory for a timer");
}

static void on_retry(struct loop_timer *timer)
{
	end_all(container_of(timer, struct embedded, retry));
}

static void on_end(struct loop_deferred *d)
{
	end_all(container_of(d, struct embedded, end));
}

static struct ending *find_ending(const struct embedded *e, const char *ns, const char *id)
{
	for (struct ending *x = e->endings; x; x = x->next)
		if (str_eq(x->ns, ns) && str_eq(x->id, id))
			return x;
	return NULL;
}

static struct ending *new_ending(struct embedded *e, const char *ns, const char *id)
{
	struct ending *x = mem_calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->ns = strdup(ns);
	x->id = strdup(id);
	if (!x->ns || !x->id) {
		ending_free(x);
		return NULL;
	}
	*e->endings_end = x;
	e->endings_end = &x->next;
	loop_defer(e->config.loop, &e->end, on_end);
	return x;
}

/* The task's going and its answer may come in any order, and each without the other. */
static struct ending *add_ending(struct embedded *e, const char *ns, const char *id)
{
	struct ending *x = find_ending(e, ns, id);

	return x ? x : new_ending(e, ns, id);
}

static void on_gone(void *arg, const char *ns, const char *id)
{
	struct embedded *e = arg;

	if (!add_ending(e, ns, id))
		log_write(e->config.log, LOG_ERROR_,
			"the bundle of '%s/%s' stays until the next start: out of memory", ns, id);
}

/* ---- answers of the supervisor ---- */

static bool is_over(const struct order *o, const struct response *r)
{
	if (!o->id)
		return false;
	return o->type == REQ_CREATE ? r->code != CODE_OK : r->code == CODE_OK;
}

static void answer_at_the_end(
	struct embedded *e, const struct order *o, const struct response *r, struct buf *payload)
{
	struct ending *x = add_ending(e, o->ns, o->id);

	if (!x) {
		answer(e, o->tag, (enum status_code)r->code, r->text, payload->data, payload->len);
		return;
	}
	x->answers = true;
	x->tag = o->tag;
	x->code = (enum status_code)r->code;
	/* In containerd's words: there are clients that look into them. */
	if (o->type != REQ_CREATE ||
		asprintf(&x->text, "failed to create shim task: %s", r->text) < 0)
		x->text = strdup(r->text ? r->text : "");
	x->payload = *payload;
	*payload = (struct buf){ 0 };
}

/* The state machine has no code for this, as shims have none; clients go by the code. */
static enum status_code code_of(
	const struct embedded *e, const struct order *o, const struct response *r)
{
	if (r->code == CODE_UNKNOWN && o->type == REQ_DELETE && o->id &&
		supervisor_runs(e->supervisor, o->ns, o->id))
		return RPC_FAILED_PRECONDITION;
	return (enum status_code)r->code;
}

/* For who finds the task when its bundle and our journal are lost: its init is known to the supervisor now. */
static void note_init(struct embedded *e, const struct order *o, pid_t pid)
{
	auto_close int work = -EBADF;
	struct err err;
	int r = bundle_open_work(e->store, o->ns, o->id, &work, &err);

	if (r == 0 && remains_is_noted(work)) {
		r = remains_note_init(work, pid);
		if (r < 0)
			err_code(&err, r, "note process %d of '%s/%s'", pid, o->ns, o->id);
	}
	if (r < 0)
		log_write(e->config.log, LOG_WARN_, "%s", err.text);
}

static void on_reply(void *arg, struct task_addr to, const struct response *r)
{
	auto_done(buf) struct buf payload = { 0 };
	struct embedded *e = arg;
	struct order *o = find_order(e, to);

	if (!o)
		return; /* of a worker before us, whose clients are gone */
	if (o->type == REQ_CREATE && r->code == CODE_OK && r->pid)
		note_init(e, o, (pid_t)r->pid);
	if (r->code == CODE_OK && task_message_encode(r, &payload) < 0)
		answer(e, o->tag, RPC_RESOURCE_EXHAUSTED, "out of memory", NULL, 0);
	else if (is_over(o, r))
		answer_at_the_end(e, o, r, &payload);
	else
		answer(e, o->tag, code_of(e, o, r), r->text, payload.data, payload.len);
	drop_order(e, o);
}

/* ---- events ---- */

static void on_publish(struct loop_deferred *d);

static void wake_publisher(struct embedded *e)
{
	if (e->queue.head && !e->holds)
		loop_defer(e->config.loop, &e->publish, on_publish);
}

static void tell(struct embedded *e, const struct queued_event *q)
{
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *m;
	struct err err;

	if (message_decode(&pb__events__forward_request__descriptor, q->data, q->size, &arena, &m,
		    &err) < 0)
		log_write(e->config.log, LOG_ERROR_, "an event is lost: %s", err.text);
	else
		e->host.published(e->host.arg,
			((const Pb__Events__ForwardRequest *)(const void *)m)->envelope);
}

static void on_acknowledge(struct loop_deferred *d)
{
	struct embedded *e = container_of(d, struct embedded, acknowledge);

	while (e->queue.head && e->queue.head->told) {
		uint64_t task = e->queue.head->task, sequence = e->queue.head->sequence;

		event_queue_pop(&e->queue);
		supervisor_acked(e->supervisor, task, sequence);
	}
}

static void on_publish(struct loop_deferred *d)
{
	struct embedded *e = container_of(d, struct embedded, publish);

	for (struct queued_event *q = e->queue.head; q; q = q->next) {
		if (!q->told)
			tell(e, q);
		q->told = true;
	}
	/* It comes after what subscribers' connections have put off meanwhile. */
	loop_defer(e->config.loop, &e->acknowledge, on_acknowledge);
}

static void on_event(void *arg, const struct event *event)
{
	struct embedded *e = arg;
	int r = event_queue_add(&e->queue, event, NULL);

	if (r < 0)
		log_write(e->config.log, LOG_ERROR_, "event %s of '%s' is lost: %s",
			task_topic_name(event->topic), event->id, strerror(-r));
	wake_publisher(e);
}

/* Subscribers have no streams of ours, and events that are told no count. */
static int save_events(void *arg, struct buf *out)
{
	const struct embedded *e = arg;

	return event_queue_save(&e->queue, 0, 1, out);
}

static int load_events(void *arg, const void *data, size_t size, struct err *err)
{
	struct embedded *e = arg;
	uint64_t sequence;
	uint32_t stream;
	int r = event_queue_load(&e->queue, data, size, &sequence, &stream, err);

	wake_publisher(e);
	return r;
}

static void forget_event(void *arg, uint64_t task, uint64_t sequence)
{
	struct embedded *e = arg;

	if (event_queue_heads(&e->queue, task, sequence))
		event_queue_pop(&e->queue);
}

static bool drop_events(void *arg, uint64_t task)
{
	struct embedded *e = arg;

	event_queue_drop(&e->queue, task, false);
	return false;
}

static void on_hold_end(struct loop_timer *timer)
{
	struct embedded *e = container_of(timer, struct embedded, hold);

	e->holds = false;
	wake_publisher(e);
}

/* ---- the object ---- */

/* Nobody asks a supervisor of ours for that. */
static void on_shutdown(void *arg)
{
}

static const struct supervisor_sink sink = {
	.reply = on_reply,
	.event = on_event,
	.save_events = save_events,
	.load_events = load_events,
	.forget_event = forget_event,
	.drop_events = drop_events,
	.gone = on_gone,
	.shutdown = on_shutdown,
};

int embedded_new(const struct embedded_config *config, const struct embedded_host *host,
	const struct bundle_store *store, struct embedded **ret, struct err *err)
{
	auto_freep(embedded) struct embedded *e = mem_calloc(1, sizeof(*e));
	struct supervisor_config c = {
		.loop = config->loop,
		.log = config->log,
		.sink = &sink,
		.sink_arg = e,
		.backend = config->backend,
		.backend_arg = config->backend_arg,
		.exits = config->exits,
		.shim_pid = config->shim_pid,
		.fds = config->fds,
		.recorder = config->recorder,
		.host = config->host,
		.no_shim = true,
		.own_bundles = true,
		.journaled = true,
		.journal_dir = config->journal_dir,
		.journal_name = config->journal_name,
	};
	int r;

	if (!e)
		return err_oom(err);
	e->config = *config;
	if (!e->config.runtimes)
		e->config.runtimes = usual_runtimes;
	e->host = *host;
	e->store = store;
	e->endings_end = &e->endings;
	event_queue_init(&e->queue);
	e->conn = 1;
	r = supervisor_new(&c, &e->supervisor, err);
	if (r == 0)
		*ret = take_ptr(e);
	return r;
}

void embedded_free(struct embedded *e)
{
	if (!e)
		return;
	supervisor_free(e->supervisor);
	loop_defer_cancel(&e->end);
	loop_defer_cancel(&e->publish);
	loop_defer_cancel(&e->acknowledge);
	loop_timer_cancel(&e->retry);
	loop_timer_cancel(&e->hold);
	while (e->endings) {
		struct ending *x = e->endings;

		e->endings = x->next;
		ending_free(x);
	}
	event_queue_done(&e->queue);
	for (size_t i = 0; i < e->n_orders; i++) {
		free(e->orders[i].ns);
		free(e->orders[i].id);
	}
	free(e->orders);
	free(e);
}

bool embedded_wants(const struct embedded *e, const char *runtime)
{
	for (const char *const *name = e->config.runtimes; *name; name++)
		if (str_eq(*name, runtime))
			return true;
	return false;
}

/* ---- what there was before ---- */

int embedded_load(struct embedded *e, struct err *err)
{
	int r;

	e->holds = true;
	r = supervisor_load(e->supervisor, err);
	e->conn = supervisor_last_conn(e->supervisor) + 1;
	/* Also for what is still to come: what the worker before us had begun ends at once. */
	e->holds = e->conn > 1 && loop_timer_set(e->config.loop, &e->hold,
					  clock_boot_ns() + HOLD_NS, on_hold_end) == 0;
	wake_publisher(e);
	return r;
}

bool embedded_is_bundle(int bundle)
{
	auto_done(arena) struct arena arena = { 0 };
	struct intent intent = { 0 };
	struct err ignored;

	return intent_load(bundle, &arena, &intent, &ignored) == 0 &&
	       str_eq(intent.binary, EMBEDDED_BINARY);
}

void embedded_clear(struct embedded *e, const char *ns, const char *id)
{
	auto_close int bundle = -EBADF;
	struct err err = { 0 };
	int r = bundle_open(e->store, ns, id, &bundle, &err);

	if (r == 0)
		r = remains_kill(bundle, id, &err);
	if (r < 0)
		log_write(e->config.log, LOG_WARN_, "'%s/%s': %s", ns, id, err.text);
	if (!add_ending(e, ns, id))
		log_write(e->config.log, LOG_ERROR_, "'%s/%s' stays: out of memory", ns, id);
}

bool embedded_clear_lost(struct embedded *e, const char *ns, const char *id)
{
	auto_close int work = open_lost(e, ns, id);
	struct ending *x;

	if (work < 0 || !remains_is_noted(work))
		return false;
	x = add_ending(e, ns, id);
	if (x)
		x->foreign = true;
	log_write(e->config.log, LOG_WARN_,
		"'%s/%s': its state was lost: what is left of it is ended", ns, id);
	return x;
}

/* ---- orders ---- */

static int name_order(struct order *o, const char *ns, const char *id)
{
	o->ns = strdup(ns);
	o->id = strdup(id);
	return o->ns && o->id ? 0 : -ENOMEM;
}

/* `ends`: the task may be over when it is answered. */
static void submit(struct embedded *e, uint64_t tag, const struct request *req, bool may_end)
{
	struct task_addr from;
	struct order *o = add_order(e, tag, req->type, &from);
	struct err err;

	if (!o || (may_end && name_order(o, req->ns, req->id) < 0)) {
		err_oom(&err);
		if (o)
			drop_order(e, o);
		return refuse(e, tag, &err);
	}
	supervisor_request(e->supervisor, from, req);
}

static int make_bundle(struct embedded *e, const struct shim_create *req, struct err *err)
{
	const struct bundle_request bundle = {
		.ns = req->ns,
		.id = req->id,
		.spec = req->spec,
		.spec_size = req->spec_size,
		.intent = { req->runtime, EMBEDDED_BINARY, INTENT_CREATED },
		.take_checkpoint = req->take_checkpoint,
	};
	auto_close int work = -EBADF;
	struct err ignored;
	int r;

	r = bundle_make(e->store, &bundle, err);
	if (r == 0 && bundle_open_work(e->store, req->ns, req->id, &work, &ignored) == 0 &&
		remains_note_cgroup(work, req->spec, req->spec_size) < 0)
		log_write(e->config.log, LOG_WARN_, "which cgroup '%s/%s' has is not written down",
			req->ns, req->id);
	return r;
}

static int convert_create(const struct shim_create *req, const char *bundle,
	Pb__Task__CreateRequest *m, struct arena *arena, struct request *ret, struct err *err)
{
	*m = *req->request;
	m->id = (char *)req->id;
	m->bundle = (char *)bundle;
	if (!m->options)
		m->options = (Pb__Any *)req->runtime_options;
	return task_message_decode(&m->base, arena, ret, err);
}

void embedded_create(struct embedded *e, uint64_t tag, const struct shim_create *req)
{
	auto_done(arena) struct arena arena = { 0 };
	auto_free char *path = bundle_path(e->store, req->ns, req->id);
	struct request out = {
		.type = REQ_CREATE, .ns = req->ns, .deadline_boot_ns = req->deadline_boot_ns
	};
	Pb__Task__CreateRequest m;
	struct err err = { 0 };
	int r = path ? convert_create(req, path, &m, &arena, &out, &err) : err_oom(&err);

	if (r == 0)
		r = make_bundle(e, req, &err);
	if (r < 0)
		return refuse(e, tag, &err);
	submit(e, tag, &out, true);
}

void embedded_delete(struct embedded *e, uint64_t tag, const char *ns, const char *id)
{
	const struct request out = { .type = REQ_DELETE, .ns = ns, .id = id };

	submit(e, tag, &out, true);
}

static enum request_type type_of(const char *method)
{
	int type = 0;

	while (type < REQ_TYPES_ && !str_eq(request_type_name((enum request_type)type), method))
		type++;
	return (enum request_type)type;
}

/* One that is paused, and whose record is lost, has to die all the same. */
static void thaw_lost(const struct embedded *e, const char *ns, const char *id)
{
	auto_close int work = open_lost(e, ns, id);

	if (work >= 0)
		remains_thaw_noted(work, id);
}

void embedded_call(struct embedded *e, uint64_t tag, const char *ns, const char *id,
	const char *method, const ProtobufCMessage *request, uint64_t deadline_boot_ns)
{
	auto_done(arena) struct arena arena = { 0 };
	struct request out = {
		.type = type_of(method), .ns = ns, .deadline_boot_ns = deadline_boot_ns
	};
	struct err err = { 0 };
	int r = 0;

	if (out.type == REQ_TYPES_ || out.type == REQ_CREATE || out.type == REQ_SHUTDOWN)
		r = err_set(&err, -ENOSYS, "method %s", method);
	if (r == 0)
		r = task_message_decode(request, &arena, &out, &err);
	if (r < 0)
		return refuse(e, tag, &err);
	out.id = id;
	if (out.type == REQ_KILL && out.kill.signal == SIGKILL)
		thaw_lost(e, ns, id);
	submit(e, tag, &out, out.type == REQ_DELETE && str_empty(out.exec_id));
}

/* ---- the list ---- */

bool embedded_has(const struct embedded *e, const char *ns, const char *id)
{
	return ns && id && supervisor_has(e->supervisor, ns, id);
}

bool embedded_knows(const struct embedded *e, const char *ns, const char *id)
{
	return ns && id && (supervisor_knows(e->supervisor, ns, id) || find_ending(e, ns, id));
}

struct each {
	const char *ns;
	void (*fn)(void *arg, const char *ns, const char *id);
	void *arg;
};

static void on_each(void *arg, const char *ns, const char *id)
{
	const struct each *each = arg;

	if (!each->ns || str_eq(each->ns, ns))
		each->fn(each->arg, ns, id);
}

void embedded_each(const struct embedded *e, const char *ns,
	void (*fn)(void *arg, const char *ns, const char *id), void *arg)
{
	struct each each = { ns, fn, arg };

	supervisor_each(e->supervisor, on_each, &each);
}

size_t embedded_count(const struct embedded *e)
{
	return supervisor_count(e->supervisor);
}
