/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations with the ttrpc server over real sockets, by hand-made frames and by our client. */
#include "test.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "event/loop.h"
#include "rpc/frame.h"
#include "rpc/ttrpc_client.h"
#include "rpc/ttrpc_server.h"

#include "proto/task.pb-c.h"
#include "proto/ttrpc.pb-c.h"

#define SERVICE "reeve.test.Service"

enum kind { ECHO, HOLD, BIG, TWICE };

struct fixture {
	struct loop *loop;
	struct ttrpc_server *server;
	struct rpc_addr held[2 * TTRPC_STREAMS_MAX];
	size_t n_held;
	uint64_t closed[64];
	size_t n_closed;
	uint64_t deadline_ns;
	uint32_t listener;
	char ns[32];
};

static void handle(void *arg, const struct rpc_request *req)
{
	struct fixture *f = arg;
	const Pb__Task__KillRequest *in = (const void *)req->message;
	Pb__Task__StartResponse out = PB__TASK__START_RESPONSE__INIT;
	auto_free char *big = NULL;

	f->deadline_ns = req->deadline_boot_ns;
	f->listener = req->listener;
	snprintf(f->ns, sizeof(f->ns), "%s", req->ns ? req->ns : "-");
	out.pid = in->signal;
	switch ((enum kind)req->method->kind) {
	case ECHO:
		ttrpc_reply_message(f->server, req->addr, &out.base);
		break;
	case TWICE:
		ttrpc_reply_message(f->server, req->addr, &out.base);
		ttrpc_reply(f->server, req->addr, RPC_INTERNAL, "again", NULL, 0);
		break;
	case BIG:
		big = calloc(1, in->signal);
		assert_non_null(big);
		ttrpc_reply(f->server, req->addr, RPC_OK, NULL, big, in->signal);
		break;
	case HOLD:
		assert_true(f->n_held < ARRAY_LEN(f->held));
		f->held[f->n_held++] = req->addr;
		break;
	}
}

static const struct rpc_method methods[] = {
	{ "Echo", &pb__task__kill_request__descriptor, ECHO, handle },
	{ "Hold", &pb__task__kill_request__descriptor, HOLD, handle },
	{ "Big", &pb__task__kill_request__descriptor, BIG, handle },
	{ "Twice", &pb__task__kill_request__descriptor, TWICE, handle },
};
static const struct rpc_service services[] = { { SERVICE, methods, ARRAY_LEN(methods) } };

static void on_closed(void *arg, uint64_t conn)
{
	struct fixture *f = arg;

	assert_true(f->n_closed < ARRAY_LEN(f->closed));
	f->closed[f->n_closed++] = conn;
}

static struct ttrpc_server *new_server(struct fixture *f, uint64_t first_conn)
{
	struct ttrpc_server_config config = {
		.loop = f->loop,
		.services = services,
		.n_services = 1,
		.arg = f,
		.closed = on_closed,
		.first_conn = first_conn,
	};
	struct ttrpc_server *s = NULL;

	assert_ok(ttrpc_server_new(&config, &s, NULL));
	return s;
}

static struct fixture *setup(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_ok(loop_new(&f->loop));
	f->server = new_server(f, 0);
	return f;
}

static void teardown(struct fixture *f)
{
	ttrpc_server_free(f->server);
	loop_free(f->loop);
	free(f);
}

static void pump(struct fixture *f)
{
	for (int i = 0; i < 8; i++)
		assert_ok(loop_round(f->loop, 0));
}

/* The test's end of a connection. */
struct peer {
	int fd;
	struct buf in;
	uint64_t conn;
};

static struct peer join(struct fixture *f)
{
	struct peer p = { 0 };
	int fds[2];

	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	p.fd = fds[0];
	assert_ok(fd_set_nonblock(p.fd, true));
	assert_ok(ttrpc_server_adopt_take_fd(f->server, fds[1], 3, NULL, 0, &p.conn, NULL));
	return p;
}

static void leave(struct peer *p)
{
	p->fd = fd_close(p->fd);
	buf_done(&p->in);
}

static void add_frame(
	struct buf *out, uint32_t stream, enum frame_type type, const void *data, size_t n)
{
	size_t at = frame_begin(out);

	buf_add(out, data, n);
	assert_ok(frame_end(out, at, stream, type, 0));
}

static void add_request(
	struct buf *out, uint32_t stream, const char *service, const char *method, uint32_t number)
{
	Pb__Ttrpc__Request req = PB__TTRPC__REQUEST__INIT;
	Pb__Task__KillRequest kill = PB__TASK__KILL_REQUEST__INIT;
	uint8_t payload[64];
	size_t at = frame_begin(out);

