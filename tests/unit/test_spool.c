/* SPDX-License-Identifier: Apache-2.0 */
/* MGR-38, of a terminal whose reader is behind. */
#include "supervisor/spool.h"

#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/clock.h"
#include "base/fd.h"
#include "supervisor/relay.h"
#include "test.h"

#define WORKERS 150

static void open_terminal(int *master, int *slave)
{
	struct termios raw;

	assert_ok(openpty(master, slave, NULL, NULL, NULL));
	assert_ok(tcgetattr(*slave, &raw));
	cfmakeraw(&raw);
	assert_ok(tcsetattr(*slave, TCSANOW, &raw));
	assert_ok(fd_set_nonblock(*master, true));
}

static void make_spool(struct spool *s)
{
	struct err err = { 0 };

	assert_ok(spool_make(s, &err));
	assert_int_equal(spool_bytes(s), 0);
}

static void close_spool(struct spool *s)
{
	fd_close(s->pipe);
	fd_close(s->in);
	fd_close(s->out);
	*s = SPOOL_NULL;
}

/* As what another process makes of the fds. */
static struct spool as_found(const struct spool *s)
{
	struct spool again = { .pipe = s->pipe, .in = s->in, .out = s->out };

	assert_ok(spool_resume(&again));
	return again;
}

static void says(int slave, const char *text)
{
	assert_int_equal(write(slave, text, strlen(text)), strlen(text));
}

/* What a terminal says comes to its other side in the kernel's own time. */
static void fill(struct spool *s, int master, size_t bytes)
{
	while (spool_bytes(s) < bytes) {
		ssize_t n = spool_fill(s, master);

		assert_true(n > 0 || n == -EAGAIN);
	}
}

static void holds(int pipe, const char *text)
{
	char got[64];
	ssize_t n = read(pipe, got, sizeof(got));

	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, n);
}

TEST(what_goes_in_comes_out_in_order_and_is_found_by_others)
{
	struct spool s, other;
	int master, slave, p[2];

	open_terminal(&master, &slave);
	assert_ok(pipe2(p, O_CLOEXEC | O_NONBLOCK));
	make_spool(&s);
	assert_int_equal(spool_fill(&s, master), -EAGAIN);
	says(slave, "one");
	fill(&s, master, 3);
	says(slave, "two");
	fill(&s, master, 6);
	other = as_found(&s);
	assert_int_equal(spool_bytes(&other), 6);
	assert_int_equal(spool_drain(&other, p[1]), 6);
	holds(p[0], "onetwo");
	assert_int_equal(spool_bytes(&other), 0);
	s = as_found(&other);
	assert_int_equal(spool_bytes(&s), 0);
	says(slave, "three");
	fill(&s, master, 5);
	assert_int_equal(spool_drain(&s, p[1]), 5);
	holds(p[0], "three");
	close_spool(&s);
	close(master);
	close(slave);
	close(p[0]);
	close(p[1]);
}

/* Between the two calls that bring bytes in. */
TEST(bytes_that_are_in_the_pipe_are_younger_than_those_in_the_file)
{
	struct spool s;
	int master, slave, p[2];

	open_terminal(&master, &slave);
	assert_ok(pipe2(p, O_CLOEXEC | O_NONBLOCK));
	make_spool(&s);
	says(slave, "old");
	fill(&s, master, 3);
	assert_int_equal(write(s.pipe, "young", 5), 5);
	s = as_found(&s);
	assert_int_equal(spool_bytes(&s), 8);
	assert_int_equal(spool_drain(&s, p[1]), 3);
	assert_int_equal(spool_drain(&s, p[1]), 5);
	holds(p[0], "oldyoung");
	assert_int_equal(write(s.pipe, "in", 2), 2);
	s = as_found(&s);
	assert_int_equal(spool_fill(&s, master), 2); /* into the file */
	assert_int_equal(write(s.pipe, "out", 3), 3);
	s = as_found(&s);
	assert_int_equal(spool_drain(&s, p[1]), 2);
	assert_int_equal(spool_drain(&s, p[1]), 3);
	holds(p[0], "inout");
	close_spool(&s);
	close(master);
	close(slave);
	close(p[0]);
	close(p[1]);
}

/* Between the calls that make it begin anew. */
TEST(a_file_that_was_being_emptied_is_empty)
{
	struct spool s;
	int master, slave, p[2];

	open_terminal(&master, &slave);
	assert_ok(pipe2(p, O_CLOEXEC | O_NONBLOCK));
	for (int cut = 0; cut < 3; cut++) {
		make_spool(&s);
		assert_int_equal(lseek(s.in, 7, SEEK_SET), 7);
		assert_int_equal(lseek(s.out, 7, SEEK_SET), 7);
		assert_ok(ftruncate(s.in, cut == 0 ? 7 : 0));
		if (cut == 2)
			assert_int_equal(lseek(s.in, 0, SEEK_SET), 0);
		s = as_found(&s);
		assert_int_equal(spool_bytes(&s), 0);
		says(slave, "new");
		fill(&s, master, 3);
		assert_int_equal(spool_drain(&s, p[1]), 3);
		holds(p[0], "new");
		close_spool(&s);
	}
	close(master);
	close(slave);
	close(p[0]);
	close(p[1]);
}

