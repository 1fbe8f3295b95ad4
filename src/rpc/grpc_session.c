/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nghttp2 speaks HTTP/2; this decides what of it is a call, when the call is whole, what is answered
 * when no handler sees it (in the words of the Go server), and where patience with a client ends.
 *
 * What surprises: a handler runs inside of nghttp2's receive callback and answers there; nothing is
 * fetched then, the owner is woken and fetches later. A call outlives its answer until nghttp2 has
 * closed the stream, so handlers may be told of it (gone) only from there.
 *
 * Floods. Memory: streams, header lists, bytes per message and bytes of all calls (with what a
 * stream itself costs) have limits, and acknowledgements that wait are counted by nghttp2, as are
 * CONTINUATION frames. Work without use (resets, settings, priorities, empty DATA) takes from an
 * allowance that refills; who uses it up is cut off. PING is free: Go clients send one per round trip while data flows, and its answers are
 * bounded as the client must read them.
 */
#include "rpc/grpc_session.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "rpc/grpc_wire.h"

#define HEADER_LIST_MAX (64u << 10)
#define HEADER_TABLE_BYTES 4096
#define STREAM_WINDOW (256 << 10)
#define CONNECTION_WINDOW (1 << 20)
#define ROOM_BYTES (64u << 10) /* below it a stream's handler may send more */
#define UNSENT_MAX (32u << 20) /* of one connection */
#define HELD_MAX (64u << 20)   /* of one connection, both ways */
#define UNREAD_MAX (1u << 20)  /* more of it is not sent to who is told that his call has failed */
#define HEADERS_BYTES 4096     /* what an arena begins with */
#define STREAM_BYTES 1024      /* what nghttp2 and its tables hold for a stream, generously */
#define ALLOWANCE_MAX 20000u   /* of useless work, and what comes back per second */
#define ALLOWANCE_PER_SEC 10000u

struct call {
	struct grpc_session *s;
	struct call *prev, *next;
	int32_t stream;
	/* What the headers say. */
	struct arena headers;
	size_t header_bytes;
	const char *http_method, *path, *type, *encoding, *timeout, *ns, *lease;
	uint64_t deadline_ns;
	struct loop_timer deadline;
	/* What comes in. */
	const struct rpc_service *service;
	const struct rpc_method *method;
	struct grpc_reader in;
	struct buf *message; /* the one of a unary call: inside of `in` */
	bool remote_closed;
	/* What goes out. */
	struct buf out; /* messages with their prefixes */
	size_t out_at;
	size_t whole_at; /* up to here whole messages are sent */
	size_t n_out;    /* messages that are not */
	bool answered;   /* response headers were submitted */
	bool deferred;   /* nghttp2 waits for more of `out` */
	bool full;       /* room() is owed */
	bool ended;      /* code and text are final */
	enum status_code code;
	struct buf text; /* encoded */
	/* Who is told. */
	const struct rpc_call_ops *ops;
	void *arg;
	size_t held; /* as counted in the budget */
};

struct grpc_session {
	struct grpc_session_config config;
	nghttp2_session *h2;
	struct call *calls;
	size_t n_calls, held;
	uint64_t allowance, allowance_at_ns;
	bool broken;
	bool draining;
};

static void wake(struct grpc_session *s)
{
	if (s->config.wake)
		s->config.wake(s->config.wake_arg);
}

/* ---- memory ---- */

static void count(struct call *c)
{
	size_t held = sizeof(*c) + STREAM_BYTES +
		      (c->headers.chunks ? HEADERS_BYTES + c->header_bytes : 0) +
		      grpc_reader_held(&c->in) + c->out.cap;
	struct grpc_session *s = c->s;

	s->held = s->held - c->held + held;
	s->config.budget->used = s->config.budget->used - c->held + held;
	c->held = held;
}

/* The call itself is gone. */
static void count_nothing(struct call *c)
{
	c->s->held -= c->held;
	c->s->config.budget->used -= c->held;
	c->held = 0;
}

static bool is_over(const struct grpc_session *s, size_t more)
{
	const struct grpc_budget *b = s->config.budget;

	return s->held + more > HELD_MAX || b->used + more > b->max;
}

