/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event document. A member that runc leaves out when it is zero is left out here too; one that it always has is
 * written as zero where the kernel does not tell it.
 *
 * What surprises: on v2, "swap" is memory and swap together, as v1 counts it, so that a client compares like with like.
 */
#include "cli/event_doc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/json_write.h"
#include "oci/cpu_list.h"

#define TABLE_MAX (1u << 20)
#define NS_PER_US 1000

static void add(struct json_writer *w, const char *key, uint64_t v)
{
	json_write_key(w, key);
	json_write_u64(w, v);
}

static void add_nonzero(struct json_writer *w, const char *key, uint64_t v)
{
	if (v)
		add(w, key, v);
}

static void add_list(struct json_writer *w, const char *key, const uint64_t *v, size_t n)
{
	if (!n)
		return;
	json_write_key(w, key);
	json_write_open(w, '[');
	for (size_t i = 0; i < n; i++)
		json_write_u64(w, v[i]);
	json_write_close(w, ']');
}

static void open_member(struct json_writer *w, const char *key)
{
	json_write_key(w, key);
	json_write_open(w, '{');
}

static void add_average(struct json_writer *w, const char *key, double v)
{
	char text[32];

	snprintf(text, sizeof(text), "%.10g", v);
	json_write_key(w, key);
	json_write_raw(w, text);
}

static void add_pressure(struct json_writer *w, const struct stats_psi *p)
{
	const struct {
		const char *key;
		const struct stats_psi_line *line;
	} lines[] = { { "some", &p->some }, { "full", &p->full } };

	if (!p->known)
		return;
	open_member(w, "psi");
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		open_member(w, lines[i].key);
		add_average(w, "avg10", lines[i].line->avg10);
		add_average(w, "avg60", lines[i].line->avg60);
		add_average(w, "avg300", lines[i].line->avg300);
		add(w, "total", lines[i].line->total);
		json_write_close(w, '}');
	}
	json_write_close(w, '}');
}

/* Up to a megabyte of a file; NULL when it cannot be had. Heap. */
static char *read_file(struct cgroup_dir *d, const char *file)
{
	int dirfd = d ? cgroup_dir_fd(d) : -EBADF;
	char *text;

	return dirfd >= 0 && fd_read_file_at(dirfd, file, TABLE_MAX, &text, NULL) == 0 ? text
										       : NULL;
}

/* ---- cpu ---- */

struct cpu_split {
	uint64_t *user, *kernel;
	size_t n;
};

/* "cpu user system", then a line for each. */
static void read_split(struct cgroup *cg, size_t max, struct cpu_split *ret)
{
	auto_free char *text =
		read_file(cgroup_controller_dir(cg, CGROUP_CPUACCT), "cpuacct.usage_all");
	const char *line = text ? strchr(text, '\n') : NULL;

	if (!line || !max)
		return;
	ret->user = mem_calloc(max, sizeof(uint64_t));
	ret->kernel = mem_calloc(max, sizeof(uint64_t));
	for (; ret->user && ret->kernel && line && ret->n < max; line = strchr(line + 1, '\n')) {
		uint64_t user, kernel;

		if (sscanf(line + 1, "%*u %" SCNu64 " %" SCNu64, &user, &kernel) != 2)
			break;
		ret->user[ret->n] = user;
		ret->kernel[ret->n++] = kernel;
	}
}

static void add_cpu_v1(struct json_writer *w, struct cgroup *cg, const struct stats *s)
{
	struct cpu_split split = { 0 };

	read_split(cg, s->v1.cpu.n_per_cpu, &split);
	open_member(w, "usage");
	add_nonzero(w, "total", s->v1.cpu.total);
	add_list(w, "percpu", s->v1.cpu.per_cpu, s->v1.cpu.n_per_cpu);
	add_list(w, "percpu_kernel", split.kernel, split.n);
	add_list(w, "percpu_user", split.user, split.n);
	add(w, "kernel", s->v1.cpu.kernel);
	add(w, "user", s->v1.cpu.user);
	json_write_close(w, '}');
	open_member(w, "throttling");
	add_nonzero(w, "periods", s->v1.cpu.periods);
	add_nonzero(w, "throttledPeriods", s->v1.cpu.throttled_periods);
	add_nonzero(w, "throttledTime", s->v1.cpu.throttled_time);
	json_write_close(w, '}');
	free(split.user);
	free(split.kernel);
}

static void add_cpu_v2(struct json_writer *w, const struct stats *s)
{
	open_member(w, "usage");
	add_nonzero(w, "total", s->v2.cpu.usage_usec * NS_PER_US);
	add(w, "kernel", s->v2.cpu.system_usec * NS_PER_US);
	add(w, "user", s->v2.cpu.user_usec * NS_PER_US);
	json_write_close(w, '}');
	open_member(w, "throttling");
	add_nonzero(w, "periods", s->v2.cpu.nr_periods);
	add_nonzero(w, "throttledPeriods", s->v2.cpu.nr_throttled);
	add_nonzero(w, "throttledTime", s->v2.cpu.throttled_usec * NS_PER_US);
	json_write_close(w, '}');
	add_pressure(w, &s->v2.cpu.psi);
}

