/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup v2 files.
 *
 * The document speaks v1: shares, limits of memory and swap together, blkio weights. The conversions
 * are those that runc and crun use today, so that one config gives one result. What v2 cannot do is
 * refused where it was asked for (swappiness, an OOM killer that is off, real-time quotas, network
 * classes). 0 means "not asked" as on v1.
 */
#include "container/cgroup_v2.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"

/* ---- controllers ---- */

static int read_controllers(const struct cgroup_dir *d, unsigned int up, uint32_t *ret)
{
	char list[CGROUP_VALUE_SIZE];
	int r = cgroup_get_up(d, up, "cgroup.controllers", list);

	if (r < 0)
		return r;
	*ret = cgroup_controllers_parse(list, " ", true);
	return 0;
}

/* Enable for the children of one directory: all in one write, else what can be had. */
static void enable_below(const struct cgroup_dir *d, unsigned int up, uint32_t controllers)
{
	static const char file[] = "cgroup.subtree_control";
	char all[256] = "";
	size_t len = 0;

	for (unsigned int i = 0; i < CGROUP_N_CONTROLLERS; i++)
		if (controllers & CGROUP_BIT(i))
			len += (size_t)snprintf(all + len, sizeof(all) - len, "%s+%s",
				len ? " " : "", cgroup_controller_name(i, true));
	if (len == 0 || cgroup_put_up(d, up, file, all) == 0)
		return;
	for (unsigned int i = 0; i < CGROUP_N_CONTROLLERS; i++) {
		if (!(controllers & CGROUP_BIT(i)))
			continue;
		snprintf(all, sizeof(all), "+%s", cgroup_controller_name(i, true));
		cgroup_put_up(d, up, file, all);
	}
}

int cgroup_v2_enable(struct cgroup_dir *d, uint32_t wanted, struct err *err)
{
	int r = read_controllers(d, 0, &d->controllers);
	bool changed = false;

	for (unsigned int up = d->depth; r == 0 && (wanted & ~d->controllers) && up > 0; up--) {
		/* A level that we may not read or write may have what is needed already. */
		uint32_t have = 0;
		bool read = read_controllers(d, up, &have) == 0;

		if (read && !(wanted & ~d->controllers & have))
			break; /* what a level lacks, none below it has */
		if (read)
			enable_below(d, up, have);
		changed = true;
	}
	if (changed)
		r = read_controllers(d, 0, &d->controllers);
	return r < 0 ? err_code(err, r, "read cgroup.controllers of cgroup '%s'", d->path) : 0;
}

void cgroup_v2_give(const struct cgroup_dir *d, unsigned int levels)
{
	uint32_t have;

	for (unsigned int up = levels; up > 0 && read_controllers(d, up, &have) == 0; up--)
		enable_below(d, up, have);
}

int cgroup_v2_fix_type(struct cgroup_dir *d, struct err *err)
{
	char type[CGROUP_VALUE_SIZE];
	int r = cgroup_get(d, "cgroup.type", type);

	if (r < 0 || !str_eq(type, "domain invalid"))
		return 0;
	r = cgroup_put(d, "cgroup.type", "threaded");
	return r < 0 ? err_code(err, r, "make cgroup '%s' threaded like its parent", d->path) : 0;
}

/* ---- memory ---- */

int cgroup_v2_swap(int64_t limit, int64_t swap, int64_t *ret_value, bool *ret_write)
{
	*ret_write = true;
	*ret_value = swap;
	if (swap == 0) {
		*ret_value = -1; /* unlimited memory alone means unlimited swap, as on v1 */
		*ret_write = limit == -1;
		return 0;
	}
	if (swap == -1 || limit == -1)
		return swap < -1 ? -EINVAL : 0;
	if (limit <= 0 || swap < limit)
		return -EINVAL;
	*ret_value = swap - limit;
	return 0;
}

static const char *number_or_max(int64_t value, char text[24])
{
	if (value == -1)
		return "max";
	snprintf(text, 24, "%" PRId64, value);
	return text;
}

