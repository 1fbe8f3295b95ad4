/* SPDX-License-Identifier: Apache-2.0 */
/* The publisher against a containerd that answers, refuses, dies and comes back: our ttrpc server. */
#include "test.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "rpc/message.h"
#include "rpc/ttrpc_server.h"
#include "shim/publisher.h"

#include "proto/events.pb-c.h"
#include "proto/state.pb-c.h"

struct fixture {
	struct test_tmpdir dir;
	char path[96];
	struct loop *loop;
	struct ttrpc_server *server;
	struct publisher *publisher;
	char heard[8192]; /* "topic:container " of each accepted event */
	struct rpc_addr held[16];
	size_t n_held, max_held;
	bool hold;   /* do not answer */
	bool silent; /* take and answer nothing, note nothing */
	int refuse;  /* so many are answered with refuse_code */
	enum status_code refuse_code;
	unsigned int drained;
	struct log log;
};

static void forward(void *arg, const struct rpc_request *req)
{
	struct fixture *f = arg;
	const Pb__Events__Envelope *e =
		((const Pb__Events__ForwardRequest *)(const void *)req->message)->envelope;
	size_t n = strlen(f->heard);

	if (f->silent)
		return;
	if (f->refuse > 0) {
		f->refuse--;
		ttrpc_reply(f->server, req->addr, f->refuse_code, "refused", NULL, 0);
		return;
	}
	assert_non_null(e->event);
	snprintf(f->heard + n, sizeof(f->heard) - n, "%s ", e->topic + strlen("/tasks/"));
	f->held[f->n_held++ % ARRAY_LEN(f->held)] = req->addr;
	if (!f->hold)
		ttrpc_reply(f->server, req->addr, RPC_OK, NULL, NULL, 0);
}

static const struct rpc_method methods[] = {
	{ "Forward", &pb__events__forward_request__descriptor, 0, forward },
};
static const struct rpc_service services[] = {
	{ "containerd.services.events.ttrpc.v1.Events", methods, 1 },
};

static void daemon_start(struct fixture *f)
{
	struct ttrpc_server_config config = {
		.loop = f->loop, .services = services, .n_services = 1, .arg = f
	};
	int fd;

	unlinkat(f->dir.fd, "c", 0);
	fd = fd_unix_listen_at(AT_FDCWD, f->path, SOCK_STREAM, 0600);
	assert_true(fd >= 0);
	assert_ok(ttrpc_server_new(&config, &f->server, NULL));
	assert_ok(ttrpc_server_listen_take_fd(f->server, fd, 0, NULL));
}

static void daemon_die(struct fixture *f)
{
	ttrpc_server_free(f->server);
	f->server = NULL;
	f->n_held = 0;
}

static void on_drained(void *arg)
{
	((struct fixture *)arg)->drained++;
}

static struct publisher *new_publisher(struct fixture *f, uint64_t timeout_ns)
{
	struct publisher_config config = {
		.loop = f->loop,
		.log = &f->log,
		.address = f->path,
		.timeout_ns = timeout_ns,
		.arg = f,
		.drained = on_drained,
	};
	struct publisher *p = NULL;

	assert_ok(publisher_new(&config, &p, NULL));
	return p;
}

