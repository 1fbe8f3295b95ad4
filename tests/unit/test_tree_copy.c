/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/inode_names.h"
#include "base/mem.h"
#include "base/tree_copy.h"

struct pair {
	struct test_tmpdir dir;
	int from, to;
};

static struct pair pair_make(void)
{
	struct pair p = { .dir = test_tmpdir_memory() };

	assert_ok(mkdirat(p.dir.fd, "from", 0755));
	assert_ok(mkdirat(p.dir.fd, "to", 0700));
	p.from = fd_open_at(p.dir.fd, "from", O_RDONLY | O_DIRECTORY, 0);
	p.to = fd_open_at(p.dir.fd, "to", O_RDONLY | O_DIRECTORY, 0);
	assert_true(p.from >= 0 && p.to >= 0);
	return p;
}

static void pair_remove(struct pair *p)
{
	fd_close(p->from);
	fd_close(p->to);
	test_tmpdir_remove(&p->dir);
}

static void put(int dir, const char *name, const char *data, mode_t mode)
{
	auto_close int fd = fd_open_at(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_ok(fd_write_full(fd, data, strlen(data)));
	assert_ok(fchmod(fd, mode));
}

static struct stat look(int dir, const char *name)
{
	struct stat st;

	assert_ok(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW));
	return st;
}

static void same(const struct pair *p, const char *name)
{
	struct stat a = look(p->from, name), b = look(p->to, name);

	assert_int_equal(a.st_mode, b.st_mode);
	assert_int_equal(a.st_size, b.st_size);
	assert_int_equal(a.st_uid, b.st_uid);
	assert_int_equal(a.st_gid, b.st_gid);
	assert_int_equal(a.st_mtim.tv_sec, b.st_mtim.tv_sec);
	assert_int_equal(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
}

static void set_time(int dir, const char *name, time_t sec)
{
	const struct timespec times[2] = { { sec, 7 }, { sec, 123456789 } };

	assert_ok(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW));
}

TEST(files_directories_and_links_are_the_same)
{
	struct pair p = pair_make();
	auto_free char *data = NULL;
	struct err err = { 0 };
	char target[16] = "";

	put(p.from, "file", "some bytes", 0641);
	put(p.from, "tool", "#!", 04755);
	put(p.from, "empty", "", 0);
	assert_ok(mkdirat(p.from, "d", 0700));
	assert_ok(mkdirat(p.from, "d/e", 01777));
	assert_ok(fchmodat(p.from, "d/e", 01777, 0));
	put(p.from, "d/e/f", "deep", 0600);
	assert_ok(symlinkat("../out", p.from, "link"));
	assert_ok(mkfifoat(p.from, "fifo", 0622));
	set_time(p.from, "file", 1000000000);
	set_time(p.from, "link", 1000000001);
	set_time(p.from, "d/e", 1000000002);
	set_time(p.from, "d", 1000000003);
	set_time(p.from, ".", 1000000004);
	assert_ok(tree_copy(p.from, p.to, NULL, NULL, &err));
	same(&p, ".");
	same(&p, "file");
	same(&p, "tool");
	same(&p, "empty");
	same(&p, "d");
	same(&p, "d/e");
	same(&p, "d/e/f");
	same(&p, "link");
	same(&p, "fifo");
	assert_int_equal(readlinkat(p.to, "link", target, sizeof(target) - 1), 6);
	assert_string_equal(target, "../out");
	assert_ok(fd_read_file_at(p.to, "file", 100, &data, NULL));
	assert_string_equal(data, "some bytes");
	pair_remove(&p);
}

TEST(names_of_one_file_stay_names_of_one)
{
	struct pair p = pair_make();
	struct err err = { 0 };

	put(p.from, "a", "x", 0600);
	assert_ok(mkdirat(p.from, "d", 0700));
	assert_ok(linkat(p.from, "a", p.from, "d/b", 0));
	assert_ok(linkat(p.from, "a", p.from, "z", 0));
	assert_ok(mkfifoat(p.from, "fifo", 0600));
	assert_ok(linkat(p.from, "fifo", p.from, "d/fifo", 0));
	assert_ok(tree_copy(p.from, p.to, NULL, NULL, &err));
	assert_int_equal(look(p.to, "a").st_nlink, 3);
	assert_int_equal(look(p.to, "a").st_ino, look(p.to, "d/b").st_ino);
	assert_int_equal(look(p.to, "a").st_ino, look(p.to, "z").st_ino);
	assert_int_equal(look(p.to, "fifo").st_ino, look(p.to, "d/fifo").st_ino);
	assert_true(look(p.to, "a").st_ino != look(p.from, "a").st_ino);
	pair_remove(&p);
}

TEST(holes_stay_holes)
{
	struct pair p = pair_make();
	struct err err = { 0 };
	auto_close int fd = -EBADF;
	char box[4] = "";

	fd = fd_open_at(p.from, "holes", O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "one", 3, 16 << 20), 3);
	assert_int_equal(pwrite(fd, "two", 3, 48 << 20), 3);
	assert_ok(ftruncate(fd, 64 << 20));
	assert_ok(tree_copy(p.from, p.to, NULL, NULL, &err));
	same(&p, "holes");
	assert_in_range(look(p.to, "holes").st_blocks, 1, 2 * look(p.from, "holes").st_blocks);
	fd_close(fd);
	fd = fd_open_at(p.to, "holes", O_RDONLY, 0);
	assert_int_equal(pread(fd, box, 3, 48 << 20), 3);
	assert_string_equal(box, "two");
	pair_remove(&p);
}

