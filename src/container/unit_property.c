/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources in systemd's words. Its numbers are those of cgroup v2, and so are the conversions (cgroup_v2.c); on v1 it
 * has older names for some of them.
 *
 * What surprises: CPUQuotaPerSecUSec is kept in whole percents of a CPU, so it is rounded up here, as in systemd; and a
 * limit of no process at all is one process, for systemd knows no other.
 */
#include "container/unit_property.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "container/cgroup_v2.h"
#include "container/unit_value.h"
#include "oci/cpu_list.h"

#define UNLIMITED UINT64_MAX
#define USUAL_PERIOD 100000u
#define USEC_PER_SEC 1000000u
#define PERCENT 10000u /* of a second, in microseconds */

static void add_u64(struct helper_words *w, const char *name, uint64_t value)
{
	helper_words_add(w, name, "t:%" PRIu64, value);
}

static void add_bool(struct helper_words *w, const char *name)
{
	helper_words_add(w, name, "b:1");
}

void unit_property_base(
	const struct unit_name *name, const char *description, bool v2, struct helper_words *w)
{
	helper_words_add(w, "Description", "s:%s", description);
	if (name->is_slice) {
		helper_words_add(w, "Wants", "as:%s", name->slice);
	} else {
		helper_words_add(w, "Slice", "s:%s", name->slice);
		add_bool(w, "Delegate");
	}
	add_bool(w, "MemoryAccounting");
	add_bool(w, "CPUAccounting");
	add_bool(w, v2 ? "IOAccounting" : "BlockIOAccounting");
	add_bool(w, "TasksAccounting");
	helper_words_add(w, "DefaultDependencies", "b:0");
}

int unit_property_annotations(
	const struct spec_kv *annotations, size_t n, struct helper_words *w, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const char *name, *value;
		int r;

		if (!str_starts(annotations[i].key, UNIT_ANNOTATION))
			continue;
		r = unit_value_annotation(
			annotations[i].key, annotations[i].value, &w->arena, &name, &value, err);
		if (r < 0)
			return r;
		helper_words_add(w, name, "%s", value);
	}
	return 0;
}

/* ---- limits ---- */

/* -1, as everywhere in the document, is none. */
static uint64_t limit_of(int64_t value)
{
	return value < 0 ? UNLIMITED : (uint64_t)value;
}

static void add_memory(const struct spec_memory *m, bool v2, struct helper_words *w)
{
	bool write;
	int64_t swap;

	if (m->limit)
		add_u64(w, v2 ? "MemoryMax" : "MemoryLimit", limit_of(m->limit));
	if (!v2)
		return;
	if (m->reservation)
		add_u64(w, "MemoryLow", limit_of(m->reservation));
	if (cgroup_v2_swap(m->limit, m->swap, &swap, &write) == 0 && write)
		add_u64(w, "MemorySwapMax", limit_of(swap));
}

static void add_quota(struct helper_words *w, int64_t quota, uint64_t period)
{
	uint64_t per_sec = UNLIMITED;

	if (period)
		add_u64(w, "CPUQuotaPeriodUSec@242", period);
	if (quota > 0 &&
		!__builtin_mul_overflow((uint64_t)quota, (uint64_t)USEC_PER_SEC, &per_sec)) {
		per_sec /= period ? period : USUAL_PERIOD;
		per_sec = (per_sec + PERCENT - 1) / PERCENT * PERCENT;
	}
	add_u64(w, "CPUQuotaPerSecUSec", per_sec);
}

static int add_set(const char *name, const char *text, unsigned int limit, struct helper_words *w,
	struct err *err)
{
	auto_done(buf) struct buf hex = { 0 };
	struct cpu_list set;
	int r = cpu_list_parse(text, limit, &set, err);

	if (r < 0)
		return err_in(err, "linux.resources.cpu");
	for (unsigned int i = 0; i < cpu_list_end(&set); i += 8)
		buf_addf(&hex, "%02x", (unsigned int)(set.bits[i / 64] >> (i % 64) & 0xff));
	if (buf_ok(&hex) < 0)
		return err_oom(err);
	helper_words_add(w, name, "ay:%s", hex.len ? hex.data : "");
	return 0;
}

