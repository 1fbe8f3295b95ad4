/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a plan that makes a process what process.json says, the same for init and execs: identity, program,
 * and what is left for the last moment. Capabilities are dropped after the release and the seccomp filter is loaded
 * as late as its privilege allows (bare/exec_process.c says why).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "container/annotation.h"
#include "container/compile.h"
#include "oci/cap_name.h"
#include "oci/cpu_list.h"

/* Names that no kernel knows cannot be granted: runtime-spec 1.1 says go on, with a warning. */
static uint64_t mask_of(const char **names, size_t n, const char **unknown)
{
	const char *first;
	uint64_t mask = cap_name_mask(names, n, &first);

	if (first)
		*unknown = first;
	return mask;
}

static struct plan_caps caps_of(const struct spec_process *process, const char **unknown)
{
	const struct spec_capabilities *c = process->capabilities;
	struct plan_caps out = { 0 };

	if (!c)
		return out;
	out.bounding = mask_of(c->bounding, c->n_bounding, unknown);
	out.effective = mask_of(c->effective, c->n_effective, unknown);
	out.permitted = mask_of(c->permitted, c->n_permitted, unknown);
	out.inheritable = mask_of(c->inheritable, c->n_inheritable, unknown);
	out.ambient = mask_of(c->ambient, c->n_ambient, unknown);
	return out;
}

static bool filter_needs_privilege(
	const struct spec_process *process, const struct compile_filter *filter)
{
	return filter->size && !process->no_new_privileges;
}

/* What we are says what the process begins as, unless a user namespace gives it other rights and names. */
static bool begins_as(const struct self_status *self, const struct spec *spec)
{
	return self && self->known && !spec_namespace_find(spec, SPEC_NS_USER);
}

static bool all_are(const uint32_t ids[4], uint32_t id)
{
	return ids[0] == id && ids[1] == id && ids[2] == id && ids[3] == id;
}

/* Leave out what is so already. */
static void spare_identity(
	struct plan_step *s, const struct spec_user *u, const struct self_status *self)
{
	s->num[3] |= ~self->bounding;
	if (!u->n_additional_gids && self->no_groups)
		s->flags |= PLAN_F_SAME_GROUPS;
	if (!u->uid && all_are(self->uid, 0) && all_are(self->gid, u->gid))
		s->flags |= PLAN_F_SAME_IDS;
}

int compile_identity(struct plan *p, const struct spec *spec, const struct spec_process *process,
	const struct compile_filter *filter, bool setgroups_denied, const struct self_status *self,
	struct err *err)
{
	const struct spec_user *u = &process->user;
	struct plan_step *s;

	if (setgroups_denied && u->n_additional_gids)
		return err_set(err, -EPERM,
			"process.user.additionalGids: setgroups is denied in this user namespace");
	/*
	 * Limits of another user's process can be set only with CAP_SYS_RESOURCE, which root does not have everywhere
	 * (virtual machines, nested containers): then while it is still ours, else as late as READY.
	 */
	if (process->n_rlimits && (u->uid || u->gid))
		plan_add(p, PLAN_BARRIER)->num[0] = PLAN_GO_LIMITS;
	s = plan_add(p, PLAN_CWD);
	s->flags = PLAN_F_RETRY;
	s->str[0] = plan_str(p, process->cwd);
	s = plan_add(p, PLAN_USER);
	s->flags = filter_needs_privilege(process, filter) ? PLAN_F_KEEP_CAPS : 0;
	s->num[0] = u->uid;
	s->num[1] = u->gid;
	s->num[2] = setgroups_denied || annotation_keeps_groups(spec);
	s->num[3] = caps_of(process, &p->unknown_cap).bounding;
	if (begins_as(self, spec))
		spare_identity(s, u, self);
	plan_blob(p, s, u->additional_gids, u->n_additional_gids * sizeof(u->additional_gids[0]));
	s = plan_add(p, PLAN_UMASK);
	s->num[0] = u->has_umask ? u->umask : 0022;
	return 0;
}

static int add_affinity(struct plan *p, const char *list, const char *field, struct err *err)
{
	struct cpu_list cpus;
	unsigned int end;
	int r;

	if (str_empty(list))
		return 0;
	r = cpu_list_parse(list, CPU_LIST_CPUS, &cpus, err);
	if (r < 0)
		return err_in(err, "%s", field);
	end = cpu_list_end(&cpus);
	plan_blob(p, plan_add(p, PLAN_AFFINITY), cpus.bits, (end + 63) / 64 * 8);
	return 0;
}

int compile_initial_affinity(struct plan *p, const struct spec_process *process, struct err *err)
{
	const struct spec_exec_cpu_affinity *a = process->exec_cpu_affinity;

	return a ? add_affinity(p, a->initial, "process.execCPUAffinity.initial", err) : 0;
}

int compile_final_affinity(struct plan *p, const struct spec_process *process, struct err *err)
{
	const struct spec_exec_cpu_affinity *a = process->exec_cpu_affinity;

	return a ? add_affinity(p, a->final, "process.execCPUAffinity.final", err) : 0;
}

