/* SPDX-License-Identifier: Apache-2.0 */
/* Files through which a cgroup is entered. Plain directories stand for cgroups. */
#include "container/cgroup_entry.h"

#include "base/fd.h"
#include "test.h"

struct fixture {
	struct test_tmpdir dir;
	struct cgroup cg;
	struct cgroup_dir dirs[3];
	char path[3][80];
	size_t fds;
};

static void put(const struct fixture *f, const char *name, const char *text)
{
	auto_close int fd = openat(f->dir.fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_ok(fd_write_full(fd, text, strlen(text)));
}

static void path_of(const char *dir, const char *name, char out[80])
{
	assert_true(snprintf(out, 80, "%s/%s", dir, name) < 80);
}

static void add(struct fixture *f, const char *name, bool v2, uint32_t controllers)
{
	struct test_tmpdir dir = f->dir;
	size_t i = f->cg.n_dirs++;

	f->cg.dirs = f->dirs;
	assert_ok(mkdirat(f->dir.fd, name, 0700));
	path_of(dir.path, name, f->path[i]);
	f->cg.dirs[i] = (struct cgroup_dir){
		.path = f->path[i], .v2 = v2, .controllers = controllers, .fd = -EBADF
	};
}

/* v2 first, then two of v1. */
static void fixture_init(struct fixture *f)
{
	*f = (struct fixture){ .dir = test_tmpdir() };
	f->fds = test_open_fds();
	add(f, "unified", true, 0);
	put(f, "unified/cgroup.procs", "");
	put(f, "unified/cgroup.events", "populated 1\nfrozen 0\n");
	add(f, "pids", false, CGROUP_BIT(CGROUP_PIDS));
	put(f, "pids/tasks", "");
	add(f, "freezer", false, CGROUP_BIT(CGROUP_FREEZER));
	put(f, "freezer/tasks", "");
	put(f, "freezer/freezer.state", "THAWED\n");
}

static void fixture_done(struct fixture *f)
{
	assert_int_equal(test_open_fds(), f->fds);
	test_tmpdir_remove(&f->dir);
}

static void assert_is(int fd, const char *path, const char *file)
{
	struct stat a, b;
	char name[200];

	snprintf(name, sizeof(name), "%s%s", path, file);
	assert_ok(fstat(fd, &a));
	assert_ok(stat(name, &b));
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

TEST(every_hierarchy_is_open_once_and_stays_so)
{
	struct cgroup_entry e = { 0 }, again;
	struct fixture f;

	fixture_init(&f);
	assert_true(cgroup_entry_open(&e, &f.cg));
	assert_int_equal(e.n_tasks, 2);
	assert_is(e.tasks[0], f.path[1], "/tasks");
	assert_is(e.tasks[1], f.path[2], "/tasks");
	assert_is(e.procs, f.path[0], "/cgroup.procs");
	assert_is(e.dir, f.path[0], "");
	again = e;
	assert_true(cgroup_entry_open(&e, &f.cg));
	assert_memory_equal(&e, &again, sizeof(e));
	cgroup_entry_done(&e);
	cgroup_entry_done(&e);
	assert_null(e.of);
	fixture_done(&f);
}

TEST(from_the_v2_directory_no_path_leads_up)
{
	struct cgroup_entry e = { 0 };
	struct fixture f;

	if (geteuid() != 0)
		test_skip("needs root to make a mount");
	fixture_init(&f);
	assert_true(cgroup_entry_open_dir(&e, &f.cg));
	assert_int_equal(faccessat(e.dir, "../pids", F_OK, 0), -1);
	assert_int_equal(mkdirat(e.dir, "below", 0700), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(e.n_tasks, 0);
	cgroup_entry_done(&e);
	fixture_done(&f);
}

TEST(another_cgroup_takes_the_place_of_the_last)
{
	struct cgroup_entry e = { 0 };
	struct fixture f, other;

	fixture_init(&f);
	fixture_init(&other);
	assert_true(cgroup_entry_open(&e, &f.cg));
	assert_true(cgroup_entry_open(&e, &other.cg));
	assert_is(e.tasks[0], other.path[1], "/tasks");
	cgroup_entry_forget(&e, &f.cg);
	assert_ptr_equal(e.of, &other.cg);
	cgroup_entry_forget(&e, &other.cg);
	assert_null(e.of);
	fixture_done(&other);
	fixture_done(&f);
}

TEST(what_is_missing_is_left_to_the_executor)
{
	struct cgroup_entry e = { 0 };
	struct fixture f;

	fixture_init(&f);
	assert_ok(unlinkat(f.dir.fd, "freezer/tasks", 0));
	assert_false(cgroup_entry_open(&e, &f.cg));
	assert_null(e.of);
	f.cg.dirs[0].v2 = false;
	assert_false(cgroup_entry_open_dir(&e, &f.cg));
	assert_null(e.of);
	fixture_done(&f);
}

TEST(either_freezer_freezes)
{
	struct cgroup_entry e = { 0 };
	struct fixture f;

	fixture_init(&f);
	assert_true(cgroup_entry_open(&e, &f.cg));
	assert_false(cgroup_entry_frozen(&e));
	put(&f, "freezer/freezer.state", "FREEZING\n");
	assert_true(cgroup_entry_frozen(&e));
	put(&f, "freezer/freezer.state", "THAWED\n");
	put(&f, "unified/cgroup.events", "populated 1\nfrozen 1\n");
	assert_true(cgroup_entry_frozen(&e));
	cgroup_entry_done(&e);
	fixture_done(&f);
}
