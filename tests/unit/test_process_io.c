/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/process_io.h"

#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/clock.h"
#include "base/fd.h"
#include "exit/own_children.h"
#include "test.h"

struct bench {
	struct loop *loop;
	struct exit_source *exits;
	struct own_children *children;
	struct fdtable fds;
	struct logger_list loggers;
	struct process_io_env env;
	struct test_tmpdir dir;
	struct process_io io;
	int drained;
	int ready;
	char error[480];
	size_t fds_before;
};

static void bench_init(struct bench *b)
{
	sigset_t mask;

	*b = (struct bench){ .fds_before = test_open_fds() };
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	assert_ok(sigprocmask(SIG_BLOCK, &mask, NULL));
	assert_ok(loop_new(&b->loop));
	assert_ok(exit_source_new(b->loop, &b->exits));
	assert_ok(own_children_new(b->loop, b->exits, &b->children));
	b->dir = test_tmpdir();
	b->loggers = (struct logger_list){ .loop = b->loop, .exits = b->exits };
	b->env = (struct process_io_env){ .loop = b->loop, .fds = &b->fds, .loggers = &b->loggers };
}

/* Nothing is left open, whatever happened. */
static void bench_done(struct bench *b)
{
	process_io_close(&b->io);
	process_io_close(&b->io);
	assert_int_equal(b->fds.n, 0);
	logger_end_all(&b->loggers);
	fdtable_done(&b->fds);
	own_children_free(b->children);
	exit_source_free(b->exits);
	loop_free(b->loop);
	test_tmpdir_remove(&b->dir);
	assert_int_equal(test_open_fds(), b->fds_before);
}

static void rounds(struct bench *b, int n)
{
	while (n-- > 0)
		assert_true(loop_round(b->loop, 5) >= 0);
}

static void on_drained(struct process_io *s)
{
	container_of(s, struct bench, io)->drained++;
}

static void on_ready(struct process_io *s, const struct err *err)
{
	struct bench *b = container_of(s, struct bench, io);

	b->ready++;
	snprintf(b->error, sizeof(b->error), "%s", err ? err->text : "");
}

static const char *path(struct bench *b, const char *name)
{
	static char paths[4][128];
	static unsigned int next;
	char *p = paths[next++ % 4];

	snprintf(p, sizeof(paths[0]), "%s/%s", b->dir.path, name);
	return p;
}

static const char *fifo(struct bench *b, const char *name)
{
	const char *p = path(b, name);

	assert_ok(mkfifo(p, 0700));
	return p;
}

static int open_io(struct bench *b, const struct request_stdio *paths, bool stdin_closed)
{
	struct process_io_open o = {
		.env = &b->env,
		.ns = "k8s.io",
		.id = "c1",
		.prefix = "t/k8s.io/c1/i/",
		.paths = paths,
		.stdin_closed = stdin_closed,
		.ready = on_ready,
	};
	struct err err = { 0 };
	int r = process_io_open(&b->io, &o, &err);

	snprintf(b->error, sizeof(b->error), "%s", err.text);
	return r;
}