/* The pipe has the file's own pages. */
TEST(what_waits_in_the_pipe_stays_as_it_is_while_the_file_is_used_again)
{
	struct spool s;
	int master, slave, p[2];
	char text[16];

	open_terminal(&master, &slave);
	assert_ok(pipe2(p, O_CLOEXEC | O_NONBLOCK));
	make_spool(&s);
	for (int i = 0; i < 16; i++) {
		snprintf(text, sizeof(text), "<%04d>", i);
		says(slave, text);
		fill(&s, master, 6);
		assert_int_equal(spool_drain(&s, p[1]), 6);
	}
	says(slave, "more");
	fill(&s, master, 4);
	assert_int_equal(spool_drain(&s, p[1]), -EAGAIN);
	for (int i = 0; i < 16; i++) {
		char got[8] = { 0 };

		snprintf(text, sizeof(text), "<%04d>", i);
		assert_int_equal(read(p[0], got, 6), 6);
		assert_string_equal(got, text);
	}
	close_spool(&s);
	close(master);
	close(slave);
	close(p[0]);
	close(p[1]);
}

TEST(it_takes_no_more_than_it_is_for)
{
	struct spool s;
	int master, slave, p[2];
	static char data[4096], got[65536];
	size_t taken = 0;

	memset(data, 'x', sizeof(data));
	open_terminal(&master, &slave);
	assert_ok(fd_set_nonblock(slave, true));
	assert_ok(pipe2(p, O_CLOEXEC | O_NONBLOCK));
	make_spool(&s);
	while (spool_bytes(&s) < SPOOL_SIZE) {
		(void)!write(slave, data, sizeof(data));
		(void)spool_fill(&s, master);
	}
	assert_int_equal(spool_bytes(&s), SPOOL_SIZE);
	(void)!write(slave, data, sizeof(data));
	assert_int_equal(spool_fill(&s, master), -EAGAIN);
	while (spool_bytes(&s) > 0) {
		assert_true(spool_drain(&s, p[1]) > 0);
		taken += (size_t)read(p[0], got, sizeof(got));
	}
	assert_int_equal(taken, SPOOL_SIZE);
	while (spool_fill(&s, master) < 0) /* there is room again */
		;
	close_spool(&s);
	close(master);
	close(slave);
	close(p[0]);
	close(p[1]);
}

/* ---- workers that die ---- */

struct stream {
	int master, slave, fifo[2];
	struct spool spool;
};

static void never(struct relay *r)
{
}

static void be_worker(const struct stream *t)
{
	struct relay relay;
	struct loop *loop;

	if (loop_new(&loop) < 0 ||
		relay_start(&relay, loop, t->master, t->fifo[1], RELAY_FROM_TTY, never) < 0)
		_exit(1);
	relay.spool = t->spool;
	if (spool_resume(&relay.spool) < 0)
		_exit(1);
	relay_pump(&relay);
	while (loop_round(loop, -1) >= 0)
		;
	_exit(1);
}

/* Numbers, mostly one at a time, now and then many. */
static void be_program(const struct stream *t)
{
	uint32_t line[2000];

	for (uint32_t n = 0, turn = 0;; turn++) {
		size_t count = turn % 50 == 49 ? 2000 : 1 + turn % 3;

		for (size_t i = 0; i < count; i++)
			line[i] = n++;
		if (fd_write_full(t->slave, line, count * sizeof(*line)) < 0)
			_exit(1);
	}
}

struct count {
	uint32_t next;
	size_t odd;
	unsigned char part[4];
};

static void take(struct count *c, const unsigned char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint32_t number;

		c->part[c->odd++] = data[i];
		if (c->odd < 4)
			continue;
		c->odd = 0;
		memcpy(&number, c->part, 4);
		if (number != c->next)
			fail_msg("%u instead of %u", number, c->next);
		c->next++;
	}
}

static pid_t child_of(void (*be)(const struct stream *), const struct stream *t)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		be(t);
	return pid;
}

static void end(pid_t pid)
{
	assert_ok(kill(pid, SIGKILL));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* One that takes little at a time, so that the pipe is full; and now and then one that takes all. */
TEST(workers_that_are_killed_lose_and_repeat_no_byte)
{
	struct count c = { 0 };
	struct stream t;
	unsigned int held = 0;
	pid_t program;
	static unsigned char data[65536];

	signal(SIGPIPE, SIG_IGN);
	open_terminal(&t.master, &t.slave);
	assert_ok(pipe2(t.fifo, O_CLOEXEC | O_NONBLOCK));
	make_spool(&t.spool);
	program = child_of(be_program, &t);
	for (unsigned int i = 0; i < WORKERS; i++) {
		pid_t worker = child_of(be_worker, &t);
		uint32_t enough = c.next + 200 * (i % 7);
		bool slow = i / 10 % 2 == 0;

		for (unsigned int turn = 0; turn < 40 || c.next < enough; turn++) {
			ssize_t n = read(t.fifo[0], data, slow ? 1 + turn % 90 : sizeof(data));

			if (n > 0)
				take(&c, data, (size_t)n);
			else
				usleep(50);
		}
		if (i % 5 == 0) /* and a reader that is not there at all */
			usleep(3000);
		end(worker);
		t.spool = as_found(&t.spool);
		held += spool_bytes(&t.spool) > 0;
	}
	end(program);
	printf("# %u of %u workers left bytes in the spool; %u numbers\n", held,
		(unsigned int)WORKERS, c.next);
	assert_true(held > 0);
	assert_true(c.next > 10000);
	close_spool(&t.spool);
	close(t.master);
	close(t.slave);
	close(t.fifo[0]);
	close(t.fifo[1]);
}
