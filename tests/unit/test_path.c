/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "bare/resolve.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/kernel.h"
#include "base/path.h"

static void assert_path(char *got, const char *want)
{
	assert_non_null(got);
	assert_string_equal(got, want);
	free(got);
}

TEST(lexical_paths)
{
	assert_path(path_clean("/a//b/./c/"), "/a/b/c");
	assert_path(path_clean("/a/../../b"), "/b");
	assert_path(path_clean("/"), "/");
	assert_path(path_clean("//.."), "/");
	assert_path(path_clean(""), ".");
	assert_path(path_clean("a/.."), ".");
	assert_path(path_clean("a/b/../../.."), "..");
	assert_path(path_clean("../../a/../b"), "../../b");
	assert_path(path_clean("./a"), "a");
	assert_path(path_clean("..a/b.."), "..a/b..");
	assert_path(path_clean("../a/.."), "..");
	assert_path(path_join("/run/x", "y/z"), "/run/x/y/z");
	assert_path(path_join("/run/x", "/y"), "/y");
	assert_path(path_join("/run/x", "../../../y"), "/y");
	assert_path(path_join("/", "."), "/");
	assert_string_equal(path_basename("/a/b"), "b");
	assert_string_equal(path_basename("b"), "b");
	assert_string_equal(path_basename("a/"), "");
}

TEST(absolute_paths_start_at_the_current_directory)
{
	char *cwd = getcwd(NULL, 0), want[4200];

	snprintf(want, sizeof(want), "%s/x", strcmp(cwd, "/") == 0 ? "" : cwd);
	assert_path(path_absolute("./x"), want);
	assert_path(path_absolute("/x/."), "/x");
	free(cwd);
}

static unsigned int seed = 1;

static unsigned int rnd(unsigned int n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

/* A path of random names, dots, slashes; few names, so that many exist. */
static void random_path(char *out, size_t size)
{
	static const char *const parts[] = { "a", "b", "c", "d", "l1", "l2", "l3", "l4", "..", "..",
		".", "f" };
	size_t n = rnd(6) + 1, at = 0;

	if (rnd(3) == 0)
		at += (size_t)snprintf(out + at, size - at, rnd(4) ? "/" : "//");
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s", i ? (rnd(8) ? "/" : "//") : "",
			parts[rnd(sizeof(parts) / sizeof(*parts))]);
	if (rnd(5) == 0)
		snprintf(out + at, size - at, "/");
}

