/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stats of cgroup v1: a directory for each controller.
 *
 * Times in cpuacct.stat are ticks, all others nanoseconds. The files of the block controller depend on
 * the scheduler: those without a prefix are CFQ's (gone since 5.0), those of BFQ have its name, and
 * the throttling layer counts what both leave out; the first that has a line is taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "container/stats_impl.h"

#define PARTITIONS_MAX (1u << 20)

static struct cgroup_dir *find(struct cgroup *cg, enum cgroup_controller c)
{
	for (size_t i = 0; i < cg->n_dirs; i++)
		if (!cg->dirs[i].v2 && (cg->dirs[i].controllers & CGROUP_BIT(c)))
			return &cg->dirs[i];
	return NULL;
}

/* 2^63 less a page, the kernel's "no limit", is passed on as it is. */
static void read_entry(struct cgroup_dir *d, const char *prefix, struct stats_memory_entry *e)
{
	static const struct {
		const char *file;
		size_t offset;
	} files[] = {
		{ "usage_in_bytes", offsetof(struct stats_memory_entry, usage) },
		{ "max_usage_in_bytes", offsetof(struct stats_memory_entry, max) },
		{ "failcnt", offsetof(struct stats_memory_entry, failcnt) },
		{ "limit_in_bytes", offsetof(struct stats_memory_entry, limit) },
	};
	char name[64];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(name, sizeof(name), "%s.%s", prefix, files[i].file);
		*(uint64_t *)(void *)((char *)e + files[i].offset) = stats_value(d, name);
	}
}

static void read_memory(struct stats *s, struct cgroup_dir *d)
{
	const struct stats_key keys[] = {
#define KEY(name, key) { key, &s->v1.memory.name }, { "total_" key, &s->v1.memory.total_##name },
		STATS_V1_MEMORY(KEY)
#undef KEY
			{ "hierarchical_memory_limit", &s->v1.memory.hierarchical_memory_limit },
		{ "hierarchical_memsw_limit", &s->v1.memory.hierarchical_swap_limit },
	};
	const struct stats_key oom[] = {
		{ "oom_kill_disable", &s->v1.memory.oom_kill_disable },
		{ "under_oom", &s->v1.memory.under_oom },
		{ "oom_kill", &s->v1.memory.oom_kill },
	};

	s->v1.has_memory = true;
	stats_keyed(stats_file(s, d, "memory.stat"), keys, ARRAY_LEN(keys));
	stats_keyed(stats_file(s, d, "memory.oom_control"), oom, ARRAY_LEN(oom));
	read_entry(d, "memory", &s->v1.memory.usage);
	read_entry(d, "memory.memsw", &s->v1.memory.swap);
	read_entry(d, "memory.kmem", &s->v1.memory.kernel);
	read_entry(d, "memory.kmem.tcp", &s->v1.memory.kernel_tcp);
}

static int read_per_cpu(struct stats *s, struct cgroup_dir *d)
{
	char *text = stats_file(s, d, "cpuacct.usage_percpu"), *save = text;
	size_t n = 0;

	if (!text)
		return 0;
	for (; *save; save++)
		n += *save == ' ';
	s->v1.cpu.per_cpu = arena_calloc(&s->arena, n + 1, sizeof(uint64_t));
	if (!s->v1.cpu.per_cpu)
		return -ENOMEM;
	while (*text && s->v1.cpu.n_per_cpu <= n) {
		size_t len = strcspn(text, " \n");
		bool end = text[len] == '\0';

		text[len] = '\0';
		if (len > 0)
			s->v1.cpu.per_cpu[s->v1.cpu.n_per_cpu++] = stats_number(text);
		text += len + !end;
	}
	return 0;
}

static int read_cpuacct(struct stats *s, struct cgroup_dir *d)
{
	uint64_t tick_ns = 1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK);
	const struct stats_key keys[] = {
		{ "user", &s->v1.cpu.user },
		{ "system", &s->v1.cpu.kernel },
	};

	stats_keyed(stats_file(s, d, "cpuacct.stat"), keys, ARRAY_LEN(keys));
	s->v1.cpu.user *= tick_ns;
	s->v1.cpu.kernel *= tick_ns;
	s->v1.cpu.total = stats_value(d, "cpuacct.usage");
	return read_per_cpu(s, d);
}

static void read_cpu(struct stats *s, struct cgroup_dir *d)
{
	const struct stats_key keys[] = {
		{ "nr_periods", &s->v1.cpu.periods },
		{ "nr_throttled", &s->v1.cpu.throttled_periods },
		{ "throttled_time", &s->v1.cpu.throttled_time },
	};

	stats_keyed(stats_file(s, d, "cpu.stat"), keys, ARRAY_LEN(keys));
}

/* "8:0 Read 4096" or "8:0 17"; the sum at the end has no device. */
static int read_blkio_file(
	struct stats *s, struct cgroup_dir *d, const char *file, struct stats_blkio_list *ret)
{
	char *text = stats_file(s, d, file), *count = text;
	struct stats_line line;
	size_t lines = 1;

