/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A supervisor dies at every point at which anybody could notice (before an input is on record, before and after each
 * operation of the back end, before each answer and event), a second one takes up its journal and fds, and the client
 * goes on with what it wanted. Whatever the point, subscribers hear one life of the task with the true exit codes, and
 * nothing is left.
 */
#include "supervisor/supervisor.h"

#include <signal.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "fake_backend.h"
#include "supervisor/bundle_record.h"
#include "supervisor/fdtable.h"
#include "supervisor/holder.h"
#include "test.h"

#define FIRST_PID 5000000 /* above all that a kernel gives */
#define EVENTS 256

struct told {
	uint64_t task;
	uint64_t sequence;
	char text[96];
};

struct bench {
	struct loop *loop;
	struct exit_source *exits;
	struct fdtable fds;
	struct fdtable kept; /* what outlives a death */
	struct fake fake;
	struct supervisor *sup;
	struct test_tmpdir dir;
	struct told queue[EVENTS]; /* the publisher's */
	size_t n_queue;
	struct told heard[EVENTS]; /* the subscriber's */
	size_t n_heard;
	uint64_t journal_max;
	uint64_t conn, stream;
	size_t fds_before;
	size_t deaths;
	unsigned int answers;
	struct response last;
	bool answered;
	bool marked; /* the bundle was, at a death */
	int shutdowns;
};

/* ---- the sink ---- */

static void on_reply(void *arg, struct task_addr to, const struct response *r)
{
	struct bench *b = arg;

	if (fake_point(&b->fake))
		return;
	assert_true(to.conn == b->conn); /* never to a connection of an earlier worker */
	if (to.stream != b->stream)
		return;
	b->last = *r;
	b->last.text = NULL;
	b->answered = true;
}

static void on_event(void *arg, const struct event *e)
{
	const char *topic = task_topic_name(e->topic) + strlen("/tasks/");
	struct bench *b = arg;
	struct told *t = &b->queue[b->n_queue];

	if (fake_point(&b->fake))
		return;
	assert_true(b->n_queue < EVENTS);
	*t = (struct told){ .task = e->task, .sequence = e->sequence };
	if (e->exec_id)
		snprintf(t->text, sizeof(t->text), "%s(%s,%u)", topic, e->exec_id, e->exit_status);
	else
		snprintf(t->text, sizeof(t->text), "%s(%u)", topic, e->exit_status);
	b->n_queue++;
}

static void on_log(void *arg, const char *ns, const char *id, const struct task_input *in)
{
	(void)ns, (void)id, (void)in;
	fake_point(&((struct bench *)arg)->fake);
}

static int save_events(void *arg, struct buf *out)
{
	struct bench *b = arg;

	buf_add(out, b->queue, b->n_queue * sizeof(b->queue[0]));
	return buf_ok(out);
}

static int load_events(void *arg, const void *data, size_t size, struct err *err)
{
	struct bench *b = arg;

	(void)err;
	assert_int_equal(size % sizeof(b->queue[0]), 0);
	b->n_queue = size / sizeof(b->queue[0]);
	if (size)
		memcpy(b->queue, data, size);
	return 0;
}

static void forget_event(void *arg, uint64_t task, uint64_t sequence)
{
	struct bench *b = arg;

	if (b->fake.dead)
		return;
	assert_true(b->n_queue > 0);
	assert_int_equal(b->queue[0].task, task);
	assert_int_equal(b->queue[0].sequence, sequence);
	memmove(b->queue, b->queue + 1, --b->n_queue * sizeof(b->queue[0]));
}

static bool drop_events(void *arg, uint64_t task)
{
	struct bench *b = arg;
	size_t n = 0;

	for (size_t i = 0; i < b->n_queue; i++)
		if (b->queue[i].task != task)
			b->queue[n++] = b->queue[i];
	b->n_queue = n;
	return false;
}