	kill.signal = number;
	req.service = (char *)service;
	req.method = (char *)method;
	req.payload.data = payload;
	req.payload.len = protobuf_c_message_pack(&kill.base, payload);
	message_encode(&req.base, out);
	assert_ok(frame_end(out, at, stream, FRAME_REQUEST, 0));
}

/* Write it all, giving the server its turns. */
static void say(struct fixture *f, struct peer *p, struct buf *b)
{
	size_t pos = 0;

	for (int idle = 0; pos < b->len;) {
		ssize_t n = send(p->fd, b->data + pos, b->len - pos, MSG_NOSIGNAL);

		idle = n > 0 ? 0 : idle + 1;
		assert_true(idle < 1000);
		pos += n > 0 ? (size_t)n : 0;
		assert_ok(loop_round(f->loop, 0));
	}
	buf_done(b);
	pump(f);
}

static void ask(
	struct fixture *f, struct peer *p, uint32_t stream, const char *method, uint32_t number)
{
	struct buf b = { 0 };

	add_request(&b, stream, SERVICE, method, number);
	say(f, p, &b);
}

static bool fill(struct peer *p)
{
	char bytes[65536];
	ssize_t n = recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n > 0)
		buf_add(&p->in, bytes, (size_t)n);
	return n > 0;
}

/* "<stream> <code> <text or pid>" of the next response; "" when there is none, "eof" at the end. */
static const char *hear(struct fixture *f, struct peer *p)
{
	static char out[256];
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *m, *pid = NULL;
	const Pb__Ttrpc__Response *r;
	struct frame_skip skip = { 0 };
	struct frame frame;
	size_t used;
	char c;

	pump(f);
	while (frame_read(&skip, p->in.data ? p->in.data : "", p->in.len, &used, &frame) !=
		FRAME_WHOLE) {
		if (fill(p))
			continue;
		pump(f);
		if (fill(p))
			continue;
		return recv(p->fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) == 0 ? "eof" : "";
	}
	assert_int_equal(frame.type, FRAME_RESPONSE);
	assert_int_equal(frame.flags, 0);
	assert_ok(message_decode(
		&pb__ttrpc__response__descriptor, frame.data, frame.size, &arena, &m, NULL));
	r = (const void *)m;
	if (r->status)
		snprintf(out, sizeof(out), "%u %d %.200s", frame.stream, r->status->code,
			r->status->message);
	else if (r->payload.len > 100)
		snprintf(out, sizeof(out), "%u 0 big %zu", frame.stream, r->payload.len);
	else {
		assert_ok(message_decode(&pb__task__start_response__descriptor, r->payload.data,
			r->payload.len, &arena, &pid, NULL));
		snprintf(out, sizeof(out), "%u 0 %u", frame.stream,
			((const Pb__Task__StartResponse *)(const void *)pid)->pid);
	}
	buf_consume(&p->in, used);
	return out;
}

TEST(a_call_is_answered)
{
	struct fixture *f = setup();
	struct peer p = join(f);

	ask(f, &p, 1, "Echo", 42);
	assert_string_equal(hear(f, &p), "1 0 42");
	ask(f, &p, 3, "Echo", 0); /* an empty payload is a message */
	assert_string_equal(hear(f, &p), "3 0 0");
	assert_int_equal(f->listener, 3);
	assert_int_equal(f->deadline_ns, 0);
	assert_string_equal(f->ns, "-");
	assert_int_equal(ttrpc_server_connections(f->server), 1);
	leave(&p);
	teardown(f);
}

TEST(bytes_may_come_one_at_a_time)
{
	struct fixture *f = setup();
	struct peer p = join(f);
	struct buf b = { 0 };

	add_request(&b, 1, SERVICE, "Echo", 7);
	add_request(&b, 3, SERVICE, "Echo", 8);
	for (size_t i = 0; i < b.len; i++) {
		assert_int_equal(send(p.fd, b.data + i, 1, MSG_NOSIGNAL), 1);
		assert_ok(loop_round(f->loop, 0));
	}
	buf_done(&b);
	assert_string_equal(hear(f, &p), "1 0 7");
	assert_string_equal(hear(f, &p), "3 0 8");
	assert_string_equal(hear(f, &p), "");
	leave(&p);
	teardown(f);
}

