/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's place in all hierarchies: names, making, removal, records. Limits are in
 * cgroup_limit.c, processes and freezing in cgroup_process.c.
 *
 * Only leaves that no process was in when we came are ours ("owned"); `made` counts the levels that
 * did not exist. Both are what later kills and removals go by. A parent may be removed by another
 * delete between two mkdirs, so making starts again a few times.
 */
#include "container/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "container/cgroup_v1.h"
#include "container/cgroup_v2.h"

#define MAKE_TRIES \
	200 /* under a load of containers that share a parent, each of which may take it away */
#define V2_USUAL \
	(CGROUP_BIT(CGROUP_CPUSET) | CGROUP_BIT(CGROUP_CPU) | CGROUP_BIT(CGROUP_BLKIO) | \
		CGROUP_BIT(CGROUP_MEMORY) | CGROUP_BIT(CGROUP_PIDS))

/* ---- names ---- */

static unsigned int count_components(const char *relative)
{
	unsigned int n = 1;

	for (; *relative; relative++)
		n += *relative == '/';
	return n;
}

static int resolve_dir(const struct cgroup_host *host, size_t i, const char *path, const char *self,
	struct cgroup *cg, struct err *err)
{
	const struct cgroup_hierarchy *h = &host->h[i];
	struct cgroup_dir *d = &cg->dirs[cg->n_dirs];
	auto_done(arena) struct arena scratch = { 0 };
	const char *relative, *full;
	int r = cgroup_host_resolve(host, i, path, self, &scratch, &relative, err);

	if (r < 0)
		return r;
	full = arena_printf(&cg->arena, "%s/%s", h->mount, relative);
	if (!full)
		return err_oom(err);
	*d = (struct cgroup_dir){
		.path = full,
		/* Of a hierarchy that is mounted from its root, the path's own end. */
		.name = str_eq(h->root, "/") ? full + strlen(h->mount)
					     : arena_printf(&cg->arena, "%s/%s", h->root, relative),
		.label = arena_strdup(&cg->arena, h->label),
		.controllers = h->controllers,
		.depth = count_components(relative),
		.owned = CGROUP_INTENDED,
		.v2 = h->v2,
		.below_top = host->whole_v2 && !strchr(relative, '/'),
		.below_us = *path != '/' && !strchr(path, '/'),
		.fake = host->fake,
		.fd = -EBADF,
	};
	if (!d->name || !d->label)
		return err_oom(err);
	cg->n_dirs++;
	return 0;
}

struct cgroup *cgroup_new(size_t n)
{
	struct cgroup *cg = mem_calloc(1, sizeof(*cg) + n * sizeof(*cg->dirs));

	if (cg)
		cg->dirs = (struct cgroup_dir *)(cg + 1);
	return cg;
}

void cgroup_spend_to(struct cgroup *cg, struct fd_spent *spent)
{
	for (size_t i = 0; i < cg->n_dirs; i++)
		cg->dirs[i].spent = spent;
}

int cgroup_resolve(const struct cgroup_host *host, const struct cgroup_request *req,
	struct cgroup **ret, struct err *err)
{
	auto_freep(cgroup) struct cgroup *cg = cgroup_new(host->n);
	auto_free char *path = path_clean(str_empty(req->path) ? req->id : req->path);
	auto_free char *self = NULL;
	int r = 0;

	if (!cg || !path)
		return err_oom(err);
	cg->mode = host->mode;
	cg->unprivileged = req->unprivileged;
	cg->prefix = arena_strdup(&cg->arena, host->prefix);
	if (!cg->prefix)
		return err_oom(err);
	if (host->mode == CGROUP_MODE_NONE && !req->unprivileged)
		return err_set(err, -EOPNOTSUPP, "no cgroup file system is mounted");
	if (*path != '/')
		r = cgroup_host_self_spend(req->spent, host->prefix, &self, err);
	for (size_t i = 0; i < host->n && r == 0; i++)
		r = resolve_dir(host, i, path, self, cg, err);
	if (r < 0)
		return r;
	cgroup_spend_to(cg, req->spent);
	for (size_t i = 0; req->mems && i < cg->n_dirs; i++)
		if (cg->dirs[i].below_us)
			cg->dirs[i].mems = arena_strdup(&cg->arena, req->mems);
	*ret = take_ptr(cg);
	return 0;
}

