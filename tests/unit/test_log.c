/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <json-c/json.h>
#include <signal.h>

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
