/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

static char got[8192];

static const char *drain(int fd)
{
	ssize_t n = read(fd, got, sizeof(got) - 1);

	got[n > 0 ? n : 0] = '\0';
	return got;
}

static int pipe_log(struct log *log, enum log_format format)
{
	int p[2];

	assert_ok(pipe2(p, O_CLOEXEC | O_NONBLOCK));
	*log = (struct log){ .fd = p[1], .level = LOG_INFO_, .format = format };
	return p[0];
}

TEST(json_has_just_the_three_keys_and_a_time_that_parses)
{
	struct log log;
	int fd = pipe_log(&log, LOG_JSON), keys = 0;
	struct json_object *o, *v;
	uint64_t ns;

	log_write(&log, LOG_ERROR_, "open '%s'", "a\"b\n\x01\xff/");
	o = json_tokener_parse(drain(fd));
	assert_non_null(o);
	json_object_object_foreach(o, key, value) keys += key && value;
	assert_int_equal(keys, 3);
	assert_true(json_object_object_get_ex(o, "level", &v));
	assert_string_equal(json_object_get_string(v), "error");
	assert_true(json_object_object_get_ex(o, "msg", &v));
	assert_string_equal(json_object_get_string(v), "open 'a\"b\n\x01\xef\xbf\xbd/'");
	assert_true(json_object_object_get_ex(o, "time", &v));
	assert_ok(clock_parse_rfc3339(json_object_get_string(v), &ns));
	assert_true(clock_wall_ns() - ns < 60 * NS_PER_SEC);
	json_object_put(o);
	assert_int_equal(got[strlen(got) - 1], '\n');
	close(fd);
	close(log.fd);
}

TEST(every_format_is_one_line)
{
	for (enum log_format format = LOG_TEXT; format <= LOG_PLAIN; format++) {
		struct log log;
		int fd = pipe_log(&log, format);

		log_write(&log, LOG_WARN_, "two\nlines\x1b[0m");
		drain(fd);
		assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1);
		assert_null(strchr(got, '\x1b'));
		assert_text_has(got, "warning");
		close(fd);
		close(log.fd);
	}
}

TEST(logrus_has_its_shape)
{
	struct log log;
	int fd = pipe_log(&log, LOG_LOGRUS);

	log_write(&log, LOG_INFO_, "hi \"x\"");
	drain(fd);
	assert_memory_equal(got, "time=\"20", 8);
	assert_text_has(got, "Z\" level=info msg=\"hi \\\"x\\\"\"\n");
	close(fd);
	close(log.fd);
}

TEST(a_journal_is_told_the_priority)
{
	struct log log;
	int fd = pipe_log(&log, LOG_PLAIN);

	log.priorities = true;
	log_write(&log, LOG_WARN_, "x");
	assert_string_equal(drain(fd), "<4>warning: x\n");
	log.format = LOG_JSON;
	log_write(&log, LOG_ERROR_, "x");
	assert_memory_equal(drain(fd), "<3>{\"level\":\"error\"", 19);
	close(fd);
	close(log.fd);
}

TEST(records_below_the_level_are_dropped_silently)
{
	struct log log, nowhere = { .fd = -EBADF };
	int fd = pipe_log(&log, LOG_TEXT);

	log_write(&log, LOG_DEBUG_, "x");
	assert_string_equal(drain(fd), "");
	assert_int_equal(log.dropped, 0);
	log_write(&nowhere, LOG_FATAL_, "x");
	log_write(NULL, LOG_FATAL_, "x");
	assert_int_equal(nowhere.dropped, 0);
	close(fd);
	close(log.fd);
}

TEST(what_cannot_be_written_is_counted_and_does_not_block)
{
	struct log log;
	int fd = pipe_log(&log, LOG_TEXT);

	errno = 4711;
	for (int i = 0; i < 3000; i++)
		log_write(&log, LOG_ERROR_, "%0100d", i);
	assert_true(log.dropped > 0 && log.dropped < 3000);
	assert_int_equal(errno, 4711);
	close(fd);
	close(log.fd);
}

static void fill(int fd)
{
	static const char data[4096];

	assert_ok(fd_set_nonblock(fd, true));
	for (size_t n = sizeof(data); n > 0; n /= 2)
		while (write(fd, data, n) > 0)
			;
	assert_ok(fd_set_nonblock(fd, false));
}

static void empty(int fd)
{
	assert_ok(fd_set_nonblock(fd, true));
	while (read(fd, got, sizeof(got)) > 0)
		;
}

/* A pipe or a socket that others share with us, who may want to wait. */
static void lines_are_lost_and_counted(struct log *log, int reader)
{
	int shared = log->fd;

	alarm(20);
	log_no_wait(log);
	fill(shared);
	for (int i = 0; i < 3; i++)
		log_write(log, LOG_ERROR_, "nobody reads this");
	assert_int_equal(log->dropped, 3);
	assert_true(log_say_lost(log) < 0);
	assert_int_equal(fcntl(shared, F_GETFL) & O_NONBLOCK, 0);
	empty(reader);
	log_write(log, LOG_INFO_, "read again");
	drain(reader);
	alarm(0);
	assert_text_has(got, "warning: 3 lines lost: ");
	assert_text_has(strstr(got, "lost"), "info: read again\n");
	assert_int_equal(log->unsaid, 0);
	assert_ok(log_say_lost(log));
	assert_string_equal(drain(reader), "");
	assert_int_equal(log->dropped, 3);
	if (log->fd != shared)
		close(log->fd);
	close(shared);
	close(reader);
}

