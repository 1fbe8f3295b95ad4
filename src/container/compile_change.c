/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of mounts into, or out of, a container that runs. As with an exec the executor joins the namespaces on the host
 * side and goes on in a clone; but it stays in the host's pid namespace, so that nobody in the container sees it with
 * the detached trees that it brings. Only for a new procfs, which shows the pid namespace of its maker, it is inside: with trees
 * that are the container's a moment later anyway.
 *
 * What surprises: whatever would need a name in a file system that others can change at the same time is refused here, though
 * the set-up of a container does it.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "container/compile.h"
#include "oci/mount_option.h"
#include "oci/namespace_name.h"

#define NEVER (CLONE_NEWCGROUP | CLONE_NEWTIME)

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static uint64_t namespaces(const struct compile_change *in)
{
	uint64_t mask = 0;
	bool pid = false;

	for (size_t i = 0; !in->remove && i < in->n_mounts; i++)
		pid |= str_eq(in->mounts[i].type, "proc");
	for (size_t i = 0; in->spec->linux_ && i < in->spec->linux_->n_namespaces; i++)
		mask |= (uint64_t)namespace_name_flag(in->spec->linux_->namespaces[i].type);
	return mask & ~(uint64_t)(NEVER | (pid ? 0 : CLONE_NEWPID));
}

static void add_entry(const struct compile_change *in, struct plan *p)
{
	struct plan_step *s = plan_add(p, PLAN_SETNS_SLOT);

	s->fd[0] = plan_slot(p, in->init_pidfd);
	s->num[0] = namespaces(in);
	s = plan_add(p, PLAN_CLONE);
	s->fd[0] = PLAN_SLOT_NONE;
	if (spec_namespace_find(in->spec, SPEC_NS_USER))
		compile_root_ids(p, in->spec);
	/* setns(mount) has made the container's root ours */
	s = plan_add(p, PLAN_ROOTFS);
	s->flags = PLAN_F_CHROOT | PLAN_F_LIVE;
	s->str[0] = plan_str(p, "/");
}

static int check_new(const struct spec_mount *m, size_t i, struct err *err)
{
	auto_done(arena) struct arena a = { 0 };
	const char *what = NULL;
	struct mount_options o;
	int r = mount_option_parse(m->options, m->n_options, &a, &o, err);

	if (r < 0)
		return err_in(err, "mounts[%zu].options", i);
	if (o.remount)
		what = "a remount";
	else if (o.tmpcopyup)
		what = "tmpcopyup";
	else if (o.bind == MOUNT_OPTION_NO_BIND && !str_eq(m->type, "bind") &&
		 (str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2")))
		what = "a cgroup mount";
	return what ? err_set(err, -ENOTSUP,
			      "mounts[%zu]: %s is for a container that is being created", i, what)
		    : 0;
}

static int check(const struct compile_change *in, struct err *err)
{
	int r = 0;

	if (!spec_namespace_find(in->spec, SPEC_NS_MOUNT))
		return err_set(err, -ENOTSUP,
			"the container has no mount namespace: its mounts are the host's");
	if (in->n_mounts > PLAN_LIVE_MAX)
		return err_set(err, -E2BIG, "mounts: more than %u at once", PLAN_LIVE_MAX);
	for (size_t i = 0; !in->remove && r == 0 && i < in->n_mounts; i++)
		r = check_new(&in->mounts[i], i, err);
	return r;
}

static int add_new(const struct compile_change *in, struct plan *p, struct err *err)
{
	struct spec view = *in->spec;
	struct compile_init init = { .spec = &view, .bundle = in->bundle };
	struct compile_trees t = { .rootfs = PLAN_SLOT_NONE };
	int r;

	view.mounts = (struct spec_mount *)in->mounts;
	view.n_mounts = in->n_mounts;
	r = compile_mount_sources(&init, p, &t, err);
	add_entry(in, p);
	if (r == 0)
		r = compile_mount_list(&init, p, &t, err);
	if (r == 0)
		compile_late_read_only(&init, p, &t);
	compile_trees_done(&t);
	return r;
}

static int remove_all(const struct compile_change *in, struct plan *p, struct err *err)
{
	add_entry(in, p);
	for (size_t i = 0; i < in->n_mounts; i++) {
		const char *where = in->mounts[i].destination;
		auto_free char *path = str_empty(where) ? NULL : path_join("/", where);

		if (str_empty(where))
			return err_set(err, -EINVAL, "mounts[%zu].destination: is empty", i);
		if (!path)
			return err_oom(err);
		if (str_eq(path, "/"))
			return err_set(err, -EINVAL, "mounts[%zu].destination: '%s' is the root", i,
				where);
		plan_add(p, PLAN_UMOUNT)->str[0] = plan_str(p, path);
	}
	return 0;
}

int compile_change(const struct compile_change *in, struct plan *p, struct err *err)
{
	int r = check(in, err);

	if (r < 0)
		return r;
	plan_init(p);
	r = in->remove ? remove_all(in, p, err) : add_new(in, p, err);
	plan_add(p, PLAN_READY);
	if (r == 0 && p->failed)
		r = err_code(err, p->failed, "the mounts make too large a plan");
	if (r < 0)
		plan_done(p);
	return r;
}
