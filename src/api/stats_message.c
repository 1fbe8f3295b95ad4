/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts that a machine does not have are left out, but for cpu with its two parts: clients read them
 * without looking.
 */
#include "api/stats_message.h"

#include <errno.h>

#include "rpc/any.h"
#include "rpc/message.h"

#include "proto/cgroup1.pb-c.h"
#include "proto/cgroup2.pb-c.h"

/* Pointers to n messages of a type in one block, each initialised: what protobuf-c wants for a list. */
#define MESSAGES(arena, type, init, n) \
	({ \
		size_t m_n = (n); \
		type *m_v = arena_calloc(arena, m_n + 1, sizeof(type)); \
		type **m_p = arena_calloc(arena, m_n + 1, sizeof(type *)); \
		for (size_t m_i = 0; m_v && m_p && m_i < m_n; m_i++) { \
			init(&m_v[m_i]); \
			m_p[m_i] = &m_v[m_i]; \
		} \
		m_v ? m_p : NULL; \
	})

static int finish(const ProtobufCMessage *m, const char *url, struct arena *arena, Pb__Any *ret)
{
	ret->type_url = (char *)url;
	return message_to_bytes(m, arena, &ret->value);
}

/* ---- v1 ---- */

static Pb__Cgroup1__BlkIOEntry **blkio_list(const struct stats_blkio_list *l, struct arena *arena)
{
	Pb__Cgroup1__BlkIOEntry **list =
		MESSAGES(arena, Pb__Cgroup1__BlkIOEntry, pb__cgroup1__blk_ioentry__init, l->n);

	for (size_t i = 0; list && i < l->n; i++) {
		list[i]->op = (char *)l->v[i].op;
		list[i]->device = (char *)(l->v[i].device ? l->v[i].device : "");
		list[i]->major = l->v[i].major;
		list[i]->minor = l->v[i].minor;
		list[i]->value = l->v[i].value;
	}
	return list;
}

