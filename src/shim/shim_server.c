/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The danger at the end is a start that joins a server which is about to leave. The name goes first,
 * under the lock that starts take, so a later start makes a server of its own. A start that came
 * before has asked for its container (Connect, which finds none): for its sake the server stays a
 * while, until containerd has connected and created.
 *
 * A client of containerd's ttrpc that finds an answer and the end of its connection at once takes either, by lot. After
 * Shutdown it does not mind, after ShutdownSandbox the pod's removal fails: there the client hangs up first.
 *
 * What surprises: leaving can be taken back. While events drain, a Create may come over a connection
 * that is still open; then the server stays, without its name, until the next Shutdown.
 */
#include "shim/shim_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/rule.h"
#include "base/str.h"
#include "event/log_room.h"
#include "shim/address.h"
#include "shim/publisher.h"
#include "shim/sandbox_service.h"
#include "shim/shim_log.h"
#include "shim/task_service.h"
#include "supervisor/supervisor.h"

#define FIRST_IDLE_NS (120 * NS_PER_SEC)
#define IDLE_NS (10 * NS_PER_SEC)
#define RESTARTED_IDLE_NS (1 * NS_PER_SEC)
#define LINGER_NS (60 * NS_PER_SEC)
#define LEASE_NS (5 * NS_PER_SEC)
#define DRAIN_NS (5 * NS_PER_SEC)
#define LEASES_MAX 8

enum phase {
	SERVING,
	LEAVING, /* nameless, sending what is queued */
	LEFT,    /* done() was called */
};

/* A start has asked for a task, which is not there yet. */
struct lease {
	char id[256];
	uint64_t until_ns; /* 0: free */
};

struct shim_server {
	struct shim_server_config config;
	struct ttrpc_server *server;
	struct publisher *publisher;
	struct supervisor *supervisor;
	struct task_service service;
	struct sandbox_service sandboxes;
	struct log_room log_room;
	struct rpc_service services[ARRAY_LEN(task_service_table) + 1];
	struct address_own name;
	bool named;
	bool forced; /* leave even if there are tasks */
	bool abandoned;
	bool sandbox_ended; /* whoever ended it reads the answer before we go */
	enum phase phase;
	const char *seeking; /* the task of the Connect that is being answered */
	struct lease leases[LEASES_MAX];
	struct loop_timer idle;      /* nobody is here */
	struct loop_timer lease;     /* somebody may come */
	struct loop_timer linger;    /* nothing is left, and nobody says so */
	struct loop_timer drain;     /* events must be sent, answers read */
	struct loop_deferred ask;    /* may we leave? */
	struct loop_deferred finish; /* have we left? */
};

static bool has_tasks(const struct shim_server *s)
{
	return supervisor_count(s->supervisor) > 0 || sandbox_service_has_one(&s->sandboxes);
}

static void set_timer(
	struct shim_server *s, struct loop_timer *t, uint64_t after_ns, loop_timer_fn *fn)
{
	if (loop_timer_set(s->config.loop, t, clock_boot_ns() + after_ns, fn) < 0)
		log_write(s->config.log, LOG_ERROR_, "out of memory for a timer");
}

/* ---- the end ---- */

static void server_finish(struct loop_deferred *d)
{
	struct shim_server *s = container_of(d, struct shim_server, finish);

	if (s->phase != LEAVING)
		return;
	loop_timer_cancel(&s->drain);
	if (RULE(leaving_is_taken_back_for_a_task) && has_tasks(s) && !s->forced) {
		log_write(s->config.log, LOG_INFO_, "a task came while leaving: staying");
		s->phase = SERVING;
		s->sandbox_ended = false;
		return;
	}
	s->phase = LEFT;
	if (!publisher_is_empty(s->publisher))
		log_write(s->config.log, LOG_ERROR_, "leaving with events that could not be sent");
	s->config.done(s->config.arg);
}

static void drain_ended(struct loop_timer *t)
{
	struct shim_server *s = container_of(t, struct shim_server, drain);

	loop_defer(s->config.loop, &s->finish, server_finish);
}

static bool is_drained(const struct shim_server *s)
{
	if (RULE(events_are_sent_before_the_end) && !publisher_is_empty(s->publisher))
		return false;
	return !s->sandbox_ended || s->forced || ttrpc_server_connections(s->server) == 0;
}

