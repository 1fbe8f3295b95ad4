/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of a container's init, from the host's namespaces to its program.
 *
 * Host side: OOM score, namespaces that are joined, time offsets, bind sources, cgroup files. Then one clone3 with
 * all new namespaces but the cgroup one, which comes after entering the cgroup. Container side: mounts, devices, hooks
 * of the runtime (a barrier: the launcher runs them), hooks in the container, masks, terminal, pivot, identity.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "container/compile.h"
#include "oci/namespace_name.h"
#include "oci/sysctl_key.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
#define MS_REC_ 16384ull
#define MS_UNBINDABLE_ (1ull << 17)
#define MS_PRIVATE_ (1ull << 18)
#define MS_SLAVE_ (1ull << 19)
#define MS_SHARED_ (1ull << 20)

static bool has_path(const struct spec_namespace *ns)
{
	return ns && !str_empty(ns->path);
}

static void add_oom_score(struct plan *p, const struct compile_init *in)
{
	const struct spec_process *process = in->spec->process;
	struct plan_step *s;
	char value[16];

	if (!process || !process->has_oom_score_adj)
		return;
	s = plan_add(p, PLAN_WRITE);
	/* "The runtime MUST set oom_score_adj to the given value." Who may lower it is the host's root: where that is not
	 * who asks, peers warn and go on. */
	if (in->rootless || spec_namespace_find(in->spec, SPEC_NS_USER))
		s->flags = PLAN_F_TOLERATE;
	s->str[0] = plan_str(p, "/proc/self/oom_score_adj");
	snprintf(value, sizeof(value), "%d", process->oom_score_adj);
	plan_blob(p, s, value, strlen(value));
}

static void join(struct plan *p, const struct spec *spec, enum spec_ns_type type)
{
	const struct spec_namespace *ns = spec_namespace_find(spec, type);
	struct plan_step *s;

	if (!has_path(ns))
		return;
	s = plan_add(p, PLAN_SETNS);
	s->str[0] = plan_str(p, ns->path);
	s->num[0] = (uint64_t)namespace_name_flag(type);
}

/* Joined ones first, while we are privileged in their owners; then the user namespace; the mount namespace last,
 * for paths mean something else after it. */
static void join_namespaces(struct plan *p, const struct spec *spec)
{
	static const enum spec_ns_type order[] = { SPEC_NS_IPC, SPEC_NS_UTS, SPEC_NS_NETWORK,
		SPEC_NS_PID, SPEC_NS_CGROUP, SPEC_NS_TIME, SPEC_NS_USER, SPEC_NS_MOUNT };

	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (order[i] != SPEC_NS_CGROUP || !compile_cgroupns_is_late(spec))
			join(p, spec, order[i]);
}

static void add_time_namespace(struct plan *p, const struct spec *spec)
{
	const struct spec_linux *l = spec->linux_;
	struct plan_step *s;
	char text[256];
	size_t n = 0;

	if (!spec_namespace_is_new(spec, SPEC_NS_TIME))
		return;
	s = plan_add(p, PLAN_UNSHARE);
	s->num[0] = CLONE_NEWTIME;
	if (!l->n_time_offsets)
		return;
	for (size_t i = 0; i < l->n_time_offsets && n < sizeof(text) - 80; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %lld %u\n",
			l->time_offsets[i].key, (long long)l->time_offsets[i].secs,
			l->time_offsets[i].nanosecs);
	/* for the children of this process only: written before the clone (after it: EACCES) */
	s = plan_add(p, PLAN_WRITE);
	s->str[0] = plan_str(p, "/proc/self/timens_offsets");
	plan_blob(p, s, text, n);
}

/* Files of mqueue belong to who makes the namespace: the host's root, until the maps of the user namespace are written. */
static bool ipc_is_late(const struct spec *spec)
{
	return spec_namespace_is_new(spec, SPEC_NS_USER) &&
	       spec_namespace_is_new(spec, SPEC_NS_IPC);
}

static uint64_t clone_flags(const struct compile_init *in)
{
	static const enum spec_ns_type types[] = { SPEC_NS_IPC, SPEC_NS_UTS, SPEC_NS_NETWORK,
		SPEC_NS_PID, SPEC_NS_USER, SPEC_NS_MOUNT };
	uint64_t flags = 0;

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (spec_namespace_is_new(in->spec, types[i]))
			flags |= (uint64_t)namespace_name_flag(types[i]);
	if (ipc_is_late(in->spec))
		flags &= ~(uint64_t)CLONE_NEWIPC;
	return flags;
}

