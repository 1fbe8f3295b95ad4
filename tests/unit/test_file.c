/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

static void touch(int dirfd, const char *name)
{
	int fd = fd_open_at(dirfd, name, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static bool exists(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void assert_content(int dirfd, const char *name, const char *want)
{
	char *data;

	assert_ok(fd_read_file_at(dirfd, name, 4096, &data, NULL));
	assert_string_equal(data, want);
	free(data);
}

TEST(save_replaces_and_leaves_no_temporary)
{
	struct test_tmpdir t = test_tmpdir();
	struct stat st;
	mode_t mask = umask(077);
	int path_fd;

	assert_ok(file_save_at(t.fd, "state", "one", 3, 0644));
	assert_ok(file_save_at(t.fd, "state", "two!", 4, 0644));
	assert_content(t.fd, "state", "two!");
	assert_ok(fstatat(t.fd, "state", &st, 0));
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_false(exists(t.fd, ".state.new"));
	/* An O_PATH directory serves as well. */
	path_fd = open(t.path, O_PATH | O_CLOEXEC);
	assert_ok(file_save_at(path_fd, "state", "", 0, 0600));
	assert_content(t.fd, "state", "");
	close(path_fd);
	umask(mask);
	test_tmpdir_remove(&t);
}

TEST(save_removes_a_stale_temporary_and_follows_no_link)
{
	struct test_tmpdir t = test_tmpdir();

	touch(t.fd, ".state.new");
	assert_ok(file_save_at(t.fd, "state", "a", 1, 0600));
	touch(t.fd, "victim");
	assert_ok(symlinkat("victim", t.fd, ".state.new"));
	assert_ok(file_save_at(t.fd, "state", "b", 1, 0600));
	assert_content(t.fd, "state", "b");
	assert_content(t.fd, "victim", "");
	/* A link as the name itself is replaced, not written through. */
	assert_ok(symlinkat("victim", t.fd, "link"));
	assert_ok(file_save_at(t.fd, "link", "c", 1, 0600));
	assert_content(t.fd, "victim", "");
	assert_content(t.fd, "link", "c");
	test_tmpdir_remove(&t);
}

TEST(a_failed_save_keeps_the_old_file)
{
	struct test_tmpdir t = test_tmpdir();
	int status = 0;
	pid_t pid;

	assert_ok(file_save_at(t.fd, "state", "old", 3, 0600));
	pid = fork();
	if (pid == 0) {
		struct rlimit limit = { 4, 4 };
		char data[64] = { 0 };

		/* The fourth byte and no more: what a full disk looks like to any user. */
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(file_save_at(t.fd, "state", data, sizeof(data), 0600) == -EFBIG ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_content(t.fd, "state", "old");
	assert_false(exists(t.fd, ".state.new"));
	/* The rename fails: the name is a directory. */
	assert_ok(mkdirat(t.fd, "dir", 0700));
	assert_int_equal(file_save_at(t.fd, "dir", "x", 1, 0600), -EISDIR);
	assert_false(exists(t.fd, ".dir.new"));
	assert_int_equal(file_save_at(t.fd, "a/b", "x", 1, 0600), -EINVAL);
	assert_int_equal(file_save_at(t.fd, "", "x", 1, 0600), -EINVAL);
	test_tmpdir_remove(&t);
}

TEST(a_reader_sees_the_old_or_the_new)
{
	struct test_tmpdir t = test_tmpdir();
	char a[3000], b[5000], *data;
	int status = 0, seen_a = 0, seen_b = 0;
	size_t size;
	pid_t pid;

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	assert_ok(file_save_at(t.fd, "f", a, sizeof(a), 0600));
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 300; i++)
			if (file_save_at(t.fd, "f", i % 2 ? a : b, i % 2 ? sizeof(a) : sizeof(b),
				    0600) < 0)
				_exit(1);
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		assert_ok(fd_read_file_at(t.fd, "f", 8192, &data, &size));
		assert_true((size == sizeof(a) && data[size - 1] == 'a') ||
			    (size == sizeof(b) && data[size - 1] == 'b'));
		*(size == sizeof(a) ? &seen_a : &seen_b) = 1;
		free(data);
	}
	assert_int_equal(status, 0);
	assert_true(seen_a || seen_b);
	test_tmpdir_remove(&t);
}

TEST(mkdirs_makes_what_is_missing)
{
	struct test_tmpdir t = test_tmpdir();
	char path[128];

	assert_ok(file_mkdirs_at(t.fd, "a/b//c/", 0700));
	assert_ok(file_mkdirs_at(t.fd, "a/b/c/d", 0700));
	assert_true(exists(t.fd, "a/b/c/d"));
	snprintf(path, sizeof(path), "%s/x/y", t.path);
	assert_ok(file_mkdirs_at(-1, path, 0700));
	assert_true(exists(t.fd, "x/y"));
	touch(t.fd, "f");
	assert_int_equal(file_mkdirs_at(t.fd, "f", 0700), -ENOTDIR);
	assert_int_equal(file_mkdirs_at(t.fd, "f/g", 0700), -ENOTDIR);
	assert_ok(file_mkdirs_at(t.fd, "", 0700));
	test_tmpdir_remove(&t);
}

TEST(remove_tree_follows_no_links)
{
	struct test_tmpdir t = test_tmpdir();
	size_t fds = test_open_fds();
	char name[32];
	int d;

	assert_ok(file_mkdirs_at(t.fd, "tree/a/b/c", 0700));
	assert_ok(file_mkdirs_at(t.fd, "kept/sub", 0700));
	touch(t.fd, "kept/f");
	assert_ok(symlinkat("../kept", t.fd, "tree/link"));
	assert_ok(symlinkat(t.path, t.fd, "tree/a/up"));
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "tree/a/f%d", i);
		touch(t.fd, name);
	}
	assert_ok(file_remove_tree_at(t.fd, "tree"));
	assert_false(exists(t.fd, "tree"));
	assert_true(exists(t.fd, "kept/f") && exists(t.fd, "kept/sub"));
	assert_ok(file_remove_tree_at(t.fd, "tree"));
	assert_ok(symlinkat("kept", t.fd, "l"));
	assert_ok(file_remove_tree_at(t.fd, "l"));
	assert_true(exists(t.fd, "kept/f") && !exists(t.fd, "l"));
	touch(t.fd, "plain");
	assert_ok(file_remove_tree_at(t.fd, "plain"));
	assert_false(exists(t.fd, "plain"));
	d = open(t.path, O_PATH | O_CLOEXEC);
	assert_int_equal(file_remove_tree_at(d, ".."), -EINVAL);
	assert_int_equal(file_remove_tree_at(d, "."), -EINVAL);
	assert_int_equal(file_remove_tree_at(d, ""), -EINVAL);
	assert_int_equal(file_remove_tree_at(d, "kept/sub"), -EINVAL);
	close(d);
	assert_int_equal(test_open_fds(), fds);
	test_tmpdir_remove(&t);
}

TEST(remove_empty_keeps_what_holds_something)
{
	struct test_tmpdir t = test_tmpdir();
	size_t fds = test_open_fds();
	int fd;

	assert_ok(file_mkdirs_at(t.fd, "tree/a/b", 0700));
	touch(t.fd, "tree/a/empty");
	assert_ok(file_remove_empty_at(t.fd, "tree"));
	assert_false(exists(t.fd, "tree"));
	assert_ok(file_remove_empty_at(t.fd, "tree"));
	assert_ok(file_mkdirs_at(t.fd, "tree/a/b", 0700));
	touch(t.fd, "tree/a/empty");
	touch(t.fd, "tree/a/full");
	fd = openat(t.fd, "tree/a/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(file_remove_empty_at(t.fd, "tree"), -ENOTEMPTY);
	assert_true(exists(t.fd, "tree/a/full"));
	assert_false(exists(t.fd, "tree/a/empty"));
	assert_int_equal(unlinkat(t.fd, "tree/a/full", 0), 0);
	assert_ok(symlinkat("/etc", t.fd, "tree/a/link"));
	assert_int_equal(file_remove_empty_at(t.fd, "tree"), -ENOTEMPTY);
	assert_int_equal(unlinkat(t.fd, "tree/a/link", 0), 0);
	assert_int_equal(mkfifoat(t.fd, "tree/a/fifo", 0600), 0);
	assert_int_equal(file_remove_empty_at(t.fd, "tree"), -ENOTEMPTY);
	assert_int_equal(test_open_fds(), fds);
	test_tmpdir_remove(&t);
}

TEST(remove_tree_stays_on_its_mount)
{
	struct test_tmpdir t = test_tmpdir();
	int status = 0;
	pid_t pid;

	assert_ok(file_mkdirs_at(t.fd, "tree/mnt", 0700));
	assert_ok(file_mkdirs_at(t.fd, "kept", 0700));
	touch(t.fd, "kept/f");
	pid = fork();
	if (pid == 0) {
		char from[128], to[128];

		snprintf(from, sizeof(from), "%s/kept", t.path);
		snprintf(to, sizeof(to), "%s/tree/mnt", t.path);
		/* A bind mount of the same file system: the device number does not tell. */
		if ((unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) ||
			mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
			mount(from, to, NULL, MS_BIND, NULL) < 0)
			_exit(77);
		t.fd = open(t.path, O_PATH | O_CLOEXEC);
		_exit(file_remove_tree_at(t.fd, "tree") == -EBUSY ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(exists(t.fd, "kept/f"));
	test_tmpdir_remove(&t);
	if (WEXITSTATUS(status) == 77)
		test_skip("no mount namespace may be made here");
	assert_int_equal(status, 0);
}

TEST(a_lock_excludes_and_goes_with_its_last_fd)
{
	struct test_tmpdir t = test_tmpdir();
	int a = fd_open_at(t.fd, "lock", O_CREAT | O_RDWR, 0600),
	    b = fd_open_at(t.fd, "lock", O_RDWR, 0);

	assert_ok(file_lock(a, true, false));
	assert_int_equal(file_lock(b, true, false), -EWOULDBLOCK);
	assert_int_equal(file_lock(b, false, false), -EWOULDBLOCK);
	close(a);
	assert_ok(file_lock(b, false, false));
	a = fd_open_at(t.fd, "lock", O_RDWR, 0);
	assert_ok(file_lock(a, false, false));
	assert_int_equal(file_lock(a, true, false), -EWOULDBLOCK);
	close(a);
	close(b);
	test_tmpdir_remove(&t);
}

TEST(a_replaced_lock_file_is_noticed)
{
	struct test_tmpdir t = test_tmpdir();
	int a = fd_open_at(t.fd, "lock", O_CREAT | O_RDWR, 0600);

	assert_true(file_same_at(a, t.fd, "lock"));
	assert_ok(unlinkat(t.fd, "lock", 0));
	assert_false(file_same_at(a, t.fd, "lock"));
	touch(t.fd, "lock");
	assert_false(file_same_at(a, t.fd, "lock"));
	close(a);
	test_tmpdir_remove(&t);
}

TEST(tmpfs_is_volatile_and_procfs_is_not)
{
	int shm = open("/dev/shm", O_RDONLY | O_CLOEXEC),
	    proc = open("/proc", O_RDONLY | O_CLOEXEC);
	int memory = fd_memfd("x", "", 0);

	assert_true(file_is_volatile(memory));
	assert_false(file_is_volatile(proc));
	assert_false(file_is_volatile(-1));
	close(shm);
	close(proc);
	close(memory);
}