TEST(what_clients_do_wrong_is_answered_as_go_does)
{
	struct fixture *f = setup();
	struct peer p = join(f);
	struct buf b = { 0 };

	add_request(&b, 1, "containerd.task.v3.Task", "Connect", 0);
	add_request(&b, 3, SERVICE, "Nothing", 0);
	add_request(&b, 4, SERVICE, "Echo", 0);
	add_request(&b, 0, SERVICE, "Echo", 0);
	add_request(&b, 3, SERVICE, "Echo", 0);
	add_request(&b, 1, SERVICE, "Echo", 0);
	add_frame(&b, 5, FRAME_REQUEST, "\x0a\xff", 2);
	add_frame(&b, 7, FRAME_REQUEST,
		"\x0a\x12" SERVICE "\x12\x04"
		"Echo\x1a\x01\xff",
		29);
	add_frame(&b, 3, FRAME_DATA, "x", 1);
	add_frame(&b, 9, (enum frame_type)9, "x", 1);
	add_frame(&b, 11, FRAME_RESPONSE, "", 0);
	add_request(&b, 9, SERVICE, "Echo", 5);
	say(f, &p, &b);
	assert_string_equal(hear(f, &p), "1 12 service containerd.task.v3.Task");
	assert_string_equal(hear(f, &p), "3 12 method Nothing");
	assert_string_equal(hear(f, &p), "4 3 StreamID must be odd for client initiated streams");
	assert_string_equal(hear(f, &p), "0 3 StreamID must be odd for client initiated streams");
	assert_string_equal(hear(f, &p), "3 3 StreamID cannot be re-used and must increment");
	assert_string_equal(hear(f, &p), "1 3 StreamID cannot be re-used and must increment");
	assert_text_has(hear(f, &p), "5 3 unmarshal request error: ");
	assert_text_has(hear(f, &p), "7 13 ttrpc: error unmarshalling payload: ");
	assert_string_equal(hear(f, &p), "3 3 StreamID is no longer active");
	assert_string_equal(hear(f, &p), "9 0 5");
	assert_string_equal(hear(f, &p), "");
	leave(&p);
	teardown(f);
}

TEST(a_message_that_is_too_long_is_answered_and_the_next_one_served)
{
	struct fixture *f = setup();
	struct peer p = join(f);
	struct buf b = { 0 };

	buf_add(&b, "\0\x40\0\1\0\0\0\1\1\0", 10);
	for (size_t i = 0; i < FRAME_DATA_MAX + 1; i++)
		buf_addc(&b, 'x');
	add_request(&b, 1, SERVICE, "Echo", 3); /* its id was not used up */
	say(f, &p, &b);
	assert_string_equal(
		hear(f, &p), "1 8 message length 4194305 exceed maximum message size of 4194304");
	assert_string_equal(hear(f, &p), "1 0 3");
	leave(&p);
	teardown(f);
}

TEST(garbage_hurts_nobody_else)
{
	struct fixture *f = setup();
	struct peer good = join(f);
	uint32_t seed = 1;

	for (int round = 0; round < 40; round++) {
		struct peer bad = join(f);
		struct buf b = { 0 };

		for (int i = 0; i < 3000; i++) {
			seed = seed * 1664525 + 1013904223;
			/* Mostly short frames, so that types and streams vary. */
			buf_addc(&b, i % 10 < 3 ? 0 : (char)(seed >> 24));
		}
		say(f, &bad, &b);
		leave(&bad);
		ask(f, &good, (uint32_t)round * 2 + 1, "Echo", 1);
		assert_text_has(hear(f, &good), " 0 1");
	}
	assert_int_equal(ttrpc_server_connections(f->server), 1);
	leave(&good);
	teardown(f);
}

TEST(many_calls_wait_and_one_more_is_refused)
{
	struct fixture *f = setup();
	struct peer p = join(f);
	char want[64];

	for (uint32_t i = 0; i < TTRPC_STREAMS_MAX; i++)
		ask(f, &p, 2 * i + 1, "Hold", i);
	assert_int_equal(f->n_held, TTRPC_STREAMS_MAX);
	ask(f, &p, 2 * TTRPC_STREAMS_MAX + 1, "Hold", 0);
	assert_text_has(hear(f, &p), " 8 10000 calls are in progress");
	/* Answers come in any order. */
	for (uint32_t i = TTRPC_STREAMS_MAX; i-- > 0;) {
		ttrpc_reply(f->server, f->held[i], RPC_NOT_FOUND, "gone", NULL, 0);
		snprintf(want, sizeof(want), "%u 5 gone", 2 * i + 1);
		assert_string_equal(hear(f, &p), want);
	}
	ask(f, &p, 2 * TTRPC_STREAMS_MAX + 3, "Echo", 1);
	assert_string_equal(hear(f, &p), "20003 0 1");
	leave(&p);
	teardown(f);
}