static void on_shutdown(void *arg)
{
	((struct bench *)arg)->shutdowns++;
}

static const struct supervisor_sink sink = {
	.reply = on_reply,
	.event = on_event,
	.log = on_log,
	.save_events = save_events,
	.load_events = load_events,
	.forget_event = forget_event,
	.drop_events = drop_events,
	.shutdown = on_shutdown,
};

/* What was heard may be heard again, in the same words; nothing is left out or comes late. */
static void hear(struct bench *b, const struct told *t)
{
	uint64_t last = 0;

	for (size_t i = 0; i < b->n_heard; i++) {
		if (b->heard[i].task != t->task)
			continue;
		last = b->heard[i].sequence;
		if (last == t->sequence) {
			assert_string_equal(b->heard[i].text, t->text);
			return;
		}
	}
	assert_int_equal(t->sequence, last + 1);
	assert_true(b->n_heard < EVENTS);
	b->heard[b->n_heard++] = *t;
}

static void publish(struct bench *b)
{
	while (b->n_queue > 0 && !b->fake.dead) {
		struct told t = b->queue[0];

		hear(b, &t);
		if (fake_point(&b->fake))
			return;
		memmove(b->queue, b->queue + 1, --b->n_queue * sizeof(b->queue[0]));
		supervisor_acked(b->sup, t.task, t.sequence);
	}
}

/* ---- workers ---- */

static int copy_journal(int from)
{
	char page[65536];
	off_t at = 0;
	ssize_t n;
	int fd = memfd_create("copy", MFD_CLOEXEC);

	assert_true(fd >= 0);
	while ((n = pread(from, page, sizeof(page), at)) > 0) {
		assert_int_equal(pwrite(fd, page, (size_t)n, at), n);
		at += n;
	}
	return fd;
}

static bool is_marked(const struct bench *b)
{
	return faccessat(b->dir.fd, BUNDLE_MARK_NAME, F_OK, 0) == 0;
}