TEST(links_are_not_followed_and_nothing_is_opened_that_waits)
{
	struct pair p = pair_make();
	struct err err = { 0 };

	assert_ok(mkdirat(p.dir.fd, "outside", 0700));
	put(p.dir.fd, "outside/secret", "x", 0600);
	assert_ok(symlinkat("../outside", p.from, "out"));
	assert_ok(mkfifoat(p.from, "fifo", 0600)); /* an open for reading would wait for a writer */
	assert_ok(tree_copy(p.from, p.to, NULL, NULL, &err));
	assert_true(S_ISLNK(look(p.to, "out").st_mode));
	pair_remove(&p);
}

TEST(attributes_are_copied)
{
	struct pair p = pair_make();
	struct err err = { 0 };
	auto_close int fd = -EBADF, copy = -EBADF;
	char value[8] = "";
	/* tmpfs has those of users since Linux 6.6 */
	const char *name = geteuid() == 0 ? "trusted.k" : "user.k";

	put(p.from, "a", "x", 0600);
	fd = fd_open_at(p.from, "a", O_RDONLY, 0);
	if (fsetxattr(fd, name, "v\0w", 3, 0) < 0)
		test_skip("no attributes here: %s", strerror(errno));
	assert_ok(tree_copy(p.from, p.to, NULL, NULL, &err));
	copy = fd_open_at(p.to, "a", O_RDONLY, 0);
	assert_int_equal(fgetxattr(copy, name, value, sizeof(value)), 3);
	assert_memory_equal(value, "v\0w", 3);
	pair_remove(&p);
}

TEST(owners_and_devices_are_copied)
{
	struct pair p = pair_make();
	struct err err = { 0 };

	if (mknodat(p.from, "null", S_IFCHR | 0666, makedev(1, 3)) < 0)
		test_skip("not allowed to make a device");
	put(p.from, "tool", "x", 0755);
	assert_ok(fchownat(p.from, "tool", 1234, 5678, 0));
	assert_ok(fchmodat(p.from, "tool", 06755, 0));
	assert_ok(symlinkat("x", p.from, "link"));
	assert_ok(fchownat(p.from, "link", 12, 34, AT_SYMLINK_NOFOLLOW));
	assert_ok(tree_copy(p.from, p.to, NULL, NULL, &err));
	same(&p, "tool");
	same(&p, "link");
	same(&p, "null");
	assert_int_equal(look(p.to, "null").st_rdev, makedev(1, 3));
	pair_remove(&p);
}

static bool stop_now(void *arg)
{
	++*(int *)arg;
	return true;
}

TEST(who_does_not_wait_any_more_stops_it)
{
	struct pair p = pair_make();
	struct err err = { 0 };
	char name[8];
	int asked = 0;

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "%d", i);
		put(p.from, name, "", 0600);
	}
	assert_int_equal(tree_copy(p.from, p.to, stop_now, &asked, &err), -ECANCELED);
	assert_int_equal(asked, 1);
	pair_remove(&p);
}

TEST(what_goes_too_deep_is_refused)
{
	struct pair p = pair_make();
	struct err err = { 0 };
	int at = dup(p.from);

	for (int i = 0; i < 5000; i++) {
		int next;

		assert_ok(mkdirat(at, "d", 0700));
		next = fd_open_at(at, "d", O_RDONLY | O_DIRECTORY, 0);
		fd_close(at);
		at = next;
	}
	fd_close(at);
	assert_int_equal(tree_copy(p.from, p.to, NULL, NULL, &err), -E2BIG);
	assert_non_null(strstr(err.text, "directories in each other"));
	/* Too deep for the removal of a test: taken apart from its top. */
	for (int side = 0; side < 2; side++) {
		int top = side ? p.to : p.from;

		for (int i = 0; i < 5000 && faccessat(top, "d/d", F_OK, 0) == 0; i++) {
			assert_ok(renameat(top, "d/d", top, "n"));
			assert_ok(unlinkat(top, "d", AT_REMOVEDIR));
			assert_ok(renameat(top, "n", top, "d"));
		}
	}
	pair_remove(&p);
}

TEST(a_target_that_is_not_empty_or_none_is_an_error)
{
	struct pair p = pair_make();
	struct err err = { 0 };

	put(p.from, "a", "x", 0600);
	put(p.to, "a", "y", 0600);
	assert_int_equal(tree_copy(p.from, p.to, NULL, NULL, &err), -EEXIST);
	assert_non_null(strstr(err.text, "'a'"));
	assert_true(tree_copy(-EBADF, p.to, NULL, NULL, &err) < 0);
	assert_true(tree_copy(p.from, -EBADF, NULL, NULL, &err) < 0);
	pair_remove(&p);
}

TEST(names_are_bounded)
{
	struct inode_names t = { 0 };
	struct stat st = { .st_nlink = 2 };
	auto_free char *name = malloc(1 << 20);
	int r = 0;

	assert_non_null(name);
	memset(name, 'x', (1 << 20) - 1);
	name[(1 << 20) - 1] = '\0';
	assert_null(inode_names_find(&t, &st));
	for (st.st_ino = 1; st.st_ino < 100 && r == 0; st.st_ino++)
		r = inode_names_add(&t, &st, name);
	assert_int_equal(r, -E2BIG);
	st.st_ino = 5;
	assert_string_equal(inode_names_find(&t, &st), name);
	st.st_nlink = 1;
	assert_null(inode_names_find(&t, &st));
	assert_ok(inode_names_add(&t, &st, "a"));
	inode_names_done(&t);
	inode_names_done(&t);
}
