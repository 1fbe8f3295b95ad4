/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor with a fake back end: requests in, answers and events out, and what becomes of fds, jobs and tasks.
 * What the sink hears is written down in one line: request:ANSWER, request!CODE, +topic(...).
 */
#include "supervisor/supervisor.h"

#include <signal.h>

#include "base/clock.h"
#include "base/fd.h"
#include "fake_backend.h"
#include "supervisor/bundle_record.h"
#include "supervisor/fdtable.h"
#include "supervisor/payload.h"
#include "test.h"

struct bench {
	struct loop *loop;
	struct exit_source *exits;
	struct fdtable fds;
	struct fake fake;
	struct supervisor *sup;
	struct test_tmpdir dir;
	char heard[32768];
	char text[512];
	uint64_t stream;
	bool answered[4096]; /* by stream */
	int shutdowns;
	size_t fds_before;
	struct response last;
	size_t n_pids;
	struct response_pid pids[8];
	struct response state;
	char state_paths[256];
};

static void hear(struct bench *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void hear(struct bench *b, const char *fmt, ...)
{
	size_t len = strlen(b->heard);
	va_list ap;

	if (len > 0)
		b->heard[len++] = ' ';
	va_start(ap, fmt);
	vsnprintf(b->heard + len, sizeof(b->heard) - len, fmt, ap);
	va_end(ap);
}

static void on_reply(void *arg, struct task_addr to, const struct response *r)
{
	struct bench *b = arg;
	const char *name = request_type_name(r->type);

	assert_true(to.conn > 0 && to.stream < ARRAY_LEN(b->answered));
	assert_false(b->answered[to.stream]);
	b->answered[to.stream] = true;
	b->last = *r;
	if (r->code != CODE_OK) {
		hear(b, "%s!%u", name, (unsigned int)r->code);
		snprintf(b->text, sizeof(b->text), "%s", r->text);
		return;
	}
	switch (r->type) {
	case REQ_CREATE:
	case REQ_START:
		hear(b, "%s:%u", name, r->pid);
		break;
	case REQ_WAIT:
	case REQ_DELETE:
		if (r->exited_wall_ns)
			hear(b, "%s:%u", name, r->exit_status);
		else
			hear(b, "%s:never", name);
		break;
	case REQ_STATE:
		hear(b, "%s:%s", name, task_status_name(r->state.status));
		snprintf(b->state_paths, sizeof(b->state_paths), "%s %s %s %s", r->state.id,
			r->state.bundle, r->state.stdio.out ? r->state.stdio.out : "-",
			r->state.stdio.terminal ? "tty" : "pipe");
		break;
	case REQ_PIDS:
		hear(b, "%s:%zu", name, r->pids.n);
		b->n_pids = r->pids.n;
		memcpy(b->pids, r->pids.pids, r->pids.n * sizeof(b->pids[0]));
		break;
	case REQ_CONNECT:
		hear(b, "%s:%u", name, r->connect.task_pid);
		assert_int_equal(r->connect.shim_pid, getpid());
		break;
	default:
		hear(b, "%s:ok", name);
	}
}

static void on_event(void *arg, const struct event *e)
{
	const char *topic = task_topic_name(e->topic) + strlen("/tasks/");
	struct bench *b = arg;

	assert_string_equal(e->ns, "k8s.io");
	assert_true(e->wall_ns > 0);
	if (e->topic == TOPIC_CREATE)
		assert_string_equal(e->bundle, b->dir.path);
	if (e->exec_id)
		hear(b, "+%s(%s,%s,%u)", topic, e->id, e->exec_id, e->exit_status);
	else
		hear(b, "+%s(%s,%u)", topic, e->id, e->exit_status);
}

static void on_shutdown(void *arg)
{
	((struct bench *)arg)->shutdowns++;
}

static const struct supervisor_sink sink = {
	.reply = on_reply,
	.event = on_event,
	.shutdown = on_shutdown,
};

static void bench_init(struct bench *b)
{
	struct supervisor_config config;

	memset(b, 0, sizeof(*b));
	b->fds_before = test_open_fds();
	signal(SIGPIPE, SIG_IGN);
	assert_ok(loop_new(&b->loop));
	assert_ok(exit_source_new(b->loop, &b->exits));
	b->dir = test_tmpdir();
	b->fake.exits = b->exits;
	b->fake.last_pid = 99;
	config = (struct supervisor_config){
		.loop = b->loop,
		.sink = &sink,
		.sink_arg = b,
		.backend = &fake_backend,
		.backend_arg = &b->fake,
		.exits = b->exits,
		.fds = &b->fds,
		.drain_idle_ns = 50 * NS_PER_MS,
		.drain_max_ns = 100 * NS_PER_MS,
	};
	assert_ok(supervisor_new(&config, &b->sup, NULL));
}

/* Whatever a test did, nothing may be left open or allocated by the back end. */
static void bench_done(struct bench *b)
{
	supervisor_free(b->sup);
	assert_int_equal(b->fds.n, 0);
	assert_int_equal(b->fake.containers, 0);
	assert_int_equal(b->fake.processes, 0);
	fdtable_done(&b->fds);
	exit_source_free(b->exits);
	loop_free(b->loop);
	test_tmpdir_remove(&b->dir);
	assert_int_equal(test_open_fds(), b->fds_before);
}

static void rounds(struct bench *b, int n)
{
	while (n-- > 0)
		assert_true(loop_round(b->loop, 2) >= 0);
}

static void ask_full(struct bench *b, struct request req)
{
	if (!req.ns)
		req.ns = "k8s.io";
	if (!req.id)
		req.id = "c";
	b->stream += 2;
	supervisor_request(b->sup, (struct task_addr){ 1, b->stream }, &req);
}

static void ask(struct bench *b, enum request_type type, const char *exec_id)
{
	struct request req = { .type = type, .exec_id = exec_id };

	if (type == REQ_CREATE)
		req.create.bundle = b->dir.path;
	if (type == REQ_UPDATE) {
		req.update.resources = "{}";
		req.update.size = 2;
	}
	if (type == REQ_KILL)
		req.kill.signal = SIGTERM;
	ask_full(b, req);
}

/* These operations fail, each once. */
static void fail_next(struct bench *b, const char *which)
{
	snprintf(b->fake.fail, sizeof(b->fake.fail), "%s", which);
}

static void expect(struct bench *b, const char *want)
{
	assert_string_equal(b->heard, want);
	b->heard[0] = '\0';
}

static void running(struct bench *b)
{
	ask(b, REQ_CREATE, NULL);
	ask(b, REQ_START, NULL);
	b->heard[0] = '\0';
}

TEST(a_task_lives_and_leaves_nothing)
{
	struct bench b;

	bench_init(&b);
	ask(&b, REQ_CREATE, NULL);
	expect(&b, "+create(c,0) Create:100");
	ask(&b, REQ_START, NULL);
	ask(&b, REQ_WAIT, NULL);
	ask(&b, REQ_STATE, NULL);
	expect(&b, "+start(c,0) Start:100 State:running");
	assert_int_equal(supervisor_count(b.sup), 1);
	fake_exit(&b.fake, 100, 3);
	expect(&b, "Wait:3 +exit(c,3)");
	ask(&b, REQ_DELETE, NULL);
	rounds(&b, 3);
	expect(&b, "+delete(c,3) Delete:3");
	assert_int_equal(supervisor_count(b.sup), 0);
	assert_string_equal(b.fake.log, "create start delete");
	ask(&b, REQ_STATE, NULL);
	ask(&b, REQ_CONNECT, NULL);
	expect(&b, "State!5 Connect:0");
	assert_string_equal(b.text, "container not created: not found");
	bench_done(&b);
}

TEST(operations_that_take_time_come_out_in_the_same_order)
{
	struct bench b;

	bench_init(&b);
	b.fake.hold = true;
	ask(&b, REQ_CREATE, NULL);
	ask(&b, REQ_STATE, NULL);
	expect(&b, "State!5");
	fake_finish(&b.fake, "create");
	expect(&b, "+create(c,0) Create:100");
	ask(&b, REQ_WAIT, NULL);
	ask(&b, REQ_START, NULL);
	fake_exit(&b.fake, 100, 1); /* before the start has returned */
	expect(&b, "");
	fake_finish(&b.fake, "start");
	expect(&b, "+start(c,0) Start:100 Wait:1 +exit(c,1)");
	ask(&b, REQ_DELETE, NULL);
	rounds(&b, 3);
	fake_finish(&b.fake, "delete");
	rounds(&b, 1);
	expect(&b, "+delete(c,1) Delete:1");
	bench_done(&b);
}

TEST(an_exit_before_the_pid_is_known_is_kept)
{
	struct bench b;

	bench_init(&b);
	b.fake.hold = true;
	ask(&b, REQ_CREATE, NULL);
	fake_exit(&b.fake, 100, 9);
	fake_finish(&b.fake, "create");
	expect(&b, "+create(c,0) Create:100");
	rounds(&b, 2);
	expect(&b, "+exit(c,9)");
	bench_done(&b);
}

TEST(an_exec_is_recorded_before_it_is_released)
{
	struct bench b;

	bench_init(&b);
	running(&b);
	b.fake.hold = true;
	b.fake.log[0] = '\0';
	ask(&b, REQ_EXEC, "x");
	ask(&b, REQ_START, "x");
	expect(&b, "+exec-added(c,x,0) Exec:ok");
	assert_string_equal(b.fake.log, "exec");
	fake_finish(&b.fake, "exec");
	assert_string_equal(b.fake.log, "exec release");
	ask(&b, REQ_PIDS, NULL); /* known, and not yet told of */
	b.heard[0] = '\0';
	fake_exit(&b.fake, 101, 4);
	expect(&b, "");
	fake_finish(&b.fake, "release");
	expect(&b, "+exec-started(c,x,0) Start:101 +exit(c,x,4)");
	ask(&b, REQ_DELETE, "x");
	rounds(&b, 2);
	expect(&b, "Delete:4");
	assert_int_equal(b.fake.processes, 0);
	bench_done(&b);
}

TEST(failures_are_told_in_the_words_that_clients_look_for)
{
	struct bench b;

	bench_init(&b);
	fail_next(&b, "create start spawn release pause delete update");
	ask(&b, REQ_CREATE, NULL);
	expect(&b, "Create!2");
	assert_string_equal(b.text, "OCI runtime create failed: create broke");
	assert_int_equal(supervisor_count(b.sup), 0);
	rounds(&b, 1);
	assert_int_equal(b.fake.containers, 0);
	ask(&b, REQ_CREATE, NULL);
	ask(&b, REQ_START, NULL);
	assert_string_equal(b.text, "OCI runtime start failed: start broke");
	ask(&b, REQ_START, NULL);
	ask(&b, REQ_EXEC, "x");
	ask(&b, REQ_START, "x");
	assert_string_equal(
		b.text, "OCI runtime exec failed: exec: \"x\": executable file not found in $PATH");
	ask(&b, REQ_START, "x");
	assert_string_equal(b.text, "OCI runtime exec failed: release broke");
	ask(&b, REQ_PAUSE, NULL);
	assert_string_equal(b.text, "OCI runtime pause failed: pause broke");
	ask(&b, REQ_UPDATE, NULL);
	assert_string_equal(b.text, "OCI runtime update failed: update broke");
	ask_full(&b, (struct request){ .type = REQ_CHECKPOINT, .checkpoint = { .path = "/img" } });
	assert_int_equal(b.last.code, CODE_UNIMPLEMENTED);
	assert_string_equal(b.text, "OCI runtime checkpoint failed: no checkpoint to '/img'");
	fake_exit(&b.fake, 101, 0);
	ask(&b, REQ_DELETE, NULL);
	rounds(&b, 2);
	assert_string_equal(b.text, "failed to delete task: delete broke");
	ask(&b, REQ_STATS, NULL);
	assert_int_equal(b.last.code, CODE_NOT_FOUND);
	assert_string_equal(b.text, "cgroup does not exist: not found");
	b.heard[0] = '\0';
	ask(&b, REQ_DELETE, NULL);
	rounds(&b, 2);
	expect(&b, "+delete(c,0) Delete:0");
	bench_done(&b);
}

static int open_client(struct bench *b, const char *name, char path[128])
{
	int fd;

	snprintf(path, 128, "%s/%s", b->dir.path, name);
	assert_ok(mkfifo(path, 0700));
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

TEST(streams_are_open_from_create_to_delete)
{
	struct bench b;
	char out[128], got[512] = "";
	struct request req = { .type = REQ_CREATE };
	int client, writer;

	bench_init(&b);
	client = open_client(&b, "out", out);
	req.create.bundle = b.dir.path;
	req.create.stdio.out = out;
	b.fake.hold = true;
	ask_full(&b, req);
	writer = fcntl(b.fake.last_stdio[1], F_DUPFD_CLOEXEC, 3); /* as the process has it */
	assert_true(b.fake.last_stdio[0] < 0);
	fake_finish(&b.fake, "create");
	ask(&b, REQ_STATE, NULL);
	snprintf(got, sizeof(got), "c %s %s pipe", b.dir.path, out);
	assert_string_equal(b.state_paths, got);
	assert_true(fcntl(b.fake.last_stdio[1], F_GETFD) < 0); /* our copy is closed */
	assert_int_equal(write(writer, "hello", 5), 5);
	rounds(&b, 2);
	memset(got, 0, sizeof(got));
	assert_int_equal(read(client, got, sizeof(got)), 5);
	assert_int_equal(write(writer, "bye", 3), 3);
	fake_exit(&b.fake, 100, 0);
	rounds(&b, 2);
	assert_null(strstr(b.heard, "+exit")); /* it is told when the output has been read */
	assert_int_equal(read(client, got, sizeof(got)), 3);
	for (int i = 0; i < 100 && !strstr(b.heard, "+exit"); i++)
		rounds(&b, 1);
	ask(&b, REQ_DELETE, NULL);
	for (int i = 0; i < 100 && !strstr(b.fake.log, "delete"); i++)
		rounds(&b, 1); /* the writer holds the pipe: the drain is bounded */
	fake_finish(&b.fake, "delete");
	assert_int_equal(b.fds.n, 0);
	assert_int_equal(write(writer, "x", 1), -1); /* EPIPE */
	close(writer);
	close(client);
	bench_done(&b);
}

TEST(a_create_whose_streams_cannot_be_opened_leaves_nothing)
{
	struct bench b;
	struct request req = { .type = REQ_CREATE };

	bench_init(&b);
	req.create.bundle = b.dir.path;
	req.create.stdio.out = "/nonexistent/out";
	ask_full(&b, req);
	expect(&b, "Create!2");
	assert_string_equal(b.text, "stdout: open '/nonexistent/out': No such file or directory");
	assert_string_equal(b.fake.log, "");
	assert_int_equal(supervisor_count(b.sup), 0);
	bench_done(&b);
}

TEST(the_bundle_says_how_the_init_ended_before_anybody_hears_of_it)
{
	struct bench b;
	struct bundle_record r;
	struct arena arena = { 0 };

	bench_init(&b);
	running(&b);
	assert_ok(bundle_record_load(b.dir.fd, &arena, &r, NULL));
	assert_string_equal(r.root, "/run/fake");
	assert_int_equal(r.pid, 100);
	assert_false(r.exited);
	fake_exit(&b.fake, 100, 7);
	assert_ok(bundle_record_load(b.dir.fd, &arena, &r, NULL));
	assert_true(r.exited);
	assert_int_equal(r.exit_status, 7);
	assert_int_equal(r.exited_wall_ns, 2000000000);
	arena_done(&arena);
	bench_done(&b);
}

TEST(a_request_with_a_deadline_gives_up)
{
	struct bench b;
	struct request req = { .type = REQ_CREATE };

	bench_init(&b);
	b.fake.hold = true;
	req.create.bundle = b.dir.path;
	req.deadline_boot_ns = clock_boot_ns() + 200 * NS_PER_MS;
	ask_full(&b, req);
	expect(&b, "");
	for (int i = 0; i < 2000 && !*b.heard; i++)
		rounds(&b, 1);
	expect(&b, "Create!1");
	assert_string_equal(b.fake.log, "create cancel");
	rounds(&b, 1);
	bench_done(&b);
}

TEST(a_wait_with_a_deadline_ends_and_is_forgotten)
{
	struct bench b;
	struct request req = { .type = REQ_WAIT };

	bench_init(&b);
	running(&b);
	req.deadline_boot_ns = clock_boot_ns() + 200 * NS_PER_MS;
	ask_full(&b, req);
	expect(&b, "");
	for (int i = 0; i < 2000 && !*b.heard; i++)
		rounds(&b, 1);
	expect(&b, "Wait!4");
	/* One that is answered before, one whose client leaves, one that is there at the end. */
	req.deadline_boot_ns = clock_boot_ns() + 5000 * NS_PER_MS;
	ask_full(&b, req);
	supervisor_hangup(b.sup, 1);
	ask_full(&b, req);
	fake_exit(&b.fake, 100, 7);
	expect(&b, "Wait:7 +exit(c,7)");
	req.deadline_boot_ns = clock_boot_ns() + 50 * NS_PER_SEC;
	ask(&b, REQ_DELETE, NULL);
	bench_done(&b);
}

TEST(room_for_many_goes_back)
{
	struct bench b;
	char id[16];

	bench_init(&b);
	running(&b);
	for (int i = 0; i < 300; i++) {
		snprintf(id, sizeof(id), "x%d", i);
		ask(&b, REQ_EXEC, id);
	}
	for (int i = 0; i < 300; i++) {
		snprintf(id, sizeof(id), "x%d", i);
		ask(&b, REQ_DELETE, id);
		rounds(&b, 1);
	}
	ask(&b, REQ_EXEC, "y");
	ask(&b, REQ_START, "y");
	fake_exit(&b.fake, 101, 0);
	ask(&b, REQ_STATE, "y");
	*b.heard = '\0';
	bench_done(&b);
}

TEST(pids_name_execs_and_never_nobody)
{
	struct bench b;

	bench_init(&b);
	running(&b);
	ask(&b, REQ_EXEC, "x");
	ask(&b, REQ_START, "x");
	ask(&b, REQ_PIDS, NULL);
	assert_int_equal(b.n_pids, 2);
	assert_int_equal(b.pids[0].pid, 100);
	assert_null(b.pids[0].exec_id);
	fake_exit(&b.fake, 101, 0);
	fake_exit(&b.fake, 100, 0);
	fail_next(&b, "empty");
	ask(&b, REQ_PIDS, NULL);
	assert_int_equal(b.n_pids, 1);
	assert_int_equal(b.pids[0].pid, 100);
	fail_next(&b, "pids");
	ask(&b, REQ_PIDS, NULL);
	assert_int_equal(b.last.code, CODE_UNKNOWN);
	bench_done(&b);
}

TEST(an_oom_kill_that_nobody_noticed_is_told_before_the_exit)
{
	struct bench b;

	bench_init(&b);
	running(&b);
	b.fake.ooms = 1;
	fake_exit(&b.fake, 100, 9);
	expect(&b, "+oom(c,0) +exit(c,9)");
	bench_done(&b);
}

TEST(shutdown_is_for_an_empty_supervisor)
{
	struct bench b;

	bench_init(&b);
	running(&b);
	ask(&b, REQ_SHUTDOWN, NULL);
	expect(&b, "Shutdown:ok");
	assert_int_equal(b.shutdowns, 0);
	fake_exit(&b.fake, 100, 0);
	ask(&b, REQ_DELETE, NULL);
	rounds(&b, 2);
	ask(&b, REQ_SHUTDOWN, NULL);
	assert_int_equal(b.shutdowns, 1);
	bench_done(&b);
}

TEST(namespaces_and_ids_are_apart)
{
	struct bench b;
	struct request req = { .type = REQ_CREATE };

	bench_init(&b);
	req.create.bundle = b.dir.path;
	req.id = "a";
	ask_full(&b, req);
	req.id = "b";
	ask_full(&b, req);
	expect(&b, "+create(a,0) Create:100 +create(b,0) Create:101");
	ask_full(&b, (struct request){ .type = REQ_STATE, .ns = "moby", .id = "a" });
	expect(&b, "State!5");
	fake_exit(&b.fake, 101, 2);
	expect(&b, "+exit(b,2)");
	bench_done(&b);
}

TEST(malformed_ids_are_refused)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "a b", "a\nb" };
	struct bench b;

	bench_init(&b);
	running(&b);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ask_full(&b, (struct request){ .type = REQ_CREATE, .id = bad[i] });
		assert_int_equal(b.last.code, CODE_INVALID);
		ask(&b, REQ_EXEC, bad[i]);
		assert_int_equal(b.last.code, CODE_INVALID);
	}
	assert_int_equal(supervisor_count(b.sup), 1);
	bench_done(&b);
}

