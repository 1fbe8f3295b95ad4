/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations with the gRPC server: a client of nghttp2 on a session without sockets, hand-made frames, and real
 * sockets where they matter. */
#include "test.h"

#include <nghttp2/nghttp2.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "rpc/grpc_server.h"
#include "rpc/grpc_session.h"
#include "rpc/grpc_wire.h"

#include "proto/task.pb-c.h"

#define SERVICE "reeve.test.Service"
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

enum kind { ECHO, HOLD, BIG, COUNT, TALK, FAIL };

struct fixture {
	struct loop *loop;
	struct grpc_budget budget;
	struct rpc_door door;
	struct grpc_session *s;
	nghttp2_session *c;
	struct rpc_addr held[64];
	size_t n_held, n_gone, n_closed, n_messages;
	uint32_t left; /* of COUNT */
	struct rpc_addr count;
	char ns[80], lease[32];
	uint64_t deadline_ns;
	size_t step; /* bytes per feed; 0: all */
};

struct reply {
	char http[8], status[8], text[6000];
	struct buf data;
	bool closed;
	uint32_t error;
	const void *body;
	size_t body_size, body_at;
	bool open_end;
};

/* ---- the server's side ---- */

static void on_room(void *arg)
{
	struct fixture *f = arg;
	Pb__Task__StartResponse out = PB__TASK__START_RESPONSE__INIT;

	while (f->left > 0) {
		if (rpc_unsent(&f->door, f->count) > 65536)
			return;
		out.pid = f->left--;
		if (rpc_send(&f->door, f->count, &out.base) < 0)
			return;
	}
	rpc_reply(&f->door, f->count, RPC_OK, NULL, NULL, 0);
}

static void on_gone(void *arg)
{
	struct fixture *f = arg;

	f->n_gone++;
}

static void on_message(void *arg, const ProtobufCMessage *m)
{
	struct fixture *f = arg;
	const Pb__Task__KillRequest *in = (const void *)m;
	Pb__Task__StartResponse out = PB__TASK__START_RESPONSE__INIT;

	f->n_messages++;
	out.pid = in->signal + 1;
	rpc_send(&f->door, f->count, &out.base);
}

static void on_closed(void *arg)
{
	struct fixture *f = arg;

	f->n_closed++;
	rpc_reply(&f->door, f->count, RPC_OK, NULL, NULL, 0);
}

static const struct rpc_call_ops count_ops = { .room = on_room, .gone = on_gone };
static const struct rpc_call_ops hold_ops = { .gone = on_gone };
static const struct rpc_call_ops talk_ops = {
	.message = on_message, .closed = on_closed, .gone = on_gone
};

static void handle(void *arg, const struct rpc_request *req)
{
	struct fixture *f = arg;
	const Pb__Task__KillRequest *in = (const void *)req->message;
	Pb__Task__StartResponse out = PB__TASK__START_RESPONSE__INIT;
	auto_free char *big = NULL;

	f->deadline_ns = req->deadline_boot_ns;
	snprintf(f->ns, sizeof(f->ns), "%s", req->ns ? req->ns : "-");
	snprintf(f->lease, sizeof(f->lease), "%s", req->lease ? req->lease : "-");
	switch ((enum kind)req->method->kind) {
	case ECHO:
		out.pid = in->signal;
		rpc_reply_message(req->door, req->addr, &out.base);
		rpc_reply(req->door, req->addr, RPC_INTERNAL, "again", NULL, 0);
		break;
	case BIG:
		big = calloc(1, in->signal);
		rpc_reply(req->door, req->addr, RPC_OK, NULL, big, in->signal);
		break;
	case HOLD:
		assert_ok(rpc_attach(req->door, req->addr, &hold_ops, f));
		f->held[f->n_held++] = req->addr;
		break;
	case COUNT:
		f->left = in->signal;
		f->count = req->addr;
		assert_ok(rpc_attach(req->door, req->addr, &count_ops, f));
		on_room(f);
		break;
	case TALK:
		f->count = req->addr;
		assert_ok(rpc_attach(req->door, req->addr, &talk_ops, f));
		break;
	case FAIL:
		rpc_reply(req->door, req->addr, RPC_NOT_FOUND, in->id, NULL, 0);
		break;
	}
}

static const struct rpc_method methods[] = {
	{ "Echo", &pb__task__kill_request__descriptor, ECHO, handle },
	{ "Hold", &pb__task__kill_request__descriptor, HOLD, handle },
	{ "Big", &pb__task__kill_request__descriptor, BIG, handle },
	{ "Count", &pb__task__kill_request__descriptor, COUNT, handle, RPC_STREAM },
	{ "Talk", &pb__task__kill_request__descriptor, TALK, handle, RPC_DIALOGUE },
	{ "Fail", &pb__task__kill_request__descriptor, FAIL, handle },
};
static const struct rpc_service services[] = { { SERVICE, methods, ARRAY_LEN(methods) } };

static struct fixture *of(struct rpc_door *d)
{
	return container_of(d, struct fixture, door);
}