TEST(a_client_that_does_not_read_is_not_read_from)
{
	struct fixture *f = setup();
	struct peer slow = join(f), quick = join(f);
	struct buf b = { 0 };
	size_t pos = 0, heard = 0;
	int stuck = 0;

	for (uint32_t i = 0; i < 4000; i++)
		add_request(&b, 2 * i + 1, SERVICE, "Big", 1000);
	/* Its requests fit into the socket; the answers, 4 MB, do not. */
	while (pos < b.len && stuck < 20) {
		ssize_t n = send(slow.fd, b.data + pos, b.len - pos, MSG_NOSIGNAL);

		stuck = n > 0 ? 0 : stuck + 1;
		pos += n > 0 ? (size_t)n : 0;
		assert_ok(loop_round(f->loop, 0));
	}
	for (uint32_t i = 0; i < 50; i++) {
		ask(f, &quick, 2 * i + 1, "Echo", i);
		assert_text_has(hear(f, &quick), " 0 ");
	}
	{
		struct buf record = { 0 };

		assert_ok(ttrpc_server_save(f->server, slow.conn, &record));
		assert_in_range(record.len, 200000, 700000); /* it waits here, within its bound */
		buf_done(&record);
	}
	while (heard < 4000) {
		const char *word = hear(f, &slow);
		ssize_t n =
			pos < b.len ? send(slow.fd, b.data + pos, b.len - pos, MSG_NOSIGNAL) : 0;

		pos += n > 0 ? (size_t)n : 0;
		if (*word) {
			char want[32];

			snprintf(want, sizeof(want), "%zu 0 big 1000", 2 * heard + 1);
			assert_string_equal(word, want);
			heard++;
		}
	}
	buf_done(&b);
	leave(&slow);
	leave(&quick);
	teardown(f);
}

TEST(answers_of_calls_in_progress_have_a_bound_too)
{
	struct fixture *f = setup();
	struct peer p = join(f);
	auto_free char *big = calloc(1, 1u << 20);
	struct buf record = { 0 };
	size_t n_big = 0, n_refused = 0;

	for (uint32_t i = 0; i < 100; i++)
		ask(f, &p, 2 * i + 1, "Hold", 0);
	for (size_t i = 0; i < 100; i++)
		ttrpc_reply(f->server, f->held[i], RPC_OK, NULL, big, 1u << 20);
	assert_ok(ttrpc_server_save(f->server, p.conn, &record));
	assert_in_range(record.len, 16u << 20, 33u << 20);
	buf_done(&record);
	for (int i = 0; i < 100; i++) {
		const char *word = hear(f, &p);

		if (strstr(word, "answers are not read"))
			n_refused++;
		else if (strstr(word, " 0 big"))
			n_big++;
	}
	assert_int_equal(n_big + n_refused, 100);
	assert_in_range(n_refused, 60, 80);
	leave(&p);
	teardown(f);
}

TEST(an_answer_that_is_too_long_becomes_a_status)
{
	struct fixture *f = setup();
	struct peer p = join(f);

	ask(f, &p, 1, "Big", FRAME_DATA_MAX);
	assert_text_has(hear(f, &p), "1 8 message length 4194304 exceed");
	ask(f, &p, 3, "Big", FRAME_DATA_MAX - 20);
	assert_string_equal(hear(f, &p), "3 0 big 4194284");
	leave(&p);
	teardown(f);
}

TEST(an_answer_goes_out_once_and_to_open_calls_only)
{
	struct fixture *f = setup();
	struct peer p = join(f);

	ask(f, &p, 1, "Twice", 4);
	assert_string_equal(hear(f, &p), "1 0 4");
	ask(f, &p, 3, "Hold", 0);
	ttrpc_reply(f->server, (struct rpc_addr){ p.conn, 5 }, RPC_OK, NULL, NULL, 0);
	ttrpc_reply(f->server, (struct rpc_addr){ p.conn + 1, 3 }, RPC_OK, NULL, NULL, 0);
	ttrpc_reply(f->server, (struct rpc_addr){ 0, 3 }, RPC_OK, NULL, NULL, 0);
	assert_string_equal(hear(f, &p), "");
	leave(&p);
	teardown(f);
}