TEST(a_connection_that_goes_takes_its_waits_with_it)
{
	struct bench b;

	bench_init(&b);
	running(&b);
	ask(&b, REQ_WAIT, NULL);
	supervisor_hangup(b.sup, 1);
	fake_exit(&b.fake, 100, 0);
	expect(&b, "+exit(c,0)");
	bench_done(&b);
}

TEST(many_execs_share_slots_and_leave_nothing)
{
	struct bench b;
	char id[16];

	bench_init(&b);
	running(&b);
	for (int i = 0; i < 100; i++) {
		snprintf(id, sizeof(id), "x%d", i);
		ask(&b, REQ_EXEC, id);
		ask(&b, REQ_START, id);
		if (i < 40)
			continue; /* forty at once */
		fake_exit(&b.fake, 101 + i, 0);
		ask(&b, REQ_DELETE, id);
		rounds(&b, 1);
	}
	assert_int_equal(b.fake.processes, 40);
	b.heard[0] = '\0';
	fake_exit(&b.fake, 100, 0);
	expect(&b, ""); /* held back */
	for (int i = 0; i < 40; i++)
		fake_exit(&b.fake, 101 + i, 0);
	assert_text_has(b.heard, "+exit(c,x39,0) +exit(c,0)");
	bench_done(&b);
}

