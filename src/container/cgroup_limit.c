/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources on the controllers that this machine has: which of them is asked for what, and by
 * which version it is served. In hybrid mode the versions mix: hugetlb is often left to v2.
 *
 * Nothing is opened for what the document leaves out. Order matters only for `unified`, which comes
 * last so that it can refine the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "container/cgroup.h"
#include "container/cgroup_v1.h"
#include "container/cgroup_v2.h"

/* ---- the controllers that speak the same on v1 and v2 ---- */

static int set_cpuset(
	struct cgroup_dir *d, const struct spec_resources *res, bool update, struct err *err)
{
	const struct spec_cpu *c = res->cpu;
	int r = 0;

	if (!str_empty(c->cpus))
		r = cgroup_set(d, "cpu.cpus", "cpuset.cpus", c->cpus, err);
	if (r == 0 && !str_empty(c->mems))
		r = cgroup_set(d, "cpu.mems", "cpuset.mems", c->mems, err);
	return r;
}

static int set_pids(
	struct cgroup_dir *d, const struct spec_resources *res, bool update, struct err *err)
{
	if (res->pids->limit < 0)
		return cgroup_set(d, "pids.limit", "pids.max", "max", err);
	/* 0 is 1, as for systemd, which knows no 0: the process that is there, and no other. */
	return cgroup_set_number(
		d, "pids.limit", "pids.max", res->pids->limit ? res->pids->limit : 1, err);
}

/* "64KB", "2MB", "1GB": it becomes part of a file name. */
static bool is_page_size(const char *s)
{
	size_t digits = s ? strspn(s, "0123456789") : 0;

	return digits > 0 && digits < 10 &&
	       (str_eq(s + digits, "KB") || str_eq(s + digits, "MB") || str_eq(s + digits, "GB"));
}

static int set_hugepages(struct cgroup_dir *d, const struct spec_hugepage_limit *limit,
	size_t index, struct err *err)
{
	const char *suffix = d->v2 ? "max" : "limit_in_bytes";
	char file[64], value[24], field[48];
	int r;

	snprintf(field, sizeof(field), "hugepageLimits[%zu]", index);
	if (!is_page_size(limit->page_size))
		return err_set(err, -EINVAL, "linux.resources.%s.pageSize: '%s' is not a size",
			field, limit->page_size ? limit->page_size : "");
	snprintf(value, sizeof(value), "%" PRIu64, limit->limit);
	/* Reservations count too, else a process dies by SIGBUS instead of failing in mmap(). */
	snprintf(file, sizeof(file), "hugetlb.%s.rsvd.%s", limit->page_size, suffix);
	r = cgroup_put(d, file, value);
	if (r < 0 && r != -ENOENT)
		return cgroup_set_failed(r, field, file, value, err);
	snprintf(file, sizeof(file), "hugetlb.%s.%s", limit->page_size, suffix);
	r = cgroup_put(d, file, value);
	if (r == -ENOENT)
		return err_set(err, r,
			"linux.resources.%s.pageSize: this machine has no pages of '%s'", field,
			limit->page_size);
	return r < 0 ? cgroup_set_failed(r, field, file, value, err) : 0;
}

static int set_hugetlb(
	struct cgroup_dir *d, const struct spec_resources *res, bool update, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < res->n_hugepage_limits && r == 0; i++)
		r = set_hugepages(d, &res->hugepage_limits[i], i, err);
	return r;
}

static int set_rdma(
	struct cgroup_dir *d, const struct spec_resources *res, bool update, struct err *err)
{
	char value[160], handles[32] = "", objects[32] = "";
	int r = 0;

	for (size_t i = 0; i < res->n_rdma && r == 0; i++) {
		const struct spec_rdma *x = &res->rdma[i];

		if (x->has_hca_handles)
			snprintf(handles, sizeof(handles), " hca_handle=%u", x->hca_handles);
		if (x->has_hca_objects)
			snprintf(objects, sizeof(objects), " hca_object=%u", x->hca_objects);
		if ((size_t)snprintf(value, sizeof(value), "%s%s%s", x->key, handles, objects) >=
			sizeof(value))
			return err_set(
				err, -EINVAL, "linux.resources.rdma: '%s' is too long", x->key);
		r = cgroup_set(d, "rdma", "rdma.max", value, err);
		*handles = *objects = '\0';
	}
	return r;
}

/* ---- what is asked ---- */

static bool asks_memory(const struct spec_resources *r, bool update)
{
	const struct spec_memory *m = r->memory;

	return m && (m->limit || m->swap || m->reservation || m->kernel_tcp || m->has_swappiness ||
			    m->disable_oom_killer || m->use_hierarchy ||
			    (update && m->has_disable_oom_killer));
}

static bool asks_cpu(const struct spec_resources *r, bool update)
{
	const struct spec_cpu *c = r->cpu;

	return c &&
	       (c->shares || c->quota || c->period || c->realtime_runtime || c->realtime_period ||
		       c->burst || c->idle || (update && (c->has_burst || c->has_idle)));
}