static int fill_blkio(const struct stats_v1 *s, struct arena *arena, Pb__Cgroup1__BlkIO *m)
{
#define FILL(name, file) \
	m->name##_recursive = blkio_list(&s->blkio.name, arena); \
	m->n_##name##_recursive = s->blkio.name.n; \
	if (!m->name##_recursive) \
		return -ENOMEM;
	STATS_V1_BLKIO(FILL)
#undef FILL
	return 0;
}

static void fill_entry(const struct stats_memory_entry *e, Pb__Cgroup1__MemoryEntry *m)
{
	m->limit = e->limit;
	m->usage = e->usage;
	m->max = e->max;
	m->failcnt = e->failcnt;
}

static void fill_memory1(const struct stats_v1 *s, Pb__Cgroup1__Memory *m)
{
#define FILL(name, key) \
	m->name = s->memory.name; \
	m->total_##name = s->memory.total_##name;
	STATS_V1_MEMORY(FILL)
#undef FILL
	m->hierarchical_memory_limit = s->memory.hierarchical_memory_limit;
	m->hierarchical_swap_limit = s->memory.hierarchical_swap_limit;
	fill_entry(&s->memory.usage, m->usage);
	fill_entry(&s->memory.swap, m->swap);
	fill_entry(&s->memory.kernel, m->kernel);
	fill_entry(&s->memory.kernel_tcp, m->kernel_tcp);
}

static void fill_cpu1(const struct stats_v1 *s, Pb__Cgroup1__CPU *m)
{
	m->usage->total = s->cpu.total;
	m->usage->kernel = s->cpu.kernel;
	m->usage->user = s->cpu.user;
	m->usage->per_cpu = s->cpu.per_cpu;
	m->usage->n_per_cpu = s->cpu.n_per_cpu;
	m->throttling->periods = s->cpu.periods;
	m->throttling->throttled_periods = s->cpu.throttled_periods;
	m->throttling->throttled_time = s->cpu.throttled_time;
}

static Pb__Cgroup1__RdmaEntry **rdma1_list(const struct stats_rdma_list *l, struct arena *arena)
{
	Pb__Cgroup1__RdmaEntry **list =
		MESSAGES(arena, Pb__Cgroup1__RdmaEntry, pb__cgroup1__rdma_entry__init, l->n);

	for (size_t i = 0; list && i < l->n; i++) {
		list[i]->device = (char *)l->v[i].device;
		list[i]->hca_handles = l->v[i].hca_handles;
		list[i]->hca_objects = l->v[i].hca_objects;
	}
	return list;
}

static int fill_lists1(const struct stats *s, struct arena *arena, Pb__Cgroup1__Metrics *m)
{
	m->hugetlb =
		MESSAGES(arena, Pb__Cgroup1__Hugetlb, pb__cgroup1__hugetlb__init, s->n_hugetlb);
	if (!m->hugetlb)
		return -ENOMEM;
	for (; m->n_hugetlb < s->n_hugetlb; m->n_hugetlb++) {
		const struct stats_hugetlb *h = &s->hugetlb[m->n_hugetlb];

		m->hugetlb[m->n_hugetlb]->usage = h->usage;
		m->hugetlb[m->n_hugetlb]->max = h->max;
		m->hugetlb[m->n_hugetlb]->failcnt = h->failcnt;
		m->hugetlb[m->n_hugetlb]->pagesize = (char *)h->pagesize;
	}
	if (!s->has_rdma)
		return 0;
	m->rdma->current = rdma1_list(&s->rdma_current, arena);
	m->rdma->n_current = s->rdma_current.n;
	m->rdma->limit = rdma1_list(&s->rdma_limit, arena);
	m->rdma->n_limit = s->rdma_limit.n;
	return m->rdma->current && m->rdma->limit ? 0 : -ENOMEM;
}

static int encode_v1(const struct stats *s, struct arena *arena, Pb__Any *ret)
{
	Pb__Cgroup1__Metrics m = PB__CGROUP1__METRICS__INIT;
	Pb__Cgroup1__CPUUsage usage = PB__CGROUP1__CPUUSAGE__INIT;
	Pb__Cgroup1__Throttle throttling = PB__CGROUP1__THROTTLE__INIT;
	Pb__Cgroup1__CPU cpu = PB__CGROUP1__CPU__INIT;
	Pb__Cgroup1__MemoryEntry entry[4] = { PB__CGROUP1__MEMORY_ENTRY__INIT,
		PB__CGROUP1__MEMORY_ENTRY__INIT, PB__CGROUP1__MEMORY_ENTRY__INIT,
		PB__CGROUP1__MEMORY_ENTRY__INIT };
	Pb__Cgroup1__Memory memory = PB__CGROUP1__MEMORY__INIT;
	Pb__Cgroup1__MemoryOomControl oom = PB__CGROUP1__MEMORY_OOM_CONTROL__INIT;
	Pb__Cgroup1__Pids pids = PB__CGROUP1__PIDS__INIT;
	Pb__Cgroup1__BlkIO blkio = PB__CGROUP1__BLK_IO__INIT;
	Pb__Cgroup1__Rdma rdma = PB__CGROUP1__RDMA__INIT;
	int r;

	cpu.usage = &usage;
	cpu.throttling = &throttling;
	m.cpu = &cpu;
	fill_cpu1(&s->v1, &cpu);
	if (s->has_pids) {
		pids.current = s->pids_current;
		pids.limit = s->pids_limit;
		m.pids = &pids;
	}
	if (s->v1.has_memory) {
		memory.usage = &entry[0];
		memory.swap = &entry[1];
		memory.kernel = &entry[2];
		memory.kernel_tcp = &entry[3];
		fill_memory1(&s->v1, &memory);
		oom.oom_kill_disable = s->v1.memory.oom_kill_disable;
		oom.under_oom = s->v1.memory.under_oom;
		oom.oom_kill = s->v1.memory.oom_kill;
		m.memory = &memory;
		m.memory_oom_control = &oom;
	}
	if (s->v1.has_blkio) {
		r = fill_blkio(&s->v1, arena, &blkio);
		if (r < 0)
			return r;
		m.blkio = &blkio;
	}
	if (s->has_rdma)
		m.rdma = &rdma;
	r = fill_lists1(s, arena, &m);
	return r < 0 ? r : finish(&m.base, ANY_CGROUP1_METRICS, arena, ret);
}

/* ---- v2 ---- */

static Pb__Cgroup2__PSIData *psi_line(const struct stats_psi_line *l, Pb__Cgroup2__PSIData *m)
{
	pb__cgroup2__psidata__init(m);
	m->avg10 = l->avg10;
	m->avg60 = l->avg60;
	m->avg300 = l->avg300;
	m->total = l->total;
	return m;
}

struct psi_message {
	Pb__Cgroup2__PSI psi;
	Pb__Cgroup2__PSIData some;
	Pb__Cgroup2__PSIData full;
};

static Pb__Cgroup2__PSI *fill_psi(const struct stats_psi *s, struct psi_message *m)
{
	if (!s->known)
		return NULL;
	pb__cgroup2__psi__init(&m->psi);
	m->psi.some = psi_line(&s->some, &m->some);
	m->psi.full = psi_line(&s->full, &m->full);
	return &m->psi;
}

static void fill_memory2(const struct stats_v2 *s, Pb__Cgroup2__Memory *m)
{
#define FILL(name) m->name = s->memory.name;
	STATS_V2_MEMORY(FILL)
#undef FILL
#define FILL(name, file) m->name = s->memory.name;
	STATS_V2_MEMORY_FILES(FILL)
#undef FILL
	m->workingset_refault = s->memory.workingset_refault;
	m->workingset_activate = s->memory.workingset_activate;
}

static Pb__Cgroup2__RdmaEntry **rdma2_list(const struct stats_rdma_list *l, struct arena *arena)
{
	Pb__Cgroup2__RdmaEntry **list =
		MESSAGES(arena, Pb__Cgroup2__RdmaEntry, pb__cgroup2__rdma_entry__init, l->n);

	for (size_t i = 0; list && i < l->n; i++) {
		list[i]->device = (char *)l->v[i].device;
		list[i]->hca_handles = l->v[i].hca_handles;
		list[i]->hca_objects = l->v[i].hca_objects;
	}
	return list;
}

static int fill_io(const struct stats_v2 *s, struct arena *arena, Pb__Cgroup2__IO *m)
{
	m->usage = MESSAGES(arena, Pb__Cgroup2__IOEntry, pb__cgroup2__ioentry__init, s->io.n);
	if (!m->usage)
		return -ENOMEM;
	for (; m->n_usage < s->io.n; m->n_usage++) {
		const struct stats_io *from = &s->io.v[m->n_usage];
		Pb__Cgroup2__IOEntry *to = m->usage[m->n_usage];

		to->major = from->major;
		to->minor = from->minor;
		to->rbytes = from->rbytes;
		to->wbytes = from->wbytes;
		to->rios = from->rios;
		to->wios = from->wios;
	}
	return 0;
}

static int fill_lists2(const struct stats *s, struct arena *arena, Pb__Cgroup2__Metrics *m)
{
	m->hugetlb =
		MESSAGES(arena, Pb__Cgroup2__Hugetlb, pb__cgroup2__hugetlb__init, s->n_hugetlb);
	if (!m->hugetlb)
		return -ENOMEM;
	for (; m->n_hugetlb < s->n_hugetlb; m->n_hugetlb++) {
		const struct stats_hugetlb *h = &s->hugetlb[m->n_hugetlb];

		m->hugetlb[m->n_hugetlb]->current = h->usage;
		m->hugetlb[m->n_hugetlb]->max = h->max;
		m->hugetlb[m->n_hugetlb]->failcnt = h->failcnt;
		m->hugetlb[m->n_hugetlb]->pagesize = (char *)h->pagesize;
	}
	if (!s->has_rdma)
		return 0;
	m->rdma->current = rdma2_list(&s->rdma_current, arena);
	m->rdma->n_current = s->rdma_current.n;
	m->rdma->limit = rdma2_list(&s->rdma_limit, arena);
	m->rdma->n_limit = s->rdma_limit.n;
	return m->rdma->current && m->rdma->limit ? 0 : -ENOMEM;
}

static int encode_v2(const struct stats *s, struct arena *arena, Pb__Any *ret)
{
	Pb__Cgroup2__Metrics m = PB__CGROUP2__METRICS__INIT;
	Pb__Cgroup2__Pids pids = PB__CGROUP2__PIDS__INIT;
	Pb__Cgroup2__CPU cpu = PB__CGROUP2__CPU__INIT;
	Pb__Cgroup2__Memory memory = PB__CGROUP2__MEMORY__INIT;
	Pb__Cgroup2__MemoryEvents events = PB__CGROUP2__MEMORY_EVENTS__INIT;
	Pb__Cgroup2__IO io = PB__CGROUP2__IO__INIT;
	Pb__Cgroup2__Rdma rdma = PB__CGROUP2__RDMA__INIT;
	struct psi_message psi[3];
	int r;

	pids.current = s->pids_current;
	pids.limit = s->pids_limit;
	m.pids = &pids;
#define FILL(name) cpu.name = s->v2.cpu.name;
	STATS_V2_CPU(FILL)
#undef FILL
	cpu.psi = fill_psi(&s->v2.cpu.psi, &psi[0]);
	m.cpu = &cpu;
	fill_memory2(&s->v2, &memory);
	memory.psi = fill_psi(&s->v2.memory.psi, &psi[1]);
	m.memory = &memory;
#define FILL(name) events.name = s->v2.memory_events.name;
	STATS_V2_MEMORY_EVENTS(FILL)
#undef FILL
	if (s->v2.has_memory_events)
		m.memory_events = &events;
	io.psi = fill_psi(&s->v2.io.psi, &psi[2]);
	m.io = &io;
	if (s->has_rdma)
		m.rdma = &rdma;
	r = fill_io(&s->v2, arena, &io);
	if (r == 0)
		r = fill_lists2(s, arena, &m);
	return r < 0 ? r : finish(&m.base, ANY_CGROUP2_METRICS, arena, ret);
}

int stats_message_encode(const struct stats *s, struct arena *arena, Pb__Any *ret)
{
	return s->is_v2 ? encode_v2(s, arena, ret) : encode_v1(s, arena, ret);
}