TEST(the_whole_worker_may_go_at_any_time)
{
	struct bench b;

	bench_init(&b);
	b.fake.hold = true;
	ask(&b, REQ_CREATE, NULL);
	bench_done(&b);
	bench_init(&b);
	running(&b);
	b.fake.hold = true;
	ask(&b, REQ_EXEC, "x");
	ask(&b, REQ_START, "x");
	ask(&b, REQ_PAUSE, NULL);
	ask(&b, REQ_WAIT, NULL);
	bench_done(&b);
}

/* ---- requests as bytes ---- */

static void check_copy(const struct request *req)
{
	struct payload p, again;
	unsigned char bytes[1024], twice[1024];
	size_t size = payload_encode(req, bytes, sizeof(bytes));
	struct err err;

	assert_true(size < sizeof(bytes));
	assert_ok(payload_from_request(req, &p, NULL));
	assert_int_equal(payload_encode(&p.request, twice, sizeof(twice)), size);
	assert_memory_equal(twice, bytes, size);
	for (size_t i = 0; i < size; i++) { /* damaged: refused, or a request; never a crash */
		unsigned char was = bytes[i];

		for (unsigned int v = 0; v < 256; v += 3) {
			bytes[i] = (unsigned char)v;
			if (payload_from_bytes(bytes, size, &again, &err) == 0)
				payload_done(&again);
		}
		bytes[i] = was;
	}
	payload_done(&p);
	payload_done(&p);
}