static bool asks_cpuset(const struct spec_resources *r, bool update)
{
	return r->cpu && (!str_empty(r->cpu->cpus) || !str_empty(r->cpu->mems));
}

static bool asks_pids(const struct spec_resources *r, bool update)
{
	return r->pids && r->pids->has_limit;
}

static bool asks_io(const struct spec_resources *r, bool update)
{
	const struct spec_block_io *b = r->block_io;

	return b && (b->weight || b->leaf_weight || b->n_weight_device ||
			    b->n_throttle_read_bps_device || b->n_throttle_write_bps_device ||
			    b->n_throttle_read_iops_device || b->n_throttle_write_iops_device);
}

static bool asks_hugetlb(const struct spec_resources *r, bool update)
{
	return r->n_hugepage_limits > 0;
}

static bool asks_rdma(const struct spec_resources *r, bool update)
{
	return r->n_rdma > 0;
}

static bool asks_net_cls(const struct spec_resources *r, bool update)
{
	return r->network && (r->network->class_id || (update && r->network->has_class_id));
}

static bool asks_net_prio(const struct spec_resources *r, bool update)
{
	return r->network && r->network->n_priorities > 0;
}

typedef int set_fn(
	struct cgroup_dir *d, const struct spec_resources *res, bool update, struct err *err);

// clang-format off
static const struct limit {
	enum cgroup_controller controller;
	const char *field;
	bool (*asks)(const struct spec_resources *r, bool update);
	set_fn *v1;
	set_fn *v2;
} limits[] = {
	{ CGROUP_CPUSET,   "cpu.cpus",           asks_cpuset,   set_cpuset,         set_cpuset },
	{ CGROUP_CPU,      "cpu",                asks_cpu,      cgroup_v1_cpu,      cgroup_v2_cpu },
	{ CGROUP_MEMORY,   "memory",             asks_memory,   cgroup_v1_memory,   cgroup_v2_memory },
	{ CGROUP_PIDS,     "pids",               asks_pids,     set_pids,           set_pids },
	{ CGROUP_BLKIO,    "blockIO",            asks_io,       cgroup_v1_io,       cgroup_v2_io },
	{ CGROUP_HUGETLB,  "hugepageLimits",     asks_hugetlb,  set_hugetlb,        set_hugetlb },
	{ CGROUP_RDMA,     "rdma",               asks_rdma,     set_rdma,           set_rdma },
	{ CGROUP_NET_CLS,  "network.classID",    asks_net_cls,  cgroup_v1_net_cls,  NULL },
	{ CGROUP_NET_PRIO, "network.priorities", asks_net_prio, cgroup_v1_net_prio, NULL },
};
// clang-format on

static int missing(
	const struct cgroup *cg, const char *field, enum cgroup_controller c, struct err *err)
{
	bool v2 = cg->mode == CGROUP_MODE_V2 && cgroup_controller_name(c, true);

	return err_set(err, -EOPNOTSUPP,
		"linux.resources.%s: the cgroup controller '%s' is not available%s", field,
		cgroup_controller_name(c, v2), cg->unprivileged ? " without privileges" : "");
}

static int apply_unified(struct cgroup *cg, const struct spec_resources *res, struct err *err)
{
	struct cgroup_dir *d = cgroup_v2_dir(cg);
	uint32_t wanted = cgroup_v2_unified_controllers(res);
	int r;

	if (cg->mode != CGROUP_MODE_V2 || !d)
		return err_set(err, -EOPNOTSUPP,
			"linux.resources.unified: needs cgroup v2: invalid configuration");
	if (wanted & ~d->controllers) {
		r = cgroup_v2_enable(d, wanted, err);
		if (r < 0)
			return r;
		for (unsigned int c = 0; c < CGROUP_N_CONTROLLERS; c++)
			if (wanted & ~d->controllers & CGROUP_BIT(c))
				return missing(cg, "unified", c, err);
	}
	return cgroup_v2_unified(d, res, err);
}

int cgroup_apply(struct cgroup *cg, const struct spec_resources *res, bool update, struct err *err)
{
	int r = 0;

	if (!res)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(limits) && r == 0; i++) {
		const struct limit *l = &limits[i];
		struct cgroup_dir *d;

		if (!l->asks(res, update))
			continue;
		d = cgroup_controller_dir(cg, l->controller);
		if (!d)
			return missing(cg, l->field, l->controller, err);
		r = (d->v2 ? l->v2 : l->v1)(d, res, update, err);
	}
	if (r == 0 && res->n_unified > 0)
		r = apply_unified(cg, res, err);
	return r;
}

static void note(void *arg, const struct cgroup_dir *d, const char *file, const char *value)
{
	cgroup_journal_note(arg, d, file, value);
}

static void set_journal(struct cgroup *cg, struct cgroup_journal *j)
{
	for (size_t i = 0; i < cg->n_dirs; i++) {
		cg->dirs[i].before_put = j ? note : NULL;
		cg->dirs[i].before_put_arg = j;
	}
}

int cgroup_update(struct cgroup *cg, const struct spec_resources *res, struct cgroup_journal *ret,
	struct err *err)
{
	int r;

