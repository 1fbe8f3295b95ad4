/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle that is there when the manager starts. The rule above all others: nothing that lives is harmed. Its shim is
 * taken for dead when nobody listens at its address or the connection ends; for one without a task only when it says
 * so itself. A shim that is silent is not dead yet: the load goes on without it, and it has
 * some more time.
 *
 * What surprises: a task that has ended and was not deleted has no processes, and containerd takes its shim for a leak.
 * Where the intent says that it was created it is kept, with its exit status.
 */
#include "manager/shim_task_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "rpc/message.h"
#include "supervisor/group.h"

#define BINARY_NAME "shim-binary-path"
#define AGAIN_NS (20 * NS_PER_MS) /* a shim whose backlog is full */

static void reach(struct shim_task *t);

/* ---- what it answers ---- */

static void keep(struct shim_task *t)
{
	loop_timer_cancel(&t->timer);
	/* The manager before us died between the shim's answer and its note. */
	if (t->intended && t->stage == INTENT_LAUNCH)
		(void)shim_save_stage(t, INTENT_CREATED, NULL);
	shim_move(t, SHIM_LIVE);
	shim_settle(t);
}

static void give_up(struct shim_task *t, const char *reason)
{
	log_write(
		t->host->log, LOG_WARN_, "'%s/%s': its shim has no task: %s", t->ns, t->id, reason);
	loop_timer_cancel(&t->timer);
	shim_undo(t, SHIM_LEAKED);
}

static bool has_processes(const struct ttrpc_answer *a)
{
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *m;

	/* What cannot be read is no proof of emptiness. */
	if (message_decode(&pb__task__pids_response__descriptor, a->payload, a->size, &arena, &m,
		    NULL) < 0)
		return true;
	return ((const Pb__Task__PidsResponse *)(const void *)m)->n_processes > 0;
}

static void on_pids(struct shim_task *t, const struct ttrpc_answer *a)
{
	if (a->end == TTRPC_LOST)
		return;
	/* Deleted while nobody listened, or never created. */
	if (a->code == RPC_NOT_FOUND)
		return give_up(t, a->text);
	if (t->stage != INTENT_CREATED && a->code == RPC_OK && !has_processes(a))
		return give_up(t, "no process");
	keep(t);
}

static void on_connected(struct shim_task *t, const struct ttrpc_answer *a);

static void send_connect(struct shim_task *t)
{
	Pb__Task__ConnectRequest m = PB__TASK__CONNECT_REQUEST__INIT;

	m.id = t->id;
	shim_step(t, "Connect", &m.base, 0, on_connected);
}

static void on_connected(struct shim_task *t, const struct ttrpc_answer *a)
{
	Pb__Task__PidsRequest m = PB__TASK__PIDS_REQUEST__INIT;

	if (a->end == TTRPC_LOST)
		return;
	if (shim_lower_version(t, a))
		return send_connect(t);
	m.id = t->id;
	shim_step(t, "Pids", &m.base, 0, on_pids);
}

/* ---- reaching it ---- */

static void on_again(struct loop_timer *timer)
{
	reach(container_of(timer, struct shim_task, timer));
}

static void reach(struct shim_task *t)
{
	uint64_t again = clock_boot_ns() + AGAIN_NS;
	struct err err;
	int r = shim_connect(t, &err);

	/* One that has deleted its task may not know yet that it can leave. */
	if (r == 0 && t->stage == INTENT_DELETED)
		return shim_undo(t, SHIM_LEAKED);
	if (r == 0)
		return send_connect(t);
	if (r == -EAGAIN && !(t->silent_ns && t->silent_ns < again) &&
		loop_timer_set(t->host->loop, &t->timer, again, on_again) == 0)
		return;
	log_write(t->host->log, LOG_WARN_, "'%s/%s': %s", t->ns, t->id, err.text);
	shim_lost(t);
}

static void on_dead(struct loop_deferred *d)
{
	struct shim_task *t = container_of(d, struct shim_task, closing);

	if (t->state != SHIM_SILENT)
		return; /* it has answered at the last moment */
	log_write(t->host->log, LOG_WARN_, "the shim of '%s/%s' does not answer: it counts as dead",
		t->ns, t->id);
	shim_disconnect(t);
	shim_lost(t);
}

static void on_silence(struct loop_timer *timer)
{
	struct shim_task *t = container_of(timer, struct shim_task, timer);

	loop_defer(t->host->loop, &t->closing, on_dead);
}

