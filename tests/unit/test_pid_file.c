/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/fd.h"
#include "cli/pid_file.h"

TEST(the_number_and_nothing_else)
{
	struct test_tmpdir t = test_tmpdir();
	struct pid_file f = PID_FILE_NULL;
	char path[128], *data;
	struct stat st;
	struct err err;
	mode_t mask = umask(077);

	snprintf(path, sizeof(path), "%s/pid", t.path);
	close(openat(t.fd, ".pid.new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_ok(pid_file_open(path, &f, &err));
	assert_ok(pid_file_write(&f, 4711, &err));
	assert_ok(fd_read_file_at(t.fd, "pid", 100, &data, NULL));
	assert_string_equal(data, "4711");
	free(data);
	assert_ok(pid_file_write(&f, 12, &err));
	assert_ok(fd_read_file_at(t.fd, "pid", 100, &data, NULL));
	assert_string_equal(data, "12");
	free(data);
	assert_ok(fstatat(t.fd, "pid", &st, 0));
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(faccessat(t.fd, ".pid.new", F_OK, 0), -1);
	pid_file_done(&f);
	pid_file_done(&f);
	umask(mask);
	test_tmpdir_remove(&t);
}

TEST(none_is_fine_and_a_bad_one_is_told_early)
{
	struct pid_file f = PID_FILE_NULL;
	struct err err;

	assert_ok(pid_file_open(NULL, &f, &err));
	assert_ok(pid_file_write(&f, 1, &err));
	assert_int_equal(pid_file_open("/nonexistent/dir/pid", &f, &err), -ENOENT);
	assert_text_has(err.text, "/nonexistent/dir/pid");
	assert_int_equal(pid_file_open("/tmp/", &f, &err), -EISDIR);
	pid_file_done(&f);
}
