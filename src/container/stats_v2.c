/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stats of cgroup v2: one directory. Which controllers serve it shows in which files are there.
 *
 * What surprises: kernels since 5.9 split two keys of memory.stat by kind of page; the sum is what the
 * one key was.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "container/stats_impl.h"

/* "12.34": no locale, no sign, no exponent. */
static double decimal(const char *word)
{
	double v = 0, unit = 1;
	bool fraction = false;

	for (; *word; word++) {
		if (*word == '.' && !fraction) {
			fraction = true;
			continue;
		}
		if (*word < '0' || *word > '9')
			return 0;
		v = v * 10 + (*word - '0');
		unit *= fraction ? 10 : 1;
	}
	return v / unit;
}

static const char *value_of(const struct stats_line *line, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 1; i < line->n; i++)
		if (strncmp(line->word[i], key, len) == 0 && line->word[i][len] == '=')
			return line->word[i] + len + 1;
	return "";
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" */
static void read_psi(struct stats *s, struct cgroup_dir *d, const char *file, struct stats_psi *ret)
{
	char *text = stats_file(s, d, file);
	struct stats_line line;

	while (text && stats_next(&text, &line)) {
		struct stats_psi_line *out = str_eq(line.word[0], "some")   ? &ret->some
					     : str_eq(line.word[0], "full") ? &ret->full
									    : NULL;

		if (!out)
			continue;
		ret->known = true;
		out->avg10 = decimal(value_of(&line, "avg10"));
		out->avg60 = decimal(value_of(&line, "avg60"));
		out->avg300 = decimal(value_of(&line, "avg300"));
		out->total = stats_number(value_of(&line, "total"));
	}
}

static void read_cpu(struct stats *s, struct cgroup_dir *d)
{
	const struct stats_key keys[] = {
#define KEY(name) { #name, &s->v2.cpu.name },
		STATS_V2_CPU(KEY)
#undef KEY
	};

	stats_keyed(stats_file(s, d, "cpu.stat"), keys, ARRAY_LEN(keys));
	read_psi(s, d, "cpu.pressure", &s->v2.cpu.psi);
}

static void read_memory(struct stats *s, struct cgroup_dir *d)
{
	const struct stats_key keys[] = {
#define KEY(name) { #name, &s->v2.memory.name },
		STATS_V2_MEMORY(KEY)
#undef KEY
			{ "workingset_refault", &s->v2.memory.workingset_refault },
		{ "workingset_refault_anon", &s->v2.memory.workingset_refault },
		{ "workingset_refault_file", &s->v2.memory.workingset_refault },
		{ "workingset_activate", &s->v2.memory.workingset_activate },
		{ "workingset_activate_anon", &s->v2.memory.workingset_activate },
		{ "workingset_activate_file", &s->v2.memory.workingset_activate },
	};

	stats_keyed(stats_file(s, d, "memory.stat"), keys, ARRAY_LEN(keys));
#define VALUE(name, file) s->v2.memory.name = stats_value(d, file);
	STATS_V2_MEMORY_FILES(VALUE)
#undef VALUE
	read_psi(s, d, "memory.pressure", &s->v2.memory.psi);
}

static void read_memory_events(struct stats *s, struct cgroup_dir *d)
{
	const struct stats_key keys[] = {
#define KEY(name) { #name, &s->v2.memory_events.name },
		STATS_V2_MEMORY_EVENTS(KEY)
#undef KEY
	};
	char *text = stats_file(s, d, "memory.events");

	s->v2.has_memory_events = text != NULL;
	stats_keyed(text, keys, ARRAY_LEN(keys));
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0" */
static int read_io(struct stats *s, struct cgroup_dir *d)
{
	char *text = stats_file(s, d, "io.stat"), *count = text;
	struct stats_line line;
	size_t lines = 1;

	read_psi(s, d, "io.pressure", &s->v2.io.psi);
	if (!text)
		return 0;
	while ((count = strchr(count, '\n')))
		count++, lines++;
	s->v2.io.v = arena_calloc(&s->arena, lines, sizeof(*s->v2.io.v));
	if (!s->v2.io.v)
		return -ENOMEM;
	while (s->v2.io.n < lines && stats_next(&text, &line)) {
		if (line.n < 3)
			continue;
		s->v2.io.v[s->v2.io.n++] = (struct stats_io){
			.major = stats_number(line.word[0]),
			.minor = stats_number(line.word[1]),
			.rbytes = stats_number(value_of(&line, "rbytes")),
			.wbytes = stats_number(value_of(&line, "wbytes")),
			.rios = stats_number(value_of(&line, "rios")),
			.wios = stats_number(value_of(&line, "wios")),
		};
	}
	return 0;
}

static void fill_hugetlb(struct cgroup_dir *d, struct stats_hugetlb *h)
{
	char name[128], text[CGROUP_VALUE_SIZE];

	snprintf(name, sizeof(name), "hugetlb.%s.current", h->pagesize);
	h->usage = stats_value(d, name);
	snprintf(name, sizeof(name), "hugetlb.%s.max", h->pagesize);
	h->max = stats_value(d, name);
	snprintf(name, sizeof(name), "hugetlb.%s.events", h->pagesize);
	if (cgroup_get(d, name, text) < 0 || cgroup_keyed(text, "max", &h->failcnt) < 0)
		h->failcnt = 0;
}

int stats_v2_read(struct stats *s, struct cgroup_dir *d)
{
	int r;

	s->has_pids = true;
	s->pids_current = stats_value(d, "pids.current");
	s->pids_limit = stats_value(d, "pids.max");
	read_cpu(s, d);
	read_memory(s, d);
	read_memory_events(s, d);
	r = read_io(s, d);
	if (r == 0)
		r = stats_rdma_read(s, d, "rdma.current", &s->rdma_current);
	if (r == 0)
		r = stats_rdma_read(s, d, "rdma.max", &s->rdma_limit);
	s->has_rdma = s->rdma_current.n > 0 || s->rdma_limit.n > 0;
	return r < 0 ? r : stats_hugetlb_read(s, d, "current", fill_hugetlb);
}
