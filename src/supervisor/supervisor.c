/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supervisor: the table of tasks, the way of an input into the core, and of a request to its task.
 *
 * Inputs are fed one at a time: what an effect brings about while effects are being performed waits
 * in a queue, so the core never sees an input in the middle of its own list. A request for a task
 * that nobody knows is fed to a task in state `new`, which refuses it in the words of the
 * reference: no rule about it stands here.
 */
#include "supervisor/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "supervisor/durable.h"
#include "supervisor/holder.h"
#include "supervisor/perform.h"
#include "supervisor/recording.h"
#include "supervisor/tell.h"

/* ---- the table ---- */

static uint32_t bucket_of(const char *ns, const char *id)
{
	uint32_t h = 2166136261u;

	for (; *ns; ns++)
		h = (h ^ (unsigned char)*ns) * 16777619u;
	for (h *= 16777619u; *id; id++)
		h = (h ^ (unsigned char)*id) * 16777619u;
	return h % HOLDER_BUCKETS;
}

static struct held_task *find(const struct supervisor *sup, const char *ns, const char *id)
{
	struct held_task *t = sup->buckets[bucket_of(ns, id)];

	while (t && (strcmp(t->core.id, id) != 0 || strcmp(t->ns, ns) != 0))
		t = t->next;
	return t;
}