TEST(a_closed_connection_is_told_once_and_its_answers_go_nowhere)
{
	struct fixture *f = setup();
	struct peer p = join(f), q;

	ask(f, &p, 1, "Hold", 0);
	leave(&p);
	pump(f);
	assert_int_equal(f->n_closed, 1);
	assert_int_equal(f->closed[0], p.conn);
	assert_int_equal(ttrpc_server_connections(f->server), 0);
	ttrpc_reply(f->server, f->held[0], RPC_OK, NULL, NULL, 0);
	q = join(f);
	assert_true(q.conn > p.conn);
	assert_string_equal(hear(f, &q), "");
	/* Gone while its answers are on their way. */
	ask(f, &q, 1, "Hold", 0);
	ask(f, &q, 3, "Hold", 0);
	close(q.fd);
	ttrpc_reply(f->server, f->held[1], RPC_OK, NULL, "x", 1);
	ttrpc_reply(f->server, f->held[2], RPC_OK, NULL, "x", 1);
	q.fd = -1;
	pump(f);
	assert_int_equal(f->n_closed, 2);
	leave(&q);
	teardown(f);
}

TEST(the_deadline_is_absolute_and_the_namespace_is_passed_on)
{
	struct fixture *f = setup();
	struct peer p = join(f);
	Pb__Ttrpc__Request req = PB__TTRPC__REQUEST__INIT;
	Pb__Pair other = PB__PAIR__INIT, ns = PB__PAIR__INIT;
	Pb__Pair *pairs[] = { &other, &ns };
	static const int64_t timeouts[] = { 5000000000, -1, INT64_MIN, INT64_MAX };
	struct buf b = { 0 };

	req.service = (char *)SERVICE;
	req.method = (char *)"Echo";
	other.key = (char *)"x";
	ns.key = (char *)"containerd-namespace-ttrpc";
	ns.value = (char *)"k8s.io";
	req.metadata = pairs;
	req.n_metadata = 2;
	for (uint32_t i = 0; i < ARRAY_LEN(timeouts); i++) {
		uint64_t before = clock_boot_ns(), after, wait;
		size_t at = frame_begin(&b);

		req.timeout_nano = timeouts[i];
		message_encode(&req.base, &b);
		assert_ok(frame_end(&b, at, 2 * i + 1, FRAME_REQUEST, 0));
		say(f, &p, &b);
		after = clock_boot_ns();
		wait = timeouts[i] < 0 ? 0 : (uint64_t)timeouts[i];
		assert_in_range(f->deadline_ns, before + wait, after + wait);
		assert_string_equal(f->ns, "k8s.io");
	}
	leave(&p);
	teardown(f);
}

static int listen_at(const struct test_tmpdir *dir, const char *name)
{
	int fd = fd_unix_listen_at(dir->fd, name, SOCK_STREAM, 0600);

	assert_true(fd >= 0);
	return fd;
}

static struct peer dial(const struct test_tmpdir *dir, const char *name)
{
	struct peer p = { .fd = fd_unix_connect_at(dir->fd, name, SOCK_STREAM | SOCK_NONBLOCK) };

	assert_true(p.fd >= 0);
	return p;
}

TEST(listeners_accept_and_tag)
{
	struct test_tmpdir dir = test_tmpdir();
	struct fixture *f = setup();
	struct peer p, q;

	assert_ok(ttrpc_server_listen_take_fd(f->server, listen_at(&dir, "a"), 1, NULL));
	assert_ok(ttrpc_server_listen_take_fd(f->server, listen_at(&dir, "b"), 2, NULL));
	p = dial(&dir, "a");
	q = dial(&dir, "b");
	ask(f, &p, 1, "Echo", 1);
	assert_string_equal(hear(f, &p), "1 0 1");
	assert_int_equal(f->listener, 1);
	ask(f, &q, 1, "Echo", 2);
	assert_int_equal(f->listener, 2);
	assert_string_equal(hear(f, &q), "1 0 2");
	ttrpc_server_unlisten(f->server);
	assert_int_equal(fd_unix_connect_at(dir.fd, "a", SOCK_STREAM), -ECONNREFUSED);
	ask(f, &p, 3, "Echo", 3); /* those that are there stay */
	assert_string_equal(hear(f, &p), "3 0 3");
	leave(&p);
	leave(&q);
	teardown(f);
	test_tmpdir_remove(&dir);
}

