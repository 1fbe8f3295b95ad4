/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of a cgroup made of plain files, and the metrics that become of them. */
#include "test.h"

#include "api/stats_message.h"
#include "counters_fixture.h"
#include "rpc/any.h"
#include "rpc/message.h"

#include "proto/cgroup1.pb-c.h"
#include "proto/cgroup2.pb-c.h"

struct fixture {
	struct counters counters;
	struct stats s;
	const ProtobufCMessage *m;
};

static struct fixture *setup(enum cgroup_mode mode)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	counters_init(&f->counters, mode);
	return f;
}

static void measure(struct fixture *f, const char *url, const ProtobufCMessageDescriptor *type)
{
	Pb__Any any = PB__ANY__INIT;

	assert_ok(stats_read(&f->counters.cg, &f->s, NULL));
	assert_ok(stats_message_encode(&f->s, &f->counters.arena, &any));
	assert_string_equal(any.type_url, url);
	assert_ok(message_decode(
		type, any.value.data, any.value.len, &f->counters.arena, &f->m, NULL));
}

static void teardown(struct fixture *f)
{
	stats_done(&f->s);
	counters_done(&f->counters);
	free(f);
}

/* What this machine calls it; it need not have one. */
static const char *name_of_8_0(void)
{
	static char name[80];
	char line[256];
	FILE *f = fopen("/proc/partitions", "re");

	*name = '\0';
	while (f && fgets(line, sizeof(line), f)) {
		char word[64];

		if (sscanf(line, " 8 0 %*u %63s", word) == 1)
			snprintf(name, sizeof(name), "/dev/%s", word);
	}
	if (f)
		fclose(f);
	return name;
}