static void finish_when_drained(struct shim_server *s)
{
	if (s->phase == LEAVING && is_drained(s))
		loop_defer(s->config.loop, &s->finish, server_finish);
}

static void stop_listening(struct shim_server *s)
{
	struct err err;

	if (RULE(the_name_goes_before_the_server) && s->named && address_unlink(&s->name, &err) < 0)
		log_write(s->config.log, LOG_WARN_, "%s", err.text);
	s->named = false;
	ttrpc_server_unlisten(s->server);
	if (s->config.unlistened)
		s->config.unlistened(s->config.arg);
}

static void server_leave(struct shim_server *s)
{
	if (s->phase != SERVING)
		return;
	s->phase = LEAVING;
	loop_timer_cancel(&s->idle);
	loop_timer_cancel(&s->lease);
	loop_timer_cancel(&s->linger);
	stop_listening(s);
	finish_when_drained(s);
	if (!is_drained(s))
		set_timer(s, &s->drain, s->config.drain_ns ? s->config.drain_ns : DRAIN_NS,
			drain_ended);
}

static void lease_ended(struct loop_timer *t);

static uint64_t last_lease(const struct shim_server *s)
{
	uint64_t until = 0;

	for (size_t i = 0; i < LEASES_MAX; i++)
		if (s->leases[i].until_ns > until)
			until = s->leases[i].until_ns;
	return until;
}

/* The one of this task, else the one that ends first. */
static struct lease *find_lease(struct shim_server *s, const char *id)
{
	struct lease *l = &s->leases[0];

	for (size_t i = 0; i < LEASES_MAX; i++) {
		if (str_eq(s->leases[i].id, id))
			return &s->leases[i];
		if (s->leases[i].until_ns < l->until_ns)
			l = &s->leases[i];
	}
	return l;
}

static void server_ask(struct loop_deferred *d)
{
	struct shim_server *s = container_of(d, struct shim_server, ask);
	uint64_t now = clock_boot_ns(), until = last_lease(s);

	if (has_tasks(s))
		return;
	if (RULE(a_start_that_asked_is_waited_for) && now < until)
		set_timer(s, &s->lease, until - now, lease_ended);
	else
		server_leave(s);
}

static void lease_ended(struct loop_timer *t)
{
	struct shim_server *s = container_of(t, struct shim_server, lease);

	loop_defer(s->config.loop, &s->ask, server_ask);
}

static void idle_ended(struct loop_timer *t)
{
	struct shim_server *s = container_of(t, struct shim_server, idle);

	if (ttrpc_server_connections(s->server) == 0)
		loop_defer(s->config.loop, &s->ask, server_ask);
}

static void linger_ended(struct loop_timer *t)
{
	struct shim_server *s = container_of(t, struct shim_server, linger);

	if (!has_tasks(s))
		loop_defer(s->config.loop, &s->ask, server_ask);
}

/* Each task that ends may have been the last one. Whoever deleted it may have lost his patience and
 * say nothing more, with the connection open: not for ever. */
static void begin_linger(struct shim_server *s)
{
	if (s->phase == SERVING)
		set_timer(s, &s->linger, s->config.linger_ns ? s->config.linger_ns : LINGER_NS,
			linger_ended);
}

/* ---- what the parts say to each other ---- */

static void end_lease(struct shim_server *s, const char *id)
{
	struct lease *l = find_lease(s, id);

	if (str_eq(l->id, id))
		*l = (struct lease){ 0 };
}

/* What the containers of a pod share is put into this one before it is made. */
static int join_sandbox(struct shim_server *s, struct task_addr from, const struct request *req)
{
	char text[STATUS_TEXT_SIZE];
	struct err err = { 0 };
	int r = sandbox_join(s->sandboxes.sandbox, req->create.bundle, &err);
	struct response refusal = { .type = REQ_CREATE };

	if (r < 0) {
		refusal.code = (enum task_code)status_from_errno(r);
		refusal.text = status_text(status_from_errno(r), err.text, text, sizeof(text));
		task_service_reply(&s->service, from, &refusal);
	}
	return r;
}

static void on_submit(void *arg, struct task_addr from, const struct request *req)
{
	struct shim_server *s = arg;

	/* From here on the task itself keeps the server, or nothing does: the create has failed. */
	if (req->type == REQ_CREATE)
		end_lease(s, req->id);
	publisher_retry(s->publisher);
	if (req->type == REQ_CREATE && s->sandboxes.sandbox && join_sandbox(s, from, req) < 0)
		return;
	s->seeking = req->type == REQ_CONNECT ? req->id : NULL;
	supervisor_request(s->supervisor, from, req);
	s->seeking = NULL;
}

