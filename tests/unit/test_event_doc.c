/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of a cgroup made of plain files, and the line that `events` prints of them. */
#include "test.h"

#include "counters_fixture.h"

#include "cli/event_doc.h"

struct fixture {
	struct counters counters;
	struct buf out;
};

static struct fixture *setup(enum cgroup_mode mode)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	counters_init(&f->counters, mode);
	return f;
}

static void teardown(struct fixture *f)
{
	buf_done(&f->out);
	counters_done(&f->counters);
	free(f);
}

static const char *line_of(struct fixture *f, const char *id)
{
	struct stats s;

	assert_ok(stats_read(&f->counters.cg, &s, NULL));
	assert_ok(event_doc_stats(id, &f->counters.cg, &s, &f->out));
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

	counters_add_dir(&f->counters, "c", CGROUP_BIT(CGROUP_MEMORY) | CGROUP_BIT(CGROUP_CPU));
	counters_put(&f->counters, "c/cpu.stat",
		"usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 3\nnr_throttled 2\n"
		"throttled_usec 1\n");
	counters_put(&f->counters, "c/cpu.pressure",
		"some avg10=1.50 avg60=0.00 avg300=0.25 total=77\n"
		"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	counters_put(&f->counters, "c/memory.stat", "anon 4096\nfile 8192\n");
	counters_put(&f->counters, "c/memory.current", "12288\n");
	counters_put(&f->counters, "c/memory.max", "max\n");
	counters_put(&f->counters, "c/memory.peak", "20000\n");
	counters_put(&f->counters, "c/memory.swap.current", "1000\n");
	counters_put(&f->counters, "c/memory.swap.max", "5000\n");
	counters_put(&f->counters, "c/pids.current", "2\n");
	counters_put(&f->counters, "c/pids.max", "max\n");
	counters_put(&f->counters, "c/io.stat",
		"8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n");
	counters_put(&f->counters, "c/hugetlb.2MB.current", "0\n");
	counters_put(&f->counters, "c/hugetlb.2MB.max", "4194304\n");
	counters_put(&f->counters, "c/hugetlb.2MB.events", "max 3\n");
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

	counters_add_dir(&f->counters, "cpu", CGROUP_BIT(CGROUP_CPU));
	counters_add_dir(&f->counters, "cpuacct", CGROUP_BIT(CGROUP_CPUACCT));
	counters_add_dir(&f->counters, "cpuset", CGROUP_BIT(CGROUP_CPUSET));
	counters_add_dir(&f->counters, "memory", CGROUP_BIT(CGROUP_MEMORY));
	counters_add_dir(&f->counters, "pids", CGROUP_BIT(CGROUP_PIDS));
	counters_put(&f->counters, "cpuacct/cpuacct.usage", "123\n");
	counters_put(&f->counters, "cpuacct/cpuacct.usage_percpu", "100 23 \n");
	counters_put(
		&f->counters, "cpuacct/cpuacct.usage_all", "cpu user system\n0 90 10\n1 3 20\n");
	counters_put(&f->counters, "cpuset/cpuset.cpus", "0-1,4\n");
	counters_put(&f->counters, "cpuset/cpuset.mems", "0\n");
	counters_put(&f->counters, "cpuset/cpuset.sched_load_balance", "1\n");
	counters_put(&f->counters, "cpuset/cpuset.sched_relax_domain_level", "-1\n");
	counters_put(&f->counters, "memory/memory.stat", "cache 7\nrss 8\nodd\n");
	counters_put(&f->counters, "memory/memory.limit_in_bytes", "4096\n");
	counters_put(&f->counters, "memory/memory.failcnt", "3\n");
	counters_put(&f->counters, "pids/pids.current", "1\n");
	counters_put(&f->counters, "pids/pids.max", "9\n");
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