/* The limit in force, for an update that gives swap alone. */
static int current_limit(struct cgroup_dir *d, int64_t *ret, struct err *err)
{
	char value[CGROUP_VALUE_SIZE];
	int r = cgroup_get(d, "memory.max", value);

	if (r == 0 && str_eq(value, "max")) {
		*ret = -1;
		return 0;
	}
	if (r == 0)
		r = str_to_i64(value, ret);
	return r < 0 ? err_code(err, r, "linux.resources.memory.swap: read memory.max") : 0;
}

static int set_swap(struct cgroup_dir *d, const struct spec_memory *m, bool update, struct err *err)
{
	int64_t limit = m->limit, value;
	char text[24];
	bool write;
	int r = 0;

	if (update && limit == 0 && m->swap > 0)
		r = current_limit(d, &limit, err);
	if (r < 0)
		return r;
	if (cgroup_v2_swap(limit, m->swap, &value, &write) < 0)
		return err_set(err, -EINVAL,
			"linux.resources.memory.swap: %" PRId64
			" (memory and swap together) needs a limit that is not larger, not "
			"%" PRId64,
			m->swap, limit);
	if (!write)
		return 0;
	r = cgroup_put(d, "memory.swap.max", number_or_max(value, text));
	if (r == -ENOENT && (value == -1 || value == 0)) /* no swap: nothing to limit */
		return 0;
	return r < 0 ? cgroup_set_failed(
			       r, "memory.swap", "memory.swap.max", number_or_max(value, text), err)
		     : 0;
}

static int read_usage(struct cgroup_dir *d, const char *file, uint64_t *ret)
{
	char value[CGROUP_VALUE_SIZE];
	int r = cgroup_get(d, file, value);

	return r < 0 ? r : str_to_u64(value, UINT64_MAX, ret);
}

/* A limit below the use would start the OOM killer: refuse it when so asked, with the words that users of runc look for. */
static int check_usage(struct cgroup_dir *d, const struct spec_memory *m, struct err *err)
{
	uint64_t memory, swap = 0;
	int r = read_usage(d, "memory.current", &memory);

	if (r < 0)
		return err_code(
			err, r, "linux.resources.memory.checkBeforeUpdate: read memory.current");
	if (m->swap > 0) {
		r = read_usage(d, "memory.swap.current", &swap);
		if (r < 0 && r != -ENOENT)
			return err_code(err, r,
				"linux.resources.memory.checkBeforeUpdate: read "
				"memory.swap.current");
		if (memory + swap > (uint64_t)m->swap)
			return err_set(err, -EBUSY,
				"linux.resources.memory.swap: rejecting memory+swap limit %" PRId64
				", below the %" PRIu64 " in use",
				m->swap, memory + swap);
	}
	if (m->limit > 0 && memory > (uint64_t)m->limit)
		return err_set(err, -EBUSY,
			"linux.resources.memory.limit: rejecting memory limit %" PRId64
			", below the %" PRIu64 " in use",
			m->limit, memory);
	return 0;
}

int cgroup_v2_memory(
	struct cgroup_dir *d, const struct spec_resources *res, bool update, struct err *err)
{
	const struct spec_memory *m = res->memory;
	char text[24];
	int r = 0;

	if (m->has_swappiness)
		return err_set(err, -EOPNOTSUPP,
			"linux.resources.memory.swappiness: cgroup v2 has no such setting");
	if (m->disable_oom_killer)
		return err_set(err, -EOPNOTSUPP,
			"linux.resources.memory.disableOOMKiller: cgroup v2 has no such setting");
	if (update && m->check_before_update)
		r = check_usage(d, m, err);
	if (r == 0)
		r = set_swap(d, m, update, err);
	if (r == 0 && m->limit != 0)
		r = cgroup_set(d, "memory.limit", "memory.max", number_or_max(m->limit, text), err);
	if (r == 0 && m->reservation != 0)
		r = cgroup_set(d, "memory.reservation", "memory.low",
			number_or_max(m->reservation, text), err);
	return r;
}

/* ---- cpu ---- */

uint64_t cgroup_v2_weight(uint64_t shares)
{
	double l, exponent;

	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	l = log2((double)shares);
	exponent = (l * l + 125 * l) / 612 - 7.0 / 34.0;
	return (uint64_t)ceil(pow(10, exponent));
}