/* Its path means nothing after the clone, when the mount namespace may be another. */
static int32_t open_cgroupns(struct plan *p, const struct spec *spec)
{
	const struct spec_namespace *ns = spec_namespace_find(spec, SPEC_NS_CGROUP);
	int32_t slot;
	struct plan_step *s;

	if (!has_path(ns) || !compile_cgroupns_is_late(spec))
		return PLAN_SLOT_NONE;
	slot = plan_slot(p, -1);
	s = plan_add(p, PLAN_OPEN);
	s->str[0] = plan_str(p, ns->path);
	s->num[0] = O_RDONLY;
	s->fd[0] = slot;
	return slot;
}

static void enter_cgroupns(struct plan *p, const struct spec *spec, int32_t joined)
{
	struct plan_step *s;

	if (!compile_cgroupns_is_late(spec))
		return;
	s = plan_add(p, joined >= 0 ? PLAN_SETNS_SLOT : PLAN_UNSHARE);
	s->fd[0] = joined;
	s->num[0] = CLONE_NEWCGROUP;
}

/* A cgroup below the one that is the namespace's root: what is in there the container sees, and rules over. */
static int32_t open_payload(struct plan *p, const struct compile_cgroup *cg)
{
	char path[4096];
	int32_t slot;
	struct plan_step *s;

	if (!cg->payload_dir)
		return PLAN_SLOT_NONE;
	snprintf(path, sizeof(path), "%s/cgroup.procs", cg->payload_dir);
	slot = plan_slot(p, -1);
	s = plan_add(p, PLAN_OPEN);
	s->str[0] = plan_str(p, path);
	s->num[0] = O_WRONLY;
	s->fd[0] = slot;
	return slot;
}

static void enter_payload(struct plan *p, int32_t slot)
{
	struct plan_step *s;

	if (slot < 0)
		return;
	s = plan_add(p, PLAN_WRITE_SLOT);
	s->fd[0] = slot;
	plan_blob(p, s, "0", 1);
}

/* In a mount namespace that is joined /proc is what the processes there have made of it. */
static int32_t open_proc(struct plan *p, const struct spec *spec)
{
	int32_t slot;
	struct plan_step *s;

	if (!has_path(spec_namespace_find(spec, SPEC_NS_MOUNT)))
		return PLAN_SLOT_NONE;
	slot = plan_slot(p, -1);
	s = plan_add(p, PLAN_OPEN);
	s->str[0] = plan_str(p, "/proc");
	s->num[0] = O_PATH | O_DIRECTORY;
	s->fd[0] = slot;
	return slot;
}

static void write_by(struct plan *p, int32_t proc)
{
	for (size_t i = 0; i < p->n_steps; i++)
		if (p->steps[i].op == PLAN_SYSCTL || p->steps[i].op == PLAN_LABEL)
			p->steps[i].fd[0] = proc;
}

static int add_clone(const struct compile_init *in, struct plan *p, int32_t *ret_proc)
{
	struct compile_cgroup_slots cgroup;
	int32_t cgroupns, payload;
	struct plan_step *s;

	compile_cgroup_open(p, &in->cgroup, !spec_namespace_is_new(in->spec, SPEC_NS_PID), &cgroup);
	payload = open_payload(p, &in->cgroup);
	cgroupns = open_cgroupns(p, in->spec);
	*ret_proc = open_proc(p, in->spec);
	join_namespaces(p, in->spec);
	add_time_namespace(p, in->spec);
	s = plan_add(p, PLAN_CLONE);
	s->num[0] = clone_flags(in);
	s->fd[0] = cgroup.dir;
	s->num[1] = (uint64_t)cgroup.procs;
	compile_cgroup_enter(p, &in->cgroup, &cgroup);
	enter_cgroupns(p, in->spec, cgroupns);
	enter_payload(p, payload);
	compile_all_cpus(p, in->self, in->cgroup.n_cpus);
	return 0;
}

static void add_barrier(struct plan *p, enum plan_go_id id)
{
	struct plan_step *s = plan_add(p, PLAN_BARRIER);

	s->num[0] = id;
}

static void add_label(struct plan *p, const char *file, const char *value)
{
	struct plan_step *s = plan_add(p, PLAN_LABEL);

	s->str[0] = plan_str(p, file);
	plan_blob(p, s, value, strlen(value));
}

