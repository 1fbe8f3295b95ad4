/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways to the end, of which the last part is common: Shutdown, connection closed, `delete`, bundle removed. Its order
 * is the contract (spec/manager.md 1.7): what is recorded in the bundle is lost with it, `delete` must not meet a shim
 * that still works, and a create that has failed may have left a process that only `delete` finds.
 *
 * What surprises: whatever the bundle could tell is told before the bundle goes. A manager that dies in between tells it
 * once more after its restart; the other way round it would be lost. And while `delete` fails the id stays in use.
 */
#include "manager/shim_task_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "manager/remains.h"
#include "rpc/message.h"

#define UNKNOWN_STATUS 255

/* ---- what is told ---- */

static void learn_exit(struct shim_task *t, const void *data, size_t size)
{
	auto_done(arena) struct arena arena = { 0 };
	const Pb__Task__DeleteResponse *d;
	const ProtobufCMessage *m;

	if (message_decode(&pb__task__delete_response__descriptor, data, size, &arena, &m, NULL) <
		0)
		return;
	d = (const Pb__Task__DeleteResponse *)(const void *)m;
	t->exit =
		(struct shim_exit){ true, d->pid, d->exit_status, message_get_time(d->exited_at) };
}

static void tell(struct shim_task *t, enum shim_event_kind kind, bool *told)
{
	const struct shim_event e = { kind, t->ns, t->id, t->exit };

	if (*told)
		return;
	*told = true;
	t->host->event(t->host->arg, &e);
}

static void tell_exit(struct shim_task *t)
{
	if (t->why != SHIM_DIED)
		return;
	if (!t->exit.known)
		t->exit = (struct shim_exit){ true, 0, UNKNOWN_STATUS, clock_wall_ns() };
	tell(t, SHIM_EVENT_EXIT, &t->exit_told);
}

static void answer_exit(struct shim_task *t, uint64_t tag)
{
	Pb__Task__DeleteResponse m = PB__TASK__DELETE_RESPONSE__INIT;
	auto_done(buf) struct buf out = { 0 };
	Pb__Timestamp at;

	message_set_time(&at, t->exit.wall_ns);
	m.pid = t->exit.pid;
	m.exit_status = t->exit.status;
	m.exited_at = &at;
	message_encode(&m.base, &out);
	shim_answer(t, tag, RPC_OK, "", out.data, out.len);
}

static void answer_wait(struct shim_task *t, uint64_t tag)
{
	Pb__Task__WaitResponse m = PB__TASK__WAIT_RESPONSE__INIT;
	auto_done(buf) struct buf out = { 0 };
	Pb__Timestamp at;

	if (!t->exit.known)
		return shim_answer(t, tag, RPC_NOT_FOUND, "its shim has died", NULL, 0);
	message_set_time(&at, t->exit.wall_ns);
	m.exit_status = t->exit.status;
	m.exited_at = &at;
	message_encode(&m.base, &out);
	shim_answer(t, tag, RPC_OK, "", out.data, out.len);
}

static void answer_failure(struct shim_task *t, uint64_t tag)
{
	shim_answer(t, tag, t->failed, t->failed_text ? t->failed_text : "", NULL, 0);
}

/* Who hears of it may order again at once: then it is another order. */
struct tags {
	uint64_t *tag;
	size_t n;
};

static struct tags take_deleters(struct shim_task *t)
{
	const struct tags tags = { take_ptr(t->deleters), t->n_deleters };

	t->n_deleters = t->cap_deleters = 0;
	return tags;
}

/* One gets what became of it, the others find nothing. */
static void answer_deleters(struct shim_task *t)
{
	struct tags tags = take_deleters(t);

	for (size_t i = 0; i < tags.n; i++) {
		if (i > 0)
			shim_answer(t, tags.tag[i], RPC_NOT_FOUND, "it is deleted", NULL, 0);
		else if (t->failed != RPC_OK)
			answer_failure(t, tags.tag[i]);
		else
			answer_exit(t, tags.tag[i]);
	}
	free(tags.tag);
}