TEST(v1_is_read_from_a_directory_for_each_controller)
{
	struct fixture *f = setup(CGROUP_MODE_HYBRID);
	const Pb__Cgroup1__Metrics *m;

	counters_add_dir(&f->counters, "cpu", CGROUP_BIT(CGROUP_CPU));
	counters_add_dir(&f->counters, "cpuacct", CGROUP_BIT(CGROUP_CPUACCT));
	counters_add_dir(&f->counters, "memory", CGROUP_BIT(CGROUP_MEMORY));
	counters_add_dir(&f->counters, "pids", CGROUP_BIT(CGROUP_PIDS));
	counters_add_dir(&f->counters, "blkio", CGROUP_BIT(CGROUP_BLKIO));
	counters_add_dir(&f->counters, "hugetlb", CGROUP_BIT(CGROUP_HUGETLB));
	counters_add_dir(&f->counters, "rdma", CGROUP_BIT(CGROUP_RDMA));
	counters_put(&f->counters, "cpu/cpu.stat",
		"nr_periods 10\nnr_throttled 2\nthrottled_time 345\n");
	counters_put(&f->counters, "cpuacct/cpuacct.usage", "123456789\n");
	counters_put(&f->counters, "cpuacct/cpuacct.stat", "user 7\nsystem 3\n");
	counters_put(&f->counters, "cpuacct/cpuacct.usage_percpu", "100 200 0 \n");
	counters_put(&f->counters, "memory/memory.stat",
		"cache 1\nrss 2\npgpgin 7\npgpgout 8\npgfault 9\npgmajfault 10\nunevictable 15\n"
		"hierarchical_memory_limit 16\nhierarchical_memsw_limit 17\ntotal_cache 18\n"
		"total_rss 19\ntotal_unevictable 32\nnews 99\n");
	counters_put(&f->counters, "memory/memory.usage_in_bytes", "4096\n");
	counters_put(&f->counters, "memory/memory.max_usage_in_bytes", "8192\n");
	counters_put(&f->counters, "memory/memory.limit_in_bytes", "9223372036854771712\n");
	counters_put(&f->counters, "memory/memory.failcnt", "3\n");
	counters_put(&f->counters, "memory/memory.memsw.usage_in_bytes", "5000\n");
	counters_put(&f->counters, "memory/memory.oom_control",
		"oom_kill_disable 0\nunder_oom 1\noom_kill 4\n");
	counters_put(&f->counters, "pids/pids.current", "5\n");
	counters_put(&f->counters, "pids/pids.max", "max\n");
	counters_put(&f->counters, "blkio/blkio.bfq.io_service_bytes_recursive", "Total 0\n");
	counters_put(&f->counters, "blkio/blkio.throttle.io_service_bytes_recursive",
		"8:0 Read 4096\n8:0 Write 512\n8:16 Read 1\nTotal 4609\n");
	counters_put(&f->counters, "blkio/blkio.throttle.io_serviced_recursive",
		"8:0 Read 1\nTotal 1\n");
	counters_put(&f->counters, "hugetlb/hugetlb.2MB.usage_in_bytes", "2097152\n");
	counters_put(&f->counters, "hugetlb/hugetlb.2MB.max_usage_in_bytes", "4194304\n");
	counters_put(&f->counters, "hugetlb/hugetlb.2MB.failcnt", "1\n");
	counters_put(&f->counters, "hugetlb/hugetlb.2MB.rsvd.usage_in_bytes", "9\n");
	counters_put(&f->counters, "rdma/rdma.current",
		"mlx4_0 hca_handle=2 hca_object=2000\nocrdma1 hca_handle=3\n");
	counters_put(&f->counters, "rdma/rdma.max", "mlx4_0 hca_handle=max hca_object=5\n");
	measure(f, ANY_CGROUP1_METRICS, &pb__cgroup1__metrics__descriptor);
	m = (const void *)f->m;
	assert_int_equal(m->cpu->usage->total, 123456789);
	assert_int_equal(m->cpu->usage->user, 7 * (1000000000 / sysconf(_SC_CLK_TCK)));
	assert_int_equal(m->cpu->usage->kernel, 3 * (1000000000 / sysconf(_SC_CLK_TCK)));
	assert_int_equal(m->cpu->usage->n_per_cpu, 3);
	assert_int_equal(m->cpu->usage->per_cpu[1], 200);
	assert_int_equal(m->cpu->throttling->throttled_time, 345);
	assert_int_equal(m->memory->cache, 1);
	assert_int_equal(m->memory->pg_pg_in, 7);
	assert_int_equal(m->memory->pg_maj_fault, 10);
	assert_int_equal(m->memory->unevictable, 15);
	assert_int_equal(m->memory->hierarchical_swap_limit, 17);
	assert_int_equal(m->memory->total_rss, 19);
	assert_int_equal(m->memory->total_unevictable, 32);
	assert_int_equal(m->memory->usage->usage, 4096);
	assert_int_equal(m->memory->usage->max, 8192);
	assert_true(m->memory->usage->limit == 9223372036854771712ull);
	assert_int_equal(m->memory->usage->failcnt, 3);
	assert_int_equal(m->memory->swap->usage, 5000);
	assert_int_equal(m->memory->kernel_tcp->usage, 0);
	assert_int_equal(m->memory_oom_control->oom_kill, 4);
	assert_int_equal(m->memory_oom_control->under_oom, 1);
	assert_int_equal(m->pids->current, 5);
	assert_int_equal(m->pids->limit, 0);
	assert_int_equal(m->blkio->n_io_service_bytes_recursive, 3);
	assert_int_equal(m->blkio->io_service_bytes_recursive[1]->value, 512);
	assert_string_equal(m->blkio->io_service_bytes_recursive[1]->op, "Write");
	assert_string_equal(m->blkio->io_service_bytes_recursive[1]->device, name_of_8_0());
	assert_int_equal(m->blkio->io_service_bytes_recursive[2]->minor, 16);
	assert_int_equal(m->blkio->n_io_serviced_recursive, 1);
	assert_int_equal(m->blkio->n_sectors_recursive, 0);
	assert_int_equal(m->n_hugetlb, 1);
	assert_string_equal(m->hugetlb[0]->pagesize, "2MB");
	assert_int_equal(m->hugetlb[0]->max, 4194304);
	assert_int_equal(m->rdma->n_current, 2);
	assert_int_equal(m->rdma->current[0]->hca_objects, 2000);
	assert_string_equal(m->rdma->current[1]->device, "ocrdma1");
	assert_true(m->rdma->limit[0]->hca_handles == UINT32_MAX);
	teardown(f);
}

TEST(v1_without_controllers_still_has_cpu)
{
	struct fixture *f = setup(CGROUP_MODE_V1);
	const Pb__Cgroup1__Metrics *m;

	counters_add_dir(&f->counters, "systemd", 0);
	measure(f, ANY_CGROUP1_METRICS, &pb__cgroup1__metrics__descriptor);
	m = (const void *)f->m;
	assert_non_null(m->cpu);
	assert_non_null(m->cpu->usage);
	assert_non_null(m->cpu->throttling);
	assert_null(m->memory);
	assert_null(m->pids);
	assert_null(m->blkio);
	assert_null(m->rdma);
	teardown(f);
}