TEST(out_of_fds_the_listener_waits_and_comes_back)
{
	struct test_tmpdir dir = test_tmpdir();
	struct fixture *f = setup();
	uint64_t end = clock_boot_ns() + 100 * NS_PER_MS;
	struct rlimit all, none;
	unsigned int rounds = 0;
	struct peer p;

	assert_ok(ttrpc_server_listen_take_fd(f->server, listen_at(&dir, "a"), 1, NULL));
	p = dial(&dir, "a");
	assert_ok(getrlimit(RLIMIT_NOFILE, &all));
	none = all;
	none.rlim_cur = 3;
	assert_ok(setrlimit(RLIMIT_NOFILE, &none));
	while (clock_boot_ns() < end) {
		assert_ok(loop_round(f->loop, 100));
		rounds++;
	}
	assert_ok(setrlimit(RLIMIT_NOFILE, &all));
	assert_in_range(rounds, 1, 40); /* 1, 2, 4... ms apart: it does not spin */
	assert_int_equal(ttrpc_server_connections(f->server), 0);
	for (int i = 0; i < 100 && ttrpc_server_connections(f->server) == 0; i++)
		assert_ok(loop_round(f->loop, 50));
	ask(f, &p, 1, "Echo", 9);
	assert_string_equal(hear(f, &p), "1 0 9");
	leave(&p);
	teardown(f);
	test_tmpdir_remove(&dir);
}

TEST(a_peer_of_another_group_is_closed_without_a_word)
{
	struct test_tmpdir dir = test_tmpdir();
	struct fixture *f = setup();
	char byte;
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		teardown(f);
		test_tmpdir_remove(&dir);
		test_skip("only root can be another group");
	}
	assert_ok(ttrpc_server_listen_take_fd(f->server, listen_at(&dir, "a"), 1, NULL));
	pid = fork();
	if (pid == 0) {
		int fd;

		if (setegid(12345) < 0)
			_exit(1);
		fd = fd_unix_connect_at(dir.fd, "a", SOCK_STREAM);
		_exit(fd >= 0 && recv(fd, &byte, 1, 0) == 0 ? 0 : 2);
	}
	assert_true(pid > 0);
	while (waitpid(pid, &status, WNOHANG) == 0)
		assert_ok(loop_round(f->loop, 10));
	assert_int_equal(status, 0);
	assert_int_equal(ttrpc_server_connections(f->server), 0);
	teardown(f);
	test_tmpdir_remove(&dir);
}

TEST(a_successor_goes_on_in_the_middle_of_frames)
{
	struct fixture *f = setup();
	struct peer p = join(f);
	struct buf b = { 0 }, record = { 0 };
	struct ttrpc_server *old = f->server;
	auto_free char *big = calloc(1, 1u << 20);
	struct rpc_addr first;
	uint64_t id = 0;
	int kept = -1, n;

	/* One call is open, one answer is half sent, one request is half received. */
	ask(f, &p, 1, "Hold", 0);
	ask(f, &p, 3, "Hold", 0);
	ttrpc_reply(f->server, f->held[1], RPC_OK, NULL, big, 1u << 20);
	pump(f);
	add_request(&b, 5, SERVICE, "Echo", 55);
	n = (int)b.len / 2;
	assert_int_equal(send(p.fd, b.data, (size_t)n, MSG_NOSIGNAL), n);
	pump(f);
	assert_int_equal(ttrpc_server_save(old, p.conn + 1, &record), -ENOENT);
	assert_ok(ttrpc_server_save(old, p.conn, &record));
	first = f->held[0];

	/* The socket stays open in the successor's hands: here, a copy that the old one never had.
	 */
	for (int fd = p.fd + 1; fd < 64 && kept < 0; fd++) {
		int type = 0;
		socklen_t size = sizeof(type);

		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0)
			kept = dup(fd);
	}
	assert_true(kept >= 0);
	f->server = new_server(f, ttrpc_server_next_conn(old));
	ttrpc_server_free(old);
	assert_int_equal(f->n_closed, 0);
	assert_ok(ttrpc_server_adopt_take_fd(
		f->server, dup(kept), 0, record.data, record.len, &id, NULL));
	assert_int_equal(id, p.conn);
	assert_int_equal(
		ttrpc_server_adopt_take_fd(f->server, kept, 0, record.data, record.len, &id, NULL),
		-EEXIST);
	buf_done(&record);
	assert_string_equal(hear(f, &p), "3 0 big 1048576");
	assert_int_equal(send(p.fd, b.data + n, b.len - (size_t)n, MSG_NOSIGNAL), (int)b.len - n);
	assert_string_equal(hear(f, &p), "5 0 55");
	ask(f, &p, 5, "Echo", 5);
	assert_text_has(hear(f, &p), "5 3 StreamID cannot be re-used");
	ttrpc_reply(f->server, first, RPC_NOT_FOUND, "late", NULL, 0);
	assert_string_equal(hear(f, &p), "1 5 late");
	buf_done(&b);
	leave(&p);
	teardown(f);
}