static void forget_input(struct call *c)
{
	grpc_reader_done(&c->in);
	c->message = NULL;
	count(c);
}

/* ---- answers ---- */

#define NV(n, v, len) \
	((nghttp2_nv){ (uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, (len), NGHTTP2_NV_FLAG_NONE })

static size_t status_headers(struct call *c, nghttp2_nv *nv, char number[12])
{
	size_t n = 0;

	nv[n++] = NV("grpc-status", number, (size_t)snprintf(number, 12, "%d", (int)c->code));
	if (c->text.len > 0)
		nv[n++] = NV("grpc-message", c->text.data, c->text.len);
	return n;
}

static size_t message_size(const struct call *c, size_t at)
{
	return GRPC_PREFIX_BYTES + grpc_prefix_size((const uint8_t *)c->out.data + at);
}

static void pass_messages(struct call *c)
{
	while (c->whole_at < c->out_at && c->whole_at + message_size(c, c->whole_at) <= c->out_at) {
		c->whole_at += message_size(c, c->whole_at);
		c->n_out--;
	}
}

static void compact(struct call *c)
{
	pass_messages(c);
	if (c->out_at == c->out.len)
		buf_done(&c->out);
	else
		return;
	c->out_at = c->whole_at = 0;
	count(c);
}

/* What nobody has begun to send is not sent any more: it would lie here until the client reads it,
 * who does not. */
static void drop_unsent(struct call *c)
{
	size_t end =
		c->whole_at < c->out_at ? c->whole_at + message_size(c, c->whole_at) : c->out_at;
	struct buf rest = { 0 };

	buf_add(&rest, c->out.data + c->out_at, end - c->out_at);
	c->n_out = end > c->out_at;
	if (buf_ok(&rest) < 0) {
		c->out.len = end;
		return;
	}
	buf_done(&c->out);
	c->out = rest;
	c->out_at = c->whole_at = 0;
	count(c);
}

/* Context: from nghttp2 while bytes are fetched. */
static ssize_t on_read(nghttp2_session *h2, int32_t stream, uint8_t *data, size_t size,
	uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct call *c = source->ptr;
	size_t left = c->out.len - c->out_at, n = left < size ? left : size;
	nghttp2_nv nv[2];
	char number[12];

	if (n > 0)
		memcpy(data, c->out.data + c->out_at, n);
	c->out_at += n;
	compact(c);
	if (c->out.len > 0)
		return (ssize_t)n;
	if (!c->ended) {
		c->deferred = n == 0;
		return n ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
	if (nghttp2_submit_trailer(h2, stream, nv, status_headers(c, nv, number)) != 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	return (ssize_t)n;
}

static void answer_begin(struct call *c)
{
	const nghttp2_nv nv[] = {
		NV(":status", "200", 3),
		NV("content-type", "application/grpc", 16),
	};
	const nghttp2_data_provider provider = { .source.ptr = c, .read_callback = on_read };

	c->answered = true;
	if (nghttp2_submit_response(c->s->h2, c->stream, nv, ARRAY_LEN(nv), &provider) != 0)
		c->s->broken = true;
}

static void answer_continue(struct call *c)
{
	if (!c->answered)
		answer_begin(c);
	else if (c->deferred && nghttp2_session_resume_data(c->s->h2, c->stream) != 0)
		c->s->broken = true;
	c->deferred = false;
	wake(c->s);
}

static void answer_status_alone(struct call *c)
{
	nghttp2_nv nv[5] = {
		NV(":status", "200", 3),
		NV("content-type", "application/grpc", 16),
	};
	char number[12];
	size_t n = 2 + status_headers(c, nv + 2, number);

	if (c->encoding)
		nv[n++] = NV("grpc-accept-encoding", "identity", 8);
	c->answered = true;
	if (nghttp2_submit_response(c->s->h2, c->stream, nv, n, NULL) != 0)
		c->s->broken = true;
	wake(c->s);
}

/* The last word to the client. */
static void finish(struct call *c, enum status_code code, const char *text)
{
	if (c->ended)
		return;
	c->ended = true;
	c->code = code;
	if (code != RPC_OK)
		grpc_text_encode(text, &c->text);
	if (code != RPC_OK && c->out.len - c->out_at > UNREAD_MAX)
		drop_unsent(c);
	loop_timer_cancel(&c->deadline);
	forget_input(c);
	if (c->answered || c->out.len > 0 || code == RPC_OK)
		answer_continue(c);
	else
		answer_status_alone(c);
}

static void __attribute__((format(printf, 3, 4)))
refuse(struct call *c, enum status_code code, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	finish(c, code, text);
}

/* For what is no gRPC at all. */
static void answer_http(struct call *c, const char *status)
{
	const nghttp2_nv nv[] = { NV(":status", status, strlen(status)) };

	c->ended = c->answered = true;
	if (nghttp2_submit_response(c->s->h2, c->stream, nv, ARRAY_LEN(nv), NULL) != 0)
		c->s->broken = true;
	wake(c->s);
}

static int put(struct call *c, const void *payload, size_t size)
{
	uint8_t prefix[GRPC_PREFIX_BYTES];

	if (size > GRPC_MESSAGE_MAX)
		return -EMSGSIZE;
	if (is_over(c->s, size) || c->out.len - c->out_at + size > UNSENT_MAX)
		return -ENOBUFS;
	if (c->whole_at >= ROOM_BYTES && c->whole_at >= c->out.len / 2) {
		buf_consume(&c->out, c->whole_at);
		c->out_at -= c->whole_at;
		c->whole_at = 0;
	}
	grpc_prefix(prefix, (uint32_t)size);
	buf_add(&c->out, prefix, sizeof(prefix));
	buf_add(&c->out, payload, size);
	if (buf_ok(&c->out) < 0)
		return -ENOMEM;
	c->n_out++;
	count(c);
	c->full = c->full || c->out.len - c->out_at >= ROOM_BYTES;
	return 0;
}

/* ---- calls ---- */

static struct call *find(struct grpc_session *s, uint32_t stream)
{
	return nghttp2_session_get_stream_user_data(s->h2, (int32_t)stream);
}

static struct call *call_new(struct grpc_session *s, int32_t stream)
{
	struct call *c = mem_calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->s = s;
	c->stream = stream;
	c->next = s->calls;
	if (c->next)
		c->next->prev = c;
	s->calls = c;
	s->n_calls++;
	count(c);
	return c;
}

static void call_free(struct call *c)
{
	struct grpc_session *s = c->s;

	if (c->next)
		c->next->prev = c->prev;
	*(c->prev ? &c->prev->next : &s->calls) = c->next;
	s->n_calls--;
	loop_timer_cancel(&c->deadline);
	grpc_reader_done(&c->in);
	buf_done(&c->out);
	count_nothing(c);
	buf_done(&c->text);
	arena_done(&c->headers);
	if (c->ops && c->ops->gone)
		c->ops->gone(c->arg);
	free(c);
}

static void on_deadline(struct loop_timer *t)
{
	finish(container_of(t, struct call, deadline), RPC_DEADLINE_EXCEEDED,
		"context deadline exceeded");
}

static void dispatch(struct call *c, const ProtobufCMessage *message)
{
	struct grpc_session *s = c->s;

	c->method->handler(c->service->arg ? c->service->arg : s->config.arg,
		&(struct rpc_request){
			.addr = { s->config.conn, (uint32_t)c->stream },
			.door = s->config.door,
			.service = c->service->name,
			.method = c->method,
			.listener = s->config.listener,
			.deadline_boot_ns = c->deadline_ns,
			.ns = c->ns,
			.lease = c->lease,
			.message = message,
		});
}

static int decode(
	struct call *c, const struct buf *bytes, struct arena *arena, const ProtobufCMessage **ret)
{
	struct err err = { 0 };
	int r = message_decode(c->method->input, bytes->data, bytes->len, arena, ret, &err);

	if (r == -ENOMEM)
		refuse(c, RPC_RESOURCE_EXHAUSTED, "out of memory");
	else if (r < 0)
		refuse(c, RPC_INTERNAL, "grpc: error unmarshalling request: %s", err.text);
	return r;
}

static void forget_headers(struct call *c)
{
	arena_done(&c->headers);
	c->ns = c->lease = c->path = NULL;
	count(c);
}

/* All of a unary call or of the request of a stream is here. */
static void call_whole(struct call *c)
{
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *message = NULL;

	if (!c->message)
		return refuse(c, RPC_INTERNAL, "the call ended before its message did");
	if (decode(c, c->message, &arena, &message) < 0)
		return;
	forget_input(c);
	dispatch(c, message);
	forget_headers(c);
}

static void dialogue_message(struct call *c, const struct buf *bytes)
{
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *message = NULL;

	if (c->ops && c->ops->message && decode(c, bytes, &arena, &message) == 0)
		c->ops->message(c->arg, message);
}

static void call_message(struct call *c, struct buf *bytes)
{
	if (c->method->shape == RPC_DIALOGUE)
		return dialogue_message(c, bytes);
	if (c->message)
		return refuse(c, RPC_INTERNAL, "more than one message in a call of one");
	c->message = bytes;
}

static void call_bytes(struct call *c, const uint8_t *data, size_t size)
{
	struct buf *bytes = NULL;
	enum grpc_read got = GRPC_WHOLE;

	/* A second message would overwrite the first. */
	if (c->message && size > 0)
		return refuse(c, RPC_INTERNAL, "more than one message in a call of one");
	while (got == GRPC_WHOLE && size > 0 && !c->ended) {
		got = grpc_read(&c->in, &data, &size, &bytes);
		count(c);
		if (got == GRPC_WHOLE && c->message)
			refuse(c, RPC_INTERNAL, "more than one message in a call of one");
		else if (got == GRPC_WHOLE)
			call_message(c, bytes);
		if (c->message && size > 0)
			refuse(c, RPC_INTERNAL, "more than one message in a call of one");
	}
	if (c->ended)
		return;
	if (got == GRPC_TOO_LONG)
		refuse(c, RPC_RESOURCE_EXHAUSTED,
			"grpc: received message larger than max (%u vs. %u)", c->in.size,
			GRPC_MESSAGE_MAX);
	else if (got == GRPC_COMPRESSED)
		refuse(c, RPC_INTERNAL,
			"grpc: compressed flag set with identity or empty encoding");
	else if (got == GRPC_NO_MEMORY || is_over(c->s, 0))
		refuse(c, RPC_RESOURCE_EXHAUSTED, "too much is being received at a time");
}

static void call_closed(struct call *c)
{
	c->remote_closed = true;
	if (c->ended || !c->method)
		return;
	if (!grpc_reader_between(&c->in))
		refuse(c, RPC_INTERNAL, "the call ended inside of a message");
	else if (c->method->shape != RPC_DIALOGUE)
		call_whole(c);
	else if (c->ops && c->ops->closed)
		c->ops->closed(c->arg);
}

/* ---- headers ---- */

static int find_target(struct call *c)
{
	const struct grpc_session_config *f = &c->s->config;
	const char *slash = c->path[0] == '/' ? strchr(c->path + 1, '/') : NULL;
	const char *service;

	if (!slash) {
		refuse(c, RPC_UNIMPLEMENTED, "malformed method name: \"%s\"", c->path);
		return -EINVAL;
	}
	service = arena_strndup(&c->headers, c->path + 1, (size_t)(slash - c->path - 1));
	c->service = service ? rpc_find_service(f->services, f->n_services, service) : NULL;
	c->method = c->service ? rpc_find_method(c->service, slash + 1) : NULL;
	if (!c->service)
		refuse(c, RPC_UNIMPLEMENTED, "unknown service %s", service ? service : "");
	else if (!c->method)
		refuse(c, RPC_UNIMPLEMENTED, "unknown method %s for service %s", slash + 1,
			service);
	return c->method ? 0 : -ENOENT;
}

static int set_deadline(struct call *c)
{
	uint64_t ns;

	if (!c->timeout)
		return 0;
	if (grpc_timeout_parse(c->timeout, &ns) < 0) {
		refuse(c, RPC_INTERNAL, "malformed grpc-timeout");
		return -EINVAL;
	}
	c->deadline_ns = clock_boot_ns() + ns;
	if (loop_timer_set(c->s->config.loop, &c->deadline, c->deadline_ns, on_deadline) < 0) {
		refuse(c, RPC_RESOURCE_EXHAUSTED, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

static void call_begin(struct call *c)
{
	if (!str_eq(c->http_method, "POST") || !c->path)
		return answer_http(c, "405");
	if (!c->type || !grpc_content_type_ok(c->type))
		return answer_http(c, "415");
	if (c->encoding && !str_eq(c->encoding, "identity"))
		return refuse(c, RPC_UNIMPLEMENTED,
			"grpc: Decompressor is not installed for grpc-encoding \"%s\"",
			c->encoding);
	c->encoding = NULL;
	if (find_target(c) < 0 || set_deadline(c) < 0)
		return;
	if (c->method->shape == RPC_DIALOGUE) {
		dispatch(c, NULL);
		forget_headers(c);
	}
}

// clang-format off
static const struct {
	const char *name;
	size_t at;
} known_headers[] = {
	{ ":method",              offsetof(struct call, http_method) },
	{ ":path",                offsetof(struct call, path) },
	{ "content-type",         offsetof(struct call, type) },
	{ "grpc-encoding",        offsetof(struct call, encoding) },
	{ "grpc-timeout",         offsetof(struct call, timeout) },
	{ "containerd-namespace", offsetof(struct call, ns) },
	{ "containerd-lease",     offsetof(struct call, lease) },
};
// clang-format on

/* Of a header that is there more than once the first counts: it is the one that Go's servers see. */
static int keep_header(struct call *c, const char *name, const uint8_t *value, size_t size)
{
	for (size_t i = 0; i < ARRAY_LEN(known_headers); i++) {
		const char **field = (const char **)(void *)((char *)c + known_headers[i].at);

		if (!str_eq(known_headers[i].name, name) || *field)
			continue;
		*field = arena_strndup(&c->headers, (const char *)value, size);
		count(c);
		return *field ? 0 : -ENOMEM;
	}
	return 0;
}

/* ---- nghttp2's callbacks ---- */

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
	struct call *c;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	if (is_over(arg, sizeof(*c) + STREAM_BYTES)) {
		(void)nghttp2_submit_rst_stream(
			h2, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
		return 0;
	}
	c = call_new(arg, frame->hd.stream_id);
	if (!c)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	nghttp2_session_set_stream_user_data(h2, c->stream, c);
	return 0;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
	size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
	struct call *c = find(arg, (uint32_t)frame->hd.stream_id);

	if (!c || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	c->header_bytes += name_len + value_len + 32;
	if (c->header_bytes > HEADER_LIST_MAX ||
		keep_header(c, (const char *)name, value, value_len) < 0)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *data,
	size_t size, void *arg)
{
	struct call *c = find(arg, (uint32_t)stream);

	if (c && c->method && !c->ended)
		call_bytes(c, data, size);
	return 0;
}

static bool is_pending(const struct call *c)
{
	return !c->method || c->method->shape == RPC_UNARY;
}

/* The client has heard that it must not begin anything more. */
static void drain_now(struct grpc_session *s)
{
	for (struct call *c = s->calls; c; c = c->next)
		if (!is_pending(c))
			finish(c, RPC_UNAVAILABLE, "the server is going away: unavailable");
	(void)nghttp2_submit_goaway(s->h2, NGHTTP2_FLAG_NONE,
		nghttp2_session_get_last_proc_stream_id(s->h2), NGHTTP2_NO_ERROR, NULL, 0);
	wake(s);
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
	struct grpc_session *s = arg;
	struct call *c = find(s, (uint32_t)frame->hd.stream_id);

	if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) && s->draining)
		drain_now(s);
	if (!c)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		call_begin(c);
	if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
		(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		call_closed(c);
	return 0;
}

/* Who answers before the client has ended its part says that the rest is not needed. */
static int on_sent(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
	struct call *c = find(arg, (uint32_t)frame->hd.stream_id);

	if (c && frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
		!c->remote_closed)
		(void)nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, c->stream, NGHTTP2_NO_ERROR);
	return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t stream, uint32_t code, void *arg)
{
	struct call *c = find(arg, (uint32_t)stream);

	if (c) {
		nghttp2_session_set_stream_user_data(h2, stream, NULL);
		call_free(c);
	}
	return 0;
}

static uint64_t price(const nghttp2_frame_hd *hd)
{
	switch (hd->type) {
	case NGHTTP2_HEADERS:
	case NGHTTP2_WINDOW_UPDATE:
	case NGHTTP2_GOAWAY:
	case NGHTTP2_CONTINUATION: /* nghttp2 limits them */
	case NGHTTP2_PING:
		return 0;
	case NGHTTP2_DATA:
		return hd->length == 0 && !(hd->flags & NGHTTP2_FLAG_END_STREAM) ? 10 : 0;
	case NGHTTP2_SETTINGS:
		return hd->flags & NGHTTP2_FLAG_ACK ? 0 : 200;
	case NGHTTP2_RST_STREAM: /* of all calls at once, for example; nghttp2 limits them too */
		return 1;
	default:
		return 10;
	}
}

static int on_begin_frame(nghttp2_session *h2, const nghttp2_frame_hd *hd, void *arg)
{
	struct grpc_session *s = arg;
	uint64_t p = price(hd), now;

	if (p == 0)
		return 0;
	if (s->allowance < p) {
		now = clock_boot_ns();
		s->allowance += (now - s->allowance_at_ns) / (NS_PER_SEC / ALLOWANCE_PER_SEC);
		s->allowance_at_ns = now;
		if (s->allowance > ALLOWANCE_MAX)
			s->allowance = ALLOWANCE_MAX;
	}
	if (s->allowance < p)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	s->allowance -= p;
	return 0;
}

/* ---- the session ---- */

static int make_h2(struct grpc_session *s, nghttp2_session_callbacks *calls, nghttp2_option *option)
{
	nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(calls, on_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_stream_close);
	nghttp2_session_callbacks_set_on_begin_frame_callback(calls, on_begin_frame);
	nghttp2_option_set_max_outbound_ack(option, 1000);
	nghttp2_option_set_max_settings(option, 32);
	nghttp2_option_set_stream_reset_rate_limit(option, GRPC_STREAMS_MAX, 1000);
	nghttp2_option_set_no_closed_streams(option, 1);
	return nghttp2_session_server_new2(&s->h2, calls, s, option) == 0 ? 0 : -ENOMEM;
}

static int say_settings(struct grpc_session *s)
{
	const nghttp2_settings_entry entries[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, GRPC_STREAMS_MAX },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_MAX },
		{ NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, HEADER_TABLE_BYTES },
	};

	if (nghttp2_submit_settings(s->h2, NGHTTP2_FLAG_NONE, entries, ARRAY_LEN(entries)) != 0 ||
		nghttp2_session_set_local_window_size(
			s->h2, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) != 0)
		return -ENOMEM;
	return 0;
}

int grpc_session_new(
	const struct grpc_session_config *config, struct grpc_session **ret, struct err *err)
{
	struct grpc_session *s = mem_calloc(1, sizeof(*s));
	nghttp2_session_callbacks *calls = NULL;
	nghttp2_option *option = NULL;
	int r = -ENOMEM;

	if (!s)
		return err_oom(err);
	s->config = *config;
	s->allowance = ALLOWANCE_MAX;
	s->allowance_at_ns = clock_boot_ns();
	if (nghttp2_session_callbacks_new(&calls) == 0 && nghttp2_option_new(&option) == 0)
		r = make_h2(s, calls, option);
	nghttp2_session_callbacks_del(calls);
	nghttp2_option_del(option);
	if (r == 0)
		r = say_settings(s);
	if (r < 0) {
		grpc_session_free(s);
		return err_oom(err);
	}
	*ret = s;
	return 0;
}

void grpc_session_free(struct grpc_session *s)
{
	if (!s)
		return;
	while (s->calls) {
		if (s->h2)
			nghttp2_session_set_stream_user_data(s->h2, s->calls->stream, NULL);
		call_free(s->calls);
	}
	nghttp2_session_del(s->h2);
	free(s);
}

int grpc_session_feed(struct grpc_session *s, const void *data, size_t size)
{
	ssize_t n;

	if (s->broken)
		return -EPROTO;
	n = nghttp2_session_mem_recv(s->h2, data, size);
	if (n >= 0 && !s->broken)
		return 0;
	s->broken = true;
	if (n == NGHTTP2_ERR_CALLBACK_FAILURE || n == NGHTTP2_ERR_FLOODED)
		(void)nghttp2_session_terminate_session(s->h2, NGHTTP2_ENHANCE_YOUR_CALM);
	return -EPROTO;
}

/* Handlers of streams whose box has emptied put more into it. */
static bool give_room(struct grpc_session *s)
{
	bool any = false;

	for (struct call *c = s->calls, *next; c; c = next) {
		next = c->next;
		if (!c->full || c->out.len - c->out_at >= ROOM_BYTES)
			continue;
		c->full = false;
		if (!c->ended && c->ops && c->ops->room) {
			c->ops->room(c->arg);
			any = true;
		}
	}
	return any;
}

ssize_t grpc_session_fetch(struct grpc_session *s, const uint8_t **ret)
{
	ssize_t n = nghttp2_session_mem_send(s->h2, ret);

	if (n == 0 && !s->broken && give_room(s))
		n = nghttp2_session_mem_send(s->h2, ret);
	if (n < 0)
		return n == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO;
	return n;
}

bool grpc_session_ended(const struct grpc_session *s)
{
	return !nghttp2_session_want_read(s->h2) && !nghttp2_session_want_write(s->h2);
}

void grpc_session_drain(struct grpc_session *s)
{
	if (s->draining || s->broken)
		return;
	s->draining = true;
	if (nghttp2_submit_shutdown_notice(s->h2) != 0 ||
		nghttp2_submit_ping(s->h2, NGHTTP2_FLAG_NONE, NULL) != 0)
		s->broken = true;
	wake(s);
}

void grpc_session_reply(struct grpc_session *s, uint32_t stream, enum status_code code,
	const char *text, const void *payload, size_t size)
{
	struct call *c = find(s, stream);
	bool answer = code == RPC_OK && c && c->method && c->method->shape == RPC_UNARY;
	int r;

	if (!c || c->ended)
		return;
	r = answer ? put(c, payload, size) : 0;
	if (r == -EMSGSIZE)
		refuse(c, RPC_RESOURCE_EXHAUSTED,
			"trying to send message larger than max (%zu vs. %u)", size,
			GRPC_MESSAGE_MAX);
	else if (r < 0)
		refuse(c, RPC_RESOURCE_EXHAUSTED,
			"%zu bytes of answers are not read: resource exhausted", s->held);
	else
		finish(c, code, text);
}

int grpc_session_attach(
	struct grpc_session *s, uint32_t stream, const struct rpc_call_ops *ops, void *arg)
{
	struct call *c = find(s, stream);

	if (!c || c->ended)
		return -ENOENT;
	c->ops = ops;
	c->arg = arg;
	return 0;
}

int grpc_session_send(struct grpc_session *s, uint32_t stream, const void *payload, size_t size)
{
	struct call *c = find(s, stream);
	int r;

	if (!c || c->ended)
		return -ENOENT;
	r = put(c, payload, size);
	if (r == 0)
		answer_continue(c);
	return r;
}

size_t grpc_session_unsent(struct grpc_session *s, uint32_t stream)
{
	struct call *c = find(s, stream);

	return c ? c->out.len - c->out_at : 0;
}

size_t grpc_session_unsent_messages(struct grpc_session *s, uint32_t stream)
{
	struct call *c = find(s, stream);

	return c ? c->n_out : 0;
}

size_t grpc_session_calls(const struct grpc_session *s)
{
	return s->n_calls;
}