/* "QUOTA PERIOD"; an update that names one leaves the other. */
static int add_bandwidth(struct cgroup_dir *d, const struct spec_cpu *c, bool update,
	struct cgroup_settings *s, struct err *err)
{
	char now[CGROUP_VALUE_SIZE] = "max", quota[24];
	const char *field = c->quota != 0 ? "cpu.quota" : "cpu.period";

	if (c->quota == 0 && c->period == 0)
		return 0;
	if (c->quota == 0 && update) {
		int r = cgroup_get(d, "cpu.max", now);

		if (r < 0)
			return err_code(err, r, "linux.resources.cpu.period: read cpu.max");
		now[strcspn(now, " ")] = '\0';
	}
	snprintf(quota, sizeof(quota), "%" PRId64, c->quota);
	if (c->period != 0)
		cgroup_settings_add(s, field, "cpu.max", "%.20s %" PRIu64,
			c->quota > 0   ? quota
			: c->quota < 0 ? "max"
				       : now,
			c->period);
	else
		cgroup_settings_add(s, field, "cpu.max", "%s", c->quota > 0 ? quota : "max");
	return 0;
}

int cgroup_v2_cpu(
	struct cgroup_dir *d, const struct spec_resources *res, bool update, struct err *err)
{
	const struct spec_cpu *c = res->cpu;
	bool leave_idle = c->has_idle && c->idle == 0; /* an idle group takes no weight */
	struct cgroup_settings s = { 0 };
	int r;

	if (c->realtime_period != 0 || c->realtime_runtime != 0)
		return err_set(err, -EOPNOTSUPP,
			"linux.resources.cpu.%s: cgroup v2 has no such setting",
			c->realtime_period != 0 ? "realtimePeriod" : "realtimeRuntime");
	r = add_bandwidth(d, c, update, &s, err);
	if (r < 0)
		return r;
	if (c->has_burst && (update || c->burst != 0))
		cgroup_settings_add(&s, "cpu.burst", "cpu.max.burst", "%" PRIu64, c->burst);
	r = cgroup_settings_write(d, &s, err);
	if (r == 0 && leave_idle && update)
		r = cgroup_set(d, "cpu.idle", "cpu.idle", "0", err);
	if (r == 0 && c->shares != 0)
		r = cgroup_set_number(
			d, "cpu.shares", "cpu.weight", (int64_t)cgroup_v2_weight(c->shares), err);
	if (r == 0 && c->has_idle && !leave_idle)
		r = cgroup_set_number(d, "cpu.idle", "cpu.idle", c->idle, err);
	return r;
}

/* ---- io ---- */

uint64_t cgroup_v2_io_weight(uint64_t weight)
{
	return weight <= 10 ? 1 : 1 + (weight - 10) * 9999 / 990;
}

/* BFQ takes the document's numbers, io.weight its own scale; `device` is "" or "MAJ:MIN ". */
static int set_io_weight(struct cgroup_dir *d, const char *field, const char *device,
	uint16_t weight, struct err *err)
{
	char value[64];
	int r;

	snprintf(value, sizeof(value), "%s%u", device, weight);
	r = cgroup_put(d, "io.bfq.weight", value);
	if (r != -ENOENT)
		return r < 0 ? cgroup_set_failed(r, field, "io.bfq.weight", value, err) : 0;
	snprintf(value, sizeof(value), "%s%" PRIu64, device, cgroup_v2_io_weight(weight));
	return cgroup_set(d, field, "io.weight", value, err);
}

static int set_io_max(struct cgroup_dir *d, const char *field, const char *key,
	const struct spec_throttle_device *t, size_t n, struct err *err)
{
	char value[96], rate[24];
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		snprintf(rate, sizeof(rate), "%" PRIu64, t[i].rate);
		snprintf(value, sizeof(value), "%" PRId64 ":%" PRId64 " %s=%s", t[i].major,
			t[i].minor, key, t[i].rate ? rate : "max"); /* v1: 0 lifts the limit */
		r = cgroup_set(d, field, "io.max", value, err);
	}
	return r;
}