static void add_cpu_list(
	struct json_writer *w, const char *key, const struct cgroup_dir *d, const char *file)
{
	char text[CGROUP_VALUE_SIZE];
	struct cpu_list list;

	if (cgroup_get(d, file, text) < 0 || cpu_list_parse(text, CPU_LIST_CPUS, &list, NULL) < 0 ||
		cpu_list_count(&list) == 0)
		return;
	json_write_key(w, key);
	json_write_open(w, '[');
	for (unsigned int i = 0; i < cpu_list_end(&list); i++)
		if (cpu_list_has(&list, i))
			json_write_u64(w, i);
	json_write_close(w, ']');
}

/* Of v1 alone, as runc has it; on v2 the members stand there with zeros. */
static void add_cpuset(struct json_writer *w, struct cgroup *cg)
{
	static const struct {
		const char *key, *file;
	} numbers[] = {
		{ "cpu_exclusive", "cpuset.cpu_exclusive" },
		{ "mem_hardwall", "cpuset.mem_hardwall" },
		{ "mem_exclusive", "cpuset.mem_exclusive" },
		{ "memory_migrate", "cpuset.memory_migrate" },
		{ "memory_spread_page", "cpuset.memory_spread_page" },
		{ "memory_spread_slab", "cpuset.memory_spread_slab" },
		{ "memory_pressure", "cpuset.memory_pressure" },
		{ "sched_load_balance", "cpuset.sched_load_balance" },
		{ "sched_relax_domain_level", "cpuset.sched_relax_domain_level" },
	};
	struct cgroup_dir *d =
		cg->mode == CGROUP_MODE_V2 ? NULL : cgroup_controller_dir(cg, CGROUP_CPUSET);

	open_member(w, "cpuset");
	if (d) {
		add_cpu_list(w, "cpus", d, "cpuset.cpus");
		add_cpu_list(w, "mems", d, "cpuset.mems");
	}
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		char text[CGROUP_VALUE_SIZE];
		int64_t v = 0;

		if (!d || cgroup_get(d, numbers[i].file, text) < 0 || str_to_i64(text, &v) < 0)
			v = 0;
		json_write_member_i64(w, numbers[i].key, v);
	}
	json_write_close(w, '}');
}

/* ---- memory ---- */

static void add_entry(struct json_writer *w, const char *key, const struct stats_memory_entry *e)
{
	open_member(w, key);
	add(w, "limit", e->limit);
	add_nonzero(w, "usage", e->usage);
	add_nonzero(w, "max", e->max);
	add(w, "failcnt", e->failcnt);
	json_write_close(w, '}');
}

/* All of memory.stat. */
static void add_raw(struct json_writer *w, struct cgroup *cg)
{
	auto_free char *text = read_file(cgroup_controller_dir(cg, CGROUP_MEMORY), "memory.stat");
	bool any = false;

	for (char *line = text; line && *line;) {
		size_t len = strcspn(line, "\n");
		char *next = line + len + (line[len] != '\0');
		char *blank = strchr(line, ' ');
		uint64_t v;

		line[len] = '\0';
		if (blank && str_to_u64(blank + 1, UINT64_MAX, &v) == 0) {
			*blank = '\0';
			if (!any)
				open_member(w, "raw");
			any = true;
			add(w, line, v);
		}
		line = next;
	}
	if (any)
		json_write_close(w, '}');
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a == UINT64_MAX || b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

static void add_memory_v2(struct json_writer *w, const struct stats *s)
{
	struct stats_memory_entry none = { 0 }, memory = { 0 }, both = { 0 };

	memory.usage = s->v2.memory.usage;
	memory.limit = s->v2.memory.usage_limit;
	memory.max = s->v2.memory.max_usage;
	both.usage = sum(s->v2.memory.swap_usage, memory.usage);
	both.limit = sum(s->v2.memory.swap_limit, memory.limit);
	add_nonzero(w, "cache", s->v2.memory.file);
	add_entry(w, "usage", &memory);
	add_entry(w, "swap", &both);
	add_entry(w, "kernel", &none);
	add_entry(w, "kernelTCP", &none);
}

static void add_memory(struct json_writer *w, struct cgroup *cg, const struct stats *s)
{
	open_member(w, "memory");
	if (s->is_v2) {
		add_memory_v2(w, s);
	} else {
		add_nonzero(w, "cache", s->v1.memory.cache);
		add_entry(w, "usage", &s->v1.memory.usage);
		add_entry(w, "swap", &s->v1.memory.swap);
		add_entry(w, "kernel", &s->v1.memory.kernel);
		add_entry(w, "kernelTCP", &s->v1.memory.kernel_tcp);
	}
	add_raw(w, cg);
	if (s->is_v2)
		add_pressure(w, &s->v2.memory.psi);
	json_write_close(w, '}');
}

/* ---- the rest ---- */

static void add_io(struct json_writer *w, const struct stats_blkio *b)
{
	json_write_open(w, '{');
	add_nonzero(w, "major", b->major);
	add_nonzero(w, "minor", b->minor);
	if (!str_empty(b->op))
		json_write_member_str(w, "op", b->op);
	add_nonzero(w, "value", b->value);
	json_write_close(w, '}');
}

static void add_blkio_v1(struct json_writer *w, const struct stats *s)
{
	const struct {
		const char *key;
		const struct stats_blkio_list *list;
	} lists[] = {
		{ "ioServiceBytesRecursive", &s->v1.blkio.io_service_bytes },
		{ "ioServicedRecursive", &s->v1.blkio.io_serviced },
		{ "ioQueueRecursive", &s->v1.blkio.io_queued },
		{ "ioServiceTimeRecursive", &s->v1.blkio.io_service_time },
		{ "ioWaitTimeRecursive", &s->v1.blkio.io_wait_time },
		{ "ioMergedRecursive", &s->v1.blkio.io_merged },
		{ "ioTimeRecursive", &s->v1.blkio.io_time },
		{ "sectorsRecursive", &s->v1.blkio.sectors },
	};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		if (!lists[i].list->n)
			continue;
		json_write_key(w, lists[i].key);
		json_write_open(w, '[');
		for (size_t k = 0; k < lists[i].list->n; k++)
			add_io(w, &lists[i].list->v[k]);
		json_write_close(w, ']');
	}
}

