/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel tells of a container that another runtime has made: from the cgroups that its init is in. The runtime
 * is not asked, for Pids and Stats are asked for all the time and may not wait for a process (spec/shim.md 7, 13848).
 */
#include <errno.h>
#include <stdlib.h>

#include "container/cgroup_find.h"
#include "supervisor/oci_impl.h"

static void on_oom(struct oom_watch *w)
{
	struct backend_container *c = container_of(w, struct backend_container, oom);

	c->notice->oom(c->notice);
}

static void warn(const struct backend_container *c, const struct err *e, const char *what)
{
	struct log *log = c->oci->config.log;

	if (log)
		log_write(log, LOG_WARN_, "%s: %s: %s", c->id, what, e->text);
}

static int read_host(struct oci *o, struct err *err)
{
	int r;

	if (o->has_cgroups)
		return 0;
	r = cgroup_host_read("", &o->cgroups, err);
	o->has_cgroups = r == 0;
	return r;
}

/* One that is dead already has none any more, and that is no failure. */
void oci_find_cgroup(struct backend_container *c)
{
	struct err e = { 0 };
	int r = read_host(c->oci, &e);

	if (r == 0)
		r = cgroup_find(&c->oci->cgroups, &c->init, &c->cgroup, &e);
	if (r == 0)
		r = oom_watch_start(&c->oom, c->oci->config.loop, c->cgroup, on_oom, &e);
	if (r < 0 && r != -ENOENT && r != -ESRCH)
		warn(c, &e, "its cgroup");
}

int oci_pids(struct backend_container *c, pid_t **ret, size_t *ret_n, struct err *err)
{
	pid_t *one;

	if (c->cgroup)
		return cgroup_pids(c->cgroup, ret, ret_n, err);
	one = mem_calloc(1, sizeof(*one));
	if (!one)
		return err_oom(err);
	*one = c->init.pid;
	*ret = one;
	*ret_n = c->init.fd >= 0 && !pidref_exited(&c->init);
	return 0;
}

int oci_stats(struct backend_container *c, const struct stats **ret, struct err *err)
{
	struct oci *o = c->oci;
	int r;

	if (!c->cgroup)
		return err_set(err, -ENOENT, "cgroup does not exist");
	stats_done(&o->stats);
	r = stats_read(c->cgroup, &o->stats, err);
	*ret = &o->stats;
	return r;
}