int cgroup_v2_io(
	struct cgroup_dir *d, const struct spec_resources *res, bool update, struct err *err)
{
	const struct spec_block_io *b = res->block_io;
	char device[48];
	int r = 0;

	if (b->leaf_weight != 0)
		return err_set(err, -EOPNOTSUPP,
			"linux.resources.blockIO.leafWeight: cgroup v2 has no such setting");
	if (b->weight != 0)
		r = set_io_weight(d, "blockIO.weight", "", b->weight, err);
	for (size_t i = 0; i < b->n_weight_device && r == 0; i++) {
		const struct spec_weight_device *w = &b->weight_device[i];

		if (w->leaf_weight != 0)
			return err_set(err, -EOPNOTSUPP,
				"linux.resources.blockIO.weightDevice[%zu].leafWeight: cgroup v2 "
				"has no such setting",
				i);
		snprintf(device, sizeof(device), "%" PRId64 ":%" PRId64 " ", w->major, w->minor);
		if (w->weight != 0)
			r = set_io_weight(d, "blockIO.weightDevice", device, w->weight, err);
	}
	if (r == 0)
		r = set_io_max(d, "blockIO.throttleReadBpsDevice", "rbps",
			b->throttle_read_bps_device, b->n_throttle_read_bps_device, err);
	if (r == 0)
		r = set_io_max(d, "blockIO.throttleWriteBpsDevice", "wbps",
			b->throttle_write_bps_device, b->n_throttle_write_bps_device, err);
	if (r == 0)
		r = set_io_max(d, "blockIO.throttleReadIOPSDevice", "riops",
			b->throttle_read_iops_device, b->n_throttle_read_iops_device, err);
	if (r == 0)
		r = set_io_max(d, "blockIO.throttleWriteIOPSDevice", "wiops",
			b->throttle_write_iops_device, b->n_throttle_write_iops_device, err);
	return r;
}

/* ---- unified ---- */

/* Files that move or stop processes are not limits. */
static bool is_limit_file(const char *key)
{
	static const char *const other[] = { "cgroup.procs", "cgroup.threads", "cgroup.kill",
		"cgroup.freeze", "cgroup.type", "cgroup.subtree_control" };

	if (*key == '.' || !strchr(key, '.') || strchr(key, '/'))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		if (str_eq(key, other[i]))
			return false;
	return true;
}

uint32_t cgroup_v2_unified_controllers(const struct spec_resources *res)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < res->n_unified; i++) {
		char name[32];
		size_t len = strcspn(res->unified[i].key, ".");

		if (len >= sizeof(name))
			continue;
		memcpy(name, res->unified[i].key, len);
		name[len] = '\0';
		bits |= cgroup_controllers_parse(name, " ", true);
	}
	return bits;
}

/* One write per line: files like io.max take one device at a time. */
static int set_lines(struct cgroup_dir *d, const char *key, const char *value, struct err *err)
{
	char field[128];
	int r = 0;

	snprintf(field, sizeof(field), "unified[%.100s]", key);
	do {
		auto_free char *line = strndup(value, strcspn(value, "\n"));

		if (!line)
			return err_oom(err);
		r = cgroup_set(d, field, key, line, err);
		value += strlen(line);
	} while (r == 0 && *value && *++value);
	return r;
}

int cgroup_v2_unified(struct cgroup_dir *d, const struct spec_resources *res, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < res->n_unified && r == 0; i++) {
		const struct spec_kv *kv = &res->unified[i];

		if (!is_limit_file(kv->key))
			return err_set(err, -EINVAL,
				"linux.resources.unified: '%s' is not the name of a file with "
				"limits",
				kv->key);
		r = set_lines(d, kv->key, kv->value, err);
	}
	return r;
}

int cgroup_v2_events(struct cgroup_dir *d, bool *ret_populated, bool *ret_frozen)
{
	char text[CGROUP_VALUE_SIZE];
	uint64_t populated, frozen = 0;
	int r = cgroup_get(d, "cgroup.events", text);

	if (r == 0)
		r = cgroup_keyed(text, "populated", &populated);
	if (r < 0)
		return r;
	r = cgroup_keyed(text, "frozen", &frozen);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret_populated = populated != 0;
	*ret_frozen = frozen != 0;
	return 0;
}
