/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup v1 files.
 *
 * 0 means "not asked" for limits, shares, quota, period and weights: engines send it for every field
 * that their user left alone. A file that this kernel lacks (kmem limits, leaf weights) is an error
 * that names it, except where its absence is what was asked (no swap accounting, swap unlimited).
 */
#include "container/cgroup_v1.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

/* ---- memory ---- */

static int set_limit_and_swap(struct cgroup_dir *d, const struct spec_memory *m, struct err *err)
{
	int64_t swap = m->limit == -1 && m->swap == 0 ? -1 : m->swap;
	struct cgroup_settings s = { 0 };
	char usage[CGROUP_VALUE_SIZE], peak[CGROUP_VALUE_SIZE];
	int r;

	if (m->limit != 0)
		cgroup_settings_add(
			&s, "memory.limit", "memory.limit_in_bytes", "%" PRId64, m->limit);
	/* Without swap accounting nothing limits swap: that is what -1 asks for. */
	if (swap != 0 && (swap != -1 || cgroup_get(d, "memory.memsw.limit_in_bytes", usage) == 0))
		cgroup_settings_add(
			&s, "memory.swap", "memory.memsw.limit_in_bytes", "%" PRId64, swap);
	r = cgroup_settings_write(d, &s, err);
	if (r == -EBUSY && cgroup_get(d, "memory.usage_in_bytes", usage) == 0 &&
		cgroup_get(d, "memory.max_usage_in_bytes", peak) == 0)
		return err_set(err, r,
			"linux.resources.memory.limit: unable to set memory limit to %" PRId64
			" (current usage: %.20s, peak usage: %.20s)",
			m->limit, usage, peak);
	return r;
}

int cgroup_v1_memory(
	struct cgroup_dir *d, const struct spec_resources *res, bool update, struct err *err)
{
	const struct spec_memory *m = res->memory;
	int r = 0;

	if (m->use_hierarchy)
		r = cgroup_set(d, "memory.useHierarchy", "memory.use_hierarchy", "1", err);
	if (r == 0 && (m->limit != 0 || m->swap != 0))
		r = set_limit_and_swap(d, m, err);
	if (r == 0 && m->reservation != 0)
		r = cgroup_set_number(
			d, "memory.reservation", "memory.soft_limit_in_bytes", m->reservation, err);
	if (r == 0 && m->kernel_tcp != 0)
		r = cgroup_set_number(d, "memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes",
			m->kernel_tcp, err);
	if (r == 0 && m->has_swappiness)
		r = cgroup_set_number(
			d, "memory.swappiness", "memory.swappiness", (int64_t)m->swappiness, err);
	if (r == 0 && (m->disable_oom_killer || (update && m->has_disable_oom_killer)))
		r = cgroup_set(d, "memory.disableOOMKiller", "memory.oom_control",
			m->disable_oom_killer ? "1" : "0", err);
	return r;
}

/* ---- cpu ---- */

int cgroup_v1_cpu(
	struct cgroup_dir *d, const struct spec_resources *res, bool update, struct err *err)
{
	const struct spec_cpu *c = res->cpu;
	bool leave_idle = c->has_idle && c->idle == 0; /* an idle group takes no shares */
	struct cgroup_settings s = { 0 };
	int r;

	if (c->realtime_period != 0)
		cgroup_settings_add(&s, "cpu.realtimePeriod", "cpu.rt_period_us", "%" PRIu64,
			c->realtime_period);
	if (c->realtime_runtime != 0)
		cgroup_settings_add(&s, "cpu.realtimeRuntime", "cpu.rt_runtime_us", "%" PRId64,
			c->realtime_runtime);
	if (c->period != 0)
		cgroup_settings_add(&s, "cpu.period", "cpu.cfs_period_us", "%" PRIu64, c->period);
	if (c->quota != 0)
		cgroup_settings_add(&s, "cpu.quota", "cpu.cfs_quota_us", "%" PRId64,
			c->quota < 0 ? -1 : c->quota);
	if (c->has_burst && (update || c->burst != 0))
		cgroup_settings_add(&s, "cpu.burst", "cpu.cfs_burst_us", "%" PRIu64, c->burst);
	r = cgroup_settings_write(d, &s, err);
	if (r == 0 && leave_idle && update)
		r = cgroup_set(d, "cpu.idle", "cpu.idle", "0", err);
	if (r == 0 && c->shares != 0)
		r = cgroup_set_number(d, "cpu.shares", "cpu.shares", (int64_t)c->shares, err);
	if (r == 0 && c->has_idle && !leave_idle)
		r = cgroup_set_number(d, "cpu.idle", "cpu.idle", c->idle, err);
	return r;
}