static void answer_all(struct shim_task *t)
{
	struct tags waiters = { take_ptr(t->waiters), t->n_waiters };
	bool has_create = t->has_create;

	t->n_waiters = t->cap_waiters = 0;
	t->has_create = false;
	if (has_create)
		answer_failure(t, t->create_tag);
	for (size_t i = 0; i < waiters.n; i++)
		answer_wait(t, waiters.tag[i]);
	free(waiters.tag);
	answer_deleters(t);
	/* it was the answer to those; who comes later deletes what is dead */
	shim_forget_failure(t);
}

/* ---- clean-up ---- */

static void free_task(struct loop_deferred *d)
{
	shim_task_free(container_of(d, struct shim_task, release));
}

/* Who hears of it may use the id at once. */
static void go(struct shim_task *t)
{
	shim_move(t, SHIM_GONE);
	t->host->gone(t->host->arg, t);
	answer_all(t);
	loop_defer(t->host->loop, &t->release, free_task);
}

static void on_retry(struct loop_timer *timer)
{
	struct shim_task *t = container_of(timer, struct shim_task, timer);

	shim_clean(t, t->why);
}

static void retry(struct shim_task *t, const struct err *e)
{
	const struct shim_limits *l = &t->host->limits;
	uint64_t after = l->retry_ns;

	for (unsigned int i = 1; i < t->tries && after < l->retry_max_ns; i++)
		after *= 2;
	if (after > l->retry_max_ns)
		after = l->retry_max_ns;
	log_write(t->host->log, LOG_WARN_, "clean up '%s/%s', again in %llu ms: %s", t->ns, t->id,
		(unsigned long long)(after / NS_PER_MS), e->text);
	shim_move(t, SHIM_RETRY);
	/* Without a timer a client's Delete is what tries again. */
	(void)loop_timer_set(t->host->loop, &t->timer, clock_boot_ns() + after, on_retry);
}

static void on_turn(struct loop_deferred *d);

static void cleaned(struct shim_task *t, const struct err *e)
{
	struct err err = { 0 };

	tell_exit(t);
	if (!e && t->why == SHIM_DIED)
		tell(t, SHIM_EVENT_DELETE, &t->delete_told);
	/* A runtime that was killed in a create knows nothing of what it had made. */
	if (!e && t->why != SHIM_DELETED && t->cgroup)
		remains_sweep(t->cgroup, t->id);
	if (!e && bundle_remove(t->host->store, t->ns, t->id, &err) < 0)
		e = &err;
	if (--t->host->cleaning < t->host->limits.cleaners && t->host->queue)
		loop_defer(t->host->loop, &t->host->turn, on_turn);
	if (!e)
		return go(t);
	answer_all(t);
	retry(t, e);
}

static void clean_by_hand(struct shim_task *t);

/* No shim has ever told where it is: the runtime may be any program, whose `delete` never works. */
static bool never_started(const struct shim_task *t)
{
	return !t->endpoint.address && (t->why == SHIM_FAILED || t->why == SHIM_LEAKED);
}

static void on_deleted(void *arg, const struct buf *output, const struct err *e)
{
	struct shim_task *t = arg;

	shim_call_free(t->call);
	t->call = NULL;
	if (!e && !t->exit.known)
		learn_exit(t, output->data, output->len);
	if (e && never_started(t))
		clean_by_hand(t);
	else
		cleaned(t, e);
}

/* Nobody is left who knows how to clean up: the processes are found by the cgroup. */
static void clean_by_hand(struct shim_task *t)
{
	auto_close int bundle = -EBADF;
	struct err err = { 0 };
	int r = bundle_open(t->host->store, t->ns, t->id, &bundle, &err);

	if (r == 0)
		r = remains_kill(bundle, t->id, &err);
	cleaned(t, r < 0 && r != -ENOENT ? &err : NULL);
}

static bool has_binary(const struct shim_task *t)
{
	return t->binary && (access(t->binary, X_OK) == 0 || errno != ENOENT);
}