static void add_session(const struct compile_init *in, struct plan *p)
{
	plan_add(p, PLAN_SETSID);
	if (!in->no_new_keyring) {
		bool label = in->spec->process && !str_empty(in->spec->process->selinux_label);

		if (label)
			add_label(p, "keycreate", in->spec->process->selinux_label);
		compile_keyring(p, in->id);
		if (label) /* for this key alone */
			add_label(p, "keycreate", "");
	}
	if (spec_namespace_is_new(in->spec, SPEC_NS_NETWORK))
		plan_add(p, PLAN_LINK_UP)->str[0] = plan_str(p, "lo");
}

/* The launcher moves them; from inside they get back what the move took away. */
static void add_net_devices(const struct compile_init *in, struct plan *p)
{
	struct plan_step *s;

	/* The kernel renames after the move: a device whose name is taken would be lost with the container. */
	for (size_t i = 0; i < in->n_net_devices; i++)
		plan_add(p, PLAN_LINK_FREE)->str[0] = plan_str(p, in->net_devices[i].inside);
	if (in->n_net_devices)
		add_barrier(p, PLAN_GO_NET_DEVICES);
	for (size_t i = 0; i < in->n_net_devices; i++) {
		const struct net_device *d = &in->net_devices[i];

		for (size_t k = 0; k < d->n_addresses; k++) {
			s = plan_add(p, PLAN_ADDRESS);
			s->str[0] = plan_str(p, d->inside);
			plan_blob(p, s, d->addresses[k].message, d->addresses[k].size);
		}
		s = plan_add(p, PLAN_LINK_UP);
		s->str[0] = plan_str(p, d->inside);
	}
}

static void add_names(struct plan *p, const struct spec *spec)
{
	struct plan_step *s;

	if (!str_empty(spec->hostname)) {
		s = plan_add(p, PLAN_HOSTNAME);
		s->str[0] = plan_str(p, spec->hostname);
	}
	if (!str_empty(spec->domainname)) {
		s = plan_add(p, PLAN_DOMAINNAME);
		s->str[0] = plan_str(p, spec->domainname);
	}
}

static int add_sysctls(struct plan *p, const struct spec *spec, struct err *err)
{
	for (size_t i = 0; spec->linux_ && i < spec->linux_->n_sysctl; i++) {
		const struct spec_kv *kv = &spec->linux_->sysctl[i];
		char path[SYSCTL_KEY_SIZE];
		struct plan_step *s;

		/* the very path that was judged */
		if (sysctl_key_path(kv->key, path) < 0)
			return err_set(err, -EINVAL, "linux.sysctl: '%s' is no key", kv->key);
		s = plan_add(p, PLAN_SYSCTL);
		s->str[0] = plan_str(p, path);
		plan_blob(p, s, kv->value, strlen(kv->value));
	}
	return 0;
}

static void add_hooks(struct plan *p, const struct spec_hook *hooks, size_t n, const char *head,
	const char *tail, unsigned flags)
{
	for (size_t i = 0; i < n; i++) {
		const struct spec_hook *h = &hooks[i];
		struct plan_step *s = plan_add(p, PLAN_HOOK);

		s->flags = (uint16_t)flags;
		s->str[0] = plan_str(p, h->path);
		s->str[1] = plan_strs(p, h->args, h->n_args);
		s->num[0] = h->n_args;
		s->str[2] = plan_strs(p, h->env, h->n_env);
		s->num[1] = h->n_env;
		s->num[2] = h->has_timeout ? (uint64_t)h->timeout : 0;
		s->num[3] = i;
		s->str[3] = plan_str(p, head);
		plan_blob(p, s, tail, strlen(tail));
	}
}

static void add_protected_paths(struct plan *p, const struct spec *spec)
{
	const struct spec_linux *l = spec->linux_;

	for (size_t i = 0; l && i < l->n_readonly_paths; i++)
		plan_add(p, PLAN_READONLY)->str[0] = plan_str(p, l->readonly_paths[i]);
	compile_masks(p, spec);
}

static void add_console(struct plan *p, const struct spec_process *process)
{
	struct plan_step *s = plan_add(p, PLAN_CONSOLE);

	if (process->console_size)
		s->num[0] = process->console_size->height << 32 |
			    (uint32_t)process->console_size->width;
	s->num[1] = process->user.uid;
	plan_add(p, PLAN_CONSOLE_CTTY);
}