/* What of systemd's name is below the mounted part of this hierarchy; NULL: it lies elsewhere. */
static const char *below_mount(const struct cgroup_hierarchy *h, const char *path)
{
	size_t len = str_eq(h->root, "/") ? 0 : strlen(h->root);

	return strncmp(path, h->root, len) == 0 && path[len] == '/' ? path + len : NULL;
}

int cgroup_of_unit(const struct cgroup_host *host, const char *path, bool unprivileged,
	struct cgroup **ret, struct err *err)
{
	auto_freep(cgroup) struct cgroup *cg = cgroup_new(host->n);
	int r = 0;

	if (!cg)
		return err_oom(err);
	cg->mode = host->mode;
	cg->unprivileged = unprivileged;
	cg->unit = true;
	cg->prefix = arena_strdup(&cg->arena, host->prefix);
	if (!cg->prefix)
		return err_oom(err);
	for (size_t i = 0; i < host->n && r == 0; i++) {
		const char *below = below_mount(&host->h[i], path);

		if (!below)
			return err_set(err, -EOPNOTSUPP,
				"systemd cgroup driver: the unit's cgroup '%s' is not mounted here",
				path);
		r = resolve_dir(host, i, below, NULL, cg, err);
		if (r == 0)
			cg->dirs[i].owned = CGROUP_OWNED;
	}
	if (r < 0)
		return r;
	*ret = take_ptr(cg);
	return 0;
}

void cgroup_free(struct cgroup *cg)
{
	if (!cg)
		return;
	for (size_t i = 0; i < cg->n_dirs; i++)
		fd_close(cg->dirs[i].fd);
	arena_done(&cg->arena);
	free(cg);
}

struct cgroup_dir *cgroup_v2_dir(struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n_dirs; i++)
		if (cg->dirs[i].v2)
			return &cg->dirs[i];
	return NULL;
}

struct cgroup_dir *cgroup_controller_dir(struct cgroup *cg, enum cgroup_controller c)
{
	struct cgroup_dir *v2 = cgroup_v2_dir(cg);

	for (size_t i = 0; i < cg->n_dirs; i++)
		if (!cg->dirs[i].v2 && (cg->dirs[i].controllers & CGROUP_BIT(c)))
			return &cg->dirs[i];
	if (!v2 || !cgroup_controller_name(c, true))
		return NULL;
	if (!(v2->controllers & CGROUP_BIT(c)) && cgroup_v2_enable(v2, CGROUP_BIT(c), NULL) < 0)
		return NULL;
	return v2->controllers & CGROUP_BIT(c) ? v2 : NULL;
}

/* ---- making ---- */

/* Cut the last component; what follows its NUL stays, for going down again. */
static bool cut(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return false;
	*slash = '\0';
	return true;
}

/*
 * A parent that we make carries the sticky bit, which says nothing for a cgroup: containers that come and go side by
 * side share it, and the last one to leave may be another than its maker.
 */
static int make_level(const char *path, unsigned int up, bool *ret_fresh)
{
	*ret_fresh = mkdir(path, up ? 0755 | S_ISVTX : 0755) == 0;
	return *ret_fresh || errno == EEXIST ? 0 : -errno;
}