/* As `delete` does. */
static void mark(const struct bench *b)
{
	int fd = openat(b->dir.fd, BUNDLE_MARK_NAME, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* The fds as the guardian has them at this moment. */
static void on_death(struct fake *f)
{
	struct bench *b = container_of(f, struct bench, fake);

	b->marked = is_marked(b);
	for (size_t i = 0; i < b->fds.n; i++) {
		const struct fdtable_entry *e = &b->fds.entries[i];
		int fd = str_eq(e->name, JOURNAL_NAME) ? copy_journal(e->fd)
						       : fcntl(e->fd, F_DUPFD_CLOEXEC, 3);

		assert_ok(fdtable_put(&b->kept, e->name, fd));
	}
}

static void worker_start(struct bench *b)
{
	struct supervisor_config config;

	assert_ok(loop_new(&b->loop));
	assert_ok(exit_source_new(b->loop, &b->exits));
	b->fake.exits = b->exits;
	b->conn++;
	b->n_queue = 0;
	config = (struct supervisor_config){
		.loop = b->loop,
		.sink = &sink,
		.sink_arg = b,
		.backend = &fake_backend,
		.backend_arg = &b->fake,
		.exits = b->exits,
		.fds = &b->fds,
		.journaled = true,
		.journal_max = b->journal_max,
		.drain_idle_ns = 2 * NS_PER_MS,
		.drain_max_ns = 5 * NS_PER_MS,
	};
	assert_ok(supervisor_new(&config, &b->sup, NULL));
	assert_ok(supervisor_load(b->sup, NULL));
	assert_true(supervisor_last_conn(b->sup) < b->conn);
	fake_tell_exits(&b->fake);
}

static void worker_end(struct bench *b)
{
	supervisor_free(b->sup);
	assert_int_equal(b->fds.n, 0);
	assert_int_equal(b->fake.containers, 0);
	assert_int_equal(b->fake.processes, 0);
	fdtable_done(&b->fds);
	exit_source_free(b->exits);
	loop_free(b->loop);
}

/* Who waited at a barrier that nobody keeps sees its end, and leaves without having run. */
static void end_the_unkept(struct bench *b)
{
	for (int i = 0; i < FAKE_BOXES; i++) {
		struct fake_box *x = &b->fake.boxes[i];
		struct stat is, st;
		bool found = false;

		if (!x->pid || x->released || x->over)
			continue;
		assert_ok(fstat(x->barrier, &is));
		for (size_t k = 0; k < b->kept.n; k++)
			found |= fstat(b->kept.entries[k].fd, &st) == 0 && st.st_ino == is.st_ino &&
				 st.st_dev == is.st_dev;
		if (found)
			continue;
		x->over = x->untold = true;
		x->code = 1;
		fake_box_let_go(x);
		if (!x->there)
			*x = (struct fake_box){ 0 };
	}
}

/* The next worker takes over; it may die as well. */
static void recover(struct bench *b)
{
	while (b->fake.dead) {
		b->deaths++;
		worker_end(b);
		if (b->marked)
			mark(b); /* one that is dead takes none away */
		end_the_unkept(b);
		b->fds = b->kept;
		b->kept = (struct fdtable){ 0 };
		b->fake.dead = false;
		worker_start(b);
	}
}

static void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->fds_before = test_open_fds();
	signal(SIGPIPE, SIG_IGN);
	b->dir = test_tmpdir_memory();
	b->fake.last_pid = FIRST_PID - 1;
	b->fake.keeps_world = true;
	b->fake.on_death = on_death;
	worker_start(b);
}

static void bench_done(struct bench *b)
{
	worker_end(b);
	fake_done(&b->fake);
	test_tmpdir_remove(&b->dir);
	assert_int_equal(test_open_fds(), b->fds_before);
}

/* ---- the client ---- */

static void settle(struct bench *b)
{
	recover(b);
	for (int i = 0; i < 3; i++) {
		fake_tell_exits(&b->fake);
		publish(b);
		recover(b);
		assert_true(loop_round(b->loop, 0) >= 0);
		recover(b);
	}
}

/* False: the connection broke before there was an answer. */
static bool ask(struct bench *b, enum request_type type, const char *exec_id)
{
	struct request req = { .type = type, .ns = "k8s.io", .id = "c", .exec_id = exec_id };
	uint64_t conn = b->conn;

	if (type == REQ_CREATE)
		req.create.bundle = b->dir.path;
	if (type == REQ_EXEC)
		req.exec.spec = "{}", req.exec.spec_size = 2;
	if (type == REQ_UPDATE)
		req.update.resources = "{}", req.update.size = 2;
	if (type == REQ_KILL)
		req.kill.signal = SIGTERM;
	b->stream += 2;
	b->answered = false;
	supervisor_request(b->sup, (struct task_addr){ b->conn, b->stream }, &req);
	for (int i = 0; i < 200 && !b->answered && !b->fake.dead; i++)
		loop_round(b->loop, 1);
	settle(b);
	return b->answered && b->conn == conn;
}

/* STATUS_UNKNOWN: there is no such process. */
static enum task_status state_of(struct bench *b, const char *exec_id)
{
	for (int i = 0; i < 50; i++)
		if (ask(b, REQ_STATE, exec_id)) {
			if (b->last.code != CODE_OK)
				return STATUS_UNKNOWN;
			return b->last.state.status;
		}
	fail_msg("no answer to State");
	return STATUS_UNKNOWN;
}

static void create(struct bench *b)
{
	while (state_of(b, NULL) == STATUS_UNKNOWN)
		if (ask(b, REQ_CREATE, NULL))
			assert_int_equal(b->last.code, CODE_OK);
}

static void start(struct bench *b)
{
	while (state_of(b, NULL) == STATUS_CREATED)
		if (ask(b, REQ_START, NULL))
			assert_int_equal(b->last.code, CODE_OK);
}

static void exec(struct bench *b, const char *id)
{
	while (state_of(b, id) == STATUS_UNKNOWN)
		if (ask(b, REQ_EXEC, id))
			assert_int_equal(b->last.code, CODE_OK);
	while (state_of(b, id) == STATUS_CREATED)
		if (ask(b, REQ_START, id))
			assert_int_equal(b->last.code, CODE_OK);
}

static void ends(struct bench *b, const char *id, int code)
{
	assert_int_equal(state_of(b, id), STATUS_RUNNING);
	fake_exit(&b->fake, (pid_t)b->last.pid, code);
	settle(b);
	assert_int_equal(state_of(b, id), STATUS_STOPPED);
	assert_int_equal(b->last.exit_status, code);
}

static void delete_(struct bench *b, const char *id, unsigned int code)
{
	while (state_of(b, id) != STATUS_UNKNOWN)
		if (ask(b, REQ_DELETE, id)) {
			assert_int_equal(b->last.code, CODE_OK);
			assert_int_equal(b->last.exit_status, code);
		}
}

static void freeze(struct bench *b, enum request_type how, enum task_status want)
{
	while (state_of(b, NULL) != want)
		ask(b, how, NULL);
}

/* All that was heard of the last task, and that earlier ones never came to be. */
static void expect_heard(struct bench *b, const char *want)
{
	uint64_t task = b->n_heard ? b->heard[b->n_heard - 1].task : 0;
	char text[2048] = "";
	size_t len = 0;

	for (size_t i = 0; i < b->n_heard; i++) {
		assert_int_equal(b->heard[i].task, task);
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "%s%s", i ? " " : "", b->heard[i].text);
	}
	assert_string_equal(text, want);
}