/*
 * The kernel leaves a mask that was once asked for in force wherever its heirs go, so that a container would keep to the
 * CPUs of the shell that made it, or of the engine's service. Where none can have been, this is spared.
 */
void compile_all_cpus(struct plan *p, const struct self_status *self, unsigned int n_cpus)
{
	uint64_t all[CPU_LIST_CPUS / 64];
	struct plan_step *s;

	if (self && (self->all_cpus || (n_cpus && n_cpus <= self->n_cpus)))
		return;
	memset(all, 0xff, sizeof(all));
	s = plan_add(p, PLAN_AFFINITY);
	s->flags = PLAN_F_TOLERATE;
	plan_blob(p, s, all, sizeof(all));
}

static uint64_t root_or_first(const struct spec_id_mapping *maps, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (maps[i].container_id == 0)
			return 0;
	return n ? maps[0].container_id : 0;
}

void compile_root_ids(struct plan *p, const struct spec *spec)
{
	const struct spec_linux *l = spec->linux_;
	struct plan_step *s = plan_add(p, PLAN_ROOT_IDS);

	s->num[0] = root_or_first(l->uid_mappings, l->n_uid_mappings);
	s->num[1] = root_or_first(l->gid_mappings, l->n_gid_mappings);
}

int compile_memory_policy(struct plan *p, const struct spec *spec, struct err *err)
{
	const struct spec_memory_policy *mp = spec->linux_ ? spec->linux_->memory_policy : NULL;
	struct cpu_list nodes = { { 0 } };
	struct plan_step *s;
	int r = 0;

	if (!mp || spec_memory_policy_is_none(mp))
		return 0;
	if (!str_empty(mp->nodes))
		r = cpu_list_parse(mp->nodes, CPU_LIST_NODES, &nodes, err);
	if (r < 0)
		return err_in(err, "linux.memoryPolicy.nodes");
	s = plan_add(p, PLAN_MEMPOLICY);
	s->num[0] = (uint64_t)mp->mode | mp->flags;
	if (cpu_list_end(&nodes))
		plan_blob(p, s, nodes.bits, CPU_LIST_NODES / 8);
	return 0;
}

void compile_keyring(struct plan *p, const char *id)
{
	struct plan_step *s = plan_add(p, PLAN_KEYRING);
	char name[300];

	snprintf(name, sizeof(name), "_ses.%s", id);
	s->str[0] = plan_str(p, name);
}

int compile_personality(struct plan *p, const struct spec *spec, struct err *err)
{
	const struct spec_personality *pe = spec->linux_ ? spec->linux_->personality : NULL;

	if (!pe)
		return 0;
	if (pe->n_flags)
		return err_set(err, -ENOTSUP,
			"linux.personality.flags: not supported by any kernel interface");
	plan_add(p, PLAN_PERSONALITY)->num[0] = pe->domain == SPEC_PERSONALITY_LINUX32 ? 0x0008 : 0;
	return 0;
}

/* A clone has the scheduling of who makes it, but for what is asked to end with it, and deadlines, which forbid it. */
static bool passes_over(const struct spec_scheduler *sc)
{
	return sc->policy != SCHED_DEADLINE && !(sc->flags & SCHED_FLAG_RESET_ON_FORK);
}

int compile_scheduling(
	struct plan *p, const struct spec *spec, const struct spec_process *process, bool host_side)
{
	const struct spec_scheduler *sc = process->scheduler;
	bool early = spec_namespace_find(spec, SPEC_NS_USER) != NULL;
	struct plan_step *s;

	if (sc && (early && passes_over(sc)) == host_side) {
		struct sched_attr a = {
			.size = sizeof(a),
			.sched_policy = (uint32_t)sc->policy,
			.sched_flags = sc->flags,
			.sched_nice = sc->nice,
			.sched_priority = (uint32_t)sc->priority,
			.sched_runtime = sc->runtime,
			.sched_deadline = sc->deadline,
			.sched_period = sc->period,
		};

		s = plan_add(p, PLAN_SCHEDULER);
		s->num[0] = a.sched_policy;
		plan_blob(p, s, &a, sizeof(a));
	}
	if (process->io_priority && early == host_side) {
		s = plan_add(p, PLAN_IOPRIO);
		s->num[0] = (uint64_t)process->io_priority->class << 13 |
			    (uint64_t)process->io_priority->priority;
	}
	return 0;
}

static size_t key_len(const char *entry)
{
	return (size_t)(strchrnul(entry, '=') - entry);
}

static bool overridden(const char *const *env, size_t n, size_t at)
{
	size_t len = key_len(env[at]);

	for (size_t i = at + 1; i < n; i++)
		if (key_len(env[i]) == len && memcmp(env[i], env[at], len) == 0)
			return true;
	return false;
}

