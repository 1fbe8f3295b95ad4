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

/* Its exit has not been told: it is there. */
static bool lives(const struct backend_container *c, pid_t pid)
{
	return pid > 0 && exit_is_watched(c->oci->config.exits, pid);
}

static int add_pid(struct cgroup_pid_list *list, pid_t pid)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->pid[i] == pid)
			return 0;
	if (mem_grow(&list->pid, &list->cap, list->n + 1, sizeof(*list->pid)) < 0)
		return -ENOMEM;
	list->pid[list->n++] = pid;
	return 0;
}

/*
 * What is in its cgroup, and the processes that were made for it, for a runtime may have them elsewhere: runsc's execs are
 * in no container's cgroup.
 */
int oci_pids(struct backend_container *c, pid_t **ret, size_t *ret_n, struct err *err)
{
	struct cgroup_pid_list list = { 0 };
	int r = 0;

	if (c->cgroup)
		r = cgroup_pids(c->cgroup, &list.pid, &list.n, err);
	if (r < 0)
		return r;
	list.cap = list.n;
	if (lives(c, c->init.pid))
		r = add_pid(&list, c->init.pid);
	for (const struct backend_process *p = c->processes; p && r == 0; p = p->next)
		if (lives(c, p->pid))
			r = add_pid(&list, p->pid);
	if (r < 0) {
		free(list.pid);
		return err_oom(err);
	}
	*ret = list.pid;
	*ret_n = list.n;
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
