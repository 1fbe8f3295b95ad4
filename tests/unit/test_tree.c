/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/tree.h"

static void put(int dir, const char *name, size_t size)
{
	auto_close int fd = fd_open_at(dir, name, O_WRONLY | O_CREAT, 0600);
	auto_free char *data = calloc(1, size + 1);

	assert_true(fd >= 0 && data);
	memset(data, 'x', size);
	assert_ok(fd_write_full(fd, data, size));
}

TEST(files_and_bytes_are_counted)
{
	struct test_tmpdir dir = test_tmpdir_memory();
	int64_t size, n;

	assert_ok(tree_usage(dir.fd, 1, &size, &n));
	assert_int_equal(n, 1); /* the directory itself */
	put(dir.fd, "a", 8192);
	assert_ok(mkdirat(dir.fd, "d", 0700));
	put(dir.fd, "d/b", 4096);
	assert_ok(symlinkat("/", dir.fd, "link")); /* is not followed */
	assert_ok(tree_usage(dir.fd, 5, &size, &n));
	assert_int_equal(n, 5);
	assert_in_range(size, 12288, 12288 + 3 * 4096);
	test_tmpdir_remove(&dir);
}

TEST(names_of_one_file_count_once)
{
	struct test_tmpdir dir = test_tmpdir_memory();
	int64_t alone, size, n;

	put(dir.fd, "a", 65536);
	assert_ok(tree_usage(dir.fd, 10, &alone, &n));
	assert_ok(linkat(dir.fd, "a", dir.fd, "b", 0));
	assert_ok(tree_usage(dir.fd, 10, &size, &n));
	assert_int_equal(n, 2); /* as containerd counts */
	assert_in_range(size, alone, alone + 4096);
	test_tmpdir_remove(&dir);
}

TEST(too_many_files_are_said_so)
{
	struct test_tmpdir dir = test_tmpdir_memory();
	int64_t size = -1, n = -1;

	put(dir.fd, "a", 1);
	put(dir.fd, "b", 1);
	assert_int_equal(tree_usage(dir.fd, 2, &size, &n), -E2BIG);
	assert_int_equal(size, -1);
	assert_int_equal(n, -1);
	assert_true(tree_usage(-EBADF, 2, &size, &n) < 0);
	test_tmpdir_remove(&dir);
}