TEST(v2_is_read_from_one_directory)
{
	struct fixture *f = setup(CGROUP_MODE_V2);
	const Pb__Cgroup2__Metrics *m;

	counters_add_dir(&f->counters, "c", 0);
	counters_put(&f->counters, "c/pids.current", "5\n");
	counters_put(&f->counters, "c/pids.max", "max\n");
	counters_put(&f->counters, "c/cpu.stat",
		"usage_usec 1\nuser_usec 2\nsystem_usec 3\nnr_periods 4\nnr_throttled 5\n"
		"throttled_usec 6\nnr_bursts 7\nburst_usec 8\n");
	counters_put(&f->counters, "c/cpu.pressure",
		"some avg10=1.50 avg60=0.25 avg300=0.00 total=77\n"
		"full avg10=0.00 avg60=0.00 avg300=12.34 total=5\n");
	counters_put(&f->counters, "c/memory.stat",
		"anon 1\nfile 2\nthp_collapse_alloc 31\nworkingset_refault_anon 3\n"
		"workingset_refault_file 4\nworkingset_activate 9\npgfault 18\n");
	counters_put(&f->counters, "c/memory.current", "4096\n");
	counters_put(&f->counters, "c/memory.max", "max\n");
	counters_put(&f->counters, "c/memory.peak", "8192\n");
	counters_put(&f->counters, "c/memory.events",
		"low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n");
	counters_put(&f->counters, "c/io.stat",
		"8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n254:1\n"
		"8:16 rbytes=9\n");
	counters_put(&f->counters, "c/hugetlb.1GB.current", "0\n");
	counters_put(&f->counters, "c/hugetlb.1GB.max", "max\n");
	counters_put(&f->counters, "c/hugetlb.1GB.events", "max 12\n");
	measure(f, ANY_CGROUP2_METRICS, &pb__cgroup2__metrics__descriptor);
	m = (const void *)f->m;
	assert_int_equal(m->pids->current, 5);
	assert_true(m->pids->limit == UINT64_MAX);
	assert_int_equal(m->cpu->usage_usec, 1);
	assert_int_equal(m->cpu->throttled_usec, 6);
	assert_int_equal(m->cpu->burst_usec, 8);
	assert_true(m->cpu->psi->some->avg10 == 1.5);
	assert_true(m->cpu->psi->full->avg300 == 12.34);
	assert_int_equal(m->cpu->psi->some->total, 77);
	assert_int_equal(m->memory->anon, 1);
	assert_int_equal(m->memory->thp_collapse_alloc, 31);
	assert_int_equal(m->memory->workingset_refault, 7);
	assert_int_equal(m->memory->workingset_activate, 9);
	assert_int_equal(m->memory->usage, 4096);
	assert_true(m->memory->usage_limit == UINT64_MAX);
	assert_int_equal(m->memory->max_usage, 8192);
	assert_int_equal(m->memory->swap_usage, 0);
	assert_null(m->memory->psi);
	assert_int_equal(m->memory_events->oom_kill, 5);
	assert_int_equal(m->memory_events->oom_group_kill, 6);
	assert_int_equal(m->io->n_usage, 2);
	assert_int_equal(m->io->usage[0]->wios, 4);
	assert_int_equal(m->io->usage[1]->minor, 16);
	assert_int_equal(m->io->usage[1]->rbytes, 9);
	assert_int_equal(m->n_hugetlb, 1);
	assert_string_equal(m->hugetlb[0]->pagesize, "1GB");
	assert_true(m->hugetlb[0]->max == UINT64_MAX);
	assert_int_equal(m->hugetlb[0]->failcnt, 12);
	assert_null(m->rdma);
	teardown(f);
}

TEST(odd_files_are_zeros)
{
	struct fixture *f = setup(CGROUP_MODE_V2);
	const Pb__Cgroup2__Metrics *m;

	counters_add_dir(&f->counters, "c", 0);
	counters_put(&f->counters, "c/cpu.stat",
		"usage_usec\nuser_usec x\nsystem_usec -1\n\n\n::::\nnr_periods 1 2 3\n");
	counters_put(&f->counters, "c/memory.current", "");
	counters_put(&f->counters, "c/memory.max", "99999999999999999999999\n");
	counters_put(&f->counters, "c/io.stat", "\n \nx:y rbytes\na b c d e f g h i j k l\n");
	counters_put(
		&f->counters, "c/io.pressure", "some avg10=x avg60=1.2.3 avg300= total\nwhat\n");
	measure(f, ANY_CGROUP2_METRICS, &pb__cgroup2__metrics__descriptor);
	m = (const void *)f->m;
	assert_int_equal(m->cpu->user_usec, 0);
	assert_int_equal(m->cpu->system_usec, 0);
	assert_int_equal(m->cpu->nr_periods, 0);
	assert_int_equal(m->memory->usage_limit, 0);
	assert_null(m->memory_events);
	assert_true(m->io->psi->some->avg10 == 0);
	teardown(f);
}

TEST(a_cgroup_that_is_gone_is_said)
{
	struct fixture *f = setup(CGROUP_MODE_V2);
	struct err err = { 0 };

	counters_add_dir(&f->counters, "c", 0);
	assert_true(cgroup_dir_fd(&f->counters.cg.dirs[0]) >= 0);
	assert_ok(unlinkat(f->counters.dir.fd, "c", AT_REMOVEDIR));
	assert_int_equal(stats_read(&f->counters.cg, &f->s, &err), -ENOENT);
	assert_string_equal(err.text, "cgroup does not exist");
	teardown(f);
}
