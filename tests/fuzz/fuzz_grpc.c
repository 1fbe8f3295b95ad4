/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes in over a gRPC connection. The first byte of the input says in pieces of how many bytes, its highest bit
 * that the preface and settings of a client stand before the rest. Handlers answer, stream, or hold the call.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "rpc/grpc_session.h"
#include "rpc/grpc_wire.h"

#include "proto/task.pb-c.h"

/* One character of UTF-8 in an encoded text: what is shorter than the most by this was not cut. */
#define LONGEST 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct rpc_door door;
	struct grpc_session *s;
	size_t attached, gone;
};

static struct world *of(struct rpc_door *d)
{
	return container_of(d, struct world, door);
}

static void reply(struct rpc_door *d, struct rpc_addr to, enum status_code code, const char *text,
	const void *payload, size_t size)
{
	grpc_session_reply(of(d)->s, to.stream, code, text, payload, size);
}

static int attach(struct rpc_door *d, struct rpc_addr to, const struct rpc_call_ops *ops, void *arg)
{
	return grpc_session_attach(of(d)->s, to.stream, ops, arg);
}

static int send_(struct rpc_door *d, struct rpc_addr to, const void *payload, size_t size)
{
	return grpc_session_send(of(d)->s, to.stream, payload, size);
}

static size_t unsent(struct rpc_door *d, struct rpc_addr to)
{
	return grpc_session_unsent(of(d)->s, to.stream);
}

static void gone(void *arg)
{
	struct world *w = arg;

	w->gone++;
}

static const struct rpc_call_ops ops = { .gone = gone };

static void handle(void *arg, const struct rpc_request *req)
{
	struct world *w = arg;
	Pb__Task__StartResponse out = PB__TASK__START_RESPONSE__INIT;

	out.pid = 5;
	if (req->method->shape != RPC_UNARY && rpc_attach(req->door, req->addr, &ops, w) == 0)
		w->attached++;
	if (req->method->shape == RPC_UNARY)
		rpc_reply_message(req->door, req->addr, &out.base);
	else if (req->method->shape == RPC_STREAM)
		rpc_send(req->door, req->addr, &out.base);
}

static const struct rpc_method methods[] = {
	{ "A", &pb__task__kill_request__descriptor, 0, handle },
	{ "B", &pb__task__create_request__descriptor, 0, handle, RPC_STREAM },
	{ "C", &pb__task__kill_request__descriptor, 0, handle, RPC_DIALOGUE },
};
static const struct rpc_service service = { "s", methods, ARRAY_LEN(methods) };

static int feed(struct world *w, const void *data, size_t size)
{
	const uint8_t *out;
	int r = grpc_session_feed(w->s, data, size);

	while (grpc_session_fetch(w->s, &out) > 0)
		;
	return r;
}

static bool is_text(const char *s)
{
	size_t n = 1;

	for (size_t left = strlen(s); left > 0 && n > 0; s += n, left -= n)
		n = str_utf8_len(s, left);
	return n > 0;
}

/* Text comes back as it was; what is none has become text, and stays what it is then. */
static void words(const uint8_t *data, size_t size)
{
	auto_free char *text = strndup((const char *)data, size);
	struct buf once = { 0 }, back = { 0 }, twice = { 0 };
	uint64_t ns;

	if (!text)
		return;
	(void)grpc_timeout_parse(text, &ns);
	(void)grpc_content_type_ok(text);
	grpc_text_encode(text, &once);
	grpc_text_decode(once.data ? once.data : "", &back);
	if (once.len + LONGEST <= GRPC_TEXT_MAX && is_text(text) &&
		strcmp(back.data ? back.data : "", text) != 0)
		abort();
	grpc_text_encode(back.data ? back.data : "", &twice);
	if (!str_eq(twice.data ? twice.data : "", once.data ? once.data : ""))
		abort();
	buf_done(&once);
	buf_done(&back);
	buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
	struct grpc_budget budget = { .max = 1 << 20 };
	struct world w = { .door = { reply, attach, send_, unsent } };
	struct grpc_session_config config = { .services = &service,
		.n_services = 1,
		.arg = &w,
		.door = &w.door,
		.budget = &budget,
		.conn = 1 };
	size_t step = size > 0 && data[0] & 0x7f ? data[0] & 0x7f : 4096;
	int r = 0;

	if (size == 0 || loop_new(&config.loop) < 0)
		return 0;
	words(data, size);
	if (grpc_session_new(&config, &w.s, NULL) < 0)
		abort();
	if (data[0] & 0x80)
		r = feed(&w, preface, sizeof(preface)); /* with its last NUL */
	for (size_t at = 1; at < size && r == 0; at += step)
		r = feed(&w, data + at, size - at < step ? size - at : step);
	grpc_session_free(w.s);
	if (budget.used != 0 || w.attached != w.gone)
		abort();
	loop_free(config.loop);
	return 0;
}
