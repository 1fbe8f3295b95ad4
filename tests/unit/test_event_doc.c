/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of a cgroup made of plain files, and the line that `events` prints of them. */
#include "test.h"

#include "cli/event_doc.h"

struct fixture {
	struct test_tmpdir dir;
	struct cgroup cg;
	struct arena arena;
	struct buf out;
};

static struct fixture *setup(enum cgroup_mode mode)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->dir = test_tmpdir();
	f->cg.mode = mode;
	return f;
}

static void teardown(struct fixture *f)
{
	for (size_t i = 0; i < f->cg.n_dirs; i++)
		if (f->cg.dirs[i].fd >= 0)
			close(f->cg.dirs[i].fd);
	buf_done(&f->out);
	arena_done(&f->arena);
	test_tmpdir_remove(&f->dir);
	free(f);
}

static void add_dir(struct fixture *f, const char *name, uint32_t controllers)
{
	struct cgroup_dir *d = &f->cg.dirs[f->cg.n_dirs++];

	assert_ok(mkdirat(f->dir.fd, name, 0755));
	*d = (struct cgroup_dir){
		.path = arena_printf(&f->arena, "%s/%s", f->dir.path, name),
		.controllers = controllers,
		.v2 = f->cg.mode == CGROUP_MODE_V2,
		.fd = -EBADF,
	};
}