static bool has_bundle(const struct shim_task *t)
{
	auto_close int bundle = -EBADF;
	struct err ignored;

	return bundle_open(t->host->store, t->ns, t->id, &bundle, &ignored) != -ENOENT;
}

static void run_delete(struct shim_task *t)
{
	auto_free char *bundle = shim_bundle(t);
	const struct shim_call_request call = {
		.action = "delete",
		.binary = t->binary,
		.ns = t->ns,
		.id = t->id,
		.bundle = bundle,
		.limit_ns = t->host->limits.clean_ns,
	};
	struct err err = { 0 };
	struct shim_host *host = t->host;
	int r = 0;

	host->cleaning++;
	t->tries++;
	if (!has_binary(t) || !has_bundle(t))
		return clean_by_hand(t);
	r = bundle ? shim_call_start(&host->call, &call, on_deleted, t, &t->call, &err)
		   : err_oom(&err);
	if (r < 0)
		cleaned(t, &err);
}

static void on_turn(struct loop_deferred *d)
{
	struct shim_host *host = container_of(d, struct shim_host, turn);
	unsigned int room = host->limits.cleaners - host->cleaning;

	for (; room > 0 && host->queue; room--) {
		struct shim_task *t = host->queue;

		host->queue = t->queued;
		t->queued = NULL;
		t->waits = false;
		run_delete(t);
	}
}

static void wait_for_turn(struct shim_task *t)
{
	struct shim_task **at = &t->host->queue;

	if (t->waits)
		return;
	while (*at)
		at = &(*at)->queued;
	*at = t;
	t->waits = true;
}

void shim_clean(struct shim_task *t, enum shim_why why)
{
	loop_timer_cancel(&t->timer);
	t->why = why;
	shim_move(t, SHIM_CLEAN);
	shim_settle(t);
	if (t->host->cleaning >= t->host->limits.cleaners)
		wait_for_turn(t);
	else
		run_delete(t);
}

/* ---- from a connection ---- */

static void on_closing(struct loop_deferred *d)
{
	struct shim_task *t = container_of(d, struct shim_task, closing);

	shim_disconnect(t);
	shim_clean(t, t->why);
}

static void on_shut_down(struct shim_task *t, const struct ttrpc_answer *a)
{
	/* Whatever it says: one that has other tasks says nothing against it, and stays. */
	if (a->end != TTRPC_LOST)
		loop_defer(t->host->loop, &t->closing, on_closing);
}

static void shut_down(struct shim_task *t)
{
	Pb__Task__ShutdownRequest m = PB__TASK__SHUTDOWN_REQUEST__INIT;

	m.id = t->id;
	shim_move(t, SHIM_SHUTDOWN);
	shim_step(t, "Shutdown", &m.base, t->host->limits.shutdown_ns, on_shut_down);
}

static void send_delete(struct shim_task *t, uint64_t limit_ns, shim_step_fn *step)
{
	Pb__Task__DeleteRequest m = PB__TASK__DELETE_REQUEST__INIT;

	m.id = t->id;
	shim_step(t, "Delete", &m.base, limit_ns, step);
}

static void on_undone(struct shim_task *t, const struct ttrpc_answer *a)
{
	if (a->end != TTRPC_LOST)
		shut_down(t);
}

void shim_undo(struct shim_task *t, enum shim_why why)
{
	t->why = why;
	shim_move(t, SHIM_UNDO);
	shim_settle(t);
	send_delete(t, t->host->limits.undo_ns, on_undone);
}

void shim_lost(struct shim_task *t)
{
	switch (t->state) {
	case SHIM_CREATE:
		shim_fail(t, RPC_UNAVAILABLE, "its shim died during Create");
		return shim_clean(t, SHIM_FAILED);
	case SHIM_DELETE:
		shim_fail(t, RPC_NOT_FOUND, "its shim died during Delete");
		return shim_clean(t, SHIM_DIED);
	case SHIM_LOAD:
	case SHIM_SILENT:
		return shim_clean(
			t, t->intended && t->stage != INTENT_CREATED ? SHIM_LEAKED : SHIM_DIED);
	case SHIM_LIVE:
		log_write(t->host->log, LOG_WARN_, "the shim of '%s/%s' has died", t->ns, t->id);
		return shim_clean(t, SHIM_DIED);
	default:
		return shim_clean(t, t->why);
	}
}