	if (!text)
		return 0;
	while ((count = strchr(count, '\n')))
		count++, lines++;
	ret->v = arena_calloc(&s->arena, lines, sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	ret->n = 0;
	while (ret->n < lines && stats_next(&text, &line)) {
		if (line.n != 3 && line.n != 4)
			continue;
		ret->v[ret->n++] = (struct stats_blkio){
			.major = stats_number(line.word[0]),
			.minor = stats_number(line.word[1]),
			.op = line.n == 4 ? line.word[2] : "",
			.value = stats_number(line.word[line.n - 1]),
		};
	}
	return 0;
}

/* "   8        0  104857600 sda" */
static const char *device_name(
	struct stats *s, const char *partitions, uint64_t major, uint64_t minor)
{
	for (const char *line = partitions; line && *line;) {
		unsigned long long ma, mi;
		char name[64];
		const char *found;

		if (sscanf(line, "%llu %llu %*u %63s", &ma, &mi, name) == 3 && ma == major &&
			mi == minor) {
			found = arena_printf(&s->arena, "/dev/%s", name);
			return found ? found : "";
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return "";
}

/* The same few devices stand in every list. */
static void name_devices(struct stats *s, struct stats_blkio_list *const *lists, size_t n)
{
	auto_free char *partitions = NULL;
	struct stats_blkio last = { .device = NULL };

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < lists[i]->n; k++) {
			struct stats_blkio *b = &lists[i]->v[k];

			if (!partitions && fd_read_file_at(AT_FDCWD, "/proc/partitions",
						   PARTITIONS_MAX, &partitions, NULL) < 0)
				partitions = strdup("");
			if (!last.device || last.major != b->major || last.minor != b->minor) {
				last = *b;
				last.device = device_name(s, partitions, b->major, b->minor);
			}
			b->device = last.device;
		}
	}
}

static int read_blkio(struct stats *s, struct cgroup_dir *d)
{
	static const char *const prefixes[] = { "blkio.", "blkio.bfq.", "blkio.throttle." };
	const struct {
		const char *file;
		struct stats_blkio_list *list;
	} files[] = {
#define FILE_OF(name, file) { file, &s->v1.blkio.name },
		STATS_V1_BLKIO(FILE_OF)
#undef FILE_OF
	};
	struct stats_blkio_list *lists[ARRAY_LEN(files)];
	char name[96];
	size_t found = 0;
	int r = 0;

	s->v1.has_blkio = true;
	for (size_t p = 0; p < ARRAY_LEN(prefixes) && found == 0; p++) {
		for (size_t i = 0; i < ARRAY_LEN(files) && r == 0; i++) {
			snprintf(name, sizeof(name), "%s%s", prefixes[p], files[i].file);
			r = read_blkio_file(s, d, name, files[i].list);
			found += files[i].list->n;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		lists[i] = files[i].list;
	name_devices(s, lists, ARRAY_LEN(files));
	return r;
}

static void fill_hugetlb(struct cgroup_dir *d, struct stats_hugetlb *h)
{
	char name[128];

	snprintf(name, sizeof(name), "hugetlb.%s.usage_in_bytes", h->pagesize);
	h->usage = stats_value(d, name);
	snprintf(name, sizeof(name), "hugetlb.%s.max_usage_in_bytes", h->pagesize);
	h->max = stats_value(d, name);
	snprintf(name, sizeof(name), "hugetlb.%s.failcnt", h->pagesize);
	h->failcnt = stats_value(d, name);
}

static int read_rdma(struct stats *s, struct cgroup_dir *d)
{
	int r = stats_rdma_read(s, d, "rdma.current", &s->rdma_current);

	s->has_rdma = true;
	return r < 0 ? r : stats_rdma_read(s, d, "rdma.max", &s->rdma_limit);
}

static void read_pids(struct stats *s, struct cgroup_dir *d)
{
	s->has_pids = true;
	s->pids_current = stats_value(d, "pids.current");
	s->pids_limit = stats_value(d, "pids.max");
	if (s->pids_limit == UINT64_MAX)
		s->pids_limit = 0;
}

int stats_v1_read(struct stats *s, struct cgroup *cg)
{
	struct cgroup_dir *d;
	int r = 0;

	if ((d = find(cg, CGROUP_PIDS)))
		read_pids(s, d);
	if ((d = find(cg, CGROUP_MEMORY)))
		read_memory(s, d);
	if ((d = find(cg, CGROUP_CPU)))
		read_cpu(s, d);
	if ((d = find(cg, CGROUP_CPUACCT)))
		r = read_cpuacct(s, d);
	if (r == 0 && (d = find(cg, CGROUP_BLKIO)))
		r = read_blkio(s, d);
	if (r == 0 && (d = find(cg, CGROUP_HUGETLB)))
		r = stats_hugetlb_read(s, d, "usage_in_bytes", fill_hugetlb);
	if (r == 0 && (d = find(cg, CGROUP_RDMA)))
		r = read_rdma(s, d);
	return r;
}
