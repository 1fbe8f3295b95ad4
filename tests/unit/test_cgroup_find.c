/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroups of a process that another runtime has put there. */
#include "container/cgroup_find.h"

#include <string.h>

#include "test.h"

static const struct cgroup_host hybrid = {
	.mode = CGROUP_MODE_HYBRID,
	.h = { { .mount = "/c/memory",
		       .root = "/",
		       .label = "memory",
		       .controllers = CGROUP_BIT(CGROUP_MEMORY) },
		{ .mount = "/c/pids",
			.root = "/outer",
			.label = "pids",
			.controllers = CGROUP_BIT(CGROUP_PIDS) },
		{ .mount = "/c/unified", .root = "/", .label = "", .v2 = true } },
	.n = 3,
	.prefix = "",
};

static struct cgroup *find(const char *theirs, const char *ours, int want)
{
	struct cgroup *cg = NULL;
	struct err err;

	assert_int_equal(cgroup_find_in(&hybrid, theirs, ours, &cg, &err), want);
	return cg;
}

TEST(hierarchies_where_it_is_apart_from_us_count)
{
	auto_freep(cgroup) struct cgroup *cg = find(
		"5:memory:/a/b\n4:pids:/outer/a\n0::/a\n", "5:memory:/\n4:pids:/outer\n0::/\n", 0);

	assert_int_equal(cg->n_dirs, 3);
	assert_string_equal(cg->dirs[0].path, "/c/memory/a/b");
	assert_string_equal(cg->dirs[0].name, "/a/b");
	assert_int_equal(cg->dirs[0].depth, 2);
	assert_int_equal(cg->dirs[0].owned, CGROUP_FOREIGN);
	assert_string_equal(cg->dirs[1].path, "/c/pids/a");
	assert_string_equal(cg->dirs[2].path, "/c/unified/a");
	assert_true(cg->dirs[2].v2);
}

TEST(where_we_are_or_all_are_nothing_is_known_of_it)
{
	auto_freep(cgroup) struct cgroup *cg = find("5:memory:/a\n4:pids:/elsewhere/a\n0::/shim\n",
		"5:memory:/\n4:pids:/outer/x\n0::/shim\n", 0);

	assert_int_equal(cg->n_dirs, 1);
	assert_string_equal(cg->dirs[0].label, "memory");
	assert_null(find("5:memory:/\n4:pids:/outer\n0::/shim\n",
		"5:memory:/\n4:pids:/\n0::/shim\n", -ENOENT));
	assert_null(find("5:memory:/../a\n4:pids:/outerx/a\n", "", -ENOENT));
	assert_null(find("", "", -ENOENT));
}

TEST(a_process_that_is_gone_has_none)
{
	struct pidref gone = { .pid = getpid(), .fd = -EBADF };
	struct cgroup *cg = NULL;
	struct err err;

	assert_int_equal(cgroup_find(&hybrid, &gone, &cg, &err), -ESRCH);
	assert_null(cg);
}