TEST(frames_that_waited_behind_a_pause_are_served_by_the_successor)
{
	struct fixture *f = setup();
	struct peer p = join(f);
	struct buf b = { 0 }, record = { 0 };
	struct ttrpc_server *old = f->server;
	int fds[2];
	uint64_t id;

	/* Write the record as the old one would have: a whole request waits in the inbox. */
	ask(f, &p, 1, "Hold", 0);
	assert_ok(ttrpc_server_save(old, p.conn, &record));
	add_request(&b, 3, SERVICE, "Echo", 33);
	buf_addc(&record, 0x2a); /* field 5, inbox */
	assert_in_range(b.len, 1, 127);
	buf_addc(&record, (char)b.len);
	buf_add(&record, b.data, b.len);
	leave(&p);
	f->server = new_server(f, 0);
	ttrpc_server_free(old);
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	p.fd = fds[0];
	assert_ok(fd_set_nonblock(p.fd, true));
	assert_ok(ttrpc_server_adopt_take_fd(
		f->server, fds[1], 0, record.data, record.len, &id, NULL));
	assert_string_equal(hear(f, &p), "3 0 33");
	assert_int_equal(ttrpc_server_next_conn(f->server), id + 1);
	buf_done(&b);
	buf_done(&record);
	leave(&p);
	teardown(f);
}

/* What our client hears, as words: "t<tag>:<end>:<code>:<text>:<bytes>". */
struct ear {
	char words[4096];
	bool closed;
	struct ttrpc_client *again; /* call once more from an answer */
};

static void on_answer(void *arg, uint64_t tag, const struct ttrpc_answer *a)
{
	struct ear *e = arg;
	size_t n = strlen(e->words);

	assert_false(e->closed);
	snprintf(e->words + n, sizeof(e->words) - n, "t%u:%u:%u:%s:%zu ", (unsigned int)tag, a->end,
		a->code, a->text, a->size);
	if (e->again) {
		Pb__Task__KillRequest k = PB__TASK__KILL_REQUEST__INIT;
		struct ttrpc_client *c = e->again;

		e->again = NULL;
		k.signal = 1;
		assert_ok(ttrpc_client_call(c, tag + 100, SERVICE, "Echo", &k.base, 0, NULL));
	}
}

static void on_client_closed(void *arg)
{
	struct ear *e = arg;

	assert_false(e->closed);
	e->closed = true;
}

static const struct ttrpc_client_ops ear_ops = { on_answer, on_client_closed };

static struct ttrpc_client *new_client(struct fixture *f, struct ear *e, uint64_t *ret_conn)
{
	struct ttrpc_client *c = NULL;
	int fds[2];

	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	assert_ok(ttrpc_server_adopt_take_fd(f->server, fds[1], 0, NULL, 0, ret_conn, NULL));
	assert_ok(ttrpc_client_new_take_fd(f->loop, fds[0], 0, &ear_ops, e, &c, NULL));
	return c;
}

static int call(struct ttrpc_client *c, uint64_t tag, const char *method, uint32_t number,
	uint64_t deadline)
{
	Pb__Task__KillRequest k = PB__TASK__KILL_REQUEST__INIT;

	k.signal = number;
	return ttrpc_client_call(c, tag, SERVICE, method, &k.base, deadline, NULL);
}

TEST(the_client_matches_answers_to_calls)
{
	struct fixture *f = setup();
	struct ear e = { 0 };
	uint64_t conn;
	struct ttrpc_client *c = new_client(f, &e, &conn);

	assert_ok(call(c, 10, "Hold", 0, 0));
	assert_ok(call(c, 11, "Echo", 3, 0));
	assert_ok(call(c, 12, "Nothing", 3, 0));
	assert_int_equal(ttrpc_client_next_stream(c), 7);
	e.again = c;
	pump(f);
	assert_string_equal(e.words, "t11:0:0::2 t12:0:12:method Nothing:0 t111:0:0::2 ");
	e.words[0] = '\0';
	ttrpc_reply(f->server, f->held[0], RPC_NOT_FOUND, "gone", NULL, 0);
	pump(f);
	assert_string_equal(e.words, "t10:0:5:gone:0 ");
	ttrpc_client_free(c);
	teardown(f);
}

