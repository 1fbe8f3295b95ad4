/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>

#include "base/fd.h"
#include "event/log_room.h"

struct fixture {
	struct loop *loop;
	struct log log;
	struct log_room room;
	int reader;
};

static char got[1 << 17];

static void begin(struct fixture *f)
{
	int fds[2];

	assert_ok(loop_new(&f->loop));
	assert_ok(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	f->reader = fds[0];
	f->log = (struct log){ .fd = fds[1], .format = LOG_PLAIN };
	log_room_begin(&f->room, f->loop, &f->log);
}

static void lose(struct fixture *f)
{
	while (f->log.dropped == 0)
		log_write(&f->log, LOG_INFO_, "%01000d", 1);
}

static void end(struct fixture *f)
{
	log_room_done(&f->room);
	log_room_done(&f->room);
	assert_null(f->log.lost);
	loop_free(f->loop);
	if (f->reader >= 0)
		close(f->reader);
	close(f->log.fd);
}

static const char *drain(int fd)
{
	size_t n = 0;
	ssize_t now;

	while ((now = read(fd, got + n, sizeof(got) - 1 - n)) > 0)
		n += (size_t)now;
	got[n] = '\0';
	return got;
}

TEST(what_was_lost_is_said_when_there_is_room_and_once)
{
	struct fixture f = { 0 };

	begin(&f);
	lose(&f);
	assert_int_equal(loop_round(f.loop, 0), 0);
	assert_int_equal(f.log.unsaid, 1);
	drain(f.reader);
	alarm(20);
	while (f.log.unsaid > 0)
		assert_ok(loop_round(f.loop, -1));
	alarm(0);
	assert_text_has(drain(f.reader), "warning: 1 lines lost");
	assert_null(f.room.source.loop);
	assert_ok(loop_round(f.loop, 0));
	assert_string_equal(drain(f.reader), "");
	end(&f);
}

/* Else the loop would find it ready for ever. */
TEST(a_log_without_a_reader_is_left_alone)
{
	struct fixture f = { 0 };

	begin(&f);
	signal(SIGPIPE, SIG_IGN);
	lose(&f);
	f.reader = fd_close(f.reader);
	assert_non_null(f.room.source.loop);
	assert_ok(loop_round(f.loop, 0));
	assert_null(f.room.source.loop);
	log_write(&f.log, LOG_INFO_, "tries again");
	assert_int_equal(f.log.dropped, 2);
	assert_non_null(f.room.source.loop);
	end(&f);
}

TEST(another_log_is_told_at_once)
{
	struct fixture f = { 0 };
	int fds[2];

	begin(&f);
	lose(&f);
	assert_ok(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	close(f.log.fd);
	f.log.fd = fds[1];
	log_room_moved(&f.room);
	assert_text_has(drain(fds[0]), "1 lines lost");
	assert_null(f.room.source.loop);
	close(fds[0]);
	end(&f);
}

TEST(without_a_log_there_is_nothing_to_do)
{
	struct log_room r;

	log_room_begin(&r, NULL, NULL);
	log_room_moved(&r);
	log_room_done(&r);
}