static void nothing_left(struct bench *b)
{
	assert_int_equal(supervisor_count(b->sup), 0);
	for (int i = 0; i < FAKE_BOXES; i++)
		assert_false(b->fake.boxes[i].there);
}

static void whole_life_of(struct bench *b)
{
	create(b);
	start(b);
	exec(b, "x");
	ends(b, "x", 7);
	delete_(b, "x", 7);
	ends(b, NULL, 3);
	delete_(b, NULL, 3);
	settle(b);
	nothing_left(b);
}

static void whole_life(struct bench *b)
{
	whole_life_of(b);
	expect_heard(b, "create(0) start(0) exec-added(x,0) exec-started(x,0) exit(x,7) exit(3) "
			"delete(3)");
}

static void other_life(struct bench *b)
{
	create(b);
	start(b);
	freeze(b, REQ_PAUSE, STATUS_PAUSED);
	freeze(b, REQ_RESUME, STATUS_RUNNING);
	ask(b, REQ_UPDATE, NULL);
	exec(b, "x");
	exec(b, "y");
	ends(b, "y", 1);
	assert_int_equal(state_of(b, NULL), STATUS_RUNNING);
	ends(b, NULL, 9); /* its exit waits for x */
	ends(b, "x", 2);
	delete_(b, NULL, 9);
	settle(b);
	nothing_left(b);
}

/* Never started: its exit comes from the deletion. */
static void short_life(struct bench *b)
{
	create(b);
	delete_(b, NULL, 137);
	settle(b);
	nothing_left(b);
	expect_heard(b, "create(0) exit(137) delete(137)");
}

/*
 * Deleted from outside, where its end is told. After that the next one of its name: whoever reads the journal then finds
 * the mark of the first one gone.
 */