static void door_reply(struct rpc_door *d, struct rpc_addr to, enum status_code code,
	const char *text, const void *payload, size_t size)
{
	grpc_session_reply(of(d)->s, to.stream, code, text, payload, size);
}

static int door_attach(
	struct rpc_door *d, struct rpc_addr to, const struct rpc_call_ops *ops, void *arg)
{
	return grpc_session_attach(of(d)->s, to.stream, ops, arg);
}

static int door_send(struct rpc_door *d, struct rpc_addr to, const void *payload, size_t size)
{
	return grpc_session_send(of(d)->s, to.stream, payload, size);
}

static size_t door_unsent(struct rpc_door *d, struct rpc_addr to)
{
	return grpc_session_unsent(of(d)->s, to.stream);
}

/* ---- the client's side ---- */

static struct reply *reply_of(nghttp2_session *c, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(c, stream);
}

static int got_header(nghttp2_session *c, const nghttp2_frame *frame, const uint8_t *name, size_t n,
	const uint8_t *value, size_t size, uint8_t flags, void *arg)
{
	struct reply *r = reply_of(c, frame->hd.stream_id);
	struct buf text = { 0 };

	if (!r)
		return 0;
	if (str_eq((const char *)name, ":status"))
		snprintf(r->http, sizeof(r->http), "%.*s", (int)size, value);
	if (str_eq((const char *)name, "grpc-status"))
		snprintf(r->status, sizeof(r->status), "%.*s", (int)size, value);
	if (str_eq((const char *)name, "grpc-message")) {
		grpc_text_decode((const char *)value, &text);
		snprintf(r->text, sizeof(r->text), "%s", text.data ? text.data : "");
		buf_done(&text);
	}
	return 0;
}

static int got_data(nghttp2_session *c, uint8_t flags, int32_t stream, const uint8_t *data,
	size_t size, void *arg)
{
	struct reply *r = reply_of(c, stream);

	if (r)
		buf_add(&r->data, data, size);
	return 0;
}

static int got_close(nghttp2_session *c, int32_t stream, uint32_t code, void *arg)
{
	struct reply *r = reply_of(c, stream);

	if (r) {
		r->closed = true;
		r->error = code;
	}
	return 0;
}

static ssize_t give_body(nghttp2_session *c, int32_t stream, uint8_t *out, size_t size,
	uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct reply *r = source->ptr;
	size_t n = r->body_size - r->body_at;

	if (n > size)
		n = size;
	memcpy(out, (const char *)r->body + r->body_at, n);
	r->body_at += n;
	if (r->body_at == r->body_size && !r->open_end)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return n || !r->open_end ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
}

static void new_session(struct fixture *f)
{
	const struct grpc_session_config config = {
		.loop = f->loop,
		.services = services,
		.n_services = 1,
		.arg = f,
		.door = &f->door,
		.budget = &f->budget,
		.conn = 1,
	};

	assert_ok(grpc_session_new(&config, &f->s, NULL));
}

