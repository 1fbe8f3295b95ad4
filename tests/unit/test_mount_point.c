/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "container/mount_point.h"

/* A root file system with links, and something to mount on it. */
static struct test_tmpdir make_root(void)
{
	struct test_tmpdir t = test_tmpdir();

	assert_ok(mkdirat(t.fd, "root", 0755));
	assert_ok(mkdirat(t.fd, "root/real", 0755));
	assert_ok(symlinkat("/real", t.fd, "root/link"));
	assert_ok(symlinkat("/../../..", t.fd, "root/out"));
	assert_ok(symlinkat("/nowhere", t.fd, "root/dangling"));
	assert_ok(mkdirat(t.fd, "source", 0755));
	assert_ok(mknodat(t.fd, "source/file", S_IFREG | 0644, 0));
	return t;
}

static const char *bind_option[] = { "rbind" };

static int make(const struct test_tmpdir *t, const char *destination, const char *type,
	const char *source, struct err *err)
{
	struct spec_mount mounts[] = {
		{ .destination = "/proc", .type = "proc" },
		{ .destination = destination, .type = type, .source = source },
	};
	struct spec spec = { .mounts = mounts, .n_mounts = 2 };
	char root[4096];

	if (str_eq(type, "none")) {
		mounts[1].options = bind_option;
		mounts[1].n_options = 1;
	}
	snprintf(root, sizeof(root), "%s/root", t->path);
	return mount_point_make_all(&spec, t->path, root, err);
}

static bool is(const struct test_tmpdir *t, const char *path, mode_t type)
{
	struct stat st;

	return fstatat(t->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & S_IFMT) == type;
}

TEST(directories_and_files_are_made_where_the_container_sees_them)
{
	struct test_tmpdir t = make_root();
	struct err err;

	assert_int_equal(make(&t, "//a/b/./c/", "tmpfs", "tmpfs", &err), 0);
	assert_true(is(&t, "root/proc", S_IFDIR) && is(&t, "root/a/b/c", S_IFDIR));
	assert_int_equal(make(&t, "/a/b/c", "tmpfs", "tmpfs", &err), 0);
	assert_int_equal(make(&t, "/link/x/file", "bind", "source/file", &err), 0);
	assert_true(is(&t, "root/real/x/file", S_IFREG));
	assert_int_equal(make(&t, "/etc/dir", "none", "source", &err), 0);
	assert_true(is(&t, "root/etc/dir", S_IFDIR));
	test_tmpdir_remove(&t);
}

TEST(no_link_leads_out_and_what_is_below_a_mount_is_left_to_criu)
{
	struct test_tmpdir t = make_root();
	struct err err;

	assert_int_equal(make(&t, "/out/escaped", "tmpfs", "tmpfs", &err), 0);
	assert_true(is(&t, "root/escaped", S_IFDIR));
	assert_int_equal(make(&t, "/proc/below", "tmpfs", "tmpfs", &err), 0);
	assert_false(is(&t, "root/proc/below", S_IFDIR));
	test_tmpdir_remove(&t);
}

TEST(what_cannot_be_made_is_named)
{
	struct test_tmpdir t = make_root();
	struct err err;

	assert_int_equal(make(&t, "/dangling", "tmpfs", "tmpfs", &err), -EEXIST);
	assert_text_has(err.text, "make mount point '/dangling' in '/");
	assert_int_equal(make(&t, "/f", "bind", "source/file", &err), 0);
	assert_int_equal(make(&t, "/f/x", "tmpfs", "tmpfs", &err), -ENOTDIR);
	test_tmpdir_remove(&t);
}