static void put(struct fixture *f, const char *file, const char *text)
{
	int fd = openat(f->dir.fd, file, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static const char *line_of(struct fixture *f, const char *id)
{
	struct stats s;

	assert_ok(stats_read(&f->cg, &s, NULL));
	assert_ok(event_doc_stats(id, &f->cg, &s, &f->out));
	stats_done(&s);
	return f->out.data;
}

#define CPUSET_ZEROS \
	"\"cpu_exclusive\":0,\"mem_hardwall\":0,\"mem_exclusive\":0,\"memory_migrate\":0," \
	"\"memory_spread_page\":0,\"memory_spread_slab\":0,\"memory_pressure\":0," \
	"\"sched_load_balance\":0,\"sched_relax_domain_level\":0}"
#define NO_ENTRY "{\"limit\":0,\"failcnt\":0}"

TEST(v2)
{
	struct fixture *f = setup(CGROUP_MODE_V2);

	add_dir(f, "c", CGROUP_BIT(CGROUP_MEMORY) | CGROUP_BIT(CGROUP_CPU));
	put(f, "c/cpu.stat",
		"usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 3\nnr_throttled 2\n"
		"throttled_usec 1\n");
	put(f, "c/cpu.pressure",
		"some avg10=1.50 avg60=0.00 avg300=0.25 total=77\n"
		"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	put(f, "c/memory.stat", "anon 4096\nfile 8192\n");
	put(f, "c/memory.current", "12288\n");
	put(f, "c/memory.max", "max\n");
	put(f, "c/memory.peak", "20000\n");
	put(f, "c/memory.swap.current", "1000\n");
	put(f, "c/memory.swap.max", "5000\n");
	put(f, "c/pids.current", "2\n");
	put(f, "c/pids.max", "max\n");
	put(f, "c/io.stat", "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n");
	put(f, "c/hugetlb.2MB.current", "0\n");
	put(f, "c/hugetlb.2MB.max", "4194304\n");
	put(f, "c/hugetlb.2MB.events", "max 3\n");
	assert_string_equal(line_of(f, "x\"y"),
		"{\"type\":\"stats\",\"id\":\"x\\\"y\",\"data\":{"
		"\"cpu\":{\"usage\":{\"total\":30000,\"kernel\":10000,\"user\":20000},"
		"\"throttling\":{\"periods\":3,\"throttledPeriods\":2,\"throttledTime\":1000},"
		"\"psi\":{\"some\":{\"avg10\":1.5,\"avg60\":0,\"avg300\":0.25,\"total\":77},"
		"\"full\":{\"avg10\":0,\"avg60\":0,\"avg300\":0,\"total\":0}}},"
		"\"cpuset\":{" CPUSET_ZEROS ","
		"\"memory\":{\"cache\":8192,"
		"\"usage\":{\"limit\":18446744073709551615,\"usage\":12288,\"max\":20000,"
		"\"failcnt\":0},"
		"\"swap\":{\"limit\":18446744073709551615,\"usage\":13288,\"failcnt\":0},"
		"\"kernel\":" NO_ENTRY ",\"kernelTCP\":" NO_ENTRY ","
		"\"raw\":{\"anon\":4096,\"file\":8192}},"
		"\"pids\":{\"current\":2},"
		"\"blkio\":{\"ioServiceBytesRecursive\":[{\"major\":8,\"op\":\"Read\",\"value\":"
		"4096},"
		"{\"major\":8,\"op\":\"Write\"}],"
		"\"ioServicedRecursive\":[{\"major\":8,\"op\":\"Read\",\"value\":1},"
		"{\"major\":8,\"op\":\"Write\"}]},"
		"\"hugetlb\":{\"2MB\":{\"failcnt\":3}},"
		"\"intel_rdt\":{},\"network_interfaces\":null}}\n");
	teardown(f);
}

TEST(v1)
{
	struct fixture *f = setup(CGROUP_MODE_HYBRID);

	add_dir(f, "cpu", CGROUP_BIT(CGROUP_CPU));
	add_dir(f, "cpuacct", CGROUP_BIT(CGROUP_CPUACCT));
	add_dir(f, "cpuset", CGROUP_BIT(CGROUP_CPUSET));
	add_dir(f, "memory", CGROUP_BIT(CGROUP_MEMORY));
	add_dir(f, "pids", CGROUP_BIT(CGROUP_PIDS));
	put(f, "cpuacct/cpuacct.usage", "123\n");
	put(f, "cpuacct/cpuacct.usage_percpu", "100 23 \n");
	put(f, "cpuacct/cpuacct.usage_all", "cpu user system\n0 90 10\n1 3 20\n");
	put(f, "cpuset/cpuset.cpus", "0-1,4\n");
	put(f, "cpuset/cpuset.mems", "0\n");
	put(f, "cpuset/cpuset.sched_load_balance", "1\n");
	put(f, "cpuset/cpuset.sched_relax_domain_level", "-1\n");
	put(f, "memory/memory.stat", "cache 7\nrss 8\nodd\n");
	put(f, "memory/memory.limit_in_bytes", "4096\n");
	put(f, "memory/memory.failcnt", "3\n");
	put(f, "pids/pids.current", "1\n");
	put(f, "pids/pids.max", "9\n");
	assert_string_equal(line_of(f, "id"),
		"{\"type\":\"stats\",\"id\":\"id\",\"data\":{"
		"\"cpu\":{\"usage\":{\"total\":123,\"percpu\":[100,23],\"percpu_kernel\":[10,20],"
		"\"percpu_user\":[90,3],\"kernel\":0,\"user\":0},\"throttling\":{}},"
		"\"cpuset\":{\"cpus\":[0,1,4],\"mems\":[0],\"cpu_exclusive\":0,\"mem_hardwall\":0,"
		"\"mem_exclusive\":0,\"memory_migrate\":0,\"memory_spread_page\":0,"
		"\"memory_spread_slab\":0,\"memory_pressure\":0,\"sched_load_balance\":1,"
		"\"sched_relax_domain_level\":-1},"
		"\"memory\":{\"cache\":7,\"usage\":{\"limit\":4096,\"failcnt\":3},"
		"\"swap\":" NO_ENTRY ",\"kernel\":" NO_ENTRY ",\"kernelTCP\":" NO_ENTRY
		",\"raw\":{\"cache\":7,\"rss\":8}},"
		"\"pids\":{\"current\":1,\"limit\":9},\"blkio\":{},\"hugetlb\":{},\"intel_rdt\":{},"
		"\"network_interfaces\":null}}\n");
	teardown(f);
}

TEST(an_oom_kill_is_an_event_without_data)
{
	struct buf out = { 0 };

	assert_ok(event_doc_oom("id", &out));
	assert_string_equal(out.data, "{\"type\":\"oom\",\"id\":\"id\"}\n");
	buf_done(&out);
}