static int add_sets(const char *cpus, const char *mems, struct helper_words *w, struct err *err)
{
	int r = 0;

	if (!str_empty(cpus))
		r = add_set("AllowedCPUs@244", cpus, CPU_LIST_CPUS, w, err);
	if (r == 0 && !str_empty(mems))
		r = add_set("AllowedMemoryNodes@244", mems, CPU_LIST_NODES, w, err);
	return r;
}

static int add_cpu(const struct spec_cpu *c, bool v2, struct helper_words *w, struct err *err)
{
	if (v2 && c->has_idle && c->idle == 1)
		helper_words_add(w, "CPUWeight@252", "t:0");
	else if (c->shares)
		add_u64(w, v2 ? "CPUWeight" : "CPUShares",
			v2 ? cgroup_v2_weight(c->shares) : c->shares);
	if (c->quota || c->period)
		add_quota(w, c->quota, c->period);
	return v2 ? add_sets(c->cpus, c->mems, w, err) : 0;
}

static void add_tasks(struct helper_words *w, uint64_t max)
{
	add_u64(w, "TasksMax", max ? max : 1);
}

static void add_weight(const struct spec_block_io *b, bool v2, struct helper_words *w)
{
	if (b->weight)
		add_u64(w, v2 ? "IOWeight" : "BlockIOWeight",
			v2 ? cgroup_v2_io_weight(b->weight) : b->weight);
}

/* ---- unified ---- */

static bool number_or_max(const char *text, uint64_t *ret)
{
	if (str_eq(text, "max")) {
		*ret = UNLIMITED;
		return true;
	}
	return str_to_u64(text, UINT64_MAX - 1, ret) == 0;
}

/* "QUOTA PERIOD", "max", "max PERIOD", "QUOTA" */
static void add_cpu_max(const char *text, struct helper_words *w)
{
	char part[2][24] = { "", "" };
	size_t len = strcspn(text, " "), rest = text[len] ? strlen(text + len + 1) : 0;
	uint64_t quota, period = 0;

	if (len >= sizeof(part[0]) || rest >= sizeof(part[1]))
		return;
	memcpy(part[0], text, len);
	memcpy(part[1], text + len + (rest > 0), rest);
	if (!number_or_max(part[0], &quota) ||
		(rest && str_to_u64(part[1], INT64_MAX, &period) < 0))
		return;
	add_quota(w, quota > INT64_MAX ? -1 : (int64_t)quota, period);
}

/* A value that is none of the file's is left to its writing, which says so. */
static int add_unified(const struct spec_kv *kv, struct helper_words *w, struct err *err)
{
	static const struct {
		const char *file, *property;
	} numbers[] = {
		{ "memory.high", "MemoryHigh" },
		{ "memory.low", "MemoryLow" },
		{ "memory.min", "MemoryMin" },
		{ "memory.max", "MemoryMax" },
		{ "memory.swap.max", "MemorySwapMax" },
		{ "cpu.weight", "CPUWeight" },
		{ "io.weight", "IOWeight" },
	};
	uint64_t n;

	if (str_eq(kv->key, "cpu.max"))
		add_cpu_max(kv->value, w);
	else if (str_eq(kv->key, "cpu.idle") && str_eq(kv->value, "1"))
		helper_words_add(w, "CPUWeight@252", "t:0");
	else if (str_eq(kv->key, "cpuset.cpus"))
		return add_sets(kv->value, NULL, w, err);
	else if (str_eq(kv->key, "cpuset.mems"))
		return add_sets(NULL, kv->value, w, err);
	else if (str_eq(kv->key, "memory.oom.group"))
		helper_words_add(
			w, "OOMPolicy@253", "s:%s", str_eq(kv->value, "1") ? "kill" : "continue");
	else if (str_eq(kv->key, "pids.max") && number_or_max(kv->value, &n))
		add_tasks(w, n);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (str_eq(kv->key, numbers[i].file) && number_or_max(kv->value, &n))
			add_u64(w, numbers[i].property, n);
	return 0;
}