/* mkdir of the leaf, at need of its parents first. -ENOENT when a parent went away meanwhile. */
static int make_levels(struct cgroup_dir *d)
{
	bool cpuset = !d->v2 && (d->controllers & CGROUP_BIT(CGROUP_CPUSET));
	size_t size = strlen(d->path) + 1;
	unsigned int up = 0;
	char path[PATH_MAX];
	bool fresh;
	int r;

	if (size > sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, d->path, size);
	d->made = 0;
	while ((r = make_level(path, up, &fresh)) == -ENOENT && up + 1 < d->depth && cut(path))
		up++;
	while (r == 0) {
		d->made = fresh ? d->made + 1 : 0;
		if (up == 0)
			return 0;
		/* Children of a cpuset that we made start with its values: saves each four files. */
		if (fresh && cpuset)
			cgroup_put_up(d, up, "cgroup.clone_children", "1");
		up--;
		path[strlen(path)] = '/';
		r = make_level(path, up, &fresh);
	}
	return r;
}

static int make_dir(struct cgroup_dir *d)
{
	int r = -ENOENT;

	for (int tries = 0; r == -ENOENT && tries < MAKE_TRIES; tries++)
		r = make_levels(d);
	return r;
}

/* New, and nothing above it can be frozen: not the root, and not what we run in ourselves. */
static bool is_fresh_and_free(const struct cgroup_dir *d)
{
	return d->made > 0 && (d->depth == 1 || (d->below_us && d->made == 1));
}

static int check_v2(struct cgroup_dir *d, struct err *err)
{
	bool populated, frozen;
	int r;

	if (is_fresh_and_free(d))
		return 0;
	r = cgroup_v2_events(d, &populated, &frozen);
	if (r < 0)
		return err_code(err, r, "read cgroup.events of cgroup '%s'", d->path);
	if (populated)
		return err_set(err, -EBUSY, "container's cgroup is not empty: '%s'", d->path);
	if (frozen)
		return err_set(
			err, -EBUSY, "container's cgroup unexpectedly frozen: '%s'", d->path);
	return 0;
}

static int check_v1(struct cgroup_dir *d, struct err *err)
{
	struct cgroup_pid_list list = { 0 };
	bool frozen = false;
	int r = 0;

	if (d->made == 0) {
		r = cgroup_pids_below(d->path, &list);
		free(list.pid);
		if (r < 0)
			return err_code(err, r, "list the processes of cgroup '%s'", d->path);
		if (list.n > 0)
			return err_set(err, -EBUSY,
				"container's cgroup is not empty: '%s' has %zu process(es)",
				d->path, list.n);
	}
	if ((d->controllers & CGROUP_BIT(CGROUP_FREEZER)) && !is_fresh_and_free(d))
		r = cgroup_v1_frozen(d, &frozen);
	if (r < 0)
		return err_code(err, r, "read freezer.state of cgroup '%s'", d->path);
	if (frozen)
		return err_set(
			err, -EBUSY, "container's cgroup unexpectedly frozen: '%s'", d->path);
	return 0;
}

/* Everything that stands between an existing directory and a process that enters it. */
static int prepare_dir(struct cgroup *cg, struct cgroup_dir *d, struct err *err)
{
	uint32_t usual = V2_USUAL;
	int r = cg->unit ? 0 : d->v2 ? check_v2(d, err) : check_v1(d, err);

	if (r < 0)
		return r;
	if (cg->unit && d->made == 0) /* by systemd, for us */
		d->made = 1;
	d->owned = CGROUP_OWNED;
	if (!d->v2)
		return d->controllers & CGROUP_BIT(CGROUP_CPUSET) ? cgroup_v1_cpuset_inherit(d, err)
								  : 0;
	for (size_t i = 0; i < cg->n_dirs; i++)
		if (!cg->dirs[i].v2)
			usual &= ~cg->dirs[i].controllers;
	if (!usual)
		return 0;
	r = cgroup_v2_enable(d, usual, err);
	/* Below the root nothing is invalid: it may have children of both kinds. */
	if (r == 0 && (usual & ~d->controllers) && !d->below_top)
		r = cgroup_v2_fix_type(d, err);
	return r;
}

static bool is_refusal(int code)
{
	return code == -EACCES || code == -EPERM || code == -EROFS;
}