int compile_lookup(struct plan *p, const struct spec_process *process, const char *extra)
{
	struct plan_step *s = plan_add(p, PLAN_LOOKUP);
	uint64_t n = 0;
	uint32_t first = 0;

	s->flags = PLAN_F_SET_HOME;
	s->str[1] = plan_strs(p, process->args, process->n_args);
	s->num[0] = process->n_args;
	s->num[2] = process->user.uid;
	/* Of duplicate names the last one counts, and programs must not see the others. */
	for (size_t i = 0; i < process->n_env; i++) {
		uint32_t at;

		if (overridden(process->env, process->n_env, i))
			continue;
		if (str_eq(process->env[i], "HOME=")) /* as good as none: the user's is taken */
			continue;
		at = plan_str(p, process->env[i]);
		first = n++ ? first : at;
	}
	if (extra) {
		uint32_t at = plan_str(p, extra);

		first = n++ ? first : at;
		at = plan_str(p, "LISTEN_PID=1");
		n++;
		(void)at;
	}
	s->str[2] = first;
	s->num[1] = n;
	return 0;
}

static void add_filter(struct plan *p, const struct compile_filter *filter)
{
	struct plan_step *s = plan_add(p, PLAN_SECCOMP);

	s->num[0] = filter->flags;
	plan_blob(p, s, filter->program, filter->size);
}

/* All that is asked for is there to be given. */
static bool holds(const struct self_status *self, const struct plan_caps *c)
{
	return !(c->permitted & ~self->permitted) && !(c->effective & ~c->permitted) &&
	       !(c->inheritable & ~self->permitted) &&
	       !(c->ambient & ~(c->permitted & c->inheritable));
}

void compile_final(struct plan *p, const struct spec *spec, const struct spec_process *process,
	const struct compile_filter *filter, const struct self_status *self, unsigned preserve_fds)
{
	struct plan_caps caps = caps_of(process, &p->unknown_cap);
	struct plan_step *s;

	p->lost_ambient = caps.ambient & ~(caps.permitted & caps.inheritable);
	if (filter_needs_privilege(process, filter))
		add_filter(p, filter);
	s = plan_add(p, PLAN_CAPS);
	s->flags = begins_as(self, spec) && holds(self, &caps) ? PLAN_F_HELD : 0;
	plan_blob(p, s, &caps, sizeof(caps));
	if (process->no_new_privileges)
		plan_add(p, PLAN_NNP);
	if (filter->size && !filter_needs_privilege(process, filter))
		add_filter(p, filter);
	s = plan_add(p, PLAN_EXEC);
	s->num[0] = preserve_fds;
}

bool compile_cgroupns_is_late(const struct spec *spec)
{
	if (!spec_namespace_find(spec, SPEC_NS_CGROUP))
		return false;
	return spec_namespace_is_new(spec, SPEC_NS_CGROUP) ||
	       !spec_namespace_is_new(spec, SPEC_NS_USER);
}

static int32_t add_open(struct plan *p, const char *path, int flags)
{
	int32_t slot = plan_slot(p, -1);
	struct plan_step *s = plan_add(p, PLAN_OPEN);

	s->str[0] = plan_str(p, path);
	s->num[0] = (uint64_t)flags;
	s->fd[0] = slot;
	return slot;
}

void compile_cgroup_open(struct plan *p, const struct compile_cgroup *cg, bool watched,
	struct compile_cgroup_slots *ret)
{
	const struct cgroup_entry *entry = cg->entry;
	char path[4096];

	*ret = (struct compile_cgroup_slots){ .dir = PLAN_SLOT_NONE };
	for (size_t i = 0; i < cg->n_tasks_dirs && i < COMPILE_TASKS_MAX; i++) {
		if (entry && i < entry->n_tasks) {
			ret->tasks[i] = plan_slot(p, entry->tasks[i]);
			continue;
		}
		snprintf(path, sizeof(path), "%s/tasks", cg->tasks_dirs[i]);
		ret->tasks[i] = add_open(p, path, O_WRONLY);
	}
	if (!cg->clone_dir)
		return;
	if (entry && entry->dir >= 0) {
		ret->procs = plan_slot(p, entry->procs);
		ret->dir = plan_slot(p, entry->dir);
		return;
	}
	/*
	 * The new process has a copy of each until it closes them, and a member of the pid namespace with CAP_SYS_PTRACE
	 * may be faster. By a directory it would climb to the host's root, so it gets one from which no path leads up, and
	 * the file to write to (a full cgroup takes no fork) apart.
	 */
	if (watched) {
		snprintf(path, sizeof(path), "%s/cgroup.procs", cg->clone_dir);
		ret->procs = add_open(p, path, O_WRONLY);
	}
	ret->dir = add_open(p, cg->clone_dir, O_PATH | O_DIRECTORY);
	p->steps[p->n_steps - 1].flags = watched ? PLAN_F_ALONE : 0;
}

void compile_cgroup_enter(
	struct plan *p, const struct compile_cgroup *cg, const struct compile_cgroup_slots *slots)
{
	for (size_t i = 0; i < cg->n_tasks_dirs && i < COMPILE_TASKS_MAX; i++) {
		struct plan_step *s = plan_add(p, PLAN_WRITE_SLOT);

		/* A thread that moves itself does not wait for the grace period that a move by another does. */
		s->fd[0] = slots->tasks[i];
		plan_blob(p, s, "0", 1);
	}
}