static int client(const char *p, int flags)
{
	int fd = open(p, flags | O_CLOEXEC | O_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static void expect(int fd, const char *want)
{
	char got[256] = "";

	assert_int_equal(read(fd, got, sizeof(got) - 1), strlen(want));
	assert_string_equal(got, want);
}

TEST(nothing_asked_for_is_nothing_opened)
{
	struct bench b;

	bench_init(&b);
	assert_int_equal(open_io(&b, &(struct request_stdio){ 0 }, false), 0);
	for (int i = 0; i < 3; i++)
		assert_true(b.io.child[i] < 0);
	assert_int_equal(b.fds.n, 0);
	process_io_drain(&b.io, NS_PER_SEC, NS_PER_SEC, on_drained);
	assert_int_equal(b.drained, 0);
	rounds(&b, 2);
	assert_int_equal(b.drained, 1);
	bench_done(&b);
}

TEST(fifos_carry_all_three_streams)
{
	struct bench b;
	struct request_stdio paths;
	int in, out, err;

	bench_init(&b);
	paths = (struct request_stdio){
		.in = fifo(&b, "0"), .out = fifo(&b, "1"), .err = fifo(&b, "2")
	};
	assert_int_equal(open_io(&b, &paths, false), 0);
	in = client(paths.in, O_WRONLY);
	out = client(paths.out, O_RDONLY);
	err = client(paths.err, O_RDONLY);
	assert_int_equal(write(in, "typed", 5), 5);
	assert_int_equal(write(b.io.child[1], "said", 4), 4);
	assert_int_equal(write(b.io.child[2], "wrong", 5), 5);
	rounds(&b, 3);
	expect(b.io.child[0], "typed");
	expect(out, "said");
	expect(err, "wrong");
	process_io_made(&b.io);
	rounds(&b, 3);
	expect(out, ""); /* the last writer is gone: clients see the end */
	expect(err, "");
	close(in);
	close(out);
	close(err);
	bench_done(&b);
}

TEST(the_process_s_end_blocks_and_ours_does_not)
{
	struct bench b;
	struct request_stdio paths;

	bench_init(&b);
	paths = (struct request_stdio){ .in = fifo(&b, "0"), .out = fifo(&b, "1") };
	assert_int_equal(open_io(&b, &paths, false), 0);
	assert_false(fcntl(b.io.child[0], F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(b.io.child[1], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(b.io.child[1], F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fdtable_get(&b.fds, "t/k8s.io/c1/i/out.pipe"), F_GETFL) & O_NONBLOCK);
	assert_true(b.io.child[2] < 0);
	bench_done(&b);
}

TEST(stdin_ends_after_close_io)
{
	struct bench b;
	struct request_stdio paths;
	int in;
	char c;

	bench_init(&b);
	paths = (struct request_stdio){ .in = fifo(&b, "0") };
	assert_int_equal(open_io(&b, &paths, false), 0);
	in = client(paths.in, O_WRONLY);
	assert_int_equal(write(in, "a", 1), 1);
	close(in); /* a client that went: another may come */
	rounds(&b, 3);
	in = client(paths.in, O_WRONLY);
	assert_int_equal(write(in, "b", 1), 1);
	rounds(&b, 3);
	expect(b.io.child[0], "ab");
	fd_set_nonblock(b.io.child[0], true);
	close(in);
	rounds(&b, 2);
	assert_int_equal(read(b.io.child[0], &c, 1), -1);
	process_io_close_stdin(&b.io); /* before the process has been made: with the grace */
	loop_round(b.loop, 200);
	rounds(&b, 3);
	assert_int_equal(read(b.io.child[0], &c, 1), 0);
	bench_done(&b);
}

/* Until the process waits for something: in its one call that does. */
static void await_sleep(pid_t pid)
{
	char name[64], text[512] = "";

	snprintf(name, sizeof(name), "/proc/%d/stat", pid);
	for (int i = 0; i < test_ms(20000); i++) {
		int fd = open(name, O_RDONLY | O_CLOEXEC);
		ssize_t n = read(fd, text, sizeof(text) - 1);
		const char *at;

		close(fd);
		text[n > 0 ? n : 0] = '\0';
		at = strrchr(text, ')');
		if (at && at[2] == 'S')
			return;
		usleep(1000);
	}
	fail_msg("it does not wait: %s", text);
}

TEST(close_io_before_the_stream_lets_a_waiting_client_write)
{
	struct bench b;
	struct request_stdio paths;
	char got[16] = "";
	int status;
	pid_t pid;

	bench_init(&b);
	paths = (struct request_stdio){ .in = fifo(&b, "0") };
	pid = fork();
	if (pid == 0) {
		int fd = open(paths.in, O_WRONLY); /* waits for us */

		_exit(write(fd, "late", 4) == 4 ? 0 : 1);
	}
	await_sleep(pid);
	assert_int_equal(open_io(&b, &paths, true), 0);
	/* It has written before the grace can be over. */
	assert_ok(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
	for (int i = 0; i < 30; i++)
		loop_round(b.loop, 10);
	assert_int_equal(waitpid(pid, &status, 0) > 0 || errno == ECHILD, 1);
	assert_int_equal(read(b.io.child[0], got, sizeof(got)), 4);
	assert_string_equal(got, "late");
	assert_int_equal(read(b.io.child[0], got, sizeof(got)), 0);
	bench_done(&b);
}

TEST(unread_output_outlives_the_end_of_the_stream)
{
	struct bench b;
	struct request_stdio paths;
	int out;

	bench_init(&b);
	paths = (struct request_stdio){ .out = fifo(&b, "1") };
	assert_int_equal(open_io(&b, &paths, false), 0);
	assert_int_equal(write(b.io.child[1], "unread", 6), 6);
	process_io_made(&b.io);
	rounds(&b, 3); /* no client, and nobody writes any more */
	out = client(paths.out, O_RDONLY);
	expect(out, "unread");
	rounds(&b, 10);
	expect(out, "");
	close(out);
	bench_done(&b);
}

/* What a client has read from both, with an end: "out|err". */
static void read_both(const struct request_stdio *paths, int result)
{
	char got[32] = "";
	size_t n = 0;
	ssize_t r;
	int fd;

	/* Not our copies of the fifos. */
	if (dup2(result, 3) < 0 || close_range(4, ~0u, 0) < 0)
		_exit(2);
	alarm(100);
	fd = open(paths->err, O_RDONLY);
	while ((r = read(fd, got + n, sizeof(got) - 2 - n)) > 0)
		n += (size_t)r;
	got[n++] = '|';
	fd = open(paths->out, O_RDONLY);
	while ((r = read(fd, got + n, sizeof(got) - 1 - n)) > 0)
		n += (size_t)r;
	_exit(write(3, got, n) < 0);
}

/* A client opens his end in a thread that waits for a writer: it may run when all is over. */
TEST(a_reader_that_waits_for_a_writer_comes_late)
{
	static const char *const texts[] = { "", "late" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct request_stdio paths;
		char got[32] = "", want[32];
		int result[2];
		struct bench b;

		bench_init(&b);
		paths = (struct request_stdio){ .out = fifo(&b, "1"), .err = fifo(&b, "2") };
		assert_int_equal(open_io(&b, &paths, false), 0);
		assert_true(write(b.io.child[1], texts[i], strlen(texts[i])) >= 0);
		process_io_made(&b.io);
		rounds(&b, 3);
		process_io_exited(&b.io);
		rounds(&b, 3);
		assert_ok(pipe2(result, O_NONBLOCK | O_CLOEXEC));
		if (fork() == 0)
			read_both(&paths, result[1]);
		close(result[1]);
		for (int k = 0; k < 10000 && read(result[0], got, sizeof(got) - 1) < 0; k++)
			rounds(&b, 1);
		snprintf(want, sizeof(want), "|%s", texts[i]);
		assert_string_equal(got, want);
		close(result[0]);
		bench_done(&b);
	}
}

static void on_read(struct process_io *s)
{
	container_of(s, struct bench, io)->drained++;
}

TEST(an_exit_waits_for_the_reader_of_what_was_written_before)
{
	static char much[200000], got[sizeof(much)];
	struct request_stdio paths;
	size_t n = 0;
	struct bench b;
	int reader;

	bench_init(&b);
	paths = (struct request_stdio){ .out = fifo(&b, "1"), .err = fifo(&b, "2") };
	reader = client(paths.out, O_RDONLY);
	assert_int_equal(open_io(&b, &paths, false), 0);
	assert_true(fcntl(b.io.child[1], F_SETPIPE_SZ, 1 << 20) >= (int)sizeof(much));
	assert_int_equal(write(b.io.child[1], much, sizeof(much)), sizeof(much));
	assert_true(process_io_await_reading(&b.io, on_read));
	while (n < sizeof(got)) {
		ssize_t r = read(reader, got, n < 188000 ? 4000 : 1);

		assert_int_equal(b.drained, 0);
		n += r > 0 ? (size_t)r : 0;
		rounds(&b, n % 1000 == 0);
		if (n == 188000) /* of others: nobody waits for them */
			assert_int_equal(write(b.io.child[1], "and more", 8), 8);
	}
	for (int i = 0; i < 1000 && b.drained == 0; i++)
		rounds(&b, 1);
	assert_int_equal(b.drained, 1);
	process_io_made(&b.io);
	assert_int_equal(read(reader, got, sizeof(got)), 8);
	assert_false(process_io_await_reading(&b.io, on_read));
	close(reader);
	bench_done(&b);
}

TEST(an_exit_does_not_wait_long_for_readers_that_do_not_read)
{
	struct request_stdio paths;
	struct bench b;

	bench_init(&b);
	paths = (struct request_stdio){ .out = fifo(&b, "1"), .err = fifo(&b, "2") };
	assert_int_equal(open_io(&b, &paths, false), 0);
	assert_int_equal(write(b.io.child[2], "e", 1), 1);
	process_io_made(&b.io);
	assert_true(process_io_await_reading(&b.io, on_read));
	for (int i = 0; i < 10000 && b.drained == 0; i++)
		rounds(&b, 1);
	assert_int_equal(b.drained, 1);
	process_io_exited(&b.io);
	rounds(&b, 2);
	assert_true(process_io_await_reading(&b.io, on_read));
	process_io_close(&b.io);
	assert_int_equal(b.drained, 2);
	bench_done(&b);
}

TEST(a_file_takes_both_streams_and_its_directory_is_made)
{
	struct bench b;
	char uri[160], got[64] = "";
	int fd;

	bench_init(&b);
	snprintf(uri, sizeof(uri), "file://%s/a/b/log", b.dir.path);
	assert_int_equal(open_io(&b, &(struct request_stdio){ .out = uri }, false), 0);
	assert_int_equal(write(b.io.child[1], "one ", 4), 4);
	rounds(&b, 2);
	assert_int_equal(write(b.io.child[2], "two", 3), 3);
	rounds(&b, 2);
	fd = client(path(&b, "a/b/log"), O_RDONLY);
	assert_int_equal(read(fd, got, sizeof(got)), 7);
	assert_string_equal(got, "one two");
	close(fd);
	bench_done(&b);
}

TEST(a_regular_file_named_as_a_path_is_appended_to)
{
	struct bench b;
	struct request_stdio paths;
	char got[64] = "";
	int fd;

	bench_init(&b);
	paths.out = path(&b, "plain");
	fd = open(paths.out, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "old ", 4), 4);
	paths = (struct request_stdio){ .out = paths.out };
	assert_int_equal(open_io(&b, &paths, false), 0);
	assert_int_equal(write(b.io.child[1], "new", 3), 3);
	rounds(&b, 2);
	assert_int_equal(pread(fd, got, sizeof(got), 0), 7);
	assert_string_equal(got, "old new");
	close(fd);
	bench_done(&b);
}

static const struct {
	const char *out, *text;
} bad[] = {
	{ "/nonexistent/fifo", "stdout: open '/nonexistent/fifo': No such file or directory" },
	{ "ttrpc+unix://x", "unknown STDIO scheme ttrpc+unix" },
	{ "file://nopath", "no path" },
	{ "binary://nopath", "malformed address" },
	{ "binary:///nonexistent/logger", "No such file or directory" },
	{ "binary:///bin/true?a=%zz", "malformed address" },
};

TEST(what_cannot_be_opened_says_why_and_leaves_nothing)
{
	struct bench b;

	bench_init(&b);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_true(open_io(&b, &(struct request_stdio){ .out = bad[i].out }, false) < 0);
		assert_text_has(b.error, bad[i].text);
		assert_int_equal(b.fds.n, 0);
	}
	bench_done(&b);
}

TEST(a_drain_ends_with_the_output)
{
	struct bench b;
	struct request_stdio paths;

	bench_init(&b);
	paths = (struct request_stdio){ .out = fifo(&b, "1"), .err = fifo(&b, "2") };
	assert_int_equal(open_io(&b, &paths, false), 0);
	process_io_drain(&b.io, 5 * NS_PER_SEC, 10 * NS_PER_SEC, on_drained);
	rounds(&b, 3);
	assert_int_equal(b.drained, 0);
	process_io_made(&b.io);
	rounds(&b, 3);
	assert_int_equal(b.drained, 1);
	bench_done(&b);
}

TEST(a_drain_gives_up_when_nothing_moves_and_not_while_something_does)
{
	struct bench b;
	struct request_stdio paths;
	uint64_t start;
	char c[64];
	int out;

	bench_init(&b);
	paths = (struct request_stdio){ .out = fifo(&b, "1") };
	assert_int_equal(open_io(&b, &paths, false), 0);
	out = client(paths.out, O_RDONLY);
	start = clock_boot_ns();
	process_io_drain(&b.io, 2 * NS_PER_SEC, 60 * NS_PER_SEC, on_drained);
	while (clock_boot_ns() - start < 2500 * NS_PER_MS) {
		assert_int_equal(b.drained, 0);
		assert_int_equal(write(b.io.child[1], "x", 1), 1);
		loop_round(b.loop, 20);
		(void)!read(out, c, sizeof(c));
	}
	while (!b.drained)
		loop_round(b.loop, 20);
	/* Two seconds from the last byte on, not from the first. */
	assert_in_range((clock_boot_ns() - start) / NS_PER_MS, 3000, 59000);
	b.drained = 0;
	start = clock_boot_ns(); /* and a writer that never stops is left after the whole time */
	process_io_drain(&b.io, 60 * NS_PER_SEC, 300 * NS_PER_MS, on_drained);
	while (!b.drained) {
		assert_int_equal(write(b.io.child[1], "x", 1), 1);
		loop_round(b.loop, 10);
		(void)!read(out, c, sizeof(c));
	}
	assert_in_range((clock_boot_ns() - start) / NS_PER_MS, 290, 59000);
	close(out);
	bench_done(&b);
}

static int open_terminal(int *slave)
{
	struct termios raw;
	int master;

	assert_ok(openpty(&master, slave, NULL, NULL, NULL));
	assert_ok(tcgetattr(*slave, &raw));
	cfmakeraw(&raw);
	assert_ok(tcsetattr(*slave, TCSANOW, &raw));
	fcntl(master, F_SETFD, FD_CLOEXEC);
	return master;
}

TEST(a_terminal_carries_both_ways_and_ends_with_its_process)
{
	struct bench b;
	struct request_stdio paths;
	struct winsize size;
	int in, out, slave, master;
	char c[64];

	bench_init(&b);
	paths = (struct request_stdio){
		.in = fifo(&b, "0"), .out = fifo(&b, "1"), .terminal = true
	};
	assert_int_equal(open_io(&b, &paths, false), 0);
	in = client(paths.in, O_WRONLY);
	out = client(paths.out, O_RDONLY);
	process_io_resize(&b.io, 100, 30); /* before there is a terminal */
	master = open_terminal(&slave);
	assert_ok(process_io_console(&b.io, master, NULL));
	assert_ok(ioctl(slave, TIOCGWINSZ, &size));
	assert_int_equal(size.ws_col, 100);
	assert_int_equal(size.ws_row, 30);
	assert_int_equal(write(in, "ls\n", 3), 3);
	rounds(&b, 4);
	expect(slave, "ls\n");
	assert_int_equal(write(slave, "file\n", 5), 5);
	process_io_exited(&b.io);
	rounds(&b, 4);
	expect(out, "file\n");
	assert_int_equal(read(out, c, 1), 0);
	assert_true(fdtable_get(&b.fds, "t/k8s.io/c1/i/pty") < 0);
	close(slave);
	close(in);
	close(out);
	bench_done(&b);
}

TEST(the_end_of_stdin_hangs_a_terminal_up)
{
	struct bench b;
	struct request_stdio paths;
	int in, slave;
	char c;

	bench_init(&b);
	paths = (struct request_stdio){
		.in = fifo(&b, "0"), .out = fifo(&b, "1"), .terminal = true
	};
	assert_int_equal(open_io(&b, &paths, false), 0);
	in = client(paths.in, O_WRONLY);
	assert_ok(process_io_console(&b.io, open_terminal(&slave), NULL));
	close(in);
	process_io_close_stdin(&b.io);
	rounds(&b, 4);
	assert_true(read(slave, &c, 1) <= 0); /* hung up */
	close(slave);
	bench_done(&b);
}

TEST(a_terminal_that_nobody_reads_does_not_fill)
{
	struct bench b;
	char line[1000];
	int slave;

	bench_init(&b);
	memset(line, 'x', sizeof(line));
	assert_int_equal(open_io(&b, &(struct request_stdio){ .terminal = true }, false), 0);
	assert_ok(process_io_console(&b.io, open_terminal(&slave), NULL));
	fd_set_nonblock(slave, true);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(write(slave, line, sizeof(line)), sizeof(line));
		rounds(&b, 2);
	}
	close(slave);
	bench_done(&b);
}

static void write_script(struct bench *b, const char *name, const char *body)
{
	int fd = openat(b->dir.fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, body, strlen(body)), strlen(body));
	close(fd);
}

static void read_text(struct bench *b, const char *name, char text[256])
{
	int fd = openat(b->dir.fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, text, 255);
	text[n > 0 ? n : 0] = '\0';
	close(fd);
}

TEST(a_logging_binary_gets_the_streams_its_arguments_and_its_environment)
{
	struct bench b;
	char uri[256], text[256];

	bench_init(&b);
	write_script(&b, "logger",
		"#!/bin/sh\n"
		"cd \"${0%/*}\"\n"
		"echo \"$# $* $CONTAINER_ID $CONTAINER_NAMESPACE ${HOME-none}\" > args\n"
		"exec 5>&-\n"
		"cat <&3 > out\n"
		"cat <&4 > err\n"
		"mv out out.done\n");
	snprintf(uri, sizeof(uri), "binary://%s/logger?k=v%%20w&flag&k=again", b.dir.path);
	assert_int_equal(open_io(&b, &(struct request_stdio){ .out = uri }, false), 1);
	for (int i = 0; i < 100 && !b.ready; i++)
		loop_round(b.loop, 50);
	assert_int_equal(b.ready, 1);
	assert_string_equal(b.error, "");
	assert_int_equal(write(b.io.child[1], "said", 4), 4);
	assert_int_equal(write(b.io.child[2], "wrong", 5), 5);
	process_io_made(&b.io);
	for (int i = 0; i < 100 && faccessat(b.dir.fd, "out.done", F_OK, 0) < 0; i++)
		loop_round(b.loop, 50);
	read_text(&b, "args", text);
	assert_string_equal(text, "4 k v w flag  c1 k8s.io none\n");
	read_text(&b, "out.done", text);
	assert_string_equal(text, "said");
	read_text(&b, "err", text);
	assert_string_equal(text, "wrong");
	process_io_close(&b.io);
	for (int i = 0; i < 100 && b.loggers.first; i++)
		loop_round(b.loop, 50);
	assert_null(b.loggers.first); /* reaped */
	bench_done(&b);
}

TEST(the_second_kind_of_logging_binary_must_say_that_it_is_ready)
{
	struct bench b;

	bench_init(&b);
	assert_int_equal(
		open_io(&b, &(struct request_stdio){ .out = "binary-v2:///bin/true" }, false), 1);
	for (int i = 0; i < 100 && !b.ready; i++)
		loop_round(b.loop, 50);
	assert_text_has(b.error, "did not call ready");
	process_io_close(&b.io);
	assert_int_equal(
		open_io(&b, &(struct request_stdio){ .out = "binary:///bin/true" }, false), 1);
	b.ready = 0;
	for (int i = 0; i < 100 && !b.ready; i++)
		loop_round(b.loop, 50);
	assert_string_equal(b.error, "");
	bench_done(&b);
}

TEST(pipes_belong_to_the_user_that_the_client_names)
{
	struct bench b;
	struct request_stdio paths;
	struct process_io_open o;
	struct stat st;

	if (geteuid() != 0)
		test_skip("giving files away needs root");
	bench_init(&b);
	paths = (struct request_stdio){ .in = fifo(&b, "0"), .out = fifo(&b, "1") };
	o = (struct process_io_open){ .env = &b.env,
		.ns = "n",
		.id = "c",
		.prefix = "t/n/c/i/",
		.paths = &paths,
		.uid = 1000,
		.gid = 1001 };
	assert_int_equal(process_io_open(&b.io, &o, NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_ok(fstat(b.io.child[i], &st));
		assert_int_equal(st.st_uid, 1000);
		assert_int_equal(st.st_gid, 1001);
	}
	bench_done(&b);
}
