/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server of a shim as containerd meets it: our client on its socket, our ttrpc server as
 * containerd's events endpoint, a back end without a kernel. What is heard is one line: Method:CODE
 * in the order of the answers, +topic in the order of the events.
 */
#include "test.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "fake_backend.h"
#include "rpc/ttrpc_client.h"
#include "rpc/ttrpc_server.h"
#include "shim/shim_server.h"
#include "supervisor/fdtable.h"

#include "proto/events.pb-c.h"
#include "proto/sandbox.pb-c.h"
#include "proto/task.pb-c.h"

struct bench {
	struct test_tmpdir dir;
	char path[96], events_path[96];
	struct loop *loop;
	struct exit_source *exits;
	struct fdtable fds;
	struct fake fake;
	struct log log;
	struct ttrpc_server *daemon;
	struct shim_server *server;
	struct ttrpc_client *client;
	char heard[4096];
	const char *methods[256]; /* by tag */
	uint64_t tag;
	bool client_closed;
	int done;
};

static void hear(struct bench *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void hear(struct bench *b, const char *fmt, ...)
{
	size_t len = strlen(b->heard);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b->heard + len, sizeof(b->heard) - len, fmt, ap);
	va_end(ap);
}

static void forward(void *arg, const struct rpc_request *req)
{
	struct bench *b = arg;
	const Pb__Events__ForwardRequest *m = (const void *)req->message;

	hear(b, "+%s ", m->envelope->topic + strlen("/tasks/"));
	assert_string_equal(m->envelope->namespace_, "default");
	ttrpc_reply(b->daemon, req->addr, RPC_OK, NULL, NULL, 0);
}

static const struct rpc_method forward_method[] = {
	{ "Forward", &pb__events__forward_request__descriptor, 0, forward },
};
static const struct rpc_service events_service[] = {
	{ "containerd.services.events.ttrpc.v1.Events", forward_method, 1 },
};

static void daemon_start(struct bench *b)
{
	struct ttrpc_server_config config = {
		.loop = b->loop, .services = events_service, .n_services = 1, .arg = b
	};
	int fd;

	fd = fd_unix_listen_at(AT_FDCWD, b->events_path, SOCK_STREAM, 0600);
	assert_true(fd >= 0);
	assert_ok(ttrpc_server_new(&config, &b->daemon, NULL));
	assert_ok(ttrpc_server_listen_take_fd(b->daemon, fd, 0, NULL));
}

static void daemon_die(struct bench *b)
{
	ttrpc_server_free(b->daemon);
	b->daemon = NULL;
	unlink(b->events_path);
}

static void on_done(void *arg)
{
	((struct bench *)arg)->done++;
}

static void on_answer(void *arg, uint64_t tag, const struct ttrpc_answer *a)
{
	struct bench *b = arg;

	hear(b, "%s:%u ", b->methods[tag], a->code);
}

static void on_client_closed(void *arg)
{
	((struct bench *)arg)->client_closed = true;
}

static const struct ttrpc_client_ops client_ops = { on_answer, on_client_closed };

static struct bench *setup(const struct shim_server_config *times)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct shim_server_config config = *times;

	assert_non_null(b);
	b->dir = test_tmpdir();
	snprintf(b->path, sizeof(b->path), "%s/s", b->dir.path);
	snprintf(b->events_path, sizeof(b->events_path), "%s/e", b->dir.path);
	assert_ok(loop_new(&b->loop));
	assert_ok(exit_source_new(b->loop, &b->exits));
	b->fake.exits = b->exits;
	b->fake.last_pid = 1000;
	b->log.fd = openat(b->dir.fd, "log", O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	daemon_start(b);
	config.loop = b->loop;
	config.log = &b->log;
	config.ns = "default";
	config.events_address = b->events_path;
	config.listener = fd_unix_listen_at(AT_FDCWD, b->path, SOCK_STREAM, 0600);
	config.backend = &fake_backend;
	config.backend_arg = &b->fake;
	config.exits = b->exits;
	config.fds = &b->fds;
	config.arg = b;
	config.done = on_done;
	assert_ok(shim_server_new(&config, &b->server, NULL));
	return b;
}

static void hang_up(struct bench *b)
{
	ttrpc_client_free(b->client);
	b->client = NULL;
}