static struct fixture *setup(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->dir = test_tmpdir();
	snprintf(f->path, sizeof(f->path), "%s/c", f->dir.path);
	f->log.fd = openat(f->dir.fd, "log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_ok(loop_new(&f->loop));
	f->publisher = new_publisher(f, 0);
	return f;
}

static void teardown(struct fixture *f)
{
	publisher_free(f->publisher);
	ttrpc_server_free(f->server);
	loop_free(f->loop);
	close(f->log.fd);
	test_tmpdir_remove(&f->dir);
	free(f);
}

/* Rounds until `heard` is this, for at most 5 s. */
static void expect(struct fixture *f, const char *heard)
{
	uint64_t end = clock_boot_ns() + test_ms(5000) * NS_PER_MS;

	while (strcmp(f->heard, heard) != 0 && clock_boot_ns() < end)
		assert_ok(loop_round(f->loop, 100));
	for (int i = 0; i < 6; i++)
		assert_ok(loop_round(f->loop, 0));
	assert_string_equal(f->heard, heard);
}

static void send_topic(struct fixture *f, enum task_topic topic, const char *id)
{
	struct event e = { .topic = topic, .ns = "default", .id = id, .wall_ns = 5, .pid = 42 };

	assert_ok(publisher_send(f->publisher, &e));
}

TEST(events_arrive_in_order_one_at_a_time)
{
	struct fixture *f = setup();

	daemon_start(f);
	f->hold = true;
	send_topic(f, TOPIC_CREATE, "a");
	send_topic(f, TOPIC_START, "a");
	expect(f, "create ");
	send_topic(f, TOPIC_EXIT, "a"); /* while one is under way */
	expect(f, "create ");
	assert_int_equal(f->n_held, 1);
	assert_int_equal(publisher_sequence(f->publisher), 0);
	ttrpc_reply(f->server, f->held[0], RPC_OK, NULL, NULL, 0);
	expect(f, "create start ");
	f->hold = false;
	ttrpc_reply(f->server, f->held[1], RPC_OK, NULL, NULL, 0);
	expect(f, "create start exit ");
	assert_int_equal(publisher_sequence(f->publisher), 3);
	assert_true(publisher_is_empty(f->publisher));
	assert_int_equal(f->drained, 1);
	/* All over one connection. */
	assert_int_equal(f->held[2].conn, f->held[0].conn);
	assert_int_equal(f->held[2].stream, 5);
	send_topic(f, TOPIC_DELETE, "a");
	expect(f, "create start exit delete ");
	assert_int_equal(f->drained, 2);
	teardown(f);
}

static void send_of_task(struct fixture *f, enum task_topic topic, uint64_t task)
{
	struct event e = {
		.topic = topic, .ns = "default", .id = "a", .wall_ns = 5, .pid = 42, .task = task
	};

	assert_ok(publisher_send(f->publisher, &e));
}

TEST(what_waits_of_a_task_that_another_one_ends_is_dropped)
{
	struct fixture *f = setup();

	daemon_start(f);
	f->hold = true;
	send_of_task(f, TOPIC_CREATE, 1);
	expect(f, "create ");
	send_of_task(f, TOPIC_START, 1);
	send_of_task(f, TOPIC_EXIT, 1);
	/* but for what is on its way */
	assert_true(publisher_drop(f->publisher, 1));
	assert_false(publisher_drop(f->publisher, 2));
	f->hold = false;
	send_of_task(f, TOPIC_PAUSED, 2);
	ttrpc_reply(f->server, f->held[0], RPC_OK, NULL, NULL, 0);
	expect(f, "create paused ");
	assert_int_equal(publisher_sequence(f->publisher), 2);
	send_of_task(f, TOPIC_RESUMED, 2);
	expect(f, "create paused resumed ");
	teardown(f);
}

TEST(what_is_dropped_on_its_way_is_not_tried_again)
{
	struct fixture *f = setup();

	daemon_start(f);
	f->hold = true;
	send_of_task(f, TOPIC_CREATE, 1);
	expect(f, "create ");
	assert_true(publisher_drop(f->publisher, 1));
	daemon_die(f);
	f->hold = false;
	daemon_start(f);
	send_of_task(f, TOPIC_CREATE, 2);
	expect(f, "create create ");
	assert_true(publisher_is_empty(f->publisher));
	teardown(f);
}

TEST(a_queue_that_is_dropped_is_empty)
{
	struct fixture *f = setup();

	send_of_task(f, TOPIC_CREATE, 1);
	send_of_task(f, TOPIC_START, 1);
	assert_false(publisher_drop(f->publisher, 1));
	assert_true(publisher_is_empty(f->publisher));
	daemon_start(f);
	expect(f, "");
	assert_int_equal(f->drained, 1);
	send_of_task(f, TOPIC_CREATE, 2);
	expect(f, "create ");
	teardown(f);
}

TEST(nothing_is_lost_while_containerd_is_away)
{
	struct fixture *f = setup();

	send_topic(f, TOPIC_CREATE, "a");
	for (int i = 0; i < 5; i++)
		assert_ok(loop_round(f->loop, 20));
	daemon_start(f);
	expect(f, "create ");
	daemon_die(f);
	send_topic(f, TOPIC_START, "a");
	send_topic(f, TOPIC_PAUSED, "a");
	for (int i = 0; i < 5; i++)
		assert_ok(loop_round(f->loop, 20));
	send_topic(f, TOPIC_RESUMED, "a");
	send_topic(f, TOPIC_EXIT, "a");
	assert_string_equal(f->heard, "create ");
	daemon_start(f);
	expect(f, "create start paused resumed exit ");
	assert_int_equal(f->drained, 2);
	teardown(f);
}

TEST(a_head_without_an_answer_is_sent_again_before_the_others)
{
	struct fixture *f = setup();

	daemon_start(f);
	f->hold = true;
	send_topic(f, TOPIC_CREATE, "a");
	send_topic(f, TOPIC_START, "a");
	expect(f, "create ");
	daemon_die(f);
	f->hold = false;
	daemon_start(f);
	expect(f, "create create start ");
	teardown(f);
}

TEST(a_call_that_takes_too_long_is_made_again_on_a_new_connection)
{
	struct fixture *f = setup();

	publisher_free(f->publisher);
	f->publisher = new_publisher(f, 500 * NS_PER_MS);
	daemon_start(f);
	f->silent = true;
	send_topic(f, TOPIC_CREATE, "a");
	for (int i = 0; i < 3; i++)
		assert_ok(loop_round(f->loop, 20));
	assert_int_equal(ttrpc_server_connections(f->server), 1);
	f->silent = false;
	expect(f, "create ");
	assert_in_range(f->held[0].conn, 2, 10);
	teardown(f);
}

TEST(a_request_of_containerd_ends_a_pause)
{
	struct fixture *f = setup();
	uint64_t long_pauses = clock_boot_ns() + 1500 * NS_PER_MS;

	publisher_retry(f->publisher);
	send_topic(f, TOPIC_EXIT, "a");
	while (clock_boot_ns() < long_pauses)
		assert_ok(loop_round(f->loop, 100));
	daemon_start(f);
	publisher_retry(f->publisher);
	publisher_retry(f->publisher);
	/* Without waiting for any time to pass. */
	for (int i = 0; i < 12; i++)
		assert_ok(loop_round(f->loop, 0));
	assert_string_equal(f->heard, "exit ");
	publisher_retry(f->publisher);
	for (int i = 0; i < 4; i++)
		assert_ok(loop_round(f->loop, 0));
	assert_string_equal(f->heard, "exit ");
	teardown(f);
}

TEST(refusals_are_tried_again_but_for_invalid_ones)
{
	struct fixture *f = setup();
	char text[4096] = "";

	daemon_start(f);
	f->refuse = 3;
	f->refuse_code = RPC_UNAVAILABLE;
	send_topic(f, TOPIC_CREATE, "a");
	send_topic(f, TOPIC_START, "a");
	expect(f, "create start ");
	f->refuse = 1;
	f->refuse_code = RPC_INVALID_ARGUMENT;
	send_topic(f, TOPIC_PAUSED, "a");
	send_topic(f, TOPIC_EXIT, "a");
	expect(f, "create start exit ");
	assert_int_equal(publisher_sequence(f->publisher), 4);
	assert_true(pread(f->log.fd, text, sizeof(text) - 1, 0) > 0);
	assert_text_has(text, "event 1 is not sent: refused; trying again");
	assert_text_has(text, "event 3 is dropped: refused");
	teardown(f);
}

TEST(of_waiting_oom_events_one_per_container_is_kept)
{
	struct fixture *f = setup();

	for (int i = 0; i < 1000; i++) {
		send_topic(f, TOPIC_OOM, "a");
		send_topic(f, TOPIC_OOM, i % 2 ? "a" : "b");
	}
	send_topic(f, TOPIC_EXIT, "a");
	send_topic(f, TOPIC_OOM, "a");
	daemon_start(f);
	expect(f, "oom oom exit ");
	/* One that is on its way does not stand for what comes later. */
	f->hold = true;
	send_topic(f, TOPIC_OOM, "c");
	expect(f, "oom oom exit oom ");
	send_topic(f, TOPIC_OOM, "c");
	send_topic(f, TOPIC_OOM, "c");
	f->hold = false;
	ttrpc_reply(f->server, f->held[3], RPC_OK, NULL, NULL, 0);
	expect(f, "oom oom exit oom oom ");
	teardown(f);
}

TEST(a_successor_sends_what_was_left)
{
	struct fixture *f = setup();
	struct buf record = { 0 }, again = { 0 };
	struct err err = { 0 };

	daemon_start(f);
	send_topic(f, TOPIC_CREATE, "a");
	expect(f, "create ");
	f->hold = true;
	send_topic(f, TOPIC_START, "a");
	send_topic(f, TOPIC_OOM, "a");
	send_topic(f, TOPIC_EXIT, "a");
	expect(f, "create start ");
	assert_ok(publisher_save(f->publisher, &record));
	publisher_free(f->publisher);
	f->publisher = new_publisher(f, 0);
	assert_ok(publisher_restore(f->publisher, record.data, record.len, NULL));
	assert_int_equal(publisher_sequence(f->publisher), 1);
	assert_ok(publisher_save(f->publisher, &again));
	assert_int_equal(record.len, again.len);
	assert_memory_equal(record.data, again.data, again.len);
	send_topic(f, TOPIC_OOM, "a"); /* waits already */
	f->hold = false;
	expect(f, "create start start oom exit ");
	assert_int_equal(publisher_sequence(f->publisher), 4);
	assert_int_equal(publisher_restore(f->publisher, "\xff", 1, &err), -EBADMSG);
	/* An even stream; no version; one of a far future. */
	assert_int_equal(publisher_restore(f->publisher, "\x10\x02\x78\x01", 4, &err), -EBADMSG);
	assert_int_equal(publisher_restore(f->publisher, "\x10\x01", 2, &err), -EBADMSG);
	assert_int_equal(publisher_restore(f->publisher, "\x10\x01\x78\x03", 4, &err), -EBADMSG);
	buf_done(&record);
	buf_done(&again);
	teardown(f);
}

TEST(without_an_address_events_go_nowhere)
{
	struct fixture *f = setup();
	struct publisher_config config = { .loop = f->loop, .address = "" };
	struct event e = { .topic = TOPIC_OOM, .id = "a" };
	struct publisher *p;

	assert_ok(publisher_new(&config, &p, NULL));
	assert_ok(publisher_send(p, &e));
	assert_true(publisher_is_empty(p));
	publisher_free(p);
	e.topic = TOPICS_;
	assert_int_equal(publisher_send(f->publisher, &e), -EINVAL);
	teardown(f);
}