TEST(a_request_is_kept_as_bytes)
{
	const char *const options[] = { "lowerdir=/a:/b", "", "ro" };
	const struct request_mount mounts[] = {
		{ .type = "overlay", .source = "overlay", .options = options, .n_options = 3 },
		{ .type = "bind", .source = "/x", .target = "/y" },
	};
	struct request create = { .type = REQ_CREATE, .ns = "k8s.io", .id = "c" };
	struct request exec = { .type = REQ_EXEC, .ns = "n", .id = "c", .exec_id = "x" };
	struct payload p;

	create.create = (struct request_create){
		.bundle = "/b",
		.rootfs = mounts,
		.n_rootfs = 2,
		.stdio = { .in = "/0", .out = "/1", .err = "/2" },
		.options = { .systemd_cgroup = true,
			.io_uid = 5,
			.io_drain_ms = 700,
			.io_direct = true,
			.binary_name = "runc",
			.root = "/r" },
	};
	check_copy(&create);
	assert_ok(payload_from_request(&create, &p, NULL));
	assert_int_equal(p.request.create.n_rootfs, 2);
	assert_string_equal(p.request.create.rootfs[0].options[0], "lowerdir=/a:/b");
	assert_string_equal(p.request.create.rootfs[0].options[1], "");
	assert_string_equal(p.request.create.rootfs[1].target, "/y");
	assert_true(p.request.create.options.systemd_cgroup);
	assert_int_equal(p.request.create.options.io_uid, 5);
	assert_int_equal(p.request.create.options.io_drain_ms, 700);
	assert_true(p.request.create.options.io_direct);
	payload_done(&p);
	exec.exec = (struct request_exec){
		.stdio = { .terminal = true }, .spec = "{\"args\":[]}", .spec_size = 11
	};
	check_copy(&exec);
	check_copy(&(struct request){
		.type = REQ_UPDATE, .update = { .resources = "{}", .size = 2 } });
	check_copy(&(struct request){ .type = REQ_CHECKPOINT,
		.checkpoint = { .path = "/p",
			.exit = true,
			.empty_namespaces = options,
			.n_empty_namespaces = 3 } });
}

