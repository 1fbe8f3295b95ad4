/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits: a client may wait for days, give up, and come again: each time the shim would keep one more
 * call open, and we with it. So the shim has one for each process, and those who wait hang on it.
 */
#include "services/tasks_impl.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

struct waiter {
	struct task_wait *wait;
	struct waiter *prev, *next;
	struct rpc_door *door;
	struct rpc_addr addr;
};

struct task_wait {
	struct task_order order;
	struct task_wait *prev, *next;
	struct waiter *waiters;
	char *ns, *id, *exec_id;
};

static void waiter_unlink(struct waiter *w)
{
	if (!w->wait)
		return;
	if (w->next)
		w->next->prev = w->prev;
	*(w->prev ? &w->prev->next : &w->wait->waiters) = w->next;
	w->wait = NULL;
}

static void waiter_gone(void *arg)
{
	struct waiter *w = arg;

	waiter_unlink(w);
	free(w);
}

static const struct rpc_call_ops waiter_ops = { .gone = waiter_gone };

static void wait_free(struct task_wait *w)
{
	free(w->ns);
	free(w->id);
	free(w->exec_id);
	free(w);
}

/* A reply may end the call at once, and the waiter with it. */
static void reply_all(struct task_wait *wait, const struct shim_answer *a)
{
	char text[STATUS_TEXT_SIZE];

	status_text(a->code, a->text, text, sizeof(text));
	while (wait->waiters) {
		struct waiter *w = wait->waiters;

		waiter_unlink(w);
		rpc_reply(w->door, w->addr, a->code, a->code == RPC_OK ? "" : text, a->payload,
			a->size);
	}
}

static void on_answered(struct task_order *o, const struct shim_answer *a)
{
	struct task_wait *wait = container_of(o, struct task_wait, order);

	if (wait->next)
		wait->next->prev = wait->prev;
	*(wait->prev ? &wait->prev->next : &o->tasks->waits) = wait->next;
	if (a)
		reply_all(wait, a);
	while (wait->waiters)
		waiter_unlink(wait->waiters);
	wait_free(wait);
}

void task_wait_leave(struct tasks *t)
{
	const struct shim_answer a = { .code = RPC_UNAVAILABLE, .text = "the daemon is leaving" };

	for (struct task_wait *w = t->waits; w; w = w->next)
		reply_all(w, &a);
}

static struct task_wait *find(
	const struct tasks *t, const char *ns, const char *id, const char *exec_id)
{
	struct task_wait *w = t->waits;

	while (w && !(str_eq(w->id, id) && str_eq(w->exec_id, exec_id) && str_eq(w->ns, ns)))
		w = w->next;
	return w;
}

static int make(struct tasks *t, const char *ns, const char *id, const char *exec_id,
	struct task_wait **ret, struct err *err)
{
	struct task_wait *w = mem_calloc(1, sizeof(*w));

	if (!w)
		return err_oom(err);
	w->ns = strdup(ns);
	w->id = strdup(id);
	w->exec_id = strdup(exec_id);
	if (!w->ns || !w->id || !w->exec_id) {
		wait_free(w);
		return err_oom(err);
	}
	w->next = t->waits;
	if (w->next)
		w->next->prev = w;
	t->waits = w;
	*ret = w;
	return 0;
}

/* The manager may answer before it returns. */
static void ask(struct tasks *t, struct task_wait *w)
{
	Pb__Task__WaitRequest m = PB__TASK__WAIT_REQUEST__INIT;
	uint64_t tag = tasks_order(t, &w->order, on_answered);

	m.id = w->id;
	m.exec_id = w->exec_id;
	task_manager_call(t->manager, tag, w->ns, w->id, "Wait", &m.base, 0);
}

static void join(struct task_wait *wait, struct waiter *w)
{
	w->wait = wait;
	w->next = wait->waiters;
	if (w->next)
		w->next->prev = w;
	wait->waiters = w;
}

int tasks_wait(struct tasks *t, const struct rpc_request *req, const char *ns, const char *id,
	const char *exec_id, struct err *err)
{
	struct task_wait *wait = find(t, ns, id, exec_id);
	struct waiter *w = mem_calloc(1, sizeof(*w));
	bool new = !wait;
	int r;

	if (!w)
		return err_oom(err);
	w->door = req->door;
	w->addr = req->addr;
	if (rpc_attach(w->door, w->addr, &waiter_ops, w) < 0) {
		free(w);
		return 0; /* nobody waits any more */
	}
	r = new ? make(t, ns, id, exec_id, &wait, err) : 0;
	if (r < 0)
		return r; /* the waiter goes with its call */
	join(wait, w);
	if (new)
		ask(t, wait);
	return 0;
}
