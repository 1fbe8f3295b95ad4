/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Stats: what the kernel counts for a container, read from its cgroup; the fields are those of
 * containerd's metrics (spec/shim.md 3.5, 3.6).
 *
 * Owner    The caller ends a struct stats with stats_done(), which accepts zero and done ones. Arrays
 *          and strings live in its arena.
 * Errors   -ENOENT "cgroup does not exist" when all of it is gone; -ENOMEM. A file that is missing or
 *          unreadable leaves its fields at zero: kernels differ in what they have.
 * Blocks   No.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "container/cgroup.h"

// clang-format off
/* Field and key in memory.stat; each has a total_ form, too. */
#define STATS_V1_MEMORY(_) \
	_(cache,          "cache") \
	_(rss,            "rss") \
	_(rss_huge,       "rss_huge") \
	_(mapped_file,    "mapped_file") \
	_(dirty,          "dirty") \
	_(writeback,      "writeback") \
	_(pg_pg_in,       "pgpgin") \
	_(pg_pg_out,      "pgpgout") \
	_(pg_fault,       "pgfault") \
	_(pg_maj_fault,   "pgmajfault") \
	_(inactive_anon,  "inactive_anon") \
	_(active_anon,    "active_anon") \
	_(inactive_file,  "inactive_file") \
	_(active_file,    "active_file") \
	_(unevictable,    "unevictable")

/* Keys in memory.stat of v2; the field has the same name. */
#define STATS_V2_MEMORY(_) \
	_(anon) _(file) _(kernel_stack) _(slab) _(sock) _(shmem) _(file_mapped) _(file_dirty) \
	_(file_writeback) _(anon_thp) _(inactive_anon) _(active_anon) _(inactive_file) \
	_(active_file) _(unevictable) _(slab_reclaimable) _(slab_unreclaimable) _(pgfault) \
	_(pgmajfault) _(workingset_nodereclaim) _(pgrefill) _(pgscan) _(pgsteal) _(pgactivate) \
	_(pgdeactivate) _(pglazyfree) _(pglazyfreed) _(thp_fault_alloc) _(thp_collapse_alloc)

/* Field and file of a single value of v2; "max" is 2^64-1. */
#define STATS_V2_MEMORY_FILES(_) \
	_(usage,          "memory.current") \
	_(usage_limit,    "memory.max") \
	_(swap_usage,     "memory.swap.current") \
	_(swap_limit,     "memory.swap.max") \
	_(max_usage,      "memory.peak") \
	_(swap_max_usage, "memory.swap.peak")

/* Keys in cpu.stat of v2. */
#define STATS_V2_CPU(_) \
	_(usage_usec) _(user_usec) _(system_usec) _(nr_periods) _(nr_throttled) \
	_(throttled_usec) _(nr_bursts) _(burst_usec)

/* Keys in memory.events. */
#define STATS_V2_MEMORY_EVENTS(_) \
	_(low) _(high) _(max) _(oom) _(oom_kill) _(oom_group_kill)

/* Field and file behind "blkio." of the schedulers that have them. */
#define STATS_V1_BLKIO(_) \
	_(io_service_bytes, "io_service_bytes_recursive") \
	_(io_serviced,      "io_serviced_recursive") \
	_(io_queued,        "io_queued_recursive") \
	_(io_service_time,  "io_service_time_recursive") \
	_(io_wait_time,     "io_wait_time_recursive") \
	_(io_merged,        "io_merged_recursive") \
	_(io_time,          "time_recursive") \
	_(sectors,          "sectors_recursive")
// clang-format on

struct stats_hugetlb {
	const char *pagesize; /* "2MB" */
	uint64_t usage;
	uint64_t max; /* v1: the highest usage; v2: the limit */
	uint64_t failcnt;
};

struct stats_rdma {
	const char *device;
	uint32_t hca_handles;
	uint32_t hca_objects;
};

struct stats_rdma_list {
	struct stats_rdma *v;
	size_t n;
};

struct stats_blkio {
	uint64_t major;
	uint64_t minor;
	const char *device; /* "/dev/sda"; "" when the machine has no such one any more */
	const char *op;     /* "Read", "Write"; "" where the file has no such column */
	uint64_t value;
};

struct stats_blkio_list {
	struct stats_blkio *v;
	size_t n;
};

struct stats_memory_entry {
	uint64_t limit;
	uint64_t usage;
	uint64_t max;
	uint64_t failcnt;
};

struct stats_v1 {
	struct {
		uint64_t total; /* nanoseconds, as the next two */
		uint64_t kernel;
		uint64_t user;
		uint64_t *per_cpu;
		size_t n_per_cpu;
		uint64_t periods;
		uint64_t throttled_periods;
		uint64_t throttled_time;
	} cpu;
	bool has_memory;
	struct {
#define FIELD(name, key) uint64_t name, total_##name;
		STATS_V1_MEMORY(FIELD)
#undef FIELD
		uint64_t hierarchical_memory_limit;
		uint64_t hierarchical_swap_limit;
		struct stats_memory_entry usage;
		struct stats_memory_entry swap;
		struct stats_memory_entry kernel;
		struct stats_memory_entry kernel_tcp;
		uint64_t oom_kill_disable;
		uint64_t under_oom;
		uint64_t oom_kill;
	} memory;
	bool has_blkio;
	struct {
#define FIELD(name, file) struct stats_blkio_list name;
		STATS_V1_BLKIO(FIELD)
#undef FIELD
	} blkio;
};

struct stats_psi_line {
	double avg10;
	double avg60;
	double avg300;
	uint64_t total;
};

struct stats_psi {
	bool known;
	struct stats_psi_line some;
	struct stats_psi_line full;
};

struct stats_io {
	uint64_t major;
	uint64_t minor;
	uint64_t rbytes;
	uint64_t wbytes;
	uint64_t rios;
	uint64_t wios;
};

struct stats_v2 {
	struct {
#define FIELD(name) uint64_t name;
		STATS_V2_CPU(FIELD)
#undef FIELD
		struct stats_psi psi;
	} cpu;
	struct {
#define FIELD(name) uint64_t name;
		STATS_V2_MEMORY(FIELD)
#undef FIELD
		uint64_t
			workingset_refault; /* of anon and file together where the kernel splits them */
		uint64_t workingset_activate;
#define FIELD(name, file) uint64_t name;
		STATS_V2_MEMORY_FILES(FIELD)
#undef FIELD
		struct stats_psi psi;
	} memory;
	bool has_memory_events;
	struct {
#define FIELD(name) uint64_t name;
		STATS_V2_MEMORY_EVENTS(FIELD)
#undef FIELD
	} memory_events;
	struct {
		struct stats_io *v;
		size_t n;
		struct stats_psi psi;
	} io;
};

struct stats {
	struct arena arena;
	bool is_v2; /* which of v1 and v2 counts */
	bool has_pids;
	uint64_t pids_current;
	uint64_t pids_limit; /* unlimited: v1 0, v2 2^64-1 */
	struct stats_hugetlb *hugetlb;
	size_t n_hugetlb;
	bool has_rdma;
	struct stats_rdma_list rdma_current;
	struct stats_rdma_list rdma_limit;
	struct stats_v1 v1;
	struct stats_v2 v2;
};

int stats_read(struct cgroup *cg, struct stats *ret, struct err *err);
void stats_done(struct stats *s);