static struct fixture *setup(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	nghttp2_session_callbacks *calls;

	assert_non_null(f);
	assert_ok(loop_new(&f->loop));
	f->budget.max = 64u << 20;
	f->door = (struct rpc_door){ door_reply, door_attach, door_send, door_unsent, NULL };
	new_session(f);
	nghttp2_session_callbacks_new(&calls);
	nghttp2_session_callbacks_set_on_header_callback(calls, got_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, got_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(calls, got_close);
	nghttp2_session_client_new(&f->c, calls, f);
	nghttp2_session_callbacks_del(calls);
	nghttp2_submit_settings(f->c, 0, NULL, 0);
	return f;
}

static void teardown(struct fixture *f)
{
	nghttp2_session_del(f->c);
	grpc_session_free(f->s);
	assert_int_equal(f->budget.used, 0);
	loop_free(f->loop);
	free(f);
}

/* Carry bytes both ways until neither side has any. */
static void pump(struct fixture *f)
{
	const uint8_t *bytes;
	ssize_t n, m;

	do {
		n = nghttp2_session_mem_send(f->c, &bytes);
		for (ssize_t at = 0, step; at < n; at += step) {
			step = f->step && n - at > (ssize_t)f->step ? (ssize_t)f->step : n - at;
			(void)grpc_session_feed(f->s, bytes + at, (size_t)step);
		}
		m = grpc_session_fetch(f->s, &bytes);
		if (m > 0)
			nghttp2_session_mem_recv(f->c, bytes, (size_t)m);
	} while (n > 0 || m > 0);
}

static int32_t call_with(
	struct fixture *f, const char *path, struct reply *r, const nghttp2_nv *more, size_t n_more)
{
	nghttp2_data_provider provider = { .source.ptr = r, .read_callback = give_body };
	nghttp2_nv nv[16];
	size_t n = 0;

#define ADD(k, v) nv[n++] = (nghttp2_nv){ (uint8_t *)k, (uint8_t *)v, strlen(k), strlen(v), 0 }
	ADD(":method", "POST");
	ADD(":scheme", "http");
	ADD(":path", path);
	ADD(":authority", "localhost");
	ADD("content-type", "application/grpc");
	ADD("te", "trailers");
	for (size_t i = 0; i < n_more; i++)
		nv[n++] = more[i];
	return nghttp2_submit_request(f->c, NULL, nv, n, r->body ? &provider : NULL, r);
}

static int32_t call(struct fixture *f, const char *method, struct reply *r)
{
	char path[80];

	snprintf(path, sizeof(path), "/" SERVICE "/%s", method);
	return call_with(f, path, r, NULL, 0);
}

static void add_message(struct buf *out, uint32_t n, const char *id)
{
	Pb__Task__KillRequest in = PB__TASK__KILL_REQUEST__INIT;
	uint8_t prefix[GRPC_PREFIX_BYTES];

	in.signal = n;
	in.id = (char *)id;
	grpc_prefix(prefix, (uint32_t)protobuf_c_message_get_packed_size(&in.base));
	buf_add(out, prefix, sizeof(prefix));
	message_encode(&in.base, out);
}

static void check(const struct reply *r, const char *status, const char *text)
{
	if (!str_eq(r->status, status) || (text && !strstr(r->text, text)))
		fail_msg("status '%s' text '%s', wanted '%s' '%s'", r->status, r->text, status,
			text ? text : "");
}

/* The pid of the nth message. */
static uint32_t pid_in(const struct reply *r, size_t index)
{
	struct grpc_reader in = { 0 };
	const uint8_t *data = (const uint8_t *)r->data.data;
	size_t size = r->data.len;
	struct buf *message = NULL;
	Pb__Task__StartResponse *m;
	uint32_t pid;

	for (size_t i = 0; i <= index; i++)
		assert_int_equal(grpc_read(&in, &data, &size, &message), GRPC_WHOLE);
	m = pb__task__start_response__unpack(NULL, message->len, (uint8_t *)message->data);
	assert_non_null(m);
	pid = m->pid;
	pb__task__start_response__free_unpacked(m, NULL);
	grpc_reader_done(&in);
	return pid;
}

static void one_call(struct fixture *f, const char *method, uint32_t n, struct reply *r)
{
	struct buf body = { 0 };

	add_message(&body, n, "x");
	r->body = body.data;
	r->body_size = body.len;
	assert_true(call(f, method, r) > 0);
	pump(f);
	r->body = NULL;
	buf_done(&body);
}

/* ---- calls ---- */

TEST(a_unary_call_is_answered_once)
{
	struct fixture *f = setup();
	struct reply r = { 0 };

	one_call(f, "Echo", 7, &r);
	assert_string_equal(r.http, "200");
	check(&r, "0", "");
	assert_true(r.closed);
	assert_int_equal(r.error, NGHTTP2_NO_ERROR);
	assert_int_equal(pid_in(&r, 0), 7);
	assert_int_equal(grpc_session_calls(f->s), 0);
	buf_done(&r.data);
	teardown(f);
}

TEST(bytes_may_come_one_by_one)
{
	struct fixture *f = setup();
	struct reply r = { 0 };

	f->step = 1;
	one_call(f, "Echo", 300, &r);
	assert_int_equal(pid_in(&r, 0), 300);
	buf_done(&r.data);
	teardown(f);
}

TEST(errors_carry_any_text)
{
	static const char text[] = "container \"\xc3\xa4\": 100% \x01\n\xe2\x82\xac not found";
	struct fixture *f = setup();
	struct reply r = { 0 };
	struct buf body = { 0 };

	add_message(&body, 0, text);
	r.body = body.data;
	r.body_size = body.len;
	call(f, "Fail", &r);
	pump(f);
	check(&r, "5", NULL);
	assert_string_equal(r.text, text);
	assert_int_equal(r.data.len, 0);
	buf_done(&body);
	teardown(f);
}

TEST(a_long_text_is_cut)
{
	struct fixture *f = setup();
	struct reply r = { 0 };
	struct buf body = { 0 };
	char text[20000];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	add_message(&body, 0, text);
	r.body = body.data;
	r.body_size = body.len;
	call(f, "Fail", &r);
	pump(f);
	check(&r, "5", NULL);
	assert_int_equal(strlen(r.text), GRPC_TEXT_MAX);
	buf_done(&body);
	teardown(f);
}

TEST(what_is_no_text_is_marked_and_no_character_is_cut)
{
	struct buf out = { 0 }, back = { 0 };
	char text[5000];

	grpc_text_encode("cut \xe2\x82: \xff.", &out);
	grpc_text_decode(out.data, &back);
	assert_string_equal(back.data, "cut \xef\xbf\xbd\xef\xbf\xbd: \xef\xbf\xbd.");
	for (size_t shift = 0; shift < 9; shift++) {
		buf_done(&out);
		buf_done(&back);
		memset(text, 'a', shift);
		for (size_t i = 0; i < 1600; i++)
			memcpy(text + shift + 3 * i, "\xe2\x82\xac", 4);
		grpc_text_encode(text, &out);
		grpc_text_decode(out.data, &back);
		assert_in_range(out.len, GRPC_TEXT_MAX - 8, GRPC_TEXT_MAX);
		assert_int_equal((back.len - shift) % 3, 0);
		assert_memory_equal(back.data, text, back.len);
	}
	buf_done(&out);
	buf_done(&back);
}

TEST(namespace_lease_and_timeout_are_handed_on)
{
	const nghttp2_nv more[] = {
		{ (uint8_t *)"containerd-namespace", (uint8_t *)"one", 20, 3, 0 },
		{ (uint8_t *)"containerd-namespace", (uint8_t *)"two", 20, 3, 0 },
		{ (uint8_t *)"containerd-lease", (uint8_t *)"l1", 16, 2, 0 },
		{ (uint8_t *)"grpc-timeout", (uint8_t *)"100S", 12, 4, 0 },
	};
	struct fixture *f = setup();
	struct reply r = { 0 };
	struct buf body = { 0 };
	uint64_t now = clock_boot_ns();

	add_message(&body, 1, "x");
	r.body = body.data;
	r.body_size = body.len;
	call_with(f, "/" SERVICE "/Echo", &r, more, 4);
	pump(f);
	check(&r, "0", "");
	assert_string_equal(f->ns, "one");
	assert_string_equal(f->lease, "l1");
	assert_in_range(f->deadline_ns, now + 99 * NS_PER_SEC, now + 150 * NS_PER_SEC);
	buf_done(&body);
	buf_done(&r.data);
	teardown(f);
}

TEST(a_deadline_ends_a_call)
{
	const nghttp2_nv more[] = { { (uint8_t *)"grpc-timeout", (uint8_t *)"1m", 12, 2, 0 } };
	struct fixture *f = setup();
	struct reply r = { 0 };
	struct buf body = { 0 };

	add_message(&body, 1, "x");
	r.body = body.data;
	r.body_size = body.len;
	call_with(f, "/" SERVICE "/Hold", &r, more, 1);
	pump(f);
	while (!r.closed) {
		assert_ok(loop_round(f->loop, 20));
		pump(f);
	}
	check(&r, "4", "context deadline exceeded");
	assert_int_equal(f->n_gone, 1);
	/* Too late, and to nobody. */
	rpc_reply(&f->door, f->held[0], RPC_OK, NULL, "x", 1);
	buf_done(&body);
	teardown(f);
}

TEST(a_cancelled_call_is_gone)
{
	struct fixture *f = setup();
	struct reply r = { 0 };
	Pb__Task__StartResponse out = PB__TASK__START_RESPONSE__INIT;

	one_call(f, "Hold", 1, &r);
	assert_int_equal(grpc_session_calls(f->s), 1);
	nghttp2_submit_rst_stream(f->c, 0, (int32_t)f->held[0].stream, NGHTTP2_CANCEL);
	pump(f);
	assert_int_equal(f->n_gone, 1);
	assert_int_equal(grpc_session_calls(f->s), 0);
	rpc_reply_message(&f->door, f->held[0], &out.base);
	assert_int_equal(rpc_send(&f->door, f->held[0], &out.base), -ENOENT);
	assert_int_equal(rpc_attach(&f->door, f->held[0], &hold_ops, f), -ENOENT);
	teardown(f);
}

TEST(a_stream_is_sent_as_it_is_taken)
{
	struct fixture *f = setup();
	struct reply r = { 0 };

	one_call(f, "Count", 50000, &r);
	check(&r, "0", "");
	assert_int_equal(pid_in(&r, 0), 50000);
	assert_int_equal(pid_in(&r, 49999), 1);
	assert_int_equal(f->n_gone, 1);
	buf_done(&r.data);
	teardown(f);
}

TEST(an_empty_stream_ends_well)
{
	struct fixture *f = setup();
	struct reply r = { 0 };

	one_call(f, "Count", 0, &r);
	check(&r, "0", "");
	assert_int_equal(r.data.len, 0);
	teardown(f);
}

TEST(a_dialogue_goes_both_ways)
{
	struct fixture *f = setup();
	struct reply r = { 0 };
	struct buf body = { 0 };

	for (uint32_t i = 0; i < 100; i++)
		add_message(&body, i, "x");
	r.body = body.data;
	r.body_size = body.len;
	f->step = 7;
	call(f, "Talk", &r);
	pump(f);
	check(&r, "0", "");
	assert_int_equal(f->n_messages, 100);
	assert_int_equal(f->n_closed, 1);
	assert_int_equal(f->n_gone, 1);
	assert_int_equal(pid_in(&r, 99), 100);
	buf_done(&body);
	buf_done(&r.data);
	teardown(f);
}

/* ---- limits ---- */

TEST(a_message_of_16_mib_is_taken_and_one_more_byte_not)
{
	for (int over = 0; over < 2; over++) {
		struct fixture *f = setup();
		struct reply r = { 0 };
		struct buf body = { 0 };
		size_t size = GRPC_MESSAGE_MAX + (size_t)over;
		char *text = malloc(size);

		memset(text, 'a', size);
		text[size - 8] = '\0'; /* id, with what stands around it */
		add_message(&body, 0, text);
		while (body.len - GRPC_PREFIX_BYTES > size) {
			text[size - 9 - (body.len - GRPC_PREFIX_BYTES - size)] = '\0';
			buf_done(&body);
			add_message(&body, 0, text);
		}
		assert_in_range(body.len, size - 20, size + GRPC_PREFIX_BYTES);
		if (over)
			grpc_prefix((uint8_t *)body.data, GRPC_MESSAGE_MAX + 1);
		r.body = body.data;
		r.body_size = body.len;
		call(f, "Fail", &r);
		pump(f);
		check(&r, over ? "8" : "5",
			over ? "received message larger than max (16777217 vs. 16777216)" : "aaa");
		free(text);
		buf_done(&body);
		teardown(f);
	}
}

TEST(an_answer_of_16_mib_is_sent_and_one_more_byte_not)
{
	struct fixture *f = setup();
	struct reply r = { 0 }, r2 = { 0 };

	one_call(f, "Big", GRPC_MESSAGE_MAX, &r);
	check(&r, "0", "");
	assert_int_equal(r.data.len, GRPC_MESSAGE_MAX + GRPC_PREFIX_BYTES);
	buf_done(&r.data);
	one_call(f, "Big", GRPC_MESSAGE_MAX + 1, &r2);
	check(&r2, "8", "larger than max");
	teardown(f);
}

TEST(what_is_held_of_all_clients_has_a_bound)
{
	struct fixture *f = setup();
	struct reply r = { 0 };
	struct buf body = { 0 };

	f->budget.max = 1 << 20;
	buf_add(&body, "\0\0\xf0\0\0", 5);
	for (int i = 0; i < 400; i++)
		buf_add(&body, (char[10000]){ 0 }, 10000);
	r.body = body.data;
	r.body_size = body.len;
	r.open_end = true;
	call(f, "Echo", &r);
	pump(f);
	check(&r, "8", "too much is being received");
	buf_done(&body);
	teardown(f);
}

/* ---- bad calls ---- */

TEST(bad_calls_are_answered_in_the_words_of_go)
{
	static const struct {
		const char *path, *key, *value, *body;
		size_t size;
		const char *status, *text;
	} rows[] = {
		{ "/x.Y/Z", NULL, NULL, "\0\0\0\0\0", 5, "12", "unknown service x.Y" },
		{ "/" SERVICE "/Nope", NULL, NULL, "\0\0\0\0\0", 5, "12",
			"unknown method Nope for service " SERVICE },
		{ "/nothing", NULL, NULL, "\0\0\0\0\0", 5, "12",
			"malformed method name: \"/nothing\"" },
		{ "/" SERVICE "/Echo", NULL, NULL, "\1\0\0\0\0", 5, "13", "compressed flag" },
		{ "/" SERVICE "/Echo", "grpc-encoding", "gzip", "\0\0\0\0\0", 5, "12",
			"Decompressor is not installed" },
		{ "/" SERVICE "/Echo", "grpc-timeout", "5x", "\0\0\0\0\0", 5, "13",
			"malformed grpc-timeout" },
		{ "/" SERVICE "/Echo", NULL, NULL, "\0\0\0\0\2\xff\xff", 7, "13",
			"error unmarshalling request" },
		{ "/" SERVICE "/Echo", NULL, NULL, "\0\0\0\0\4\0\0", 7, "13",
			"inside of a message" },
		{ "/" SERVICE "/Echo", NULL, NULL, "\0\0\0", 3, "13", "inside of a message" },
		{ "/" SERVICE "/Echo", NULL, NULL, "\0\0\0\0\0\0\0\0\0\0", 10, "13",
			"more than one message" },
		{ "/" SERVICE "/Echo", NULL, NULL, "", 0, "13", "ended before its message" },
		{ "/" SERVICE "/Echo", NULL, NULL, "\0\0\0\0\3\x0a\1\xff", 8, "13",
			"invalid UTF-8" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture *f = setup();
		struct reply r = { .body = rows[i].body, .body_size = rows[i].size };
		nghttp2_nv nv = { 0 };

		if (rows[i].key)
			nv = (nghttp2_nv){ (uint8_t *)rows[i].key, (uint8_t *)rows[i].value,
				strlen(rows[i].key), strlen(rows[i].value), 0 };
		call_with(f, rows[i].path, &r, &nv, rows[i].key != NULL);
		pump(f);
		check(&r, rows[i].status, rows[i].text);
		assert_true(r.closed);
		assert_int_equal(f->n_held, 0);
		teardown(f);
	}
}

TEST(what_is_no_grpc_is_answered_in_http)
{
	static const struct {
		const char *method, *type, *status;
	} rows[] = {
		{ "POST", "text/html", "415" },
		{ "POST", "application/grpcx", "415" },
		{ "POST", NULL, "415" },
		{ "GET", "application/grpc", "405" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture *f = setup();
		struct reply r = { 0 };
		nghttp2_nv nv[16];
		size_t n = 0;

		ADD(":method", rows[i].method);
		ADD(":scheme", "http");
		ADD(":path", "/" SERVICE "/Echo");
		ADD(":authority", "x");
		if (rows[i].type)
			ADD("content-type", rows[i].type);
		nghttp2_submit_request(f->c, NULL, nv, n, NULL, &r);
		pump(f);
		assert_string_equal(r.http, rows[i].status);
		assert_true(r.closed);
		teardown(f);
	}
}

/* ---- bad connections ---- */

static void frame(struct buf *out, uint8_t type, uint8_t flags, uint32_t stream, const void *data,
	size_t size)
{
	const uint8_t head[9] = { (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, type,
		flags, (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8),
		(uint8_t)stream };

	buf_add(out, head, sizeof(head));
	buf_add(out, data, size);
}

static void begin(struct buf *out)
{
	buf_adds(out, PREFACE);
	frame(out, NGHTTP2_SETTINGS, 0, 0, "", 0);
}

/* Feed it all, fetching as a client would that reads; -EPROTO when the server has had enough. */
static int feed(struct fixture *f, const struct buf *bytes)
{
	const uint8_t *out;
	int r = 0;

	for (size_t at = 0; at < bytes->len && r == 0; at += 4096) {
		size_t n = bytes->len - at < 4096 ? bytes->len - at : 4096;

		r = grpc_session_feed(f->s, bytes->data + at, n);
		while (grpc_session_fetch(f->s, &out) > 0)
			;
	}
	return r;
}

/* :method POST, :scheme http, :path and content-type as indexed and literal fields. */
static size_t headers(uint8_t out[128])
{
	static const char path[] = "/" SERVICE "/Hold", type[] = "application/grpc";
	size_t n = 0;

	out[n++] = 0x83;
	out[n++] = 0x86;
	memcpy(out + n, "\x01\x01x", 3); /* :authority, literal */
	n += 3;
	out[n++] = 0x04; /* :path, literal */
	out[n++] = sizeof(path) - 1;
	memcpy(out + n, path, sizeof(path) - 1);
	n += sizeof(path) - 1;
	out[n++] = 0x0f;
	out[n++] = 0x10; /* content-type */
	out[n++] = sizeof(type) - 1;
	memcpy(out + n, type, sizeof(type) - 1);
	n += sizeof(type) - 1;
	return n;
}

enum flood { RESET, SETTINGS, EMPTY, PRIORITY, CONTINUATION, N_FLOODS };

static void add_flood(struct buf *out, enum flood kind, uint32_t i)
{
	uint8_t block[128];
	size_t n = headers(block);

	switch (kind) {
	case RESET:
		frame(out, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 2 * i + 1, block, n);
		frame(out, NGHTTP2_RST_STREAM, 0, 2 * i + 1, "\0\0\0\x08", 4);
		break;
	case SETTINGS:
		frame(out, NGHTTP2_SETTINGS, 0, 0, "\0\3\0\0\0\x64", 6);
		break;
	case EMPTY:
		if (i == 0)
			frame(out, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, block, n);
		frame(out, NGHTTP2_DATA, 0, 1, "", 0);
		break;
	case PRIORITY:
		frame(out, NGHTTP2_PRIORITY, 0, 1, "\0\0\0\0\x10", 5);
		break;
	default:
		if (i == 0)
			frame(out, NGHTTP2_HEADERS, 0, 1, block, n);
		frame(out, NGHTTP2_CONTINUATION, 0, 1, "", 0);
		break;
	}
}

TEST(floods_are_cut_off)
{
	for (enum flood kind = RESET; kind < N_FLOODS; kind++) {
		struct fixture *f = setup();
		struct buf bytes = { 0 };

		begin(&bytes);
		for (uint32_t i = 0; i < 40000; i++)
			add_flood(&bytes, kind, i);
		if (feed(f, &bytes) == 0 && !grpc_session_ended(f->s))
			fail_msg("flood %u was let through", kind);
		buf_done(&bytes);
		teardown(f);
	}
}

/* As many as Go's clients send while a gigabyte flows. */
TEST(pings_are_answered_for_ever)
{
	struct fixture *f = setup();
	struct buf bytes = { 0 };

	begin(&bytes);
	for (int i = 0; i < 50000; i++)
		frame(&bytes, NGHTTP2_PING, 0, 0, "\2\4\1\0\x09\x0e\7\7", 8);
	assert_ok(feed(f, &bytes));
	buf_done(&bytes);
	teardown(f);
}

/* Who does not read the answers to his pings is cut off, not remembered. */
TEST(pings_that_nobody_reads_are_bounded)
{
	struct fixture *f = setup();
	struct buf bytes = { 0 };

	begin(&bytes);
	for (int i = 0; i < 5000; i++)
		frame(&bytes, NGHTTP2_PING, 0, 0, "12345678", 8);
	assert_int_equal(grpc_session_feed(f->s, bytes.data, bytes.len), -EPROTO);
	buf_done(&bytes);
	teardown(f);
}

TEST(garbage_ends_the_connection)
{
	static const struct {
		const char *bytes;
		size_t size;
		bool preface;
	} rows[] = {
		{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, false },
		{ "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03xxxxxxxxxxxxxxxx", 27, false },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", 24, false },
		{ "\xff\xff\xff\x00\x00\x00\x00\x00\x01", 9,
			true }, /* longer than a frame may be */
		{ "\x00\x00\x05\x06\x00\x00\x00\x00\x00xxxxx", 14, true }, /* PING of 5 bytes */
		{ "\x00\x00\x04\x00\x00\x00\x00\x00\x00xxxx", 13, true },  /* DATA of stream 0 */
		{ "\x00\x00\x01\x01\x04\x00\x00\x00\x02\x82", 10,
			true }, /* HEADERS of an even stream */
		{ "\x00\x00\x04\x01\x04\x00\x00\x00\x01\xff\xff\xff\xff", 13, true }, /* no HPACK */
		{ "\x00\x00\x00\x09\x04\x00\x00\x00\x01", 9, true }, /* CONTINUATION of nothing */
		{ "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00", 13,
			true }, /* a window of 0 more */
		{ "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\xff\xff\xff\xff", 15,
			true }, /* a window too large */
		{ "\x00\x00\x04\x05\x04\x00\x00\x00\x01xxxx", 13,
			true }, /* PUSH_PROMISE from a client */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture *f = setup();
		struct buf bytes = { 0 };
		const uint8_t *out;

		if (rows[i].preface)
			begin(&bytes);
		buf_add(&bytes, rows[i].bytes, rows[i].size);
		if (grpc_session_feed(f->s, bytes.data, bytes.len) == 0) {
			while (grpc_session_fetch(f->s, &out) > 0)
				;
			if (!grpc_session_ended(f->s))
				fail_msg("row %zu was let through", i);
		}
		buf_done(&bytes);
		teardown(f);
	}
}

/* 4 KiB on the wire become many MiB: one long value in the table, named again and again. */
TEST(a_header_bomb_costs_its_stream)
{
	struct fixture *f = setup();
	struct buf block = { 0 }, bytes = { 0 };
	uint8_t fixed[128];

	begin(&bytes);
	buf_add(&block, fixed, headers(fixed));
	buf_add(&block, "\x40\x01\x61\x7f\x81\x1e", 6); /* a: 4000 bytes, into the table */
	for (int i = 0; i < 4000; i++)
		buf_addc(&block, 'b');
	for (int i = 0; i < 12000; i++)
		buf_addc(&block, (char)0xbe); /* the newest entry of the table */
	frame(&bytes, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1,
		block.data, block.len);
	(void)feed(f, &bytes);
	assert_int_equal(f->n_held, 0);
	assert_int_equal(grpc_session_calls(f->s), 0);
	buf_done(&block);
	buf_done(&bytes);
	teardown(f);
}

TEST(more_streams_than_allowed_are_refused)
{
	struct fixture *f = setup();
	struct buf bytes = { 0 };
	uint8_t block[128];
	size_t n = headers(block);
	const uint8_t *out;

	begin(&bytes);
	frame(&bytes, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0);
	while (grpc_session_fetch(f->s, &out) > 0)
		;
	for (uint32_t i = 0; i < GRPC_STREAMS_MAX + 500; i++)
		frame(&bytes, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 2 * i + 1, block, n);
	(void)feed(f, &bytes);
	assert_in_range(grpc_session_calls(f->s), 0, GRPC_STREAMS_MAX);
	buf_done(&bytes);
	teardown(f);
}

/* ---- leaving ---- */

TEST(draining_ends_streams_and_answers_what_was_asked)
{
	struct fixture *f = setup();
	struct reply held = { 0 }, talk = { .body = "", .open_end = true };
	Pb__Task__StartResponse out = PB__TASK__START_RESPONSE__INIT;

	one_call(f, "Hold", 1, &held);
	call(f, "Talk", &talk);
	pump(f);
	grpc_session_drain(f->s);
	pump(f);
	check(&talk, "14", "going away");
	assert_false(held.closed);
	assert_false(grpc_session_ended(f->s));
	out.pid = 5;
	rpc_reply_message(&f->door, f->held[0], &out.base);
	pump(f);
	check(&held, "0", "");
	assert_true(grpc_session_ended(f->s));
	buf_done(&held.data);
	teardown(f);
}

/* ---- sockets ---- */

struct served {
	struct fixture *f;
	struct grpc_server *server;
	int client, listener;
	bool drained;
};

static void on_drained(void *arg)
{
	struct served *s = arg;

	s->drained = true;
}

static void serve(struct served *s, struct test_tmpdir *dir)
{
	const struct grpc_server_config config = {
		.loop = s->f->loop,
		.services = services,
		.n_services = 1,
		.arg = s->f,
		.drained = on_drained,
		.drained_arg = s,
	};

	assert_ok(grpc_server_new(&config, &s->server, NULL));
	s->listener = fd_unix_listen_at(dir->fd, "sock", SOCK_STREAM, 0600);
	assert_true(s->listener >= 0);
	assert_ok(grpc_server_listen_take_fd(s->server, s->listener, 0, NULL));
	s->client = fd_unix_connect_at(dir->fd, "sock", SOCK_STREAM);
	assert_true(s->client >= 0);
	fd_set_nonblock(s->client, true);
}

static void rounds(struct served *s, int n)
{
	for (int i = 0; i < n; i++)
		assert_ok(loop_round(s->f->loop, 0));
}

/* Bytes between the test's client and the socket, until nothing moves. */
static void move(struct served *s)
{
	const uint8_t *bytes;
	uint8_t in[65536];
	ssize_t n, m;

	do {
		n = nghttp2_session_mem_send(s->f->c, &bytes);
		if (n > 0)
			assert_int_equal(send(s->client, bytes, (size_t)n, MSG_NOSIGNAL), n);
		rounds(s, 4);
		m = recv(s->client, in, sizeof(in), MSG_DONTWAIT);
		if (m > 0)
			nghttp2_session_mem_recv(s->f->c, in, (size_t)m);
	} while (n > 0 || m > 0);
}

TEST(a_server_answers_on_its_socket_and_leaves_in_order)
{
	struct test_tmpdir dir = test_tmpdir_memory();
	struct fixture *f = setup();
	struct served s = { .f = f };
	struct reply r = { 0 };
	struct buf body = { 0 };
	size_t fds = test_open_fds();

	serve(&s, &dir);
	add_message(&body, 9, "x");
	r.body = body.data;
	r.body_size = body.len;
	call(f, "Echo", &r);
	move(&s);
	check(&r, "0", "");
	assert_int_equal(pid_in(&r, 0), 9);
	assert_int_equal(grpc_server_connections(s.server), 1);
	assert_int_equal(grpc_server_held(s.server), 0);
	grpc_server_drain(s.server);
	move(&s);
	rounds(&s, 4);
	assert_true(s.drained);
	close(s.client);
	grpc_server_free(s.server);
	assert_int_equal(test_open_fds(), fds);
	buf_done(&body);
	buf_done(&r.data);
	test_tmpdir_remove(&dir);
	teardown(f);
}

/* A client with an endless list that reads nothing: little is made ready for it. */
TEST(a_slow_reader_is_waited_for)
{
	struct test_tmpdir dir = test_tmpdir_memory();
	struct fixture *f = setup();
	struct served s = { .f = f };
	struct buf bytes = { 0 }, body = { 0 };
	uint8_t block[128], window[4] = { 0x3f, 0, 0, 0 };
	static const char path[] = "/" SERVICE "/Big";
	size_t n = 0;

	serve(&s, &dir);
	begin(&bytes);
	frame(&bytes, NGHTTP2_SETTINGS, 0, 0, "\0\4\x3f\0\0\0", 6);
	frame(&bytes, NGHTTP2_WINDOW_UPDATE, 0, 0, window, 4);
	block[n++] = 0x83;
	block[n++] = 0x86;
	memcpy(block + n, "\x01\x01x", 3);
	n += 3;
	block[n++] = 0x04;
	block[n++] = sizeof(path) - 1;
	memcpy(block + n, path, sizeof(path) - 1);
	n += sizeof(path) - 1;
	memcpy(block + n,
		"\x0f\x10\x10"
		"application/grpc",
		19);
	n += 19;
	add_message(&body, 15 << 20, "x");
	for (uint32_t i = 0; i < 40; i++) {
		frame(&bytes, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 2 * i + 1, block, n);
		frame(&bytes, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 2 * i + 1, body.data,
			body.len);
	}
	assert_int_equal(send(s.client, bytes.data, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
	rounds(&s, 100);
	assert_in_range(grpc_server_held(s.server), 1, 100u << 20);
	close(s.client);
	rounds(&s, 10);
	assert_int_equal(grpc_server_connections(s.server), 0);
	assert_int_equal(grpc_server_held(s.server), 0);
	grpc_server_free(s.server);
	buf_done(&bytes);
	buf_done(&body);
	test_tmpdir_remove(&dir);
	teardown(f);
}

/* ---- words ---- */

TEST(timeouts_have_units)
{
	uint64_t ns;

	assert_ok(grpc_timeout_parse("1H", &ns));
	assert_int_equal(ns, 3600 * NS_PER_SEC);
	assert_ok(grpc_timeout_parse("99999999n", &ns));
	assert_int_equal(ns, 99999999);
	assert_ok(grpc_timeout_parse("99999999H", &ns));
	assert_ok(grpc_timeout_parse("0u", &ns));
	assert_int_equal(ns, 0);
	for (size_t i = 0; i < 7; i++) {
		static const char *const bad[] = { "", "1", "S", "1s", "123456789S", "-1S", "1SS" };

		assert_int_equal(grpc_timeout_parse(bad[i], &ns), -EINVAL);
	}
}

TEST(content_types)
{
	assert_true(grpc_content_type_ok("application/grpc"));
	assert_true(grpc_content_type_ok("application/grpc+proto"));
	assert_true(grpc_content_type_ok("application/grpc;charset=utf-8"));
	assert_false(grpc_content_type_ok("application/grpc-web"));
	assert_false(grpc_content_type_ok("application/grpc+json"));
	assert_false(grpc_content_type_ok("application/grp"));
}