static void on_sought(void *arg)
{
	struct shim_server *s = arg;
	const char *id = s->seeking ? s->seeking : "";
	struct lease *l = find_lease(s, id);

	snprintf(l->id, sizeof(l->id), "%s", id);
	l->until_ns = clock_boot_ns() + (s->config.lease_ns ? s->config.lease_ns : LEASE_NS);
}

static uint64_t idle_ns(const struct shim_server *s)
{
	if (s->config.idle_ns)
		return s->config.idle_ns;
	return s->config.restarted ? RESTARTED_IDLE_NS : IDLE_NS;
}

static void watch_idleness(struct shim_server *s)
{
	if (s->server && ttrpc_server_connections(s->server) == 0 && s->phase == SERVING)
		set_timer(s, &s->idle, idle_ns(s), idle_ended);
}

static void on_closed(void *arg, uint64_t conn)
{
	struct task_service *service = arg;
	struct shim_server *s = container_of(service, struct shim_server, service);

	supervisor_hangup(s->supervisor, conn);
	supervisor_look_for_marks(s->supervisor);
	sandbox_service_hangup(&s->sandboxes, conn);
	sandbox_service_look_for_mark(&s->sandboxes);
	watch_idleness(s);
	finish_when_drained(s);
}

/* The last task was deleted, and not by a request of somebody who would ask for a Shutdown next. */
static void on_empty(void *arg)
{
	watch_idleness(arg);
}

static void on_reply(void *arg, struct task_addr to, const struct response *r)
{
	struct shim_server *s = arg;

	task_service_reply(&s->service, to, r);
	if (r->type == REQ_CREATE && r->code != CODE_OK)
		begin_linger(s);
}

static void on_event(void *arg, const struct event *e)
{
	struct shim_server *s = arg;

	if (s->abandoned)
		return; /* what containerd hears of the clean-up it tells by itself */
	if (e->topic == TOPIC_CREATE && shim_log_follow(s->config.log, e->bundle)) {
		log_room_moved(&s->log_room);
		if (s->config.log_moved)
			s->config.log_moved(s->config.arg);
	}
	publisher_send(s->publisher, e);
	if (e->topic == TOPIC_DELETE)
		begin_linger(s);
}

static void on_shutdown(void *arg)
{
	struct shim_server *s = arg;

	loop_defer(s->config.loop, &s->ask, server_ask);
}

static void on_sandbox_gone(void *arg)
{
	struct shim_server *s = arg;

	s->sandbox_ended = true;
	loop_defer(s->config.loop, &s->ask, server_ask);
}

static void on_drained(void *arg)
{
	finish_when_drained(arg);
}

static void on_acked(void *arg, uint64_t task, uint64_t sequence)
{
	struct shim_server *s = arg;

	supervisor_acked(s->supervisor, task, sequence);
}

static int save_events(void *arg, struct buf *out)
{
	struct shim_server *s = arg;

	return publisher_save(s->publisher, out);
}

static int load_events(void *arg, const void *data, size_t size, struct err *err)
{
	struct shim_server *s = arg;

	return publisher_restore(s->publisher, data, size, err);
}

static void forget_event(void *arg, uint64_t task, uint64_t sequence)
{
	struct shim_server *s = arg;

	publisher_forget(s->publisher, task, sequence);
}

static bool drop_events(void *arg, uint64_t task)
{
	struct shim_server *s = arg;

	return publisher_drop(s->publisher, task);
}

static const struct supervisor_sink sink = {
	.reply = on_reply,
	.event = on_event,
	.save_events = save_events,
	.load_events = load_events,
	.forget_event = forget_event,
	.drop_events = drop_events,
	.empty = on_empty,
	.shutdown = on_shutdown,
};

/* ---- beginning ---- */

/* Without a journal the shim serves as well, only worse. */
static void load(struct shim_server *s)
{
	struct err err;

	if (s->config.journaled && supervisor_load(s->supervisor, &err) < 0)
		log_write(s->config.log, LOG_ERROR_, "nothing outlives this process: %s", err.text);
}