int cgroup_make(struct cgroup *cg, struct err *err)
{
	size_t kept = 0, i;
	int r = 0;

	for (i = 0; i < cg->n_dirs && r == 0; i++) {
		struct cgroup_dir *d = &cg->dirs[i];

		r = make_dir(d);
		/* Root of a user namespace; who is not root says so by `unprivileged`. */
		if (is_refusal(r) &&
			(cg->unprivileged || (geteuid() == 0 && cgroup_in_user_namespace()))) {
			cg->unprivileged = true;
			r = 0;
			continue;
		}
		if (r < 0)
			r = err_code(err, r, "make cgroup '%s'", d->path);
		cg->dirs[kept++] = *d;
	}
	for (; i < cg->n_dirs; i++)
		cg->dirs[kept++] = cg->dirs[i];
	cg->n_dirs = kept;
	for (i = 0; i < cg->n_dirs && r == 0; i++)
		r = prepare_dir(cg, &cg->dirs[i], err);
	if (r < 0)
		cgroup_undo(cg);
	/* Engines read errno's own text for this as a program that was not found. */
	if (r == -ENOENT)
		r = err_set(
			err, -EAGAIN, "the container's cgroups were removed while they were made");
	return r;
}

int cgroup_create(const struct cgroup_host *host, const struct cgroup_request *req,
	struct cgroup **ret, struct err *err)
{
	auto_freep(cgroup) struct cgroup *cg = NULL;
	int r = cgroup_resolve(host, req, &cg, err);

	if (r == 0)
		r = cgroup_make(cg, err);
	if (r < 0)
		return r;
	*ret = take_ptr(cg);
	return 0;
}

/* A word of a list with commas. */
static bool list_has(const char *list, const char *word, size_t len)
{
	for (const char *p = list; *p;) {
		size_t n = strcspn(p, ",");

		if (n == len && memcmp(p, word, len) == 0)
			return true;
		p += n + (p[n] == ',');
	}
	return false;
}

static bool has_controller(const struct cgroup *cg, const char *name, size_t len)
{
	for (size_t i = 0; i < cg->n_dirs; i++)
		if (!cg->dirs[i].v2 && list_has(cg->dirs[i].label, name, len))
			return true;
	return false;
}

/* Does "cpu,memory:path" mean this hierarchy? Sets the path; a sub without controllers means each. */
static bool means(const char *sub, const struct cgroup_dir *d, const char **ret_path)
{
	const char *colon = strchr(sub, ':');

	*ret_path = colon ? colon + 1 : sub;
	if (!colon)
		return true;
	for (const char *p = sub; p < colon;) {
		size_t n = strcspn(p, ",:");

		if (!d->v2 && list_has(d->label, p, n))
			return true;
		p += n + 1;
	}
	return false;
}

static int check_subs(const struct cgroup *cg, const char *const *subs, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const char *colon = strchr(subs[i], ':');

		if (!colon && n > 1)
			return err_set(err, -EINVAL,
				"cgroup '%s': of several, each must name its controllers", subs[i]);
		for (const char *p = subs[i]; colon && p < colon;) {
			size_t len = strcspn(p, ",:");

			if (!has_controller(cg, p, len))
				return err_set(err, -EINVAL,
					"cgroup '%s': unknown controller '%.*s': the container has "
					"none of v1",
					subs[i], (int)len, p);
			p += len + 1;
		}
	}
	return 0;
}

/* Below which of its directories; "" when none is meant. */
static int find_sub(const char *const *subs, size_t n, const struct cgroup_dir *d,
	struct arena *arena, const char **ret, struct err *err)
{
	*ret = "";
	for (size_t i = 0; i < n; i++) {
		const char *path;
		int r;

		if (!means(subs[i], d, &path))
			continue;
		r = cgroup_path_clean(path, arena, ret);
		if (r < 0)
			return err_set(err, r, "bad sub cgroup path: %s is not a sub cgroup path",
				subs[i]);
	}
	return 0;
}