static struct log shared_log(const int fds[2])
{
	return (struct log){ .fd = fds[1], .level = LOG_INFO_, .format = LOG_PLAIN };
}

TEST(a_pipe_that_is_shared_is_not_waited_for)
{
	int fds[2];
	struct log log;

	assert_ok(pipe2(fds, O_CLOEXEC));
	log = shared_log(fds);
	lines_are_lost_and_counted(&log, fds[0]);
}

TEST(a_stream_as_of_a_journal_is_not_waited_for)
{
	int fds[2];
	struct log log;

	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	log = shared_log(fds);
	lines_are_lost_and_counted(&log, fds[0]);
}

/* As where there is no /proc. */
TEST(a_pipe_that_cannot_be_opened_again_is_asked_for_room)
{
	int fds[2];
	struct log log;

	assert_ok(pipe2(fds, O_CLOEXEC));
	log = shared_log(fds);
	log.waits = LOG_POLLED;
	alarm(20);
	fill(fds[1]);
	log_write(&log, LOG_INFO_, "lost");
	assert_int_equal(log.dropped, 1);
	empty(fds[0]);
	log_write(&log, LOG_INFO_, "%05000d", 7);
	alarm(0);
	assert_text_has(drain(fds[0]), "1 lines lost");
	assert_text_has(got, "0007\n");
	close(fds[0]);
	close(fds[1]);
}

/* Longer than what a pipe takes at once: what there was room for is there, and the next line is one of its own. */
TEST(a_line_of_which_a_part_fits_is_ended_before_the_next)
{
	int fds[2];
	struct log log;

	assert_ok(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) == 4096);
	log = shared_log(fds);
	log_write(&log, LOG_INFO_, "%06000d", 7);
	assert_int_equal(log.dropped, 1);
	assert_int_equal(strlen(drain(fds[0])), 4096);
	log_write(&log, LOG_INFO_, "whole");
	assert_memory_equal(drain(fds[0]), "\nwarning: 1 lines lost: ", 23);
	assert_text_has(got, "\ninfo: whole\n");
	close(fds[0]);
	close(fds[1]);
}

static int lost;

static void on_lost(void *arg)
{
	lost += *(const int *)arg;
}

TEST(whoever_asks_for_it_hears_of_each_line_that_is_lost)
{
	int fds[2], two = 2;
	struct log log;

	assert_ok(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	log = shared_log(fds);
	log.lost = on_lost;
	log.lost_arg = &two;
	log_write(&log, LOG_INFO_, "written");
	assert_int_equal(lost, 0);
	fill(fds[1]);
	assert_ok(fd_set_nonblock(fds[1], true));
	log_write(&log, LOG_INFO_, "lost");
	log_write(&log, LOG_INFO_, "lost");
	assert_int_equal(lost, 4);
	close(fds[0]);
	close(fds[1]);
}

/* 0: it has ended by itself. */
static int say_last_words(int fd)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		alarm(20);
		log_last_words(fd, "why it %s", "ends");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void last_words_find_an_end(int reader, int writer)
{
	fill(writer);
	assert_int_equal(say_last_words(writer), 0);
	assert_int_equal(fcntl(writer, F_GETFL) & O_NONBLOCK, 0);
	empty(reader);
	assert_int_equal(say_last_words(writer), 0);
	close(writer);
	assert_string_equal(drain(reader), "why it ends\n");
	close(reader);
}

TEST(last_words_wait_for_nobody_for_ever)
{
	int fds[2];

	assert_ok(pipe2(fds, O_CLOEXEC));
	last_words_find_an_end(fds[0], fds[1]);
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	last_words_find_an_end(fds[0], fds[1]);
}

/* The reader has what was written before, and reads on. */
TEST(last_words_wait_for_a_reader_that_is_behind)
{
	int fds[2], status;
	ssize_t n, last = 0;
	pid_t pid;

	assert_ok(pipe2(fds, O_CLOEXEC));
	fill(fds[1]);
	pid = fork();
	if (pid == 0) {
		log_last_words(fds[1], "why it ends");
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], got, sizeof(got) - 1)) > 0)
		last = n;
	got[last] = '\0';
	assert_true(last >= 12);
	assert_string_equal(got + last - 12, "why it ends\n");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fds[0]);
}

TEST(levels_by_name)
{
	enum log_level level = LOG_FATAL_;

	assert_ok(log_level_parse("debug", &level));
	assert_int_equal(level, LOG_DEBUG_);
	assert_ok(log_level_parse("warn", &level));
	assert_int_equal(level, LOG_WARN_);
	assert_ok(log_level_parse("warning", &level));
	assert_string_equal(log_level_name(level), "warning");
	assert_int_equal(log_level_parse("", &level), -EINVAL);
	assert_int_equal(log_level_parse(NULL, &level), -EINVAL);
	assert_int_equal(log_level_parse("Error", &level), -EINVAL);
	assert_string_equal(log_level_name((enum log_level)77), "unknown");
}