TEST(the_client_sends_and_keeps_deadlines)
{
	struct fixture *f = setup();
	struct ear e = { 0 };
	uint64_t conn, start = clock_boot_ns();
	struct ttrpc_client *c = new_client(f, &e, &conn);

	assert_ok(call(c, 1, "Hold", 0, start + 500 * NS_PER_MS));
	assert_ok(call(c, 2, "Hold", 0, 0));
	while (!e.words[0] && clock_boot_ns() < start + 60 * NS_PER_SEC)
		assert_ok(loop_round(f->loop, 100));
	assert_true(clock_boot_ns() >= start + 500 * NS_PER_MS);
	assert_string_equal(e.words, "t1:1:4:context deadline exceeded:0 ");
	assert_in_range(f->n_held, 2, 2);
	/* Its late answer is dropped, the other's is not. */
	ttrpc_reply(f->server, f->held[0], RPC_OK, NULL, NULL, 0);
	ttrpc_reply(f->server, f->held[1], RPC_OK, NULL, NULL, 0);
	e.words[0] = '\0';
	pump(f);
	assert_string_equal(e.words, "t2:0:0::0 ");
	/* One that has passed already is still sent, with the least there is. */
	assert_ok(call(c, 3, "Hold", 0, 1));
	pump(f);
	assert_text_has(e.words, "t3:1:4:");
	assert_in_range(f->deadline_ns, 1, clock_boot_ns());
	ttrpc_client_free(c);
	teardown(f);
}

TEST(the_end_of_a_connection_fails_all_calls_then_says_so)
{
	struct fixture *f = setup();
	struct ear e = { 0 };
	uint64_t conn;
	struct ttrpc_client *c = new_client(f, &e, &conn);

	assert_ok(call(c, 1, "Hold", 0, 0));
	assert_ok(call(c, 2, "Hold", 0, clock_boot_ns() + 100 * NS_PER_SEC));
	pump(f);
	ttrpc_server_free(f->server);
	f->server = NULL;
	pump(f);
	assert_string_equal(e.words, "t1:2:14:ttrpc: closed:0 t2:2:14:ttrpc: closed:0 ");
	assert_true(e.closed);
	assert_int_equal(call(c, 3, "Echo", 0, 0), -ENOTCONN);
	ttrpc_client_free(c);
	teardown(f);
}

TEST(the_client_bears_garbage)
{
	struct fixture *f = setup();
	struct ear e = { 0 };
	struct ttrpc_client *c = NULL;
	struct buf b = { 0 };
	int fds[2];

	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	assert_ok(ttrpc_client_new_take_fd(f->loop, fds[0], 0, &ear_ops, &e, &c, NULL));
	assert_ok(call(c, 1, "A", 0, 0));
	assert_ok(call(c, 2, "B", 0, 0));
	assert_ok(call(c, 3, "C", 0, 0));
	add_frame(&b, 77, FRAME_RESPONSE, "", 0);
	add_frame(&b, 1, FRAME_DATA, "", 0);
	add_frame(&b, 1, FRAME_RESPONSE, "\xff", 1);
	buf_add(&b, "\xff\xff\xff\xff\0\0\0\3\2\0", 10); /* 4 GiB: begins to pass by */
	add_frame(&b, 5, FRAME_RESPONSE, "", 0);         /* a part of it */
	assert_ok(fd_write_full(fds[1], b.data, b.len));
	pump(f);
	assert_string_equal(e.words, "t1:0:13:malformed message 'Response':0 ");
	close(fds[1]);
	pump(f);
	assert_true(e.closed);
	buf_done(&b);
	ttrpc_client_free(c);
	teardown(f);
}

TEST(addresses_are_paths_with_or_without_scheme_or_abstract_names)
{
	struct test_tmpdir dir = test_tmpdir();
	struct err err = { 0 };
	char address[128];
	int listener = listen_at(&dir, "s"), fd = -1;

	snprintf(address, sizeof(address), "%s/s", dir.path);
	assert_ok(ttrpc_connect(address, &fd, NULL));
	close(fd);
	snprintf(address, sizeof(address), "unix://%s/s", dir.path);
	assert_ok(ttrpc_connect(address, &fd, NULL));
	close(fd);
	assert_int_equal(ttrpc_connect("vsock://3:1024", &fd, &err), -EPROTONOSUPPORT);
	assert_text_has(err.text, "'vsock://3:1024'");
	assert_int_equal(ttrpc_connect("reeve-test-no-such-name", &fd, &err), -ECONNREFUSED);
	assert_int_equal(ttrpc_connect("", &fd, &err), -EINVAL);
	snprintf(address, sizeof(address), "%s/none", dir.path);
	assert_int_equal(ttrpc_connect(address, &fd, &err), -ENOENT);
	assert_text_has(err.text, "/none'");
	close(listener);
	test_tmpdir_remove(&dir);
}
