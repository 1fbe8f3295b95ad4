/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What linux.resources writes into which file, on made-up hierarchies of plain files: each test
 * states the whole outcome, so that a file too many fails it.
 */
#include "container/cgroup.h"
#include "container/cgroup_v2.h"
#include "test.h"

#define GIB (1ll << 30)

enum layout { ON_V1, ON_V2, ON_HYBRID };

struct fake {
	struct test_tmpdir dir;
	struct cgroup_host host;
	struct cgroup *cg;
	struct err err;
	enum layout layout;
};

static void put_file(const struct fake *f, const char *name, const char *text)
{
	int fd = openat(f->dir.fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static const char v1_mounts[] = "32 31 0:29 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
				"34 31 0:31 / /cg/cpuset rw - cgroup cgroup rw,cpuset\n"
				"35 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory\n"
				"36 31 0:33 / /cg/pids rw - cgroup cgroup rw,pids\n"
				"37 31 0:34 / /cg/blkio rw - cgroup cgroup rw,blkio\n"
				"38 31 0:35 / /cg/net rw - cgroup cgroup rw,net_cls,net_prio\n"
				"39 31 0:36 / /cg/devices rw - cgroup cgroup rw,devices\n"
				"41 31 0:37 / /cg/rdma rw - cgroup cgroup rw,rdma\n";

static const char *const v1_dirs[] = { "cpu,cpuacct", "cpuset", "memory", "pids", "blkio", "net",
	"devices", "rdma" };

static void make_v2_leaf(struct fake *f, const char *controllers)
{
	mkdirat(f->dir.fd, "cg/unified", 0755);
	mkdirat(f->dir.fd, "cg/unified/c", 0755);
	put_file(f, "cg/unified/c/cgroup.events", "populated 0\nfrozen 0\n");
	put_file(f, "cg/unified/c/cgroup.controllers", controllers);
	put_file(f, "cg/unified/c/cgroup.type", "domain\n");
}

static void make_v1_leaves(struct fake *f)
{
	char path[128];

	for (size_t i = 0; i < sizeof(v1_dirs) / sizeof(v1_dirs[0]); i++) {
		snprintf(path, sizeof(path), "cg/%s", v1_dirs[i]);
		mkdirat(f->dir.fd, path, 0755);
		snprintf(path, sizeof(path), "cg/%s/c", v1_dirs[i]);
		mkdirat(f->dir.fd, path, 0755);
		snprintf(path, sizeof(path), "cg/%s/c/cgroup.procs", v1_dirs[i]);
		put_file(f, path, "");
	}
	put_file(f, "cg/cpuset/c/cpuset.mems", "0\n");
	put_file(f, "cg/memory/c/memory.memsw.limit_in_bytes", "");
}

static void fake_open(struct fake *f, enum layout layout)
{
	const struct cgroup_request req = { .path = "/c", .id = "c" };
	char table[2048];

	*f = (struct fake){ .dir = test_tmpdir_memory(), .layout = layout };
	mkdirat(f->dir.fd, "proc", 0755);
	mkdirat(f->dir.fd, "proc/self", 0755);
	mkdirat(f->dir.fd, "cg", 0755);
	snprintf(table, sizeof(table), "%s%s", layout == ON_V2 ? "" : v1_mounts,
		layout == ON_V1 ? "" : "42 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n");
	put_file(f, "proc/self/mountinfo", table);
	if (layout != ON_V2)
		make_v1_leaves(f);
	if (layout != ON_V1)
		make_v2_leaf(f,
			layout == ON_V2 ? "cpuset cpu io memory hugetlb pids rdma\n" : "hugetlb\n");
	assert_ok(cgroup_host_read(f->dir.path, &f->host, &f->err));
	if (cgroup_create(&f->host, &req, &f->cg, &f->err) < 0 || !f->cg) {
		fail_msg("%s", f->err.text);
		abort(); /* the analyzer does not know that the line above does not return */
	}
}

static void fake_close(struct fake *f)
{
	cgroup_free(f->cg);
	cgroup_host_done(&f->host);
	test_tmpdir_remove(&f->dir);
}

/* Everything that the cgroups of the container hold, "FILE=CONTENT " in alphabetical order. */
static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_scenery(const char *name)
{
	return strcmp(name, "cgroup.events") == 0 || strcmp(name, "cgroup.controllers") == 0 ||
	       strcmp(name, "cgroup.procs") == 0 || strcmp(name, "cgroup.type") == 0 ||
	       strcmp(name, "cpuset.mems") == 0;
}

static size_t collect_dir(const char *path, char **out, size_t n)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char text[512];
		int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC);
		ssize_t len = e->d_type == DT_REG ? read(fd, text, sizeof(text) - 1) : 0;

		close(fd);
		if (len <= 0 || is_scenery(e->d_name))
			continue;
		text[len - (text[len - 1] == '\n')] = '\0';
		for (char *p = text; *p; p++)
			if (*p == '\n')
				*p = '|';
		assert_true(asprintf(&out[n++], "%s=%s ", e->d_name, text) > 0);
	}
	closedir(dir);
	return n;
}

