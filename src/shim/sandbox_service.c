/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each method is a row. containerd takes "not found" of a stop for done, and of a status for a sandbox that has ended,
 * so a sandbox that is not ours is always that and nothing else; only a start where none was created yet comes too early.
 *
 * The shim that holds a sandbox answers for it until ShutdownSandbox: a containerd that was away must find it again,
 * stopped or not.
 */
#include "shim/sandbox_service.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "api/stats_message.h"
#include "api/task_name.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "shim/args.h"
#include "shim/info.h"

#include "proto/sandbox.pb-c.h"

enum kind { CREATE, START, PLATFORM, STOP, WAIT, STATUS, PING, SHUTDOWN, METRICS };

/* How every request begins. */
struct named {
	ProtobufCMessage base;
	char *sandbox_id;
};
#define BEGINS(type) \
	static_assert(offsetof(struct named, sandbox_id) == offsetof(type, sandbox_id), #type)
BEGINS(Pb__Sandbox__CreateRequest);
BEGINS(Pb__Sandbox__StartRequest);
BEGINS(Pb__Sandbox__PlatformRequest);
BEGINS(Pb__Sandbox__StopRequest);
BEGINS(Pb__Sandbox__WaitRequest);
BEGINS(Pb__Sandbox__StatusRequest);
BEGINS(Pb__Sandbox__PingRequest);
BEGINS(Pb__Sandbox__ShutdownRequest);
BEGINS(Pb__Sandbox__MetricsRequest);

static void refuse(struct sandbox_service *s, struct rpc_addr to, const struct err *err)
{
	enum status_code code = status_from_errno(err->code);
	char text[STATUS_TEXT_SIZE];

	ttrpc_reply(s->server, to, code, status_text(code, err->text, text, sizeof(text)), NULL, 0);
}

static void reply_empty(struct sandbox_service *s, struct rpc_addr to)
{
	ttrpc_reply(s->server, to, RPC_OK, NULL, NULL, 0);
}

/* ---- those who wait for the end ---- */

static void answer_waiter(struct sandbox_service *s, const struct sandbox_waiter *w)
{
	const struct sandbox_record *r = sandbox_record(s->sandbox);
	Pb__Sandbox__WaitResponse m = PB__SANDBOX__WAIT_RESPONSE__INIT;
	Pb__Timestamp at;

	if (w->kind == STOP)
		return reply_empty(s, w->from);
	message_set_time(&at, r->exited_wall_ns);
	m.exit_status = r->exit_status;
	m.exited_at = &at;
	ttrpc_reply_message(s->server, w->from, &m.base);
}

static int do_shutdown(struct sandbox_service *s, struct rpc_addr to, struct err *err)
{
	int r = sandbox_destroy(s->sandbox, err);

	if (r < 0)
		return r;
	sandbox_free(take_ptr(s->sandbox));
	reply_empty(s, to);
	s->gone(s->arg);
	return 0;
}

static void answer_shutdown(struct sandbox_service *s, struct rpc_addr to)
{
	struct err err;

	if (!s->sandbox)
		reply_empty(s, to);
	else if (do_shutdown(s, to, &err) < 0)
		refuse(s, to, &err);
}

/* Deleted from outside, and stopped. */
static void forget(struct sandbox_service *s)
{
	struct err err;

	if (sandbox_destroy(s->sandbox, &err) < 0)
		log_write(s->config.log, LOG_WARN_, "sandbox '%s': %s",
			sandbox_record(s->sandbox)->id, err.text);
	sandbox_remove_mark(s->sandbox);
	sandbox_free(take_ptr(s->sandbox));
	s->deserted = false;
	s->gone(s->arg);
}

/* The sandbox does nothing after this: it may be freed here. */
static void on_stopped(void *arg)
{
	struct sandbox_service *s = arg;

	for (size_t i = 0; i < s->n_waiters; i++)
		if (s->waiters[i].kind != SHUTDOWN)
			answer_waiter(s, &s->waiters[i]);
	for (size_t i = 0; i < s->n_waiters; i++)
		if (s->waiters[i].kind == SHUTDOWN)
			answer_shutdown(s, s->waiters[i].from);
	s->n_waiters = 0;
	if (s->deserted && s->sandbox)
		forget(s);
}

static void answer_at_end(struct sandbox_service *s, struct rpc_addr from, enum kind kind)
{
	struct sandbox_waiter w = { from, kind };
	struct err err;

	if (sandbox_record(s->sandbox)->state == SANDBOX_STOPPED && kind == SHUTDOWN) {
		answer_shutdown(s, from);
	} else if (sandbox_record(s->sandbox)->state == SANDBOX_STOPPED) {
		answer_waiter(s, &w);
	} else if (mem_grow(&s->waiters, &s->cap_waiters, s->n_waiters + 1, sizeof(w)) < 0) {
		err_oom(&err);
		refuse(s, from, &err);
	} else {
		s->waiters[s->n_waiters++] = w;
	}
}

static struct sandbox_config config_of(struct sandbox_service *s)
{
	struct sandbox_config config = s->config;

	config.arg = s;
	config.stopped = on_stopped;
	return config;
}

void sandbox_service_reload(struct sandbox_service *s)
{
	struct sandbox_config config = config_of(s);
	struct err err;
	int r = sandbox_reload(&config, &s->sandbox, &err);

	if (r < 0 && r != -ENOENT)
		log_write(s->config.log, LOG_ERROR_, "%s", err.text);
	sandbox_service_look_for_mark(s);
}

void sandbox_service_look_for_mark(struct sandbox_service *s)
{
	if (!s->sandbox || s->deserted || !sandbox_is_deserted(s->sandbox))
		return;
	s->deserted = true;
	if (sandbox_record(s->sandbox)->state == SANDBOX_STOPPED)
		forget(s);
	else
		sandbox_stop(s->sandbox);
}

void sandbox_service_hangup(struct sandbox_service *s, uint64_t conn)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_waiters; i++)
		if (s->waiters[i].from.conn != conn)
			s->waiters[n++] = s->waiters[i];
	s->n_waiters = n;
}