static void add_labels(struct plan *p, const struct spec_process *process)
{
	char text[4200];

	if (!str_empty(process->selinux_label))
		add_label(p, "exec", process->selinux_label);
	if (!str_empty(process->apparmor_profile)) {
		snprintf(text, sizeof(text), "exec %s", process->apparmor_profile);
		add_label(p, "apparmor/exec", text);
		/* what everything is where there is no AppArmor */
		if (strcmp(process->apparmor_profile, "unconfined") == 0)
			p->steps[p->n_steps - 1].flags = PLAN_F_TOLERATE;
	}
}

static uint64_t root_propagation(const struct spec *spec)
{
	switch (spec->linux_ ? spec->linux_->rootfs_propagation : SPEC_PROPAGATION_ABSENT) {
	case SPEC_PROPAGATION_SHARED:
		return MS_SHARED_;
	case SPEC_PROPAGATION_RSHARED:
		return MS_SHARED_ | MS_REC_;
	case SPEC_PROPAGATION_UNBINDABLE:
		return MS_UNBINDABLE_;
	case SPEC_PROPAGATION_RUNBINDABLE:
		return MS_UNBINDABLE_ | MS_REC_;
	default:
		return 0; /* slave and private came with the copy */
	}
}

static bool is_private(const struct spec *spec)
{
	enum spec_propagation pr =
		spec->linux_ ? spec->linux_->rootfs_propagation : SPEC_PROPAGATION_ABSENT;

	return pr == SPEC_PROPAGATION_PRIVATE || pr == SPEC_PROPAGATION_RPRIVATE;
}

/* By the path of the root: in the container's mount namespace, or by joining it. */
static bool looks_in_before_pivot(const struct spec_hooks *h)
{
	return h && (h->n_prestart || h->n_create_runtime || h->n_create_container);
}

static void add_root(const struct compile_init *in, struct plan *p, const struct compile_trees *t)
{
	struct plan_step *s;
	bool own = t->rootfs != PLAN_SLOT_NONE;

	if (own) {
		s = plan_add(p, PLAN_PROPAGATION);
		s->num[0] = MS_REC_ | (is_private(in->spec) ? MS_PRIVATE_ : MS_SLAVE_);
	}
	s = plan_add(p, PLAN_ROOTFS);
	s->fd[0] = t->rootfs;
	s->str[0] = plan_str(p, in->rootfs);
	s->flags = !own                                     ? PLAN_F_CHROOT
		   : looks_in_before_pivot(in->spec->hooks) ? PLAN_F_IN_PLACE
							    : 0;
}

static void leave_host(const struct compile_init *in, struct plan *p, bool own)
{
	struct plan_step *s = plan_add(p, PLAN_PIVOT);
	uint64_t propagation = root_propagation(in->spec);
	bool readonly = in->spec->root && in->spec->root->readonly;

	s->flags = !own ? PLAN_F_CHROOT : in->no_pivot ? PLAN_F_MOVE : 0;
	if (s->flags == PLAN_F_MOVE) {
		s->str[1] = plan_strs(p, in->kernel_mounts, in->n_kernel_mounts);
		s->num[0] = in->n_kernel_mounts;
	}
	if (!own || (!propagation && !readonly))
		return;
	s = plan_add(p, PLAN_ROOT_ATTR);
	s->num[0] = readonly ? MOUNT_ATTR_RDONLY : 0;
	s->num[2] = propagation;
}

static bool has_runtime_hooks(const struct spec *spec)
{
	return spec->hooks && (spec->hooks->n_prestart || spec->hooks->n_create_runtime);
}

static int add_set_up(const struct compile_init *in, struct plan *p, const struct compile_trees *t,
	struct err *err)
{
	const struct spec *spec = in->spec;
	const struct spec_hooks *h = spec->hooks;
	struct plan_step *s;
	int r;