	set_journal(cg, ret);
	r = cgroup_apply(cg, res, true, err);
	set_journal(cg, NULL);
	if (r < 0)
		cgroup_journal_undo(ret);
	return r;
}

/* ---- devices ---- */

bool cgroup_in_user_namespace(void)
{
	auto_free char *map = NULL;
	unsigned int inside, outside, size;
	char end;

	if (geteuid() != 0)
		return true;
	if (fd_read_file_at(AT_FDCWD, "/proc/self/uid_map", 1u << 16, &map, NULL) < 0)
		return false;
	return sscanf(map, "%u %u %u %c", &inside, &outside, &size, &end) != 3 || inside != 0 ||
	       outside != 0 || size != UINT32_MAX;
}

static int build_policy(
	const struct spec_resources *res, struct device_policy *ret, struct err *err)
{
	auto_free struct device_rule *rules = NULL;
	size_t n;
	int r = device_rules_complete(res, &rules, &n, err);

	return r < 0 ? r : device_policy_build(rules, n, ret, err);
}

static const char *policy_hash(struct cgroup *cg, const struct device_policy *p)
{
	auto_done(buf) struct buf text = { 0 };
	char hex[SHA256_HEX_SIZE];

	device_policy_text(p, &text);
	if (buf_ok(&text) < 0)
		return NULL;
	return arena_strdup(&cg->arena, sha256_hex(text.data, text.len, hex));
}

static int attach_program(struct cgroup_dir *d, const struct device_policy *p, bool fresh,
	struct device_bpf_cache *cache, struct err *err)
{
	int prog = -EBADF, dir = -EBADF;
	int r;

	if (fresh && device_policy_allows_all(p))
		return 0;
	r = device_bpf_program(p, cache, &prog, err);
	if (r < 0)
		return r;
	dir = fd_open(d->path, O_RDONLY | O_DIRECTORY, 0); /* bpf(2) takes no O_PATH */
	if (dir < 0)
		r = err_code(err, dir, "open cgroup '%s'", d->path);
	else
		r = fresh ? device_bpf_attach(dir, prog, err) : device_bpf_replace(dir, prog, err);
	fd_spend(d->spent, prog);
	/* A command's first process is born by it. */
	if (r == 0 && d->spent && d->fd < 0)
		d->fd = take_fd(&dir);
	fd_spend(d->spent, dir);
	return r;
}

int cgroup_apply_devices(struct cgroup *cg, const struct spec_resources *res, bool update,
	struct device_bpf_cache *cache, struct err *err)
{
	auto_done(device_policy) struct device_policy policy = { 0 };
	struct cgroup_dir *d = cgroup_controller_dir(cg, CGROUP_DEVICES);
	const char *hash;
	int r = build_policy(res, &policy, err);

	if (r < 0)
		return r;
	hash = policy_hash(cg, &policy);
	if (!hash)
		return err_oom(err);
	if (update && str_eq(cg->devices, hash))
		return 0;
	if (d) {
		r = cgroup_v1_devices(d, &policy, !update && d->made > 0, err);
	} else {
		d = cgroup_v2_dir(cg);
		if (!d && (cg->unprivileged || device_policy_allows_all(&policy)))
			return 0;
		if (!d)
			return missing(cg, "devices", CGROUP_DEVICES, err);
		r = attach_program(d, &policy, !update && d->made > 0, cache, err);
	}
	if ((r == -EPERM || r == -EACCES) && (cg->unprivileged || cgroup_in_user_namespace()))
		return 0;
	if (r == 0)
		cg->devices = hash;
	return r;
}

/* ---- delegation ---- */

int cgroup_delegate(struct cgroup *cg, uid_t uid, gid_t gid, struct err *err)
{
	static const char usual[] = "cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n";
	struct cgroup_dir *d = cgroup_v2_dir(cg);
	auto_free char *list = NULL;
	int fd;

	if (cg->mode != CGROUP_MODE_V2 || !d)
		return err_set(err, -EOPNOTSUPP,
			"cgroup v1 is never given to a user: it would run programs of theirs as "
			"root");
	fd = cgroup_dir_fd(d);
	if (fd < 0)
		return err_code(err, fd, "open cgroup '%s'", d->path);
	if (fchownat(fd, ".", uid, gid, 0) < 0)
		return err_sys(err, "give cgroup '%s' to uid %u", d->path, uid);
	fd_read_file_at(AT_FDCWD, "/sys/kernel/cgroup/delegate", 1u << 16, &list, NULL);
	for (const char *name = list ? list : usual; *name;) {
		size_t len = strcspn(name, "\n");
		char file[64];

		if (len < sizeof(file) && !memchr(name, '/', len)) {
			memcpy(file, name, len);
			file[len] = '\0';
			if (fchownat(fd, file, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 &&
				errno != ENOENT)
				return err_sys(err, "give %s of cgroup '%s' to uid %u", file,
					d->path, uid);
		}
		name += len;
		name += *name == '\n';
	}
	return 0;
}