static void teardown(struct bench *b)
{
	hang_up(b);
	shim_server_free(b->server);
	ttrpc_server_free(b->daemon);
	fdtable_done(&b->fds);
	assert_ok(loop_round(b->loop, 0)); /* what was put off to the end of a round */
	exit_source_free(b->exits);
	loop_free(b->loop);
	close(b->log.fd);
	test_tmpdir_remove(&b->dir);
	free(b);
}

static void dial(struct bench *b)
{
	int fd;

	assert_ok(ttrpc_connect(b->path, &fd, NULL));
	assert_ok(ttrpc_client_new_take_fd(b->loop, fd, 0, &client_ops, b, &b->client, NULL));
}

static void rounds(struct bench *b)
{
	for (int i = 0; i < 30; i++)
		assert_ok(loop_round(b->loop, 0));
}

static void wait_ms(struct bench *b, uint64_t ms)
{
	uint64_t end = clock_boot_ns() + ms * NS_PER_MS;

	while (clock_boot_ns() < end)
		assert_ok(loop_round(b->loop, 5));
	rounds(b); /* the time may have gone by while we had no processor */
}

static bool wait_done(struct bench *b)
{
	for (int i = 0; i < 6000 && !b->done; i++)
		assert_ok(loop_round(b->loop, 5));
	return b->done;
}

static void ask_service(
	struct bench *b, const char *service, const char *method, const ProtobufCMessage *m)
{
	b->methods[++b->tag] = method;
	assert_ok(ttrpc_client_call(b->client, b->tag, service, method, m, 0, NULL));
	rounds(b);
}

static void ask(struct bench *b, const char *method, const ProtobufCMessage *m)
{
	ask_service(b, "containerd.task.v2.Task", method, m);
}

/* A request that has nothing but an id. */
static void ask_id(struct bench *b, const char *method, const char *id)
{
	Pb__Task__StateRequest m = PB__TASK__STATE_REQUEST__INIT;

	m.id = (char *)id;
	ask(b, method, &m.base);
}

static void create(struct bench *b, const char *id)
{
	Pb__Task__CreateRequest m = PB__TASK__CREATE_REQUEST__INIT;

	m.id = (char *)id;
	m.bundle = b->dir.path;
	ask(b, "Create", &m.base);
}

static bool has_name(const struct bench *b)
{
	struct stat st;

	return stat(b->path, &st) == 0;
}

/* Long enough for what is to come in time on a machine that is busy. */
static const struct shim_server_config usual = { .lease_ns = 1000 * NS_PER_MS,
	.idle_ns = 250 * NS_PER_MS,
	.first_idle_ns = 500 * NS_PER_MS,
	.drain_ns = 500 * NS_PER_MS };

TEST(the_life_of_a_task)
{
	struct bench *b = setup(&usual);

	dial(b);
	create(b, "c1");
	ask_id(b, "Connect", "c1");
	ask_id(b, "Wait", "c1");
	ask_id(b, "Start", "c1");
	wait_ms(b, 20);
	assert_string_equal(b->heard, "Create:0 +create Connect:0 Start:0 +start ");
	b->heard[0] = '\0';
	ask_id(b, "Shutdown", "c1"); /* while it runs: nothing happens */
	fake_exit(&b->fake, 1001, 3);
	wait_ms(b, 20);
	assert_text_has(b->heard, "Shutdown:0 ");
	assert_text_has(b->heard, "Wait:0 ");
	assert_text_has(b->heard, "+exit ");
	b->heard[0] = '\0';
	ask_id(b, "Delete", "c1");
	wait_ms(b, 20);
	assert_string_equal(b->heard, "Delete:0 +delete ");
	assert_true(has_name(b));
	assert_int_equal(b->done, 0);
	ask_id(b, "Shutdown", "c1");
	assert_true(wait_done(b));
	assert_string_equal(b->heard, "Delete:0 +delete Shutdown:0 ");
	assert_false(has_name(b));
	assert_int_equal(b->done, 1);
	teardown(b);
}