static void taken_life(struct bench *b)
{
	uint64_t first;
	pid_t pid;

	create(b);
	start(b);
	assert_int_equal(state_of(b, NULL), STATUS_RUNNING);
	pid = (pid_t)b->last.pid;
	first = b->heard[0].task;
	mark(b);
	fake_exit(&b->fake, pid, 137);
	settle(b);
	for (int i = 0; i < 50 && supervisor_count(b->sup) > 0; i++) {
		supervisor_look_for_marks(b->sup);
		settle(b);
	}
	assert_int_equal(supervisor_count(b->sup), 0);
	assert_false(is_marked(b));
	whole_life_of(b);
	for (size_t i = 0; i < b->n_heard; i++)
		if (b->heard[i].task == first)
			assert_true(strcmp(b->heard[i].text, "create(0)") == 0 ||
				    strcmp(b->heard[i].text, "start(0)") == 0);
	assert_string_equal(b->heard[b->n_heard - 1].text, "delete(3)");
}

/*
 * The worker dies when it answers Create, or nobody takes the answer: whoever asked has seen a failure, deletes from
 * outside, and tells nothing. Subscribers have heard of nothing, or hear of the end.
 */
static void unknown_life(struct bench *b)
{
	struct fake_box *box;

	ask(b, REQ_CREATE, NULL);
	box = fake_box_by_id(&b->fake, "c");
	if (box) {
		mark(b);
		fake_exit(&b->fake, box->pid, 137);
	}
	settle(b);
	for (int i = 0; i < 50 && supervisor_count(b->sup) > 0; i++) {
		supervisor_look_for_marks(b->sup);
		settle(b);
	}
	nothing_left(b);
	if (b->n_heard)
		expect_heard(b, "create(0) exit(137) delete(137)");
}

/* Die at the n-th point, for every n. */
static void at_every_point(void (*life)(struct bench *b), uint64_t journal_max)
{
	struct bench b;
	size_t deaths = 1, all = 0;

	for (int n = 1; deaths > 0; n++) {
		bench_init(&b);
		b.journal_max = journal_max;
		b.fake.die_at = b.fake.points + n;
		life(&b);
		deaths = b.deaths;
		all += deaths;
		bench_done(&b);
		assert_true(n < 2000);
	}
	printf("# died %zu times\n", all);
	assert_true(all > 10);
}

TEST(dies_anywhere_in_the_life_of_a_task)
{
	at_every_point(whole_life, 0);
}

TEST(dies_anywhere_with_a_journal_that_is_rewritten_all_the_time)
{
	at_every_point(whole_life, 1);
}

TEST(dies_anywhere_with_more_execs_and_a_pause)
{
	at_every_point(other_life, 0);
	at_every_point(other_life, 1);
}

TEST(dies_anywhere_before_a_task_was_started)
{
	at_every_point(short_life, 0);
}

TEST(dies_anywhere_while_and_after_a_task_was_deleted_from_outside)
{
	at_every_point(taken_life, 0);
	at_every_point(taken_life, 1);
}

TEST(dies_anywhere_before_the_client_knows_of_the_task)
{
	at_every_point(unknown_life, 0);
	at_every_point(unknown_life, 1);
}

/* ---- again and again, at random ---- */

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

TEST(dies_again_while_it_recovers)
{
	uint64_t first = getenv("REEVE_SEED") ? strtoull(getenv("REEVE_SEED"), NULL, 10)
					      : clock_boot_ns() | 1;
	struct bench b;
	size_t all = 0;

	printf("# seed %llu\n", (unsigned long long)first);
	for (uint64_t i = 0; i < 400; i++) {
		uint64_t seed = first + i * 2;

		next_random(&seed);
		bench_init(&b);
		b.journal_max = seed % 3 ? 0 : 1;
		b.fake.die_at = 1 + (int)(next_random(&seed) % 60);
		b.fake.die_every = 5 + (int)(next_random(&seed) % 30);
		b.fake.dies_left = 1 + (int)(next_random(&seed) % 6);
		if (seed % 5 == 0)
			short_life(&b);
		else if (seed % 7 == 0)
			taken_life(&b);
		else
			seed % 2 ? whole_life(&b) : other_life(&b);
		all += b.deaths;
		bench_done(&b);
	}
	printf("# died %zu times\n", all);
}