	add_root(in, p, t);
	r = compile_mounts(in, p, t, err);
	if (r < 0)
		return r;
	add_names(p, spec);
	r = add_sysctls(p, spec, err);
	if (r < 0)
		return r;
	if (has_runtime_hooks(spec))
		add_barrier(p, PLAN_GO_HOOKS);
	if (h)
		add_hooks(p, h->create_container, h->n_create_container, in->state_creating_head,
			in->state_creating_tail, 0);
	add_protected_paths(p, spec);
	if (spec->process && spec->process->terminal)
		add_console(p, spec->process);
	if (spec->process) {
		if (!str_eq(spec->process->cwd,
			    "/")) { /* made while the root can still be written */
			s = plan_add(p, PLAN_MKDIR);
			s->str[0] = plan_str(p, spec->process->cwd);
			s->num[0] = 0755;
		}
		add_labels(p, spec->process);
	}
	compile_late_read_only(in, p, t);
	return 0;
}

static bool has_hooks(const struct spec_hooks *h)
{
	return h && (h->n_prestart || h->n_create_runtime || h->n_create_container ||
			    h->n_start_container);
}

static void add_null_stdio(const struct compile_init *in, struct plan *p)
{
	if (!in->spec->process->terminal)
		plan_add(p, PLAN_NULL_STDIO)->num[0] = in->null_stdio;
}

static int add_program(const struct compile_init *in, struct plan *p, struct err *err)
{
	const struct spec *spec = in->spec;
	const struct spec_process *process = spec->process;
	const struct spec_hooks *h = spec->hooks;
	int r;

	if (has_hooks(h))
		add_null_stdio(in, p);
	r = compile_scheduling(p, spec, process, false);
	if (r == 0)
		r = compile_memory_policy(p, spec, err);
	if (r == 0)
		r = compile_personality(p, spec, err);
	if (r == 0)
		r = compile_identity(
			p, spec, process, &in->filter, in->setgroups_denied, in->self, err);
	if (r == 0 && process->n_args)
		r = compile_lookup(p, process, in->listen_fds_env);
	if (r < 0)
		return r;
	plan_add(p, PLAN_READY)->flags =
		spec_namespace_is_new(spec, SPEC_NS_PID) ? PLAN_F_FIRST : 0;
	if (in->start_by_socket)
		plan_add(p, PLAN_LISTEN)->fd[0] = plan_slot(p, in->listen_fd);
	if (!process->n_args)
		return 0; /* nothing to start: whoever lets it go on sees its end */
	if (h)
		add_hooks(p, h->start_container, h->n_start_container, in->state_created_head,
			in->state_created_tail, PLAN_F_FINAL_CAPS);
	compile_final(p, spec, process, &in->filter, in->self, in->preserve_fds);
	return 0;
}

int compile_init(const struct compile_init *in, struct plan *p, struct err *err)
{
	const struct spec *spec = in->spec;
	struct compile_trees t;
	int32_t proc = PLAN_SLOT_NONE;
	int r = 0;

	plan_init(p);
	add_oom_score(p, in);
	if (spec->process)
		r = compile_scheduling(p, spec, spec->process, true);
	t = (struct compile_trees){ .rootfs = PLAN_SLOT_NONE };
	if (r == 0 && !in->rootless)
		r = compile_mount_trees(in, p, &t, err);
	else if (r == 0) /* its id maps are files of ours, which is not dumpable */
		plan_add(p, PLAN_DUMPABLE)->num[0] = 1;
	if (r == 0)
		r = add_clone(in, p, &proc);
	if (r == 0) {
		if (spec_namespace_is_new(spec, SPEC_NS_USER))
			add_barrier(p, PLAN_GO_MAPS);
		if (spec_namespace_find(spec, SPEC_NS_USER))
			compile_root_ids(p, spec);
		if (ipc_is_late(spec))
			plan_add(p, PLAN_UNSHARE)->num[0] = CLONE_NEWIPC;
		/* as root of the namespace, in its copy of the host's tree, where nothing of the container is yet */
		if (in->rootless)
			r = compile_mount_trees(in, p, &t, err);
	}
	if (r == 0) {
		add_session(in, p);
		add_net_devices(in, p);
		r = add_set_up(in, p, &t, err);
	}
	if (r == 0) {
		/* By the directory in which the node was made, where hooks have not yet to run with the host's. */
		if (!has_hooks(spec->hooks))
			add_null_stdio(in, p);
		leave_host(in, p, t.rootfs != PLAN_SLOT_NONE);
		r = add_program(in, p, err);
	}
	if (r == 0 && proc != PLAN_SLOT_NONE)
		write_by(p, proc);
	compile_trees_done(&t);
	if (r == 0 && p->failed)
		r = err_code(
			err, p->failed, "the container's configuration makes too large a plan");
	if (r < 0)
		plan_done(p);
	return r;
}