void shim_task_load_late(struct shim_task *t)
{
	if (t->state != SHIM_LOAD)
		return;
	log_write(t->host->log, LOG_WARN_, "the shim of '%s/%s' does not answer", t->ns, t->id);
	t->silent_ns = clock_boot_ns() + t->host->limits.silent_ns;
	shim_move(t, SHIM_SILENT);
	shim_settle(t);
	/* One that is not connected yet has its timer, and looks at the time itself. */
	if (t->client)
		(void)loop_timer_set(t->host->loop, &t->timer, t->silent_ns, on_silence);
}

/* ---- what the bundle says ---- */

static int read_binary(
	struct shim_task *t, int bundle, const struct intent *intent, const char *else_)
{
	auto_free char *text = NULL;
	size_t size;
	int r = fd_read_regular_at(bundle, BINARY_NAME, 4096, &text, &size);

	if (r == 0 && size > 0)
		t->binary = take_ptr(text);
	else if (intent->binary || else_)
		t->binary = strdup(intent->binary ? intent->binary : else_);
	if (intent->runtime)
		t->runtime = strdup(intent->runtime);
	return r == -ENOMEM ? r : 0;
}

/*
 * The manager before us died while `start` ran, and no `address` was left: a server that it may have made listens where
 * shims do unless they are told otherwise.
 */
static void guess_endpoint(struct shim_task *t, int bundle)
{
	char name[SHA256_HEX_SIZE];
	auto_free char *group = NULL;
	struct err ignored;

	if (group_read(bundle, t->id, &group, &ignored) < 0 ||
		group_socket_name(t->host->call.grpc_address, t->ns, group, name, &ignored) < 0)
		return;
	if (asprintf(&t->endpoint.address, "unix://" GROUP_SOCKET_DIR "/%s", name) < 0)
		t->endpoint.address = NULL;
	t->endpoint.version = 3; /* it says itself when it has none */
}

static void read_endpoint(struct shim_task *t, int bundle)
{
	struct err why;

	if (endpoint_load(bundle, &t->endpoint, &why) == 0)
		return;
	endpoint_done(&t->endpoint);
	if (t->intended && t->stage == INTENT_LAUNCH)
		guess_endpoint(t, bundle);
	else
		log_write(t->host->log, LOG_WARN_, "'%s/%s': %s", t->ns, t->id, why.text);
}

static int read_bundle(struct shim_task *t, const char *binary, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	auto_close int bundle = -EBADF;
	struct intent intent = { 0 };
	struct err why;
	int r = bundle_open(t->host->store, t->ns, t->id, &bundle, err);

	if (r < 0)
		return r;
	r = intent_load(bundle, &arena, &intent, &why);
	t->intended = r == 0;
	t->stage = intent.stage;
	if (intent.cgroup) {
		t->cgroup = strdup(intent.cgroup);
		if (!t->cgroup)
			return err_oom(err);
	}
	if (r < 0 && r != -ENOENT)
		log_write(t->host->log, LOG_WARN_, "'%s/%s': %s", t->ns, t->id, why.text);
	r = read_binary(t, bundle, &intent, binary);
	if (r < 0)
		return err_oom(err);
	read_endpoint(t, bundle);
	/* Without it the shim's log is lost, and nothing else. */
	if (log_fifo_open(&t->log, t->host->loop, t->host->log, bundle, t->ns, t->id, &why) < 0)
		log_write(t->host->log, LOG_WARN_, "'%s/%s': %s", t->ns, t->id, why.text);
	return 0;
}

/* In a round of its own: who loads is told nothing before it has the task. */
static void on_begin(struct loop_deferred *d)
{
	struct shim_task *t = container_of(d, struct shim_task, closing);

	if (t->endpoint.address)
		reach(t);
	else
		shim_lost(t);
}

int shim_task_load(struct shim_host *host, const char *ns, const char *id, const char *binary,
	struct shim_task **ret, struct err *err)
{
	struct shim_task *t = NULL;
	int r = shim_task_new(host, ns, id, &t, err);

	if (r < 0)
		return r;
	t->state = SHIM_LOAD;
	t->loading = true;
	r = read_bundle(t, binary, err);
	if (r < 0) {
		shim_task_free(t);
		return r;
	}
	loop_defer(host->loop, &t->closing, on_begin);
	*ret = t;
	return 0;
}
