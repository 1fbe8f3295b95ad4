/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an order to create to a task: bundle, `start`, connection, Create. Each failure goes to one of two ways back
 * (shim_task_end.c): before there is a connection only `delete` can help, after it the shim is asked first.
 */
#include "manager/shim_task_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "manager/remains.h"
#include "rpc/message.h"

#define BINARY_NAME "shim-binary-path"

/* ---- Create ---- */

static void on_created(struct shim_task *t, const struct ttrpc_answer *a);

static void send_create(struct shim_task *t)
{
	uint64_t limit = clock_boot_ns() + t->host->limits.create_ns;

	shim_step_bytes(
		t, "Create", &t->create, t->deadline_ns ? t->deadline_ns : limit, on_created);
}

/* In containerd's words: there are clients that look into them. */
static void refuse_create(struct shim_task *t, const struct ttrpc_answer *a)
{
	auto_free char *text = NULL;

	if (asprintf(&text, "failed to create shim task: %s", a->text) < 0)
		text = NULL;
	shim_fail(t, a->code, text ? text : a->text);
	shim_undo(t, SHIM_FAILED);
}

static void on_created(struct shim_task *t, const struct ttrpc_answer *a)
{
	struct err err;

	if (shim_lower_version(t, a))
		return send_create(t);
	if (a->end == TTRPC_LOST) {
		shim_fail(t, RPC_UNAVAILABLE, "its shim died during Create");
		return; /* shim_lost() follows */
	}
	if (a->code != RPC_OK)
		return refuse_create(t, a);
	if (shim_save_stage(t, INTENT_CREATED, &err) < 0) {
		shim_fail(t, status_from_errno(err.code), err.text);
		return shim_undo(t, SHIM_FAILED);
	}
	buf_done(&t->create);
	shim_move(t, SHIM_LIVE);
	t->has_create = false;
	shim_answer(t, t->create_tag, RPC_OK, "", a->payload, a->size);
}

/* ---- start ---- */

static int save_launch(struct shim_task *t, struct err *err)
{
	auto_close int bundle = -EBADF;
	int r = bundle_open(t->host->store, t->ns, t->id, &bundle, err);

	if (r < 0)
		return r;
	r = file_replace_at(bundle, BINARY_NAME, t->binary, strlen(t->binary), 0600);
	if (r < 0)
		return err_code(err, r, "write " BINARY_NAME);
	return endpoint_save(bundle, &t->endpoint, err);
}

/* The shim's faults are not the client's: no code but that of time says anything to it. */
static void fail_start(struct shim_task *t, struct err *err)
{
	enum status_code code = err->code == -ETIMEDOUT ? RPC_DEADLINE_EXCEEDED : RPC_UNKNOWN;

	err_in(err, "failed to start shim: start failed");
	shim_fail(t, code, err->text);
	/* One that told its address, though it failed in something else, is asked to leave. */
	if (t->client)
		shim_undo(t, SHIM_FAILED);
	else
		shim_clean(t, SHIM_FAILED);
}

static void on_started(void *arg, const struct buf *output, const struct err *e)
{
	struct shim_task *t = arg;
	struct err err = { 0 }, unreachable;
	int r;

	shim_call_free(t->call);
	t->call = NULL;
	r = endpoint_parse(output->data ? output->data : "", output->len, &t->endpoint, &err);
	if (t->endpoint.address && shim_connect(t, &unreachable) < 0 && r == 0)
		r = err_set(&err, unreachable.code, "%s", unreachable.text);
	if (r == 0 && !e)
		r = save_launch(t, &err);
	if (e)
		err = *e;
	if (r < 0 || e)
		return fail_start(t, &err);
	shim_move(t, SHIM_CREATE);
	send_create(t);
}

static const Pb__Any *options_of(const struct shim_create *req)
{
	return req->request->options ? req->request->options : req->runtime_options;
}

static uint64_t start_limit(const struct shim_task *t)
{
	uint64_t limit = t->host->limits.start_ns, now = clock_boot_ns();

	if (!t->deadline_ns)
		return limit;
	if (t->deadline_ns <= now)
		return 1;
	return t->deadline_ns - now < limit ? t->deadline_ns - now : limit;
}

static int start(struct shim_task *t, const struct shim_create *req, struct err *err)
{
	auto_done(buf) struct buf input = { 0 };
	auto_free char *bundle = shim_bundle(t);
	const Pb__Any *options = options_of(req);
	struct shim_call_request call = {
		.action = "start",
		.binary = t->binary,
		.ns = t->ns,
		.id = t->id,
		.bundle = bundle,
		.limit_ns = start_limit(t),
	};

	if (options)
		message_encode(&options->base, &input);
	if (!bundle || buf_ok(&input) < 0)
		return err_oom(err);
	call.input = input.data;
	call.input_size = input.len;
	return shim_call_start(&t->host->call, &call, on_started, t, &t->call, err);
}

/* ---- the order ---- */

static int encode_create(struct shim_task *t, const struct shim_create *req, struct err *err)
{
	Pb__Task__CreateRequest m = *req->request;
	auto_free char *bundle = shim_bundle(t);

	if (!bundle)
		return err_oom(err);
	m.id = t->id;
	m.bundle = bundle;
	/* as it was given to `start`: containerd's own shims take them from here */
	m.options = (Pb__Any *)options_of(req);
	message_encode(&m.base, &t->create);
	return buf_ok(&t->create) < 0 ? err_oom(err) : 0;
}

static int open_log(struct shim_task *t, struct err *err)
{
	auto_close int bundle = -EBADF;
	int r = bundle_open(t->host->store, t->ns, t->id, &bundle, err);

	if (r < 0)
		return r;
	return log_fifo_open(&t->log, t->host->loop, t->host->log, bundle, t->ns, t->id, err);
}

static int prepare(struct shim_task *t, const struct shim_create *req, struct err *err)
{
	struct bundle_request bundle = {
		.ns = req->ns,
		.id = req->id,
		.spec = req->spec,
		.spec_size = req->spec_size,
		.intent = { req->runtime, req->binary, INTENT_LAUNCH },
		.take_checkpoint = req->take_checkpoint,
	};
	int r;

	t->binary = strdup(req->binary);
	t->runtime = strdup(req->runtime);
	if (!t->binary || !t->runtime)
		return err_oom(err);
	remains_claim(req->spec, req->spec_size, req->id, &t->cgroup);
	bundle.intent.cgroup = t->cgroup;
	r = encode_create(t, req, err);
	return r < 0 ? r : bundle_make(t->host->store, &bundle, err);
}

static int launch(struct shim_task *t, const struct shim_create *req, struct err *err)
{
	struct err ignored;
	int r = open_log(t, err);

	if (r == 0)
		r = start(t, req, err);
	if (r < 0) /* nothing has run, so there is nothing that `delete` could know of */
		(void)bundle_remove(t->host->store, t->ns, t->id, &ignored);
	return r;
}

int shim_task_create(struct shim_host *host, const struct shim_create *req, uint64_t tag,
	struct shim_task **ret, struct err *err)
{
	struct shim_task *t = NULL;
	int r = shim_task_new(host, req->ns, req->id, &t, err);

	if (r < 0)
		return r;
	t->has_create = true;
	t->create_tag = tag;
	t->deadline_ns = req->deadline_boot_ns;
	t->intended = true;
	r = prepare(t, req, err);
	if (r == 0)
		r = launch(t, req, err);
	if (r < 0)
		shim_task_free(t);
	else
		*ret = t;
	return r;
}