/* ---- blkio ---- */

static int set_throttle(struct cgroup_dir *d, const char *field, const char *file,
	const struct spec_throttle_device *t, size_t n, struct err *err)
{
	char value[80];
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		snprintf(value, sizeof(value), "%" PRId64 ":%" PRId64 " %" PRIu64, t[i].major,
			t[i].minor, t[i].rate);
		r = cgroup_set(d, field, file, value, err);
	}
	return r;
}

/* The elevator that has weights today is BFQ; a kernel may have kept the older name. */
static int set_weight(struct cgroup_dir *d, const char *field, const char *bfq, const char *old,
	const char *value, struct err *err)
{
	int r = cgroup_put(d, bfq, value);

	if (r == -ENOENT)
		return cgroup_set(d, field, old, value, err);
	return r < 0 ? cgroup_set_failed(r, field, bfq, value, err) : 0;
}

static int set_device_weights(
	struct cgroup_dir *d, const struct spec_weight_device *w, struct err *err)
{
	char value[64];
	int r = 0;

	if (w->weight != 0) {
		snprintf(value, sizeof(value), "%" PRId64 ":%" PRId64 " %u", w->major, w->minor,
			w->weight);
		r = set_weight(d, "blockIO.weightDevice", "blkio.bfq.weight_device",
			"blkio.weight_device", value, err);
	}
	if (r == 0 && w->leaf_weight != 0) {
		snprintf(value, sizeof(value), "%" PRId64 ":%" PRId64 " %u", w->major, w->minor,
			w->leaf_weight);
		r = cgroup_set(d, "blockIO.weightDevice", "blkio.leaf_weight_device", value, err);
	}
	return r;
}

int cgroup_v1_io(
	struct cgroup_dir *d, const struct spec_resources *res, bool update, struct err *err)
{
	const struct spec_block_io *b = res->block_io;
	char value[16];
	int r = 0;

	if (b->weight != 0) {
		snprintf(value, sizeof(value), "%u", b->weight);
		r = set_weight(d, "blockIO.weight", "blkio.bfq.weight", "blkio.weight", value, err);
	}
	if (r == 0 && b->leaf_weight != 0)
		r = cgroup_set_number(
			d, "blockIO.leafWeight", "blkio.leaf_weight", b->leaf_weight, err);
	for (size_t i = 0; i < b->n_weight_device && r == 0; i++)
		r = set_device_weights(d, &b->weight_device[i], err);
	if (r == 0)
		r = set_throttle(d, "blockIO.throttleReadBpsDevice",
			"blkio.throttle.read_bps_device", b->throttle_read_bps_device,
			b->n_throttle_read_bps_device, err);
	if (r == 0)
		r = set_throttle(d, "blockIO.throttleWriteBpsDevice",
			"blkio.throttle.write_bps_device", b->throttle_write_bps_device,
			b->n_throttle_write_bps_device, err);
	if (r == 0)
		r = set_throttle(d, "blockIO.throttleReadIOPSDevice",
			"blkio.throttle.read_iops_device", b->throttle_read_iops_device,
			b->n_throttle_read_iops_device, err);
	if (r == 0)
		r = set_throttle(d, "blockIO.throttleWriteIOPSDevice",
			"blkio.throttle.write_iops_device", b->throttle_write_iops_device,
			b->n_throttle_write_iops_device, err);
	return r;
}

/* ---- network ---- */

int cgroup_v1_net_cls(
	struct cgroup_dir *d, const struct spec_resources *res, bool update, struct err *err)
{
	return cgroup_set_number(
		d, "network.classID", "net_cls.classid", res->network->class_id, err);
}

int cgroup_v1_net_prio(
	struct cgroup_dir *d, const struct spec_resources *res, bool update, struct err *err)
{
	const struct spec_network *n = res->network;
	char value[64];
	int r = 0;