/* ---- Delete for a client ---- */

static void refuse_deleters(struct shim_task *t, enum status_code code, const char *text)
{
	struct tags tags = take_deleters(t);

	shim_move(t, SHIM_LIVE);
	for (size_t i = 0; i < tags.n; i++)
		shim_answer(t, tags.tag[i], code, text, NULL, 0);
	free(tags.tag);
}

static bool still_runs(const struct ttrpc_answer *a)
{
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *m;

	if (a->code != RPC_OK || message_decode(&pb__task__state_response__descriptor, a->payload,
					 a->size, &arena, &m, NULL) < 0)
		return false;
	switch (((const Pb__Task__StateResponse *)(const void *)m)->status) {
	case PB__TASK__STATUS__RUNNING:
	case PB__TASK__STATUS__PAUSED:
	case PB__TASK__STATUS__PAUSING:
		return true;
	default:
		return false;
	}
}

static void on_refusal_explained(struct shim_task *t, const struct ttrpc_answer *a)
{
	enum status_code code = still_runs(a) ? RPC_FAILED_PRECONDITION : t->failed;
	auto_free char *text = NULL;

	if (a->end == TTRPC_LOST)
		return; /* shim_lost() follows */
	text = take_ptr(t->failed_text);
	shim_forget_failure(t);
	refuse_deleters(t, code, text ? text : "");
}

/* Shims refuse to delete what runs without a code; clients of ours go by the code. */
static void explain_refusal(struct shim_task *t, const struct ttrpc_answer *a)
{
	Pb__Task__StateRequest m = PB__TASK__STATE_REQUEST__INIT;

	shim_fail(t, a->code, a->text);
	m.id = t->id;
	shim_step(t, "State", &m.base, t->host->limits.shutdown_ns, on_refusal_explained);
}

static void on_delete_answered(struct shim_task *t, const struct ttrpc_answer *a)
{
	if (a->end == TTRPC_LOST)
		return; /* shim_lost() follows */
	if (a->code == RPC_UNKNOWN)
		return explain_refusal(t, a);
	if (a->code != RPC_OK && a->code != RPC_NOT_FOUND)
		return refuse_deleters(t, a->code, a->text);
	/* One that is gone already was deleted for a client that did not wait for it: the rest is still to be done. */
	if (a->code == RPC_OK)
		learn_exit(t, a->payload, a->size);
	else
		shim_fail(t, a->code, a->text);
	t->why = SHIM_DELETED;
	/* If we die from here on, the next manager must tell nothing of it. */
	(void)shim_save_stage(t, INTENT_DELETED, NULL);
	shut_down(t);
}

static bool add_deleter(struct shim_task *t, uint64_t tag)
{
	if (mem_grow(&t->deleters, &t->cap_deleters, t->n_deleters + 1, sizeof(*t->deleters)) < 0) {
		shim_answer(t, tag, RPC_RESOURCE_EXHAUSTED, "out of memory", NULL, 0);
		return false;
	}
	t->deleters[t->n_deleters++] = tag;
	return true;
}

void shim_task_delete(struct shim_task *t, uint64_t tag)
{
	if (t->state == SHIM_SILENT)
		return shim_answer(t, tag, RPC_UNAVAILABLE, "its shim does not answer", NULL, 0);
	if (!add_deleter(t, tag))
		return;
	if (t->state == SHIM_LIVE) {
		shim_move(t, SHIM_DELETE);
		send_delete(t, t->host->limits.delete_ns, on_delete_answered);
	} else if (t->state == SHIM_RETRY) {
		shim_clean(t, t->why);
	}
}
