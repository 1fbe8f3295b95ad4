/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/str.h"
#include "container/rootfs_mount.h"
#include "container/spawn.h"

#define OVERLAY_MAGIC 0x794c7630

/* Own mount namespace for this program, or skip. */
static void own_mounts(void)
{
	if (geteuid() != 0)
		test_skip("needs root to mount");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		test_skip("cannot make a mount namespace: %s", strerror(errno));
}

static bool is_overlay(const char *path)
{
	struct statfs st;

	return statfs(path, &st) == 0 && (unsigned long)st.f_type == OVERLAY_MAGIC;
}

static void make_file(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	close(fd);
}

/* `n` layers in a directory with a long name; their paths joined by ':' in `list`. */
static void make_layers(const char *dir, int n, struct buf *list)
{
	auto_free char *parent = NULL;

	assert_true(
		asprintf(&parent, "%s/a-directory-with-quite-a-long-name-for-snapshots", dir) > 0);
	assert_ok(mkdir(parent, 0755));
	for (int i = 0; i < n; i++) {
		auto_free char *path = NULL;
		int fd;

		assert_true(asprintf(&path, "%s/%03d", parent, i) > 0);
		assert_ok(mkdir(path, 0755));
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		make_file(fd, path + strlen(path) - 3);
		close(fd);
		if (list->len)
			buf_addc(list, ':');
		buf_adds(list, path);
	}
}