static void random_tree(int dirfd, int depth)
{
	static const char *const names[] = { "a", "b", "c", "d" }, *const links[] = { "l1", "l2",
		"l3", "l4" };

	for (int i = 0; i < 4; i++) {
		char target[128];

		if (rnd(3) && depth < 3 && mkdirat(dirfd, names[i], 0700) == 0) {
			int sub = openat(dirfd, names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			random_tree(sub, depth + 1);
			close(sub);
		}
		if (rnd(2)) {
			random_path(target, sizeof(target));
			assert_ok(symlinkat(target, dirfd, links[i]));
		}
	}
	if (rnd(2))
		close(openat(dirfd, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static int by_kernel(int root, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = -EAGAIN;

	for (int i = 0; i < 1000 && fd == -EAGAIN; i++)
		fd = kernel_openat2(root, path, &how);
	return fd;
}

static void compare(int root, const char *path, int flags, int want)
{
	int got = resolve_walk(root, path, flags | O_CLOEXEC, 0, 1);
	struct stat a, b;

	if (want >= 0 && got >= 0) {
		assert_ok(fstat(want, &a));
		assert_ok(fstat(got, &b));
		if (a.st_ino != b.st_ino || a.st_dev != b.st_dev)
			fail_msg("'%s' flags %#x: other objects", path, (unsigned int)flags);
		assert_int_equal(
			(fcntl(want, F_GETFL) ^ fcntl(got, F_GETFL)) & (O_ACCMODE | O_PATH), 0);
	} else if (want != got) {
		fail_msg("'%s' flags %#x: openat2 %d, walk %d", path, (unsigned int)flags, want,
			got);
	}
	fd_close(got);
	fd_close(want);
}

static bool have_openat2(void)
{
	int fd = by_kernel(AT_FDCWD, ".", O_PATH, 0);

	fd_close(fd);
	return fd >= 0;
}

TEST(the_walk_does_what_openat2_does)
{
	static const int flags[] = { O_PATH, O_PATH | O_NOFOLLOW, O_PATH | O_DIRECTORY, O_RDONLY,
		O_RDONLY | O_NOFOLLOW, O_RDONLY | O_DIRECTORY, O_PATH | O_DIRECTORY | O_NOFOLLOW,
		O_WRONLY };
	size_t fds = test_open_fds(), opened = 0;

	if (!have_openat2())
		test_skip("openat2 is not available");
	for (int tree = 0; tree < 60; tree++) {
		struct test_tmpdir t = test_tmpdir_memory();
		int root;

		seed = (unsigned int)tree + 1;
		assert_ok(mkdirat(t.fd, "a",
			0700)); /* also outside of the root, to be found by a ".." that escapes */
		assert_ok(mkdirat(t.fd, "root", 0700));
		root = openat(t.fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
		random_tree(root, 0);
		for (int i = 0; i < 400; i++) {
			int flag = flags[rnd(sizeof(flags) / sizeof(*flags))], want;
			char path[256];

			random_path(path, sizeof(path));
			want = by_kernel(root, path, flag, 0);
			opened += want >= 0;
			compare(root, path, flag, want);
		}
		close(root);
		test_tmpdir_remove(&t);
	}
	printf("# %zu of 24000 paths led somewhere\n", opened);
	assert_true(opened > 2000);
	assert_int_equal(test_open_fds(), fds);
}

/* What O_CREAT makes must be the same: twin trees, one for each. */
TEST(the_walk_creates_where_openat2_creates)
{
	size_t created = 0;

	if (!have_openat2())
		test_skip("openat2 is not available");
	for (int tree = 0; tree < 30; tree++) {
		struct test_tmpdir t = test_tmpdir_memory();
		int root[2];

		for (int k = 0; k < 2; k++) {
			seed = (unsigned int)tree + 1;
			assert_ok(mkdirat(t.fd, k ? "k1" : "k0", 0700));
			root[k] = openat(t.fd, k ? "k1" : "k0", O_PATH | O_DIRECTORY | O_CLOEXEC);
			random_tree(root[k], 0);
		}
		for (int i = 0; i < 60; i++) {
			int flags = O_WRONLY | O_CREAT | (rnd(3) ? 0 : O_EXCL) |
				    (rnd(3) ? 0 : O_NOFOLLOW);
			char path[256];
			int a, b, again;

			random_path(path, sizeof(path));
			a = by_kernel(root[0], path, flags, 0600);
			b = resolve_walk(root[1], path, flags | O_CLOEXEC, 0600, 1);
			if ((a < 0 || b < 0) && a != b)
				fail_msg("'%s' flags %#x: openat2 %d, walk %d", path,
					(unsigned int)flags, a, b);
			if (a >= 0) {
				struct stat st;

				created++;
				/* The kernel finds in the walk's tree what the walk made. */
				again = by_kernel(root[1], path, O_PATH, 0);
				assert_true(again >= 0);
				assert_ok(fstat(b, &st));
				assert_true(S_ISREG(st.st_mode));
				close(again);
			}
			fd_close(a);
			fd_close(b);
		}
		close(root[0]);
		close(root[1]);
		test_tmpdir_remove(&t);
	}
	printf("# %zu opened or created\n", created);
	assert_true(created > 60);
}

TEST(forty_links_and_no_more)
{
	struct test_tmpdir t = test_tmpdir_memory();
	char name[16], target[16];

	close(openat(t.fd, "k0", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	for (int i = 1; i <= 41; i++) {
		snprintf(name, sizeof(name), "k%d", i);
		snprintf(target, sizeof(target), "k%d", i - 1);
		assert_ok(symlinkat(target, t.fd, name));
	}
	assert_ok(symlinkat("loop", t.fd, "loop"));
	compare(t.fd, "k40", O_RDONLY, by_kernel(t.fd, "k40", O_RDONLY, 0));
	assert_int_equal(resolve_walk(t.fd, "k41", O_RDONLY, 0, 1), -ELOOP);
	assert_int_equal(path_open_in_root(t.fd, "k41", O_RDONLY, 0), -ELOOP);
	assert_int_equal(resolve_walk(t.fd, "loop/x", O_RDONLY, 0, 1), -ELOOP);
	assert_int_equal(resolve_walk(t.fd, "k1", O_RDONLY, 0, 0), -ELOOP);
	test_tmpdir_remove(&t);
}

TEST(long_names_and_paths_are_refused)
{
	struct test_tmpdir t = test_tmpdir_memory();
	char name[300], path[5000];

	memset(name, 'n', 256);
	name[256] = '\0';
	assert_int_equal(resolve_walk(t.fd, name, O_PATH, 0, 1), -ENAMETOOLONG);
	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 2 ? '/' : '.';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(resolve_walk(t.fd, path, O_PATH, 0, 1), -ENAMETOOLONG);
	assert_int_equal(path_open_in_root(t.fd, path, O_PATH, 0), -ENAMETOOLONG);
	path[4095] = '\0';
	compare(t.fd, path, O_PATH, by_kernel(t.fd, path, O_PATH, 0));
	assert_int_equal(resolve_walk(t.fd, "", O_PATH, 0, 1), -ENOENT);
	assert_int_equal(path_open_in_root(t.fd, "", O_PATH, 0), -ENOENT);
	test_tmpdir_remove(&t);
}

TEST(magic_links_are_refused)
{
	int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

	assert_int_equal(path_open_in_root(slash, "proc/self/root", O_PATH, 0), -ELOOP);
	assert_int_equal(resolve_walk(slash, "proc/self/root", O_PATH, 0, 1), -ELOOP);
	assert_int_equal(resolve_walk(slash, "proc/self/root/", O_PATH, 0, 1), -ELOOP);
	assert_int_equal(resolve_walk(slash, "proc/self/cwd/x", O_PATH, 0, 1), -ELOOP);
	fd = resolve_walk(slash, "proc/self/stat", O_RDONLY | O_CLOEXEC, 0, 1);
	assert_true(fd >= 0);
	close(fd);
	close(slash);
}

/* A directory of the root is moved out and back all the time; neither resolver may find what is
 * outside. */
TEST(a_rename_never_leads_out)
{
	struct test_tmpdir t = test_tmpdir_memory();
	struct stat secret, st;
	int root, fd, found = 0;
	pid_t pid;

	assert_ok(file_mkdirs_at(t.fd, "root/a/b/c", 0700));
	assert_ok(file_mkdirs_at(t.fd, "out/etc", 0700));
	assert_ok(file_mkdirs_at(t.fd, "root/etc", 0700));
	assert_ok(mkdirat(t.fd, "etc", 0700));
	root = openat(t.fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	pid = fork();
	if (pid == 0) {
		for (;;) {
			renameat(t.fd, "root/a/b", t.fd, "out/b");
			renameat(t.fd, "out/b", t.fd, "root/a/b");
		}
	}
	for (int i = 0; i < 1000; i++) {
		const char *path = "a/b/c/../../../etc";

		fd = i % 2 ? resolve_walk(root, path, O_PATH | O_CLOEXEC, 0, 1)
			   : path_open_in_root(root, path, O_PATH, 0);
		if (fd < 0) {
			assert_true(fd == -ENOENT || fd == -EAGAIN || fd == -EXDEV);
			continue;
		}
		assert_ok(fstat(fd, &st));
		assert_ok(fstatat(t.fd, "root/etc", &secret, 0));
		if (st.st_ino != secret.st_ino) {
			kill(pid, SIGKILL);
			fail_msg("left the root");
		}
		found++;
		close(fd);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(found > 0);
	close(root);
	test_tmpdir_remove(&t);
}

/* A name flips between a file and a link to a secret outside; an open file must never be the link
 * itself. */
TEST(a_flipping_link_is_never_handed_out)
{
	struct test_tmpdir t = test_tmpdir_memory();
	struct stat st;
	pid_t pid;
	int root, fd;

	assert_ok(mkdirat(t.fd, "root", 0700));
	root = openat(t.fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	close(openat(root, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_ok(symlinkat("/target", root, "l"));
	close(openat(root, "target", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	pid = fork();
	if (pid == 0)
		for (;;)
			renameat2(root, "f", root, "l", RENAME_EXCHANGE);
	for (int i = 0; i < 4000; i++) {
		fd = resolve_walk(root, "f", (i % 2 ? O_PATH : O_RDONLY) | O_CLOEXEC, 0, 1);
		if (fd < 0) {
			assert_int_equal(fd, -EAGAIN);
			continue;
		}
		assert_ok(fstat(fd, &st));
		if (!S_ISREG(st.st_mode)) {
			kill(pid, SIGKILL);
			fail_msg("a link came out");
		}
		close(fd);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(root);
	test_tmpdir_remove(&t);
}