static void assert_written(struct fake *f, const char *want)
{
	char *all[64], text[4096] = "";
	size_t n = 0, len = 0;

	for (size_t i = 0; i < f->cg->n_dirs; i++)
		n = collect_dir(f->cg->dirs[i].path, all, n);
	qsort(all, n, sizeof(all[0]), by_name);
	for (size_t i = 0; i < n; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", all[i]);
		free(all[i]);
	}
	if (len > 0)
		text[len - 1] = '\0';
	assert_string_equal(text, want);
}

/* One document on one layout: what is written. */
static void writes(enum layout layout, const struct spec_resources *res, const char *want)
{
	struct fake f;

	fake_open(&f, layout);
	if (cgroup_apply(f.cg, res, false, &f.err) < 0)
		fail_msg("%s", f.err.text);
	assert_written(&f, want);
	fake_close(&f);
}

/* One document that is refused: the start of the text. */
static void refused(
	enum layout layout, const struct spec_resources *res, int code, const char *text)
{
	struct fake f;

	fake_open(&f, layout);
	assert_int_equal(cgroup_apply(f.cg, res, false, &f.err), code);
	assert_text_has(f.err.text, text);
	fake_close(&f);
}

TEST(nothing_asked_is_nothing_written)
{
	struct spec_memory m = { .has_limit = true, .has_disable_oom_killer = true };
	struct spec_cpu c = { .has_shares = true,
		.has_quota = true,
		.cpus = "",
		.has_idle = true,
		.has_burst = true };
	struct spec_block_io b = { .has_weight = true };
	struct spec_network n = { .has_class_id = true };
	struct spec_pids p = { .limit = 5 };
	const struct spec_resources empty = { 0 }, zero = {
		.memory = &m, .cpu = &c, .block_io = &b, .network = &n, .pids = &p
	};

	for (int layout = ON_V1; layout <= ON_HYBRID; layout++) {
		writes((enum layout)layout, NULL, "");
		writes((enum layout)layout, &empty, "");
		writes((enum layout)layout, &zero, "");
	}
}

TEST(memory_on_v1)
{
	struct spec_memory m = { .limit = GIB,
		.swap = 2 * GIB,
		.reservation = 4096,
		.has_swappiness = true,
		.swappiness = 10,
		.kernel = 12345,
		.kernel_tcp = 8192,
		.disable_oom_killer = true,
		.use_hierarchy = true };
	struct spec_memory unlimited = { .limit = -1 };
	const struct spec_resources all = { .memory = &m }, none = { .memory = &unlimited };

	writes(ON_V1, &all,
		"memory.kmem.tcp.limit_in_bytes=8192 memory.limit_in_bytes=1073741824 "
		"memory.memsw.limit_in_bytes=2147483648 memory.oom_control=1 "
		"memory.soft_limit_in_bytes=4096 memory.swappiness=10 memory.use_hierarchy=1");
	writes(ON_V1, &none, "memory.limit_in_bytes=-1 memory.memsw.limit_in_bytes=-1");
}

TEST(memory_on_v2)
{
	struct spec_memory m = { .limit = GIB, .swap = 3 * GIB, .reservation = 4096 };
	struct spec_memory equal = { .limit = GIB, .swap = GIB };
	struct spec_memory unlimited = { .limit = -1, .reservation = -1 };
	const struct spec_resources a = { .memory = &m }, b = { .memory = &equal },
				    c = { .memory = &unlimited };

	writes(ON_V2, &a, "memory.low=4096 memory.max=1073741824 memory.swap.max=2147483648");
	writes(ON_V2, &b, "memory.max=1073741824 memory.swap.max=0");
	writes(ON_V2, &c, "memory.low=max memory.max=max memory.swap.max=max");
}

