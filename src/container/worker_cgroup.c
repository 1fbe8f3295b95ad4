/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker cgroup: see the header. What is in a cgroup that nobody has given to us is not looked at: no controller is switched on
 * below the cgroup of some session, where there may be processes of others.
 */
#include "container/worker_cgroup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "container/cgroup_dir.h"
#include "container/cgroup_host.h"

#define NAME "worker"
#define OURS "/front"

struct place {
	const struct cgroup_hierarchy *h;
	const char *above;   /* directory in which NAME is */
	const char *outside; /* directory that we are in */
	const char *limited;
};

/* The one that limits memory. */
static int find_hierarchy(const struct cgroup_host *host, size_t *ret, struct err *err)
{
	for (size_t i = 0; i < host->n; i++) {
		const struct cgroup_hierarchy *h = &host->h[i];

		if (h->v2 ? host->mode == CGROUP_MODE_V2
			  : h->controllers & CGROUP_BIT(CGROUP_MEMORY)) {
			*ret = i;
			return 0;
		}
	}
	return err_set(err, -EOPNOTSUPP, "no cgroup hierarchy limits memory");
}

static int check_own(const struct cgroup_hierarchy *h, const char *own, struct err *err)
{
	size_t n = strlen(own);
	bool given = h->v2 ? n > strlen(OURS) && str_eq(own + n - strlen(OURS), OURS)
			   : !str_eq(own, "/");

	if (given)
		return 0;
	if (!h->v2)
		return err_set(err, -EOPNOTSUPP, "reeved runs in the root of cgroups");
	return err_set(err, -EOPNOTSUPP,
		"reeved runs in cgroup '%s', and not in one named 'front' below one that is given "
		"to it",
		own);
}

static int find_place(struct cgroup_host *host, const char *self, struct place *p, struct err *err)
{
	const char *own = NULL, *relative = NULL;
	const struct cgroup_hierarchy *h;
	size_t i = 0, len;
	int r = find_hierarchy(host, &i, err);

	if (r < 0)
		return r;
	h = p->h = &host->h[i];
	r = cgroup_self_path(self, h->label, &host->arena, &own);
	if (r < 0)
		return err_code(err, r, "find our own cgroup");
	r = check_own(h, own, err);
	if (r == 0)
		r = cgroup_host_resolve(host, i, NAME, self, &host->arena, &relative, err);
	if (r < 0)
		return r;
	len = strlen(relative) - strlen(NAME); /* with the '/', if there is anything before it */
	p->above = arena_printf(&host->arena, "%s/%.*s", h->mount, (int)len, relative);
	p->limited = arena_printf(&host->arena, "%s/%s", h->mount, relative);
	p->outside = h->v2 && p->above ? arena_printf(&host->arena, "%s" OURS, p->above) : p->above;
	return p->above && p->limited && p->outside ? 0 : err_oom(err);
}

static int write_in(struct cgroup_host *host, const char *dir, const char *name, const char *text,
	struct err *err)
{
	const char *path = arena_printf(&host->arena, "%s/%s", dir, name);
	int r = path ? fd_write_file_at(AT_FDCWD, path, text) : -ENOMEM;

	return r < 0 ? err_code(err, r, "write '%s' to '%s'", text, path ? path : name) : 0;
}

static int make(
	struct cgroup_host *host, const struct place *p, uint64_t max_bytes, struct err *err)
{
	char text[24];
	int r = 0;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)max_bytes);
	if (p->h->v2)
		r = write_in(host, p->above, "cgroup.subtree_control", "+memory", err);
	if (r < 0)
		return r;
	if (mkdir(p->limited, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "make cgroup '%s'", p->limited);
	return write_in(
		host, p->limited, p->h->v2 ? "memory.max" : "memory.limit_in_bytes", text, err);
}

static int open_entry(
	struct cgroup_host *host, const struct place *p, const char *dir, struct err *err)
{
	const char *path =
		arena_printf(&host->arena, "%s/%s", dir, p->h->v2 ? "cgroup.procs" : "tasks");
	int fd = path ? fd_open(path, O_WRONLY, 0) : -ENOMEM;

	return fd < 0 ? err_code(err, fd, "open '%s'", path ? path : dir) : fd;
}

static int enter(int fd)
{
	return pwrite(fd, "0", 1, 0) == 1 ? 0 : -errno;
}

static int open_and_enter(
	struct cgroup_host *host, const struct place *p, struct worker_cgroup *ret, struct err *err)
{
	auto_close int outside = open_entry(host, p, p->outside, err);
	auto_close int limited = outside < 0 ? outside : open_entry(host, p, p->limited, err);
	int r = limited < 0 ? limited : enter(limited);

	if (limited < 0)
		return limited;
	if (r < 0)
		return err_code(err, r, "enter cgroup '%s'", p->limited);
	*ret = (struct worker_cgroup){ take_fd(&outside), take_fd(&limited) };
	return 0;
}

int worker_cgroup_enter(
	const char *prefix, uint64_t max_bytes, struct worker_cgroup *ret, struct err *err)
{
	auto_free char *self = NULL;
	struct cgroup_host host = { 0 };
	struct place p = { 0 };
	int r = cgroup_host_read(prefix, &host, err);

	if (r == 0)
		r = cgroup_host_self(prefix, &self, err);
	if (r == 0)
		r = find_place(&host, self, &p, err);
	if (r == 0)
		r = make(&host, &p, max_bytes, err);
	if (r == 0)
		r = open_and_enter(&host, &p, ret, err);
	cgroup_host_done(&host);
	return r;
}

void worker_cgroup_move(const struct worker_cgroup *w, bool outside)
{
	if (w->limited >= 0)
		(void)enter(outside ? w->outside : w->limited);
}

void worker_cgroup_done(struct worker_cgroup *w)
{
	fd_close(w->outside);
	fd_close(w->limited);
	*w = WORKER_CGROUP_NULL;
}