static void add_io_v2(struct json_writer *w, const struct stats *s, const char *key, bool bytes)
{
	if (!s->v2.io.n)
		return;
	json_write_key(w, key);
	json_write_open(w, '[');
	for (size_t i = 0; i < s->v2.io.n; i++) {
		const struct stats_io *io = &s->v2.io.v[i];

		add_io(w, &(struct stats_blkio){ io->major, io->minor, NULL, "Read",
				  bytes ? io->rbytes : io->rios });
		add_io(w, &(struct stats_blkio){ io->major, io->minor, NULL, "Write",
				  bytes ? io->wbytes : io->wios });
	}
	json_write_close(w, ']');
}

static void add_blkio(struct json_writer *w, const struct stats *s)
{
	open_member(w, "blkio");
	if (s->is_v2) {
		add_io_v2(w, s, "ioServiceBytesRecursive", true);
		add_io_v2(w, s, "ioServicedRecursive", false);
		add_pressure(w, &s->v2.io.psi);
	} else {
		add_blkio_v1(w, s);
	}
	json_write_close(w, '}');
}

static void add_hugetlb(struct json_writer *w, const struct stats *s)
{
	open_member(w, "hugetlb");
	for (size_t i = 0; i < s->n_hugetlb; i++) {
		open_member(w, s->hugetlb[i].pagesize);
		add_nonzero(w, "usage", s->hugetlb[i].usage);
		if (!s->is_v2) /* there it is the limit */
			add_nonzero(w, "max", s->hugetlb[i].max);
		add(w, "failcnt", s->hugetlb[i].failcnt);
		json_write_close(w, '}');
	}
	json_write_close(w, '}');
}

static void add_pids(struct json_writer *w, const struct stats *s)
{
	open_member(w, "pids");
	add_nonzero(w, "current", s->pids_current);
	if (s->pids_limit != UINT64_MAX)
		add_nonzero(w, "limit", s->pids_limit);
	json_write_close(w, '}');
}

static void open_event(struct json_writer *w, const char *type, const char *id)
{
	json_write_open(w, '{');
	json_write_member_str(w, "type", type);
	json_write_member_str(w, "id", id);
}

int event_doc_stats(const char *id, struct cgroup *cg, const struct stats *s, struct buf *out)
{
	struct json_writer w = { .out = out };

	open_event(&w, "stats", id);
	open_member(&w, "data");
	open_member(&w, "cpu");
	if (s->is_v2)
		add_cpu_v2(&w, s);
	else
		add_cpu_v1(&w, cg, s);
	json_write_close(&w, '}');
	add_cpuset(&w, cg);
	add_memory(&w, cg, s);
	add_pids(&w, s);
	add_blkio(&w, s);
	add_hugetlb(&w, s);
	open_member(&w, "intel_rdt");
	json_write_close(&w, '}');
	json_write_key(&w, "network_interfaces");
	json_write_null(&w);
	json_write_close(&w, '}');
	json_write_close(&w, '}');
	buf_addc(out, '\n');
	return buf_ok(out);
}

int event_doc_oom(const char *id, struct buf *out)
{
	struct json_writer w = { .out = out };

	open_event(&w, "oom", id);
	json_write_close(&w, '}');
	buf_addc(out, '\n');
	return buf_ok(out);
}
