/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of a task and its connection. What is true in each of them:
 *
 *	launch    the bundle stands and says what is intended; `start` runs
 *	create    shim-binary-path and bootstrap.json are written; Create is under way
 *	live      the intent says that it was created
 *	delete    Delete is under way for a client; the shim may refuse, then it is live again
 *	undo      the same for us, whatever the shim says
 *	shutdown  the shim has no task of ours any more and is told so
 *	clean     the connection is closed, the shim's program `delete` runs; the bundle stands
 *	retry     it stands still, and so will the id be in use, until `delete` has worked and the bundle is gone
 *	gone      nothing is left but this struct
 *
 * A task is visible in a state where the table says so, and while it ends because its shim has died: until it is cleaned
 * up it is stopped, not gone.
 *
 *	launch -> create -> live <-> delete -> shutdown -> clean -> gone
 *	   |         `-> undo -> shutdown        any connected one -> clean  (its connection has ended)
 *	   `-> undo, clean
 *	load -> live | silent | undo | clean;  silent -> live | clean;  clean <-> retry
 */
#include "manager/shim_task_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "rpc/message.h"

#define BIT(state) (1u << SHIM_##state)

static const struct {
	const char *name;
	bool visible, connected;
	unsigned int next;
} states[SHIM_STATES_] = {
#define X(state, text, is_visible, is_connected) \
	[SHIM_##state] = { .name = text, .visible = is_visible, .connected = is_connected },
	SHIM_STATES(X)
#undef X
};

static const unsigned int successors[SHIM_STATES_] = {
	[SHIM_LAUNCH] = BIT(CREATE) | BIT(UNDO) | BIT(CLEAN),
	[SHIM_CREATE] = BIT(LIVE) | BIT(UNDO) | BIT(CLEAN),
	[SHIM_LOAD] = BIT(LIVE) | BIT(SILENT) | BIT(UNDO) | BIT(CLEAN),
	[SHIM_SILENT] = BIT(LIVE) | BIT(UNDO) | BIT(CLEAN),
	[SHIM_LIVE] = BIT(DELETE) | BIT(CLEAN),
	[SHIM_DELETE] = BIT(LIVE) | BIT(SHUTDOWN) | BIT(CLEAN),
	[SHIM_UNDO] = BIT(SHUTDOWN) | BIT(CLEAN),
	[SHIM_SHUTDOWN] = BIT(CLEAN),
	[SHIM_CLEAN] = BIT(RETRY) | BIT(GONE),
	[SHIM_RETRY] = BIT(CLEAN),
};

/* ---- the object ---- */

int shim_task_new(struct shim_host *host, const char *ns, const char *id, struct shim_task **ret,
	struct err *err)
{
	struct shim_task *t = mem_calloc(1, sizeof(*t));

	if (t) {
		t->host = host;
		t->ns = strdup(ns);
		t->id = strdup(id);
	}
	if (!t || !t->ns || !t->id) {
		shim_task_free(t);
		return err_oom(err);
	}
	*ret = t;
	return 0;
}

void shim_task_free(struct shim_task *t)
{
	if (!t)
		return;
	ttrpc_client_free(t->client);
	shim_call_free(t->call);
	log_fifo_close(&t->log);
	loop_timer_cancel(&t->timer);
	loop_defer_cancel(&t->release);
	loop_defer_cancel(&t->closing);
	endpoint_done(&t->endpoint);
	buf_done(&t->create);
	free(t->pending);
	free(t->deleters);
	free(t->waiters);
	free(t->failed_text);
	free(t->binary);
	free(t->runtime);
	free(t->cgroup);
	free(t->ns);
	free(t->id);
	free(t);
}

void shim_task_abandon(struct shim_task *t)
{
	shim_task_free(t);
}

const char *shim_task_ns(const struct shim_task *t)
{
	return t->ns;
}

const char *shim_task_id(const struct shim_task *t)
{
	return t->id;
}

const char *shim_task_state(const struct shim_task *t)
{
	return states[t->state].name;
}

struct shim_place *shim_task_place(struct shim_task *t)
{
	return &t->place;
}

/* One whose shim has died is there until its `delete` has worked and its end is told. */
bool shim_task_visible(const struct shim_task *t)
{
	return states[t->state].visible || (t->why == SHIM_DIED && !t->delete_told);
}

char *shim_bundle(const struct shim_task *t)
{
	return bundle_path(t->host->store, t->ns, t->id);
}

void shim_move(struct shim_task *t, enum shim_state to)
{
	assert(successors[t->state] & (1u << to));
	assert(states[to].connected || !t->client);
	t->state = to;
}

void shim_settle(struct shim_task *t)
{
	if (!t->loading)
		return;
	t->loading = false;
	t->host->settled(t->host->arg, t);
}

int shim_save_stage(struct shim_task *t, enum intent_stage stage, struct err *err)
{
	const struct intent i = { t->runtime ? t->runtime : "", t->binary ? t->binary : "", stage,
		t->cgroup };
	auto_close int bundle = -EBADF;
	struct err why;
	int r = bundle_open(t->host->store, t->ns, t->id, &bundle, &why);

	if (r == 0)
		r = intent_save(bundle, &i, &why);
	if (r == 0)
		t->stage = stage;
	else if (err)
		*err = why;
	else
		log_write(t->host->log, LOG_WARN_, "'%s/%s': %s", t->ns, t->id, why.text);
	return r;
}

/* ---- answers ---- */

void shim_answer(struct shim_task *t, uint64_t tag, enum status_code code, const char *text,
	const void *payload, size_t size)
{
	const struct shim_answer a = { code, text, payload, size };

	t->host->answered(t->host->arg, tag, &a);
}

void shim_fail(struct shim_task *t, enum status_code code, const char *text)
{
	if (t->failed != RPC_OK)
		return; /* the first one is the cause */
	t->failed = code;
	t->failed_text = strdup(text);
}

void shim_forget_failure(struct shim_task *t)
{
	t->failed = RPC_OK;
	free(t->failed_text);
	t->failed_text = NULL;
}

/* Its Wait is answered when the exit is known; of the others the shim's death is the end. */
static void answer_lost(struct shim_task *t, const struct shim_pending *p)
{
	if (p->kind == SHIM_CLIENT_WAIT &&
		mem_grow(&t->waiters, &t->cap_waiters, t->n_waiters + 1, sizeof(*t->waiters)) == 0)
		t->waiters[t->n_waiters++] = p->tag;
	else
		shim_answer(t, p->tag, RPC_NOT_FOUND, "ttrpc: closed", NULL, 0);
}

/* ---- calls ---- */

static bool take_pending(struct shim_task *t, uint64_t number, struct shim_pending *ret)
{
	for (size_t i = 0; i < t->n_pending; i++) {
		if (t->pending[i].number != number)
			continue;
		*ret = t->pending[i];
		t->pending[i] = t->pending[--t->n_pending];
		return true;
	}
	return false;
}

static void on_answer(void *arg, uint64_t number, const struct ttrpc_answer *a)
{
	struct shim_task *t = arg;
	struct shim_pending p;
	shim_step_fn *step;

	if (!take_pending(t, number, &p))
		return;
	if (p.kind == SHIM_STEP) {
		step = t->step;
		t->step = NULL;
		if (step)
			step(t, a);
	} else if (a->end == TTRPC_LOST) {
		answer_lost(t, &p);
	} else {
		shim_answer(t, p.tag, a->code, a->text, a->payload, a->size);
	}
}

static void on_closed(void *arg)
{
	struct shim_task *t = arg;

	loop_defer_cancel(&t->closing); /* it was about to be closed from here */
	shim_disconnect(t);
	shim_lost(t);
}

static const struct ttrpc_client_ops client_ops = { on_answer, on_closed };

int shim_connect(struct shim_task *t, struct err *err)
{
	int fd = -EBADF;
	int r = ttrpc_connect(t->endpoint.address, &fd, err);

	if (r < 0)
		return r;
	return ttrpc_client_new_take_fd(t->host->loop, fd, 0, &client_ops, t, &t->client, err);
}

void shim_disconnect(struct shim_task *t)
{
	ttrpc_client_free(t->client);
	t->client = NULL;
	t->step = NULL;
	while (t->n_pending > 0) {
		struct shim_pending p = t->pending[--t->n_pending];

		if (p.kind != SHIM_STEP)
			answer_lost(t, &p);
	}
}

static int send(struct shim_task *t, enum shim_call_kind kind, uint64_t tag, const char *method,
	const void *payload, size_t size, uint64_t deadline_ns, struct err *err)
{
	int r;

	if (mem_grow(&t->pending, &t->cap_pending, t->n_pending + 1, sizeof(*t->pending)) < 0)
		return err_oom(err);
	r = ttrpc_client_call_bytes(t->client, ++t->last_number, endpoint_service(&t->endpoint),
		method, payload, size, deadline_ns, err);
	if (r == 0)
		t->pending[t->n_pending++] = (struct shim_pending){ t->last_number, kind, tag };
	return r;
}

void shim_step_bytes(struct shim_task *t, const char *method, const struct buf *m,
	uint64_t deadline_ns, shim_step_fn *step)
{
	struct err err;
	int r;

	t->step = step;
	r = send(t, SHIM_STEP, 0, method, m->data, m->len, deadline_ns, &err);
	/* What could not be sent is answered like what was refused. Of a lost connection we hear by itself. */
	if (r < 0 && r != -ENOTCONN) {
		t->step = NULL;
		step(t, &(struct ttrpc_answer){
				.end = TTRPC_ANSWERED,
				.code = status_from_errno(r),
				.text = err.text,
			});
	}
}

void shim_step(struct shim_task *t, const char *method, const ProtobufCMessage *m,
	uint64_t limit_ns, shim_step_fn *step)
{
	auto_done(buf) struct buf bytes = { 0 };

	message_encode(m, &bytes);
	shim_step_bytes(t, method, &bytes, limit_ns ? clock_boot_ns() + limit_ns : 0, step);
}

bool shim_lower_version(struct shim_task *t, const struct ttrpc_answer *a)
{
	auto_close int bundle = -EBADF;
	struct err err;

	if (a->end != TTRPC_ANSWERED || a->code != RPC_UNIMPLEMENTED || t->endpoint.version < 3)
		return false;
	t->endpoint.version = 2;
	if (bundle_open(t->host->store, t->ns, t->id, &bundle, &err) < 0 ||
		endpoint_save(bundle, &t->endpoint, &err) < 0)
		log_write(t->host->log, LOG_WARN_, "'%s/%s': %s", t->ns, t->id, err.text);
	return true;
}

/* ---- calls of clients ---- */

static bool waits_for_init(const char *method, const void *payload, size_t size)
{
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *m;

	if (!str_eq(method, "Wait") || message_decode(&pb__task__wait_request__descriptor, payload,
					       size, &arena, &m, NULL) < 0)
		return false;
	return str_empty(((const Pb__Task__WaitRequest *)(const void *)m)->exec_id);
}

/* A shim that is dead has no more to say; what is known of its task is this. */
static void answer_dead_state(struct shim_task *t, uint64_t tag)
{
	Pb__Task__StateResponse m = PB__TASK__STATE_RESPONSE__INIT;
	auto_done(buf) struct buf out = { 0 };
	Pb__Timestamp at;

	message_set_time(&at, t->exit.wall_ns);
	m.id = t->id;
	m.pid = t->exit.pid;
	m.status = t->exit.known ? PB__TASK__STATUS__STOPPED : PB__TASK__STATUS__UNKNOWN;
	m.exit_status = t->exit.status;
	m.exited_at = &at;
	message_encode(&m.base, &out);
	shim_answer(t, tag, RPC_OK, "", out.data, out.len);
}

static void answer_dead(
	struct shim_task *t, uint64_t tag, const char *method, const void *payload, size_t size)
{
	const struct shim_pending waits = { .kind = SHIM_CLIENT_WAIT, .tag = tag };

	if (waits_for_init(method, payload, size) && !t->exit.known)
		answer_lost(t, &waits);
	else if (str_eq(method, "State"))
		answer_dead_state(t, tag);
	else
		shim_answer(t, tag, RPC_NOT_FOUND, "its shim has died", NULL, 0);
}

void shim_task_call(struct shim_task *t, uint64_t tag, const char *method, const void *payload,
	size_t size, uint64_t deadline_ns)
{
	bool wait = waits_for_init(method, payload, size);
	const struct shim_pending p = { .kind = wait ? SHIM_CLIENT_WAIT : SHIM_CLIENT, .tag = tag };
	struct err err;
	int r;

	if (!t->client)
		return answer_dead(t, tag, method, payload, size);
	r = send(t, p.kind, tag, method, payload, size, deadline_ns, &err);
	if (r == -ENOTCONN) /* it has died, and we hear of it at the end of this round */
		answer_lost(t, &p);
	else if (r < 0)
		shim_answer(t, tag, status_from_errno(r), err.text, NULL, 0);
}

void shim_task_note_exit(struct shim_task *t, const struct shim_exit *exit)
{
	if (t->exit.known)
		return;
	t->exit = *exit;
	t->exit.known = true;
	t->exit_told = true;
}