int unit_property_limits(
	const struct spec_resources *res, bool v2, struct helper_words *w, struct err *err)
{
	int r = 0;

	if (!res)
		return 0;
	if (res->memory)
		add_memory(res->memory, v2, w);
	if (res->cpu)
		r = add_cpu(res->cpu, v2, w, err);
	if (res->pids && res->pids->has_limit)
		add_tasks(w, limit_of(res->pids->limit));
	if (res->block_io)
		add_weight(res->block_io, v2, w);
	for (size_t i = 0; v2 && r == 0 && i < res->n_unified; i++)
		r = add_unified(&res->unified[i], w, err);
	return r;
}

/* ---- devices ---- */

/* The kernel's name of a major number: a line "NUMBER NAME" below the heading of its type. Length of *ret; 0: none. */
static size_t group_of(const char *proc_devices, char type, uint32_t major, const char **ret)
{
	const char *list =
		strstr(proc_devices, type == 'c' ? "Character devices:" : "Block devices:");
	const char *line = list ? strchr(list, '\n') : NULL;

	while (line && line[1] && line[1] != '\n') {
		uint64_t n = 0;

		line += 1 + strspn(line + 1, " ");
		while (*line >= '0' && *line <= '9' && n <= UINT32_MAX)
			n = n * 10 + (uint64_t)(*line++ - '0');
		if (*line != ' ')
			return 0;
		if (n == major) {
			*ret = line + 1;
			return strcspn(line + 1, "\n");
		}
		line = strchr(line, '\n');
	}
	return 0;
}

/* "/dev/char/1:3 rw", "char-pts rwm", "block-* m". False: systemd has no words for it. */
static bool device_text(const struct device_v1_row *row, const char *proc_devices, struct buf *out)
{
	const char *kind = row->type == 'c' ? "char" : "block", *group;
	size_t len;

	if (row->major == DEVICE_ANY && row->minor == DEVICE_ANY) {
		buf_addf(out, "%s-*", kind);
	} else if (row->major == DEVICE_ANY) {
		return false;
	} else if (row->minor == DEVICE_ANY) {
		len = group_of(proc_devices, row->type, row->major, &group);
		if (len == 0)
			return false;
		buf_addf(out, "%s-%.*s", kind, (int)len, group);
	} else {
		buf_addf(out, "/dev/%s/%" PRIu32 ":%" PRIu32, kind, row->major, row->minor);
	}
	buf_addf(out, " %s%s%s", row->access & DEVICE_READ ? "r" : "",
		row->access & DEVICE_WRITE ? "w" : "", row->access & DEVICE_MKNOD ? "m" : "");
	return true;
}

static int add_list(const struct device_v1_plan *plan, const char *proc_devices,
	struct helper_words *w, struct err *err)
{
	struct helper_words list = { 0 };
	bool said = true;
	int r = 0;

	for (size_t i = 0; said && i < plan->n; i++) {
		auto_done(buf) struct buf text = { 0 };

		said = device_text(&plan->rows[i], proc_devices, &text);
		helper_words_add(
			&list, "DeviceAllow", "a(ss):%s", buf_ok(&text) < 0 ? "" : text.data);
		r = buf_ok(&text) < 0 ? err_oom(err) : r;
	}
	if (said && r == 0) {
		helper_words_add(w, "DevicePolicy", "s:strict");
		helper_words_add(w, "DeviceAllow", "a(ss):");
		for (size_t i = 0; i < list.n; i++)
			helper_words_add(w, "DeviceAllow", "%s", strchr(list.word[i], '=') + 1);
	}
	helper_words_done(&list);
	return r;
}

int unit_property_devices(const struct device_policy *policy, const char *proc_devices,
	struct helper_words *w, struct err *err)
{
	struct device_v1_plan plan = { 0 };
	int r;

	if (device_policy_allows_all(policy)) {
		helper_words_add(w, "DevicePolicy", "s:auto");
		helper_words_add(w, "DeviceAllow", "a(ss):");
		return 0;
	}
	r = device_v1_plan(policy, &plan, err);
	if (r == -EOPNOTSUPP) /* exceptions from exceptions: our own program knows them */
		return 0;
	if (r == 0 && !plan.allow)
		r = add_list(&plan, proc_devices, w, err);
	device_v1_plan_done(&plan);
	return r;
}