/* Index of the first whose number is above this. */
static size_t place_above(const struct supervisor *sup, uint64_t number)
{
	size_t low = 0, high = sup->n_tasks;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (sup->numbered[mid]->number <= number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int add_numbered(struct supervisor *sup, struct held_task *t)
{
	size_t at = place_above(sup, t->number);

	if (mem_grow(&sup->numbered, &sup->cap_numbered, sup->n_tasks + 1,
		    sizeof(struct held_task *)) < 0)
		return -ENOMEM;
	memmove(&sup->numbered[at + 1], &sup->numbered[at],
		(sup->n_tasks - at) * sizeof(struct held_task *));
	sup->numbered[at] = t;
	sup->n_tasks++;
	return 0;
}

static void remove_numbered(struct supervisor *sup, const struct held_task *t)
{
	size_t at = place_above(sup, t->number) - 1;

	sup->n_tasks--;
	memmove(&sup->numbered[at], &sup->numbered[at + 1],
		(sup->n_tasks - at) * sizeof(struct held_task *));
}

struct held_proc *held_proc_of(struct held_task *t, uint32_t slot)
{
	return slot == TASK_INIT ? &t->init : t->execs[slot];
}

static void expiry_free(struct held_expiry *x)
{
	loop_timer_cancel(&x->timer);
	held_forget(&x->cancel);
	free(x);
}

/* Take the first that is of this connection, and of this stream unless that is 0. */
static struct held_expiry *take_expiry(struct held_task *t, struct task_addr addr)
{
	struct held_expiry **at = &t->expiries, *x;

	while ((x = *at) &&
		(x->addr.conn != addr.conn || (addr.stream != 0 && x->addr.stream != addr.stream)))
		at = &x->next;
	if (x)
		*at = x->next;
	return x;
}

static void task_free(struct held_task *t)
{
	while (t->expiries) {
		struct held_expiry *x = t->expiries;

		t->expiries = x->next;
		expiry_free(x);
	}
	for (uint32_t i = 0; i < t->core.cap_execs; i++)
		free(t->execs[i]);
	free(t->execs);
	free(t->core.execs);
	free(t->core.ops);
	free(t->checkpoint);
	free(t->ns);
	free(t);
}

static void unlink_task(struct held_task **at, const struct held_task *t)
{
	while (*at && *at != t)
		at = &(*at)->next;
	if (*at)
		*at = t->next;
}

static void on_release(struct loop_deferred *d)
{
	struct held_task *t = container_of(d, struct held_task, release);

	unlink_task(&t->sup->leaving, t);
	task_free(t);
}

void held_task_leave(struct held_task *t)
{
	struct supervisor *sup = t->sup;

	unlink_task(&sup->buckets[bucket_of(t->ns, t->core.id)], t);
	remove_numbered(sup, t);
	durable_remove_mark(t);
	recording_end_all(t);
	perform_stop(t);
	held_forget(&t->failure);
	held_forget(&t->oom);
	for (struct held_expiry *x = t->expiries; x; x = x->next) {
		loop_timer_cancel(&x->timer);
		held_forget(&x->cancel);
	}
	held_forget(&t->farewell);
	t->next = sup->leaving;
	sup->leaving = t;
	loop_defer(sup->config.loop, &t->release, on_release);
	/* One that a journal tells of may have had the name of another one that is there now. */
	if (sup->config.sink->gone && sup->wall_ns == 0)
		sup->config.sink->gone(sup->config.sink_arg, t->ns, t->core.id);
	if (sup->n_tasks == 0 && sup->config.sink->empty)
		sup->config.sink->empty(sup->config.sink_arg);
}

/* ---- feeding ---- */

void held_forget(struct held_input *slot)
{
	struct supervisor *sup;
	struct held_input **at;

	if (!slot->task)
		return;
	sup = slot->task->sup;
	slot->task = NULL;
	for (at = &sup->queue; *at && *at != slot; at = &(*at)->next)
		;
	if (*at)
		*at = slot->next;
	for (sup->queue_end = &sup->queue; *sup->queue_end;)
		sup->queue_end = &(*sup->queue_end)->next;
}

static void enqueue(struct held_task *t, struct held_input *slot, const struct task_input *in)
{
	struct supervisor *sup;

	assert(t && slot && !slot->task);
	sup = t->sup;
	slot->task = t;
	slot->in = *in;
	slot->next = NULL;
	*sup->queue_end = slot;
	sup->queue_end = &slot->next;
}

/*
 * Deleted from outside: whoever did that tells how it ended, and does not ask for its deletion.
 */
static void say_farewell(struct held_task *t)
{
	if (!t->taken_away || t->farewell.task || t->core.state != TASK_STOPPED)
		return;
	held_grow_ops(t);
	enqueue(t, &t->farewell, &(struct task_input){ .type = IN_DELETE });
}

static void feed_one(struct held_task *t, struct held_input *slot, const struct task_input *in)
{
	struct supervisor *sup = t->sup;

	sup->busy = true;
	task_step(&t->core, in, &sup->fx);
	perform_effects(t, in, &sup->fx);
	say_farewell(t);
	sup->busy = false;
	if (slot && slot->fed)
		slot->fed(slot);
}

static void feed_queued(struct supervisor *sup)
{
	struct held_input *slot;

	while ((slot = sup->queue)) {
		struct held_task *t = slot->task;

		assert(t); /* what is queued belongs to a task */
		held_forget(slot);
		feed_one(t, slot, &slot->in);
	}
	durable_tidy(sup);
}

void held_feed(struct held_task *t, struct held_input *slot, const struct task_input *in)
{
	struct supervisor *sup = t->sup;

	if (sup->busy) {
		enqueue(t, slot, in);
		return;
	}
	feed_one(t, slot, in);
	feed_queued(sup);
}

/* ---- room ---- */

static bool grow_effects(struct supervisor *sup, uint32_t execs, uint32_t ops)
{
	size_t want = task_effects_bound(execs, ops);
	struct effect *v;

	if (want <= sup->fx.cap)
		return true;
	v = realloc(sup->fx.v, want * sizeof(*v));
	if (!v)
		return false;
	sup->fx.v = v;
	sup->fx.cap = want;
	return true;
}

static bool make_ops(struct held_task *t, uint32_t cap)
{
	struct task_op *ops;

	if (!grow_effects(t->sup, t->core.cap_execs, cap))
		return false;
	ops = realloc(t->core.ops, cap * sizeof(*ops));
	if (!ops)
		return false;
	t->core.ops = ops;
	t->core.cap_ops = cap;
	return true;
}

/* Both tables of execs, the core's and ours, have the same slots. */
static bool make_execs(struct held_task *t, uint32_t cap)
{
	struct task_exec *execs;
	struct held_proc **procs;

	if (!grow_effects(t->sup, cap, t->core.cap_ops))
		return false;
	execs = realloc(t->core.execs, cap * sizeof(*execs));
	if (execs)
		t->core.execs = execs;
	procs = realloc(t->execs, cap * sizeof(struct held_proc *));
	if (procs)
		t->execs = procs;
	if (!execs || !procs)
		return false;
	for (uint32_t i = t->core.cap_execs; i < cap; i++) {
		procs[i] = mem_calloc(1, sizeof(**procs));
		if (!procs[i])
			return false;
		*procs[i] = (struct held_proc){ .task = t, .slot = i, .who = PIDREF_NULL };
		t->core.cap_execs = i + 1;
	}
	return true;
}

int held_make_room(struct held_task *t, uint32_t execs, uint32_t ops)
{
	if (ops > t->core.cap_ops && !make_ops(t, ops))
		return -ENOMEM;
	return execs > t->core.cap_execs && !make_execs(t, execs) ? -ENOMEM : 0;
}

void held_grow_ops(struct held_task *t)
{
	if (t->core.n_ops == t->core.cap_ops && t->core.cap_ops < TASK_OPS_MAX)
		make_ops(t, t->core.cap_ops ? t->core.cap_ops * 2 : 4);
}

static bool all_slots_taken(const struct task *core)
{
	for (uint32_t i = 0; i < core->n_execs; i++)
		if (core->execs[i].state == EXEC_FREE)
			return false;
	return core->n_execs == core->cap_execs;
}

void held_grow_execs(struct held_task *t)
{
	uint32_t old = t->core.cap_execs;

	if (all_slots_taken(&t->core) && old < TASK_EXECS_MAX)
		make_execs(t, old ? old * 2 : 1);
}

/* Room that was needed once goes back when it has become a multiple of what is in use. */
#define SPARE_OPS 64
#define SPARE_EXECS 16

static bool has_spare_ops(const struct task *core)
{
	return core->cap_ops > SPARE_OPS && core->n_ops <= core->cap_ops / 8;
}

static bool has_spare_execs(const struct task *core)
{
	return core->cap_execs > SPARE_EXECS && core->n_execs <= core->cap_execs / 8;
}

static void shrink_execs(struct held_task *t)
{
	uint32_t cap = t->core.n_execs > SPARE_EXECS ? t->core.n_execs * 2 : SPARE_EXECS;
	struct task_exec *execs;
	struct held_proc **procs;

	for (uint32_t i = cap; i < t->core.cap_execs; i++)
		free(t->execs[i]);
	t->core.cap_execs = cap;
	execs = realloc(t->core.execs, cap * sizeof(*execs));
	if (execs)
		t->core.execs = execs;
	procs = realloc(t->execs, cap * sizeof(struct held_proc *));
	if (procs)
		t->execs = procs;
}

static void shrink_ops(struct held_task *t)
{
	uint32_t cap = t->core.n_ops > SPARE_OPS ? t->core.n_ops * 2 : SPARE_OPS;
	struct task_op *ops = realloc(t->core.ops, cap * sizeof(*ops));

	t->core.cap_ops = cap;
	if (ops)
		t->core.ops = ops;
}

static void on_trim(struct loop_deferred *d)
{
	struct supervisor *sup = container_of(d, struct supervisor, trim);
	size_t want = task_effects_bound(0, 0);
	struct effect *v;

	for (size_t i = 0; i < HOLDER_BUCKETS; i++) {
		for (struct held_task *t = sup->buckets[i]; t; t = t->next) {
			size_t bound;

			if (has_spare_execs(&t->core) && !t->jobs) /* a job may know a slot */
				shrink_execs(t);
			if (has_spare_ops(&t->core))
				shrink_ops(t);
			bound = task_effects_bound(t->core.cap_execs, t->core.cap_ops);
			want = bound > want ? bound : want;
		}
	}
	v = want < sup->fx.cap ? realloc(sup->fx.v, want * sizeof(*v)) : NULL;
	if (v) {
		sup->fx.v = v;
		sup->fx.cap = want;
	}
	mem_release();
}

static void trim_later(struct held_task *t)
{
	if (has_spare_ops(&t->core) || has_spare_execs(&t->core))
		loop_defer(t->sup->config.loop, &t->sup->trim, on_trim);
}

/* ---- deadlines of waits ---- */

void held_answered(struct held_task *t, struct task_addr addr)
{
	struct held_expiry *x = take_expiry(t, addr);

	if (x && !x->fed_now) /* else it goes when the core has read its input */
		expiry_free(x);
}

static void on_expiry_fed(struct held_input *slot)
{
	struct held_expiry *x = container_of(slot, struct held_expiry, cancel);

	take_expiry(x->task, x->addr);
	expiry_free(x);
}

static void on_expired(struct loop_timer *timer)
{
	struct held_expiry *x = container_of(timer, struct held_expiry, timer);
	struct task_input in = { .type = IN_CANCEL, .addr = x->addr };

	assert(!x->task->sup->busy); /* timers come from the loop: it is fed at once */
	x->fed_now = true;
	x->cancel.fed = on_expiry_fed;
	held_feed(x->task, &x->cancel, &in);
}

/* A client that has given a Wait up says nothing; without a deadline it would be kept until the
 * exit. */
static void watch_wait(struct held_task *t, struct task_addr addr, uint64_t deadline_boot_ns)
{
	struct held_expiry *x;

	if (t->core.n_ops == 0 || !task_addr_eq(t->core.ops[t->core.n_ops - 1].addr, addr))
		return; /* answered at once */
	x = mem_calloc(1, sizeof(*x));
	if (!x)
		return;
	x->task = t;
	x->addr = addr;
	if (loop_timer_set(t->sup->config.loop, &x->timer, deadline_boot_ns, on_expired) < 0) {
		free(x);
		return;
	}
	x->next = t->expiries;
	t->expiries = x;
}

/* ---- requests ---- */

static enum input_type input_of(enum request_type type)
{
	switch (type) {
	case REQ_CREATE:
		return IN_CREATE;
	case REQ_START:
		return IN_START;
	case REQ_DELETE:
		return IN_DELETE;
	case REQ_EXEC:
		return IN_EXEC;
	case REQ_STATE:
		return IN_STATE;
	case REQ_PIDS:
		return IN_PIDS;
	case REQ_PAUSE:
		return IN_PAUSE;
	case REQ_RESUME:
		return IN_RESUME;
	case REQ_CHECKPOINT:
		return IN_CHECKPOINT;
	case REQ_KILL:
		return IN_KILL;
	case REQ_RESIZE_PTY:
		return IN_RESIZE;
	case REQ_CLOSE_IO:
		return IN_CLOSE_IO;
	case REQ_UPDATE:
		return IN_UPDATE;
	case REQ_WAIT:
		return IN_WAIT;
	case REQ_STATS:
		return IN_STATS;
	default:
		return IN_CONNECT;
	}
}

static bool has_payload(enum request_type type)
{
	return type == REQ_CREATE || type == REQ_EXEC || type == REQ_UPDATE ||
	       type == REQ_CHECKPOINT;
}

static void refuse(struct supervisor *sup, struct task_addr to, const struct request *req,
	enum task_code code, const char *text)
{
	struct response r = { .type = req->type, .code = code, .text = text };

	sup->config.sink->reply(sup->config.sink_arg, to, &r);
}

/* Ids become names of files and of fds: one component, printable. containerd's own rule is
 * stricter. */
static bool id_is_good(const char *id)
{
	size_t len = id ? strlen(id) : 0;

	if (len == 0 || len > TASK_ID_MAX || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)id[i] <= ' ' || id[i] == '/' || id[i] == 0x7f)
			return false;
	return true;
}

struct held_task *held_task_new(
	struct supervisor *sup, const char *ns, const char *id, uint64_t number)
{
	struct held_task *t;
	uint32_t bucket;

	if (!id_is_good(ns) || !id_is_good(id) || find(sup, ns, id))
		return NULL;
	t = mem_calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->sup = sup;
	t->ns = strdup(ns);
	t->number = number;
	t->init = (struct held_proc){ .task = t, .slot = TASK_INIT, .who = PIDREF_NULL };
	if (!t->ns || task_init(&t->core, id) < 0 || add_numbered(sup, t) < 0) {
		task_free(t);
		return NULL;
	}
	bucket = bucket_of(ns, id);
	t->next = sup->buckets[bucket];
	sup->buckets[bucket] = t;
	if (number > sup->last_number)
		sup->last_number = number;
	return t;
}

struct held_task *held_task_find(struct supervisor *sup, uint64_t number)
{
	size_t above = place_above(sup, number);
	struct held_task *t = above > 0 ? sup->numbered[above - 1] : NULL;

	return t && t->number == number ? t : NULL;
}

struct held_task *held_task_next(struct supervisor *sup, uint64_t after)
{
	size_t above = place_above(sup, after);

	return above < sup->n_tasks ? sup->numbered[above] : NULL;
}

uint64_t held_wall_ns(const struct supervisor *sup)
{
	return sup->wall_ns ? sup->wall_ns : clock_wall_ns();
}

void held_warn(const struct held_task *t, const struct err *err)
{
	if (t->sup->config.log)
		log_write(t->sup->config.log, LOG_WARN_, "%s/%s: %s", t->ns, t->core.id, err->text);
}

static struct task_input make_input(
	const struct supervisor *sup, struct task_addr from, const struct request *req)
{
	struct task_input in = {
		.type = input_of(req->type),
		.addr = from,
		.exec_id = req->exec_id,
		.payload = sup->payload.data,
		.payload_size = sup->payload.size,
	};

	if (req->type == REQ_KILL) {
		in.signal = req->kill.signal;
		in.all = req->kill.all;
	} else if (req->type == REQ_RESIZE_PTY) {
		in.width = req->resize.width;
		in.height = req->resize.height;
	} else if (req->type == REQ_CREATE) {
		in.restore = !str_empty(req->create.checkpoint);
	}
	return in;
}

static void ask_nobody(struct supervisor *sup, struct task_addr from, const struct request *req)
{
	struct task_input in = make_input(sup, from, req);

	task_init(&sup->nobody, "");
	task_step(&sup->nobody, &in, &sup->fx);
	for (size_t i = 0; i < sup->fx.n; i++)
		tell_reply(sup, NULL, &sup->fx.v[i]);
}

static void ask(struct supervisor *sup, struct held_task *t, struct task_addr from,
	const struct request *req)
{
	struct task_input in = make_input(sup, from, req);

	if (req->type == REQ_CREATE && t->core.state == TASK_NEW) {
		t->init.payload = sup->payload;
		sup->payload = (struct payload){ 0 };
	} else {
		t->known = true;
	}
	held_grow_ops(t);
	if (req->type == REQ_EXEC)
		held_grow_execs(t);
	sup->request = req;
	sup->from = from;
	feed_one(t, NULL, &in);
	sup->request = NULL;
	payload_done(&sup->payload);
	if (req->type == REQ_WAIT && req->deadline_boot_ns)
		watch_wait(t, from, req->deadline_boot_ns);
	trim_later(t);
	feed_queued(sup);
}

static void shutdown_(struct supervisor *sup, struct task_addr from, const struct request *req)
{
	refuse(sup, from, req, CODE_OK, NULL);
	if (sup->n_tasks == 0)
		sup->config.sink->shutdown(sup->config.sink_arg);
}

void supervisor_request(struct supervisor *sup, struct task_addr from, const struct request *req)
{
	struct held_task *t = NULL;
	struct err err;

	assert(!sup->busy);
	if (req->type == REQ_SHUTDOWN) {
		shutdown_(sup, from, req);
		return;
	}
	if (req->type == REQ_CREATE && (!id_is_good(req->ns) || !id_is_good(req->id))) {
		refuse(sup, from, req, CODE_INVALID, "container id is malformed: invalid argument");
		return;
	}
	if (req->type == REQ_EXEC && !id_is_good(req->exec_id)) {
		refuse(sup, from, req, CODE_INVALID, "exec id is malformed: invalid argument");
		return;
	}
	if (has_payload(req->type) && payload_from_request(req, &sup->payload, &err) < 0) {
		refuse(sup, from, req, CODE_EXHAUSTED, err.text);
		return;
	}
	if (req->ns && req->id)
		t = find(sup, req->ns, req->id);
	if (!t && req->type == REQ_CREATE) {
		t = held_task_new(sup, req->ns, req->id, sup->last_number + 1);
		if (!t)
			refuse(sup, from, req, CODE_EXHAUSTED, "out of memory");
	} else if (!t) {
		ask_nobody(sup, from, req);
	}
	if (t)
		ask(sup, t, from, req);
	payload_done(&sup->payload);
}

void supervisor_hangup(struct supervisor *sup, uint64_t conn)
{
	struct task_input in = { .type = IN_HANGUP, .addr = { .conn = conn } };

	for (size_t i = 0; i < HOLDER_BUCKETS; i++) {
		for (struct held_task *t = sup->buckets[i]; t; t = t->next) {
			struct held_expiry *x;

			feed_one(t, NULL, &in);
			while ((x = take_expiry(t, in.addr)))
				expiry_free(x);
		}
	}
	feed_queued(sup);
}

void supervisor_look_for_marks(struct supervisor *sup)
{
	struct held_task *t;

	for (uint64_t at = 0; (t = held_task_next(sup, at)) != NULL;) {
		at = t->number;
		if (!t->taken_away && t->core.init.pid)
			durable_look_for_mark(t);
		say_farewell(t);
	}
	feed_queued(sup);
}

void supervisor_acked(struct supervisor *sup, uint64_t task, uint64_t sequence)
{
	durable_acked(sup, task, sequence);
}

uint64_t supervisor_last_conn(const struct supervisor *sup)
{
	return sup->last_conn;
}

static bool is_created(const struct held_task *t)
{
	return t->core.state != TASK_NEW && t->core.state != TASK_CREATING;
}

void supervisor_each(const struct supervisor *sup, supervisor_task_fn *fn, void *arg)
{
	for (size_t i = 0; i < HOLDER_BUCKETS; i++)
		for (const struct held_task *t = sup->buckets[i]; t; t = t->next)
			if (is_created(t))
				fn(arg, t->ns, t->core.id);
}

bool supervisor_has(const struct supervisor *sup, const char *ns, const char *id)
{
	const struct held_task *t = find(sup, ns, id);

	return t && is_created(t);
}

bool supervisor_runs(const struct supervisor *sup, const char *ns, const char *id)
{
	const struct held_task *t = find(sup, ns, id);

	return t && t->core.state >= TASK_STARTING && t->core.state <= TASK_DRAINING;
}

bool supervisor_knows(const struct supervisor *sup, const char *ns, const char *id)
{
	return find(sup, ns, id);
}

size_t supervisor_count(const struct supervisor *sup)
{
	return sup->n_tasks;
}

/* ---- its own life ---- */

int supervisor_new(const struct supervisor_config *config, struct supervisor **ret, struct err *err)
{
	struct supervisor *sup = mem_calloc(1, sizeof(*sup));

	if (!sup)
		return err_oom(err);
	sup->config = *config;
	sup->queue_end = &sup->queue;
	sup->loggers = (struct logger_list){ .loop = config->loop, .exits = config->exits };
	sup->process_io_env = (struct process_io_env){
		.loop = config->loop,
		.fds = config->fds,
		.loggers = &sup->loggers,
	};
	sup->journal.fd = -EBADF;
	if (!grow_effects(sup, 0, 0)) {
		supervisor_free(sup);
		return err_oom(err);
	}
	*ret = sup;
	return 0;
}

static void free_list(struct held_task **list, bool stop)
{
	while (*list) {
		struct held_task *t = *list;

		*list = t->next;
		if (stop)
			perform_stop(t);
		loop_defer_cancel(&t->release);
		task_free(t);
	}
}

void supervisor_free(struct supervisor *sup)
{
	if (!sup)
		return;
	sup->n_tasks = 0;
	for (size_t i = 0; i < HOLDER_BUCKETS; i++)
		free_list(&sup->buckets[i], true);
	free_list(&sup->leaving, false);
	loop_timer_cancel(&sup->unknown);
	if (sup->config.journaled)
		fdtable_close(sup->config.fds, JOURNAL_NAME);
	logger_end_all(&sup->loggers);
	loop_defer_cancel(&sup->trim);
	free(sup->numbered);
	free(sup->fx.v);
	free(sup);
}
