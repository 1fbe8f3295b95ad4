/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/fdtable.h"

#include <stdbool.h>

#include "test.h"

static int an_fd(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

TEST(an_fd_is_found_by_its_name)
{
	struct fdtable ft = { 0 };
	int a = an_fd(), b = an_fd();

	assert_ok(fdtable_put(&ft, "t/b", b));
	assert_ok(fdtable_put(&ft, "t/a", a));
	assert_int_equal(fdtable_get(&ft, "t/a"), a);
	assert_int_equal(fdtable_get(&ft, "t/b"), b);
	assert_int_equal(fdtable_get(&ft, "t/c"), -ENOENT);
	fdtable_close(&ft, "t/a");
	fdtable_close(&ft, "t/a");
	assert_false(is_open(a));
	assert_int_equal(fdtable_get(&ft, "t/a"), -ENOENT);
	fdtable_done(&ft);
	assert_false(is_open(b));
	fdtable_done(&ft);
}

TEST(a_name_that_is_taken_stays_and_the_new_fd_is_closed)
{
	struct fdtable ft = { 0 };
	int a = an_fd(), b = an_fd();

	assert_ok(fdtable_put(&ft, "t/a", a));
	assert_int_equal(fdtable_put(&ft, "t/a", b), -EEXIST);
	assert_int_equal(fdtable_get(&ft, "t/a"), a);
	assert_false(is_open(b));
	fdtable_done(&ft);
}

TEST(a_prefix_closes_what_begins_with_it)
{
	struct fdtable ft = { 0 };
	static const char *const names[] = { "t/k/aa/in", "t/k/a/out", "t/k/a/e/x/in", "t/k/a/in",
		"t/k/b/in" };
	size_t before = test_open_fds();

	for (size_t i = 0; i < 5; i++)
		assert_ok(fdtable_put(&ft, names[i], an_fd()));
	fdtable_close_prefix(&ft, "t/k/a/");
	assert_int_equal(test_open_fds(), before + 2);
	assert_true(fdtable_get(&ft, "t/k/aa/in") >= 0);
	assert_true(fdtable_get(&ft, "t/k/b/in") >= 0);
	fdtable_close_prefix(&ft, "u");
	fdtable_done(&ft);
	assert_int_equal(test_open_fds(), before);
}

TEST(many_names_stay_in_order)
{
	struct fdtable ft = { 0 };
	char name[16];

	for (unsigned int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "n%u", i * 7919 % 300);
		assert_ok(fdtable_put(&ft, name, an_fd()));
	}
	for (size_t i = 1; i < ft.n; i++)
		assert_true(strcmp(ft.entries[i - 1].name, ft.entries[i].name) < 0);
	fdtable_done(&ft);
}
