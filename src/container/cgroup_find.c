/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hierarchy in which the process is where we are, or at the top, says nothing of a container: whoever made it has left
 * that one alone, and its counters and lists would be everybody's.
 */
#include "container/cgroup_find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"

#define TEXT_MAX_BYTES (1u << 20)

/* What of `name` is below the mounted part of the hierarchy: "/a/b"; NULL: nothing, or it is not there. */
static const char *below_root(const char *name, const char *root)
{
	size_t len = str_eq(root, "/") ? 0 : strlen(root);

	if (strncmp(name, root, len) != 0 || name[len] != '/' || name[len + 1] == '\0' ||
		strstr(name, "/.."))
		return NULL;
	return name + len;
}

static unsigned int count_slashes(const char *path)
{
	unsigned int n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

static int add_dir(const struct cgroup_host *host, const struct cgroup_hierarchy *h,
	const char *theirs, const char *ours, struct cgroup *cg)
{
	struct cgroup_dir *d = &cg->dirs[cg->n_dirs];
	const char *name, *own, *below;
	int r = cgroup_self_path(theirs, h->label, &cg->arena, &name);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = cgroup_self_path(ours, h->label, &cg->arena, &own);
	if (r < 0 && r != -ENOENT)
		return r;
	below = below_root(name, h->root);
	if (!below || (r == 0 && str_eq(name, own)))
		return 0;
	*d = (struct cgroup_dir){
		.path = arena_printf(&cg->arena, "%s%s", h->mount, below),
		.name = name,
		.label = arena_strdup(&cg->arena, h->label),
		.controllers = h->controllers,
		.depth = count_slashes(below),
		.owned = CGROUP_FOREIGN,
		.v2 = h->v2,
		.fake = host->fake,
		.fd = -EBADF,
	};
	cg->n_dirs++;
	return d->path && d->label ? 0 : -ENOMEM;
}

int cgroup_find_in(const struct cgroup_host *host, const char *theirs, const char *ours,
	struct cgroup **ret, struct err *err)
{
	auto_freep(cgroup) struct cgroup *cg = cgroup_new(host->n);
	int r = 0;

	if (!cg)
		return err_oom(err);
	cg->mode = host->mode;
	cg->prefix = arena_strdup(&cg->arena, host->prefix);
	if (!cg->prefix)
		return err_oom(err);
	for (size_t i = 0; i < host->n && r == 0; i++)
		r = add_dir(host, &host->h[i], theirs, ours, cg);
	if (r < 0)
		return err_oom(err);
	if (cg->n_dirs == 0)
		return err_set(err, -ENOENT, "the container has no cgroup of its own");
	*ret = take_ptr(cg);
	return 0;
}

int cgroup_find(const struct cgroup_host *host, const struct pidref *who, struct cgroup **ret,
	struct err *err)
{
	auto_free char *theirs = NULL;
	auto_free char *ours = NULL;
	char path[40];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", who->pid);
	r = who->fd < 0 ? -ESRCH : fd_read_file_at(AT_FDCWD, path, TEXT_MAX_BYTES, &theirs, NULL);
	/* A dead one is at the top of every hierarchy; a number that is free again is another's. */
	if (r == -ENOENT || (r == 0 && pidref_exited(who)))
		r = -ESRCH;
	if (r < 0)
		return err_code(err, r, "read the cgroup of process %d", who->pid);
	r = cgroup_host_self(host->prefix, &ours, err);
	if (r < 0)
		return r;
	return cgroup_find_in(host, theirs, ours, ret, err);
}

struct cgroup *cgroup_find_inner(struct cgroup *cg, const struct pidref *init)
{
	struct cgroup_dir *outer = cgroup_v2_dir(cg);
	char given[CGROUP_VALUE_SIZE], path[40];
	struct cgroup *inner;
	struct err ignored = { 0 };
	auto_free char *text = NULL;
	const char *name;
	size_t len;

	if (cg->mode != CGROUP_MODE_V2 || !outer ||
		cgroup_get(outer, "cgroup.subtree_control", given) < 0 || !*given)
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d/cgroup", init->pid);
	if (fd_read_file_at(AT_FDCWD, path, TEXT_MAX_BYTES, &text, NULL) < 0 ||
		pidref_exited(init) || cgroup_self_path(text, "", &cg->arena, &name) < 0)
		return NULL;
	len = strlen(outer->name);
	if (strncmp(name, outer->name, len) != 0 || name[len] != '/')
		return NULL;
	name += len + 1;
	return cgroup_below(cg, &name, 1, &inner, &ignored) < 0 ? NULL : inner;
}