	for (size_t i = 0; i < n->n_priorities && r == 0; i++) {
		if ((size_t)snprintf(value, sizeof(value), "%s %u", n->priorities[i].name,
			    n->priorities[i].priority) >= sizeof(value))
			return err_set(err, -EINVAL,
				"linux.resources.network.priorities[%zu].name: too long", i);
		r = cgroup_set(d, "network.priorities", "net_prio.ifpriomap", value, err);
	}
	return r;
}

/* ---- cpuset ---- */

/* From the parent of the directory `up` levels above `d` to that directory. */
static int cpuset_copy(const struct cgroup_dir *d, unsigned int up, const char *file)
{
	char value[CGROUP_VALUE_SIZE];
	int r = cgroup_get_up(d, up + 1, file, value);

	if (r < 0)
		return r;
	return *value ? cgroup_put_up(d, up, file, value) : -ENODATA;
}

/*
 * A parent that another create has just made may have neither yet, or only its cpus: each file is
 * looked at by itself. The parent stays, for `d` is below it.
 */
static int cpuset_fill(const struct cgroup_dir *d, unsigned int up, const char *file)
{
	int r = cpuset_copy(d, up, file);

	if (r == -ENODATA && up + 1 < d->depth) {
		r = cpuset_fill(d, up + 1, file);
		if (r == 0)
			r = cpuset_copy(d, up, file);
	}
	return r;
}

/* Of "0" and "0-7", which nearly all are. */
static unsigned int count_cpus(const char *list)
{
	unsigned long last = 0;
	char *end = (char *)list + 1;

	if (*list != '0')
		return 0;
	if (*end == '-')
		last = strtoul(end + 1, &end, 10);
	return *end || last >= UINT_MAX ? 0 : (unsigned int)last + 1;
}

/* The usual case, a new directory below one that has both. -ENODATA: another one. */
static int cpuset_take_both(struct cgroup_dir *d)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	char value[CGROUP_VALUE_SIZE];
	int fds[4] = { -EBADF, -EBADF, -EBADF, -EBADF };
	int r = 0;

	for (size_t i = 0; i < 2 && r == 0; i++) {
		int *from = &fds[2 * i], *to = &fds[2 * i + 1];

		/* The parent is where we are: its nodes are ours. If they are not, it says so. */
		if (i == 1 && !str_empty(d->mems)) {
			*to = cgroup_file_open(d, 0, files[i], O_WRONLY);
			if (cgroup_put_open(d, *to, d->mems) == 0)
				break;
			fd_spend(d->spent, take_fd(to));
		}
		*from = cgroup_file_open(d, 1, files[i], O_RDONLY);
		r = cgroup_get_open(*from, value);
		if (r == 0 && !*value)
			r = -ENODATA;
		if (r == 0) {
			*to = cgroup_file_open(d, 0, files[i], O_WRONLY);
			r = cgroup_put_open(d, *to, value);
		}
		if (r == 0 && i == 0)
			d->n_cpus = count_cpus(value);
	}
	for (size_t i = 0; i < 4; i++)
		fd_spend(d->spent, fds[i]);
	return r;
}

int cgroup_v1_cpuset_inherit(struct cgroup_dir *d, struct err *err)
{
	char value[CGROUP_VALUE_SIZE];
	int r;

	/* One directly below the root that we just made is empty; others may have been given theirs
	 * by clone_children of a parent. */
	if (d->depth > 1 || d->made == 0) {
		r = cgroup_get(d, "cpuset.mems", value);
		if (r == 0 && *value)
			return 0;
		if (r == -ENOENT) /* a hierarchy of another kind under this name */
			return 0;
		if (r < 0)
			return err_code(err, r, "read cpuset.mems of cgroup '%s'", d->path);
	}
	r = cpuset_take_both(d);
	if (r == -ENODATA) {
		r = cpuset_fill(d, 0, "cpuset.cpus");
		if (r == 0)
			r = cpuset_fill(d, 0, "cpuset.mems"); /* last: where it is set, all is */
	}
	return r < 0 ? err_code(err, r, "copy the parent's cpuset to cgroup '%s'", d->path) : 0;
}