/* ---- random schedules ---- */

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void random_step(struct bench *b, uint64_t *seed)
{
	static const char *const execs[] = { NULL, "x", "y", "z" };
	static const enum request_type types[] = { REQ_CREATE, REQ_START, REQ_START, REQ_EXEC,
		REQ_EXEC, REQ_WAIT, REQ_KILL, REQ_DELETE, REQ_STATE, REQ_PAUSE, REQ_RESUME,
		REQ_CLOSE_IO, REQ_PIDS, REQ_UPDATE, REQ_RESIZE_PTY };
	uint64_t r = next_random(seed);

	switch (r % 8) {
	case 0:
	case 1:
	case 2:
	case 3:
		ask(b, types[r / 8 % ARRAY_LEN(types)], execs[r / 1024 % 4]);
		break;
	case 4:
		if (r / 8 % 4 == 0)
			snprintf(b->fake.fail, sizeof(b->fake.fail), "%s",
				"start pause delete release spawn");
		fake_finish(&b->fake, NULL);
		break;
	case 5:
		fake_exit(&b->fake, b->fake.last_pid - (pid_t)(r / 8 % 5), (int)(r / 64 % 100));
		break;
	case 6:
		b->fake.hold = r / 8 % 2;
		break;
	default:
		loop_round(b->loop, 0);
	}
	if (strlen(b->heard) > 8000)
		b->heard[0] = '\0';
	if (strlen(b->fake.log) > 4000)
		b->fake.log[0] = '\0';
}

TEST(random_schedules_end_and_leave_nothing)
{
	uint64_t first = getenv("REEVE_SEED") ? strtoull(getenv("REEVE_SEED"), NULL, 10)
					      : clock_boot_ns() | 1;
	struct bench b;

	printf("# seed %llu\n", (unsigned long long)first);
	for (uint64_t i = 0; i < 200; i++) {
		uint64_t seed = first + i * 2;

		bench_init(&b);
		for (int n = 0; n < 400; n++)
			random_step(&b, &seed);
		bench_done(&b);
	}
}
