/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the hierarchies, from made-up mount tables; paths in them. */
#include "container/cgroup_host.h"

#include "base/str.h"
#include "container/cgroup_dir.h"
#include "test.h"

struct fake {
	struct test_tmpdir dir;
	struct cgroup_host host;
	struct err err;
};

static void put_file(const struct fake *f, const char *name, const char *text)
{
	int fd = openat(f->dir.fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void fake_open(struct fake *f, const char *mountinfo, const char *self)
{
	*f = (struct fake){ .dir = test_tmpdir() };
	mkdirat(f->dir.fd, "proc", 0755);
	mkdirat(f->dir.fd, "proc/self", 0755);
	put_file(f, "proc/self/mountinfo", mountinfo);
	put_file(f, "proc/self/cgroup", self);
	assert_ok(cgroup_host_read(f->dir.path, &f->host, &f->err));
}

static void fake_close(struct fake *f)
{
	cgroup_host_done(&f->host);
	cgroup_host_done(&f->host);
	test_tmpdir_remove(&f->dir);
}

static const struct cgroup_hierarchy *find(const struct fake *f, const char *label)
{
	for (size_t i = 0; i < f->host.n; i++)
		if (strcmp(f->host.h[i].label, label) == 0)
			return &f->host.h[i];
	return NULL;
}

/* The mount without the prefix. */
static const char *mount_of(const struct fake *f, const char *label)
{
	const struct cgroup_hierarchy *h = find(f, label);

	assert_non_null(h);
	return h->mount + strlen(f->dir.path);
}

#define V1_MOUNTS \
	"22 1 0:20 / /proc rw,nosuid - proc proc rw\n" \
	"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n" \
	"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n" \
	"34 31 0:31 / /sys/fs/cgroup/cpuset rw master:1 shared:3 - cgroup none rw,cpuset," \
	"clone_children\n" \
	"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" \
	"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n" \
	"44 31 0:39 / /sys/fs/cgroup/odd rw - cgroup cgroup rw,unheard_of\n"

TEST(v1_hierarchies_are_found_with_their_controllers)
{
	struct fake f;

	fake_open(&f, V1_MOUNTS, "1:cpu,cpuacct:/\n");
	assert_int_equal(f.host.mode, CGROUP_MODE_V1);
	assert_int_equal(f.host.n, 4);
	assert_string_equal(mount_of(&f, "cpu,cpuacct"), "/sys/fs/cgroup/cpu,cpuacct");
	assert_int_equal(find(&f, "cpu,cpuacct")->controllers,
		CGROUP_BIT(CGROUP_CPU) | CGROUP_BIT(CGROUP_CPUACCT));
	assert_int_equal(find(&f, "cpuset")->controllers, CGROUP_BIT(CGROUP_CPUSET));
	assert_int_equal(find(&f, "name=systemd")->controllers, 0);
	assert_false(find(&f, "memory")->v2);
	fake_close(&f);
}

TEST(hybrid_has_a_v2_hierarchy_beside)
{
	struct fake f;

	fake_open(
		&f, V1_MOUNTS "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", "");
	assert_int_equal(f.host.mode, CGROUP_MODE_HYBRID);
	assert_true(find(&f, "")->v2);
	assert_string_equal(mount_of(&f, ""), "/sys/fs/cgroup/unified");
	fake_close(&f);
}

TEST(cgroup2_in_the_usual_place_is_pure_v2_whatever_else_is_mounted)
{
	struct fake f;

	fake_open(&f,
		"41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
		"50 1 0:60 / /opt/vpn/net_cls rw - cgroup net_cls rw,net_cls\n",
		"");
	assert_int_equal(f.host.mode, CGROUP_MODE_V2);
	assert_int_equal(f.host.n, 1);
	assert_true(f.host.h[0].v2);
	fake_close(&f);
}

TEST(nothing_mounted_is_a_mode_of_its_own)
{
	struct fake f;

	fake_open(&f, "22 1 0:20 / /proc rw,nosuid - proc proc rw\n", "");
	assert_int_equal(f.host.mode, CGROUP_MODE_NONE);
	fake_close(&f);
}

TEST(of_two_mounts_the_whole_and_usual_one_is_taken)
{
	struct fake f;

	fake_open(&f,
		"30 1 0:32 /docker/x /mnt/part rw - cgroup cgroup rw,memory\n"
		"31 1 0:32 / /mnt/other rw - cgroup cgroup rw,memory\n"
		"35 1 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		"36 1 0:32 / /mnt/late rw - cgroup cgroup rw,memory\n",
		"");
	assert_int_equal(f.host.n, 1);
	assert_string_equal(mount_of(&f, "memory"), "/sys/fs/cgroup/memory");
	fake_close(&f);
}

TEST(escapes_and_endless_lines_are_read)
{
	struct buf table = { 0 };
	struct fake f;

	buf_adds(&table, "30 1 0:50 / /mnt/");
	for (int i = 0; i < 40000; i++)
		buf_addc(&table, 'x');
	buf_adds(&table, " rw - ext4 dev rw\n");
	for (int i = 0; i < 1000; i++)
		buf_addf(&table, "%d 1 0:51 / /srv/%d rw - ext4 dev rw\n", 100 + i, i);
	buf_adds(&table, "35 1 0:32 / /a\\040b\\134c/memory rw - cgroup cgroup rw,memory\n");
	buf_adds(&table, "broken\n\n - \n- cgroup\n30 1 0:1 / - cgroup cgroup rw,cpu\n");
	fake_open(&f, table.data, "");
	assert_int_equal(f.host.n, 1);
	assert_string_equal(mount_of(&f, "memory"), "/a b\\c/memory");
	fake_close(&f);
	buf_done(&table);
}

static int resolve(
	struct fake *f, const char *label, const char *path, struct arena *arena, const char **ret)
{
	char *self = NULL;
	int r;

	assert_ok(cgroup_host_self(f->host.prefix, &self, &f->err));
	r = cgroup_host_resolve(
		&f->host, (size_t)(find(f, label) - f->host.h), path, self, arena, ret, &f->err);
	free(self);
	return r;
}

TEST(absolute_paths_count_from_the_mount_and_relative_ones_from_the_own_cgroup)
{
	struct arena arena = { 0 };
	const char *path;
	struct fake f;

	fake_open(&f, V1_MOUNTS,
		"4:memory:/user/a\n3:cpuset:/\n2:cpu,cpuacct:/x\n1:name=systemd:/y\n0::/z\n");
	assert_ok(resolve(&f, "memory", "/default//./web/", &arena, &path));
	assert_string_equal(path, "default/web");
	assert_ok(resolve(&f, "memory", "web", &arena, &path));
	assert_string_equal(path, "user/a/web");
	assert_ok(resolve(&f, "cpuset", "web", &arena, &path));
	assert_string_equal(path, "web");
	assert_ok(resolve(&f, "cpu,cpuacct", "p/web", &arena, &path));
	assert_string_equal(path, "x/p/web");
	arena_done(&arena);
	fake_close(&f);
}

TEST(on_v2_relative_paths_count_from_the_parent_of_the_own_cgroup)
{
	struct arena arena = { 0 };
	const char *path;
	struct fake f;

	fake_open(&f, "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/user/a\n");
	assert_ok(resolve(&f, "", "web", &arena, &path));
	assert_string_equal(path, "user/web");
	fake_close(&f);
	fake_open(&f, "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/\n");
	assert_ok(resolve(&f, "", "web", &arena, &path));
	assert_string_equal(path, "web");
	arena_done(&arena);
	fake_close(&f);
}

TEST(the_part_that_is_mounted_is_cut_from_the_own_path)
{
	struct arena arena = { 0 };
	const char *path;
	struct fake f;

	fake_open(&f, "35 1 0:32 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
		"4:memory:/docker/x/inner\n");
	assert_ok(resolve(&f, "memory", "web", &arena, &path));
	assert_string_equal(path, "inner/web");
	fake_close(&f);
	fake_open(&f, "35 1 0:32 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
		"4:memory:/docker/xy\n");
	assert_ok(resolve(&f, "memory", "web", &arena, &path));
	assert_string_equal(path, "web");
	arena_done(&arena);
	fake_close(&f);
}

TEST(paths_that_climb_or_are_the_root_are_refused)
{
	static const char *const bad[] = { "/", "//", "/.", "/a/../b", "..", "../x", "/a\nb",
		"/a\x7f", "/\x01" };
	struct arena arena = { 0 };
	const char *path;
	char longest[300];
	struct fake f;

	fake_open(&f, V1_MOUNTS, "4:memory:/user\n");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(resolve(&f, "memory", bad[i], &arena, &path), -EINVAL);
		assert_text_has(f.err.text, "linux.cgroupsPath");
	}
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[256] = '\0';
	assert_ok(resolve(&f, "memory", longest, &arena, &path));
	longest[256] = 'x';
	longest[257] = '\0';
	assert_int_equal(resolve(&f, "memory", longest, &arena, &path), -ENAMETOOLONG);
	assert_int_equal(resolve(&f, "cpuset", "web", &arena, &path), -ENOENT);
	arena_done(&arena);
	fake_close(&f);
}

TEST(lines_of_proc_cgroup_are_told_apart)
{
	static const char text[] = "12:cpu,cpuacct:/a\n3:cpu:/b\n1:name=systemd:/c d\n0::/e";
	struct arena arena = { 0 };
	const char *path;

	assert_ok(cgroup_self_path(text, "cpu", &arena, &path));
	assert_string_equal(path, "/b");
	assert_ok(cgroup_self_path(text, "cpu,cpuacct", &arena, &path));
	assert_string_equal(path, "/a");
	assert_ok(cgroup_self_path(text, "name=systemd", &arena, &path));
	assert_string_equal(path, "/c d");
	assert_ok(cgroup_self_path(text, "", &arena, &path));
	assert_string_equal(path, "/e");
	assert_int_equal(cgroup_self_path(text, "memory", &arena, &path), -ENOENT);
	assert_int_equal(cgroup_self_path("", "", &arena, &path), -ENOENT);
	assert_int_equal(cgroup_self_path("0:", "", &arena, &path), -ENOENT);
	arena_done(&arena);
}