/* ---- methods ---- */

static int do_create(
	struct sandbox_service *s, const Pb__Sandbox__CreateRequest *m, struct err *err)
{
	struct sandbox_config config = config_of(s);
	int r = task_name_check(m->sandbox_id, "sandbox id", err);

	if (r < 0)
		return r;
	if (s->sandbox)
		return err_set(err, -EEXIST, "this shim holds sandbox '%s'",
			sandbox_record(s->sandbox)->id);
	if (m->n_rootfs)
		return err_set(err, -EINVAL,
			"sandbox '%s' is to have a root file system: it runs nothing",
			m->sandbox_id);
	return sandbox_create(&config, m->sandbox_id, m->bundle_path, m->netns_path, m->options,
		&s->sandbox, err);
}

static int do_start(struct sandbox_service *s, struct rpc_addr to, struct err *err)
{
	Pb__Sandbox__StartResponse m = PB__SANDBOX__START_RESPONSE__INIT;
	Pb__Timestamp at;
	int r = sandbox_start(s->sandbox, err);

	if (r < 0)
		return r;
	message_set_time(&at, sandbox_record(s->sandbox)->created_wall_ns);
	m.pid = (uint32_t)sandbox_pid(s->sandbox);
	m.created_at = &at;
	ttrpc_reply_message(s->server, to, &m.base);
	return 0;
}

/* As Go calls it. */
static const char *architecture(struct utsname *u)
{
	if (uname(u) < 0)
		return "";
	if (strcmp(u->machine, "x86_64") == 0)
		return "amd64";
	return strcmp(u->machine, "aarch64") == 0 ? "arm64" : u->machine;
}

static void do_platform(struct sandbox_service *s, struct rpc_addr to)
{
	Pb__Sandbox__PlatformResponse m = PB__SANDBOX__PLATFORM_RESPONSE__INIT;
	Pb__Sandbox__Platform p = PB__SANDBOX__PLATFORM__INIT;
	struct utsname u;

	p.os = (char *)"linux";
	p.architecture = (char *)architecture(&u);
	m.platform = &p;
	ttrpc_reply_message(s->server, to, &m.base);
}

/* What `crictl inspectp` shows; operators read the pid there. */
static void write_info(const struct sandbox *sandbox, struct buf *out)
{
	static const char *const states[] = { "created", "running", "stopped" };
	const struct sandbox_record *r = sandbox_record(sandbox);
	struct json_writer w = { .out = out };

	json_write_open(&w, '{');
	json_write_member_i64(&w, "pid", sandbox_pid(sandbox));
	json_write_member_str(&w, "processStatus", states[r->state]);
	json_write_member_bool(&w, "netNsClosed", r->state == SANDBOX_STOPPED);
	json_write_member_str(&w, "runtimeType", SHIM_RUNTIME_NAME);
	json_write_close(&w, '}');
}

static Pb__Pair info_row(const char *key, const char *value)
{
	Pb__Pair row = PB__PAIR__INIT;

	row.key = (char *)key;
	row.value = (char *)value;
	return row;
}

static int do_status(struct sandbox_service *s, struct rpc_addr to, bool verbose, struct err *err)
{
	Pb__Sandbox__StatusResponse m = PB__SANDBOX__STATUS_RESPONSE__INIT;
	const struct sandbox_record *r = sandbox_record(s->sandbox);
	auto_done(buf) struct buf text = { 0 };
	Pb__Pair rows[3], *info[] = { &rows[0], &rows[1], &rows[2] };
	Pb__Timestamp created, exited;
	char pid[16];

	write_info(s->sandbox, &text);
	if (buf_ok(&text) < 0)
		return err_oom(err);
	snprintf(pid, sizeof(pid), "%d", sandbox_pid(s->sandbox));
	message_set_time(&created, r->created_wall_ns);
	message_set_time(&exited, r->exited_wall_ns);
	m.sandbox_id = (char *)r->id;
	m.pid = (uint32_t)sandbox_pid(s->sandbox);
	m.state = (char *)(r->state == SANDBOX_READY ? "SANDBOX_READY" : "SANDBOX_NOTREADY");
	m.created_at = &created;
	m.exited_at = &exited;
	rows[0] = info_row("info", text.data);
	rows[1] = info_row(
		"pid", pid); /* this and the next for who reads the map and not crictl's document */
	rows[2] = info_row("state", m.state);
	m.info = info;
	m.n_info = verbose ? ARRAY_LEN(info) : 0;
	ttrpc_reply_message(s->server, to, &m.base);
	return 0;
}