TEST(memory_that_v2_cannot_do_is_refused)
{
	struct spec_memory swappiness = { .has_swappiness = true, .swappiness = 0 };
	struct spec_memory oom = { .disable_oom_killer = true };
	struct spec_memory swap = { .swap = GIB };
	struct spec_memory less = { .swap = GIB, .limit = 2 * GIB };
	const struct spec_resources a = { .memory = &swappiness }, b = { .memory = &oom },
				    c = { .memory = &swap }, d = { .memory = &less };

	refused(ON_V2, &a, -EOPNOTSUPP, "linux.resources.memory.swappiness");
	refused(ON_V2, &b, -EOPNOTSUPP, "linux.resources.memory.disableOOMKiller");
	refused(ON_V2, &c, -EINVAL, "linux.resources.memory.swap: 1073741824");
	refused(ON_V2, &d, -EINVAL, "linux.resources.memory.swap: 1073741824");
}

TEST(swap_pairs_convert_as_the_peers_do)
{
	static const struct {
		int64_t limit, swap;
		int r;
		bool write;
		int64_t value;
	} row[] = {
		{ 0, 0, 0, false, 0 },
		{ -1, 0, 0, true, -1 },
		{ GIB, 0, 0, false, 0 },
		{ GIB, -1, 0, true, -1 },
		{ 0, -1, 0, true, -1 },
		{ -1, GIB, 0, true, GIB },
		{ GIB, GIB, 0, true, 0 },
		{ GIB, GIB + 1, 0, true, 1 },
		{ GIB, GIB - 1, -EINVAL, false, 0 },
		{ 0, GIB, -EINVAL, false, 0 },
		{ -2, GIB, -EINVAL, false, 0 },
		{ GIB, -2, -EINVAL, false, 0 },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		int64_t value;
		bool write;

		assert_int_equal(
			cgroup_v2_swap(row[i].limit, row[i].swap, &value, &write), row[i].r);
		if (row[i].r == 0)
			assert_int_equal(write, row[i].write);
		if (row[i].r == 0 && row[i].write)
			assert_int_equal(value, row[i].value);
	}
}

TEST(an_update_of_memory_looks_at_what_is_used_when_asked_to)
{
	struct spec_memory m = { .limit = 1000, .check_before_update = true };
	struct spec_memory swap = { .swap = 3000 };
	struct spec_resources res = { .memory = &m };
	struct fake f;

	fake_open(&f, ON_V2);
	put_file(&f, "cg/unified/c/memory.current", "1001\n");
	assert_int_equal(cgroup_apply(f.cg, &res, true, &f.err), -EBUSY);
	assert_text_has(f.err.text,
		"linux.resources.memory.limit: rejecting memory limit 1000, below the 1001 in use");
	m.swap = 1000; /* the one for both is spoken of first */
	assert_int_equal(cgroup_apply(f.cg, &res, true, &f.err), -EBUSY);
	assert_text_has(f.err.text, "linux.resources.memory.swap: rejecting memory+swap limit "
				    "1000, below the 1001 in use");
	m.swap = 0;
	put_file(&f, "cg/unified/c/memory.current", "1000\n");
	assert_ok(cgroup_apply(f.cg, &res, true, &f.err));
	assert_written(&f, "memory.current=1000 memory.max=1000");
	res.memory = &swap; /* swap alone counts from the limit in force */
	assert_ok(cgroup_apply(f.cg, &res, true, &f.err));
	assert_written(&f, "memory.current=1000 memory.max=1000 memory.swap.max=2000");
	fake_close(&f);
}