int cgroup_below(
	struct cgroup *cg, const char *const *subs, size_t n, struct cgroup **ret, struct err *err)
{
	auto_freep(cgroup) struct cgroup *below = cgroup_new(cg->n_dirs);
	int r;

	if (!below)
		return err_oom(err);
	r = check_subs(cg, subs, n, err);
	if (r < 0)
		return r;
	below->mode = cg->mode;
	below->unprivileged = cg->unprivileged;
	below->prefix = arena_strdup(&below->arena, cg->prefix);
	if (!below->prefix)
		return err_oom(err);
	for (size_t i = 0; i < cg->n_dirs; i++) {
		struct cgroup_dir *d = &below->dirs[below->n_dirs++];
		const char *clean;

		*d = cg->dirs[i];
		d->fd = -EBADF;
		r = find_sub(subs, n, d, &below->arena, &clean, err);
		if (r < 0)
			return r;
		d->owned = CGROUP_FOREIGN;
		d->made = 0;
		d->depth += *clean ? count_components(clean) : 0;
		d->label = arena_strdup(&below->arena, d->label);
		d->path = arena_printf(&below->arena, "%s%s%s", d->path, *clean ? "/" : "", clean);
		d->name = arena_printf(&below->arena, "%s%s%s", d->name, *clean ? "/" : "", clean);
		if (!d->label || !d->path || !d->name)
			return err_oom(err);
		r = cgroup_dir_fd(d);
		if (r < 0)
			return err_set(err, r,
				"adding pid of the exec to cgroups: %s/cgroup.procs: %s", d->path,
				r == -ENOENT ? "no such file or directory" : strerror(-r));
	}
	*ret = take_ptr(below);
	return 0;
}

static int make_each(const char *top, const char *relative)
{
	char path[PATH_MAX];
	size_t len = strlen(top);

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", top, relative) >= sizeof(path))
		return -ENAMETOOLONG;
	for (char *p = path + len + 1; *p;) {
		size_t n = strcspn(p, "/");
		char next = p[n];

		p[n] = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
		p[n] = next;
		p += n + (next != '\0');
	}
	return 0;
}

int cgroup_make_below(struct cgroup *cg, const char *sub, struct cgroup **ret, struct err *err)
{
	struct cgroup_dir *d = cgroup_v2_dir(cg);
	const char *clean;
	int r;

	if (cg->mode != CGROUP_MODE_V2 || !d)
		return err_set(err, -EOPNOTSUPP,
			"cgroup '%s' below the container's: only cgroup v2 has such", sub);
	r = cgroup_path_clean(sub, &cg->arena, &clean);
	if (r == 0 && (!*clean || strchr(clean, ':')))
		r = -EINVAL;
	if (r < 0)
		return err_set(err, r, "cgroup '%s' is not a path below the container's", sub);
	r = make_each(d->path, clean);
	if (r < 0)
		return err_code(err, r, "make cgroup '%s/%s'", d->path, clean);
	return cgroup_below(cg, &clean, 1, ret, err);
}

void cgroup_give_controllers(struct cgroup *cg, struct cgroup *below)
{
	const struct cgroup_dir *d = cgroup_v2_dir(below);

	cgroup_v2_give(d, d->depth - cgroup_v2_dir(cg)->depth);
}

/* ---- removal ---- */

static int remove_child(struct cgroup_walk *w, int parentfd, const char *name)
{
	unlinkat(parentfd, name, AT_REMOVEDIR); /* what stays makes the parent's removal fail */
	return 0;
}

static int remove_leaf(const struct cgroup_dir *d)
{
	struct cgroup_walk w = { .leave = remove_child };
	struct stat st;

	if (rmdir(d->path) == 0 || errno == ENOENT)
		return 0;
	if (errno == EROFS)
		return stat(d->path, &st) < 0 && errno == ENOENT ? 0 : -EROFS;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	cgroup_walk(&w, d->path);
	if (rmdir(d->path) == 0 || errno == ENOENT)
		return 0;
	return errno == ENOTEMPTY ? -EBUSY : -errno;
}