static int make_parts(struct shim_server *s, struct err *err)
{
	const struct shim_server_config *c = &s->config;
	struct ttrpc_server_config server = {
		.loop = c->loop,
		.log = c->log,
		.services = s->services,
		.n_services = ARRAY_LEN(s->services),
		.arg = &s->service,
		.closed = on_closed,
	};
	const struct publisher_config publisher = {
		.loop = c->loop,
		.log = c->log,
		.address = c->events_address,
		.arg = s,
		.drained = on_drained,
		.acked = on_acked,
	};
	const struct supervisor_config supervisor = {
		.loop = c->loop,
		.log = c->log,
		.sink = &sink,
		.sink_arg = s,
		.backend = c->backend,
		.backend_arg = c->backend_arg,
		.exits = c->exits,
		.fds = c->fds,
		.host = c->host,
		.journaled = c->journaled,
		.shim_pid = c->shim_pid,
	};
	int r;

	memcpy(s->services, task_service_table, sizeof(task_service_table));
	s->services[ARRAY_LEN(task_service_table)] = sandbox_service_table;
	s->services[ARRAY_LEN(task_service_table)].arg = &s->sandboxes;
	r = publisher_new(&publisher, &s->publisher, err);
	if (r == 0)
		r = supervisor_new(&supervisor, &s->supervisor, err);
	s->sandboxes = (struct sandbox_service){
		.ns = c->ns,
		.config = { .loop = c->loop,
			.log = c->log,
			.exits = c->exits,
			.guardian = c->guardian,
			.fds = c->journaled ? c->fds : NULL },
		.arg = s,
		.gone = on_sandbox_gone,
	};
	if (r == 0) {
		sandbox_service_reload(
			&s->sandboxes); /* it claims its fd before others are dropped */
		load(s);
		server.first_conn = supervisor_last_conn(s->supervisor) + 1;
		r = ttrpc_server_new(&server, &s->server, err);
	}
	s->service = (struct task_service){ s->server, c->ns, s, on_submit, on_sought };
	s->sandboxes.server = s->server;
	return r;
}

int shim_server_new(
	const struct shim_server_config *config, struct shim_server **ret, struct err *err)
{
	auto_close int listener = config->listener;
	auto_freep(shim_server) struct shim_server *s = mem_calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_oom(err);
	s->config = *config;
	log_room_begin(&s->log_room, config->loop, config->log);
	s->named = listener >= 0 && address_of_fd(listener, &s->name) == 0;
	r = make_parts(s, err);
	if (r == 0 && listener >= 0)
		r = ttrpc_server_listen_take_fd(s->server, take_fd(&listener), 0, err);
	if (r < 0)
		return r;
	if (config->restarted)
		watch_idleness(s);
	else
		set_timer(s, &s->idle,
			config->first_idle_ns ? config->first_idle_ns : FIRST_IDLE_NS, idle_ended);
	*ret = take_ptr(s);
	return 0;
}

void shim_server_free(struct shim_server *s)
{
	if (!s)
		return;
	loop_timer_cancel(&s->idle);
	loop_timer_cancel(&s->lease);
	loop_timer_cancel(&s->linger);
	loop_timer_cancel(&s->drain);
	loop_defer_cancel(&s->ask);
	loop_defer_cancel(&s->finish);
	log_room_done(&s->log_room);
	supervisor_free(s->supervisor);
	sandbox_service_done(&s->sandboxes);
	publisher_free(s->publisher);
	ttrpc_server_free(s->server);
	free(s);
}

void shim_server_stop(struct shim_server *s)
{
	s->forced = true;
	server_leave(s);
	finish_when_drained(s);
}

void shim_server_abandon(struct shim_server *s)
{
	s->abandoned = true;
	s->phase = LEFT;
	loop_timer_cancel(&s->idle);
	loop_timer_cancel(&s->lease);
	loop_timer_cancel(&s->drain);
	stop_listening(s);
}

void shim_server_dump(const struct shim_server *s)
{
	static const char *const phases[] = {
		[SERVING] = "serving", [LEAVING] = "leaving", [LEFT] = "left"
	};

	log_write(s->config.log, LOG_INFO_,
		"%s: %zu tasks, %zu connections, %llu events sent, %s, %llu log records dropped",
		phases[s->phase], supervisor_count(s->supervisor),
		ttrpc_server_connections(s->server),
		(unsigned long long)publisher_sequence(s->publisher),
		publisher_is_empty(s->publisher) ? "none waiting" : "others waiting",
		(unsigned long long)s->config.log->dropped);
}