/* ---- devices ---- */

/* Open once, one write per row: the controller takes one rule at a time. */
struct device_file {
	const char *name;
	int fd;
};

static int device_write(
	struct cgroup_dir *d, struct device_file *f, const char *text, struct err *err)
{
	size_t size = strlen(text);

	if (f->fd < 0)
		f->fd = cgroup_file_open(d, 0, f->name, O_WRONLY);
	if (f->fd < 0)
		return err_code(err, f->fd, "linux.resources.devices: open %s", f->name);
	if (write(f->fd, text, size) != (ssize_t)size)
		return err_sys(err, "linux.resources.devices: write '%s' to %s", text, f->name);
	if (d->fake && write(f->fd, "\n", 1) != 1)
		return err_sys(err, "linux.resources.devices: write to %s", f->name);
	return 0;
}

static int device_rows(struct cgroup_dir *d, struct device_file *f,
	const struct device_v1_plan *rows, const struct device_v1_plan *minus, struct err *err)
{
	char text[DEVICE_V1_TEXT_SIZE];
	int r = 0;

	for (size_t i = 0; i < rows->n && r == 0; i++) {
		struct device_v1_row row = rows->rows[i];

		if (minus)
			row.access &= ~device_v1_row_access(minus, &row);
		if (row.access)
			r = device_write(d, f, device_v1_text(&row, text), err);
	}
	return r;
}

/* From the state `now` to `want` without a moment in which something is lost that both grant. */
static int device_change(struct cgroup_dir *d, const struct device_v1_plan *now,
	const struct device_v1_plan *want, struct device_file *allow, struct device_file *deny,
	struct err *err)
{
	int r;

	if (want->allow) {
		/* The kernel does not list the exceptions of this default: they are set anew. */
		r = device_write(d, allow, "a", err);
		return r < 0 ? r : device_rows(d, deny, want, NULL, err);
	}
	if (now->allow) {
		r = device_write(d, deny, "a", err);
		return r < 0 ? r : device_rows(d, allow, want, NULL, err);
	}
	r = device_rows(d, allow, want, now, err);
	return r < 0 ? r : device_rows(d, deny, now, want, err);
}

static int device_now(struct cgroup_dir *d, struct device_v1_plan *ret, struct err *err)
{
	auto_free char *list = NULL;
	auto_close int fd = cgroup_file_open(d, 0, "devices.list", O_RDONLY);
	int r = fd < 0 ? fd : fd_read_file(fd, 1u << 20, &list, NULL);

	if (r == 0)
		r = device_v1_read(list, ret);
	return r < 0 ? err_code(err, r, "linux.resources.devices: read devices.list") : 0;
}

int cgroup_v1_devices(
	struct cgroup_dir *d, const struct device_policy *p, bool fresh, struct err *err)
{
	auto_done(device_v1_plan) struct device_v1_plan want = { 0 };
	auto_done(device_v1_plan) struct device_v1_plan now = { .allow = true };
	struct device_file allow = { "devices.allow", -EBADF }, deny = { "devices.deny", -EBADF };
	int r;

	if (fresh && device_policy_allows_all(p))
		return 0; /* what the parent permits is what is asked */
	r = device_v1_plan(p, &want, err);
	if (r == 0 && !fresh)
		r = device_now(d, &now, err);
	if (r == 0)
		r = device_change(d, &now, &want, &allow, &deny, err);
	fd_spend(d->spent, deny.fd);
	fd_spend(d->spent, allow.fd);
	return r;
}

/* ---- freezer ---- */

int cgroup_v1_frozen(struct cgroup_dir *d, bool *ret)
{
	char value[CGROUP_VALUE_SIZE];
	int r = cgroup_get(d, "freezer.state", value);

	if (r < 0)
		return r;
	*ret = !str_eq(value, "THAWED");
	return 0;
}

static int thaw_enter(struct cgroup_walk *w, int dirfd)
{
	return cgroup_put_at(dirfd, "freezer.state", "THAWED");
}

int cgroup_v1_thaw_all(struct cgroup_dir *d)
{
	struct cgroup_walk w = { .enter = thaw_enter };

	return cgroup_walk(&w, d->path);
}
