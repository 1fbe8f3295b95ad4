/* SPDX-License-Identifier: Apache-2.0 */
/* Files stand for cgroups: which are made, written and entered. */
#include "container/worker_cgroup.h"

#include "base/fd.h"
#include "base/mem.h"
#include "test.h"

#define V2_MOUNTS "30 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
#define V1_MOUNTS \
	"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" \
	"32 31 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n" \
	"33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
#define CPU_MOUNTS \
	"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" \
	"32 31 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n" \
	"33 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"

struct machine {
	struct test_tmpdir dir;
	struct worker_cgroup worker;
	struct err err;
};

static void put(const struct machine *m, const char *name, const char *text)
{
	char path[256];
	int fd;

	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(path, sizeof(path), "%.*s", (int)(slash - name), name);
		(void)!mkdirat(m->dir.fd, path, 0755);
	}
	fd = openat(m->dir.fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void holds(const struct machine *m, const char *name, const char *text)
{
	auto_free char *got = NULL;

	assert_ok(fd_read_file_at(m->dir.fd, name, 4096, &got, NULL));
	assert_string_equal(got, text);
}

static struct machine machine(const char *mounts, const char *self)
{
	struct machine m = { .dir = test_tmpdir(), .worker = WORKER_CGROUP_NULL };

	put(&m, "proc/self/mountinfo", mounts);
	put(&m, "proc/self/cgroup", self);
	return m;
}

static int enter(struct machine *m)
{
	return worker_cgroup_enter(m->dir.path, 1 << 20, &m->worker, &m->err);
}

static void done(struct machine *m)
{
	worker_cgroup_done(&m->worker);
	worker_cgroup_done(&m->worker);
	test_tmpdir_remove(&m->dir);
}

#define UNIT "sys/fs/cgroup/system.slice/reeved.service/"

TEST(on_v2_it_is_beside_the_front)
{
	struct machine m = machine(V2_MOUNTS, "0::/system.slice/reeved.service/front\n");

	put(&m, UNIT "cgroup.subtree_control", "");
	put(&m, UNIT "front/cgroup.procs", "");
	put(&m, UNIT "worker/cgroup.procs", "");
	put(&m, UNIT "worker/memory.max", "");
	assert_ok(enter(&m));
	holds(&m, UNIT "cgroup.subtree_control", "+memory");
	holds(&m, UNIT "worker/memory.max", "1048576");
	holds(&m, UNIT "worker/cgroup.procs", "0");
	holds(&m, UNIT "front/cgroup.procs", "");
	put(&m, UNIT "worker/cgroup.procs", "");
	worker_cgroup_move(&m.worker, true);
	holds(&m, UNIT "front/cgroup.procs", "0");
	holds(&m, UNIT "worker/cgroup.procs", "");
	worker_cgroup_move(&m.worker, false);
	holds(&m, UNIT "worker/cgroup.procs", "0");
	done(&m);
}

#undef UNIT
#define UNIT "sys/fs/cgroup/memory/system.slice/reeved.service/"

TEST(on_v1_it_is_below_our_own)
{
	struct machine m = machine(V1_MOUNTS,
		"3:memory:/system.slice/reeved.service\n0::/system.slice/reeved.service\n");

	put(&m, UNIT "tasks", "");
	put(&m, UNIT "worker/tasks", "");
	put(&m, UNIT "worker/memory.limit_in_bytes", "");
	assert_ok(enter(&m));
	holds(&m, UNIT "worker/memory.limit_in_bytes", "1048576");
	holds(&m, UNIT "worker/tasks", "0");
	worker_cgroup_move(&m.worker, true);
	holds(&m, UNIT "tasks", "0");
	done(&m);
}

TEST(nothing_is_done_in_cgroups_that_nobody_has_given_to_us)
{
	static const struct {
		const char *mounts, *self, *why;
	} cases[] = {
		{ V2_MOUNTS, "0::/system.slice/reeved.service\n",
			"reeved runs in cgroup '/system.slice/reeved.service', and not in one "
			"named 'front' below one that is given to it" },
		{ V2_MOUNTS, "0::/user.slice/storefront\n",
			"reeved runs in cgroup '/user.slice/storefront', and not in one named "
			"'front' below one that is given to it" },
		{ V2_MOUNTS, "0::/front\n",
			"reeved runs in cgroup '/front', and not in one named 'front' below one "
			"that is given to it" },
		{ V2_MOUNTS, "0::/\n",
			"reeved runs in cgroup '/', and not in one named 'front' below one that is "
			"given to it" },
		{ V1_MOUNTS, "3:memory:/\n0::/x\n", "reeved runs in the root of cgroups" },
		{ CPU_MOUNTS, "3:cpu:/x\n0::/x\n", "no cgroup hierarchy limits memory" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct machine m = machine(cases[i].mounts, cases[i].self);

		assert_int_equal(enter(&m), -EOPNOTSUPP);
		assert_string_equal(m.err.text, cases[i].why);
		assert_int_equal(faccessat(m.dir.fd, "sys", F_OK, 0), -1);
		worker_cgroup_move(&m.worker, true); /* nothing */
		done(&m);
	}
}

TEST(what_the_kernel_refuses_is_named_and_leaves_us_where_we_are)
{
	struct machine m = machine(V2_MOUNTS, "0::/a/front\n");

	put(&m, "sys/fs/cgroup/a/front/cgroup.procs", "");
	assert_int_equal(enter(&m), -ENOENT);
	assert_non_null(strstr(m.err.text, "write '+memory' to '"));
	assert_int_equal(m.worker.limited, -EBADF);
	holds(&m, "sys/fs/cgroup/a/front/cgroup.procs", "");
	done(&m);
}
