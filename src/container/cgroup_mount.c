/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a mount of type "cgroup" means on this machine, as rows for the plan. A bind of the
 * container's own directory looks the same as a new cgroup file system in its cgroup namespace and
 * needs no privilege over it, so v1 always binds; only pure v2 has a file system of its own to offer
 * when the namespace is the container's.
 */
#include <errno.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"
#include "container/cgroup.h"

struct rows {
	struct cgroup_mount *row;
	size_t n;
	bool failed;
};

static void add(struct rows *rows, enum cgroup_mount_kind kind, const char *source,
	const char *dest, const char *data)
{
	if (rows->n == CGROUP_MOUNTS_MAX || !source || !dest) {
		rows->failed = true;
		return;
	}
	rows->row[rows->n++] = (struct cgroup_mount){ kind, source, dest, data };
}

/* The container's directory in a hierarchy; the mount point where it has none. */
static const char *directory(const struct cgroup_hierarchy *h, const struct cgroup *cg)
{
	for (size_t i = 0; cg && i < cg->n_dirs; i++)
		if (cg->dirs[i].v2 == h->v2 && str_eq(cg->dirs[i].label, h->label))
			return cg->dirs[i].path;
	return h->mount;
}

/* cpu and cpuacct as links to cpu,cpuacct. */
static void add_links(
	struct rows *rows, const struct cgroup_hierarchy *h, const char *base, struct arena *arena)
{
	if (!strchr(h->label, ','))
		return;
	for (const char *s = h->label; *s;) {
		size_t len = strcspn(s, ",");
		const char *name = arena_strndup(arena, s, len);

		if (!name || (!str_starts(name, "name=") && !str_eq(name, base)))
			add(rows, CGROUP_MOUNT_LINK, base, name, NULL);
		s += len;
		s += *s == ',';
	}
}

int cgroup_mounts(const struct cgroup_host *host, const struct cgroup *cg, bool own_namespace,
	bool readonly, struct arena *arena, struct cgroup_mount rows[CGROUP_MOUNTS_MAX],
	size_t *ret_n)
{
	struct rows out = { .row = rows };

	if (host->mode == CGROUP_MODE_V2) {
		if (own_namespace)
			add(&out, CGROUP_MOUNT_FS, "cgroup2", "", NULL);
		else
			add(&out, CGROUP_MOUNT_BIND, directory(&host->h[0], cg), "", NULL);
	} else {
		add(&out, CGROUP_MOUNT_FS, "tmpfs", "", "mode=755");
		for (size_t i = 0; i < host->n; i++) {
			const char *base = path_basename(host->h[i].mount);

			/* Beside v1 it is how we hold the container together; programs look for v1, and peers leave it out. */
			if (host->h[i].v2)
				continue;
			add(&out, CGROUP_MOUNT_BIND, directory(&host->h[i], cg), base, NULL);
			add_links(&out, &host->h[i], base, arena);
		}
		if (readonly)
			add(&out, CGROUP_MOUNT_RDONLY, "", "", NULL);
	}
	if (out.failed)
		return -ENOMEM;
	*ret_n = out.n;
	return 0;
}
