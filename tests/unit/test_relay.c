/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/relay.h"

#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/clock.h"
#include "base/fd.h"
#include "test.h"

#define MIB (1 << 20)

struct bench {
	struct loop *loop;
	struct relay relay;
	bool ended;
	struct test_tmpdir dir;
};

static void on_ended(struct relay *r)
{
	container_of(r, struct bench, relay)->ended = true;
}

static void bench_init(struct bench *b)
{
	*b = (struct bench){ 0 };
	signal(SIGPIPE, SIG_IGN);
	assert_ok(loop_new(&b->loop));
	b->dir = test_tmpdir();
}

static void bench_done(struct bench *b)
{
	relay_stop(&b->relay);
	loop_free(b->loop);
	test_tmpdir_remove(&b->dir);
}

static void rounds(struct bench *b, int n)
{
	while (n-- > 0)
		assert_true(loop_round(b->loop, 0) >= 0);
}

/* The fifo as the shim opens it: both ends. */
static int open_fifo(struct bench *b, const char *name)
{
	int fd;

	assert_ok(mkfifoat(b->dir.fd, name, 0700));
	fd = openat(b->dir.fd, name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int open_reader(struct bench *b, const char *name)
{
	int fd = openat(b->dir.fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void make_pipe(int p[2], int nonblock_end)
{
	assert_ok(pipe2(p, O_CLOEXEC));
	assert_ok(fd_set_nonblock(p[nonblock_end], true));
}

static unsigned char byte_at(size_t i)
{
	return (unsigned char)(i * 2654435761u >> 13);
}

/* A child that writes `size` bytes of the pattern in pieces of odd sizes. */
static pid_t writer(int fd, size_t size)
{
	pid_t pid = fork();
	static unsigned char piece[70001];
	size_t at = 0;

	if (pid != 0)
		return pid;
	for (size_t n = 1; at < size; n = n * 7 % sizeof(piece) + 1) {
		if (n > size - at)
			n = size - at;
		for (size_t i = 0; i < n; i++)
			piece[i] = byte_at(at + i);
		if (fd_write_full(fd, piece, n) < 0)
			_exit(1);
		at += n;
	}
	_exit(0);
}

/* Take up to `max` bytes; false at the end of the file. */
static bool take(int fd, size_t *at, size_t max)
{
	static unsigned char data[65536];
	ssize_t n = read(fd, data, max < sizeof(data) ? max : sizeof(data));

	if (n < 0) {
		assert_int_equal(errno, EAGAIN);
		return true;
	}
	for (ssize_t i = 0; i < n; i++)
		if (data[i] != byte_at(*at + (size_t)i))
			fail_msg("byte %zu is wrong", *at + (size_t)i);
	*at += (size_t)n;
	return n > 0;
}

TEST(sixteen_mib_come_out_byte_by_byte_through_a_slow_reader)
{
	struct bench b;
	int p[2], fifo, reader;
	size_t at = 0;
	pid_t pid;

	bench_init(&b);
	make_pipe(p, 0);
	fifo = open_fifo(&b, "out");
	reader = open_reader(&b, "out");
	assert_ok(relay_start(&b.relay, b.loop, p[0], fifo, 0, on_ended));
	pid = writer(p[1], 16 * MIB);
	close(p[1]);
	for (size_t i = 1; !b.ended; i++) {
		loop_round(b.loop, 5);
		take(reader, &at, i * 997 % 50000 + 1);
	}
	close(fifo);
	while (take(reader, &at, 65536))
		;
	assert_int_equal(at, 16 * MIB);
	assert_int_equal(b.relay.moved, 16 * MIB);
	assert_int_equal(b.relay.lost, 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(p[0]);
	close(reader);
	bench_done(&b);
}

TEST(a_client_that_comes_and_goes_misses_nothing)
{
	struct bench b;
	int p[2], fifo;
	size_t at = 0;
	pid_t pid;

	bench_init(&b);
	make_pipe(p, 0);
	fifo = open_fifo(&b, "out");
	assert_ok(relay_start(&b.relay, b.loop, p[0], fifo, 0, on_ended));
	pid = writer(p[1], 2 * MIB);
	close(p[1]);
	while (!b.ended) {
		int reader = open_reader(&b, "out");

		for (int i = 0; i < 5; i++) {
			loop_round(b.loop, 5);
			take(reader, &at, 30000);
		}
		close(reader);
		loop_round(b.loop, 1);
	}
	while (at < 2 * MIB)
		take(fifo, &at, 65536);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(p[0]);
	close(fifo);
	bench_done(&b);
}

TEST(small_writes_that_nobody_reads_find_as_much_room_as_large_ones)
{
	struct bench b;
	int p[2], fifo, bytes = 0;
	char data[10] = "123456789";
	size_t written = 0, read_ = 0;

	bench_init(&b);
	make_pipe(p, 0);
	fd_set_nonblock(p[1], true);
	fifo = open_fifo(&b, "out");
	assert_ok(relay_start(&b.relay, b.loop, p[0], fifo, 0, on_ended));
	while (write(p[1], data, sizeof(data)) == sizeof(data)) {
		written += sizeof(data);
		rounds(&b, 1);
		if (written % 100 == 0) /* slowly: a page each, in the fifo */
			usleep(300);
	}
	assert_true(written >= 131072);
	assert_ok(ioctl(fifo, FIONREAD, &bytes));
	assert_true(bytes > 0);
	close(p[1]);
	while (!b.ended || bytes > 0) {
		char got[4096];
		ssize_t n = read(fifo, got, sizeof(got));

		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(got[i], data[(read_ + (size_t)i) % sizeof(data)]);
		read_ += n > 0 ? (size_t)n : 0;
		rounds(&b, 2);
		assert_ok(ioctl(fifo, FIONREAD, &bytes));
	}
	assert_int_equal(read_, written);
	close(p[0]);
	close(fifo);
	bench_done(&b);
}

/* A program that writes all the time is listened to now and then; the bytes stay what they are. */
TEST(a_stream_in_a_hurry_is_paced_and_arrives_whole)
{
	struct bench b;
	struct rusage before, after;
	int p[2], fifo, rounds_ = 0;
	size_t at = 0;
	pid_t pid;

	bench_init(&b);
	make_pipe(p, 0);
	fifo = open_fifo(&b, "out");
	pid = fork();
	if (pid == 0) {
		uint32_t line[64];

		for (uint32_t n = 0; n < 64 * 32768;) {
			for (int i = 0; i < 64; i++)
				line[i] = n++;
			if (write(p[1], line, sizeof(line)) != sizeof(line))
				_exit(1);
		}
		_exit(0);
	}
	close(p[1]);
	assert_ok(relay_start(&b.relay, b.loop, p[0], fifo, 0, on_ended));
	while (at < 8 * MIB) {
		uint32_t got[16384];
		ssize_t n;

		loop_round(b.loop, 5);
		rounds_++;
		while ((n = read(fifo, got, sizeof(got))) > 0) {
			assert_int_equal(n % 4, 0);
			for (ssize_t i = 0; i < n / 4; i++)
				assert_int_equal(got[i], at / 4 + (size_t)i);
			at += (size_t)n;
		}
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	while (!b.ended)
		loop_round(b.loop, 5);
	getrusage(RUSAGE_SELF, &before);
	for (int i = 0; i < 5; i++)
		loop_round(b.loop, 10);
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_nvcsw - before.ru_nvcsw >= 4);
	assert_true(rounds_ < 32768); /* fewer than writes */
	close(p[0]);
	close(fifo);
	bench_done(&b);
}

/* A stream that has become one in a hurry: the program wrote much by little, the client read it. */
static void hurry(struct bench *b, int in, int reader)
{
	char page[4096] = { 0 }, got[4096];

	for (int i = 0; i < 100000 && !b->relay.paced; i++) {
		assert_int_equal(write(in, page, sizeof(page)), sizeof(page));
		rounds(b, 1);
		while (read(reader, got, sizeof(got)) > 0)
			;
	}
	assert_true(b->relay.paced);
}

/* The reader had been slow at first, and what was written were single bytes. */
TEST(a_hurry_widens_the_output_also_where_the_input_has_been_widened_before)
{
	struct bench b;
	int p[2], fifo;
	char got[4096];

	bench_init(&b);
	make_pipe(p, 0);
	fd_set_nonblock(p[1], true);
	fifo = open_fifo(&b, "out");
	assert_ok(relay_start(&b.relay, b.loop, p[0], fifo, 0, on_ended));
	for (int i = 0; i < 100; i++) { /* a place in the output each */
		assert_int_equal(write(p[1], "x", 1), 1);
		usleep(300);
		rounds(&b, 2);
	}
	assert_true(fcntl(p[0], F_GETPIPE_SZ) > 65536);
	while (read(fifo, got, sizeof(got)) > 0)
		rounds(&b, 1);
	hurry(&b, p[1], fifo);
	assert_int_equal(fcntl(fifo, F_GETPIPE_SZ), fcntl(p[0], F_GETPIPE_SZ));
	close(p[0]);
	close(p[1]);
	close(fifo);
	bench_done(&b);
}

/* Not every user may have a large fifo: then what fits in is moved more often, not as rarely as if all had been moved. */
TEST(an_output_that_holds_little_is_filled_more_often)
{
	struct bench b;
	int p[2], fifo;
	uint64_t at_first;
	char page[4096] = { 0 }, got[4096];

	bench_init(&b);
	make_pipe(p, 0);
	fd_set_nonblock(p[1], true);
	fifo = open_fifo(&b, "out");
	assert_ok(relay_start(&b.relay, b.loop, p[0], fifo, 0, on_ended));
	hurry(&b, p[1], fifo);
	at_first = b.relay.pace_ns;
	assert_true(fcntl(fifo, F_SETPIPE_SZ, 65536) == 65536);
	for (uint64_t end = b.relay.moved + 4 * MIB; b.relay.moved < end;) {
		while (write(p[1], page, sizeof(page)) > 0)
			;
		assert_true(loop_round(b.loop, 5) >= 0);
		while (read(fifo, got, sizeof(got)) > 0)
			;
	}
	assert_true(b.relay.pace_ns <= at_first / 4);
	close(p[0]);
	close(p[1]);
	close(fifo);
	bench_done(&b);
}

TEST(without_a_reader_the_writer_is_held_and_nothing_spins)
{
	struct bench b;
	struct rusage before, after;
	int p[2], fifo, full = 0;
	char data[4096] = { 0 };
	size_t written = 0;

	bench_init(&b);
	make_pipe(p, 0);
	fd_set_nonblock(p[1], true);
	fifo = open_fifo(&b, "out");
	assert_ok(relay_start(&b.relay, b.loop, p[0], fifo, 0, on_ended));
	while (full < 3) {
		ssize_t n = write(p[1], data, sizeof(data));

		written += n > 0 ? (size_t)n : 0;
		full += n < 0;
		rounds(&b, 2);
	}
	assert_in_range(written, 100000, 1200000); /* two pipes' worth */
	getrusage(RUSAGE_SELF, &before);
	for (int i = 0; i < 10; i++)
		loop_round(b.loop, 10);
	getrusage(RUSAGE_SELF, &after);
	assert_in_range(after.ru_nvcsw - before.ru_nvcsw, 9, 1000); /* every round slept */
	close(p[1]); /* a hang-up behind a full output does not spin either */
	rounds(&b, 2);
	getrusage(RUSAGE_SELF, &before);
	for (int i = 0; i < 10; i++)
		loop_round(b.loop, 10);
	getrusage(RUSAGE_SELF, &after);
	assert_in_range(after.ru_nvcsw - before.ru_nvcsw, 9, 1000);
	assert_false(b.ended);
	while (!b.ended) {
		(void)!read(fifo, data, sizeof(data));
		rounds(&b, 2);
	}
	close(p[0]);
	close(fifo);
	bench_done(&b);
}

TEST(the_end_of_the_input_is_the_end_and_comes_from_the_loop)
{
	struct bench b;
	int p[2], fifo;
	char c;

	bench_init(&b);
	make_pipe(p, 0);
	fifo = open_fifo(&b, "out");
	assert_ok(relay_start(&b.relay, b.loop, p[0], fifo, 0, on_ended));
	assert_int_equal(write(p[1], "x", 1), 1);
	close(p[1]);
	relay_pump(&b.relay);
	assert_false(b.ended);
	rounds(&b, 2);
	assert_true(b.ended);
	assert_int_equal(read(fifo, &c, 1), 1);
	close(p[0]);
	close(fifo);
	bench_done(&b);
}

TEST(a_pump_moves_at_once)
{
	struct bench b;
	int p[2], fifo;
	char c[8];

	bench_init(&b);
	make_pipe(p, 0);
	fifo = open_fifo(&b, "out");
	assert_ok(relay_start(&b.relay, b.loop, p[0], fifo, 0, on_ended));
	assert_int_equal(write(p[1], "hello", 5), 5);
	relay_pump(&b.relay);
	assert_int_equal(read(fifo, c, sizeof(c)), 5);
	close(p[1]);
	close(p[0]);
	close(fifo);
	bench_done(&b);
}

TEST(stdin_ends_when_its_program_has_closed_it)
{
	struct bench b;
	int p[2], fifo;

	bench_init(&b);
	make_pipe(p, 1);
	fifo = open_fifo(&b, "in");
	assert_ok(relay_start(&b.relay, b.loop, fifo, p[1], 0, on_ended));
	rounds(&b, 2);
	close(p[0]);
	rounds(&b, 2);
	assert_false(b.ended); /* noticed with the next byte */
	assert_int_equal(write(fifo, "x", 1), 1);
	rounds(&b, 3);
	assert_true(b.ended);
	close(p[1]);
	close(fifo);
	bench_done(&b);
}

TEST(stdin_ends_after_close_io_and_the_last_client_writer)
{
	struct bench b;
	int p[2], fifo, client, reader;
	char c[16];

	bench_init(&b);
	make_pipe(p, 1);
	fifo = open_fifo(&b, "in");
	client = openat(b.dir.fd, "in", O_WRONLY | O_CLOEXEC);
	assert_ok(relay_start(&b.relay, b.loop, fifo, p[1], 0, on_ended));
	assert_int_equal(write(client, "one", 3), 3);
	reader = open_reader(&b, "in");
	assert_ok(relay_replace_in(&b.relay, reader));
	close(fifo);
	rounds(&b, 3);
	assert_false(b.ended); /* the client still writes */
	assert_int_equal(write(client, "two", 3), 3);
	close(client);
	rounds(&b, 3);
	assert_true(b.ended);
	close(p[1]);
	assert_int_equal(read(p[0], c, 3), 3);
	assert_int_equal(read(p[0], c + 3, sizeof(c) - 3), 3);
	assert_memory_equal(c, "onetwo", 6);
	assert_int_equal(read(p[0], c, 1), 0);
	close(p[0]);
	close(reader);
	bench_done(&b);
}

TEST(a_file_that_appends_gets_everything)
{
	struct bench b;
	int p[2], out, in;
	size_t at = 0;
	pid_t pid;

	bench_init(&b);
	make_pipe(p, 0);
	out = openat(b.dir.fd, "log", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	assert_ok(relay_start(&b.relay, b.loop, p[0], out, 0, on_ended));
	pid = writer(p[1], 3 * MIB);
	close(p[1]);
	while (!b.ended)
		loop_round(b.loop, 100);
	in = open_reader(&b, "log");
	while (take(in, &at, 65536))
		;
	assert_int_equal(at, 3 * MIB);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(in);
	close(out);
	close(p[0]);
	bench_done(&b);
}

TEST(an_output_that_fails_costs_bytes_and_not_the_stream)
{
	struct bench b;
	int p[2], out = open("/dev/full", O_WRONLY | O_CLOEXEC);
	pid_t pid;

	bench_init(&b);
	assert_true(out >= 0);
	make_pipe(p, 0);
	assert_ok(relay_start(&b.relay, b.loop, p[0], out, 0, on_ended));
	pid = writer(p[1], MIB);
	close(p[1]);
	while (!b.ended)
		loop_round(b.loop, 100);
	assert_int_equal(b.relay.lost, MIB);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(out);
	close(p[0]);
	bench_done(&b);
}

TEST(without_an_output_everything_is_read_and_dropped)
{
	struct bench b;
	int p[2];
	pid_t pid;

	bench_init(&b);
	make_pipe(p, 0);
	assert_ok(relay_start(&b.relay, b.loop, p[0], -EBADF, 0, on_ended));
	pid = writer(p[1], MIB);
	close(p[1]);
	while (!b.ended)
		loop_round(b.loop, 100);
	assert_int_equal(b.relay.lost, 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(p[0]);
	bench_done(&b);
}

static void open_terminal(int *master, char name[64])
{
	struct termios raw;
	int slave;

	assert_ok(openpty(master, &slave, name, NULL, NULL));
	assert_ok(tcgetattr(slave, &raw));
	cfmakeraw(&raw);
	assert_ok(tcsetattr(slave, TCSANOW, &raw));
	close(slave);
	assert_ok(fd_set_nonblock(*master, true));
}

TEST(a_terminal_nobody_has_open_waits_and_does_not_spin)
{
	struct bench b;
	struct rusage before, after;
	int master, slave, fifo;
	char name[64], c[16];

	bench_init(&b);
	open_terminal(&master, name);
	fifo = open_fifo(&b, "out");
	assert_ok(relay_start(&b.relay, b.loop, master, fifo, RELAY_FROM_TTY, on_ended));
	rounds(&b, 3);
	getrusage(RUSAGE_SELF, &before);
	for (int i = 0; i < 10; i++)
		loop_round(b.loop, 10);
	getrusage(RUSAGE_SELF, &after);
	assert_in_range(after.ru_nvcsw - before.ru_nvcsw, 9, 1000);
	for (int i = 0; i < 3; i++) { /* a shell that opens its terminal anew */
		slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
		assert_true(slave >= 0);
		assert_int_equal(write(slave, "hi", 2), 2);
		close(slave);
		loop_round(b.loop, 100);
		rounds(&b, 2);
		assert_int_equal(read(fifo, c, sizeof(c)), 2);
		assert_false(b.ended);
	}
	relay_finish(&b.relay);
	rounds(&b, 2);
	assert_true(b.ended);
	close(master);
	close(fifo);
	bench_done(&b);
}

TEST(a_terminal_s_last_output_comes_out_after_the_exit)
{
	struct bench b;
	int master, slave, fifo, reader, status;
	size_t at = 0;
	char name[64];
	pid_t pid;

	bench_init(&b);
	open_terminal(&master, name);
	fifo = open_fifo(&b, "out");
	reader = open_reader(&b, "out");
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_ok(relay_start(&b.relay, b.loop, master, fifo, RELAY_FROM_TTY, on_ended));
	pid = writer(slave, MIB);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		loop_round(b.loop, 1);
		take(reader, &at, 3000);
	}
	assert_int_equal(status, 0);
	relay_finish(&b.relay); /* a job in the background still has it open: `slave` */
	while (!b.ended) {
		loop_round(b.loop, 1);
		take(reader, &at, 3000);
	}
	close(fifo);
	while (take(reader, &at, 65536))
		;
	assert_int_equal(at, MIB);
	assert_null(b.relay.buffer); /* spliced */
	close(slave);
	close(master);
	close(reader);
	bench_done(&b);
}

static void make_spool(struct relay *r)
{
	struct err err = { 0 };

	r->need_spool = NULL;
	assert_ok(spool_make(&r->spool, &err));
}

/* Slowly, so that each is taken for itself: 20 bytes are far less than a place of the fifo. */
TEST(small_writes_of_a_terminal_that_nobody_reads_do_not_hold_it_up)
{
	struct bench b;
	int master, slave, fifo;
	char name[64], line[48], got[4096];
	size_t at = 0;

	bench_init(&b);
	open_terminal(&master, name);
	slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(slave >= 0);
	fifo = open_fifo(&b, "out");
	assert_ok(relay_start(&b.relay, b.loop, master, fifo, RELAY_FROM_TTY, on_ended));
	b.relay.need_spool = make_spool;
	for (int i = 0; i < 3000; i++) {
		snprintf(line, sizeof(line), "this is line %06d\n", i);
		assert_int_equal(write(slave, line, 20), 20);
		loop_round(b.loop, 20);
	}
	assert_true(b.relay.spool.pipe >= 0);
	close(slave);
	relay_pump_all(&b.relay);
	relay_finish(&b.relay);
	rounds(&b, 2);
	assert_true(b.ended); /* all is in the fifo */
	for (ssize_t n; (n = read(fifo, got, sizeof(got))) > 0;)
		for (ssize_t i = 0; i < n; i++, at++) {
			snprintf(line, sizeof(line), "this is line %06zu\n", at / 20);
			assert_int_equal(got[i], line[at % 20]);
		}
	assert_int_equal(at, 60000);
	assert_int_equal(b.relay.moved, 60000);
	fd_close(b.relay.spool.pipe);
	fd_close(b.relay.spool.in);
	fd_close(b.relay.spool.out);
	close(master);
	close(fifo);
	bench_done(&b);
}

TEST(what_a_client_types_reaches_the_terminal)
{
	struct bench b;
	int master, slave, fifo;
	char name[64], c[16];

	bench_init(&b);
	open_terminal(&master, name);
	slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	fifo = open_fifo(&b, "in");
	assert_ok(relay_start(&b.relay, b.loop, fifo, master, 0, on_ended));
	assert_int_equal(write(fifo, "ls\n", 3), 3);
	rounds(&b, 3);
	usleep(10000); /* the terminal's own queue */
	assert_int_equal(read(slave, c, sizeof(c)), 3);
	close(slave);
	close(master);
	close(fifo);
	bench_done(&b);
}

TEST(a_stopped_relay_calls_nobody)
{
	struct bench b;
	int p[2], fifo;

	bench_init(&b);
	make_pipe(p, 0);
	fifo = open_fifo(&b, "out");
	assert_ok(relay_start(&b.relay, b.loop, p[0], fifo, 0, on_ended));
	close(p[1]);
	relay_pump(&b.relay);
	relay_stop(&b.relay);
	relay_stop(&b.relay);
	rounds(&b, 3);
	assert_false(b.ended);
	close(p[0]);
	close(fifo);
	bench_done(&b);
}