TEST(cpu_on_v1)
{
	struct spec_cpu c = { .shares = 512,
		.quota = 50000,
		.period = 100000,
		.has_burst = true,
		.burst = 1000,
		.realtime_period = 1000000,
		.realtime_runtime = 950000,
		.cpus = "0-1,3",
		.mems = "0",
		.has_idle = true,
		.idle = 1 };
	struct spec_cpu unlimited = { .quota = -5 };
	const struct spec_resources a = { .cpu = &c }, b = { .cpu = &unlimited };
	struct fake f;

	fake_open(&f, ON_V1);
	assert_ok(cgroup_apply(f.cg, &a, false, &f.err));
	assert_written(&f,
		"cpu.cfs_burst_us=1000 cpu.cfs_period_us=100000 cpu.cfs_quota_us=50000 "
		"cpu.idle=1 cpu.rt_period_us=1000000 cpu.rt_runtime_us=950000 cpu.shares=512 "
		"cpuset.cpus=0-1,3");
	fake_close(&f);
	writes(ON_V1, &b, "cpu.cfs_quota_us=-1");
}

TEST(cpu_on_v2)
{
	struct spec_cpu c = { .shares = 1024,
		.quota = 50000,
		.period = 100000,
		.has_burst = true,
		.burst = 1000,
		.cpus = "0-1,3",
		.has_idle = true,
		.idle = 1 };
	struct spec_cpu quota = { .quota = 7000 }, none = { .quota = -1 },
			period = { .period = 20000 }, rt = { .realtime_runtime = 5 };
	const struct spec_resources a = { .cpu = &c }, b = { .cpu = &quota }, d = { .cpu = &none },
				    e = { .cpu = &period }, g = { .cpu = &rt };

	writes(ON_V2, &a,
		"cpu.idle=1 cpu.max.burst=1000 cpu.max=50000 100000 cpu.weight=100 "
		"cpuset.cpus=0-1,3");
	writes(ON_V2, &b, "cpu.max=7000");
	writes(ON_V2, &d, "cpu.max=max");
	writes(ON_V2, &e, "cpu.max=max 20000");
	refused(ON_V2, &g, -EOPNOTSUPP, "linux.resources.cpu.realtimeRuntime");
}

TEST(an_update_of_the_period_keeps_the_quota)
{
	struct spec_cpu period = { .period = 20000, .has_idle = true, .idle = 0, .shares = 100 };
	const struct spec_resources res = { .cpu = &period };
	struct fake f;

	fake_open(&f, ON_V2);
	put_file(&f, "cg/unified/c/cpu.max", "7000 100000\n");
	assert_ok(cgroup_apply(f.cg, &res, true, &f.err));
	assert_written(&f, "cpu.idle=0 cpu.max=7000 100000|7000 20000 cpu.weight=17");
	fake_close(&f);
}

