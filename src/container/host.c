/* SPDX-License-Identifier: Apache-2.0 */
#include "container/host.h"

#include <errno.h>

#include "base/fd.h"
#include "base/mem.h"
#include "container/cgroup_host.h"
#include "container/spawn.h"

int host_open_to_join(struct host *h, struct err *err)
{
	int r = spawn_open_executor(&h->executor, err);
	int fd = -EBADF;

	if (r < 0)
		return r;
	(void)self_status_read_open(&h->self, &fd); /* where nothing is known nothing is spared */
	fd_spend(h->spent, fd);
	return 0;
}

static int read_host(struct host *h, struct err *err)
{
	int files[2] = { -EBADF, -EBADF };
	int r = cgroup_host_read_open("", h->cgroups, &files[0], err);

	if (r == 0)
		(void)self_status_read_open(&h->self, &files[1]);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		fd_spend(h->spent, files[i]);
	return r;
}

int host_open(struct host *h, struct err *err)
{
	int r;

	h->executor = -EBADF;
	h->cgroups = mem_calloc(1, sizeof(*h->cgroups));
	if (!h->cgroups)
		return err_oom(err);
	/* What stays open first: what does not lies side by side then. */
	r = spawn_open_executor(&h->executor, err);
	if (r == 0)
		r = read_host(h, err);
	if (r < 0)
		host_close(h);
	return r;
}

void host_close(struct host *h)
{
	if (h->cgroups)
		cgroup_host_done(h->cgroups);
	free(h->cgroups);
	h->cgroups = NULL;
	h->executor = fd_close(h->executor);
}