static bool is_marked(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX);
}

/* The parents that we or another container of ours made, as long as nothing is in them. */
static void remove_parents(const struct cgroup_dir *d)
{
	char path[PATH_MAX];
	size_t size = strlen(d->path) + 1;

	if (size > sizeof(path) || d->below_us)
		return;
	memcpy(path, d->path, size);
	for (unsigned int up = 1; up < d->depth; up++)
		if (!cut(path) || (up >= d->made && !is_marked(path)) || rmdir(path) < 0)
			return;
}

static int busy(struct cgroup_dir *d, struct err *err)
{
	struct cgroup_pid_list list = { 0 };
	pid_t pid = 0;

	if (cgroup_pids_below(d->path, &list) == 0 && list.n > 0)
		pid = list.pid[0];
	free(list.pid);
	if (pid)
		return err_set(err, -EBUSY, "remove cgroup '%s': process %d is still in it",
			d->path, (int)pid);
	return err_set(err, -EBUSY, "remove cgroup '%s': it is still in use", d->path);
}

int cgroup_remove_try(struct cgroup *cg, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < cg->n_dirs; i++) {
		struct cgroup_dir *d = &cg->dirs[i];
		int r;

		if (d->owned == CGROUP_FOREIGN)
			continue;
		if (d->owned == CGROUP_INTENDED) {
			/* Interrupted before we knew: an empty one goes, others are not ours. */
			if (rmdir(d->path) == 0)
				remove_parents(d);
			continue;
		}
		r = remove_leaf(d);
		if (r == -EBUSY)
			r = busy(d, err);
		else if (r < 0)
			r = err_code(err, r, "remove cgroup '%s'", d->path);
		if (r < 0) {
			ret = r;
			continue;
		}
		remove_parents(d);
		d->owned = CGROUP_FOREIGN;
		d->made = 0;
	}
	return ret;
}

int cgroup_remove(struct cgroup *cg, uint64_t deadline_ns, struct err *err)
{
	int wait_ms = 1, r;

	while ((r = cgroup_remove_try(cg, err)) == -EBUSY && clock_boot_ns() < deadline_ns) {
		poll(NULL, 0, wait_ms); /* no event tells that the kernel has let go */
		wait_ms = wait_ms < 64 ? wait_ms * 2 : 64;
	}
	return r;
}

bool cgroup_is_intended(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n_dirs; i++)
		if (cg->dirs[i].owned == CGROUP_INTENDED)
			return true;
	return false;
}

void cgroup_undo(struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n_dirs; i++) {
		struct cgroup_dir *d = &cg->dirs[i];

		if (d->made > 0 && rmdir(d->path) == 0)
			remove_parents(d);
		d->made = 0;
		d->owned = CGROUP_FOREIGN;
	}
}

/* ---- records ---- */

#define RECORD_HEAD "cgroup\t1"

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

int cgroup_to_record(const struct cgroup *cg, struct arena *arena, const char ***ret, size_t *ret_n)
{
	const char **lines = arena_calloc(arena, cg->n_dirs + 1, sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	lines[0] = arena_printf(arena, RECORD_HEAD "\t%s\t%d\t%s", cgroup_mode_name(cg->mode),
		cg->unprivileged, cg->devices ? cg->devices : "-");
	for (size_t i = 0; i < cg->n_dirs; i++) {
		const struct cgroup_dir *d = &cg->dirs[i];

		if (has_control(d->path) || has_control(d->name))
			return -EINVAL;
		lines[i + 1] = arena_printf(arena, "%s\t%s\t%u\t%u\t%u\t%s\t%s",
			d->v2 ? "v2" : "v1", *d->label ? d->label : "-", d->depth, d->made,
			(unsigned int)d->owned, d->path, d->name);
	}
	for (size_t i = 0; i <= cg->n_dirs; i++)
		if (!lines[i])
			return -ENOMEM;
	*ret = lines;
	*ret_n = cg->n_dirs + 1;
	return 0;
}

/* Cut a copy of the line at its tabs: exactly n fields. */
static int split(struct arena *arena, const char *line, char **field, size_t n)
{
	char *s = arena_strdup(arena, line);

	if (!s)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!s)
			return -EBADMSG;
		field[i] = s;
		s = strchr(s, '\t');
		if (s)
			*s++ = '\0';
	}
	return s ? -EBADMSG : 0;
}

