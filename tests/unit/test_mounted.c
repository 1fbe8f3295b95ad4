/* SPDX-License-Identifier: Apache-2.0 */
#include "services/mounted.h"

#include "test.h"

#define OVERLAY "overlay overlay rw,lowerdir="
#define DIR_ "/io.containerd.snapshotter.v1.overlayfs/snapshots/"
#define LINE "36 35 0:40 / /run/x/rootfs rw,relatime - "

static void check(const char *text, const char *root, const char *expected)
{
	struct mounted m = { 0 };
	char got[128] = "";

	assert_ok(mounted_find(text, root, &m));
	for (size_t i = 0; i < m.n; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%llu", i ? " " : "",
			(unsigned long long)m.numbers[i]);
	assert_string_equal(got, expected);
	mounted_done(&m);
	mounted_done(&m);
}

TEST(an_overlay_names_its_directories)
{
	check(LINE OVERLAY "/var/lib/reeved" DIR_ "2/fs:/var/lib/reeved" DIR_
			   "1/fs,upperdir=/var/lib/reeved" DIR_ "13/fs,workdir=/var/lib/reeved" DIR_
			   "13/work,index=off\n",
		"/var/lib/reeved", "2 1 13");
	/* Lower ones with a directory in common; what is written to has its whole path. */
	check(LINE OVERLAY "2/fs:1/fs,upperdir=/var/lib/reeved" DIR_ "7/fs\n", "/var/lib/reeved",
		"7");
}

TEST(a_bind_mount_counts_from_the_top_of_the_file_system)
{
	check("36 35 8:1 /io.containerd.snapshotter.v1.native/snapshots/5 /run/x rw - ext4 /dev/a "
	      "rw\n",
		"/var/lib/reeved", "5");
	check("36 35 8:1 /lib/reeved/io.containerd.snapshotter.v1.native/snapshots/5 /run/x rw - "
	      "ext4 /dev/a rw\n",
		"/var/lib/reeved", "5");
	check("36 35 8:1 /var/lib/reeved/io.containerd.snapshotter.v1.native/snapshots/5//deleted "
	      "/run/x rw - ext4 /dev/a rw\n",
		"/var/lib/reeved", "5");
}

TEST(those_of_others_are_none_of_ours)
{
	check(LINE OVERLAY "/var/lib/containerd" DIR_ "2/fs\n", "/var/lib/reeved", "");
	check(LINE OVERLAY "/x/var/lib/reeved" DIR_ "2/fs\n", "/var/lib/reeved", "");
	check(LINE OVERLAY "/var/lib/reeved" DIR_ "new-1/fs\n", "/var/lib/reeved", "");
	check(LINE OVERLAY "/var/lib/reeved" DIR_ "99999999999999999999999/fs\n", "/var/lib/reeved",
		"");
	check(LINE OVERLAY "/var/lib/reeved" DIR_ "18446744073709551616/fs\n", "/var/lib/reeved",
		"");
	check(LINE OVERLAY "/var/lib/reeved/io.containerd.snapshotter.v1.", "/var/lib/reeved", "");
	check("", "/var/lib/reeved", "");
}

TEST(blanks_in_a_path_are_found)
{
	check(LINE OVERLAY "/var/my\\040lib" DIR_ "4/fs\n", "/var/my lib", "4");
	check(LINE OVERLAY "/var/a\\134b" DIR_ "4/fs\n", "/var/a\\b", "4");
}

TEST(the_table_of_this_machine_is_read)
{
	struct mounted m = { 0 };

	assert_ok(mounted_read("/nowhere", &m, NULL));
	assert_false(mounted_has(&m, 1));
	mounted_done(&m);
}