TEST(events_are_sent_before_the_end_for_a_while)
{
	struct bench *b = setup(&usual);
	char text[2048] = "";

	dial(b);
	create(b, "c1");
	wait_ms(b, 10);
	daemon_die(b);
	fake_exit(&b->fake, 1001, 0);
	rounds(b);
	ask_id(b, "Delete", "c1");
	ask_id(b, "Shutdown", "c1");
	assert_false(has_name(b)); /* no start can join any more */
	assert_int_equal(b->done, 0);
	daemon_start(b);
	assert_true(wait_done(b));
	assert_text_has(b->heard, "+create ");
	assert_text_has(b->heard, "+exit +delete ");
	teardown(b);

	b = setup(&usual);
	dial(b);
	create(b, "c1");
	wait_ms(b, 10);
	daemon_die(b);
	fake_exit(&b->fake, 1001, 0);
	rounds(b);
	ask_id(b, "Delete", "c1");
	ask_id(b, "Shutdown", "c1");
	assert_true(wait_done(b)); /* containerd does not come back: not for ever */
	assert_true(pread(b->log.fd, text, sizeof(text) - 1, 0) > 0);
	assert_text_has(text, "events that could not be sent");
	teardown(b);
}

static const struct shim_server_config never = { .lease_ns = 3600 * NS_PER_SEC };

TEST(a_start_that_asked_is_waited_for)
{
	struct bench *b = setup(&usual);

	dial(b);
	ask_id(b, "Connect", "c2"); /* what start does when it joins */
	ask_id(b, "Shutdown", "c1");
	wait_ms(b, 60);
	assert_int_equal(b->done, 0);
	assert_true(has_name(b));
	create(b, "c2");
	wait_ms(b, 1100); /* the lease has ended, but now there is a task */
	assert_int_equal(b->done, 0);
	fake_exit(&b->fake, 1001, 0);
	rounds(b);
	ask_id(b, "Delete", "c2");
	ask_id(b, "Shutdown", "c2");
	assert_true(wait_done(b));
	teardown(b);

	/* Once it has created, nothing is waited for. */
	b = setup(&never);
	dial(b);
	ask_id(b, "Connect", "c1");
	create(b, "c1");
	fake_exit(&b->fake, 1001, 0);
	rounds(b);
	ask_id(b, "Delete", "c1");
	ask_id(b, "Shutdown", "c1");
	assert_true(wait_done(b));
	teardown(b);

	/* Also when the create failed. */
	b = setup(&never);
	dial(b);
	ask_id(b, "Connect", "c1");
	snprintf(b->fake.fail, sizeof(b->fake.fail), "create");
	create(b, "c1");
	ask_id(b, "Shutdown", "c1");
	assert_true(wait_done(b));
	teardown(b);

	b = setup(&usual);
	dial(b);
	ask_id(b, "Connect", "c2");
	ask_id(b, "Shutdown", "c1");
	assert_true(wait_done(b)); /* it never came */
	teardown(b);
}

TEST(nobody_comes_or_everybody_went)
{
	struct bench *b = setup(&usual);

	assert_true(wait_done(b));
	assert_false(has_name(b));
	teardown(b);

	b = setup(&usual);
	dial(b);
	wait_ms(b, 700); /* somebody is there */
	assert_int_equal(b->done, 0);
	create(b, "c1");
	hang_up(b);
	wait_ms(b, 700); /* a task is there */
	assert_int_equal(b->done, 0);
	dial(b);
	fake_exit(&b->fake, 1001, 0);
	rounds(b);
	ask_id(b, "Delete", "c1");
	wait_ms(b, 400);
	assert_int_equal(b->done, 0);
	hang_up(b); /* without a Shutdown, as some versions do */
	assert_true(wait_done(b));
	teardown(b);
}

TEST(without_a_task_it_leaves_whoever_is_connected)
{
	struct shim_server_config config = usual;
	struct bench *b;

	config.linger_ns = 500 * NS_PER_MS;
	b = setup(&config);
	dial(b);
	create(b, "c1");
	create(b, "c2");
	fake_exit(&b->fake, 1001, 0);
	rounds(b);
	ask_id(b, "Delete", "c1");
	wait_ms(b, 700); /* the other one is there */
	assert_int_equal(b->done, 0);
	fake_exit(&b->fake, 1002, 0);
	rounds(b);
	ask_id(b, "Delete", "c2");
	wait_ms(b, 50);
	create(b, "c3"); /* just in time */
	wait_ms(b, 700);
	assert_int_equal(b->done, 0);
	fake_exit(&b->fake, 1003, 0);
	rounds(b);
	ask_id(b, "Delete", "c3");
	assert_true(wait_done(b));
	assert_false(b->client_closed);
	assert_false(has_name(b));
	teardown(b);

	/* A create that failed is no task. */
	b = setup(&config);
	dial(b);
	snprintf(b->fake.fail, sizeof(b->fake.fail), "create");
	create(b, "c1");
	assert_true(wait_done(b));
	teardown(b);
}

