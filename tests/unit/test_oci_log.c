/* SPDX-License-Identifier: Apache-2.0 */
/* The last error in what a runtime has logged. */
#include "supervisor/oci_log.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "test.h"

static void expect_error(const char *log, const char *want)
{
	struct err err = { 0 };
	int r = oci_log_error(log, strlen(log), &err);

	if (!want) {
		assert_int_equal(r, -ENOENT);
		return;
	}
	assert_int_equal(r, -EIO);
	assert_string_equal(err.text, want);
}

TEST(the_last_error_is_taken)
{
	static const struct {
		const char *log, *want;
	} rows[] = {
		{ "", NULL },
		{ "\n\n", NULL },
		{ "{\"level\":\"error\",\"msg\":\"a\"}", "a" },
		{ "{\"level\":\"error\",\"msg\":\"a\"}\n{\"msg\":\"b\",\"level\":\"error\"}\n",
			"b" },
		{ "{\"level\":\"error\",\"msg\":\"a\"}\n{\"level\":\"info\",\"msg\":\"b\"}\n",
			"a" },
		{ "{\"level\":\"error\",\"msg\":\"a\"}\n{\"level\":\"error\",\"ms", "a" },
		{ "level\":\"error\",\"msg\":\"cut\"}\n{\"level\":\"fatal\",\"msg\":\" x\\n\"}",
			"x" },
		{ "{\"level\":\"error\",\"msg\":\"  \"}", NULL },
		{ "{\"level\":\"error\",\"msg\":7}\n[1]\nnull\n\"x\"\n", NULL },
		{ "{\"level\":7,\"msg\":\"a\"}", NULL },
		{ "{\"level\":\"warning\",\"msg\":\"a\"}", NULL },
		{ "{\n  \"msg\": \"a {b\",\n  \"level\": \"error\"\n}\n", "a {b" },
		{ "{\"msg\":\"a\",\"level\":\"error\"}{\"msg\":\"b\",\"level\":\"error\"}", "b" },
		{ "{\"level\":\"error\",\"m\n{\"level\":\"error\",\"msg\":\"b\"}\n", "b" },
		{ "{\"level\":\"error\",\n{\"level\":\"error\",\"msg\":\"b\"}\n", "b" },
		{ "{{{{\n{\n}{\"level\":\"error\",\"msg\":\"\\\"}\"}", "\"}" },
		{ "}\n{\"level\":\"error\",\"msg\":{}}", NULL },
		{ "time=now level=error msg=text", NULL },
		{ "{\"level\":\"error\",\"msg\":\"exec: \\\"x\\\": not found\"}",
			"exec: \"x\": not found" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect_error(rows[i].log, rows[i].want);
}

TEST(an_error_longer_than_an_error_is_cut)
{
	auto_done(buf) struct buf log = { 0 };
	struct err err;

	buf_adds(&log, "{\"level\":\"error\",\"msg\":\"");
	for (int i = 0; i < 5000; i++)
		buf_addc(&log, 'x');
	buf_adds(&log, "\"}\n");
	assert_int_equal(oci_log_error(log.data, log.len, &err), -EIO);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

TEST(a_log_of_nothing_but_beginnings_takes_no_time)
{
	auto_done(buf) struct buf log = { 0 };

	for (int i = 0; i < 32000; i++)
		buf_adds(&log, "{\n");
	assert_int_equal(oci_log_error(log.data, log.len, NULL), -ENOENT);
}

TEST(a_long_log_is_read_from_its_end)
{
	struct test_tmpdir t = test_tmpdir();
	FILE *f = fdopen(openat(t.fd, "log", O_CREAT | O_WRONLY | O_CLOEXEC, 0600), "w");
	struct err err;

	assert_int_equal(oci_log_read_error(t.fd, "none", &err), -ENOENT);
	assert_non_null(f);
	fprintf(f, "{\"level\":\"error\",\"msg\":\"old\"}\n");
	for (int i = 0; i < 10000; i++)
		fprintf(f, "{\"level\":\"debug\",\"msg\":\"line %d\"}\n", i);
	fflush(f);
	assert_int_equal(oci_log_read_error(t.fd, "log", &err), -ENOENT);
	fprintf(f, "{\"level\":\"error\",\"msg\":\"new\"}\n{\"level\":\"debug\",\"msg\":\"x\"}\n");
	fclose(f);
	assert_int_equal(oci_log_read_error(t.fd, "log", &err), -EIO);
	assert_string_equal(err.text, "new");
	test_tmpdir_remove(&t);
}

TEST(what_is_no_file_is_not_read)
{
	struct test_tmpdir t = test_tmpdir();

	assert_int_equal(mkfifoat(t.fd, "fifo", 0600), 0);
	assert_int_equal(symlinkat("/etc/passwd", t.fd, "link"), 0);
	assert_int_equal(oci_log_read_error(t.fd, "fifo", NULL), -ENOENT);
	assert_int_equal(oci_log_read_error(t.fd, "link", NULL), -ENOENT);
	test_tmpdir_remove(&t);
}
