/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "container/kernel_mounts.h"

TEST(procfs_and_sysfs_are_told_from_the_last_on_but_not_the_container_s)
{
	char table[] = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
		       "22 21 0:20 / /sys rw shared:7 - sysfs sysfs rw\n"
		       "23 21 0:5 / /proc rw - proc proc rw\n"
		       "24 23 0:6 / /proc rw - proc proc rw\n"
		       "25 21 0:5 /sys /a\\040b rw - proc proc rw\n"
		       "26 21 0:5 / /b/rootfs/proc rw - proc proc rw\n"
		       "27 21 0:5 / /b/rootfs2/proc rw - proc none rw\n"
		       "28 22 0:33 / /sys/fs/cgroup rw - cgroup2 proc rw\n"
		       "nonsense - proc\n";
	static const char *const want[] = { "/b/rootfs2/proc", "/a b", "/proc", "/proc", "/sys" };
	struct arena a = { 0 };
	const char *const *list;
	size_t n;

	assert_ok(kernel_mounts_of(table, &a, "/b/rootfs", &list, &n));
	assert_int_equal(n, ARRAY_LEN(want));
	for (size_t i = 0; i < n; i++)
		assert_string_equal(list[i], want[i]);
	arena_done(&a);
}

TEST(a_table_without_them_is_an_empty_list)
{
	char table[] = "21 1 8:1 / / rw - ext4 /dev/sda1 rw";
	struct arena a = { 0 };
	const char *const *list;
	size_t n = 1;

	assert_ok(kernel_mounts_of(table, &a, "/r", &list, &n));
	assert_int_equal(n, 0);
	arena_done(&a);
}
