/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread of its own that writes "0" is moved without the long wait that a pid written by another
 * process costs on v1; with one thread that is the whole process.
 */
#include "shim/shim_cgroup.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/mem.h"
#include "container/cgroup_host.h"

static int enter_one(struct cgroup_host *host, const struct cgroup_hierarchy *h, const char *path)
{
	const char *file = arena_printf(
		&host->arena, "%s/%s/%s", h->mount, path, h->v2 ? "cgroup.procs" : "tasks");

	return file ? fd_write_file_at(AT_FDCWD, file, "0") : -ENOMEM;
}

static int enter(struct cgroup_host *host, const char *path, struct err *err)
{
	const char *relative = NULL;
	size_t entered = 0;
	int r;

	r = cgroup_path_clean(path, &host->arena, &relative);
	if (r < 0)
		return err_code(err, r, "cgroup '%s' of the shim", path);
	for (size_t i = 0; i < host->n; i++) {
		if (host->h[i].v2 != (host->mode == CGROUP_MODE_V2))
			continue;
		r = enter_one(host, &host->h[i], relative);
		if (r < 0 && r != -ENOENT)
			return err_code(err, r, "move the shim into cgroup '%s' of %s", path,
				host->h[i].mount);
		entered += r == 0;
	}
	if (entered == 0)
		return err_set(err, -ENOENT, "cgroup '%s' of the shim does not exist", path);
	return 0;
}

int shim_cgroup_enter(const char *prefix, const char *path, struct err *err)
{
	struct cgroup_host host = { 0 };
	int r = cgroup_host_read(prefix, &host, err);

	if (r == 0)
		r = enter(&host, path, err);
	cgroup_host_done(&host);
	return r;
}