static int do_metrics(struct sandbox_service *s, struct rpc_addr to, struct err *err)
{
	Pb__Sandbox__MetricsResponse m = PB__SANDBOX__METRICS_RESPONSE__INIT;
	Pb__Sandbox__Metric metric = PB__SANDBOX__METRIC__INIT;
	auto_done(arena) struct arena arena = { 0 };
	Pb__Any any = PB__ANY__INIT;
	struct stats stats = { 0 };
	Pb__Timestamp now;
	int r = sandbox_stats(s->sandbox, &stats, err);

	if (r < 0)
		return r;
	r = stats_message_encode(&stats, &arena, &any);
	stats_done(&stats);
	if (r < 0)
		return err_oom(err);
	message_set_time(&now, clock_wall_ns());
	metric.timestamp = &now;
	metric.id = (char *)sandbox_record(s->sandbox)->id;
	metric.data = &any;
	m.metrics = &metric;
	ttrpc_reply_message(s->server, to, &m.base);
	return 0;
}

/* 0: it is answered, or will be. */
static int perform(struct sandbox_service *s, const struct rpc_request *req, struct err *err)
{
	const struct named *m = (const void *)req->message;
	int r;

	if (req->method->kind == CREATE) {
		r = do_create(s, (const void *)req->message, err);
		if (r == 0)
			reply_empty(s, req->addr);
		return r;
	}
	if (!s->sandbox && req->method->kind == START)
		return err_set(err, -EBUSY, "sandbox '%s' was not created", m->sandbox_id);
	if (!s->sandbox || !str_eq(sandbox_record(s->sandbox)->id, m->sandbox_id))
		return err_set(err, -ENOENT, "sandbox '%s'", m->sandbox_id);
	switch ((enum kind)req->method->kind) {
	case CREATE:
		break;
	case START:
		return do_start(s, req->addr, err);
	case PLATFORM:
		do_platform(s, req->addr);
		break;
	case STOP:
		answer_at_end(s, req->addr, STOP);
		sandbox_stop(s->sandbox);
		break;
	case WAIT:
		answer_at_end(s, req->addr, WAIT);
		break;
	case STATUS:
		return do_status(s, req->addr,
			((const Pb__Sandbox__StatusRequest *)(const void *)m)->verbose, err);
	case PING:
		reply_empty(s, req->addr);
		break;
	case SHUTDOWN:
		answer_at_end(s, req->addr, SHUTDOWN);
		if (s->sandbox)
			sandbox_stop(s->sandbox);
		break;
	case METRICS:
		return do_metrics(s, req->addr, err);
	}
	return 0;
}

static void handle(void *arg, const struct rpc_request *req)
{
	struct sandbox_service *s = arg;
	struct err err = { 0 };
	int r = 0;

	if (req->ns && !str_eq(req->ns, s->ns))
		r = err_set(&err, -EINVAL, "namespace '%s' is not served here", req->ns);
	if (r == 0)
		r = perform(s, req, &err);
	if (r < 0)
		refuse(s, req->addr, &err);
}

// clang-format off
static const struct rpc_method methods[] = {
	{ "CreateSandbox",   &pb__sandbox__create_request__descriptor,   CREATE,   handle },
	{ "StartSandbox",    &pb__sandbox__start_request__descriptor,    START,    handle },
	{ "Platform",        &pb__sandbox__platform_request__descriptor, PLATFORM, handle },
	{ "StopSandbox",     &pb__sandbox__stop_request__descriptor,     STOP,     handle },
	{ "WaitSandbox",     &pb__sandbox__wait_request__descriptor,     WAIT,     handle },
	{ "SandboxStatus",   &pb__sandbox__status_request__descriptor,   STATUS,   handle },
	{ "PingSandbox",     &pb__sandbox__ping_request__descriptor,     PING,     handle },
	{ "ShutdownSandbox", &pb__sandbox__shutdown_request__descriptor, SHUTDOWN, handle },
	{ "SandboxMetrics",  &pb__sandbox__metrics_request__descriptor,  METRICS,  handle },
};
// clang-format on

const struct rpc_service sandbox_service_table = { "containerd.runtime.sandbox.v1.Sandbox", methods,
	ARRAY_LEN(methods), NULL };

void sandbox_service_done(struct sandbox_service *s)
{
	sandbox_free(take_ptr(s->sandbox));
	free(take_ptr(s->waiters));
	s->n_waiters = s->cap_waiters = 0;
}