TEST(leaving_is_taken_back_for_a_task)
{
	struct bench *b = setup(&usual);

	dial(b);
	create(b, "c1");
	wait_ms(b, 10);
	daemon_die(b);
	fake_exit(&b->fake, 1001, 0);
	rounds(b);
	ask_id(b, "Delete", "c1");
	ask_id(b, "Shutdown", "c1");
	create(b, "c2");
	daemon_start(b);
	wait_ms(b, 700);
	assert_int_equal(b->done, 0);
	b->heard[0] = '\0';
	ask_id(b, "State", "c2");
	assert_text_has(b->heard, "State:0 ");
	fake_exit(&b->fake, 1002, 0);
	rounds(b);
	ask_id(b, "Delete", "c2");
	ask_id(b, "Shutdown", "c2");
	assert_true(wait_done(b));
	teardown(b);
}

static void ask_sandbox(struct bench *b, const char *method)
{
	Pb__Sandbox__PingRequest m = PB__SANDBOX__PING_REQUEST__INIT;

	m.sandbox_id = (char *)"pod";
	ask_service(b, "containerd.runtime.sandbox.v1.Sandbox", method, &m.base);
}

/* A sandbox that came and went. */
static struct bench *after_a_sandbox(const struct shim_server_config *times)
{
	Pb__Sandbox__CreateRequest m = PB__SANDBOX__CREATE_REQUEST__INIT;
	struct bench *b = setup(times);

	dial(b);
	m.sandbox_id = (char *)"pod";
	m.bundle_path = b->dir.path;
	ask_service(b, "containerd.runtime.sandbox.v1.Sandbox", "CreateSandbox", &m.base);
	assert_true(has_name(b));
	ask_sandbox(b, "ShutdownSandbox");
	assert_string_equal(b->heard, "CreateSandbox:0 ShutdownSandbox:0 ");
	assert_false(has_name(b)); /* no start can join any more */
	return b;
}

/* A client that meets the answer and the end of its connection together may miss the answer. */
TEST(whoever_ended_the_sandbox_hangs_up_first)
{
	struct shim_server_config patient = usual;
	struct bench *b;

	patient.drain_ns = 3600 * NS_PER_SEC;
	b = after_a_sandbox(&patient);
	assert_int_equal(b->done, 0);
	b->heard[0] = '\0';
	ask_sandbox(b, "ShutdownSandbox");
	assert_string_equal(b->heard, "ShutdownSandbox:5 ");
	assert_int_equal(b->done, 0);
	hang_up(b);
	assert_true(wait_done(b));
	assert_int_equal(b->done, 1);
	teardown(b);

	b = after_a_sandbox(&usual);
	assert_true(wait_done(b)); /* not for ever */
	assert_false(b->client_closed);
	teardown(b);

	b = after_a_sandbox(&patient);
	shim_server_stop(b->server);
	assert_true(wait_done(b));
	assert_false(b->client_closed);
	teardown(b);
}

TEST(told_to_stop_it_leaves_whatever_runs)
{
	struct bench *b = setup(&usual);

	dial(b);
	create(b, "c1");
	ask_id(b, "Start", "c1");
	shim_server_stop(b->server);
	shim_server_stop(b->server);
	assert_true(wait_done(b));
	assert_false(has_name(b));
	assert_text_has(b->heard, "+start ");
	assert_int_equal(b->done, 1);
	teardown(b);
}

TEST(a_dump_is_one_line_in_the_log)
{
	struct bench *b = setup(&usual);
	char text[1024] = "";

	dial(b);
	create(b, "c1");
	wait_ms(b, 10);
	shim_server_dump(b->server);
	assert_true(pread(b->log.fd, text, sizeof(text) - 1, 0) > 0);
	assert_text_has(text, "serving: 1 tasks, 1 connections, 1 events sent, none waiting");
	teardown(b);
}