static void overlay_of(int layers)
{
	struct test_tmpdir t = test_tmpdir();
	struct buf option = { 0 };
	struct buf list = { 0 };
	auto_free char *rootfs = NULL;
	auto_free char *file = NULL;
	struct rootfs_mount m = { .type = "overlay", .source = "overlay" };
	const char *options[2];
	struct err err = { 0 };

	assert_ok(mount("tmpfs", t.path, "tmpfs", 0, NULL));
	make_layers(t.path, layers, &list);
	buf_addf(&option, "lowerdir=%s", list.data);
	options[0] = "ro";
	options[1] = option.data;
	m.options = options;
	m.n_options = 2;
	assert_true(asprintf(&rootfs, "%s/rootfs", t.path) > 0);
	if (rootfs_mount(rootfs, &m, 1, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(is_overlay(rootfs));
	assert_true(asprintf(&file, "%s/%03d", rootfs, layers - 1) > 0);
	assert_ok(access(file, F_OK));
	assert_ok(rootfs_unmount(rootfs, &err));
	assert_false(is_overlay(rootfs));
	assert_ok(rootfs_unmount(rootfs, &err)); /* again: nothing to do */
	assert_ok(umount2(t.path, MNT_DETACH));
	buf_done(&option);
	buf_done(&list);
	test_tmpdir_remove(&t);
}

TEST(an_overlay_is_mounted_and_taken_away)
{
	own_mounts();
	overlay_of(3);
}

TEST(layers_that_do_not_fit_a_page_are_mounted_too)
{
	own_mounts();
	overlay_of(100);
}

/* Two layers below an upper directory, all root's, mounted with the ids of a user namespace. */
static int mapped_overlay(
	const char *dir, const char *rootfs, const char *uids, const char *gids, struct err *err)
{
	struct buf options[4] = { 0 };
	struct buf list = { 0 };
	auto_free char *upper = NULL, *work = NULL;
	const char *words[4];
	struct rootfs_mount m = { .type = "overlay", .source = "overlay", .options = words };
	int r;

	make_layers(dir, 2, &list);
	assert_true(asprintf(&upper, "%s/upper", dir) > 0 && asprintf(&work, "%s/work", dir) > 0);
	assert_ok(mkdir(upper, 0755));
	assert_ok(mkdir(work, 0755));
	buf_addf(&options[0], "uidmap=%s", uids);
	buf_addf(&options[1], "workdir=%s,upperdir=%s", work, upper);
	buf_addf(&options[2], "lowerdir=%s", list.data);
	buf_addf(&options[3], "gidmap=%s", gids);
	m.n_options = gids ? 4 : 3;
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		words[i] = options[i].data;
	r = rootfs_mount(rootfs, &m, 1, err);
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		buf_done(&options[i]);
	buf_done(&list);
	return r;
}

static void assert_owner(const char *dir, const char *name, uid_t uid, gid_t gid)
{
	auto_free char *path = NULL;
	struct stat st;

	assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
	assert_ok(lstat(path, &st));
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
}

TEST(layers_show_the_ids_of_a_user_namespace)
{
	struct test_tmpdir t = test_tmpdir();
	auto_free char *rootfs = NULL, *file = NULL;
	struct err err = { 0 };

	own_mounts();
	assert_ok(mount("tmpfs", t.path, "tmpfs", 0, NULL));
	assert_true(asprintf(&rootfs, "%s/rootfs", t.path) > 0);
	if (mapped_overlay(t.path, rootfs, "0:100000:1000,1000:5000:1", "0:200000:65536", &err) <
		0) {
		if (err.code == -EINVAL && str_starts(err.text, "map the ids"))
			test_skip("this kernel cannot map a tmpfs");
		fail_msg("%s", err.text);
	}
	assert_true(is_overlay(rootfs));
	assert_owner(rootfs, "000", 100000, 200000);
	assert_owner(rootfs, "001", 100000, 200000);
	/* what is written is as it is written: the upper directory is the pod's own */
	assert_true(asprintf(&file, "%s/new", rootfs) > 0);
	assert_ok(mkdir(file, 0755));
	assert_ok(lchown(file, 100007, 200007));
	assert_owner(t.path, "upper/new", 100007, 200007);
	assert_ok(rootfs_unmount(rootfs, &err));
	assert_ok(rmdir(rootfs)); /* busy if anything were left */
	assert_ok(umount2(t.path, MNT_DETACH));
	test_tmpdir_remove(&t);
}

TEST(a_map_that_is_none_mounts_nothing)
{
	static const struct {
		const char *uids, *gids, *text;
	} rows[] = {
		{ "0:1", "0:1:2", "'0:1' is no map of ids" },
		{ "0:1:2", "0:1:2 ", "'0:1:2 ' is no map of ids" },
		{ "0:1:2,0:1:2", "0:1:2", "uid_map" },
		{ "0:1:2", NULL, "needs both uidmap and gidmap" },
	};

	own_mounts();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct test_tmpdir t = test_tmpdir();
		auto_free char *rootfs = NULL;
		struct err err = { 0 };

		assert_true(asprintf(&rootfs, "%s/rootfs", t.path) > 0);
		assert_int_equal(
			mapped_overlay(t.path, rootfs, rows[i].uids, rows[i].gids, &err), -EINVAL);
		assert_text_has(err.text, rows[i].text);
		assert_ok(rmdir(rootfs));
		test_tmpdir_remove(&t);
	}
}

TEST(a_bind_shows_the_ids_of_a_user_namespace)
{
	struct test_tmpdir t = test_tmpdir();
	auto_free char *rootfs = NULL;
	const char *words[] = { "rbind", "ro", "uidmap=0:100000:65536", "gidmap=0:100000:65536" };
	struct rootfs_mount m = {
		.type = "bind", .source = t.path, .options = words, .n_options = 4
	};
	struct err err = { 0 };

	own_mounts();
	assert_ok(mount("tmpfs", t.path, "tmpfs", 0, NULL));
	assert_true(asprintf(&rootfs, "%s/rootfs", t.path) > 0);
	if (rootfs_mount(rootfs, &m, 1, &err) < 0) {
		if (err.code == -EINVAL && str_starts(err.text, "map the ids"))
			test_skip("this kernel cannot map a tmpfs");
		fail_msg("%s", err.text);
	}
	assert_owner(rootfs, "rootfs", 100000, 100000);
	assert_int_equal(access(rootfs, W_OK), -1);
	assert_int_equal(errno, EROFS);
	assert_ok(rootfs_unmount(rootfs, &err));
	assert_ok(umount2(t.path, MNT_DETACH));
	test_tmpdir_remove(&t);
}

#define LOOP_MAJOR 7

static void make_image(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600), status;
	pid_t pid;

	assert_true(fd >= 0);
	assert_ok(ftruncate(fd, 4 << 20));
	close(fd);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		execlp("mkfs.ext4", "mkfs.ext4", "-qF", path, (char *)NULL);
		_exit(errno == ENOENT ? 77 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		test_skip("there is no mkfs.ext4");
	assert_int_equal(status, 0);
}

/* Whether the device still has that file. */
static bool is_attached(dev_t device, const char *file)
{
	char path[64], text[256] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/block/loop%u/loop/backing_file", minor(device));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	return str_starts(text, file);
}

TEST(an_image_is_mounted_by_a_loop_device_that_ends_with_it)
{
	struct test_tmpdir t = test_tmpdir();
	auto_free char *rootfs = NULL, *image = NULL, *file = NULL;
	const char *words[] = { "rw", "loop", "direct-io" };
	struct rootfs_mount m = { .type = "ext4", .options = words, .n_options = 2 };
	struct err err = { 0 };
	struct stat st;

	own_mounts();
	if (access("/dev/loop-control", R_OK | W_OK) < 0)
		test_skip("no loop devices: %s", strerror(errno));
	assert_true(asprintf(&rootfs, "%s/rootfs", t.path) > 0);
	assert_true(asprintf(&image, "%s/image", t.path) > 0);
	assert_true(asprintf(&file, "%s/new", rootfs) > 0);
	m.source = image;
	assert_int_equal(rootfs_mount(rootfs, &m, 1, &err), -ENOENT);
	assert_text_has(err.text, "loop device for '");
	make_image(image);
	for (int i = 0; i < 2; i++) {
		if (rootfs_mount(rootfs, &m, 1, &err) < 0)
			fail_msg("%s", err.text);
		assert_ok(stat(rootfs, &st));
		assert_int_equal(major(st.st_dev), LOOP_MAJOR);
		assert_true(is_attached(st.st_dev, image));
		if (i == 0)
			assert_ok(mkdir(file, 0755));
		assert_ok(access(file, F_OK));
		assert_int_equal(access(rootfs, W_OK), i == 0 ? 0 : -1);
		assert_ok(rootfs_unmount(rootfs, &err));
		for (int n = 0; n < 500 && is_attached(st.st_dev, image); n++)
			usleep(10000); /* the kernel lets go of it after the unmount */
		assert_false(is_attached(st.st_dev, image));
		words[0] = "ro";
		m.n_options = 3;
	}
	test_tmpdir_remove(&t);
}

struct unmounting {
	struct rootfs_unmounting u;
	struct loop *loop;
	struct err err;
	bool done;
};

static void on_unmounted(struct rootfs_unmounting *u, const struct err *err)
{
	struct unmounting *me = container_of(u, struct unmounting, u);

	me->done = true;
	if (err)
		me->err = *err;
}

static void unmount_by_child(struct unmounting *me, int executor, const char *rootfs)
{
	struct reaper reaper = reaper_own(me->loop);
	struct err err = { 0 };

	me->done = false;
	me->err = (struct err){ 0 };
	if (rootfs_unmount_start(&me->u, &reaper, executor, rootfs, on_unmounted, &err) < 0)
		fail_msg("%s", err.text);
	assert_false(me->done);
	while (!me->done)
		assert_ok(loop_round(me->loop, 10000));
}

TEST(a_child_unmounts_what_may_take_long)
{
	auto_freep(loop) struct loop *loop = NULL;
	struct test_tmpdir t = test_tmpdir();
	auto_free char *rootfs = NULL;
	auto_free char *below = NULL;
	struct rootfs_mount m[] = {
		{ .type = "tmpfs", .source = "a" },
		{ .type = "tmpfs", .source = "b" },
	};
	struct unmounting me = { 0 };
	struct err err = { 0 };
	int executor;

	own_mounts();
	assert_ok(loop_new(&loop));
	me.loop = loop;
	assert_ok(spawn_open_executor(&executor, &err));
	assert_true(asprintf(&rootfs, "%s/rootfs", t.path) > 0);
	assert_true(asprintf(&below, "%s/d", rootfs) > 0);
	unmount_by_child(&me, executor, rootfs); /* not there: nothing to do */
	assert_int_equal(me.err.code, 0);

	assert_ok(rootfs_mount(rootfs, m, 2, &err)); /* on top of each other */
	unmount_by_child(&me, executor, rootfs);
	assert_int_equal(me.err.code, 0);
	assert_ok(rmdir(rootfs));

	assert_ok(rootfs_mount(rootfs, m, 1, &err));
	assert_ok(mkdir(below, 0755));
	assert_ok(mount("tmpfs", below, "tmpfs", 0, NULL));
	unmount_by_child(&me, executor, rootfs);
	assert_int_equal(me.err.code, 0);
	assert_ok(rmdir(rootfs));

	assert_ok(rootfs_mount(rootfs, m, 1, &err));
	assert_ok(chdir(rootfs)); /* somebody is in it */
	unmount_by_child(&me, executor, rootfs);
	assert_int_equal(me.err.code, -EBUSY);
	assert_text_has(me.err.text, rootfs);
	assert_ok(chdir("/"));
	unmount_by_child(&me, executor, rootfs);
	assert_ok(rmdir(rootfs));
	close(executor);
	test_tmpdir_remove(&t);
}

TEST(a_failed_list_leaves_nothing_mounted)
{
	struct test_tmpdir t = test_tmpdir();
	auto_free char *rootfs = NULL;
	const char *bind[] = { "rbind", "ro" };
	struct rootfs_mount m[] = {
		{ .type = "bind", .source = "/usr", .options = bind, .n_options = 2 },
		{ .type = "nosuchfs", .source = "x" },
	};
	struct err err = { 0 };

	own_mounts();
	assert_true(asprintf(&rootfs, "%s/rootfs", t.path) > 0);
	assert_true(rootfs_mount(rootfs, m, 2, &err) < 0);
	assert_text_has(err.text, "nosuchfs");
	assert_ok(rmdir(rootfs)); /* busy or not empty if anything were left */
	test_tmpdir_remove(&t);
}

/* The mount table writes blanks and backslashes as octal numbers. */
TEST(what_is_mounted_below_odd_names_is_found)
{
	struct test_tmpdir t = test_tmpdir();
	auto_free char *rootfs = NULL;
	auto_free char *below = NULL;
	const char *bind[] = { "bind" };
	struct rootfs_mount m = {
		.type = "bind", .source = t.path, .options = bind, .n_options = 1
	};
	struct err err = { 0 };

	own_mounts();
	assert_true(asprintf(&rootfs, "%s/root fs", t.path) > 0);
	assert_true(asprintf(&below, "%s/a\\b\tc", rootfs) > 0);
	assert_ok(rootfs_mount(rootfs, &m, 1, &err));
	assert_ok(mkdir(below, 0755));
	assert_ok(mount("tmpfs", below, "tmpfs", 0, NULL));
	assert_ok(rootfs_unmount(rootfs, &err));
	assert_ok(rmdir(rootfs)); /* busy if anything were left */
	test_tmpdir_remove(&t);
}

TEST(a_bind_can_be_read_only)
{
	struct test_tmpdir t = test_tmpdir();
	auto_free char *rootfs = NULL;
	auto_free char *file = NULL;
	const char *bind[] = { "bind", "ro" };
	struct rootfs_mount m = {
		.type = "bind", .source = t.path, .options = bind, .n_options = 2
	};
	struct err err = { 0 };

	own_mounts();
	assert_true(asprintf(&rootfs, "%s/rootfs", t.path) > 0);
	assert_true(asprintf(&file, "%s/x", rootfs) > 0);
	assert_ok(rootfs_mount(rootfs, &m, 1, &err));
	assert_int_equal(mkdir(file, 0755), -1);
	assert_int_equal(errno, EROFS);
	assert_ok(rootfs_unmount(rootfs, &err));
	test_tmpdir_remove(&t);
}