static int read_head(const char *line, struct cgroup *cg)
{
	char *f[5];
	int r = split(&cg->arena, line, f, ARRAY_LEN(f));

	if (r < 0)
		return r;
	if (!str_eq(f[0], "cgroup") || !str_eq(f[1], "1") ||
		(!str_eq(f[3], "0") && !str_eq(f[3], "1")))
		return -EBADMSG;
	cg->mode = CGROUP_MODE_V2 + 1;
	for (int m = CGROUP_MODE_NONE; m <= CGROUP_MODE_V2; m++)
		if (str_eq(f[2], cgroup_mode_name((enum cgroup_mode)m)))
			cg->mode = (enum cgroup_mode)m;
	cg->unprivileged = *f[3] == '1';
	cg->devices = str_eq(f[4], "-") ? NULL : f[4];
	return cg->mode <= CGROUP_MODE_V2 ? 0 : -EBADMSG;
}

/* Absolute, and none of its components is empty, "." or "..". */
static bool is_clean_path(const char *path)
{
	if (*path != '/' || strlen(path) >= PATH_MAX || has_control(path))
		return false;
	while (*path) {
		size_t len = strcspn(++path, "/");

		if (len == 0 || (len <= 2 && strspn(path, ".") >= len))
			return false;
		path += len;
	}
	return true;
}

static int read_dir(const char *line, struct cgroup *cg)
{
	struct cgroup_dir *d = &cg->dirs[cg->n_dirs];
	uint32_t depth, made, owned;
	char *f[7];
	int r = split(&cg->arena, line, f, ARRAY_LEN(f));

	if (r < 0)
		return r;
	if ((!str_eq(f[0], "v1") && !str_eq(f[0], "v2")) || str_to_u32(f[2], &depth) < 0 ||
		str_to_u32(f[3], &made) < 0 || str_to_u32(f[4], &owned) < 0 ||
		owned > CGROUP_INTENDED)
		return -EBADMSG;
	if (!is_clean_path(f[5]) || !is_clean_path(f[6]) || depth < 1 || made > depth ||
		depth > count_components(f[5] + 1))
		return -EBADMSG;
	*d = (struct cgroup_dir){
		.path = f[5],
		.name = f[6],
		.label = strcmp(f[1], "-") == 0 ? "" : f[1],
		.depth = depth,
		.made = made,
		.owned = (enum cgroup_owned)owned,
		.v2 = f[0][1] == '2',
		.fd = -EBADF,
	};
	if (d->v2 == (*d->label != '\0'))
		return -EBADMSG;
	if (!d->v2)
		d->controllers = cgroup_controllers_parse(d->label, ",", false);
	cg->n_dirs++;
	return 0;
}

int cgroup_from_record(const char *const *lines, size_t n, struct cgroup **ret, struct err *err)
{
	bool counts = n >= 1 && n <= CGROUP_HIERARCHIES_MAX + 1;
	auto_freep(cgroup) struct cgroup *cg = cgroup_new(counts ? n - 1 : 0);
	int r;

	if (!cg)
		return err_oom(err);
	cg->prefix = "";
	r = counts ? read_head(lines[0], cg) : -EBADMSG;
	for (size_t i = 1; i < n && r == 0; i++)
		r = read_dir(lines[i], cg);
	if (r == -ENOMEM)
		return err_oom(err);
	if (r < 0)
		return err_set(err, r, "the record of the cgroup is damaged");
	*ret = take_ptr(cg);
	return 0;
}
