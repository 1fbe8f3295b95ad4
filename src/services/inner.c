/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: a call is known by a number alone, as at every door, so that a second answer, or one
 * that comes late, goes nowhere. Who asked is told from the loop: an answer may be there before the
 * question has been put to the end. And a service gets a message of its own, as a door would give it
 * one: it writes into it, and what it writes ends with its call.
 */
#include "services/inner.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "rpc/message.h"

struct call {
	struct call *next;
	struct core *core;
	uint32_t number;
	inner_done_fn *done;
	void *arg;
	struct loop_deferred end;
	bool answered;
	enum status_code code;
	char *text;
	struct buf payload;
};

struct core_inner {
	struct rpc_door door;
	struct core *core;
	struct call *calls;
	uint32_t last;
};

static void call_free(struct call *k)
{
	struct call **at = &k->core->inner->calls;

	while (*at && *at != k)
		at = &(*at)->next;
	if (*at)
		*at = k->next;
	loop_defer_cancel(&k->end);
	buf_done(&k->payload);
	free(k->text);
	free(k);
}

static void on_end(struct loop_deferred *d)
{
	struct call *k = container_of(d, struct call, end);
	struct inner_answer a = { k->code, k->text ? k->text : "", k->payload.data,
		k->payload.len };

	if (k->code == RPC_OK && buf_ok(&k->payload) < 0)
		a = (struct inner_answer){ .code = RPC_RESOURCE_EXHAUSTED,
			.text = "out of memory" };
	k->done(k->arg, &a);
	call_free(k);
}

static void on_reply(struct rpc_door *d, struct rpc_addr to, enum status_code code,
	const char *text, const void *payload, size_t size)
{
	struct core_inner *inner = container_of(d, struct core_inner, door);

	for (struct call *k = inner->calls; k; k = k->next) {
		if (k->number != to.stream || k->answered)
			continue;
		k->answered = true;
		k->code = code;
		k->text = strdup(text);
		buf_add(&k->payload, payload, size);
		loop_defer(inner->core->loop, &k->end, on_end);
		return;
	}
}

static int get(struct core *core, struct core_inner **ret)
{
	if (!core->inner) {
		core->inner = mem_calloc(1, sizeof(*core->inner));
		if (!core->inner)
			return -ENOMEM;
		core->inner->door.reply = on_reply;
		core->inner->core = core;
	}
	*ret = core->inner;
	return 0;
}

static const struct rpc_method *find(
	const struct core *core, const char *service, const char *method, void **ret_arg)
{
	const struct rpc_service *s = rpc_find_service(core->services, core->n_services, service);

	if (!s)
		return NULL;
	*ret_arg = s->arg ? s->arg : (void *)core;
	return rpc_find_method(s, method);
}

/* The call has an answer, now or later. */
static void put_question(struct rpc_request *req, void *to, const struct buf *bytes)
{
	auto_done(arena) struct arena arena = { 0 };
	struct err err = { 0 };
	int r = message_decode(
		req->method->input, bytes->data, bytes->len, &arena, &req->message, &err);

	if (r < 0)
		rpc_reply_err(req->door, req->addr, r, &err);
	else
		req->method->handler(to, req);
}

int inner_call(struct core *core, const char *service, const char *method, const char *ns,
	const char *lease, const ProtobufCMessage *message, inner_done_fn *done, void *arg,
	struct err *err)
{
	struct rpc_request req = { .service = service, .ns = ns, .lease = lease };
	auto_done(buf) struct buf bytes = { 0 };
	struct core_inner *inner;
	struct call *k;
	void *to = NULL;

	req.method = find(core, service, method, &to);
	if (!req.method || req.method->shape != RPC_UNARY)
		return err_set(err, -ENOSYS, "there is no method %s of %s", method, service);
	message_encode(message, &bytes);
	if (buf_ok(&bytes) < 0)
		return err_oom(err);
	k = get(core, &inner) == 0 ? mem_calloc(1, sizeof(*k)) : NULL;
	if (!k)
		return err_oom(err);
	*k = (struct call){ .next = inner->calls,
		.core = core,
		.number = ++inner->last,
		.done = done,
		.arg = arg };
	inner->calls = k;
	req.door = &inner->door;
	req.addr = (struct rpc_addr){ 1, k->number };
	put_question(&req, to, &bytes);
	return 0;
}

void inner_end(struct core *core)
{
	if (!core->inner)
		return;
	while (core->inner->calls)
		call_free(core->inner->calls);
	free(core->inner);
	core->inner = NULL;
}