static void assert_file(const struct fake *f, const char *name, const char *want)
{
	char text[512] = "";
	int fd = openat(f->dir.fd, name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_string_equal(text, want);
}

TEST(no_processes_is_the_one_that_is_there)
{
	struct spec_pids pids = { .has_limit = true };
	const struct spec_resources res = { .pids = &pids };
	struct cgroup_journal journal = { 0 };
	struct fake f;

	fake_open(&f, ON_V1);
	put_file(&f, "cg/pids/c/pids.max", "max\n");
	assert_int_equal(cgroup_update(f.cg, &res, &journal, &f.err), 0);
	assert_file(&f, "cg/pids/c/pids.max", "max\n1\n");
	cgroup_journal_done(&journal);
	fake_close(&f);
}

TEST(an_update_that_fails_half_way_is_undone)
{
	struct spec_cpu cpu = { .shares = 512 };
	struct spec_memory memory = { .has_limit = true, .limit = GIB };
	struct spec_pids pids = { .has_limit = true, .limit = 10 };
	struct spec_block_io io = { .throttle_read_bps_device =
					    (struct spec_throttle_device[]){ { 8, 0, 1000 } },
		.n_throttle_read_bps_device = 1 };
	const struct spec_resources res = {
		.cpu = &cpu, .memory = &memory, .pids = &pids, .block_io = &io
	};
	struct cgroup_journal journal = { 0 };
	struct fake f;

	fake_open(&f, ON_V1);
	put_file(&f, "cg/cpu,cpuacct/c/cpu.shares", "1024\n");
	put_file(&f, "cg/memory/c/memory.limit_in_bytes", "2048\n");
	put_file(&f, "cg/pids/c/pids.max", "max\n");
	/* a controller behind the others that cannot be written */
	assert_ok(mkdirat(f.dir.fd, "cg/blkio/c/blkio.throttle.read_bps_device", 0755));
	assert_true(cgroup_update(f.cg, &res, &journal, &f.err) < 0);
	assert_text_has(f.err.text, "linux.resources.blockIO.throttleReadBpsDevice");
	assert_file(&f, "cg/cpu,cpuacct/c/cpu.shares", "1024\n512\n1024\n");
	assert_file(&f, "cg/memory/c/memory.limit_in_bytes", "2048\n1073741824\n2048\n");
	assert_file(&f, "cg/pids/c/pids.max", "max\n10\nmax\n");
	cgroup_journal_done(&journal);
	fake_close(&f);
}

TEST(an_update_that_succeeded_can_be_undone_later)
{
	struct spec_pids pids = { .has_limit = true, .limit = 10 };
	const struct spec_resources res = { .pids = &pids };
	struct cgroup_journal journal = { 0 };
	struct fake f;

	fake_open(&f, ON_V2);
	put_file(&f, "cg/unified/c/pids.max", "77\n");
	assert_ok(cgroup_update(f.cg, &res, &journal, &f.err));
	assert_file(&f, "cg/unified/c/pids.max", "77\n10\n");
	assert_true(cgroup_journal_undo(&journal));
	assert_file(&f, "cg/unified/c/pids.max", "77\n10\n77\n");
	cgroup_journal_done(&journal);
	assert_ok(cgroup_apply(f.cg, &res, true, &f.err)); /* notes nothing any more */
	assert_int_equal(journal.n, 0);
	fake_close(&f);
}

TEST(what_undoes_a_write_depends_on_the_file)
{
	static const struct {
		const char *file, *value, *before, *inverse;
		bool v2;
	} row[] = {
		{ "cpu.shares", "5", "1024", "1024", false },
		{ "cpu.max", "7000", "max 100000", "max 100000", true },
		{ "memory.oom_control", "1", "oom_kill_disable 0\nunder_oom 0\noom_kill 4", "0",
			false },
		{ "blkio.throttle.read_bps_device", "8:0 9", "8:16 5\n8:0 7", "8:0 7", false },
		{ "blkio.throttle.read_bps_device", "8:0 9", "18:0 7", "8:0 0", false },
		{ "io.max", "8:0 rbps=9", "", "8:0 rbps=max wbps=max riops=max wiops=max", true },
		{ "io.max", "8:0 rbps=9", "8:0 rbps=3 wbps=max riops=max wiops=max",
			"8:0 rbps=3 wbps=max riops=max wiops=max", true },
		{ "io.weight", "200", "default 100\n8:0 50", "default 100", true },
		{ "io.weight", "8:16 200", "default 100\n8:0 50", "8:16 default", true },
		{ "net_prio.ifpriomap", "lo 5", "eth0 1\nlo 2", "lo 2", false },
		{ "rdma.max", "mlx4_0 hca_handle=1", "", "mlx4_0 hca_handle=max hca_object=max",
			true },
	};
	struct arena a = { 0 };

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_string_equal(cgroup_journal_inverse(&a, row[i].file, row[i].value,
					    row[i].before, row[i].v2),
			row[i].inverse);
	arena_done(&a);
}

TEST(shares_and_weights_convert_as_the_peers_do)
{
	static const uint64_t row[][2] = { { 0, 1 }, { 2, 1 }, { 3, 2 }, { 10, 4 }, { 100, 17 },
		{ 512, 59 }, { 1023, 100 }, { 1024, 100 }, { 1025, 101 }, { 2048, 174 },
		{ 262143, 10000 }, { 262144, 10000 }, { 1000000, 10000 } };

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_int_equal(cgroup_v2_weight(row[i][0]), row[i][1]);
	for (uint64_t s = 2; s < 262144; s += 97)
		assert_true(cgroup_v2_weight(s) <= cgroup_v2_weight(s + 97));
	assert_int_equal(cgroup_v2_io_weight(10), 1);
	assert_int_equal(cgroup_v2_io_weight(1000), 10000);
	assert_int_equal(cgroup_v2_io_weight(100), 910);
	assert_int_equal(cgroup_v2_io_weight(1), 1);
}

TEST(pids_are_the_same_everywhere)
{
	struct spec_pids some = { .has_limit = true, .limit = 10 };
	struct spec_pids all = { .has_limit = true, .limit = -1 };
	struct spec_pids none = { .has_limit = true, .limit = 0 };
	const struct spec_resources a = { .pids = &some }, b = { .pids = &all },
				    c = { .pids = &none };

	for (int layout = ON_V1; layout <= ON_HYBRID; layout++) {
		writes((enum layout)layout, &a, "pids.max=10");
		writes((enum layout)layout, &b, "pids.max=max");
		writes((enum layout)layout, &c, "pids.max=1");
	}
}

static struct spec_throttle_device throttle[] = { { 8, 0, 1000 }, { 8, 16, 0 } };
static struct spec_weight_device weights[] = {
	{ .major = 8, .minor = 0, .has_weight = true, .weight = 500 }
};

TEST(block_io_on_v1)
{
	struct spec_weight_device leaf = { .major = 8, .leaf_weight = 300 };
	struct spec_block_io b = { .weight = 100,
		.leaf_weight = 200,
		.weight_device = weights,
		.n_weight_device = 1,
		.throttle_read_bps_device = throttle,
		.n_throttle_read_bps_device = 2,
		.throttle_write_iops_device = throttle,
		.n_throttle_write_iops_device = 1 };
	struct spec_block_io l = { .weight_device = &leaf, .n_weight_device = 1 };
	const struct spec_resources a = { .block_io = &b }, c = { .block_io = &l };

	writes(ON_V1, &a,
		"blkio.bfq.weight=100 blkio.bfq.weight_device=8:0 500 blkio.leaf_weight=200 "
		"blkio.throttle.read_bps_device=8:0 1000|8:16 0 "
		"blkio.throttle.write_iops_device=8:0 1000");
	writes(ON_V1, &c, "blkio.leaf_weight_device=8:0 300");
}

TEST(block_io_on_v2)
{
	struct spec_block_io b = { .weight = 100,
		.weight_device = weights,
		.n_weight_device = 1,
		.throttle_read_bps_device = throttle,
		.n_throttle_read_bps_device = 2,
		.throttle_write_bps_device = throttle,
		.n_throttle_write_bps_device = 1,
		.throttle_read_iops_device = throttle,
		.n_throttle_read_iops_device = 1,
		.throttle_write_iops_device = throttle,
		.n_throttle_write_iops_device = 1 };
	struct spec_block_io l = { .leaf_weight = 10 };
	const struct spec_resources a = { .block_io = &b }, c = { .block_io = &l };

	writes(ON_V2, &a,
		"io.bfq.weight=100|8:0 500 "
		"io.max=8:0 rbps=1000|8:16 rbps=max|8:0 wbps=1000|8:0 riops=1000|8:0 wiops=1000");
	refused(ON_V2, &c, -EOPNOTSUPP, "linux.resources.blockIO.leafWeight");
}

TEST(without_bfq_the_general_weight_is_used)
{
	struct spec_block_io b = { .weight = 100, .weight_device = weights, .n_weight_device = 1 };
	const struct spec_resources res = { .block_io = &b };
	struct fake f;

	fake_open(&f, ON_V2);
	f.cg->dirs[0].fake = false; /* now files must exist */
	put_file(&f, "cg/unified/c/io.weight", "");
	assert_ok(cgroup_apply(f.cg, &res, false, &f.err));
	assert_written(&f, "io.weight=8:0 4950");
	fake_close(&f);
}

TEST(huge_pages_go_to_the_hierarchy_that_has_them)
{
	struct spec_hugepage_limit h[] = { { "2MB", 4096 }, { "1GB", 0 } };
	struct spec_hugepage_limit bad[] = { { "../2MB", 4096 } };
	const struct spec_resources a = { .hugepage_limits = h, .n_hugepage_limits = 2 };
	const struct spec_resources b = { .hugepage_limits = bad, .n_hugepage_limits = 1 };

	writes(ON_V2, &a,
		"hugetlb.1GB.max=0 hugetlb.1GB.rsvd.max=0 hugetlb.2MB.max=4096 "
		"hugetlb.2MB.rsvd.max=4096");
	writes(ON_HYBRID, &a,
		"hugetlb.1GB.max=0 hugetlb.1GB.rsvd.max=0 hugetlb.2MB.max=4096 "
		"hugetlb.2MB.rsvd.max=4096");
	refused(ON_V1, &a, -EOPNOTSUPP,
		"linux.resources.hugepageLimits: the cgroup controller 'hugetlb' is not available");
	refused(ON_V2, &b, -EINVAL, "linux.resources.hugepageLimits[0].pageSize");
}

TEST(a_page_size_that_the_machine_lacks_is_named)
{
	struct spec_hugepage_limit h[] = { { "3MB", 4096 } };
	const struct spec_resources res = { .hugepage_limits = h, .n_hugepage_limits = 1 };
	struct fake f;

	fake_open(&f, ON_V2);
	f.cg->dirs[0].fake = false;
	assert_int_equal(cgroup_apply(f.cg, &res, false, &f.err), -ENOENT);
	assert_text_has(f.err.text, "linux.resources.hugepageLimits[0].pageSize");
	fake_close(&f);
}

TEST(network_classes_need_v1)
{
	struct spec_interface_priority p[] = { { "lo", 5 }, { "eth0", 7 } };
	struct spec_network n = { .class_id = 1048577, .priorities = p, .n_priorities = 2 };
	const struct spec_resources res = { .network = &n };

	writes(ON_V1, &res, "net_cls.classid=1048577 net_prio.ifpriomap=lo 5|eth0 7");
	refused(ON_V2, &res, -EOPNOTSUPP, "linux.resources.network.classID");
}

TEST(rdma_is_the_same_everywhere)
{
	struct spec_rdma r[] = { { "mlx5_0", true, 3, true, 10 }, { "mlx5_1", false, 0, true, 4 } };
	const struct spec_resources res = { .rdma = r, .n_rdma = 2 };

	writes(ON_V1, &res, "rdma.max=mlx5_0 hca_handle=3 hca_object=10|mlx5_1 hca_object=4");
	writes(ON_V2, &res, "rdma.max=mlx5_0 hca_handle=3 hca_object=10|mlx5_1 hca_object=4");
}

TEST(unified_files_are_written_line_by_line)
{
	struct spec_kv kv[] = { { "memory.high", "1000" },
		{ "io.max", "8:0 rbps=1\n8:16 wbps=2\n" }, { "cgroup.max.depth", "3" } };
	const struct spec_resources res = { .unified = kv, .n_unified = 3 };

	writes(ON_V2, &res, "cgroup.max.depth=3 io.max=8:0 rbps=1|8:16 wbps=2 memory.high=1000");
	refused(ON_V1, &res, -EOPNOTSUPP, "linux.resources.unified: needs cgroup v2");
	refused(ON_HYBRID, &res, -EOPNOTSUPP, "linux.resources.unified: needs cgroup v2");
}

TEST(unified_names_that_are_no_limits_are_refused)
{
	static const char *const bad[] = { "../memory.max", "memory/max.x", "", "memory",
		"cgroup.procs", "cgroup.kill", "cgroup.freeze", ".x", "cgroup.subtree_control" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct spec_kv kv = { bad[i], "1" };
		const struct spec_resources res = { .unified = &kv, .n_unified = 1 };

		refused(ON_V2, &res, -EINVAL, "linux.resources.unified");
	}
}

TEST(a_missing_controller_is_named)
{
	struct spec_kv kv = { "misc.max", "x 1" };
	struct spec_memory m = { .limit = GIB };
	const struct spec_resources a = { .unified = &kv, .n_unified = 1 }, b = { .memory = &m };
	struct fake f;

	refused(ON_V2, &a, -EOPNOTSUPP,
		"linux.resources.unified: the cgroup controller 'misc' is not available");
	fake_open(&f, ON_V2);
	f.cg->dirs[0].controllers = 0;
	put_file(&f, "cg/unified/c/cgroup.controllers", "pids\n");
	assert_int_equal(cgroup_apply(f.cg, &b, false, &f.err), -EOPNOTSUPP);
	assert_string_equal(f.err.text,
		"linux.resources.memory: the cgroup controller 'memory' is not available");
	fake_close(&f);
}

TEST(controllers_are_enabled_from_the_mount_down)
{
	struct spec_memory m = { .limit = GIB };
	const struct spec_resources res = { .memory = &m };
	struct fake f;
	char text[128] = "";
	int fd;

	fake_open(&f, ON_V2);
	put_file(&f, "cg/unified/cgroup.controllers", "cpu memory misc\n");
	put_file(&f, "cg/unified/cgroup.subtree_control", "");
	put_file(&f, "cg/unified/c/cgroup.controllers", "cpu\n");
	f.cg->dirs[0].controllers = 0;
	assert_int_equal(cgroup_apply(f.cg, &res, false, &f.err), -EOPNOTSUPP);
	fd = openat(f.dir.fd, "cg/unified/cgroup.subtree_control", O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_string_equal(text, "+cpu +memory +misc\n");
	fake_close(&f);
}

TEST(failed_writes_name_field_value_and_file)
{
	struct spec_pids p = { .has_limit = true, .limit = 10 };
	const struct spec_resources res = { .pids = &p };
	struct fake f;

	fake_open(&f, ON_V2);
	f.cg->dirs[0].fake = false;
	assert_int_equal(cgroup_apply(f.cg, &res, false, &f.err), -ENOENT);
	assert_string_equal(f.err.text, "linux.resources.pids.limit: write 10 to pids.max: this "
					"kernel has no such setting");
	fake_close(&f);
}

/* ---- devices on v1 ---- */

TEST(v1_devices_are_denied_and_then_allowed_row_by_row)
{
	struct spec_device_rule rules[] = { { .allow = false },
		{ .allow = true, .type = 'b', .has_major = true, .major = 8, .access = "r" } };
	const struct spec_resources res = { .devices = rules, .n_devices = 2 };
	struct fake f;

	fake_open(&f, ON_V1);
	f.cg->dirs[6].made = 1; /* as if fresh */
	assert_ok(cgroup_apply_devices(f.cg, &res, false, NULL, &f.err));
	assert_written(&f,
		"devices.allow=b 8:* rm|b *:* m|c 1:3 rwm|c 1:5 rwm|c 1:7 rwm|c 1:8 rwm|c 1:9 rwm|"
		"c 5:0 rwm|c 5:2 rwm|c 10:200 rwm|c 136:* rwm|c *:* m devices.deny=a");
	assert_non_null(f.cg->devices);
	fake_close(&f);
}

TEST(v1_devices_are_left_alone_when_all_are_allowed)
{
	struct spec_device_rule rules[] = { { .allow = true } };
	const struct spec_resources res = { .devices = rules, .n_devices = 1 };
	struct fake f;

	fake_open(&f, ON_V1);
	f.cg->dirs[6].made = 1;
	assert_ok(cgroup_apply_devices(f.cg, &res, false, NULL, &f.err));
	assert_written(&f, "");
	fake_close(&f);
}

TEST(an_update_of_v1_devices_writes_differences_only)
{
	struct spec_device_rule more[] = { { .allow = false },
		{ .allow = true, .type = 'c', .has_major = true, .major = 99 },
		{ .allow = false,
			.type = 'c',
			.has_major = true,
			.major = 10,
			.has_minor = true,
			.minor = 200,
			.access = "rw" } };
	const struct spec_resources res = { .devices = more, .n_devices = 3 };
	struct fake f;

	fake_open(&f, ON_V1);
	put_file(&f, "cg/devices/c/devices.list",
		"b *:* m\nc 1:3 rwm\nc 1:5 rwm\nc 1:7 rwm\nc 1:8 rwm\nc 1:9 rwm\nc 5:0 rwm\n"
		"c 5:2 rw\nc 10:200 rwm\nc 136:* rwm\nc *:* m\n");
	assert_ok(cgroup_apply_devices(f.cg, &res, true, NULL, &f.err));
	unlinkat(f.dir.fd, "cg/devices/c/devices.list", 0);
	assert_written(&f, "devices.allow=c 5:2 m|c 99:* rwm devices.deny=c 10:200 rwm");
	assert_ok(cgroup_apply_devices(f.cg, &res, true, NULL, &f.err)); /* the same rules */
	assert_written(&f, "devices.allow=c 5:2 m|c 99:* rwm devices.deny=c 10:200 rwm");
	fake_close(&f);
}

/* ---- settings that depend on each other ---- */

TEST(settings_are_written_in_order)
{
	struct cgroup_settings s = { 0 };
	struct fake f;

	fake_open(&f, ON_V2);
	cgroup_settings_add(&s, "x", "x.max", "%d", 1);
	cgroup_settings_add(&s, "y", "x.max", "%d", 2);
	assert_ok(cgroup_settings_write(&f.cg->dirs[0], &s, &f.err));
	assert_written(&f, "x.max=1|2");
	fake_close(&f);
}
