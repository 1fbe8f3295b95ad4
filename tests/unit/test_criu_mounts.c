/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/str.h"
#include "container/criu_mounts.h"

static const char host[] = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
			   "22 21 0:5 / /dev rw - devtmpfs udev rw\n"
			   "23 21 0:20 / /sys rw - sysfs sysfs rw\n"
			   "24 21 0:33 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
			   "25 21 0:44 / /srv rw - tmpfs tmpfs rw\n";

static const char container[] = "138 139 8:1 /b/rootfs / ro - ext4 /dev/sda1 rw\n"
				"164 138 0:47 / /proc rw - proc proc rw\n"
				"165 138 0:48 / /dev rw - tmpfs tmpfs rw\n"
				"166 138 0:20 / /sys ro - sysfs sysfs rw\n"
				"167 138 8:1 /etc/hosts /etc/hosts ro - ext4 /dev/sda1 rw\n"
				"168 138 8:1 /b/rootfs/usr /usr ro master:7 - ext4 /dev/sda1 rw\n"
				"169 138 0:44 /a\\040b /data/a\\040b rw - tmpfs tmpfs rw\n"
				"170 169 8:1 /more /data/a\\040b/below rw - ext4 /dev/sda1 rw\n"
				"171 166 0:33 /ck /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n"
				"172 164 0:48 /null /proc/keys rw - tmpfs tmpfs rw\n"
				"173 138 8:1 /real /run/x rw - ext4 /dev/sda1 rw\n"
				"nonsense\n";

static bool same(void *arg, const char *path, const char *source)
{
	return str_eq(path, "/run/x") && str_eq(source, "/real");
}

static void find(struct criu_mounts *m, struct arena *a)
{
	struct spec_mount mounts[] = {
		{ .destination = "/etc/hosts", .type = "bind", .source = "/etc/hosts" },
		{ .destination = "/data/a b", .type = "bind", .source = "/srv/a b" },
		{ .destination = "/var/run/x", .type = "bind", .source = "/real" },
	};
	struct spec spec = { .mounts = mounts, .n_mounts = 3 };
	struct err err = { 0 };

	assert_ok(criu_mounts_find(container, host, &spec, false, same, NULL, a, m, &err));
}

static void assert_mount(
	const struct criu_mount *m, const char *path, const char *destination, const char *below)
{
	assert_string_equal(m->path, path);
	assert_string_equal(m->destination ? m->destination : "-", destination);
	assert_string_equal(m->below, below);
}

static void assert_found(const struct criu_mounts *m)
{
	assert_int_equal(m->n, 5);
	assert_mount(&m->v[0], "/etc/hosts", "/etc/hosts", "");
	assert_mount(&m->v[1], "/data/a b", "/data/a b", "");
	assert_mount(&m->v[2], "/data/a b/below", "/data/a b", "/below");
	assert_mount(&m->v[3], "/sys/fs/cgroup/pids", "-", "");
	assert_mount(&m->v[4], "/run/x", "/var/run/x", ""); /* through a link */
}

TEST(mounts_of_the_hosts_file_systems_are_found)
{
	struct arena a = { 0 };
	struct criu_mounts m;

	find(&m, &a);
	assert_found(&m);
	arena_done(&a);
}

TEST(the_list_survives_its_file)
{
	struct arena a = { 0 };
	struct buf text = { 0 };
	struct criu_mounts m, back;
	struct err err = { 0 };

	find(&m, &a);
	assert_ok(criu_mounts_write(&m, &text));
	assert_ok(criu_mounts_read(text.data, text.len, &a, &back, &err));
	assert_found(&back);
	buf_done(&text);
	arena_done(&a);
}

TEST(a_damaged_list_is_refused)
{
	static const char *const bad[] = { "", "{}", "[1]", "[{}]", "[{\"path\":5}]", "[" };
	struct arena a = { 0 };
	struct criu_mounts m;
	struct err err = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(criu_mounts_read(bad[i], strlen(bad[i]), &a, &m, &err), -EBADMSG);
	assert_ok(criu_mounts_read("[]", 2, &a, &m, &err));
	assert_int_equal(m.n, 0);
	arena_done(&a);
}
